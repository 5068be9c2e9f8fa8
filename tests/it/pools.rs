//! Pools of functions: who runs, who waits, which instance serves, and what time does to them.
//! Specification 04, section 4.1.2.

use std::sync::Arc;
use std::time::{Duration, Instant};

use wippy::app::node::{Ended, Endpoint, Node, Options};
use wippy::core::registry::Entry;
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::clock::Clock;
use wippy::infra::error::Kind;
use wippy::infra::transcoder::Value;
use wippy::system::host::HostKind;

use crate::callees::entry;

/// A safety net, not a measure.
const LONG: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

/// Counts the calls that its instance has served.
const COUNT: &str = "local n = 0 return {main = function() n += 1 return n end}";
/// Runs until it gets mail.
const WAIT: &str = "return {main = function(x) process.inbox():receive() return x end}";

fn function(id: &str, source: &str, pool: &[(&str, Value)]) -> Entry {
    let pool = pool.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    entry(id, "function.lua", source, &[("pool", Value::Map(pool))])
}

/// One worker, and a clock that stands still.
fn node(functions: Vec<Entry>) -> (Node, Clock) {
    let clock = Clock::manual();
    let scheduler = SchedulerOptions { workers: 1, pin: false, ..SchedulerOptions::default() };
    let options = Options { scheduler, clock: clock.clone(), ..Options::default() };
    let node = Node::start(options).expect("starts");
    node.add_host("app:host", HostKind::Processes, false).expect("new");
    let echo = function("fn:echo", "return {main = function(...) return ... end}", &[]);
    node.registry.load(functions.into_iter().chain([echo]).collect()).expect("loads");
    (node, clock)
}

#[track_caller]
fn call(node: &Node, id: &str) -> Value {
    node.call(id, &[]).expect("known").wait(LONG).expect("succeeds")
}

/// Moves the clock on. The worker has seen to its timers when it has done two calls after that.
fn pass(node: &Node, clock: &Clock, time: Duration) {
    clock.advance(time);
    for _ in 0..4 {
        call(node, "fn:echo");
    }
}

fn load(node: &Node, id: &str) -> (usize, usize) {
    node.kernel.functions.get(id).expect("known").load()
}

/// Calls that run, in no order.
fn running(node: &Node, id: &str) -> Vec<wippy::core::pid::Pid> {
    let function = node.kernel.functions.get(id).expect("known");
    node.kernel.table().on_host(function.host.id)
}

/// Waits for what other threads do.
#[track_caller]
fn until(node: &Node, what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < LONG, "{what}");
        call(node, "fn:echo");
    }
}

/// Ends one of the calls that run.
#[track_caller]
fn release(node: &Node, id: &str) {
    until(node, "a call runs", || !running(node, id).is_empty());
    let pid = running(node, id)[0];
    node.send(pid, "go", &[]).expect("it runs");
    until(node, "the call ends", || !node.kernel.table().is_alive(pid));
}

#[test]
fn idle_instances_go_after_half_a_minute() {
    let one = ("max_size", Value::Int(1));
    let kind = |name: &str| ("type", Value::from(name));
    let (node, clock) = node(vec![
        function("fn:lazy", COUNT, &[kind("lazy"), one.clone()]),
        function("fn:inline", COUNT, &[kind("inline")]),
        function("fn:static", COUNT, &[kind("static"), ("workers", Value::Int(1))]),
        function("fn:adaptive", COUNT, &[kind("adaptive"), one]),
    ]);
    let all = ["fn:lazy", "fn:inline", "fn:static", "fn:adaptive"];
    let counted = |expect: [i64; 4]| {
        let got = all.map(|id| call(&node, id));
        assert_eq!(got, expect.map(Value::Int));
    };
    counted([1; 4]);
    counted([2; 4]);
    pass(&node, &clock, 15 * SECOND);
    pass(&node, &clock, 14 * SECOND);
    counted([3; 4]);
    // Half a minute is counted from the last call.
    for _ in 0..2 {
        pass(&node, &clock, 15 * SECOND);
    }
    counted([4; 4]);
    for _ in 0..4 {
        pass(&node, &clock, 15 * SECOND);
    }
    counted([1, 5, 5, 5]);
}

#[test]
fn a_busy_pool_keeps_its_instances() {
    let (node, clock) = node(vec![function(
        "fn:f",
        "local n = 0 return {main = function(wait)
            n += 1
            if wait then process.inbox():receive() end
            return n
        end}",
        &[("type", "lazy".into()), ("max_size", Value::Int(1))],
    )]);
    assert_eq!(call(&node, "fn:f"), Value::Int(1));
    let waits = node.call("fn:f", &[true.into()]).expect("known");
    for _ in 0..6 {
        pass(&node, &clock, 15 * SECOND);
    }
    release(&node, "fn:f");
    assert_eq!(waits.wait(LONG), Ok(Value::Int(2)));
    assert_eq!(call(&node, "fn:f"), Value::Int(3));
}

