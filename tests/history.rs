//! A history in a file against what may happen to its program: killed, shut down, reopened, refused
//! by the disk, used by many threads. What is about one function is tested beside it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use proptest::prelude::*;
use rusqlite::Connection;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use wippy::core::registry::{
    Changeset, Entry, EntryId, History, MemoryHistory, Operation, Registry, Settings, Snapshot,
    SqliteHistory, Version, VersionId,
};
use wippy::infra::error::{Error, Kind};
use wippy::infra::transcoder::{Map, Value};

/// The data of each entry by its name.
type Model = BTreeMap<String, i64>;

fn entry(name: &str, data: i64) -> Entry {
    let id = EntryId::new("a", name);
    Entry { id, kind: "registry.entry".into(), meta: Map::new(), data: data.into() }
}

fn model(snapshot: &Snapshot) -> Model {
    let pair = |entry: &Arc<Entry>| (entry.id.name().to_owned(), entry.data.as_int().unwrap());
    snapshot.entries().map(pair).collect()
}

fn open(history: Arc<dyn History>, files: &[(&str, i64)]) -> Registry {
    let settings = Settings { history: Some(history), ..Settings::default() };
    let registry = Registry::new(settings);
    registry.load(files.iter().map(|(name, data)| entry(name, *data)).collect()).unwrap();
    registry
}

fn sqlite(path: &Path) -> Arc<dyn History> {
    Arc::new(SqliteHistory::open(path).unwrap())
}

fn innermost(error: &Error) -> &Error {
    error.cause().map_or(error, innermost)
}

/// Runs `f` with each kind of store.
fn with_each_store(f: impl Fn(Arc<dyn History>)) {
    f(Arc::new(MemoryHistory::new()));
    let folder = tempfile::tempdir().unwrap();
    f(sqlite(&folder.path().join("registry.db")));
}

/// Where a test that is a child finds its file; in the tests themselves it is not set.
const CHILD: &str = "WIPPY_TEST_HISTORY";

/// The arguments that run one test of this binary as a child.
fn child_args(test: &str) -> [&str; 4] {
    ["--exact", test, "--nocapture", "--test-threads=1"]
}

// Killed.

const CHANGESETS: u64 = 1_000;

/// What version `n` changes: an entry more, the counter, and one entry of every three less.
fn changeset(n: u64) -> Changeset {
    let mut changes = Changeset::new();
    changes.create(entry(&format!("e{n}"), n as i64));
    match n {
        1 => changes.create(entry("counter", 1)),
        _ => changes.update(entry("counter", n as i64)),
    };
    if n.is_multiple_of(3) {
        changes.delete(EntryId::new("a", &format!("e{}", n - 1)));
    }
    changes
}

fn model_after(n: u64) -> Model {
    let mut model: Model =
        (1..=n).filter(|k| k % 3 != 2 || *k == n).map(|k| (format!("e{k}"), k as i64)).collect();
    if n > 0 {
        model.insert("counter".into(), n as i64);
    }
    model
}

/// Not a test of its own: what [`a_killed_program_loses_nothing_it_has_acknowledged`] starts and
/// kills. Goes on where the file ends and says each version once it is applied.
#[test]
fn child_that_is_killed() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let registry = open(sqlite(Path::new(&path)), &[]);
    let mut out = std::io::stdout();
    for n in registry.current_version().id.0 + 1..=CHANGESETS {
        let version = registry.apply(changeset(n)).unwrap();
        writeln!(out, "\nsaved {}", version.id.0).unwrap();
        out.flush().unwrap();
    }
}

/// Lets a child work on the file until it has said `n_said` versions and `more` has passed, or is
/// done. Returns the last version it said.
fn work_and_kill(path: &Path, n_said: u64, more: Duration) -> Option<u64> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(child_args("child_that_is_killed"))
        .env(CHILD, path)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = lines.filter_map(|line| line.ok()?.strip_prefix("saved ")?.parse().ok());
    let mut last = said.by_ref().take(n_said as usize).last();
    let killed_at = Instant::now() + more;
    while Instant::now() < killed_at {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    // What it said before it died counts.
    last = said.last().or(last);
    child.wait().unwrap();
    last
}

