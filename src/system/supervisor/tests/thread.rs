//! The thread around the machine: it answers, keeps deadlines, sleeps otherwise, and ends.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;

use super::*;
use crate::system::supervisor::{Supervisor, log_level};

fn enrol(supervisor: &Supervisor, service: Arc<Stubborn>, options: LifecycleOptions) -> Completion {
    let enrolment = Enrolment { id: id("a"), service, options };
    supervisor.change(Changes { enrol: vec![enrolment], ..Changes::default() })
}

/// Fails its first start, never stops by itself.
#[derive(Default)]
struct Stubborn {
    n_starts: AtomicU32,
    n_kills: AtomicU32,
}

impl Service for Stubborn {
    fn start(&self, events: ServiceEvents) -> Result<(), Error> {
        if self.n_starts.fetch_add(1, Ordering::Relaxed) == 0 {
            return Err(broken());
        }
        std::thread::spawn(move || events.started());
        Ok(())
    }

    fn stop(&self, _events: ServiceEvents, _limit: Duration) {}

    fn kill(&self) {
        self.n_kills.fetch_add(1, Ordering::Relaxed);
    }
}

struct Forward(Mutex<mpsc::Sender<Update>>);

impl Observer for Forward {
    fn changed(&self, update: &Update) {
        self.0.lock().send(update.clone()).unwrap();
        // An observer that fails must not take the services with it.
        if update.status == Status::Running {
            std::panic::resume_unwind(Box::new("told to"));
        }
    }
}

#[test]
fn drives_a_service_from_start_to_kill() {
    let (sender, updates) = mpsc::channel();
    let observer = Arc::new(Forward(Mutex::new(sender)));
    let supervisor = Supervisor::spawn(Clock::real(), observer).unwrap();
    let service = Arc::new(Stubborn::default());
    let options = LifecycleOptions {
        stop_timeout: Duration::from_millis(5),
        restart: RestartPolicy {
            initial_delay: Duration::from_millis(5),
            ..RestartPolicy::default()
        },
        ..LifecycleOptions::default()
    };
    let registered = enrol(&supervisor, service.clone(), options);
    assert!(registered.wait().into_result().is_ok());
    assert!(supervisor.start(id("a")).wait().into_result().is_ok());
    assert_eq!(supervisor.state(&id("a")).unwrap().status, Status::Running);
    assert_eq!(supervisor.state(&id("b")), None);

    let (done, stopped) = mpsc::channel();
    supervisor.stop_all().then(move |outcome| done.send(outcome).unwrap());
    assert_eq!(stopped.recv().unwrap().failed.len(), 1);
    assert_eq!(service.n_starts.load(Ordering::Relaxed), 2);
    assert_eq!(supervisor.waiting_for(), []);
    assert_eq!(supervisor.states().len(), 1);

    drop(supervisor);
    assert_eq!(service.n_kills.load(Ordering::Relaxed), 1);
    assert_eq!(Arc::strong_count(&service), 1, "the thread has ended and let go");
    let updates: Vec<Update> = updates.iter().collect();
    let statuses: Vec<&str> = updates.iter().map(|update| update.status.as_str()).collect();
    let wanted = ["starting", "failed", "starting", "running", "stopping", "failed"];
    assert_eq!(statuses, wanted);
    assert!(updates.iter().all(|update| log_level(update).is_some()));
    assert!(updates.is_sorted_by_key(|update| update.last_update));
}

#[test]
fn requests_left_behind_are_answered() {
    let (sender, _updates) = mpsc::channel();
    let observer = Arc::new(Forward(Mutex::new(sender)));
    let supervisor = Supervisor::spawn(Clock::manual(), observer).unwrap();
    let _ = enrol(&supervisor, Arc::new(Stubborn::default()), LifecycleOptions::default());
    let start = supervisor.start(id("a")); // Its retry never comes: the clock stands still.
    drop(supervisor);
    let error = start.wait().into_result().unwrap_err();
    assert_eq!(error.to_string(), "the supervisor has stopped");
}
