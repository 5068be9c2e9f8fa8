//! Expressions and operators.

use super::*;

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
    /// A number; [`literal::number`](crate::lang::literal::number) reads its text.
    Number,
    /// A string without holes; [`literal::string`](crate::lang::literal::string) reads its text.
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
