--- Groups of processes.
interface pg
  --- The groups of a `pg.scope` entry.
  function open(scope_id: string): (Instance?, error?)
end

--- The groups of a scope, as this process sees them.
interface Instance
  --- Joins all of these groups or none; what is joined twice is to be left twice.
  function join(groups: string | {string}): (boolean?, error?)
  --- Fails only for a member of none of them.
  function leave(groups: string | {string}): (boolean?, error?)
  --- PIDs, as often as they have joined.
  function get_members(group: string): ({string}?, error?)
  --- Those on this node.
  function get_local_members(group: string): ({string}?, error?)
  --- Names of groups that have members.
  function which_groups(): ({string}?, error?)
  --- Those with members on this node.
  function which_local_groups(): ({string}?, error?)
  --- Sends one message of these values to every member.
  function broadcast(group: string, topic: string, ...: any): (boolean?, error?)
  --- To those on this node.
  function broadcast_local(group: string, topic: string, ...: any): (boolean?, error?)
  --- Who joins and leaves a group from now on, and its members now; or nil and an error.
  function monitor(group: string): (Subscription?, {string} | error | nil, error?)
  --- The same for all groups, members by group.
  function events(): (Subscription?, {[string]: {string}} | error | nil, error?)
  --- Other methods fail from now on; memberships stay.
  function release(): boolean
end

--- News of groups.
interface Subscription
  --- Yields `{system = "pg", kind = "member.joined" | "member.left", path = group, data = ...}`.
  function channel(): channel.Channel
  --- Closes the channel; `flush` drops what is still in it.
  function close(options?: {flush: boolean?}): boolean
end
