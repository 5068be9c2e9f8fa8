//! What threads that are no workers do with processes: start them, call functions, send.
//!
//! Nothing here waits; what takes time is handed out as a [`Pending`].

use std::sync::{Arc, Weak};

use crate::app::alarm::Alarm;
use crate::app::attempts;
use crate::app::pending::{Pending, pending};
use crate::core::pid::Pid;
use crate::core::relay::{Body, Exit, Outcome, Package};
use crate::infra::error::Result;
use crate::infra::transcoder::wire::Wire;
use crate::infra::transcoder::{Map, Value};
use crate::system::frame::Frame;
use crate::system::functions::{self, Call, Options};
use crate::system::kernel::{Kernel, RootSpawn, terminated};

/// Starts a process of the entry `source` on `host`, in this frame. It is there once its chunk has run.
///
/// # Errors
/// Those of `process.spawn`: an unknown entry or host, a host that does not run, whatever the chunk
/// raises.
pub fn spawn(
    kernel: &Arc<Kernel>,
    source: &str,
    host: &str,
    args: &[Value],
    frame: Option<Arc<Frame>>,
) -> Pending<Process> {
    let (end, outcome) = pending();
    let (start, started) = pending();
    let spawn = RootSpawn {
        source: source.into(),
        host: host.into(),
        args: Wire::of(args),
        frame,
        terminal: None,
        on_end: Some(Box::new(move |exit: &Exit| end.keep(result(exit.outcome.clone())))),
    };
    let weak = Arc::downgrade(kernel);
    let reply = move |result: Result<Pid>| {
        start.keep(result.map(|pid| {
            let kernel = weak.clone();
            let outcome = outcome.with_abort(move || kill(&kernel, pid));
            Process { pid, kernel: weak, outcome }
        }));
    };
    kernel.spawn(spawn, Box::new(reply));
    started
}

/// Sends a message, once.
///
/// # Errors
/// `UNAVAILABLE`, retryable: the target has no room. `NOT_FOUND`: it has ended.
pub fn try_send(kernel: &Kernel, from: Pid, to: Pid, topic: &str, values: &[Value]) -> Result<()> {
    let sent = kernel.mailbox.send_from_outside(Package { from, to, body: message(topic, values) });
    sent.map_err(|refused| refused.reason.into())
}

/// A message with its topic.
pub(super) fn message(topic: &str, values: &[Value]) -> Body {
    let mut message = Wire::new();
    message.str(topic.as_bytes());
    values.iter().for_each(|value| message.value(value));
    Body::Message(message)
}

/// Calls a function in this frame. `own` are options of the caller, which replace those of the function.
/// `NOT_FOUND`: there is none.
pub fn call(
    kernel: &Arc<Kernel>,
    alarm: &Alarm,
    target: &str,
    args: &[Value],
    frame: Option<Arc<Frame>>,
    own: &Map,
) -> Result<Pending<Value>> {
    let function = kernel.functions.get(target)?;
    let (promise, outcome) = pending();
    let options = Options::of(&function.options, own);
    let (args, parent) = (Wire::of(args), Pid::NONE);
    let call = Call { function, args, frame, parent, at: None };
    let done = Box::new(move |outcome| promise.keep(result(outcome)));
    if !options.is_empty() {
        let attempts = attempts::begin(kernel, alarm, call, options, done);
        return Ok(outcome.with_abort(move || {
            if let Some(attempts) = attempts.upgrade() {
                attempts.cancel();
            }
        }));
    }
    let control = functions::call(kernel, call, done);
    let weak = Arc::downgrade(kernel);
    Ok(outcome.with_abort(move || {
        if let Some(kernel) = weak.upgrade() {
            control.cancel(&kernel);
        }
    }))
}

fn result(outcome: Outcome) -> Result<Value> {
    match outcome {
        Outcome::Value(wire) => Ok(wire.reader().value().unwrap_or_default()),
        Outcome::Error(error) => Err(error),
    }
}

fn kill(kernel: &Weak<Kernel>, pid: Pid) {
    if let Some(kernel) = kernel.upgrade() {
        // It may have ended meanwhile.
        let _ = kernel.kill(Pid::NONE, pid, terminated());
    }
}

/// A process that was started from Rust.
///
/// Dropping it changes nothing for the process.
#[derive(Debug)]
pub struct Process {
    pid: Pid,
    kernel: Weak<Kernel>,
    outcome: Pending<Value>,
}

impl Process {
    /// Its address, for as long as the runtime is there; also after its end, when sends to it fail.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// What its main function returns, once it does, or the error it ends with.
    /// [`abort`](Pending::abort) ends the process at once.
    pub fn outcome(&self) -> &Pending<Value> {
        &self.outcome
    }

    /// The same, to be kept or awaited.
    pub fn into_outcome(self) -> Pending<Value> {
        self.outcome
    }

    /// Asks it to end: it gets a `CANCEL` event with this reason, and decides what to do about it. Does
    /// nothing if it has ended.
    pub fn cancel(&self, reason: &str) {
        if let Some(kernel) = self.kernel.upgrade() {
            // It may have ended meanwhile.
            let _ = kernel.cancel(Pid::NONE, self.pid, reason);
        }
    }
}
