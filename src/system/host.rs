//! Hosts as processes see them: a name, whether it runs, how many live on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};

use fnv::FnvHashMap;
use parking_lot::{Mutex, RwLock};

use crate::core::pid::HostId;
use crate::infra::error::{Error, Result};
use crate::infra::sync::Padded;
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

/// Places at which the processes of a host are counted.
const PLACES: usize = 16;

/// A place to count at: that of a VM, or [`Seat::OUTSIDE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat(usize);

impl Seat {
    /// No VM has the process yet.
    pub const OUTSIDE: Seat = Seat(0);

    /// The seat of all processes of the VM with this number.
    pub fn of_vm(number: usize) -> Seat {
        Seat(1 + number % (PLACES - 1))
    }
}

pub struct Host {
    pub id: HostId,
    pub kind: HostKind,
    /// Settings of processes to come. Relaxed: a spawn that races with a change may see either side.
    isolated: AtomicBool,
    /// 0 is no limit.
    memory_limit: AtomicUsize,
    state: AtomicU8,
    /// Processes on it, those being started included. Counted apart for each group of VMs, so that
    /// workers that spawn at the same time do not share a cache line; a process is counted in and
    /// out at the same place. The first place is for those that no VM has yet.
    live: [Padded<AtomicUsize>; PLACES],
    /// For whoever waits until nobody is left.
    emptied: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Host {
    pub fn new(id: HostId, kind: HostKind, isolated: bool) -> Host {
        Host {
            id,
            kind,
            isolated: AtomicBool::new(isolated),
            memory_limit: AtomicUsize::new(0),
            state: AtomicU8::new(STOPPED),
            live: Default::default(),
            emptied: Mutex::new(None),
        }
    }

    /// The same host with a limit for each of its processes, in bytes.
    pub fn with_memory_limit(self, limit: Option<usize>) -> Host {
        self.configure(self.isolated(), limit);
        self
    }

    /// Changes what holds for processes started from now on; the others stay as they are.
    pub fn configure(&self, isolated: bool, memory_limit: Option<usize>) {
        self.isolated.store(isolated || memory_limit.is_some(), Ordering::Relaxed);
        self.memory_limit.store(memory_limit.unwrap_or(0), Ordering::Relaxed);
    }

    /// Each process gets a VM to itself.
    pub fn isolated(&self) -> bool {
        self.isolated.load(Ordering::Relaxed)
    }

    /// Bytes of Lua memory that each process may hold. Limits are kept by VM, so a process with one
    /// has a VM to itself.
    pub fn memory_limit(&self) -> Option<usize> {
        Some(self.memory_limit.load(Ordering::Relaxed)).filter(|&limit| limit > 0)
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

    /// Exact once the host is stopping; before that, a count of moving things.
    pub fn live(&self) -> usize {
        // From the outside inwards, as processes move: none is missed.
        self.live.iter().map(|seat| seat.0.load(Ordering::SeqCst)).sum()
    }

    /// Counts a process in that is about to be started.
    pub fn enter(&self, seat: Seat) -> Result<()> {
        self.live[seat.0].0.fetch_add(1, Ordering::SeqCst);
        // Counted first, so that a stop that begins now waits for it or refuses it here.
        let problem = match self.state.load(Ordering::SeqCst) {
            RUNNING => return Ok(()),
            STOPPING => "host is shutting down",
            _ => "host is not running",
        };
        self.leave(seat);
        Err(Error::unavailable(problem))
    }

    /// A process that was counted in outside has come to its VM.
    pub fn move_in(&self, seat: Seat) {
        self.live[seat.0].0.fetch_add(1, Ordering::SeqCst);
        self.live[Seat::OUTSIDE.0].0.fetch_sub(1, Ordering::SeqCst);
    }

    /// A process has ended, or did not come to be.
    pub fn leave(&self, seat: Seat) {
        if self.live[seat.0].0.fetch_sub(1, Ordering::SeqCst) == 1
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
pub struct Hosts {
    by_id: RwLock<FnvHashMap<Box<str>, Arc<Host>>>,
    version: AtomicU64,
}

impl Hosts {
    pub fn insert(&self, host: Arc<Host>) {
        self.by_id.write().insert(host.id.as_str().into(), host);
        self.version.fetch_add(1, Ordering::Release);
    }

    pub fn remove(&self, id: HostId) {
        self.by_id.write().remove(id.as_str());
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Changes with every change: whoever remembers what `get` gave may look whether it still holds.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    pub fn get(&self, id: &str) -> Result<Arc<Host>> {
        self.by_id.read().get(id).cloned().ok_or_else(|| {
            Error::not_found("host not found").with_details([("host_id", Value::from(id))].into())
        })
    }

    /// Ids of all hosts of a kind, sorted.
    pub fn ids(&self, kind: HostKind) -> Vec<String> {
        let hosts = self.by_id.read();
        let mut ids: Vec<String> = hosts
            .values()
            .filter(|host| host.kind == kind)
            .map(|host| host.id.as_str().to_owned())
            .collect();
        ids.sort();
        ids
    }
}
