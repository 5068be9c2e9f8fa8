//! What travels: a package from one PID to another.

use std::sync::Arc;

use crate::core::pid::Pid;
use crate::infra::error::Error;
use crate::infra::transcoder::wire::Wire;

/// One message or lifecycle event on its way.
#[derive(Debug)]
pub struct Package {
    pub from: Pid,
    pub to: Pid,
    pub body: Body,
}

#[derive(Debug)]
pub enum Body {
    /// Topic and payload values of a user message, encoded as one wire message.
    Message(Wire),
    /// A request to end; the target may ignore it.
    Cancel { reason: Arc<str> },
    /// A monitored process ended.
    Exit(Arc<Exit>),
    /// A linked process failed.
    LinkDown(Arc<Exit>),
    /// The code of the target has been replaced: ids of the entries that are new.
    Outdated { sources: Arc<[String]> },
    /// The target ends now with this error, without running any more of its code.
    Kill(Error),
}

impl Body {
    /// Lifecycle events pass every bound: they must arrive, and there are few.
    pub fn is_lifecycle(&self) -> bool {
        !matches!(self, Body::Message(_))
    }
}

/// How a process ended.
#[derive(Debug)]
pub struct Exit {
    pub pid: Pid,
    /// Unix time in seconds.
    pub at: f64,
    pub outcome: Outcome,
}

/// The result of a process: a value, or an error.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// The value its method returned, encoded; empty for none.
    Value(Wire),
    Error(Error),
}

impl Outcome {
    pub fn error(&self) -> Option<&Error> {
        match self {
            Outcome::Error(error) => Some(error),
            Outcome::Value(_) => None,
        }
    }
}

/// A package that could not be delivered, given back with the reason.
#[derive(Debug)]
pub struct Refused {
    pub package: Package,
    pub reason: Refusal,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Ended, ending, or never there.
    NoProcess,
    NoHost,
    NoRoute,
    /// The target's node has no room at the moment.
    Busy,
    /// The relay has shut down.
    Closed,
}

impl From<Refusal> for Error {
    fn from(reason: Refusal) -> Error {
        match reason {
            Refusal::NoProcess => Error::not_found("process not found"),
            Refusal::NoHost => Error::not_found("host not found"),
            Refusal::NoRoute => Error::not_found("node not found"),
            Refusal::Busy => Error::unavailable("mailbox busy").with_retryable(Some(true)),
            Refusal::Closed => Error::unavailable("relay is shut down"),
        }
    }
}
