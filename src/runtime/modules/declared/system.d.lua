--- The running system.
interface system
  --- Begins a shutdown, which ends with this exit status.
  function exit(code?: number): (boolean?, error?)
  --- Sorted by name; a class says what a module deals with.
  function modules(): ({{name: string, description: string, class: {string}}}?, error?)
  memory: Memory
  gc: Collector
  runtime: Runtime
  process: Program
  hosts: Hosts
  supervisor: Supervisor
  node: Node
  cluster: Cluster
  raft: Raft
  lock: Lock
end

--- Memory of the whole program, in bytes.
interface Memory
  --- `heap_objects` is an estimate; stacks and spans are 0.
  function stats(): ({[string]: number}?, error?)
  function allocated(): (number?, error?)
  --- An estimate.
  function heap_objects(): (number?, error?)
  --- The soft limit; -1 is none. What it was before.
  function set_limit(bytes?: number): (number?, error?)
  function get_limit(): (number?, error?)
end

--- Garbage.
interface Collector
  function collect(): (boolean?, error?)
  --- Kept and reported, nothing else. What it was before.
  function set_percent(percent: number): (number?, error?)
  function get_percent(): (number?, error?)
end

--- What programs run on.
interface Runtime
  --- Live processes.
  function goroutines(): (number?, error?)
  function cpu_count(): (number?, error?)
  --- What it is; or what it was before. Kept and reported, nothing else.
  function max_procs(n?: number): (number?, error?)
end

--- The program as the operating system sees it.
interface Program
  function pid(): (number?, error?)
  function hostname(): (string?, error?)
  function cwd(): (string?, error?)
end

--- Where processes live.
interface Hosts
  --- All hosts have the same workers.
  function list(): ({{id: string, workers: number, processes: number, executed: number, stolen: number, queue_depth: number}}?, error?)
  --- What lives on one of them, sorted by PID; `started_at` in nanoseconds.
  function processes(host_id: string): ({{pid: string, host: string, source: string, state: string, steps: number, started_at: number, parent: string?, actor_id: string?}}?, error?)
end

--- What services do.
interface Supervisor
  function state(id: string): (any, error?)
  --- Of all services, sorted by id.
  function states(): ({any}?, error?)
end

--- This node.
interface Node
  function id(): (string?, error?)
  function addr(): (string?, error?)
  function role(): (string?, error?)
end

--- The nodes.
interface Cluster
  --- This one first.
  function members(): ({any}?, error?)
  --- Empty: nobody knows.
  function leader(): (string?, error?)
  function size(): (number?, error?)
end

--- How nodes agree.
interface Raft
  function is_leader(): (boolean?, error?)
  function is_member(): (boolean?, error?)
  function role(): (string?, error?)
  function term(): (number?, error?)
  function commit_index(): (number?, error?)
  function stats(): ({[string]: string}?, error?)
end

--- Locks of the cluster.
interface Lock
  function acquire(name: string): (boolean?, error?)
  function release(name: string): (boolean?, error?)
end
