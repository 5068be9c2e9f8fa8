//! Hosts as processes see them: a name, whether it runs, how many live on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use fnv::FnvHashMap;
use parking_lot::{Mutex, RwLock};

use crate::core::pid::HostId;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;

/// What may run on a host, and how its end counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostKind {
    Processes,
    /// Its processes cannot be terminated, and the end of one ends the runtime.
    Terminal,
}

const STOPPED: u8 = 0;
const RUNNING: u8 = 1;
const STOPPING: u8 = 2;

pub struct Host {
    pub id: HostId,
    pub kind: HostKind,
    /// Each process gets a VM to itself.
    pub isolated: bool,
    state: AtomicU8,
    /// Processes on it, those being started included.
    live: AtomicUsize,
    /// For whoever waits until nobody is left.
    emptied: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Host {
    pub fn new(id: HostId, kind: HostKind, isolated: bool) -> Host {
        Host {
            id,
            kind,
            isolated,
            state: AtomicU8::new(STOPPED),
            live: AtomicUsize::new(0),
            emptied: Mutex::new(None),
        }
    }

    pub fn run(&self) {
        self.state.store(RUNNING, Ordering::SeqCst);
    }

    /// No new processes from here on. `then` is called once the last one has ended, at once if
    /// there is none.
    pub fn stop(&self, then: Box<dyn FnOnce() + Send>) {
        *self.emptied.lock() = Some(then);
        self.state.store(STOPPING, Ordering::SeqCst);
        self.check_empty();
    }

    pub fn stopped(&self) {
        self.state.store(STOPPED, Ordering::SeqCst);
    }

    pub fn is_running(&self) -> bool {
        self.state.load(Ordering::SeqCst) == RUNNING
    }

    pub fn live(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }

    /// Counts a process in that is about to be started.
    pub fn enter(&self) -> Result<()> {
        self.live.fetch_add(1, Ordering::SeqCst);
        // Counted first, so that a stop that begins now waits for it or refuses it here.
        let problem = match self.state.load(Ordering::SeqCst) {
            RUNNING => return Ok(()),
            STOPPING => "host is shutting down",
            _ => "host is not running",
        };
        self.leave();
        Err(Error::unavailable(problem))
    }

    /// A process has ended, or did not come to be.
    pub fn leave(&self) {
        if self.live.fetch_sub(1, Ordering::SeqCst) == 1
            && self.state.load(Ordering::SeqCst) == STOPPING
        {
            self.check_empty();
        }
    }

    fn check_empty(&self) {
        if self.live() == 0
            && let Some(then) = self.emptied.lock().take()
        {
            then();
        }
    }
}

/// Hosts by the id of their entry.
#[derive(Default)]
pub struct Hosts(RwLock<FnvHashMap<Box<str>, Arc<Host>>>);

impl Hosts {
    pub fn insert(&self, host: Arc<Host>) {
        self.0.write().insert(host.id.as_str().into(), host);
    }

    pub fn remove(&self, id: HostId) {
        self.0.write().remove(id.as_str());
    }

    pub fn get(&self, id: &str) -> Result<Arc<Host>> {
        self.0.read().get(id).cloned().ok_or_else(|| {
            Error::not_found("host not found").with_details([("host_id", Value::from(id))].into())
        })
    }

    /// Ids of all hosts of a kind, sorted.
    pub fn ids(&self, kind: HostKind) -> Vec<String> {
        let hosts = self.0.read();
        let mut ids: Vec<String> = hosts
            .values()
            .filter(|host| host.kind == kind)
            .map(|host| host.id.as_str().to_owned())
            .collect();
        ids.sort();
        ids
    }
}
