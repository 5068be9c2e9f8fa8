//! The supervisor without its thread: inputs and the passage of time in, calls to services out.
//!
//! One input is handled in two steps. First it is *applied*: transitions of single services, each
//! published before its actions are carried out. Every service that moved is put into `changed`;
//! then the queue is *drained*: what a change means to others (dependents that can start now, a
//! stop that may go one level on) is worked out from the state as it then is. Nothing recurses, and
//! no service is called back while another transition is half done, because services answer through
//! the input queue.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::Sender;

use crate::core::registry::EntryId;
use crate::infra::clock::{Clock, Nanos};
use crate::infra::error::{Error, Kind};
use crate::system::supervisor::backoff::{self, Random};
use crate::system::supervisor::changes::Changes;
use crate::system::supervisor::completion::Promise;
use crate::system::supervisor::observe::{Board, Details, Observer, Update, unix_now};
use crate::system::supervisor::order::{Graph, Node};
use crate::system::supervisor::service::{End, Registration, Report, ServiceEvents, is_terminal};
use crate::system::supervisor::start::Batch;
use crate::system::supervisor::state::{Action, Event, ServiceState, State, Status};
use crate::system::supervisor::stop::StopRun;

/// Everything that can happen to the supervisor, except that time goes by.
pub(super) enum Input {
    Change { changes: Changes, promise: Promise },
    Start { ids: Vec<EntryId>, patience: Patience, promise: Promise },
    Stop { ids: Vec<EntryId>, promise: Promise },
    StopAll { promise: Promise },
    Report { id: EntryId, attempt: u64, report: Report },
    Quit,
}

/// How long a start request waits for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until it is on its way.
    None,
    /// As long as it takes: somebody asked for this very service.
    Full,
    /// For one that is `optional` until it first fails; a missing dependency is no error either.
    RequiredOnly,
}

/// One registered service.
pub(super) struct Slot {
    pub(super) registration: Registration,
    pub(super) machine: ServiceState,
    /// The attempt whose reports count; 0 is none.
    attempt: u64,
    /// As it stands in `deadlines`.
    deadline: Option<Nanos>,
    running_since: Nanos,
    details: Details,
    last_update: i64,
    started_at: i64,
    /// A start that waits: for these dependencies to run, and for every stop of this service to be
    /// over.
    pub(super) pending: Option<BTreeSet<EntryId>>,
    /// To be removed once it is down, and no stop request has it any longer...
    pub(super) is_leaving: bool,
    /// ...and then to be replaced by this.
    pub(super) successor: Option<Registration>,
}

impl Slot {
    /// What a start request is about: nothing if the service is only waiting to be removed.
    pub(super) fn startable(&self) -> Option<&Registration> {
        if self.is_leaving { self.successor.as_ref() } else { Some(&self.registration) }
    }

    /// What a stop request is about.
    pub(super) fn stoppable(&self) -> Option<&Registration> {
        Some(&self.registration)
    }

    /// The error of a stop that took too long, if that is how the service went down.
    pub(super) fn stop_timeout(&self) -> Option<Error> {
        matches!(self.details, Details::StopTimeout(_)).then(|| self.failure())
    }

    /// The failure that its details speak of.
    pub(super) fn failure(&self) -> Error {
        match &self.details {
            Details::Error(error) => error.clone(),
            Details::StartTimeout => {
                Error::new(Kind::Timeout, "start timeout").with_retryable(Some(true))
            }
            Details::StopTimeout(_) => Error::new(Kind::Timeout, "service stop timed out"),
            Details::Terminated => Error::new(Kind::Canceled, "service terminated"),
            Details::Exited => Error::unavailable("service exited"),
            _ => Error::unavailable(format!("service is {}", self.machine.status().as_str())),
        }
    }
}

