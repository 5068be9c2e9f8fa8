//! Processes as they see each other: messages, events, monitors, links, names, ends.
//!
//! Each test is a small set of Lua programs on a node of its own. Every test runs twice: with all
//! processes in one VM where the placement allows it, and with a VM for each process, so that what
//! crosses between VMs is held to the same rules.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use wippy::app::node::{Node, Options};
use wippy::core::pid::{HostId, Pid};
use wippy::core::relay::Exit;
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::error::{Error, Kind};
use wippy::infra::transcoder::Value;
use wippy::infra::transcoder::wire::Wire;
use wippy::system::host::{Host, HostKind};
use wippy::system::kernel::RootSpawn;
use wippy::system::lifecycle::{Handler, Started};

#[path = "it/gate.rs"]
mod gate;

/// A safety net, not a measure.
const LONG: Duration = Duration::from_secs(60);

/// Runs `app:main` of the given programs, on a shared and on an isolating host.
#[track_caller]
fn check(programs: &[(&str, &str)]) {
    for isolated in [false, true] {
        if let Err(error) = run(programs, isolated) {
            panic!("isolated: {isolated}: {error}");
        }
    }
}

fn run(programs: &[(&str, &str)], isolated: bool) -> Result<Value, Error> {
    let scheduler = SchedulerOptions { workers: 2, ..SchedulerOptions::default() };
    run_on(scheduler, programs, isolated)
}

fn run_on(
    scheduler: SchedulerOptions,
    programs: &[(&str, &str)],
    isolated: bool,
) -> Result<Value, Error> {
    let node = Node::start(Options { scheduler, ..Options::default() })?;
    node.add_host("app:host", HostKind::Processes, isolated)?;
    for (name, body) in programs {
        let source = format!(
            "local time = require('time')\nlocal function main(...)\n{body}\nend\nreturn {{ main = main }}"
        );
        node.define(&format!("app:{name}"), &source)?;
    }
    node.spawn("app:main", "app:host", &[])?.1.wait(LONG)
}

/// An echo process: answers each message of topic `ask` to its sender.
const ECHO: (&str, &str) = (
    "echo",
    r#"
    local inbox = process.inbox()
    while true do
        local m = inbox:receive()
        if m:topic() == "stop" then return "stopped" end
        process.send(m:from(), "answer", m:payload():data())
    end"#,
);

#[test]
fn messages_carry_values_and_nothing_else() {
    check(&[
        ECHO,
        (
            "main",
            r#"
            local echo = assert(process.spawn("app:echo", "app:host"))
            local inbox = process.inbox()
            local function ask(v)
                assert(process.send(echo, "ask", v))
                local m = inbox:receive()
                assert(m:from() == echo and m:topic() == "answer")
                return m:payload():data()
            end
            assert(ask(1.5) == 1.5 and ask("a\0b\255") == "a\0b\255" and ask(true) == true)
            local shared = {1, 2}
            local t = {a = shared, b = shared, list = {10, nil, 30}, f = print, n = {x = {y = {z = "deep"}}}}
            t.self = t
            local r = ask(t)
            assert(r ~= t and r.a == r.b and r.a[2] == 2 and r.self == r, "shape")
            assert(r.f == nil and r.n.x.y.z == "deep" and r.list[1] == 10)
            shared[1] = "changed"
            assert(r.a[1] == 1, "a copy")
            assert(getmetatable(ask(setmetatable({1}, {__index = {}}))) == nil)
            assert(ask({ch = channel.new()}).ch == nil and next(ask({})) == nil)
            local big = string.rep("x", 1000000)
            assert(ask(big) == big)"#,
        ),
    ]);
}

