//! Giving memory back to the system.
//!
//! An allocator keeps what was freed, for the next time, and some only look at what they keep when they
//! are called again: a runtime that sleeps after a burst would hold the memory of the burst for good.
//! The library does not know which allocator the program has, so the program says how.

use std::sync::OnceLock;

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
