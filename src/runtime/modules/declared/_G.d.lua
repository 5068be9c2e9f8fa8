--- What every program has.
interface _G
  --- Raises `message` with its position if `v` is false or nil; else returns all arguments.
  function assert(v: any, ...: any): ...any
  --- Raises `message`. Texts get a position: of the caller of `level` (1: here, 0: none).
  function error(message?: any, level?: number): never
  --- Calls `f`; `true` and its results, or `false` and what was raised.
  function pcall(f?: any, ...: any): (boolean, ...any)
  --- Like `pcall`; what was raised goes through `handler` first.
  function xpcall(f?: any, handler?: any, ...: any): (boolean, ...any)
  --- The name of the type of `v`.
  function type(v: any): string
  --- The text of a value; honours `__tostring`.
  function tostring(v?: any): string
  --- The number that a text stands for, or nil.
  function tonumber(v?: any, base?: number): number?
  --- The arguments from the n-th on, or with "#" how many there are.
  function select(n: number | "#", ...: any): ...any
  --- The pair after `key` in a table.
  function next(t: any, key?: any): (any, any)
  --- Goes through all pairs of a table.
  function pairs(t: any): (any, any, any)
  --- Goes through 1, 2, ... up to the first nil.
  function ipairs(t: any): (any, any, number)
  --- The elements of an array.
  function unpack(t: any, from?: number, to?: number): ...any
  --- A field, without metamethods.
  function rawget(t: any, key: any): any
  --- Sets a field, without metamethods.
  function rawset(t: any, key: any, value: any): any
  --- Equality without metamethods.
  function rawequal(a: any, b: any): boolean
  --- The metatable, or what it shows of itself.
  function getmetatable(v: any): any
  --- Sets the metatable of a table and returns the table.
  function setmetatable(t: any, metatable: any): any
  --- Logs its arguments, joined by blanks, at INFO.
  function print(...: any): ()
  --- A module or library that the entry lists.
  function require(name: string): any
  --- The messages of a topic go to this channel, which it returns.
  function subscribe(topic: string, ch: channel.Channel): (channel.Channel?, error?)
  --- They no longer do; the channel stays open.
  function unsubscribe(ch: channel.Channel): (boolean, error?)
  --- `v` if it is a number; raises otherwise.
  function number(v?: any): number
  --- `v` if it is an integral number; raises otherwise.
  function integer(v?: any): integer
  --- `v` if it is a boolean; raises otherwise.
  function boolean(v?: any): boolean
  _VERSION: string
  --- Nearly empty: modules come from entries, not from paths.
  package: any
end
