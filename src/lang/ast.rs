//! The tree: flat tables of nodes that name each other by number.
//!
//! Everything lives in [`Ast`]: `ast[id]` is a node, `ast[list]` a slice. Numbers are 32 bits and
//! dense per table, so what a later pass finds out about nodes fits in a `Vec` by [`ExprId::index`]
//! and the like, and dropping a deep tree needs no stack. Children always come before their parents
//! in a table. Nodes of an erroneous source are all there, with `Error` where nothing fits.
//!
//! Every node has the span of its text, from its first token to its last, comments between them
//! included. Punctuation that no node stores is found with [`Ast::token_before`],
//! [`Ast::token_after`] and [`Ast::tokens_in`].

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ops::Index;

use super::span::{Lines, Span};
use super::token::{Comment, Token};

/// A run of elements in one of the tables.
pub struct List<T> {
    start: u32,
    len: u32,
    of: PhantomData<fn() -> T>,
}

impl<T> List<T> {
    /// No elements.
    pub const EMPTY: Self = Self { start: 0, len: 0, of: PhantomData };

    pub(super) fn new(start: usize, len: usize) -> Self {
        Self { start: start as u32, len: len as u32, of: PhantomData }
    }

    /// How many elements.
    pub fn len(self) -> usize {
        self.len as usize
    }

    /// Is there no element?
    pub fn is_empty(self) -> bool {
        self.len == 0
    }
}

impl<T> Clone for List<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<T> {}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}..{}]", self.start, self.start + self.len)
    }
}

macro_rules! nodes {
    ($($(#[$doc:meta])* $id:ident: $table:ident of $node:ident,)*) => {
        $($(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $id(NonZeroU32);

        impl $id {
            pub(super) fn new(index: usize) -> Self {
                Self(NonZeroU32::MIN.saturating_add(index as u32))
            }

            /// From 0, dense: the place in tables beside the tree.
            pub fn index(self) -> usize {
                self.0.get() as usize - 1
            }
        }

        impl fmt::Debug for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($id), "({})"), self.index())
            }
        }

        impl Index<$id> for Ast {
            type Output = $node;

            fn index(&self, id: $id) -> &$node {
                &self.$table[id.index()]
            }
        })*
    };
}

macro_rules! lists {
    ($($element:ident: $table:ident,)*) => {
        $(impl Index<List<$element>> for Ast {
            type Output = [$element];

            fn index(&self, list: List<$element>) -> &[$element] {
                &self.$table[list.start as usize..][..list.len()]
            }
        })*
    };
}

nodes! {
    /// Number of an [`Expr`].
    ExprId: exprs of Expr,
    /// Number of a [`Type`].
    TypeId: types of Type,
    /// Number of a [`Stat`].
    StatId: stats of Stat,
    /// Number of a [`Block`].
    BlockId: blocks of Block,
    /// Number of a [`Function`].
    FunctionId: functions of Function,
    /// Number of a [`Binding`].
    BindingId: bindings of Binding,
    /// Number of a [`TypeAlias`].
    AliasId: aliases of TypeAlias,
    /// Number of a [`FunctionType`].
    FunctionTypeId: function_types of FunctionType,
}

lists! {
    ExprId: expr_lists,
    TypeId: type_lists,
    StatId: stat_lists,
    Span: spans,
    Binding: bindings,
    TableField: table_fields,
    IfBranch: branches,
    Attribute: attributes,
    Generic: generics,
    TypeField: type_fields,
    TypeParam: type_params,
    Validator: validators,
}

