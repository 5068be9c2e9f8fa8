//! Memory of the program as a whole: giving it back to the system, and a target for its use.
//!
//! **Giving back.** An allocator keeps what was freed, for the next time, and some only look at what they keep when they
//! are called again: a runtime that sleeps after a burst would hold the memory of the burst for good.
//! The library does not know which allocator the program has, so the program says how.
//!
//! **The target** is soft: nothing fails beyond it, but collectors then keep closer to what is alive.
//! Memory is the program's, so the target is too, however many nodes it has.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static RELEASE: OnceLock<fn()> = OnceLock::new();

/// Says how the calling thread gives back memory that was freed. The first call counts.
pub fn set_release(release: fn()) {
    // A second program in one process has the same allocator.
    let _ = RELEASE.set(release);
}

/// Gives back what the calling thread has freed. Takes some milliseconds: for the end of a burst.
pub fn release() {
    if let Some(release) = RELEASE.get() {
        release();
    }
}

static TARGET: AtomicU64 = AtomicU64::new(u64::MAX);
static SHORT: AtomicBool = AtomicBool::new(false);

/// Aims at no more than so many resident bytes.
pub fn set_target(bytes: u64) {
    TARGET.store(bytes, Ordering::Relaxed);
    look();
}

/// The target in bytes; `u64::MAX`: none.
pub fn target() -> u64 {
    TARGET.load(Ordering::Relaxed)
}

/// Resident bytes of the program, and of its address space. None: the system does not tell.
pub fn usage() -> Option<(u64, u64)> {
    let stats = memory_stats::memory_stats()?;
    Some((stats.physical_mem as u64, stats.virtual_mem as u64))
}

/// Was the program above its target when [`look`] was called last?
#[inline]
pub fn is_short() -> bool {
    SHORT.load(Ordering::Relaxed)
}

/// Compares the resident size with the target. A call of the system, unless there is no target.
///
/// Below it by less than a sixteenth leaves things as they are, so that they do not flap.
pub fn look() {
    let target = target();
    if target == u64::MAX {
        SHORT.store(false, Ordering::Relaxed);
        return;
    }
    // A system that does not tell is taken to have enough.
    let used = usage().map_or(0, |(resident, _)| resident);
    SHORT.store(used > target - if is_short() { target / 16 } else { 0 }, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_below_what_is_used_makes_memory_short() {
        set_target(1 << 10);
        assert!(is_short(), "a program of less than 1 KiB?");
        set_target(1 << 50);
        assert!(!is_short(), "a program of a petabyte?");
        set_target(u64::MAX);
        assert!(!is_short());
    }
}
