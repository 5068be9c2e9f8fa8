//! The state word of a VM: who runs it, whether it waits in a run queue, whether news arrived.
//!
//! | bit | set by | cleared by |
//! |---|---|---|
//! | `RUNNING` | the worker that takes it ([`VmState::begin`]) | the same worker ([`VmState::finish`]) |
//! | `QUEUED` | whoever pushes an entry to a run queue | the worker that pops that entry |
//! | `NOTIFIED` | [`VmState::notify`], after an event was posted | the worker, when it begins |
//!
//! Claims, checked under loom in `tests/loom.rs`:
//! 1. At most one worker has `RUNNING`.
//! 2. At most one entry of a VM is in the run queues.
//! 3. A wake is never lost: an event is posted before `notify`; if a worker runs the VM then, it
//!    finds `NOTIFIED` when it finishes and queues the VM again.

use crate::infra::sync::{AtomicU32, Ordering};

const RUNNING: u32 = 1;
const QUEUED: u32 = 2;
const NOTIFIED: u32 = 4;

#[derive(Debug)]
pub struct VmState(AtomicU32);

/// What the caller of a transition has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Next {
    /// Push the VM to a run queue: the transition has marked it as queued.
    Enqueue,
    Nothing,
}

impl Default for VmState {
    fn default() -> VmState {
        VmState::new()
    }
}

impl VmState {
    pub fn new() -> VmState {
        VmState(AtomicU32::new(0))
    }

    /// After an event was posted: makes sure that somebody will look.
    #[inline]
    pub fn notify(&self) -> Next {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            let wanted = match now & (RUNNING | QUEUED) {
                0 => now | NOTIFIED | QUEUED,
                _ => now | NOTIFIED,
            };
            // Release: the event posted before is visible to the worker whose `begin` or `finish`
            // reads this word. Even when nothing changes the store is needed for that.
            match self.0.compare_exchange_weak(now, wanted, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if now & (RUNNING | QUEUED) == 0 => return Next::Enqueue,
                Ok(_) => return Next::Nothing,
                Err(seen) => now = seen,
            }
        }
    }

    /// A worker popped this VM's entry. `true`: it may run the VM now, and must `finish`.
    #[inline]
    pub fn begin(&self) -> bool {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            debug_assert!(now & QUEUED != 0, "an entry was popped that nobody pushed");
            let wanted = match now & RUNNING {
                0 => (now | RUNNING) & !(QUEUED | NOTIFIED),
                _ => now & !QUEUED,
            };
            // Acquire pairs with the Release in `notify` and in the `finish` before us.
            match self.0.compare_exchange_weak(now, wanted, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return now & RUNNING == 0,
                Err(seen) => now = seen,
            }
        }
    }

    /// The worker gives the VM back. `more`: some of its processes are still ready.
    #[inline]
    pub fn finish(&self, more: bool) -> Next {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            debug_assert!(now & RUNNING != 0, "finish without begin");
            let enqueue = (more || now & NOTIFIED != 0) && now & QUEUED == 0;
            let wanted = match enqueue {
                true => (now | QUEUED) & !RUNNING,
                false => now & !RUNNING,
            };
            match self.0.compare_exchange_weak(now, wanted, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) if enqueue => return Next::Enqueue,
                Ok(_) => return Next::Nothing,
                Err(seen) => now = seen,
            }
        }
    }
}
