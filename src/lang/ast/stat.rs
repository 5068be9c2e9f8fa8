//! Statements and blocks.

use super::*;

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
