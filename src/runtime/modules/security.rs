//! `security`: actors, scopes and policies as programs handle them. Specification 04, section 4.5.

use std::ffi::c_int;
use std::sync::Arc;

use crate::core::registry::EntryId;
use crate::infra::error::Error;
use crate::infra::transcoder::Map;
use crate::runtime::engine::frame::{ActorObject, PolicyObject, ScopeObject};
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Raise, Ret, error, host, push_functions, register_type, value};
use crate::system::security::policy::Policy;
use crate::system::security::{self, Actor, Request, Scope, Verdict};

pub fn open(l: State) {
    push_functions(
        l,
        &[
            (c"actor", host(actor)),
            (c"scope", host(scope)),
            (c"can", host(can)),
            (c"new_actor", host(new_actor)),
            (c"new_scope", host(new_scope)),
            (c"policy", host(policy)),
            (c"named_scope", host(named_scope)),
        ],
    );
    l.set_read_only(-1, true);
}

pub fn register_types(l: State) {
    register_type::<ActorObject>(
        l,
        &[(c"id", host(actor_id)), (c"meta", host(actor_meta))],
        &[(c"__tostring", host(actor_text))],
    );
    register_type::<ScopeObject>(
        l,
        &[
            (c"with", host(scope_with)),
            (c"without", host(scope_without)),
            (c"contains", host(scope_contains)),
            (c"policies", host(scope_policies)),
            (c"evaluate", host(scope_evaluate)),
        ],
        &[(c"__tostring", host(scope_text))],
    );
    register_type::<PolicyObject>(
        l,
        &[(c"id", host(policy_id)), (c"evaluate", host(policy_evaluate))],
        &[(c"__tostring", host(policy_text))],
    );
}

/// Refused by policies, as this module tells it.
fn denied(action: &str, resource: &str) -> Error {
    Error::invalid(format!("not allowed: {action} on {resource}"))
}

/// Raises unless policies allow it.
fn demand(cx: &mut Cx, action: &str, resource: &str) -> Result<(), Raise> {
    if cx.allows(action, resource) {
        return Ok(());
    }
    error::push(cx.l, denied(action, resource));
    Err(Raise::Top)
}

// -- functions of the module ---------------------------------------------------------------------

fn actor(cx: &mut Cx) -> Ret {
    match cx.frame().and_then(|frame| frame.actor.clone()) {
        Some(actor) => cx.l.push_userdata(ActorObject(actor)),
        None => cx.l.push_nil(),
    }
    cx.values(1)
}

fn scope(cx: &mut Cx) -> Ret {
    match cx.frame().and_then(|frame| frame.scope.clone()) {
        Some(scope) => cx.l.push_userdata(ScopeObject(scope)),
        None => cx.l.push_nil(),
    }
    cx.values(1)
}

/// False without an actor or a scope, whatever the mode.
fn can(cx: &mut Cx) -> Ret {
    let asked = Asked::at(cx, 1)?;
    let frame = cx.frame();
    let can = security::can(frame.as_deref(), asked.request()).unwrap_or(false);
    cx.bool(can)
}

fn new_actor(cx: &mut Cx) -> Ret {
    let id = cx.string(1)?;
    let meta = opt_map(cx, 2)?;
    demand(cx, "security.actor.create", &id)?;
    cx.l.push_userdata(ActorObject(Actor::new(id, meta)));
    cx.values(1)
}

/// What is no policy in the list is left out.
fn new_scope(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let mut policies = Vec::new();
    if !matches!(l.type_of(1), Type::None | Type::Nil) {
        cx.table(1)?;
        for n in 1..=l.raw_len(1) {
            l.raw_get_index(1, n);
            policies.extend(policy_at(l, -1));
            l.pop(1);
        }
    }
    demand(cx, "security.scope.create", "custom")?;
    l.push_userdata(ScopeObject(Scope::new(policies)));
    cx.values(1)
}

fn policy(cx: &mut Cx) -> Ret {
    let id = cx.string(1)?;
    if !cx.allows("security.policy.get", &id) {
        return cx.fail(denied("security.policy.get", &id));
    }
    match cx.vm().kernel.security.policy(&id) {
        Some(policy) => {
            cx.l.push_userdata(PolicyObject(policy));
            cx.values(1)
        }
        None => cx.fail(Error::internal(format!("policy not found: {id}"))),
    }
}

fn named_scope(cx: &mut Cx) -> Ret {
    let id = cx.string(1)?;
    if !cx.allows("security.policy_group.get", &id) {
        return cx.fail(denied("security.policy_group.get", &id));
    }
    match cx.vm().kernel.security.group(&EntryId::parse(&id)) {
        Some(scope) => {
            cx.l.push_userdata(ScopeObject(scope));
            cx.values(1)
        }
        None => cx.fail(Error::internal(format!("policy group not found: {id}"))),
    }
}

