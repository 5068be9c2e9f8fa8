//! A supervisor in a virtual world: its machine, a clock turned by hand, and services that follow a
//! script. No threads but where the thread itself is tested, no sleeping anywhere.

mod faults;
mod requests;
mod rows;
mod thread;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use parking_lot::Mutex;

use super::completion::promise;
use super::machine::{Input, Machine, Patience};
use super::observe::{Board, Update};
use super::service::{Service, ServiceEvents};
use super::state::Status;
use super::{Changes, Completion, Enrolment, LifecycleOptions, Observer, RestartPolicy, Startup};
use crate::core::registry::EntryId;
use crate::infra::clock::{Clock, Nanos};
use crate::infra::error::{Error, Result};

const SECOND: Duration = Duration::from_secs(1);

fn id(name: &str) -> EntryId {
    EntryId::new("app", name)
}

/// An error worth another try.
fn broken() -> Error {
    Error::internal("broken").with_retryable(None)
}

/// An error that is not.
fn hopeless() -> Error {
    Error::internal("hopeless")
}

/// What a service does when it is started.
#[derive(Clone, Debug)]
enum Run {
    Up,
    /// Runs for a while, then its stream closes.
    UpFor(Duration, Option<Error>),
    /// Runs, then has nothing more to do.
    Job(Duration),
    Fail(Duration, Error),
    Refuse(Error),
    Hang,
    Panic,
}

/// What a service does when it is stopped.
#[derive(Clone, Copy, Debug)]
enum Stop {
    After(Duration),
    Never,
}

type Report = Box<dyn FnOnce() + Send>;

/// What services will say, and when.
#[derive(Default)]
struct Agenda {
    reports: BTreeMap<(Nanos, u64), Report>,
    last: u64,
}

#[derive(Clone)]
struct World {
    clock: Clock,
    agenda: Arc<Mutex<Agenda>>,
    /// `"start a"`, `"stop a"`, `"kill a"` and updates: `"a starting (attempt 1)"`.
    log: Arc<Mutex<Vec<String>>>,
}

impl World {
    fn later(&self, after: Duration, report: impl FnOnce() + Send + 'static) {
        let mut agenda = self.agenda.lock();
        agenda.last += 1;
        let key = (self.clock.now() + after.as_nanos() as Nanos, agenda.last);
        agenda.reports.insert(key, Box::new(report));
    }
}

impl Observer for World {
    fn changed(&self, update: &Update) {
        let details = match update.details.is_none() {
            true => String::new(),
            false => format!(" ({})", update.details),
        };
        let line = format!("{} {}{details}", update.id.name(), update.status.as_str());
        self.log.lock().push(line);
    }
}

struct Actor {
    name: String,
    world: World,
    /// The last one repeats.
    runs: Mutex<VecDeque<Run>>,
    stop: Mutex<Stop>,
    /// Of every attempt so far.
    events: Mutex<Vec<ServiceEvents>>,
}

impl Service for Actor {
    fn start(&self, events: ServiceEvents) -> Result<(), Error> {
        self.world.log.lock().push(format!("start {}", self.name));
        self.events.lock().push(events.clone());
        let run = {
            let mut runs = self.runs.lock();
            let first = runs.pop_front().unwrap_or(Run::Up);
            if runs.is_empty() {
                runs.push_back(first.clone());
            }
            first
        };
        match run {
            Run::Up => events.started(),
            Run::UpFor(time, error) => {
                events.started();
                self.world.later(time, move || events.ended(error));
            }
            Run::Job(time) => {
                events.started();
                self.world.later(time, move || events.exited());
            }
            Run::Fail(time, error) => self.world.later(time, move || events.start_failed(error)),
            Run::Refuse(error) => return Err(error),
            Run::Hang => (),
            Run::Panic => std::panic::resume_unwind(Box::new("told to")),
        }
        Ok(())
    }

    fn stop(&self, events: ServiceEvents, _limit: Duration) {
        self.world.log.lock().push(format!("stop {}", self.name));
        if let Stop::After(time) = *self.stop.lock() {
            self.world.later(time, move || events.stopped());
        }
    }

    fn kill(&self) {
        self.world.log.lock().push(format!("kill {}", self.name));
    }
}

struct Rig {
    world: World,
    machine: Machine,
    inputs: Receiver<Input>,
    sender: Sender<Input>,
    board: Arc<Board>,
    actors: BTreeMap<String, Arc<Actor>>,
}

impl Rig {
    fn new(seed: u64) -> Rig {
        let (clock, agenda) = (Clock::manual(), Arc::default());
        let world = World { clock: clock.clone(), agenda, log: Arc::default() };
        let (sender, inputs) = unbounded();
        let board = Arc::new(Board::default());
        let observer = Arc::new(world.clone());
        let machine = Machine::new(clock, sender.clone(), observer, Arc::clone(&board), seed);
        Rig { world, machine, inputs, sender, board, actors: BTreeMap::new() }
    }

    /// Registers services: `"web: api db, db"`; all of them with `change` made to the options.
    #[track_caller]
    fn with(text: &str, change: impl Fn(&mut LifecycleOptions)) -> Rig {
        let mut rig = Rig::new(1);
        for service in text.split(',') {
            rig.add(service, &change);
        }
        rig
    }

    #[track_caller]
    fn add(&mut self, text: &str, change: impl Fn(&mut LifecycleOptions)) {
        let (name, requires) = text.split_once(':').unwrap_or((text, ""));
        let mut options = LifecycleOptions {
            requires: requires.split_whitespace().map(id).collect(),
            restart: RestartPolicy { jitter: 0.0, ..RestartPolicy::default() },
            ..LifecycleOptions::default()
        };
        change(&mut options);
        let registered = self.register(name.trim(), options, vec![]);
        assert!(registered.get().unwrap().into_result().is_ok());
    }

