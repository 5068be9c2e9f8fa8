//! The services behind an entry: those it refers to, and through entries that are no service, those
//! that these refer to (router → function → database). Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::core::registry::{Entry, EntryId, Snapshot};

/// Services in order of id, each with those behind it.
pub(super) type Behind = BTreeMap<EntryId, Vec<EntryId>>;

/// What is behind each of `services`. The walk goes around cycles; a service that finds itself does
/// not depend on itself for that.
pub(super) fn behind(snapshot: &Snapshot, services: &BTreeSet<EntryId>) -> Behind {
    let mut walk = Walk { snapshot, referenced: BTreeMap::new() };
    services.iter().map(|id| (id.clone(), walk.from(id, services))).collect()
}

struct Walk<'a> {
    snapshot: &'a Snapshot,
    /// Services tend to stand on the same entries: each is looked into once.
    referenced: BTreeMap<EntryId, Vec<Arc<Entry>>>,
}

impl Walk<'_> {
    fn from(&mut self, service: &EntryId, services: &BTreeSet<EntryId>) -> Vec<EntryId> {
        let mut found = Vec::new();
        let mut seen = BTreeSet::from([service.clone()]);
        let mut open = self.referenced_by(service).to_vec();
        while let Some(entry) = open.pop() {
            if !seen.insert(entry.id.clone()) {
                continue;
            }
            match services.contains(&entry.id) {
                true => found.push(entry.id.clone()),
                false => open.extend_from_slice(self.referenced_by(&entry.id)),
            }
        }
        found.sort();
        found
    }

    fn referenced_by(&mut self, id: &EntryId) -> &[Arc<Entry>] {
        let snapshot = self.snapshot;
        self.referenced.entry(id.clone()).or_insert_with(|| {
            snapshot.get(id).map(|entry| snapshot.referenced_by(&entry)).unwrap_or_default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::{Registry, Settings};
    use crate::infra::transcoder::{Map, Value};

    /// `"web: router db"`: `app:web` refers to `app:router` and `app:db`; a leading `*` makes it a
    /// service. `group:g` and `ns:app` are references as they are; `@g` puts it into a group.
    fn entry(text: &str) -> (Entry, bool) {
        let (name, rest) = text.split_once(':').unwrap_or((text, ""));
        let list = |words: Vec<&str>| Value::List(words.into_iter().map(Value::from).collect());
        let (groups, needs): (Vec<&str>, Vec<&str>) =
            rest.split_whitespace().partition(|word| word.starts_with('@'));
        let groups = groups.into_iter().map(|group| &group[1..]).collect();
        let meta = Map::from_iter([
            ("depends_on".to_owned(), list(needs)),
            ("groups".to_owned(), list(groups)),
        ]);
        let id = EntryId::new("app", name.trim_start_matches('*'));
        let entry = Entry { id, kind: "registry.entry".into(), meta, data: Value::Nil };
        (entry, name.starts_with('*'))
    }

    /// `expected`: `"web: db log, db:"`, only services.
    #[track_caller]
    fn check(entries: &[&str], expected: &str) {
        let entries: Vec<(Entry, bool)> = entries.iter().map(|text| entry(text)).collect();
        let services: BTreeSet<EntryId> =
            entries.iter().filter(|(_, is)| *is).map(|(entry, _)| entry.id.clone()).collect();
        let registry = Registry::new(Settings::default());
        registry.load(entries.into_iter().map(|(entry, _)| entry).collect()).expect("loads");
        let found = behind(&registry.snapshot(), &services);
        let texts = found.iter().map(|(id, behind)| {
            let names: Vec<&str> = behind.iter().map(EntryId::name).collect();
            format!("{}: {}", id.name(), names.join(" ")).trim_end().to_owned()
        });
        assert_eq!(texts.collect::<Vec<_>>().join(", "), expected);
    }

    #[test]
    fn references_are_followed_through_what_is_no_service() {
        check(&["*db", "*web: db"], "db:, web: db");
        check(&["*db", "function: db", "router: function", "*web: router"], "db:, web: db");
        // Not through services: those have their own.
        check(&["*db", "*api: db", "*web: api"], "api: db, db:, web: api");
        check(&["*web: nobody other:thing"], "web:");
        check(&["*a", "*b", "f: a b", "g: b", "*web: f g b"], "a:, b:, web: a b");
    }

    #[test]
    fn groups_and_namespaces_are_all_their_members() {
        check(&["*a: @g", "f: @g b", "*b", "*web: group:g"], "a:, b:, web: a b");
        check(&["*a", "*web: ns:app"], "a:, web: a");
    }

    #[test]
    fn circles_end() {
        check(&["f: g", "g: f db web", "*db", "*web: f"], "db:, web: db");
        check(&["*a: f", "f: a"], "a:");
        // Between services they stay: the order finds them.
        check(&["*a: b", "*b: a"], "a: b, b: a");
    }
}
