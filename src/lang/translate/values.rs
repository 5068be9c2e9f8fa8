//! Types used as values.
//!
//! The host makes type values of declarations, which the chunk hands to it once, as a text:
//!
//! ```lua
//! local __wippy_t=__wippy_types("type Point={x:number}",1);
//! if __wippy_t[1]:is(v) then             -- was: if Point:is(v) then
//! ```
//!
//! The text holds the types that are used, in this order, then those they refer to: their tokens, with
//! names made unique (`Point__wippy2` is another `Point`), and `typeof(local)` replaced by the name of
//! a declaration of that local's annotation. Types of modules, `lib.T`, stay as they are; what is
//! known only at run time is handed over where a type is used:
//!
//! ```lua
//! if __wippy_bind(__wippy_t,1,"lib",lib):is(v) then
//! ```

use std::collections::HashMap;

use super::BIND;
use super::TABLE;
use super::TYPES;
use super::walk::Walker;
use crate::lang::ast::*;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::resolve::TypeUse;
use crate::lang::span::Span;
use crate::lang::token::TokenKind;

/// What stands between the name of a type and a number that makes it unique.
pub const UNIQUE: &str = "__wippy";

/// Modules whose types may be used, and bytes of their names: each use hands over all of them.
const MODULES_MAX: usize = 50;
const MODULE_BYTES_MAX: usize = 1000;

/// Declarations of one name among which one is looked for.
const SAME_NAME_MAX: usize = 100;

/// A type used as a value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    alias: AliasId,
    /// The edit that replaces the name.
    edit: usize,
}

impl Walker<'_> {
    pub(super) fn value(&mut self, span: Span, alias: AliasId) {
        self.values.push(Value { alias, edit: self.edits.len() });
        self.replace(span, "");
    }
}

/// Writes the declarations, and says at each use which one it means.
pub(super) fn finish(walker: &mut Walker<'_>) -> Option<String> {
    if walker.values.is_empty() {
        return None;
    }
    let mut plan = Plan {
        ast: walker.ast,
        source: walker.source,
        resolved_type: &|ty| walker.resolved.type_use(ty),
        resolved_local: &|expr| walker.resolved.use_of(expr).binding(),
        items: Vec::new(),
        places: HashMap::new(),
        taken: HashMap::new(),
        modules: Vec::new(),
        substitutes: Vec::new(),
    };
    let places: Vec<usize> =
        walker.values.iter().map(|value| plan.item(Item::Alias(value.alias))).collect();
    let n_used = plan.items.len();
    let text = plan.write();
    let modules = std::mem::take(&mut plan.modules);
    let mut texts = Vec::new();
    if modules.len() > MODULES_MAX {
        let message = format!("types used as values may come from {MODULES_MAX} modules at most");
        let span = walker.edits[walker.values[0].edit].span;
        walker.diagnostics.push(Diagnostic::syntax(span, message));
        return None;
    }
    let bytes: usize = modules.iter().map(|module| walker.ast.text(module.name).len()).sum();
    if bytes > MODULE_BYTES_MAX {
        let message = format!(
            "the names of modules whose types are used as values have {bytes} bytes, at most \
             {MODULE_BYTES_MAX} are possible"
        );
        let span = walker.edits[walker.values[0].edit].span;
        walker.diagnostics.push(Diagnostic::syntax(span, message));
        return None;
    }
    let mut same_name: HashMap<Name, Vec<BindingId>> = HashMap::new();
    if !modules.is_empty() {
        for binding in walker.ast.bindings() {
            let name = walker.ast[binding].name.name;
            if modules.iter().any(|module| module.name == name) {
                same_name.entry(name).or_default().push(binding);
            }
        }
    }
    for (value, place) in walker.values.iter().zip(places) {
        let number = place + 1;
        if modules.is_empty() {
            texts.push(format!("{TABLE}[{number}]"));
            continue;
        }
        let at = walker.edits[value.edit].span.start;
        let mut text = format!("{BIND}({TABLE},{number}");
        for module in &modules {
            let candidates = same_name.get(&module.name).map_or(&[][..], Vec::as_slice);
            let few = &candidates[..candidates.len().min(SAME_NAME_MAX)];
            let in_scope = |binding: &&BindingId| {
                let scope = walker.resolved.local(**binding).scope;
                scope.start <= at && at < scope.end
            };
            let visible = few
                .iter()
                .filter(in_scope)
                .max_by_key(|binding| walker.resolved.local(**binding).scope.start);
            let is_seen = few.len() == candidates.len() && visible.copied() == module.local;
            let name = walker.ast.text(module.name);
            text += &format!(",\"{name}\",{}", if is_seen { name } else { "nil" });
        }
        texts.push(text + ")");
    }
    for (index, text) in texts.into_iter().enumerate() {
        let edit = walker.values[index].edit;
        walker.edits[edit].text = text.into();
    }
    let first = walker.ast.tokens.first().map_or(0, |token| token.span.start);
    let prelude = format!("local {TABLE}={TYPES}({},{n_used});", quoted(&text));
    let prelude = super::edit::Edit { span: Span::empty(first), text: prelude.into() };
    // Before all that is edited there. The edits are not referred to any more.
    walker.edits.insert(0, prelude);
    Some(text)
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Item {
    Alias(AliasId),
    /// The annotation of a local.
    Local(BindingId),
}

/// A module that types come from: a local, or a global.
struct Module {
    name: Name,
    local: Option<BindingId>,
}

struct Plan<'a> {
    ast: &'a Ast,
    source: &'a str,
    resolved_type: &'a dyn Fn(TypeId) -> TypeUse,
    resolved_local: &'a dyn Fn(ExprId) -> Option<BindingId>,
    /// Declarations in their order, with their names.
    items: Vec<(Item, String)>,
    places: HashMap<Item, usize>,
    /// How many declarations have a name.
    taken: HashMap<Name, u32>,
    modules: Vec<Module>,
    /// What stands in the place of spans, for the declaration at hand.
    substitutes: Vec<(Span, String)>,
}