#[test]
fn a_message_may_hold_none_or_several_values() {
    check(&[
        (
            "many",
            r#"
            local inbox = process.inbox()
            local none, two = inbox:receive(), inbox:receive()
            assert(none:payload() == nil)
            local list = two:payload()
            return list[1]:data() + list[2]:data()"#,
        ),
        (
            "main",
            r#"
            local events = process.events()
            local pid = assert(process.spawn_monitored("app:many", "app:host"))
            assert(process.send(pid, "none"))
            assert(process.send(pid, "two", 1, 2))
            local e = events:receive()
            assert(e.kind == process.event.EXIT and e.from == pid)
            assert(e.result.value == 3 and e.result.error == nil)"#,
        ),
    ]);
}

#[test]
fn mail_before_a_subscription_waits() {
    check(&[
        (
            "late",
            r#"
            local boss = ...
            process.send(boss, "ready")
            local ev = process.events():receive()
            assert(ev.kind == process.event.CANCEL and ev.reason == "later" and ev.from == boss)
            local special = process.listen("special")
            local a, b = special:receive(), special:receive()
            local rest = process.inbox():receive()
            assert(rest:topic() == "other")
            return a .. b .. rest:payload():data()"#,
        ),
        (
            "main",
            r#"
            local inbox, events = process.inbox(), process.events()
            local pid = assert(process.spawn_monitored("app:late", "app:host", process.pid()))
            inbox:receive()
            process.send(pid, "special", "a")
            process.send(pid, "other", "c")
            process.send(pid, "special", "b")
            process.cancel(pid, "later")
            local e = events:receive()
            assert(e.result.value == "abc", tostring(e.result.error))"#,
        ),
    ]);
}

#[test]
fn results_and_errors_reach_the_watcher() {
    check(&[
        (
            "ends",
            r#"
            local how = ...
            if how == "nothing" then return end
            if how == "value" then return {n = 1}, nil end
            if how == "text" then return nil, "went wrong" end
            if how == "false" then return false, "refused" end
            if how == "raise" then error("raised") end
            if how == "number" then return 7, 8 end
            coroutine.spawn(function() time.sleep("1ms") error("in a coroutine") end)
            channel.new():receive()"#,
        ),
        (
            "main",
            r#"
            local events = process.events()
            local function run(how)
                local pid = assert(process.spawn_monitored("app:ends", "app:host", how))
                local e = events:receive()
                assert(e.from == pid and type(e.at) == "number")
                -- Gone: unroutable before the event arrived.
                local ok, err = process.send(pid, "x")
                assert(not ok and string.find(tostring(err), "not found"))
                return e.result
            end
            local r = run("nothing") assert(r.value == nil and r.error == nil)
            r = run("value") assert(r.value.n == 1 and r.error == nil)
            r = run("number") assert(r.value == 7 and r.error == nil)
            r = run("text") assert(r.value == nil and r.error:message() == "went wrong")
            assert(r.error:kind() == "Internal" and r.error:retryable() == false)
            r = run("false") assert(r.error:message() == "refused")
            r = run("raise") assert(string.find(r.error:message(), "app:ends:%d+: raised"))
            assert(r.error:retryable() == nil)
            r = run("coroutine") assert(string.find(r.error:message(), "in a coroutine"))"#,
        ),
    ]);
}

#[test]
fn links_cascade_and_can_be_trapped() {
    check(&[
        (
            "victim",
            r#"
            local inbox = process.inbox()
            inbox:receive()
            error("boom")"#,
        ),
        (
            "middle",
            r#"
            local boss = ...
            local victim = assert(process.spawn_linked("app:victim", "app:host"))
            process.send(boss, "victim", victim)
            channel.new():receive()"#,
        ),
        (
            "main",
            r#"
            local ok, err = process.set_options({trap_links = true})
            assert(ok and not err and process.get_options().trap_links == true)
            local inbox, events = process.inbox(), process.events()
            local middle = assert(process.spawn_linked_monitored("app:middle", "app:host", process.pid()))
            local victim = inbox:receive():payload():data()
            process.send(victim, "die")
            local exit = events:receive()
            assert(exit.kind == process.event.EXIT and exit.from == middle, exit.kind)
            assert(exit.result.error:message() == "linked process failed")
            local down = events:receive()
            assert(down.kind == process.event.LINK_DOWN and down.from == middle)"#,
        ),
    ]);
}

