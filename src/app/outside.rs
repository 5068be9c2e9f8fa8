//! What threads that are no workers do with processes: start them, send to them, receive from them.
//!
//! These calls may block: they are not for handlers that workers call.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::core::pid::{HostId, Pid};
use crate::core::relay::node::{Host, Sink};
use crate::core::relay::{Body, Exit, Outcome, Package, Refusal, Refused};
use crate::infra::error::{Error, Kind, Result};
use crate::infra::transcoder::Value;
use crate::infra::transcoder::wire::Wire;
use crate::system::functions::{self, Call};
use crate::system::kernel::{Kernel, RootSpawn};

/// How long a sender rests while its target has no room.
const REST: Duration = Duration::from_micros(200);

/// Starts a process of the entry `source` on `host` and returns once its chunk has run.
///
/// # Errors
/// Those of `process.spawn`: an unknown entry or host, a host that does not run, whatever the chunk
/// raises.
pub fn spawn(kernel: &Kernel, source: &str, host: &str, args: &[Value]) -> Result<(Pid, Ended)> {
    let (sender, ended) = mpsc::channel();
    let (reply, started) = mpsc::channel();
    let spawn = RootSpawn {
        source: source.into(),
        host: host.into(),
        args: Wire::of(args),
        frame: None,
        terminal: None,
        on_end: Some(Box::new(move |exit: &Exit| {
            // Nobody may be waiting for it.
            let _ = sender.send(exit.outcome.clone());
        })),
    };
    kernel.spawn(
        spawn,
        Box::new(move |result| {
            let _ = reply.send(result);
        }),
    );
    let gone = |_| Error::unavailable("the runtime has stopped");
    let pid = started.recv().map_err(gone)??;
    Ok((pid, Ended(ended)))
}

/// Sends a message, once.
///
/// # Errors
/// `UNAVAILABLE`, retryable: the target has no room. `NOT_FOUND`: it has ended.
pub fn try_send(kernel: &Kernel, from: Pid, to: Pid, topic: &str, values: &[Value]) -> Result<()> {
    let sent = kernel.mailbox.send_from_outside(Package { from, to, body: message(topic, values) });
    sent.map_err(|refused| refused.reason.into())
}

fn message(topic: &str, values: &[Value]) -> Body {
    let mut message = Wire::new();
    message.str(topic.as_bytes());
    values.iter().for_each(|value| message.value(value));
    Body::Message(message)
}

/// Calls a function; what is given hears of its result. `NOT_FOUND`: there is none.
pub fn call(kernel: &Arc<Kernel>, target: &str, args: &[Value]) -> Result<Ended> {
    let function = kernel.functions.get(target)?;
    let (sender, ended) = mpsc::channel();
    let (args, parent) = (Wire::of(args), Pid::NONE);
    let done = move |outcome| {
        // Nobody may be waiting for it any more.
        let _ = sender.send(outcome);
    };
    functions::call(kernel, Call { function, args, frame: None, parent, at: None }, Box::new(done));
    Ok(Ended(ended))
}

/// The end of a process, to be waited for.
pub struct Ended(mpsc::Receiver<Outcome>);

impl Ended {
    /// The value the process returned, or its error. `TIMEOUT`: it still runs.
    pub fn wait(&self, timeout: Duration) -> Result<Value> {
        let outcome = self
            .0
            .recv_timeout(timeout)
            .map_err(|_| Error::new(Kind::Timeout, "the process has not ended in time"))?;
        match outcome {
            Outcome::Value(wire) => Ok(wire.reader().value().unwrap_or_default()),
            Outcome::Error(error) => Err(error),
        }
    }
}

/// A message as an [`Endpoint`] receives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// [`Pid::NONE`] if no process sent it.
    pub from: Pid,
    pub topic: String,
    pub values: Vec<Value>,
}

/// An address outside Lua: processes send to its PID as to any other, a thread of the program
/// receives. What is not yet received is kept without a bound, as in a process's mailbox. It cannot be
/// monitored or linked to.
pub struct Endpoint {
    pid: Pid,
    kernel: Arc<Kernel>,
    messages: Receiver<Message>,
}

impl Endpoint {
    /// Takes the host id `name`, which no host and no other endpoint may have.
    pub fn open(kernel: &Arc<Kernel>, name: &str) -> Result<Endpoint> {
        let (sender, messages) = crossbeam_channel::unbounded();
        let host = HostId::intern(name);
        let sink = Host::Sink(Arc::new(Inbox { sender }));
        kernel.mailbox.router().local().attach_host(host, sink)?;
        let pid = Pid::new(kernel.pids.node(), host, 1);
        Ok(Endpoint { pid, kernel: kernel.clone(), messages })
    }

    /// The address, as processes know it.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The address as an argument or a field of a message.
    pub fn address(&self) -> Value {
        self.pid.text().as_str().into()
    }

    /// Sends a message that comes from this address, waiting while the target has no room. Messages
    /// from one thread to one process arrive in the order in which they were sent.
    ///
    /// # Errors
    /// `NOT_FOUND`: the target has ended. `TIMEOUT`: no room for it within `timeout`.
    pub fn send(&self, to: Pid, topic: &str, values: &[Value], timeout: Duration) -> Result<()> {
        let deadline = Instant::now() + timeout;
        let mut package = Package { from: self.pid, to, body: message(topic, values) };
        loop {
            match self.kernel.mailbox.send_from_outside(package) {
                Ok(()) => return Ok(()),
                Err(Refused { package: back, reason: Refusal::Busy }) => package = back,
                Err(refused) => return Err(refused.reason.into()),
            }
            if Instant::now() >= deadline {
                return Err(Error::new(Kind::Timeout, "the process takes no messages"));
            }
            std::thread::sleep(REST);
        }
    }

    /// The next message, in order of arrival. `TIMEOUT`: none has come.
    pub fn receive(&self, timeout: Duration) -> Result<Message> {
        self.messages.recv_timeout(timeout).map_err(|error| match error {
            RecvTimeoutError::Timeout => Error::new(Kind::Timeout, "no message has come in time"),
            RecvTimeoutError::Disconnected => Error::unavailable("the runtime has stopped"),
        })
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.kernel.mailbox.router().local().detach_host(self.pid.host());
    }
}

struct Inbox {
    sender: Sender<Message>,
}

impl Sink for Inbox {
    fn deliver(&self, package: Package) -> std::result::Result<(), Refused> {
        let Body::Message(wire) = &package.body else {
            // Nothing is monitored from here, and there is nothing to cancel.
            return Ok(());
        };
        let mut reader = wire.reader();
        let topic = reader.value();
        let message = Message {
            from: package.from,
            topic: topic.as_ref().and_then(Value::as_str).unwrap_or_default().to_owned(),
            values: std::iter::from_fn(|| reader.value()).collect(),
        };
        match self.sender.send(message) {
            Ok(()) => Ok(()),
            // The endpoint is being dropped.
            Err(_) => Err(Refused { package, reason: Refusal::NoProcess }),
        }
    }
}
