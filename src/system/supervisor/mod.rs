//! The supervisor: starts services in order, restarts those that fail, stops them in order.
//!
//! A *service* is anything that implements [`Service`]; it is registered under the id of its entry
//! together with its [`LifecycleOptions`]. The supervisor is one thread, which owns all state. It
//! takes requests and reports of services from one queue, watches one deadline for each service,
//! and sleeps when there is neither. The pieces:
//!
//! - `state.rs`: the states of one service and every transition between them; pure.
//! - `backoff.rs`: how long a failed service rests; pure.
//! - `order.rs`: who starts and stops when, what is missing, cycles; pure.
//! - `lifecycle.rs`: the options, with their defaults.
//! - `service.rs`: the seam to the services. `observe.rs`: what others see.
//! - `changes.rs`: services come, go, and depend on others.
//! - `machine.rs`: all of it together, without a thread; `start.rs` and `stop.rs` are its requests.
//! - `completion.rs`: how a request is answered.
//!
//! Rules:
//!
//! 1. A service begins when all its dependencies have come to run since it was asked for;
//!    independent ones begin at the same time. Asking for a service asks for its dependencies.
//! 2. A retry is the service's own affair and does not look at dependencies again, nor does a
//!    dependency that fails take its dependents down: they see it fail and have policies of their
//!    own.
//! 3. A stop takes dependents down first, each level at the same time. The next level begins when
//!    every member of this one is down or has been abandoned at its `stop_timeout`, so a stop ends
//!    within the sum of the largest timeouts of its levels.
//! 4. Of two requests for a service the later one holds: a stop cancels a start that waits, a start
//!    that comes during a stop begins when the stop is over.
//! 5. An attempt that is over time is abandoned: the service is told to let go (`kill`) and what it
//!    says afterwards is ignored.
//! 6. A change is on the board and with the observer before anybody is told that a request is done.
//!
//! Left out on purpose: the event bus, log lines and the registry. Whoever connects them is an
//! [`Observer`] on one side and a caller on the other (the roster), and decides when a registry
//! transaction permits a request.

mod backoff;
mod changes;
mod completion;
mod lifecycle;
mod machine;
mod observe;
mod order;
mod service;
mod start;
mod state;
mod stop;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, unbounded};

use crate::core::registry::EntryId;
use crate::infra::clock::Clock;
use crate::infra::error::{Error, Result};
use crate::system::supervisor::completion::{Promise, promise};
use crate::system::supervisor::machine::{Input, Machine, Patience};
use crate::system::supervisor::observe::Board;

pub use crate::system::supervisor::changes::{Changes, Enrolment};
pub use crate::system::supervisor::completion::{Completion, Outcome};
pub use crate::system::supervisor::lifecycle::{
    LifecycleOptions, ParseDuration, RestartPolicy, Startup,
};
pub use crate::system::supervisor::observe::{Details, LogLevel, Observer, Update, log_level};
pub use crate::system::supervisor::service::{Service, ServiceEvents, is_terminal};
pub use crate::system::supervisor::state::{Desired, Status};

/// The handle to the supervisor's thread.
///
/// Requests are queued, taken in the order of the calls of one thread, and answered through a
/// [`Completion`]; no method blocks. Dropping the handle ends the thread but stops no service: for
/// that, wait for [`Supervisor::stop_all`] first.
pub struct Supervisor {
    /// Unbounded: requests are few, and a reporting service must not block.
    inputs: Sender<Input>,
    board: Arc<Board>,
    clock: Clock,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn spawn(clock: Clock, observer: Arc<dyn Observer>) -> Result<Supervisor> {
        let (inputs, receiver) = unbounded();
        let board = Arc::new(Board::default());
        let seed = RandomState::new().hash_one("jitter");
        let reports = inputs.clone();
        let machine = Machine::new(clock.clone(), reports, observer, Arc::clone(&board), seed);
        let own_clock = clock.clone();
        let thread = Builder::new()
            .name("wippy-supervisor".to_owned())
            .spawn(move || run(machine, &receiver, &own_clock))
            .map_err(|e| Error::internal(format!("cannot start the supervisor thread: {e}")))?;
        Ok(Supervisor { inputs, board, clock, thread: Some(thread) })
    }

    /// Makes services known and forgets others: see [`Changes`]. Done when those to be removed are
    /// down and those to be started run or will not; `optional` ones are not waited for once they
    /// fail, and are passed over in silence if a dependency is missing.
    ///
    /// Fails with `AlreadyExists` for a service that is there and not to be removed; the other changes
    /// are made.
    pub fn change(&self, changes: Changes) -> Completion {
        self.request(|promise| Input::Change { changes, promise })
    }

    /// Starts a service and what it depends on; done when it runs or will not. Waits through
    /// retries.
    pub fn start(&self, id: EntryId) -> Completion {
        let (ids, patience) = (vec![id], Patience::Full);
        self.request(|promise| Input::Start { ids, patience, promise })
    }

    /// Starts a service and what it depends on; done when that is on its way. The only failures are
    /// those that let nothing begin.
    pub fn begin(&self, id: EntryId) -> Completion {
        let (ids, patience) = (vec![id], Patience::None);
        self.request(|promise| Input::Start { ids, patience, promise })
    }

    /// Stops a service after everything that depends on it.
    pub fn stop(&self, id: EntryId) -> Completion {
        self.request(|promise| Input::Stop { ids: vec![id], promise })
    }

    /// Stops all services for good; from now on start requests are refused. See
    /// [`Supervisor::waiting_for`] for its progress.
    pub fn stop_all(&self) -> Completion {
        self.request(|promise| Input::StopAll { promise })
    }

    /// The services that are stopping, sorted by id, with the time left and the time given.
    pub fn waiting_for(&self) -> Vec<(EntryId, Duration, Duration)> {
        self.board.waiting_for(&self.clock)
    }

    /// The latest update of a service.
    pub fn state(&self, id: &EntryId) -> Option<Update> {
        self.board.state(id)
    }

    /// The latest update of every service, sorted by id.
    pub fn states(&self) -> Vec<Update> {
        self.board.states()
    }

    fn request(&self, input: impl FnOnce(Promise) -> Input) -> Completion {
        let (promise, completion) = promise();
        // Without a receiver the promise is dropped with the input, which answers it.
        let _ = self.inputs.send(input(promise));
        completion
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let _ = self.inputs.send(Input::Quit);
        let Some(thread) = self.thread.take() else { return };
        // A callback may own the last handle; the thread cannot wait for itself.
        if thread.thread().id() != std::thread::current().id() {
            let _ = thread.join();
        }
    }
}

/// The thread: deadlines, then inputs, until told to quit.
fn run(mut machine: Machine, inputs: &Receiver<Input>, clock: &Clock) {
    loop {
        let input = match machine.tick() {
            None => inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(at) => inputs.recv_timeout(Duration::from_nanos(at.saturating_sub(clock.now()))),
        };
        match input {
            Ok(Input::Quit) | Err(RecvTimeoutError::Disconnected) => return,
            Ok(input) => machine.handle(input),
            Err(RecvTimeoutError::Timeout) => (),
        }
    }
}