#[test]
fn a_normal_end_brings_no_link_down() {
    check(&[
        ("quiet", "return 1"),
        (
            "main",
            r#"
            process.set_options({trap_links = true})
            local events = process.events()
            local pid = assert(process.spawn_linked_monitored("app:quiet", "app:host"))
            assert(events:receive().kind == process.event.EXIT)
            local r = channel.select{events:case_receive(), time.after("20ms"):case_receive()}
            assert(r.channel ~= events)"#,
        ),
    ]);
}

#[test]
fn terminate_ends_even_a_busy_loop() {
    check(&[
        ("busy", "while true do end"),
        ("nested", "coroutine.wrap(function() pcall(function() while true do end end) end)()"),
        ("waiting", "process.inbox():receive()"),
        (
            "main",
            r#"
            local events = process.events()
            for _, name in ipairs({"busy", "nested", "waiting"}) do
                local pid = assert(process.spawn_monitored("app:" .. name, "app:host"))
                time.sleep("2ms")
                assert(process.terminate(pid))
                local e = events:receive()
                assert(e.from == pid and e.result.error:message() == "process terminated")
                local ok, err = process.terminate(pid)
                assert(not ok and err:kind() == "Internal")
            end"#,
        ),
    ]);
}

#[test]
fn terminating_oneself_does_not_return() {
    check(&[
        (
            "self",
            r#"
            process.terminate(process.pid())
            process.send("main", "still here")"#,
        ),
        (
            "main",
            r#"
            process.registry.register("main")
            local inbox, events = process.inbox(), process.events()
            assert(process.spawn_monitored("app:self", "app:host"))
            local r = channel.select{events:case_receive(), inbox:case_receive()}
            assert(r.channel == events and r.value.result.error:message() == "process terminated")"#,
        ),
    ]);
}

#[test]
fn names_resolve_and_are_released() {
    check(&[
        (
            "named",
            r#"
            assert(process.registry.register("worker"))
            assert(process.registry.register("worker"))
            process.send("boss", "up")
            process.inbox():receive()"#,
        ),
        (
            "main",
            r#"
            assert(process.registry.register("boss"))
            local inbox, events = process.inbox(), process.events()
            local pid = assert(process.spawn_monitored("app:named", "app:host"))
            inbox:receive()
            assert(process.registry.lookup("worker") == pid)
            local ok, err = process.registry.register("worker")
            assert(ok == nil and err:kind() == "AlreadyExists")
            assert(process.send("worker", "stop"))
            events:receive()
            local none, missing = process.registry.lookup("worker")
            assert(none == nil and missing:kind() == "NotFound")
            assert(process.registry.unregister("boss") == true)
            assert(process.registry.unregister("boss") == false)
            local sent, unknown = process.send("nobody", "x")
            assert(sent == nil and string.find(unknown:message(), "could not resolve 'nobody'"))
            local _, scope = process.registry.register("x", process.pid(), process.registry.STRONG)
            assert(scope:message() == "global registry not available")"#,
        ),
    ]);
}

#[test]
fn bad_destinations_are_told_apart() {
    check(&[(
        "main",
        r#"
        local function fails(text, dest)
            local ok, err = process.send(dest, "t")
            assert(ok == nil and string.find(err:message(), text), tostring(err))
            assert(err:kind() == "NotFound")
        end
        fails("process not found", "{app:host|0xfffff}")
        fails("host not found", "{app:nowhere|0x00001}")
        fails("node not found", "{elsewhere@app:host|0x00001}")
        local _, err = process.send(process.pid(), "@pid/inbox", 1)
        assert(err:kind() == "Invalid" and err:message() == "cannot send to @ topics")
        assert(not pcall(process.send, nil, "t"))
        local pid, spawn = process.spawn("app:nothing", "app:host")
        assert(pid == nil and spawn:message() == "factory not found")
        pid, spawn = process.spawn("app:main", "app:nowhere")
        assert(pid == nil and spawn:message() == "host not found")
        pid, spawn = process.spawn("app:main")
        assert(string.find(spawn:message(), "requires at least id and host"))
        local ok, monitor = process.monitor("{app:host|0xfffff}")
        assert(not ok and monitor:kind() == "Internal" and monitor:message() == "pid not registered")
        assert(process.unmonitor("{app:host|0xfffff}"))"#,
    )]);
}

