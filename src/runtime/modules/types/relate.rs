//! Which types are parts of others.

use std::rc::Rc;

use super::DEPTH_MAX;
use super::model::{Id, Node, Scope, Type};

/// Comparisons that one question may take; beyond them types are unrelated.
const STEPS_MAX: u32 = 10_000;

/// Has each value of `a` type `b` too?
pub(super) fn is_subtype(a: &Type, b: &Type) -> bool {
    Relation { assumed: Vec::new(), n_steps: 0 }.below(a, b)
}

/// Do the same values have both types?
pub(super) fn is_equal(a: &Type, b: &Type) -> bool {
    is_subtype(a, b) && is_subtype(b, a)
}

/// A type's identity: its source, and its number in it.
type Key = (*const Scope, Id);

struct Relation {
    /// What is being asked already: recursive types are related unless something says no.
    assumed: Vec<(Key, Key)>,
    n_steps: u32,
}

impl Relation {
    fn below(&mut self, a: &Type, b: &Type) -> bool {
        self.n_steps += 1;
        if self.n_steps > STEPS_MAX || self.assumed.len() > 4 * DEPTH_MAX {
            return false;
        }
        let key = |ty: &Type| (Rc::as_ptr(&ty.scope), ty.id);
        let asked = (key(a), key(b));
        if asked.0 == asked.1 || self.assumed.contains(&asked) {
            return true;
        }
        self.assumed.push(asked);
        let answer = self.compare(a, b);
        self.assumed.pop();
        answer
    }

    fn compare(&mut self, a: &Type, b: &Type) -> bool {
        if let Node::Validated(of, conditions) = b.node() {
            let Node::Validated(a_of, a_conditions) = a.node() else {
                return match a.node() {
                    Node::Named { of, .. } => self.below(&a.at(*of), b),
                    _ => false,
                };
            };
            let same = conditions.iter().all(|one| a_conditions.iter().any(|two| one.same(two)));
            return same && self.below(&a.at(*a_of), &b.at(*of));
        }
        match (a.node(), b.node()) {
            (
                _,
                Node::Named { of, .. } | Node::Instantiated { of, .. } | Node::Generic { of, .. },
            ) => self.below(a, &b.at(*of)),
            (
                Node::Named { of, .. } | Node::Instantiated { of, .. } | Node::Validated(of, _),
                _,
            ) => self.below(&a.at(*of), b),
            (_, Node::Import(_)) => self.below(a, &b.plain()),
            (Node::Import(_), _) => self.below(&a.plain(), b),
            (_, Node::Any | Node::Unknown) | (Node::Never, _) => true,
            (Node::Any | Node::Unknown, _) | (_, Node::Never) => false,
            (Node::Union(parts), _) => parts.iter().all(|part| self.below(&a.at(*part), b)),
            (Node::Optional(inner), Node::Optional(other)) => {
                self.below(&a.at(*inner), &b.at(*other)) || self.below(&a.at(*inner), b)
            }
            (Node::Optional(inner), Node::Union(parts)) => {
                parts.iter().any(|part| takes_nil(&b.at(*part))) && self.below(&a.at(*inner), b)
            }
            (Node::Nil, Node::Optional(_)) => true,
            (_, Node::Optional(other)) => self.below(a, &b.at(*other)),
            (_, Node::Union(parts)) => parts.iter().any(|part| self.below(a, &b.at(*part))),
            (_, Node::Intersection(parts)) => parts.iter().all(|part| self.below(a, &b.at(*part))),
            (Node::Intersection(parts), _) => parts.iter().any(|part| self.below(&a.at(*part), b)),
            (Node::Boolean, Node::Boolean)
            | (Node::Number | Node::Integer, Node::Number)
            | (Node::Integer, Node::Integer)
            | (Node::String | Node::Text(_), Node::String)
            | (Node::Literal(_), Node::Number)
            | (Node::Nil, Node::Nil)
            | (Node::Error, Node::Error | Node::Other("userdata"))
            | (Node::True | Node::False, Node::Boolean)
            | (Node::True, Node::True)
            | (Node::False, Node::False)
            | (Node::Function { .. }, Node::Other("function"))
            | (Node::Array(_) | Node::Map(..) | Node::Record { .. }, Node::Other("table")) => true,
            (Node::Literal(a), Node::Integer) => a.fract() == 0.0,
            (Node::Literal(a), Node::Literal(b)) => a == b,
            (Node::Text(a), Node::Text(b)) => a == b,
            (Node::Other(a), Node::Other(b)) => a == b,
            (Node::Array(x), Node::Array(y)) => self.below(&a.at(*x), &b.at(*y)),
            (Node::Map(k, v), Node::Map(key, value)) => {
                self.below(&a.at(*k), &b.at(*key)) && self.below(&a.at(*v), &b.at(*value))
            }
            (Node::Tuple(x), Node::Tuple(y)) => {
                x.len() == y.len() && x.iter().zip(y).all(|(x, y)| self.below(&a.at(*x), &b.at(*y)))
            }
            (_, Node::Record { fields, rest: None }) if fields.is_empty() => {
                matches!(a.node(), Node::Array(_) | Node::Map(..) | Node::Record { .. })
            }
            (Node::Record { fields, .. }, Node::Record { fields: wanted, rest }) => {
                let all = wanted.iter().all(|want| {
                    match fields.iter().find(|field| field.name == want.name) {
                        Some(field) => {
                            (!field.optional || want.optional || takes_nil(&b.at(want.ty)))
                                && self.below(&a.at(field.ty), &b.at(want.ty))
                        }
                        None => want.optional || takes_nil(&b.at(want.ty)),
                    }
                });
                all && match (a.node(), rest) {
                    (_, None) => true,
                    (Node::Record { rest: Some((k, v)), .. }, Some((key, value))) => {
                        self.below(&a.at(*k), &b.at(*key)) && self.below(&a.at(*v), &b.at(*value))
                    }
                    _ => false,
                }
            }
            (
                Node::Function { params, rest, result },
                Node::Function { params: wanted, rest: wanted_rest, result: wanted_result },
            ) => {
                // Whoever calls gives what is wanted: fewer parameters are fine, others not.
                let fit = params.iter().enumerate().all(|(n, param)| match wanted.get(n) {
                    Some(want) => self.below(&b.at(*want), &a.at(*param)),
                    None => takes_nil(&a.at(*param)),
                });
                let rests = match (rest, wanted_rest) {
                    (Some(x), Some(y)) => self.below(&b.at(*y), &a.at(*x)),
                    _ => true,
                };
                let results = match (result, wanted_result) {
                    (Some(x), Some(y)) => self.below(&a.at(*x), &b.at(*y)),
                    (None, Some(_)) => false,
                    _ => true,
                };
                fit && rests && results
            }
            _ => false,
        }
    }
}

/// Has nil the type?
fn takes_nil(ty: &Type) -> bool {
    match ty.plain().node() {
        Node::Any | Node::Unknown | Node::Nil | Node::Optional(_) => true,
        Node::Union(parts) => parts.iter().any(|part| {
            matches!(ty.plain().at(*part).plain().node(), Node::Nil | Node::Optional(_))
        }),
        _ => false,
    }
}
