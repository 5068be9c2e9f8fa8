-- Pairs of processes that send a table to and fro; with one pair: ping-pong.
local time = require("time")

local HOST = "app.compare:processes"

local function pong()
    local inbox, me = process.inbox(), process.pid()
    while true do
        local message = inbox:receive()
        if message:topic() == "stop" then return end
        local ping = message:payload():data()
        process.send(ping.sender, "pong", { sender = me, seq = ping.seq, data = ping.data })
    end
end

local function ping(trips)
    local inbox, me = process.inbox(), process.pid()
    local partner, err = process.spawn("app.compare:pairs.pong", HOST)
    if err then error(err) end
    for i = 1, trips do
        process.send(partner, "ping", { sender = me, seq = i, data = "hello world" })
        local answer = inbox:receive():payload():data()
        if answer.seq ~= i or answer.data ~= "hello world" then error("wrong answer") end
    end
    process.send(partner, "stop")
    return trips
end

local function round(count, trips)
    local events = process.events()
    for _ = 1, count do
        local _, err = process.spawn_monitored("app.compare:pairs.ping", HOST, trips)
        if err then error(err) end
    end
    for _ = 1, count do
        local result = events:receive().result
        if result.value ~= trips then error(result.error or "wrong count") end
    end
end

local function main(_, count, trips)
    round(count, trips // 10)
    local begin = time.now()
    round(count, trips)
    local elapsed = time.now():sub(begin)
    return { { operations = count * trips, ns = elapsed:nanoseconds() } }
end

return { main = main, ping = ping, pong = pong }
