-- Work that never waits, shared among processes: calls, and arithmetic on integers.
local time = require("time")

local function fib(n)
    if n < 2 then return n end
    return fib(n - 1) + fib(n - 2)
end

-- The "minimal standard" generator: 10,000 steps lead from 1 to 1043618065.
local function steps(count)
    local x = 1
    for _ = 1, count do
        x = x * 16807 % 2147483647
    end
    return x
end

local function worker(units)
    local sum = 0
    for _ = 1, units do
        if steps(10000) ~= 1043618065 then error("wrong number") end
        sum = sum + fib(18)
    end
    return sum
end

local function round(workers, units)
    local events = process.events()
    for _ = 1, workers do
        local _, err = process.spawn_monitored("app.compare:cpu.worker", "app.compare:processes", units)
        if err then error(err) end
    end
    for _ = 1, workers do
        local result = events:receive().result
        if result.value ~= units * 2584 then error(result.error or "wrong sum") end
    end
end

local function main(_, workers, units)
    round(workers, units // 10)
    local begin = time.now()
    round(workers, units)
    local elapsed = time.now():sub(begin)
    return { { operations = workers * units, ns = elapsed:nanoseconds() } }
end

return { main = main, worker = worker }