pub(super) struct Machine {
    clock: Clock,
    /// Where services report to; the loop feeds it back into [`Machine::handle`].
    inputs: Sender<Input>,
    observer: Arc<dyn Observer>,
    board: Arc<Board>,
    random: Random,
    pub(super) slots: BTreeMap<EntryId, Slot>,
    /// At most one for each service. An ordered set and not a heap, so that a deadline that no
    /// longer holds leaves at once.
    deadlines: BTreeSet<(Nanos, EntryId)>,
    /// Start requests not yet answered. Bounded by who waits: see [`Promise::is_abandoned`].
    pub(super) batches: BTreeMap<u64, Batch>,
    /// Stop requests not yet answered; each ends within the stop timeouts of its levels.
    pub(super) runs: BTreeMap<u64, StopRun>,
    /// Services that moved and whose move has not been followed up.
    pub(super) changed: VecDeque<EntryId>,
    /// The last number given to an attempt, a batch or a run.
    last_number: u64,
    /// Everything is being stopped for good; start requests are refused.
    pub(super) is_closing: bool,
}

impl Machine {
    pub(super) fn new(
        clock: Clock,
        inputs: Sender<Input>,
        observer: Arc<dyn Observer>,
        board: Arc<Board>,
        seed: u64,
    ) -> Machine {
        Machine {
            clock,
            inputs,
            observer,
            board,
            random: Random::new(seed),
            slots: BTreeMap::new(),
            deadlines: BTreeSet::new(),
            batches: BTreeMap::new(),
            runs: BTreeMap::new(),
            changed: VecDeque::new(),
            last_number: 0,
            is_closing: false,
        }
    }

    /// Takes one input and everything that follows from it.
    pub(super) fn handle(&mut self, input: Input) {
        match input {
            Input::Change { changes, promise } => self.change(changes, promise),
            Input::Start { ids, patience, promise } => self.start(ids, patience, promise),
            Input::Stop { ids, promise } => self.stop(ids, promise),
            Input::StopAll { promise } => self.stop_all(promise),
            Input::Report { id, attempt, report } => self.report(&id, attempt, report),
            Input::Quit => (), // The loop's business.
        }
        self.drain();
    }

    /// Lets all deadlines up to now take effect; says when the next one is, if there is any.
    ///
    /// A deadline that is armed meanwhile waits for the next call even if it is due, so that a
    /// service with a delay of zero cannot keep the loop from its inputs.
    pub(super) fn tick(&mut self) -> Option<Nanos> {
        let now = self.clock.now();
        let due: Vec<(Nanos, EntryId)> =
            self.deadlines.iter().take_while(|(at, _)| *at <= now).cloned().collect();
        for deadline in due {
            // One that fell before it may have disarmed it.
            if self.deadlines.remove(&deadline) {
                self.expire(&deadline.1);
                self.drain();
            }
        }
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn expire(&mut self, id: &EntryId) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        slot.deadline = None;
        let details = match slot.machine.state {
            State::Starting => Details::StartTimeout,
            State::Stopping => Details::StopTimeout(slot.registration.options.stop_timeout),
            _ => Details::None,
        };
        self.apply(id, Event::Deadline, details);
    }

    pub(super) fn install(&mut self, id: EntryId, registration: Registration) {
        let slot = Slot {
            machine: ServiceState::new(registration.options.restart.max_attempts),
            registration,
            attempt: 0,
            deadline: None,
            running_since: 0,
            details: Details::None,
            last_update: unix_now(),
            started_at: 0,
            pending: None,
            is_leaving: false,
            successor: None,
        };
        self.slots.insert(id.clone(), slot);
        self.post(&id, Status::Unknown);
    }

    /// Takes the service, which is down, off all lists.
    pub(super) fn uninstall(&mut self, id: &EntryId) -> Option<Slot> {
        self.disarm(id);
        self.board.remove(id);
        self.slots.remove(id)
    }