#[test]
fn a_killed_program_loses_nothing_it_has_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    let seed = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64 | 1;
    println!("seed {seed}");
    let mut random = seed;
    let mut next = |below: u64| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random % below
    };
    let began = Instant::now();
    let mut acknowledged = 0;
    let mut n_rounds = 0;
    while acknowledged < CHANGESETS && began.elapsed() < Duration::from_secs(15) {
        n_rounds += 1;
        let more = Duration::from_micros(next(3_000));
        // Sometimes while it is still opening the file.
        let said = work_and_kill(&path, next(40), more);
        acknowledged = said.unwrap_or(acknowledged).max(acknowledged);
        check_file(&path, acknowledged);
        let registry = open(sqlite(&path), &[]);
        let head = registry.current_version().id.0;
        assert!(head == acknowledged || head == acknowledged + 1, "{head} after {acknowledged}");
        assert_eq!(model(&registry.snapshot()), model_after(head), "state of version {head}");
        acknowledged = head;
        if head < CHANGESETS {
            registry.apply(changeset(head + 1)).unwrap();
            acknowledged += 1;
        }
    }
    println!("{n_rounds} rounds, {acknowledged} versions");
    assert!(n_rounds >= 3, "{n_rounds} rounds");
}

/// The file is whole and has every version up to `acknowledged` with its changes.
fn check_file(path: &Path, acknowledged: u64) {
    let file = Connection::open(path).unwrap();
    let integrity = file.query_row("PRAGMA integrity_check", [], |row| row.get::<_, String>(0));
    assert_eq!(integrity.unwrap(), "ok");
    let n_loose =
        file.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0));
    assert_eq!(n_loose, Ok(0_i64));
    drop(file);
    let history = sqlite(path);
    for n in 1..=acknowledged {
        let line = |kind: &str, id: &EntryId, data: Option<i64>| format!("{kind} {id} {data:?}");
        let changes = history.changes(VersionId(n)).unwrap();
        let mut changed: Vec<String> = changes
            .iter()
            .map(|change| {
                let entry = change.entry();
                let data = (change.kind() != "entry.delete").then(|| entry.data.as_int().unwrap());
                line(change.kind(), &entry.id, data)
            })
            .collect();
        let mut asked: Vec<String> = changeset(n)
            .operations()
            .iter()
            .map(|operation| {
                let data = operation.entry().map(|entry| entry.data.as_int().unwrap());
                line(operation.kind(), operation.id(), data)
            })
            .collect();
        changed.sort();
        asked.sort();
        assert_eq!(changed, asked, "changes of version {n}");
    }
}

// Refused by the disk.

/// Not a test of its own: what [`a_disk_without_room_refuses_and_is_got_over`] starts with a limit
/// for the size of files.
#[test]
fn child_without_room() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let registry = open(sqlite(Path::new(&path)), &[("from_file", 7)]);
    let big = |n: u64| {
        let mut entry = entry(&format!("e{n}"), 0);
        entry.data = Value::Str("x".repeat(10_000));
        let mut changes = Changeset::new();
        changes.create(entry);
        changes
    };
    let mut n_saved = 0;
    let first = loop {
        match registry.apply(big(n_saved)) {
            Ok(version) => n_saved = version.id.0,
            Err(error) => break error,
        }
    };
    for error in [first, registry.apply(big(n_saved)).unwrap_err()] {
        assert_eq!(*error.kind(), Kind::Internal);
        let text = error.to_string();
        assert!(text.starts_with("save new version: write history file "), "{text}");
        assert_eq!(*innermost(&error).kind(), Kind::Unavailable, "{text}");
    }
    // Nothing of it can be seen, and reading goes on, of versions in the file as well.
    assert_eq!(registry.current_version().id, VersionId(n_saved));
    assert_eq!(registry.snapshot().len() as u64, n_saved + 1);
    assert_eq!(registry.snapshot_at(VersionId(1)).unwrap().len(), 2);

    let unlimited = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: unlimited, maximum: unlimited }).unwrap();
    assert_eq!(registry.apply(big(n_saved)).map(|version| version.id.0), Ok(n_saved + 1));
    println!("\nsaved {}", n_saved + 1);
}

