//! (being written)

pub mod entry;
pub mod id;

pub use entry::Entry;
pub use id::EntryId;
