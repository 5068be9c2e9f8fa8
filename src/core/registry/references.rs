//! Which other entries an entry names: `meta.depends_on` and the strings at [`PATHS`].
//!
//! A reference is `name` (own namespace), `ns:name`, `group:<g>` (every entry that lists `g` in
//! `meta.groups`) or `ns:<namespace>` (every entry of it; the prefix never means a namespace
//! called `ns`). Whether anything of that name exists is for the caller: a string naming no entry
//! means nothing.

use crate::core::registry::entry::Entry;
use crate::infra::transcoder::{Map, Value};

/// Where references are written. `*` is any key or list item, `*_env` any key with that ending; at
/// the end of a path stands a string or a list of strings.
///
/// `meta.depends_on` is among them, so this is the whole rule.
#[rustfmt::skip]
static PATHS: [&str; 41] = [
    "meta.parent", "meta.depends_on", "meta.groups", "meta.server", "meta.router", "meta.*_env",
    "meta.temporal.activity.worker", "meta.temporal.workflow.worker",
    "data.config", "data.groups", "data.imports.*", "data.*.depends_on",
    "data.lifecycle.requires", "data.lifecycle.depends_on",
    "data.host", "data.process", "data.func", "data.fs", "data.env", "data.*_env",
    "data.server", "data.middleware", "data.post_middleware", "data.network", "data.tls.*_env",
    "data.driver", "data.queue", "data.dead_letter.queue",
    "data.storage", "data.storages", "data.store", "data.bucket", "data.set", "data.token_store",
    "data.security.policies", "data.security.groups", "data.security.token_store",
    "data.lifecycle.security.policies", "data.lifecycle.security.groups",
    "data.contracts.*.contract", "data.contracts.*.methods.*",
];

/// One reference, borrowed from the entry that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Reference<'a> {
    Entry { ns: &'a str, name: &'a str },
    Group(&'a str),
    Namespace(&'a str),
}

impl<'a> Reference<'a> {
    fn parse(text: &'a str, own_ns: &'a str) -> Reference<'a> {
        match text.split_once(':') {
            Some(("group", group)) => Reference::Group(group),
            Some(("ns", ns)) => Reference::Namespace(ns),
            Some((ns, name)) => Reference::Entry { ns, name },
            None => Reference::Entry { ns: own_ns, name: text },
        }
    }
}

/// Every reference of `entry`, sorted, each once.
pub(super) fn references(entry: &Entry) -> Vec<Reference<'_>> {
    let mut texts = Vec::new();
    for path in PATHS {
        match path.split_once('.') {
            Some(("meta", rest)) => walk_map(&entry.meta, rest, &mut texts),
            Some((_, rest)) => walk(&entry.data, rest, &mut texts),
            None => (),
        }
    }
    let own_ns = entry.id.ns();
    let mut found: Vec<_> = texts.into_iter().map(|t| Reference::parse(t, own_ns)).collect();
    found.sort_unstable();
    found.dedup();
    found
}

fn walk<'a>(value: &'a Value, path: &str, texts: &mut Vec<&'a str>) {
    match value {
        Value::Map(map) => walk_map(map, path, texts),
        Value::List(items) => {
            let (segment, rest) = split(path);
            if segment == "*" {
                items.iter().for_each(|item| step(item, rest, texts));
            }
        }
        _ => (),
    }
}

fn walk_map<'a>(map: &'a Map, path: &str, texts: &mut Vec<&'a str>) {
    let (segment, rest) = split(path);
    match segment.strip_prefix('*') {
        None => {
            if let Some(value) = map.get(segment) {
                step(value, rest, texts);
            }
        }
        Some(ending) => {
            for (_, value) in map.iter().filter(|(key, _)| key.ends_with(ending)) {
                step(value, rest, texts);
            }
        }
    }
}

fn step<'a>(value: &'a Value, rest: Option<&str>, texts: &mut Vec<&'a str>) {
    match (rest, value) {
        (Some(rest), _) => walk(value, rest, texts),
        (None, Value::Str(text)) => texts.push(text),
        (None, Value::List(items)) => texts.extend(items.iter().filter_map(Value::as_str)),
        (None, _) => (),
    }
}

fn split(path: &str) -> (&str, Option<&str>) {
    match path.split_once('.') {
        Some((segment, rest)) => (segment, Some(rest)),
        None => (path, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::testing::entry;

    /// An entry `app:x` with `value` at `path`.
    fn at(path: &str, value: Value) -> Entry {
        let mut keys: Vec<&str> = path.split('.').collect();
        let root = keys.remove(0);
        let value = keys.iter().rev().fold(value, |inner, key| Value::from([(*key, inner)]));
        let mut entry = entry("app:x", "k");
        match (root, value) {
            ("meta", Value::Map(map)) => entry.meta = map,
            (_, value) => entry.data = value,
        }
        entry
    }

    #[track_caller]
    fn check(path: &str, value: Value, expect: &[Reference<'_>]) {
        assert_eq!(references(&at(path, value)), expect, "{path}");
    }

    #[test]
    fn every_registered_path_is_read() {
        for path in PATHS {
            let path = path.replace('*', "some");
            check(&path, "db".into(), &[Reference::Entry { ns: "app", name: "db" }]);
        }
        assert!(PATHS.iter().all(|path| path.starts_with("meta.") || path.starts_with("data.")));
    }

    #[test]
    fn other_places_are_not() {
        for path in ["meta.comment", "data.source", "data.hosts", "data.a.b.depends_on"] {
            check(path, "db".into(), &[]);
        }
        check("data.host", 3.into(), &[]);
        check("data.host.name", "db".into(), &[]);
    }

    #[test]
    fn four_forms() {
        let list = ["db", "other:db", "group:stores", "ns:lib", "a:b:c"];
        let list = Value::List(list.map(Value::from).to_vec());
        check(
            "meta.depends_on",
            list,
            &[
                Reference::Entry { ns: "a", name: "b:c" },
                Reference::Entry { ns: "app", name: "db" },
                Reference::Entry { ns: "other", name: "db" },
                Reference::Group("stores"),
                Reference::Namespace("lib"),
            ],
        );
    }

    #[test]
    fn a_star_is_any_key_or_list_item() {
        let contract = |id: &str| Value::from([("contract", id.into())]);
        let expect = [Reference::Entry { ns: "c", name: "one" }];
        check("data.contracts", Value::List(vec![contract("c:one"), 3.into()]), &expect);
        check("data.contracts", Value::from([("main", contract("c:one"))]), &expect);
        check("data.contracts", contract("c:one"), &[]);
    }
}
