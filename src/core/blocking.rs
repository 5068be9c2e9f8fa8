//! Threads for work that blocks: a worker must never wait, so it hands such work over here.
//!
//! A pool has a fixed number of threads at most; each is started when there is work and none of the
//! others is free, and then stays, asleep on a lock. Jobs begin in the order in which they came. The
//! queue has no bound: each job belongs to a coroutine that waits for it, so their number is the
//! bound.
//!
//! Who needs its jobs one after another, or jobs that wait for each other, has a pool of its own.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

pub type Job = Box<dyn FnOnce() + Send>;

/// Closed when dropped, without waiting.
pub struct Pool {
    name: &'static str,
    threads_max: usize,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// There is work, or the pool is closed.
    work: Condvar,
    /// A thread has left.
    left: Condvar,
}

/// Leaf lock; never held while a job runs.
#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    threads: usize,
    /// Threads that wait for work.
    idle: usize,
    closed: bool,
}

impl Pool {
    /// Starts nothing. `name` is that of the threads.
    pub fn new(name: &'static str, threads_max: usize) -> Pool {
        let shared = Shared { state: Mutex::default(), work: Condvar::new(), left: Condvar::new() };
        Pool { name, threads_max, shared: Arc::new(shared) }
    }

    /// Has `job` done as soon as a thread is free. Does not wait. Of a pool that is closed, and
    /// where not even one thread can be started, the job is dropped.
    pub fn run(&self, job: Job) {
        let mut state = self.shared.state.lock();
        if state.closed {
            return;
        }
        // Each of the idle has a job to itself, woken for it yet or not.
        let is_short = state.jobs.len() >= state.idle;
        if is_short && state.threads < self.threads_max && self.start_thread() {
            state.threads += 1;
        }
        if state.threads > 0 {
            state.jobs.push_back(job);
            self.shared.work.notify_one();
        }
    }

    fn start_thread(&self) -> bool {
        let shared = self.shared.clone();
        let thread = std::thread::Builder::new().name(self.name.into());
        thread.spawn(move || work(&shared)).is_ok()
    }

    /// Drops what has not begun and waits for what has, `patience` at most. `false`: something
    /// still runs, and is left to itself.
    pub fn close(&self, patience: Duration) -> bool {
        let deadline = Instant::now() + patience;
        let mut state = self.shared.state.lock();
        state.closed = true;
        let jobs = std::mem::take(&mut state.jobs);
        self.shared.work.notify_all();
        // Not under the lock: whoever waits for a job hears of it here.
        drop(state);
        drop(jobs);
        let mut state = self.shared.state.lock();
        while state.threads > 0 {
            if self.shared.left.wait_until(&mut state, deadline).timed_out() {
                return state.threads == 0;
            }
        }
        true
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.close(Duration::ZERO);
    }
}

/// The life of a thread.
fn work(shared: &Shared) {
    let mut state = shared.state.lock();
    loop {
        if let Some(job) = state.jobs.pop_front() {
            drop(state);
            // Unwind safe: the job is gone, and whoever waits for it hears so from what it dropped.
            let _ = catch_unwind(AssertUnwindSafe(job));
            state = shared.state.lock();
        } else if state.closed {
            break;
        } else {
            state.idle += 1;
            shared.work.wait(&mut state);
            state.idle -= 1;
        }
    }
    state.threads -= 1;
    shared.left.notify_all();
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Nothing here takes long; a test that waits for this has failed.
    const SAFETY_NET: Duration = Duration::from_secs(60);

    #[test]
    fn one_thread_does_one_job_after_another() {
        let pool = Pool::new("test", 1);
        let (told, heard) = mpsc::channel();
        for n in 0..100 {
            let told = told.clone();
            pool.run(Box::new(move || {
                let _ = told.send((n, std::thread::current().id()));
            }));
        }
        drop(told);
        let done: Vec<_> = heard.iter().collect();
        assert!(done.iter().map(|(n, _)| *n).eq(0..100));
        assert!(done.iter().all(|(_, thread)| *thread == done[0].1));
    }

    #[test]
    fn as_many_jobs_as_threads_wait_for_each_other() {
        let pool = Pool::new("test", 3);
        for _ in 0..20 {
            let meeting = Arc::new(std::sync::Barrier::new(3));
            let (told, heard) = mpsc::channel();
            for _ in 0..3 {
                let (meeting, told) = (meeting.clone(), told.clone());
                pool.run(Box::new(move || {
                    meeting.wait();
                    let _ = told.send(());
                }));
            }
            for _ in 0..3 {
                heard.recv_timeout(SAFETY_NET).expect("all three meet");
            }
        }
        assert_eq!(pool.shared.state.lock().threads, 3);
    }

    #[test]
    fn a_job_that_panics_ends_alone() {
        let pool = Pool::new("test", 1);
        pool.run(Box::new(|| panic!("on purpose")));
        let (told, heard) = mpsc::channel();
        pool.run(Box::new(move || {
            let _ = told.send(());
        }));
        heard.recv_timeout(SAFETY_NET).expect("the thread is still there");
    }

    #[test]
    fn closing_drops_what_has_not_begun_and_waits_for_the_rest() {
        let pool = Pool::new("test", 1);
        let (begun, has_begun) = mpsc::channel();
        let (gate, opened) = mpsc::channel::<()>();
        pool.run(Box::new(move || {
            let _ = begun.send(());
            let _ = opened.recv();
        }));
        has_begun.recv_timeout(SAFETY_NET).expect("begun");
        let (told, heard) = mpsc::channel::<()>();
        let late = told.clone();
        pool.run(Box::new(move || drop(told)));
        assert!(!pool.close(Duration::from_millis(1)), "the first still runs");
        pool.run(Box::new(move || drop(late)));
        assert!(heard.recv_timeout(SAFETY_NET).is_err(), "both were dropped");
        drop(gate);
        assert!(pool.close(SAFETY_NET));
    }
}
