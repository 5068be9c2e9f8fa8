//! [`EntryFiles`]: entries out of definition files, for programs that run.
//!
//! What such files look like is known to the layer that reads projects; what uses it stands below.

use std::path::Path;

use crate::core::registry::Entry;
use crate::infra::error::{Error, Result};

/// Reads below a root and nowhere else, wherever `..` and links lead. Paths start at the root, with a
/// `/` or without. May take its time: for threads that may wait.
pub trait EntryFiles: Send + Sync {
    /// The entries of one file. Every problem with it is an error, `INTERNAL`.
    fn load_file(&self, root: &Path, path: &str) -> Result<Vec<Entry>>;

    /// The entries of all files below a directory, in the order of the files. `skipped` is told of each
    /// file that cannot be used. `INTERNAL`: a directory cannot be listed.
    fn load_directory(
        &self,
        root: &Path,
        path: &str,
        skipped: &mut dyn FnMut(Error),
    ) -> Result<Vec<Entry>>;
}
