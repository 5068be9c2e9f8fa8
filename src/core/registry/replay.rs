//! The entries at a version, where modules come and go with entries that changed; pure but for the
//! expansion, which may read files.
//!
//! The history has what was asked for and not what followed from it, so that is found out anew:
//!
//! 1. The changes from the root to the version are laid over the entries of the files.
//! 2. The expansion is asked what follows from the difference, once, whatever happened in between: a
//!    module that is gone from disk matters only while something needs it.
//! 3. What was changed of entries that only follow is laid over that, as far as they are there.
//!
//! What an expansion made of an entry that somebody had changed is in the history, as the last of its
//! changes: so the entries are those that a running registry has.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::expansion::Expansion;
use crate::core::registry::apply::Failure;
use crate::core::registry::changeset::{Change, Operation};
use crate::core::registry::entry::Entry;
use crate::core::registry::id::EntryId;
use crate::core::registry::snapshot::Snapshot;
use crate::core::registry::state::State;
use crate::core::registry::version::Version;

/// The way from the root to a version, change by change.
pub(super) struct Replay<'a> {
    /// None: nothing follows.
    expansion: Option<&'a dyn Expansion>,
    files: State,
    wanted: State,
    /// What became of entries that nobody created: a new content, or none.
    edits: BTreeMap<EntryId, Option<Arc<Entry>>>,
    is_changed: bool,
}

impl<'a> Replay<'a> {
    pub(super) fn new(expansion: Option<&'a dyn Expansion>, files: State) -> Replay<'a> {
        let wanted = files.clone();
        Replay { expansion, files, wanted, edits: BTreeMap::new(), is_changed: false }
    }

    pub(super) fn overlay(&mut self, change: &Change) {
        self.is_changed = true;
        let entry = change.entry();
        if self.edits.contains_key(&entry.id) || self.only_follows(change) {
            let is_deleted = matches!(change, Change::Delete(_));
            self.edits.insert(entry.id.clone(), (!is_deleted).then(|| entry.clone()));
        } else {
            self.wanted.overlay(change);
        }
    }

    fn only_follows(&self, change: &Change) -> bool {
        let entry = change.entry();
        let is_created = matches!(change, Change::Create(_));
        let owns = |expansion: &dyn Expansion| expansion.owns(entry);
        self.wanted.get(&entry.id).is_none() && !is_created && self.expansion.is_some_and(owns)
    }

    /// Entries that only follow, and were changed.
    pub(super) fn edited(&self) -> impl Iterator<Item = &EntryId> {
        self.edits.keys()
    }

    /// The entries there. The failure is that of the expansion.
    pub(super) fn finish(self) -> Result<State, Failure> {
        let mut wanted = self.wanted;
        let Some(expansion) = self.expansion.filter(|_| self.is_changed) else {
            return Ok(wanted);
        };
        let operations = delta(&self.files, &wanted);
        let before = Snapshot { state: self.files, version: Version::ROOT };
        let added = ask(expansion, &before, &operations)?;
        // An entry that changes its kind goes and comes.
        let is_delete = |operation: &&Operation| operation.entry().is_none();
        added.iter().filter(is_delete).for_each(|operation| wanted.remove(operation.id()));
        for entry in added.iter().filter_map(Operation::entry) {
            wanted.set(entry.clone());
        }
        for (id, edit) in self.edits {
            match edit {
                Some(entry) if wanted.get(&id).is_some() => _ = wanted.set(entry),
                Some(_) => (),
                None => wanted.remove(&id),
            }
        }
        Ok(wanted)
    }
}

/// What follows from `operations`.
pub(super) fn ask(
    expansion: &dyn Expansion,
    before: &Snapshot,
    operations: &[Operation],
) -> Result<Vec<Operation>, Failure> {
    let added = expansion.expand(before, operations);
    added.map_err(|cause| Failure::early("failed to expand changeset", cause))
}

/// What turns `from` into `to`.
pub(super) fn delta(from: &State, to: &State) -> Vec<Operation> {
    let gone = from.iter().filter(|old| to.get(&old.id).is_none());
    let mut operations: Vec<_> = gone.map(|old| Operation::Delete(old.id.clone())).collect();
    for new in to.iter() {
        match from.get(&new.id) {
            Some(old) if Arc::ptr_eq(old, new) || old.same_content(new) => (),
            Some(old) if old.kind == new.kind => operations.push(Operation::Update(new.clone())),
            old => {
                operations.extend(old.map(|old| Operation::Delete(old.id.clone())));
                operations.push(Operation::Create(new.clone()));
            }
        }
    }
    operations
}
