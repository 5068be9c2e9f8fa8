//! Finder: looks entries up and searches them.

use std::sync::Arc;

use crate::core::registry::{Entry, EntryId, Query, Registry};
use crate::infra::app_context::Key;
use crate::infra::nearest::nearest;
use crate::infra::transcoder::Map;

pub struct Finder {
    registry: Arc<Registry>,
}

impl Finder {
    pub const KEY: Key<Finder> = Key::new("finder");

    pub fn new(registry: Arc<Registry>) -> Finder {
        Finder { registry }
    }

    pub fn get(&self, id: &EntryId) -> Option<Arc<Entry>> {
        self.registry.get(id).ok()
    }

    /// All entries of a kind, by id.
    pub fn of_kind(&self, kind: &str) -> Vec<Arc<Entry>> {
        let query = Map::from_iter([(".kind".to_owned(), kind.into())]);
        let mut found = self.registry.find(&Query::parse(&query).0);
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found
    }

    /// The id closest to `wanted` among entries whose kind `suits`.
    pub fn nearest(&self, wanted: &str, suits: impl Fn(&str) -> bool) -> Option<String> {
        let snapshot = self.registry.snapshot();
        let ids: Vec<String> =
            snapshot.entries().filter(|e| suits(&e.kind)).map(|e| e.id.to_string()).collect();
        nearest(wanted, ids.iter().map(String::as_str))
    }
}
