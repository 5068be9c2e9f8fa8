//! One walk over the tree that collects the edits.

use std::borrow::Cow;
use std::collections::HashMap;
use std::collections::HashSet;

use super::BIT_NOT;
use super::edit::Edit;
use super::function_of;
use super::jump::Action;
use super::jump::Level;
use super::jump::Wrap;
use super::values::Value;
use crate::lang::ast::*;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::resolve::Jump;
use crate::lang::resolve::Resolved;
use crate::lang::resolve::Use;
use crate::lang::span::Span;
use crate::lang::token::TokenKind;

/// What `x.y //= 1` and `x[y] //= 1` keep while they run.
const OBJECT: &str = "__wippy_x";
const KEY: &str = "__wippy_y";

pub(super) struct Walker<'a> {
    pub(super) ast: &'a Ast,
    pub(super) source: &'a str,
    pub(super) resolved: &'a Resolved,
    pub(super) edits: Vec<Edit>,
    pub(super) diagnostics: Vec<Diagnostic>,
    /// How many types have been met that Luau lacks.
    pub(super) n_foreign: u32,
    /// Types used as values.
    pub(super) values: Vec<Value>,
    /// Globals that this source assigns to: they hide types of the same name.
    assigned: HashSet<Name>,
    pub(super) jumps: HashMap<StatId, Jump>,
    /// Loops to be put around statements of a block, outer ones first.
    pub(super) wraps: HashMap<BlockId, Vec<Wrap>>,
    /// Loops around the current statement, in its function.
    pub(super) levels: Vec<Level>,
    pub(super) n_flags: u32,
}

impl<'a> Walker<'a> {
    pub(super) fn new(ast: &'a Ast, source: &'a str, resolved: &'a Resolved) -> Self {
        let written = resolved.globals.iter().filter(|global| global.write);
        Self {
            ast,
            source,
            resolved,
            edits: Vec::new(),
            diagnostics: Vec::new(),
            n_foreign: 0,
            values: Vec::new(),
            assigned: written.map(|global| global.name).collect(),
            jumps: resolved.jumps.iter().map(|jump| (jump.goto, *jump)).collect(),
            wraps: HashMap::new(),
            levels: Vec::new(),
            n_flags: 0,
        }
    }

    pub(super) fn file(&mut self) {
        self.plan_jumps();
        self.block(self.ast.root);
    }

    pub(super) fn replace(&mut self, span: Span, text: impl Into<Cow<'static, str>>) {
        self.edits.push(Edit { span, text: text.into() });
    }

    pub(super) fn insert(&mut self, at: u32, text: impl Into<Cow<'static, str>>) {
        self.replace(Span::empty(at), text);
    }

    /// Takes a statement out. Where the next token would then belong to the statement before, or
    /// stand alone, an empty statement stays.
    pub(super) fn erase_statement(&mut self, span: Span) {
        let next = self.ast.token_after(span.end).map(|token| token.kind);
        let needed = matches!(next, Some(TokenKind::LeftParen | TokenKind::Semicolon));
        self.replace(span, if needed { "do end" } else { "" });
    }

    fn block(&mut self, block: BlockId) {
        let stats = self.ast[block].stats;
        let wraps = self.wraps.remove(&block).unwrap_or_default();
        for (index, stat) in self.ast[stats].iter().enumerate() {
            self.open_wraps(&wraps, index, stats);
            let last = index + 1 == stats.len();
            self.statement(*stat, last);
            self.close_wraps(&wraps, index, stats);
        }
    }

    fn statement(&mut self, id: StatId, last: bool) {
        let n_edits = self.edits.len();
        self.edited(id, last);
        // `x = 1 & 2` ends in a call now: what stands in brackets on the next line is no part of it.
        let end = self.ast[id].span.end;
        let ends = |edit: &Edit| edit.span == Span::empty(end) && edit.text.ends_with(')');
        let next = self.ast.token_after(end).map(|token| token.kind);
        if next == Some(TokenKind::LeftParen) && self.edits[n_edits..].last().is_some_and(ends) {
            self.insert(end, ";");
        }
    }

