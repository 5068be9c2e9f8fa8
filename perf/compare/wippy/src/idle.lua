-- Processes that wait for a message. Each says once that it runs: nothing is counted that might not
-- have begun. One of a thousand is asked at the end whether it is still there.
local time = require("time")

local BATCH = 1000

local function idle(to)
    local inbox = process.inbox()
    process.send(to, "ready")
    inbox:receive()
    process.send(to, "here")
    inbox:receive()
end

local function start(inbox, count)
    local me, last = process.pid(), nil
    for _ = 1, count do
        local pid, err = process.spawn("app.compare:idle.process", "app.compare:processes", me)
        if err then error(err) end
        last = pid
    end
    for _ = 1, count do
        if inbox:receive():topic() ~= "ready" then error("not ready") end
    end
    return last
end

local function main(driver, count)
    local inbox = process.inbox()
    -- One before: what the first process of a program loads is not its own.
    start(inbox, 1)
    process.send(driver, "report", { name = "before" })
    inbox:receive()
    local samples = {}
    local begin = time.now()
    for started = 0, count - 1, BATCH do
        table.insert(samples, start(inbox, math.min(BATCH, count - started)))
    end
    local elapsed = time.now():sub(begin)
    process.send(driver, "report", { name = "alive", operations = count, ns = elapsed:nanoseconds() })
    inbox:receive()
    for _, pid in ipairs(samples) do
        process.send(pid, "ask")
        if inbox:receive():topic() ~= "here" then error("not there") end
    end
    return {}
end

return { main = main, idle = idle }
