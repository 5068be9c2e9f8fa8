//! Types and their declarations.

use super::*;

/// A type as written.
#[derive(Clone, Copy, Debug)]
pub struct Type {
    /// All of it.
    pub span: Span,
    /// What it is.
    pub kind: TypeKind,
}

/// What a type is. "ours" marks what Luau's parser does not take.
#[derive(Clone, Copy, Debug)]
pub enum TypeKind {
    /// `N`, `mod.N`, `N<A, B>`; `has_args` tells `N<>` from `N`.
    Name { prefix: Option<Ident>, name: Ident, args: List<TypeId>, has_args: bool },
    /// `nil`.
    Nil,
    /// `true`, `false`.
    Bool(bool),
    /// `"lit"`.
    String,
    /// `123`, `-1`: ours.
    Number,
    /// `typeof(x)`.
    Typeof(ExprId),
    /// `T?`.
    Optional(TypeId),
    /// `A | B`.
    Union(List<TypeId>),
    /// `A & B`.
    Intersection(List<TypeId>),
    /// `(T)`.
    Paren(TypeId),
    /// `{T}`, or ours `T[]`.
    Array { element: TypeId, style: ArrayStyle },
    /// `{a: T, [K]: V}`, or ours `interface {a: T}`.
    Record { fields: List<TypeField>, interface: bool },
    /// `(A) -> B`, or ours `fun(a: A): B`.
    Function(FunctionTypeId),
    /// `(A, B)` and `()`: results and pack arguments.
    Pack(List<TypeId>),
    /// `...T`.
    Variadic(TypeId),
    /// `T...`.
    GenericPack(Name),
    /// `readonly T`: ours.
    Readonly(TypeId),
    /// `keyof(T)`: ours.
    Keyof(TypeId),
    /// `T[K]`: ours.
    Index { object: TypeId, key: TypeId },
    /// `A extends B ? C : D`: ours.
    Conditional { check: TypeId, extends: TypeId, then: TypeId, otherwise: TypeId },
    /// `asserts x` or `asserts x is T`, as a result: ours.
    Asserts { name: Ident, ty: Option<TypeId> },
    /// `T @min(1) @max(9)`: ours.
    Validated { ty: TypeId, validators: List<Validator> },
    /// What is missing or makes no sense.
    Error,
}

/// How an array type is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrayStyle {
    /// `{T}`, with an access word if there is one.
    Braces(Access),
    /// `T[]`.
    Brackets,
}

/// What may be done with a field or an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Both.
    ReadWrite,
    /// `read`.
    Read,
    /// `write`.
    Write,
    /// `readonly`: ours.
    Readonly,
}

/// A member of a record type.
#[derive(Clone, Copy, Debug)]
pub struct TypeField {
    /// All of it, without its separator.
    pub span: Span,
    /// A word before it.
    pub access: Access,
    /// Its key.
    pub key: TypeKey,
    /// Is a question mark behind the name? Ours.
    pub optional: bool,
    /// Its type.
    pub ty: TypeId,
}

/// The key of a member.
#[derive(Clone, Copy, Debug)]
pub enum TypeKey {
    /// `name: T`.
    Name(Ident),
    /// `["name"]: T`; the span of the string.
    String(Span),
    /// `[K]: T`.
    Type(TypeId),
    /// `function name(a: T): R` in an interface; the type is a function type.
    Method(Ident),
}

/// The type of functions.
#[derive(Clone, Copy, Debug)]
pub struct FunctionType {
    /// How it is written.
    pub style: FunctionStyle,
    /// `<T>`.
    pub generics: List<Generic>,
    /// A last one of kind [`TypeKind::Variadic`] or [`TypeKind::GenericPack`] takes the rest.
    pub params: List<TypeParam>,
    /// From `(` to `)`.
    pub params_span: Span,
    /// A [`TypeKind::Pack`] for `(A, B)` and `()`; missing only in `fun(a: T)` and interfaces.
    pub result: Option<TypeId>,
}

/// How a function type is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FunctionStyle {
    /// `(A) -> B`.
    Arrow,
    /// `fun(a: A): B`.
    Fun,
    /// `function m(a: A): B` in an interface.
    Method,
}

/// A parameter of a function type.
#[derive(Clone, Copy, Debug)]
pub struct TypeParam {
    /// Before a colon.
    pub name: Option<Ident>,
    /// Is a question mark behind the name? Ours.
    pub optional: bool,
    /// Its type.
    pub ty: TypeId,
}

/// `@name(args)` behind a type.
#[derive(Clone, Copy, Debug)]
pub struct Validator {
    /// With `@` and arguments.
    pub span: Span,
    /// Its name.
    pub name: Ident,
    /// Literals, perhaps with a minus.
    pub args: List<ExprId>,
}

/// A type parameter: `T`, `T: Bound`, `T = Default`, `T...`.
#[derive(Clone, Copy, Debug)]
pub struct Generic {
    /// All of it.
    pub span: Span,
    /// Its name.
    pub name: Ident,
    /// `T...`.
    pub pack: bool,
    /// After `:`.
    pub bound: Option<TypeId>,
    /// After `=`.
    pub default: Option<TypeId>,
}

/// A declared type.
#[derive(Clone, Copy, Debug)]
pub struct TypeAlias {
    /// The whole statement, with `export`.
    pub span: Span,
    /// `type` or `interface`.
    pub keyword: Span,
    /// Is `export` in front?
    pub exported: bool,
    /// Its name.
    pub name: Ident,
    /// Its type parameters.
    pub generics: List<Generic>,
    /// What follows the colon of `interface N: B, C`.
    pub bases: List<TypeId>,
    /// The type itself; for an interface a [`TypeKind::Record`] of its members.
    pub ty: TypeId,
    /// Was it declared by `interface`?
    pub interface: bool,
}
