//! A tree against a compiled schema.

use std::collections::HashSet;
use std::fmt;

use crate::infra::json_schema::{
    ARRAY, BOOLEAN, Count, INTEGER, Keyword, Limit, NULL, NUMBER, Node, NodeId, OBJECT, STRING,
    Schema, TYPES,
};
use crate::infra::transcoder::{Map, Value};

/// Steps of work for one tree: some tenths of a second.
const STEPS_MAX: u64 = 10_000_000;
/// Schemas one inside the other, counted along references: fits the stack of a worker.
const DEPTH_MAX: usize = 600;

/// Where a tree differs from its schema first, and how.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    at: String,
    reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "at '{}': {}", self.at, self.reason)
    }
}

impl Schema {
    /// Ends after a bounded amount of work; a tree that would need more fails.
    pub fn validate(&self, tree: &Value) -> Result<(), Failure> {
        let mut checker =
            Checker { schema: self, steps: STEPS_MAX, scope: Vec::new(), path: Vec::new() };
        checker.node(0, tree).map(drop).map_err(|stop| match stop {
            Stop::Failed(failure) => failure,
            Stop::GivenUp(reason) => Failure { at: String::new(), reason: reason.into() },
        })
    }
}

/// What has been looked at, of a list or an object. Only kept if a keyword asks for it.
#[derive(Default)]
struct Seen {
    properties: HashSet<String>,
    items: HashSet<usize>,
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.properties.extend(other.properties);
        self.items.extend(other.items);
    }
}

enum Stop {
    Failed(Failure),
    /// Too much work; no alternative can make up for it.
    GivenUp(&'static str),
}

type Checked<T> = Result<T, Stop>;

struct Checker<'s> {
    schema: &'s Schema,
    steps: u64,
    /// Resources entered, outermost first.
    scope: Vec<usize>,
    /// Steps to the place that is looked at.
    path: Vec<String>,
}

impl<'s> Checker<'s> {
    fn pay(&mut self, steps: usize) -> Checked<()> {
        self.steps = self.steps.checked_sub(steps as u64).ok_or(Stop::GivenUp("too much work"))?;
        Ok(())
    }

    fn fail<T>(&self, reason: impl Into<String>) -> Checked<T> {
        let steps = self.path.iter().map(|step| step.replace('~', "~0").replace('/', "~1"));
        let at = steps.fold(String::new(), |path, step| path + "/" + &step);
        Err(Stop::Failed(Failure { at, reason: reason.into() }))
    }

    fn node(&mut self, id: NodeId, value: &Value) -> Checked<Seen> {
        self.pay(1)?;
        if self.scope.len() >= DEPTH_MAX {
            return Err(Stop::GivenUp("references without end, or nested too deeply"));
        }
        let schema: &'s Schema = self.schema;
        let node: &'s Node = &schema.nodes[id];
        self.scope.push(node.resource);
        let mut seen = Seen::default();
        for keyword in &node.keywords {
            self.keyword(keyword, value, &mut seen)?;
        }
        self.scope.pop();
        Ok(seen)
    }

    /// Does the value fit? The place in the tree and the scope are as before.
    fn fits(&mut self, id: NodeId, value: &Value) -> Checked<Option<Seen>> {
        let (scope, path) = (self.scope.len(), self.path.len());
        match self.node(id, value) {
            Ok(seen) => Ok(Some(seen)),
            Err(Stop::Failed(_)) => {
                self.scope.truncate(scope);
                self.path.truncate(path);
                Ok(None)
            }
            Err(given_up) => Err(given_up),
        }
    }

    /// A value inside the one that is looked at.
    fn inside(&mut self, step: &str, id: NodeId, value: &Value) -> Checked<()> {
        self.path.push(step.to_owned());
        self.node(id, value)?;
        self.path.pop();
        Ok(())
    }

