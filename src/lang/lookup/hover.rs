//! What a name means, in words.

use super::Analysis;
use super::Imports;
use super::Subject;
use super::members::declared;
use crate::lang::ast::*;
use crate::lang::check::GLOBALS;
use crate::lang::check::doc_above;
use crate::lang::resolve::LocalKind;
use crate::lang::span::Span;
use crate::lang::types::Kind;
use crate::lang::types::Ty;

/// Bytes of a declaration that are shown.
const CODE_MAX: usize = 600;

/// What there is to say about a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hover {
    /// What it is said about.
    pub span: Span,
    /// A declaration, in the words of the language.
    pub code: String,
    /// The comment that belongs to it; may be empty.
    pub doc: String,
}

impl Analysis {
    /// What is known of the name at a place.
    pub fn hover(&mut self, at: u32, imports: Imports<'_>) -> Option<Hover> {
        let (subject, span) = self.subject(at)?;
        let (code, doc) = match subject {
            Subject::Local { binding, used } => self.local_hover(binding, used),
            Subject::Global(name) => self.global_hover(self.ast().text(name).to_owned())?,
            Subject::Member { object, name } => {
                let name = self.ast().text(name.name).to_owned();
                let member = self.member_of(object, &name, imports)?;
                (member.code(), member.doc)
            }
            Subject::Key { name, value, .. } => {
                let ty = self.type_of(value).map_or(Ty::ANY, |ty| self.types.widen(ty));
                let code = self.declared_as(self.ast().text(name.name), ty);
                (code, doc_above(self.ast(), &self.source, name.span.start))
            }
            Subject::Alias(alias) => {
                let span = self.ast()[alias].span;
                let text = cut(span.text(&self.source));
                (text, doc_above(self.ast(), &self.source, span.start))
            }
            Subject::HostType { module, name } => {
                let name = self.ast().text(name.name);
                self.library.host_type(&module, name)?;
                let shown = format!("{module}.{name}");
                (format!("type {shown}"), self.library.doc(&shown).to_owned())
            }
            Subject::Builtin(name) => {
                (format!("type {}", self.ast().text(name.name)), String::new())
            }
            Subject::Label(label) => {
                let text = self.ast()[label].span.text(&self.source);
                (text.to_owned(), String::new())
            }
            Subject::Required(name) => self.module_hover(&name)?,
        };
        Some(Hover { span, code, doc })
    }

    fn declared_as(&self, name: &str, ty: Ty) -> String {
        let function = matches!(self.types.kind(ty), Kind::Signature(_));
        declared(name, &self.types.show(ty), function)
    }

    fn local_hover(&self, binding: BindingId, used: Option<ExprId>) -> (String, String) {
        let ast = self.ast();
        let name = ast.text(ast[binding].name.name);
        let word = match self.resolved.local(binding).kind {
            LocalKind::Variable | LocalKind::Function => "local ",
            LocalKind::Constant => "const ",
            LocalKind::Parameter | LocalKind::Receiver => "parameter ",
            LocalKind::Loop => "loop variable ",
        };
        let declared_ty = self.locals.get(binding.index()).copied();
        let seen = used.and_then(|used| self.seen.exprs.get(used.index()).copied().flatten());
        let ty = seen.or(declared_ty).unwrap_or(Ty::ANY);
        let mut doc = self.local_doc(binding);
        if let Some(alias) = self.import_in(binding) {
            return (format!("{word}{name} = require({alias:?})"), doc);
        }
        if doc.is_empty()
            && let Kind::Class(class) = self.types.kind(ty)
        {
            doc = self.library.doc(self.types.text(self.types.class(*class).name)).to_owned();
        }
        (format!("{word}{}", self.declared_as(name, ty)), doc)
    }

    fn global_hover(&self, name: String) -> Option<(String, String)> {
        if let Some(member) = self.library.member(GLOBALS, &name) {
            return Some((declared(&name, &member.shown, member.function), member.doc.clone()));
        }
        if self.is_import(&name) || self.is_granted(&name) {
            return self.module_hover(&name);
        }
        (!name.is_empty()).then(|| (format!("global {name}: any"), String::new()))
    }

    fn module_hover(&self, name: &str) -> Option<(String, String)> {
        if self.is_import(name) {
            return Some((format!("import {name}"), String::new()));
        }
        self.library.module_name(name)?;
        Some((format!("module {name}"), self.library.doc(name).to_owned()))
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(CODE_MAX) {
        Some((end, _)) => format!("{} ...", &text[..end]),
        None => text.to_owned(),
    }
}
