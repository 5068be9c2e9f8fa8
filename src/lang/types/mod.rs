//! Types as the checker knows them: small numbers in a table that keeps each type once.
//!
//! [`Types`] is in layers: what host modules declare is made once and frozen; a source adds its own
//! types in a layer above and drops them when it is done. Equal types of a layer have equal numbers.
//!
//! - [`relate`](Types::accepts): may a value of this type go where that one is wanted?
//! - [`show`](Types::show): a type in the words of the language.
//!
//! Aliases stay names until somebody looks inside ([`Types::resolve`]), so recursive types need no
//! care where they are made, and messages say `Point` and not what it stands for. Everything that
//! looks inside has a limit; what lies behind it counts as `any`.

mod relate;
mod show;

use std::sync::Arc;

use rustc_hash::FxHashMap;

/// How far aliases are followed and types are compared.
pub(crate) const DEPTH: u32 = 24;

/// Members of a union that are told apart; beyond it is `any`.
const UNION_MAX: usize = 128;

/// Steps of one question about types, and of filling in one alias. Types that refer to each other can
/// be made to need very many.
const FUEL: u32 = 20_000;
const ALIAS_FUEL: u32 = 2_000;

/// Steps of all questions of a source, for each byte of it and besides: programs take two or three for
/// a byte. A step takes about 50 ns.
const FUEL_PER_BYTE: u32 = 100;
const FUEL_BESIDES: u32 = 200_000;

/// Number of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ty(u32);

/// Number of a text: a field, a literal, a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sym(u32);

macro_rules! simple {
    ($($(#[$doc:meta])* $name:ident $number:literal $kind:ident,)*) => {
        impl Ty {
            $($(#[$doc])* pub const $name: Ty = Ty($number);)*
        }

        const SIMPLE: &[Kind] = &[$(Kind::$kind,)*];
    };
}

simple! {
    /// Anything, and nothing is said about its use.
    ANY 0 Any,
    /// Anything.
    UNKNOWN 1 Unknown,
    /// No value.
    NEVER 2 Never,
    /// What `error` and failing host functions give: an error object, or a text.
    ERROR 3 Error,
    /// `nil`.
    NIL 4 Nil,
    /// `true` or `false`.
    BOOLEAN 5 Boolean,
    /// Any number.
    NUMBER 6 Number,
    /// An integral number.
    INTEGER 7 Integer,
    /// Any string.
    STRING 8 String,
    /// Any table.
    TABLE 9 Table,
    /// Any function.
    FUNCTION 10 Function,
    /// A coroutine.
    THREAD 11 Thread,
    /// Any host object.
    USERDATA 12 Userdata,
}

/// What a type is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // the constants of `Ty` say what the plain ones are
pub enum Kind {
    Any,
    Unknown,
    Never,
    Error,
    Nil,
    Boolean,
    Number,
    Integer,
    String,
    Table,
    Function,
    Thread,
    Userdata,
    /// One value.
    Literal(Literal),
    /// One of several, none of them a union; at least two.
    Union(Box<[Ty]>),
    /// All of several.
    Intersection(Box<[Ty]>),
    /// `{T}`.
    Array(Ty),
    /// `{[K]: V}`.
    Map(Ty, Ty),
    /// `{a: T}`.
    Record(Box<[Field]>),
    /// A function whose parameters are known.
    Signature(Box<Signature>),
    /// Host objects of one sort, or a module; the number of a [`Class`].
    Class(u32),
    /// A declared type with its arguments; the number of an [`Alias`].
    Alias(u32, Box<[Ty]>),
    /// A type parameter: its number, its name, its bound.
    Parameter(u32, Sym, Option<Ty>),
}

/// A literal type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Literal {
    /// `true`, `false`.
    Bool(bool),
    /// The bits of a double.
    Number(u64),
    /// A text.
    String(Sym),
}

/// A field of a record or class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Field {
    /// Its name.
    pub name: Sym,
    /// Its type.
    pub ty: Ty,
    /// May be missing.
    pub optional: bool,
    /// A function that is called with a colon and whose type does not mention the object.
    pub method: bool,
}

/// A function type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Signature {
    /// In order.
    pub params: Vec<Param>,
    /// What further arguments are; none may be given if there is none.
    pub rest: Option<Ty>,
    /// What it gives.
    pub results: Results,
    /// Nothing is annotated: the number of arguments says nothing.
    pub loose: bool,
    /// Type parameters may be in it.
    pub generic: bool,
}

/// A parameter of a function type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Param {
    /// Its name, if it has one.
    pub name: Option<Sym>,
    /// Its type.
    pub ty: Ty,
    /// May be left out.
    pub optional: bool,
}