    fn report(&mut self, id: &EntryId, attempt: u64, report: Report) {
        let Some(slot) = self.slots.get_mut(id).filter(|slot| slot.attempt == attempt) else {
            return; // Of an attempt that nobody waits for any longer.
        };
        match report {
            Report::Started => self.apply(id, Event::Started, Details::None),
            Report::StartFailed(error) => {
                let event = Event::StartFailed { terminal: is_terminal(&error) };
                self.apply(id, event, Details::Error(error));
            }
            Report::Ended(end) => {
                let ran = Duration::from_nanos(self.clock.now().saturating_sub(slot.running_since));
                let stable = slot.machine.state == State::Running
                    && ran >= slot.registration.options.stable_threshold;
                let (terminal, details) = match end {
                    End::Exited => (true, Details::Exited),
                    End::Terminated => (true, Details::Terminated),
                    End::Failed(error) => (is_terminal(&error), Details::Error(error)),
                    End::Closed => (false, Details::Error(ended())),
                };
                self.apply(id, Event::Ended { terminal, stable }, details);
            }
            Report::Stopped => self.apply(id, Event::Stopped, Details::Error(ended())),
            Report::Detail(value) => {
                let details = Details::Value(value);
                let status = slot.machine.status();
                let is_live = matches!(
                    slot.machine.state,
                    State::Starting | State::Running | State::Stopping
                );
                if is_live && slot.details != details {
                    slot.details = details;
                    self.publish(id, status);
                }
            }
        }
    }

