//! The scheduler with toy VMs.

use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc;

use super::*;
use crate::core::vm::{Event, Interrupt, Slice, SliceEnd, Vm};

struct NoInterrupt;

impl Interrupt for NoInterrupt {
    fn arm(&self) {}
}

/// A VM that runs a closure.
struct Toy<F>(F);

impl<F: FnMut(&Slice<'_>) -> SliceEnd + Send> Vm for Toy<F> {
    fn run(&mut self, slice: &Slice<'_>) -> SliceEnd {
        (self.0)(slice)
    }
}

fn toy(f: impl FnMut(&Slice<'_>) -> SliceEnd + Send + 'static) -> Arc<VmCell> {
    let cell = VmCell::new(1024);
    cell.install(Box::new(Toy(f)), Box::new(NoInterrupt));
    cell
}

fn scheduler(workers: usize) -> Scheduler {
    Scheduler::start(Options { workers, ..Options::default() }, Clock::real()).expect("starts")
}

const DONE: SliceEnd = SliceEnd { more: false, next_timer: None };
const LONG: Duration = Duration::from_secs(60);

#[test]
fn every_event_is_seen_and_a_vm_never_runs_twice_at_once() {
    const EVENTS: usize = 20_000;
    let scheduler = scheduler(2);
    let (seen_all, done) = mpsc::channel();
    let running = Arc::new(AtomicBool::new(false));
    let mut seen = 0;
    let mut events = Vec::new();
    let vm = toy(move |slice| {
        assert!(!running.swap(true, Ordering::SeqCst), "two workers in one VM");
        slice.cell.take(&mut events);
        seen += events.len();
        events.clear();
        running.store(false, Ordering::SeqCst);
        if seen == EVENTS {
            let _ = seen_all.send(());
        }
        DONE
    });
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..EVENTS / 4 {
                    let pid = crate::core::pid::Pid::NONE;
                    let result = Ok(crate::core::vm::Answer::Nothing);
                    vm.post(Event::Done { pid, tag: 0, result });
                    scheduler.handle().notify(&vm);
                }
            });
        }
    });
    done.recv_timeout(LONG).expect("all events seen");
}

#[test]
fn work_queued_behind_a_long_slice_is_taken_over() {
    let scheduler = scheduler(2);
    let (sender, done) = mpsc::channel();
    let release = Arc::new(AtomicBool::new(false));
    let short = toy({
        let release = release.clone();
        move |_| {
            release.store(true, Ordering::SeqCst);
            DONE
        }
    });
    let handle = scheduler.handle().clone();
    // Queues the short one on its own worker, then keeps that worker busy until it has run.
    let long = toy(move |_| {
        handle.notify(&short);
        while !release.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
        let _ = sender.send(());
        DONE
    });
    scheduler.handle().notify(&long);
    done.recv_timeout(LONG).expect("another worker took the short one");
}

#[test]
fn a_timer_wakes_its_vm_while_its_worker_is_held() {
    let scheduler = scheduler(2);
    let (sender, done) = mpsc::channel();
    let release = Arc::new(AtomicBool::new(false));
    let handle = scheduler.handle().clone();
    let holder = toy({
        let release = release.clone();
        move |_| {
            while !release.load(Ordering::SeqCst) {
                std::hint::spin_loop();
            }
            DONE
        }
    });
    let mut is_set = false;
    let vm = toy(move |slice| {
        if std::mem::replace(&mut is_set, true) {
            let _ = sender.send(());
            return DONE;
        }
        // The next in the queue of the worker where the alarm is.
        handle.notify(&holder);
        SliceEnd { more: false, next_timer: Some(slice.now + 20_000_000) }
    });
    scheduler.handle().notify(&vm);
    let woken = done.recv_timeout(LONG);
    release.store(true, Ordering::SeqCst);
    woken.expect("another worker woke it");
}

#[test]
fn a_timer_wakes_its_vm_and_not_before() {
    let scheduler = scheduler(1);
    let (sender, done) = mpsc::channel();
    let mut due = None;
    let vm = toy(move |slice| match due {
        None => {
            due = Some(slice.now + 5_000_000);
            SliceEnd { more: false, next_timer: due }
        }
        Some(at) => {
            let _ = sender.send(slice.now >= at);
            DONE
        }
    });
    scheduler.handle().notify(&vm);
    assert_eq!(done.recv_timeout(LONG), Ok(true));
}

#[test]
fn many_vms_are_all_served_while_some_never_finish() {
    let scheduler = scheduler(2);
    let (sender, done) = mpsc::channel();
    let stop = Arc::new(AtomicBool::new(false));
    let spinners: Vec<_> = (0..4)
        .map(|_| {
            let stop = stop.clone();
            toy(move |_| SliceEnd { more: !stop.load(Ordering::SeqCst), next_timer: None })
        })
        .collect();
    let left = Arc::new(AtomicUsize::new(100));
    let others: Vec<_> = (0..100)
        .map(|_| {
            let (left, sender) = (left.clone(), sender.clone());
            toy(move |_| {
                if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    let _ = sender.send(());
                }
                DONE
            })
        })
        .collect();
    for vm in spinners.iter().chain(&others) {
        scheduler.handle().notify(vm);
    }
    done.recv_timeout(LONG).expect("all others ran");
    stop.store(true, Ordering::SeqCst);
}
