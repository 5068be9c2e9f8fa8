//! Does a value have a type? Raw access only, so no Lua code runs.

use std::collections::HashSet;
use std::ffi::c_int;
use std::rc::Rc;

use super::DEPTH_MAX;
use super::TypeValue;
use super::model::{Condition, Id, Node, Scope, Type};
use super::text::text_of;
use crate::infra::error::Error;
use crate::infra::transcoder::{Map, Value};
use crate::runtime::engine::error::ErrorObject;
use crate::runtime::engine::raw;
use crate::runtime::engine::raw::State;
use crate::runtime::modules::base::is_integral;

/// Why a value does not have a type.
pub(super) struct Failure {
    /// Where in the value, innermost first.
    path: Vec<Step>,
    problem: Problem,
}

enum Step {
    Field(String),
    Index(String),
}

enum Problem {
    /// Another type was expected.
    Type {
        expected: Type,
        got: &'static str,
    },
    Missing {
        expected: Type,
    },
    Constraint(&'static str),
    Depth,
    Steps,
}

/// Steps of one question: parts of the type beside parts of the value. Unions inside each other, or
/// tables that are in a value many times, can be made to need any number, and nobody else runs on a
/// worker while it answers. A list of as many numbers has 64 MB.
const STEPS_MAX: u32 = 1 << 22;

/// What `type(v)` says.
pub(super) fn type_name(l: State, index: c_int) -> &'static str {
    match l.type_of(index) {
        raw::Type::Userdata if l.is::<TypeValue>(index) => "type",
        _ => l.type_name(index),
    }
}

/// Is the value at `index` of the type?
pub(super) fn check(l: State, index: c_int, ty: &Type) -> Result<(), Box<Failure>> {
    let top = l.top();
    let index = l.abs(index);
    let checked = Checker::new(l, &ty.scope).check(ty.id, index);
    l.set_top(top);
    checked
}

struct Checker<'a> {
    l: State,
    scope: &'a Rc<Scope>,
    /// Where the list of field names is on the stack.
    keys: c_int,
    depth: usize,
    /// Names and unions one inside another, without a step into the value.
    turns: usize,
    n_steps: u32,
}

impl<'a> Checker<'a> {
    /// Pushes the names of fields.
    fn new(l: State, scope: &'a Rc<Scope>) -> Self {
        match &scope.types.keys {
            Some(keys) => keys.push(l),
            None => l.push_nil(),
        }
        Self { l, scope, keys: l.top(), depth: 0, turns: 0, n_steps: 0 }
    }

    fn wrong(&self, id: Id, index: c_int) -> Result<(), Box<Failure>> {
        self.fail(Problem::Type { expected: self.named(id), got: type_name(self.l, index) })
    }

    fn named(&self, id: Id) -> Type {
        Type { scope: self.scope.clone(), id }
    }

    /// A message says `User`, not what a `User` has.
    #[cold]
    fn renamed(&self, mut failure: Box<Failure>, id: Id) -> Box<Failure> {
        if let Problem::Type { expected, .. } = &mut failure.problem
            && failure.path.is_empty()
            && Rc::ptr_eq(&expected.scope, self.scope)
            && expected.behind().id == self.named(id).behind().id
        {
            expected.id = id;
        }
        failure
    }

    #[cold]
    fn fail(&self, problem: Problem) -> Result<(), Box<Failure>> {
        Err(Box::new(Failure { path: Vec::new(), problem }))
    }

    fn fits(&self, fits: bool, id: Id, index: c_int) -> Result<(), Box<Failure>> {
        if fits { Ok(()) } else { self.wrong(id, index) }
    }

    /// One level further into the type, not into the value.
    fn turn(&mut self, id: Id, index: c_int) -> Result<(), Box<Failure>> {
        if self.turns >= DEPTH_MAX {
            return self.fail(Problem::Depth);
        }
        self.turns += 1;
        let checked = self.check(id, index);
        self.turns -= 1;
        checked
    }

