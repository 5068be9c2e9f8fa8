//! The entries at one moment: a map that is cheap to copy and to change a little.
//!
//! All entries sorted by id, cut into chunks of at most [`CHUNK_MAX`]. A copy is one pointer; a
//! change copies the list of chunks and the chunk it is in. So an apply on a hundred thousand
//! entries costs some microseconds, whatever namespaces they are in, and whoever holds an older copy
//! keeps it unchanged, without a lock.
//!
//! The list of chunks is copied whole, so the cost of a change is linear after all: by a pointer
//! for each 64 entries or so. A tree would mend that and make every read slower.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::core::registry::changeset::Change;
use crate::core::registry::entry::Entry;
use crate::core::registry::id::EntryId;

/// Entries in a chunk: few enough to copy, many enough that the list of chunks is short.
const CHUNK_MAX: usize = 128;

type Chunk = Vec<Arc<Entry>>;

#[derive(Clone, Debug, Default)]
pub(super) struct State {
    /// In order of id, within a chunk and from one to the next. No chunk is empty.
    chunks: Arc<Vec<Arc<Chunk>>>,
    len: usize,
}

impl State {
    /// Of several entries with one id the last stays; the others are returned, sorted by id.
    pub(super) fn from_entries(mut entries: Vec<Arc<Entry>>) -> (State, Vec<Arc<Entry>>) {
        entries.sort_by(|a, b| a.id.cmp(&b.id)); // Stable.
        let mut replaced = Vec::new();
        entries.dedup_by(|next, kept| {
            let is_same = next.id == kept.id;
            if is_same {
                std::mem::swap(next, kept);
                replaced.push(next.clone());
            }
            is_same
        });
        let len = entries.len();
        // Half full, so that the first changes have room.
        let chunks = entries.chunks(CHUNK_MAX / 2).map(|chunk| Arc::new(chunk.to_vec())).collect();
        (State { chunks: Arc::new(chunks), len }, replaced)
    }

    pub(super) fn get(&self, id: &EntryId) -> Option<&Arc<Entry>> {
        let chunk = self.chunks.get(self.chunk_of(id)?)?;
        let at = chunk.binary_search_by(|entry| entry.id.cmp(id)).ok()?;
        chunk.get(at)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// All entries, by namespace, then name.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Entry>> {
        self.chunks.iter().flat_map(|chunk| chunk.iter())
    }

    pub(super) fn namespace(&self, ns: &str) -> impl Iterator<Item = &Arc<Entry>> {
        // The chunk before the first that begins with `ns` may end with it.
        let after = self.chunks.partition_point(|chunk| chunk[0].id.ns() < ns);
        let chunks = &self.chunks[after.saturating_sub(1)..];
        chunks
            .iter()
            .flat_map(|chunk| chunk.iter())
            .skip_while(move |entry| entry.id.ns() < ns)
            .take_while(move |entry| entry.id.ns() == ns)
    }

    /// Sets an entry and returns the one it replaced.
    pub(super) fn set(&mut self, entry: Arc<Entry>) -> Option<Arc<Entry>> {
        let Some(n) = self.chunk_of(&entry.id).or((!self.chunks.is_empty()).then_some(0)) else {
            self.chunks = Arc::new(vec![Arc::new(vec![entry])]);
            self.len = 1;
            return None;
        };
        let chunks = Arc::make_mut(&mut self.chunks);
        let chunk = Arc::make_mut(&mut chunks[n]);
        match chunk.binary_search_by(|other| other.id.cmp(&entry.id)) {
            Ok(at) => Some(std::mem::replace(&mut chunk[at], entry)),
            Err(at) => {
                chunk.insert(at, entry);
                self.len += 1;
                if chunk.len() > CHUNK_MAX {
                    let rest = chunk.split_off(CHUNK_MAX / 2);
                    chunks.insert(n + 1, Arc::new(rest));
                }
                None
            }
        }
    }

    pub(super) fn remove(&mut self, id: &EntryId) {
        let Some(n) = self.chunk_of(id) else { return };
        let Ok(at) = self.chunks[n].binary_search_by(|entry| entry.id.cmp(id)) else { return };
        let chunks = Arc::make_mut(&mut self.chunks);
        Arc::make_mut(&mut chunks[n]).remove(at);
        self.len -= 1;
        // A chunk that has become small joins a neighbour, or deleting would leave chunks of one.
        let fits = |first: usize| {
            let (first, second) = (chunks.get(first)?, chunks.get(first + 1)?);
            Some(first.len() + second.len() <= CHUNK_MAX / 2)
        };
        let first =
            [Some(n), n.checked_sub(1)].into_iter().flatten().find(|&n| fits(n) == Some(true));
        if let Some(first) = first {
            let second = chunks.remove(first + 1);
            Arc::make_mut(&mut chunks[first]).extend(second.iter().cloned());
        } else if chunks[n].is_empty() {
            chunks.remove(n);
        }
    }

