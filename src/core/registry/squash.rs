//! The fewest operations for an outcome: of many changes, or between two sets of entries.
//!
//! | Sequence | Becomes |
//! |---|---|
//! | create ... update | create |
//! | create ... delete, or back to what it was | nothing |
//! | update ... delete | delete |
//! | delete ... create, same kind | update |
//! | delete ... create, another kind | delete and create: an update cannot change the kind |

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::registry::changeset::{Change, Operation};
use crate::core::registry::entry::Entry;
use crate::core::registry::id::EntryId;
use crate::core::registry::order;

/// The operations that lead from before the first of `changes` to after the last, by id.
///
/// Of each entry only its state before its first change and after its last one counts.
pub(super) fn squash(changes: impl IntoIterator<Item = Change>) -> Vec<Operation> {
    let mut spans = BTreeMap::new();
    for change in changes {
        let id = change.entry().id.clone();
        let (old, new) = change.into_sides();
        spans.entry(id).or_insert((old, None)).1 = new;
    }
    let mut operations = Vec::with_capacity(spans.len());
    for (id, (old, new)) in spans {
        transition(&mut operations, id, old.as_deref(), new);
    }
    operations
}

/// The operations that turn the entries `from` into the entries `to`, in dependency order. Kind,
/// meta and data are compared deeply; of several with one id the last counts.
pub fn build_delta(from: &[Entry], to: &[Entry]) -> Vec<Operation> {
    let by_id = |entries: &[Entry]| -> BTreeMap<EntryId, Arc<Entry>> {
        entries.iter().map(|entry| (entry.id.clone(), Arc::new(entry.clone()))).collect()
    };
    let (from, mut to) = (by_id(from), by_id(to));
    let mut operations = Vec::new();
    for (id, old) in &from {
        transition(&mut operations, id.clone(), Some(old), to.remove(id));
    }
    operations.extend(to.into_values().map(Operation::Create));
    order::sort(operations, |id| from.get(id).cloned())
}

/// Adds what turns `old` into `new`; nothing if they have the same content.
fn transition(
    operations: &mut Vec<Operation>,
    id: EntryId,
    old: Option<&Entry>,
    new: Option<Arc<Entry>>,
) {
    match (old, new) {
        (None, None) => (),
        (None, Some(new)) => operations.push(Operation::Create(new)),
        (Some(_), None) => operations.push(Operation::Delete(id)),
        (Some(old), Some(new)) if old.same_content(&new) => (),
        (Some(old), Some(new)) if old.kind == new.kind => operations.push(Operation::Update(new)),
        (Some(_), Some(new)) => {
            operations.push(Operation::Delete(id));
            operations.push(Operation::Create(new));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::testing::entry;

    fn numbered(kind: &str, n: i64) -> Arc<Entry> {
        let mut entry = entry("a:x", kind);
        entry.data = n.into();
        Arc::new(entry)
    }

    fn update(old: i64, new: i64) -> Change {
        Change::Update { old: numbered("k", old), new: numbered("k", new) }
    }

    #[track_caller]
    fn check(changes: Vec<Change>, expect: Vec<Operation>) {
        assert_eq!(squash(changes), expect);
    }

    #[test]
    fn every_row_of_the_table() {
        let one = || numbered("k", 1);
        let two = || numbered("k", 2);
        let delete = || Operation::Delete(EntryId::parse("a:x"));
        check(vec![], vec![]);
        check(vec![Change::Create(one()), update(1, 2)], vec![Operation::Create(two())]);
        check(vec![Change::Create(one()), Change::Delete(one())], vec![]);
        check(vec![update(1, 2), update(2, 1)], vec![]);
        check(vec![update(1, 2), Change::Delete(two())], vec![delete()]);
        check(vec![Change::Delete(one()), Change::Create(two())], vec![Operation::Update(two())]);
        let other = numbered("other", 1);
        check(
            vec![Change::Delete(one()), Change::Create(other.clone())],
            vec![delete(), Operation::Create(other)],
        );
    }
}
