//! Calls that nobody wants any more: while they wait, before they begin, while they run.

use wippy::core::pid::Pid;
use wippy::infra::error::Kind;
use wippy::infra::transcoder::Value;
use wippy::infra::transcoder::wire::Wire;
use wippy::system::kernel::{RootSpawn, terminated};

use crate::callees::entry;
use crate::gate;
use crate::pools::{LONG, WAIT, function, load, node, running, until};

/// A process that calls `fn:f` and ends as the call does.
pub const CALLER: &str = "return {main = function(...) return funcs.call('fn:f', ...) end}";

#[test]
fn a_caller_that_ends_takes_its_call_along() {
    let inline = [("type", Value::from("inline"))];
    let (node, _) = node(vec![function("fn:f", WAIT, &inline)]);
    node.define("app:caller", CALLER).expect("compiles");
    let call = || node.spawn("app:caller", "app:host", &[]).expect("starts");
    let (runs, _) = call();
    until(&node, "one runs", || running(&node, "fn:f").len() == 1);
    let (waits, _) = call();
    until(&node, "one waits", || load(&node, "fn:f") == (1, 1));
    for (caller, left) in [(waits, (1, 0)), (runs, (0, 0))] {
        node.kernel.kill(Pid::NONE, caller, terminated()).expect("lives");
        until(&node, "its call is gone", || load(&node, "fn:f") == left);
    }
    assert_eq!(running(&node, "fn:f"), []);
}

#[test]
fn a_canceled_call_takes_along_what_it_has_called() {
    let outer = "return {main = function()
        local future = funcs.async('fn:f')
        process.inbox():receive()
        return future
    end}";
    let modules = ("modules", Value::List(vec!["funcs".into()]));
    let outer = entry("fn:outer", "function.lua", outer, &[modules]);
    let (node, _) = node(vec![function("fn:f", WAIT, &[]), outer]);
    let call = node.call("fn:outer", &[]).expect("known");
    until(&node, "both run", || running(&node, "fn:f").len() == 1);
    call.abort();
    assert_eq!(call.wait(LONG).map_err(|error| error.kind().clone()), Err(Kind::Canceled));
    until(&node, "both have ended", || load(&node, "fn:f") == (0, 0));
    assert_eq!(running(&node, "fn:f"), []);
}

#[test]
fn a_call_is_canceled_before_it_has_begun() {
    let (node, _) = node(vec![function("fn:f", WAIT, &[])]);
    let (is_held, open) = gate::build(&node);
    node.define("app:gate", "return {main = function() end}").expect("compiles");
    let spawn = RootSpawn {
        source: "app:gate".into(),
        host: "app:host".into(),
        args: Wire::new(),
        frame: None,
        terminal: None,
        on_end: None,
    };
    node.kernel.spawn(spawn, Box::new(|_| ()));
    is_held.recv_timeout(LONG).expect("the worker is held");
    let call = node.call("fn:f", &[]).expect("known");
    assert_eq!(load(&node, "fn:f"), (1, 0), "it has its slot");
    call.abort();
    open.send(()).expect("the worker waits");
    assert_eq!(call.wait(LONG).map_err(|error| error.kind().clone()), Err(Kind::Canceled));
    until(&node, "it has left", || load(&node, "fn:f") == (0, 0));
}

#[test]
fn a_process_that_is_called_is_asked_to_end() {
    let source = "return {main = function(ear)
        local events = process.events()
        process.send(ear, 'ready')
        process.send(ear, events:receive().kind)
    end}";
    let mut process = entry("fn:f", "process.lua", source, &[]);
    process.meta = [("default_host".to_owned(), "app:host".into())].into_iter().collect();
    let (node, _) = node(vec![process]);
    let ear = node.endpoint().expect("free");
    let call = node.call("fn:f", &[ear.pid().to_string().into()]).expect("known");
    assert_eq!(ear.receive(LONG).expect("it runs").topic, "ready");
    call.abort();
    assert_eq!(ear.receive(LONG).expect("it is told").topic, "pid.cancel");
    assert!(call.wait(LONG).is_ok(), "it ends as it likes");
}
