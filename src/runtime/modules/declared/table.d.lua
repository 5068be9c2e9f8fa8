--- Arrays and other tables.
interface table
  --- At the end, or before place `at`.
  function insert(t: any, at: any, v?: any): ()
  --- Takes an element out: the last one, or that at `at`.
  function remove(t: any, at?: number): any
  --- The elements as one text.
  function concat(t: any, separator?: string | number | error, from?: number, to?: number): string
  --- In place; `before(a, b)` says which comes first.
  function sort(t: any, before?: any): ()
  function unpack(t: any, from?: number, to?: number): ...any
  --- The arguments as an array, with their number in `n`.
  function pack(...: any): any
  --- An empty table with room.
  function create(narray: number, nhash: number): table
  --- Makes a table read-only and returns it.
  function freeze(t: any): any
  function isfrozen(t: any): boolean
  function getn(t: any): integer
  --- The largest numeric key.
  function maxn(t: any): number
  function move(t: any, from: number, to: number, at: number, into?: any): any
  function clear(t: any): ()
  function clone(t: any): any
  --- Where an element is.
  function find(t: any, v: any, from?: number): number?
end
