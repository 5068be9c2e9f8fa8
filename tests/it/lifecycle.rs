//! Events of processes field by field, and who gets them. Specification 01, sections 2, 4.4, 4.5, 6.

use crate::programs::check;

/// Ends as it is told: `{value}`, `{raise}`, or it waits for mail first.
const CHILD: (&str, &str) = (
    "child",
    r#"
    local how, boss = ...
    if how == "wait" then process.inbox():receive() return "done" end
    if how == "fail" then return nil, "failed" end
    if how == "fail late" then process.inbox():receive() error(errors.new{message = "late", kind = errors.CONFLICT}) end
    if how == "cancel" then
        local event = process.events():receive()
        return event
    end
    return how"#,
);

#[test]
fn events_have_these_fields_and_no_others() {
    check(&[
        CHILD,
        (
            "main",
            r#"
            local events = process.events()
            assert(events == process.events())
            local function fields(t)
                local names = {}
                for name in t do table.insert(names, name) end
                table.sort(names)
                return table.concat(names, " ")
            end
            local pid = assert(process.spawn_monitored("app:child", "app:host", "value"))
            local exit = events:receive()
            assert(fields(exit) == "at from kind result" and getmetatable(exit) == nil)
            assert(exit.kind == "pid.exit" and exit.kind == process.event.EXIT and exit.from == pid)
            assert(fields(exit.result) == "value" and exit.result.value == "value")
            assert(math.abs(exit.at - os.time()) < 60)

            process.spawn_monitored("app:child", "app:host")
            assert(fields(events:receive().result) == "")
            process.spawn_monitored("app:child", "app:host", "fail")
            local failed = events:receive()
            assert(fields(failed.result) == "error" and tostring(failed.result.error) == "failed")
            assert(failed.result.error:kind() == errors.INTERNAL and failed.result.error:retryable() == false)

            process.set_options({trap_links = true})
            pid = assert(process.spawn_linked_monitored("app:child", "app:host", "fail late"))
            process.send(pid, "go")
            exit = events:receive()
            assert(exit.kind == process.event.EXIT, "EXIT before LINK_DOWN")
            local down = events:receive()
            assert(fields(down) == "at from kind result" and fields(down.result) == "error")
            assert(down.kind == "pid.link.down" and down.kind == process.event.LINK_DOWN and down.from == pid)
            assert(down.result.error:kind() == errors.CONFLICT)

            pid = assert(process.spawn_monitored("app:child", "app:host", "cancel"))
            assert(process.cancel(pid, "enough") == true)
            local cancel = events:receive().result.value
            assert(fields(cancel) == "at from kind reason")
            assert(cancel.kind == "pid.cancel" and cancel.kind == process.event.CANCEL)
            assert(cancel.from == process.pid() and cancel.reason == "enough" and type(cancel.at) == "number")
            for reason, expect in {[false] = "", [5] = "5"} do
                pid = assert(process.spawn_monitored("app:child", "app:host", "cancel"))
                process.cancel(pid, reason or nil)
                assert(events:receive().result.value.reason == expect)
            end
            assert(not pcall(process.cancel, pid, true) and not pcall(process.cancel, pid, {}))
            assert(process.event.OUTDATED == "pid.outdated")
            assert(not pcall(function() process.event.EXIT = 1 end))"#,
        ),
    ]);
}

#[test]
fn at_the_exit_nothing_is_left() {
    check(&[
        (
            "named",
            r#"
            process.registry.register("a")
            process.registry.register("b")
            process.inbox():receive()"#,
        ),
        (
            "main",
            r#"
            local events = process.events()
            for _ = 1, 20 do
                local pid = assert(process.spawn_monitored("app:named", "app:host"))
                process.send(pid, "end")
                events:receive()
                assert(process.registry.lookup("a") == nil and process.registry.lookup("b") == nil)
                local ok, problem = process.send(pid, "t")
                assert(ok == nil and problem:kind() == errors.NOT_FOUND)
                assert(string.find(tostring(problem), "not found"))
            end"#,
        ),
    ]);
}

#[test]
fn monitors() {
    check(&[
        CHILD,
        (
            "main",
            r#"
            local events = process.events()
            local pid = assert(process.spawn("app:child", "app:host", "wait"))
            assert(process.monitor(pid) == true)
            local ok, problem = process.monitor(pid)
            assert(ok == nil and problem:kind() == errors.INTERNAL and tostring(problem) == "already monitoring pid")
            assert(process.unmonitor(pid) == true and process.unmonitor(pid) == true)
            assert(process.monitor(pid) == true)
            process.send(pid, "end")
            local event = events:receive()
            assert(event.from == pid and event.result.value == "done")
            ok, problem = process.monitor(pid)
            assert(ok == nil and problem:kind() == errors.INTERNAL and tostring(problem) == "pid not registered")
            assert(process.unmonitor(pid) == true)
            ok, problem = process.monitor("nobody")
            assert(ok == nil and problem:kind() == errors.NOT_FOUND)
            assert(tostring(problem) == "could not resolve 'nobody' as PID or registered name")
            -- Nothing more has come.
            local r = channel.select{events:case_receive(), default = true}
            assert(r.default)"#,
        ),
    ]);
}

