//! The order in which the operations of a changeset happen. Pure: no input order, clock or chance.
//!
//! 1. A create or update comes after the creates and updates of what the entry refers to.
//! 2. An update or delete comes before the delete of what the entry referred to (an update: also of
//!    what it refers to now).
//! 3. On one id: deletes, then creates, then updates; several of a kind as they were asked for. An
//!    entry that is deleted and created anew is *replaced*: who still refers to it is updated once,
//!    after the create.
//! 4. Ties: namespace, name, operation name.
//! 5. A cycle is no error: its operations go side by side, creates and updates first, then deletes,
//!    each by id, and the listeners decide. What comes before and after the cycle keeps its place.
//!
//! Only operations of the changeset are ordered; references to anything else mean nothing.
//! Cost: `O(n log n + references)`. A reference to a group or namespace costs one edge, not one
//! per member.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::core::registry::changeset::Operation;
use crate::core::registry::entry::Entry;
use crate::core::registry::graph::Graph;
use crate::core::registry::id::EntryId;
use crate::core::registry::references::{Reference, references};

/// Sorts `operations`; `old` finds the entry that is there now.
pub(super) fn sort(
    mut operations: Vec<Operation>,
    old: impl Fn(&EntryId) -> Option<Arc<Entry>>,
) -> Vec<Operation> {
    if operations.len() < 2 {
        return operations;
    }
    operations.sort_by(by_name); // Stable: equal ones stay as they were asked for.
    let old: Vec<Option<Arc<Entry>>> = operations
        .iter()
        .map(|op| if matches!(op, Operation::Create(_)) { None } else { old(op.id()) })
        .collect();
    let order = Sorter::new(&operations, &old).sort();
    let mut slots: Vec<Option<Operation>> = operations.into_iter().map(Some).collect();
    order.into_iter().filter_map(|node| slots[node as usize].take()).collect()
}

fn by_name(a: &Operation, b: &Operation) -> Ordering {
    a.id().cmp(b.id()).then_with(|| a.kind().cmp(b.kind()))
}

/// Nodes of the graph are positions in `operations`, which is in the order that breaks ties.
struct Sorter<'a> {
    operations: &'a [Operation],
    /// What each update or delete finds in the registry.
    old: &'a [Option<Arc<Entry>>],
    ids: FxHashMap<(&'a str, &'a str), OnId>,
    sets: BTreeMap<Reference<'a>, Referrers>,
    graph: Graph,
}

/// The operations on one id.
#[derive(Default)]
struct OnId {
    /// The first delete.
    delete: Option<u32>,
    /// Deleted and created anew.
    is_replaced: bool,
    /// The last create or update.
    write: Option<u32>,
}

/// Who refers to a group or namespace.
#[derive(Default)]
struct Referrers {
    /// Creates and updates: they come after the writes of the set.
    writes: Vec<u32>,
    /// Updates: they come before its deletes, except of entries that are replaced.
    updates: Vec<u32>,
    /// Deletes: they come before its deletes.
    deletes: Vec<u32>,
}

/// What happens to the members of a group or namespace.
#[derive(Default)]
struct Members {
    writes: Vec<u32>,
    deletes: Vec<u32>,
    deletes_for_good: Vec<u32>,
}

