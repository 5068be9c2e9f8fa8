--- Calls of functions.
interface funcs
  --- Calls a function, or a process with a default host, and waits for its result.
  function call(target: string, ...: any): (any, error?)
  --- Begins a call.
  function async(target: string, ...: any): (Future?, error?)
  --- An executor: calls that differ from those of the module.
  function new(): Executor
end

--- How calls are made; every method returns a new one.
interface Executor
  --- Further context values; later ones win.
  function with_context(values: table): Executor
  function with_actor(actor: security.Actor): Executor
  function with_scope(scope: security.Scope): Executor
  --- `timeout`, `retry` and whatever else interceptors know.
  function with_options(options: table): Executor
  function call(target: string, ...: any): (any, error?)
  function async(target: string, ...: any): (Future?, error?)
end

--- A call under way.
interface Future
  --- The channel of its result, a payload.
  function response(): channel.Channel
  --- The same.
  function channel(): channel.Channel
  function is_complete(): boolean
  function is_canceled(): boolean
  --- Nothing until it is complete.
  function result(): (any, error?)
  function error(): (error?, boolean)
  --- Ends the call.
  function cancel(): any
end
