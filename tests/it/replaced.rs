//! Functions that are replaced or removed, and the end of all of them, while calls run and wait.

use std::sync::Arc;

use wippy::app::node::Node;
use wippy::core::registry::{Changeset, Entry, EntryId};
use wippy::infra::error::Kind;
use wippy::infra::transcoder::Value;

use crate::pools::{COUNT, LONG, WAIT, call, function, load, node, running, until};

#[test]
fn calls_that_wait_hear_of_the_end() {
    let inline = [("type", Value::from("inline"))];
    let (node, _) = node(vec![function("fn:f", WAIT, &inline)]);
    let first = node.call("fn:f", &[]).expect("known");
    let second = node.call("fn:f", &[]).expect("known");
    until(&node, "one runs", || running(&node, "fn:f").len() == 1);
    // And one out of a process, in another VM or in the same.
    node.define("app:caller", "return {main = function() return funcs.call('fn:f') end}")
        .expect("compiles");
    let callers: Vec<_> =
        (0..4).map(|_| node.spawn("app:caller", "app:host", &[]).expect("starts")).collect();
    until(&node, "all wait", || load(&node, "fn:f") == (1, 5));
    let cells: Vec<_> = callers
        .iter()
        .map(|(pid, _)| Arc::downgrade(&node.kernel.table().vm_of(*pid).expect("alive")))
        .collect();
    let kernel = Arc::downgrade(&node.kernel);
    drop(node);
    let error = second.wait(LONG).expect_err("there is no slot any more");
    assert_eq!((error.kind(), error.message()), (&Kind::Unavailable, "pool is closed"));
    first.wait(LONG).expect_err("the node has ended");
    assert!(cells.iter().all(|cell| cell.upgrade().is_none()), "no VM is left");
    assert!(kernel.upgrade().is_none(), "nor anything else");
}

#[test]
fn a_removed_function_turns_away_those_that_wait() {
    let inline = [("type", Value::from("inline"))];
    let (node, _) = node(vec![function("fn:f", WAIT, &inline)]);
    let first = node.call("fn:f", &[1.into()]).expect("known");
    let second = node.call("fn:f", &[2.into()]).expect("known");
    until(&node, "one runs", || running(&node, "fn:f").len() == 1);
    let pid = running(&node, "fn:f")[0];
    let mut changes = Changeset::new();
    changes.delete(EntryId::parse("fn:f"));
    node.registry.apply(changes).expect("applies");
    let error = second.wait(LONG).expect_err("turned away");
    assert_eq!((error.kind(), error.message()), (&Kind::Unavailable, "pool is closed"));
    node.send(pid, "go", &[]).expect("still there");
    assert_eq!(first.wait(LONG), Ok(Value::Int(1)));
    assert_eq!(node.call("fn:f", &[]).err().map(|e| e.kind().clone()), Some(Kind::NotFound));
}

pub fn replace(node: &Node, entry: Entry) {
    let mut changes = Changeset::new();
    changes.update(entry);
    node.registry.apply(changes).expect("applies");
}

#[test]
fn calls_go_on_with_the_code_they_were_made_for() {
    let version = |n: i64| {
        let body = if n == 1 { "process.inbox():receive()" } else { "" };
        let source = format!(
            "local calls = 0
            return {{main = function() calls += 1 {body} return {n} * 100 + calls end}}"
        );
        function("fn:f", &source, &[("type", "inline".into())])
    };
    let (node, _) = node(vec![version(1)]);
    let runs = node.call("fn:f", &[]).expect("known");
    let waits = node.call("fn:f", &[]).expect("known");
    let old = node.kernel.functions.get("fn:f").expect("known");
    until(&node, "one runs", || running(&node, "fn:f").len() == 1);
    replace(&node, version(2));
    assert_eq!([call(&node, "fn:f"), call(&node, "fn:f")], [201, 202].map(Value::Int));
    assert_eq!(old.load(), (1, 1));
    let go_on = || {
        let pids = node.kernel.table().on_host(old.host.id);
        assert_eq!(pids.len(), 1);
        node.send(pids[0], "go", &[]).expect("it runs");
    };
    go_on();
    assert_eq!(runs.wait(LONG), Ok(Value::Int(101)));
    until(&node, "the next one runs", || !node.kernel.table().on_host(old.host.id).is_empty());
    go_on();
    assert_eq!(waits.wait(LONG), Ok(Value::Int(102)), "by the same instance");
    assert_eq!(call(&node, "fn:f"), Value::Int(203));
}

#[test]
fn calls_of_replaced_code_hear_of_the_end() {
    let inline = || function("fn:f", WAIT, &[("type", "inline".into())]);
    let (node, _) = node(vec![inline()]);
    let runs = node.call("fn:f", &[]).expect("known");
    let waits = node.call("fn:f", &[]).expect("known");
    until(&node, "one runs", || running(&node, "fn:f").len() == 1);
    let old = Arc::downgrade(&node.kernel.functions.get("fn:f").expect("known"));
    replace(&node, inline());
    let kernel = Arc::downgrade(&node.kernel);
    drop(node);
    let error = waits.wait(LONG).expect_err("there is no slot any more");
    assert_eq!((error.kind(), error.message()), (&Kind::Unavailable, "pool is closed"));
    runs.wait(LONG).expect_err("the node has ended");
    drop((runs, waits));
    assert!(old.upgrade().is_none() && kernel.upgrade().is_none(), "nothing is left");
}

#[test]
fn programs_call_the_newest_code() {
    let version = |id: &str, n: i64| {
        function(id, &format!("return {{main = function() return {n} end}}"), &[])
    };
    let (node, _) = node(vec![version("fn:f", 1), version("fn:g", 1)]);
    let caller = "return {main = function(ear)
        local inbox = process.inbox()
        while true do
            local ids = inbox:receive():payload():data()
            local results = {}
            for n, id in ids do results[n] = funcs.call(id) end
            process.send(ear, table.concat(results, ' '))
        end
    end}";
    node.define("app:caller", caller).expect("compiles");
    let ear = node.endpoint().expect("free");
    let address = Value::from(ear.pid().to_string());
    let (pid, _) = node.spawn("app:caller", "app:host", &[address]).expect("starts");
    let calls = |ids: &[&str]| {
        let ids = ids.iter().map(|id| Value::from(*id)).collect();
        node.send(pid, "call", &[Value::List(ids)]).expect("lives");
        ear.receive(LONG).expect("answers").topic
    };
    assert_eq!(calls(&["fn:f", "fn:g", "fn:g"]), "1 1 1");
    replace(&node, version("fn:g", 2));
    assert_eq!(calls(&["fn:g", "fn:f"]), "2 1", "the one called last");
    replace(&node, version("fn:g", 3));
    assert_eq!(calls(&["fn:g", "fn:f"]), "3 1", "one called before");
}

#[test]
fn a_function_that_comes_too_late_takes_no_calls() {
    let (node, _) = node(vec![function("fn:f", COUNT, &[])]);
    node.kernel.functions.close();
    replace(&node, function("fn:f", COUNT, &[]));
    let error = node.call("fn:f", &[]).expect("known").wait(LONG).expect_err("closed");
    assert_eq!((error.kind(), error.message()), (&Kind::Unavailable, "pool is closed"));
}
