//! Process groups. Specification 01, section 13.

use crate::programs::check;

#[test]
fn groups_have_members_and_hear_broadcasts() {
    check(&[
        (
            "member",
            r#"
            local boss = ...
            local group = assert(require("pg").open("app:groups"))
            assert(group:join("g"))
            process.send(boss, "ready")
            local m = process.listen("news", {message = true}):receive()
            assert(m:from() == boss)
            return m:payload():data()"#,
        ),
        (
            "main",
            r#"
            local pg = require("pg")
            local group = assert(pg.open("app:groups"))
            assert(#group:get_members("g") == 0 and #group:which_groups() == 0)
            assert(group:broadcast("g", "news") == true, "to nobody")
            local news, members, problem = group:monitor("g")
            assert(#members == 0 and problem == nil)
            local all, snapshot = group:events()
            assert(next(snapshot) == nil)
            local inbox, events = process.inbox(), process.events()
            local pids = {}
            for n = 1, 3 do
                pids[n] = assert(process.spawn_monitored("app:member", "app:host", process.pid()))
                inbox:receive()
            end
            assert(group:join({"g", "h", "g"}))
            local listed = {}
            for _, pid in group:get_members("g") do listed[pid] = (listed[pid] or 0) + 1 end
            assert(listed[process.pid()] == 2)
            for _, pid in pids do assert(listed[pid] == 1) end
            assert(#group:get_local_members("h") == 1 and #group:which_local_groups() == 2)
            assert(group:broadcast("g", "news", "hello"))
            for _ = 1, 3 do
                local event = events:receive()
                assert(event.result.value == "hello", tostring(event.result.error))
            end
            for _ = 1, 2 do assert(inbox:receive():topic() == "news") end
            assert(#group:get_members("g") == 2, "those who ended are gone")

            local ch = news:channel()
            assert(ch == news:channel())
            local joined, left = 0, 0
            for _ = 1, 8 do
                local event = ch:receive()
                assert(event.system == "pg" and event.path == "g" and event.data.Group == "g")
                assert(#event.data.PIDs == 1)
                if event.kind == "member.joined" then joined = joined + 1 end
                if event.kind == "member.left" then left = left + 1 end
            end
            assert(joined == 5 and left == 3)
            local first = all:channel():receive()
            assert(first.kind == "member.joined" and first.data.PIDs[1] == pids[1])

            assert(group:leave({"h", "nothing"}))
            local ok, problem = group:leave("h")
            assert(ok == nil and problem:kind() == errors.NOT_FOUND)"#,
        ),
    ]);
}

#[test]
fn an_end_removes_all_memberships_at_once() {
    check(&[
        (
            "member",
            r#"
            local group = require("pg").open("app:groups")
            group:join({"g", "g", "h"})
            group:release()
            process.inbox():receive()"#,
        ),
        (
            "main",
            r#"
            local group = assert(require("pg").open("app:groups"))
            local news, events = group:monitor("g"), process.events()
            local pid = assert(process.spawn_monitored("app:member", "app:host"))
            local ch = news:channel()
            for _ = 1, 2 do assert(ch:receive().kind == "member.joined") end
            assert(process.send(pid, "end"))
            events:receive()
            assert(#group:get_members("g") == 0 and #group:which_groups() == 0)
            local event = ch:receive()
            assert(event.kind == "member.left" and #event.data.PIDs == 2 and event.data.PIDs[1] == pid)"#,
        ),
    ]);
}

#[test]
fn subscriptions_close() {
    check(&[
        (
            "main",
            r#"
        local group = assert(require("pg").open("app:groups"))
        local kept, flushed = group:monitor("g"), group:events()
        group:join({"g", "g"})
        -- Another process is asked, so that the news has come by then.
        process.exec("app:nothing", "app:host")
        assert(kept:close() and kept:close() and flushed:close({flush = true}))
        local event, ok = flushed:channel():receive()
        assert(event == nil and ok == false)
        for _ = 1, 2 do
            event, ok = kept:channel():receive()
            assert(ok and event.kind == "member.joined")
        end
        event, ok = kept:channel():receive()
        assert(event == nil and ok == false)
        group:join("g")
        event, ok = kept:channel():receive()
        assert(event == nil and ok == false)"#,
        ),
        ("nothing", ""),
    ]);
}

#[test]
fn what_is_refused() {
    check(&[(
        "main",
        r#"
        local pg = require("pg")
        local function fails(kind, ...)
            local values = {...}
            assert(values[1] == nil and values[2]:kind() == kind, tostring(values[2]))
            return values[2]
        end
        fails(errors.INVALID, pg.open(""))
        fails(errors.INVALID, pg.open("app:all"))
        local missing = fails(errors.INTERNAL, pg.open("app:nothing"))
        assert(string.find(tostring(missing), "failed to acquire pg scope: ", 1, true))
        local group = assert(pg.open("app:groups"))
        for _, wrong in {"", {}, {"g", ""}} do
            fails(errors.INVALID, group:join(wrong))
            fails(errors.INVALID, group:leave(wrong))
        end
        fails(errors.INVALID, group:join())
        fails(errors.INVALID, group:get_members(""))
        fails(errors.INVALID, group:broadcast("", "t"))
        fails(errors.INVALID, group:broadcast("g", ""))
        fails(errors.INVALID, group:broadcast("g"))
        fails(errors.INVALID, group:monitor(""))
        local few = assert(pg.open("app:few"))
        local full = fails(errors.RATE_LIMITED, few:join({"a", "b"}))
        assert(full:retryable() == true and #few:which_groups() == 0)
        assert(few:join("a"))
        fails(errors.RATE_LIMITED, few:join("b"))
        assert(group:release() == true and group:release() == true)
        for _, method in {"join", "leave", "get_members", "get_local_members", "which_groups", "which_local_groups",
            "broadcast", "broadcast_local", "monitor", "events"} do
            local gone = fails(errors.INVALID, group[method](group, "g", "t"))
            assert(tostring(gone) == "pg instance is released")
        end
        assert(not pcall(function() pg.open = nil end))"#,
    )]);
}
