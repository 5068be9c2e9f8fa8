//! The ticker: interrupts processes that overstay, and calls helpers for work that waits too long.
//!
//! While any worker runs something, the ticker looks at all of them once per tick. A worker whose
//! resume counter has not moved between two looks is still in the same resume: its VM is interrupted,
//! and the process goes behind the others of its VM at the next point where Luau can be left. So a
//! process has one to two ticks before others get their turn, and the hot path pays one counter.
//! Until then the worker looks after nothing, so its alarms are rung from here.
//!
//! It also compares the memory of the program with its target, now and then.
//!
//! When all workers sleep the ticker does so too, after a short while of finding nobody, so that
//! load that comes and goes does not wake it each time.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};

use crate::core::scheduler::Shared;
use crate::infra::memory;

/// Looks without a running worker before the ticker goes to sleep itself.
const IDLE_TICKS: u32 = 50;
/// Ticks between two looks at the memory of the program.
const MEMORY_TICKS: u32 = 64;

/// Where the ticker sleeps.
pub(crate) struct Ticker {
    asleep: AtomicBool,
    lock: Mutex<()>,
    signal: Condvar,
}

impl Ticker {
    pub(crate) fn new() -> Ticker {
        Ticker { asleep: AtomicBool::new(false), lock: Mutex::new(()), signal: Condvar::new() }
    }

    /// A worker begins to run something after a sleep.
    #[inline]
    pub(crate) fn on_work(&self) {
        if self.asleep.load(Ordering::SeqCst) {
            self.wake();
        }
    }

    pub(crate) fn wake(&self) {
        // Under the lock, so that it cannot fall between the ticker's last look and its wait.
        let _guard = self.lock.lock();
        self.asleep.store(false, Ordering::SeqCst);
        self.signal.notify_one();
    }
}

pub(crate) fn main(shared: &Shared) {
    let mut seen = vec![0u64; shared.remotes.len()];
    let mut idle_ticks = 0;
    let mut ticks = 0_u32;
    while !is_over(shared) {
        std::thread::sleep(shared.options.tick);
        ticks = ticks.wrapping_add(1);
        if ticks.is_multiple_of(MEMORY_TICKS) {
            memory::look();
        }
        if look(shared, &mut seen) {
            idle_ticks = 0;
            continue;
        }
        idle_ticks += 1;
        if idle_ticks >= IDLE_TICKS {
            idle_ticks = 0;
            let mut guard = shared.ticker.lock.lock();
            shared.ticker.asleep.store(true, Ordering::SeqCst);
            // A worker that began before the store has not seen it: look once more.
            if any_running(shared) || shared.stopping() {
                shared.ticker.asleep.store(false, Ordering::SeqCst);
                continue;
            }
            while shared.ticker.asleep.load(Ordering::SeqCst) && !shared.stopping() {
                shared.ticker.signal.wait(&mut guard);
            }
        }
    }
}

fn is_over(shared: &Shared) -> bool {
    shared.workers_gone.load(Ordering::Acquire)
}

fn any_running(shared: &Shared) -> bool {
    shared.remotes.iter().any(|remote| remote.stats.running.lock().is_some())
}

/// One look at all workers. `false`: nobody runs anything.
fn look(shared: &Shared, seen: &mut [u64]) -> bool {
    let mut busy = false;
    for (worker, (remote, seen)) in shared.remotes.iter().zip(seen).enumerate() {
        let Some(vm) = remote.stats.running.lock().clone() else { continue };
        busy = true;
        let resumes = remote.stats.resumes.load(Ordering::Relaxed);
        if resumes == *seen {
            vm.interrupt();
            shared.ring(worker, shared.clock.now());
        }
        *seen = resumes;
    }
    // Work that has waited for a tick behind a long slice while somebody sleeps.
    if busy && shared.idle.any_asleep() && shared.has_work() {
        shared.wake_one();
    }
    busy
}
