//! Calls and processes of a Rust program that act on somebody's behalf, and calls that nobody wants any
//! more.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use serde_json::json;
use wippy::{Builder, Caller, Changes, Kind, Runtime, Value, from_value};

use crate::embed::{LONG, check, until};

const ENTRIES: &str = r#"
namespace: app
entries:
  - { name: hosts, kind: process.host, lifecycle: { auto_start: true } }
  - { name: who, kind: function.lua, method: main, source: "file://who.lua", modules: [ctx, security] }
  - { name: nested, kind: function.lua, method: main, modules: [funcs],
      source: "return { main = function() return require('funcs').call('app:who') end }" }
  - { name: server, kind: process.lua, method: main, modules: [funcs],
      source: "return { main = function() return require('funcs').call('app:nested') end }" }
  - { name: may_call, kind: security.policy, groups: [staff],
      policy: { actions: funcs.call, resources: "*", effect: allow } }
  - { name: may_not_see, kind: security.policy,
      policy: { actions: funcs.call, resources: "app:who", effect: deny } }
  - { name: flaky, kind: function.lua, method: main, source: "file://flaky.lua", pool: { size: 1 },
      meta: { options: { retry: { max_attempts: 3, initial_delay: 1 } } } }
  - { name: hasty, kind: function.lua, method: main, source: "file://turn.lua", pool: { size: 1 },
      meta: { options: { timeout: 1 } } }
  - { name: turn, kind: function.lua, method: main, source: "file://turn.lua", pool: { size: 1 } }
"#;

const WHO: &str = r#"
local ctx, security = require("ctx"), require("security")
return { main = function()
    local actor, scope = security.actor(), security.scope()
    local policies = {}
    for _, policy in ipairs(scope and scope:policies() or {}) do table.insert(policies, policy:id()) end
    return {
        id = actor and actor:id(), team = actor and actor:meta().team, is_confined = scope ~= nil,
        policies = table.concat(policies, " "), values = ctx.all(),
    }
end }"#;

/// Says so when it runs, and waits to be told to go on.
const TURN: &str = r#"
return { main = function(to)
    if to then
        process.send(to, "runs", process.pid())
        process.inbox():receive()
    end
    return "done"
end }"#;

/// Succeeds at the third attempt, tells of each.
const FLAKY: &str = r#"
local n = 0
return { main = function(to)
    n = n + 1
    if to then process.send(to, "attempt", n) end
    if n < 3 then
        return nil, errors.new({ kind = errors.UNAVAILABLE, message = "attempt " .. n })
    end
    return n
end }"#;

fn builder() -> Builder {
    let builder = Runtime::builder().workers(2).entries_from_str(ENTRIES);
    builder.source("who.lua", WHO).source("turn.lua", TURN).source("flaky.lua", FLAKY)
}

fn runtime() -> Runtime {
    builder().start().expect("starts")
}

/// What `app:who` tells.
fn json_of(outcome: wippy::Result<Value>) -> serde_json::Value {
    from_value(outcome.expect("may be called")).expect("a tree")
}

// -- callers ---------------------------------------------------------------------------------------

#[track_caller]
fn check_who(caller: &Caller, expect: serde_json::Value) {
    let runtime = runtime();
    let told = json_of(runtime.call_as(caller, "app:who", ()).wait(LONG));
    assert_eq!(told, expect, "a call");
    // All of it goes on to what is called and started from there.
    let told = json_of(runtime.call_as(caller, "app:nested", ()).wait(LONG));
    assert_eq!(told, expect, "a call of a call");
    let process = runtime.spawn_as(caller, "app:server", "app:hosts", ()).wait(LONG);
    let told = json_of(process.expect("starts").into_outcome().wait(LONG));
    assert_eq!(told, expect, "a call of a call of a process");
    // And no further.
    let nobody = json_of(runtime.call("app:who", ()).wait(LONG));
    assert_eq!(nobody, json!({ "is_confined": false, "policies": "", "values": {} }));
}

#[test]
fn nobody() {
    check_who(&Caller::new(), json!({ "is_confined": false, "policies": "", "values": {} }));
}

