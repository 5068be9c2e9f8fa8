//! What state a service is in, and what each event does to it. Pure: effects happen elsewhere.
//!
//! ```text
//!             start             started             stop             stopped
//!   unknown ─────────▶ starting ───────▶ running ─────────▶ stopping ───────▶ stopped
//!                       ▲     │             │                  │
//!                 delay │     └──────┬──────┴─ terminal ─▶ exited
//!                over   │            │                         │ stop timeout
//!                      retrying ◀────┴─ attempts used up ─▶ failed
//! ```
//!
//! *Retrying* and *failed* are both `failed` to an observer; the first has a start ahead of it.
//! `desired` is what was last asked for: a service that goes down while somebody wants it to run is
//! a failure, one that nobody wants any longer is simply stopped.

use smallvec::{SmallVec, smallvec};

/// What an observer sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    Unknown,
    Starting,
    Running,
    Stopping,
    Stopped,
    Failed,
    Exited,
}

impl Status {
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Unknown => "unknown",
            Status::Starting => "starting",
            Status::Running => "running",
            Status::Stopping => "stopping",
            Status::Stopped => "stopped",
            Status::Failed => "failed",
            Status::Exited => "exited",
        }
    }
}

/// What was last asked of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Desired {
    Running,
    Stopped,
}

impl Desired {
    pub fn as_str(self) -> &'static str {
        match self {
            Desired::Running => "running",
            Desired::Stopped => "stopped",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Never started.
    Unknown,
    /// A start attempt is under way; `start_timeout` is armed.
    Starting,
    Running,
    /// Asked to stop; `stop_timeout` is armed.
    Stopping,
    Stopped,
    /// Failed; the delay before the next attempt is armed.
    Retrying,
    /// Failed for good: given up, or abandoned because it did not stop.
    Failed,
    /// Ended in a way that no restart would mend, or had nothing more to do.
    Exited,
}

/// What can happen to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// Somebody wants it to run; its dependencies may not be there yet.
    Want,
    /// Somebody wants it down; its turn in the stop order may not have come yet.
    Unwant,
    /// All it depends on runs: begin.
    Start,
    /// All that depends on it is down: end.
    Stop,
    /// The service says that it runs.
    Started,
    /// The service says that it cannot start.
    StartFailed { terminal: bool },
    /// The service says that it is over; `stable` if it had run long enough to be called healthy.
    Ended { terminal: bool, stable: bool },
    /// The service says that it has stopped.
    Stopped,
    /// The deadline that the state had armed is past.
    Deadline,
}

/// What the caller must do after a transition, in this order. Deadlines are not among them: the
/// state that was entered says which one is armed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Call `start`.
    BeginStart,
    /// Call `stop`.
    BeginStop,
    /// Call `kill` and ignore what the attempt reports from now on.
    Abandon,
    /// Tell who waits for the start that it runs.
    AnswerRunning,
    /// Tell who waits for the start that it will not run.
    AnswerFailed,
    /// Tell who waits for the start that a stop came in between.
    AnswerCanceled,
}

pub(super) type Actions = SmallVec<[Action; 2]>;

/// The state of one service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ServiceState {
    pub(super) state: State,
    pub(super) desired: Desired,
    /// Failures in a row; a stable run or a new start request ends the row.
    pub(super) failures: u32,
    /// From the restart policy; 0 is no limit.
    max_attempts: u32,
}

impl ServiceState {
    pub(super) fn new(max_attempts: u32) -> ServiceState {
        ServiceState { state: State::Unknown, desired: Desired::Stopped, failures: 0, max_attempts }
    }

    pub(super) fn status(&self) -> Status {
        match self.state {
            State::Unknown => Status::Unknown,
            State::Starting => Status::Starting,
            State::Running => Status::Running,
            State::Stopping => Status::Stopping,
            State::Stopped => Status::Stopped,
            State::Retrying | State::Failed => Status::Failed,
            State::Exited => Status::Exited,
        }
    }

    /// There is nothing to stop, and nothing happens until somebody asks.
    pub(super) fn is_at_rest(&self) -> bool {
        use State::*;
        matches!(self.state, Unknown | Stopped | Failed | Exited)
    }

