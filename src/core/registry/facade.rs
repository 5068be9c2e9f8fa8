//! [`Registry`]: the one object everybody shares. Holds what readers see and the turn of writers;
//! the work is done by its neighbours.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, RwLock};
use rustc_hash::FxHashSet;

use crate::core::expansion::Expansion;
use crate::core::registry::apply::{self, Failure, Parties};
use crate::core::registry::changeset::{Change, Changeset, Operation};
use crate::core::registry::entry::Entry;
use crate::core::registry::history::{History, MemoryHistory, version_not_found};
use crate::core::registry::id::EntryId;
use crate::core::registry::listener::{Event, Listener, Listeners, Observer, Publisher};
use crate::core::registry::query::Query;
use crate::core::registry::replay::{Replay, ask, delta};
use crate::core::registry::snapshot::Snapshot;
use crate::core::registry::squash::squash;
use crate::core::registry::state::State;
use crate::core::registry::turn::Turn;
use crate::core::registry::version::{Path, Version, VersionId, VersionTree};
use crate::infra::error::{Error, Kind, Result};

/// What a registry is made of.
pub struct Settings {
    /// None: versions are counted and not kept; nothing can be looked up or gone back to.
    pub history: Option<Arc<dyn History>>,
    pub publisher: Option<Arc<dyn Publisher>>,
    /// Asked what follows from a changeset. What it adds is applied with it and not kept in the
    /// history, save where it replaces what somebody has changed: going back and booting compute it
    /// anew. None: nothing follows.
    pub expansion: Option<Arc<dyn Expansion>>,
    /// Kinds stored without asking any listener.
    pub internal_kinds: Vec<String>,
    /// How long a listener may take to answer.
    pub event_wait_timeout: Duration,
}

impl Default for Settings {
    /// History in memory, no publisher, no expansion, the usual internal kinds, 30 seconds.
    fn default() -> Settings {
        let internal = ["registry.entry", "ns.requirement", "ns.dependency", "ns.definition"];
        Settings {
            history: Some(Arc::new(MemoryHistory::new())),
            publisher: None,
            expansion: None,
            internal_kinds: internal.map(str::to_owned).to_vec(),
            event_wait_timeout: Duration::from_secs(30),
        }
    }
}

/// The registry of one runtime; shared by reference, usable from every thread.
pub struct Registry {
    history: Option<Arc<dyn History>>,
    publisher: Option<Arc<dyn Publisher>>,
    expansion: Option<Arc<dyn Expansion>>,
    /// Replaced whole when somebody registers. Leaf lock.
    listeners: RwLock<Arc<Listeners>>,
    event_wait_timeout: Duration,
    turn: Turn,
    /// What listeners put off in the transaction under way; none is under way without it. Leaf lock.
    effects: Mutex<Option<Vec<Effect>>>,
    /// Written by the thread that has the turn. Leaf lock, held for a copy or a swap.
    visible: RwLock<Visible>,
    n_transactions: AtomicU64,
}

/// Done once readers see the change that it belongs to, on the thread that changes the registry. May
/// wait for the event bus, and for nothing else.
pub type Effect = Box<dyn FnOnce() + Send>;

/// What readers see.
struct Visible {
    snapshot: Arc<Snapshot>,
    versions: VersionTree,
    /// The entries of the files: version 0. None until loaded.
    baseline: Option<State>,
}

impl Registry {
    pub fn new(settings: Settings) -> Registry {
        let snapshot = Snapshot { state: State::default(), version: Version::ROOT };
        let visible = Visible {
            snapshot: Arc::new(snapshot),
            versions: VersionTree::new([]),
            baseline: None,
        };
        Registry {
            history: settings.history,
            publisher: settings.publisher,
            expansion: settings.expansion,
            listeners: RwLock::new(Arc::new(Listeners::new(settings.internal_kinds))),
            event_wait_timeout: settings.event_wait_timeout,
            turn: Turn::default(),
            effects: Mutex::default(),
            visible: RwLock::new(visible),
            n_transactions: AtomicU64::new(0),
        }
    }

    /// Makes `listener` the one for kinds matching the pattern: segments between dots, `*` one,
    /// `**` any number, `(a|b)` alternatives. Normally before the load; later it counts from the
    /// next transaction on and is not told what exists. A kind must not end up with two listeners.
    pub fn register_listener(&self, kind_pattern: &str, listener: Arc<dyn Listener>) {
        Arc::make_mut(&mut *self.listeners.write()).add_listener(kind_pattern, listener);
    }