#[test]
fn chunk_failures_are_the_spawns_failure() {
    for isolated in [false, true] {
        let scheduler = SchedulerOptions { workers: 2, ..SchedulerOptions::default() };
        let node = Node::start(Options { scheduler, ..Options::default() }).expect("starts");
        node.add_host("app:host", HostKind::Processes, isolated).expect("added");
        let define = |id: &str, source: &str| node.define(id, source).expect("compiles");
        define("app:raises", "error('chunk')");
        define("app:blocks", "require('time').sleep('1ms') return {}");
        define("app:empty", "return {}");
        define("app:function", "return function() return 'f' end");
        let message = |id: &str| match node.spawn(id, "app:host", &[]) {
            Ok((_, end)) => format!("{:?}", end.wait(LONG)),
            Err(error) => error.to_string(),
        };
        assert!(message("app:raises").contains("app:raises:1: chunk"));
        assert!(message("app:blocks").contains("cannot block here"));
        assert_eq!(message("app:empty"), "method \"main\" not found in module");
        assert_eq!(message("app:function"), "Ok(Str(\"f\"))");
        assert_eq!(node.kernel.hosts.get("app:host").map(|host| host.live()), Ok(0));
    }
}

#[test]
fn a_busy_neighbour_does_not_stop_a_conversation() {
    let scheduler = SchedulerOptions { workers: 1, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() }).expect("starts");
    node.add_host("app:host", HostKind::Processes, false).expect("added");
    let define = |id: &str, body: &str| {
        let source = format!("return {{ main = function(...) {body} end }}");
        node.define(id, &source).expect("compiles");
    };
    define("app:busy", "local n = 0 while true do n = n + 1 end");
    define("app:echo", ECHO.1);
    define(
        "app:ping",
        r#"
        local inbox = process.inbox()
        local echo = assert(process.spawn("app:echo", "app:host"))
        for i = 1, 20 do
            process.send(echo, "ask", i)
            assert(inbox:receive():payload():data() == i)
        end"#,
    );
    for _ in 0..4 {
        node.spawn("app:busy", "app:host", &[]).expect("spawned");
    }
    let (_, ping) = node.spawn("app:ping", "app:host", &[]).expect("spawned");
    assert_eq!(ping.wait(LONG), Ok(Value::Nil));
}

#[test]
fn preemption_keeps_results_exact() {
    check(&[(
        "main",
        r#"
        local function spin(n) local x = 0 for i = 1, n do x = x + i % 7 end return x end
        local expected = 0 for i = 1, 1000 do expected = expected + i % 7 end
        local gen = coroutine.wrap(function()
            while true do
                local ok, v = pcall(spin, 3000000)
                coroutine.yield(ok and v)
            end
        end)
        local first = gen()
        for _ = 1, 5 do assert(gen() == first) end
        assert(spin(1000) == expected)"#,
    )]);
}

#[test]
fn hostile_values_end_in_errors() {
    check(&[
        ECHO,
        (
            "main",
            r#"
            local echo = assert(process.spawn("app:echo", "app:host"))
            local deep = {}
            for _ = 1, 100000 do deep = {deep} end
            local ok, err = pcall(process.send, echo, "ask", deep)
            assert(not ok and string.find(tostring(err), "nested too deeply"), tostring(err))
            local inbox = process.inbox()
            assert(process.send(echo, "ask", "alive"))
            assert(inbox:receive():payload():data() == "alive")
            local function recurse() return recurse() + 1 end
            assert(not pcall(recurse))
            assert(not pcall(string.rep, "x", 1500000000))"#,
        ),
    ]);
}

