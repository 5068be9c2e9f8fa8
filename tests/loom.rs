//! The scheduler's lock-free words under loom: every interleaving of a few threads.
//!
//! `state.rs` and `idle.rs` are compiled a second time here, with loom's atomics behind the same
//! `crate::infra::sync`. Each model states the claim it checks; each was seen to fail with the
//! code broken in the way its comment names.
//!
//! Loom treats `SeqCst` accesses as `AcqRel` and knows `SeqCst` fences: what is proved here holds
//! without help from the former.

mod infra {
    pub mod sync {
        pub use loom::sync::MutexGuard;
        pub use loom::sync::atomic::{AtomicU32, Ordering, fence};

        /// Loom's lock with the signature of the runtime's.
        #[derive(Debug)]
        pub struct Mutex<T>(loom::sync::Mutex<T>);

        impl<T> Mutex<T> {
            pub fn new(value: T) -> Mutex<T> {
                Mutex(loom::sync::Mutex::new(value))
            }

            pub fn lock(&self) -> MutexGuard<'_, T> {
                self.0.lock().expect("no thread of a model panics and goes on")
            }
        }
    }
}

#[path = "../src/core/scheduler/idle.rs"]
mod idle;

#[path = "../src/core/scheduler/state.rs"]
mod state;

use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering, fence};
use loom::thread;

use crate::idle::Idle;
use crate::state::{Next, VmState};

/// Bounds the search: three preemptions find every bug that was planted, in a fraction of the time.
fn check(model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(model);
}

/// A VM: its word, its event queue, the run-queue entries for it, and what it owns.
#[derive(Default)]
struct Vm {
    state: VmState,
    /// Events posted, a place for each thread that posts. `Relaxed`: the word must order them.
    events: [AtomicUsize; 2],
    /// Entries in run queues, which order a push before the pop.
    entries: AtomicUsize,
    /// Events seen: only whoever runs the VM touches it.
    seen: Body,
}

/// What only one worker at a time may touch; loom reports a race if two do.
#[derive(Default)]
struct Body(UnsafeCell<[usize; 2]>);

// SAFETY: the claim under test. Loom tracks each access and fails the model on a race.
unsafe impl Sync for Body {}
// SAFETY: numbers.
unsafe impl Send for Body {}

impl Vm {
    fn post(&self, place: usize) {
        self.events[place].store(1, Ordering::Relaxed);
        self.enqueue(self.state.notify());
    }

    fn enqueue(&self, next: Next) {
        if next == Next::Enqueue {
            let before = self.entries.fetch_add(1, Ordering::AcqRel);
            assert_eq!(before, 0, "two entries of one VM");
        }
    }

    /// A worker: takes an entry if there is one, and runs the VM.
    fn work(&self) {
        if take_one(&self.entries) && self.state.begin() {
            let posted = [0, 1].map(|place: usize| self.events[place].load(Ordering::Relaxed));
            // SAFETY: between `begin` and `finish` the worker is alone here; loom checks it.
            self.seen.0.with_mut(|seen| unsafe { *seen = posted });
            self.enqueue(self.state.finish(false));
        }
    }
}

/// Claims 1 to 3 of `state.rs`. Fails without the look at `NOTIFIED` in `finish` (an event stays
/// behind), with `Relaxed` in `notify`, `begin` or `finish` (it is not seen), and when `notify` ignores `QUEUED` (two entries).
#[test]
fn a_vm_has_one_worker_one_entry_and_loses_no_wake() {
    check(|| {
        let vm = Arc::new(Vm::default());
        let poster = thread::spawn({
            let vm = vm.clone();
            move || vm.post(0)
        });
        let worker = thread::spawn({
            let vm = vm.clone();
            move || vm.work()
        });
        vm.post(1);
        vm.work();
        poster.join().expect("no assertion failed");
        worker.join().expect("no assertion failed");
        // Whatever is left has an entry, and one run empties it.
        while vm.entries.load(Ordering::Relaxed) > 0 {
            vm.work();
        }
        // SAFETY: the other threads have ended.
        let seen = vm.seen.0.with(|seen| unsafe { *seen });
        assert_eq!(seen, [1, 1], "an event was never looked at");
    });
}

/// Two workers with one shared run queue. Work, once taken, keeps its worker for good, so that
/// nobody may rely on the others coming back.
struct Machine {
    idle: Idle,
    work: AtomicUsize,
    places: [Place; 2],
}

