//! Behaviour of Lua modules: programs under `tests/lua`, a file for each function or rule.
//!
//! Each file is run as a process and passes if its `main` returns without an error and what it logs,
//! reads and writes is what its comments say (`scripted.rs`). The table below makes a test of each,
//! named after module and file, and a test fails if a file is missing in it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use wippy::app::node::{Node, Options};
use wippy::core::registry::{Entry, EntryId};
use wippy::core::relay::{Exit, Outcome};
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::error::Result;
use wippy::infra::logger::{Level, Logger, Settings};
use wippy::infra::transcoder::Value;
use wippy::infra::transcoder::wire::Wire;
use wippy::system::groups::{GroupScope, Limits};
use wippy::system::host::HostKind;
use wippy::system::kernel::RootSpawn;
use wippy::system::security::policy::Policy;
use wippy::system::spawn::TerminalPort;

/// Nothing here takes long: a program that waits for this has failed.
const SAFETY_NET: Duration = Duration::from_secs(60);

/// The entries every program finds in the registry: version 0.
fn baseline() -> Vec<Entry> {
    let entry = |id: &str, kind: &str, meta: &[(&str, Value)], data: Value| Entry {
        id: EntryId::parse(id),
        kind: kind.into(),
        meta: meta.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect(),
        data,
    };
    let tags = |list: &[&str]| Value::List(list.iter().map(|tag| Value::from(*tag)).collect());
    let worker = "return {main = function() return 1 end}";
    vec![
        entry(
            "app:alpha",
            "registry.entry",
            &[("title", "Alpha".into()), ("rank", 1.into()), ("tags", tags(&["a", "b"]))],
            Value::from([("n", 1.into()), ("list", tags(&["x", "y"]))]),
        ),
        entry("app:beta", "registry.entry", &[("title", "Beta".into())], Value::Nil),
        entry("app.sub:gamma", "ns.definition", &[], Value::Nil),
        entry("app:worker", "process.lua", &[], Value::from([("source", worker.into())])),
    ]
}

/// Policies beside the registry, which the programs that look at all entries need not know.
fn policies() -> Vec<Entry> {
    let entry = |id: &str, kind: &str, data: Value| Entry {
        id: EntryId::parse(id),
        kind: kind.into(),
        meta: Default::default(),
        data,
    };
    let rule = |action: &str, effect: &str, conditions: Vec<Value>| {
        Value::from([
            ("actions", action.into()),
            ("resources", "*".into()),
            ("effect", effect.into()),
            ("conditions", Value::List(conditions)),
        ])
    };
    let unforced = Value::from([
        ("field", "meta.force".into()),
        ("operator", "exists".into()),
        ("value", false.into()),
    ]);
    vec![
        entry(
            "sec:reads",
            "security.policy",
            Value::from([
                ("policy", rule("read", "allow", Vec::new())),
                ("groups", Value::List(vec!["staff".into()])),
            ]),
        ),
        entry(
            "sec:no_writes",
            "security.policy",
            Value::from([("policy", rule("write", "deny", vec![unforced]))]),
        ),
    ]
}

/// Runs a source as process `app:test`.
pub fn run(source: &str) -> Result<Value> {
    run_in(source, Logger::silent(), None)
}

