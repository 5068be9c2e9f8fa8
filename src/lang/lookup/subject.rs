//! What stands at a place.

use super::Analysis;
use crate::lang::ast::*;
use crate::lang::resolve::LocalKind;
use crate::lang::resolve::TypeUse;
use crate::lang::resolve::Use;
use crate::lang::span::Span;
use crate::lang::token::Token;
use crate::lang::token::TokenKind;

/// What a name means that stands at a place.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Subject {
    /// A local, declared or used; the expression if it is used in one.
    Local { binding: BindingId, used: Option<ExprId> },
    /// A global, a module or an import.
    Global(Name),
    /// `object.name`, `object:name`.
    Member { object: ExprId, name: Ident },
    /// `name = value` in a table; the local that holds the table.
    Key { binding: Option<BindingId>, name: Ident, value: ExprId },
    /// A type of this source.
    Alias(AliasId),
    /// `module.Type`.
    HostType { module: String, name: Ident },
    /// A type of the language.
    Builtin(Ident),
    /// A label, or where `goto` goes to; its statement.
    Label(StatId),
    /// The text in `require("name")`.
    Required(String),
}

impl Analysis {
    /// The name or text at a place: what it means, and its span.
    pub(super) fn subject(&self, at: u32) -> Option<(Subject, Span)> {
        let token = self.token_at(at)?;
        let span = token.span;
        let subject = match token.kind {
            TokenKind::Word => self.named(span),
            TokenKind::Quoted | TokenKind::LongString => self.quoted(span),
            _ => None,
        };
        subject.map(|subject| (subject, span))
    }

    /// The word or string that a place touches; the one behind it if there are two.
    fn token_at(&self, at: u32) -> Option<Token> {
        let tokens = &self.ast().tokens;
        let first = tokens.partition_point(|token| token.span.end < at);
        let touching = tokens[first..].iter().take_while(|token| token.span.start <= at);
        let wanted = |token: &&Token| {
            matches!(token.kind, TokenKind::Word | TokenKind::Quoted | TokenKind::LongString)
        };
        touching.filter(wanted).last().copied()
    }

    fn quoted(&self, span: Span) -> Option<Subject> {
        let ast = self.ast();
        let mut calls = ast.exprs().filter(|(_, expr)| match expr.kind {
            ExprKind::Call { args, .. } => ast[args].iter().any(|arg| ast[*arg].span == span),
            _ => false,
        });
        calls.find_map(|(id, _)| self.required(id)).map(Subject::Required)
    }

    fn named(&self, span: Span) -> Option<Subject> {
        self.in_exprs(span)
            .or_else(|| self.in_bindings(span))
            .or_else(|| self.in_types(span))
            .or_else(|| self.in_labels(span))
    }

    fn in_exprs(&self, span: Span) -> Option<Subject> {
        let ast = self.ast();
        ast.exprs().find_map(|(id, expr)| match expr.kind {
            ExprKind::Name(name) if expr.span == span => Some(match self.resolved.use_of(id) {
                Use::Local(binding) | Use::Upvalue(binding) => {
                    Subject::Local { binding, used: Some(id) }
                }
                Use::Type(alias) => Subject::Alias(alias),
                Use::Global | Use::None => Subject::Global(name),
            }),
            ExprKind::Field { object, name, .. } | ExprKind::Method { object, name, .. }
                if name.span == span =>
            {
                Some(Subject::Member { object, name })
            }
            ExprKind::Table(fields) => ast[fields].iter().find_map(|field| match *field {
                TableField::Named { name, value } if name.span == span => {
                    Some(Subject::Key { binding: self.tables.holder(id), name, value })
                }
                _ => None,
            }),
            _ => None,
        })
    }

    fn in_bindings(&self, span: Span) -> Option<Subject> {
        let ast = self.ast();
        // The hidden `self` has the place of the method's name.
        let is_hidden = |id: BindingId| self.resolved.local(id).kind == LocalKind::Receiver;
        let mut all = ast.bindings();
        all.find(|id| ast[*id].name.span == span && !is_hidden(*id))
            .map(|binding| Subject::Local { binding, used: None })
    }

    fn in_types(&self, span: Span) -> Option<Subject> {
        let ast = self.ast();
        if let Some((id, _)) = ast.aliases().find(|(_, alias)| alias.name.span == span) {
            return Some(Subject::Alias(id));
        }
        ast.types().find_map(|(id, ty)| {
            let TypeKind::Name { prefix, name, .. } = ty.kind else { return None };
            let used = self.resolved.type_use(id);
            if let Some(prefix) = prefix {
                let module = match used {
                    TypeUse::Import(binding) => {
                        if prefix.span == span {
                            return Some(Subject::Local { binding, used: None });
                        }
                        let value = self.tables.value_of(binding);
                        value.and_then(|value| self.required(value))
                    }
                    _ => None,
                };
                if prefix.span == span {
                    return Some(Subject::Global(prefix.name));
                }
                let module = module.unwrap_or_else(|| ast.text(prefix.name).to_owned());
                return (name.span == span).then_some(Subject::HostType { module, name });
            }
            (name.span == span).then_some(match used {
                TypeUse::Alias(alias) => Subject::Alias(alias),
                _ => Subject::Builtin(name),
            })
        })
    }

    fn in_labels(&self, span: Span) -> Option<Subject> {
        let ast = self.ast();
        let jumps = self.resolved.jumps.iter();
        ast.stats().find_map(|(id, stat)| match stat.kind {
            StatKind::Label(name) if name.span == span => Some(Subject::Label(id)),
            StatKind::Goto(name) if name.span == span => {
                let jump = jumps.clone().find(|jump| jump.goto == id)?;
                Some(Subject::Label(jump.label))
            }
            _ => None,
        })
    }
}
