//! Annotations: which Luau's parser takes.

use super::walk::Walker;
use crate::lang::ast::*;
use crate::lang::span::Span;
use crate::lang::token::Token;
use crate::lang::token::TokenKind;

impl Walker<'_> {
    /// Walks what is annotated and erases `span` if Luau would not take it.
    pub(super) fn annotation(&mut self, span: Span, walk: impl FnOnce(&mut Self)) {
        if self.is_foreign(walk) {
            self.replace(span, "");
        }
    }

    /// Are there types of ours in what is walked, or expressions that need an edit? Such edits are
    /// forgotten: the caller puts something in the place of all of it.
    pub(super) fn is_foreign(&mut self, walk: impl FnOnce(&mut Self)) -> bool {
        let (edits, values, foreign) = (self.edits.len(), self.values.len(), self.n_foreign);
        walk(self);
        let found = self.edits.len() > edits || self.n_foreign > foreign;
        if found {
            self.edits.truncate(edits);
            self.values.truncate(values);
        }
        found
    }

    /// `<<A, B>>`. Luau takes no arguments on another line than their function: if there is a line end
    /// among the types, others are put in their place.
    pub(super) fn type_arguments(&mut self, span: Span, types: List<TypeId>) {
        if !self.is_foreign(|walker| walker.types(types)) {
            return;
        }
        match span.text(self.source).contains('\n') {
            true => self.replace(Span::new(span.start, span.end - 1), "<<any>"),
            false => self.replace(span, ""),
        }
    }

    fn is_sign(&self, token: Option<Token>, sign: TokenKind) -> bool {
        token.is_some_and(|token| token.kind == sign)
    }

    fn foreign(&mut self) {
        self.n_foreign += 1;
    }

    /// The annotation behind a colon, which is the first token behind `after`.
    pub(super) fn annotation_after(&mut self, after: u32, ty: Option<TypeId>) {
        let Some(ty) = ty else { return };
        let Some(colon) = self.ast.token_after(after) else { return };
        self.annotation(colon.span.to(self.ast[ty].span), |walker| walker.ty(ty));
    }

    pub(super) fn binding(&mut self, binding: Binding) {
        self.annotation_after(binding.name.span.end, binding.ty);
    }

    /// Takes the bounds off type parameters.
    pub(super) fn bounds(&mut self, generics: List<Generic>) {
        for generic in &self.ast[generics] {
            if let (Some(bound), Some(colon)) =
                (generic.bound, self.ast.token_after(generic.name.span.end))
            {
                self.replace(colon.span.to(self.ast[bound].span), "");
            }
        }
    }

    pub(super) fn types(&mut self, types: List<TypeId>) {
        for ty in &self.ast[types] {
            self.ty(*ty);
        }
    }

    fn generics(&mut self, generics: List<Generic>) {
        for generic in &self.ast[generics] {
            if generic.bound.is_some() {
                self.foreign();
            }
            generic.default.into_iter().for_each(|default| self.ty(default));
        }
    }

    pub(super) fn alias(&mut self, alias: AliasId) {
        let alias = self.ast[alias];
        if alias.interface {
            self.foreign();
            return;
        }
        self.generics(alias.generics);
        self.ty(alias.ty);
    }

    pub(super) fn ty(&mut self, id: TypeId) {
        let ast = self.ast;
        let Type { span, kind } = ast[id];
        match kind {
            TypeKind::Name { prefix, name, args, .. } => {
                // To Luau that is the beginning of `typeof(x)`.
                if prefix.is_none() && ast.text(name.name) == "typeof" {
                    self.foreign();
                }
                self.types(args);
            }
            TypeKind::Nil
            | TypeKind::Bool(_)
            | TypeKind::String
            | TypeKind::GenericPack(_)
            | TypeKind::Error => {}
            TypeKind::Typeof(expr) => self.typeof_operand(expr),
            TypeKind::Paren(inner) => self.ty(inner),
            // Luau mixes no signs, those in front of a single type included: `& T?`.
            TypeKind::Optional(inner) => {
                if self.is_sign(ast.token_before(span.start), TokenKind::Amp) {
                    self.foreign();
                }
                self.ty(inner);
            }
            TypeKind::Union(parts) => {
                let mixed = |ty: &TypeId| matches!(ast[*ty].kind, TypeKind::Intersection(_));
                let leads = self.is_sign(ast.token_after(span.start), TokenKind::Amp);
                if leads || ast[parts].iter().any(mixed) {
                    self.foreign();
                }
                self.types(parts);
            }
            TypeKind::Intersection(parts) => {
                let mixed = |ty: &TypeId| matches!(ast[*ty].kind, TypeKind::Optional(_));
                let leads = self.is_sign(ast.token_before(span.start), TokenKind::Pipe);
                if leads || ast[parts].iter().any(mixed) {
                    self.foreign();
                }
                self.types(parts);
            }
            TypeKind::Pack(parts) => self.types(parts),
            TypeKind::Array { element, style } => {
                if matches!(style, ArrayStyle::Brackets | ArrayStyle::Braces(Access::Readonly)) {
                    self.foreign();
                }
                self.ty(element);
            }
            TypeKind::Record { fields, interface } => {
                if interface {
                    self.foreign();
                }
                for field in &ast[fields] {
                    if field.optional || field.access == Access::Readonly {
                        self.foreign();
                    }
                    if let TypeKey::Type(key) = field.key {
                        self.ty(key);
                    }
                    self.ty(field.ty);
                }
            }
            TypeKind::Variadic(inner) => {
                // `...: T`, with a colon.
                if ast.tokens_in(Span::new(span.start, ast[inner].span.start)).len() > 1 {
                    self.foreign();
                }
                self.ty(inner);
            }
            TypeKind::Function(function) => self.function_type(function),
            TypeKind::Number
            | TypeKind::Readonly(_)
            | TypeKind::Keyof(_)
            | TypeKind::Index { .. }
            | TypeKind::Conditional { .. }
            | TypeKind::Asserts { .. }
            | TypeKind::Validated { .. } => self.foreign(),
        }
    }

    fn function_type(&mut self, id: FunctionTypeId) {
        let function = self.ast[id];
        if function.style != FunctionStyle::Arrow {
            self.foreign();
        }
        self.generics(function.generics);
        for param in &self.ast[function.params] {
            if param.optional {
                self.foreign();
            }
            self.ty(param.ty);
        }
        function.result.into_iter().for_each(|result| self.ty(result));
    }
}
