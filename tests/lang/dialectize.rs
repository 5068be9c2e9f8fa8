//! Plain programs said in the dialect, line by line: casts and `!` around operands, annotations that
//! Luau lacks, `goto` for `continue` and `break`, operators for calls of `__wippy_band` and the like.
//! What a program does, and where its errors are, stays as it was; or the translation is wrong.

use wippy::lang::ast::*;
use wippy::lang::parser::parse;
use wippy::lang::span::Span;
use wippy::lang::translate::OPERATORS;

const TYPES: [&str; 6] = [
    "any[]?",
    "{a?: number}",
    "(number | string) @min(1)",
    "readonly {any}",
    "fun(a: any): any",
    "1 | \"a\" & 2",
];

/// The signs of [`OPERATORS`].
const SIGNS: [&str; 7] = ["&", "|", "~", "<<", ">>", "~", "//"];

/// A text in the place of a span. Of those at one place, the closing ones come first.
struct Edit {
    span: Span,
    text: String,
    closes: bool,
    /// Of what it belongs to: outer ones open first and close last.
    len: u32,
}

struct Dialect<'a> {
    ast: &'a Ast,
    source: &'a str,
    edits: Vec<Edit>,
    n: usize,
    skipped: Vec<ExprId>,
}

/// The program in the dialect; `None` if it has errors.
pub fn dialectize(source: &str) -> Option<String> {
    let parsed = parse(source);
    if !parsed.diagnostics.is_empty() {
        return None;
    }
    let ast = &parsed.ast;
    let mut dialect = Dialect { ast, source, edits: Vec::new(), n: 0, skipped: Vec::new() };
    dialect.statements();
    dialect.expressions();
    dialect.bindings();
    let first = ast.tokens.first().map_or(0, |token| token.span.start);
    dialect.insert(first, "type Forced = 123 @min(1) ", 0);
    Some(dialect.apply())
}