impl<'a> Sorter<'a> {
    fn new(operations: &'a [Operation], old: &'a [Option<Arc<Entry>>]) -> Sorter<'a> {
        Sorter {
            operations,
            old,
            ids: FxHashMap::default(),
            sets: BTreeMap::new(),
            graph: Graph::new(operations.len() as u32),
        }
    }

    fn sort(mut self) -> Vec<u32> {
        self.chain_ids();
        for node in 0..self.operations.len() as u32 {
            self.link(node);
        }
        self.link_sets();
        let Sorter { operations, ids, graph, .. } = &self;
        graph.sort(|node| {
            let op = &operations[node as usize];
            let on_id = ids.get(&key(op.id()));
            op.entry().is_none() && !on_id.is_some_and(|on_id| on_id.is_replaced)
        })
    }

    /// Rule 3. The operations on one id lie side by side.
    fn chain_ids(&mut self) {
        let mut first = 0;
        for run in self.operations.chunk_by(|a, b| a.id() == b.id()) {
            let mut nodes: Vec<u32> = (first..first + run.len() as u32).collect();
            first += run.len() as u32;
            nodes.sort_by_key(|&node| match &self.operations[node as usize] {
                Operation::Delete(_) => 0,
                Operation::Create(_) => 1,
                Operation::Update(_) => 2,
            });
            for pair in nodes.windows(2) {
                self.graph.before_always(pair[0], pair[1]);
            }
            let is_write = |node: &u32| self.operations[*node as usize].entry().is_some();
            let on_id = OnId {
                delete: nodes.first().copied().filter(|node| !is_write(node)),
                is_replaced: run.iter().any(|op| matches!(op, Operation::Create(_)))
                    && run.iter().any(|op| matches!(op, Operation::Delete(_))),
                write: nodes.last().copied().filter(is_write),
            };
            self.ids.insert(key(run[0].id()), on_id);
        }
    }

    /// Rules 1 and 2 for the operation `node`; references to sets are put by for later.
    fn link(&mut self, node: u32) {
        let operations = self.operations;
        let op = &operations[node as usize];
        let new = op.entry().map(|entry| references(entry)).unwrap_or_default();
        let old = self.old[node as usize].as_ref().map(|entry| references(entry));
        for &reference in &new {
            match reference {
                Reference::Entry { ns, name } => {
                    if let Some(write) = self.ids.get(&(ns, name)).and_then(|on_id| on_id.write) {
                        self.graph.before(write, node);
                    }
                }
                set => self.sets.entry(set).or_default().writes.push(node),
            }
        }
        if matches!(op, Operation::Create(_)) {
            return;
        }
        let mut both = old.unwrap_or_default();
        both.extend(&new);
        both.sort_unstable();
        both.dedup();
        for reference in both {
            match reference {
                Reference::Entry { ns, name } => {
                    let Some(on_id) = self.ids.get(&(ns, name)) else { continue };
                    let waits_for_new = on_id.is_replaced && new.contains(&reference);
                    if let Some(delete) = on_id.delete.filter(|_| !waits_for_new) {
                        self.graph.before(node, delete);
                    }
                }
                set => {
                    let referrers = self.sets.entry(set).or_default();
                    match op {
                        Operation::Update(_) => referrers.updates.push(node),
                        _ => referrers.deletes.push(node),
                    }
                }
            }
        }
    }

    fn link_sets(&mut self) {
        if self.sets.is_empty() {
            return;
        }
        let mut members: FxHashMap<Reference<'a>, Members> = FxHashMap::default();
        for (node, op) in self.operations.iter().enumerate() {
            let Some(entry) = op.entry().or(self.old[node].as_ref()) else { continue };
            let is_replaced = self.ids.get(&key(op.id())).is_some_and(|on_id| on_id.is_replaced);
            let sets = entry.groups().map(Reference::Group);
            for set in sets.chain([Reference::Namespace(entry.id.ns())]) {
                if !self.sets.contains_key(&set) {
                    continue;
                }
                let members = members.entry(set).or_default();
                match op {
                    Operation::Delete(_) => {
                        members.deletes.push(node as u32);
                        if !is_replaced {
                            members.deletes_for_good.push(node as u32);
                        }
                    }
                    _ => members.writes.push(node as u32),
                }
            }
        }
        for (set, referrers) in &self.sets {
            let Some(members) = members.get(set) else { continue };
            self.graph.all_before(&members.writes, &referrers.writes);
            self.graph.all_before(&referrers.updates, &members.deletes_for_good);
            self.graph.all_before(&referrers.deletes, &members.deletes);
        }
    }
}

