-- A relay spawns a monitored worker for each request of its clients. The worker answers the client,
-- the relay takes its EXIT. Each client has one request under way.
local time = require("time")

local HOST = "app.compare:processes"

-- One request of so many is timed.
local TIMED = 16

local function worker(client, seq, data)
    process.send(client, "echo", { sender = process.pid(), seq = seq, data = data })
end

-- Returns how many workers have ended.
local function relay()
    local inbox, events = process.inbox(), process.events()
    -- The first ready case wins: with the inbox in front, a full one would let the EXITs pile up.
    local cases = { events:case_receive(), inbox:case_receive() }
    local alive, ended, stopping = 0, 0, false
    while alive > 0 or not stopping do
        local result = channel.select(cases)
        if result.channel == events then
            if result.value.result.error then error(result.value.result.error) end
            alive, ended = alive - 1, ended + 1
        elseif result.value:topic() == "stop" then
            stopping = true
        else
            local request = result.value:payload():data()
            local _, err = process.spawn_monitored("app.compare:echo.worker", HOST,
                request.sender, request.seq, request.data)
            if err then error(err) end
            alive = alive + 1
        end
    end
    return ended
end

local function client(to, requests)
    local inbox, me = process.inbox(), process.pid()
    local latencies = {}
    local function request(i)
        process.send(to, "request", { sender = me, seq = i, data = "hello world" })
        local answer = inbox:receive():payload():data()
        if answer.seq ~= i or answer.data ~= "hello world" then error("wrong answer") end
    end
    for i = 1, requests do
        if i % TIMED == 0 then
            local begin = time.now()
            request(i)
            table.insert(latencies, time.now():sub(begin):nanoseconds())
        else
            request(i)
        end
    end
    return latencies
end

local function round(clients, each)
    local events = process.events()
    local to, err = process.spawn_monitored("app.compare:echo.relay", HOST)
    if err then error(err) end
    for _ = 1, clients do
        local _, failed = process.spawn_monitored("app.compare:echo.client", HOST, to, each)
        if failed then error(failed) end
    end
    local latencies = {}
    for _ = 1, clients do
        local result = events:receive().result
        if result.error then error(result.error) end
        for _, latency in ipairs(result.value) do
            table.insert(latencies, latency)
        end
    end
    process.send(to, "stop")
    local result = events:receive().result
    if result.value ~= clients * each then error(result.error or "wrong count of workers") end
    table.sort(latencies)
    return latencies
end

local function main(_, clients, each)
    round(clients, each // 10)
    local begin = time.now()
    local latencies = round(clients, each)
    local elapsed = time.now():sub(begin)
    local function percentile(part)
        return latencies[math.max(1, math.ceil(#latencies * part))]
    end
    return { {
        operations = clients * each,
        ns = elapsed:nanoseconds(),
        p50_ns = percentile(0.5),
        p99_ns = percentile(0.99),
    } }
end

return { main = main, relay = relay, worker = worker, client = client }