/// A whole source as a tree.
#[derive(Clone, Debug)]
pub struct Ast {
    /// The statements of the file.
    pub root: BlockId,
    /// Texts of names.
    pub names: Names,
    /// All tokens in order; the last is [`Eof`](super::token::TokenKind::Eof).
    pub tokens: Vec<Token>,
    /// All comments in order.
    pub comments: Vec<Comment>,
    /// Where lines begin.
    pub lines: Lines,
    pub(super) exprs: Vec<Expr>,
    pub(super) types: Vec<Type>,
    pub(super) stats: Vec<Stat>,
    pub(super) blocks: Vec<Block>,
    pub(super) functions: Vec<Function>,
    pub(super) bindings: Vec<Binding>,
    pub(super) aliases: Vec<TypeAlias>,
    pub(super) function_types: Vec<FunctionType>,
    pub(super) expr_lists: Vec<ExprId>,
    pub(super) type_lists: Vec<TypeId>,
    pub(super) stat_lists: Vec<StatId>,
    pub(super) spans: Vec<Span>,
    pub(super) table_fields: Vec<TableField>,
    pub(super) branches: Vec<IfBranch>,
    pub(super) attributes: Vec<Attribute>,
    pub(super) generics: Vec<Generic>,
    pub(super) type_fields: Vec<TypeField>,
    pub(super) type_params: Vec<TypeParam>,
    pub(super) validators: Vec<Validator>,
}

impl Ast {
    /// How many expressions there are; their numbers are below.
    pub fn expr_count(&self) -> usize {
        self.exprs.len()
    }

    /// How many types there are.
    pub fn type_count(&self) -> usize {
        self.types.len()
    }

    /// How many statements there are.
    pub fn stat_count(&self) -> usize {
        self.stats.len()
    }

    /// How many blocks there are.
    pub fn block_count(&self) -> usize {
        self.blocks.len()
    }

    /// How many functions there are.
    pub fn function_count(&self) -> usize {
        self.functions.len()
    }

    /// How many bindings there are.
    pub fn binding_count(&self) -> usize {
        self.bindings.len()
    }

    /// How many type declarations there are.
    pub fn alias_count(&self) -> usize {
        self.aliases.len()
    }

    /// All expressions in the order of their numbers, children first.
    pub fn exprs(&self) -> impl Iterator<Item = (ExprId, &Expr)> {
        self.exprs.iter().enumerate().map(|(index, expr)| (ExprId::new(index), expr))
    }

    /// All types in the order of their numbers, children first.
    pub fn types(&self) -> impl Iterator<Item = (TypeId, &Type)> {
        self.types.iter().enumerate().map(|(index, ty)| (TypeId::new(index), ty))
    }

    /// All statements in the order of their numbers, children first.
    pub fn stats(&self) -> impl Iterator<Item = (StatId, &Stat)> {
        self.stats.iter().enumerate().map(|(index, stat)| (StatId::new(index), stat))
    }

    /// All functions in the order of their numbers, inner ones first.
    pub fn functions(&self) -> impl Iterator<Item = (FunctionId, &Function)> {
        self.functions.iter().enumerate().map(|(index, f)| (FunctionId::new(index), f))
    }

    /// All type declarations in the order of the source.
    pub fn aliases(&self) -> impl Iterator<Item = (AliasId, &TypeAlias)> {
        self.aliases.iter().enumerate().map(|(index, alias)| (AliasId::new(index), alias))
    }