    fn keyword(&mut self, keyword: &'s Keyword, value: &Value, seen: &mut Seen) -> Checked<()> {
        match keyword {
            Keyword::Never => return self.fail("nothing is allowed here"),
            Keyword::Ref(node) => seen.add(self.node(*node, value)?),
            Keyword::DynamicRef(node, name) => {
                let node = self.dynamic(name).unwrap_or(*node);
                seen.add(self.node(node, value)?);
            }
            Keyword::AllOf(nodes) => {
                for node in nodes {
                    seen.add(self.node(*node, value)?);
                }
            }
            Keyword::AnyOf(nodes) => self.any_of(nodes, value, seen)?,
            Keyword::OneOf(nodes) => {
                let mut n_fitting = 0;
                for node in nodes {
                    if let Some(more) = self.fits(*node, value)? {
                        n_fitting += 1;
                        seen.add(more);
                    }
                }
                if n_fitting != 1 {
                    return self.fail(format!("oneOf: {n_fitting} schemas fit, not one"));
                }
            }
            Keyword::Not(node) => {
                if self.fits(*node, value)?.is_some() {
                    return self.fail("not: the schema fits");
                }
            }
            Keyword::If { condition, then, otherwise } => {
                let next = match self.fits(*condition, value)? {
                    Some(more) => {
                        seen.add(more);
                        then
                    }
                    None => otherwise,
                };
                if let Some(node) = next {
                    seen.add(self.node(*node, value)?);
                }
            }
            Keyword::DependentSchemas(nodes) => {
                for (name, node) in nodes {
                    if value.get(name).is_some() {
                        seen.add(self.node(*node, value)?);
                    }
                }
            }
            Keyword::Type(types) => {
                if types & types_of(value) == 0 {
                    let names = TYPES.iter().filter(|(_, bits)| bits & types == *bits);
                    let names: Vec<&str> = names.map(|(name, _)| *name).collect();
                    let got = type_name(value);
                    return self.fail(format!("type: got {got}, want {}", names.join(" or ")));
                }
            }
            Keyword::Enum(values) => {
                for known in values {
                    if self.equal(known, value)? {
                        return Ok(());
                    }
                }
                return self.fail("enum: none of the values");
            }
            Keyword::Const(known) => {
                if !self.equal(known, value)? {
                    return self.fail("const: another value");
                }
            }
            Keyword::MultipleOf(factor) => {
                if let Some(number) = value.as_number()
                    && !is_multiple(number, *factor)
                {
                    return self.fail(format!("multipleOf: {number} is no multiple of {factor}"));
                }
            }
            Keyword::Limit(limit, bound) => self.limit(*limit, *bound, value)?,
            Keyword::Count(count, bound) => self.count(*count, *bound, value)?,
            Keyword::Pattern(pattern) => {
                if let Value::Str(text) = value {
                    self.pay(text.len())?;
                    if !pattern.is_match(text) {
                        return self.fail(format!("pattern: does not match {pattern}"));
                    }
                }
            }
            Keyword::UniqueItems
            | Keyword::Items { .. }
            | Keyword::Contains { .. }
            | Keyword::UnevaluatedItems(_) => {
                if let Value::List(items) = value {
                    self.list(keyword, items, seen)?;
                }
            }
            Keyword::Required(_)
            | Keyword::DependentRequired(_)
            | Keyword::PropertyNames(_)
            | Keyword::Properties { .. }
            | Keyword::UnevaluatedProperties(_) => {
                if let Value::Map(map) = value {
                    self.object(keyword, map, seen)?;
                }
            }
        }
        Ok(())
    }

    /// The node that the outermost resource around gives this name to.
    fn dynamic(&self, name: &str) -> Option<NodeId> {
        let anchors = &self.schema.dynamic_anchors;
        self.scope.iter().find_map(|at| anchors.get(&(*at, name.to_owned())).copied())
    }

    fn any_of(&mut self, nodes: &[NodeId], value: &Value, seen: &mut Seen) -> Checked<()> {
        let mut fits = false;
        for node in nodes {
            if let Some(more) = self.fits(*node, value)? {
                fits = true;
                seen.add(more);
                if !self.schema.tracks {
                    break;
                }
            }
        }
        match fits {
            true => Ok(()),
            false => self.fail("anyOf: no schema fits"),
        }
    }

    fn limit(&self, limit: Limit, bound: f64, value: &Value) -> Checked<()> {
        let Some(number) = value.as_number() else { return Ok(()) };
        let (holds, name) = match limit {
            Limit::Maximum => (number <= bound, "maximum"),
            Limit::ExclusiveMaximum => (number < bound, "exclusiveMaximum"),
            Limit::Minimum => (number >= bound, "minimum"),
            Limit::ExclusiveMinimum => (number > bound, "exclusiveMinimum"),
        };
        match holds {
            true => Ok(()),
            false => self.fail(format!("{name}: got {number}, want {bound}")),
        }
    }

    fn count(&mut self, count: Count, bound: usize, value: &Value) -> Checked<()> {
        let got = match (count, value) {
            (Count::MaxLength | Count::MinLength, Value::Str(text)) => {
                self.pay(text.len() / 16)?;
                text.chars().count()
            }
            (Count::MaxItems | Count::MinItems, Value::List(items)) => items.len(),
            (Count::MaxProperties | Count::MinProperties, Value::Map(map)) => map.len(),
            _ => return Ok(()),
        };
        let (holds, name) = match count {
            Count::MaxLength => (got <= bound, "maxLength"),
            Count::MinLength => (got >= bound, "minLength"),
            Count::MaxItems => (got <= bound, "maxItems"),
            Count::MinItems => (got >= bound, "minItems"),
            Count::MaxProperties => (got <= bound, "maxProperties"),
            Count::MinProperties => (got >= bound, "minProperties"),
        };
        match holds {
            true => Ok(()),
            false => self.fail(format!("{name}: got {got}, want {bound}")),
        }
    }

