//! Lifecycle: ordered, named handlers around every process of every host.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

use crate::core::pid::Pid;
use crate::core::registry::EntryId;
use crate::core::relay::Exit;
use crate::infra::error::Result;

/// A process as a handler sees it.
pub struct Started<'a> {
    pub pid: Pid,
    pub source: &'a EntryId,
    pub parent: Pid,
}

pub trait Handler: Send + Sync {
    /// The process is routable and has not run yet. An error undoes the start.
    fn on_start(&self, process: &Started<'_>) -> Result<()>;
    /// The process has left the routing table, its watchers have been told.
    fn on_complete(&self, process: &Started<'_>, exit: &Exit);
}

#[derive(Default)]
pub struct Lifecycle {
    handlers: RwLock<Vec<(&'static str, Arc<dyn Handler>)>>,
    /// Length of the list: most runs have none, and a spawn should not pay for that.
    count: AtomicUsize,
}

impl Lifecycle {
    /// Adds a handler behind the others; a name registered again keeps its place.
    pub fn register(&self, name: &'static str, handler: Arc<dyn Handler>) {
        let mut handlers = self.handlers.write();
        match handlers.iter_mut().find(|(n, _)| *n == name) {
            Some(slot) => slot.1 = handler,
            None => handlers.push((name, handler)),
        }
        self.count.store(handlers.len(), Ordering::Release);
    }

    /// Does anybody want to hear of processes?
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    pub fn on_start(&self, process: &Started<'_>) -> Result<()> {
        if !self.is_watched() {
            return Ok(());
        }
        self.handlers.read().iter().try_for_each(|(_, handler)| handler.on_start(process))
    }

    pub fn on_complete(&self, process: &Started<'_>, exit: &Exit) {
        if self.is_watched() {
            self.handlers.read().iter().for_each(|(_, handler)| handler.on_complete(process, exit));
        }
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;
    use crate::core::relay::Outcome;
    use crate::infra::error::Error;

    type Log = Arc<Mutex<Vec<String>>>;

    /// Notes what it is told; refuses if told so.
    struct Witness(&'static str, bool, Log);

    impl Handler for Witness {
        fn on_start(&self, _: &Started<'_>) -> Result<()> {
            self.2.lock().push(format!("start {}", self.0));
            match self.1 {
                true => Err(Error::invalid(self.0)),
                false => Ok(()),
            }
        }

        fn on_complete(&self, _: &Started<'_>, _: &Exit) {
            self.2.lock().push(format!("complete {}", self.0));
        }
    }

    /// Registers handlers under names, `"!"` for one that refuses, then starts and ends a process.
    #[track_caller]
    fn check(handlers: &[(&'static str, &'static str)], refused: Option<&str>, told: &[&str]) {
        let lifecycle = Lifecycle::default();
        let log = Log::default();
        for (name, text) in handlers {
            let witness = Witness(text, text.ends_with('!'), log.clone());
            lifecycle.register(name, Arc::new(witness));
        }
        assert_eq!(lifecycle.is_watched(), !handlers.is_empty());
        let source = EntryId::parse("app:a");
        let process = Started { pid: Pid::NONE, source: &source, parent: Pid::NONE };
        let started = lifecycle.on_start(&process);
        assert_eq!(started.err().as_ref().map(Error::message), refused);
        if refused.is_none() {
            let outcome = Outcome::Error(Error::internal("broken"));
            lifecycle.on_complete(&process, &Exit { pid: Pid::NONE, at: 0.0, outcome });
        }
        assert_eq!(*log.lock(), told);
    }

    #[test]
    fn handlers_are_told_in_order_of_registration() {
        check(&[], None, &[]);
        let told = ["start one", "start two", "complete one", "complete two"];
        check(&[("a", "one"), ("b", "two")], None, &told);
        // The name, not the handler, has the place.
        let told = ["start new", "start two", "complete new", "complete two"];
        check(&[("a", "one"), ("b", "two"), ("a", "new")], None, &told);
    }

    #[test]
    fn the_first_error_counts() {
        check(
            &[("a", "one"), ("b", "two!"), ("c", "three!")],
            Some("two!"),
            &["start one", "start two!"],
        );
    }
}
