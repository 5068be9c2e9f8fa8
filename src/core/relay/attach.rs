//! Hosts whose PIDs are no processes: for each PID a sink, as long as somebody keeps it attached.

use std::sync::Arc;

use parking_lot::RwLock;
use rustc_hash::FxHashMap;

use crate::core::pid::Pid;
use crate::core::relay::node::{OnDetach, Sink};
use crate::core::relay::package::{Package, Refusal, Refused};
use crate::infra::error::{Error, Kind, Result};

/// The sinks of one host. Cheap to clone; clones are the same.
#[derive(Clone, Default)]
pub struct Sinks(Arc<RwLock<FxHashMap<Pid, Arc<dyn Sink>>>>);

/// A sink is attached while this is there.
#[must_use = "dropping it detaches the sink"]
pub struct Attachment {
    sinks: Sinks,
    pid: Pid,
    on_detach: Arc<OnDetach>,
}

impl Sinks {
    /// # Errors
    /// `ALREADY_EXISTS`: the PID has a sink.
    pub(super) fn attach(
        &self,
        pid: Pid,
        sink: Arc<dyn Sink>,
        on_detach: Arc<OnDetach>,
    ) -> Result<Attachment> {
        let mut sinks = self.0.write();
        if sinks.contains_key(&pid) {
            return Err(Error::new(Kind::AlreadyExists, format!("pid already attached: {pid}")));
        }
        sinks.insert(pid, sink);
        Ok(Attachment { sinks: self.clone(), pid, on_detach })
    }

    /// Lets go of all sinks: who waits behind one waits in vain.
    pub(super) fn clear(&self) {
        let sinks = std::mem::take(&mut *self.0.write());
        // Not under the lock: a sink may do anything when it goes.
        drop(sinks);
    }

    pub(super) fn deliver(&self, package: Package) -> Result<(), Refused> {
        match self.get(package.to) {
            Some(sink) => sink.deliver(package),
            None => Err(Refused { package, reason: Refusal::NoProcess }),
        }
    }

    pub(super) fn get(&self, pid: Pid) -> Option<Arc<dyn Sink>> {
        self.0.read().get(&pid).cloned()
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.sinks.0.write().remove(&self.pid);
        if let Some(tell) = self.on_detach.get() {
            tell();
        }
    }
}
