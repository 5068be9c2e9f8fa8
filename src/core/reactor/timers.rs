//! Timers of one owner: a binary heap over a slab, deadlines as arguments, no clock of its own.
//!
//! Insert and cancel are O(log n): each timer knows its place in the heap. Timers with one deadline
//! fire in the order of insertion.

use crate::infra::clock::Nanos;

/// Names a timer until it fires or is cancelled; a reused slot gets a new generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TimerId {
    slot: u32,
    generation: u32,
}

struct Slot<T> {
    generation: u32,
    /// Place in the heap; meaningless while the slot is free.
    at: u32,
    payload: Option<T>,
}

#[derive(Clone, Copy)]
struct Node {
    deadline: Nanos,
    seq: u64,
    slot: u32,
}

impl Node {
    fn before(&self, other: &Node) -> bool {
        (self.deadline, self.seq) < (other.deadline, other.seq)
    }
}

/// A set of pending timers, each with a payload of type `T`.
pub struct Timers<T> {
    heap: Vec<Node>,
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
    seq: u64,
}

impl<T> Default for Timers<T> {
    fn default() -> Timers<T> {
        Timers { heap: Vec::new(), slots: Vec::new(), free: Vec::new(), seq: 0 }
    }
}

impl<T> Timers<T> {
    pub fn insert(&mut self, deadline: Nanos, payload: T) -> TimerId {
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.slots.push(Slot { generation: 0, at: 0, payload: None });
                (self.slots.len() - 1) as u32
            }
        };
        self.slots[slot as usize].payload = Some(payload);
        self.seq += 1;
        self.heap.push(Node { deadline, seq: self.seq, slot });
        self.rise(self.heap.len() - 1);
        TimerId { slot, generation: self.slots[slot as usize].generation }
    }

    /// Takes a pending timer back. `None`: it has fired or was cancelled.
    pub fn cancel(&mut self, id: TimerId) -> Option<T> {
        let slot = self.slots.get(id.slot as usize)?;
        if slot.generation != id.generation || slot.payload.is_none() {
            return None;
        }
        let at = slot.at as usize;
        self.remove_node(at);
        self.release(id.slot)
    }

    /// When the next timer is due.
    pub fn next_deadline(&self) -> Option<Nanos> {
        self.heap.first().map(|node| node.deadline)
    }

    /// Takes the first timer that is due at `now`.
    pub fn pop_due(&mut self, now: Nanos) -> Option<(Nanos, T)> {
        let first = *self.heap.first().filter(|node| node.deadline <= now)?;
        self.remove_node(0);
        Some((first.deadline, self.release(first.slot)?))
    }

    pub fn len(&self) -> usize {
        self.heap.len()
    }

    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    fn release(&mut self, slot: u32) -> Option<T> {
        let entry = &mut self.slots[slot as usize];
        entry.generation = entry.generation.wrapping_add(1);
        self.free.push(slot);
        if self.heap.is_empty() {
            // The last timer gone: a burst gives its memory back. Generations restart, so keep the
            // slots if any id could still be around; ids of empty sets are only ever stale, and a
            // stale id must not hit a new timer. Hence only the heap shrinks.
            self.heap.shrink_to(64);
        }
        entry.payload.take()
    }

    fn remove_node(&mut self, at: usize) {
        let last = self.heap.len() - 1;
        self.heap.swap(at, last);
        self.heap.pop();
        if at < self.heap.len() {
            self.place(at);
            let at = self.sink(at);
            self.rise(at);
        }
    }

    fn place(&mut self, at: usize) {
        let slot = self.heap[at].slot;
        self.slots[slot as usize].at = at as u32;
    }

    fn rise(&mut self, mut at: usize) {
        while at > 0 {
            let parent = (at - 1) / 2;
            if !self.heap[at].before(&self.heap[parent]) {
                break;
            }
            self.heap.swap(at, parent);
            self.place(at);
            at = parent;
        }
        self.place(at);
    }

    fn sink(&mut self, mut at: usize) -> usize {
        loop {
            let left = 2 * at + 1;
            let Some(left_node) = self.heap.get(left) else { break };
            let least = match self.heap.get(left + 1) {
                Some(right_node) if right_node.before(left_node) => left + 1,
                _ => left,
            };
            if !self.heap[least].before(&self.heap[at]) {
                break;
            }
            self.heap.swap(at, least);
            self.place(at);
            at = least;
        }
        self.place(at);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn fires_in_order_of_deadline_then_of_insertion() {
        let mut timers = Timers::default();
        for (deadline, name) in [(30, 'c'), (10, 'a'), (30, 'd'), (20, 'b')] {
            timers.insert(deadline, name);
        }
        assert_eq!(timers.pop_due(5), None);
        let mut fired = String::new();
        while let Some((_, name)) = timers.pop_due(30) {
            fired.push(name);
        }
        assert_eq!(fired, "abcd");
    }

    #[test]
    fn a_stale_id_cancels_nothing() {
        let mut timers = Timers::default();
        let first = timers.insert(1, 'a');
        assert_eq!(timers.pop_due(1), Some((1, 'a')));
        let second = timers.insert(1, 'b');
        assert_eq!(timers.cancel(first), None);
        assert_eq!(timers.cancel(second), Some('b'));
        assert_eq!(timers.cancel(second), None);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u64),
        Cancel(usize),
        Advance(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            (0u64..50).prop_map(Step::Insert),
            any::<usize>().prop_map(Step::Cancel),
            (0u64..20).prop_map(Step::Advance),
        ];
        prop::collection::vec(step, 0..200)
    }

    proptest! {
        /// Against a sorted map, which is obviously right.
        #[test]
        fn agrees_with_a_sorted_map(steps in steps()) {
            let mut timers = Timers::default();
            let mut model: BTreeMap<(u64, usize), ()> = BTreeMap::new();
            let mut ids = Vec::new();
            let mut now = 0;
            for step in steps {
                match step {
                    Step::Insert(after) => {
                        let n = ids.len();
                        ids.push((timers.insert(now + after, n), now + after));
                        model.insert((now + after, n), ());
                    }
                    Step::Cancel(which) if !ids.is_empty() => {
                        let n = which % ids.len();
                        let (id, deadline) = ids[n];
                        let was_there = model.remove(&(deadline, n)).is_some();
                        prop_assert_eq!(timers.cancel(id), was_there.then_some(n));
                    }
                    Step::Cancel(_) => {}
                    Step::Advance(by) => {
                        now += by;
                        while let Some((deadline, n)) = timers.pop_due(now) {
                            let first = model.pop_first().map(|(key, ())| key);
                            prop_assert_eq!(first, Some((deadline, n)));
                        }
                    }
                }
                let next = model.keys().next().map(|key| key.0);
                prop_assert_eq!(timers.next_deadline(), next);
                prop_assert_eq!(timers.len(), model.len());
            }
        }
    }
}
