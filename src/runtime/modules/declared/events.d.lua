--- The event bus.
interface events
  --- Events of a system; `kind` "" or "*" for all kinds.
  function subscribe(system: string, kind?: string): (Subscription?, error?)
  --- Queues an event for all subscribers.
  function send(system: string, kind: string, path: string, data?: any): (boolean?, error?)
end

--- A subscription; it ends with its process.
interface Subscription
  function channel(): channel.Channel
  function close(): boolean
end
