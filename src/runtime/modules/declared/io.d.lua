--- The terminal of a process.
interface io
  --- Its arguments on a line of stdout, separated by tabs.
  function print(...: any): (boolean?, error?)
  --- The same on stderr.
  function eprint(...: any): (boolean?, error?)
  --- Its arguments as they are.
  function write(...: any): (boolean?, error?)
  --- Up to `n` bytes, at least one; nil at the end.
  function read(n?: number): (string?, error?)
  --- A line without its end.
  function readline(): (string?, error?)
  --- Key by key, not line by line.
  function raw(on?: boolean): (boolean?, error?)
  function flush(): (boolean?, error?)
  --- The arguments of the command.
  function args(): {string}
end
