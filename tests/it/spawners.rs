//! Spawners, exec, upgrade. Specification 01, sections 4.3, 4.6, 4.8 and 11.

use crate::programs::check;

#[test]
fn context_is_merged_and_inherited() {
    check(&[
        ("leaf", "return require('ctx').all()"),
        (
            "middle",
            r#"
            local ctx = require("ctx")
            local own = ctx.all()
            local events = process.events()
            process.spawn_monitored("app:leaf", "app:host")
            local inherited = events:receive().result.value
            local over = process.with_context({b = "middle"})
            over:spawn_monitored("app:leaf", "app:host")
            local merged = events:receive().result.value
            return {own = own, inherited = inherited, merged = merged, exec = process.exec("app:leaf", "app:host")}"#,
        ),
        (
            "main",
            r#"
            local ctx = require("ctx")
            assert(next(ctx.all()) == nil)
            local values = {a = 1, b = "main", list = {1, nil, 3}, f = print, ch = channel.new(), deep = {x = {y = 2}}}
            local spawner = process.with_context(values)
            values.a = "changed later"
            local more = spawner:with_context({a = 5, [1] = "ignored"})
            local got = assert(spawner:exec("app:middle", "app:host"))
            assert(got.own.a == 1 and got.own.b == "main" and got.own.deep.x.y == 2)
            assert(got.own.list[1] == 1 and got.own.list[2] == nil and got.own.list[3] == 3)
            assert(string.find(got.own.f, "function") and type(got.own.ch) == "string")
            assert(got.inherited.a == 1 and got.inherited.b == "main" and got.exec.deep.x.y == 2)
            assert(got.merged.a == 1 and got.merged.b == "middle")
            got = assert(more:exec("app:middle", "app:host"))
            assert(got.own.a == 5 and got.own.b == "main")
            assert(next(ctx.all()) == nil, "nothing flows back")
            assert(not pcall(process.with_context, {[1] = 2}) and not pcall(process.with_context, 5))
            local value, problem = ctx.get("")
            assert(value == nil and problem:kind() == errors.INVALID)
            assert(not pcall(function() ctx.get = nil end))
            assert(tostring(spawner) == "process.Spawner{}")"#,
        ),
    ]);
}

#[test]
fn messages_come_first_in_the_mailbox() {
    check(&[
        (
            "child",
            r#"
            local special, inbox = process.listen("special"), process.inbox()
            local a = inbox:receive()
            assert(a:from() == "" and a:topic() == "first" and a:payload():data().n == 1)
            local b = inbox:receive()
            assert(b:topic() == "second" and b:payload()[2]:data() == "y")
            assert(inbox:receive():topic() == "from main")
            return special:receive()"#,
        ),
        (
            "main",
            r#"
            local events = process.events()
            local spawner = process.with_context({}):with_message("first", {n = 1})
            local more = spawner:with_message("special", "s"):with_message("second", "x", "y")
            for _ = 1, 2 do
                local pid = assert(more:spawn_monitored("app:child", "app:host"))
                process.send(pid, "from main")
                local result = events:receive().result
                assert(result.value == "s", tostring(result.error))
            end
            assert(not pcall(spawner.with_message, spawner, "@pid/inbox"))"#,
        ),
    ]);
}

#[test]
fn a_name_is_there_from_the_start_and_its_holder_is_signalled() {
    check(&[
        (
            "holder",
            r#"
            local who = ...
            assert(process.registry.lookup("relay") == process.pid())
            local inbox = process.inbox()
            local seen = {}
            for n = 1, 3 do
                local m = inbox:receive()
                assert(m:from() == "")
                seen[n] = m:payload():data()
            end
            return who .. table.concat(seen)"#,
        ),
        ("other", "error('is never started')"),
        (
            "main",
            r#"
            local events = process.events()
            local relay = process.with_options({}):with_name("relay")
            local pid = assert(relay:with_message("m", "a"):spawn_monitored("app:holder", "app:host", "first "))
            assert(process.registry.lookup("relay") == pid)
            assert(relay:with_message("m", "b"):spawn_linked_monitored("app:holder", "app:host", "second ") == pid)
            assert(relay:with_message("m", "c"):spawn_linked("app:other", "app:host") == pid)
            local event = events:receive()
            assert(event.from == pid and event.result.value == "first abc", tostring(event.result.error))
            assert(process.registry.lookup("relay") == nil)
            -- The name is free again; one that runs keeps it from an exec.
            local again = assert(relay:spawn("app:holder", "app:host", "third "))
            assert(again ~= pid)
            local value, problem = relay:exec("app:holder", "app:host", "x")
            assert(value == nil and problem:kind() == errors.INTERNAL, tostring(problem))
            assert(string.find(tostring(problem), "name already registered"))
            process.terminate(again)
            assert(not pcall(relay.with_name, relay, ""))"#,
        ),
    ]);
}