/// Where a worker sleeps.
#[derive(Default)]
struct Place {
    /// Wakes sent: what the park finds.
    wakes: AtomicUsize,
    /// The worker found none: it sleeps until the model wakes it at the end.
    parked: AtomicUsize,
}

impl Machine {
    fn new() -> Arc<Machine> {
        let places = [Place::default(), Place::default()];
        Arc::new(Machine { idle: Idle::new(), work: AtomicUsize::new(0), places })
    }

    fn push(&self) {
        self.work.fetch_add(1, Ordering::Relaxed);
        self.wake_one();
    }

    fn wake_one(&self) {
        if let Some(worker) = self.idle.worker_to_wake() {
            self.places[worker].wakes.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn has_work(&self) -> bool {
        self.work.load(Ordering::Relaxed) > 0
    }

    /// After the last search. The fence stands for the one in the queues' own `is_empty`.
    fn hand_on(&self) {
        fence(Ordering::SeqCst);
        if self.has_work() {
            self.wake_one();
        }
    }

    /// The loop of `worker.rs`, until the worker has work or parks with no wake pending.
    fn worker(&self, index: usize, mut searching: bool) {
        let place = &self.places[index];
        loop {
            if take_one(&self.work) {
                if searching && self.idle.stop_searching() {
                    self.hand_on();
                }
                return;
            }
            if !searching && self.idle.try_search(self.places.len()) {
                searching = true;
                continue;
            }
            if searching {
                self.idle.stop_searching();
            }
            self.idle.sleep(index);
            if self.has_work() {
                self.idle.awake_to_search(index);
                searching = true;
                continue;
            }
            if !take_one(&place.wakes) {
                place.parked.store(1, Ordering::Relaxed);
                return;
            }
            searching = self.idle.awake(index);
        }
    }

    /// All threads have ended. Parked workers that were sent a wake go on; then nothing is left.
    fn finish(&self) {
        let woken = |place: &Place| take_one(&place.wakes) && take_one(&place.parked);
        while let Some(index) = self.places.iter().position(woken) {
            self.worker(index, self.idle.awake(index));
        }
        assert_eq!(self.work.load(Ordering::Relaxed), 0, "work is queued and a worker sleeps");
    }
}

fn take_one(count: &AtomicUsize) -> bool {
    count.fetch_update(Ordering::AcqRel, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
}

/// Claim 1 of `idle.rs`: a worker falls asleep, another thread pushes. Fails with either fence
/// taken out, and when a worker parks without looking again.
#[test]
fn work_pushed_while_a_worker_falls_asleep_is_seen() {
    check(|| {
        let machine = Machine::new();
        let worker = thread::spawn({
            let machine = machine.clone();
            move || machine.worker(0, false)
        });
        machine.push();
        worker.join().expect("no assertion failed");
        machine.finish();
    });
}

/// Claim 1 again: two sleepers or nearly so, and a producer that wakes nobody while one of them
/// searches. Fails when the last searcher hands nothing on, and when a worker that sees work as it
/// falls asleep takes it without counting as searching.
#[test]
fn a_searcher_that_finds_work_hands_the_rest_on() {
    check(|| {
        let machine = Machine::new();
        let workers = [0, 1].map(|index| {
            let machine = machine.clone();
            thread::spawn(move || machine.worker(index, false))
        });
        machine.push();
        machine.push();
        for worker in workers {
            worker.join().expect("no assertion failed");
        }
        machine.finish();
    });
}

/// Claim 2 of `idle.rs`. Fails when `worker_to_wake` leaves its choice on the list, or when
/// `awake` does not take a worker off it.
#[test]
fn a_worker_is_chosen_once_and_learns_it() {
    check(|| {
        let idle = Arc::new(Idle::new());
        idle.sleep(0);
        let chooser = thread::spawn({
            let idle = idle.clone();
            move || idle.worker_to_wake()
        });
        let chosen_here = idle.awake(0);
        let chosen = chooser.join().expect("no assertion failed");
        assert_eq!(chosen_here, chosen == Some(0));
        if chosen_here {
            assert!(idle.stop_searching(), "it counted as the only one searching");
        }
        assert_eq!(idle.worker_to_wake(), None);
        assert!(!idle.any_asleep());
    });
}
