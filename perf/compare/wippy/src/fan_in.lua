-- Many senders at one receiver, which adds up what it gets.
local time = require("time")

local function sender(to, count)
    local me = process.pid()
    for i = 1, count do
        process.send(to, "work", { sender = me, seq = i, data = "hello world" })
    end
end

local function round(senders, each)
    local inbox, me = process.inbox(), process.pid()
    for _ = 1, senders do
        local _, err = process.spawn("app.compare:fan_in.sender", "app.compare:processes", me, each)
        if err then error(err) end
    end
    local sum = 0
    for _ = 1, senders * each do
        sum = sum + inbox:receive():payload():data().seq
    end
    if sum ~= senders * each * (each + 1) / 2 then error("wrong sum") end
end

local function main(_, senders, each)
    round(senders, each // 10)
    local begin = time.now()
    round(senders, each)
    local elapsed = time.now():sub(begin)
    return { { operations = senders * each, ns = elapsed:nanoseconds() } }
end

return { main = main, sender = sender }
