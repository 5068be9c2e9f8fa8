//! Types.
//!
//! From loose to tight: `A extends B ? C : D`, `A | B`, `A & B`, `readonly T`, then what stands
//! behind a type: `T?`, `T[]`, `T[K]`, `T @validator(x)`.

use super::Parser;
use super::finish;
use crate::lang::ast::*;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::span::Span;
use crate::lang::token::TokenKind;
use crate::lang::token::TokenKind::*;

impl Parser<'_> {
    /// A type where one is needed.
    pub(super) fn type_expr(&mut self) -> TypeId {
        self.type_or_pack(false)
    }

    /// The type of `...`: of each value, or `T...`.
    pub(super) fn vararg_type(&mut self) -> TypeId {
        if self.at(Word) && self.peek_kind(1) == Ellipsis {
            return self.pack();
        }
        self.type_expr()
    }

    /// What follows the colon of a function or the arrow of its type.
    pub(super) fn result_type(&mut self) -> TypeId {
        let asserts = self.at_word("asserts") && self.peek_kind(1) == Word;
        if asserts && !self.peek(1).newline {
            return self.asserts();
        }
        self.type_or_pack(true)
    }

    fn asserts(&mut self) -> TypeId {
        let start = self.bump().start;
        let name = self.ident();
        let mut ty = None;
        if self.at_word("is") && !self.token().newline {
            self.bump();
            ty = Some(self.type_expr());
        }
        self.type_node(self.since(start), TypeKind::Asserts { name, ty })
    }

    pub(super) fn missing_type(&mut self) -> TypeId {
        self.type_node(Span::empty(self.end), TypeKind::Error)
    }

    /// May this token begin a type?
    fn starts_type(kind: TokenKind) -> bool {
        matches!(kind, Word | LeftBrace | LeftParen | Quoted | LongString | Number | Nil | True)
            || matches!(kind, False | Minus | Less)
    }

    /// At a word such as `as` that a type has to follow. Luau would take it for the start of a
    /// statement, so where both could be, a type follows only on the same line.
    pub(super) fn type_follows_word(&self) -> bool {
        match self.peek_kind(1) {
            Word | Number | Nil | True | False | Minus => true,
            LeftBrace | LeftParen | Quoted | LongString => !self.token().newline,
            _ => false,
        }
    }

    /// With `packs` also `(A, B)`, `...T` and `T...`.
    pub(super) fn type_or_pack(&mut self, packs: bool) -> TypeId {
        let start = self.span().start;
        if packs && (self.at(Ellipsis) || self.at(Word) && self.peek_kind(1) == Ellipsis) {
            return self.pack();
        }
        let depth = self.depth;
        if !self.enter() {
            self.depth = depth;
            return self.missing_type();
        }
        let check = self.union(packs);
        let ty = if self.at_word("extends") && self.type_follows_word() && !self.in_extends {
            self.conditional(start, check)
        } else {
            check
        };
        self.depth = depth;
        ty
    }

    #[inline(never)]
    fn conditional(&mut self, start: u32, check: TypeId) -> TypeId {
        self.bump();
        self.in_extends = true;
        let extends = self.union(false);
        self.in_extends = false;
        self.expect(Question, "after the bound of a conditional type");
        let then = self.type_expr();
        self.expect(Colon, "between the cases of a conditional type");
        let otherwise = self.type_expr();
        let kind = TypeKind::Conditional { check, extends, then, otherwise };
        self.type_node(self.since(start), kind)
    }

    /// Is this a pack, which stands alone?
    pub(super) fn is_pack(&self, ty: TypeId) -> bool {
        matches!(
            self.ast[ty].kind,
            TypeKind::Pack(_) | TypeKind::Variadic(_) | TypeKind::GenericPack(_)
        )
    }

    fn union(&mut self, packs: bool) -> TypeId {
        let start = self.span().start;
        let leading = self.eat(Pipe).is_some();
        let first = self.intersection(packs && !leading, !leading);
        if !self.at(Pipe) || self.is_pack(first) {
            return first;
        }
        let from = self.scratch.types.len();
        self.scratch.types.push(first);
        while self.eat(Pipe).is_some() {
            let part = self.intersection(false, false);
            self.scratch.types.push(part);
        }
        let parts = finish!(self.types from from => type_lists);
        self.type_node(self.since(start), TypeKind::Union(parts))
    }

    fn intersection(&mut self, packs: bool, may_lead: bool) -> TypeId {
        let start = self.span().start;
        let leading = may_lead && self.eat(Amp).is_some();
        let first = self.postfix(packs && !leading);
        if !self.at(Amp) || self.is_pack(first) {
            return first;
        }
        let from = self.scratch.types.len();
        self.scratch.types.push(first);
        while self.eat(Amp).is_some() {
            let part = self.postfix(false);
            self.scratch.types.push(part);
        }
        let parts = finish!(self.types from from => type_lists);
        self.type_node(self.since(start), TypeKind::Intersection(parts))
    }

    fn postfix(&mut self, packs: bool) -> TypeId {
        let start = self.span().start;
        let depth = self.depth;
        let mut ty = self.simple_type(packs);
        if self.is_pack(ty) {
            return ty;
        }
        loop {
            let kind = match self.kind {
                Question if self.in_extends && Self::starts_type(self.peek_kind(1)) => break,
                Question => {
                    self.bump();
                    TypeKind::Optional(ty)
                }
                LeftBracket => self.index_type(ty),
                At if self.at_validator() => self.validated(ty),
                _ => break,
            };
            ty = self.type_node(self.since(start), kind);
            if !self.link() {
                break;
            }
        }
        self.depth = depth;
        ty
    }

    fn index_type(&mut self, object: TypeId) -> TypeKind {
        let open = self.bump();
        if self.eat(RightBracket).is_some() {
            return TypeKind::Array { element: object, style: ArrayStyle::Brackets };
        }
        let key = self.bracketed(Self::type_expr);
        self.close(RightBracket, open);
        TypeKind::Index { object, key }
    }

    /// Reads what stands in brackets, where a question mark has its usual meaning.
    fn bracketed<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let outer = std::mem::replace(&mut self.in_extends, false);
        let inner = read(self);
        self.in_extends = outer;
        inner
    }

    /// At `@`: a validator, not the attribute of a function on the next line?
    fn at_validator(&self) -> bool {
        let next = self.peek(1);
        if next.kind != Word || !self.token().newline {
            return next.kind == Word;
        }
        match (self.text(next), self.peek_kind(2)) {
            ("native" | "checked" | "deprecated", after) => after == LeftParen,
            _ => true,
        }
    }

    fn validated(&mut self, ty: TypeId) -> TypeKind {
        let from = self.scratch.validators.len();
        while self.at(At) && self.at_validator() {
            let start = self.bump().start;
            let name = self.ident();
            let args = match self.kind {
                LeftParen if !self.token().newline => self.arguments(),
                _ => List::EMPTY,
            };
            self.check_literals(args, false);
            let span = self.since(start);
            self.scratch.validators.push(Validator { span, name, args });
        }
        let validators = finish!(self.validators from from => validators);
        TypeKind::Validated { ty, validators }
    }

    fn simple_type(&mut self, packs: bool) -> TypeId {
        let start = self.span();
        match self.kind {
            Word => self.named_type(),
            LeftBrace => self.table_type(),
            LeftParen | Less => self.function_type(packs),
            Nil => self.literal_type(TypeKind::Nil),
            True => self.literal_type(TypeKind::Bool(true)),
            False => self.literal_type(TypeKind::Bool(false)),
            Quoted | LongString => self.literal_type(TypeKind::String),
            Number => self.literal_type(TypeKind::Number),
            Minus if self.peek_kind(1) == Number => {
                self.bump();
                self.bump();
                self.type_node(self.since(start.start), TypeKind::Number)
            }
            _ => self.no_type(),
        }
    }

    #[cold]
    #[inline(never)]
    fn no_type(&mut self) -> TypeId {
        let found = self.unexpected("a type", "");
        match self.kind {
            Func => {
                let found = found.help("the type of functions is written (A, B) -> C");
                self.report(found);
                let span = self.bump();
                self.type_node(span, TypeKind::Error)
            }
            InterpSimple => {
                self.report(found.help("a type of one string is written \"text\""));
                let span = self.bump();
                self.type_node(span, TypeKind::Error)
            }
            Ellipsis => {
                self.report(found.help("several types only fit results and type arguments"));
                self.bump();
                if self.at(Word) { self.named_type() } else { self.missing_type() }
            }
            _ => {
                self.report(found);
                self.missing_type()
            }
        }
    }

    fn literal_type(&mut self, kind: TypeKind) -> TypeId {
        let span = self.bump();
        self.type_node(span, kind)
    }

    /// A type that begins with a word: a name, or one of those that mean something before another
    /// token.
    fn named_type(&mut self) -> TypeId {
        let start = self.span().start;
        let next = self.peek(1);
        let joined = !next.newline;
        match (self.text(self.token()), next.kind) {
            // The name of a module it may be; the name of a type it is not.
            ("typeof", next) if next != Dot => return self.typeof_type(start),
            ("keyof", LeftParen) if joined => {
                self.bump();
                let open = self.bump();
                let inner = self.bracketed(Self::type_expr);
                self.close(RightParen, open);
                return self.type_node(self.since(start), TypeKind::Keyof(inner));
            }
            ("fun", LeftParen) if joined => return self.fun_type(start),
            ("interface", LeftBrace) => {
                self.bump();
                let fields = self.record_body(true);
                let kind = TypeKind::Record { fields, interface: true };
                return self.type_node(self.since(start), kind);
            }
            ("readonly", LeftBrace | LeftParen | Word) if joined => {
                self.bump();
                let depth = self.depth;
                let inner = match self.enter() {
                    true => self.postfix(false),
                    false => self.missing_type(),
                };
                self.depth = depth;
                return self.type_node(self.since(start), TypeKind::Readonly(inner));
            }
            _ => {}
        }
        let mut name = self.ident();
        let mut prefix = None;
        if self.eat(Dot).is_some() {
            prefix = Some(name);
            name = self.member_name("a type name", "after '.'");
        }
        let has_args = self.at(Less);
        let args = if has_args { self.type_arguments() } else { List::EMPTY };
        let kind = TypeKind::Name { prefix, name, args, has_args };
        self.type_node(self.since(start), kind)
    }

    fn typeof_type(&mut self, start: u32) -> TypeId {
        self.bump();
        let Some(open) = self.expect(LeftParen, "after 'typeof'") else {
            return self.type_node(self.since(start), TypeKind::Error);
        };
        let expr = self.bracketed(Self::expr);
        self.close(RightParen, open);
        self.type_node(self.since(start), TypeKind::Typeof(expr))
    }

    /// `<A, B>` behind a name.
    pub(super) fn type_arguments(&mut self) -> List<TypeId> {
        let open = self.bump();
        let from = self.scratch.types.len();
        while !self.at(Greater) {
            let ty = self.bracketed(|parser| parser.type_or_pack(true));
            self.scratch.types.push(ty);
            if self.eat(Comma).is_none() {
                break;
            }
            if self.at(Greater) {
                self.expected("a type", "after ','");
            }
        }
        self.close(Greater, open);
        finish!(self.types from from => type_lists)
    }

    /// `...T` or `T...`.
    fn pack(&mut self) -> TypeId {
        let start = self.span().start;
        if self.eat(Ellipsis).is_some() {
            self.eat(Colon);
            let ty = self.type_expr();
            return self.type_node(self.since(start), TypeKind::Variadic(ty));
        }
        let name = self.ident();
        self.bump();
        self.type_node(self.since(start), TypeKind::GenericPack(name.name))
    }

    /// `(A) -> B`, `<T>(A) -> B`, `(A)`, and with `packs` also `(A, B)`.
    fn function_type(&mut self, packs: bool) -> TypeId {
        let start = self.span().start;
        let forced = self.at(Less);
        let generics = self.generics(false);
        if !self.at(LeftParen) {
            self.expected("'('", "after the type parameters of a function type");
            return self.missing_type();
        }
        let open = self.span();
        let params = self.bracketed(Self::type_params);
        let params_span = self.since(open.start);
        if self.eat(Arrow).is_some() {
            let result = Some(self.result_type());
            let style = FunctionStyle::Arrow;
            let function = FunctionType { style, generics, params, params_span, result };
            return self.function_type_node(start, function);
        }
        let list = &self.ast[params];
        let plain = !forced && list.iter().all(|param| param.name.is_none());
        match list {
            [only] if plain && !self.is_pack(only.ty) => {
                let ty = only.ty;
                self.type_node(self.since(start), TypeKind::Paren(ty))
            }
            _ if plain && packs => {
                let from = self.scratch.types.len();
                self.scratch.types.extend(self.ast[params].iter().map(|param| param.ty));
                let types = finish!(self.types from from => type_lists);
                self.type_node(self.since(start), TypeKind::Pack(types))
            }
            _ => self.no_arrow(start, params.is_empty()),
        }
    }

    #[cold]
    fn no_arrow(&mut self, start: u32, empty: bool) -> TypeId {
        let mut found = self.unexpected("'->'", "after the parameters of a function type");
        if self.at(Colon) {
            found = found.help("the result of a function type follows '->'");
        } else if empty {
            found = found.help("did you mean 'nil'?");
        }
        self.report(found);
        if self.eat(Colon).is_some() {
            self.result_type();
        }
        self.type_node(self.since(start), TypeKind::Error)
    }

    pub(super) fn function_type_node(&mut self, start: u32, function: FunctionType) -> TypeId {
        self.ast.function_types.push(function);
        let id = FunctionTypeId::new(self.ast.function_types.len() - 1);
        self.type_node(self.since(start), TypeKind::Function(id))
    }

    /// `(A, name: B, ...C)`, the parameters of a function type.
    fn type_params(&mut self) -> List<TypeParam> {
        let open = self.bump();
        let from = self.scratch.type_params.len();
        while !self.at(RightParen) {
            let param = self.type_param();
            self.scratch.type_params.push(param);
            if self.is_pack(param.ty) || self.eat(Comma).is_none() {
                break;
            }
            if self.at(RightParen) {
                self.expected("a type", "after ','");
            }
        }
        self.close(RightParen, open);
        finish!(self.type_params from from => type_params)
    }

    pub(super) fn type_param(&mut self) -> TypeParam {
        if self.at(Ellipsis) || self.at(Word) && self.peek_kind(1) == Ellipsis {
            return TypeParam { name: None, optional: false, ty: self.pack() };
        }
        let optional = self.peek_kind(1) == Question && self.peek_kind(2) == Colon;
        if self.at(Word) && (optional || self.peek_kind(1) == Colon) {
            let name = self.ident();
            self.eat(Question);
            self.bump();
            return TypeParam { name: Some(name), optional, ty: self.type_expr() };
        }
        TypeParam { name: None, optional: false, ty: self.type_expr() }
    }

    /// `fun(a: A): B`.
    fn fun_type(&mut self, start: u32) -> TypeId {
        self.bump();
        let open = self.span();
        let params = self.bracketed(Self::type_params);
        let params_span = self.since(open.start);
        let result = self.eat(Colon).map(|_| self.result_type());
        let style = FunctionStyle::Fun;
        let generics = List::EMPTY;
        let function = FunctionType { style, generics, params, params_span, result };
        self.function_type_node(start, function)
    }

    /// `{T}` or `{a: A, [K]: V}`.
    fn table_type(&mut self) -> TypeId {
        let start = self.span().start;
        let access = self.access(1);
        let first = 1 + usize::from(access != Access::ReadWrite);
        let (kind, next) = (self.peek_kind(first), self.peek_kind(first + 1));
        let optional = next == Question && self.peek_kind(first + 2) == Colon;
        let named = kind == Word && (next == Colon || optional);
        if named || matches!(kind, LeftBracket | RightBrace | Eof) {
            let fields = self.record_body(false);
            let kind = TypeKind::Record { fields, interface: false };
            return self.type_node(self.since(start), kind);
        }
        let open = self.bump();
        if access != Access::ReadWrite {
            self.bump();
        }
        let element = self.bracketed(Self::type_expr);
        self.close(RightBrace, open);
        let style = ArrayStyle::Braces(access);
        self.type_node(self.since(start), TypeKind::Array { element, style })
    }

    /// The access word at a token to come. `read` and `write` are Luau's: words unless a colon
    /// follows. `readonly` is one before a key; before another type it is part of that type.
    fn access(&self, ahead: usize) -> Access {
        let (token, next) = (self.peek(ahead), self.peek_kind(ahead + 1));
        if token.kind != Word || next == Colon {
            return Access::ReadWrite;
        }
        match (self.text(token), next) {
            (_, Question) if self.peek_kind(ahead + 2) == Colon => Access::ReadWrite,
            ("read", _) => Access::Read,
            ("write", _) => Access::Write,
            ("readonly", LeftBracket) => Access::Readonly,
            ("readonly", Word) => match self.peek_kind(ahead + 2) {
                Colon => Access::Readonly,
                Question if self.peek_kind(ahead + 3) == Colon => Access::Readonly,
                _ => Access::ReadWrite,
            },
            _ => Access::ReadWrite,
        }
    }

    /// `{a: A, b?: B, [K]: V}`.
    fn record_body(&mut self, interface: bool) -> List<TypeField> {
        let open = self.span();
        if self.expect(LeftBrace, "").is_none() {
            return List::EMPTY;
        }
        let outer = std::mem::replace(&mut self.in_extends, false);
        let from = self.scratch.type_fields.len();
        let mut indexers = 0;
        while !matches!(self.kind, RightBrace | Eof) {
            if interface && self.at(Func) {
                let field = self.interface_method();
                self.scratch.type_fields.push(field);
                if matches!(self.kind, Comma | Semicolon) {
                    self.bump();
                }
                continue;
            }
            let Some(field) = self.type_field() else { break };
            self.scratch.type_fields.push(field);
            if matches!(field.key, TypeKey::Type(_)) {
                indexers += 1;
                if indexers == 2 {
                    let message = "a table type has one [key] only";
                    self.note(Diagnostic::syntax(field.span, message));
                }
            }
            if matches!(self.kind, Comma | Semicolon) {
                self.bump();
            } else if !(self.at(RightBrace) || interface && self.at(Func)) {
                let next = self.peek_kind(1);
                let named = self.at(Word) && matches!(next, Colon | Question);
                if !named && !self.at(LeftBracket) {
                    break;
                }
                self.expected("',' or '}'", "after a field");
            }
        }
        self.in_extends = outer;
        self.close(RightBrace, open);
        finish!(self.type_fields from from => type_fields)
    }

    pub(super) fn type_field(&mut self) -> Option<TypeField> {
        let start = self.span().start;
        let access = self.access(0);
        if access != Access::ReadWrite {
            self.bump();
        }
        let mut optional = false;
        let key = if let Some(open) = self.eat(LeftBracket) {
            if matches!(self.kind, Quoted | LongString) && self.peek_kind(1) == RightBracket {
                let string = self.bump();
                self.bump();
                optional = self.eat(Question).is_some();
                TypeKey::String(string)
            } else {
                let key = self.type_expr();
                self.close(RightBracket, open);
                TypeKey::Type(key)
            }
        } else if self.at(Word) {
            let name = self.ident();
            optional = self.eat(Question).is_some();
            TypeKey::Name(name)
        } else {
            self.expected("a field name", "in a table type");
            return None;
        };
        let ty = match self.expect(Colon, "after the key of a field") {
            Some(_) => self.type_expr(),
            None => self.missing_type(),
        };
        Some(TypeField { span: self.since(start), access, key, optional, ty })
    }
}
