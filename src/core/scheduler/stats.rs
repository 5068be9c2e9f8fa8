//! Counters of each worker: written by it alone, read by anybody.

use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use crate::core::vm::VmCell;
use std::sync::Arc;

/// Padded, so that workers do not share a cache line.
#[derive(Default)]
#[repr(align(128))]
pub struct WorkerStats {
    /// Coroutines resumed.
    pub resumes: AtomicU64,
    /// VMs run.
    pub slices: AtomicU64,
    /// VMs taken from another worker.
    pub steals: AtomicU64,
    /// Times it went to sleep.
    pub parks: AtomicU64,
    /// The VM it runs at the moment, for the ticker.
    pub running: Mutex<Option<Arc<VmCell>>>,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pub resumes: u64,
    pub slices: u64,
    pub steals: u64,
    pub parks: u64,
}

impl WorkerStats {
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            resumes: self.resumes.load(Ordering::Relaxed),
            slices: self.slices.load(Ordering::Relaxed),
            steals: self.steals.load(Ordering::Relaxed),
            parks: self.parks.load(Ordering::Relaxed),
        }
    }
}

/// Adds one to a counter that only the calling thread writes.
#[inline]
pub fn bump(counter: &AtomicU64) {
    counter.store(counter.load(Ordering::Relaxed).wrapping_add(1), Ordering::Relaxed);
}
