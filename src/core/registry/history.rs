//! Where versions are kept: the trait a store implements, and the store in memory.
//!
//! A registry without history has none of these; it counts versions all the same.

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::core::registry::changeset::Change;
use crate::core::registry::version::{Version, VersionId};
use crate::infra::error::{Error, Result};

/// A store of versions. The root and the head 0 exist from the start.
///
/// Calls come one at a time from the thread that applies; reads of old snapshots come from any
/// thread at any time. They may block, as a file does.
pub trait History: Send + Sync {
    /// All versions with the root, ascending by id.
    fn versions(&self) -> Result<Vec<Version>>;

    /// The version the registry was at last.
    fn head(&self) -> Result<VersionId>;

    /// What `id` changed, in the order it happened; nothing for the root. Unknown: `NOT_FOUND`.
    fn changes(&self, id: VersionId) -> Result<Vec<Change>>;

    /// Stores a new version and makes it the head: both or, with an error, neither.
    fn save(&self, version: Version, changes: &[Change]) -> Result<()>;

    /// Makes a version the head that is stored already. Unknown: `NOT_FOUND`.
    fn set_head(&self, id: VersionId) -> Result<()>;

    /// Gives up files; everything after that is `UNAVAILABLE`. A store without files stays as it
    /// is.
    fn close(&self) -> Result<()> {
        Ok(())
    }
}

pub(super) fn version_not_found() -> Error {
    Error::not_found("version not found in history")
}

/// Versions for as long as the process lives. Grows with every apply; nothing bounds it but memory.
pub struct MemoryHistory {
    /// Leaf lock: nothing else is called under it.
    stored: Mutex<Stored>,
}

struct Stored {
    versions: BTreeMap<VersionId, (Version, Vec<Change>)>,
    head: VersionId,
}

impl MemoryHistory {
    pub fn new() -> MemoryHistory {
        let root = (VersionId::ROOT, (Version::ROOT, Vec::new()));
        let versions = BTreeMap::from([root]);
        MemoryHistory { stored: Mutex::new(Stored { versions, head: VersionId::ROOT }) }
    }
}

impl Default for MemoryHistory {
    fn default() -> MemoryHistory {
        MemoryHistory::new()
    }
}

impl History for MemoryHistory {
    fn versions(&self) -> Result<Vec<Version>> {
        Ok(self.stored.lock().versions.values().map(|(version, _)| *version).collect())
    }

    fn head(&self) -> Result<VersionId> {
        Ok(self.stored.lock().head)
    }

    fn changes(&self, id: VersionId) -> Result<Vec<Change>> {
        let stored = self.stored.lock();
        let (_, changes) = stored.versions.get(&id).ok_or_else(version_not_found)?;
        Ok(changes.clone())
    }

    fn save(&self, version: Version, changes: &[Change]) -> Result<()> {
        let mut stored = self.stored.lock();
        stored.versions.insert(version.id, (version, changes.to_vec()));
        stored.head = version.id;
        Ok(())
    }

    fn set_head(&self, id: VersionId) -> Result<()> {
        let mut stored = self.stored.lock();
        if !stored.versions.contains_key(&id) {
            return Err(version_not_found());
        }
        stored.head = id;
        Ok(())
    }
}
