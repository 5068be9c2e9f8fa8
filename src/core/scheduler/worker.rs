//! The loop of a worker: ring alarms, find a VM, run a slice, sleep.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use core_affinity::CoreId;
use crossbeam_deque::{Steal, Worker as Deque};

use crate::core::reactor::poll::Park;
use crate::core::scheduler::state::Next;
use crate::core::scheduler::stats::bump;
use crate::core::scheduler::{Remote, Shared, VmRef};
use crate::core::vm::{Slice, SliceEnd};
use crate::infra::clock::Nanos;
use crate::infra::memory;

/// Every so many turns the injector comes first. Picked out of the air by many a scheduler: odd, so
/// that it does not beat with powers of two.
const INJECTOR_FIRST: u32 = 61;
/// Looks at all other queues before a worker goes to sleep.
const SEARCHES: u32 = 4;

thread_local! {
    /// The run queue of the worker on this thread.
    static LOCAL: RefCell<Option<Local>> = const { RefCell::new(None) };
}

struct Local {
    shared: Arc<Shared>,
    queue: Deque<VmRef>,
}

/// Queues `vm` on the calling worker and tells how many wait there; gives it back on other threads.
pub(crate) fn push_local(shared: &Shared, vm: VmRef) -> Result<usize, VmRef> {
    LOCAL.with_borrow(|local| match local {
        Some(local) if std::ptr::eq(&*local.shared, shared) => {
            local.queue.push(vm);
            Ok(local.queue.len())
        }
        _ => Err(vm),
    })
}

pub(crate) fn main(
    shared: Arc<Shared>,
    index: usize,
    queue: Deque<VmRef>,
    park: Park,
    core: Option<CoreId>,
) {
    let pinned = core.is_some_and(core_affinity::set_for_current);
    if shared.options.pin && !pinned {
        shared.unpinned.fetch_add(1, Ordering::AcqRel);
    }
    LOCAL.set(Some(Local { shared: shared.clone(), queue }));
    let mut worker = Worker {
        index,
        park,
        turns: 0,
        seed: 0x9e37_79b9 ^ (index as u32 + 1).wrapping_mul(0x85eb_ca6b),
        shared,
    };
    worker.run();
    // Queued VMs go with the queue, those with alarms after them, on this thread.
    let local = LOCAL.take();
    drop(local);
    worker.remote().alarms.clear();
}

struct Worker {
    shared: Arc<Shared>,
    index: usize,
    park: Park,
    turns: u32,
    /// State of a small random generator, for the choice of a victim.
    seed: u32,
}

impl Worker {
    fn remote(&self) -> &Remote {
        &self.shared.remotes[self.index]
    }

    fn run(&mut self) {
        let mut searching = false;
        while !self.shared.stopping() {
            let now = self.shared.clock.now();
            self.shared.ring(self.index, now);
            self.release_memory();
            if let Some(vm) = self.next(searching) {
                if searching {
                    searching = false;
                    if self.shared.idle.stop_searching() && self.shared.has_work() {
                        self.shared.wake_one();
                    }
                }
                self.run_vm(vm, now);
                continue;
            }
            if !searching && self.shared.idle.try_search(self.shared.options.workers) {
                searching = true;
                continue;
            }
            if std::mem::take(&mut searching) {
                self.shared.idle.stop_searching();
            }
            searching = self.sleep();
        }
    }

    fn release_memory(&self) {
        let asked = &self.remote().release;
        if asked.load(Ordering::Relaxed) && asked.swap(false, Ordering::AcqRel) {
            memory::release();
        }
    }

    /// The next VM to run: own queue, injector, and for a searching worker the others' queues.
    fn next(&mut self, searching: bool) -> Option<VmRef> {
        self.turns = self.turns.wrapping_add(1);
        if self.turns.is_multiple_of(INJECTOR_FIRST)
            && let Some(vm) = self.take_injected()
        {
            return Some(vm);
        }
        let own = LOCAL.with_borrow(|local| local.as_ref().and_then(|l| l.queue.pop()));
        if own.is_some() {
            return own;
        }
        if let Some(vm) = self.take_injected() {
            return Some(vm);
        }
        if !searching {
            return None;
        }
        (0..SEARCHES).find_map(|_| self.steal())
    }

    fn take_injected(&self) -> Option<VmRef> {
        loop {
            match self.shared.injector.steal() {
                Steal::Success(vm) => return Some(vm),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    /// Takes a share of another worker's queue: half of it, one VM to run, the rest to queue here.
    fn steal(&mut self) -> Option<VmRef> {
        let others = self.shared.stealers.len();
        // xorshift32: victims in random order, so that thieves do not all call on one worker.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 17;
        self.seed ^= self.seed << 5;
        let start = self.seed as usize % others;
        for victim in (0..others).map(|i| (start + i) % others).filter(|&v| v != self.index) {
            let stolen = LOCAL.with_borrow(|local| {
                let queue = &local.as_ref()?.queue;
                loop {
                    match self.shared.stealers[victim].steal_batch_and_pop(queue) {
                        Steal::Success(vm) => return Some(vm),
                        Steal::Empty => return None,
                        Steal::Retry => {}
                    }
                }
            });
            if stolen.is_some() {
                bump(&self.shared.remotes[self.index].stats.steals);
                return stolen;
            }
        }
        self.take_injected()
    }

    fn run_vm(&mut self, vm: VmRef, now: Nanos) {
        if !vm.state.begin() {
            return;
        }
        let stats = &self.shared.remotes[self.index].stats;
        *stats.running.lock() = Some(vm.clone());
        self.shared.ticker.on_work();
        bump(&stats.slices);
        let slice = Slice {
            cell: &vm,
            resumes: &stats.resumes,
            now,
            until: now + self.shared.options.slice.as_nanos() as Nanos,
            worker: self.index,
        };
        let mut body = vm.body();
        let end = match &mut *body {
            // A panic inside a VM is a bug of ours. The VM handles those that belong to a process;
            // one that reaches this place leaves it in a state nobody can trust.
            Some(vm) => std::panic::catch_unwind(AssertUnwindSafe(|| vm.run(&slice)))
                .unwrap_or_else(|_| std::process::abort()),
            None => SliceEnd { more: false, next_timer: None },
        };
        drop(body);
        stats.running.lock().take();
        if let Some(at) = end.next_timer {
            self.remote().alarms.set(&vm, at);
        }
        match vm.state.finish(end.more) {
            // To the back of the own queue; helpers are called by the ticker or by `enqueue`.
            Next::Enqueue => self.shared.enqueue(vm),
            Next::Nothing => {}
        }
    }

    /// Sleeps until woken or until a timer is due. `true`: we count as searching.
    fn sleep(&mut self) -> bool {
        let idle = &self.shared.idle;
        idle.sleep(self.index);
        // After having been counted asleep: whoever pushed before saw nobody to wake.
        if self.shared.has_work() || self.shared.stopping() {
            idle.awake_to_search(self.index);
            return true;
        }
        let timeout = self.remote().alarms.next().map(|at| {
            // A millisecond is the resolution of the sleep: round up, never wake too early.
            let left = at.saturating_sub(self.shared.clock.now());
            Duration::from_nanos(left)
        });
        bump(&self.shared.remotes[self.index].stats.parks);
        self.park.sleep(timeout);
        self.shared.idle.awake(self.index)
    }
}