/// The name is taken while the chunk of the newcomer runs.
#[test]
fn a_name_lost_in_the_race_signals_the_winner() {
    check(&[(
        "main",
        r#"
        process.registry.register("winner")
        local changes = require("registry").snapshot():changes()
        changes:create({id = "app:late", kind = "process.lua", data = {source = [[
            process.registry.register("contested", process.registry.lookup("winner"))
            return function() error("must not run") end
        ]]}})
        assert(changes:apply())
        local spawner = process.with_context({}):with_name("contested"):with_message("m", "hello")
        assert(spawner:spawn("app:late", "app:host") == process.pid())
        assert(process.inbox():receive():payload():data() == "hello")"#,
    )]);
}

#[test]
fn spawners_raise_and_starts_return() {
    check(&[
        (
            "main",
            r#"
        local spawner = process.with_context({})
        local function raises(f, ...) assert(not pcall(f, ...), "does not raise") end
        raises(spawner.spawn, spawner)
        raises(spawner.spawn, spawner, "app:main")
        raises(spawner.exec, spawner, "main", "app:host")
        raises(spawner.with_actor, spawner, nil)
        raises(spawner.with_scope, spawner, nil)
        raises(spawner.with_actor, spawner, "ann")
        raises(spawner.with_context, spawner, nil)
        raises(spawner.with_options, spawner, nil)
        raises(process.with_options, {network = 5})
        raises(spawner.spawn, nil, "app:main", "app:host")
        local function fails(kind, text, pid, problem)
            assert(pid == nil and problem:kind() == kind, tostring(problem))
            assert(string.find(tostring(problem), text, 1, true), tostring(problem))
        end
        fails(errors.NOT_FOUND, "host not found", spawner:spawn("app:main", "app:nowhere"))
        fails(errors.NOT_FOUND, "factory not found", spawner:spawn("app:nothing", "app:host"))
        fails(errors.INTERNAL, "not a process host", spawner:spawn("app:main", "app:net"))
        fails(errors.INTERNAL, "not a process host", process.spawn("app:main", "app:net"))
        local lost = spawner:with_options({network = "app:nonet", other = {1}})
        fails(errors.NOT_FOUND, "network", lost:spawn("app:main", "app:host"))
        fails(errors.INVALID, "network", spawner:with_options({network = "app:all"}):spawn("app:main", "app:host"))
        assert(spawner:with_options({network = "app:net"}):exec("app:ok", "app:host") == 1)"#,
        ),
        ("ok", "return 1"),
    ]);
}

#[test]
fn exec_gives_the_result() {
    check(&[
        ("value", "local a, b = ... return {sum = a + b, pid = process.pid()}"),
        ("nothing", ""),
        ("text", "return false, 'refused'"),
        (
            "object",
            "return nil, errors.new{message = 'busy', kind = errors.CONFLICT, retryable = true}",
        ),
        ("raises", "error('boom', 0)"),
        ("slow", "process.inbox():receive() return 'late'"),
        (
            "main",
            r#"
            local got = assert(process.exec("app:value", "app:host", 1, 2))
            assert(got.sum == 3 and got.pid ~= process.pid())
            local value, problem = process.exec("app:nothing", "app:host")
            assert(value == nil and problem == nil)
            local function fails(kind, text, value, problem)
                assert(value == nil and problem:kind() == kind, tostring(problem))
                assert(string.find(tostring(problem), text, 1, true), tostring(problem))
                return problem
            end
            fails(errors.INTERNAL, "refused", process.exec("app:text", "app:host"))
            assert(fails(errors.CONFLICT, "busy", process.exec("app:object", "app:host")):retryable())
            fails(errors.INTERNAL, "boom", process.exec("app:raises", "app:host"))
            fails(errors.INVALID, "requires at least", process.exec("app:value"))
            for _, id in {"", "value", ":value", "app:"} do
                fails(errors.INVALID, "id", process.exec(id, "app:host"))
            end
            fails(errors.INVALID, "host", process.exec("app:value", ""))
            fails(errors.INTERNAL, "not found", process.exec("app:none", "app:host"))
            fails(errors.INTERNAL, "not found", process.exec("app:value", "app:none"))
            -- Only the calling coroutine waits.
            local done = channel.new(1)
            coroutine.spawn(function()
                done:send(process.with_context({}):with_name("slow"):exec("app:slow", "app:host"))
            end)
            local pid
            while not pid do
                coroutine.yield()
                pid = process.registry.lookup("slow")
            end
            process.send(pid, "go")
            assert(done:receive() == "late")"#,
        ),
    ]);
}