    fn edited(&mut self, id: StatId, last: bool) {
        let Stat { span, kind } = self.ast[id];
        match kind {
            StatKind::Local { bindings, values, .. } => {
                self.ast[bindings].iter().for_each(|binding| self.binding(*binding));
                self.exprs(values);
            }
            StatKind::LocalFunction { function, .. } => self.function(function),
            StatKind::Function { target, function } => {
                // `T` in `function T.f()` has to stay a name.
                if let ExprKind::Name(_) = self.ast[self.root_of(target)].kind {
                    self.function(function);
                } else {
                    self.expr(target);
                    self.function(function);
                }
            }
            StatKind::TypeFunction { function, .. } => self.function(function),
            StatKind::Assign { targets, values, .. } => {
                self.exprs(targets);
                self.exprs(values);
            }
            StatKind::Compound { op, target, value, .. } => match function_of(op) {
                Some(function) => self.compound(id, function),
                None => {
                    self.expr(target);
                    self.expr(value);
                }
            },
            StatKind::Call(call) => self.expr(call),
            StatKind::Do(body) => self.block(body),
            StatKind::While { condition, body } => {
                self.expr(condition);
                self.loop_body(span, body);
            }
            StatKind::Repeat { body, condition } => {
                self.open_loop(span.start, body);
                self.block(body);
                let level = self.levels.pop();
                self.expr(condition);
                self.close_loop(level, span.end);
            }
            StatKind::If { branches, otherwise } => {
                for branch in &self.ast[branches] {
                    self.expr(branch.condition);
                    self.block(branch.body);
                }
                otherwise.into_iter().for_each(|block| self.block(block));
            }
            StatKind::NumericFor { var, from, to, step, body } => {
                self.binding(self.ast[var]);
                self.expr(from);
                self.expr(to);
                step.into_iter().for_each(|step| self.expr(step));
                self.loop_body(span, body);
            }
            StatKind::GenericFor { vars, values, body } => {
                self.ast[vars].iter().for_each(|var| self.binding(*var));
                self.exprs(values);
                self.loop_body(span, body);
            }
            StatKind::Return(values) | StatKind::Error(values) => self.exprs(values),
            StatKind::Break => self.leave_loop(span, Action::Break, last),
            StatKind::Continue => self.leave_loop(span, Action::Continue, last),
            StatKind::Goto(_) => self.goto(id, last),
            StatKind::Label(_) => self.label(id),
            StatKind::TypeAlias(alias) => {
                if self.is_foreign(|walker| walker.alias(alias)) {
                    self.erase_statement(span);
                }
            }
        }
    }

    /// `x //= y`: `x = x // y`, with what `x` is made of evaluated once.
    fn compound(&mut self, id: StatId, function: &str) {
        let Stat { span, kind } = self.ast[id];
        let StatKind::Compound { op, target, value, op_start } = kind else { return };
        let Expr { span: place, kind } = self.ast[target];
        let variable = match kind {
            ExprKind::Field { object, name, dot } => {
                self.insert(span.start, format!("do local {OBJECT} = "));
                self.expr(object);
                self.replace(Span::new(dot, place.end), ";");
                format!("{OBJECT}.{}", name.span.text(self.source))
            }
            ExprKind::Index { object, key } => {
                let (object_end, key_span) = (self.ast[object].span.end, self.ast[key].span);
                self.insert(span.start, format!("do local {OBJECT}, {KEY} = "));
                self.expr(object);
                self.replace(Span::new(object_end, key_span.start), ",");
                self.expr(key);
                self.replace(Span::new(key_span.end, place.end), ";");
                format!("{OBJECT}[{KEY}]")
            }
            _ => place.text(self.source).to_owned(),
        };
        // A name stays where it is, behind all others stands what they have become.
        let (assigned, end) = match kind {
            ExprKind::Name(_) => (String::new(), ")"),
            _ => (format!(" {variable} "), ") end"),
        };
        let op_end = op_start + op.text().len() as u32 + 1;
        let text = format!("{assigned}= {function}({variable},");
        self.replace(Span::new(op_start, op_end), text);
        self.expr(value);
        self.insert(span.end, end);
    }

    /// `a` of `a.b:c`.
    fn root_of(&self, target: ExprId) -> ExprId {
        let mut root = target;
        while let ExprKind::Field { object, .. } | ExprKind::Method { object, .. } =
            self.ast[root].kind
        {
            root = object;
        }
        root
    }

