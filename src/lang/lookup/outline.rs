//! What a source declares, for a list beside it.

use super::Analysis;
use crate::lang::ast::*;
use crate::lang::resolve::LocalKind;
use crate::lang::span::Span;

/// What a declaration is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SymbolKind {
    /// A function.
    Function,
    /// A function declared with a colon.
    Method,
    /// A local at the top of the file.
    Variable,
    /// A constant at the top of the file.
    Constant,
    /// A type.
    Type,
}

/// Something declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its name as written: `f`, `M.f`, `M:f`.
    pub name: String,
    /// What it is.
    pub kind: SymbolKind,
    /// All of the declaration.
    pub span: Span,
    /// Its name in there.
    pub name_span: Span,
}

impl Analysis {
    /// All named functions and types, and the locals of the file, in order.
    pub fn symbols(&self) -> Vec<Symbol> {
        let ast = self.ast();
        let mut all = Vec::new();
        let mut add = |name: &str, kind, span, name_span: Span| {
            if !name_span.is_empty() {
                all.push(Symbol { name: name.to_owned(), kind, span, name_span });
            }
        };
        for (_, stat) in ast.stats() {
            match stat.kind {
                StatKind::Function { target, .. } => {
                    let span = ast[target].span;
                    let kind = match ast[target].kind {
                        ExprKind::Method { .. } => SymbolKind::Method,
                        _ => SymbolKind::Function,
                    };
                    add(span.text(&self.source), kind, stat.span, span);
                }
                StatKind::LocalFunction { binding, .. } => {
                    let name = ast[binding].name;
                    add(ast.text(name.name), SymbolKind::Function, stat.span, name.span);
                }
                StatKind::Local { bindings, .. } => {
                    for binding in ast.binding_ids(bindings) {
                        let local = self.resolved.local(binding);
                        if local.function.is_some() {
                            continue;
                        }
                        let kind = match local.kind {
                            LocalKind::Constant => SymbolKind::Constant,
                            _ => SymbolKind::Variable,
                        };
                        let name = ast[binding].name;
                        add(ast.text(name.name), kind, stat.span, name.span);
                    }
                }
                StatKind::TypeAlias(alias) => {
                    let alias = ast[alias];
                    add(ast.text(alias.name.name), SymbolKind::Type, alias.span, alias.name.span);
                }
                _ => {}
            }
        }
        for (_, expr) in ast.exprs() {
            let ExprKind::Table(fields) = expr.kind else { continue };
            for field in &ast[fields] {
                if let TableField::Named { name, value } = field
                    && matches!(ast[*value].kind, ExprKind::Function(_))
                {
                    let span = field.span(ast);
                    add(ast.text(name.name), SymbolKind::Function, span, name.span);
                }
            }
        }
        all.sort_by_key(|symbol| symbol.name_span);
        all
    }
}
