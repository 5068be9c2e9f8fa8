//! The unit of scheduling: a VM, that is a Lua state with the processes in it.
//!
//! Core knows a VM only as something that takes [`Event`]s and runs for a slice. At most one worker
//! has it at a time; others reach it through its [`VmCell`]: post an event, wake it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::core::pid::Pid;
use crate::core::relay::package::Package;
use crate::core::scheduler::state::VmState;
use crate::infra::clock::Nanos;
use crate::infra::error::Error;
use crate::infra::event_bus::Feed;

/// Something for a process of this VM, or for the VM itself.
pub enum Event {
    Package(Package),
    /// A command of `pid` has completed. Ignored if the process is gone.
    Done {
        pid: Pid,
        tag: u64,
        result: Result<Answer, Error>,
    },
    /// Events of the bus wait in a feed of `pid`. Ignored if the process is gone.
    News {
        pid: Pid,
        feed: Arc<Feed>,
    },
    /// Start a process here.
    Start(Box<Start>),
    /// Somebody wants to look at what only the VM knows.
    Visit(Visit),
}

/// Called with the data of a VM, by the worker that runs it: must not block. The runtime layer knows the
/// type behind it.
pub type Visit = Box<dyn FnOnce(&mut dyn std::any::Any) + Send>;

/// What a command completes with. The Lua layer knows which kind each command gives.
pub enum Answer {
    Nothing,
    Bool(bool),
    Bytes(Vec<u8>),
    Pid(Pid),
    Boxed(Box<dyn std::any::Any + Send>),
}

/// A request to start a process, as it crosses from anywhere to the VM that will hold it.
pub struct Start {
    /// What to start; the runtime layer knows the type behind it.
    pub spec: Box<dyn std::any::Any + Send>,
    /// Told once the process is there, or why it is not.
    pub reply: Box<dyn FnOnce(Result<Pid, Error>) + Send>,
}

/// What a worker runs. Implemented by the runtime layer.
pub trait Vm: Send {
    /// Runs ready processes until there are none or the slice is used up.
    fn run(&mut self, slice: &Slice<'_>) -> SliceEnd;
}

/// What a VM may use while it runs.
pub struct Slice<'a> {
    pub cell: &'a Arc<VmCell>,
    /// Counts resumes on this worker; the quantum ticker compares it between two looks.
    pub resumes: &'a AtomicU64,
    /// Stop when the clock passes this.
    pub until: Nanos,
    /// When the slice began.
    pub now: Nanos,
    /// Index of the worker.
    pub worker: usize,
}

/// How a slice ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SliceEnd {
    /// Some of its processes are still ready.
    pub more: bool,
    /// When its next timer is due.
    pub next_timer: Option<Nanos>,
}

/// Arms the interrupt of a running VM from another thread.
pub trait Interrupt: Send {
    fn arm(&self);
}

/// The part of a VM that every thread may touch.
pub struct VmCell {
    pub(crate) state: VmState,
    /// Events not yet taken. Locked for a push or a swap, never while Lua runs.
    incoming: Mutex<Vec<Event>>,
    /// Bound of `incoming` for messages; lifecycle events and completions pass it.
    incoming_max: usize,
    /// The VM itself. The state word lets one worker in at a time, so this lock never waits.
    body: Mutex<Option<Box<dyn Vm>>>,
    /// Locked by the ticker for one store, and when the VM goes away.
    interrupt: Mutex<Option<Box<dyn Interrupt>>>,
    /// Lanes (mod 64) that found `incoming` full and wait for it to be taken.
    pub(crate) waiting_lanes: AtomicU64,
    /// Earliest wake-up some worker's timer heap holds for this VM; `u64::MAX` for none.
    pub(crate) armed: AtomicU64,
    /// Processes living in it.
    pub population: AtomicUsize,
    /// Told apart from other VMs of this program; counted up from zero.
    pub number: usize,
}

impl VmCell {
    pub fn new(incoming_max: usize) -> Arc<VmCell> {
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        Arc::new(VmCell {
            number: NUMBER.fetch_add(1, Ordering::Relaxed),
            state: VmState::new(),
            incoming: Mutex::new(Vec::new()),
            incoming_max,
            body: Mutex::new(None),
            interrupt: Mutex::new(None),
            waiting_lanes: AtomicU64::new(0),
            armed: AtomicU64::new(u64::MAX),
            population: AtomicUsize::new(0),
        })
    }

    /// Processes living in the VM.
    #[inline]
    pub fn population(&self) -> usize {
        self.population.load(Ordering::Relaxed)
    }

    /// Puts the VM into its cell. Once, before the cell is shown to the scheduler.
    pub fn install(&self, vm: Box<dyn Vm>, interrupt: Box<dyn Interrupt>) {
        *self.body.lock() = Some(vm);
        *self.interrupt.lock() = Some(interrupt);
    }

    /// Drops the VM and what it has not taken, whoever else holds the cell. Only when no worker runs.
    pub(crate) fn uninstall(&self) {
        // The interrupt points into the VM.
        drop(self.interrupt.lock().take());
        let vm = self.body.lock().take();
        let incoming = std::mem::take(&mut *self.incoming.lock());
        // Not under the locks: what goes may post to this very cell.
        drop((vm, incoming));
    }

    /// Adds an event whatever the bound. The caller wakes the VM, see `Scheduler::notify`.
    pub fn post(&self, event: Event) {
        self.incoming.lock().push(event);
    }

    /// Adds a message if there is room, else gives it back.
    pub fn try_post(&self, package: Package) -> Result<(), Package> {
        let mut incoming = self.incoming.lock();
        if incoming.len() >= self.incoming_max && !package.body.is_lifecycle() {
            return Err(package);
        }
        incoming.push(Event::Package(package));
        Ok(())
    }

    /// Swaps the events out into the empty `into`. Only the worker that runs the VM calls this.
    pub fn take(&self, into: &mut Vec<Event>) {
        debug_assert!(into.is_empty());
        std::mem::swap(&mut *self.incoming.lock(), into);
    }

    /// Interrupts whatever the VM runs at the moment.
    pub fn interrupt(&self) {
        if let Some(interrupt) = &*self.interrupt.lock() {
            interrupt.arm();
        }
    }

    pub(crate) fn body(&self) -> parking_lot::MutexGuard<'_, Option<Box<dyn Vm>>> {
        self.body.lock()
    }
}

impl Drop for VmCell {
    fn drop(&mut self) {
        // The interrupt points into the VM, which goes right after.
        self.interrupt.get_mut().take();
    }
}
