//! The seam between the supervisor and what it supervises.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::core::registry::EntryId;
use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::Value;
use crate::system::supervisor::lifecycle::LifecycleOptions;
use crate::system::supervisor::machine::Input;

/// Something that runs until it is stopped.
///
/// All methods are called on the supervisor's thread and must return at once; what they set off is
/// reported through the [`ServiceEvents`] they are given, from any thread. A panic in one of them
/// counts as a failure of the service.
pub trait Service: Send + Sync {
    /// Begins a start; [`ServiceEvents::started`] or [`ServiceEvents::start_failed`] ends it.
    ///
    /// # Errors
    /// Same as reporting `start_failed`.
    fn start(&self, events: ServiceEvents) -> Result<(), Error>;

    /// Begins a graceful stop, also of a start that is not over; [`ServiceEvents::stopped`] or
    /// [`ServiceEvents::ended`] ends it. After `limit` the service is killed.
    fn stop(&self, events: ServiceEvents, limit: Duration);

    /// The start or the stop took too long: let go of everything, nobody listens any longer. The
    /// service may be started again after this.
    fn kill(&self) {}
}

/// How a service speaks of one start attempt. Cheap to clone.
///
/// No method blocks. What is said of an attempt that the supervisor has abandoned, or that a later
/// one has replaced, is ignored.
#[derive(Clone)]
pub struct ServiceEvents {
    id: EntryId,
    attempt: u64,
    /// Unbounded: a service says a handful of things in its life, and must not block to say them.
    inputs: Sender<Input>,
}

/// Why the status stream of a service closed.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum End {
    Closed,
    /// It had nothing more to do.
    Exited,
    /// Somebody ended it for good.
    Terminated,
    Failed(Error),
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Report {
    Started,
    StartFailed(Error),
    Detail(Value),
    Ended(End),
    Stopped,
}

impl ServiceEvents {
    pub(super) fn new(id: EntryId, attempt: u64, inputs: Sender<Input>) -> ServiceEvents {
        ServiceEvents { id, attempt, inputs }
    }

    /// The service that this is about.
    pub fn id(&self) -> &EntryId {
        &self.id
    }

    pub fn started(&self) {
        self.report(Report::Started);
    }

    /// The attempt is over. Retried unless [`is_terminal`].
    pub fn start_failed(&self, error: Error) {
        self.report(Report::StartFailed(error));
    }

    /// Something worth showing next to the status.
    pub fn detail(&self, detail: Value) {
        self.report(Report::Detail(detail));
    }

    /// The service is over, by itself. Restarted unless the error [`is_terminal`].
    pub fn ended(&self, error: Option<Error>) {
        self.report(Report::Ended(error.map_or(End::Closed, End::Failed)));
    }

    /// "service exited": it had nothing more to do, and is not restarted.
    pub fn exited(&self) {
        self.report(Report::Ended(End::Exited));
    }

    /// "service terminated": somebody ended it for good; it is not restarted.
    pub fn terminated(&self) {
        self.report(Report::Ended(End::Terminated));
    }

    /// The stop that was asked for is done.
    pub fn stopped(&self) {
        self.report(Report::Stopped);
    }

    fn report(&self, report: Report) {
        let input = Input::Report { id: self.id.clone(), attempt: self.attempt, report };
        // Fails once the supervisor has gone, when nobody is left to care.
        let _ = self.inputs.send(input);
    }
}

impl fmt::Debug for ServiceEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServiceEvents({}, attempt {})", self.id, self.attempt)
    }
}

/// A service together with how to run it.
pub(super) struct Registration {
    pub(super) service: Arc<dyn Service>,
    pub(super) options: LifecycleOptions,
    /// Dependencies found by following references.
    pub(super) references: Vec<EntryId>,
}

/// No restart would mend it: a cancellation, or an error marked as not retryable. The outermost
/// mark of the chain decides; an error that nobody marked is worth another try.
pub fn is_terminal(error: &Error) -> bool {
    chain(error).any(|e| *e.kind() == Kind::Canceled)
        || chain(error).find_map(Error::retryable) == Some(false)
}

/// `error` and its causes, outermost first.
fn chain(error: &Error) -> impl Iterator<Item = &Error> {
    std::iter::successors(Some(error), |e| e.cause())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outermost_mark_decides() {
        let marked = |mark| Error::internal("broken").with_retryable(mark);
        let around = |mark, cause| marked(mark).with_source(cause);
        let (yes, no) = (Some(true), Some(false));
        for (error, terminal) in [
            (marked(None), false),
            (marked(yes), false),
            (marked(no), true),
            (around(None, marked(no)), true),
            (around(yes, marked(no)), false),
            (around(no, marked(yes)), true),
            (around(None, around(None, marked(None))), false),
            (Error::new(Kind::Canceled, "canceled").with_retryable(yes), true),
            (around(yes, Error::new(Kind::Canceled, "canceled")), true),
        ] {
            assert_eq!(is_terminal(&error), terminal, "{error:?}");
        }
    }
}
