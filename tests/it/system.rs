//! What policies deny of module `system`. Specification 04, section 4.7.

use crate::programs::check;

#[test]
fn each_part_asks_for_its_action() {
    check(&[
        (
            "guarded",
            r#"
            local system = require("system")
            local what = ...
            local function node() return system.node.id() end
            local asked = {
                ["system.read"] = {
                    modules = system.modules, memory = system.memory.stats, pid = system.process.pid,
                    hostname = system.process.hostname, cwd = system.process.cwd, hosts = system.hosts.list,
                    supervisor = system.supervisor.states, node = node, cluster = system.cluster.size,
                    raft = system.raft.term, raft_stats = system.raft.stats, cpu = system.runtime.cpu_count,
                    goroutines = system.runtime.goroutines, gomaxprocs = system.runtime.max_procs,
                    gc_percent = system.gc.get_percent, memory_limit = system.memory.get_limit,
                },
                ["system.control"] = {
                    memory_limit = function() return system.memory.set_limit(-1) end,
                    gomaxprocs = function() return system.runtime.max_procs(1) end,
                },
                ["system.gc"] = {
                    gc = system.gc.collect,
                    gc_percent = function() return system.gc.set_percent(100) end,
                },
                ["system.exit"] = {[""] = function() return system.exit() end},
                ["system.lock"] = {l = function() return system.lock.acquire("l") end},
            }
            for resource, try in asked[what] do
                local value, problem = try()
                assert(value == nil, resource)
                local text = "permission denied: " .. what .. " on " .. resource
                local kind = if what == "system.lock" then errors.PERMISSION_DENIED else errors.INVALID
                assert(problem:kind() == kind and tostring(problem) == text, tostring(problem))
            end
            local function same(name, resource)
                local value, problem = name()
                assert(value == nil and string.find(tostring(problem), resource), tostring(problem))
            end
            if what == "system.read" then
                same(system.memory.allocated, "memory")
                same(system.memory.heap_objects, "memory")
                same(function() return system.hosts.processes("app:host") end, "hosts")
                same(function() return system.supervisor.state("app:x") end, "supervisor")
            else
                assert(system.process.pid())
            end"#,
        ),
        (
            "main",
            r#"
            local security = require("security")
            local scope = assert(security.named_scope("app:staff"))
            for _, action in {"system.read", "system.control", "system.gc", "system.exit", "system.lock"} do
                local actor = security.new_actor("ann", {denied = action})
                local _, problem = process.with_context({}):with_actor(actor):with_scope(scope)
                    :exec("app:guarded", "app:host", action)
                assert(problem == nil, action .. ": " .. tostring(problem))
            end"#,
        ),
    ]);
}