    /// One transition of one service: publishes it, then carries out what it calls for. `details`
    /// are shown if the service went down by it.
    pub(super) fn apply(&mut self, id: &EntryId, event: Event, details: Details) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let (before, previous) = (slot.machine.state, slot.machine.status());
        let actions = slot.machine.on(event);
        let after = slot.machine.state;
        if after == before {
            self.post(id, previous); // `desired` may have flipped.
        } else {
            slot.details = match after {
                State::Starting => Details::Attempt(slot.machine.failures.saturating_add(1)),
                State::Retrying | State::Failed | State::Exited => details,
                State::Unknown | State::Running | State::Stopping | State::Stopped => Details::None,
            };
            if after == State::Running {
                slot.running_since = self.clock.now();
                slot.started_at = unix_now();
            }
            self.arm(id);
            self.publish(id, previous);
            self.changed.push_back(id.clone());
        }
        for action in actions {
            self.perform(id, action);
        }
    }

    fn perform(&mut self, id: &EntryId, action: Action) {
        let Some(slot) = self.slots.get_mut(id) else { return };
        let service = Arc::clone(&slot.registration.service);
        match action {
            Action::BeginStart => {
                self.last_number += 1;
                slot.attempt = self.last_number;
                let events = ServiceEvents::new(id.clone(), slot.attempt, self.inputs.clone());
                let handle = events.clone();
                match catch_unwind(AssertUnwindSafe(|| service.start(handle))) {
                    Ok(Ok(())) => (),
                    Ok(Err(error)) => events.start_failed(error),
                    Err(_) => events.start_failed(
                        Error::internal("service panicked while starting").with_retryable(None),
                    ),
                }
            }
            Action::BeginStop => {
                let events = ServiceEvents::new(id.clone(), slot.attempt, self.inputs.clone());
                let limit = slot.registration.options.stop_timeout;
                // After a panic nobody knows what still runs: the deadline kills it.
                let _ = catch_unwind(AssertUnwindSafe(|| service.stop(events, limit)));
            }
            Action::Abandon => {
                slot.attempt = 0;
                // It is abandoned whatever comes of this.
                let _ = catch_unwind(AssertUnwindSafe(|| service.kill()));
            }
            // Whoever asked during a stop waits for the start that follows it, not for this one.
            Action::AnswerRunning | Action::AnswerFailed if slot.pending.is_some() => (),
            Action::AnswerRunning => self.settle(id, None, |_| true),
            Action::AnswerCanceled => {
                self.settle(id, Some(canceled()), |_| true);
            }
            Action::AnswerFailed => {
                let error = start_error(slot);
                self.settle(id, Some(error), |_| true);
            }
        }
    }

    /// Works out what the moves so far mean to others, until nothing moves any longer.
    fn drain(&mut self) {
        while let Some(id) = self.changed.pop_front() {
            match self.slots.get(&id).map(|slot| &slot.machine) {
                Some(machine) if machine.state == State::Running => self.release(&id),
                Some(machine) if machine.state == State::Retrying => self.go_on_without(&id),
                Some(machine) if !machine.is_at_rest() => (),
                Some(_) | None => self.came_to_rest(&id),
            }
        }
    }

    /// All services with what they depend on, as `registration` sees them.
    pub(super) fn graph(&self, registration: fn(&Slot) -> Option<&Registration>) -> Graph {
        let node = |(id, slot): (&EntryId, _)| {
            let Registration { options, references, .. } = registration(slot)?;
            let node = Node { requires: options.requires.clone(), references: references.clone() };
            Some((id.clone(), node))
        };
        self.slots.iter().filter_map(node).collect()
    }

    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    /// Replaces the deadline by that of the state the service is in.
    fn arm(&mut self, id: &EntryId) {
        self.disarm(id);
        let Some(slot) = self.slots.get_mut(id) else { return };
        let options = &slot.registration.options;
        let wait = match slot.machine.state {
            State::Starting => options.start_timeout,
            State::Stopping => options.stop_timeout,
            State::Retrying => {
                backoff::delay(&options.restart, slot.machine.failures, self.random.signed())
            }
            _ => return,
        };
        let nanos = Nanos::try_from(wait.as_nanos()).unwrap_or(Nanos::MAX);
        let at = self.clock.now().saturating_add(nanos);
        slot.deadline = Some(at);
        self.deadlines.insert((at, id.clone()));
    }

    fn disarm(&mut self, id: &EntryId) {
        let deadline = self.slots.get_mut(id).and_then(|slot| slot.deadline.take());
        if let Some(at) = deadline {
            self.deadlines.remove(&(at, id.clone()));
        }
    }

    fn publish(&mut self, id: &EntryId, previous: Status) {
        if let Some(slot) = self.slots.get_mut(id) {
            slot.last_update = unix_now();
        }
        if let Some(update) = self.post(id, previous) {
            // An observer that panics has failed itself; the services go on.
            let _ = catch_unwind(AssertUnwindSafe(|| self.observer.changed(&update)));
        }
    }

    /// Brings the board up to date.
    fn post(&self, id: &EntryId, previous: Status) -> Option<Update> {
        let slot = self.slots.get(id)?;
        let update = Update {
            id: id.clone(),
            status: slot.machine.status(),
            previous,
            desired: slot.machine.desired,
            details: slot.details.clone(),
            retry_count: slot.machine.failures,
            last_update: slot.last_update,
            started_at: slot.started_at,
        };
        let limit = slot.registration.options.stop_timeout;
        let is_stopping = slot.machine.state == State::Stopping;
        let stopping = slot.deadline.filter(|_| is_stopping).map(|at| (at, limit));
        self.board.post(update.clone(), stopping);
        Some(update)
    }

    /// Nothing is under way: no deadline, no request, no follow-up.
    #[cfg(test)]
    pub(super) fn is_idle(&self) -> bool {
        self.deadlines.is_empty()
            && self.batches.is_empty()
            && self.runs.is_empty()
            && self.changed.is_empty()
    }
}

/// The error of a service that went down without saying why.
fn ended() -> Error {
    Error::unavailable("service ended").with_retryable(Some(true))
}

/// What a start request hears when somebody stops its service.
pub(super) fn canceled() -> Error {
    Error::new(Kind::Canceled, "service start canceled by a stop")
}

/// What a start request hears when its service has failed for good.
fn start_error(slot: &Slot) -> Error {
    match slot.machine.state {
        State::Exited => slot.failure(),
        _ => {
            let text = format!("service start given up after {} failures", slot.machine.failures);
            Error::new(Kind::Timeout, text).with_source(slot.failure())
        }
    }
}
