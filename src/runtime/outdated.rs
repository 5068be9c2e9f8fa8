//! Tells processes that the code they run has been replaced: OUTDATED events.
//!
//! What a change replaces is collected while its listeners take it, and told when readers see the
//! change: whoever upgrades then gets the new code. A change that is taken back tells nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::core::registry::EntryId;
use crate::core::registry::listener::{Event, Observer};
use crate::system::kernel::Kernel;

/// What the change under way has replaced.
pub struct Replaced {
    kernel: Arc<Kernel>,
    /// Programs, and which entries of theirs are new: they themselves, or libraries.
    programs: Mutex<BTreeMap<EntryId, BTreeSet<String>>>,
}

impl Replaced {
    pub fn new(kernel: Arc<Kernel>) -> Replaced {
        Replaced { kernel, programs: Mutex::default() }
    }

    /// `source` is new, and so is the code of `program`.
    pub fn note(&self, program: &EntryId, source: &EntryId) {
        let mut programs = self.programs.lock();
        programs.entry(program.clone()).or_default().insert(source.to_string());
    }
}

impl Observer for Replaced {
    fn observe(&self, event: &Event<'_>) {
        if !matches!(event, Event::Visible | Event::Discard) {
            return;
        }
        let programs = std::mem::take(&mut *self.programs.lock());
        if *event == Event::Discard {
            return;
        }
        for (program, sources) in programs {
            let sources: Arc<[String]> = sources.into_iter().collect();
            for pid in self.kernel.outdated.of(&program) {
                self.kernel.outdate(pid, sources.clone());
            }
        }
    }
}
