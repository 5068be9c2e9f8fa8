//! Conditions of policies: a field of the request, an operator, a value.
//!
//! `None` within is "cannot be evaluated", which counts like "does not hold".

use std::borrow::Cow;

use regex::Regex;

use crate::core::registry::decode::Fields;
use crate::infra::error::Result;
use crate::infra::transcoder::{Map, Value};
use crate::system::security::{Actor, Request};

#[derive(Debug)]
pub struct Condition {
    field: Path,
    operator: Operator,
    value: Operand,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Eq,
    Ne,
    Lt,
    Gt,
    Lte,
    Gte,
    In,
    Nin,
    Exists,
    Nexists,
    Contains,
    Ncontains,
    Matches,
    Nmatches,
}

const OPERATORS: [(&str, Operator); 14] = [
    ("eq", Operator::Eq),
    ("ne", Operator::Ne),
    ("lt", Operator::Lt),
    ("gt", Operator::Gt),
    ("lte", Operator::Lte),
    ("gte", Operator::Gte),
    ("in", Operator::In),
    ("nin", Operator::Nin),
    ("exists", Operator::Exists),
    ("nexists", Operator::Nexists),
    ("contains", Operator::Contains),
    ("ncontains", Operator::Ncontains),
    ("matches", Operator::Matches),
    ("nmatches", Operator::Nmatches),
];

/// What the field is compared with.
#[derive(Debug)]
enum Operand {
    Value(Value),
    /// A pattern, read when the policy was.
    Pattern(Regex),
    From(Path),
}

/// Where a value is found.
#[derive(Debug)]
enum Path {
    ActorId,
    /// A way through the actor's meta; empty for all of it.
    ActorMeta(Vec<String>),
    Action,
    Resource,
    /// A way through the meta of the request.
    Meta(Vec<String>),
}

impl Path {
    fn parse(text: &str) -> Path {
        let way = |text: &str| text.split('.').map(str::to_owned).collect();
        match text {
            "actor.id" => Path::ActorId,
            "actor.meta" => Path::ActorMeta(Vec::new()),
            "action" => Path::Action,
            "resource" => Path::Resource,
            _ => match (text.strip_prefix("actor.meta."), text.strip_prefix("meta.")) {
                (Some(rest), _) => Path::ActorMeta(way(rest)),
                (_, Some(rest)) => Path::Meta(way(rest)),
                // One key, dots and all.
                _ => Path::Meta(vec![text.to_owned()]),
            },
        }
    }

    fn find<'a>(&self, actor: &'a Actor, request: Request<'a>) -> Option<Cow<'a, Value>> {
        match self {
            Path::ActorId => Some(Cow::Owned(actor.id().into())),
            Path::Action => Some(Cow::Owned(request.action.into())),
            Path::Resource => Some(Cow::Owned(request.resource.into())),
            Path::ActorMeta(way) => walk(actor.meta(), way),
            Path::Meta(way) => walk(request.meta, way),
        }
    }
}

fn walk<'a>(map: &'a Map, way: &[String]) -> Option<Cow<'a, Value>> {
    let Some((first, rest)) = way.split_first() else {
        return Some(Cow::Owned(Value::Map(map.clone())));
    };
    let found = rest.iter().try_fold(map.get(first)?, |value, key| value.get(key))?;
    (!found.is_nil()).then_some(Cow::Borrowed(found))
}

