//! Retries and time limits of calls, by a clock that is turned by hand. Specification 04, sections 4.2
//! and 4.3.

use std::time::Duration;

use wippy::app::node::{Ended, Endpoint, Node};
use wippy::core::pid::Pid;
use wippy::core::registry::Entry;
use wippy::infra::clock::Clock;
use wippy::infra::transcoder::Value;

use crate::pools::{LONG, WAIT, function, load, node, pass, release, running, until};

/// Tells of each attempt, and fails.
const FAIL: &str = "return {main = function(ear)
    process.send(ear, 'tried')
    return nil, errors.new{message = 'no', kind = errors.UNAVAILABLE, retryable = true}
end}";

/// Tells of each attempt, and fails when it gets mail.
const FAIL_LATE: &str = "return {main = function(ear)
    process.send(ear, 'tried')
    process.inbox():receive()
    return nil, errors.new{message = 'no', kind = errors.UNAVAILABLE, retryable = true}
end}";

/// Makes calls as it is told by messages, each of which it acknowledges, and tells of outcomes.
const CALLER: &str = "return {main = function(ear)
    local inbox, future = process.inbox(), nil
    while true do
        local message = inbox:receive()
        local topic = message:topic()
        if topic == 'call' then
            local target, options = message:payload()[1]:data(), message:payload()[2]:data()
            local made = funcs.new():with_options(options):async(target, ear)
            future = made
            coroutine.spawn(function()
                made:response():receive()
                local payload, problem = made:result()
                process.send(ear, problem and tostring(problem:kind()) or 'succeeded')
            end)
        elseif topic == 'cancel' then
            future:cancel()
        elseif topic == 'end' then
            return
        end
        process.send(ear, 'done')
    end
end}";

/// A node with a process that makes calls.
struct Bench {
    node: Node,
    clock: Clock,
    ear: Endpoint,
    caller: Pid,
    ended: Ended,
}

fn bench(pool: &[(&str, Value)]) -> Bench {
    let functions: Vec<Entry> = vec![
        function("fn:fail", FAIL, &[]),
        function("fn:fail_late", FAIL_LATE, &[]),
        function("fn:wait", WAIT, pool),
    ];
    let (node, clock) = node(functions);
    let ear = node.endpoint().expect("free");
    node.define("app:caller", CALLER).expect("compiles");
    let address = Value::from(ear.pid().to_string());
    let (caller, ended) = node.spawn("app:caller", "app:host", &[address]).expect("starts");
    Bench { node, clock, ear, caller, ended }
}

/// Options of a call that is made up to ten times.
fn retries(more: &[(&str, Value)]) -> Value {
    let fixed = [("max_attempts", Value::Int(10)), ("jitter", Value::Int(0))];
    let all = fixed.iter().chain(more);
    Value::from([("retry", Value::Map(all.map(|(k, v)| ((*k).to_owned(), v.clone())).collect()))])
}

impl Bench {
    fn tell(&self, topic: &str, values: &[Value]) {
        self.node.send(self.caller, topic, values).expect("it lives");
    }

    /// What is heard until the caller has done what it was told last.
    #[track_caller]
    fn until_done(&self) -> Vec<String> {
        let next = || self.ear.receive(LONG).expect("it answers").topic;
        std::iter::from_fn(|| Some(next()).filter(|topic| topic != "done")).collect()
    }

    /// What is heard until the caller knows of all that has ended.
    #[track_caller]
    fn heard(&self) -> Vec<String> {
        let mut heard = Vec::new();
        // Twice: what the first one finds due is over before the second.
        for _ in 0..2 {
            until(&self.node, "attempts end", || load(&self.node, "fn:fail") == (0, 0));
            self.tell("ping", &[]);
            heard.extend(self.until_done());
        }
        heard
    }

    #[track_caller]
    fn call(&self, target: &str, options: Value) -> Vec<String> {
        self.tell("call", &[target.into(), options]);
        [self.until_done(), self.heard()].concat()
    }

