//! What expressions are worth, and whether they fit where they stand.

use super::Checker;
use super::DEPTH;
use super::Rest;
use super::Value;
use super::Values;
use super::codes;
use crate::infra::nearest::nearest;
use crate::lang::ast::*;
use crate::lang::diagnostic::Code;
use crate::lang::literal;
use crate::lang::resolve::Use;
use crate::lang::span::Span;
use crate::lang::types::Kind;
use crate::lang::types::Results;
use crate::lang::types::Ty;

/// Why a value has to fit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub(super) ty: Ty,
    pub(super) code: Code,
    /// Where that is said.
    pub(super) declared: Option<Span>,
}

impl Checker<'_> {
    /// The value of an expression; the first one if there are several.
    pub(super) fn infer(&mut self, id: ExprId) -> Value {
        self.depth += 1;
        let value = if self.depth > DEPTH { Value::ANY } else { self.infer_deep(id) };
        self.depth -= 1;
        self.note(id, value.ty);
        value
    }

    fn infer_deep(&mut self, id: ExprId) -> Value {
        let Expr { span, kind } = self.ast[id];
        match kind {
            ExprKind::Nil => Value::sure(Ty::NIL),
            ExprKind::Bool(value) => Value::sure(self.types.bool(value)),
            ExprKind::Number => {
                let number = literal::number(span.text(self.source));
                Value::sure(number.map_or(Ty::NUMBER, |number| self.types.number(number)))
            }
            ExprKind::String => Value::sure(self.string_literal(span)),
            ExprKind::Interp { holes, .. } => {
                self.infer_all(holes);
                Value::sure(Ty::STRING)
            }
            ExprKind::Vararg => {
                let rest = self.functions.last().and_then(|frame| frame.vararg);
                rest.map_or(Value::ANY, Value::unsure)
            }
            ExprKind::Name(name) => self.name(id, name, span),
            ExprKind::Function(function) => Value::sure(self.function(function)),
            ExprKind::Index { object, key } => self.index(object, key),
            ExprKind::Field { object, name, .. } => {
                let object = self.infer(object);
                self.field(object, name)
            }
            ExprKind::Method { object, .. } => {
                self.infer(object);
                Value::ANY
            }
            ExprKind::Call { callee, args, .. } => {
                let (results, sure) = self.call(id, callee, args);
                first(&results, sure)
            }
            ExprKind::Instantiate { callee, .. } => self.infer(callee),
            ExprKind::Unary { op, operand } => self.unary(op, operand),
            ExprKind::Binary { op, left, right, .. } => self.binary(op, left, right),
            ExprKind::Paren(inner) => self.infer(inner),
            ExprKind::Table(fields) => {
                self.open_table(fields);
                Value::sure(Ty::TABLE)
            }
            ExprKind::IfElse(parts) => self.if_else(parts, None),
            ExprKind::Cast { operand, ty, .. } => {
                self.infer(operand);
                Value::sure(self.ty(ty))
            }
            ExprKind::NonNil(inner) => {
                let value = self.infer(inner);
                Value { ty: self.types.without_nil(value.ty), ..value }
            }
            ExprKind::Error => Value::ANY,
        }
    }

    pub(super) fn infer_all(&mut self, list: List<ExprId>) {
        let ast = self.ast;
        for expr in &ast[list] {
            self.infer(*expr);
        }
    }

    /// All values of the last expression of a list.
    pub(super) fn infer_last(&mut self, last: ExprId, values: &mut Values) {
        match self.ast[last].kind {
            ExprKind::Call { callee, args, .. } if self.depth < DEPTH => {
                self.depth += 1;
                let (results, sure) = self.call(last, callee, args);
                self.depth -= 1;
                match results {
                    Results::Unknown => values.rest = Rest::Some(Value::ANY),
                    Results::Known(types, rest) => {
                        let value = |ty| Value { ty, sure, host: false };
                        values.known.extend(types.into_iter().map(value));
                        values.rest = rest.map_or(Rest::None, |ty| Rest::Some(Value::unsure(ty)));
                    }
                }
            }
            ExprKind::Vararg => {
                let value = self.infer(last);
                values.rest = Rest::Some(value);
            }
            _ => {
                let value = self.infer(last);
                values.known.push(value);
            }
        }
    }

    fn name(&mut self, id: ExprId, name: Name, span: Span) -> Value {
        match self.resolved.use_of(id) {
            Use::Local(binding) => {
                if self.testing > 0 {
                    self.slots[binding.index()].sure = false;
                }
                self.slots[binding.index()]
            }
            // Whoever calls us may have looked at it.
            Use::Upvalue(binding) => Value { sure: false, ..self.slots[binding.index()] },
            Use::Global => self.global(name, span),
            Use::Type(_) | Use::None => Value::ANY,
        }
    }

    fn global(&mut self, name: Name, span: Span) -> Value {
        if self.written[name.index()] {
            return Value::ANY;
        }
        let text = self.ast.text(name);
        let host = |ty| Value { ty, sure: false, host: true };
        let sym = self.sym(name);
        if let Some(field) = self.types.field(self.library.globals, sym) {
            return host(field.ty);
        }
        if self.is_import(text) {
            return Value::ANY;
        }
        if let Some(module) = self.granted(text) {
            return host(module);
        }
        if self.is_listed(text) {
            return Value::ANY;
        }
        if self.testing == 0 && !self.is_full() && !matches!(text, "_G" | "") {
            let near = nearest(text, self.library.names());
            let missing = self.library.module_name(text).is_some();
            if let Some(found) =
                self.report(codes::UNDEFINED, span, format!("nothing declares '{text}'"))
            {
                found.help = match near {
                    _ if missing => Some(format!("list '{text}' in the entry's modules")),
                    near => near.map(|near| format!("did you mean '{near}'?")),
                };
            }
        }
        Value::ANY
    }

    pub(super) fn is_import(&self, name: &str) -> bool {
        self.grants.imports.contains(&name)
    }

    /// Is it among the entry's modules, whether we know it or not?
    pub(super) fn is_listed(&self, name: &str) -> bool {
        self.grants.modules.is_some_and(|modules| modules.contains(&name))
    }

    /// The type of a module that the entry has.
    pub(super) fn granted(&self, name: &str) -> Option<Ty> {
        let listed = self.grants.modules.is_none_or(|modules| modules.contains(&name));
        self.library.module(name, listed)
    }

    fn index(&mut self, object: ExprId, key: ExprId) -> Value {
        let object = self.infer(object);
        let key = self.infer(key);
        self.element(object, key)
    }

    /// What is at a key.
    pub(super) fn element(&mut self, object: Value, key: Value) -> Value {
        let ty = self.types.resolve(object.ty);
        match self.types.kind(ty) {
            // There may be nothing at that place; programs rarely say so.
            Kind::Array(element) => Value::unsure(*element),
            Kind::Map(_, value) => Value::unsure(*value),
            Kind::Record(_) => match self.types.kind(key.ty) {
                Kind::Literal(crate::lang::types::Literal::String(name)) => {
                    let name = *name;
                    let field = self.types.field(ty, name);
                    field.map_or(Value::ANY, |field| Value::unsure(field.ty))
                }
                _ => Value::ANY,
            },
            _ => Value::ANY,
        }
    }

    /// The value of a field.
    pub(super) fn field(&mut self, object: Value, name: Ident) -> Value {
        let sym = self.sym(name.name);
        let named = self.types.without_nil(object.ty);
        let ty = self.types.resolve(named);
        match self.types.kind(ty) {
            Kind::Union(parts) => {
                let parts = parts.clone();
                self.union_field(object, &parts, name)
            }
            Kind::Number | Kind::Integer | Kind::Boolean | Kind::Literal(_)
                if self.types.widen(ty) != Ty::STRING =>
            {
                let shown = self.types.show(ty);
                let text = self.ast.text(name.name);
                let message = format!("{shown} has no field '{text}'");
                self.report(codes::NOT_INDEXABLE, name.span, message);
                Value::ANY
            }
            Kind::String | Kind::Literal(_) => {
                let class = self.library.string_class();
                let field = class.and_then(|class| self.types.field(class, sym));
                field.map_or(Value::ANY, |field| Value { ty: field.ty, sure: false, host: true })
            }
            Kind::Error => {
                let class = self.library.host_type("errors", "Error");
                let field = class.and_then(|class| self.types.field(class, sym));
                field.map_or(Value::ANY, |field| Value { ty: field.ty, sure: false, host: true })
            }
            Kind::Record(_) | Kind::Class(_) => {
                let host = matches!(self.types.kind(ty), Kind::Class(_));
                match self.types.field(ty, sym) {
                    Some(field) => Value { ty: field.ty, sure: false, host },
                    None => self.no_field(named, name, host),
                }
            }
            Kind::Intersection(_) => {
                let field = self.types.field(ty, sym);
                field.map_or(Value::ANY, |field| Value::unsure(field.ty))
            }
            Kind::Map(_, value) => Value::unsure(*value),
            _ => Value::ANY,
        }
    }

    /// Some of the types have the field, or it is an error.
    fn union_field(&mut self, object: Value, parts: &[Ty], name: Ident) -> Value {
        let sym = self.sym(name.name);
        let (mut found, mut closed) = (Vec::new(), true);
        for part in parts {
            let part = self.types.resolve(*part);
            match self.types.kind(part) {
                Kind::Record(_) => found.extend(self.types.field(part, sym).map(|field| field.ty)),
                Kind::Nil => {}
                _ => closed = false,
            }
        }
        match (closed, found.is_empty()) {
            (true, true) if object.sure => self.no_field(object.ty, name, object.host),
            (true, false) => Value::unsure(self.types.union(&found)),
            _ => Value::ANY,
        }
    }

    fn no_field(&mut self, ty: Ty, name: Ident, host: bool) -> Value {
        if name.name == Name::MISSING || self.is_full() {
            return Value::ANY;
        }
        let (text, shown) = (self.ast.text(name.name), self.types.show(ty));
        let resolved = self.types.resolve(ty);
        let names = match self.types.kind(resolved) {
            Kind::Record(fields) => fields.to_vec(),
            Kind::Class(class) => self.types.class(*class).fields.clone(),
            _ => Vec::new(),
        };
        let near = nearest(text, names.iter().map(|field| self.types.text(field.name)));
        let code = if host { codes::NO_MEMBER } else { codes::NO_FIELD };
        if !(host && self.testing > 0)
            && let Some(found) =
                self.report(code, name.span, format!("{shown} has no field '{text}'"))
        {
            found.help = near.map(|near| format!("did you mean '{near}'?"));
        }
        Value::ANY
    }

    /// Checks an expression against the type that is wanted of it.
    pub(super) fn check(&mut self, id: ExprId, want: Want) -> Value {
        self.depth += 1;
        let value = if self.depth > DEPTH { Value::ANY } else { self.check_deep(id, want) };
        self.depth -= 1;
        self.note(id, value.ty);
        value
    }

    fn check_deep(&mut self, id: ExprId, want: Want) -> Value {
        let value = match self.ast[id].kind {
            ExprKind::Table(fields) => {
                self.table(id, fields, want);
                return Value::unsure(want.ty);
            }
            ExprKind::Function(function) => Value::sure(self.function(function)),
            ExprKind::Paren(inner) => return self.check(inner, want),
            ExprKind::IfElse(parts) => return self.if_else(parts, Some(want)),
            _ => self.infer(id),
        };
        self.fit(value, self.ast[id].span, want);
        value
    }

    fn if_else(&mut self, parts: List<ExprId>, want: Option<Want>) -> Value {
        let ast = self.ast;
        let parts = &ast[parts];
        let mark = self.undo.len();
        let mut types = Vec::new();
        let mut one = |this: &mut Self, id: ExprId| {
            let value = match want {
                Some(want) => this.check(id, want),
                None => this.infer(id),
            };
            types.push(value.ty);
        };
        let mut pairs = parts.chunks_exact(2);
        for pair in &mut pairs {
            self.test(pair[0]);
            let inner = self.undo.len();
            self.narrow(pair[0], true);
            one(self, pair[1]);
            self.restore(inner);
            self.narrow(pair[0], false);
        }
        for last in pairs.remainder() {
            one(self, *last);
        }
        self.restore(mark);
        Value::unsure(self.types.union(&types))
    }

    /// Reports a value that does not fit.
    pub(super) fn fit(&mut self, value: Value, span: Span, want: Want) -> bool {
        if self.types.accepts(value.ty, want.ty, value.sure) {
            return true;
        }
        if self.is_full() {
            return false;
        }
        let (expected, got) = (self.types.show(want.ty), self.types.show(value.ty));
        let is_nil = value.ty == Ty::NIL;
        let is_optional = {
            let inner = self.types.without_nil(value.ty);
            !is_nil && inner != value.ty && self.types.accepts(inner, want.ty, true)
        };
        let message = format!("expected {expected}, got {got}");
        if let Some(found) = self.report(want.code, span, message) {
            found.related = want.declared.map(|span| (span, format!("declared as {expected}")));
            if is_optional {
                found.help = Some("test it for nil first, or write '!' behind it".into());
            } else if is_nil && want.declared.is_some() {
                found.help = Some("write '?' behind the type if there may be no value".into());
            }
        }
        false
    }
}

/// The first of the results of a call.
pub(super) fn first(results: &Results, sure: bool) -> Value {
    match results {
        Results::Unknown => Value::ANY,
        Results::Known(types, rest) => match (types.first(), rest) {
            (Some(ty), _) => Value { ty: *ty, sure, host: false },
            (None, Some(ty)) => Value::unsure(*ty),
            (None, None) => Value { ty: Ty::NIL, sure, host: false },
        },
    }
}
