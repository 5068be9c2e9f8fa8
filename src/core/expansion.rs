//! [`Expansion`]: operations that follow from those somebody asked for.
//!
//! A changeset that adds, changes or removes a dependency on a module also has to add, change or
//! remove the entries of modules. What they are is known to the layer that reads modules; the registry
//! only asks, before it puts the operations in order.

use std::path::PathBuf;

use crate::core::registry::{Change, Entry, Operation, Snapshot};
use crate::infra::error::Result;

pub trait Expansion: Send + Sync {
    /// The operations to be added to `operations`, which are about to be applied to `before`. None of
    /// them is about an entry that `operations` name. They are not kept in the history: they are
    /// computed anew whenever the changeset is applied again. May read files, and takes its time.
    fn expand(&self, before: &Snapshot, operations: &[Operation]) -> Result<Vec<Operation>>;

    /// Whether anything may follow from `change`. Of changes that are none of its concern, `expand`
    /// makes nothing.
    fn concerns(&self, change: &Change) -> bool;

    /// Whether `entry` is one of those that come and go because something follows.
    fn owns(&self, entry: &Entry) -> bool;

    /// Where the sources of the module are that `entry` belongs to; None: it belongs to none.
    fn source_dir(&self, entry: &Entry) -> Option<PathBuf>;
}
