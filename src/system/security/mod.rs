//! Security: who may do what. Specification 04, section 4.5.
//!
//! An actor acts within a scope, a set of policies; each policy says of an action on a resource that
//! it is allowed, denied, or nothing. Decisions are pure functions of what they are asked.

pub mod condition;
pub mod identity;
pub mod policy;

use std::sync::Arc;

use fnv::FnvHashMap;
use parking_lot::RwLock;

use crate::core::registry::EntryId;
use crate::infra::app_context::Key;
use crate::infra::transcoder::Map;
use crate::system::frame::Frame;
use crate::system::security::policy::Policy;

/// Who acts. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Actor(Arc<ActorParts>);

#[derive(Debug, PartialEq)]
struct ActorParts {
    id: String,
    meta: Map,
}

impl Actor {
    pub fn new(id: impl Into<String>, meta: Map) -> Actor {
        Actor(Arc::new(ActorParts { id: id.into(), meta }))
    }

    pub fn id(&self) -> &str {
        &self.0.id
    }

    pub fn meta(&self) -> &Map {
        &self.0.meta
    }
}

/// What one policy, or a scope of them, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Allow,
    Deny,
    Undefined,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Allow => "allow",
            Verdict::Deny => "deny",
            Verdict::Undefined => "undefined",
        }
    }
}

/// What somebody wants to do.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    pub action: &'a str,
    pub resource: &'a str,
    pub meta: &'a Map,
}

/// A set of policies, each id once. Never changes; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Scope(Arc<[Arc<Policy>]>);

/// Scopes are equal if they hold policies of the same ids.
impl PartialEq for Scope {
    fn eq(&self, other: &Scope) -> bool {
        self.0.iter().map(|policy| policy.id()).eq(other.0.iter().map(|policy| policy.id()))
    }
}

impl Scope {
    /// Of two policies with one id, the later one counts.
    pub fn new(policies: impl IntoIterator<Item = Arc<Policy>>) -> Scope {
        let mut set: Vec<Arc<Policy>> = Vec::new();
        for policy in policies {
            match set.binary_search_by(|known| known.id().cmp(policy.id())) {
                Ok(at) => set[at] = policy,
                Err(at) => set.insert(at, policy),
            }
        }
        Scope(set.into())
    }

    /// Its policies, in the order of their ids.
    pub fn policies(&self) -> &[Arc<Policy>] {
        &self.0
    }

    pub fn with(&self, policy: Arc<Policy>) -> Scope {
        Scope::new(self.0.iter().cloned().chain([policy]))
    }

    pub fn without(&self, id: &str) -> Scope {
        Scope(self.0.iter().filter(|policy| policy.id() != id).cloned().collect())
    }

    pub fn contains(&self, id: &str) -> bool {
        self.0.iter().any(|policy| policy.id() == id)
    }

    /// Any denial denies; else any permission allows.
    pub fn evaluate(&self, actor: &Actor, request: Request<'_>) -> Verdict {
        let mut verdict = Verdict::Undefined;
        for policy in self.0.iter() {
            match policy.evaluate(actor, request) {
                Verdict::Deny => return Verdict::Deny,
                Verdict::Allow => verdict = Verdict::Allow,
                Verdict::Undefined => {}
            }
        }
        verdict
    }
}

/// May it be done in a frame? Without an actor or a scope the mode decides.
pub fn allows(frame: Option<&Frame>, strict: bool, request: Request<'_>) -> bool {
    can(frame, request).unwrap_or(!strict)
}

/// May it be done in a frame? `None`: it lacks an actor or a scope.
pub fn can(frame: Option<&Frame>, request: Request<'_>) -> Option<bool> {
    let (actor, scope) = (frame?.actor.as_ref()?, frame?.scope.as_ref()?);
    Some(scope.evaluate(actor, request) == Verdict::Allow)
}

/// The policies of the registry, and the mode of the node.
#[derive(Default)]
pub struct Security {
    /// What lacks an actor or a scope may do nothing, instead of everything.
    pub strict: bool,
    policies: RwLock<FnvHashMap<String, Known>>,
}

struct Known {
    policy: Arc<Policy>,
    groups: Vec<EntryId>,
}

impl Security {
    pub const KEY: Key<Security> = Key::new("security");

    pub fn new(strict: bool) -> Security {
        Security { strict, policies: RwLock::default() }
    }

    /// Adds or replaces a policy. Scopes that exist keep the one they have.
    pub fn insert(&self, policy: Policy, groups: Vec<EntryId>) {
        let known = Known { policy: Arc::new(policy), groups };
        self.policies.write().insert(known.policy.id().to_owned(), known);
    }

