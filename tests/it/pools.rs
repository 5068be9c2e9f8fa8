//! Pools of functions: who runs, who waits, which instance serves, and what time does to them.
//! Specification 04, section 4.1.2.

use std::time::{Duration, Instant};

use wippy::app::node::{Ended, Endpoint, Node, Options};
use wippy::core::pid::Pid;
use wippy::core::registry::{Changeset, Entry};
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::clock::Clock;
use wippy::infra::transcoder::Value;
use wippy::system::host::HostKind;

use crate::callees::entry;
use crate::canceled::CALLER;
use crate::replaced::replace;

/// A safety net, not a measure.
pub const LONG: Duration = Duration::from_secs(60);

const SECOND: Duration = Duration::from_secs(1);

/// Counts the calls that its instance has served.
pub const COUNT: &str = "local n = 0 return {main = function() n += 1 return n end}";

/// Runs until it gets mail.
pub const WAIT: &str = "return {main = function(x) process.inbox():receive() return x end}";

pub fn function(id: &str, source: &str, pool: &[(&str, Value)]) -> Entry {
    let pool = pool.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    entry(id, "function.lua", source, &[("pool", Value::Map(pool))])
}

/// One worker, and a clock that stands still.
pub fn node(functions: Vec<Entry>) -> (Node, Clock) {
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
pub fn call(node: &Node, id: &str) -> Value {
    node.call(id, &[]).expect("known").wait(LONG).expect("succeeds")
}

/// Moves the clock on. The worker has seen to its timers when it has done two calls after that.
pub fn pass(node: &Node, clock: &Clock, time: Duration) {
    clock.advance(time);
    for _ in 0..4 {
        call(node, "fn:echo");
    }
}

pub fn load(node: &Node, id: &str) -> (usize, usize) {
    node.kernel.functions.get(id).expect("known").load()
}

/// Calls that run, in no order.
pub fn running(node: &Node, id: &str) -> Vec<Pid> {
    let function = node.kernel.functions.get(id).expect("known");
    node.kernel.table().on_host(function.host.id)
}

/// Waits for what other threads do.
#[track_caller]
pub fn until(node: &Node, what: &str, is_so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < LONG, "{what}");
        call(node, "fn:echo");
    }
}

/// Ends one of the calls that run.
#[track_caller]
pub fn release(node: &Node, id: &str) {
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
    for _ in 0..3 {
        pass(&node, &clock, 15 * SECOND);
    }
    counted([1, 5, 5, 5]);
}

/// Counts the calls of its instance; waits for mail if asked to, or has another call wait for some.
const COUNT_OR_WAIT: &str = "local n = 0 return {main = function(how)
    n += 1
    if how == 'wait' then process.inbox():receive() end
    if how == 'other' then funcs.async('fn:f', 'wait') end
    return n
end}";

#[test]
fn a_busy_pool_keeps_its_instances() {
    let lazy = ("pool", Value::from([("type", "lazy".into()), ("max_size", Value::Int(1))]));
    let modules = ("modules", Value::List(vec!["funcs".into()]));
    let f = entry("fn:f", "function.lua", COUNT_OR_WAIT, &[modules, lazy]);
    let (node, clock) = node(vec![f]);
    assert_eq!(call(&node, "fn:f"), Value::Int(1));
    let rest = || {
        for _ in 0..6 {
            pass(&node, &clock, 15 * SECOND);
        }
    };
    let waits = node.call("fn:f", &["wait".into()]).expect("known");
    rest();
    release(&node, "fn:f");
    assert_eq!(waits.wait(LONG), Ok(Value::Int(2)));
    // Also while only a call within a call runs, beyond the bound.
    let outer = node.call("fn:f", &["other".into()]).expect("known");
    assert_eq!(outer.wait(LONG), Ok(Value::Int(3)));
    until(&node, "the inner one runs", || running(&node, "fn:f").len() == 1);
    rest();
    assert_eq!(load(&node, "fn:f"), (1, 0));
    assert_eq!(call(&node, "fn:f"), Value::Int(4));
    release(&node, "fn:f");
}

#[test]
fn an_idle_instance_stays_while_another_is_busy() {
    let f = function("fn:f", COUNT_OR_WAIT, &[("max_size", Value::Int(2))]);
    let (node, clock) = node(vec![f]);
    // Calls beside their caller are served where it lives.
    let caller = "return {main = function()
        coroutine.spawn(function() funcs.call('fn:f', 'wait') end)
        coroutine.yield()
        assert(funcs.call('fn:f') == 1)
        process.inbox():receive()
        return funcs.call('fn:f')
    end}";
    node.define("app:caller", caller).expect("compiles");
    let (pid, ended) = node.spawn("app:caller", "app:host", &[]).expect("starts");
    until(&node, "one waits, one has ended", || {
        load(&node, "fn:f") == (1, 0) && running(&node, "fn:f").len() == 1
    });
    for _ in 0..6 {
        pass(&node, &clock, 15 * SECOND);
    }
    node.send(pid, "go", &[]).expect("lives");
    assert_eq!(ended.wait(LONG), Ok(Value::Int(2)));
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