    /// The numbers of the bindings of a list.
    pub fn binding_ids(&self, list: List<Binding>) -> impl Iterator<Item = BindingId> + use<> {
        (list.start as usize..list.start as usize + list.len()).map(BindingId::new)
    }

    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        self.names.text(name)
    }

    /// The last token that ends at or before a position.
    pub fn token_before(&self, at: u32) -> Option<Token> {
        let count = self.tokens.partition_point(|token| token.span.end <= at);
        self.tokens[..count].last().copied()
    }

    /// The first token that starts at or after a position.
    pub fn token_after(&self, at: u32) -> Option<Token> {
        let count = self.tokens.partition_point(|token| token.span.start < at);
        self.tokens.get(count).copied()
    }

    /// The tokens of a span.
    pub fn tokens_in(&self, span: Span) -> &[Token] {
        let start = self.tokens.partition_point(|token| token.span.start < span.start);
        let rest = &self.tokens[start..];
        &rest[..rest.partition_point(|token| token.span.end <= span.end)]
    }

    /// The comments of a span.
    pub fn comments_in(&self, span: Span) -> &[Comment] {
        let start = self.comments.partition_point(|comment| comment.span.start < span.start);
        let rest = &self.comments[start..];
        &rest[..rest.partition_point(|comment| comment.span.end <= span.end)]
    }

    /// The comments right above what starts at `at`: those after the token before it, up to the last
    /// empty line, without one that ends the line of that token.
    pub fn doc_comments(&self, at: u32) -> &[Comment] {
        let floor = self.token_before(at).map_or(0, |token| token.span.end);
        let all = self.comments_in(Span::new(floor, at));
        let mut below = self.lines.line(at);
        let above = all.iter().rev().take_while(|comment| {
            let (first, last) =
                (self.lines.line(comment.span.start), self.lines.line(comment.span.end));
            let close = last + 1 >= below;
            below = first;
            close && (floor == 0 || first > self.lines.line(floor))
        });
        let count = above.count();
        &all[all.len() - count..]
    }
}

/// A name's number: the same text has the same number everywhere in a source.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(pub(super) u32);

impl Name {
    /// What stands for a name that is missing. Its text is empty.
    pub const MISSING: Name = Name(0);

    /// From 0, dense: the place in tables beside the tree.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Name({})", self.0)
    }
}

/// The texts of all names of a source.
#[derive(Clone, Debug, Default)]
pub struct Names {
    pub(super) text: String,
    pub(super) ends: Vec<u32>,
}

impl Names {
    /// The text of a name.
    pub fn text(&self, name: Name) -> &str {
        let start = name.index().checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.text[start as usize..self.ends[name.index()] as usize]
    }

    /// How many names there are, the missing one included.
    pub fn count(&self) -> usize {
        self.ends.len()
    }

    /// All names in the order in which they first appear.
    pub fn iter(&self) -> impl Iterator<Item = (Name, &str)> {
        (0..self.ends.len()).map(|index| (Name(index as u32), self.text(Name(index as u32))))
    }

    pub(super) fn push(&mut self, text: &str) -> Name {
        self.text.push_str(text);
        self.ends.push(self.text.len() as u32);
        Name(self.ends.len() as u32 - 1)
    }
}

/// A name at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ident {
    /// Which; [`Name::MISSING`] after a syntax error.
    pub name: Name,
    /// Where; empty if it is missing.
    pub span: Span,
}

/// Statements with a scope of their own. The span reaches from the end of the token that opens the
/// block (`then`, `do`, `)` or a result type, ...) to the start of the one that closes it.
#[derive(Clone, Copy, Debug)]
pub struct Block {
    /// What is in between.
    pub span: Span,
    /// In order.
    pub stats: List<StatId>,
}

/// A statement.
#[derive(Clone, Copy, Debug)]
pub struct Stat {
    /// Without a semicolon after it.
    pub span: Span,
    /// What it does.
    pub kind: StatKind,
}

