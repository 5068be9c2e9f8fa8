//! The registry: every definition of the application, and the only way to change them.
//!
//! An [`Entry`] says that something is to exist; the [`Listener`] of its kind makes it so. Whoever
//! wants a change hands over a [`Changeset`]; the registry puts it in dependency order, asks the
//! listeners one operation at a time, and either all of it holds, as a new [`Version`], or none.
//!
//! | File | Concern |
//! |---|---|
//! | `facade` | [`Registry`]: what everybody calls |
//! | `entry`, `id`, `changeset` | the data |
//! | `order`, `references`, `graph` | in which order operations happen (pure) |
//! | `apply` | a transaction: checks, deferral, rollback |
//! | `listener` | who is asked and who is told |
//! | `state`, `snapshot`, `query` | what readers see and how they search |
//! | `version`, `history`, `squash` | versions, where they are kept, going back; deltas |
//! | `sqlite`, `stored` | versions in a file, and the form they have there |
//! | `turn` | one writer at a time |
//! | `decode` | reading an entry's data with errors that name the field |
//!
//! Rules:
//! 1. Changes are serial: the thread whose turn it is runs the whole transaction, listeners
//!    included. A listener that tries to change the registry gets an error, not a deadlock.
//! 2. Operations are checked when they are applied. Nobody's snapshot is consulted: last writer
//!    wins, and the second of two creates gets `CONFLICT`.
//! 3. Readers copy one pointer. During an apply they see the old state; state and version change
//!    together, after the last listener agreed and the history was written.
//! 4. A version is never overwritten: ids only grow, also after going back.
//!
//! Left out: what follows from a changed dependency on a module. The layer that reads modules says
//! so, see [`Expansion`](crate::core::expansion::Expansion).

mod apply;
pub mod changeset;
pub mod decode;
pub mod entry;
mod facade;
mod graph;
pub mod history;
pub mod id;
#[cfg(test)]
mod limits_tests;
pub mod listener;
mod order;
pub mod query;
mod references;
mod replay;
pub mod snapshot;
pub mod sqlite;
mod squash;
mod state;
mod stored;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod turn;
pub mod version;

pub use changeset::{Change, Changeset, Operation};
pub use decode::Fields;
pub use entry::Entry;
pub use facade::{Effect, Registry, Settings};
pub use history::{History, MemoryHistory};
pub use id::EntryId;
pub use listener::{Event, Listener, Observer, Publisher};
pub use query::{Ignored, Query};
pub use snapshot::Snapshot;
pub use sqlite::SqliteHistory;
pub use squash::build_delta;
pub use version::{Version, VersionId};