#[test]
fn an_adaptive_pool_follows_the_load_of_programs() {
    let adaptive = [("type", Value::from("adaptive")), ("max_size", Value::Int(4))];
    let (node, clock) = node(vec![function("fn:f", WAIT, &adaptive)]);
    let tick = Duration::from_millis(500);
    // The first call begins beside its caller, and is alone for a while.
    node.define("app:caller", CALLER).expect("compiles");
    let call = || node.spawn("app:caller", "app:host", &[]).expect("starts").1;
    let mut calls = vec![call()];
    until(&node, "one runs", || running(&node, "fn:f").len() == 1);
    for _ in 0..4 {
        pass(&node, &clock, tick);
    }
    calls.extend([call(), call()]);
    until(&node, "two wait", || load(&node, "fn:f") == (1, 2));
    pass(&node, &clock, tick);
    assert_eq!(load(&node, "fn:f"), (2, 1));
    pass(&node, &clock, tick);
    assert_eq!(load(&node, "fn:f"), (3, 0));
    for call in calls {
        release(&node, "fn:f");
        drop(call);
    }
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
    let mut changes = Changeset::new();
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
fn a_static_pool_is_called_where_its_instances_are() {
    let (node, _) = node(Vec::new());
    let ear = node.endpoint().expect("free");
    let library = format!("process.send('{}', 'library') return {{}}", ear.pid());
    let f = |id: &str| {
        let imports = ("imports", Value::from([("lib", "fn:lib".into())]));
        let pool = ("pool", Value::from([("workers", Value::Int(1))]));
        entry(id, "function.lua", COUNT, &[imports, pool])
    };
    let mut changes = Changeset::new();
    let library = entry("fn:lib", "library.lua", &library, &[]);
    for entry in [library, f("fn:a"), f("fn:b"), f("fn:c")] {
        changes.create(entry);
    }
    node.registry.apply(changes).expect("applies");
    for id in ["fn:a", "fn:b", "fn:c"] {
        until(&node, "it is made", || load(&node, id) == (0, 0));
    }
    assert_eq!(heard(&ear), ["library"; 3]);
    // The first and the third are in one VM; by turns their calls would go to one each.
    assert_eq!([call(&node, "fn:a"), call(&node, "fn:c")], [1, 1].map(Value::Int));
    assert_eq!(heard(&ear), [""; 0]);
}

#[test]
fn a_call_within_a_call_of_its_function_does_not_wait_for_it() {
    let count = "local n = 0 return {main = function(depth)
        n += 1
        if depth > 0 then return funcs.call('fn:g', depth - 1) end
        return n
    end}";
    let through = "return {main = function(depth) return funcs.call('fn:f', depth) end}";
    let modules = || ("modules", Value::List(vec!["funcs".into()]));
    let inline = || ("pool", Value::from([("type", "inline".into())]));
    let (node, _) = node(vec![
        entry("fn:f", "function.lua", count, &[modules(), inline()]),
        entry("fn:g", "function.lua", through, &[modules()]),
    ]);
    let deep = |depth: i64| node.call("fn:f", &[depth.into()]).expect("known").wait(LONG);
    assert_eq!(deep(3), Ok(Value::Int(1)), "an instance of its own");
    assert_eq!(deep(0), Ok(Value::Int(2)), "the instance of the pool");
}

#[test]
fn half_a_minute_is_counted_from_the_last_call() {
    let lazy = [("type", Value::from("lazy")), ("max_size", Value::Int(1))];
    let (node, clock) = node(vec![function("fn:f", COUNT, &lazy)]);
    let mut calls = 0;
    for idle in [10, 20, 25, 29, 14, 16, 29] {
        calls += 1;
        assert_eq!(call(&node, "fn:f"), Value::Int(calls));
        for _ in 0..idle {
            pass(&node, &clock, SECOND);
        }
    }
    assert_eq!(call(&node, "fn:f"), Value::Int(calls + 1));
}

#[test]
fn a_burst_leaves_only_a_few_instances() {
    const BURST: usize = 200;
    let wide = [("max_size", Value::Int(1_000))];
    let source = "return {main = function(ear) process.inbox():receive() end}";
    let (node, _) = node(vec![function("fn:f", source, &wide)]);
    let ear = node.endpoint().expect("free");
    let made = format!("process.send('{}', 'made') {source}", ear.pid());
    replace(&node, function("fn:f", &made, &wide));
    let burst = || {
        let calls: Vec<Ended> =
            (0..BURST).map(|_| node.call("fn:f", &[]).expect("known")).collect();
        until(&node, "all run", || running(&node, "fn:f").len() == BURST);
        for pid in running(&node, "fn:f") {
            node.send(pid, "go", &[]).expect("it runs");
        }
        calls.iter().for_each(|call| drop(call.wait(LONG).expect("succeeds")));
        until(&node, "all have ended", || load(&node, "fn:f") == (0, 0));
        heard(&ear).len()
    };
    assert_eq!(burst(), BURST);
    let made = burst();
    assert!(0 < made && made < BURST, "{made} were made anew");
}

#[test]
fn a_call_that_somebody_monitors_tells_its_result_to_both() {
    let told = "return {main = function(boss)
        process.send(boss, 'pid', process.pid())
        process.inbox():receive()
        return {7}
    end}";
    let (node, _) = node(vec![function("fn:f", told, &[])]);
    let caller = "return {main = function()
        local inbox, events = process.inbox(), process.events()
        local result = channel.new(1)
        coroutine.spawn(function() result:send(funcs.call('fn:f', process.pid())) end)
        local pid = inbox:receive():payload():data()
        assert(process.monitor(pid))
        process.send(pid, 'go')
        local event, value = events:receive(), result:receive()
        assert(event.from == pid and event.kind == process.event.EXIT)
        return event.result.value[1] * 10 + value[1]
    end}";
    node.define("app:caller", caller).expect("compiles");
    let (_, ended) = node.spawn("app:caller", "app:host", &[]).expect("starts");
    assert_eq!(ended.wait(LONG), Ok(Value::Int(77)));
}
