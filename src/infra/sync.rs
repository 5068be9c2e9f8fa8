//! The atomics and locks of our own lock-free pieces, from one place.
//!
//! `tests/loom.rs` compiles those pieces a second time with loom's types in the place of these.

pub use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};

pub use parking_lot::Mutex;

/// Has its cache lines to itself: written by one thread often, while others write its neighbours.
/// 128, because processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Padded<T>(pub T);
