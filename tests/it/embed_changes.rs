//! Entries that a Rust program changes and reads while the runtime runs.

use std::sync::mpsc;
use std::thread;

use serde_json::json;
use wippy::{Builder, Changes, Kind, Result, Runtime, Value, Version};

use crate::embed::{LONG, block_on, check, until};

const ENTRIES: &str = r#"
namespace: app
entries:
  - { name: hosts, kind: process.host, lifecycle: { auto_start: true } }
  - { name: one, kind: function.lua, method: main, source: "return { main = function() return 1 end }",
      meta: { team: sales, tags: [red, green], rank: 2 } }
  - { name: note, kind: registry.entry, text: "x" }
"#;

fn builder() -> Builder {
    Runtime::builder().workers(2).entries_from_str(ENTRIES)
}

fn runtime() -> Runtime {
    builder().start().expect("starts")
}

/// The fields of a function without arguments.
fn function(body: &str) -> serde_json::Value {
    let source = format!("return {{ main = function() {body} end }}");
    json!({ "method": "main", "source": source, "modules": ["registry", "system"] })
}

fn apply(runtime: &Runtime, changes: Changes) -> Result<Version> {
    runtime.apply(changes).wait(LONG)
}

fn call(runtime: &Runtime, id: &str) -> Result<Value> {
    runtime.call(id, ()).wait(LONG)
}

fn ids(runtime: &Runtime) -> Vec<String> {
    let entries = runtime.entries(()).expect("runs");
    entries.iter().map(|entry| entry.id.to_string()).collect()
}

// -- changes ---------------------------------------------------------------------------------------

#[test]
fn functions_come_change_and_go() {
    let runtime = runtime();
    let two = |body: &str| Changes::new().create("app:two", "function.lua", function(body));
    let first = apply(&runtime, two("return 2")).expect("is new");
    assert_eq!(call(&runtime, "app:two"), Ok(Value::Int(2)));
    let update = Changes::new().update("app:two", "function.lua", function("return 'two'"));
    let second = apply(&runtime, update).expect("is there");
    assert_eq!(call(&runtime, "app:two"), Ok("two".into()));
    let third = apply(&runtime, Changes::new().delete("app:two")).expect("is there");
    check(call(&runtime, "app:two"), Kind::NotFound, "no handler registered");
    check(runtime.entry("app:two"), Kind::NotFound, "entry not found: app:two");
    assert_eq!([first, second, third].map(|version| version.id.0), [1, 2, 3]);
    assert_eq!(third.parent, Some(second.id));
}

/// In whatever order they are written, by themselves or in documents.
#[test]
fn what_others_need_comes_first_and_goes_last() {
    let runtime = runtime();
    let importing = "return { main = function() return require('greet').greet() end }";
    let document = r#"
        namespace: lib
        entries:
          - { name: greet, kind: library.lua, source: "file://greet.lua" }
    "#;
    let fields = |source: &str| json!({ "method": "main", "source": source, "imports": { "greet": "lib:greet" } });
    let changes = Changes::new()
        .create("app:greeter", "function.lua", fields(importing))
        .create_from_str(document)
        .source("greet.lua", "return { greet = function() return 'hello' end }");
    apply(&runtime, changes).expect("all is there");
    assert_eq!(call(&runtime, "app:greeter"), Ok("hello".into()));

    let changes = Changes::new()
        .update_from_str(document)
        .source("greet.lua", "return { greet = function() return 'hi' end }");
    apply(&runtime, changes).expect("all is there");
    assert_eq!(call(&runtime, "app:greeter"), Ok("hi".into()));

    let changes = Changes::new().delete("lib:greet").delete("app:greeter");
    apply(&runtime, changes).expect("both are there");
    assert_eq!(ids(&runtime), ["app:hosts", "app:note", "app:one"]);
}

