//! Clients that are no processes: a sink behind a host id takes what is sent to their PIDs.
//!
//! The sink is called on the worker that runs the sender, inside its `process.send`: the moment of
//! the answer is read without a hop to another thread. Its work there, some hundred nanoseconds
//! per answer, is part of the load, as that of client processes would be.

use std::sync::Arc;

use wippy::app::node::{Ended, Node};
use wippy::core::pid::{HostId, Pid};
use wippy::core::relay::node::{Host, Sink};
use wippy::core::relay::{Body, Package, Refusal, Refused};
use wippy::infra::error::{Kind, Result};
use wippy::infra::transcoder::Value;
use wippy::infra::transcoder::wire::Wire;

const CLIENTS: &str = "load:clients";

/// The PID of a client.
pub fn pid(node: &Node, number: usize) -> Pid {
    Pid::new(node.kernel.pids.node(), HostId::intern(CLIENTS), number as u64 + 1)
}

/// The PID of a client as an argument of a process.
pub fn address(node: &Node, number: usize) -> Value {
    pid(node, number).text().as_str().into()
}

/// The number of a client, from 0.
pub fn index(pid: Pid) -> usize {
    (pid.uniq() as usize).saturating_sub(1)
}

/// Sends a topic and values to a process, waiting while its VM has no room. Not for workers.
/// False if the process is gone.
pub fn tell(node: &Node, to: Pid, topic: &str, values: &[Value]) -> bool {
    let all: Vec<Value> = std::iter::once(topic.into()).chain(values.iter().cloned()).collect();
    post(node, Package { from: pid(node, 0), to, body: Body::Message(Wire::of(&all)) })
}

/// Sends a package, waiting while the VM of its receiver has no room. Not for workers. False if
/// the process is gone.
pub fn post(node: &Node, mut package: Package) -> bool {
    loop {
        match node.kernel.mailbox.send_from_outside(package) {
            Ok(()) => return true,
            Err(refused) if refused.reason == Refusal::Busy => package = refused.package,
            Err(_) => return false,
        }
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
}

/// What is wrong if a process has ended that should go on until its node does.
pub fn ended(name: &str, ended: &Ended) -> Option<String> {
    match ended.wait(std::time::Duration::ZERO) {
        Err(error) if *error.kind() == Kind::Timeout => None,
        Err(error) => Some(format!("{name}: ended: {error}")),
        Ok(_) => Some(format!("{name}: ended")),
    }
}

/// Takes a message: to which client, topic and values.
pub trait Receive: Send + Sync {
    fn receive(&self, to: Pid, topic: &str, values: &[Value]);
}

struct Ear<T>(Arc<T>);

impl<T: Receive> Sink for Ear<T> {
    fn deliver(&self, package: Package) -> std::result::Result<(), Refused> {
        if let Body::Message(wire) = &package.body {
            let mut reader = wire.reader();
            let topic = reader.value();
            let values: Vec<Value> = std::iter::from_fn(|| reader.value()).collect();
            let topic = topic.as_ref().and_then(Value::as_str).unwrap_or_default();
            self.0.receive(package.to, topic, &values);
        }
        Ok(())
    }
}

/// Messages to the PIDs of clients go to `receiver` from here on.
pub fn attach(node: &Node, receiver: Arc<impl Receive + 'static>) -> Result<()> {
    node.kernel
        .mailbox
        .router()
        .local()
        .attach_host(HostId::intern(CLIENTS), Host::Sink(Arc::new(Ear(receiver))))
}

pub fn detach(node: &Node) {
    node.kernel.mailbox.router().local().detach_host(HostId::intern(CLIENTS));
}

/// A number among the values of a message.
pub fn number(values: &[Value], index: usize) -> u64 {
    values.get(index).and_then(Value::as_number).unwrap_or_default() as u64
}
