-- Spawners start monitored children, one after another, and take the EXIT of each.
local time = require("time")

local HOST = "app.compare:processes"

local function child(number)
    return number
end

local function spawner(count)
    local events = process.events()
    local sum = 0
    for i = 1, count do
        local _, err = process.spawn_monitored("app.compare:spawn.child", HOST, i)
        if err then error(err) end
        sum = sum + events:receive().result.value
    end
    return sum
end

local function round(spawners, each)
    local events = process.events()
    for _ = 1, spawners do
        local _, err = process.spawn_monitored("app.compare:spawn.spawner", HOST, each)
        if err then error(err) end
    end
    for _ = 1, spawners do
        local result = events:receive().result
        if result.value ~= each * (each + 1) / 2 then error(result.error or "wrong sum") end
    end
end

local function main(_, spawners, each)
    round(spawners, each // 10)
    local begin = time.now()
    round(spawners, each)
    local elapsed = time.now():sub(begin)
    return { { operations = spawners * each, ns = elapsed:nanoseconds() } }
end

return { main = main, spawner = spawner, child = child }
