//! The atomics and locks of our own lock-free pieces, from one place.
//!
//! `tests/loom.rs` compiles those pieces a second time with loom's types in the place of these.

pub use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering, fence};

pub use parking_lot::Mutex;