#[test]
fn a_deadlock_is_named() {
    check(&[
        ("stuck", "channel.select{}"),
        (
            "later",
            r#"
            coroutine.spawn(function() time.sleep("1ms") end)
            time.after("5ms")
            channel.select{}"#,
        ),
        (
            "main",
            r#"
            local events = process.events()
            for _, name in ipairs({"stuck", "later"}) do
                assert(process.spawn_monitored("app:" .. name, "app:host"))
                local e = events:receive()
                local problem = e.result.error
                assert(string.find(problem:message(), "^deadlock: all coroutines blocked"))
                assert(problem:kind() == errors.UNKNOWN and problem:retryable() == nil)
            end"#,
        ),
    ]);
}

/// Also once the runtime knows the chunk, and could start it elsewhere without waiting for it.
#[test]
fn a_missing_method_is_told_each_time() {
    check(&[
        // Out of the function, whose name then stands for nothing.
        ("child", "end main = nil do"),
        (
            "main",
            r#"
            for n = 1, 200 do
                local pid, problem = process.spawn_linked_monitored("app:child", "app:host")
                assert(pid == nil, "spawn " .. n)
                assert(problem:kind() == errors.NOT_FOUND)
                assert(problem:message() == 'method "main" not found in module')
            end
            time.sleep("1ms")"#,
        ),
    ]);
}

#[test]
fn a_burst_of_children_all_report() {
    check(&[
        ("child", "local n = ... return n"),
        (
            "main",
            r#"
            local events = process.events()
            local n = 300
            for i = 1, n do assert(process.spawn_monitored("app:child", "app:host", i)) end
            local sum = 0
            for _ = 1, n do sum = sum + events:receive().result.value end
            assert(sum == n * (n + 1) / 2)"#,
        ),
    ]);
}

#[test]
fn children_in_other_vms_get_what_is_sent_to_them_at_once() {
    // Children of which nobody has seen one end go to all VMs, where nobody waits for their start:
    // they are watched, linked and found all the same, and their mail comes in order.
    check(&[
        (
            "child",
            r#"
            local first, inbox = ..., process.inbox()
            for i = first, first + 2 do
                local got = inbox:receive():payload():data()
                if got ~= i then return "out of order" end
            end
            if first % 2 == 0 then error("even") end
            return first"#,
        ),
        (
            "main",
            r#"
            assert(process.set_options({ trap_links = true }))
            local children, events = {}, process.events()
            for first = 1, 300 do
                local pid = assert(process.spawn_linked_monitored("app:child", "app:host", first))
                children[pid] = first
                local _, again = process.monitor(pid)
                assert(again and tostring(again):find("already monitoring"), tostring(again))
                for i = first, first + 2 do assert(process.send(pid, "n", i)) end
            end
            local exits, downs = 0, 0
            while exits < 300 or downs < 150 do
                local e = events:receive()
                local first = children[e.from]
                if e.kind == process.event.EXIT then
                    exits = exits + 1
                    if first % 2 == 0 then
                        assert(tostring(e.result.error):find("even"), tostring(e.result.error))
                    else
                        assert(e.result.value == first, tostring(e.result.value))
                    end
                else
                    assert(e.kind == process.event.LINK_DOWN and first % 2 == 0, e.kind)
                    downs = downs + 1
                end
            end
            return "ok""#,
        ),
    ]);
}

#[test]
fn a_body_that_may_fail_is_waited_for() {
    check(&[
        ("child", "return ..."),
        (
            // Its body asks a name: it goes well until somebody has it.
            "moody",
            r#"
            return 1
            end
            if process.registry.lookup("stop") then error("no more") end
            do local _ = nil"#,
        ),
        (
            "main",
            r#"
            for _ = 1, 20 do assert(process.spawn("app:moody", "app:host")) end
            assert(process.registry.register("stop"))
            for _ = 1, 20 do
                local pid, err = process.spawn("app:moody", "app:host")
                assert(pid == nil and tostring(err):find("no more"), tostring(err))
            end
            return "ok""#,
        ),
    ]);
}

