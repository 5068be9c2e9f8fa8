//! File systems, by the ids of their entries.

use std::path::PathBuf;
use std::sync::Arc;

use fnv::FnvHashMap;
use parking_lot::RwLock;

/// A directory of this machine.
#[derive(Debug, PartialEq, Eq)]
pub struct Directory {
    /// Absolute.
    pub root: PathBuf,
    /// Permission bits; those of the owner say what is allowed.
    pub mode: u32,
}

impl Directory {
    /// May files be read?
    pub fn is_readable(&self) -> bool {
        self.mode & 0o400 != 0
    }

    /// May directories be listed?
    pub fn is_listable(&self) -> bool {
        self.mode & 0o500 == 0o500
    }
}

/// Leaf lock.
#[derive(Default)]
pub struct FileSystems(RwLock<FnvHashMap<String, Arc<Directory>>>);

impl FileSystems {
    pub fn insert(&self, id: String, directory: Directory) {
        self.0.write().insert(id, Arc::new(directory));
    }

    /// Those who have it keep it.
    pub fn remove(&self, id: &str) {
        self.0.write().remove(id);
    }

    pub fn get(&self, id: &str) -> Option<Arc<Directory>> {
        self.0.read().get(id).cloned()
    }
}
