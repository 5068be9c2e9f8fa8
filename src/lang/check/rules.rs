//! Style: what is allowed and better avoided. Needs names, not types.

use std::collections::HashMap;
use std::collections::HashSet;

use super::codes;
use crate::lang::ast::*;
use crate::lang::diagnostic::Code;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::resolve::LocalKind;
use crate::lang::resolve::Resolved;
use crate::lang::resolve::Use;
use crate::lang::span::Span;
use crate::lang::token::TokenKind;

/// A change of the source that does not change what the program does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub text: String,
}

/// All findings, in the order of the source, each with its fix if there is one. `is_granted` tells
/// whether a `require` of a name is sure to succeed.
pub fn find(
    ast: &Ast,
    resolved: &Resolved,
    source: &str,
    is_granted: &dyn Fn(&str) -> bool,
) -> Vec<(Diagnostic, Option<Fix>)> {
    let names = ast.names.iter().map(|(_, name)| name).collect();
    let mut rules = Rules { ast, resolved, source, is_granted, names, found: Vec::new() };
    rules.blocks();
    rules.globals();
    rules.comparisons();
    rules.locals();
    rules.found.sort_by_key(|(found, _)| found.span);
    rules.found
}

struct Rules<'a> {
    ast: &'a Ast,
    resolved: &'a Resolved,
    source: &'a str,
    is_granted: &'a dyn Fn(&str) -> bool,
    names: HashSet<&'a str>,
    found: Vec<(Diagnostic, Option<Fix>)>,
}

/// `local x = require("y")`: the statement, and what is required.
struct Required {
    stat: StatId,
    name: String,
}

