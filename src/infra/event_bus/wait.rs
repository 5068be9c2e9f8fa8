//! Request and reply on the bus: ask, then wait for who accepts or rejects.

use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Receiver;

use crate::infra::error::{Error, Kind, Result};
use crate::infra::event_bus::{Cancel, Event, EventBus};
use crate::infra::transcoder::Value;

/// How long to wait when the caller does not say.
const DEFAULT: Duration = Duration::from_secs(30);

/// A wait that has begun: registered before the request is sent, so that no reply is missed.
pub struct Waiter {
    replies: Receiver<Arc<Event>>,
    path: String,
    cancel: Cancel,
}

impl Waiter {
    /// Waits for replies of `system` whose kind matches and whose path is `path`.
    pub fn register(bus: &EventBus, system: &str, kind: &str, path: &str) -> Result<Waiter> {
        let cancel = Cancel::default();
        let (_, replies) = bus.channel(system, kind, cancel.clone())?;
        Ok(Waiter { replies, path: path.to_owned(), cancel })
    }

    /// The data of the acceptance, or the error of the rejection. A zero timeout means 30 s.
    pub fn wait(self, timeout: Duration) -> Result<Value> {
        let timeout = if timeout.is_zero() { DEFAULT } else { timeout };
        let deadline = std::time::Instant::now() + timeout;
        loop {
            let reply = self.replies.recv_deadline(deadline).map_err(|_| {
                let message = format!("no answer for {} within {timeout:?}", self.path);
                Error::new(Kind::Timeout, message).with_retryable(Some(true))
            })?;
            if reply.path != self.path {
                continue;
            }
            let accepted = reply.kind == "accept"
                || reply.kind.ends_with(".accept")
                || reply.kind.ends_with(".accepted");
            return match (accepted, &reply.data) {
                (true, data) => Ok(data.clone()),
                (false, Value::Error(error)) => Err((**error).clone()),
                (false, Value::Str(text)) => Err(Error::internal(text)),
                (false, _) => Err(Error::internal(format!("{} was rejected", self.path))),
            };
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(reply("fs.accept", Value::Int(1)), Ok(Value::Int(1)));
        assert_eq!(reply("fs.accepted", Value::Nil), Ok(Value::Nil));
        let error = Error::invalid("no");
        assert_eq!(reply("fs.reject", Value::Error(Box::new(error.clone()))), Err(error));
    }

    #[test]
    fn silence_times_out() {
        let bus = EventBus::start().expect("starts");
        let waiter = Waiter::register(&bus, "fs", "", "app:x").expect("registered");
        let error = waiter.wait(Duration::from_millis(1)).expect_err("nobody answers");
        assert_eq!((error.kind(), error.retryable()), (&Kind::Timeout, Some(true)));
    }
}