    /// What is heard when so many milliseconds have passed.
    #[track_caller]
    fn after(&self, ms: u64) -> Vec<String> {
        pass(&self.node, &self.clock, Duration::from_millis(ms));
        self.heard()
    }
}

const NOTHING: [&str; 0] = [];

#[test]
fn attempts_are_as_far_apart_as_the_policy_says() {
    let bench = bench(&[]);
    let policy = retries(&[
        ("max_attempts", Value::Int(4)),
        ("initial_delay", Value::Int(100)),
        ("backoff_factor", Value::Int(3)),
        ("max_delay", "500ms".into()),
    ]);
    assert_eq!(bench.call("fn:fail", policy), ["tried"]);
    for delay in [100, 300, 500] {
        assert_eq!(bench.after(delay - 1), NOTHING, "{delay} ms are not over");
        let heard = bench.after(1);
        let last: &[&str] = if delay == 500 { &["tried", "Unavailable"] } else { &["tried"] };
        assert_eq!(heard, last, "after {delay} ms");
    }
    assert_eq!(bench.after(10_000), NOTHING);
}

#[test]
fn a_time_limit_is_for_all_attempts() {
    let bench = bench(&[]);
    let mut policy = retries(&[("initial_delay", 100.into()), ("backoff_factor", 1.into())]);
    if let Value::Map(options) = &mut policy {
        options.insert("timeout".into(), 250.into());
    }
    assert_eq!(bench.call("fn:fail", policy), ["tried"]);
    for _ in 0..2 {
        assert_eq!(bench.after(100), ["tried"]);
    }
    assert_eq!(bench.after(49), NOTHING);
    assert_eq!(bench.after(1), ["Timeout"]);
    // The attempt that was due at 300 belongs to no call any more, and not to the next one either.
    assert_eq!(bench.call("fn:wait", retries(&[])), NOTHING);
    until(&bench.node, "it runs", || running(&bench.node, "fn:wait").len() == 1);
    assert_eq!(bench.after(50), NOTHING);
    assert_eq!(load(&bench.node, "fn:wait"), (1, 0));
    release(&bench.node, "fn:wait");
    assert_eq!(bench.heard(), ["succeeded"]);
}

#[test]
fn a_time_limit_ends_with_its_call() {
    let bench = bench(&[]);
    let limit = || Value::from([("timeout", 100.into())]);
    assert_eq!(bench.call("fn:fail", limit()), ["tried", "Unavailable"]);
    assert_eq!(bench.call("fn:wait", Value::Map(Default::default())), NOTHING);
    until(&bench.node, "it runs", || running(&bench.node, "fn:wait").len() == 1);
    assert_eq!(bench.after(100), NOTHING);
    assert_eq!(load(&bench.node, "fn:wait"), (1, 0));
    release(&bench.node, "fn:wait");
    assert_eq!(bench.heard(), ["succeeded"]);
}

#[test]
fn a_time_limit_ends_the_call() {
    let bench = bench(&[("type", "inline".into())]);
    let limit = |ms: i64| Value::from([("timeout", ms.into())]);
    assert_eq!(bench.call("fn:wait", limit(100)), NOTHING);
    assert_eq!(bench.call("fn:wait", limit(60)), NOTHING);
    until(&bench.node, "one runs", || running(&bench.node, "fn:wait").len() == 1);
    assert_eq!(load(&bench.node, "fn:wait"), (1, 1));
    assert_eq!(bench.after(59), NOTHING);
    assert_eq!(bench.after(1), ["Timeout"], "while it waits");
    assert_eq!(load(&bench.node, "fn:wait"), (1, 0));
    assert_eq!(bench.after(40), ["Timeout"], "while it runs");
    until(&bench.node, "it has ended", || load(&bench.node, "fn:wait") == (0, 0));
}

