//! Who sleeps, who searches, whom to wake.
//!
//! One word holds two counts: workers searching other queues (low half) and workers asleep (high
//! half). The rule that loses no wake-up:
//!
//! 1. A producer pushes work, then reads the word ([`Idle::worker_to_wake`]).
//! 2. A worker counts itself asleep ([`Idle::sleep`]), then looks at all queues once more, and only
//!    then parks.
//!
//! Both have a `SeqCst` fence between their write and their read, so either the producer sees the
//! sleeper or the sleeper sees the work. A producer wakes nobody while somebody searches: the
//! searcher will find the work, and when it stops searching it looks for more to hand on
//! ([`Idle::stop_searching`] returning `true`).
//!
//! Claims, checked under loom in `tests/loom.rs`:
//! 1. A pushed work item never stays behind with every worker asleep.
//! 2. Every worker chosen in `worker_to_wake` was asleep, and learns from [`Idle::awake`] that it
//!    was chosen; the counts add up.

use crate::infra::sync::{AtomicU32, Mutex, Ordering, fence};

const SEARCHING: u32 = 1;
const ASLEEP: u32 = 1 << 16;

#[derive(Debug)]
pub struct Idle {
    word: AtomicU32,
    /// Which workers sleep, the last to fall asleep on top: it is the warmest.
    sleepers: Mutex<Vec<usize>>,
}

impl Default for Idle {
    fn default() -> Idle {
        Idle::new()
    }
}

impl Idle {
    pub fn new() -> Idle {
        Idle { word: AtomicU32::new(0), sleepers: Mutex::new(Vec::new()) }
    }

    /// After a push: the worker that should be woken for it, if any. It counts as searching from
    /// here on; the caller wakes it.
    pub fn worker_to_wake(&self) -> Option<usize> {
        // Pairs with the fence in `sleep`.
        fence(Ordering::SeqCst);
        let now = self.word.load(Ordering::Relaxed);
        if now & (ASLEEP - 1) != 0 || now < ASLEEP {
            return None;
        }
        let mut sleepers = self.sleepers.lock();
        let worker = sleepers.pop()?;
        self.word.fetch_sub(ASLEEP - SEARCHING, Ordering::SeqCst);
        Some(worker)
    }

    /// Is anybody asleep? A hint, for whoever decides about waking from afar.
    pub fn any_asleep(&self) -> bool {
        self.word.load(Ordering::Relaxed) >= ASLEEP
    }

    /// May this worker search too? At most half of `workers` do, so that an idle machine does not
    /// spend its time looking into empty queues.
    pub fn try_search(&self, workers: usize) -> bool {
        let searching = (self.word.load(Ordering::Relaxed) & (ASLEEP - 1)) as usize;
        if searching * 2 >= workers.max(2) {
            return false;
        }
        self.word.fetch_add(SEARCHING, Ordering::SeqCst);
        true
    }

    /// The worker found work or gave up. `true`: it was the last one searching.
    pub fn stop_searching(&self) -> bool {
        let before = self.word.fetch_sub(SEARCHING, Ordering::SeqCst);
        before & (ASLEEP - 1) == SEARCHING
    }

    /// Counts `worker` asleep. The caller looks at all queues once more before it parks.
    pub fn sleep(&self, worker: usize) {
        // Counted under the lock, so that list and count never disagree for who holds it.
        let mut sleepers = self.sleepers.lock();
        sleepers.push(worker);
        self.word.fetch_add(ASLEEP, Ordering::SeqCst);
        drop(sleepers);
        // Pairs with the fence in `worker_to_wake`.
        fence(Ordering::SeqCst);
    }

    /// `worker` is awake again. `true`: somebody chose it in `worker_to_wake`, so it counts as
    /// searching; `false`: it woke by itself, as for a timer, and is counted out here.
    pub fn awake(&self, worker: usize) -> bool {
        !self.leave(worker, ASLEEP)
    }

    /// `worker` saw work as it fell asleep: it is awake and counts as searching, chosen or not.
    /// Taking what it saw without a search would hand nothing on, and whoever pushed while it
    /// still searched before has woken nobody.
    pub fn awake_to_search(&self, worker: usize) {
        self.leave(worker, ASLEEP - SEARCHING);
    }

    /// Takes `worker` off the list if nobody did, and `counts` off the word with it.
    fn leave(&self, worker: usize, counts: u32) -> bool {
        let mut sleepers = self.sleepers.lock();
        let place = sleepers.iter().position(|&w| w == worker);
        if let Some(place) = place {
            sleepers.swap_remove(place);
            self.word.fetch_sub(counts, Ordering::SeqCst);
        }
        place.is_some()
    }
}
