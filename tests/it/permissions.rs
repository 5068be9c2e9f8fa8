//! What policies deny to processes and groups. Specification 01, section 15, and 04, section 4.5.

use crate::programs::check;

/// Tries one thing as an actor that may do everything but one action; tells how it was denied.
const GUARDED: (&str, &str) = (
    "guarded",
    r#"
    local what, peer = ...
    local pg, security = require("pg"), require("security")
    local function spawner() return process.with_options({}) end
    local things = {
        ["process.send"] = function() return process.send(peer, "t") end,
        ["process.cancel"] = function() return process.cancel(peer) end,
        ["process.terminate"] = function() return process.terminate(peer) end,
        ["process.monitor"] = function() return process.monitor(peer) end,
        ["process.unmonitor"] = function() return process.unmonitor(peer) end,
        ["process.link"] = function() return process.link(peer) end,
        ["process.unlink"] = function() return process.unlink(peer) end,
        ["process.spawn"] = function() return process.spawn("app:idle", "app:host") end,
        ["process.spawn.monitored"] = function() return process.spawn_monitored("app:idle", "app:host") end,
        ["process.spawn.linked"] = function() return process.spawn_linked("app:idle", "app:host") end,
        ["process.host"] = function() return process.spawn("app:idle", "app:host") end,
        ["process.exec"] = function() return process.exec("app:idle", "app:host") end,
        ["process.registry.register"] = function() return process.registry.register("n") end,
        ["process.registry.register.eventual"] = function() return process.registry.register("n", nil, 1) end,
        ["process.registry.unregister"] = function() return process.registry.unregister("n") end,
        ["process.registry.foreign"] = function() return process.registry.register("n", peer) end,
        ["process.context"] = function() return process.with_context({}) end,
        ["process.security"] = function() return spawner():with_actor(security.actor()) end,
        ["network.select"] = function() return spawner():with_options({network = "app:net"}) end,
        ["pg.open"] = function() return pg.open("app:groups") end,
        ["pg.join"] = function() return pg.open("app:groups"):join("g") end,
        ["pg.leave"] = function() return pg.open("app:groups"):leave("g") end,
        ["pg.get_members"] = function() return pg.open("app:groups"):get_members("g") end,
        ["pg.get_local_members"] = function() return pg.open("app:groups"):get_local_members("g") end,
        ["pg.which_groups"] = function() return pg.open("app:groups"):which_groups() end,
        ["pg.which_local_groups"] = function() return pg.open("app:groups"):which_local_groups() end,
        ["pg.broadcast"] = function() return pg.open("app:groups"):broadcast("g", "t") end,
        ["pg.broadcast_local"] = function() return pg.open("app:groups"):broadcast_local("g", "t") end,
        ["pg.monitor"] = function() return pg.open("app:groups"):monitor("g") end,
        ["pg.events"] = function() return pg.open("app:groups"):events() end,
        ["security.policy.get"] = function() return security.policy("app:all") end,
        ["security.policy_group.get"] = function() return security.named_scope("app:staff") end,
        ["security.actor.create"] = function() return security.new_actor("x") end,
        ["security.scope.create"] = function() return security.new_scope() end,
    }
    local function how(ok, value, problem)
        if not ok then return "raises " .. (type(value) == "userdata" and value:kind() or tostring(value)) end
        if problem == nil then return "allowed" end
        return tostring(value) .. " " .. problem:kind()
    end
    local all = {}
    for name, try in things do
        if what == "names" then table.insert(all, name) end
        if what == name then return how(pcall(try)) end
    end
    table.sort(all)
    return all"#,
);

