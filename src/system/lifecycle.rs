//! Lifecycle: ordered, named handlers around every process of every host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

use crate::core::pid::Pid;
use crate::core::registry::EntryId;
use crate::core::relay::Exit;
use crate::infra::error::Result;

/// A process as a handler sees it.
pub struct Started<'a> {
    pub pid: Pid,
    pub source: &'a EntryId,
    pub parent: Pid,
}

pub trait Handler: Send + Sync {
    /// The process is routable and has not run yet. An error undoes the start.
    fn on_start(&self, process: &Started<'_>) -> Result<()>;
    /// The process has left the routing table, its watchers have been told.
    fn on_complete(&self, process: &Started<'_>, exit: &Exit);
}

#[derive(Default)]
pub struct Lifecycle {
    handlers: RwLock<Vec<(&'static str, Arc<dyn Handler>)>>,
    /// Length of the list: most runs have none, and a spawn should not pay for that.
    count: AtomicUsize,
}

impl Lifecycle {
    /// Adds a handler behind the others; a name registered again keeps its place.
    pub fn register(&self, name: &'static str, handler: Arc<dyn Handler>) {
        let mut handlers = self.handlers.write();
        match handlers.iter_mut().find(|(n, _)| *n == name) {
            Some(slot) => slot.1 = handler,
            None => handlers.push((name, handler)),
        }
        self.count.store(handlers.len(), Ordering::Release);
    }

    /// Does anybody want to hear of processes?
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    pub fn on_start(&self, process: &Started<'_>) -> Result<()> {
        if !self.is_watched() {
            return Ok(());
        }
        self.handlers.read().iter().try_for_each(|(_, handler)| handler.on_start(process))
    }

    pub fn on_complete(&self, process: &Started<'_>, exit: &Exit) {
        if self.is_watched() {
            self.handlers.read().iter().for_each(|(_, handler)| handler.on_complete(process, exit));
        }
    }
}