#[test]
fn code_that_cannot_be_suspended_ends_in_an_error() {
    let programs: &[(&str, &str)] = &[
        ("sort", "table.sort({3, 2, 1}, function() while true do end end)"),
        ("match", "return (('a'):rep(300000)):find('.-b')"),
        (
            "main",
            r#"
            local events = process.events()
            for _, name in ipairs({"sort", "match"}) do
                assert(process.spawn_monitored("app:" .. name, "app:host"))
            end
            for _ = 1, 2 do
                local text = events:receive().result.error:message()
                assert(string.find(text, "runs for too long"), text)
            end"#,
        ),
    ];
    // A worker for each of the two that hold theirs, and one for the watcher.
    let scheduler = SchedulerOptions { workers: 3, ..SchedulerOptions::default() };
    assert_eq!(run_on(scheduler, programs, true), Ok(Value::Nil));
}

/// A burst opens VMs beyond those that are kept; once they are empty and idle, they go.
#[test]
fn vms_that_a_burst_has_opened_are_given_back() {
    let scheduler = SchedulerOptions { workers: 1, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() }).expect("starts");
    node.add_host("app:host", HostKind::Processes, false).expect("new");
    node.define("app:idle", "return { main = function() process.inbox():receive() end }")
        .expect("compiles");
    let main = r#"
        local function main(n)
            local pids, events = {}, process.events()
            for i = 1, n do pids[i] = assert(process.spawn_monitored("app:idle", "app:host")) end
            for _, pid in ipairs(pids) do process.send(pid, "end") end
            for _ = 1, n do events:receive() end
        end
        return { main = main }"#;
    node.define("app:main", main).expect("compiles");
    let (_, ended) = node.spawn("app:main", "app:host", &[Value::Int(12_000)]).expect("starts");
    ended.wait(LONG).expect("succeeds");
    let opened = node.pool.len();
    assert!(opened > 2, "{opened} VMs for 12,000 processes");

    let begin = std::time::Instant::now();
    while node.pool.len() > 2 {
        assert!(begin.elapsed() < LONG, "{} VMs are still open", node.pool.len());
        std::thread::yield_now();
    }
}

/// A process that holds too much ends, also if it would catch the error; what it has thrown away does
/// not count, and the others do not notice.
#[test]
fn a_process_over_its_memory_limit_ends_alone() {
    let node = Node::start(Options::default()).expect("starts");
    let limited = Host::new(HostId::intern("app:limited"), HostKind::Processes, false);
    node.add(limited.with_memory_limit(Some(4 << 20))).expect("new");
    node.add_host("app:host", HostKind::Processes, false).expect("new");
    let run = |name: &str, body: &str| {
        let source = format!("return {{ main = function()\n{body}\nend }}");
        node.define(name, &source).expect("compiles");
        node.spawn(name, "app:limited", &[]).map(|(_, ended)| ended)
    };
    let neighbour = "process.inbox():receive() return 'alive'";
    let neighbour = node
        .define("app:neighbour", &format!("return {{ main = function() {neighbour} end }}"))
        .and_then(|()| node.spawn("app:neighbour", "app:host", &[]))
        .expect("starts");

    let keeper = run("app:keeper", "local all = {} while true do all[#all + 1] = {#all} end");
    let catcher = run(
        "app:catcher",
        "local ok = pcall(string.rep, 'x', 500000000) process.inbox():receive() return ok",
    );
    let joiner = run(
        "app:joiner",
        "local s = 'x' while true do local ok, more = pcall(function() return s .. s end)
         if ok then s = more end end",
    );
    let spender = run(
        "app:spender",
        "local sum = 0 for i = 1, 1000000 do local t = {i, i, i, i} sum = sum + #t end return sum",
    );
    for hog in [keeper, catcher, joiner] {
        let error = hog.expect("starts").wait(LONG).expect_err("held too much");
        assert_eq!((error.message(), error.retryable()), ("memory limit exceeded", None));
    }
    assert_eq!(spender.expect("starts").wait(LONG), Ok(Value::Int(4_000_000)));
    // In the chunk body it is the spawn that fails.
    node.define("app:chunk", "local s = string.rep('x', 100000000) return function() return s end")
        .expect("compiles");
    let refused = node.spawn("app:chunk", "app:limited", &[]).map(|_| ());
    assert_eq!(refused.expect_err("too much").message(), "memory limit exceeded");
    node.send(neighbour.0, "end", &[]).expect("lives");
    assert_eq!(neighbour.1.wait(LONG), Ok(Value::from("alive")));
}

