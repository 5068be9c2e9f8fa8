//! Calls from the host program, from isolated processes, and across changes of entries.

use std::time::Duration;

use wippy::app::node::{Node, Options};
use wippy::core::registry::Changeset;
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::error::{Kind, Result};
use wippy::infra::transcoder::Value;
use wippy::system::host::HostKind;

use crate::callees;

/// A safety net, not a measure.
const LONG: Duration = Duration::from_secs(60);

fn node() -> Node {
    let scheduler = SchedulerOptions { workers: 2, pin: false, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() }).expect("starts");
    node.add_host("app:processes", HostKind::Processes, false).expect("new");
    node.add_host("app:isolated", HostKind::Processes, true).expect("new");
    node.registry.load(callees::entries()).expect("loads");
    node
}

fn call(node: &Node, target: &str, args: &[Value]) -> Result<Value> {
    node.call(target, args)?.wait(LONG)
}

#[test]
fn the_host_program_calls() {
    let node = node();
    assert_eq!(call(&node, "fn:sum", &[1.into(), 2.into()]), Ok(Value::Int(3)));
    let error = call(&node, "fn:fail", &[]).expect_err("fails");
    assert_eq!((error.kind(), error.retryable()), (&Kind::Conflict, Some(true)));
    let missing = call(&node, "fn:none", &[]).expect_err("there is none");
    assert_eq!(*missing.kind(), Kind::NotFound);
}

#[test]
fn isolated_processes_call_elsewhere() {
    let node = node();
    for name in ["call", "errors", "new", "options", "libraries"] {
        let path = format!("{}/tests/lua/funcs/{name}.luau", env!("CARGO_MANIFEST_DIR"));
        let source = std::fs::read_to_string(path).expect("a program");
        node.define("app:test", &source).expect("compiles");
        let (_, ended) = node.spawn("app:test", "app:isolated", &[]).expect("starts");
        ended.wait(LONG).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn a_changed_library_is_seen_by_the_next_call() {
    let node = node();
    assert_eq!(call(&node, "fn:uses", &[3.into()]), Ok(Value::Int(12)));
    let source =
        "loads = (loads or 0) + 1 return {name = 'base', twice = function(x) return x * 10 end}";
    let changed = callees::entry("lib:base", "library.lua", source, &[]);
    let mut changes = Changeset::new();
    changes.update(changed);
    node.registry.apply(changes).expect("applies");
    assert_eq!(call(&node, "fn:uses", &[3.into()]), Ok(Value::Int(300)));
}