    /// One level further into the value.
    fn enter(&mut self, id: Id, index: c_int) -> Result<(), Box<Failure>> {
        if self.depth >= DEPTH_MAX || !self.l.check_stack(8) {
            return self.fail(Problem::Depth);
        }
        self.depth += 1;
        let turns = std::mem::take(&mut self.turns);
        let checked = self.check(id, index);
        self.turns = turns;
        self.depth -= 1;
        checked
    }

    /// The answer, if the type has no parts.
    fn is_simply(&self, id: Id, index: c_int) -> Option<bool> {
        use raw::Type as Lua;
        let l = self.l;
        let ty = l.type_of(index);
        Some(match &self.scope.types.nodes[id as usize] {
            Node::Any | Node::Unknown => true,
            Node::Never => false,
            Node::Nil => l.is_nil(index),
            Node::Boolean => ty == Lua::Boolean,
            Node::Number => ty == Lua::Number,
            Node::Integer => ty == Lua::Number && l.number(index).is_some_and(is_integral),
            Node::String => ty == Lua::String,
            Node::Error => l.is::<ErrorObject>(index),
            Node::Other(name) => type_name(l, index) == *name,
            Node::True => ty == Lua::Boolean && l.bool(index),
            Node::False => ty == Lua::Boolean && !l.bool(index),
            Node::Text(text) => ty == Lua::String && l.bytes(index) == Some(text),
            Node::Literal(number) => ty == Lua::Number && l.number(index) == Some(*number),
            Node::Function { .. } => ty == Lua::Function,
            Node::Optional(_)
            | Node::Union(_)
            | Node::Intersection(_)
            | Node::Tuple(_)
            | Node::Array(_)
            | Node::Map(..)
            | Node::Record { .. }
            | Node::Validated(..)
            | Node::Named { .. }
            | Node::Generic { .. }
            | Node::Instantiated { .. }
            | Node::Import(_) => return None,
        })
    }

    fn check(&mut self, id: Id, index: c_int) -> Result<(), Box<Failure>> {
        use raw::Type as Lua;
        self.n_steps += 1;
        if self.n_steps > STEPS_MAX {
            return self.fail(Problem::Steps);
        }
        let l = self.l;
        let scope = self.scope;
        let types = &scope.types;
        let is = |ty: Lua| l.type_of(index) == ty;
        if let Some(fits) = self.is_simply(id, index) {
            return if fits { Ok(()) } else { self.wrong(id, index) };
        }
        match &types.nodes[id as usize] {
            Node::Optional(inner) => match l.is_nil(index) {
                true => Ok(()),
                false => self.turn(*inner, index),
            },
            Node::Union(parts) => {
                let mut nearest = None;
                let top = l.top();
                for part in parts {
                    // What the last one has left when it failed.
                    l.set_top(top);
                    // Most alternatives are plain, and no failure is made of those that do not fit.
                    match self.is_simply(*part, index) {
                        Some(true) => return Ok(()),
                        Some(false) => {
                            self.n_steps += 1;
                            continue;
                        }
                        None => {}
                    }
                    match self.turn(*part, index) {
                        Ok(()) => return Ok(()),
                        Err(failure) if matches!(failure.problem, Problem::Steps) => {
                            return Err(failure);
                        }
                        Err(failure) if matches!(failure.problem, Problem::Depth) => {
                            nearest = Some(failure);
                        }
                        Err(_) => {}
                    }
                }
                nearest.map_or_else(|| self.wrong(id, index), Err)
            }
            Node::Intersection(parts) => parts.iter().try_for_each(|part| self.turn(*part, index)),
            Node::Tuple(parts) => match parts.first() {
                Some(first) => self.turn(*first, index),
                None => self.fits(l.is_nil(index), id, index),
            },
            Node::Array(element) => {
                if !is(Lua::Table) {
                    return self.wrong(id, index);
                }
                self.array(*element, index)
            }
            Node::Map(key, value) => {
                if !is(Lua::Table) {
                    return self.wrong(id, index);
                }
                self.map(*key, *value, index, &HashSet::new())
            }
            Node::Record { fields, rest } => {
                if !is(Lua::Table) {
                    return self.wrong(id, index);
                }
                for field in fields {
                    l.raw_get_index(self.keys, field.key as usize + 1);
                    let found = l.raw_get(index);
                    let at = l.top();
                    let checked = match found {
                        raw::Type::Nil if field.optional || self.takes_nil(field.ty) => Ok(()),
                        raw::Type::Nil => {
                            self.fail(Problem::Missing { expected: self.named(field.ty) })
                        }
                        _ => self.enter(field.ty, at),
                    };
                    if let Err(mut failure) = checked {
                        failure.path.push(Step::Field(field.name.to_string()));
                        return Err(failure);
                    }
                    l.set_top(at - 1);
                }
                match rest {
                    Some((key, value)) => {
                        let known = fields.iter().map(|field| field.name.as_bytes()).collect();
                        self.map(*key, *value, index, &known)
                    }
                    None => Ok(()),
                }
            }
            Node::Validated(inner, validators) => {
                self.turn(*inner, index)?;
                self.validate(validators, index)
            }
            Node::Named { of, .. } | Node::Generic { of, .. } | Node::Instantiated { of, .. } => {
                self.turn(*of, index).map_err(|failure| self.renamed(failure, id))
            }
            Node::Import(n) => match &self.scope.imports[*n] {
                Some(import) => {
                    if self.turns >= DEPTH_MAX || !l.check_stack(8) {
                        return self.fail(Problem::Depth);
                    }
                    let top = l.top();
                    let mut inner = Checker::new(l, &import.scope);
                    inner.depth = self.depth;
                    inner.turns = self.turns + 1;
                    inner.n_steps = self.n_steps;
                    let checked = inner.check(import.id, index);
                    self.n_steps = inner.n_steps;
                    l.set_top(top);
                    checked
                }
                None => Ok(()),
            },
            // The others are answered by `is_simply`.
            _ => Ok(()),
        }
    }

