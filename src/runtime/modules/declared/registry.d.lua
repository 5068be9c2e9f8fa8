--- The entries of the application.
interface registry
  --- The entry of this id.
  function get(id: string): (any, error?)
  --- The entries that fit, such as `{[".kind"] = "process.lua"}`.
  function find(query: any): (any, error?)
  --- `{ns, name}` of an id.
  function parse_id(id: string): any
  --- The entries as they are now.
  function snapshot(): (Snapshot?, error?)
  function snapshot_at(version: any): (Snapshot?, error?)
  function current_version(): (Version?, error?)
  function versions(): ({Version}?, error?)
  function history(): (History?, error?)
  --- Goes to another version.
  function apply_version(version: Version): (boolean?, error?)
  --- What leads from one list of entries to another.
  function build_delta(from: any, to: any): (any, error?)
end

--- The entries at one version.
interface Snapshot
  function entries(): (any, error?)
  function get(id: string): (any, error?)
  function find(query: any): (any, error?)
  function namespace(ns: string): (any, error?)
  function version(): (Version?, error?)
  --- Changes to be made upon it.
  function changes(): Changes
end

--- Changes that are collected, then applied together.
interface Changes
  function create(entry: any): any
  function update(entry: any): any
  function delete(id: any): any
  --- What was collected.
  function ops(): any
  --- All or nothing.
  function apply(): (Version?, error?)
end

--- A version of the registry.
interface Version
  function id(): number
  function string(): string
  function previous(): Version?
  function next(): Version?
end

--- All versions.
interface History
  function versions(): ({Version}?, error?)
  function get_version(id: any): (Version?, error?)
  function snapshot_at(version: any): (Snapshot?, error?)
end
