//! The registry's seams: listeners that answer too late, operations that follow from others, and
//! the end of a registry.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use parking_lot::Mutex;

use super::*;
use crate::core::expansion::Expansion;
use crate::core::registry::testing::entry;
use crate::infra::error::{Error, Kind, Result};
use crate::infra::transcoder::Map;

/// Long, so that who does not sleep is never late.
const LIMIT: Duration = Duration::from_millis(400);

/// Takes longer than the limit for one call.
#[derive(Default)]
struct Slow {
    at: Mutex<&'static str>,
    log: Mutex<Vec<String>>,
}

impl Slow {
    fn call(&self, what: String) -> Result<()> {
        if what == *self.at.lock() {
            thread::sleep(LIMIT + Duration::from_millis(1));
        }
        self.log.lock().push(what);
        Ok(())
    }
}

impl Listener for Slow {
    fn add(&self, entry: &Entry) -> Result<()> {
        self.call(format!("add {}", entry.id))
    }
    fn update(&self, _: &Entry, new: &Entry) -> Result<()> {
        self.call(format!("update {}", new.id))
    }
    fn delete(&self, entry: &Entry) -> Result<()> {
        self.call(format!("delete {}", entry.id))
    }
    fn begin(&self) -> Result<()> {
        self.call("begin".into())
    }
    fn commit(&self) -> Result<()> {
        self.call("commit".into())
    }
    fn discard(&self) {
        self.log.lock().push("discard".into());
    }
}

fn creates(ids: &[&str]) -> Changeset {
    let mut changes = Changeset::new();
    ids.iter().for_each(|id| _ = changes.create(entry(id, "k")));
    changes
}

#[track_caller]
fn check_late(at: &'static str, what: &str, log: &[&str]) {
    let settings = Settings { event_wait_timeout: LIMIT, ..Settings::default() };
    let registry = Registry::new(settings);
    registry.load(vec![]).unwrap();
    let slow = Arc::new(Slow { at: Mutex::new(at), ..Slow::default() });
    registry.register_listener("k", slow.clone());
    let error = registry.apply(creates(&["a:x", "a:y"])).unwrap_err();
    let text = format!("event handler timeout after 400ms for {what}");
    let innermost = innermost(&error);
    assert_eq!((innermost.kind(), innermost.to_string()), (&Kind::Timeout, text));
    assert_eq!((error.kind(), error.retryable()), (&Kind::Internal, Some(true)));
    assert_eq!(*slow.log.lock(), log);
    assert!(registry.snapshot().is_empty());
    assert_eq!(registry.current_version(), Version::ROOT);
}

fn innermost(error: &Error) -> &Error {
    error.cause().map_or(error, innermost)
}

#[test]
fn an_entry_that_is_accepted_too_late_is_refused() {
    check_late(
        "add a:y",
        "entry a:y (kind: k)",
        &["begin", "add a:x", "add a:y", "delete a:y", "delete a:x", "discard"],
    );
}

#[test]
fn a_begin_or_commit_that_is_accepted_too_late_is_refused() {
    check_late("begin", "registry.begin", &["begin", "discard"]);
    let undone = ["begin", "add a:x", "add a:y", "commit", "delete a:y", "delete a:x", "discard"];
    check_late("commit", "registry.commit", &undone);
}

// Expansion.

/// For every entry `a:<name>` that a changeset creates or deletes, `module:<name>` follows, and takes
/// over its data when it is updated. With
/// `a:turn` the kind of `file:x` changes from `k` to `registry.entry`.
#[derive(Default)]
struct Modules {
    fails: Mutex<bool>,
}

impl Expansion for Modules {
    fn expand(&self, before: &Snapshot, operations: &[Operation]) -> Result<Vec<Operation>> {
        if *self.fails.lock() {
            return Err(Error::unavailable("no modules today"));
        }
        let follow = operations.iter().filter(|op| op.id().ns() == "a").filter_map(|op| {
            let id = EntryId::new("module", op.id().name());
            match op {
                Operation::Create(entry) => {
                    assert!(before.get(&id).is_none());
                    let meta = Map::from_iter([("depends_on".into(), entry.id.to_string().into())]);
                    Some(Operation::Create(Arc::new(Entry { id, meta, ..Entry::clone(entry) })))
                }
                Operation::Update(entry) => {
                    let old = before.get(&id)?;
                    let data = entry.data.clone();
                    Some(Operation::Update(Arc::new(Entry { data, ..Entry::clone(&old) })))
                }
                Operation::Delete(_) => Some(Operation::Delete(id)),
            }
        });
        let mut follow: Vec<Operation> = follow.collect();
        let has = |name: &str| operations.iter().any(|op| op.id().name() == name);
        if has("turn") && !has("x") {
            follow.push(Operation::Create(entry("file:x", "registry.entry").into()));
            follow.push(Operation::Delete(EntryId::new("file", "x")));
        }
        Ok(follow)
    }

