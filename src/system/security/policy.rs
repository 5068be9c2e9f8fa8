//! Policies: what one entry of kind `security.policy` says of a request.
//!
//! A policy speaks of requests whose action and resource match its patterns and whose conditions all
//! hold; of others it says nothing. So does one whose condition cannot be evaluated.

use crate::core::registry::decode::Fields;
use crate::core::registry::{Entry, EntryId};
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;
use crate::system::security::condition::Condition;
use crate::system::security::{Actor, Request, Verdict};

/// Compared by id.
#[derive(Debug)]
pub struct Policy {
    id: String,
    actions: Vec<Pattern>,
    resources: Vec<Pattern>,
    effect: Verdict,
    conditions: Vec<Condition>,
}

/// What an action or a resource is compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Exact(String),
    /// Anything that starts with it; empty for `*`.
    Prefix(String),
}

impl Pattern {
    /// A star counts at the end only; `read.*` is the same as `read*`.
    fn parse(text: &str) -> Pattern {
        match text.strip_suffix(".*").or_else(|| text.strip_suffix('*')) {
            Some(prefix) => Pattern::Prefix(prefix.to_owned()),
            None => Pattern::Exact(text.to_owned()),
        }
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Pattern::Exact(exact) => exact == text,
            Pattern::Prefix(prefix) => text.starts_with(prefix.as_str()),
        }
    }
}

impl Policy {
    /// Reads an entry. `INVALID`, with the field: anything that is not as the specification has it.
    pub fn decode(entry: &Entry) -> Result<Policy> {
        let fields = Fields::new(entry)?.fields("policy")?;
        let effect = match fields.str("effect")? {
            "allow" => Verdict::Allow,
            "deny" => Verdict::Deny,
            other => {
                let reason = format!("must be allow or deny, not {other}");
                return Err(fields.error("effect", reason));
            }
        };
        let conditions = fields.list_of_fields("conditions")?;
        Ok(Policy {
            id: entry.id.to_string(),
            actions: patterns(&fields, "actions")?,
            resources: patterns(&fields, "resources")?,
            effect,
            conditions: conditions.iter().map(Condition::decode).collect::<Result<_>>()?,
        })
    }

    /// The groups an entry puts its policy into; those without namespace are in the entry's own.
    pub fn groups(entry: &Entry) -> Result<Vec<EntryId>> {
        let names = Fields::new(entry)?.list_of_str("groups")?;
        Ok(names.iter().map(|name| EntryId::parse_in(name, entry.id.ns())).collect())
    }

    /// `ns:name` of its entry.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn evaluate(&self, actor: &Actor, request: Request<'_>) -> Verdict {
        let any = |patterns: &[Pattern], text: &str| patterns.iter().any(|p| p.matches(text));
        let speaks = any(&self.actions, request.action)
            && any(&self.resources, request.resource)
            && self.conditions.iter().all(|condition| condition.holds(actor, request));
        match speaks {
            true => self.effect,
            false => Verdict::Undefined,
        }
    }
}

/// One pattern, or a list of at least one.
fn patterns(fields: &Fields<'_>, name: &str) -> Result<Vec<Pattern>> {
    let required = || Error::invalid(format!("policy.{name} is required"));
    let texts = match fields.value(name) {
        None => return Err(required()),
        Some(Value::Str(text)) => vec![text.as_str()],
        Some(_) => fields.list_of_str(name)?,
    };
    match texts.is_empty() || texts.contains(&"") {
        true => Err(required()),
        false => Ok(texts.into_iter().map(Pattern::parse).collect()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::transcoder::Map;

    fn list(items: &[&str]) -> Value {
        Value::List(items.iter().map(|item| Value::from(*item)).collect())
    }

    fn entry(policy: Value) -> Entry {
        Entry {
            id: EntryId::parse("app:p"),
            kind: "security.policy".into(),
            meta: Map::new(),
            data: Value::from([("policy", policy)]),
        }
    }

    #[track_caller]
    fn check(pattern: &str, text: &str, expect: bool) {
        let policy = Value::from([
            ("actions", pattern.into()),
            ("resources", list(&["nothing", "*"])),
            ("effect", "allow".into()),
        ]);
        let policy = Policy::decode(&entry(policy)).expect("well formed");
        let request = Request { action: text, resource: "any", meta: &Map::new() };
        let verdict = policy.evaluate(&Actor::new("", Map::new()), request);
        assert_eq!(verdict == Verdict::Allow, expect, "{pattern} and {text}");
    }

    #[test]
    fn patterns_match_from_the_start() {
        check("*", "anything", true);
        check("*", "", true);
        check("read", "read", true);
        check("read", "readonly", false);
        for pattern in ["read*", "read.*"] {
            check(pattern, "read", true);
            check(pattern, "readonly", true);
            check(pattern, "read.file", true);
            check(pattern, "rea", false);
        }
        check("*.read", "file.read", false);
        check("*.read", "*.read", true);
    }

    #[track_caller]
    fn refused(pairs: &[(&str, Value)], text: &str) {
        let mut fields = vec![
            ("actions", Value::from("*")),
            ("resources", Value::from("*")),
            ("effect", Value::from("allow")),
        ];
        fields.retain(|(name, _)| pairs.iter().all(|(other, _)| other != name));
        fields.extend(pairs.iter().cloned());
        let map = fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let error = Policy::decode(&entry(Value::Map(map))).expect_err("malformed");
        assert!(error.message().contains(text), "{error}");
    }

    #[test]
    fn malformed_policies_are_refused() {
        refused(&[("effect", "perhaps".into())], "effect must be allow or deny");
        refused(&[("effect", Value::Nil)], "effect is required");
        refused(&[("actions", Value::Nil)], "policy.actions is required");
        refused(&[("actions", list(&[]))], "policy.actions is required");
        refused(&[("resources", Value::Int(1))], "resources must be a list");
        let condition = |pairs: [(&str, Value); 3]| Value::List(vec![Value::from(pairs)]);
        let bad = [("field", "action".into()), ("operator", "like".into()), ("value", "x".into())];
        refused(&[("conditions", condition(bad))], "operator");
        let bad =
            [("field", "action".into()), ("operator", "matches".into()), ("value", "(".into())];
        refused(&[("conditions", condition(bad))], "value");
    }
}
