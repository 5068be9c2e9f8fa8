-- Runs a workload and prints its measurements, a line of JSON each. After each line it waits for a
-- line of input: until then whoever reads may look at the memory of this program.
--
-- A workload measures once it is warm and returns a list of measurements. To have one printed
-- meanwhile it sends "report" and waits for "go".
local io = require("io")

local function json(measurement)
    local keys = {}
    for key in pairs(measurement) do
        table.insert(keys, key)
    end
    table.sort(keys)
    local fields = {}
    for _, key in ipairs(keys) do
        local value = measurement[key]
        local text = type(value) == "number" and string.format("%.0f", value) or '"' .. value .. '"'
        table.insert(fields, '"' .. key .. '":' .. text)
    end
    return "{" .. table.concat(fields, ",") .. "}"
end

local function show(measurement)
    io.print(json(measurement))
    io.readline()
end

local function main(name, ...)
    local arguments = { ... }
    for i, argument in ipairs(arguments) do
        arguments[i] = tonumber(argument) or argument
    end
    local inbox, events = process.inbox(), process.events()
    local workload, err = process.spawn_monitored("app.compare:" .. name, "app.compare:processes",
        process.pid(), table.unpack(arguments))
    if err then return nil, err end
    while true do
        local result = channel.select { events:case_receive(), inbox:case_receive() }
        if result.channel == events then
            local ended = result.value.result
            if ended.error then return nil, ended.error end
            for _, measurement in ipairs(ended.value) do
                show(measurement)
            end
            io.print('{"done":1}')
            return 0
        end
        show(result.value:payload():data())
        process.send(workload, "go")
    end
end

return { main = main }
