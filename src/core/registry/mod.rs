//! The registry: every definition of the application, and the only way to change them.

pub mod decode;
pub mod entry;
pub mod id;
pub mod query;
#[cfg(test)]
mod testing;

pub use decode::Fields;
pub use entry::Entry;
pub use id::EntryId;
pub use query::{Ignored, Query};
