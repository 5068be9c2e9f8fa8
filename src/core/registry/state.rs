//! The entries at one moment: a map that is cheap to copy and to change a little.
//!
//! Two levels, namespace then name, both sorted. A copy shares every namespace; a change copies
//! the namespaces it touches and no others. So an apply costs about what it changes, and whoever
//! holds an older copy keeps it unchanged, without a lock.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::registry::changeset::Change;
use crate::core::registry::entry::Entry;
use crate::core::registry::id::EntryId;

type Namespace = BTreeMap<Arc<str>, Arc<Entry>>;

#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct State {
    /// No namespace in it is empty.
    namespaces: BTreeMap<Arc<str>, Arc<Namespace>>,
}

impl State {
    pub(super) fn get(&self, id: &EntryId) -> Option<&Arc<Entry>> {
        self.namespaces.get(id.ns())?.get(id.name())
    }

    pub(super) fn len(&self) -> usize {
        self.namespaces.values().map(|ns| ns.len()).sum()
    }

    /// All entries, by namespace, then name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.namespaces.values().flat_map(|ns| ns.values())
    }

    pub(super) fn namespace(&self, ns: &str) -> impl Iterator<Item = &Arc<Entry>> {
        self.namespaces.get(ns).into_iter().flat_map(|ns| ns.values())
    }

    /// Sets an entry and returns the one it replaced.
    pub(super) fn set(&mut self, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        let (ns, name) = entry.id.parts();
        let (ns, name) = (ns.clone(), name.clone());
        Arc::make_mut(self.namespaces.entry(ns).or_default()).insert(name, entry)
    }

    pub(super) fn remove(&mut self, id: &EntryId) {
        let Some(ns) = self.namespaces.get_mut(id.ns()) else { return };
        if ns.contains_key(id.name()) {
            Arc::make_mut(ns).remove(id.name());
        }
        if ns.is_empty() {
            self.namespaces.remove(id.ns());
        }
    }

    /// Creates and updates set, deletes remove; nothing is checked.
    pub(super) fn overlay(&mut self, change: &Change) {
        match change {
            Change::Create(entry) | Change::Update { new: entry, .. } => {
                self.set(entry.clone());
            }
            Change::Delete(entry) => self.remove(&entry.id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::testing::entry;

    #[test]
    fn a_copy_does_not_see_later_changes() {
        let mut state = State::default();
        state.set(entry("b:y", "k").into());
        state.set(entry("a:x", "k").into());
        let copy = state.clone();
        state.remove(&EntryId::parse("a:x"));
        state.set(entry("b:z", "k").into());
        let ids = |state: &State| state.iter().map(|e| e.id.to_string()).collect::<Vec<_>>();
        assert_eq!(ids(&copy), ["a:x", "b:y"]);
        assert_eq!(ids(&state), ["b:y", "b:z"]);
        assert_eq!((copy.len(), state.namespace("a").count()), (2, 0));
    }

    #[test]
    fn removing_the_last_entry_leaves_nothing() {
        let mut state = State::default();
        state.set(entry("a:x", "k").into());
        state.remove(&EntryId::parse("a:y"));
        assert_eq!(state.len(), 1);
        state.remove(&EntryId::parse("a:x"));
        assert_eq!(state, State::default());
    }
}