#[test]
fn links() {
    check(&[
        CHILD,
        (
            "main",
            r#"
            process.set_options({trap_links = true})
            local events = process.events()
            local a = assert(process.spawn("app:child", "app:host", "fail late"))
            assert(process.link(a) == true and process.link(a) == true)
            assert(process.unlink(a) == true and process.unlink(a) == true)
            process.monitor(a)
            process.send(a, "go")
            assert(events:receive().kind == process.event.EXIT)
            local ok, problem = process.link(a)
            assert(ok == nil and problem:kind() == errors.INTERNAL)
            local b = assert(process.spawn("app:child", "app:host", "fail late"))
            assert(process.link(b))
            process.send(b, "go")
            local event = events:receive()
            assert(event.kind == process.event.LINK_DOWN and event.from == b, "after an unlink there is one event")
            assert(process.link(process.pid()) == true)"#,
        ),
    ]);
}

#[test]
fn message_objects() {
    check(&[(
        "main",
        r#"
        local me, inbox = process.pid(), process.inbox()
        assert(inbox == process.inbox())
        process.send(me, "t")
        local m = inbox:receive()
        assert(m:topic() == "t" and m:from() == me and m:payload() == nil)
        assert(tostring(m) == "process.Message{topic=t}" and m.data == nil)
        process.send(me, "t", {1})
        local p = inbox:receive():payload()
        assert(p:get_format() == payload.format.LUA and p:data()[1] == 1)
        local topic = process.listen("raw")
        assert(topic == process.listen("raw"))
        process.send(me, "raw")
        process.send(me, "raw", 1)
        process.send(me, "raw", 1, nil, 3)
        assert(topic:receive() == nil and topic:receive() == 1)
        local several = topic:receive()
        assert(several[1] == 1 and several[2] == nil and several[3] == 3)
        assert(process.listen("raw", {message = true}) == topic)
        process.send(me, "raw", 2)
        assert(topic:receive():payload():data() == 2)
        assert(process.listen("raw") == topic)
        process.send(me, "raw", 3)
        assert(topic:receive():topic() == "raw", "never the other way")
        process.send(me, "raw", 4)
        process.send(me, "raw", 5)
        assert(process.unlisten(topic) == true)
        assert(topic:receive():payload():data() == 4, "what was buffered")
        local value, ok = topic:receive()
        assert(value == nil and ok == false)
        assert(inbox:receive():payload():data() == 5)
        local no, problem = process.unlisten(topic)
        assert(no == false and problem:kind() == errors.NOT_FOUND)
        for _, bad in {"", "@pid/inbox", "@x"} do
            local none, problem = process.listen(bad)
            assert(none == nil and problem:kind() == errors.INVALID)
        end
        for _, args in {{me}, {}, {me, "@x"}} do
            local none, problem = process.send(table.unpack(args))
            assert(none == nil and problem:kind() == errors.INVALID)
        end
        assert(not pcall(process.send, nil, "t") and not pcall(process.unlisten, 5))"#,
    )]);
}

#[test]
fn names() {
    check(&[
        CHILD,
        (
            "main",
            r#"
            local names, me = process.registry, process.pid()
            local function fails(kind, text, value, problem)
                assert(value == nil and problem:kind() == kind and tostring(problem) == text, tostring(problem))
            end
            assert(names.LOCAL == 0 and names.EVENTUAL == 1 and names.CONSISTENT == 2 and names.STRONG == 3)
            assert(names.register("x") == true and names.register("x") == true and names.lookup("x") == me)
            local other = assert(process.spawn("app:child", "app:host", "wait"))
            fails(errors.ALREADY_EXISTS, "name already registered", names.register("x", other))
            assert(names.register("y", other) == true and names.register("y2", other, 17) == true)
            assert(process.send("y", "end"))
            fails(errors.INVALID, "pid must be a string", names.register("z", 5))
            fails(errors.INVALID, "invalid pid format: missing braces", names.register("z", "nobody"))
            fails(errors.INVALID, "invalid pid format: missing pipe", names.register("z", "{nobody}"))
            fails(errors.INVALID, "scope must be a number", names.register("z", nil, "local"))
            fails(errors.INTERNAL, "eventual registry not available", names.register("z", nil, names.EVENTUAL))
            fails(errors.INTERNAL, "global registry not available", names.register("z", nil, names.CONSISTENT))
            fails(errors.INTERNAL, "global registry not available", names.unregister("z", names.STRONG))
            fails(errors.NOT_FOUND, "name not registered", names.lookup("z"))
            assert(names.unregister("x") == true and names.unregister("x") == false)
            assert(not pcall(function() names.LOCAL = 1 end))"#,
        ),
    ]);
}

#[test]
fn a_failure_that_nobody_has_taken_ends_who_no_longer_traps() {
    check(&[
        CHILD,
        (
            "changes",
            r#"
            local boss = ...
            process.set_options({trap_links = true})
            local pid = assert(process.spawn_linked_monitored("app:child", "app:host", "fail late"))
            process.send(pid, "go")
            -- The EXIT comes first, and nobody takes the LINK_DOWN.
            assert(process.events():receive().kind == process.event.EXIT)
            assert(process.set_options({trap_links = true}), "changes nothing")
            process.send(boss, "traps")
            process.inbox():receive()
            assert(process.set_options({trap_links = false}))
            -- At the next point where it waits.
            process.inbox():receive()"#,
        ),
        (
            "main",
            r#"
            local inbox, events = process.inbox(), process.events()
            local pid = assert(process.spawn_monitored("app:changes", "app:host", process.pid()))
            inbox:receive()
            process.send(pid, "go on")
            local event = events:receive()
            assert(event.from == pid and tostring(event.result.error) == "linked process failed", tostring(event.result.error))
            assert(event.result.error:retryable() == nil)"#,
        ),
    ]);
}