#[test]
fn who_waits_for_room_in_a_queue_goes_on_when_the_time_is_over() {
    let bench = bench(&[("workers", 1.into()), ("buffer", 1.into())]);
    let others: Vec<Ended> =
        (0..2).map(|_| bench.node.call("fn:wait", &[]).expect("known")).collect();
    until(&bench.node, "one runs", || running(&bench.node, "fn:wait").len() == 1);
    bench.tell("call", &["fn:wait".into(), Value::from([("timeout", 100.into())])]);
    until(&bench.node, "it is made", || load(&bench.node, "fn:wait") == (1, 2));
    pass(&bench.node, &bench.clock, Duration::from_millis(99));
    assert_eq!(bench.ear.try_receive(), None, "its caller waits");
    pass(&bench.node, &bench.clock, Duration::from_millis(1));
    assert_eq!([bench.until_done(), bench.heard()].concat(), ["Timeout"]);
    for other in &others {
        release(&bench.node, "fn:wait");
        assert!(other.wait(LONG).is_ok());
    }
    until(&bench.node, "nothing is left", || load(&bench.node, "fn:wait") == (0, 0));
}

#[test]
fn a_call_is_canceled_between_its_attempts() {
    let bench = bench(&[]);
    assert_eq!(bench.call("fn:fail", retries(&[("initial_delay", 1_000.into())])), ["tried"]);
    bench.tell("cancel", &[]);
    assert_eq!([bench.until_done(), bench.heard()].concat(), ["Canceled"]);
    assert_eq!(bench.after(1_000), NOTHING);
}

#[test]
fn what_was_canceled_is_not_tried_again() {
    let bench = bench(&[]);
    // Other calls of this function that are canceled would be.
    let kinds = Value::List(vec!["Canceled".into(), "Unavailable".into()]);
    let policy = || retries(&[("initial_delay", 1.into()), ("retry_kinds", kinds.clone())]);
    let mut limited = policy();
    if let Value::Map(options) = &mut limited {
        options.insert("timeout".into(), 100.into());
    }
    assert_eq!(bench.call("fn:wait", policy()), NOTHING);
    until(&bench.node, "it runs", || running(&bench.node, "fn:wait").len() == 1);
    bench.tell("cancel", &[]);
    assert_eq!([bench.until_done(), bench.heard()].concat(), ["Canceled"]);
    until(&bench.node, "it has ended", || load(&bench.node, "fn:wait") == (0, 0));
    assert_eq!(bench.after(10), NOTHING);
    assert_eq!(load(&bench.node, "fn:wait"), (0, 0));
    // Out of time is canceled too.
    assert_eq!(bench.call("fn:wait", limited), NOTHING);
    until(&bench.node, "it runs", || running(&bench.node, "fn:wait").len() == 1);
    assert_eq!(bench.after(100), ["Timeout"]);
    until(&bench.node, "it has ended", || load(&bench.node, "fn:wait") == (0, 0));
    assert_eq!(bench.after(10), NOTHING);
    assert_eq!(load(&bench.node, "fn:wait"), (0, 0));
}

#[test]
fn nothing_is_tried_again_for_a_process_that_has_ended() {
    let policy = || retries(&[("initial_delay", 100.into())]);
    // It ends while an attempt runs,
    let late = bench(&[]);
    late.tell("call", &["fn:fail_late".into(), policy()]);
    until(&late.node, "it runs", || running(&late.node, "fn:fail_late").len() == 1);
    late.tell("end", &[]);
    late.ended.wait(LONG).expect("has ended");
    release(&late.node, "fn:fail_late");
    pass(&late.node, &late.clock, Duration::ZERO);
    // or between two.
    let between = bench(&[]);
    assert_eq!(between.call("fn:fail", policy()), ["tried"]);
    between.tell("end", &[]);
    between.ended.wait(LONG).expect("has ended");
    for bench in [late, between] {
        let heard = || std::iter::from_fn(|| bench.ear.try_receive()).map(|it| it.topic);
        let _ = heard().count();
        pass(&bench.node, &bench.clock, Duration::from_millis(100));
        until(&bench.node, "attempts end", || load(&bench.node, "fn:fail") == (0, 0));
        assert_eq!(running(&bench.node, "fn:fail_late"), []);
        assert_eq!(Vec::from_iter(heard()), NOTHING);
    }
}