#[test]
fn a_refusal_says_why_and_changes_nothing() {
    let runtime = runtime();
    let before = runtime.entries(()).expect("runs");
    let new = Changes::new;
    let create = |fields: serde_json::Value| new().create("app:new", "function.lua", fields);
    let cases: [(Changes, Kind, &str); 14] = [
        (new(), Kind::Invalid, "no changes to apply"),
        (new().create("app:one", "function.lua", function("")), Kind::Conflict, "app:one"),
        (new().update("app:new", "function.lua", function("")), Kind::NotFound, "app:new"),
        (new().delete("app:new"), Kind::NotFound, "app:new"),
        (new().update("app:one", "registry.entry", ()), Kind::Invalid, "cannot change entry kind"),
        (new().create("app:new", "function.lau", ()), Kind::Invalid, "known kind: function.lua"),
        (create(function("goto x")), Kind::Invalid, "app:new"),
        (create(json!({ "source": "return 1" })), Kind::Invalid, "method"),
        (create(json!({ "method": "main" })), Kind::Invalid, "source"),
        (
            create(
                json!({ "method": "main", "source": "return {}", "imports": { "x": "app:none" } }),
            ),
            Kind::NotFound,
            "app:none",
        ),
        (
            create(json!({ "method": "main", "source": "return {}", "modules": ["nomodule"] })),
            Kind::Invalid,
            "nomodule",
        ),
        (new().delete("hosts"), Kind::Invalid, "expected an id like namespace:name"),
        (new().create_from_str("namespace: ["), Kind::Invalid, "document 1:1:"),
        (
            new().create("app:new", "registry.entry", ()).create("app:new", "registry.entry", ()),
            Kind::Conflict,
            "app:new",
        ),
    ];
    for (changes, kind, text) in cases {
        // What would be right is not done either.
        let changes = match text {
            "no changes to apply" => changes,
            _ => changes.create("app:a", "registry.entry", ()).delete("app:note"),
        };
        check(apply(&runtime, changes), kind, text);
        assert_eq!(runtime.entries(()).as_ref(), Ok(&before), "after {text:?}");
        assert_eq!(call(&runtime, "app:one"), Ok(Value::Int(1)));
    }
    let version = apply(&runtime, new().delete("app:note")).expect("is there");
    assert_eq!(version.id.0, 1, "refused changes are no versions");
}

/// A host can be used as soon as the change is told, a service starts on its own.
#[test]
fn hosts_and_services_start_and_stop() {
    let runtime = runtime();
    let waits = |name: &str| {
        let source = format!(
            "return {{ main = function()
                process.registry.register('{name}')
                process.events():receive()
            end }}"
        );
        json!({ "source": source, "method": "main" })
    };
    let on = json!({ "auto_start": true });
    let service = json!({ "process": "new:server", "host": "new:hosts", "lifecycle": on });
    let changes = Changes::new()
        .create("new:hosts", "process.host", json!({ "lifecycle": on }))
        .create("new:idle", "process.host", ())
        .create("new:server", "process.lua", waits("server"))
        .create("new:other", "process.lua", waits("other"))
        .create("new:service", "process.service", service);
    apply(&runtime, changes).expect("well formed");
    let spawn = |host: &str| runtime.spawn("new:other", host, ()).wait(LONG);
    spawn("new:hosts").expect("it runs");
    check(spawn("new:idle"), Kind::Unavailable, "host is not running");
    until(|| runtime.find("server"));
    apply(&runtime, Changes::new().delete("new:service")).expect("is there");
    until(|| runtime.find("server").is_none().then_some(()));
    assert!(runtime.find("other").is_some());
    // That a host does not come to run takes nothing back.
    let lost = json!({ "auto_start": true, "requires": ["new:none"] });
    let lost = Changes::new().create("new:lost", "process.host", json!({ "lifecycle": lost }));
    apply(&runtime, lost).expect("well formed");
    check(spawn("new:lost"), Kind::Unavailable, "host is not running");
}

#[test]
fn a_call_under_way_ends_with_the_code_it_began_with() {
    let runtime = runtime();
    let waiting = "process.registry.register('waiting') process.inbox():receive() return 'old'";
    let new = Changes::new;
    let changes = new().create("app:f", "function.lua", function(waiting));
    apply(&runtime, changes).expect("is new");
    let old = runtime.call("app:f", ());
    let pid = until(|| runtime.find("waiting"));
    let changes = new().update("app:f", "function.lua", function("return 'new'"));
    apply(&runtime, changes).expect("is there");
    assert_eq!(call(&runtime, "app:f"), Ok("new".into()));
    runtime.send(pid, "go", ()).expect("it waits");
    assert_eq!(old.wait(LONG), Ok("old".into()));
}

