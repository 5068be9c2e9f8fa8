//! Whose turn it is to change the registry: one thread at a time, and none once it is closed.
//!
//! Not a mutex held while listeners run: the owner is a word, the lock guards only that word, and
//! a thread that asks twice is told so instead of waiting for itself.

use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

use crate::infra::error::{Error, Kind, Result};

#[derive(Default)]
pub(super) struct Turn {
    /// Leaf lock.
    state: Mutex<State>,
    /// The turn is over, or the registry is closed.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The thread that changes the registry now.
    owner: Option<ThreadId>,
    closed: bool,
}

/// The turn; over when dropped.
pub(super) struct Held<'a>(&'a Turn);

impl Turn {
    /// Waits for the turn. `INVALID` when this thread has it already: a listener called back.
    /// `UNAVAILABLE` when the registry is closed, also while waiting.
    pub(super) fn wait(&self) -> Result<Held<'_>> {
        let me = thread::current().id();
        let mut state = self.state.lock();
        if state.owner == Some(me) {
            return Err(from_inside());
        }
        while state.owner.is_some() && !state.closed {
            self.changed.wait(&mut state);
        }
        if state.closed {
            return Err(Error::unavailable("registry is closed"));
        }
        state.owner = Some(me);
        Ok(Held(self))
    }

    /// Lets nobody begin any more, and waits for who has the turn: `TIMEOUT` if that takes longer
    /// than `patience`.
    pub(super) fn close(&self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        let mut state = self.state.lock();
        if state.owner == Some(thread::current().id()) {
            return Err(from_inside());
        }
        state.closed = true;
        self.changed.notify_all();
        while state.owner.is_some() {
            if self.changed.wait_until(&mut state, deadline).timed_out() && state.owner.is_some() {
                return Err(Error::new(Kind::Timeout, "registry is still being changed"));
            }
        }
        Ok(())
    }
}

fn from_inside() -> Error {
    Error::invalid("registry cannot be changed from inside a listener")
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.state.lock().owner = None;
        // All: besides the next one in turn, somebody may wait for the end.
        self.0.changed.notify_all();
    }
}
