//! Clients that are no processes: a sink behind a host id takes what is sent to their PIDs.
//!
//! The sink is called on the worker that runs the sender, inside its `process.send`: the moment of
//! the answer is read without a hop to another thread. Its work there, some hundred nanoseconds
//! per answer, is part of the load, as that of client processes would be.

use std::sync::Arc;

use wippy::app::node::Node;
use wippy::core::pid::{HostId, Pid};
use wippy::core::relay::node::{Host, Sink};
use wippy::core::relay::{Body, Package, Refused};
use wippy::infra::error::Result;
use wippy::infra::transcoder::Value;

const CLIENTS: &str = "load:clients";

/// The PID of a client.
pub fn pid(node: &Node, number: usize) -> Pid {
    Pid::new(node.kernel.pids.node(), HostId::intern(CLIENTS), number as u64 + 1)
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
