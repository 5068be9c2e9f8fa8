//! Entries for the tests of this folder.

use crate::core::registry::entry::Entry;
use crate::core::registry::id::EntryId;
use crate::infra::transcoder::{Map, Value};

pub(super) fn entry(id: &str, kind: &str) -> Entry {
    Entry { id: EntryId::parse(id), kind: kind.to_owned(), meta: Map::new(), data: Value::Nil }
}

/// An entry of kind `k` with these under `meta.depends_on`.
pub(super) fn depending(id: &str, on: &[&str]) -> Entry {
    let mut entry = entry(id, "k");
    if !on.is_empty() {
        let list = on.iter().copied().map(Value::from).collect();
        entry.meta.insert("depends_on".to_owned(), Value::List(list));
    }
    entry
}

pub(super) fn grouped(id: &str, group: &str) -> Entry {
    let mut entry = entry(id, "k");
    entry.meta.insert("groups".to_owned(), group.into());
    entry
}
