--- Texts. Its functions are methods of strings too; `string(v)` is `v` if it is one.
interface string
  function __call(v?: any): string
  --- The bytes from `i` to `j`.
  function byte(s: string | number | error, i?: number, j?: number): ...number
  --- The text of these bytes.
  function char(...: number): string
  --- Not available: raises.
  function dump(...: any): never
  --- Where a pattern is found: first and last byte, then its captures.
  function find(s: string | number | error, pattern: string | number | error, from?: number, plain?: any): (number?, number?, ...any)
  --- Fills `%d %s %x %f %q` and the like.
  function format(format: string | number | error, ...: any): string
  --- Goes through all matches.
  function gmatch(s: string | number | error, pattern: string | number | error): any
  --- The same as `gmatch`.
  function gfind(s: string | number | error, pattern: string | number | error): any
  --- Replaces matches by a text, a field of a table, or what a function gives; and how many.
  function gsub(s: string | number | error, pattern: string | number | error, with: any, n?: number): (string, number)
  --- Bytes.
  function len(s: string | number | error): integer
  function lower(s: string | number | error): string
  --- The captures of a match, or all of it.
  function match(s: string | number | error, pattern: string | number | error, from?: number): ...any
  --- `n` times the text.
  function rep(s: string | number | error, n: number): string
  function reverse(s: string | number | error): string
  --- The bytes from `i` to `j`; from the end if negative.
  function sub(s: string | number | error, i: number, j?: number): string
  function upper(s: string | number | error): string
  --- Values as bytes, as the format says.
  function pack(format: string, ...: any): string
  function packsize(format: string): integer
  --- Values from bytes, and where the rest begins.
  function unpack(format: string, s: string, from?: number): ...any
  --- The parts between separators.
  function split(s: string | number | error, separator?: string): {string}
end
