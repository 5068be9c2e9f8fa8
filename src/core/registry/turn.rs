//! Whose turn it is to change the registry: one thread at a time.
//!
//! Not a mutex held while listeners run: the owner is a word, the lock guards only that word, and
//! a thread that asks twice is told so instead of waiting for itself.

use std::thread::{self, ThreadId};

use parking_lot::{Condvar, Mutex};

use crate::infra::error::{Error, Result};

#[derive(Default)]
pub(super) struct Turn {
    /// The thread that changes the registry now. Leaf lock.
    owner: Mutex<Option<ThreadId>>,
    free: Condvar,
}

/// The turn; over when dropped.
pub(super) struct Held<'a>(&'a Turn);

impl Turn {
    /// Waits for the turn. `INVALID` when this thread has it already: a listener called back.
    pub(super) fn wait(&self) -> Result<Held<'_>> {
        let me = thread::current().id();
        let mut owner = self.owner.lock();
        if *owner == Some(me) {
            return Err(Error::invalid("registry cannot be changed from inside a listener"));
        }
        while owner.is_some() {
            self.free.wait(&mut owner);
        }
        *owner = Some(me);
        Ok(Held(self))
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        *self.0.owner.lock() = None;
        self.0.free.notify_one();
    }
}
