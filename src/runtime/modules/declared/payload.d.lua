--- Values with a format.
interface payload
  --- Wraps a value.
  function new(v?: any): Payload
  --- Names of formats.
  format: Formats
end

--- Names of formats.
interface Formats
  JSON: string
  YAML: string
  STRING: string
  BYTES: string
  MSGPACK: string
  LUA: string
  GOLANG: string
  ERROR: string
end

--- A value with a format.
interface Payload
  --- The value, decoded.
  function data(): (any, error?)
  --- The same.
  function unmarshal(): (any, error?)
  --- One of `payload.format`.
  function get_format(): string
  --- The same content in another format.
  function transcode(format: string): (Payload?, error?)
end

--- What `process.inbox` and `listen` with `{message = true}` give.
interface Message
  function topic(): string
  --- The PID of the sender, or "".
  function from(): string
  --- What was sent: a list if several values were, nil if none.
  function payload(): Payload | {Payload} | nil
end