#[test]
fn an_adaptive_pool_follows_the_load() {
    let adaptive = [("type", Value::from("adaptive")), ("max_size", Value::Int(4))];
    let (node, clock) = node(vec![function("fn:f", WAIT, &adaptive)]);
    let tick = Duration::from_millis(500);
    let begin = |n: usize| -> Vec<Ended> {
        (0..n).map(|n| node.call("fn:f", &[Value::Int(n as i64)]).expect("known")).collect()
    };
    let calls = begin(9);
    until(&node, "one runs", || running(&node, "fn:f").len() == 1);
    assert_eq!(load(&node, "fn:f"), (1, 8));
    pass(&node, &clock, tick - Duration::from_millis(1));
    assert_eq!(load(&node, "fn:f"), (1, 8));
    pass(&node, &clock, Duration::from_millis(1));
    assert_eq!(load(&node, "fn:f"), (2, 7));
    for expect in [(3, 6), (4, 5), (4, 5)] {
        pass(&node, &clock, tick);
        assert_eq!(load(&node, "fn:f"), expect);
    }
    for left in (0..9).rev() {
        release(&node, "fn:f");
        until(&node, "the next one runs", || running(&node, "fn:f").len() == left.min(4));
    }
    for (n, call) in calls.iter().enumerate() {
        assert_eq!(call.wait(LONG), Ok(Value::Int(n as i64)));
    }
    until(&node, "all have left", || load(&node, "fn:f") == (0, 0));
    // Unused, it is as small as before after 24 ticks.
    for _ in 0..23 {
        pass(&node, &clock, tick);
    }
    let _calls = begin(3);
    assert_eq!(load(&node, "fn:f"), (2, 1), "a tick too early");
    for _ in 0..3 {
        release(&node, "fn:f");
    }
    until(&node, "all have ended", || load(&node, "fn:f") == (0, 0));
    for _ in 0..16 {
        pass(&node, &clock, tick);
    }
    let _calls = begin(3);
    assert_eq!(load(&node, "fn:f"), (1, 2));
}

/// Texts that programs have sent to an address.
fn heard(ear: &Endpoint) -> Vec<String> {
    std::iter::from_fn(|| ear.receive(Duration::ZERO).ok()).map(|message| message.topic).collect()
}

#[test]
fn a_static_pool_has_its_instances_from_the_start() {
    let (node, _) = node(Vec::new());
    let ear = node.endpoint().expect("free");
    let address = ear.pid().to_string();
    let library = format!("process.send('{address}', 'library') return {{}}");
    let program = format!(
        "process.send('{address}', 'chunk')
        local n = 0
        return {{main = function() n += 1 return n end}}"
    );
    let imports = ("imports", Value::from([("lib", "fn:lib".into())]));
    let pool = ("pool", Value::from([("workers", Value::Int(3))]));
    let entries = vec![
        entry("fn:lib", "library.lua", &library, &[]),
        entry("fn:f", "function.lua", &program, &[imports, pool]),
    ];
    let mut changes = wippy::core::registry::Changeset::new();
    for entry in entries {
        changes.create(entry);
    }
    node.registry.apply(changes).expect("applies");
    until(&node, "all are made", || load(&node, "fn:f") == (0, 0));
    assert_eq!(heard(&ear), ["library"; 3]);
    let mut counts: Vec<i64> = Vec::new();
    for _ in 0..12 {
        counts.extend(call(&node, "fn:f").as_int());
    }
    let heard = heard(&ear);
    assert!(!heard.contains(&"library".to_owned()), "{heard:?}");
    let instances = heard.len();
    assert!(instances <= 3, "{heard:?}");
    assert_eq!(counts.iter().filter(|&&n| n == 1).count(), instances, "{counts:?}");
}

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
    let mut changes = wippy::core::registry::Changeset::new();
    changes.delete(wippy::core::registry::EntryId::parse("fn:f"));
    node.registry.apply(changes).expect("applies");
    let error = second.wait(LONG).expect_err("turned away");
    assert_eq!((error.kind(), error.message()), (&Kind::Unavailable, "pool is closed"));
    node.send(pid, "go", &[]).expect("still there");
    assert_eq!(first.wait(LONG), Ok(Value::Int(1)));
    assert_eq!(node.call("fn:f", &[]).err().map(|e| e.kind().clone()), Some(Kind::NotFound));
}
