//! What policies deny to processes and groups. Specification 01, section 15, and 04, section 4.5.

use crate::programs::check;

/// Tries one thing as an actor that may do everything but one action on one resource; tells how it was
/// denied. Each thing: action, resource (PEER is the other process), whether policies see the PID of the
/// process as well, how a denial shows, and what is tried.
const GUARDED: (&str, &str) = (
    "guarded",
    r#"
    local what, peer = ...
    local security = require("security")
    local function spawner() return process.with_options({}) end
    local function executor() return funcs.new() end
    local function groups() return pg.open("app:groups") end
    local function scope() return security.scope() end
    local names = process.registry
    -- How a denial shows, by what §4.6 calls it.
    local P, I = "nil PermissionDenied", "nil Invalid"
    local raises, raises_I = "raises PermissionDenied", "raises Invalid"
    local things = {
        send = {"process.send", "PEER", true, P, function() return process.send(peer, "t") end},
        cancel = {"process.cancel", "PEER", true, P, function() return process.cancel(peer) end},
        terminate = {"process.terminate", "PEER", true, P, function() return process.terminate(peer) end},
        monitor = {"process.monitor", "PEER", true, P, function() return process.monitor(peer) end},
        unmonitor = {"process.unmonitor", "PEER", true, P, function() return process.unmonitor(peer) end},
        link = {"process.link", "PEER", true, P, function() return process.link(peer) end},
        unlink = {"process.unlink", "PEER", true, P, function() return process.unlink(peer) end},
        spawn = {"process.spawn", "app:idle", true, P, function() return process.spawn("app:idle", "app:host") end},
        spawn_monitored = {"process.spawn", "app:idle", true, P, function() return process.spawn_monitored("app:idle", "app:host") end},
        spawn_linked = {"process.spawn", "app:idle", true, P, function() return process.spawn_linked("app:idle", "app:host") end},
        spawn_linked_monitored = {"process.spawn", "app:idle", true, P, function() return process.spawn_linked_monitored("app:idle", "app:host") end},
        monitored = {"process.spawn.monitored", "app:idle", true, P, function() return process.spawn_monitored("app:idle", "app:host") end},
        both_monitored = {"process.spawn.monitored", "app:idle", true, P, function() return process.spawn_linked_monitored("app:idle", "app:host") end},
        linked = {"process.spawn.linked", "app:idle", true, P, function() return process.spawn_linked("app:idle", "app:host") end},
        both_linked = {"process.spawn.linked", "app:idle", true, P, function() return process.spawn_linked_monitored("app:idle", "app:host") end},
        host = {"process.host", "app:host", true, P, function() return process.spawn("app:idle", "app:host") end},
        exec_host = {"process.host", "app:host", true, P, function() return process.exec("app:ends", "app:host") end},
        exec = {"process.exec", "app:ends", true, P, function() return process.exec("app:ends", "app:host") end},
        spawner_spawn = {"process.spawn", "app:idle", true, raises, function() return spawner():spawn("app:idle", "app:host") end},
        spawner_host = {"process.host", "app:host", true, raises, function() return spawner():spawn("app:idle", "app:host") end},
        spawner_monitored = {"process.spawn.monitored", "app:idle", true, raises, function() return spawner():spawn_monitored("app:idle", "app:host") end},
        spawner_linked = {"process.spawn.linked", "app:idle", true, raises, function() return spawner():spawn_linked("app:idle", "app:host") end},
        spawner_exec = {"process.exec", "app:ends", true, raises, function() return spawner():exec("app:ends", "app:host") end},
        register = {"process.registry.register", "n", true, P, function() return names.register("n") end},
        register_eventual = {"process.registry.register.eventual", "n", true, P, function() return names.register("n", nil, names.EVENTUAL) end},
        register_consistent = {"process.registry.register.consistent", "n", true, P, function() return names.register("n", nil, names.CONSISTENT) end},
        register_strong = {"process.registry.register.strong", "n", true, P, function() return names.register("n", nil, names.STRONG) end},
        unregister = {"process.registry.unregister", "n", true, P, function() return names.unregister("n") end},
        unregister_eventual = {"process.registry.unregister.eventual", "n", true, P, function() return names.unregister("n", names.EVENTUAL) end},
        unregister_consistent = {"process.registry.unregister.consistent", "n", true, P, function() return names.unregister("n", names.CONSISTENT) end},
        unregister_strong = {"process.registry.unregister.strong", "n", true, P, function() return names.unregister("n", names.STRONG) end},
        foreign = {"process.registry.foreign", "PEER", true, P, function() return names.register("n", peer) end},
        with_context = {"process.context", "context", true, raises, function() return process.with_context({}) end},
        with_options = {"process.context", "context", true, raises, function() return process.with_options({}) end},
        spawner_context = {"process.security", "security", true, raises, function() return spawner():with_context({}) end},
        spawner_actor = {"process.security", "security", true, raises, function() return spawner():with_actor(security.actor()) end},
        spawner_scope = {"process.security", "security", true, raises, function() return spawner():with_scope(scope()) end},
        spawner_network = {"network.select", "app:net", true, raises, function() return spawner():with_options({network = "app:net"}) end},
        call = {"funcs.call", "app:double", false, P, function() return funcs.call("app:double", 2) end},
        async = {"funcs.call", "app:double", false, P, function() return funcs.async("app:double", 2) end},
        executor_call = {"funcs.call", "app:double", false, P, function() return executor():call("app:double", 2) end},
        executor_async = {"funcs.call", "app:double", false, P, function() return executor():async("app:double", 2) end},
        executor_context = {"funcs.context", "context", false, P, function() return executor():with_context({}) end},
        -- Asked before the argument is looked at.
        executor_context_first = {"funcs.context", "context", false, P, function() return executor():with_context(5 :: any) end},
        executor_actor = {"funcs.security", "security", false, P, function() return executor():with_actor(security.actor()) end},
        executor_scope = {"funcs.security", "security", false, P, function() return executor():with_scope(scope()) end},
        executor_scope_first = {"funcs.security", "security", false, P, function() return executor():with_scope(nil :: any) end},
        executor_network = {"network.select", "app:net", false, P, function() return executor():with_options({network = "app:net"}) end},
        pg_open = {"pg.open", "app:groups", false, P, groups},
        pg_join = {"pg.join", "g", false, P, function() return groups():join("g") end},
        pg_join_list = {"pg.join", "g", false, P, function() return groups():join({"f", "g"}) end},
        pg_leave = {"pg.leave", "g", false, P, function() return groups():leave("g") end},
        pg_members = {"pg.get_members", "g", false, P, function() return groups():get_members("g") end},
        pg_local_members = {"pg.get_local_members", "g", false, P, function() return groups():get_local_members("g") end},
        pg_which = {"pg.which_groups", "", false, P, function() return groups():which_groups() end},
        pg_which_local = {"pg.which_local_groups", "", false, P, function() return groups():which_local_groups() end},
        pg_broadcast = {"pg.broadcast", "g", false, P, function() return groups():broadcast("g", "t") end},
        pg_broadcast_local = {"pg.broadcast_local", "g", false, P, function() return groups():broadcast_local("g", "t") end},
        pg_monitor = {"pg.monitor", "g", false, P, function() return groups():monitor("g") end},
        pg_events = {"pg.events", "", false, P, function() return groups():events() end},
        policy = {"security.policy.get", "app:all", false, I, function() return security.policy("app:all") end},
        named_scope = {"security.policy_group.get", "app:staff", false, I, function() return security.named_scope("app:staff") end},
        new_actor = {"security.actor.create", "x", false, raises_I, function() return security.new_actor("x") end},
        new_scope = {"security.scope.create", "custom", false, raises_I, function() return security.new_scope() end},
        scope_with = {"security.scope.create", "with", false, raises_I, function() return scope():with(security.policy("app:but")) end},
        scope_without = {"security.scope.create", "without", false, raises_I, function() return scope():without("app:but") end},
        registry_get = {"registry.get", "app:net", false, P, function() return registry.get("app:net") end},
        registry_get_none = {"registry.get", "app:nothing", false, P, function() return registry.get("app:nothing") end},
        snapshot_get = {"registry.get", "app:net", false, P, function() return registry.snapshot():get("app:net") end},
        registry_apply = {"registry.apply", "", false, P, function()
            return registry.snapshot():changes():create({id = "app:new", kind = "network.test", meta = {}, data = {}}):apply()
        end},
        apply_version = {"registry.apply_version", "", false, "false PermissionDenied", function()
            return registry.apply_version(registry.current_version())
        end},
        subscribe = {"events.subscribe", "sys", false, I, function() return events.subscribe("sys") end},
        send_event = {"events.send", "sys", false, I, function() return events.send("sys", "k", "p") end},
        exit = {"system.exit", "", false, I, function() return system.exit() end},
        states = {"system.read", "supervisor", false, I, function() return system.supervisor.states() end},
    }
    local function how(ok, value, problem)
        if not ok then return "raises " .. (type(value) == "userdata" and value:kind() or tostring(value)) end
        if type(problem) ~= "userdata" then return "allowed" end
        return tostring(value) .. " " .. problem:kind()
    end
    if what ~= "list" then return how(pcall(things[what][5])) end
    local all = {}
    for name, thing in things do
        table.insert(all, {name = name, action = thing[1], resource = thing[2], has_pid = thing[3], how = thing[4]})
    end
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
            local all, exact = assert(security.policy("app:all")), assert(security.policy("app:exact"))
            local scope = security.new_scope({all, exact})
            local function try(thing, meta)
                local peer = assert(process.spawn("app:idle", "app:host"))
                if meta.resource == "PEER" then meta.resource = peer end
                local actor = security.new_actor("ann", meta)
                local got = assert(process.with_context({}):with_actor(actor):with_scope(scope)
                    :exec("app:guarded", "app:host", thing, peer))
                process.terminate(peer)
                return got
            end
            local things = assert(process.exec("app:guarded", "app:host", "list"))
            assert(#things > 60, #things)
            for _, thing in things do
                local meta = {action = thing.action, resource = thing.resource, has_pid = thing.has_pid}
                local got = try(thing.name, meta)
                assert(got == thing.how, thing.name .. ": " .. got)
                -- Nothing is denied to whom the policy does not mean.
                if thing.name == "exit" then continue end
                for key, other in {action = "none", resource = "none", has_pid = not thing.has_pid} do
                    local meta = {action = thing.action, resource = thing.resource, has_pid = thing.has_pid}
                    meta[key] = other
                    got = try(thing.name, meta)
                    assert(not string.find(got, "PermissionDenied") and not string.find(got, "raises Invalid"), `{thing.name} without {key}: {got}`)
                end
            end"#,
        ),
    ]);
}

