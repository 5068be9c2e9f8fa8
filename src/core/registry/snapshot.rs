//! The entries at one version, for readers.

use std::sync::Arc;

use crate::core::registry::entry::Entry;
use crate::core::registry::id::EntryId;
use crate::core::registry::query::Query;
use crate::core::registry::references::{Reference, references};
use crate::core::registry::state::State;
use crate::core::registry::version::Version;

/// All entries at one moment and the version they make up. Never changes; reads take no lock.
#[derive(Clone, Debug)]
pub struct Snapshot {
    pub(super) state: State,
    pub(super) version: Version,
}

impl Snapshot {
    pub fn version(&self) -> Version {
        self.version
    }

    pub fn get(&self, id: &EntryId) -> Option<Arc<Entry>> {
        self.state.get(id).cloned()
    }

    pub fn len(&self) -> usize {
        self.state.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All entries, sorted by id.
    pub fn entries(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.state.iter()
    }

    /// The entries of exactly this namespace, sorted by name.
    pub fn namespace(&self, ns: &str) -> impl Iterator<Item = &Arc<Entry>> {
        self.state.namespace(ns)
    }

    /// The entries that `entry` refers to, sorted by id, each once. Strings that name no entry mean
    /// nothing. A reference to a group looks at every entry.
    pub fn referenced_by(&self, entry: &Entry) -> Vec<Arc<Entry>> {
        let mut found = Vec::new();
        for reference in references(entry) {
            match reference {
                Reference::Entry { ns, name } => found.extend(self.get(&EntryId::new(ns, name))),
                Reference::Namespace(ns) => found.extend(self.namespace(ns).cloned()),
                Reference::Group(group) => {
                    let is_member = |entry: &&Arc<Entry>| entry.groups().any(|g| g == group);
                    found.extend(self.entries().filter(is_member).cloned());
                }
            }
        }
        found.sort_by(|a, b| a.id.cmp(&b.id));
        found.dedup_by(|a, b| a.id == b.id);
        found
    }

    /// The entries for which every condition holds, sorted by id. Looks at all entries, unless the
    /// query names a namespace or an id.
    pub fn find(&self, query: &Query) -> Vec<Arc<Entry>> {
        let matching = |entry: &&Arc<Entry>| query.matches(entry);
        match (query.id(), query.namespace()) {
            (Some(id), _) => self.state.get(&id).into_iter().filter(matching).cloned().collect(),
            (None, Some(ns)) => self.namespace(ns).filter(matching).cloned().collect(),
            (None, None) => self.entries().filter(matching).cloned().collect(),
        }
    }
}