/// A host gets a memory limit while a process is on its way to a VM that others share: they are not to
/// have it.
#[test]
fn a_limit_that_comes_late_is_nobody_elses() {
    let scheduler = SchedulerOptions { workers: 1, pin: false, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() }).expect("starts");
    let host = node.add_host("app:host", HostKind::Processes, false).expect("new");
    let holder = "return {main = function()
        process.inbox():receive()
        return #string.rep('x', 30000000)
    end}";
    let waits = "return {main = function() process.inbox():receive() end}";
    for (name, source) in [("app:holder", holder), ("app:gate", waits), ("app:late", waits)] {
        node.define(name, source).expect("compiles");
    }
    // Enough for all VMs that are shared.
    let holders: Vec<_> =
        (0..8).map(|_| node.spawn("app:holder", "app:host", &[]).expect("starts")).collect();
    let (is_entered, open) = gate::build(&node);
    let (told, started) = mpsc::channel();
    let spawn = |source: &str| {
        let told = told.clone();
        let spawn = RootSpawn {
            source: source.into(),
            host: "app:host".into(),
            args: Wire::new(),
            frame: None,
            terminal: None,
            on_end: None,
        };
        node.kernel.spawn(spawn, Box::new(move |pid| told.send(pid).expect("the test listens")));
    };
    spawn("app:gate");
    is_entered.recv_timeout(LONG).expect("the worker is held");
    // Its VM is chosen now.
    spawn("app:late");
    host.configure(false, Some(1 << 20));
    open.send(()).expect("the worker waits");
    for _ in 0..2 {
        assert!(started.recv_timeout(LONG).expect("answered").is_ok());
    }
    for (pid, ended) in holders {
        node.send(pid, "go", &[]).expect("lives");
        assert_eq!(ended.wait(LONG), Ok(Value::Int(30_000_000)));
    }
}

#[test]
fn a_thread_of_the_program_talks_with_processes() {
    let scheduler = SchedulerOptions { workers: 2, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() }).expect("starts");
    node.add_host("app:host", HostKind::Processes, false).expect("a free name");
    node.define(
        "test:upper",
        r#"local function main()
             while true do
               local message = process.inbox():receive()
               local n, text = message:payload()[1]:data(), message:payload()[2]:data()
               process.send(message:from(), "answer", n, text:upper())
             end
           end
           return { main = main }"#,
    )
    .expect("compiles");
    let endpoint = node.endpoint().expect("starts");
    let (pid, _ended) = node.spawn("test:upper", "app:host", &[]).expect("starts");
    for n in 0..5_000 {
        let values = [Value::Int(n), "text".into()];
        endpoint.send(pid, "question", values, LONG).expect("it lives");
    }
    for n in 0..5_000 {
        let answer = endpoint.receive(LONG).expect("an answer");
        assert_eq!((answer.from, answer.topic.as_str()), (pid, "answer"));
        assert_eq!(answer.values, [Value::Int(n), "TEXT".into()]);
    }
    node.kernel.kill(Pid::NONE, pid, Error::internal("enough")).expect("it lives");
    let gone = loop {
        match endpoint.send(pid, "question", (), LONG) {
            Ok(()) => std::thread::yield_now(),
            Err(error) => break error,
        }
    };
    assert_eq!(*gone.kind(), Kind::NotFound);
}