#[test]
fn each_action_is_asked_for() {
    check(&[
        GUARDED,
        ("idle", "process.inbox():receive()"),
        ("ends", ""),
        (
            "main",
            r#"
            local security = require("security")
            local scope = assert(security.named_scope("app:staff"))
            local raising = {["process.context"] = true, ["process.security"] = true, ["network.select"] = true}
            local raises = {["security.actor.create"] = true, ["security.scope.create"] = true}
            local invalid = {["security.policy.get"] = true, ["security.policy_group.get"] = true}
            local names = assert(process.exec("app:guarded", "app:host", "names"))
            assert(#names > 30)
            for _, name in names do
                local peer = assert(process.spawn("app:idle", "app:host"))
                local actor = security.new_actor("ann", {denied = name})
                local got = assert(process.with_context({}):with_actor(actor):with_scope(scope)
                    :exec("app:guarded", "app:host", name, peer))
                local expect = "nil PermissionDenied"
                if raising[name] then expect = "raises PermissionDenied" end
                if raises[name] then expect = "raises Invalid" end
                if invalid[name] then expect = "nil Invalid" end
                assert(got == expect, name .. ": " .. got)
                process.terminate(peer)
            end
            -- Nothing is denied to whom the policy does not mean.
            for _, name in {"process.send", "process.monitor", "pg.open", "security.policy.get"} do
                local peer = assert(process.spawn("app:idle", "app:host"))
                local actor = security.new_actor("ann", {denied = "nothing"})
                local got = process.with_context({}):with_actor(actor):with_scope(scope)
                    :exec("app:guarded", "app:host", name, peer)
                assert(got == "allowed", name .. ": " .. tostring(got))
                process.terminate(peer)
            end"#,
        ),
    ]);
}

#[test]
fn spawners_raise_what_is_denied() {
    check(&[
        (
            "guarded",
            r#"
            local spawner = process.with_context({})
            local ok, problem = pcall(spawner.spawn, spawner, "app:idle", "app:host")
            assert(not ok and problem:kind() == errors.PERMISSION_DENIED)
            assert(string.find(tostring(problem), "not allowed to start: app:idle"))
            local value, denied = process.spawn("app:idle", "app:host")
            assert(value == nil and denied:kind() == errors.PERMISSION_DENIED and denied:retryable() == false)
            -- A spawner that carries an actor needs the right to change security as well.
            assert(pcall(spawner.with_context, spawner, {a = 1}))"#,
        ),
        ("idle", ""),
        (
            "main",
            r#"
            local security = require("security")
            local scope = assert(security.named_scope("app:staff"))
            local actor = security.new_actor("ann", {denied = "process.spawn"})
            local value, problem = process.with_context({}):with_actor(actor):with_scope(scope)
                :exec("app:guarded", "app:host")
            assert(problem == nil, tostring(problem))"#,
        ),
    ]);
}

#[test]
fn actor_and_scope_are_inherited() {
    check(&[
        (
            "leaf",
            r#"
            local security = require("security")
            local actor, scope = security.actor(), security.scope()
            if not scope then return {id = actor and actor:id(), can = security.can("read", "file")} end
            return {
                id = actor:id(), team = actor:meta().team, policies = #scope:policies(),
                can = security.can("read", "file"), cannot = security.can("write", "file"),
                meta = security.can("read", "file", {a = {1}}),
            }"#,
        ),
        ("middle", "return process.exec('app:leaf', 'app:host')"),
        (
            "main",
            r#"
            local security = require("security")
            assert(security.actor() == nil and security.scope() == nil)
            assert(security.can("read", "file") == false)
            local actor = security.new_actor("ann", {team = "red", denied = "write"})
            local scope = security.new_scope({assert(security.policy("app:all")), security.policy("app:but"), "x"})
            local spawner = process.with_context({}):with_actor(actor):with_scope(scope)
            local got = assert(spawner:exec("app:middle", "app:host"))
            assert(got.id == "ann" and got.team == "red" and got.policies == 2)
            assert(got.can and got.meta and not got.cannot)
            -- Half a context is none: everything is allowed, and yet `can` says no.
            local alone = assert(process.with_context({}):with_actor(actor):exec("app:leaf", "app:host"))
            assert(alone.id == "ann" and alone.can == false)
            assert(process.exec("app:leaf", "app:host").id == nil)"#,
        ),
    ]);
}