    /// Adds a watcher of kinds matching the pattern, see [`Registry::register_listener`].
    pub fn register_observer(&self, kind_pattern: &str, observer: Arc<dyn Observer>) {
        Arc::make_mut(&mut *self.listeners.write()).add_observer(kind_pattern, observer);
    }

    /// Does `effect` as soon as readers see the transaction under way, before `apply` returns, and never
    /// if it comes to nothing. For listeners: what they do at once can be seen before it is decided.
    /// Effects happen in the order in which they were put off, before observers hear of the change.
    ///
    /// # Errors
    /// `INVALID` outside a transaction.
    pub fn put_off(&self, effect: Effect) -> Result<()> {
        match &mut *self.effects.lock() {
            Some(effects) => effects.push(effect),
            None => return Err(Error::invalid("put off outside a registry transaction")),
        }
        Ok(())
    }

    /// Fills the registry at boot, once: `baseline` with the history up to its head laid over it,
    /// in one transaction and without a new version.
    ///
    /// Returns the ids defined more than once; of these the last definition is used. The error is
    /// that of the entry at fault: `operation failed for entry ns:name: <cause>`, or `unresolved
    /// dependencies after retry: <ids>: <first cause>`; or it is that of the history, or `INTERNAL`
    /// "failed to expand changeset". It leaves the registry as it was.
    pub fn load(&self, baseline: Vec<Entry>) -> Result<Vec<EntryId>> {
        let _turn = self.turn.wait()?;
        if self.visible.read().baseline.is_some() {
            return Err(Error::invalid("registry is already loaded"));
        }
        let baseline = baseline.into_iter().map(Arc::new).collect();
        let (files, replaced) = State::from_entries(baseline);
        let mut duplicates: Vec<EntryId> = replaced.iter().map(|entry| entry.id.clone()).collect();
        duplicates.dedup();
        let (versions, head) = self.read_history()?;
        let replay =
            self.replay(self.expansion.as_deref(), files.clone(), versions.line(head.id))?;
        let wanted = replay.finish().map_err(Failure::into_error)?;
        let operations = wanted.iter().cloned().map(Operation::Create).collect();
        let state = self
            .transact(State::default(), operations, |_| Ok(()))
            .map_err(|failure| failure.cause)?;
        let snapshot = Arc::new(Snapshot { state, version: head });
        *self.visible.write() = Visible { snapshot, versions, baseline: Some(files) };
        self.tell_visible();
        Ok(duplicates)
    }

    /// Applies `changes` as a new version, a child of the current one, with an id above all that the
    /// history has, whoever saved them. Waits for applies of other threads, and for the listeners.
    ///
    /// Errors: `INVALID` without changes, before the load, or from inside a listener; `UNAVAILABLE`
    /// once closed; else `INTERNAL` "failed to expand changeset", "apply changes" or "save new version"
    /// with the reason as cause, and nothing has changed. The causes: `CONFLICT` an id to create exists,
    /// or modules do not fit together; `NOT_FOUND` something needed does not exist; `INVALID` another kind, or one unknown; `UNAVAILABLE` the history cannot
    /// be written; `TIMEOUT` a listener is late; or what the listener says.
    pub fn apply(&self, changes: Changeset) -> Result<Version> {
        if changes.is_empty() {
            return Err(Error::invalid("no changes to apply"));
        }
        let _turn = self.turn.wait()?;
        self.check_loaded()?;
        let (current, id) = {
            let visible = self.visible.read();
            (visible.snapshot.clone(), visible.versions.next_id())
        };
        let mut version = Version { id, parent: Some(current.version.id) };
        let (operations, added) =
            self.expand(&current, changes.into_operations()).map_err(Failure::into_error)?;
        let edited = match added.is_empty() {
            true => FxHashSet::default(),
            false => self.edited(current.version).map_err(Failure::into_error)?,
        };
        let mut reread = None;
        let save = |changes: &[Change]| {
            let Some(history) = &self.history else { return Ok(()) };
            let is_own = |id| !added.contains(id) || edited.contains(id);
            let own = changes.iter().filter(|change| is_own(&change.entry().id));
            let own: Vec<Change> = own.cloned().collect();
            loop {
                let saved = history.save(version, &own);
                match saved {
                    // Another program has saved versions meanwhile: ours is the one after them.
                    Err(error) if *error.kind() == Kind::Conflict => {
                        let versions = VersionTree::new(history.versions()?);
                        if versions.next_id() == version.id {
                            return Err(error);
                        }
                        version.id = versions.next_id();
                        reread = Some(versions);
                    }
                    saved => return saved,
                }
            }
        };
        let state =
            self.transact(current.state.clone(), operations, save).map_err(Failure::into_error)?;
        let mut visible = self.visible.write();
        if let Some(versions) = reread {
            visible.versions = versions;
        }
        visible.versions.add(version);
        visible.snapshot = Arc::new(Snapshot { state, version });
        drop(visible);
        self.tell_visible();
        Ok(version)
    }

