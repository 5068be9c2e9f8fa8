//! Type parameters and declarations of types.

use super::Parser;
use super::finish;
use crate::lang::ast::*;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::span::Span;
use crate::lang::token::TokenKind::*;

impl Parser<'_> {
    /// `<T, U: Bound, V = Default, W...>` if it is there. Defaults belong to declarations of types.
    pub(super) fn generics(&mut self, defaults: bool) -> List<Generic> {
        if !self.at(Less) {
            return List::EMPTY;
        }
        let open = self.bump();
        let from = self.scratch.generics.len();
        let (mut packs, mut had_default) = (false, false);
        while !self.at(Greater) {
            if !self.at(Word) {
                self.expected("a type parameter", "");
                break;
            }
            let generic = self.generic(defaults);
            if packs && !generic.pack {
                let message = "type parameters come before packs such as T...";
                self.note(Diagnostic::syntax(generic.span, message));
            }
            if had_default && generic.default.is_none() {
                let message = "after one with a default, every type parameter needs one";
                self.note(Diagnostic::syntax(generic.span, message));
            }
            packs |= generic.pack;
            had_default |= generic.default.is_some();
            self.scratch.generics.push(generic);
            if self.eat(Comma).is_none() {
                break;
            }
            if self.at(Greater) {
                self.expected("a type parameter", "after ','");
            }
        }
        if self.scratch.generics.len() == from && self.at(Greater) {
            self.expected("a type parameter", "");
        }
        self.close(Greater, open);
        finish!(self.generics from from => generics)
    }

    fn generic(&mut self, defaults: bool) -> Generic {
        let name = self.ident();
        let pack = self.eat(Ellipsis).is_some();
        let bound = match self.at(Colon) && !pack {
            true => {
                self.bump();
                Some(self.type_expr())
            }
            false => None,
        };
        let mut default = None;
        if defaults && self.eat(Assign).is_some() {
            let ty = self.type_or_pack(pack);
            if pack && !self.is_pack(ty) && !matches!(self.ast[ty].kind, TypeKind::Paren(_)) {
                let message = "the default of a pack is a pack, such as ...T or (A, B)";
                self.note(Diagnostic::syntax(self.ast[ty].span, message));
            }
            default = Some(ty);
        }
        Generic { span: self.since(name.span.start), name, pack, bound, default }
    }

    /// `type N<A> = T` and `type function`; `export` from `start` is behind us.
    pub(super) fn type_statement(&mut self, start: u32, exported: bool) -> StatId {
        let keyword = self.bump();
        if let Some(function) = self.eat(Func) {
            let name = self.declared_name("a function name");
            let function = self.function_body(start, function, List::EMPTY, Some(name), false);
            let kind = StatKind::TypeFunction { name, function, exported };
            return self.stat_node(self.since(start), kind);
        }
        let name = self.declared_name("a type name");
        let generics = self.generics(true);
        let ty = match self.expect(Assign, "after the name of a type") {
            Some(_) => self.type_expr(),
            None => self.missing_type(),
        };
        let (bases, interface) = (List::EMPTY, false);
        let span = self.since(start);
        let alias = TypeAlias { span, keyword, exported, name, generics, bases, ty, interface };
        self.alias(alias)
    }

    fn alias(&mut self, alias: TypeAlias) -> StatId {
        self.ast.aliases.push(alias);
        let id = AliasId::new(self.ast.aliases.len() - 1);
        self.stat_node(alias.span, StatKind::TypeAlias(id))
    }

    /// `interface N: B, C function m(a: A): R ... end`.
    pub(super) fn interface(&mut self, start: u32, exported: bool) -> StatId {
        let keyword = self.bump();
        let name = self.ident();
        let generics = self.generics(true);
        let mut bases = List::EMPTY;
        if self.eat(Colon).is_some() {
            let from = self.scratch.types.len();
            loop {
                let base = self.type_expr();
                self.scratch.types.push(base);
                if self.eat(Comma).is_none() {
                    break;
                }
            }
            bases = finish!(self.types from from => type_lists);
        }
        let body = self.span().start;
        let from = self.scratch.type_fields.len();
        loop {
            let next = self.peek_kind(1);
            let field = match self.kind {
                Func => self.interface_method(),
                Word if matches!(next, Colon | Question | Word) => match self.type_field() {
                    Some(field) => field,
                    None => break,
                },
                _ => break,
            };
            self.scratch.type_fields.push(field);
            if matches!(self.kind, Comma | Semicolon) {
                self.bump();
            }
        }
        let fields = finish!(self.type_fields from from => type_fields);
        let record = TypeKind::Record { fields, interface: true };
        let ty = self.type_node(self.since(body), record);
        self.close_block(End, keyword);
        let span = self.since(start);
        let interface = true;
        self.alias(TypeAlias { span, keyword, exported, name, generics, bases, ty, interface })
    }

    /// `function m<T>(self, a: A): R`, without a body.
    pub(super) fn interface_method(&mut self) -> TypeField {
        let start = self.bump().start;
        let name = self.declared_name("a method name");
        let after = name.span.end;
        let generics = self.generics(false);
        let open = self.span();
        let mut params = List::EMPTY;
        if self.at(LeftParen) {
            params = self.method_params();
        } else {
            self.expected("'('", "before the parameters");
        }
        let params_span = self.since(open.start);
        let result = self.eat(Colon).map(|_| self.result_type());
        let style = FunctionStyle::Method;
        let function = FunctionType { style, generics, params, params_span, result };
        let ty = self.function_type_node(after, function);
        let span = self.since(start);
        let (access, key) = (Access::ReadWrite, TypeKey::Method(name));
        TypeField { span, access, key, optional: false, ty }
    }

    /// Parameters as functions have them: a name, and `any` if no type is said.
    fn method_params(&mut self) -> List<TypeParam> {
        let open = self.bump();
        let from = self.scratch.type_params.len();
        while !self.at(RightParen) {
            let bare = self.at(Word) && matches!(self.peek_kind(1), Comma | RightParen);
            let param = if bare {
                let name = self.ident();
                TypeParam { name: Some(name), optional: false, ty: self.any_type() }
            } else if self.at(Ellipsis) && matches!(self.peek_kind(1), RightParen) {
                let start = self.bump().start;
                let any = self.any_type();
                let ty = self.type_node(self.since(start), TypeKind::Variadic(any));
                TypeParam { name: None, optional: false, ty }
            } else {
                self.type_param()
            };
            self.scratch.type_params.push(param);
            if self.is_pack(param.ty) || self.eat(Comma).is_none() {
                break;
            }
        }
        self.close(RightParen, open);
        finish!(self.type_params from from => type_params)
    }

    /// The type of what is not annotated where a type is stored. Its span is empty.
    fn any_type(&mut self) -> TypeId {
        let span = Span::empty(self.end);
        let name = Ident { name: self.known("any"), span };
        let kind = TypeKind::Name { prefix: None, name, args: List::EMPTY, has_args: false };
        self.type_node(span, kind)
    }
}
