//! Types as they are written to types as they are known.
//!
//! What cannot be told (`keyof` of something open, conditions on types, names nobody declares) is
//! `any`: it fits everywhere.

use super::Checker;
use crate::lang::ast::*;
use crate::lang::literal;
use crate::lang::resolve::TypeUse;
use crate::lang::span::Span;
use crate::lang::types::Field;
use crate::lang::types::Kind;
use crate::lang::types::Literal;
use crate::lang::types::Param;
use crate::lang::types::Results;
use crate::lang::types::Signature;
use crate::lang::types::Ty;

impl Checker<'_> {
    /// A type as written.
    pub(super) fn ty(&mut self, id: TypeId) -> Ty {
        let Type { span, kind } = self.ast[id];
        match kind {
            TypeKind::Name { prefix, name, args, .. } => self.named(id, prefix, name, args),
            TypeKind::Nil => Ty::NIL,
            TypeKind::Bool(value) => self.types.bool(value),
            TypeKind::String => self.string_literal(span),
            TypeKind::Number => {
                let text = span.text(self.source);
                let (sign, digits) = match text.strip_prefix('-') {
                    Some(digits) => (-1.0, digits.trim_start()),
                    None => (1.0, text),
                };
                let value = literal::number(digits);
                value.map_or(Ty::NUMBER, |value| self.types.number(sign * value))
            }
            TypeKind::Typeof(expr) => self.typeof_expr(expr),
            TypeKind::Optional(ty) => {
                let ty = self.ty(ty);
                self.types.optional(ty)
            }
            TypeKind::Union(parts) => {
                let parts = self.type_list(parts);
                self.types.union(&parts)
            }
            TypeKind::Intersection(parts) => match &self.type_list(parts)[..] {
                [only] => *only,
                parts => self.types.make(Kind::Intersection(parts.into())),
            },
            TypeKind::Array { element, .. } => {
                let element = self.ty(element);
                self.types.make(Kind::Array(element))
            }
            TypeKind::Record { fields, .. } => self.record(fields),
            TypeKind::Function(function) => self.function_type(function),
            TypeKind::Paren(ty)
            | TypeKind::Readonly(ty)
            | TypeKind::Validated { ty, .. }
            | TypeKind::Variadic(ty) => self.ty(ty),
            TypeKind::Keyof(ty) => self.keyof(ty),
            TypeKind::Index { object, key } => self.indexed(object, key),
            TypeKind::Asserts { .. } => Ty::ANY,
            TypeKind::Pack(_)
            | TypeKind::GenericPack(_)
            | TypeKind::Conditional { .. }
            | TypeKind::Error => Ty::ANY,
        }
    }

    fn type_list(&mut self, list: List<TypeId>) -> Vec<Ty> {
        let ast = self.ast;
        ast[list].iter().map(|ty| self.ty(*ty)).collect()
    }

    fn named(&mut self, id: TypeId, prefix: Option<Ident>, name: Ident, args: List<TypeId>) -> Ty {
        let text = self.ast.text(name.name);
        if let Some(prefix) = prefix {
            let local = match self.resolved.type_use(id) {
                TypeUse::Import(binding) => self.modules_in.get(&binding).copied(),
                _ => None,
            };
            let module = local.unwrap_or_else(|| self.ast.text(prefix.name));
            return self.library.host_type(module, text).unwrap_or(Ty::ANY);
        }
        let used = self.resolved.type_use(id);
        let declared = matches!(used, TypeUse::Alias(_) | TypeUse::Parameter);
        // A module's own declaration may be called `string`.
        if (self.declaring || !declared)
            && let Some(known) = builtin(text)
        {
            return known;
        }
        match used {
            TypeUse::Alias(alias) => {
                let args = self.type_list(args);
                match self.alias_types.get(alias.index()) {
                    Some(Some(class)) => *class,
                    _ => {
                        let alias = self.first_alias + alias.index() as u32;
                        self.types.make(Kind::Alias(alias, args.into()))
                    }
                }
            }
            TypeUse::Parameter => {
                let mut known = self.generics.iter().rev();
                known.find(|(known, _)| *known == name.name).map_or(Ty::ANY, |(_, ty)| *ty)
            }
            _ => Ty::ANY,
        }
    }

    /// The literal type of a string in the source; `string` if it is long.
    pub(super) fn string_literal(&mut self, span: Span) -> Ty {
        const LEN_MAX: usize = 64;
        let text = span.text(self.source);
        if text.len() > LEN_MAX {
            return Ty::STRING;
        }
        // A string without an end may stop anywhere.
        let quoted = |quote| text.strip_prefix(quote)?.strip_suffix(quote);
        if let Some(plain) = quoted('"').or_else(|| quoted('\''))
            && !plain.contains('\\')
        {
            return self.types.string(plain);
        }
        match String::from_utf8(literal::string(text)) {
            Ok(text) => self.types.string(&text),
            Err(_) => Ty::STRING,
        }
    }

    fn record(&mut self, list: List<TypeField>) -> Ty {
        let ast = self.ast;
        let mut fields = Vec::with_capacity(list.len());
        let mut indexer = None;
        for field in &ast[list] {
            let ty = self.ty(field.ty);
            let name = match field.key {
                TypeKey::Name(name) | TypeKey::Method(name) => self.sym(name.name),
                TypeKey::String(span) => {
                    let text = literal::string(span.text(self.source));
                    self.types.sym(&String::from_utf8_lossy(&text))
                }
                TypeKey::Type(key) => {
                    indexer = Some((self.ty(key), ty));
                    continue;
                }
            };
            let method = matches!(field.key, TypeKey::Method(_)) && !self.takes_self(field.ty);
            let optional = field.optional || self.may_be_missing(ty);
            fields.push(Field { name, ty, optional, method });
        }
        match indexer {
            Some((key, value)) if fields.is_empty() => self.types.make(Kind::Map(key, value)),
            // What else is in there is not known by name.
            Some(_) => Ty::TABLE,
            None if fields.is_empty() => Ty::TABLE,
            None => self.types.make(Kind::Record(fields.into())),
        }
    }

    fn may_be_missing(&mut self, ty: Ty) -> bool {
        match self.types.kind(ty) {
            Kind::Any | Kind::Unknown | Kind::Nil => true,
            Kind::Union(parts) => parts.contains(&Ty::NIL),
            _ => false,
        }
    }

    /// Does a method's type name the object as its first parameter?
    pub(super) fn takes_self(&self, ty: TypeId) -> bool {
        let TypeKind::Function(function) = self.ast[ty].kind else { return false };
        let first = self.ast[self.ast[function].params].first();
        first.and_then(|param| param.name).is_some_and(|name| self.ast.text(name.name) == "self")
    }

    pub(super) fn function_type(&mut self, id: FunctionTypeId) -> Ty {
        let ast = self.ast;
        let function = ast[id];
        let mark = self.generics.len();
        self.enter_generics(function.generics);
        let mut signature = Signature::default();
        for param in &ast[function.params] {
            let ty = match ast[param.ty].kind {
                TypeKind::Variadic(ty) => {
                    signature.rest = Some(self.ty(ty));
                    continue;
                }
                TypeKind::GenericPack(_) => {
                    signature.rest = Some(Ty::ANY);
                    continue;
                }
                _ => self.ty(param.ty),
            };
            let name = param.name.map(|name| self.sym(name.name));
            let optional = param.optional || self.types.may_be_nil(ty);
            let ty = if param.optional { self.types.optional(ty) } else { ty };
            signature.params.push(Param { name, ty, optional });
        }
        signature.results = match function.result {
            Some(result) => self.results(result),
            // A host function that says nothing gives nothing.
            None if self.declaring => Results::Known(Vec::new(), None),
            None => Results::Unknown,
        };
        signature.generic = !self.generics.is_empty();
        self.generics.truncate(mark);
        self.types.make(Kind::Signature(Box::new(signature)))
    }

    /// The result type of a function.
    pub(super) fn results(&mut self, id: TypeId) -> Results {
        let ast = self.ast;
        match ast[id].kind {
            TypeKind::Pack(parts) => {
                let (mut types, mut rest) = (Vec::new(), None);
                for part in &ast[parts] {
                    match ast[*part].kind {
                        TypeKind::Variadic(ty) => rest = Some(self.ty(ty)),
                        TypeKind::GenericPack(_) => rest = Some(Ty::ANY),
                        _ => types.push(self.ty(*part)),
                    }
                }
                Results::Known(types, rest)
            }
            TypeKind::Variadic(ty) => {
                let ty = self.ty(ty);
                Results::Known(Vec::new(), Some(ty))
            }
            TypeKind::GenericPack(_) | TypeKind::Asserts { .. } | TypeKind::Error => {
                Results::Unknown
            }
            _ => Results::Known(vec![self.ty(id)], None),
        }
    }

    /// Makes type parameters known by their names; the caller forgets them.
    pub(super) fn enter_generics(&mut self, generics: List<Generic>) -> Vec<Ty> {
        let ast = self.ast;
        let mut made = Vec::new();
        for generic in &ast[generics] {
            let bound = generic.bound.map(|bound| self.ty(bound));
            let ty = self.types.parameter(ast.text(generic.name.name), bound);
            self.generics.push((generic.name.name, ty));
            made.push(ty);
        }
        made
    }

    fn typeof_expr(&mut self, expr: ExprId) -> Ty {
        let ExprKind::Name(_) = self.ast[expr].kind else { return Ty::ANY };
        let Some(binding) = self.resolved.use_of(expr).binding() else { return Ty::ANY };
        if let Some(known) = self.annotated.get(&binding) {
            return *known;
        }
        match self.ast[binding].ty {
            Some(ty) if self.typeof_depth < 8 => {
                // Its own declaration may name it again.
                self.annotated.insert(binding, Ty::ANY);
                self.typeof_depth += 1;
                let ty = self.ty(ty);
                self.typeof_depth -= 1;
                self.annotated.insert(binding, ty);
                ty
            }
            _ => self.slots[binding.index()].ty,
        }
    }

    fn keyof(&mut self, ty: TypeId) -> Ty {
        let ty = self.ty(ty);
        let resolved = self.types.resolve(ty);
        let Kind::Record(fields) = self.types.kind(resolved) else { return Ty::ANY };
        let names: Vec<_> = fields.iter().map(|field| field.name).collect();
        let mut literal = |name| self.types.make(Kind::Literal(Literal::String(name)));
        let literals: Vec<Ty> = names.into_iter().map(&mut literal).collect();
        self.types.union(&literals)
    }

    fn indexed(&mut self, object: TypeId, key: TypeId) -> Ty {
        let (object, key) = (self.ty(object), self.ty(key));
        let object = self.types.resolve(object);
        match (self.types.kind(object), self.types.kind(key)) {
            (Kind::Array(element), _) => *element,
            (Kind::Map(_, value), _) => *value,
            (Kind::Record(_), Kind::Literal(Literal::String(name))) => {
                let name = *name;
                self.types.field(object, name).map_or(Ty::ANY, |field| field.ty)
            }
            _ => Ty::ANY,
        }
    }
}

/// Types that the language has.
pub(super) fn builtin(name: &str) -> Option<Ty> {
    Some(match name {
        "any" => Ty::ANY,
        "unknown" => Ty::UNKNOWN,
        "never" => Ty::NEVER,
        "error" => Ty::ERROR,
        "nil" => Ty::NIL,
        "boolean" => Ty::BOOLEAN,
        "number" => Ty::NUMBER,
        "integer" => Ty::INTEGER,
        "string" => Ty::STRING,
        "table" => Ty::TABLE,
        "thread" => Ty::THREAD,
        "userdata" => Ty::USERDATA,
        _ => return None,
    })
}
