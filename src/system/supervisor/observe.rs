//! What others see of a service: updates for an observer, a board to read at any time.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

use crate::core::registry::EntryId;
use crate::infra::clock::{Clock, Nanos};
use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::Value;
use crate::system::supervisor::state::{Desired, Status};

/// Told of every change of a status or of details, in the order in which they happen.
pub trait Observer: Send + Sync {
    /// Called on the supervisor's thread; must return at once and must not wait for a completion.
    fn changed(&self, update: &Update);
}

/// What is said next to a status.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Details {
    #[default]
    None,
    /// A start attempt, counted from one.
    Attempt(u32),
    StartTimeout,
    StopTimeout(Duration),
    /// The service had nothing more to do.
    Exited,
    /// Somebody ended the service for good.
    Terminated,
    Error(Error),
    /// What the service itself reported.
    Value(Value),
}

impl Details {
    pub fn is_none(&self) -> bool {
        *self == Details::None
    }

    /// For events: text, or what the service reported as it is.
    pub fn to_value(&self) -> Value {
        match self {
            Details::None => Value::Nil,
            Details::Value(value) => value.clone(),
            Details::Error(error) => Value::Error(Box::new(error.clone())),
            other => Value::Str(other.to_string()),
        }
    }
}

impl fmt::Display for Details {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Details::None | Details::Value(Value::Nil) => Ok(()),
            Details::Attempt(number) => write!(f, "attempt {number}"),
            Details::StartTimeout => f.write_str("start timeout"),
            Details::StopTimeout(limit) => write!(f, "stop timeout after {limit:?}"),
            Details::Exited => f.write_str("service exited"),
            Details::Terminated => f.write_str("service terminated"),
            Details::Error(error) => error.fmt(f),
            Details::Value(Value::Str(text)) => f.write_str(text),
            Details::Value(Value::Error(error)) => error.fmt(f),
            Details::Value(Value::Bool(flag)) => flag.fmt(f),
            Details::Value(Value::Int(number)) => number.fmt(f),
            Details::Value(Value::Float(number)) => number.fmt(f),
            Details::Value(other) => f.write_str(other.type_name()),
        }
    }
}

/// A service as it was at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Update {
    pub id: EntryId,
    pub status: Status,
    /// The status before this update; the same if only the details changed.
    pub previous: Status,
    pub desired: Desired,
    pub details: Details,
    /// Failures in a row.
    pub retry_count: u32,
    /// Of the last change of status or details, in nanoseconds of Unix time.
    pub last_update: i64,
    /// When the service last came to run, likewise; 0 if it never did.
    pub started_at: i64,
}

/// How loudly a change of status is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    Info,
    Warn,
    Error,
}

/// The level for `service <id> is <status>`; `None` if the status has not changed.
pub fn log_level(update: &Update) -> Option<LogLevel> {
    let of_error = |error: &Error| match error.kind() {
        Kind::Canceled => LogLevel::Warn,
        _ => LogLevel::Error,
    };
    (update.status != update.previous).then(|| match &update.details {
        Details::StartTimeout | Details::StopTimeout(_) => LogLevel::Error,
        Details::Error(error) => of_error(error),
        Details::Value(Value::Error(error)) => of_error(error),
        Details::Terminated => LogLevel::Warn,
        Details::None | Details::Attempt(_) | Details::Exited | Details::Value(_) => LogLevel::Info,
    })
}

/// The latest update of every service, readable from any thread without asking the supervisor.
#[derive(Default)]
pub(super) struct Board {
    /// A leaf: nothing else is locked while it is held.
    rows: Mutex<BTreeMap<EntryId, Row>>,
}

struct Row {
    update: Update,
    /// While the service is stopping: the end of its time, and how long that was.
    stopping: Option<(Nanos, Duration)>,
}

impl Board {
    pub(super) fn post(&self, update: Update, stopping: Option<(Nanos, Duration)>) {
        self.rows.lock().insert(update.id.clone(), Row { update, stopping });
    }

    pub(super) fn remove(&self, id: &EntryId) {
        self.rows.lock().remove(id);
    }

    pub(super) fn state(&self, id: &EntryId) -> Option<Update> {
        self.rows.lock().get(id).map(|row| row.update.clone())
    }

    pub(super) fn states(&self) -> Vec<Update> {
        self.rows.lock().values().map(|row| row.update.clone()).collect()
    }

    pub(super) fn waiting_for(&self, clock: &Clock) -> Vec<(EntryId, Duration, Duration)> {
        let now = clock.now();
        let left = |(id, row): (&EntryId, &Row)| {
            let (deadline, limit) = row.stopping?;
            Some((id.clone(), Duration::from_nanos(deadline.saturating_sub(now)), limit))
        };
        self.rows.lock().iter().filter_map(left).collect()
    }
}

/// Nanoseconds of Unix time.
pub(super) fn unix_now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(details: Details, text: &str, level: LogLevel) {
        assert_eq!(details.to_string(), text);
        let mut update = Update {
            id: EntryId::new("app", "a"),
            status: Status::Failed,
            previous: Status::Running,
            desired: Desired::Running,
            details,
            retry_count: 0,
            last_update: 0,
            started_at: 0,
        };
        assert_eq!(log_level(&update), Some(level));
        update.previous = update.status;
        assert_eq!(log_level(&update), None, "only a change of status is logged");
    }

    #[test]
    fn details_set_text_and_level() {
        use LogLevel::{Error as Loud, Info, Warn};
        check(Details::None, "", Info);
        check(Details::Attempt(2), "attempt 2", Info);
        check(Details::Exited, "service exited", Info);
        check(Details::Value("3 peers".into()), "3 peers", Info);
        check(Details::Terminated, "service terminated", Warn);
        check(Details::Error(Error::new(Kind::Canceled, "canceled")), "canceled", Warn);
        check(Details::Error(Error::internal("broken").context("bind")), "bind: broken", Loud);
        check(Details::StartTimeout, "start timeout", Loud);
        check(Details::StopTimeout(Duration::from_secs(10)), "stop timeout after 10s", Loud);
    }
}
