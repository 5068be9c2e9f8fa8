//! What the registry stores, and when two of them are the same.

use crate::core::registry::id::EntryId;
use crate::infra::transcoder::{Map, Value};

/// One definition of an application: a process, a host, a service, a library.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// `namespace:name`.
    pub id: EntryId,
    /// Dotted kind, for example `process.lua`.
    pub kind: String,
    /// What is known about it beside what its kind asks for; what queries look at.
    pub meta: Map,
    /// Normally a map; what the kind's listener decodes.
    pub data: Value,
}

impl Entry {
    /// The strings under `meta.groups`: the groups this entry belongs to.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        let groups = self.meta.get("groups");
        let one = groups.and_then(Value::as_str);
        let many = groups.and_then(Value::as_list).unwrap_or_default();
        one.into_iter().chain(many.iter().filter_map(Value::as_str))
    }

    /// Same kind, meta and data. Numbers compare by value and the order of keys does not count.
    pub fn same_content(&self, other: &Entry) -> bool {
        self.kind == other.kind
            && same_map(&self.meta, &other.meta)
            && same_value(&self.data, &other.data)
    }
}

/// The shape events and Lua see: `{id, kind, meta, data}`.
impl From<&Entry> for Value {
    fn from(entry: &Entry) -> Value {
        Value::from([
            ("id", Value::Str(entry.id.to_string())),
            ("kind", Value::from(entry.kind.as_str())),
            ("meta", Value::Map(entry.meta.clone())),
            ("data", entry.data.clone()),
        ])
    }
}

/// Deep equality where `1` equals `1.0`: what Lua wrote and what a file wrote are the same number.
pub(super) fn same_value(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Int(n), Value::Float(x)) | (Value::Float(x), Value::Int(n)) => *n as f64 == *x,
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_value(a, b))
        }
        (Value::Map(a), Value::Map(b)) => same_map(a, b),
        _ => a == b,
    }
}

fn same_map(a: &Map, b: &Map) -> bool {
    a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same_value(a, b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(a: Value, b: Value, same: bool) {
        assert_eq!(same_value(&a, &b), same, "{a:?} and {b:?}");
        assert_eq!(same_value(&b, &a), same, "{b:?} and {a:?}");
    }

    #[test]
    fn numbers_compare_by_value_and_keys_in_any_order() {
        check(1.into(), 1.0.into(), true);
        check(1.into(), 1.5.into(), false);
        check(1.into(), "1".into(), false);
        check(Value::List(vec![1.into(), 2.into()]), Value::List(vec![1.0.into(), 2.into()]), true);
        check(Value::List(vec![1.into()]), Value::List(vec![1.into(), 2.into()]), false);
        let ab = Value::from([("a", 1.into()), ("b", true.into())]);
        check(ab.clone(), Value::from([("b", true.into()), ("a", 1.0.into())]), true);
        check(ab, Value::from([("b", true.into()), ("c", 1.into())]), false);
    }

    #[test]
    fn groups_are_a_string_or_a_list() {
        let mut entry = Entry {
            id: EntryId::parse("a:b"),
            kind: "k".into(),
            meta: Map::new(),
            data: Value::Nil,
        };
        assert_eq!(entry.groups().count(), 0);
        entry.meta.insert("groups".into(), "one".into());
        assert_eq!(entry.groups().collect::<Vec<_>>(), ["one"]);
        let list = Value::List(vec!["x".into(), 3.into(), "y".into()]);
        entry.meta.insert("groups".into(), list);
        assert_eq!(entry.groups().collect::<Vec<_>>(), ["x", "y"]);
    }
}
