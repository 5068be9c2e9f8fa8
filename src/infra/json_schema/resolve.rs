//! Which place of a schema document a reference means. Pure.

use std::collections::HashMap;

use crate::infra::transcoder::Value;

/// A place in a document: keys and indices from the root.
pub(super) type Pointer = Vec<String>;

/// Keywords whose value is a schema, a list of schemas, or a map of schemas.
const ONE: &[&str] = &[
    "not",
    "if",
    "then",
    "else",
    "items",
    "contains",
    "propertyNames",
    "additionalProperties",
    "unevaluatedItems",
    "unevaluatedProperties",
];
const LISTS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
const MAPS: &[&str] =
    &["properties", "patternProperties", "dependentSchemas", "$defs", "definitions"];

/// What the document says of its parts.
#[derive(Default)]
pub(super) struct Places {
    /// The schema resources: URI and where each begins. The root comes first.
    pub(super) resources: Vec<(String, Pointer)>,
    /// Resource and name -> place; the flag says that the anchor is dynamic.
    pub(super) anchors: HashMap<(usize, String), (Pointer, bool)>,
}

impl Places {
    pub(super) fn of(root: &Value) -> Places {
        let mut places = Places::default();
        places.resources.push((String::new(), Vec::new()));
        places.visit(root, &mut Vec::new(), 0);
        places
    }

    fn visit(&mut self, schema: &Value, at: &mut Pointer, mut resource: usize) {
        let Some(map) = schema.as_map() else { return };
        if let Some(id) = map.get("$id").and_then(Value::as_str) {
            let uri = join(&self.resources[resource].0, id.split('#').next().unwrap_or_default());
            match at.is_empty() {
                true => self.resources[0].0 = uri,
                false => {
                    resource = self.resources.len();
                    self.resources.push((uri, at.clone()));
                }
            }
        }
        for (keyword, dynamic) in [("$anchor", false), ("$dynamicAnchor", true)] {
            if let Some(name) = map.get(keyword).and_then(Value::as_str) {
                self.anchors.insert((resource, name.to_owned()), (at.clone(), dynamic));
            }
        }
        for (key, value) in map {
            at.push(key.clone());
            match value {
                _ if ONE.contains(&key.as_str()) => self.visit(value, at, resource),
                Value::List(items) if LISTS.contains(&key.as_str()) => {
                    for (n, item) in items.iter().enumerate() {
                        at.push(n.to_string());
                        self.visit(item, at, resource);
                        at.pop();
                    }
                }
                Value::Map(schemas) if MAPS.contains(&key.as_str()) => {
                    for (name, item) in schemas {
                        at.push(name.clone());
                        self.visit(item, at, resource);
                        at.pop();
                    }
                }
                _ => (),
            }
            at.pop();
        }
    }

    /// The innermost resource around a place.
    pub(super) fn resource_of(&self, at: &[String]) -> usize {
        let around =
            self.resources.iter().enumerate().filter(|(_, (_, begin))| at.starts_with(begin));
        around.max_by_key(|(_, (_, begin))| begin.len()).map_or(0, |(n, _)| n)
    }

    /// The place that `reference`, written in `resource`, means, and the dynamic anchor it names.
    pub(super) fn resolve(
        &self,
        reference: &str,
        resource: usize,
    ) -> Option<(Pointer, Option<String>)> {
        let (uri, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let resource = match uri {
            "" => resource,
            uri => {
                let uri = join(&self.resources[resource].0, uri);
                self.resources.iter().position(|(known, _)| *known == uri)?
            }
        };
        let begin = &self.resources[resource].1;
        let fragment = unescape_percent(fragment);
        if fragment.is_empty() {
            return Some((begin.clone(), None));
        }
        if let Some(path) = fragment.strip_prefix('/') {
            let steps = path.split('/').map(|step| step.replace("~1", "/").replace("~0", "~"));
            return Some((begin.iter().cloned().chain(steps).collect(), None));
        }
        let (at, dynamic) = self.anchors.get(&(resource, fragment.clone()))?;
        Some((at.clone(), dynamic.then_some(fragment)))
    }
}

/// The value at a place.
pub(super) fn value_at<'a>(root: &'a Value, at: &[String]) -> Option<&'a Value> {
    at.iter().try_fold(root, |value, step| match value {
        Value::Map(map) => map.get(step),
        Value::List(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// A reference to another document, seen from `base`: as much of RFC 3986 as identifiers need.
fn join(base: &str, reference: &str) -> String {
    let scheme_len = |uri: &str| {
        let len = uri.find(':')?;
        let is_scheme = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        (len > 0 && uri[..len].chars().all(is_scheme)).then_some(len)
    };
    if reference.is_empty() {
        return base.to_owned();
    }
    let Some(scheme) = scheme_len(base).filter(|_| scheme_len(reference).is_none()) else {
        return match scheme_len(reference).is_some() || base.is_empty() {
            true => reference.to_owned(),
            false => format!("{}{reference}", &base[..base.rfind('/').map_or(0, |at| at + 1)]),
        };
    };
    let after_scheme = scheme + 1;
    let path_at = match base[after_scheme..].strip_prefix("//") {
        Some(rest) => rest.find('/').map_or(base.len(), |at| after_scheme + 2 + at),
        None => after_scheme,
    };
    if reference.starts_with("//") {
        return format!("{}{reference}", &base[..after_scheme]);
    }
    if reference.starts_with('/') {
        return format!("{}{reference}", &base[..path_at]);
    }
    let folder = base[path_at..].rfind('/').map_or(path_at, |at| path_at + at + 1);
    let slash = if folder == base.len() && path_at == base.len() { "/" } else { "" };
    let mut path: Vec<&str> = Vec::new();
    let joined = format!("{}{slash}{reference}", &base[path_at..folder]);
    for step in joined.split('/') {
        match step {
            "." => (),
            ".." if path.len() > 1 => drop(path.pop()),
            ".." => (),
            step => path.push(step),
        }
    }
    format!("{}{}", &base[..path_at], path.join("/"))
}

fn unescape_percent(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| first == b'%') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_seen_from_a_base() {
        for (base, reference, expect) in [
            ("", "a.json", "a.json"),
            ("http://x/a/b", "c", "http://x/a/c"),
            ("http://x/a/b", "../c", "http://x/c"),
            ("http://x/a/b", "/c", "http://x/c"),
            ("http://x", "c", "http://x/c"),
            ("http://x/a", "//y/c", "http://y/c"),
            ("http://x/a", "urn:b", "urn:b"),
            ("a/b", "c", "a/c"),
            ("http://x/a", "", "http://x/a"),
        ] {
            assert_eq!(join(base, reference), expect, "{reference} in {base}");
        }
        assert_eq!(unescape_percent("a%25b%7e%"), "a%b~%");
    }
}
