--- This process and others.
interface process
  --- The PID of this process.
  function pid(): string
  --- The registry id of what it runs.
  function id(): string
  --- Starts a process of entry `id` on `host`: its PID, or nil and an error.
  function spawn(id: string, host: string, ...: any): (string?, error?)
  --- Like `spawn`; this process gets an EXIT event when it ends.
  function spawn_monitored(id: string, host: string, ...: any): (string?, error?)
  --- Like `spawn`; if one fails, so does the other, unless it traps that: see `set_options`.
  function spawn_linked(id: string, host: string, ...: any): (string?, error?)
  function spawn_linked_monitored(id: string, host: string, ...: any): (string?, error?)
  --- Starts a process, waits for its end: what it returned, or nil and an error.
  function exec(id: string, host: string, ...: any): (any, error?)
  --- Goes on as entry `id`, or as itself anew; the PID stays.
  function upgrade(id?: string, ...: any): never
  --- A spawner whose children have these context values too. Raises if that is not allowed.
  function with_context(values: table): Spawner
  --- A spawner with options for the start. Raises if that is not allowed.
  function with_options(options: {network: string?}): Spawner
  --- Sends one message of these values to a PID or name.
  function send(destination: string, topic: string, ...: any): (boolean?, error?)
  --- The channel of messages that no `listen` takes.
  function inbox(): channel.Channel
  --- The channel of events: CANCEL, EXIT, LINK_DOWN, OUTDATED.
  function events(): channel.Channel
  --- The channel of a topic: raw values, or messages with `{message = true}`.
  function listen(topic: string, options?: any): (channel.Channel, error?)
  --- Ends a `listen` and closes its channel; false if there was none.
  function unlisten(ch: channel.Channel): (boolean, error?)
  --- Asks a process to end.
  function cancel(destination: string, reason?: any): (boolean?, error?)
  --- Ends a process.
  function terminate(destination: string): (boolean?, error?)
  --- An EXIT event when that process ends, however it does.
  function monitor(destination: string): (boolean?, error?)
  function unmonitor(destination: string): (boolean?, error?)
  --- If one of the two fails, so does the other, unless it traps that.
  function link(destination: string): (boolean?, error?)
  function unlink(destination: string): (boolean?, error?)
  function get_options(): any
  --- `{trap_links = true}`: a broken link becomes an event. `{upgradable = true}`: an OUTDATED event
  --- tells when the code of this process has been replaced.
  function set_options(options: any): (boolean, error?)
  --- Kinds of events.
  event: Events
  --- Names of processes.
  registry: Names
end

--- How children are to be started. It never changes: every `with_` gives another one. Raises what is
--- wrong or not allowed; returns what a start fails with.
interface Spawner
  --- Further context values; later ones win.
  function with_context(values: table): Spawner
  --- `network`: the entry for outbound connections. Others are for the host.
  function with_options(options: {network: string?}): Spawner
  function with_actor(actor: security.Actor): Spawner
  function with_scope(scope: security.Scope): Spawner
  --- If a process has this name already, it gets the messages and none is started.
  function with_name(name: string): Spawner
  --- A message that is there from the start.
  function with_message(topic: string, ...: any): Spawner
  function spawn(id: string, host: string, ...: any): (string?, error?)
  function spawn_monitored(id: string, host: string, ...: any): (string?, error?)
  function spawn_linked(id: string, host: string, ...: any): (string?, error?)
  function spawn_linked_monitored(id: string, host: string, ...: any): (string?, error?)
  --- Waits for the end: what it returned.
  function exec(id: string, host: string, ...: any): (any, error?)
end

--- Kinds of events.
interface Events
  CANCEL: string
  EXIT: string
  LINK_DOWN: string
  OUTDATED: string
end

--- Names of processes. Called with a dot.
interface Names
  --- Gives a name to a process, this one if no PID is said.
  register: (name: string, pid: any, scope: any) -> (boolean?, error?)
  --- The PID behind a name.
  lookup: (name: string, scope: any) -> (string?, error?)
  unregister: (name: string, scope: any) -> (boolean?, error?)
  LOCAL: number
  EVENTUAL: number
  CONSISTENT: number
  STRONG: number
end