    fn concerns(&self, change: &Change) -> bool {
        change.entry().id.ns() == "a"
    }

    fn owns(&self, entry: &Entry) -> bool {
        entry.id.ns() == "module"
    }

    fn source_dir(&self, _: &Entry) -> Option<std::path::PathBuf> {
        None
    }
}

fn expanding(history: Arc<dyn History>, files: &[&str]) -> (Registry, Arc<Slow>, Arc<Modules>) {
    let (listener, modules) = (Arc::new(Slow::default()), Arc::new(Modules::default()));
    let expansion: Arc<dyn Expansion> = modules.clone();
    let settings =
        Settings { history: Some(history), expansion: Some(expansion), ..Settings::default() };
    let registry = Registry::new(settings);
    registry.register_listener("k", listener.clone());
    registry.load(files.iter().map(|id| entry(id, "k")).collect()).unwrap();
    (registry, listener, modules)
}

fn ids(registry: &Registry) -> Vec<String> {
    registry.snapshot().entries().map(|entry| entry.id.to_string()).collect()
}

#[test]
fn what_follows_is_applied_and_not_kept() {
    let history: Arc<dyn History> = Arc::new(MemoryHistory::new());
    let (registry, listener, modules) = expanding(history.clone(), &[]);
    registry.apply(creates(&["a:x"])).unwrap();
    assert_eq!(
        *listener.log.lock(),
        ["begin", "commit", "begin", "add a:x", "add module:x", "commit"]
    );
    let kept = history.changes(VersionId(1)).unwrap();
    assert_eq!(kept, [Change::Create(entry("a:x", "k").into())]);

    registry.apply(creates(&["b:free"])).unwrap();
    registry.apply_version(VersionId::ROOT).unwrap();
    assert_eq!(ids(&registry), [""; 0], "going back takes what follows along");
    registry.apply_version(VersionId(2)).unwrap();
    assert_eq!(ids(&registry), ["a:x", "b:free", "module:x"]);
    let (reopened, ..) = expanding(history.clone(), &[]);
    assert_eq!(ids(&reopened), ["a:x", "b:free", "module:x"], "a boot computes it anew");

    registry.apply_version(VersionId::ROOT).unwrap();
    *modules.fails.lock() = true;
    let error = registry.apply(creates(&["a:y"])).unwrap_err();
    assert_eq!(error.to_string(), "failed to expand changeset: no modules today");
    assert_eq!(*error.kind(), Kind::Internal);
    let error = registry.apply_version(VersionId(2)).unwrap_err();
    assert_eq!(error.to_string(), "failed to apply version changes: no modules today");
    assert_eq!((history.head(), ids(&registry).len()), (Ok(VersionId::ROOT), 0));
    *modules.fails.lock() = false;
    registry.apply_version(VersionId(2)).unwrap();
    *modules.fails.lock() = true;
    registry.apply_version(VersionId(1)).expect("nothing follows from b:free");
    assert_eq!(ids(&registry), ["a:x", "module:x"]);

    let settings = Settings {
        history: Some(history.clone()),
        expansion: Some(modules),
        ..Settings::default()
    };
    let error = Registry::new(settings).load(vec![]).unwrap_err();
    assert_eq!(error.to_string(), "failed to expand changeset: no modules today");
}

#[test]
fn what_follows_may_change_a_kind() {
    let history: Arc<dyn History> = Arc::new(MemoryHistory::new());
    let (registry, ..) = expanding(history.clone(), &["file:x"]);
    let kind = |registry: &Registry| registry.get(&EntryId::new("file", "x")).unwrap().kind.clone();
    registry.apply(creates(&["a:turn"])).unwrap();
    assert_eq!(kind(&registry), "registry.entry");
    let (reopened, ..) = expanding(history, &["file:x"]);
    assert_eq!(kind(&reopened), "registry.entry");
    assert_eq!(ids(&reopened), ["a:turn", "file:x", "module:turn"]);
}

/// Goes from each of these versions to each other, and boots at each: always the same entries.
#[track_caller]
fn check_everywhere(changesets: Vec<Changeset>, expected: &[&str]) {
    let history: Arc<dyn History> = Arc::new(MemoryHistory::new());
    let (registry, ..) = expanding(history.clone(), &["file:x"]);
    let shown = |registry: &Registry| -> String {
        let shown = registry.snapshot();
        let text = |entry: &Arc<Entry>| match entry.data.as_int() {
            Some(data) => format!("{}={data}", entry.id),
            None => entry.id.to_string(),
        };
        shown.entries().map(text).collect::<Vec<_>>().join(" ")
    };
    let mut seen = vec![shown(&registry)];
    for changes in changesets {
        registry.apply(changes).unwrap();
        seen.push(shown(&registry));
    }
    assert_eq!(seen, expected, "as they happened");
    for from in 0..seen.len() {
        for to in 0..seen.len() {
            registry.apply_version(VersionId(from as u64)).unwrap();
            let (reopened, ..) = expanding(history.clone(), &["file:x"]);
            assert_eq!(shown(&reopened), seen[from], "booted at {from}");
            for registry in [&registry, &reopened] {
                registry.apply_version(VersionId(to as u64)).unwrap();
                assert_eq!(shown(registry), seen[to], "from {from} to {to}");
            }
        }
    }
}