#[test]
fn upgrade_replaces_the_code_and_nothing_else() {
    check(&[
        (
            "old",
            r#"
            local boss = ...
            leftover = true
            process.registry.register("service")
            process.set_options({trap_links = true})
            local heard, kept = process.listen("heard"), process.listen("kept")
            process.send(boss, "ready")
            assert(heard:receive() == 1)
            coroutine.spawn(function() channel.new():receive() end)
            coroutine.wrap(function() process.upgrade("app:new", process.pid(), {n = 7}) end)()
            error("never comes back")"#,
        ),
        (
            "new",
            r#"
            local pid, state = ...
            if pid == "again" then return state end
            assert(leftover == nil, "fresh globals")
            assert(process.pid() == pid and process.id() == "app:new" and state.n == 7)
            assert(process.registry.lookup("service") == pid)
            assert(process.get_options().trap_links == false)
            assert(require("ctx").get("who") == "main")
            local inbox = process.inbox()
            local a, b = inbox:receive(), inbox:receive()
            assert(a:topic() == "kept" and b:topic() == "kept")
            process.upgrade(nil, "again", a:payload():data() .. b:payload():data())"#,
        ),
        (
            "main",
            r#"
            local inbox, events = process.inbox(), process.events()
            local pid = assert(process.with_context({who = "main"}):spawn_monitored("app:old", "app:host", process.pid()))
            inbox:receive()
            process.send(pid, "kept", "x")
            process.send(pid, "kept", "y")
            process.send(pid, "heard", 1)
            local event = events:receive()
            assert(event.from == pid and event.result.value == "xy", tostring(event.result.error))"#,
        ),
    ]);
}

/// What listeners had not handed out goes among the rest, by arrival.
#[test]
fn upgrade_keeps_the_order_of_mail() {
    check(&[
        (
            "old",
            r#"
            process.inbox()
            process.listen("a")
            process.listen("b")
            for n, topic in {"a", "b", "c", "b", "a", "c"} do
                process.send(process.pid(), topic, n)
            end
            process.upgrade("app:new")"#,
        ),
        (
            "new",
            r#"
            local inbox, got = process.inbox(), {}
            for n = 1, 6 do got[n] = inbox:receive():payload():data() end
            return table.concat(got, " ")"#,
        ),
        (
            "main",
            r#"
            local got = process.exec("app:old", "app:host")
            assert(got == "1 2 3 4 5 6", got)"#,
        ),
    ]);
}

#[test]
fn a_failed_upgrade_ends_the_process() {
    check(&[
        ("lost", "process.upgrade(...)"),
        (
            "main",
            r#"
            local events = process.events()
            local function fails(text, ...)
                assert(process.spawn_monitored("app:lost", "app:host", ...))
                local problem = tostring(events:receive().result.error)
                assert(string.find(problem, text, 1, true) == 1, problem)
            end
            fails("upgrade: create failed: ", "app:nothing")
            local changes = require("registry").snapshot():changes()
            changes:create({id = "app:bad", kind = "process.lua", data = {source = "error('in the chunk')"}})
            assert(changes:apply())
            fails("upgrade: init failed: ", "app:bad")"#,
        ),
    ]);
}
