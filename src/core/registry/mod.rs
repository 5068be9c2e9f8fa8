//! The registry: every definition of the application, and the only way to change them.

pub mod changeset;
pub mod decode;
pub mod entry;
mod graph;
pub mod id;
mod order;
pub mod query;
mod references;
mod squash;
#[cfg(test)]
mod testing;

pub use changeset::{Change, Changeset, Operation};
pub use decode::Fields;
pub use entry::Entry;
pub use id::EntryId;
pub use query::{Ignored, Query};
pub use squash::build_delta;