#[test]
fn an_entry_that_follows_may_be_changed_and_goes_all_the_same() {
    let set = |id: &str, data: i64| {
        let mut changes = Changeset::new();
        changes.update(Entry { data: data.into(), ..entry(id, "k") });
        changes
    };
    let edit = |data: i64| set("module:x", data);
    let delete = |id: &str| {
        let mut changes = Changeset::new();
        changes.delete(EntryId::parse(id));
        changes
    };
    check_everywhere(
        vec![creates(&["a:x"]), edit(5), edit(6), delete("a:x"), creates(&["b:y"])],
        &[
            "file:x",
            "a:x file:x module:x",
            "a:x file:x module:x=5",
            "a:x file:x module:x=6",
            "file:x",
            "b:y file:x",
        ],
    );
    check_everywhere(
        vec![creates(&["a:x"]), delete("module:x"), creates(&["module:x"])],
        &["file:x", "a:x file:x module:x", "a:x file:x", "a:x file:x module:x"],
    );
    // What follows replaces it, and stays.
    check_everywhere(
        vec![creates(&["a:x"]), edit(5), set("a:x", 7), set("a:x", 8), edit(9), delete("a:x")],
        &[
            "file:x",
            "a:x file:x module:x",
            "a:x file:x module:x=5",
            "a:x=7 file:x module:x=7",
            "a:x=8 file:x module:x=8",
            "a:x=8 file:x module:x=9",
            "file:x",
        ],
    );
    check_everywhere(
        vec![creates(&["a:turn"]), delete("file:x")],
        &["file:x", "a:turn file:x module:turn", "a:turn module:turn"],
    );
}

// The end.

/// Holds an apply until it is told to go on.
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
fn closing_waits_for_the_apply_and_refuses_the_next() {
    let history = Arc::new(MemoryHistory::new());
    let settings = Settings { history: Some(history.clone()), ..Settings::default() };
    let registry = Registry::new(settings);
    let (entered, is_entered) = mpsc::channel();
    let (release, go_on) = mpsc::channel();
    let gate = Gate { entered: Mutex::new(entered), go_on: Mutex::new(go_on) };
    registry.register_listener("k", Arc::new(gate));
    registry.load(vec![]).unwrap();
    thread::scope(|scope| {
        let first = scope.spawn(|| registry.apply(creates(&["a:x"])));
        is_entered.recv().unwrap();
        let impatient = registry.close(Duration::ZERO).unwrap_err();
        assert_eq!(*impatient.kind(), Kind::Timeout);
        let refused = registry.apply(creates(&["a:y"])).unwrap_err();
        let text = "registry is closed";
        assert_eq!((refused.kind(), refused.to_string().as_str()), (&Kind::Unavailable, text));
        let close = scope.spawn(|| registry.close(Duration::from_secs(60)));
        release.send(()).unwrap();
        assert_eq!(first.join().unwrap().map(|v| v.id), Ok(VersionId(1)));
        assert_eq!(close.join().unwrap(), Ok(()));
    });
    assert_eq!(history.head(), Ok(VersionId(1)));
    assert_eq!(registry.close(Duration::ZERO), Ok(()));
    assert_eq!(ids(&registry), ["a:x"], "reading goes on");
}

// Searching.

#[test]
fn a_narrow_search_finds_what_a_wide_one_finds() {
    let registry = Registry::new(Settings::default());
    let entries = (0..600).map(|n| entry(&format!("n{}:e{n}", n % 3), "registry.entry"));
    registry.load(entries.chain([entry("free", "registry.entry")]).collect()).unwrap();
    let snapshot = registry.snapshot();
    for (key, text) in [
        (".ns", "n1"),
        (".ns", "n"),
        (".ns", ""),
        (".ns", "n*"),
        (".id", "n1:e7"),
        (".id", "n1:e8"),
        (".id", "free"),
        (".id", ":free"),
        (".id", "n1:e7*"),
    ] {
        let (query, _) = Query::parse(&Map::from_iter([(key.to_owned(), text.into())]));
        let wide = snapshot.entries().filter(|entry| query.matches(entry));
        assert!(wide.eq(snapshot.find(&query).iter()), "{key} = {text}");
    }
}