    /// May a field of this type be missing?
    fn takes_nil(&mut self, id: Id) -> bool {
        let node = &self.scope.types.nodes[id as usize];
        match node {
            Node::Optional(_) | Node::Any | Node::Unknown | Node::Nil => true,
            Node::Named { .. } | Node::Validated(..) | Node::Import(_) => {
                let plain = self.named(id).plain();
                match plain.node() {
                    Node::Union(parts) => {
                        self.n_steps += parts.len() as u32;
                        true_for_union(&plain)
                    }
                    node => {
                        matches!(node, Node::Optional(_) | Node::Any | Node::Unknown | Node::Nil)
                    }
                }
            }
            Node::Union(parts) => {
                self.n_steps += parts.len() as u32;
                parts.iter().any(|part| {
                    matches!(
                        self.scope.types.nodes[*part as usize],
                        Node::Nil | Node::Optional(_) | Node::Any | Node::Unknown
                    )
                })
            }
            _ => false,
        }
    }

    fn array(&mut self, element: Id, index: c_int) -> Result<(), Box<Failure>> {
        let l = self.l;
        let at = l.top() + 1;
        if !l.check_stack(8) {
            return self.fail(Problem::Depth);
        }
        for n in 1..=l.raw_len(index) {
            let found = l.raw_get_index(index, n);
            if found != raw::Type::Nil
                && let Err(mut failure) = self.enter(element, at)
            {
                failure.path.push(Step::Index(n.to_string()));
                return Err(failure);
            }
            l.set_top(at - 1);
        }
        Ok(())
    }

    /// All keys but the `known` ones, and their values.
    fn map(
        &mut self,
        key: Id,
        value: Id,
        index: c_int,
        known: &HashSet<&[u8]>,
    ) -> Result<(), Box<Failure>> {
        let l = self.l;
        if !l.check_stack(8) {
            return self.fail(Problem::Depth);
        }
        let at = l.top() + 1;
        let mut cursor = 0;
        while let Some(next) = l.next_pair(index, cursor) {
            cursor = next;
            let is_text = l.type_of(at) == raw::Type::String;
            if !(is_text && l.bytes(at).is_some_and(|name| known.contains(name))) {
                let checked = self.enter(key, at).and_then(|()| self.enter(value, at + 1));
                if let Err(mut failure) = checked {
                    failure.path.push(step(l, at));
                    return Err(failure);
                }
            }
            l.set_top(at - 1);
        }
        Ok(())
    }