/// What a statement does.
#[derive(Clone, Copy, Debug)]
pub enum StatKind {
    /// `local a: T, b = x, y` or `const a = x`.
    Local { bindings: List<Binding>, values: List<ExprId>, is_const: bool },
    /// `local function f() end` or `const function f() end`.
    LocalFunction { binding: BindingId, function: FunctionId, is_const: bool },
    /// `function a.b:c() end`. The target is a `Name`, `Field` or `Method`.
    Function { target: ExprId, function: FunctionId },
    /// `a, b.c = x, y`; `equals` is where `=` stands.
    Assign { targets: List<ExprId>, values: List<ExprId>, equals: u32 },
    /// `a += x`; `op_start` is where the operator stands.
    Compound { op: BinaryOp, target: ExprId, value: ExprId, op_start: u32 },
    /// `f(x)`.
    Call(ExprId),
    /// `do ... end`.
    Do(BlockId),
    /// `while c do ... end`.
    While { condition: ExprId, body: BlockId },
    /// `repeat ... until c`; the condition sees the locals of the body.
    Repeat { body: BlockId, condition: ExprId },
    /// `if c then ... elseif d then ... else ... end`; at least one branch.
    If { branches: List<IfBranch>, otherwise: Option<BlockId> },
    /// `for i = a, b, c do ... end`.
    NumericFor { var: BindingId, from: ExprId, to: ExprId, step: Option<ExprId>, body: BlockId },
    /// `for k, v in ... do ... end`.
    GenericFor { vars: List<Binding>, values: List<ExprId>, body: BlockId },
    /// `return x, y`; ends its block.
    Return(List<ExprId>),
    /// `break`.
    Break,
    /// `continue`.
    Continue,
    /// `goto name`.
    Goto(Ident),
    /// `::name::`.
    Label(Ident),
    /// `type N<A> = T`, `export type`, `interface N ... end`.
    TypeAlias(AliasId),
    /// `type function f() end`, also exported; runs in Luau's own checker only.
    TypeFunction { name: Ident, function: FunctionId, exported: bool },
    /// What could not be made sense of, and the expressions in it.
    Error(List<ExprId>),
}

/// One arm of an `if` statement.
#[derive(Clone, Copy, Debug)]
pub struct IfBranch {
    /// From `if` or `elseif` to `then`.
    pub head: Span,
    /// When.
    pub condition: ExprId,
    /// What then.
    pub body: BlockId,
}

/// A place where a local name is declared: local, parameter, loop variable, `self`.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The name. That of `self` in methods is the span of the method's name.
    pub name: Ident,
    /// The annotation after a colon.
    pub ty: Option<TypeId>,
}

impl Binding {
    /// Name and annotation together.
    pub fn span(&self, ast: &Ast) -> Span {
        self.ty.map_or(self.name.span, |ty| self.name.span.to(ast[ty].span))
    }
}

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

/// An expression.
#[derive(Clone, Copy, Debug)]
pub struct Expr {
    /// All of it.
    pub span: Span,
    /// What it is.
    pub kind: ExprKind,
}

/// What an expression is.
#[derive(Clone, Copy, Debug)]
pub enum ExprKind {
    /// `nil`.
    Nil,
    /// `true`, `false`.
    Bool(bool),
    /// A number; [`literal::number`](super::literal::number) reads its text.
    Number,
    /// A string without holes; [`literal::string`](super::literal::string) reads its text.
    String,
    /// `` `a{x}b` ``. One more piece than holes; pieces include the back quotes and braces.
    Interp { pieces: List<Span>, holes: List<ExprId> },
    /// `...`.
    Vararg,
    /// A variable.
    Name(Name),
    /// `function() end`.
    Function(FunctionId),
    /// `a[k]`.
    Index { object: ExprId, key: ExprId },
    /// `a.name`; `dot` is where the dot stands.
    Field { object: ExprId, name: Ident, dot: u32 },
    /// `a:name`: only as what is called, instantiated or declared.
    Method { object: ExprId, name: Ident, colon: u32 },
    /// `f(x)`, `f"x"`, `f{x}`, `a:m(x)`.
    Call { callee: ExprId, args: List<ExprId>, style: CallStyle },
    /// `f<<T>>`: type arguments given in an expression.
    Instantiate { callee: ExprId, types: List<TypeId> },
    /// An operator before its operand; it starts where the expression does.
    Unary { op: UnaryOp, operand: ExprId },
    /// An operator between its operands; `op_start` is where it stands.
    Binary { op: BinaryOp, left: ExprId, right: ExprId, op_start: u32 },
    /// `(x)`: also cuts several values to one.
    Paren(ExprId),
    /// `{ ... }`.
    Table(List<TableField>),
    /// `if c then x elseif d then y else z`: conditions and values in turn, then the last value.
    IfElse(List<ExprId>),
    /// `x :: T` or `x as T`; `op_start` is where the operator stands.
    Cast { operand: ExprId, ty: TypeId, op: CastOp, op_start: u32 },
    /// `x!`; the mark is the last byte.
    NonNil(ExprId),
    /// What is missing or makes no sense.
    Error,
}

