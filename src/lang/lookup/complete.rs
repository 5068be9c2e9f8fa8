//! What could be written at a place.
//!
//! The token before the place decides: behind a dot or colon the members of what stands before it,
//! in `require("` the names of modules, where a type belongs the names of types, elsewhere everything in
//! sight. What has been typed of a name already is not looked at: editors filter better.

use std::collections::HashMap;

use super::Analysis;
use super::Imports;
use super::members::Described;
use crate::lang::ast::*;
use crate::lang::check::GLOBALS;
use crate::lang::resolve::TypeUse;
use crate::lang::span::Span;
use crate::lang::token::Comment;
use crate::lang::token::Token;
use crate::lang::token::TokenKind;
use crate::lang::types::Kind;
use crate::lang::types::Ty;

/// Words that begin or continue statements and expressions.
const KEYWORDS: [&str; 27] = [
    "and",
    "break",
    "const",
    "continue",
    "do",
    "else",
    "elseif",
    "end",
    "export",
    "false",
    "for",
    "function",
    "goto",
    "if",
    "in",
    "interface",
    "local",
    "nil",
    "not",
    "or",
    "repeat",
    "return",
    "then",
    "true",
    "type",
    "until",
    "while",
];

/// Types that the language has.
const TYPES: [&str; 11] = [
    "any", "boolean", "error", "integer", "never", "nil", "number", "string", "table", "thread",
    "unknown",
];

/// What a completion is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompletionKind {
    /// A function.
    Function,
    /// A function called with a colon.
    Method,
    /// A field of a table or object.
    Field,
    /// A local or global.
    Variable,
    /// A module or library.
    Module,
    /// A type.
    Type,
    /// A word of the language.
    Keyword,
}

/// Something that could be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Completion {
    /// What to write.
    pub label: String,
    /// What it is.
    pub kind: CompletionKind,
    /// Its type; may be empty.
    pub detail: String,
    /// Its comment; may be empty.
    pub doc: String,
}

impl Completion {
    fn plain(label: &str, kind: CompletionKind) -> Completion {
        let (detail, doc) = (String::new(), String::new());
        Completion { label: label.to_owned(), kind, detail, doc }
    }
}

/// What belongs at a place.
enum Place {
    Nothing,
    Names,
    Types,
    Modules,
    Members { object: ExprId, colon: bool },
    HostTypes { module: String },
}

impl Analysis {
    /// What could be written at a place, by name.
    pub fn complete(&mut self, at: u32, imports: Imports<'_>) -> Vec<Completion> {
        let mut all = match self.place(at) {
            Place::Nothing => Vec::new(),
            Place::Names => self.names_at(at),
            Place::Types => self.type_names(),
            Place::Modules => self.module_names(),
            Place::Members { object, colon } => {
                let mut members = self.members_of(object, imports);
                members.retain(|member| if colon { member.colon } else { member.dot });
                members.into_iter().map(|member| of_member(member, colon)).collect()
            }
            Place::HostTypes { module } => {
                let names = self.library.host_types(&module);
                names.map(|name| Completion::plain(name, CompletionKind::Type)).collect()
            }
        };
        all.sort_by(|a, b| a.label.cmp(&b.label));
        all
    }

    fn place(&self, at: u32) -> Place {
        let ast = self.ast();
        let in_comment = |comment: &Comment| {
            let Span { start, end } = comment.span;
            start < at && (at < end || at == end && !comment.block)
        };
        if ast.comments.iter().any(in_comment) {
            return Place::Nothing;
        }
        let count = ast.tokens.partition_point(|token| token.span.start < at);
        let tokens = &ast.tokens[..count];
        let Some(current) = tokens.last() else { return Place::Names };
        let before = match current.kind {
            TokenKind::Quoted | TokenKind::LongString if self.is_inside(*current, at) => {
                return self.place_in_string(*current);
            }
            TokenKind::InterpSimple | TokenKind::InterpBegin | TokenKind::InterpMid
                if at < current.span.end =>
            {
                return Place::Nothing;
            }
            TokenKind::Number if at <= current.span.end => return Place::Nothing,
            // A name that is being typed.
            kind if (kind == TokenKind::Word || kind.is_keyword()) && at <= current.span.end => {
                tokens.len().checked_sub(2).map(|index| tokens[index])
            }
            _ => Some(*current),
        };
        let Some(before) = before else { return Place::Names };
        match before.kind {
            TokenKind::Dot | TokenKind::Colon => self.place_behind(before),
            TokenKind::DoubleColon | TokenKind::Arrow => Place::Types,
            TokenKind::Local | TokenKind::Func => Place::Nothing,
            _ => Place::Names,
        }
    }

    /// Behind the opening quote, and not behind the closing one?
    fn is_inside(&self, token: Token, at: u32) -> bool {
        let text = token.span.text(&self.source);
        let last = text.len().checked_sub(1).filter(|last| *last > 0);
        let closed = last.is_some_and(|last| matches!(text.as_bytes()[last], b'"' | b'\'' | b']'));
        at < token.span.end || at == token.span.end && !closed
    }

    fn place_in_string(&self, token: Token) -> Place {
        let ast = self.ast();
        let called = |callee: ExprId| match ast[callee].kind {
            ExprKind::Name(name) => ast.text(name) == "require",
            _ => false,
        };
        let is_argument = ast.exprs().any(|(_, expr)| match expr.kind {
            ExprKind::Call { callee, args, .. } => {
                called(callee) && ast[args].iter().any(|arg| ast[*arg].span == token.span)
            }
            _ => false,
        });
        if is_argument { Place::Modules } else { Place::Nothing }
    }