    /// Goes to another version by undoing and redoing what lies between; makes no new version.
    ///
    /// Errors: `NOT_FOUND` unknown version, `UNAVAILABLE` no history, else `INTERNAL` "failed to
    /// apply version changes", and nothing has changed.
    pub fn apply_version(&self, id: VersionId) -> Result<()> {
        let _turn = self.turn.wait()?;
        self.check_loaded()?;
        let (current, files, target, path, line) = {
            let visible = self.visible.read();
            let current = visible.snapshot.clone();
            if current.version.id == id {
                return Ok(());
            }
            let files = visible.baseline.clone().unwrap_or_default();
            let path = visible.versions.path(current.version.id, id);
            (current, files, visible.versions.get(id), path, visible.versions.line(id))
        };
        let Some(history) = &self.history else {
            return Err(Error::unavailable("version rollback not supported without a history"));
        };
        let (Some(version), Some(path)) = (target, path) else {
            return Err(version_not_found());
        };
        const FAILED: &str = "failed to apply version changes";
        let changes = changes_along(&**history, &path)
            .map_err(|cause| Error::internal(FAILED).with_source(cause))?;
        let operations = match &self.expansion {
            // Entries that follow change too, and of them the history knows nothing.
            Some(expansion) if changes.iter().any(|change| expansion.concerns(change)) => {
                let replay = self.replay(Some(&**expansion), files, line);
                let replay = replay.map_err(|cause| Error::internal(FAILED).with_source(cause))?;
                let wanted = replay.finish().map_err(|failure| failure.wrap(FAILED))?;
                delta(&current.state, &wanted)
            }
            _ => squash(changes),
        };
        let state = self
            .transact(current.state.clone(), operations, |_| history.set_head(id))
            .map_err(|failure| failure.wrap(FAILED))?;
        self.visible.write().snapshot = Arc::new(Snapshot { state, version });
        self.tell_visible();
        Ok(())
    }

    /// Ends the changes: those under way are waited for, those that wait for their turn and all
    /// later ones are `UNAVAILABLE`. Then gives up the files of the history. Reading goes on, except
    /// of old versions in a file.
    ///
    /// `TIMEOUT` if a change takes longer than `patience`; its files stay open then, so that it can
    /// still be saved. A second call may find it done.
    pub fn close(&self, patience: Duration) -> Result<()> {
        self.turn.close(patience)?;
        self.history.as_ref().map_or(Ok(()), |history| history.close())
    }

