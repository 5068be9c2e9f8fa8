//! Event bus: news between the parts of the runtime, and from them to programs.
//!
//! `event` is what travels, `bus` delivers it, `pattern` decides who is meant, `feed` is for
//! subscribers who must not wait, `wait` asks and waits for an answer, `request` is for what comes and
//! goes by events.

mod bus;
mod event;
mod feed;
mod pattern;
pub mod request;
pub mod wait;

pub use bus::{Callback, Cancel, EventBus, SUBSCRIBERS_MAX, SubscriptionId};
pub use event::{Event, Part, Payload};
pub use feed::{Feed, Feeder, Feeding};
pub use pattern::{Filter, Pattern};