    fn loop_body(&mut self, span: Span, body: BlockId) {
        self.open_loop(span.start, body);
        self.block(body);
        let level = self.levels.pop();
        self.close_loop(level, span.end);
    }

    fn function(&mut self, id: FunctionId) {
        let function = self.ast[id];
        self.bounds(function.generics);
        for param in &self.ast[function.params] {
            self.binding(*param);
        }
        if let Some(vararg) = function.vararg {
            self.annotation_after(vararg.span.end, vararg.ty);
        }
        self.annotation_after(function.params_span.end, function.result);
        let levels = std::mem::take(&mut self.levels);
        self.block(function.body);
        self.levels = levels;
    }

    fn exprs(&mut self, exprs: List<ExprId>) {
        for expr in &self.ast[exprs] {
            self.expr(*expr);
        }
    }

    /// What stands in `typeof(...)` of a type.
    pub(super) fn typeof_operand(&mut self, expr: ExprId) {
        self.expr(expr);
    }

    fn expr(&mut self, id: ExprId) {
        let Expr { span, kind } = self.ast[id];
        match kind {
            ExprKind::Nil
            | ExprKind::Bool(_)
            | ExprKind::Number
            | ExprKind::String
            | ExprKind::Vararg
            | ExprKind::Error => {}
            ExprKind::Name(name) => {
                if let Use::Type(alias) = self.resolved.use_of(id)
                    && !self.assigned.contains(&name)
                {
                    self.value(span, alias);
                }
            }
            ExprKind::Interp { holes, .. } => self.exprs(holes),
            ExprKind::Function(function) => self.function(function),
            ExprKind::Index { object, key } => {
                self.expr(object);
                self.expr(key);
            }
            ExprKind::Field { object, .. } | ExprKind::Method { object, .. } => self.expr(object),
            ExprKind::Call { callee, args, .. } => {
                self.expr(callee);
                self.exprs(args);
            }
            ExprKind::Instantiate { callee, types } => {
                self.expr(callee);
                if let Some(open) = self.ast.token_after(self.ast[callee].span.end) {
                    self.type_arguments(open.span.to(span), types);
                }
            }
            ExprKind::Unary { op, operand } => {
                if op != UnaryOp::BitNot {
                    return self.expr(operand);
                }
                self.replace(Span::new(span.start, span.start + 1), format!("{BIT_NOT}("));
                self.expr(operand);
                self.insert(span.end, ")");
            }
            ExprKind::Binary { op, left, right, op_start } => {
                let Some(function) = function_of(op) else {
                    self.expr(left);
                    return self.expr(right);
                };
                self.insert(span.start, format!("{function}("));
                self.expr(left);
                let end = op_start + op.text().len() as u32;
                self.replace(Span::new(op_start, end), ",");
                self.expr(right);
                self.insert(span.end, ")");
            }
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::NonNil(inner) => {
                self.expr(inner);
                self.replace(Span::new(span.end - 1, span.end), "");
            }
            ExprKind::Table(fields) => {
                for field in &self.ast[fields] {
                    if let TableField::Keyed { key, .. } = field {
                        self.expr(*key);
                    }
                    self.expr(field.value());
                }
            }
            ExprKind::IfElse(parts) => self.exprs(parts),
            ExprKind::Cast { .. } => self.cast(id, true),
        }
    }

    /// Of casts in a row only the last, `outermost`, stays.
    fn cast(&mut self, id: ExprId, outermost: bool) {
        let Expr { span, kind } = self.ast[id];
        let ExprKind::Cast { operand, ty, op, op_start } = kind else { return self.expr(id) };
        self.cast(operand, false);
        if !outermost {
            return self.replace(Span::new(op_start, span.end), "");
        }
        if op == CastOp::As {
            self.replace(Span::new(op_start, op_start + 2), "::");
        }
        if self.is_foreign(|walker| walker.ty(ty)) {
            // `any < b` would be a type with arguments.
            let next = self.ast.token_after(span.end).map(|token| token.kind);
            let any = if next == Some(TokenKind::Less) { "(any)" } else { "any" };
            self.replace(self.ast[ty].span, any);
        }
    }
}