#[test]
fn a_disk_without_room_refuses_and_is_got_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    // Blocks are of 512 or of 1024 bytes. The signal would end the program.
    let script = "trap '' XFSZ; ulimit -S -f 1000; exec \"$0\" \"$@\"";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .args(child_args("child_without_room"))
        .env(CHILD, &path)
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let saved = text.lines().find_map(|line| line.strip_prefix("saved ")?.parse().ok());
    let history = sqlite(&path);
    assert_eq!(history.head().map(|head| Some(head.0)), Ok(saved), "{text}");
    assert!(saved > Some(5), "{text}");
    assert_eq!(open(history, &[]).snapshot().len() as u64, saved.unwrap());
}

/// Not a test of its own: what [`a_file_that_may_not_be_written_is_named`] starts as somebody who
/// may not write.
#[test]
fn child_that_may_not_write() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let error = SqliteHistory::open(&path).map(|_| ()).unwrap_err();
    assert_eq!(*error.kind(), Kind::Unavailable, "{error}");
    println!("\nrefused {error}");
}

#[track_caller]
fn check_forbidden(folder: &Path, name: &str, reasons: &[&str]) {
    let path = folder.join(name);
    // To be found by somebody else wherever this test is.
    let program = folder.join("program");
    let mut command = Command::new(&program);
    if rustix::process::getuid().is_root() {
        const NOBODY: u32 = 65_534;
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command
        .args(child_args("child_that_may_not_write"))
        .env(CHILD, &path)
        .current_dir("/")
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let refused = text.lines().find_map(|line| line.strip_prefix("refused ")).unwrap();
    let start = format!("open history file {}: ", path.display());
    let reason = refused.strip_prefix(&start).unwrap_or_else(|| panic!("{refused}"));
    assert!(reasons.iter().any(|expected| reason.starts_with(expected)), "{reason}");
}

#[test]
fn a_file_that_may_not_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let exe = std::env::current_exe().unwrap();
    let program = path.join("program");
    fs::hard_link(&exe, &program).or_else(|_| fs::copy(&exe, &program).map(drop)).unwrap();
    open(sqlite(&path.join("old.db")), &[]).close(Duration::from_secs(60)).unwrap();
    let allow = |name: &str, mode| {
        let permissions = fs::Permissions::from_mode(mode);
        fs::set_permissions(path.join(name), permissions).unwrap();
    };
    allow("old.db", 0o444);
    allow("", 0o555);
    check_forbidden(path, "old.db", &["attempt to write a readonly", "unable to open"]);
    check_forbidden(path, "new.db", &["unable to open database file"]);
    check_forbidden(path, "deep/new.db", &["its folder cannot be made: Permission denied"]);
    // So that it can be removed.
    allow("", 0o755);
}

// Shut down.