/// Runs a source with a log, and on a terminal if there is one; its result.
pub fn run_in(
    source: &str,
    logger: Logger,
    terminal: Option<Arc<dyn TerminalPort>>,
) -> Result<Value> {
    let mut scheduler = SchedulerOptions { workers: 1, pin: false, ..SchedulerOptions::default() };
    if crate::scripted::is_unhurried(source) {
        scheduler.tick = Duration::from_secs(1);
    }
    let node = Node::start(Options { scheduler, logger, ..Options::default() })?;
    node.add_host("app:processes", HostKind::Processes, false)?;
    // Programs about the registry count what is in there.
    let functions = match source.contains("\"fn:") {
        true => crate::callees::entries(),
        false => Vec::new(),
    };
    node.registry.load(baseline().into_iter().chain(functions).collect())?;
    for entry in policies() {
        node.kernel.security.insert(Policy::decode(&entry)?, Policy::groups(&entry)?);
    }
    node.kernel.groups.insert("pg:groups".into(), GroupScope::new(Limits::default()));
    // Not an entry: programs about the registry count what is in there.
    let files = source.contains("\"app:files\"").then(crate::files::file_system);
    let _files = files.map(|(files, directory)| {
        node.kernel.file_systems.insert("app:files".into(), directory);
        files
    });
    node.define(
        "app:caller",
        "return {main = function(...) return funcs.call('fn:forever', ...) end}",
    )?;
    node.define(
        "app:waits",
        "return {main = function(...) process.send((...) or process.pid(), 'x') process.inbox():receive() end}",
    )?;
    node.define("app:test", source)?;
    let (sender, ended) = mpsc::channel();
    let spawn = RootSpawn {
        source: "app:test".into(),
        host: "app:processes".into(),
        args: Wire::new(),
        frame: None,
        terminal,
        on_end: Some(Box::new({
            let sender = sender.clone();
            // Nobody waits any more for a program that has taken too long.
            move |exit: &Exit| drop(sender.send(exit.outcome.clone()))
        })),
    };
    node.kernel.spawn(
        spawn,
        Box::new(move |started| {
            if let Err(error) = started {
                drop(sender.send(Outcome::Error(error)));
            }
        }),
    );
    match ended.recv_timeout(SAFETY_NET).expect("the program has not ended") {
        Outcome::Value(wire) => Ok(wire.reader().value().unwrap_or_default()),
        Outcome::Error(error) => Err(error),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lua")
}

fn read(module: &str, file: &str) -> String {
    std::fs::read_to_string(root().join(module).join(file).with_extension("luau")).unwrap()
}

macro_rules! programs {
    ($($module:ident: $($file:ident)+;)+) => {
        $(mod $module {
            $(#[test]
            fn $file() {
                let source = super::read(stringify!($module), stringify!($file));
                crate::scripted::check(&source);
            })+
        })+

        /// `module/file` of all programs.
        fn listed() -> BTreeSet<String> {
            let names = [$($(concat!(stringify!($module), "/", stringify!($file))),+),+];
            names.into_iter().map(str::to_owned).collect()
        }
    };
}

programs! {
    base: assert globals metatables own package pairs pcall print require select tonumber tostring types
        xpcall;
    channel: close new receive select send stress;
    dialect: annotations bitwise division jumps limits types;
    coroutine: blocking matrix native preemption refused resume spawn wrap;
    ctx: get;
    errors: call_stack concat crossing is locked new stack wrap;
    events: channel close data flood mailbox patterns refused send subscribe;
    funcs: call cancel errors instances libraries many new options pools processes;
    future: cancel error result;
    io: args matrix print raw read readline without write;
    isolation: globals libraries;
    json: decode encode validate validate_string;
    loader: load_directory load_file new;
    logger: fields levels named with;
    math: extras functions integers random;
    os: clock date time;
    pg: groups;
    process: births exec flood link listen monitor pid registry send set_options spawn subscribe unsubscribe
        upgradable;
    payload: formats new sent transcode;
    registry: apply apply_version build_delta changes find get history parse_id snapshot versions
        watch;
    security: objects;
    string: bytes case find format gsub rep split;
    system: cluster hosts machine memory;
    table: concat create extras insert sort;
    time: after arithmetic constants date fixed_zone format load_location now parse parse_duration
        parts sleep ticker timer unix;
    uuid: new read;
    tty: bind style text without;
}

#[test]
fn all_programs_are_listed() {
    let mut found = BTreeSet::new();
    for module in std::fs::read_dir(root()).unwrap() {
        let module = module.unwrap();
        let module_name = module.file_name().into_string().unwrap();
        for file in std::fs::read_dir(module.path()).unwrap() {
            let file = file.unwrap().file_name().into_string().unwrap();
            let name = file.strip_suffix(".luau").expect("only programs lie here");
            found.insert(format!("{module_name}/{name}"));
        }
    }
    assert_eq!(found, listed());
}

/// Each program once more, with casts, annotations and jumps that Luau lacks put into it: translated,
/// it does the same.
#[test]
fn programs_said_in_the_dialect_do_the_same() {
    let mut wrong = Vec::new();
    for name in listed() {
        let (module, file) = name.split_once('/').expect("a module and a file");
        let source = read(module, file);
        let dialect = crate::dialectize::dialectize(&source).expect("no errors of syntax");
        if std::panic::catch_unwind(|| crate::scripted::check(&dialect)).is_err() {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn print_logs() {
    let logger = Logger::silent();
    logger.configure(Settings { stream_to_events: true, ..logger.settings() });
    let records = Arc::<Mutex<Vec<String>>>::default();
    let seen = records.clone();
    logger.set_tap(Box::new(move |record| {
        assert_eq!(record.level, Level::Info);
        let fields: Vec<&str> = record.fields.keys().map(String::as_str).collect();
        assert_eq!(fields, ["pid", "location"]);
        assert!(record.fields["pid"].as_str().unwrap().contains("app:processes"));
        let location = record.fields["location"].as_str().unwrap();
        seen.lock().unwrap().push(format!("{location} {}", record.message));
    }));
    let source = "return {main = function()
        print()
        print(nil, true, 7.0, 'x', errors.new('e'))
        print(setmetatable({}, {__tostring = function() return 'mine' end}))
        pcall(print, 'far')
    end}";
    run_in(source, logger.clone(), None).unwrap();
    let expect = ["app:test:2 ", "app:test:3 nil true 7 x e", "app:test:4 mine", "app:test:5 far"];
    assert_eq!(*records.lock().unwrap(), expect);
}
