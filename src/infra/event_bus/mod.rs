//! Event bus: news between the parts of the runtime, and from them to programs.
//!
//! `bus` delivers, `pattern` decides who is meant, `wait` asks and waits for an answer.

mod bus;
mod pattern;
pub mod wait;

pub use bus::{Callback, Cancel, Event, EventBus, SUBSCRIBERS_MAX, SubscriptionId};
pub use pattern::Pattern;