// -- arguments -----------------------------------------------------------------------------------

fn opt_map(cx: &Cx, n: c_int) -> Result<Map, Raise> {
    match cx.l.type_of(n) {
        Type::None | Type::Nil => Ok(Map::new()),
        _ => cx.context_values(n),
    }
}

fn policy_at(l: State, n: c_int) -> Option<Arc<Policy>> {
    l.with::<PolicyObject, _>(n, |it| it.0.clone())
}

fn policy_argument(cx: &Cx, n: c_int) -> Result<Arc<Policy>, Raise> {
    policy_at(cx.l, n).ok_or_else(|| cx.wrong_type(n, "security.Policy"))
}

/// A policy by its id, as an object, or as `{ns =, name =}`.
fn id_argument(cx: &Cx, n: c_int) -> Result<String, Raise> {
    let l = cx.l;
    if let Some(policy) = policy_at(l, n) {
        return Ok(policy.id().to_owned());
    }
    if l.type_of(n) != Type::Table {
        return cx.string(n);
    }
    let part = |name: &str| {
        l.get_field(n, name);
        let text = l.bytes(-1).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        l.pop(1);
        text.ok_or_else(|| cx.bad_argument(n, "ns and name must be strings"))
    };
    Ok(EntryId::new(&part("ns")?, &part("name")?).to_string())
}

/// Action, resource and meta.
struct Asked {
    action: String,
    resource: String,
    meta: Map,
}

impl Asked {
    fn at(cx: &Cx, n: c_int) -> Result<Asked, Raise> {
        let (action, resource) = (cx.string(n)?, cx.string(n + 1)?);
        Ok(Asked { action, resource, meta: opt_map(cx, n + 2)? })
    }

    fn request(&self) -> Request<'_> {
        Request { action: &self.action, resource: &self.resource, meta: &self.meta }
    }
}

// -- methods -------------------------------------------------------------------------------------

fn actor_id(cx: &mut Cx) -> Ret {
    let actor = cx.actor(1)?;
    cx.str(actor.id())
}

fn actor_meta(cx: &mut Cx) -> Ret {
    let actor = cx.actor(1)?;
    value::push_map(cx.l, actor.meta());
    cx.values(1)
}

fn actor_text(cx: &mut Cx) -> Ret {
    let actor = cx.actor(1)?;
    cx.str(&format!("security.Actor{{id={}}}", actor.id()))
}

fn scope_with(cx: &mut Cx) -> Ret {
    let (scope, policy) = (cx.scope(1)?, policy_argument(cx, 2)?);
    demand(cx, "security.scope.create", "with")?;
    cx.l.push_userdata(ScopeObject(scope.with(policy)));
    cx.values(1)
}

fn scope_without(cx: &mut Cx) -> Ret {
    let (scope, id) = (cx.scope(1)?, id_argument(cx, 2)?);
    demand(cx, "security.scope.create", "without")?;
    cx.l.push_userdata(ScopeObject(scope.without(&id)));
    cx.values(1)
}

fn scope_contains(cx: &mut Cx) -> Ret {
    let (scope, id) = (cx.scope(1)?, id_argument(cx, 2)?);
    cx.bool(scope.contains(&id))
}

fn scope_policies(cx: &mut Cx) -> Ret {
    let scope = cx.scope(1)?;
    let l = cx.l;
    l.new_table(scope.policies().len(), 0);
    for (n, policy) in scope.policies().iter().enumerate() {
        l.push_userdata(PolicyObject(policy.clone()));
        l.raw_set_index(-2, n + 1);
    }
    cx.values(1)
}

fn scope_evaluate(cx: &mut Cx) -> Ret {
    let (scope, actor) = (cx.scope(1)?, cx.actor(2)?);
    let verdict: Verdict = scope.evaluate(&actor, Asked::at(cx, 3)?.request());
    cx.str(verdict.as_str())
}

fn scope_text(cx: &mut Cx) -> Ret {
    let scope = cx.scope(1)?;
    cx.str(&format!("security.Scope{{policies={}}}", scope.policies().len()))
}

fn policy_id(cx: &mut Cx) -> Ret {
    let policy = policy_argument(cx, 1)?;
    cx.str(policy.id())
}

fn policy_evaluate(cx: &mut Cx) -> Ret {
    let (policy, actor) = (policy_argument(cx, 1)?, cx.actor(2)?);
    let verdict = policy.evaluate(&actor, Asked::at(cx, 3)?.request());
    cx.str(verdict.as_str())
}

fn policy_text(cx: &mut Cx) -> Ret {
    let policy = policy_argument(cx, 1)?;
    cx.str(&format!("security.Policy{{id={}}}", policy.id()))
}