impl Condition {
    /// `INVALID`: an unknown operator, no field, neither a value nor a place to take it from, or a
    /// pattern that is none.
    pub fn decode(fields: &Fields<'_>) -> Result<Condition> {
        let field = Path::parse(fields.str("field")?);
        let name = fields.str("operator")?;
        let known = OPERATORS.iter().find(|(known, _)| *known == name);
        let Some(&(_, operator)) = known else {
            let names: Vec<&str> = OPERATORS.iter().map(|(name, _)| *name).collect();
            let reason = format!("must be one of {}, not {name}", names.join(", "));
            return Err(fields.error("operator", reason));
        };
        let value = match (fields.value("value"), fields.opt_str("value_from")?) {
            (Some(Value::Str(pattern)), _) if operator.takes_pattern() => {
                let read = Regex::new(pattern);
                let read = read.map_err(|error| {
                    fields.error("value", format!("is no regular expression: {error}"))
                })?;
                Operand::Pattern(read)
            }
            (Some(_), _) if operator.takes_pattern() => {
                return Err(fields.error("value", "must be a regular expression"));
            }
            (Some(value), _) => Operand::Value(value.clone()),
            (None, Some(path)) => Operand::From(Path::parse(path)),
            (None, None) => return Err(fields.error("value", "or value_from is required")),
        };
        Ok(Condition { field, operator, value })
    }

    pub fn holds(&self, actor: &Actor, request: Request<'_>) -> bool {
        self.evaluate(actor, request) == Some(true)
    }

    fn evaluate(&self, actor: &Actor, request: Request<'_>) -> Option<bool> {
        let field = self.field.find(actor, request);
        let value = match &self.value {
            Operand::Pattern(pattern) => {
                return Some(
                    pattern.is_match(&text(&*field?)) == (self.operator == Operator::Matches),
                );
            }
            Operand::Value(value) => Cow::Borrowed(value),
            // A pattern out of the request is none.
            Operand::From(_) if self.operator.takes_pattern() => return None,
            Operand::From(path) => path.find(actor, request)?,
        };
        match self.operator {
            Operator::Exists => return Some(value.as_bool()? == field.is_some()),
            Operator::Nexists => return Some(value.as_bool()? != field.is_some()),
            _ => {}
        }
        let field = field?;
        let (field, value) = (&*field, &*value);
        let order = || numeric(field)?.partial_cmp(&numeric(value)?);
        Some(match self.operator {
            Operator::Eq => equal(field, value),
            Operator::Ne => !equal(field, value),
            Operator::Lt => order()?.is_lt(),
            Operator::Gt => order()?.is_gt(),
            Operator::Lte => order()?.is_le(),
            Operator::Gte => order()?.is_ge(),
            Operator::In => is_in(field, value)?,
            Operator::Nin => !is_in(field, value)?,
            Operator::Contains => contains(field, value),
            Operator::Ncontains => !contains(field, value),
            Operator::Exists | Operator::Nexists | Operator::Matches | Operator::Nmatches => {
                return None;
            }
        })
    }
}

impl Operator {
    fn takes_pattern(self) -> bool {
        matches!(self, Operator::Matches | Operator::Nmatches)
    }
}

