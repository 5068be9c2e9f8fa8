-- A pair that sends texts to and fro, one size after another: pairs of size and round trips.
local time = require("time")

local function echo()
    local inbox, me = process.inbox(), process.pid()
    while true do
        local message = inbox:receive()
        if message:topic() == "stop" then return end
        local request = message:payload():data()
        process.send(request.sender, "echo", { sender = me, seq = request.seq, data = request.data })
    end
end

local function round(inbox, partner, trips, data)
    local me = process.pid()
    for i = 1, trips do
        process.send(partner, "request", { sender = me, seq = i, data = data })
        local answer = inbox:receive():payload():data()
        if answer.seq ~= i or #answer.data ~= #data then error("wrong answer") end
    end
end

local function main(_, host, ...)
    local inbox = process.inbox()
    local partner, err = process.spawn("app.compare:sizes.echo", "app.compare:" .. host)
    if err then error(err) end
    local measurements, arguments = {}, { ... }
    for i = 1, #arguments, 2 do
        local size, trips = arguments[i], arguments[i + 1]
        local data = string.rep("x", size)
        round(inbox, partner, trips // 10, data)
        local begin = time.now()
        round(inbox, partner, trips, data)
        local elapsed = time.now():sub(begin)
        table.insert(measurements,
            { name = tostring(size), operations = trips, ns = elapsed:nanoseconds() })
    end
    process.send(partner, "stop")
    return measurements
end

return { main = main, echo = echo }