    fn list(&mut self, keyword: &'s Keyword, items: &[Value], seen: &mut Seen) -> Checked<()> {
        let tracks = self.schema.tracks;
        match keyword {
            Keyword::UniqueItems => {
                for (n, item) in items.iter().enumerate() {
                    for earlier in &items[..n] {
                        if self.equal(earlier, item)? {
                            return self.fail("uniqueItems: equal items");
                        }
                    }
                }
            }
            Keyword::Items { prefix, rest } => {
                for (n, item) in items.iter().enumerate() {
                    let Some(node) = prefix.get(n).copied().or(*rest) else { break };
                    self.inside(&n.to_string(), node, item)?;
                    if tracks {
                        seen.items.insert(n);
                    }
                }
            }
            Keyword::Contains { node, min, max } => {
                let mut n_fitting = 0;
                for (n, item) in items.iter().enumerate() {
                    if self.fits(*node, item)?.is_some() {
                        n_fitting += 1;
                        if tracks {
                            seen.items.insert(n);
                        }
                    }
                }
                if n_fitting < *min {
                    return self.fail(format!("contains: {n_fitting} items fit, want {min}"));
                }
                if let Some(max) = max.filter(|max| n_fitting > *max) {
                    return self.fail(format!("maxContains: {n_fitting} items fit, want {max}"));
                }
            }
            Keyword::UnevaluatedItems(node) => {
                for (n, item) in items.iter().enumerate() {
                    if seen.items.insert(n) {
                        self.inside(&n.to_string(), *node, item)?;
                    }
                }
            }
            _ => (),
        }
        Ok(())
    }

    fn object(&mut self, keyword: &'s Keyword, map: &Map, seen: &mut Seen) -> Checked<()> {
        match keyword {
            Keyword::Required(names) => self.required(names, map)?,
            Keyword::DependentRequired(pairs) => {
                for (name, names) in pairs {
                    if map.contains_key(name) {
                        self.required(names, map)?;
                    }
                }
            }
            Keyword::PropertyNames(node) => {
                for name in map.keys() {
                    self.inside(name, *node, &Value::Str(name.clone()))?;
                }
            }
            Keyword::Properties { named, patterns, others } => {
                for (name, item) in map {
                    let mut known = false;
                    if let Some(node) = named.get(name) {
                        known = true;
                        self.inside(name, *node, item)?;
                    }
                    for (pattern, node) in patterns {
                        self.pay(name.len() + 1)?;
                        if pattern.is_match(name) {
                            known = true;
                            self.inside(name, *node, item)?;
                        }
                    }
                    if let Some(node) = others.filter(|_| !known) {
                        known = true;
                        self.inside(name, node, item)?;
                    }
                    if known && self.schema.tracks {
                        seen.properties.insert(name.clone());
                    }
                }
            }
            Keyword::UnevaluatedProperties(node) => {
                for (name, item) in map {
                    if seen.properties.insert(name.clone()) {
                        self.inside(name, *node, item)?;
                    }
                }
            }
            _ => (),
        }
        Ok(())
    }

    fn required(&mut self, names: &[String], map: &Map) -> Checked<()> {
        self.pay(names.len())?;
        match names.iter().find(|name| !map.contains_key(*name)) {
            Some(name) => self.fail(format!("required: {name:?} is missing")),
            None => Ok(()),
        }
    }

    /// Equality of JSON: an integer equals the float of the same value.
    fn equal(&mut self, a: &Value, b: &Value) -> Checked<bool> {
        self.pay(1)?;
        Ok(match (a, b) {
            (Value::Str(a), Value::Str(b)) => {
                self.pay(a.len().min(b.len()) / 64)?;
                a == b
            }
            (Value::List(a), Value::List(b)) if a.len() == b.len() => {
                for (a, b) in a.iter().zip(b) {
                    if !self.equal(a, b)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Value::Map(a), Value::Map(b)) if a.len() == b.len() => {
                for (key, a) in a {
                    match b.get(key) {
                        Some(b) if self.equal(a, b)? => (),
                        _ => return Ok(false),
                    }
                }
                true
            }
            (Value::Int(_) | Value::Float(_), Value::Int(_) | Value::Float(_)) => {
                a.as_number() == b.as_number()
            }
            (Value::Nil, Value::Nil) => true,
            (Value::Bool(a), Value::Bool(b)) => a == b,
            _ => false,
        })
    }
}

fn types_of(value: &Value) -> u8 {
    match value {
        Value::Nil => NULL,
        Value::Bool(_) => BOOLEAN,
        Value::Int(_) => INTEGER | NUMBER,
        Value::Float(x) if x.fract() == 0.0 => INTEGER | NUMBER,
        Value::Float(_) => NUMBER,
        Value::Str(_) | Value::Bytes(_) | Value::Error(_) => STRING,
        Value::List(_) => ARRAY,
        Value::Map(_) => OBJECT,
    }
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Nil => "null",
        Value::Bool(_) => "boolean",
        Value::Int(_) | Value::Float(_) => "number",
        Value::Str(_) | Value::Bytes(_) | Value::Error(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
    }
}

fn is_multiple(number: f64, factor: f64) -> bool {
    let quotient = number / factor;
    if number.fract() == 0.0 && factor.fract() == 0.0 {
        return number % factor == 0.0;
    }
    // Decimals such as 0.0075 and 0.0001 have no exact form: a few units in the last place.
    quotient.is_finite()
        && (quotient - quotient.round()).abs() <= quotient.abs() * 4.0 * f64::EPSILON
}
