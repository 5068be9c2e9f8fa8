//! The scheduler: pinned workers that run VMs.
//!
//! A worker's run queue holds **VMs that have something to do**. A thief takes a whole VM, so its
//! processes move together and no Lua value is ever touched by two threads.
//!
//! - *Wake rule*: post the event, then [`Handle::notify`]. The state word ([`state`]) sees to it that
//!   a VM has at most one queue entry and that no wake is lost; [`idle`] sees to it that a sleeping
//!   worker is woken for work nobody else will find.
//! - *Search order* of a worker: own queue, the injector (every 61st time first, so that outsiders are
//!   not starved), then the other workers, beginning with a random one. It looks several times before
//!   it sleeps, and at most half of the workers search at once.
//! - *Who wakes whom*: a worker that queues a VM for itself wakes nobody while that VM is the only one
//!   waiting, since it will get to it soon; the ticker (`quantum.rs`) wakes a sleeper if "soon" takes
//!   longer than a tick.
//! - *Slices*: a VM runs until it has nothing ready or its slice ends, then goes to the back of the
//!   queue. A process that overstays inside a slice is interrupted by the ticker.
//! - *Timers*: each VM keeps its own. A worker has an alarm (`alarms.rs`) for the next deadline of each VM
//!   that ran on it; the ticker rings those of a worker that cannot.
//! - *Shutdown*: [`Scheduler::stop`] sets a flag and wakes all; workers leave after the slice they are
//!   in. What is queued then is dropped with its VMs: whoever stops the scheduler has stopped the
//!   processes before.

mod alarms;
pub mod idle;
pub mod placement;
mod quantum;
pub mod state;
pub mod stats;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_deque::{Injector, Steal, Stealer};
use mio::Waker;

use crate::core::scheduler::alarms::Alarms;
use crate::core::scheduler::idle::Idle;
use crate::core::scheduler::quantum::Ticker;
use crate::core::scheduler::state::Next;
use crate::core::scheduler::stats::WorkerStats;
use crate::core::vm::VmCell;
use crate::infra::clock::{Clock, Nanos};
use crate::infra::error::{Error, Result};

/// Measured trade-offs; the table is in ARCHITECTURE.md.
#[derive(Clone, Debug)]
pub struct Options {
    /// Worker threads, at least one.
    pub workers: usize,
    /// How long a VM runs before others get their turn.
    pub slice: Duration,
    /// How often the ticker looks for processes that overstay.
    pub tick: Duration,
    /// Pin each worker to a core.
    pub pin: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            workers: placement::usable_cores().max(1),
            slice: Duration::from_micros(500),
            tick: Duration::from_millis(1),
            pin: true,
        }
    }
}

type VmRef = Arc<VmCell>;

/// What all workers share.
pub(crate) struct Shared {
    /// VMs queued by threads that are no workers.
    injector: Injector<VmRef>,
    stealers: Box<[Stealer<VmRef>]>,
    idle: Idle,
    remotes: Box<[Remote]>,
    clock: Clock,
    options: Options,
    stop: AtomicBool,
    /// All workers have left: until then the ticker goes on, for a process in an endless loop leaves
    /// its worker only when it is interrupted.
    workers_gone: AtomicBool,
    /// Workers that could not be pinned.
    unpinned: AtomicUsize,
    ticker: Ticker,
}

/// The part of a worker that other threads reach.
struct Remote {
    waker: Waker,
    /// Asked to give back memory it has freed.
    release: AtomicBool,
    alarms: Alarms,
    stats: WorkerStats,
}

/// Wakes VMs, from any thread. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    shared: Arc<Shared>,
}

impl Handle {
    /// After an event was posted to `vm`: sees to it that a worker looks at it.
    pub fn notify(&self, vm: &Arc<VmCell>) {
        match vm.state.notify() {
            Next::Enqueue => self.shared.enqueue(vm.clone()),
            Next::Nothing => {}
        }
    }

    /// Has each worker give back memory that was freed on it or for it, once it is between two VMs.
    /// What one worker frees may belong to what another has allocated, and only that one gives it back.
    pub fn release_memory(&self) {
        for (worker, remote) in self.shared.remotes.iter().enumerate() {
            if !remote.release.swap(true, Ordering::AcqRel) {
                self.shared.wake(worker);
            }
        }
    }

    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    pub fn workers(&self) -> usize {
        self.shared.options.workers
    }

    /// Counters of each worker, in order.
    pub fn stats(&self) -> Vec<stats::Snapshot> {
        self.shared.remotes.iter().map(|remote| remote.stats.snapshot()).collect()
    }
}

impl Shared {
    fn enqueue(&self, vm: VmRef) {
        match worker::push_local(self, vm) {
            // The worker itself will get to it; more than one waiting is worth a helper.
            Ok(waiting) if waiting < 2 => return,
            Ok(_) => {}
            Err(vm) => self.injector.push(vm),
        }
        self.wake_one();
    }