/// What a function gives.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Results {
    /// Nobody said.
    #[default]
    Unknown,
    /// These, then any number of the last.
    Known(Vec<Ty>, Option<Ty>),
}

/// Host objects of one sort, or a module.
#[derive(Clone, Debug)]
pub struct Class {
    /// As users write it: `time.Duration`, or the name of the module.
    pub name: Sym,
    /// Its fields and methods.
    pub fields: Vec<Field>,
    /// What it also has.
    pub bases: Vec<Ty>,
    /// Is it a module's table, and not a sort of objects?
    pub module: bool,
}

/// A declared type.
#[derive(Clone, Debug)]
pub struct Alias {
    /// Its name.
    pub name: Sym,
    /// Its parameters, each a [`Kind::Parameter`].
    pub params: Vec<Ty>,
    /// What it stands for.
    pub body: Ty,
}

/// All types of a source, upon those of host modules.
#[derive(Debug)]
pub struct Types {
    base: Option<Arc<Types>>,
    base_kinds: u32,
    base_texts: u32,
    base_classes: u32,
    base_aliases: u32,
    kinds: Vec<Kind>,
    numbers: FxHashMap<Kind, Ty>,
    texts: Vec<Box<str>>,
    text_numbers: FxHashMap<Box<str>, Sym>,
    classes: Vec<Class>,
    aliases: Vec<Alias>,
    /// Aliases with arguments that were looked into.
    expanded: FxHashMap<Ty, Ty>,
    params: u32,
    fuel: u32,
    total_fuel: u32,
}

impl Types {
    /// Only what the language itself has.
    pub fn new() -> Self {
        let mut types = Self::empty();
        for kind in SIMPLE {
            types.make(kind.clone());
        }
        types
    }

    fn empty() -> Self {
        Self {
            base: None,
            base_kinds: 0,
            base_texts: 0,
            base_classes: 0,
            base_aliases: 0,
            kinds: Vec::new(),
            numbers: FxHashMap::default(),
            texts: Vec::new(),
            text_numbers: FxHashMap::default(),
            classes: Vec::new(),
            aliases: Vec::new(),
            expanded: FxHashMap::default(),
            params: 0,
            fuel: FUEL,
            total_fuel: u32::MAX,
        }
    }

    /// A new layer upon these, for a source of so many bytes.
    pub fn above(base: Arc<Types>, source_bytes: usize) -> Self {
        let bytes = u32::try_from(source_bytes).unwrap_or(u32::MAX);
        Self {
            total_fuel: bytes.saturating_mul(FUEL_PER_BYTE).saturating_add(FUEL_BESIDES),
            base_kinds: base.base_kinds + base.kinds.len() as u32,
            base_texts: base.base_texts + base.texts.len() as u32,
            base_classes: base.base_classes + base.classes.len() as u32,
            base_aliases: base.base_aliases + base.aliases.len() as u32,
            params: base.params,
            base: Some(base),
            ..Self::empty()
        }
    }

    /// What a type is.
    pub fn kind(&self, ty: Ty) -> &Kind {
        match (&self.base, ty.0.checked_sub(self.base_kinds)) {
            (Some(base), None) => base.kind(ty),
            (_, own) => &self.kinds[own.unwrap_or(ty.0) as usize],
        }
    }

    /// The type of this kind.
    pub fn make(&mut self, kind: Kind) -> Ty {
        if let Some(known) = self.known(&kind) {
            return known;
        }
        let ty = Ty(self.base_kinds + self.kinds.len() as u32);
        self.kinds.push(kind.clone());
        self.numbers.insert(kind, ty);
        ty
    }

    fn known(&self, kind: &Kind) -> Option<Ty> {
        let own = self.numbers.get(kind).copied();
        own.or_else(|| self.base.as_ref().and_then(|base| base.known(kind)))
    }

    /// The number of a text.
    pub fn sym(&mut self, text: &str) -> Sym {
        if let Some(known) = self.known_sym(text) {
            return known;
        }
        let sym = Sym(self.base_texts + self.texts.len() as u32);
        self.texts.push(text.into());
        self.text_numbers.insert(text.into(), sym);
        sym
    }

    /// The number of a text that has been seen.
    pub fn known_sym(&self, text: &str) -> Option<Sym> {
        let own = self.text_numbers.get(text).copied();
        own.or_else(|| self.base.as_ref().and_then(|base| base.known_sym(text)))
    }

