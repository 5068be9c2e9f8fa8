//! Which values may go where.
//!
//! Two strengths. A value whose type is *sure* must fit whatever it turns out to be: `string?` does
//! not go where `string` is wanted. Of one that is not, some tests may not have been understood: it is
//! refused only if no value of its type fits.
//!
//! Where the language leaves room, the answer is yes: tables without a declared type fit every table
//! type, texts fit where one of several texts is wanted, errors and texts stand for each other.

use rustc_hash::FxHashMap;

use super::DEPTH;
use super::Field;
use super::Kind;
use super::Literal;
use super::Results;
use super::Signature;
use super::Sym;
use super::Ty;
use super::Types;

impl Types {
    /// May a value of type `from` go where `to` is wanted?
    pub fn accepts(&mut self, from: Ty, to: Ty, sure: bool) -> bool {
        self.refuel();
        self.fits(from, to, sure, 0)
    }

    fn fits(&mut self, from: Ty, to: Ty, sure: bool, depth: u32) -> bool {
        if from == to || depth > DEPTH || !self.burn(1) {
            return true;
        }
        let (from, to) = (self.resolve(from), self.resolve(to));
        if from == to {
            return true;
        }
        let depth = depth + 1;
        // What is open on one side settles it; then what is composed of others.
        match (self.kind(from), self.kind(to)) {
            (Kind::Any | Kind::Unknown | Kind::Never | Kind::Parameter(..), _)
            | (_, Kind::Any | Kind::Unknown | Kind::Never | Kind::Parameter(..)) => return true,
            (Kind::Union(parts), _) => {
                let parts = parts.clone();
                let mut fit = |ty: &Ty| self.fits(*ty, to, sure, depth);
                return if sure { parts.iter().all(&mut fit) } else { parts.iter().any(&mut fit) };
            }
            (_, Kind::Union(parts)) => {
                let parts = parts.clone();
                return parts.iter().any(|ty| self.fits(from, *ty, sure, depth));
            }
            (_, Kind::Intersection(parts)) => {
                let parts = parts.clone();
                return parts.iter().all(|ty| self.fits(from, *ty, sure, depth));
            }
            (Kind::Intersection(parts), Kind::Record(fields)) => {
                let (parts, fields) = (parts.clone(), fields.clone());
                // Each field from the part that has it.
                return fields.iter().all(|wanted| {
                    let mut found =
                        parts.iter().map(|part| self.field_at(*part, wanted.name, depth));
                    let field = found.find_map(|field| field);
                    field.is_none_or(|found| self.fits(found.ty, wanted.ty, false, depth))
                });
            }
            (Kind::Intersection(parts), _) => {
                let parts = parts.clone();
                return parts.iter().any(|ty| self.fits(*ty, to, sure, depth));
            }
            _ => {}
        }
        self.simple_fits(from, to, depth)
    }

    /// Neither is open, a union or an intersection.
    fn simple_fits(&mut self, from: Ty, to: Ty, depth: u32) -> bool {
        use Kind::*;
        match (self.kind(from), self.kind(to)) {
            (Literal(a), Literal(b)) => a == b,
            (Literal(literal), other) => literal_fits(*literal, other),
            // It may be that one: only a literal is known not to be.
            (Boolean, Literal(self::Literal::Bool(_))) => true,
            (String, Literal(self::Literal::String(_))) => true,
            (Number | Integer, Literal(self::Literal::Number(_)) | Number | Integer) => true,
            (Error, Number | Integer | Boolean | Function | Signature(_) | Literal(_)) => false,
            (Error, _) => true,
            (Nil | String | Table | Class(_) | Userdata | Record(_), Error) => true,
            (String, String) | (Nil, Nil) | (Boolean, Boolean) => true,
            (Function | Signature(_), Function) | (Function, Signature(_)) => true,
            (Signature(a), Signature(b)) => {
                let (a, b) = (a.clone(), b.clone());
                self.signatures_fit(&a, &b, depth)
            }
            (Table, Table | Array(_) | Map(..) | Record(_) | Class(_)) => true,
            (Array(_) | Map(..) | Record(_) | Class(_), Table) => true,
            (Class(_), Userdata) | (Userdata, Class(_)) => true,
            (Class(a), Class(b)) => {
                let (b, bases) = (*b, self.class(*a).bases.clone());
                let mut kinds = bases.iter().map(|base| self.kind(*base));
                kinds.any(|kind| matches!(kind, Class(class) if *class == b))
            }
            (Array(a), Array(b)) => {
                let (a, b) = (*a, *b);
                self.fits(a, b, false, depth)
            }
            (Map(_, a), Map(_, b)) => {
                let (a, b) = (*a, *b);
                self.fits(a, b, false, depth)
            }
            (Record(a), Record(b)) => {
                let (a, b) = (a.clone(), b.clone());
                self.records_fit(&a, &b, depth)
            }
            (Record(fields), Map(_, value)) => {
                let (fields, value) = (fields.clone(), *value);
                fields.iter().all(|field| self.fits(field.ty, value, false, depth))
            }
            (
                Array(_) | Map(..) | Record(_) | Class(_),
                Array(_) | Map(..) | Record(_) | Class(_),
            ) => true,
            (Thread, Thread) | (Userdata, Userdata) => true,
            _ => false,
        }
    }

    fn records_fit(&mut self, from: &[Field], to: &[Field], depth: u32) -> bool {
        if !self.burn((from.len() + to.len()) / 8) {
            return true;
        }
        let mut fields = Fields::new(from);
        to.iter().all(|wanted| match fields.get(wanted.name) {
            Some(found) => self.fits(found, wanted.ty, false, depth),
            None => wanted.optional || self.fits(Ty::NIL, wanted.ty, true, depth),
        })
    }

