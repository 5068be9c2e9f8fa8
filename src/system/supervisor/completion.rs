//! The answer to a request, once there is one: waited for, or handed to a callback.
//!
//! A [`Promise`] is answered exactly once: dropping it unanswered is an answer too, so whoever
//! waits for a supervisor that has gone is told so instead of hanging.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};

use crate::core::registry::EntryId;
use crate::infra::error::{Error, Kind, Result};

/// What a request came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Services that did not get where they were asked to go, sorted by id. For a failure of the
    /// whole request, one pair for each id asked for.
    pub failed: Vec<(EntryId, Error)>,
}

impl Outcome {
    /// The first failure, if any: all there is to say when one service was asked for.
    pub fn into_result(self) -> Result<()> {
        self.failed.into_iter().next().map_or(Ok(()), |(_, error)| Err(error))
    }
}

type Callback = Box<dyn FnOnce(Outcome) + Send>;

enum Slot {
    Open,
    Callback(Callback),
    Answered(Outcome),
    /// The callback has had it.
    Taken,
}

struct Shared {
    /// A leaf: nothing else is locked while it is held, and no callback runs under it.
    slot: Mutex<Slot>,
    answered: Condvar,
}

/// The receiving end; dropping it means that nobody cares.
pub struct Completion(Arc<Shared>);

/// The answering end.
pub(super) struct Promise(Arc<Shared>);

pub(super) fn promise() -> (Promise, Completion) {
    let shared = Arc::new(Shared { slot: Mutex::new(Slot::Open), answered: Condvar::new() });
    (Promise(Arc::clone(&shared)), Completion(shared))
}

impl Completion {
    /// The outcome if it is there already.
    pub fn get(&self) -> Option<Outcome> {
        match &*self.0.slot.lock() {
            Slot::Answered(outcome) => Some(outcome.clone()),
            _ => None,
        }
    }

    /// Blocks until the outcome is there. Never call it on the supervisor's own thread.
    pub fn wait(&self) -> Outcome {
        let mut slot = self.0.slot.lock();
        loop {
            if let Slot::Answered(outcome) = &*slot {
                return outcome.clone();
            }
            self.0.answered.wait(&mut slot);
        }
    }

    /// Like [`Completion::wait`], for at most `limit`.
    pub fn wait_for(&self, limit: Duration) -> Option<Outcome> {
        let mut slot = self.0.slot.lock();
        let open = |slot: &mut Slot| !matches!(slot, Slot::Answered(_));
        let _ = self.0.answered.wait_while_for(&mut slot, open, limit);
        match &*slot {
            Slot::Answered(outcome) => Some(outcome.clone()),
            _ => None,
        }
    }

    /// Calls `callback` with the outcome: now if it is there, else later on the supervisor's
    /// thread, where it must return at once.
    pub fn then(self, callback: impl FnOnce(Outcome) + Send + 'static) {
        let mut slot = self.0.slot.lock();
        match std::mem::replace(&mut *slot, Slot::Taken) {
            Slot::Answered(outcome) => {
                drop(slot);
                callback(outcome);
            }
            _ => *slot = Slot::Callback(Box::new(callback)),
        }
    }
}

impl Promise {
    pub(super) fn answer(self, mut outcome: Outcome) {
        outcome.failed.sort_by(|(a, _), (b, _)| a.cmp(b));
        self.settle(outcome);
    }

    /// Nobody will ever ask for the answer.
    pub(super) fn is_abandoned(&self) -> bool {
        Arc::strong_count(&self.0) == 1 && matches!(*self.0.slot.lock(), Slot::Open)
    }

    fn settle(&self, outcome: Outcome) {
        let mut slot = self.0.slot.lock();
        match std::mem::replace(&mut *slot, Slot::Taken) {
            Slot::Open => *slot = Slot::Answered(outcome),
            Slot::Callback(callback) => {
                drop(slot);
                // A callback that panics must not take the supervisor's thread with it.
                let _ = catch_unwind(AssertUnwindSafe(|| callback(outcome)));
                return;
            }
            // Answered before; this is the drop after an answer.
            done @ (Slot::Answered(_) | Slot::Taken) => *slot = done,
        }
        drop(slot);
        self.0.answered.notify_all();
    }
}

impl Drop for Promise {
    fn drop(&mut self) {
        let gone = Error::new(Kind::Canceled, "the supervisor has stopped");
        self.settle(Outcome { failed: vec![(EntryId::parse(""), gone)] });
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    fn outcome(name: &str) -> Outcome {
        Outcome { failed: vec![(EntryId::new("app", name), Error::internal("broken"))] }
    }

    #[test]
    fn answers_whoever_waits() {
        let (promise, completion) = promise();
        assert_eq!(completion.get(), None);
        assert_eq!(completion.wait_for(Duration::ZERO), None);
        let waiter = std::thread::spawn(move || completion.wait());
        promise.answer(outcome("a"));
        assert_eq!(waiter.join().unwrap(), outcome("a"));
    }

    #[test]
    fn calls_back_before_and_after_the_answer() {
        let (sender, receiver) = mpsc::channel();
        let (early, completion) = promise();
        let late = sender.clone();
        completion.then(move |outcome| sender.send(outcome).unwrap());
        early.answer(outcome("a"));
        assert_eq!(receiver.recv().unwrap(), outcome("a"));

        let (answered, completion) = promise();
        answered.answer(Outcome::default());
        completion.then(move |outcome| late.send(outcome).unwrap());
        assert!(receiver.recv().unwrap().into_result().is_ok());
        assert!(receiver.recv().is_err(), "each callback runs once");
    }

    #[test]
    fn a_dropped_promise_is_an_answer() {
        let (promise, completion) = promise();
        drop(promise);
        let error = completion.wait().into_result().unwrap_err();
        assert_eq!(*error.kind(), Kind::Canceled);
    }
}
