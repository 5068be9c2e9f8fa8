//! Reactor: where workers sleep, timers, terminal input, signals.

pub mod poll;
pub mod signal;
pub mod terminal;
pub mod timers;
