--- Values with a format.
interface payload
  --- Wraps a value.
  function new(v?: any): Payload
  --- Names of formats.
  format: any
end

--- A value with a format.
interface Payload
  --- The value, decoded.
  function data(): (any, error)
  function unmarshal(): (any, error)
  function get_format(): string
end

--- What `process.inbox` and `listen` with `{message = true}` give.
interface Message
  function topic(): string
  --- The PID of the sender, or "".
  function from(): string
  function payload(): Payload?
end
