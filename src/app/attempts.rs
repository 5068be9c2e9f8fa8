//! Calls with a time limit, or that are repeated when they fail: as the options say that a function has
//! in its entry, or whoever calls. Specification 04, section 4.3.
//!
//! Lua programs have the same from their VMs; this is for callers outside. Who holds what:
//! the attempt under way, or the alarm before the next one, holds the [`Attempts`], and nobody else does.
//! So with the end of the runtime it is dropped, which is an answer.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::app::alarm::Alarm;
use crate::core::reactor::timers::TimerId;
use crate::core::relay::Outcome;
use crate::infra::error::{Error, Kind};
use crate::system::functions::{self, Call, CallControl, OnOutcome, Options};
use crate::system::kernel::Kernel;
use crate::system::retry::Retry;

/// A call under way, over all its attempts.
pub(super) struct Attempts {
    kernel: Weak<Kernel>,
    alarm: Alarm,
    call: Call,
    retry: Option<Retry>,
    /// Never held while a call is made, ended or answered.
    state: Mutex<State>,
}

struct State {
    /// None: told.
    done: Option<OnOutcome>,
    /// Begun so far.
    attempts: u32,
    /// Of the attempt under way, once it has been made.
    control: Option<Arc<CallControl>>,
    /// Before the next attempt.
    next: Option<TimerId>,
    limit: Option<TimerId>,
    is_canceled: bool,
}

/// Makes a call as `options` say; `done` is told the outcome of the last attempt.
pub(super) fn begin(
    kernel: &Arc<Kernel>,
    alarm: &Alarm,
    call: Call,
    options: Options,
    done: OnOutcome,
) -> Weak<Attempts> {
    let state = State {
        done: Some(done),
        attempts: 1,
        control: None,
        next: None,
        limit: None,
        is_canceled: false,
    };
    let attempts = Arc::new(Attempts {
        kernel: Arc::downgrade(kernel),
        alarm: alarm.clone(),
        call,
        retry: options.retry,
        state: Mutex::new(state),
    });
    let weak = Arc::downgrade(&attempts);
    if let Some(limit) = options.timeout {
        let late = weak.clone();
        let job = move || {
            if let Some(attempts) = late.upgrade() {
                attempts.time_out();
            }
        };
        let limit = alarm.set(limit, Box::new(job));
        attempts.state.lock().limit = limit;
    }
    attempts.attempt();
    weak
}

impl Attempts {
    /// Ends the call. Its outcome is told as ever.
    pub(super) fn cancel(&self) {
        let mut state = self.state.lock();
        state.is_canceled = true;
        let (control, next) = (state.control.take(), state.next.take());
        drop(state);
        match (control, next, self.kernel.upgrade()) {
            (Some(control), _, Some(kernel)) => control.cancel(&kernel),
            (None, Some(next), _) => {
                self.alarm.take_back(next);
                self.tell(Outcome::Error(functions::canceled()));
            }
            // About to be made: then it is ended.
            _ => {}
        }
    }

    fn time_out(&self) {
        self.tell(Outcome::Error(Error::new(Kind::Timeout, "function call timed out")));
        self.cancel();
    }

    fn attempt(self: &Arc<Attempts>) {
        let Some(kernel) = self.kernel.upgrade() else { return };
        let mut state = self.state.lock();
        state.next = None;
        let (number, is_canceled) = (state.attempts, state.is_canceled);
        drop(state);
        if is_canceled {
            return self.tell(Outcome::Error(functions::canceled()));
        }
        let this = self.clone();
        let done = Box::new(move |outcome| this.answered(outcome));
        let control = functions::call(&kernel, self.call.clone(), done);
        let mut state = self.state.lock();
        // It may have been answered, and the next one begun.
        if state.attempts != number {
            return;
        }
        if !state.is_canceled {
            state.control = Some(control);
            return;
        }
        drop(state);
        control.cancel(&kernel);
    }

    fn answered(self: &Arc<Attempts>, outcome: Outcome) {
        let mut state = self.state.lock();
        state.control = None;
        let again = match (&self.retry, &outcome) {
            (Some(retry), Outcome::Error(error)) if !state.is_canceled => {
                retry.next(state.attempts, error)
            }
            _ => None,
        };
        let Some(delay) = again else {
            drop(state);
            return self.tell(outcome);
        };
        state.attempts += 1;
        let this = self.clone();
        // Under the lock: the job waits for it, so it finds itself here.
        state.next = self.alarm.set(delay, Box::new(move || this.attempt()));
    }

    fn tell(&self, outcome: Outcome) {
        let mut state = self.state.lock();
        let (done, limit) = (state.done.take(), state.limit.take());
        drop(state);
        if let Some(limit) = limit {
            self.alarm.take_back(limit);
        }
        if let Some(done) = done {
            done(outcome);
        }
    }
}
