//! [`Alarm`]: work for later, for callers outside the VMs, which have timers of their own.
//!
//! Jobs run one after another on a thread that is started with the first of them: they must be quick.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::core::reactor::timers::{TimerId, Timers};

pub type Job = Box<dyn FnOnce() + Send>;

/// Shared by reference; whoever owns it closes it.
#[derive(Clone)]
pub struct Alarm(Arc<Shared>);

struct Shared {
    began: Instant,
    /// A leaf: no job runs and none is dropped while it is held.
    state: Mutex<State>,
    /// Something is due earlier than before, or the alarm is closed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: Timers<Job>,
    thread: Option<JoinHandle<()>>,
    is_closed: bool,
}

impl Default for Alarm {
    fn default() -> Alarm {
        let (state, changed) = (Mutex::default(), Condvar::new());
        Alarm(Arc::new(Shared { began: Instant::now(), state, changed }))
    }
}

impl Alarm {
    /// Has `job` done after `delay`. Of an alarm that is closed, and where no thread can be started, the
    /// job is dropped.
    pub fn set(&self, delay: Duration, job: Job) -> Option<TimerId> {
        let deadline = self.0.nanos(Instant::now()).saturating_add(nanos(delay));
        let mut state = self.0.state.lock();
        if state.thread.is_none() && !state.is_closed {
            let shared = self.0.clone();
            let thread = thread::Builder::new().name("wippy-alarm".into());
            state.thread = thread.spawn(move || shared.work()).ok();
        }
        if state.thread.is_none() {
            drop(state);
            // It may be the last to hold something that has a good deal to do with its end.
            drop(job);
            return None;
        }
        let is_first = state.jobs.next_deadline().is_none_or(|first| deadline < first);
        let id = state.jobs.insert(deadline, job);
        if is_first {
            self.0.changed.notify_one();
        }
        Some(id)
    }

    /// Takes a job back that has not been begun.
    pub fn take_back(&self, id: TimerId) {
        let job = self.0.state.lock().jobs.cancel(id);
        drop(job);
    }

    /// Drops all jobs, later ones too, and waits for the one that runs.
    pub fn close(&self) {
        let mut state = self.0.state.lock();
        state.is_closed = true;
        let (jobs, thread) = (std::mem::take(&mut state.jobs), state.thread.take());
        self.0.changed.notify_one();
        drop(state);
        drop(jobs);
        // A job that closes it would wait for itself.
        if let Some(thread) = thread.filter(|it| it.thread().id() != thread::current().id()) {
            // It ends by itself, or has ended by the panic of a job, which has been told.
            let _ = thread.join();
        }
    }
}

impl Shared {
    /// The life of the thread.
    fn work(&self) {
        let mut state = self.state.lock();
        while !state.is_closed {
            let now = self.nanos(Instant::now());
            if let Some((_, job)) = state.jobs.pop_due(now) {
                drop(state);
                job();
                state = self.state.lock();
                continue;
            }
            match state.jobs.next_deadline() {
                Some(deadline) => {
                    let left = Duration::from_nanos(deadline.saturating_sub(now));
                    let _ = self.changed.wait_for(&mut state, left);
                }
                None => self.changed.wait(&mut state),
            }
        }
    }

    fn nanos(&self, at: Instant) -> u64 {
        nanos(at.saturating_duration_since(self.began))
    }
}

/// As many as fit: five hundred years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn jobs_are_done_when_they_are_due() {
        let alarm = Alarm::default();
        let (told, heard) = mpsc::channel();
        let began = Instant::now();
        for n in [30_u64, 10, 20, 0] {
            let told = told.clone();
            let job = move || told.send((n, began.elapsed())).expect("the test waits");
            assert!(alarm.set(Duration::from_millis(n), Box::new(job)).is_some());
        }
        for expect in [0, 10, 20, 30] {
            let (n, after) = heard.recv_timeout(LONG).expect("is done");
            assert_eq!(n, expect);
            assert!(after >= Duration::from_millis(n));
        }
        alarm.close();
    }

    #[test]
    fn jobs_are_taken_back_and_dropped_at_the_end() {
        let alarm = Alarm::default();
        let (told, heard) = mpsc::channel::<()>();
        let set = |delay| {
            let told = told.clone();
            alarm.set(delay, Box::new(move || told.send(()).expect("the test waits")))
        };
        let one = set(LONG).expect("runs");
        alarm.take_back(one);
        alarm.take_back(one);
        set(LONG);
        set(Duration::MAX);
        alarm.close();
        assert_eq!(set(Duration::ZERO), None);
        drop(told);
        assert!(heard.recv_timeout(LONG).is_err(), "all are dropped, none is done");
    }
}