#[test]
fn lists_leave_out_what_may_not_be_seen() {
    check(&[
        (
            "guarded",
            r#"
            local function has(list, id)
                for n, entry in list do
                    assert(entry.id, "no holes")
                    if entry.id == id then return true end
                end
                return false
            end
            local snapshot = registry.snapshot()
            for _, list in {registry.find({}), snapshot:entries(), snapshot:find({[".ns"] = "app"}), snapshot:namespace("app")} do
                assert(has(list, "app:groups") and not has(list, "app:net"))
                assert(#list > 5)
            end"#,
        ),
        (
            "main",
            r#"
            local security = require("security")
            local scope = security.new_scope({assert(security.policy("app:all")), assert(security.policy("app:exact"))})
            local actor = security.new_actor("ann", {action = "registry.get", resource = "app:net", has_pid = false})
            local _, problem = process.with_context({}):with_actor(actor):with_scope(scope)
                :exec("app:guarded", "app:host")
            assert(problem == nil, tostring(problem))"#,
        ),
    ]);
}

#[test]
fn strict_mode_denies_what_has_no_identity() {
    crate::programs::check_strict(&[
        ("idle", ""),
        (
            "main",
            r#"
            local security = require("security")
            local function denied(kind, value, problem)
                assert(not value and problem:kind() == kind, tostring(problem))
            end
            local function raises(kind, f, ...)
                local ok, problem = pcall(f, ...)
                assert(not ok and problem:kind() == kind, tostring(problem))
            end
            local P, I = errors.PERMISSION_DENIED, errors.INVALID
            denied(P, process.spawn("app:idle", "app:host"))
            denied(P, process.exec("app:idle", "app:host"))
            denied(P, process.send(process.pid(), "t"))
            denied(P, process.registry.register("n"))
            denied(P, funcs.call("app:double", 1))
            denied(P, funcs.async("app:double", 1))
            denied(P, funcs.new():with_context({}))
            denied(P, pg.open("app:groups"))
            denied(P, registry.get("app:net"))
            denied(I, events.subscribe("sys"))
            denied(I, security.policy("app:all"))
            raises(P, process.with_context, {})
            raises(I, security.new_actor, "root")
            raises(I, security.new_scope)
            assert(#registry.find({}) == 0)
            assert(security.can("read", "file") == false and security.actor() == nil)
            -- What asks nobody goes on: the process lives.
            time.sleep("1ms")
            assert(process.pid() and channel.new(1):send(1))"#,
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