    /// Creates and updates set, deletes remove; nothing is checked.
    pub(super) fn overlay(&mut self, change: &Change) {
        match change {
            Change::Create(entry) | Change::Update { new: entry, .. } => {
                self.set(entry.clone());
            }
            Change::Delete(entry) => self.remove(&entry.id),
        }
    }

    /// The last chunk that begins with `id` or before it.
    fn chunk_of(&self, id: &EntryId) -> Option<usize> {
        let begins_after = |chunk: &Arc<Chunk>| chunk[0].id.cmp(id) == Ordering::Greater;
        self.chunks.partition_point(|chunk| !begins_after(chunk)).checked_sub(1)
    }
}

/// The same entries; how they are cut does not count.
impl PartialEq for State {
    fn eq(&self, other: &State) -> bool {
        self.len == other.len && self.iter().eq(other.iter())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::core::registry::testing::entry;

    #[test]
    fn a_copy_does_not_see_later_changes() {
        let mut state = State::default();
        state.set(entry("b:y", "k").into());
        state.set(entry("a:x", "k").into());
        let copy = state.clone();
        state.remove(&EntryId::parse("a:x"));
        state.set(entry("b:z", "k").into());
        let ids = |state: &State| state.iter().map(|e| e.id.to_string()).collect::<Vec<_>>();
        assert_eq!(ids(&copy), ["a:x", "b:y"]);
        assert_eq!(ids(&state), ["b:y", "b:z"]);
        assert_eq!((copy.len(), state.namespace("a").count()), (2, 0));
    }

    #[test]
    fn removing_the_last_entry_leaves_nothing() {
        let mut state = State::default();
        state.set(entry("a:x", "k").into());
        state.remove(&EntryId::parse("a:y"));
        assert_eq!(state.len(), 1);
        state.remove(&EntryId::parse("a:x"));
        assert_eq!(state, State::default());
    }

    #[test]
    fn of_one_id_the_last_entry_stays() {
        let entries = ["a:x", "a:y", "a:x", "a:x"].iter().zip(["1", "2", "3", "4"]);
        let entries = entries.map(|(id, kind)| Arc::new(entry(id, kind))).collect();
        let (state, replaced) = State::from_entries(entries);
        let kinds =
            |list: Vec<&Arc<Entry>>| list.iter().map(|e| e.kind.clone()).collect::<String>();
        assert_eq!((kinds(state.iter().collect()), state.len()), ("42".into(), 2));
        assert_eq!(kinds(replaced.iter().collect()), "13");
    }

    #[test]
    fn deleting_leaves_no_trail_of_small_chunks() {
        let ids: Vec<String> = (0..10_000).map(|n| format!("a:e{n:05}")).collect();
        let entries = ids.iter().map(|id| Arc::new(entry(id, "k"))).collect();
        let (mut state, _) = State::from_entries(entries);
        for (n, id) in ids.iter().enumerate() {
            if n % 100 != 0 {
                state.remove(&EntryId::parse(id));
            }
        }
        assert_eq!(state.len(), 100);
        assert!(state.chunks.len() <= 8, "{} chunks", state.chunks.len());
    }

    proptest! {
        #[test]
        fn agrees_with_a_map(
            first in prop::collection::vec((0..3_u8, 0..400_u32), 0..500),
            steps in prop::collection::vec((any::<bool>(), 0..3_u8, 0..400_u32), 0..600),
        ) {
            let id = |ns: u8, n: u32| EntryId::new(&format!("n{ns}"), &format!("e{n:03}"));
            let make = |ns, n| Arc::new(Entry { id: id(ns, n), ..entry("a:x", "k") });
            let entries: Vec<_> = first.iter().map(|&(ns, n)| make(ns, n)).collect();
            let mut map: BTreeMap<EntryId, Arc<Entry>> =
                entries.iter().map(|entry| (entry.id.clone(), entry.clone())).collect();
            let (mut state, replaced) = State::from_entries(entries);
            prop_assert_eq!(state.len() + replaced.len(), first.len());
            let before = (state.clone(), map.clone());
            for (sets, ns, n) in steps {
                let new = make(ns, n);
                match sets {
                    true => prop_assert_eq!(state.set(new.clone()), map.insert(id(ns, n), new)),
                    false => {
                        state.remove(&id(ns, n));
                        map.remove(&id(ns, n));
                    }
                }
                prop_assert_eq!(state.get(&id(ns, n)), map.get(&id(ns, n)));
            }
            for (state, map) in [(&state, &map), (&before.0, &before.1)] {
                prop_assert_eq!(state.len(), map.len());
                prop_assert!(state.iter().eq(map.values()));
                for ns in ["n0", "n1", "n2", "n", "z"] {
                    prop_assert!(state.namespace(ns).eq(map.values().filter(|e| e.id.ns() == ns)));
                }
                prop_assert!(state.chunks.iter().all(|c| (1..=CHUNK_MAX).contains(&c.len())));
            }
        }
    }
}