    /// The entries now. Copies a pointer.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.visible.read().snapshot.clone()
    }

    /// The entries at an earlier version: those of the files and what changed on the way there.
    /// Reads the history. Unknown version: `NOT_FOUND`; no history: `UNAVAILABLE`.
    pub fn snapshot_at(&self, id: VersionId) -> Result<Arc<Snapshot>> {
        self.check_history()?;
        let (version, line, files) = {
            let visible = self.visible.read();
            if visible.snapshot.version.id == id {
                return Ok(visible.snapshot.clone());
            }
            let files = visible.baseline.clone().unwrap_or_default();
            (visible.versions.get(id), visible.versions.line(id), files)
        };
        let version = version.ok_or_else(version_not_found)?;
        let state = self.replay(None, files, line)?.finish().map_err(Failure::into_error)?;
        Ok(Arc::new(Snapshot { state, version }))
    }

    /// `NOT_FOUND`, `entry not found: <id>`, if there is none.
    pub fn get(&self, id: &EntryId) -> Result<Arc<Entry>> {
        let found = self.snapshot().get(id);
        found.ok_or_else(|| Error::not_found(format!("entry not found: {id}")))
    }

    /// Sorted by id.
    pub fn find(&self, query: &Query) -> Vec<Arc<Entry>> {
        self.snapshot().find(query)
    }

    pub fn current_version(&self) -> Version {
        self.visible.read().snapshot.version
    }

    /// All versions with the root, ascending. `UNAVAILABLE` without a history, as the next three.
    pub fn versions(&self) -> Result<Vec<Version>> {
        self.check_history()?;
        Ok(self.visible.read().versions.all().to_vec())
    }

    /// Unknown: `NOT_FOUND`.
    pub fn version(&self, id: VersionId) -> Result<Version> {
        self.check_history()?;
        self.visible.read().versions.get(id).ok_or_else(version_not_found)
    }

    /// The parent; none at the root.
    pub fn previous_version(&self, of: Version) -> Result<Option<Version>> {
        of.parent.map(|parent| self.version(parent)).transpose()
    }

    /// The most recently created child, if any.
    pub fn next_version(&self, of: Version) -> Result<Option<Version>> {
        self.check_history()?;
        Ok(self.visible.read().versions.newest_child(of.id))
    }

    /// The operations with what follows from them, and the ids of that.
    fn expand(
        &self,
        before: &Snapshot,
        mut operations: Vec<Operation>,
    ) -> Result<(Vec<Operation>, FxHashSet<EntryId>), Failure> {
        let Some(expansion) = &self.expansion else {
            return Ok((operations, FxHashSet::default()));
        };
        let added = ask(&**expansion, before, &operations)?;
        let ids = added.iter().map(|operation| operation.id().clone()).collect();
        operations.extend(added);
        Ok((operations, ids))
    }

    /// Entries that are there because something follows, and that somebody has changed on the way to a
    /// version. What an expansion makes of those is kept: else the change would be back at the next
    /// boot.
    fn edited(&self, at: Version) -> Result<FxHashSet<EntryId>, Failure> {
        let (line, files) = {
            let visible = self.visible.read();
            (visible.versions.line(at.id), visible.baseline.clone().unwrap_or_default())
        };
        let replay = self.replay(self.expansion.as_deref(), files, line);
        let replay = replay.map_err(|cause| Failure::early("failed to expand changeset", cause))?;
        Ok(replay.edited().cloned().collect())
    }

    /// The last thing of a change, within its turn.
    fn tell_visible(&self) {
        let effects = self.effects.lock().take();
        effects.into_iter().flatten().for_each(|effect| effect());
        let listeners = self.listeners.read().clone();
        listeners.observers().iter().for_each(|observer| observer.observe(&Event::Visible));
    }

    fn transact(
        &self,
        state: State,
        operations: Vec<Operation>,
        save: impl FnOnce(&[Change]) -> Result<()>,
    ) -> Result<State, Failure> {
        let parties = Parties {
            listeners: self.listeners.read().clone(),
            publisher: self.publisher.clone(),
            number: self.n_transactions.fetch_add(1, Ordering::Relaxed) + 1,
            event_wait_timeout: self.event_wait_timeout,
        };
        // Also those of a transaction that ended by a panic.
        *self.effects.lock() = Some(Vec::new());
        let outcome = apply::run(&parties, state, operations, save);
        if outcome.is_err() {
            *self.effects.lock() = None;
        }
        outcome
    }

    fn read_history(&self) -> Result<(VersionTree, Version)> {
        let Some(history) = &self.history else {
            return Ok((VersionTree::new([]), Version::ROOT));
        };
        let versions = VersionTree::new(history.versions()?);
        let head = versions.get(history.head()?).ok_or_else(version_not_found)?;
        Ok((versions, head))
    }

    /// Reads what the versions of `line` changed, laid over `files`.
    fn replay<'a>(
        &self,
        expansion: Option<&'a dyn Expansion>,
        files: State,
        line: Option<Vec<VersionId>>,
    ) -> Result<Replay<'a>> {
        let line = line.ok_or_else(version_not_found)?;
        let mut replay = Replay::new(expansion, files);
        if let Some(history) = &self.history {
            for id in line {
                history.changes(id)?.iter().for_each(|change| replay.overlay(change));
            }
        }
        Ok(replay)
    }

    fn check_loaded(&self) -> Result<()> {
        match self.visible.read().baseline {
            Some(_) => Ok(()),
            None => Err(Error::invalid("registry is not loaded yet")),
        }
    }

    fn check_history(&self) -> Result<()> {
        match self.history {
            Some(_) => Ok(()),
            None => Err(Error::unavailable("version history not available: none is kept")),
        }
    }
}

fn changes_along(history: &dyn History, path: &Path) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for &id in &path.undo {
        changes.extend(history.changes(id)?.iter().rev().map(Change::inverse));
    }
    for &id in &path.redo {
        changes.extend(history.changes(id)?);
    }
    Ok(changes)
}