    /// Takes the transition for `event`. A pair that is not listed has no meaning and no effect:
    /// reports of services may come twice or late.
    #[must_use]
    pub(super) fn on(&mut self, event: Event) -> Actions {
        match (self.state, event) {
            (_, Event::Want) => {
                self.desired = Desired::Running;
                Actions::new()
            }
            (state, Event::Unwant) => {
                self.desired = Desired::Stopped;
                match state {
                    State::Retrying => self.enter(State::Stopped, Some(Action::AnswerCanceled)),
                    _ => smallvec![Action::AnswerCanceled],
                }
            }

            (State::Unknown | State::Stopped | State::Failed | State::Exited, Event::Start) => {
                self.failures = 0;
                self.enter(State::Starting, Some(Action::BeginStart))
            }
            (State::Running, Event::Start) => smallvec![Action::AnswerRunning],
            (State::Retrying, Event::Deadline) => {
                self.enter(State::Starting, Some(Action::BeginStart))
            }

            (State::Starting | State::Running, Event::Stop) => {
                self.enter(State::Stopping, Some(Action::BeginStop))
            }
            (State::Retrying | State::Failed, Event::Stop) => self.enter(State::Stopped, None),

            (State::Starting, Event::Started) => {
                self.enter(State::Running, Some(Action::AnswerRunning))
            }
            (
                State::Starting,
                Event::StartFailed { terminal: true } | Event::Ended { terminal: true, .. },
            ) => self.enter(State::Exited, Some(Action::AnswerFailed)),
            (State::Starting, Event::StartFailed { .. } | Event::Ended { .. } | Event::Stopped) => {
                self.fail(false)
            }
            (State::Starting, Event::Deadline) => {
                let mut actions: Actions = smallvec![Action::Abandon];
                actions.extend(self.fail(false));
                actions
            }

            (State::Running, Event::Ended { terminal: true, .. }) => {
                self.enter(State::Exited, None)
            }
            (State::Running, Event::Ended { .. } | Event::Stopped)
                if self.desired == Desired::Stopped =>
            {
                self.enter(State::Stopped, None)
            }
            (State::Running, Event::Ended { stable, .. }) => self.fail(stable),
            (State::Running, Event::Stopped) => self.fail(false),

            // However it ends, it is down, and that was asked for.
            (State::Stopping, Event::Stopped | Event::Ended { .. } | Event::StartFailed { .. }) => {
                self.enter(State::Stopped, None)
            }
            (State::Stopping, Event::Deadline) => self.enter(State::Failed, Some(Action::Abandon)),

            _ => Actions::new(),
        }
    }

    fn enter(&mut self, state: State, action: Option<Action>) -> Actions {
        debug_assert_ne!(self.state, state, "a transition leaves its state");
        self.state = state;
        action.into_iter().collect()
    }

    fn fail(&mut self, stable: bool) -> Actions {
        self.failures = if stable { 1 } else { self.failures.saturating_add(1) };
        let used_up = self.max_attempts > 0 && self.failures >= self.max_attempts;
        match used_up || self.desired == Desired::Stopped {
            true => self.enter(State::Failed, Some(Action::AnswerFailed)),
            false => self.enter(State::Retrying, None),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [State; 8] = [
        State::Unknown,
        State::Starting,
        State::Running,
        State::Stopping,
        State::Stopped,
        State::Retrying,
        State::Failed,
        State::Exited,
    ];

    const EVENTS: [(&str, Event); 11] = [
        ("want", Event::Want),
        ("unwant", Event::Unwant),
        ("start", Event::Start),
        ("stop", Event::Stop),
        ("started", Event::Started),
        ("start failed", Event::StartFailed { terminal: false }),
        ("start failed, terminal", Event::StartFailed { terminal: true }),
        ("ended", Event::Ended { terminal: false, stable: false }),
        ("ended, terminal", Event::Ended { terminal: true, stable: false }),
        ("stopped", Event::Stopped),
        ("deadline", Event::Deadline),
    ];

    /// Every pair that has an effect, one a line; the others are counted.
    fn table(desired: Desired) -> String {
        let mut lines = String::new();
        let mut silent = 0;
        for state in STATES {
            for (name, event) in EVENTS {
                let before = ServiceState { state, desired, failures: 0, max_attempts: 0 };
                let mut after = before.clone();
                let actions = after.on(event);
                if after == before && actions.is_empty() {
                    silent += 1;
                    continue;
                }
                let wanted = match after.desired == desired {
                    true => "",
                    false => ", desired flips",
                };
                lines += &format!("{state:?}, {name}: {:?} {actions:?}{wanted}\n", after.state);
            }
        }
        lines + &format!("{silent} of {} without effect", STATES.len() * EVENTS.len())
    }

    #[test]
    fn every_pair_while_wanted() {
        insta::assert_snapshot!(table(Desired::Running));
    }

    #[test]
    fn every_pair_while_unwanted() {
        insta::assert_snapshot!(table(Desired::Stopped));
    }

    #[test]
    fn the_counter_gives_up_and_starts_over() {
        let mut machine = ServiceState::new(3);
        let _ = machine.on(Event::Want);
        let _ = machine.on(Event::Start);
        let _ = machine.on(Event::StartFailed { terminal: false });
        assert_eq!((machine.state, machine.failures), (State::Retrying, 1));
        let mut fail = |stable| {
            let _ = machine.on(Event::Deadline);
            let _ = machine.on(Event::Started);
            let _ = machine.on(Event::Ended { terminal: false, stable });
            (machine.state, machine.failures)
        };
        assert_eq!(fail(false), (State::Retrying, 2));
        assert_eq!(fail(true), (State::Retrying, 1)); // A stable run begins a new row.
        assert_eq!(fail(false), (State::Retrying, 2));
        assert_eq!(fail(false), (State::Failed, 3));
        let _ = machine.on(Event::Start);
        assert_eq!((machine.state, machine.failures), (State::Starting, 0));
    }
}
