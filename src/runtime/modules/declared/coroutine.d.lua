--- Coroutines of a process.
interface coroutine
  --- A suspended coroutine.
  function create(f: any): thread
  --- Runs it up to its next `yield` or end.
  function resume(co: any, ...: any): (boolean, ...any)
  --- Back to `resume`, with these results.
  function yield(...: any): ...any
  function status(co: any): string
  --- A function that resumes.
  function wrap(f: any): any
  function running(): thread
  --- An independent coroutine of this process.
  function spawn(f: any, ...: any): thread
end