/// A number, or a text that is one.
fn numeric(value: &Value) -> Option<f64> {
    match value {
        Value::Str(text) => text.trim().parse().ok(),
        _ => value.as_number(),
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    if a == b {
        return true;
    }
    match (numeric(a), numeric(b)) {
        (Some(a), Some(b)) => a == b,
        _ => text(a) == text(b),
    }
}

fn is_in(field: &Value, value: &Value) -> Option<bool> {
    match value {
        Value::List(items) => Some(items.iter().any(|item| equal(field, item))),
        Value::Str(_) => Some(equal(field, value)),
        _ => None,
    }
}

fn contains(field: &Value, value: &Value) -> bool {
    match field {
        Value::List(items) => items.iter().any(|item| equal(item, value)),
        _ => text(field).contains(&*text(value)),
    }
}

fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Str(text) => Cow::Borrowed(text),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes),
        Value::Bool(flag) => Cow::Owned(flag.to_string()),
        Value::Int(n) => Cow::Owned(n.to_string()),
        Value::Float(x) => Cow::Owned(x.to_string()),
        // No text that anybody could mean.
        other => Cow::Owned(format!("{other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::{Entry, EntryId};

    fn actor() -> Actor {
        let team = Value::from([("name", "red".into()), ("size", Value::Int(5))]);
        let roles = Value::List(vec!["admin".into(), "7".into()]);
        Actor::new("ann", [("team".to_owned(), team), ("roles".to_owned(), roles)].into())
    }

    /// Does `field operator value` hold of `ann` doing `open` on `door:1` with `{n = 10, a.b = "x"}`?
    #[track_caller]
    fn check(field: &str, operator: &str, value: impl Into<Value>, expect: bool) {
        assert_eq!(holds(field, operator, "value", value.into()), expect, "{field} {operator}");
    }

    fn holds(field: &str, operator: &str, name: &str, value: Value) -> bool {
        let data =
            Value::from([("field", field.into()), ("operator", operator.into()), (name, value)]);
        let entry = Entry {
            id: EntryId::parse("app:p"),
            kind: "security.policy".into(),
            meta: Map::new(),
            data,
        };
        let fields = Fields::new(&entry).expect("a mapping");
        let condition = Condition::decode(&fields).expect("well formed");
        let deep = Value::from([("c", Value::Bool(true))]);
        let meta = [("n".to_owned(), Value::Int(10)), ("a.b".to_owned(), "x".into())];
        let meta: Map = meta.into_iter().chain([("deep".to_owned(), deep)]).collect();
        let request = Request { action: "open", resource: "door:1", meta: &meta };
        condition.holds(&actor(), request)
    }

    #[test]
    fn fields_are_found() {
        check("actor.id", "eq", "ann", true);
        check("actor.meta.team.name", "eq", "red", true);
        check("actor.meta", "exists", true, true);
        check("action", "eq", "open", true);
        check("resource", "eq", "door:1", true);
        check("meta.n", "eq", 10, true);
        check("n", "eq", 10, true);
        check("a.b", "eq", "x", true);
        check("meta.a.b", "eq", "x", false);
        check("meta.deep.c", "eq", true, true);
    }

    #[test]
    fn operators() {
        check("n", "eq", "10.0", true);
        check("n", "ne", "10.0", false);
        check("n", "ne", 11, true);
        check("n", "lt", 11, true);
        check("n", "lte", 10, true);
        check("n", "gt", "9", true);
        check("n", "gte", 11, false);
        check("action", "lt", 11, false);
        check("action", "gte", 11, false);
        let list = || Value::List(vec!["close".into(), "open".into()]);
        check("action", "in", list(), true);
        check("action", "nin", list(), false);
        check("n", "nin", list(), true);
        check("action", "in", "open", true);
        check("action", "in", 5, false);
        check("action", "nin", 5, false);
        check("action", "contains", "pe", true);
        check("action", "ncontains", "x", true);
        check("actor.meta.roles", "contains", "admin", true);
        check("actor.meta.roles", "contains", 7, true);
        check("actor.meta.roles", "contains", "adm", false);
        check("resource", "matches", "^door:[0-9]+$", true);
        check("resource", "matches", "oo", true);
        check("resource", "nmatches", "oo", false);
    }

    #[test]
    fn what_is_missing() {
        for operator in ["eq", "ne", "lt", "nin", "contains", "ncontains", "matches", "nmatches"] {
            check("meta.gone", operator, "x", false);
        }
        check("meta.gone", "exists", true, false);
        check("meta.gone", "exists", false, true);
        check("meta.gone", "nexists", true, true);
        check("meta.n", "exists", true, true);
        check("meta.n", "nexists", true, false);
        check("meta.n", "nexists", false, true);
        check("meta.n", "exists", "yes", false);
    }

    #[test]
    fn values_from_the_request() {
        assert!(holds("actor.id", "ne", "value_from", "action".into()));
        assert!(holds("actor.id", "eq", "value_from", "actor.id".into()));
        assert!(!holds("actor.id", "ne", "value_from", "meta.gone".into()));
        for operator in ["matches", "nmatches"] {
            assert!(!holds("actor.id", operator, "value_from", "actor.id".into()));
        }
    }
}