#[test]
fn an_actor_its_policies_and_context() {
    let ada = Caller::new()
        .actor("ada", json!({ "team": "sales" }))
        .policies(["app:may_call"])
        .context(json!({ "tenant": { "id": 7 }, "tags": ["a", "b"] }));
    check_who(
        &ada,
        json!({ "id": "ada", "team": "sales", "is_confined": true, "policies": "app:may_call",
            "values": { "tenant": { "id": 7 }, "tags": ["a", "b"] } }),
    );
}

#[test]
fn context_alone() {
    let context = HashMap::from([("tenant", 7)]);
    let caller = Caller::new().context(context).context(());
    check_who(&caller, json!({ "is_confined": false, "policies": "", "values": { "tenant": 7 } }));
}

#[test]
fn policies_decide() {
    let runtime = runtime();
    let call = |caller: &Caller| runtime.call_as(caller, "app:nested", ()).wait(LONG).map(drop);
    let ada = Caller::new().actor("ada", ());
    assert_eq!(call(&ada), Ok(()), "an actor alone may do everything");
    assert_eq!(call(&ada.clone().groups(["app:staff"])), Ok(()));
    check(call(&ada.clone().policies(Vec::<String>::new())), Kind::PermissionDenied, "app:who");
    let both = ada.clone().groups(["app:staff"]).policies(["app:may_not_see"]);
    check(call(&both), Kind::PermissionDenied, "app:who");
    // Without an actor there is nobody to ask about.
    assert_eq!(call(&Caller::new().policies(["app:may_not_see"])), Ok(()));
}

#[test]
fn a_change_of_policies_counts_for_the_next_call() {
    let runtime = runtime();
    let ada = Caller::new().actor("ada", ()).policies(["app:may_call"]);
    let call = || runtime.call_as(&ada, "app:nested", ()).wait(LONG).map(drop);
    assert_eq!(call(), Ok(()));
    let rule = json!({ "actions": "funcs.call", "resources": "app:none", "effect": "allow" });
    let narrower =
        Changes::new().update("app:may_call", "security.policy", json!({ "policy": rule }));
    runtime.apply(narrower).wait(LONG).expect("is there");
    check(call(), Kind::PermissionDenied, "app:who");
    runtime.apply(Changes::new().delete("app:may_call")).wait(LONG).expect("is there");
    check(call(), Kind::NotFound, "policy not found: app:may_call");
}

#[test]
fn strict_mode_asks_for_both() {
    let runtime = builder().set("security.strict_mode", true).start().expect("starts");
    let call = |caller: Caller| runtime.call_as(&caller, "app:nested", ()).wait(LONG).map(drop);
    check(call(Caller::new()), Kind::PermissionDenied, "app:who");
    check(call(Caller::new().actor("ada", ())), Kind::PermissionDenied, "app:who");
    assert_eq!(call(Caller::new().actor("ada", ()).policies(["app:may_call"])), Ok(()));
}

#[test]
fn mistakes_are_told_by_what_is_called() {
    let runtime = runtime();
    let both = |caller: &Caller, kind: Kind, text: &str| {
        check(runtime.call_as(caller, "app:who", ()).wait(LONG), kind.clone(), text);
        check(runtime.spawn_as(caller, "app:server", "app:hosts", ()).wait(LONG), kind, text);
    };
    let new = Caller::new;
    both(&new().policies(["app:none"]), Kind::NotFound, "policy not found: app:none");
    both(&new().policies(["app:who"]), Kind::NotFound, "policy not found: app:who");
    both(&new().groups(["app:may_call"]), Kind::NotFound, "policy group not found: app:may_call");
    both(&new().context([1]), Kind::Invalid, "the context is a list");
    both(&new().actor("ada", "x"), Kind::Invalid, "the actor's meta is a string");
    runtime.shutdown();
    both(&new(), Kind::Unavailable, "the runtime has stopped");
}

#[test]
fn one_caller_serves_many_threads() {
    let runtime = runtime();
    let ada = Caller::new().actor("ada", ()).policies(["app:may_call"]);
    thread::scope(|scope| {
        for thread in 0..4 {
            let (runtime, ada) = (&runtime, &ada);
            scope.spawn(move || {
                let own = ada.clone().context(json!({ "thread": thread }));
                for _ in 0..100 {
                    let told = json_of(runtime.call_as(&own, "app:nested", ()).wait(LONG));
                    assert_eq!(
                        (&told["id"], &told["values"]["thread"]),
                        (&json!("ada"), &json!(thread))
                    );
                    let told = json_of(runtime.call_as(ada, "app:who", ()).wait(LONG));
                    assert_eq!(told["values"], json!({}));
                }
            });
        }
    });
}