fn key(id: &EntryId) -> (&str, &str) {
    (id.ns(), id.name())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::core::registry::testing::{depending, grouped};

    /// `"+a:x"` create, `"~a:x"` update, `"-a:x"` delete; what follows are references, and after a
    /// `|` those of the entry that is there now.
    struct Case {
        operations: Vec<Operation>,
        old: BTreeMap<EntryId, Arc<Entry>>,
    }

    fn case(specs: &[&str]) -> Case {
        let mut case = Case { operations: Vec::new(), old: BTreeMap::new() };
        for spec in specs {
            let (new, old) = spec[1..].split_once('|').unwrap_or((&spec[1..], ""));
            let mut words = new.split_whitespace();
            let id = words.next().unwrap();
            let entry = Arc::new(depending(id, &words.collect::<Vec<_>>()));
            let old = depending(id, &old.split_whitespace().collect::<Vec<_>>());
            if !spec.starts_with('+') {
                case.old.insert(old.id.clone(), Arc::new(old));
            }
            case.operations.push(match &spec[..1] {
                "+" => Operation::Create(entry),
                "~" => Operation::Update(entry),
                _ => Operation::Delete(entry.id.clone()),
            });
        }
        case
    }

    fn run(case: Case) -> Vec<String> {
        let sorted = sort(case.operations, |id| case.old.get(id).cloned());
        let sign = |op: &Operation| match op {
            Operation::Create(_) => '+',
            Operation::Update(_) => '~',
            Operation::Delete(_) => '-',
        };
        sorted.iter().map(|op| format!("{}{}", sign(op), op.id())).collect()
    }

    /// In this order, whatever the order of the input.
    #[track_caller]
    fn check(specs: &[&str], expect: &[&str]) {
        assert_eq!(run(case(specs)), expect);
        let mut reversed = specs.to_vec();
        reversed.reverse();
        assert_eq!(run(case(&reversed)), expect, "input reversed");
    }

    #[test]
    fn dependencies_come_first() {
        check(&["+a:x a:y", "+a:y"], &["+a:y", "+a:x"]);
        check(&["+a:x y", "+a:y"], &["+a:y", "+a:x"]);
        check(&["+a:x y", "+b:y"], &["+a:x", "+b:y"]);
        check(&["+a:x missing"], &["+a:x"]);
        check(&["+a:x", "~a:b a:x"], &["+a:x", "~a:b"]);
    }

    #[test]
    fn ties_go_by_namespace_name_operation() {
        check(&["+b:a", "+a:b", "+a:a", "+ab:a"], &["+a:a", "+a:b", "+ab:a", "+b:a"]);
    }

    #[test]
    fn dependents_leave_before_what_they_need() {
        check(&["-a:db", "-a:user|db"], &["-a:user", "-a:db"]);
        check(&["-a:db", "~a:user|db"], &["~a:user", "-a:db"]);
        check(&["-a:db", "~a:user db|db"], &["~a:user", "-a:db"]);
        check(&["-a:db", "-a:user db"], &["-a:db", "-a:user"]);
    }

    #[test]
    fn a_replaced_entry_is_deleted_first_and_its_users_follow() {
        check(&["+a:x", "-a:x"], &["-a:x", "+a:x"]);
        check(&["+a:x", "-a:x", "~a:user x|x"], &["-a:x", "+a:x", "~a:user"]);
        check(&["+a:x", "-a:x", "~a:user ns:a|ns:a"], &["-a:x", "+a:x", "~a:user"]);
        check(&["+a:x", "-a:x", "~a:user|x"], &["~a:user", "-a:x", "+a:x"]);
        check(&["+a:x", "-a:x", "+a:user x", "-a:user|x"], &["-a:user", "-a:x", "+a:x", "+a:user"]);
    }

    #[test]
    fn operations_on_one_id_keep_their_order() {
        let case = case(&["~a:x z", "~a:x", "+a:z", "+a:x"]);
        assert_eq!(run(case), ["+a:x", "+a:z", "~a:x", "~a:x"]);
    }

    #[test]
    fn groups_and_namespaces() {
        check(&["+a:x ns:lib", "+lib:b", "+lib:a b"], &["+lib:b", "+lib:a", "+a:x"]);
        // A member that waits for its own namespace waits for the others.
        check(&["+a:a ns:a", "+a:b", "+a:c", "+b:x ns:a"], &["+a:b", "+a:c", "+a:a", "+b:x"]);
        check(&["-a:x|ns:lib", "-lib:a", "-lib:b|a"], &["-a:x", "-lib:b", "-lib:a"]);

        let stores = ["b:two", "b:one"].map(|id| Operation::Create(grouped(id, "stores").into()));
        let mut operations = vec![Operation::Create(depending("a:x", &["group:stores"]).into())];
        operations.extend(stores);
        let case = Case { operations, old: BTreeMap::new() };
        assert_eq!(run(case), ["+b:one", "+b:two", "+a:x"]);
    }

    #[test]
    fn a_cycle_goes_by_id_and_its_surroundings_stay() {
        check(&["+a:x y", "+a:y x"], &["+a:x", "+a:y"]);
        check(&["+a:x y", "+a:y x z", "+a:z", "+a:u x"], &["+a:z", "+a:x", "+a:y", "+a:u"]);
        check(&["-a:x|y", "-a:y|x"], &["-a:x", "-a:y"]);
        check(&["+a:x x"], &["+a:x"]);
    }

    #[test]
    fn a_hundred_thousand_entries_with_wide_references_sort_quickly() {
        let operations: Vec<Operation> = (0..100_000)
            .map(|i| {
                let next = format!("e{:06}", i + 1);
                let all = if i % 2 == 0 { "ns:lib" } else { "group:g" };
                depending(&format!("app:e{i:06}"), &[&next, all])
            })
            .chain((0..1000).map(|i| grouped(&format!("lib:e{i}"), "g")))
            .map(|entry| Operation::Create(entry.into()))
            .collect();
        let sorted = sort(operations, |_| None);
        assert_eq!(sorted[999].id().ns(), "lib");
        assert_eq!(sorted[1000].id().name(), "e099999");
        assert_eq!(sorted[100_999].id().name(), "e000000");
    }

    /// Entries `a:e0..`, each referring to entries of a lower rank only; ranks are shuffled so that
    /// names and dependencies disagree.
    fn dag() -> impl Strategy<Value = (Vec<usize>, Vec<Vec<usize>>)> {
        (2_usize..24).prop_flat_map(|n| {
            let ranks = Just((0..n).collect::<Vec<_>>()).prop_shuffle();
            let edges = prop::collection::vec(prop::collection::vec(0..n, 0..4), n);
            (ranks, edges).prop_map(|(ranks, mut edges)| {
                for (i, list) in edges.iter_mut().enumerate() {
                    list.retain(|&j| ranks[j] < ranks[i]);
                }
                (ranks, edges)
            })
        })
    }

    proptest! {
        #[test]
        fn any_tangle_gives_each_operation_once_in_one_order(
            specs in prop::collection::vec(
                (0..3_u8, prop::collection::vec(0..14_usize, 0..4)),
                2..12,
            ),
            seed in prop::collection::vec(any::<u32>(), 12),
        ) {
            let name = |n: usize| match n {
                12 => "ns:a".to_owned(),
                13 => "group:g".to_owned(),
                n => format!("e{n}"),
            };
            let entry = |i: usize| {
                let needs: Vec<String> = specs[i].1.iter().map(|&n| name(n)).collect();
                let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
                let mut entry = depending(&format!("a:e{}", i / 2), &needs);
                if i.is_multiple_of(3) {
                    entry.meta.insert("groups".to_owned(), "g".into());
                }
                Arc::new(entry)
            };
            // Two operations on each id, of different kinds.
            let operations: Vec<Operation> = (0..specs.len())
                .map(|i| match (specs[i / 2 * 2].0 + (i % 2) as u8) % 3 {
                    0 => Operation::Create(entry(i)),
                    1 => Operation::Update(entry(i)),
                    _ => Operation::Delete(entry(i).id.clone()),
                })
                .collect();
            let old = |id: &EntryId| id.name()[1..].parse::<usize>().ok().map(|n| entry(n * 2));
            let mut shuffled: Vec<_> = operations.iter().cloned().zip(&seed).collect();
            shuffled.sort_by_key(|(_, key)| **key);
            let sorted = sort(operations, old);
            prop_assert_eq!(&sort(shuffled.into_iter().map(|(op, _)| op).collect(), old), &sorted);
            prop_assert_eq!(sorted.len(), specs.len());
            for (i, op) in sorted.iter().enumerate() {
                let earlier = &sorted[..i];
                let replaced = |other: &Operation| other.id() == op.id();
                if matches!(op, Operation::Delete(_)) {
                    prop_assert!(!earlier.iter().any(replaced), "{:?} is not first", op);
                }
            }
        }

        #[test]
        fn respects_every_edge_and_ignores_input_order(
            (_, edges) in dag(),
            writes in any::<bool>(),
            seed in prop::collection::vec(any::<u32>(), 24),
        ) {
            let entry = |i: usize| {
                let needs: Vec<String> = edges[i].iter().map(|j| format!("e{j}")).collect();
                let needs: Vec<&str> = needs.iter().map(String::as_str).collect();
                Arc::new(depending(&format!("a:e{i}"), &needs))
            };
            let operations: Vec<Operation> = (0..edges.len())
                .map(|i| match writes {
                    true if seed[i] % 2 == 0 => Operation::Create(entry(i)),
                    true => Operation::Update(entry(i)),
                    false => Operation::Delete(entry(i).id.clone()),
                })
                .collect();
            let old = |id: &EntryId| id.name()[1..].parse().ok().map(entry);
            let mut shuffled: Vec<_> = operations.iter().cloned().zip(&seed).collect();
            shuffled.sort_by_key(|(_, key)| **key);
            let sorted = sort(operations, old);
            prop_assert_eq!(&sort(shuffled.into_iter().map(|(op, _)| op).collect(), old), &sorted);
            prop_assert_eq!(sorted.len(), edges.len());

            let position = |i: usize| {
                sorted.iter().position(|op| op.id().name() == format!("e{i}")).unwrap()
            };
            for (i, needs) in edges.iter().enumerate() {
                for &j in needs {
                    prop_assert_eq!(position(j) < position(i), writes, "e{} needs e{}", i, j);
                }
            }
        }
    }
}
