--- Channels between the coroutines of a process.
interface channel
  --- With room for `capacity` values (0: sender and receiver meet).
  function new(capacity?: number): Channel
  --- Waits for the first of several cases: `{ch:case_receive(), ..., default = true}`.
  function select(cases: any, default?: any): any
end

--- A channel.
interface Channel
  --- Waits until there is room; raises if it is closed.
  function send(v?: any): any
  --- The next value and `true`; `nil, false` if it is closed and empty.
  function receive(): (any, boolean)
  --- Receivers still get what is in there.
  function close(): any
  function case_send(v?: any): Case
  function case_receive(): Case
end

--- A case for `channel.select`.
interface Case
end
