//! The local node: hosts by id, processes by PID.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use crate::core::pid::{HostId, NodeId, Pid};
use crate::core::process::ProcessTable;
use crate::core::relay::attach::{Attachment, Sinks};
use crate::core::relay::package::{Package, Refusal, Refused};
use crate::core::scheduler::Handle;
use crate::infra::error::{Error, Kind, Result};

/// Something that takes packages for PIDs that are not processes, such as a control mailbox.
pub trait Sink: Send + Sync {
    /// Takes the package, or gives it back. Must not block, nor attach or detach anything.
    fn deliver(&self, package: Package) -> Result<(), Refused>;

    /// For sinks that refuse as `Busy`. `true`: there is room again, `wake` is not needed. `false`:
    /// `wake` is kept and called once there is, on any thread, not within this call, and with no
    /// lock held that `deliver` takes.
    fn when_room(&self, wake: Wake) -> bool {
        drop(wake);
        false
    }
}

/// Called when somebody who had no room may have some.
pub type Wake = Box<dyn FnOnce() + Send>;

/// What stands behind a host id.
#[derive(Clone)]
pub enum Host {
    /// Its PIDs are in the process table.
    Processes,
    Sink(Arc<dyn Sink>),
    /// Its PIDs have sinks of their own: see [`Node::attach`].
    Sinks(Sinks),
}

/// Delivery within this node.
pub struct Node {
    id: NodeId,
    table: Arc<ProcessTable>,
    scheduler: Handle,
    hosts: RwLock<FxHashMap<HostId, Host>>,
    closed: AtomicBool,
    /// Called when a sink has gone: what waited for it need not wait any longer. Set by the mailbox.
    on_detach: Arc<OnDetach>,
}

pub(super) type OnDetach = OnceLock<Box<dyn Fn() + Send + Sync>>;

impl Node {
    pub fn new(id: NodeId, table: Arc<ProcessTable>, scheduler: Handle) -> Node {
        let (hosts, closed) = (RwLock::default(), AtomicBool::new(false));
        Node { id, table, scheduler, hosts, closed, on_detach: Arc::default() }
    }

    pub fn id(&self) -> NodeId {
        self.id
    }

    pub fn table(&self) -> &Arc<ProcessTable> {
        &self.table
    }

    pub fn scheduler(&self) -> &Handle {
        &self.scheduler
    }

    /// Takes a host id for `host`.
    pub fn attach_host(&self, id: HostId, host: Host) -> Result<()> {
        let mut hosts = self.hosts.write();
        if hosts.contains_key(&id) {
            let message = format!("host already registered: {}", id.as_str());
            return Err(Error::new(Kind::AlreadyExists, message));
        }
        hosts.insert(id, host);
        Ok(())
    }

    pub fn detach_host(&self, id: HostId) {
        let host = self.hosts.write().remove(&id);
        if matches!(host, Some(Host::Sink(_) | Host::Sinks(_))) {
            self.detached();
        }
    }

    fn detached(&self) {
        if let Some(tell) = self.on_detach.get() {
            tell();
        }
    }

    /// `tell` is called when a sink has gone, by whoever took it away.
    pub(super) fn on_detach(&self, tell: Box<dyn Fn() + Send + Sync>) {
        // A node has one mailbox.
        let _ = self.on_detach.set(tell);
    }

    /// What stands behind `pid`, if it is a sink: see [`Sink::when_room`].
    pub(super) fn when_room(&self, pid: Pid, wake: Wake) -> bool {
        let host = self.hosts.read().get(&pid.host()).cloned();
        let sink = match host {
            Some(Host::Sink(sink)) => Some(sink),
            Some(Host::Sinks(sinks)) => sinks.get(pid),
            Some(Host::Processes) | None => None,
        };
        // One that has gone takes nothing any more, which the next try will show.
        sink.is_none_or(|sink| sink.when_room(wake))
    }

    /// Gives `pid` a sink, on a host whose PIDs have some, until what is returned is dropped.
    ///
    /// # Errors
    /// `NOT_FOUND` no such host, `INVALID` a host of another kind, `ALREADY_EXISTS` the PID has one.
    pub fn attach(&self, pid: Pid, sink: Arc<dyn Sink>) -> Result<Attachment> {
        match self.hosts.read().get(&pid.host()) {
            Some(Host::Sinks(sinks)) => sinks.attach(pid, sink, self.on_detach.clone()),
            Some(_) => Err(Error::invalid("host does not support attaching")),
            None => Err(Refusal::NoHost.into()),
        }
    }

    /// After this, every send fails. Sinks with PIDs of their own are let go.
    pub fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let hosts: Vec<Host> = self.hosts.read().values().cloned().collect();
        for host in hosts {
            if let Host::Sinks(sinks) = host {
                sinks.clear();
            }
        }
    }

    /// Delivers to a process of this node and wakes its VM, or to a sink.
    pub fn deliver(&self, package: Package) -> Result<(), Refused> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Refused { package, reason: Refusal::Closed });
        }
        let host = package.to.host();
        match self.table.deliver(package) {
            Ok(vm) => {
                self.scheduler.notify(&vm);
                Ok(())
            }
            Err(refused) if refused.reason == Refusal::NoProcess => {
                let host = self.hosts.read().get(&host).cloned();
                match host {
                    Some(Host::Processes) => Err(refused),
                    Some(Host::Sink(sink)) => sink.deliver(refused.package),
                    Some(Host::Sinks(sinks)) => sinks.deliver(refused.package),
                    None => Err(Refused { reason: Refusal::NoHost, ..refused }),
                }
            }
            Err(refused) => Err(refused),
        }
    }
}
