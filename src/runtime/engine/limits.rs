//! How much memory the process of a host with `memory_limit` may hold. Such a process has a VM to
//! itself, so the memory of the VM is the memory of the process.
//!
//! What counts is what Luau has, and what the host holds for it: channels and what waits in them,
//! timers, coroutines, calls under way, mail that was not received yet, subscriptions, names, what
//! stands behind objects such as errors. It is looked at after each turn of the process, before which it can take a few megabytes
//! at most, and when mail has arrived. In between the allocator refuses Luau what is far beyond the
//! limit, see `raw::allocator`.
//!
//! What does not count: the code, what the process has sent to others, its children. What it logs does
//! not pile up, see `modules::logger`.

use crate::core::relay::Outcome;
use crate::infra::error::Error;
use crate::runtime::engine::calls::Outgoing;
use crate::runtime::engine::channel::Channel;
use crate::runtime::engine::coroutine::Coroutine;
use crate::runtime::engine::mail::{Mail, Notice};
use crate::runtime::engine::slot::Slot;
use crate::runtime::engine::vm::VmData;

/// What the collector may lag behind, in bytes, at the least.
const CEILING_SLACK: usize = 1 << 20;
/// A pending timer: in the heap, and its place.
const TIMER_SIZE: usize = 56;
/// A subscription to the event bus: its feed, its pattern, and the bus's part.
const SUBSCRIPTION_SIZE: usize = 512;

/// How a process ends that holds more than its host allows.
pub fn memory_limit_exceeded() -> Error {
    Error::internal("memory limit exceeded").with_retryable(None)
}

impl VmData {
    /// The process that is about to start here, the only one, may hold so many bytes.
    pub fn limit_memory(&mut self, limit: usize) {
        self.memory_limit = Some(self.memory().saturating_add(limit));
        // Garbage does not count, but it takes room until it is found: an allocation fails beyond
        // twice the limit, whatever lives.
        self.main.set_ceiling(limit.saturating_mul(2).saturating_add(CEILING_SLACK));
    }

    /// Does the process of this VM hold more than it may? Looks for garbage before it says so.
    pub fn is_over_memory_limit(&mut self) -> bool {
        let Some(limit) = self.memory_limit else { return false };
        if self.main.has_hit_ceiling() {
            return true;
        }
        if self.memory() <= limit {
            return false;
        }
        self.main.collect();
        // Dead objects leave channels behind, which hold values, which may be objects.
        self.bury();
        self.memory() > limit
    }

    /// Ends what lives here if it has been made to hold too much while it did not run.
    pub fn end_over_limit(&mut self) {
        if self.memory_limit.is_none() || !self.is_over_memory_limit() {
            return;
        }
        let all: Vec<(u64, u32)> = self.by_uniq.iter().map(|(&uniq, &id)| (uniq, id)).collect();
        for (uniq, id) in all {
            // The end of one may have been that of another.
            if self.by_uniq.get(&uniq) == Some(&id) {
                self.end(id, Outcome::Error(memory_limit_exceeded()));
            }
        }
    }

    /// Bytes that this VM holds, about.
    fn memory(&self) -> usize {
        let mail = |id: &u32| {
            let process = &self.processes[*id];
            let listeners = process.listeners.as_ref().map_or(0, |listeners| listeners.memory());
            let subscriptions = process.extra.as_ref().map_or(0, |extra| extra.subscriptions.len());
            process.mail.len() * size_of::<Mail>()
                + process.notices.len() * size_of::<Notice>()
                + subscriptions * SUBSCRIPTION_SIZE
                + listeners
        };
        self.main.memory()
            + self.main.held()
            + self.channels.len() * size_of::<Channel>()
            + self.buffered * size_of::<Slot>()
            + self.coroutines.len() * size_of::<Coroutine>()
            + self.timers.len() * TIMER_SIZE
            + self.outgoing.len() * size_of::<Outgoing>()
            + self.by_uniq.values().map(mail).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;
    use crate::app::node::{Node, Options};
    use crate::runtime::engine::error;
    use crate::runtime::engine::raw::{Charge, Guard};
    use crate::runtime::engine::vm::LuaVm;
    use crate::system::host::Seat;

    fn check(test: impl FnOnce(&mut VmData)) {
        let node = Node::start(Options::default()).expect("starts");
        let (vm, _interrupt) =
            LuaVm::create(node.kernel.clone(), Weak::new(), Seat::of_vm(0)).expect("created");
        let data = vm.data();
        let _guard = Guard::enter(data.main);
        test(data);
    }

    #[test]
    fn what_dead_objects_hold_makes_the_collector_work() {
        const TEXT: usize = 100_000;
        const MADE: usize = 4_000;
        check(|data| {
            let main = data.main;
            let before = main.held();
            let mut most = 0;
            for _ in 0..MADE {
                error::push(main, Error::internal("x".repeat(TEXT)));
                main.pop(1);
                most = most.max(main.held() - before);
            }
            assert!(most < MADE * TEXT / 8, "{most} bytes of garbage at a time");
            main.collect();
            main.collect();
            assert_eq!(main.held(), before, "all of it is let go");
        });
    }

    #[test]
    fn charges_are_given_back() {
        check(|data| {
            let main = data.main;
            let before = main.held();
            let held = |charge: &Charge| (main.held() - before, charge.is_empty());
            let mut charge = Charge::of(100);
            assert_eq!(held(&charge), (100, false));
            let twin = charge.clone();
            charge.add(50);
            assert_eq!(held(&charge), (250, false));
            charge.take(1_000);
            assert_eq!(held(&charge), (100, true));
            drop((charge, twin));
            assert_eq!(main.held(), before);
        });
    }
}