/// A program that keeps all workers busy holds no change up.
#[test]
fn changes_need_no_worker() {
    let spin =
        json!({ "method": "main", "source": "return { main = function() while true do end end }" });
    let runtime =
        builder().workers(1).entry("app:spin", "process.lua", spin).start().expect("starts");
    let spins: Vec<_> = (0..4)
        .map(|_| runtime.spawn("app:spin", "app:hosts", ()).wait(LONG).expect("starts"))
        .collect();
    let version = apply(&runtime, Changes::new().create("app:x", "registry.entry", ()));
    assert_eq!(version.expect("is new").id.0, 1);
    spins.iter().for_each(|spin| spin.outcome().abort());
}

#[test]
fn nobody_has_to_wait() {
    let runtime = runtime();
    let create = |n: u32| Changes::new().create(format!("x:{n}"), "registry.entry", ());
    // In the order in which one thread makes them, awaited or not.
    (0..20).for_each(|n| drop(runtime.apply(create(n))));
    let version = block_on(runtime.apply(Changes::new().delete("x:19"))).expect("is there");
    assert_eq!(version.id.0, 21);
    assert_eq!(runtime.entries(json!({ ".ns": "x" })).expect("runs").len(), 19);
}

#[test]
fn many_threads_change_entries() {
    const THREADS: u64 = 4;
    const EACH: u64 = 25;
    let runtime = runtime();
    let mut versions: Vec<u64> = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| {
                let runtime = &runtime;
                scope.spawn(move || {
                    let create = |n: u64| {
                        let (id, body) = (format!("x:f{thread}_{n}"), format!("return {n}"));
                        let changes = Changes::new().create(&id, "function.lua", function(&body));
                        let version = apply(runtime, changes).expect("is new");
                        assert_eq!(call(runtime, &id), Ok(Value::Int(n as i64)));
                        version.id.0
                    };
                    (0..EACH).map(create).collect::<Vec<_>>()
                })
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect()
    });
    versions.sort_unstable();
    assert!(versions.into_iter().eq(1..=THREADS * EACH));
}

#[test]
fn of_several_that_create_one_entry_one_wins() {
    let runtime = runtime();
    let create = |n: u32| Changes::new().create("x:one", "registry.entry", json!({ "by": n }));
    let outcomes: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|n| {
                let runtime = &runtime;
                scope.spawn(move || apply(runtime, create(n)).map(|_| n))
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.into_iter().partition(Result::is_ok);
    let by = runtime.entry("x:one").expect("is there").data.get("by").cloned();
    let winner = won.into_iter().next().expect("one").expect("has won");
    assert_eq!(by, Some(Value::from(i64::from(winner))));
    assert_eq!(lost.len(), 7);
    lost.into_iter().for_each(|lost| check(lost, Kind::Conflict, "already exists"));
}

/// Rust and Lua change and see the same entries.
#[test]
fn lua_takes_part() {
    let adds = "local registry = require('registry')
        local changes = registry.snapshot():changes()
        changes:create({ id = 'lua:x', kind = 'registry.entry', data = { by = 'lua' } })
        local version, err = changes:apply()
        return version and version:id(), err";
    let sees = "return require('registry').get('rust:x').data.by";
    let adds = json!({ "method": "main", "modules": ["registry"], "source": source(adds) });
    let sees = json!({ "method": "main", "modules": ["registry"], "source": source(sees) });
    let runtime = builder()
        .entry("lua:adds", "function.lua", adds)
        .entry("lua:sees", "function.lua", sees)
        .start()
        .expect("starts");
    let changes = Changes::new().create("rust:x", "registry.entry", json!({ "by": "rust" }));
    assert_eq!(apply(&runtime, changes).expect("is new").id.0, 1);
    assert_eq!(call(&runtime, "lua:sees"), Ok("rust".into()));
    assert_eq!(call(&runtime, "lua:adds"), Ok(Value::Int(2)));
    let entry = runtime.entry("lua:x").expect("is there");
    assert_eq!(entry.data.get("by"), Some(&"lua".into()));
    assert_eq!(apply(&runtime, Changes::new().delete("lua:x")).expect("is there").id.0, 3);
}

fn source(body: &str) -> String {
    format!("return {{ main = function() {body} end }}")
}

#[test]
fn a_history_in_a_file_keeps_what_was_changed() {
    let dir = tempfile::tempdir().expect("a directory");
    let start = || {
        let path = dir.path().join("history.db");
        let builder = builder().set("registry.history_type", "sqlite");
        builder.set("registry.history_path", path.to_str()).start().expect("starts")
    };
    let runtime = start();
    let changes = Changes::new().create("x:one", "registry.entry", ()).delete("app:note");
    apply(&runtime, changes).expect("well formed");
    runtime.shutdown();
    let runtime = start();
    assert_eq!(ids(&runtime), ["app:hosts", "app:one", "x:one"]);
    let version = apply(&runtime, Changes::new().delete("x:one")).expect("is there");
    assert_eq!(version.id.0, 2);
}

/// Each has an answer: the version, or that it was too late.
#[test]
fn changes_while_it_ends_get_an_answer() {
    let runtime = runtime();
    thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        for thread in 0..4 {
            let (begun, runtime) = (begun.clone(), &runtime);
            scope.spawn(move || {
                let create =
                    |n| Changes::new().create(format!("x:{thread}_{n}"), "registry.entry", ());
                let mut n = 0;
                let last = loop {
                    n += 1;
                    // Some wait for their turn behind others.
                    let queued = [0, 1, 2].map(|m| runtime.apply(create(n * 3 + m)));
                    let outcomes = queued.map(|it| it.join());
                    let _ = begun.send(());
                    if let Some(error) = outcomes.into_iter().find_map(Result::err) {
                        break error;
                    }
                };
                assert_eq!(*last.kind(), Kind::Unavailable, "{last}");
            });
        }
        has_begun.recv_timeout(LONG).expect("somebody changes something");
        runtime.shutdown();
    });
}

