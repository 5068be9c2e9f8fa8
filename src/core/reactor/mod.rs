//! (being written)

pub mod signal;
pub mod terminal;
