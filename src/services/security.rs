//! `security.policy`: policies that entries define. And who a service is, by its `lifecycle.security`.

use std::sync::Arc;

use crate::core::registry::listener::Listener;
use crate::core::registry::{Entry, EntryId};
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::{Map, Value};
use crate::system::frame::Frame;
use crate::system::security::policy::Policy;
use crate::system::security::{Actor, Scope, Security};

/// Takes the entries of the kind.
pub struct PolicyListener {
    pub security: Arc<Security>,
}

impl Listener for PolicyListener {
    fn add(&self, entry: &Entry) -> Result<()> {
        self.security.insert(Policy::decode(entry)?, Policy::groups(entry)?);
        Ok(())
    }

    fn update(&self, _: &Entry, new: &Entry) -> Result<()> {
        self.add(new)
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        self.security.remove(&entry.id.to_string());
        Ok(())
    }
}

/// Actor, groups and policies of a service.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    actor: Actor,
    groups: Vec<EntryId>,
    policies: Vec<EntryId>,
}

impl Identity {
    /// Reads a `lifecycle.security`, `Nil` for none. `INVALID`, with the field: one that is malformed.
    pub fn decode(security: &Value) -> Result<Option<Identity>> {
        if security.is_nil() {
            return Ok(None);
        }
        let wrong = |field: &str, what: &str| {
            Error::invalid(format!("field lifecycle.security{field} must be {what}"))
        };
        security.as_map().ok_or_else(|| wrong("", "a mapping"))?;
        let ids = |name: &str| -> Result<Vec<EntryId>> {
            let list = match security.get(name) {
                None | Some(Value::Nil) => return Ok(Vec::new()),
                Some(Value::List(list)) => list.iter(),
                Some(_) => return Err(wrong(&format!(".{name}"), "a list of ids")),
            };
            let read = |item: &Value| item.as_str().map(EntryId::parse);
            list.map(|item| read(item).ok_or_else(|| wrong(&format!(".{name}"), "a list of ids")))
                .collect()
        };
        let actor = security.get("actor").cloned().unwrap_or_default();
        let id = match actor.get("id") {
            None | Some(Value::Nil) => "",
            Some(Value::Str(id)) => id,
            Some(_) => return Err(wrong(".actor.id", "a string")),
        };
        let meta = match actor.get("meta") {
            None | Some(Value::Nil) => Map::new(),
            Some(Value::Map(meta)) => meta.clone(),
            Some(_) => return Err(wrong(".actor.meta", "a mapping")),
        };
        let actor = Actor::new(id, meta);
        Ok(Some(Identity { actor, groups: ids("groups")?, policies: ids("policies")? }))
    }

    /// What the service starts with: the actor, and the policies there are at this moment.
    pub fn frame(&self, security: &Security) -> Option<Arc<Frame>> {
        let policies = self.policies.iter().filter_map(|id| security.policy(&id.to_string()));
        let groups = self.groups.iter().filter_map(|id| security.group(id));
        let of_groups = groups.flat_map(|scope| scope.policies().to_vec());
        let mut all = policies.chain(of_groups).peekable();
        let scope = all.peek().is_some().then(|| Scope::new(all));
        Frame { actor: Some(self.actor.clone()), scope, ..Frame::default() }.share()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(ids: &[&str]) -> Value {
        Value::List(ids.iter().map(|id| Value::from(*id)).collect())
    }

    fn policies() -> Security {
        let security = Security::new(false);
        for (id, groups) in [("app:one", vec!["app:staff"]), ("app:two", vec![])] {
            let rule = Value::from([
                ("actions", "*".into()),
                ("resources", "*".into()),
                ("effect", "allow".into()),
            ]);
            let data = Value::from([("policy", rule), ("groups", list(&groups))]);
            let (id, kind) = (EntryId::parse(id), "security.policy".into());
            let entry = Entry { id, kind, meta: Map::new(), data };
            let groups = Policy::groups(&entry).expect("well formed");
            security.insert(Policy::decode(&entry).expect("well formed"), groups);
        }
        security
    }

    /// The ids of the policies that a service of these groups and policies gets.
    fn scope_of(groups: &[&str], policies_: &[&str]) -> Option<Vec<String>> {
        let actor = Value::from([("id", "svc".into())]);
        let security = Value::from([
            ("actor", actor),
            ("groups", list(groups)),
            ("policies", list(policies_)),
        ]);
        let identity = Identity::decode(&security).expect("well formed").expect("one");
        let frame = identity.frame(&policies()).expect("an actor at least");
        assert_eq!(frame.actor.as_ref().map(Actor::id), Some("svc"));
        let scope = frame.scope.as_ref()?;
        Some(scope.policies().iter().map(|policy| policy.id().to_owned()).collect())
    }

    #[test]
    fn a_service_has_the_policies_there_are() {
        let texts = |ids: &[&str]| Some(ids.iter().map(|id| (*id).to_owned()).collect());
        assert_eq!(
            scope_of(&["app:staff"], &["app:two", "app:gone"]),
            texts(&["app:one", "app:two"])
        );
        assert_eq!(scope_of(&["app:staff", "app:gone"], &[]), texts(&["app:one"]));
        assert_eq!(scope_of(&["app:gone"], &["app:gone"]), None);
        assert_eq!(Identity::decode(&Value::Nil), Ok(None));
    }

    #[test]
    fn malformed_identities_are_refused() {
        for (security, text) in [
            (Value::from("x"), "lifecycle.security must"),
            (Value::from([("groups", "app:staff".into())]), "lifecycle.security.groups"),
            (Value::from([("policies", Value::List(vec![1.into()]))]), "security.policies"),
            (Value::from([("actor", Value::from([("id", 5.into())]))]), "security.actor.id"),
        ] {
            let error = Identity::decode(&security).expect_err("malformed");
            assert!(error.message().contains(text), "{error}");
        }
    }
}
