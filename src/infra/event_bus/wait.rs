//! Request and reply on the bus: ask, then wait for who accepts or rejects.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, unbounded};

use crate::infra::error::{Error, Kind, Result};
use crate::infra::event_bus::{Cancel, Event, EventBus};
use crate::infra::transcoder::Value;

/// How long to wait when the caller does not say.
pub(super) const DEFAULT: Duration = Duration::from_secs(30);

/// A wait that has begun: registered before the request is sent, so that no reply is missed.
/// Dropping it ends its subscription.
pub struct Waiter {
    bus: EventBus,
    replies: Receiver<Arc<Event>>,
    path: String,
    cancel: Cancel,
}

impl Waiter {
    /// Waits for replies of `system` whose kind matches and whose path is `path`.
    pub fn register(bus: &EventBus, system: &str, kind: &str, path: &str) -> Result<Waiter> {
        let cancel = Cancel::default();
        let (sender, replies) = unbounded();
        let wanted = path.to_owned();
        let callback = Box::new(move |event: &Arc<Event>| {
            if event.path == wanted {
                // A waiter that is gone wants no reply.
                let _ = sender.send(event.clone());
            }
        });
        bus.subscribe(system, kind, cancel.clone(), callback)?;
        Ok(Waiter { bus: bus.clone(), replies, path: path.to_owned(), cancel })
    }

    /// The data of the acceptance, or the error of the rejection. A zero timeout means 30 s. Blocks
    /// the thread: not for workers.
    pub fn wait(self, timeout: Duration) -> Result<Value> {
        let timeout = if timeout.is_zero() { DEFAULT } else { timeout };
        // Later than the clock can say is forever.
        let reply = match Instant::now().checked_add(timeout) {
            Some(deadline) => self.replies.recv_deadline(deadline),
            None => self.replies.recv().map_err(RecvTimeoutError::from),
        };
        let reply = reply.map_err(|error| match error {
            RecvTimeoutError::Timeout => {
                let message = format!("no answer for {} within {timeout:?}", self.path);
                Error::new(Kind::Timeout, message).with_retryable(Some(true))
            }
            // Only a bus that ends drops a subscription that has not been cancelled.
            RecvTimeoutError::Disconnected => Error::unavailable("bus is closed"),
        })?;
        outcome(&reply)
    }
}

/// What a reply says: the data of an acceptance, the error of a rejection.
pub(super) fn outcome(reply: &Event) -> Result<Value> {
    match (is_acceptance(&reply.kind), reply.data.to_value()) {
        (true, data) => Ok(data),
        (false, Value::Error(error)) => Err(*error),
        (false, Value::Str(text)) => Err(Error::internal(text)),
        (false, _) => Err(Error::internal(format!("{} was rejected", reply.path))),
    }
}

/// Any other kind is a rejection.
fn is_acceptance(kind: &str) -> bool {
    kind == "accept" || kind.ends_with(".accept") || kind.ends_with(".accepted")
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.bus.end(&self.cancel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::event_bus::SubscriptionId;

    #[track_caller]
    fn reply(kind: &str, data: Value) -> Result<Value> {
        let bus = EventBus::start().expect("starts");
        let waiter = Waiter::register(&bus, "fs", "fs.*", "app:x").expect("registered");
        bus.send(Event::new("fs", "fs.accept", "app:other", Value::Nil));
        bus.send(Event::new("fs", kind, "app:x", data));
        waiter.wait(Duration::ZERO)
    }

    #[test]
    fn acceptance_and_rejection() {
        for kind in ["fs.accept", "fs.accepted"] {
            assert_eq!(reply(kind, Value::Int(1)), Ok(Value::Int(1)));
        }
        let no = Error::invalid("no");
        for kind in ["fs.reject", "fs.rejected", "fs.unaccepted", "fs.other"] {
            assert_eq!(reply(kind, Value::Error(Box::new(no.clone()))), Err(no.clone()));
        }
        assert_eq!(reply("fs.reject", "no".into()), Err(Error::internal("no")));
        assert_eq!(reply("fs.reject", Value::Nil), Err(Error::internal("app:x was rejected")));
    }

    #[test]
    fn the_kinds_of_acceptance() {
        for (kind, expected) in [
            ("accept", true),
            ("a.accept", true),
            ("a.b.accepted", true),
            ("accepted", false),
            ("a.accept.b", false),
            ("accept.a", false),
            ("", false),
        ] {
            assert_eq!(is_acceptance(kind), expected, "{kind:?}");
        }
    }

    #[test]
    fn a_bus_that_ends_is_no_timeout() {
        let bus = EventBus::start().expect("starts");
        let waiter = Waiter::register(&bus, "fs", "", "app:x").expect("registered");
        bus.stop();
        let error = waiter.wait(Duration::MAX).expect_err("nobody will answer");
        assert_eq!(error, Error::unavailable("bus is closed"));
        assert!(Waiter::register(&bus, "fs", "", "app:x").is_err());
    }

    #[test]
    fn a_waiter_that_is_done_takes_no_place() {
        let bus = EventBus::start().expect("starts");
        drop(Waiter::register(&bus, "fs", "", "app:x").expect("registered"));
        // Answered behind the end of the waiter's subscription.
        bus.unsubscribe(SubscriptionId::NONE);
        assert!(!bus.is_heard());
    }

    #[test]
    fn silence_times_out() {
        let bus = EventBus::start().expect("starts");
        let waiter = Waiter::register(&bus, "fs", "", "app:x").expect("registered");
        let error = waiter.wait(Duration::from_millis(1)).expect_err("nobody answers");
        assert_eq!((error.kind(), error.retryable()), (&Kind::Timeout, Some(true)));
    }
}