    /// The text of a number.
    pub fn text(&self, sym: Sym) -> &str {
        match (&self.base, sym.0.checked_sub(self.base_texts)) {
            (Some(base), None) => base.text(sym),
            (_, own) => &self.texts[own.unwrap_or(sym.0) as usize],
        }
    }

    /// A class by its number.
    pub fn class(&self, class: u32) -> &Class {
        match (&self.base, class.checked_sub(self.base_classes)) {
            (Some(base), None) => base.class(class),
            (_, own) => &self.classes[own.unwrap_or(class) as usize],
        }
    }

    /// A new class of this layer; its fields are filled in later.
    pub fn add_class(&mut self, name: &str, module: bool) -> u32 {
        let name = self.sym(name);
        self.classes.push(Class { name, fields: Vec::new(), bases: Vec::new(), module });
        self.base_classes + self.classes.len() as u32 - 1
    }

    /// Fills in a class of this layer.
    pub fn class_mut(&mut self, class: u32) -> &mut Class {
        &mut self.classes[(class - self.base_classes) as usize]
    }

    /// A new alias of this layer; what it stands for is filled in later.
    pub fn add_alias(&mut self, name: &str) -> u32 {
        let name = self.sym(name);
        self.aliases.push(Alias { name, params: Vec::new(), body: Ty::ANY });
        self.base_aliases + self.aliases.len() as u32 - 1
    }

    /// Fills in an alias of this layer.
    pub fn alias_mut(&mut self, alias: u32) -> &mut Alias {
        &mut self.aliases[(alias - self.base_aliases) as usize]
    }

    /// An alias by its number.
    pub fn alias(&self, alias: u32) -> &Alias {
        match (&self.base, alias.checked_sub(self.base_aliases)) {
            (Some(base), None) => base.alias(alias),
            (_, own) => &self.aliases[own.unwrap_or(alias) as usize],
        }
    }

    /// A new type parameter, unlike all others.
    pub fn parameter(&mut self, name: &str, bound: Option<Ty>) -> Ty {
        let name = self.sym(name);
        self.params += 1;
        self.make(Kind::Parameter(self.params, name, bound))
    }

    /// The literal type of a text.
    pub fn string(&mut self, text: &str) -> Ty {
        let text = self.sym(text);
        self.make(Kind::Literal(Literal::String(text)))
    }

    /// The literal type of a number.
    pub fn number(&mut self, number: f64) -> Ty {
        self.make(Kind::Literal(Literal::Number((number + 0.0).to_bits())))
    }

    /// The literal type of a truth value.
    pub fn bool(&mut self, value: bool) -> Ty {
        self.make(Kind::Literal(Literal::Bool(value)))
    }

    /// `T?`.
    pub fn optional(&mut self, ty: Ty) -> Ty {
        self.union(&[ty, Ty::NIL])
    }

    /// One of these types.
    pub fn union(&mut self, parts: &[Ty]) -> Ty {
        if let [a, b] = parts
            && a == b
        {
            return *a;
        }
        let mut flat: Vec<Ty> = Vec::with_capacity(parts.len());
        let mut add = |ty: Ty| {
            if ty != Ty::NEVER && flat.len() <= UNION_MAX && !flat.contains(&ty) {
                flat.push(ty);
            }
        };
        for part in parts {
            match self.kind(*part) {
                Kind::Any | Kind::Unknown => return *part,
                Kind::Union(inner) => inner.iter().copied().for_each(&mut add),
                _ => add(*part),
            }
        }
        match flat[..] {
            [] => Ty::NEVER,
            [only] => only,
            _ if flat.len() > UNION_MAX => Ty::ANY,
            _ => self.make(Kind::Union(flat.into())),
        }
    }

    /// At the start of a question.
    pub(super) fn refuel(&mut self) {
        self.fuel = FUEL;
    }

    /// Steps of a question; `false` if it, or the source, has taken too many.
    fn burn(&mut self, steps: usize) -> bool {
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        self.fuel = self.fuel.saturating_sub(steps);
        self.total_fuel = self.total_fuel.saturating_sub(steps);
        self.fuel.min(self.total_fuel) > 0
    }

    /// After aliases were filled in: what they stood for before is forgotten.
    pub fn forget_expansions(&mut self) {
        self.expanded.clear();
    }