    /// Parameters both have may be the same values; so may results.
    fn signatures_fit(&mut self, from: &Signature, to: &Signature, depth: u32) -> bool {
        let params = from.params.iter().zip(&to.params);
        let mut pairs: Vec<(Ty, Ty)> = params.map(|(a, b)| (b.ty, a.ty)).collect();
        if let (Results::Known(a, _), Results::Known(b, _)) = (&from.results, &to.results) {
            pairs.extend(a.iter().copied().zip(b.iter().copied()));
        }
        pairs.into_iter().all(|(a, b)| self.fits(a, b, false, depth))
    }

    /// Is `nil` among the values of a type, or is that not known?
    pub fn may_be_nil(&mut self, ty: Ty) -> bool {
        self.accepts(Ty::NIL, ty, true)
    }

    /// A type without `nil`, and without `false` if it is to be true.
    pub fn truthy(&mut self, ty: Ty) -> Ty {
        self.filter(ty, &mut |types, part| match types.kind(part) {
            Kind::Nil | Kind::Literal(Literal::Bool(false)) => None,
            Kind::Boolean => Some(types.bool(true)),
            _ => Some(part),
        })
    }

    /// What of a type counts as false.
    pub fn falsy(&mut self, ty: Ty) -> Ty {
        self.filter(ty, &mut |types, part| match types.kind(part) {
            Kind::Nil | Kind::Literal(Literal::Bool(false)) => Some(part),
            Kind::Boolean => Some(types.bool(false)),
            Kind::Any | Kind::Unknown | Kind::Parameter(..) | Kind::Error | Kind::Never => {
                Some(part)
            }
            _ => None,
        })
    }

    /// A type without `nil`.
    pub fn without_nil(&mut self, ty: Ty) -> Ty {
        self.filter(ty, &mut |_, part| (part != Ty::NIL).then_some(part))
    }

    /// The parts of a type that `keep` keeps, each as it says.
    pub fn filter(&mut self, ty: Ty, keep: &mut dyn FnMut(&mut Self, Ty) -> Option<Ty>) -> Ty {
        self.refuel();
        self.filtered(ty, keep, 0).unwrap_or(Ty::NEVER)
    }

    fn filtered(
        &mut self,
        ty: Ty,
        keep: &mut dyn FnMut(&mut Self, Ty) -> Option<Ty>,
        depth: u32,
    ) -> Option<Ty> {
        let resolved = self.resolve(ty);
        let Kind::Union(parts) = self.kind(resolved) else {
            // The name of a type stays if nothing was taken away.
            return keep(self, resolved).map(|kept| if kept == resolved { ty } else { kept });
        };
        let parts = parts.clone();
        if depth > DEPTH || !self.burn(1 + parts.len()) {
            return Some(Ty::ANY);
        }
        let kept: Vec<Ty> =
            parts.iter().filter_map(|part| self.filtered(*part, keep, depth + 1)).collect();
        match kept.is_empty() {
            true => None,
            false if kept[..] == parts[..] => Some(ty),
            false => Some(self.union(&kept)),
        }
    }

    /// What a literal is one of; other types stay.
    pub fn widen(&self, ty: Ty) -> Ty {
        match self.kind(ty) {
            Kind::Literal(Literal::Bool(_)) => Ty::BOOLEAN,
            Kind::Literal(Literal::Number(_)) => Ty::NUMBER,
            Kind::Literal(Literal::String(_)) => Ty::STRING,
            _ => ty,
        }
    }

    /// What `type()` says of values of a type, if that is one word.
    pub fn type_name(&mut self, ty: Ty) -> Option<&'static str> {
        let ty = self.resolve(ty);
        Some(match self.kind(ty) {
            Kind::Nil => "nil",
            Kind::Boolean | Kind::Literal(Literal::Bool(_)) => "boolean",
            Kind::Number | Kind::Integer | Kind::Literal(Literal::Number(_)) => "number",
            Kind::String | Kind::Literal(Literal::String(_)) => "string",
            Kind::Table | Kind::Array(_) | Kind::Map(..) | Kind::Record(_) => "table",
            Kind::Function | Kind::Signature(_) => "function",
            Kind::Thread => "thread",
            Kind::Userdata => "userdata",
            _ => return None,
        })
    }
}

/// Fields by their names, wherever they stand: most often where the other record has them.
struct Fields<'f> {
    fields: &'f [Field],
    next: usize,
    /// Filled when a record with many fields has them in another order.
    named: FxHashMap<Sym, Ty>,
}

impl<'f> Fields<'f> {
    /// Below it, looking at all of them is faster.
    const FEW: usize = 16;

    fn new(fields: &'f [Field]) -> Self {
        Self { fields, next: 0, named: FxHashMap::default() }
    }

    fn get(&mut self, name: Sym) -> Option<Ty> {
        if let Some(field) = self.fields.get(self.next).filter(|field| field.name == name) {
            self.next += 1;
            return Some(field.ty);
        }
        if self.fields.len() <= Self::FEW {
            return self.fields.iter().find(|field| field.name == name).map(|field| field.ty);
        }
        if self.named.is_empty() {
            // Of two fields of one name the first counts.
            self.named = self.fields.iter().rev().map(|field| (field.name, field.ty)).collect();
        }
        self.named.get(&name).copied()
    }
}

fn literal_fits(literal: Literal, to: &Kind) -> bool {
    match (literal, to) {
        (Literal::Bool(_), Kind::Boolean) => true,
        (Literal::Number(_), Kind::Number) => true,
        (Literal::Number(bits), Kind::Integer) => f64::from_bits(bits).fract() == 0.0,
        (Literal::String(_), Kind::String | Kind::Error) => true,
        _ => false,
    }
}