impl Rules<'_> {
    fn report(&mut self, code: Code, span: Span, message: String, fix: Option<Fix>) {
        let diagnostic = Diagnostic { code, span, message, related: None, help: None };
        self.found.push((diagnostic, fix));
    }

    fn empty(&mut self, block: BlockId, span: Span, what: &str) {
        if self.ast[block].stats.is_empty() {
            self.report(codes::EMPTY_BLOCK, span, format!("the {what} block is empty"), None);
        }
    }

    fn blocks(&mut self) {
        let ast = self.ast;
        for (_, stat) in ast.stats() {
            let head = |block: BlockId| Span::new(stat.span.start, ast[block].span.start);
            match stat.kind {
                StatKind::If { branches, otherwise } => {
                    for branch in &ast[branches] {
                        self.empty(branch.body, branch.head, "if");
                    }
                    if let Some(block) = otherwise {
                        let word = Span::new(
                            ast[block].span.start.saturating_sub(4),
                            ast[block].span.start,
                        );
                        self.empty(block, word, "else");
                    }
                }
                StatKind::While { body, .. } => self.empty(body, head(body), "while"),
                StatKind::Repeat { body, .. } => self.empty(body, head(body), "repeat"),
                StatKind::NumericFor { body, .. } | StatKind::GenericFor { body, .. } => {
                    self.empty(body, head(body), "for");
                }
                _ => {}
            }
        }
    }

    fn globals(&mut self) {
        let writes: Vec<_> = self.resolved.globals.iter().filter(|global| global.write).collect();
        for global in writes {
            let message = format!("this creates the global '{}'", self.ast.text(global.name));
            self.report(codes::GLOBAL, self.ast[global.expr].span, message, None);
            if let Some((found, _)) = self.found.last_mut() {
                found.help = Some("write 'local' before it".into());
            }
        }
    }

    fn comparisons(&mut self) {
        use BinaryOp::*;
        for (_, expr) in self.ast.exprs() {
            let ExprKind::Binary { op, left, right, .. } = expr.kind else { continue };
            if !matches!(op, Equal | NotEqual | Less | LessEqual | Greater | GreaterEqual) {
                continue;
            }
            let (a, b) = (self.ast[left].span, self.ast[right].span);
            if a.is_empty() || b.is_empty() {
                continue;
            }
            let texts = |span| {
                let tokens = self.ast.tokens_in(span).iter();
                tokens.map(|token| token.span.text(self.source)).filter(|text| !text.is_empty())
            };
            // A call may give something else the second time.
            let calls = texts(a).any(|text| matches!(text, "(" | "{" | "function"));
            if !calls && texts(a).eq(texts(b)) {
                self.report(
                    codes::SAME_OPERANDS,
                    expr.span,
                    "both sides of the comparison are the same".into(),
                    None,
                );
                if op == NotEqual
                    && let Some((found, _)) = self.found.last_mut()
                {
                    found.help =
                        Some("a test for NaN reads better in a function of its own".into());
                }
            }
        }
    }

    fn requires(&self) -> HashMap<BindingId, Required> {
        let mut requires = HashMap::new();
        for (id, stat) in self.ast.stats() {
            let StatKind::Local { bindings, values, .. } = stat.kind else { continue };
            let ([value], Some(binding)) =
                (&self.ast[values], self.ast.binding_ids(bindings).next())
            else {
                continue;
            };
            if bindings.len() == 1
                && let Some(name) = self.required(*value)
            {
                requires.insert(binding, Required { stat: id, name });
            }
        }
        requires
    }

    fn required(&self, value: ExprId) -> Option<String> {
        let ExprKind::Call { callee, args, .. } = self.ast[value].kind else { return None };
        let ExprKind::Name(name) = self.ast[callee].kind else { return None };
        let [arg] = self.ast[args] else { return None };
        let is_require =
            self.ast.text(name) == "require" && self.resolved.use_of(callee) == Use::Global;
        if !is_require || !matches!(self.ast[arg].kind, ExprKind::String) {
            return None;
        }
        let text = crate::lang::literal::string(self.ast[arg].span.text(self.source));
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    fn locals(&mut self) {
        let requires = self.requires();
        for index in 0..self.ast.binding_count() {
            let id = BindingId::new(index);
            let (name, local) = (self.ast[id].name, *self.resolved.local(id));
            let text = self.ast.text(name.name);
            let is_known = local.scope.end > 0;
            if !is_known
                || text.is_empty()
                || text.starts_with('_')
                || local.kind == LocalKind::Receiver
            {
                continue;
            }
            if let Some(outer) = local.shadows
                && self.resolved.local(outer).kind != LocalKind::Receiver
            {
                self.report(
                    codes::SHADOW,
                    name.span,
                    format!("'{text}' hides another local"),
                    None,
                );
                if let Some((found, _)) = self.found.last_mut() {
                    found.related = Some((self.ast[outer].name.span, "the other one".into()));
                }
            }
            if local.reads > 0 {
                continue;
            }
            match (requires.get(&id), local.kind) {
                (Some(required), _) if local.writes == 0 => {
                    let message = format!("'{text}' is required and never used");
                    let fix = self.without(required);
                    self.report(codes::UNUSED_REQUIRE, name.span, message, fix);
                }
                (_, LocalKind::Parameter) => {
                    let message = format!("the parameter '{text}' is never used");
                    let fix = self.underscored(name, local.writes);
                    self.report(codes::UNUSED_PARAMETER, name.span, message, fix);
                }
                _ => {
                    let message = format!("'{text}' is never read");
                    let fix = self.underscored(name, local.writes);
                    self.report(codes::UNUSED_LOCAL, name.span, message, fix);
                }
            }
        }
    }

    /// A name that says that nobody reads it; only if nothing has that name yet.
    fn underscored(&self, name: Ident, writes: u32) -> Option<Fix> {
        let text = format!("_{}", self.ast.text(name.name));
        let is_taken = self.names.contains(text.as_str());
        let span = Span::empty(name.span.start);
        (writes == 0 && !is_taken).then(|| Fix { span, text: "_".into() })
    }

    /// No such statement; the whole line if nothing else is on it.
    fn without(&self, required: &Required) -> Option<Fix> {
        if !(self.is_granted)(&required.name) {
            return None;
        }
        let mut span = self.ast[required.stat].span;
        if let Some(next) = self.ast.token_after(span.end)
            && next.kind == TokenKind::Semicolon
        {
            // What stands in brackets would become arguments of what is before.
            let after = self.ast.token_after(next.span.end).map(|token| token.kind);
            if after == Some(TokenKind::LeftParen) {
                return None;
            }
            span = span.to(next.span);
        }
        let line_of = |at: u32| self.ast.lines.span(self.ast.lines.line(at), self.source);
        let (first, last) = (line_of(span.start)?, line_of(span.end)?);
        let before = Span::new(first.start, span.start).text(self.source);
        let after = Span::new(span.end, last.end.max(span.end)).text(self.source);
        let alone = before.trim().is_empty() && after.trim().is_empty();
        Some(Fix { span: if alone { first.to(last) } else { span }, text: String::new() })
    }
}

/// The source with the fixes in it. Of fixes that overlap only the first is made; says how many were.
pub fn apply(source: &str, fixes: &[Fix]) -> (String, usize) {
    let mut sorted: Vec<&Fix> = fixes.iter().collect();
    sorted.sort_by_key(|fix| fix.span);
    let (mut text, mut at, mut made) = (String::with_capacity(source.len()), 0, 0);
    for fix in sorted {
        let range = fix.span.range();
        if range.start < at || range.end > source.len() {
            continue;
        }
        text.push_str(&source[at..range.start]);
        text.push_str(&fix.text);
        at = range.end;
        made += 1;
    }
    text.push_str(&source[at..]);
    (text, made)
}
