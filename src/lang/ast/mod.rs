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

mod expr;
mod function;
mod stat;
mod types;

use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ops::Index;

pub use expr::*;
pub use function::*;
pub use stat::*;
pub use types::*;

use super::span::Lines;
use super::span::Span;
use super::token::Comment;
use super::token::Token;

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

    /// The numbers of all bindings.
    pub fn bindings(&self) -> impl Iterator<Item = BindingId> + use<> {
        (0..self.bindings.len()).map(BindingId::new)
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
