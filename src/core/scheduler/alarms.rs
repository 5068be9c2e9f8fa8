//! The alarms of a worker: which VMs to wake when.
//!
//! A worker sets an alarm for each VM that ran on it and has timers, and rings those that are due
//! between two VMs. Where it cannot (one host call holds it for long), the ticker rings them instead
//! and other workers run the VMs, see `quantum.rs`: who holds a worker holds nobody else.
//!
//! The owner looks at [`Alarms::first`] alone as long as nothing is due: no lock in its loop.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::core::scheduler::VmRef;
use crate::infra::clock::Nanos;

/// Padded, so that workers do not share a cache line.
#[repr(align(128))]
pub(crate) struct Alarms {
    /// Set by the owner, taken by owner and ticker. Held for a push or a pop.
    heap: Mutex<Heap>,
    /// When the first is due, `u64::MAX`: never; written under the lock. Relaxed: the owner has
    /// written what it reads, or the ticker has since, and then the owner finds less under the lock;
    /// the ticker looks again a tick later.
    first: AtomicU64,
}

/// Soonest first.
type Heap = BinaryHeap<Reverse<Alarm>>;

/// When to wake a VM.
struct Alarm {
    at: Nanos,
    vm: VmRef,
}

impl PartialEq for Alarm {
    fn eq(&self, other: &Alarm) -> bool {
        self.at == other.at
    }
}

impl Eq for Alarm {}

impl PartialOrd for Alarm {
    fn partial_cmp(&self, other: &Alarm) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Alarm {
    fn cmp(&self, other: &Alarm) -> std::cmp::Ordering {
        self.at.cmp(&other.at)
    }
}

impl Alarms {
    pub(crate) fn new() -> Alarms {
        Alarms { heap: Mutex::default(), first: AtomicU64::new(Nanos::MAX) }
    }

    /// Remembers to wake `vm` at `at`, unless some worker does so already, or sooner.
    pub(crate) fn set(&self, vm: &VmRef, at: Nanos) {
        if vm.armed.fetch_min(at, Ordering::AcqRel) <= at {
            return;
        }
        let mut heap = self.heap.lock();
        heap.push(Reverse(Alarm { at, vm: vm.clone() }));
        self.note_first(&heap);
    }

    /// A VM to wake at `now`, if one is due.
    pub(crate) fn take_due(&self, now: Nanos) -> Option<VmRef> {
        if self.first.load(Ordering::Relaxed) > now {
            return None;
        }
        let mut heap = self.heap.lock();
        let due = heap.peek().is_some_and(|Reverse(first)| first.at <= now);
        let Reverse(Alarm { at, vm }) = if due { heap.pop()? } else { return None };
        self.note_first(&heap);
        drop(heap);
        // Only the alarm that counts clears the mark; an older, later one is just a look.
        let _ = vm.armed.compare_exchange(at, Nanos::MAX, Ordering::AcqRel, Ordering::Relaxed);
        Some(vm)
    }

    /// When the first one is due.
    pub(crate) fn next(&self) -> Option<Nanos> {
        Some(self.first.load(Ordering::Relaxed)).filter(|&at| at < Nanos::MAX)
    }

    /// Lets go of all VMs: they hold what holds the workers.
    pub(crate) fn clear(&self) {
        let heap = std::mem::take(&mut *self.heap.lock());
        self.first.store(Nanos::MAX, Ordering::Relaxed);
        // Not under the lock: with a VM goes much.
        drop(heap);
    }

    fn note_first(&self, heap: &Heap) {
        let first = heap.peek().map_or(Nanos::MAX, |Reverse(first)| first.at);
        self.first.store(first, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::vm::VmCell;

    #[test]
    fn vms_are_woken_in_order_each_for_its_soonest_alarm() {
        let alarms = Alarms::new();
        let (early, late) = (VmCell::new(8), VmCell::new(8));
        for (vm, at) in [(&late, 30), (&early, 20), (&late, 40), (&early, 10)] {
            alarms.set(vm, at);
        }
        let mut woken = Vec::new();
        for now in 0..50 {
            assert!(alarms.next().is_none_or(|at| at >= now), "overdue at {now}");
            while let Some(vm) = alarms.take_due(now) {
                woken.push((now, Arc::ptr_eq(&vm, &early)));
            }
        }
        // The later one of `early` was set first, so it stays, as a look that finds nothing to do;
        // the later one of `late` was not needed.
        assert_eq!(woken, [(10, true), (20, true), (30, false)]);
        assert_eq!(alarms.next(), None);
        alarms.set(&late, 60);
        assert_eq!(alarms.next(), Some(60), "the mark of a VM that was woken is free");
        alarms.clear();
        assert_eq!(alarms.next(), None);
        assert_eq!(Arc::strong_count(&late), 1);
    }
}
