//! What programs tune that were written for a runtime with another collector and other threads: kept
//! and reported, without effect.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// All `Relaxed`: each stands for itself.
#[derive(Debug)]
pub struct Tuning {
    gc_percent: AtomicI64,
    /// 0: never set.
    max_procs: AtomicI64,
    collections: AtomicU64,
}

impl Default for Tuning {
    fn default() -> Tuning {
        let gc_percent = AtomicI64::new(100);
        Tuning { gc_percent, max_procs: AtomicI64::new(0), collections: AtomicU64::new(0) }
    }
}

impl Tuning {
    pub fn gc_percent(&self) -> i64 {
        self.gc_percent.load(Ordering::Relaxed)
    }

    /// Returns what it was before.
    pub fn set_gc_percent(&self, percent: i64) -> i64 {
        self.gc_percent.swap(percent, Ordering::Relaxed)
    }

    /// None: nobody has set it.
    pub fn max_procs(&self) -> Option<i64> {
        Some(self.max_procs.load(Ordering::Relaxed)).filter(|&n| n > 0)
    }

    /// Returns what it was before.
    pub fn set_max_procs(&self, n: i64) -> Option<i64> {
        Some(self.max_procs.swap(n, Ordering::Relaxed)).filter(|&n| n > 0)
    }

    /// Collections that programs asked for.
    pub fn collections(&self) -> u64 {
        self.collections.load(Ordering::Relaxed)
    }

    pub fn count_collection(&self) {
        self.collections.fetch_add(1, Ordering::Relaxed);
    }
}
