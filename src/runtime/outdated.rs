//! Tells processes that the code they run has been replaced: OUTDATED events.
//!
//! What a change replaces is collected while its listeners take it, and told when whoever upgrades then
//! gets the new code. A change that is taken back tells nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::core::registry::EntryId;
use crate::system::kernel::Kernel;

/// Programs whose code is new, and which entries of theirs: they themselves, or libraries.
#[derive(Default)]
pub struct Replaced(BTreeMap<EntryId, BTreeSet<String>>);

impl Replaced {
    /// `source` is new, and so is the code of `program`.
    pub fn note(&mut self, program: &EntryId, source: &EntryId) {
        self.0.entry(program.clone()).or_default().insert(source.to_string());
    }

    /// Tells those who want to hear of it.
    pub fn tell(self, kernel: &Kernel) {
        for (program, sources) in self.0 {
            let sources: Arc<[String]> = sources.into_iter().collect();
            for pid in kernel.outdated.of(&program) {
                kernel.outdate(pid, sources.clone());
            }
        }
    }
}
