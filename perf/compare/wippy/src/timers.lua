-- Processes hold timers that are all due at the same time, and take what each gives.
local time = require("time")

-- Timers started by one look at the clock.
local BATCH = 1000

local function holder(main_pid, count, due_ns)
    local inbox = process.inbox()
    local timers = {}
    local left = 0
    for i = 1, count do
        if i % BATCH == 1 then left = due_ns - time.now():unix_nano() end
        timers[i] = time.after(left)
    end
    process.send(main_pid, "pending")
    for i = 1, count do
        local _, ok = timers[i]:receive()
        if not ok then error("no time") end
    end
    return count
end

local function main(driver, holders, each, delay_ms)
    local inbox, events = process.inbox(), process.events()
    process.send(driver, "report", { name = "before" })
    inbox:receive()
    local begin = time.now():unix_nano()
    local due = begin + delay_ms * 1000000
    for _ = 1, holders do
        local _, err = process.spawn_monitored("app.compare:timers.holder", "app.compare:processes",
            process.pid(), each, due)
        if err then error(err) end
    end
    for _ = 1, holders do
        inbox:receive()
    end
    local started = time.now():unix_nano()
    if started >= due then error("starting the timers took too long") end
    process.send(driver, "report",
        { name = "pending", operations = holders * each, ns = started - begin })
    inbox:receive()
    for _ = 1, holders do
        local result = events:receive().result
        if result.value ~= each then error(result.error or "wrong count") end
    end
    local fired = time.now():unix_nano() - due
    return { { name = "fired", operations = holders * each, ns = fired } }
end

return { main = main, holder = holder }