#[test]
fn applies_that_race_with_a_shutdown_are_kept_or_refused() {
    const THREADS: usize = 4;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("registry.db");
    for round in 0..5 {
        let registry = open(sqlite(&path), &[]);
        let before = registry.versions().unwrap().len();
        let (said, acknowledged) = mpsc::channel();
        let refusals: Vec<Error> = thread::scope(|scope| {
            let work = |t: usize| {
                let (registry, said) = (&registry, said.clone());
                move || {
                    for n in 0.. {
                        let mut changes = Changeset::new();
                        changes.create(entry(&format!("r{round}t{t}n{n}"), n));
                        match registry.apply(changes) {
                            Ok(version) => said.send(version.id).unwrap(),
                            Err(error) => return error,
                        }
                    }
                    unreachable!("no end of numbers")
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|t| scope.spawn(work(t))).collect();
            (0..20).for_each(|_| assert!(acknowledged.recv().is_ok()));
            registry.close(Duration::from_secs(60)).unwrap();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for error in refusals {
            let text = "registry is closed";
            assert_eq!((error.kind(), error.to_string().as_str()), (&Kind::Unavailable, text));
        }
        drop(said);
        let n_acknowledged = 20 + acknowledged.iter().count();
        let reopened = sqlite(&path);
        assert_eq!(reopened.versions().unwrap().len(), before + n_acknowledged);
        assert_eq!(reopened.head(), Ok(VersionId((before + n_acknowledged - 1) as u64)));
        assert_eq!(model(&registry.snapshot()), model(&open(reopened, &[]).snapshot()));
    }
}

// Many threads.

#[test]
fn of_two_creates_the_second_gets_a_conflict() {
    const THREADS: usize = 4;
    with_each_store(|history| {
        let registry = open(history.clone(), &[]);
        for n in 0..20 {
            let start = Barrier::new(THREADS);
            let outcomes: Vec<_> = thread::scope(|scope| {
                let run = |t| {
                    let (registry, start) = (&registry, &start);
                    move || {
                        let mut changes = Changeset::new();
                        changes.create(entry(&format!("e{n}"), t));
                        start.wait();
                        (t, registry.apply(changes))
                    }
                };
                let threads: Vec<_> = (0..THREADS as i64).map(|t| scope.spawn(run(t))).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(|(_, o)| o.is_ok());
            assert_eq!((won.len(), lost.len()), (1, THREADS - 1));
            let winner = registry.get(&EntryId::new("a", &format!("e{n}"))).unwrap();
            assert_eq!(winner.data, Value::Int(won[0].0), "the entry of who was told so");
            for (_, outcome) in lost {
                assert_eq!(*innermost(&outcome.unwrap_err()).kind(), Kind::Conflict);
            }
        }
        assert_eq!(history.head(), Ok(VersionId(20)));
    });
}

#[test]
fn writers_and_readers_of_many_threads() {
    const WRITERS: usize = 4;
    const EACH: i64 = 15;
    with_each_store(|history| {
        let registry = open(history.clone(), &[("shared", 0)]);
        thread::scope(|scope| {
            for t in 0..WRITERS {
                let registry = &registry;
                scope.spawn(move || {
                    for n in 0..EACH {
                        // The last writer wins; nobody is refused.
                        let mut changes = Changeset::new();
                        changes.create(entry(&format!("t{t}n{n}"), n)).update(entry("shared", n));
                        let version = registry.apply(changes).unwrap();
                        let then = registry.snapshot_at(version.id).unwrap();
                        assert_eq!(then.version(), version);
                        assert_eq!(then.len() as u64, version.id.0 + 1);
                    }
                });
            }
        });
        let n_versions = WRITERS as u64 * EACH as u64;
        assert_eq!(history.head(), Ok(VersionId(n_versions)));
        assert_eq!(registry.get(&EntryId::new("a", "shared")).unwrap().data, (EACH - 1).into());
    });
}

// Trees of versions.

/// Applies what the steps say to files with `x` = 0 and compares with `expect` after each: `+a` or
/// `=a7` or `-a` apply, `>3` goes to version 3, `!` opens the history anew.
#[track_caller]
fn check_tree(steps: &[(&str, &str, u64)]) {
    with_each_store(|history| {
        let mut registry = open(history.clone(), &[("x", 0)]);
        for (step, expect, version) in steps {
            let (what, rest) = step.split_at(1);
            let data = rest.get(1..).and_then(|data| data.parse().ok()).unwrap_or(0);
            let mut changes = Changeset::new();
            match what {
                "+" => changes.create(entry(&rest[..1], data)),
                "=" => changes.update(entry(&rest[..1], data)),
                "-" => changes.delete(EntryId::new("a", rest)),
                _ => &mut changes,
            };
            match what {
                ">" => registry.apply_version(VersionId(rest.parse().unwrap())).unwrap(),
                "!" => registry = open(history.clone(), &[("x", 0)]),
                _ => assert_eq!(registry.apply(changes).map(|v| v.id.0), Ok(*version), "{step}"),
            }
            let shown = model(&registry.snapshot());
            let shown: Vec<String> =
                shown.iter().map(|(name, data)| format!("{name}{data}")).collect();
            assert_eq!(shown.join(" "), *expect, "after {step}");
            assert_eq!(registry.current_version().id.0, *version, "after {step}");
            assert_eq!(history.head(), Ok(VersionId(*version)), "after {step}");
        }
    });
}

#[test]
fn there_and_back_along_a_line() {
    check_tree(&[
        ("+a1", "a1 x0", 1),
        ("=a2", "a2 x0", 2),
        ("-x", "a2", 3),
        (">0", "x0", 0),
        (">3", "a2", 3),
        (">1", "a1 x0", 1),
        (">1", "a1 x0", 1),
        (">2", "a2 x0", 2),
    ]);
}

#[test]
fn across_branches() {
    check_tree(&[
        ("+a1", "a1 x0", 1),
        ("+b1", "a1 b1 x0", 2),
        (">1", "a1 x0", 1),
        ("=a5", "a5 x0", 3),
        ("+c1", "a5 c1 x0", 4),
        (">2", "a1 b1 x0", 2),
        (">4", "a5 c1 x0", 4),
        (">0", "x0", 0),
        ("=x9", "x9", 5),
        (">4", "a5 c1 x0", 4),
        ("!", "a5 c1 x0", 4),
        ("-x", "a5 c1", 6),
        (">5", "x9", 5),
    ]);
}

#[test]
fn a_boot_begins_at_the_head_and_new_ids_go_on_from_the_highest() {
    check_tree(&[
        ("+a1", "a1 x0", 1),
        ("-x", "a1", 2),
        ("!", "a1", 2),
        (">1", "a1 x0", 1),
        ("!", "a1 x0", 1),
        ("+b1", "a1 b1 x0", 3),
        ("!", "a1 b1 x0", 3),
        (">0", "x0", 0),
        ("!", "x0", 0),
        ("=x1", "x1", 4),
        ("!", "x1", 4),
        (">2", "a1", 2),
    ]);
}

#[derive(Clone, Debug)]
enum Step {
    Apply(Vec<(u8, u8, i64)>),
    GoTo(prop::sample::Index),
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => prop::collection::vec((0..3_u8, 0..5_u8, 0..100_i64), 1..4).prop_map(Step::Apply),
        3 => any::<prop::sample::Index>().prop_map(Step::GoTo),
        1 => Just(Step::Reopen),
    ]
}

/// What the operations do to `model`; none if they contradict it or each other.
fn applied(model: &Model, operations: &[(u8, u8, i64)]) -> Option<(Model, Vec<Operation>)> {
    let mut model = model.clone();
    let mut named = Vec::new();
    let mut done = Vec::new();
    for &(what, n, data) in operations {
        let name = format!("e{n}");
        if named.contains(&n) {
            continue;
        }
        named.push(n);
        let new = Arc::new(entry(&name, data));
        match (what, model.contains_key(&name)) {
            (0, false) => {
                model.insert(name, data);
                done.push(Operation::Create(new));
            }
            (1, true) => {
                model.insert(name, data);
                done.push(Operation::Update(new));
            }
            (2, true) => {
                model.remove(&name);
                done.push(Operation::Delete(new.id.clone()));
            }
            _ => return None,
        }
    }
    Some((model, done))
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(24)
    })]

    #[test]
    fn any_walk_over_versions_agrees_with_the_model(steps in prop::collection::vec(step(), 1..25)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("registry.db");
        let files = [("e0", 0), ("e1", 1)];
        let in_memory: Arc<dyn History> = Arc::new(MemoryHistory::new());
        let reopen = || [open(in_memory.clone(), &files), open(sqlite(&path), &files)];
        let mut registries = reopen();
        let mut models: Vec<Model> = vec![model(&registries[0].snapshot())];
        let mut versions = vec![Version::ROOT];
        let mut head = 0;
        for step in steps {
            match step {
                Step::Apply(operations) => {
                    let Some((model, operations)) = applied(&models[head], &operations) else {
                        continue;
                    };
                    let parent = Some(VersionId(head as u64));
                    head = models.len();
                    models.push(model);
                    versions.push(Version { id: VersionId(head as u64), parent });
                    for registry in &registries {
                        let applied = registry.apply(operations.clone().into());
                        prop_assert_eq!(applied, Ok(versions[head]));
                    }
                }
                Step::GoTo(index) => {
                    head = index.index(models.len());
                    for registry in &registries {
                        prop_assert_eq!(registry.apply_version(VersionId(head as u64)), Ok(()));
                    }
                }
                Step::Reopen => {
                    for registry in &registries[1..] {
                        registry.close(Duration::from_secs(60)).unwrap();
                    }
                    registries = reopen();
                }
            }
            for registry in &registries {
                prop_assert_eq!(&model(&registry.snapshot()), &models[head]);
                prop_assert_eq!(registry.current_version(), versions[head]);
                prop_assert_eq!(&registry.versions().unwrap(), &versions);
            }
        }
        for (n, expected) in models.iter().enumerate() {
            for registry in &registries {
                let then = registry.snapshot_at(VersionId(n as u64)).unwrap();
                prop_assert_eq!(&model(&then), expected);
            }
        }
    }
}
