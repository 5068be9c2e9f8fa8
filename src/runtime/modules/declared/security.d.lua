--- Who acts, and what that one may do.
interface security
  --- The actor of this process.
  function actor(): Actor?
  --- The scope of this process.
  function scope(): Scope?
  --- May the actor do this? False without an actor or a scope.
  function can(action: string, resource: string, meta?: table): boolean
  --- Raises if it is not allowed.
  function new_actor(id: string, meta?: table): Actor
  --- Raises if it is not allowed.
  function new_scope(policies?: {Policy}): Scope
  --- The policy of this id.
  function policy(id: string): (Policy?, error?)
  --- All policies of a group.
  function named_scope(group_id: string): (Scope?, error?)
end

--- Who acts.
interface Actor
  function id(): string
  --- A copy.
  function meta(): {[string]: any}
end

--- A set of policies; it never changes.
interface Scope
  --- A scope with this policy too; raises if that is not allowed.
  function with(policy: Policy): Scope
  --- A scope without this policy; raises if that is not allowed.
  function without(policy: string | Policy | {ns: string, name: string}): Scope
  function contains(policy: string | Policy | {ns: string, name: string}): boolean
  --- In no particular order.
  function policies(): {Policy}
  --- Denied if any policy denies, else allowed if any allows.
  function evaluate(actor: Actor, action: string, resource: string, meta?: table): "allow" | "deny" | "undefined"
end

--- A rule.
interface Policy
  function id(): string
  function evaluate(actor: Actor, action: string, resource: string, meta?: table): "allow" | "deny" | "undefined"
end