    fn enrolment(&mut self, name: &str, options: LifecycleOptions) -> Enrolment {
        let actor = Arc::new(Actor {
            name: name.to_owned(),
            world: self.world.clone(),
            runs: Mutex::default(),
            stop: Mutex::new(Stop::After(Duration::ZERO)),
            events: Mutex::default(),
        });
        self.actors.insert(name.to_owned(), Arc::clone(&actor));
        Enrolment { id: id(name), service: actor, options }
    }

    fn register(
        &mut self,
        name: &str,
        options: LifecycleOptions,
        references: Vec<EntryId>,
    ) -> Completion {
        let enrolment = self.enrolment(name, options);
        let references = BTreeMap::from([(id(name), references)]);
        self.change(Changes { enrol: vec![enrolment], references, ..Changes::default() })
    }

    fn script(&self, name: &str, runs: impl IntoIterator<Item = Run>) {
        *self.actors[name].runs.lock() = runs.into_iter().collect();
    }

    fn on_stop(&self, name: &str, stop: Stop) {
        *self.actors[name].stop.lock() = stop;
    }

    /// What the service may say of its latest attempt.
    fn events(&self, name: &str) -> ServiceEvents {
        self.actors[name].events.lock().last().unwrap().clone()
    }

    fn request(&mut self, input: impl FnOnce(super::Promise) -> Input) -> Completion {
        let (promise, completion) = promise();
        self.sender.send(input(promise)).unwrap();
        self.pump();
        completion
    }

    fn start(&mut self, name: &str) -> Completion {
        let ids = vec![id(name)];
        self.request(|promise| Input::Start { ids, patience: Patience::Full, promise })
    }

    fn begin(&mut self, name: &str) -> Completion {
        let ids = vec![id(name)];
        self.request(|promise| Input::Start { ids, patience: Patience::None, promise })
    }

    fn start_many(&mut self, names: &str) -> Completion {
        let ids = names.split_whitespace().map(id).collect();
        self.request(|promise| Input::Start { ids, patience: Patience::RequiredOnly, promise })
    }

    fn stop(&mut self, name: &str) -> Completion {
        let ids = vec![id(name)];
        self.request(|promise| Input::Stop { ids, promise })
    }

    fn stop_all(&mut self) -> Completion {
        self.request(|promise| Input::StopAll { promise })
    }

    fn remove(&mut self, names: &str) -> Completion {
        let remove = names.split_whitespace().map(id).collect();
        self.change(Changes { remove, ..Changes::default() })
    }

    fn change(&mut self, changes: Changes) -> Completion {
        self.request(|promise| Input::Change { changes, promise })
    }

    /// Takes all that can happen without time going by.
    fn pump(&mut self) {
        loop {
            let now = self.world.clock.now();
            let due = {
                let mut agenda = self.world.agenda.lock();
                let later = agenda.reports.split_off(&(now + 1, 0));
                std::mem::replace(&mut agenda.reports, later)
            };
            due.into_values().for_each(|report| report());
            while let Ok(input) = self.inputs.try_recv() {
                self.machine.handle(input);
            }
            let deadline = self.machine.tick();
            let is_later = |next: Option<Nanos>| next.is_none_or(|at| at > now);
            if self.inputs.is_empty() && is_later(deadline) && is_later(self.next_report()) {
                return;
            }
        }
    }

    fn next_report(&self) -> Option<Nanos> {
        self.world.agenda.lock().reports.keys().next().map(|(at, _)| *at)
    }

    /// Lets time go by, from one event to the next.
    fn advance(&mut self, by: Duration) {
        let end = self.world.clock.now() + by.as_nanos() as Nanos;
        loop {
            self.pump();
            let next = [self.next_report(), self.machine.tick()].into_iter().flatten().min();
            let now = self.world.clock.now();
            let to = next.unwrap_or(end).min(end);
            self.world.clock.advance(Duration::from_nanos(to - now));
            if to == end {
                return self.pump();
            }
        }
    }

    fn state(&self, name: &str) -> Update {
        self.board.state(&id(name)).unwrap()
    }

    fn status(&self, name: &str) -> Status {
        self.state(name).status
    }

    /// What was logged since the last call, joined by `"; "`.
    fn log(&self) -> String {
        std::mem::take(&mut *self.world.log.lock()).join("; ")
    }

    #[track_caller]
    fn check(&self, wanted: &str) {
        let wanted = wanted.split(';').map(str::trim).collect::<Vec<_>>().join("; ");
        assert_eq!(self.log(), wanted);
    }

    #[track_caller]
    fn finish(mut self) {
        let done = self.stop_all();
        self.advance(1000 * SECOND);
        assert!(done.get().is_some());
        assert!(self.machine.is_idle());
    }
}

/// The error of a request about one service; `None` if it succeeded.
#[track_caller]
fn error_of(completion: &Completion) -> Option<String> {
    let outcome = completion.get().expect("the request has been answered");
    outcome.into_result().err().map(|error| format!("{} {error}", error.kind().as_str()))
}

#[track_caller]
fn ok(completion: &Completion) {
    assert_eq!(error_of(completion), None);
}

#[track_caller]
fn fails(completion: &Completion, text: &str) {
    assert_eq!(error_of(completion).as_deref(), Some(text));
}

#[track_caller]
fn waits(completion: &Completion) {
    assert_eq!(completion.get(), None);
}

fn optional(options: &mut LifecycleOptions) {
    options.startup = Startup::Optional;
}

fn usual(_: &mut LifecycleOptions) {}