    fn wake_one(&self) {
        if let Some(worker) = self.idle.worker_to_wake() {
            self.wake(worker);
        }
    }

    fn wake(&self, worker: usize) {
        // Writing to an eventfd fails only when its counter is full, and then it is readable.
        let _ = self.remotes[worker].waker.wake();
    }

    /// Queues the VMs for which an alarm of `worker` is due.
    fn ring(&self, worker: usize, now: Nanos) {
        while let Some(vm) = self.remotes[worker].alarms.take_due(now) {
            if let Next::Enqueue = vm.state.notify() {
                self.enqueue(vm);
            }
        }
    }

    fn has_work(&self) -> bool {
        !self.injector.is_empty() || self.stealers.iter().any(|stealer| !stealer.is_empty())
    }

    fn stopping(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// The running workers. Dropping it stops them.
pub struct Scheduler {
    handle: Handle,
    workers: Vec<JoinHandle<()>>,
    ticker: Option<JoinHandle<()>>,
}

impl Scheduler {
    /// Starts the workers and the ticker.
    pub fn start(options: Options, clock: Clock) -> Result<Scheduler> {
        let workers = options.workers.max(1);
        let options = Options { workers, ..options };
        let io = |error: std::io::Error| Error::internal(format!("start workers: {error}"));
        let queues: Vec<_> = (0..workers).map(|_| crossbeam_deque::Worker::new_fifo()).collect();
        let mut parks = Vec::new();
        let mut remotes = Vec::new();
        for _ in 0..workers {
            let (park, waker) = crate::core::reactor::poll::Park::new().map_err(io)?;
            parks.push(park);
            let release = AtomicBool::new(false);
            let (alarms, stats) = (Alarms::new(), WorkerStats::default());
            remotes.push(Remote { waker, release, alarms, stats });
        }
        let shared = Arc::new(Shared {
            injector: Injector::new(),
            stealers: queues.iter().map(|queue| queue.stealer()).collect(),
            idle: Idle::new(),
            remotes: remotes.into(),
            clock,
            options,
            stop: AtomicBool::new(false),
            workers_gone: AtomicBool::new(false),
            unpinned: AtomicUsize::new(0),
            ticker: Ticker::new(),
        });
        let cores = placement::pins(workers, shared.options.pin);
        let mut scheduler = Scheduler {
            handle: Handle { shared: shared.clone() },
            workers: Vec::new(),
            ticker: None,
        };
        for ((index, queue), park) in queues.into_iter().enumerate().zip(parks) {
            let (shared, core) = (shared.clone(), cores[index]);
            let thread = std::thread::Builder::new()
                .name(format!("wippy-{index}"))
                // Room for the walk over deeply nested tables; only touched pages cost memory.
                .stack_size(16 << 20)
                .spawn(move || worker::main(shared, index, queue, park, core))
                .map_err(io)?;
            scheduler.workers.push(thread);
        }
        let ticker = std::thread::Builder::new()
            .name("wippy-ticker".into())
            .spawn(move || quantum::main(&shared))
            .map_err(io)?;
        scheduler.ticker = Some(ticker);
        Ok(scheduler)
    }

    pub fn handle(&self) -> &Handle {
        &self.handle
    }

    /// How many workers run without a core of their own although one was asked for.
    pub fn unpinned(&self) -> usize {
        self.handle.shared.unpinned.load(Ordering::Acquire)
    }

    /// Tells all workers to leave and waits for them. A second call does nothing.
    pub fn stop(&mut self) {
        let shared = &self.handle.shared;
        shared.stop.store(true, Ordering::Release);
        for worker in 0..shared.options.workers {
            shared.wake(worker);
        }
        shared.ticker.wake();
        for thread in self.workers.drain(..) {
            // A worker that panicked has already said so.
            let _ = thread.join();
        }
        shared.workers_gone.store(true, Ordering::Release);
        shared.ticker.wake();
        if let Some(ticker) = self.ticker.take() {
            let _ = ticker.join();
        }
    }

    /// Frees the VMs that are still queued: they hold what holds the queues. After the stop.
    pub fn clear(&self) {
        let shared = &self.handle.shared;
        let free = |take: &dyn Fn() -> Steal<VmRef>| {
            loop {
                match take() {
                    Steal::Success(vm) => vm.uninstall(),
                    Steal::Retry => {}
                    Steal::Empty => break,
                }
            }
        };
        shared.stealers.iter().for_each(|stealer| free(&|| stealer.steal()));
        // Last: what goes with a VM may wake another one, which this thread queues here.
        free(&|| shared.injector.steal());
    }
}

impl Drop for Scheduler {
    fn drop(&mut self) {
        self.stop();
    }
}

#[cfg(test)]
mod tests;