    pub fn remove(&self, id: &str) {
        self.policies.write().remove(id);
    }

    /// The policy of an entry, by its whole id.
    pub fn policy(&self, id: &str) -> Option<Arc<Policy>> {
        self.policies.read().get(id).map(|known| known.policy.clone())
    }

    /// The policies of a group; none: no policy is in it.
    pub fn group(&self, id: &EntryId) -> Option<Scope> {
        let policies = self.policies.read();
        let members = policies.values().filter(|known| known.groups.contains(id));
        let mut members = members.map(|known| known.policy.clone()).peekable();
        members.peek()?;
        Some(Scope::new(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::Entry;
    use crate::infra::transcoder::Value;

    fn policy(id: &str, action: &str, effect: &str) -> Policy {
        let rule = Value::from([
            ("actions", action.into()),
            ("resources", "*".into()),
            ("effect", effect.into()),
        ]);
        Policy::decode(&Entry {
            id: EntryId::parse(id),
            kind: "security.policy".into(),
            meta: Map::new(),
            data: Value::from([("policy", rule)]),
        })
        .expect("well formed")
    }

    fn scope(policies: &[(&str, &str, &str)]) -> Scope {
        Scope::new(policies.iter().map(|(id, action, effect)| Arc::new(policy(id, action, effect))))
    }

    #[track_caller]
    fn check(policies: &[(&str, &str, &str)], expect: Verdict) {
        let request = Request { action: "read", resource: "file", meta: &Map::new() };
        let mut policies = policies.to_vec();
        for _ in 0..2 {
            let verdict = scope(&policies).evaluate(&Actor::new("", Map::new()), request);
            assert_eq!(verdict, expect, "{policies:?}");
            policies.reverse();
        }
    }

    #[test]
    fn a_denial_wins_whatever_the_order() {
        let (allow, deny) = (("a:1", "read", "allow"), ("a:2", "re*", "deny"));
        check(&[], Verdict::Undefined);
        check(&[allow], Verdict::Allow);
        check(&[deny], Verdict::Deny);
        check(&[allow, deny], Verdict::Deny);
        check(&[("a:3", "write", "deny"), allow], Verdict::Allow);
        check(&[("a:3", "write", "deny")], Verdict::Undefined);
    }

    #[test]
    fn a_scope_has_each_policy_once() {
        let one = scope(&[("a:2", "x", "allow"), ("a:1", "x", "allow"), ("a:2", "x", "deny")]);
        let ids = |scope: &Scope| -> Vec<String> {
            scope.policies().iter().map(|policy| policy.id().to_owned()).collect()
        };
        assert_eq!(ids(&one), ["a:1", "a:2"]);
        let more = one.with(Arc::new(policy("a:0", "x", "allow")));
        assert_eq!((ids(&more).len(), ids(&one).len()), (3, 2));
        assert_eq!(ids(&more.without("a:1")), ["a:0", "a:2"]);
        assert!(more.contains("a:0") && !one.contains("a:0"));
    }

    #[test]
    fn what_is_incomplete_depends_on_the_mode() {
        let meta = Map::new();
        let request = Request { action: "read", resource: "file", meta: &meta };
        let actor = Actor::new("", Map::new());
        let denied = scope(&[("a:1", "read", "deny")]);
        let only_actor = Frame { actor: Some(actor.clone()), ..Frame::default() };
        let only_scope = Frame { scope: Some(denied.clone()), ..Frame::default() };
        let both = Frame { actor: Some(actor), scope: Some(denied), ..Frame::default() };
        for frame in [None, Some(&only_actor), Some(&only_scope)] {
            assert_eq!(can(frame, request), None);
            assert!(allows(frame, false, request) && !allows(frame, true, request));
        }
        assert_eq!(can(Some(&both), request), Some(false));
        assert!(!allows(Some(&both), false, request));
    }

    #[test]
    fn groups_hold_what_is_put_into_them() {
        let security = Security::new(false);
        let group = EntryId::parse("app:staff");
        assert_eq!(security.group(&group), None);
        security.insert(policy("app:p", "x", "allow"), vec![group.clone()]);
        security.insert(policy("app:q", "x", "allow"), vec![group.clone()]);
        assert_eq!(security.group(&group).map(|scope| scope.policies().len()), Some(2));
        security.remove("app:p");
        assert_eq!(security.group(&group).map(|scope| scope.policies().len()), Some(1));
        assert!(security.policy("app:q").is_some() && security.policy("app:p").is_none());
    }
}
