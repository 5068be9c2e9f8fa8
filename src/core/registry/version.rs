//! The tree of versions: ids, parents, and the way from one to another.
//!
//! Version 0 is the root: the entries of the files, nothing changed. Every apply adds a child of
//! the version it started from; going back and applying again makes a branch. Nothing is removed.

use std::fmt;

use rustc_hash::FxHashMap;

/// Number of a version; 0 is the root. Prints as `v3`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct VersionId(pub u64);

impl VersionId {
    /// The entries as the files have them.
    pub const ROOT: VersionId = VersionId(0);
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}", self.0)
    }
}

/// A version and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Version {
    /// Its number; grows with each change.
    pub id: VersionId,
    /// The version that was changed. None for the root only.
    pub parent: Option<VersionId>,
}

impl Version {
    /// Version 0, of which all others come.
    pub const ROOT: Version = Version { id: VersionId::ROOT, parent: None };
}

/// All versions known, ascending by id.
#[derive(Clone, Debug)]
pub(super) struct VersionTree {
    versions: Vec<Version>,
    parents: FxHashMap<VersionId, Option<VersionId>>,
    /// The youngest child of each version that has one.
    newest_child: FxHashMap<VersionId, VersionId>,
}

/// How to get from one version to another.
#[derive(Debug, PartialEq)]
pub(super) struct Path {
    /// Versions to take back, the first one first.
    pub(super) undo: Vec<VersionId>,
    /// Versions to do again, the first one first.
    pub(super) redo: Vec<VersionId>,
}

impl VersionTree {
    /// A tree of `versions`, in any order; the root is there even if it is not among them.
    pub(super) fn new(versions: impl IntoIterator<Item = Version>) -> VersionTree {
        let mut sorted: Vec<Version> = versions.into_iter().collect();
        sorted.push(Version::ROOT);
        sorted.sort_by_key(|v| v.id);
        sorted.dedup_by_key(|v| v.id);
        let mut tree = VersionTree {
            versions: Vec::with_capacity(sorted.len()),
            parents: FxHashMap::default(),
            newest_child: FxHashMap::default(),
        };
        for version in sorted {
            tree.add(version);
        }
        tree
    }

    /// Adds a version younger than all others.
    pub(super) fn add(&mut self, version: Version) {
        debug_assert!(self.versions.last().is_none_or(|last| last.id < version.id));
        self.versions.push(version);
        self.parents.insert(version.id, version.parent);
        if let Some(parent) = version.parent {
            self.newest_child.insert(parent, version.id);
        }
    }

    pub(super) fn all(&self) -> &[Version] {
        &self.versions
    }

    pub(super) fn get(&self, id: VersionId) -> Option<Version> {
        self.parents.get(&id).map(|&parent| Version { id, parent })
    }

    /// The most recently created child.
    pub(super) fn newest_child(&self, id: VersionId) -> Option<Version> {
        self.newest_child.get(&id).and_then(|&child| self.get(child))
    }

    /// One more than the highest id ever given, so that going back never overwrites a version.
    pub(super) fn next_id(&self) -> VersionId {
        VersionId(self.versions.last().map_or(0, |v| v.id.0) + 1)
    }

    /// The shortest way between two versions; none if one is unknown or not tied to the root.
    pub(super) fn path(&self, from: VersionId, to: VersionId) -> Option<Path> {
        let (mut undo, mut redo) = (self.line(from)?, self.line(to)?);
        let n_shared = undo.iter().zip(&redo).take_while(|(a, b)| a == b).count();
        undo.drain(..n_shared);
        undo.reverse();
        redo.drain(..n_shared);
        Some(Path { undo, redo })
    }

    /// From below the root down to `id`. A parent is always older, so a damaged store cannot make
    /// this run in a circle.
    pub(super) fn line(&self, mut id: VersionId) -> Option<Vec<VersionId>> {
        let mut line = Vec::new();
        while id != VersionId::ROOT {
            line.push(id);
            let parent = (*self.parents.get(&id)?)?;
            if parent >= id {
                return None;
            }
            id = parent;
        }
        line.reverse();
        Some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(id: u64, parent: u64) -> Version {
        Version { id: VersionId(id), parent: Some(VersionId(parent)) }
    }

    /// 0 - 1 - 2 - 3, and 4 - 5 off 1.
    fn tree() -> VersionTree {
        VersionTree::new([
            version(5, 4),
            version(4, 1),
            version(3, 2),
            version(1, 0),
            version(2, 1),
        ])
    }

    #[track_caller]
    fn check_path(from: u64, to: u64, undo: &[u64], redo: &[u64]) {
        let ids = |list: &[u64]| list.iter().copied().map(VersionId).collect();
        let path = tree().path(VersionId(from), VersionId(to)).unwrap();
        assert_eq!(path, Path { undo: ids(undo), redo: ids(redo) });
    }

    #[test]
    fn the_path_turns_at_the_common_ancestor() {
        check_path(3, 5, &[3, 2], &[4, 5]);
        check_path(5, 0, &[5, 4, 1], &[]);
        check_path(0, 3, &[], &[1, 2, 3]);
        check_path(2, 2, &[], &[]);
        assert_eq!(tree().path(VersionId(1), VersionId(9)), None);
    }

    #[test]
    fn next_is_the_youngest_child() {
        let tree = tree();
        assert_eq!(tree.newest_child(VersionId(1)), Some(version(4, 1)));
        assert_eq!(tree.newest_child(VersionId(5)), None);
        assert_eq!(tree.get(VersionId(0)), Some(Version::ROOT));
        assert_eq!(tree.next_id(), VersionId(6));
        let ids: Vec<u64> = tree.all().iter().map(|v| v.id.0).collect();
        assert_eq!(ids, [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn a_damaged_store_gives_no_path() {
        assert_eq!(VersionTree::new([version(2, 3), version(3, 2)]).line(VersionId(3)), None);
        assert_eq!(VersionTree::new([version(2, 1)]).line(VersionId(2)), None);
    }
}