    fn place_behind(&self, mark: Token) -> Place {
        let ast = self.ast();
        let object = ast.exprs().find_map(|(_, expr)| match expr.kind {
            ExprKind::Field { object, dot, .. } if dot == mark.span.start => Some(object),
            ExprKind::Method { object, colon, .. } if colon == mark.span.start => Some(object),
            _ => None,
        });
        let colon = mark.kind == TokenKind::Colon;
        if let Some(object) = object {
            return Place::Members { object, colon };
        }
        if colon {
            return Place::Types;
        }
        let module = ast.types().find_map(|(id, ty)| match ty.kind {
            TypeKind::Name { prefix: Some(prefix), .. } if prefix.span.end <= mark.span.start => {
                let next = ast.token_after(prefix.span.end)?;
                (next.span == mark.span).then(|| match self.resolved.type_use(id) {
                    TypeUse::Import(binding) => self
                        .tables
                        .value_of(binding)
                        .and_then(|value| self.required(value))
                        .unwrap_or_default(),
                    _ => ast.text(prefix.name).to_owned(),
                })
            }
            _ => None,
        });
        module.map_or(Place::Nothing, |module| Place::HostTypes { module })
    }

    /// Everything in sight: locals, globals, modules, words.
    fn names_at(&self, at: u32) -> Vec<Completion> {
        let mut all: HashMap<&str, Completion> = HashMap::new();
        let mut add = |name, completion| {
            all.insert(name, completion);
        };
        for word in KEYWORDS {
            add(word, Completion::plain(word, CompletionKind::Keyword));
        }
        let ast = self.ast();
        for used in self.resolved.globals.iter().filter(|used| used.write) {
            let name = ast.text(used.name);
            add(name, Completion::plain(name, CompletionKind::Variable));
        }
        for member in self.library.members().iter().filter(|member| member.module == GLOBALS) {
            let kind = match member.function {
                true => CompletionKind::Function,
                false => CompletionKind::Variable,
            };
            let (detail, doc) = (member.shown.clone(), member.doc.clone());
            let label = member.name.clone();
            add(&member.name, Completion { label, kind, detail, doc });
        }
        for (module, _) in self.library.modules().filter(|(name, _)| self.is_granted(name)) {
            let doc = self.library.doc(module).to_owned();
            add(module, Completion { doc, ..Completion::plain(module, CompletionKind::Module) });
        }
        for import in &self.access.imports {
            add(import, Completion::plain(import, CompletionKind::Module));
        }
        let mut visible: HashMap<Name, BindingId> = HashMap::new();
        for binding in ast.bindings() {
            let scope = self.resolved.local(binding).scope;
            let name = ast[binding].name.name;
            if name == Name::MISSING || !scope.touches(at) || scope.is_empty() {
                continue;
            }
            let inner = visible.entry(name).or_insert(binding);
            if self.resolved.local(*inner).scope.start <= scope.start {
                *inner = binding;
            }
        }
        for (name, binding) in visible {
            let ty = self.locals.get(binding.index()).copied().unwrap_or(Ty::ANY);
            let kind = match self.types.kind(ty) {
                Kind::Signature(_) => CompletionKind::Function,
                Kind::Class(class) if self.types.class(*class).module => CompletionKind::Module,
                _ => CompletionKind::Variable,
            };
            let (name, detail) = (ast.text(name), self.types.show(ty));
            add(name, Completion { detail, ..Completion::plain(name, kind) });
        }
        all.into_values().collect()
    }

    fn type_names(&self) -> Vec<Completion> {
        let ast = self.ast();
        let own = ast.aliases().map(|(_, alias)| ast.text(alias.name.name));
        let own = own.filter(|name| !name.is_empty());
        let mut names: Vec<&str> = TYPES.into_iter().chain(own).collect();
        names.sort_unstable();
        names.dedup();
        let of = |name: &&str| Completion::plain(name, CompletionKind::Type);
        let types = names.iter().map(of);
        // Modules whose types have names.
        let modules = self.library.modules().filter(|(name, _)| self.is_granted(name));
        let modules = modules.filter(|(name, _)| self.library.host_types(name).next().is_some());
        let modules = modules.filter(|(name, _)| !names.contains(name));
        types
            .chain(modules.map(|(name, _)| Completion::plain(name, CompletionKind::Module)))
            .collect()
    }

    fn module_names(&self) -> Vec<Completion> {
        let modules = self.library.modules().map(|(name, _)| name);
        let modules = modules.filter(|name| self.is_granted(name)).map(|name| {
            let doc = self.library.doc(name).to_owned();
            Completion { doc, ..Completion::plain(name, CompletionKind::Module) }
        });
        let imports = self.access.imports.iter();
        modules.chain(imports.map(|name| Completion::plain(name, CompletionKind::Module))).collect()
    }
}

fn of_member(member: Described, colon: bool) -> Completion {
    let kind = match (member.function, colon || !member.dot) {
        (true, true) => CompletionKind::Method,
        (true, false) => CompletionKind::Function,
        (false, _) => CompletionKind::Field,
    };
    Completion { label: member.name, kind, detail: member.shown, doc: member.doc }
}