    fn validate(&mut self, validators: &[Condition], index: c_int) -> Result<(), Box<Failure>> {
        let l = self.l;
        let ty = l.type_of(index);
        let number = match ty {
            raw::Type::Number => l.number(index),
            _ => None,
        };
        let len = match ty {
            raw::Type::String | raw::Type::Table => Some(l.raw_len(index) as f64),
            _ => None,
        };
        for validator in validators {
            let broken = match validator {
                // What is no number is neither.
                Condition::Min(min) => {
                    number.is_some_and(|n| n < *min || n.is_nan()).then_some("min")
                }
                Condition::Max(max) => {
                    number.is_some_and(|n| n > *max || n.is_nan()).then_some("max")
                }
                Condition::MinLen(min) => len.is_some_and(|len| len < *min).then_some("min_len"),
                Condition::MaxLen(max) => len.is_some_and(|len| len > *max).then_some("max_len"),
                Condition::Pattern(pattern) => {
                    let text = (ty == raw::Type::String).then(|| l.bytes(index)).flatten();
                    text.is_some_and(|text| !pattern.is_match(text)).then_some("pattern")
                }
            };
            if let Some(constraint) = broken {
                return self.fail(Problem::Constraint(constraint));
            }
        }
        Ok(())
    }
}

fn true_for_union(ty: &Type) -> bool {
    let Node::Union(parts) = ty.node() else { return false };
    parts.iter().any(|part| {
        matches!(
            ty.at(*part).plain().node(),
            Node::Nil | Node::Optional(_) | Node::Any | Node::Unknown
        )
    })
}

/// A key of a map as a step of a path.
fn step(l: State, index: c_int) -> Step {
    match l.type_of(index) {
        raw::Type::String => {
            let text = String::from_utf8_lossy(l.bytes(index).unwrap_or_default()).into_owned();
            let is_name = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !text.starts_with(|c: char| c.is_ascii_digit())
                && !text.is_empty();
            if is_name { Step::Field(text) } else { Step::Index(format!("{text:?}")) }
        }
        raw::Type::Number => Step::Index(l.number(index).unwrap_or_default().to_string()),
        raw::Type::Boolean => Step::Index(l.bool(index).to_string()),
        _ => Step::Index(type_name(l, index).to_owned()),
    }
}

impl Failure {
    /// The failure as an error object shows it.
    pub(super) fn into_error(self) -> Error {
        let mut path = String::new();
        for step in self.path.iter().rev() {
            match step {
                Step::Field(name) if path.is_empty() => path += name,
                Step::Field(name) => path += &format!(".{name}"),
                Step::Index(key) => path += &format!("[{key}]"),
            }
        }
        let mut details = Map::new();
        if !path.is_empty() {
            details.insert("field".into(), path.as_str().into());
        }
        let mut set = |key: &str, value: &str| {
            details.insert(key.into(), Value::from(value));
        };
        let problem = match &self.problem {
            Problem::Type { expected, got } => {
                let expected = text_of(expected);
                set("expected", &expected);
                set("got", got);
                format!("expected {expected}, got {got}")
            }
            Problem::Missing { expected } => {
                set("expected", &text_of(expected));
                set("got", "nil");
                "required field missing".to_owned()
            }
            Problem::Constraint(constraint) => {
                set("constraint", constraint);
                match *constraint {
                    "min" => "value below minimum",
                    "max" => "value above maximum",
                    "min_len" => "length below minimum",
                    "max_len" => "length above maximum",
                    _ => "pattern mismatch",
                }
                .to_owned()
            }
            Problem::Depth => format!("nested more than {DEPTH_MAX} levels deep"),
            Problem::Steps => "too many parts to look at".to_owned(),
        };
        let message = if path.is_empty() { problem } else { format!("{path}: {problem}") };
        Error::invalid(message).with_retryable(None).with_details(Value::Map(details))
    }
}