/// A lifecycle handler that refuses a process undoes its start: nobody has seen it, nothing is left.
#[test]
fn a_refused_start_leaves_nothing() {
    struct Guard;

    impl Handler for Guard {
        fn on_start(&self, process: &Started<'_>) -> Result<(), Error> {
            match process.source.name() {
                "unwanted" => Err(Error::invalid("no entry")),
                _ => Ok(()),
            }
        }

        fn on_complete(&self, process: &Started<'_>, _: &Exit) {
            assert_ne!(process.source.name(), "unwanted", "it never was");
        }
    }

    let node = Node::start(Options::default()).expect("starts");
    node.kernel.lifecycle.register("guard", Arc::new(Guard));
    for (host, isolated) in [("app:shared", false), ("app:cells", true)] {
        node.add_host(host, HostKind::Processes, isolated).expect("new");
        node.define("app:unwanted", "return { main = function() error('it ran') end }")
            .expect("compiles");
        let main = format!(
            "return {{ main = function()
                for _, spawn in {{process.spawn_monitored, process.spawn_linked}} do
                    local pid, err = spawn('app:unwanted', '{host}')
                    assert(pid == nil and tostring(err):find('no entry'), tostring(err))
                end
                local events, timeout = process.events(), require('time').after('20ms')
                local got = channel.select {{ events:case_receive(), timeout:case_receive() }}
                assert(got.channel == timeout, 'an event of a process that never was')
                return 'fine'
            end }}"
        );
        node.define("app:main", &main).expect("compiles");
        let (_, ended) = node.spawn("app:main", host, &[]).expect("starts");
        assert_eq!(ended.wait(LONG), Ok("fine".into()));
        assert!(node.kernel.table().is_empty());
    }
}

/// A start that its parent does not wait for, and that fails all the same, is an end: watchers and
/// links hear of it, and nothing is left.
#[test]
fn a_start_that_fails_later_is_an_end() {
    /// Refuses all but the first few.
    struct Guard(AtomicUsize);

    impl Handler for Guard {
        fn on_start(&self, process: &Started<'_>) -> Result<(), Error> {
            let earlier = match process.source.name() {
                "child" => self.0.fetch_add(1, Ordering::SeqCst),
                _ => 0,
            };
            if earlier < 10 { Ok(()) } else { Err(Error::invalid("enough of them")) }
        }

        fn on_complete(&self, _: &Started<'_>, _: &Exit) {}
    }

    let scheduler = SchedulerOptions { workers: 2, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() }).expect("starts");
    node.kernel.lifecycle.register("guard", Arc::new(Guard(AtomicUsize::new(0))));
    node.add_host("app:host", HostKind::Processes, false).expect("new");
    node.define("app:child", "return { main = function() return process.inbox():receive() end }")
        .expect("compiles");
    node.define(
        "app:main",
        r#"
        local function main()
            assert(process.set_options({ trap_links = true }))
            local events, refused, ended, downs = process.events(), 0, 0, 0
            local living = {}
            for _ = 1, 50 do
                local pid, err = process.spawn_linked_monitored("app:child", "app:host")
                if pid then
                    table.insert(living, pid)
                else
                    assert(tostring(err):find("enough of them"), tostring(err))
                    refused = refused + 1
                end
            end
            -- Those that live end in order, the others have ended.
            for _, pid in living do process.send(pid, "go") end
            while refused + ended < 50 or downs < ended - 10 do
                local e = events:receive()
                if e.kind == process.event.EXIT then
                    ended = ended + 1
                    local err = e.result.error
                    assert(err == nil or tostring(err):find("enough of them"), tostring(err))
                else
                    downs = downs + 1
                end
            end
            return downs > 0
        end
        return { main = main }"#,
    )
    .expect("compiles");
    let (_, ended) = node.spawn("app:main", "app:host", &[]).expect("starts");
    assert_eq!(ended.wait(LONG), Ok(true.into()));
    assert!(node.kernel.table().is_empty());
}
