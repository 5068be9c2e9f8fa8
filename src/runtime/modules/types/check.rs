//! Does a value have a type? Raw access only, so no Lua code runs.

use std::cell::Cell;
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

impl Failure {
    /// Is it about what a check may take, and not about the value?
    fn is_limit(&self) -> bool {
        matches!(self.problem, Problem::Depth | Problem::Size)
    }
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
    Size,
}

/// Steps of one check. A table that is in many others is looked at in each, so a small value may be
/// as good as endless; a large one takes ten million for a second or so.
const VISITS_MAX: usize = 10_000_000;

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
    let visits = Cell::new(0);
    let checked = Checker::new(l, &ty.scope, 0, 0, &visits).check(ty.id, index);
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
    /// Steps made so far, in all scopes.
    visits: &'a Cell<usize>,
}

impl<'a> Checker<'a> {
    /// Pushes the names of fields.
    fn new(
        l: State,
        scope: &'a Rc<Scope>,
        depth: usize,
        turns: usize,
        visits: &'a Cell<usize>,
    ) -> Self {
        match &scope.types.keys {
            Some(keys) => keys.push(l),
            None => l.push_nil(),
        }
        Self { l, scope, keys: l.top(), depth, turns, visits }
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

    fn check(&mut self, id: Id, index: c_int) -> Result<(), Box<Failure>> {
        use raw::Type as Lua;
        let l = self.l;
        let scope = self.scope;
        let types = &scope.types;
        let is = |ty: Lua| l.type_of(index) == ty;
        self.visits.set(self.visits.get() + 1);
        if self.visits.get() > VISITS_MAX {
            return self.fail(Problem::Size);
        }
        match &types.nodes[id as usize] {
            Node::Any | Node::Unknown => Ok(()),
            Node::Never => self.wrong(id, index),
            Node::Nil => self.fits(l.is_nil(index), id, index),
            Node::Boolean => self.fits(is(Lua::Boolean), id, index),
            Node::Number => self.fits(is(Lua::Number), id, index),
            Node::Integer => {
                let integral = is(Lua::Number) && l.number(index).is_some_and(is_integral);
                self.fits(integral, id, index)
            }
            Node::String => self.fits(is(Lua::String), id, index),
            Node::Error => self.fits(l.is::<ErrorObject>(index), id, index),
            Node::Other(name) => self.fits(type_name(l, index) == *name, id, index),
            Node::True => self.fits(is(Lua::Boolean) && l.bool(index), id, index),
            Node::False => self.fits(is(Lua::Boolean) && !l.bool(index), id, index),
            Node::Text(text) => {
                let same = is(Lua::String) && l.bytes(index) == Some(text);
                self.fits(same, id, index)
            }
            Node::Literal(number) => {
                let same = is(Lua::Number) && l.number(index) == Some(*number);
                self.fits(same, id, index)
            }
            Node::Optional(inner) => match l.is_nil(index) {
                true => Ok(()),
                false => self.turn(*inner, index),
            },
            Node::Union(parts) => {
                let mut nearest = None;
                for part in parts {
                    match self.turn(*part, index) {
                        Ok(()) => return Ok(()),
                        Err(failure) if failure.is_limit() => {
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
                self.map(*key, *value, index, &[])
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
                        let known: Vec<&[u8]> =
                            fields.iter().map(|field| field.name.as_bytes()).collect();
                        self.map(*key, *value, index, &known)
                    }
                    None => Ok(()),
                }
            }
            Node::Function { .. } => self.fits(is(Lua::Function), id, index),
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
                    let turns = self.turns + 1;
                    let mut inner = Checker::new(l, &import.scope, self.depth, turns, self.visits);
                    let checked = inner.check(import.id, index);
                    l.set_top(top);
                    checked
                }
                None => Ok(()),
            },
        }
    }

    /// May a field of this type be missing?
    fn takes_nil(&self, id: Id) -> bool {
        let node = &self.scope.types.nodes[id as usize];
        match node {
            Node::Optional(_) | Node::Any | Node::Unknown | Node::Nil => true,
            Node::Named { .. } | Node::Validated(..) | Node::Import(_) => {
                let plain = self.named(id).plain();
                match plain.node() {
                    Node::Union(_) => true_for_union(&plain),
                    node => {
                        matches!(node, Node::Optional(_) | Node::Any | Node::Unknown | Node::Nil)
                    }
                }
            }
            Node::Union(parts) => parts.iter().any(|part| {
                matches!(
                    self.scope.types.nodes[*part as usize],
                    Node::Nil | Node::Optional(_) | Node::Any | Node::Unknown
                )
            }),
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
        known: &[&[u8]],
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
            if !(is_text && l.bytes(at).is_some_and(|name| known.contains(&name))) {
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
            Problem::Size => format!("larger than {VISITS_MAX} values"),
            Problem::Depth => format!("nested more than {DEPTH_MAX} levels deep"),
        };
        let message = if path.is_empty() { problem } else { format!("{path}: {problem}") };
        Error::invalid(message).with_retryable(None).with_details(Value::Map(details))
    }
}
