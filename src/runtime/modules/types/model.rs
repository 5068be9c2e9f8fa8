//! Types at run time: a flat table of nodes that name each other by number.

use std::rc::Rc;

use regex::bytes::Regex;

use crate::runtime::engine::raw::Anchor;

/// Number of a node in [`Types`].
pub(super) type Id = u32;

/// What types come to when nothing is known of them, always the first node.
pub(super) const ANY: Id = 0;

/// A type.
#[derive(Debug)]
pub(super) enum Node {
    Any,
    Unknown,
    Never,
    Nil,
    Boolean,
    Number,
    Integer,
    String,
    /// An error object.
    Error,
    /// Whatever `type()` calls so: `table`, `function`, `thread`, ...
    Other(&'static str),
    True,
    False,
    Text(Box<[u8]>),
    Literal(f64),
    Optional(Id),
    Union(Box<[Id]>),
    Intersection(Box<[Id]>),
    Tuple(Box<[Id]>),
    Array(Id),
    Map(Id, Id),
    Record {
        fields: Box<[Field]>,
        /// Keys and values beside the fields.
        rest: Option<(Id, Id)>,
    },
    Function {
        params: Box<[Id]>,
        /// The type of `...`.
        rest: Option<Id>,
        result: Option<Id>,
    },
    Validated(Id, Box<[Condition]>),
    /// A declared type.
    Named {
        name: Box<str>,
        of: Id,
    },
    /// A declared type with parameters, which are `any` in it.
    Generic {
        name: Box<str>,
        params: Box<[Box<str>]>,
        of: Id,
    },
    /// A generic one with arguments.
    Instantiated {
        name: Box<str>,
        args: Box<[Id]>,
        of: Id,
    },
    /// A type of a module: number in [`Types::imports`].
    Import(usize),
}

/// A field of a record.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    /// May it be missing, whatever its type says?
    pub(super) optional: bool,
    pub(super) ty: Id,
    /// Where the name is in [`Types::keys`].
    pub(super) key: u32,
}

/// A condition on values.
#[derive(Debug)]
pub(super) enum Condition {
    Min(f64),
    Max(f64),
    MinLen(f64),
    MaxLen(f64),
    Pattern(Box<Regex>),
}

impl Condition {
    pub(super) fn same(&self, other: &Condition) -> bool {
        match (self, other) {
            (Self::Min(a), Self::Min(b))
            | (Self::Max(a), Self::Max(b))
            | (Self::MinLen(a), Self::MinLen(b))
            | (Self::MaxLen(a), Self::MaxLen(b)) => a == b,
            (Self::Pattern(a), Self::Pattern(b)) => a.as_str() == b.as_str(),
            _ => false,
        }
    }
}

/// The types that one source declares.
pub(super) struct Types {
    pub(super) nodes: Vec<Node>,
    /// The node of each declaration, in order.
    pub(super) declared: Vec<Id>,
    /// Module and name.
    pub(super) imports: Vec<(String, String)>,
    /// Names of fields.
    pub(super) names: Vec<Box<str>>,
    /// A list of these as Lua strings.
    pub(super) keys: Option<Anchor>,
}

/// Types of a source, and those of modules that they refer to.
pub(super) struct Scope {
    pub(super) types: Rc<Types>,
    /// For each of [`Types::imports`]; what is not there fits everything.
    pub(super) imports: Box<[Option<Type>]>,
    /// How many scopes refer to each other from here on, this one included.
    pub(super) height: usize,
}

impl Scope {
    /// Types with those of modules. Of modules that refer to others and so on, more than `DEPTH_MAX`
    /// times, nothing is known.
    pub(super) fn new(types: Rc<Types>, mut imports: Box<[Option<Type>]>) -> Rc<Self> {
        let height_of = |ty: &Option<Type>| ty.as_ref().map_or(0, |ty| ty.scope.height);
        for import in &mut imports {
            if height_of(import) >= super::DEPTH_MAX {
                *import = None;
            }
        }
        let height = imports.iter().map(height_of).max().unwrap_or_default() + 1;
        Rc::new(Self { types, imports, height })
    }
}

/// A type value.
#[derive(Clone)]
pub(super) struct Type {
    pub(super) scope: Rc<Scope>,
    pub(super) id: Id,
}

impl Type {
    pub(super) fn node(&self) -> &Node {
        &self.scope.types.nodes[self.id as usize]
    }

    /// Another type of the same source.
    pub(super) fn at(&self, id: Id) -> Type {
        Type { scope: self.scope.clone(), id }
    }

    /// The type behind names and conditions; of a module that is not there `any`.
    pub(super) fn plain(&self) -> Type {
        let mut ty = self.clone();
        // Names that only stand for each other end here.
        for _ in 0..super::DEPTH_MAX {
            ty = match ty.node() {
                Node::Named { of, .. } | Node::Validated(of, _) => ty.at(*of),
                Node::Import(n) => match &ty.scope.imports[*n] {
                    Some(import) => import.clone(),
                    None => return ty.at(ANY),
                },
                _ => return ty,
            };
        }
        ty.at(ANY)
    }
    /// Like [`Type::plain`], and behind parameters and arguments.
    pub(super) fn behind(&self) -> Type {
        let plain = self.plain();
        match plain.node() {
            Node::Instantiated { of, .. } | Node::Generic { of, .. } => plain.at(*of).plain(),
            _ => plain,
        }
    }
}