impl Plan<'_> {
    fn item(&mut self, item: Item) -> usize {
        if let Some(place) = self.places.get(&item) {
            return *place;
        }
        let place = self.items.len();
        let name = match item {
            Item::Local(_) => format!("{UNIQUE}_local{place}"),
            Item::Alias(alias) => {
                let name = self.ast[alias].name.name;
                let n = self.taken.entry(name).or_insert(0);
                *n += 1;
                let text = self.ast.text(name);
                if *n > 1 { format!("{text}{UNIQUE}{n}") } else { text.to_owned() }
            }
        };
        self.items.push((item, name));
        self.places.insert(item, place);
        place
    }

    /// All declarations; those that are referred to are added on the way.
    fn write(&mut self) -> String {
        let mut out = String::new();
        let mut at = 0;
        while at < self.items.len() {
            self.substitutes.clear();
            let (item, name) = (self.items[at].0, self.items[at].1.clone());
            match item {
                Item::Alias(id) => {
                    let alias = self.ast[id];
                    self.substitutes.push((alias.name.span, name));
                    self.generics(alias.generics);
                    self.types(alias.bases);
                    self.ty(alias.ty);
                    let whole = Span::new(alias.keyword.start, alias.span.end);
                    self.copy(whole, &mut out);
                }
                Item::Local(binding) => {
                    out += &format!("type {name}=");
                    match self.ast[binding].ty {
                        Some(ty) => {
                            self.ty(ty);
                            self.copy(self.ast[ty].span, &mut out);
                        }
                        None => out += "any",
                    }
                }
            }
            out.push(';');
            at += 1;
        }
        out.pop();
        out
    }

    /// The tokens of a span, with substitutes.
    fn copy(&mut self, span: Span, out: &mut String) {
        self.substitutes.sort_by_key(|(span, _)| span.start);
        let mut substitutes = self.substitutes.iter().peekable();
        let mut skip = 0;
        for token in self.ast.tokens_in(span) {
            if token.span.start < skip || token.kind == TokenKind::Eof {
                continue;
            }
            let text = match substitutes.next_if(|(span, _)| span.start == token.span.start) {
                Some((span, text)) => {
                    skip = span.end;
                    text.as_str()
                }
                None => token.span.text(self.source),
            };
            let word = |byte: Option<&u8>| {
                byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
            };
            // Nor are `]` and `]`, `>` and `=` and the like put together.
            let same = out.as_bytes().last() == text.as_bytes().first() || text == "=";
            if same || word(out.as_bytes().last()) && word(text.as_bytes().first()) {
                out.push(' ');
            }
            out.push_str(text);
        }
    }

    fn types(&mut self, types: List<TypeId>) {
        for ty in &self.ast[types] {
            self.ty(*ty);
        }
    }

    fn generics(&mut self, generics: List<Generic>) {
        for generic in &self.ast[generics] {
            generic.bound.into_iter().for_each(|ty| self.ty(ty));
            generic.default.into_iter().for_each(|ty| self.ty(ty));
        }
    }

    fn refer(&mut self, span: Span, item: Item) {
        let place = self.item(item);
        let name = self.items[place].1.clone();
        self.substitutes.push((span, name));
    }

    /// Notes what a type refers to.
    fn ty(&mut self, id: TypeId) {
        let Type { span, kind } = self.ast[id];
        match kind {
            TypeKind::Name { prefix, name, args, .. } => {
                match ((self.resolved_type)(id), prefix) {
                    (TypeUse::Alias(alias), _) => self.refer(name.span, Item::Alias(alias)),
                    (TypeUse::Import(local), Some(module)) => self.module(module, Some(local)),
                    (_, Some(module)) => self.module(module, None),
                    _ => {}
                }
                self.types(args);
            }
            TypeKind::Typeof(expr) => match (self.resolved_local)(expr) {
                Some(local) => self.refer(span, Item::Local(local)),
                None => self.substitutes.push((span, "any".into())),
            },
            TypeKind::Union(parts) | TypeKind::Intersection(parts) | TypeKind::Pack(parts) => {
                self.types(parts);
            }
            TypeKind::Optional(ty)
            | TypeKind::Paren(ty)
            | TypeKind::Variadic(ty)
            | TypeKind::Readonly(ty)
            | TypeKind::Keyof(ty)
            | TypeKind::Validated { ty, .. }
            | TypeKind::Array { element: ty, .. } => self.ty(ty),
            TypeKind::Record { fields, .. } => {
                for field in &self.ast[fields] {
                    if let TypeKey::Type(key) = field.key {
                        self.ty(key);
                    }
                    self.ty(field.ty);
                }
            }
            TypeKind::Function(function) => {
                let function = self.ast[function];
                self.generics(function.generics);
                for param in &self.ast[function.params] {
                    self.ty(param.ty);
                }
                function.result.into_iter().for_each(|ty| self.ty(ty));
            }
            TypeKind::Index { object, key } => {
                self.ty(object);
                self.ty(key);
            }
            TypeKind::Conditional { check, extends, then, otherwise } => {
                for ty in [check, extends, then, otherwise] {
                    self.ty(ty);
                }
            }
            TypeKind::Asserts { ty, .. } => ty.into_iter().for_each(|ty| self.ty(ty)),
            TypeKind::Nil
            | TypeKind::Bool(_)
            | TypeKind::String
            | TypeKind::Number
            | TypeKind::GenericPack(_)
            | TypeKind::Error => {}
        }
    }

    fn module(&mut self, module: Ident, local: Option<BindingId>) {
        let known = self.modules.iter().any(|other| other.name == module.name);
        if !known && self.modules.len() <= MODULES_MAX {
            self.modules.push(Module { name: module.name, local });
        }
    }
}

/// The text as a string literal on one line.
fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out += "\\n",
            '\r' => out += "\\r",
            '\0' => out += "\\000",
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}
