--- Context values of this process: copies, inherited by what it starts.
interface ctx
  --- The value under a key; NOT_FOUND if there is none.
  function get(key: string): (any, error?)
  --- All values; an empty table if there are none.
  function all(): ({[string]: any}, error?)
end
