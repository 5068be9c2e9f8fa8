//! [`Endpoint`]: an address outside Lua.
//!
//! Endpoints are sinks of the relay on a host of their own, `endpoint`. When the relay closes it lets go
//! of all sinks; that ends the waiting of those who receive.

use std::fmt;
use std::future::poll_fn;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use parking_lot::Mutex;
use serde::de::DeserializeOwned;

use crate::app::args::Args;
use crate::app::outside;
use crate::app::pending::stopped;
use crate::core::pid::{HostId, Pid};
use crate::core::relay::attach::{Attachment, Sinks};
use crate::core::relay::node::{Host, Sink};
use crate::core::relay::{self, Body, Package, Refusal, Refused};
use crate::infra::error::{Error, Kind, Result};
use crate::infra::transcoder::Value;
use crate::infra::transcoder::typed::from_value;
use crate::system::kernel::Kernel;

/// Where endpoints live, as their PIDs show it. Entries have a colon in their name, so none is meant.
const HOST: &str = "endpoint";
/// How long a sender rests while its target has no room.
const REST: Duration = Duration::from_micros(200);

/// Makes room for endpoints on a node.
pub fn attach_host(relay: &relay::Node) -> Result<()> {
    relay.attach_host(host(), Host::Sinks(Sinks::default()))
}

fn host() -> HostId {
    static HOST_ID: OnceLock<HostId> = OnceLock::new();
    *HOST_ID.get_or_init(|| HostId::intern(HOST))
}

/// A message as an [`Endpoint`] receives it.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Message {
    /// [`Pid::NONE`] if no process sent it.
    pub from: Pid,
    /// What it is about, as the sender says.
    pub topic: String,
    /// Its payloads: what stood behind the topic in `process.send`.
    pub values: Vec<Value>,
}

impl Message {
    /// The first payload, or nil if there is none, as a type that serde reads.
    ///
    /// # Errors
    /// `Invalid`: it has another shape.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T> {
        from_value(self.values.first().cloned().unwrap_or_default())
    }
}

/// An address outside Lua: processes send to its PID as to any other, a thread or a task of the program
/// receives.
///
/// What is not yet received is kept without a bound, as in a process's mailbox. It cannot be monitored
/// or linked to. Several threads may receive from one; each message goes to one of them. Dropping it
/// gives up the address.
pub struct Endpoint {
    pid: Pid,
    kernel: Weak<Kernel>,
    messages: Receiver<Message>,
    task: Arc<Task>,
    _attachment: Attachment,
}

/// The task that polls for messages, if one does. Taken by whoever wakes it.
///
/// No message is slept through: the sender puts it into the queue before it looks here, the receiver
/// looks into the queue while it holds this lock and has not left its waker yet.
#[derive(Default)]
struct Task(Mutex<Option<Waker>>);

impl Task {
    fn wake(&self) {
        let waker = self.0.lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Endpoint {
    pub(crate) fn open(kernel: &Arc<Kernel>) -> Result<Endpoint> {
        let (sender, messages) = crossbeam_channel::unbounded();
        let task = Arc::<Task>::default();
        let pid = kernel.pids.next(host());
        let sink = Arc::new(Inbox { sender: Some(sender), task: task.clone() });
        let attachment = kernel.mailbox.router().local().attach(pid, sink)?;
        let kernel = Arc::downgrade(kernel);
        Ok(Endpoint { pid, kernel, messages, task, _attachment: attachment })
    }

    /// The address. As an argument or within a message it becomes the text that processes send to.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Sends a message that comes from this address, waiting at most `timeout` while the target has no
    /// room. Messages from one thread to one process arrive in the order in which they were sent.
    ///
    /// # Errors
    /// `NotFound`: the target has ended. `Timeout`: no room for it. `Invalid`: the payloads cannot be
    /// converted. `Unavailable`: the runtime has stopped.
    pub fn send(&self, to: Pid, topic: &str, payloads: impl Args, timeout: Duration) -> Result<()> {
        let body = outside::message(topic, &payloads.into_values()?);
        let mut package = Package { from: self.pid, to, body };
        let deadline = Instant::now().checked_add(timeout);
        loop {
            let kernel = self.kernel.upgrade().ok_or_else(stopped)?;
            match kernel.mailbox.send_from_outside(package) {
                Ok(()) => return Ok(()),
                Err(Refused { package: back, reason: Refusal::Busy }) => package = back,
                Err(refused) => return Err(refused.reason.into()),
            }
            // Not held: this thread may rest for long.
            drop(kernel);
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Err(Error::new(Kind::Timeout, "the process takes no messages"));
            }
            std::thread::sleep(REST);
        }
    }

    /// The next message, in order of arrival; waits for it at most `timeout`.
    ///
    /// # Errors
    /// `Timeout`: none has come. `Unavailable`: the runtime has stopped, and all messages have been
    /// received.
    pub fn receive(&self, timeout: Duration) -> Result<Message> {
        self.messages.recv_timeout(timeout).map_err(|error| match error {
            RecvTimeoutError::Timeout => Error::new(Kind::Timeout, "no message has come in time"),
            RecvTimeoutError::Disconnected => stopped(),
        })
    }

    /// The next message if there is one. Does not wait.
    pub fn try_receive(&self) -> Option<Message> {
        self.messages.try_recv().ok()
    }

    /// The next message, for a task of any executor. One task at a time: of several that poll, the last
    /// is woken.
    ///
    /// # Errors
    /// `Unavailable`: as of [`receive`](Endpoint::receive).
    pub async fn next(&self) -> Result<Message> {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// What [`next`](Endpoint::next) polls.
    ///
    /// # Errors
    /// `Unavailable`: as of [`receive`](Endpoint::receive).
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Message>> {
        let waker = context.waker().clone();
        let mut task = self.task.0.lock();
        let before = match self.messages.try_recv() {
            Ok(message) => return Poll::Ready(Ok(message)),
            Err(TryRecvError::Disconnected) => return Poll::Ready(Err(stopped())),
            Err(TryRecvError::Empty) => task.replace(waker),
        };
        drop(task);
        // Wakers are the executor's code.
        drop(before);
        Poll::Pending
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.pid)
    }
}

/// The end that the relay holds.
struct Inbox {
    /// None: the relay has let go of it.
    sender: Option<Sender<Message>>,
    task: Arc<Task>,
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
        match self.sender.as_ref().map(|sender| sender.send(message)) {
            Some(Ok(())) => {
                self.task.wake();
                Ok(())
            }
            // The endpoint is being dropped.
            Some(Err(_)) | None => Err(Refused { package, reason: Refusal::NoProcess }),
        }
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        // First, so that whoever is woken sees it.
        self.sender = None;
        self.task.wake();
    }
}
