//! The registry as its users see it: loads, applies, failures, versions, threads.

use std::collections::HashSet;
use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::core::registry::state::State;
use crate::core::registry::testing::{depending, entry};
use crate::infra::error::{Error, Kind, Result};
use crate::infra::transcoder::Value;

/// Keeps what it accepts and writes down what it is told. Entries tell it how to behave through
/// their data: `refuse`, or `strict` for `NOT_FOUND` while a name under `depends_on` is missing.
#[derive(Default)]
struct Recorder {
    log: Mutex<Vec<String>>,
    live: Mutex<HashSet<EntryId>>,
    /// A phase (`begin`, `commit`) or a call such as `delete a:x` to refuse.
    refuse: Mutex<Option<String>>,
}

impl Recorder {
    fn note(&self, what: String) -> Result<()> {
        self.log.lock().push(what.clone());
        match self.refuse.lock().as_deref() {
            Some(refused) if refused == what => Err(Error::unavailable("refused")),
            _ => Ok(()),
        }
    }

    fn take_log(&self) -> Vec<String> {
        std::mem::take(&mut self.log.lock())
    }

    fn check(&self, entry: &Entry) -> Result<()> {
        match entry.data.as_str() {
            Some("refuse") => Err(Error::invalid("refused")),
            Some("strict") => {
                for name in entry.meta.get("depends_on").and_then(Value::as_list).unwrap_or(&[]) {
                    let id = EntryId::parse_in(name.as_str().unwrap_or(""), entry.id.ns());
                    if !self.live.lock().contains(&id) {
                        return Err(Error::not_found(format!("no entry {id}")).context("linking"));
                    }
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

impl Listener for Recorder {
    fn add(&self, entry: &Entry) -> Result<()> {
        self.note(format!("add {}", entry.id))?;
        self.check(entry)?;
        match self.live.lock().insert(entry.id.clone()) {
            true => Ok(()),
            false => Err(Error::internal("added twice")),
        }
    }

    fn update(&self, old: &Entry, new: &Entry) -> Result<()> {
        assert_eq!((&old.id, &old.kind), (&new.id, &new.kind));
        self.note(format!("update {}", new.id))?;
        if !self.live.lock().contains(&old.id) {
            return Err(Error::internal("update of what was never added"));
        }
        self.check(new)
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        self.note(format!("delete {}", entry.id))?;
        match self.live.lock().remove(&entry.id) {
            true => Ok(()),
            false => Err(Error::internal("delete of what was never added")),
        }
    }

    fn begin(&self) -> Result<()> {
        self.note("begin".into())
    }

    fn commit(&self) -> Result<()> {
        self.note("commit".into())
    }

    fn discard(&self) {
        self.log.lock().push("discard".into());
    }
}

struct World {
    registry: Arc<Registry>,
    recorder: Arc<Recorder>,
}

/// A loaded registry whose kind `k` (and `k2`) goes to a recorder.
fn world(settings: Settings, baseline: Vec<Entry>) -> World {
    let world = unloaded(settings);
    world.registry.load(baseline).unwrap();
    world.recorder.take_log();
    world
}

fn unloaded(settings: Settings) -> World {
    let registry = Arc::new(Registry::new(settings));
    let recorder = Arc::new(Recorder::default());
    registry.register_listener("(k|k2)", recorder.clone());
    World { registry, recorder }
}

fn with_data(id: &str, data: impl Into<Value>) -> Entry {
    Entry { data: data.into(), ..entry(id, "k") }
}

fn strict(id: &str, on: &[&str]) -> Entry {
    Entry { data: "strict".into(), ..depending(id, on) }
}

fn creates(entries: impl IntoIterator<Item = Entry>) -> Changeset {
    entries.into_iter().map(|e| Operation::Create(e.into())).collect::<Vec<_>>().into()
}

fn id(text: &str) -> EntryId {
    EntryId::parse(text)
}

fn ids(snapshot: &Snapshot) -> Vec<String> {
    snapshot.entries().map(|e| e.id.to_string()).collect()
}

fn innermost(error: &Error) -> &Error {
    error.cause().map_or(error, innermost)
}

// Loading.

#[test]
fn a_load_is_one_ordered_transition_without_a_version() {
    let world = unloaded(Settings::default());
    let baseline = vec![
        depending("a:x", &["y"]),
        entry("a:y", "k"),
        entry("a:note", "registry.entry"),
        entry("a:y", "k2"),
    ];
    assert_eq!(world.registry.load(baseline), Ok(vec![id("a:y")]));
    assert_eq!(world.recorder.take_log(), ["begin", "add a:y", "add a:x", "commit"]);
    assert_eq!(ids(&world.registry.snapshot()), ["a:note", "a:x", "a:y"]);
    assert_eq!(world.registry.get(&id("a:y")).unwrap().kind, "k2");
    assert_eq!(world.registry.current_version(), Version::ROOT);
    assert_eq!(world.registry.versions(), Ok(vec![Version::ROOT]));
    let again = world.registry.load(vec![]).unwrap_err();
    assert_eq!(again.to_string(), "registry is already loaded");
}

#[track_caller]
fn check_load(baseline: Vec<Entry>, kind: Kind, text: &str) -> Error {
    let world = unloaded(Settings::default());
    let error = world.registry.load(baseline).unwrap_err();
    assert_eq!((error.kind(), error.to_string().as_str()), (&kind, text));
    assert!(world.registry.snapshot().is_empty());
    assert!(world.recorder.live.lock().is_empty());
    world.registry.load(vec![entry("a:x", "k")]).unwrap();
    error
}

#[test]
fn a_load_that_fails_names_the_entry_and_leaves_nothing() {
    check_load(
        vec![entry("a:a", "k"), with_data("a:x", "refuse")],
        Kind::Invalid,
        "operation failed for entry a:x: refused",
    );
    let unknown = check_load(
        vec![entry("a:a", "k"), entry("a:x", "registry.entri")],
        Kind::Invalid,
        "operation failed for entry a:x: unknown entry kind: registry.entri \
         (nearest known kind: registry.entry)",
    );
    let details = [("entry_id", "a:x".into()), ("kind", "registry.entri".into())];
    assert_eq!(unknown.details(), Some(&Value::from(details)));
    let unresolved = check_load(
        vec![strict("a:x", &["nowhere"]), entry("a:y", "k"), strict("a:z", &["x"])],
        Kind::NotFound,
        "unresolved dependencies after retry: a:x, a:z: linking: no entry a:nowhere",
    );
    let list = Value::List(vec!["a:x".into(), "a:z".into()]);
    assert_eq!(unresolved.details(), Some(&Value::from([("unresolved", list)])));
}

#[test]
fn nothing_is_applied_before_the_load() {
    let world = unloaded(Settings::default());
    let error = world.registry.apply(creates([entry("a:x", "k")])).unwrap_err();
    assert_eq!(error.to_string(), "registry is not loaded yet");
}

// Applying.

#[test]
fn an_apply_makes_state_and_version_visible_together() {
    let world = world(Settings::default(), vec![entry("a:x", "k")]);
    let before = world.registry.snapshot();
    let mut changes = creates([depending("a:y", &["z"]), entry("a:z", "k")]);
    changes.delete(id("a:x"));
    let version = world.registry.apply(changes).unwrap();
    assert_eq!(version, Version { id: VersionId(1), parent: Some(VersionId(0)) });
    let expect = ["begin", "delete a:x", "add a:z", "add a:y", "commit"];
    assert_eq!(world.recorder.take_log(), expect);
    assert_eq!((ids(&before), before.version()), (vec!["a:x".to_owned()], Version::ROOT));
    let after = world.registry.snapshot();
    assert_eq!((ids(&after), after.version()), (vec!["a:y".into(), "a:z".into()], version));
    let missing = world.registry.get(&id("a:x")).unwrap_err();
    assert_eq!(missing.to_string(), "entry not found: a:x");
}

/// Applying `changes` to `a:x` and `a:y` of kind `k` fails and changes nothing.
#[track_caller]
fn check_refused(changes: Changeset, kind: Kind, text: &str) -> Error {
    let world = world(Settings::default(), vec![entry("a:x", "k"), entry("a:y", "k")]);
    let before = world.registry.snapshot();
    let live = world.recorder.live.lock().clone();
    let error = world.registry.apply(changes).unwrap_err();
    assert_eq!(error.kind(), &Kind::Internal);
    assert_eq!(error.to_string(), text);
    assert_eq!(innermost(&error).kind(), &kind);
    let cause = error.cause().map(Error::to_string).unwrap_or_default();
    assert_eq!(error.details().and_then(|d| d.get("cause")), Some(&Value::Str(cause)));
    assert!(Arc::ptr_eq(&before, &world.registry.snapshot()));
    assert_eq!(*world.recorder.live.lock(), live);
    error
}

#[test]
fn the_table_of_conflicts() {
    let mut update = Changeset::new();
    let mut delete = Changeset::new();
    check_refused(
        creates([entry("a:x", "k")]),
        Kind::Conflict,
        "apply changes: operation failed for entry a:x: entry already exists: a:x",
    );
    check_refused(
        update.update(entry("a:none", "k")).clone(),
        Kind::NotFound,
        "apply changes: unresolved dependencies after retry: a:none: entry does not exist: a:none",
    );
    check_refused(
        delete.delete(id("a:none")).clone(),
        Kind::NotFound,
        "apply changes: unresolved dependencies after retry: a:none: \
         cannot delete non-existent entry: a:none",
    );
    check_refused(
        Changeset::new().update(entry("a:x", "k2")).clone(),
        Kind::Invalid,
        "apply changes: operation failed for entry a:x: \
         cannot change entry kind from k to k2 of entry a:x",
    );
    check_refused(
        Changeset::new().update(entry("a:x", "")).clone(),
        Kind::Invalid,
        "apply changes: operation failed for entry a:x: \
         cannot change entry kind from k to nothing of entry a:x",
    );
    let error = check_refused(
        creates([entry("a:new", "mystery.kind")]),
        Kind::Invalid,
        "apply changes: operation failed for entry a:new: unknown entry kind: mystery.kind",
    );
    assert_eq!(error.details().and_then(|d| d.get("kind")), Some(&"mystery.kind".into()));
    let world = world(Settings::default(), vec![]);
    let empty = world.registry.apply(Changeset::new()).unwrap_err();
    assert_eq!((empty.kind(), empty.message()), (&Kind::Invalid, "no changes to apply"));
}

#[test]
fn not_found_waits_for_the_others() {
    let world = world(Settings::default(), vec![]);
    // The cycle is tried by id; `a:a` has to wait for `a:b`, which does not care.
    let mut loose = depending("a:b", &["a"]);
    loose.data = "loose".into();
    world.registry.apply(creates([strict("a:a", &["b"]), loose])).unwrap();
    let expect = ["begin", "add a:a", "add a:b", "add a:a", "commit"];
    assert_eq!(world.recorder.take_log(), expect);
}

#[test]
fn a_failure_takes_back_in_reverse() {
    let world = world(Settings::default(), vec![entry("a:old", "k"), with_data("a:up", 1)]);
    let mut changes = creates([entry("a:base", "k"), depending("a:top", &["base"])]);
    changes.delete(id("a:old")).update(with_data("a:up", 2));
    changes.create(Entry { data: "refuse".into(), ..depending("a:z", &["a:up"]) });
    world.registry.apply(changes).unwrap_err();
    let log = world.recorder.take_log();
    let (done, undone) = log.split_at(6);
    assert_eq!(
        done,
        ["begin", "add a:base", "delete a:old", "add a:top", "update a:up", "add a:z"]
    );
    assert_eq!(undone, ["update a:up", "delete a:top", "add a:old", "delete a:base", "discard"]);
    assert_eq!(world.registry.current_version(), Version::ROOT);
}

#[test]
fn a_step_of_the_rollback_that_fails_is_noted_and_skipped() {
    let world = world(Settings::default(), vec![]);
    *world.recorder.refuse.lock() = Some("delete a:b".into());
    let changes = creates([entry("a:a", "k"), entry("a:b", "k"), with_data("a:c", "refuse")]);
    let error = world.registry.apply(changes).unwrap_err();
    let noted = error.details().and_then(|d| d.get("rollback_error")).and_then(Value::as_str);
    assert_eq!(noted, Some("operation failed for entry a:b: refused"));
    let log = world.recorder.take_log();
    assert_eq!(log[4..], ["delete a:b", "delete a:a", "discard"]);
}

#[test]
fn begin_and_commit_may_refuse() {
    let world = world(Settings::default(), vec![]);
    let second = Arc::new(Recorder::default());
    world.registry.register_listener("other", second.clone());
    *second.refuse.lock() = Some("begin".into());
    let error = world.registry.apply(creates([entry("a:x", "k")])).unwrap_err();
    assert_eq!(error.to_string(), "apply changes: refused");
    assert_eq!(world.recorder.take_log(), ["begin", "discard"]);
    assert_eq!(second.take_log(), ["begin"]);

    *second.refuse.lock() = Some("commit".into());
    world.registry.apply(creates([entry("a:x", "k")])).unwrap_err();
    let expect = ["begin", "add a:x", "commit", "delete a:x", "discard"];
    assert_eq!(world.recorder.take_log(), expect);
    assert_eq!(second.take_log(), ["begin", "commit", "discard"]);
    assert!(world.registry.snapshot().is_empty());
}

/// Writes down every event with its path.
#[derive(Default)]
struct Paper(Mutex<Vec<(String, String, Value)>>);

impl Publisher for Paper {
    fn publish(&self, kind: &str, path: &str, data: Value) {
        self.0.lock().push((kind.to_owned(), path.to_owned(), data));
    }

    fn is_heard(&self, kind: &str) -> bool {
        kind != "entry.delete"
    }
}

#[test]
fn events_tell_what_is_asked_and_what_is_answered() {
    let paper = Arc::new(Paper::default());
    let publisher: Option<Arc<dyn Publisher>> = Some(paper.clone());
    let world = world(Settings { publisher, ..Settings::default() }, vec![]);
    paper.0.lock().clear();
    let note = entry("a:note", "registry.entry");
    world.registry.apply(creates([note, entry("a:x", "k")])).unwrap();
    let events = std::mem::take(&mut *paper.0.lock());
    let told: Vec<String> = events.iter().map(|(kind, path, _)| format!("{kind} {path}")).collect();
    assert_eq!(
        told,
        [
            "registry.begin registry.tx/2/registry.begin",
            "registry.accept registry.tx/2/registry.begin",
            "entry.create a:note",
            "entry.create a:x",
            "entry.accept a:x",
            "registry.commit registry.tx/2/registry.commit",
            "registry.accept registry.tx/2/registry.commit",
        ]
    );
    assert_eq!(events[3].2.get("id"), Some(&"a:x".into()));
    assert_eq!(events[3].2.get("kind"), Some(&"k".into()));

    world.registry.apply(creates([entry("a:y", "k"), with_data("a:z", "refuse")])).unwrap_err();
    let kinds: Vec<String> = paper.0.lock().iter().map(|(kind, ..)| kind.clone()).collect();
    let create = ["entry.create", "entry.accept", "entry.create", "entry.reject"];
    assert_eq!(kinds[2..6], create);
    // Nobody hears deletes, so none was built; its answer is heard.
    assert_eq!(kinds[6..], ["entry.accept", "registry.discard"]);
}

/// Keeps a copy of the entries by observing alone.
#[derive(Default)]
struct Mirror(Mutex<State>);

impl Observer for Mirror {
    fn observe(&self, event: &Event<'_>) {
        let mut state = self.0.lock();
        match event {
            Event::Create(new) | Event::Update { new, .. } => {
                state.set(Arc::new((*new).clone()));
            }
            Event::Delete(old) => state.remove(&old.id),
            Event::Begin | Event::Commit | Event::Discard | Event::Visible => (),
        }
    }
}

#[test]
fn what_an_observer_is_told_adds_up_to_the_state() {
    let world = unloaded(Settings::default());
    let mirror = Arc::new(Mirror::default());
    world.registry.register_observer("**", mirror.clone());
    world.registry.load(vec![entry("a:x", "k"), entry("a:note", "registry.entry")]).unwrap();
    assert_eq!(*mirror.0.lock(), world.registry.snapshot().state);
    let mut changes = creates([entry("a:y", "k"), with_data("a:z", "refuse")]);
    changes.delete(id("a:x")).delete(id("a:note"));
    world.registry.apply(changes).unwrap_err();
    assert_eq!(*mirror.0.lock(), world.registry.snapshot().state);
}

/// What readers see each time they are said to.
struct Sightings(Mutex<Vec<usize>>, Weak<Registry>);

impl Observer for Sightings {
    fn observe(&self, event: &Event<'_>) {
        if *event == Event::Visible {
            self.0.lock().push(self.1.upgrade().unwrap().snapshot().len());
        }
    }
}

#[test]
fn observers_hear_when_readers_see_a_change() {
    let world = unloaded(Settings::default());
    let sightings = Arc::new(Sightings(Mutex::default(), Arc::downgrade(&world.registry)));
    world.registry.register_observer("**", sightings.clone());
    world.registry.load(vec![entry("a:x", "k")]).unwrap();
    let version = world.registry.apply(creates([entry("a:y", "k"), entry("a:z", "k")])).unwrap();
    world.registry.apply(creates([with_data("a:u", "refuse")])).unwrap_err();
    world.registry.apply_version(version.parent.unwrap()).unwrap();
    assert_eq!(*sightings.0.lock(), [1, 3, 1]);
}

// Threads.

/// Calls back into the registry from `add` and keeps what it got.
struct Meddler {
    registry: Weak<Registry>,
    got: Mutex<Option<String>>,
    seen: Mutex<Option<usize>>,
}

impl Listener for Meddler {
    fn add(&self, entry: &Entry) -> Result<()> {
        let Some(registry) = self.registry.upgrade() else { return Ok(()) };
        *self.seen.lock() = Some(registry.snapshot().len());
        let mut changes = Changeset::new();
        changes.delete(entry.id.clone());
        *self.got.lock() = registry.apply(changes).err().map(|error| error.to_string());
        Ok(())
    }

    fn update(&self, _: &Entry, _: &Entry) -> Result<()> {
        Ok(())
    }

    fn delete(&self, _: &Entry) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_listener_may_read_but_not_change() {
    let world = world(Settings::default(), vec![entry("a:x", "k")]);
    let meddler = Arc::new(Meddler {
        registry: Arc::downgrade(&world.registry),
        got: Mutex::new(None),
        seen: Mutex::new(None),
    });
    world.registry.register_listener("m", meddler.clone());
    world.registry.apply(creates([entry("a:y", "k"), entry("b:m", "m")])).unwrap();
    assert_eq!(*meddler.seen.lock(), Some(1), "the state before the apply");
    let expect = "registry cannot be changed from inside a listener";
    assert_eq!(meddler.got.lock().as_deref(), Some(expect));
    assert_eq!(world.registry.snapshot().len(), 3);
}

#[test]
fn of_two_creates_the_second_gets_a_conflict() {
    const THREADS: usize = 8;
    let world = world(Settings::default(), vec![]);
    let outcomes: Vec<Result<Version>> = thread::scope(|scope| {
        let run = || world.registry.apply(creates([entry("a:x", "k")]));
        let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(run)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, THREADS - 1));
    for error in lost {
        assert_eq!(innermost(&error.unwrap_err()).kind(), &Kind::Conflict);
    }
}

#[test]
fn applies_of_many_threads_are_all_kept() {
    let world = world(Settings::default(), vec![]);
    thread::scope(|scope| {
        for t in 0..8 {
            let registry = &world.registry;
            scope.spawn(move || {
                for i in 0..20 {
                    registry.apply(creates([entry(&format!("t{t}:e{i}"), "k")])).unwrap();
                }
            });
        }
    });
    assert_eq!(world.registry.snapshot().len(), 160);
    assert_eq!(world.registry.current_version().id, VersionId(160));
    assert_eq!(world.registry.versions().unwrap().len(), 161);
}

/// Holds the apply in `add` until it is told to go on.
struct Gate {
    entered: Mutex<mpsc::Sender<()>>,
    go_on: Mutex<mpsc::Receiver<()>>,
}

impl Listener for Gate {
    fn add(&self, _: &Entry) -> Result<()> {
        self.entered.lock().send(()).unwrap();
        self.go_on.lock().recv().unwrap();
        Ok(())
    }

    fn update(&self, _: &Entry, _: &Entry) -> Result<()> {
        Ok(())
    }

    fn delete(&self, _: &Entry) -> Result<()> {
        Ok(())
    }
}

#[test]
fn readers_go_on_during_an_apply() {
    let world = world(Settings::default(), vec![entry("a:x", "k")]);
    let (entered, is_entered) = mpsc::channel();
    let (release, go_on) = mpsc::channel();
    let gate = Gate { entered: Mutex::new(entered), go_on: Mutex::new(go_on) };
    world.registry.register_listener("gate", Arc::new(gate));
    thread::scope(|scope| {
        let apply = scope.spawn(|| world.registry.apply(creates([entry("a:g", "gate")])));
        is_entered.recv().unwrap();
        assert_eq!(ids(&world.registry.snapshot()), ["a:x"]);
        assert_eq!(world.registry.current_version(), Version::ROOT);
        assert_eq!(world.registry.versions().unwrap().len(), 1);
        release.send(()).unwrap();
        apply.join().unwrap().unwrap();
    });
    assert_eq!(ids(&world.registry.snapshot()), ["a:g", "a:x"]);
}

// Versions.

#[test]
fn versions_branch_and_ids_only_grow() {
    let world = world(Settings::default(), vec![entry("a:x", "k")]);
    let registry = &world.registry;
    let v1 = registry.apply(creates([entry("a:one", "k")])).unwrap();
    let v2 = registry.apply(creates([entry("a:two", "k")])).unwrap();
    registry.apply_version(v1.id).unwrap();
    assert_eq!(registry.current_version(), v1);
    let v3 = registry.apply(creates([entry("a:three", "k")])).unwrap();
    assert_eq!((v3.id, v3.parent), (VersionId(3), Some(v1.id)));
    assert_eq!(registry.next_version(v1), Ok(Some(v3)));
    assert_eq!(registry.next_version(v3), Ok(None));
    assert_eq!(registry.previous_version(v2), Ok(Some(v1)));
    assert_eq!(registry.previous_version(Version::ROOT), Ok(None));
    assert_eq!(registry.version(v2.id), Ok(v2));
    assert_eq!(registry.versions(), Ok(vec![Version::ROOT, v1, v2, v3]));
    registry.apply_version(v2.id).unwrap();
    assert_eq!(ids(&registry.snapshot()), ["a:one", "a:two", "a:x"]);
    registry.apply_version(v2.id).unwrap();
    assert_eq!(v2.id.to_string(), "v2");
    for (version, expect) in [(0, "a:x"), (1, "a:one a:x"), (3, "a:one a:three a:x")] {
        let snapshot = registry.snapshot_at(VersionId(version)).unwrap();
        assert_eq!((ids(&snapshot).join(" ").as_str(), snapshot.version().id.0), (expect, version));
    }
}

#[test]
fn unknown_versions_are_not_found() {
    let world = world(Settings::default(), vec![]);
    let errors = [
        world.registry.apply_version(VersionId(9)).unwrap_err(),
        world.registry.snapshot_at(VersionId(9)).unwrap_err(),
        world.registry.version(VersionId(9)).unwrap_err(),
    ];
    for error in errors {
        assert_eq!(*error.kind(), Kind::NotFound);
        assert_eq!(error.to_string(), "version not found in history");
    }
}

#[test]
fn going_back_over_a_change_of_kind_replaces_the_entry() {
    let world = world(Settings::default(), vec![entry("a:x", "k")]);
    let mut changes = creates([entry("a:x", "k2")]);
    changes.delete(id("a:x"));
    world.registry.apply(changes).unwrap();
    world.registry.apply_version(VersionId::ROOT).unwrap();
    assert_eq!(world.registry.get(&id("a:x")).unwrap().kind, "k");
}

#[test]
fn going_back_may_fail_and_then_changes_nothing() {
    let world = world(Settings::default(), vec![]);
    let v1 = world.registry.apply(creates([entry("a:x", "k")])).unwrap();
    *world.recorder.refuse.lock() = Some("delete a:x".into());
    let error = world.registry.apply_version(VersionId::ROOT).unwrap_err();
    let expect = "failed to apply version changes: operation failed for entry a:x: refused";
    assert_eq!((error.kind(), error.to_string().as_str()), (&Kind::Internal, expect));
    assert_eq!(world.registry.current_version(), v1);
}

#[test]
fn without_history_versions_count_and_nothing_goes_back() {
    let world = world(Settings { history: None, ..Settings::default() }, vec![]);
    let registry = &world.registry;
    let v1 = registry.apply(creates([entry("a:x", "k")])).unwrap();
    assert_eq!(registry.current_version(), v1);
    for error in [registry.versions().unwrap_err(), registry.snapshot_at(v1.id).unwrap_err()] {
        assert_eq!(*error.kind(), Kind::Unavailable);
        assert!(error.to_string().starts_with("version history not available"), "{error}");
    }
    let error = registry.apply_version(VersionId::ROOT).unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable);
    assert!(error.to_string().starts_with("version rollback not supported"), "{error}");
}

#[test]
fn a_boot_lays_the_history_over_the_files() {
    let history: Arc<dyn History> = Arc::new(MemoryHistory::new());
    let settings = || Settings { history: Some(history.clone()), ..Settings::default() };
    let files = || vec![entry("a:x", "k"), with_data("a:y", 1)];
    let first = world(settings(), files());
    let mut changes = creates([entry("a:z", "k")]);
    changes.delete(id("a:x")).update(with_data("a:y", 2));
    first.registry.apply(changes).unwrap();
    first.registry.apply(creates([entry("a:later", "k")])).unwrap();
    first.registry.apply_version(VersionId(1)).unwrap();

    let second = unloaded(settings());
    second.registry.load(files()).unwrap();
    assert_eq!(second.recorder.take_log(), ["begin", "add a:y", "add a:z", "commit"]);
    assert_eq!(second.registry.snapshot().state, first.registry.snapshot().state);
    assert_eq!(second.registry.current_version().id, VersionId(1));
    let next = second.registry.apply(creates([entry("a:n", "k")])).unwrap();
    assert_eq!((next.id, next.parent), (VersionId(3), Some(VersionId(1))));
}

/// A history whose disk is full.
struct Full(MemoryHistory);

impl History for Full {
    fn versions(&self) -> Result<Vec<Version>> {
        self.0.versions()
    }
    fn head(&self) -> Result<VersionId> {
        self.0.head()
    }
    fn changes(&self, id: VersionId) -> Result<Vec<Change>> {
        self.0.changes(id)
    }
    fn save(&self, _: Version, _: &[Change]) -> Result<()> {
        Err(Error::unavailable("disk full").with_retryable(Some(true)))
    }
    fn set_head(&self, id: VersionId) -> Result<()> {
        self.0.set_head(id)
    }
}

#[test]
fn a_version_that_cannot_be_saved_is_taken_back() {
    let history: Option<Arc<dyn History>> = Some(Arc::new(Full(MemoryHistory::new())));
    let world = world(Settings { history, ..Settings::default() }, vec![]);
    let error = world.registry.apply(creates([entry("a:x", "k")])).unwrap_err();
    assert_eq!(error.to_string(), "save new version: disk full");
    assert_eq!((error.kind(), error.retryable()), (&Kind::Internal, Some(true)));
    assert!(world.registry.snapshot().is_empty());
    let expect = ["begin", "add a:x", "commit", "delete a:x", "discard"];
    assert_eq!(world.recorder.take_log(), expect);
}

// Deltas.

#[test]
fn a_delta_lists_what_differs_in_order() {
    let from =
        [with_data("a:same", 1), entry("a:gone", "k"), entry("a:kind", "k"), entry("a:u", "k")];
    let to = [
        with_data("a:same", 1.0),
        depending("a:new", &["u"]),
        entry("a:kind", "k2"),
        depending("a:u", &["kind"]),
    ];
    let told: Vec<String> =
        build_delta(&from, &to).iter().map(|op| format!("{} {}", op.kind(), op.id())).collect();
    assert_eq!(
        told,
        [
            "entry.delete a:gone",
            "entry.delete a:kind",
            "entry.create a:kind",
            "entry.update a:u",
            "entry.create a:new",
        ]
    );
}

// Size.

#[test]
fn a_hundred_thousand_entries_load_and_change() {
    const COUNT: usize = 100_000;
    let world = unloaded(Settings::default());
    let baseline = (0..COUNT).map(|i| {
        let below = format!("e{}", i / 2);
        depending(&format!("n{}:e{i}", i % 100), &[&below])
    });
    let start = Instant::now();
    world.registry.load(baseline.collect()).unwrap();
    world.registry.apply(creates([entry("n0:extra", "k")])).unwrap();
    assert_eq!(world.registry.snapshot().len(), COUNT + 1);
    assert!(start.elapsed() < Duration::from_secs(60), "quadratic: {:?}", start.elapsed());
}

// Properties.

/// An operation on one of six ids, of which some refuse.
fn operation() -> impl Strategy<Value = Operation> {
    (0..6_u32, 0..3_u8, 0..8_i64, prop::collection::vec(0..6_u32, 0..3)).prop_map(
        |(n, what, data, on)| {
            let on: Vec<String> = on.iter().map(|n| format!("e{n}")).collect();
            let mut entry =
                depending(&format!("a:e{n}"), &on.iter().map(String::as_str).collect::<Vec<_>>());
            entry.data = match data {
                0 => "refuse".into(),
                1 => "strict".into(),
                data => data.into(),
            };
            match what {
                0 => Operation::Create(entry.into()),
                1 => Operation::Update(entry.into()),
                _ => Operation::Delete(entry.id),
            }
        },
    )
}

fn changesets() -> impl Strategy<Value = Vec<Vec<Operation>>> {
    prop::collection::vec(prop::collection::vec(operation(), 1..5), 1..12)
}

/// A strict entry may lose what it needs to a delete and then refuse to be restored. The rollback
/// skips it, as it should; from then on the recorder and the registry disagree.
fn is_rollback_refused(error: &Error) -> bool {
    error.details().and_then(|details| details.get("rollback_error")).is_some()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn an_apply_changes_all_or_nothing(changesets in changesets()) {
        let world = world(Settings::default(), vec![]);
        for operations in changesets {
            let before = world.registry.snapshot();
            let live = world.recorder.live.lock().clone();
            if let Err(error) = world.registry.apply(operations.into()) {
                prop_assert!(!error.to_string().contains("never added"), "{}", error);
                prop_assert!(!error.to_string().contains("added twice"), "{}", error);
                prop_assert!(Arc::ptr_eq(&before, &world.registry.snapshot()));
                prop_assume!(!is_rollback_refused(&error));
                prop_assert_eq!(&*world.recorder.live.lock(), &live);
            }
            let snapshot = world.registry.snapshot();
            let now: HashSet<_> = snapshot.entries().map(|e| e.id.clone()).collect();
            prop_assert_eq!(&*world.recorder.live.lock(), &now);
        }
    }

    #[test]
    fn there_and_back_is_the_same(
        changesets in changesets(),
        hops in prop::collection::vec(0..12_u64, 1..6),
    ) {
        let world = world(Settings::default(), vec![entry("a:e0", "k"), with_data("a:e1", 7)]);
        let registry = &world.registry;
        let mut states = vec![registry.snapshot()];
        for operations in changesets {
            match registry.apply(operations.into()) {
                Ok(_) => states.push(registry.snapshot()),
                Err(error) => prop_assume!(!is_rollback_refused(&error)),
            }
        }
        for hop in hops {
            let to = &states[hop as usize % states.len()];
            // A strict listener may refuse the way: then nothing has changed.
            let from = registry.snapshot();
            match registry.apply_version(to.version().id) {
                Ok(()) => prop_assert_eq!(&registry.snapshot().state, &to.state),
                Err(error) => {
                    prop_assert_eq!(&registry.snapshot().state, &from.state);
                    prop_assume!(!is_rollback_refused(&error));
                }
            }
            let old = registry.snapshot_at(to.version().id).unwrap();
            prop_assert_eq!(&old.state, &to.state);
        }
    }
}
