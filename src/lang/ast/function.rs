//! Functions.

use super::*;

/// A function with its body.
#[derive(Clone, Copy, Debug)]
pub struct Function {
    /// From the first attribute or `function` to `end`.
    pub span: Span,
    /// The word `function`.
    pub keyword: Span,
    /// `@native`, `@[deprecated]`.
    pub attributes: List<Attribute>,
    /// The name it is declared by: the last one of `a.b:c`, or a local or table field.
    pub name: Option<Ident>,
    /// `<T, U...>`.
    pub generics: List<Generic>,
    /// The hidden `self` of `function a:b()`.
    pub receiver: Option<BindingId>,
    /// The parameters, without `self` and `...`.
    pub params: List<Binding>,
    /// From `(` to `)`.
    pub params_span: Span,
    /// `...` at the end of the parameters.
    pub vararg: Option<Vararg>,
    /// The result type, a [`TypeKind::Pack`] for `(A, B)` and `()`.
    pub result: Option<TypeId>,
    /// The statements.
    pub body: BlockId,
}

/// `...` or `...: T` among parameters.
#[derive(Clone, Copy, Debug)]
pub struct Vararg {
    /// The dots.
    pub span: Span,
    /// The annotation: the type of each, or a [`TypeKind::GenericPack`].
    pub ty: Option<TypeId>,
}

/// `@name` or an element of `@[name(args)]`.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// With the arguments.
    pub span: Span,
    /// Its name.
    pub name: Ident,
    /// Literals.
    pub args: List<ExprId>,
}