    /// A type without its name: aliases followed.
    pub fn resolve(&mut self, mut ty: Ty) -> Ty {
        for _ in 0..DEPTH {
            let Kind::Alias(alias, args) = self.kind(ty) else { return ty };
            if let Some(known) = self.expanded.get(&ty) {
                ty = *known;
                continue;
            }
            let (alias, args) = (*alias, args.clone());
            let Alias { params, body, .. } = self.alias(alias).clone();
            let missing = |n: usize| args.get(n).copied().unwrap_or(Ty::ANY);
            let map: Vec<(Ty, Ty)> =
                params.iter().enumerate().map(|(n, param)| (*param, missing(n))).collect();
            let fuel = std::mem::replace(&mut self.fuel, ALIAS_FUEL);
            let body = self.substitute(body, &map, 0);
            self.fuel = fuel;
            self.expanded.insert(ty, body);
            ty = body;
        }
        Ty::ANY
    }

    /// A type with others in the place of its parameters.
    pub fn substitute(&mut self, ty: Ty, map: &[(Ty, Ty)], depth: u32) -> Ty {
        if map.is_empty() || ty.0 < SIMPLE.len() as u32 {
            return ty;
        }
        if depth > DEPTH || !self.burn(self.width(ty)) {
            return Ty::ANY;
        }
        let depth = depth + 1;
        let each = |types: &mut Self, list: &[Ty]| -> Vec<Ty> {
            list.iter().map(|ty| types.substitute(*ty, map, depth)).collect()
        };
        match self.kind(ty).clone() {
            Kind::Parameter(..) => {
                map.iter().find(|(param, _)| *param == ty).map_or(ty, |(_, with)| *with)
            }
            Kind::Union(parts) => {
                let parts = each(self, &parts);
                self.union(&parts)
            }
            Kind::Intersection(parts) => {
                let parts = each(self, &parts);
                self.make(Kind::Intersection(parts.into()))
            }
            Kind::Array(element) => {
                let element = self.substitute(element, map, depth);
                self.make(Kind::Array(element))
            }
            Kind::Map(key, value) => {
                let parts = each(self, &[key, value]);
                self.make(Kind::Map(parts[0], parts[1]))
            }
            Kind::Alias(alias, args) if !args.is_empty() => {
                let args = each(self, &args);
                self.make(Kind::Alias(alias, args.into()))
            }
            Kind::Record(mut fields) => {
                for field in &mut fields {
                    field.ty = self.substitute(field.ty, map, depth);
                }
                self.make(Kind::Record(fields))
            }
            Kind::Signature(mut signature) => {
                for param in &mut signature.params {
                    param.ty = self.substitute(param.ty, map, depth);
                }
                signature.rest = signature.rest.map(|rest| self.substitute(rest, map, depth));
                if let Results::Known(results, rest) = &mut signature.results {
                    for result in results {
                        *result = self.substitute(*result, map, depth);
                    }
                    *rest = rest.map(|rest| self.substitute(rest, map, depth));
                }
                self.make(Kind::Signature(signature))
            }
            _ => ty,
        }
    }

    /// What it costs to go through the parts of a type.
    fn width(&self, ty: Ty) -> usize {
        1 + match self.kind(ty) {
            Kind::Union(parts) | Kind::Intersection(parts) => parts.len() / 8,
            Kind::Record(fields) => fields.len() / 8,
            _ => 0,
        }
    }

    /// The field of this name of a record or class, bases included. One of type `any` if that takes
    /// too many steps to tell.
    pub fn field(&mut self, ty: Ty, name: Sym) -> Option<Field> {
        self.refuel();
        self.field_at(ty, name, 0)
    }

    fn field_at(&mut self, ty: Ty, name: Sym, depth: u32) -> Option<Field> {
        if depth > DEPTH {
            return None;
        }
        if !self.burn(self.width(ty)) {
            return Some(Field { name, ty: Ty::ANY, optional: true, method: false });
        }
        let ty = self.resolve(ty);
        let (fields, bases): (&[Field], &[Ty]) = match self.kind(ty) {
            Kind::Record(fields) => (fields, &[]),
            Kind::Class(class) => {
                let class = self.class(*class);
                (&class.fields, &class.bases)
            }
            Kind::Intersection(parts) => (&[], parts),
            _ => return None,
        };
        if let Some(field) = fields.iter().find(|field| field.name == name) {
            return Some(*field);
        }
        let bases = bases.to_vec();
        bases.into_iter().find_map(|base| self.field_at(base, name, depth + 1))
    }
}

impl Default for Types {
    fn default() -> Self {
        Self::new()
    }
}
