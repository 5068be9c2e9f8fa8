//! What somebody asks of the registry ([`Operation`], [`Changeset`]), what happened ([`Change`]).
//!
//! An operation names only the new entry. Once accepted it becomes a change, which also keeps the
//! entry that was there before, so that it can be undone: by a rollback now or by going back to an
//! older version later.

use std::sync::Arc;

use crate::core::registry::entry::Entry;
use crate::core::registry::id::EntryId;

pub(super) const CREATE: &str = "entry.create";
pub(super) const UPDATE: &str = "entry.update";
pub(super) const DELETE: &str = "entry.delete";

/// One wish.
#[derive(Clone, Debug, PartialEq)]
pub enum Operation {
    Create(Arc<Entry>),
    Update(Arc<Entry>),
    Delete(EntryId),
}

impl Operation {
    pub fn id(&self) -> &EntryId {
        match self {
            Operation::Create(entry) | Operation::Update(entry) => &entry.id,
            Operation::Delete(id) => id,
        }
    }

    /// `entry.create`, `entry.update` or `entry.delete`.
    pub fn kind(&self) -> &'static str {
        match self {
            Operation::Create(_) => CREATE,
            Operation::Update(_) => UPDATE,
            Operation::Delete(_) => DELETE,
        }
    }

    /// The entry as it is to be; none for a delete.
    pub fn entry(&self) -> Option<&Arc<Entry>> {
        match self {
            Operation::Create(entry) | Operation::Update(entry) => Some(entry),
            Operation::Delete(_) => None,
        }
    }
}

/// Operations in the order in which they were asked for; the registry sorts them itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changeset {
    operations: Vec<Operation>,
}

impl Changeset {
    pub fn new() -> Changeset {
        Changeset::default()
    }

    pub fn create(&mut self, entry: impl Into<Arc<Entry>>) -> &mut Changeset {
        self.operations.push(Operation::Create(entry.into()));
        self
    }

    pub fn update(&mut self, entry: impl Into<Arc<Entry>>) -> &mut Changeset {
        self.operations.push(Operation::Update(entry.into()));
        self
    }

    pub fn delete(&mut self, id: EntryId) -> &mut Changeset {
        self.operations.push(Operation::Delete(id));
        self
    }

    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    pub fn is_empty(&self) -> bool {
        self.operations.is_empty()
    }

    pub fn into_operations(self) -> Vec<Operation> {
        self.operations
    }
}

impl From<Vec<Operation>> for Changeset {
    fn from(operations: Vec<Operation>) -> Changeset {
        Changeset { operations }
    }
}

/// One accepted operation; what the history keeps.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    Create(Arc<Entry>),
    Update { old: Arc<Entry>, new: Arc<Entry> },
    Delete(Arc<Entry>),
}

impl Change {
    /// The entry the event shows: the new one, or the one that went.
    pub fn entry(&self) -> &Arc<Entry> {
        match self {
            Change::Create(entry) | Change::Delete(entry) => entry,
            Change::Update { new, .. } => new,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Change::Create(_) => CREATE,
            Change::Update { .. } => UPDATE,
            Change::Delete(_) => DELETE,
        }
    }

    /// What undoes it.
    pub fn inverse(&self) -> Change {
        match self {
            Change::Create(entry) => Change::Delete(entry.clone()),
            Change::Update { old, new } => Change::Update { old: new.clone(), new: old.clone() },
            Change::Delete(entry) => Change::Create(entry.clone()),
        }
    }

    /// The entry before and after.
    pub(super) fn into_sides(self) -> (Option<Arc<Entry>>, Option<Arc<Entry>>) {
        match self {
            Change::Create(new) => (None, Some(new)),
            Change::Update { old, new } => (Some(old), Some(new)),
            Change::Delete(old) => (Some(old), None),
        }
    }
}
