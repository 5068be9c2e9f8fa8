//! The `security` table of a service's lifecycle: as whom it acts, and within what.

use crate::core::registry::EntryId;
use crate::core::registry::decode::Fields;
use crate::infra::error::Result;
use crate::infra::transcoder::Map;
use crate::system::frame::Frame;
use crate::system::security::{Actor, Scope, Security};

/// Read once; what its names stand for is looked up at each start.
#[derive(Clone, Debug, PartialEq)]
pub struct Identity {
    actor: Actor,
    groups: Vec<EntryId>,
    /// Whole ids.
    policies: Vec<String>,
}

impl Identity {
    /// # Errors
    /// `INVALID`, naming the field.
    pub fn decode(security: &Fields<'_>) -> Result<Identity> {
        let (mut id, mut meta) = ("", Map::new());
        if let Some(actor) = security.opt_fields("actor")? {
            id = actor.opt_str("id")?.unwrap_or_default();
            if let Some(fields) = actor.opt_fields("meta")? {
                let value = |name| Some((str::to_owned(name), fields.value(name)?.clone()));
                meta = fields.names().filter_map(value).collect();
            }
        }
        let groups = security.list_of_str("groups")?;
        let policies = security.list_of_str("policies")?;
        Ok(Identity {
            actor: Actor::new(id, meta),
            groups: groups.into_iter().map(EntryId::parse).collect(),
            policies: policies.into_iter().map(str::to_owned).collect(),
        })
    }

    /// The actor, always; a scope of the policies there are, unless there are none.
    pub fn frame(&self, security: &Security) -> Frame {
        let groups = self.groups.iter().filter_map(|id| security.group(id));
        let grouped = groups.flat_map(|scope| scope.policies().to_vec());
        let named = self.policies.iter().filter_map(|id| security.policy(id));
        let scope = Scope::new(grouped.chain(named));
        let scope = (!scope.policies().is_empty()).then_some(scope);
        Frame { actor: Some(self.actor.clone()), scope, ..Frame::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::Entry;
    use crate::infra::transcoder::Value;
    use crate::system::security::policy::Policy;

    fn entry(id: &str, data: Value) -> Entry {
        let (id, meta) = (EntryId::parse(id), Map::new());
        Entry { id, kind: "any".into(), meta, data }
    }

    fn security() -> Security {
        let security = Security::new(false);
        let rule = [("actions", "*"), ("resources", "*"), ("effect", "allow")];
        let rule = Value::from(rule.map(|(key, value)| (key, Value::from(value))));
        for (id, groups) in
            [("app:one", vec!["app:staff"]), ("app:two", vec!["app:staff"]), ("app:three", vec![])]
        {
            let policy = Policy::decode(&entry(id, [("policy", rule.clone())].into()));
            let groups = groups.into_iter().map(EntryId::parse).collect();
            security.insert(policy.expect("well formed"), groups);
        }
        security
    }

    fn list(items: &[&str]) -> Value {
        Value::List(items.iter().map(|&item| item.into()).collect())
    }

    #[track_caller]
    fn check(data: Value, actor: Actor, policies: Option<&[&str]>) {
        let entry = entry("app:svc", data);
        let identity = Identity::decode(&Fields::new(&entry).expect("a mapping")).expect("decodes");
        let frame = identity.frame(&security());
        assert_eq!(frame.actor, Some(actor));
        let ids = frame.scope.map(|scope| {
            scope.policies().iter().map(|policy| policy.id().to_owned()).collect::<Vec<_>>()
        });
        assert_eq!(ids, policies.map(|ids| ids.iter().map(|id| (*id).to_owned()).collect()));
    }

    #[test]
    fn what_is_there_makes_the_scope() {
        let nobody = || Actor::new("", Map::new());
        check(Value::Map(Map::new()), nobody(), None);
        check([("policies", list(&["app:nothing"]))].into(), nobody(), None);
        check(
            [("policies", list(&["app:three", "app:nothing"]))].into(),
            nobody(),
            Some(&["app:three"]),
        );
        let both =
            [("groups", list(&["app:staff", "app:nobody"])), ("policies", list(&["app:one"]))];
        check(both.into(), nobody(), Some(&["app:one", "app:two"]));
    }

    #[test]
    fn the_actor_is_as_it_says() {
        let meta = Map::from_iter([("team".to_owned(), Value::from("sales"))]);
        let actor = [("id", Value::from("svc")), ("meta", Value::Map(meta.clone()))];
        check([("actor", actor.into())].into(), Actor::new("svc", meta), None);
    }

    #[test]
    fn errors_name_the_field() {
        for (data, field) in [
            (Value::from([("actor", Value::from("svc"))]), "actor"),
            (Value::from([("groups", Value::from("app:staff"))]), "groups"),
            (Value::from([("policies", Value::List(vec![Value::Int(1)]))]), "policies"),
        ] {
            let entry = entry("app:svc", data);
            let fields = Fields::new(&entry).expect("a mapping");
            let error = Identity::decode(&fields).expect_err("refused");
            assert!(error.message().contains(field), "{error}");
        }
    }
}