impl Dialect<'_> {
    fn insert(&mut self, at: u32, text: &str, len: u32) {
        self.edits.push(Edit { span: Span::empty(at), text: text.into(), closes: false, len });
    }

    fn close(&mut self, at: u32, text: &str, len: u32) {
        self.edits.push(Edit { span: Span::empty(at), text: text.into(), closes: true, len });
    }

    fn replace(&mut self, span: Span, text: &str) {
        self.edits.push(Edit { span, text: text.into(), closes: false, len: 0 });
    }

    fn apply(mut self) -> String {
        self.edits.sort_by_key(|edit| {
            let order = if edit.closes { edit.len as i64 } else { -(edit.len as i64) };
            (edit.span.start, !edit.closes, order)
        });
        let (mut out, mut at) = (String::new(), 0);
        for Edit { span, text, .. } in &self.edits {
            out.push_str(&self.source[at..span.start as usize]);
            out.push_str(text);
            let lines = span.text(self.source).matches('\n').count();
            out.push_str(&"\n".repeat(lines));
            at = span.end as usize;
        }
        out.push_str(&self.source[at..]);
        out
    }

    fn ty(&mut self) -> &'static str {
        self.n += 1;
        TYPES[self.n % TYPES.len()]
    }

    /// An expression of one value, said otherwise.
    fn wrap(&mut self, id: ExprId) {
        let Expr { span, .. } = self.ast[id];
        self.n += 1;
        let (open, close) = match self.n % 4 {
            0 => ("((", format!(") as {})", self.ty())),
            1 => ("((", ")!)".to_owned()),
            2 => ("((", format!(") :: any as {})", self.ty())),
            _ => return,
        };
        self.insert(span.start, open, span.len());
        self.close(span.end, &close, span.len());
    }

    fn expressions(&mut self) {
        let ast = self.ast;
        for (id, expr) in ast.exprs() {
            match expr.kind {
                ExprKind::Binary { left, right, .. } => {
                    self.wrap(left);
                    self.wrap(right);
                }
                ExprKind::Unary { operand, .. } => self.wrap(operand),
                ExprKind::Index { key, .. } => self.wrap(key),
                ExprKind::Field { object, .. } if !self.skipped.contains(&id) => {
                    if let ExprKind::Name(_) = ast[object].kind {
                        self.close(ast[object].span.end, "!", 0);
                    }
                }
                ExprKind::Table(fields) => {
                    for field in &ast[fields] {
                        if let TableField::Named { value, .. } = field {
                            self.wrap(*value);
                        }
                    }
                }
                ExprKind::IfElse(parts) => ast[parts].iter().for_each(|part| self.wrap(*part)),
                ExprKind::Call { callee, args, .. } => self.call(expr.span, callee, &ast[args]),
                _ => {}
            }
        }
    }

    fn call(&mut self, span: Span, callee: ExprId, args: &[ExprId]) {
        if let Some((_, firsts)) = args.split_last() {
            firsts.iter().for_each(|arg| self.wrap(*arg));
        }
        let ExprKind::Name(name) = self.ast[callee].kind else { return };
        let Some(which) = OPERATORS.iter().position(|known| *known == self.ast.text(name)) else {
            return;
        };
        let gap = |from: u32, to: u32| Span::new(from, to);
        // What is put around all of the call comes first.
        match args {
            [a, b] => {
                let (a, b) = (self.ast[*a].span, self.ast[*b].span);
                self.edits.push(Edit {
                    span: gap(span.start, a.start),
                    text: "((".into(),
                    closes: false,
                    len: 0,
                });
                self.edits.push(Edit {
                    span: gap(a.end, b.start),
                    text: format!(") {} (", SIGNS[which]),
                    closes: true,
                    len: u32::MAX,
                });
                self.edits.push(Edit {
                    span: gap(b.end, span.end),
                    text: "))".into(),
                    closes: true,
                    len: u32::MAX,
                });
            }
            [a] => {
                let a = self.ast[*a].span;
                let text = format!("({}(", SIGNS[which]);
                self.edits.push(Edit {
                    span: gap(span.start, a.start),
                    text,
                    closes: false,
                    len: 0,
                });
                self.edits.push(Edit {
                    span: gap(a.end, span.end),
                    text: "))".into(),
                    closes: true,
                    len: u32::MAX,
                });
            }
            _ => {}
        }
    }

    fn bindings(&mut self) {
        let ast = self.ast;
        let functions: Vec<BindingId> = ast
            .stats()
            .filter_map(|(_, stat)| match stat.kind {
                StatKind::LocalFunction { binding, .. } => Some(binding),
                _ => None,
            })
            .collect();
        for id in ast.bindings() {
            let binding = ast[id];
            let name = ast.text(binding.name.name);
            let is_written = binding.name.span.text(self.source) == name;
            if is_written && binding.ty.is_none() && !functions.contains(&id) {
                let ty = self.ty();
                self.close(binding.name.span.end, &format!(": {ty}"), 1);
            }
        }
        for (_, function) in ast.functions() {
            if function.result.is_none() {
                let ty = self.ty();
                self.close(function.params_span.end, &format!(": (({ty}), ...any)"), 1);
            }
        }
    }

    fn statements(&mut self) {
        let ast = self.ast;
        // Every loop: its body, and all of it.
        let mut loops = Vec::new();
        for (_, stat) in ast.stats() {
            match stat.kind {
                StatKind::While { condition, body } => {
                    self.wrap(condition);
                    loops.push((ast[body], stat.span, true));
                }
                StatKind::NumericFor { from, to, body, .. } => {
                    self.wrap(from);
                    self.wrap(to);
                    loops.push((ast[body], stat.span, true));
                }
                StatKind::GenericFor { body, .. } => loops.push((ast[body], stat.span, true)),
                // Its condition sees the locals of its body, which a jump may not skip.
                StatKind::Repeat { body, .. } => loops.push((ast[body], stat.span, false)),
                StatKind::If { branches, .. } => {
                    ast[branches].iter().for_each(|branch| self.wrap(branch.condition));
                }
                StatKind::Function { target, .. } => {
                    // `a.b` in `function a.b.c()` has to stay a name.
                    let mut at = target;
                    while let ExprKind::Field { object, .. } | ExprKind::Method { object, .. } =
                        ast[at].kind
                    {
                        self.skipped.push(at);
                        at = object;
                    }
                }
                _ => {}
            }
        }
        let mut continued = Vec::new();
        for (_, stat) in ast.stats() {
            let inside = |block: &Block| {
                block.span.start <= stat.span.start && stat.span.end <= block.span.end
            };
            let around = loops.iter().enumerate().filter(|(_, (body, ..))| inside(body));
            let Some((n, (body, whole, ends))) =
                around.min_by_key(|(_, (body, ..))| body.span.len())
            else {
                continue;
            };
            let returns = ast[body.stats]
                .last()
                .is_some_and(|last| matches!(ast[*last].kind, StatKind::Return(_)));
            match stat.kind {
                StatKind::Continue if *ends && !returns => {
                    self.replace(stat.span, &format!("goto c{n}"));
                    if !continued.contains(&n) {
                        continued.push(n);
                        self.insert(whole.end - 3, &format!(" ::c{n}:: "), 0);
                    }
                }
                StatKind::Break if n % 2 == 0 => {
                    self.replace(stat.span, &format!("goto b{n}"));
                    if !continued.contains(&(n + 1_000_000)) {
                        continued.push(n + 1_000_000);
                        self.close(whole.end, &format!(" ::b{n}:: "), u32::MAX);
                    }
                }
                _ => {}
            }
        }
    }
}