// -- reading ---------------------------------------------------------------------------------------

#[test]
fn one_entry_is_read() {
    let runtime = runtime();
    let one = runtime.entry("app:one").expect("is there");
    assert_eq!((one.id.ns(), one.id.name(), one.kind.as_str()), ("app", "one", "function.lua"));
    assert_eq!(one.meta.get("team"), Some(&"sales".into()));
    assert_eq!(one.data.get("method"), Some(&"main".into()));
    for missing in ["app:none", "one", ""] {
        check(runtime.entry(missing), Kind::NotFound, "entry not found");
    }
    // What was read stays as it was.
    apply(&runtime, Changes::new().delete("app:one")).expect("is there");
    assert_eq!(one.id.to_string(), "app:one");
}

#[test]
fn entries_are_found() {
    let runtime = runtime();
    #[track_caller]
    fn finds(runtime: &Runtime, filter: serde_json::Value, expect: &[&str]) {
        let found = runtime.entries(&filter).expect("makes sense");
        let found: Vec<_> = found.iter().map(|entry| entry.id.to_string()).collect();
        assert_eq!(found, expect, "{filter}");
    }
    finds(&runtime, json!({}), &["app:hosts", "app:note", "app:one"]);
    finds(&runtime, json!(null), &["app:hosts", "app:note", "app:one"]);
    finds(&runtime, json!({ ".kind": "*.lua" }), &["app:one"]);
    finds(&runtime, json!({ ".ns": "app", ".name": "*o*" }), &[]);
    finds(&runtime, json!({ ".name": "*s" }), &["app:hosts"]);
    finds(&runtime, json!({ "meta.team": "sales", "meta.rank": 2.0 }), &["app:one"]);
    finds(&runtime, json!({ "meta": { "*meta.tags": "gre", "^meta.team": "sa" } }), &["app:one"]);
    finds(&runtime, json!({ "~meta.team": "^s.*s$" }), &["app:one"]);
    finds(&runtime, json!({ "meta.team": "support" }), &[]);
}

#[test]
fn a_filter_that_makes_no_sense_is_an_error() {
    let runtime = runtime();
    for (filter, text) in [
        (json!({ "kind": "function.lua" }), "condition \"kind\": a key starts with a dot"),
        (json!({ ".type": "x" }), "condition \".type\": no such field"),
        (json!({ ".kind": 5 }), "must be a string"),
        (json!({ "~meta.team": "(" }), "~meta.team"),
        (json!(["app:one"]), "the filter is a list"),
    ] {
        check(runtime.entries(filter), Kind::Invalid, text);
    }
}