/// How arguments are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallStyle {
    /// `f(x)`.
    Parens,
    /// `f"x"`.
    String,
    /// `f{x}`.
    Table,
}

/// How a cast is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CastOp {
    /// `::`.
    Colons,
    /// `as`.
    As,
}

/// A field of a table constructor.
#[derive(Clone, Copy, Debug)]
pub enum TableField {
    /// `x`.
    Item(ExprId),
    /// `name = x`.
    Named { name: Ident, value: ExprId },
    /// `[k] = x`; `bracket` is where `[` stands.
    Keyed { key: ExprId, value: ExprId, bracket: u32 },
}

impl TableField {
    /// All of the field, without its separator.
    pub fn span(self, ast: &Ast) -> Span {
        let value = ast[self.value()].span;
        match self {
            Self::Item(_) => value,
            Self::Named { name, .. } => name.span.to(value),
            Self::Keyed { bracket, .. } => Span::empty(bracket).to(value),
        }
    }

    /// What is put into the table.
    pub fn value(self) -> ExprId {
        match self {
            Self::Item(value) | Self::Named { value, .. } | Self::Keyed { value, .. } => value,
        }
    }
}

/// An operator with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnaryOp {
    /// `not`.
    Not,
    /// `-`.
    Minus,
    /// `#`.
    Len,
    /// `~`.
    BitNot,
}

impl UnaryOp {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Not => "not",
            Self::Minus => "-",
            Self::Len => "#",
            Self::BitNot => "~",
        }
    }

    /// How strongly it binds, on the scale of [`BinaryOp::priority`].
    pub const PRIORITY: u8 = 12;
}

/// An operator with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // `text` says it
pub enum BinaryOp {
    Add,
    Sub,
    Mul,
    Div,
    FloorDiv,
    Mod,
    Pow,
    Concat,
    NotEqual,
    Equal,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    BitAnd,
    BitOr,
    BitXor,
    ShiftLeft,
    ShiftRight,
}

impl BinaryOp {
    /// As it is written.
    pub fn text(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::FloorDiv => "//",
            Self::Mod => "%",
            Self::Pow => "^",
            Self::Concat => "..",
            Self::NotEqual => "~=",
            Self::Equal => "==",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::And => "and",
            Self::Or => "or",
            Self::BitAnd => "&",
            Self::BitOr => "|",
            Self::BitXor => "~",
            Self::ShiftLeft => "<<",
            Self::ShiftRight => ">>",
        }
    }

    /// How strongly it binds to the left and to the right; to the right less means that it
    /// associates to the right. As in Lua 5.3.
    pub fn priority(self) -> (u8, u8) {
        match self {
            Self::Or => (1, 1),
            Self::And => (2, 2),
            Self::NotEqual
            | Self::Equal
            | Self::Less
            | Self::LessEqual
            | Self::Greater
            | Self::GreaterEqual => (3, 3),
            Self::BitOr => (4, 4),
            Self::BitXor => (5, 5),
            Self::BitAnd => (6, 6),
            Self::ShiftLeft | Self::ShiftRight => (7, 7),
            Self::Concat => (9, 8),
            Self::Add | Self::Sub => (10, 10),
            Self::Mul | Self::Div | Self::FloorDiv | Self::Mod => (11, 11),
            Self::Pow => (14, 13),
        }
    }

    /// Is it one that Luau lacks?
    pub fn is_bitwise(self) -> bool {
        matches!(
            self,
            Self::BitAnd | Self::BitOr | Self::BitXor | Self::ShiftLeft | Self::ShiftRight
        )
    }
}

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
