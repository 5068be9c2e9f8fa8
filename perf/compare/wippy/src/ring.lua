-- One message goes round a ring of processes, lap after lap; each adds one to its number.
local time = require("time")

local function member(successor)
    local inbox, me = process.inbox(), process.pid()
    while true do
        local message = inbox:receive()
        if message:topic() == "stop" then
            process.send(successor, "stop")
            return
        end
        local token = message:payload():data()
        process.send(successor, "token", { sender = me, seq = token.seq + 1, data = token.data })
    end
end

local function run(inbox, first, members, laps)
    local me = process.pid()
    local seq = 0
    for lap = 1, laps do
        process.send(first, "token", { sender = me, seq = seq + 1, data = "hello world" })
        seq = inbox:receive():payload():data().seq
        if seq ~= lap * members then error("wrong number") end
    end
end

-- This process is a member, too, and closes the ring.
local function main(_, members, laps)
    local inbox = process.inbox()
    local first = process.pid()
    for _ = 2, members do
        local pid, err = process.spawn("app.compare:ring.member", "app.compare:processes", first)
        if err then error(err) end
        first = pid
    end
    run(inbox, first, members, laps // 10)
    local begin = time.now()
    run(inbox, first, members, laps)
    local elapsed = time.now():sub(begin)
    process.send(first, "stop")
    inbox:receive()
    return { { operations = members * laps, ns = elapsed:nanoseconds() } }
end

return { main = main, member = member }
