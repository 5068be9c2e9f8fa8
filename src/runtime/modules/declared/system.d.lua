--- The running system.
interface system
  --- Begins a shutdown, which ends with this exit status.
  function exit(code?: number): (boolean?, error?)
  supervisor: Supervisor
end

--- What services do.
interface Supervisor
  function state(id: string): (any, error?)
  --- Of all services, sorted by id.
  function states(): ({any}?, error?)
end
