//! The call around a place: what is called, and which of its parameters comes here.

use super::Analysis;
use super::Imports;
use super::members::Described;
use super::members::declared;
use crate::lang::ast::*;
use crate::lang::check::GLOBALS;
use crate::lang::resolve::Use;
use crate::lang::token::TokenKind;
use crate::lang::types::Kind;

/// What is known of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallHelp {
    /// The function, as it would be declared.
    pub label: String,
    /// Its parameters, each as it stands in the label.
    pub params: Vec<String>,
    /// Which of them the place belongs to; may lie behind the last one.
    pub active: usize,
    /// The comment above the function.
    pub doc: String,
}

impl Analysis {
    /// The innermost call whose arguments are around a place.
    pub fn call_help(&mut self, at: u32, imports: Imports<'_>) -> Option<CallHelp> {
        let (callee, open) = self.call_around(at)?;
        let (label, shown, doc, skip) = self.called(callee, imports)?;
        let params = params_of(&shown);
        let active = self.commas(open, at) + skip;
        let last = params.len().saturating_sub(1);
        let is_open = params.last().is_some_and(|last| last.starts_with("..."));
        let active = if is_open { active.min(last) } else { active };
        Some(CallHelp { label, params, active, doc })
    }

    /// What is called, and where its arguments begin.
    fn call_around(&self, at: u32) -> Option<(ExprId, u32)> {
        let ast = self.ast();
        let calls = ast.exprs().filter_map(|(_, expr)| {
            let ExprKind::Call { callee, style: CallStyle::Parens, .. } = expr.kind else {
                return None;
            };
            let open = ast.token_after(ast[callee].span.end)?.span;
            let closed = expr.span.text(&self.source).ends_with(')');
            let end = match closed {
                true => expr.span.end.saturating_sub(1),
                false => ast.token_after(expr.span.end)?.span.start,
            };
            (open.end <= at && at <= end).then_some((callee, open.end))
        });
        calls.max_by_key(|(_, open)| *open)
    }

    /// A label, a type, a comment, and how many parameters the colon has filled.
    fn called(
        &mut self,
        callee: ExprId,
        imports: Imports<'_>,
    ) -> Option<(String, String, String, usize)> {
        let of_member = |member: Described, colon: bool| {
            let skip = usize::from(colon && member.dot);
            (member.code(), member.shown, member.doc, skip)
        };
        match self.ast()[callee].kind {
            ExprKind::Field { object, name, .. } => {
                let name = self.ast().text(name.name).to_owned();
                Some(of_member(self.member_of(object, &name, imports)?, false))
            }
            ExprKind::Method { object, name, .. } => {
                let name = self.ast().text(name.name).to_owned();
                Some(of_member(self.member_of(object, &name, imports)?, true))
            }
            ExprKind::Name(name) => {
                let name = self.ast().text(name);
                if self.resolved.use_of(callee) == Use::Global
                    && let Some(member) = self.library.member(GLOBALS, name)
                {
                    let label = declared(name, &member.shown, true);
                    return Some((label, member.shown.clone(), member.doc.clone(), 0));
                }
                let ty = self.type_of(callee)?;
                matches!(self.types.kind(ty), Kind::Signature(_)).then_some(())?;
                let shown = self.types.show(ty);
                let binding = self.resolved.use_of(callee).binding();
                let doc = binding.map(|binding| self.local_doc(binding)).unwrap_or_default();
                Some((declared(name, &shown, true), shown, doc, 0))
            }
            _ => None,
        }
    }

    /// Commas between two places that are in no brackets of their own.
    fn commas(&self, from: u32, to: u32) -> usize {
        use TokenKind::*;
        let (mut depth, mut commas) = (0u32, 0);
        for token in self.ast().tokens_in(crate::lang::span::Span::new(from, to)) {
            match token.kind {
                LeftParen | LeftBrace | LeftBracket | Func => depth += 1,
                RightParen | RightBrace | RightBracket | End => depth = depth.saturating_sub(1),
                Comma if depth == 0 => commas += 1,
                _ => {}
            }
        }
        commas
    }
}

/// The parameters of a function type as it is shown: `(a: T, ...U) -> R`.
fn params_of(shown: &str) -> Vec<String> {
    let Some(inner) = shown.strip_prefix('(') else { return Vec::new() };
    let (mut depth, mut quoted, mut before) = (0u32, false, ' ');
    let mut params = vec![String::new()];
    for c in inner.chars() {
        match c {
            '"' if before != '\\' => quoted = !quoted,
            _ if quoted => {}
            '(' | '{' | '[' | '<' => depth += 1,
            '>' if before == '-' => {}
            ')' if depth == 0 => break,
            ')' | '}' | ']' | '>' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                params.push(String::new());
                before = c;
                continue;
            }
            _ => {}
        }
        if let Some(last) = params.last_mut() {
            last.push(c);
        }
        before = c;
    }
    let params = params.into_iter().map(|param| param.trim().to_owned());
    params.filter(|param| !param.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::params_of;

    #[test]
    fn parameters_are_told_apart() {
        let check = |shown: &str, expect: &[&str]| assert_eq!(params_of(shown), expect, "{shown}");
        check("() -> any", &[]);
        check("(a: number) -> ()", &["a: number"]);
        check(
            "(a: (number, string) -> any, b?: {x: T, y: U}) -> any",
            &["a: (number, string) -> any", "b?: {x: T, y: U}"],
        );
        check("(a: Map<string, number>, ...any) -> any", &["a: Map<string, number>", "...any"]);
        check(r#"(a: "," | ")", b: ")") -> any"#, &[r#"a: "," | ")""#, r#"b: ")""#]);
        check("any", &[]);
        check("(", &[]);
    }
}