// -- calls that nobody wants any more --------------------------------------------------------------

#[test]
fn a_call_may_end_with_its_handle() {
    let runtime = runtime();
    let endpoint = runtime.endpoint().expect("runs");
    let begin = || {
        let call = runtime.call("app:turn", endpoint.pid().to_string());
        endpoint.receive(LONG).expect("it runs");
        call
    };
    // The only place of the function is taken, until the handle is gone.
    let call = begin().abort_on_drop();
    let next = runtime.call("app:turn", ());
    assert!(next.try_take().is_none());
    drop(call);
    assert_eq!(next.wait(LONG), Ok("done".into()));

    // So do time limits: of a thread's patience, and of a task.
    let late = begin().abort_on_drop().wait(Duration::from_millis(1));
    check(late, Kind::Timeout, "no outcome in time");
    {
        let mut call = pin!(begin().abort_on_drop());
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(runtime.call("app:turn", ()).wait(LONG), Ok("done".into()));
}

#[test]
fn a_call_that_waits_for_its_turn_ends_with_its_handle() {
    let runtime = runtime();
    let endpoint = runtime.endpoint().expect("runs");
    let first = runtime.call("app:turn", endpoint.pid().to_string());
    let pid = endpoint.receive(LONG).expect("it runs").from;
    drop(runtime.call("app:turn", endpoint.pid().to_string()).abort_on_drop());
    let last = runtime.call("app:turn", ());
    runtime.send(pid, "go", ()).expect("it waits");
    assert_eq!(first.wait(LONG), Ok("done".into()));
    assert_eq!(last.wait(LONG), Ok("done".into()));
    assert!(endpoint.try_receive().is_none(), "the second has never run");
}

#[test]
fn a_call_without_that_goes_on() {
    let runtime = runtime();
    let endpoint = runtime.endpoint().expect("runs");
    drop(runtime.call("app:turn", endpoint.pid().to_string()));
    let pid = endpoint.receive(LONG).expect("it runs").from;
    // Had it ended, nobody would take this.
    runtime.send(pid, "go", ()).expect("it waits");
    let over = runtime.call("app:turn", ()).abort_on_drop();
    assert_eq!(over.wait(LONG), Ok("done".into()));
    drop(over);
}

#[test]
fn a_process_may_end_with_its_handle() {
    let source = "return { main = function() while true do process.inbox():receive() end end }";
    let entry = json!({ "source": source, "method": "main" });
    let runtime = builder().entry("app:waits", "process.lua", entry).start().expect("starts");
    let process = runtime.spawn("app:waits", "app:hosts", ()).wait(LONG).expect("starts");
    let pid = process.pid();
    drop(process.into_outcome().abort_on_drop());
    let is_gone = |error: &wippy::Error| *error.kind() == Kind::NotFound;
    until(|| runtime.send(pid, "x", ()).err().filter(is_gone));
}

// -- options of calls ------------------------------------------------------------------------------

#[test]
fn a_call_is_made_again_as_its_function_asks_for() {
    let runtime = runtime();
    let endpoint = runtime.endpoint().expect("runs");
    let outcome = runtime.call("app:flaky", endpoint.pid().to_string()).wait(LONG);
    assert_eq!(outcome, Ok(Value::Int(3)));
    for n in 1..=3 {
        assert_eq!(endpoint.receive(LONG).expect("an attempt").payload(), Ok(n));
    }
}

#[test]
fn a_caller_may_ask_for_other_attempts() {
    let runtime = runtime();
    let call = |retry: serde_json::Value| {
        let caller = Caller::new().options(json!({ "retry": retry, "other": 1 }));
        runtime.call_as(&caller, "app:flaky", ()).wait(LONG)
    };
    check(call(json!({ "max_attempts": 1 })), Kind::Unavailable, "attempt 1");
    let skip = json!({ "max_attempts": 9, "skip_kinds": ["Unavailable"] });
    check(call(skip), Kind::Unavailable, "attempt 2");
    assert_eq!(call(json!({ "max_attempts": 1 })), Ok(Value::Int(3)));
    let odd = Caller::new().options("soon");
    check(
        runtime.call_as(&odd, "app:flaky", ()).wait(LONG),
        Kind::Invalid,
        "the options is a string",
    );
}

#[test]
fn the_last_failure_is_told() {
    let runtime = runtime();
    let twice = json!({ "retry": { "max_attempts": 2, "initial_delay": 1 } });
    let outcome = runtime.call_as(&Caller::new().options(twice), "app:flaky", ()).wait(LONG);
    check(outcome, Kind::Unavailable, "attempt 2");
}

#[test]
fn a_call_that_takes_too_long_is_ended() {
    let runtime = runtime();
    let to = runtime.endpoint().expect("runs").pid().to_string();
    let hasty = Caller::new().options(json!({ "timeout": "1ms" }));
    // The only place is free again after each.
    for _ in 0..3 {
        check(runtime.call("app:hasty", &*to).wait(LONG), Kind::Timeout, "call timed out");
        let outcome = runtime.call_as(&hasty, "app:turn", &*to).wait(LONG);
        check(outcome, Kind::Timeout, "call timed out");
    }
    let patient = Caller::new().options(json!({ "timeout": "1h" }));
    assert_eq!(runtime.call_as(&patient, "app:turn", ()).wait(LONG), Ok("done".into()));
    assert_eq!(runtime.call_as(&patient, "app:hasty", ()).wait(LONG), Ok("done".into()));
}

/// Whatever moment it comes at: an attempt under way, or the pause before the next.
#[test]
fn a_call_that_is_called_off_is_not_made_again() {
    let runtime = runtime();
    let endpoint = runtime.endpoint().expect("runs");
    let retry = json!({ "max_attempts": 9, "initial_delay": "1h", "max_delay": "1h" });
    let slow = Caller::new().options(json!({ "retry": retry, "timeout": "2h" }));
    let call = runtime.call_as(&slow, "app:flaky", endpoint.pid().to_string());
    endpoint.receive(LONG).expect("the first attempt");
    call.abort();
    let error = call.wait(LONG).expect_err("is called off");
    assert!(["context canceled", "attempt 1"].contains(&error.message()), "{error}");
    // In the pause: its place is free, so another call has got in.
    let call = runtime.call_as(&slow, "app:flaky", endpoint.pid().to_string());
    endpoint.receive(LONG).expect("the second attempt");
    assert_eq!(runtime.call("app:flaky", ()).wait(LONG), Ok(Value::Int(3)));
    call.abort();
    check(call.wait(LONG), Kind::Canceled, "context canceled");
}

#[test]
fn whatever_ends_a_call_it_gets_one_answer() {
    let fails = "return { main = function()
        return nil, errors.new({ kind = errors.UNAVAILABLE, message = 'no' })
    end }";
    let entry = json!({ "source": fails, "method": "main" });
    let runtime = builder().entry("app:fails", "function.lua", entry).start().expect("starts");
    let retry = json!({ "max_attempts": 4, "initial_delay": 1 });
    thread::scope(|scope| {
        for timeout in [json!(null), json!(1), json!(3), json!("1h")] {
            let options = json!({ "retry": retry, "timeout": timeout });
            let (runtime, caller) = (&runtime, Caller::new().options(options));
            scope.spawn(move || {
                for n in 0..60 {
                    let calls = [0; 4].map(|_| runtime.call_as(&caller, "app:fails", ()));
                    calls[n % 4].abort();
                    let early = calls[(n + 1) % 4].wait(Duration::from_millis(n as u64 % 5));
                    calls[(n + 1) % 4].abort();
                    for (m, call) in calls.into_iter().enumerate() {
                        let outcome = match m == (n + 1) % 4 {
                            true if !is_late(&early) => early.clone(),
                            _ => call.wait(LONG),
                        };
                        let kind = outcome.expect_err("fails").kind().clone();
                        let expect = [Kind::Unavailable, Kind::Timeout, Kind::Canceled];
                        assert!(expect.contains(&kind), "{kind:?}");
                    }
                }
            });
        }
    });
}

/// There was no outcome yet, which is no outcome.
fn is_late(outcome: &wippy::Result<Value>) -> bool {
    outcome.as_ref().is_err_and(|error| error.message().contains("no outcome in time"))
}
