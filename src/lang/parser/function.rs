//! Functions: attributes, parameters, results, bodies.

use super::FunctionState;
use super::Parser;
use super::finish;
use crate::lang::ast::*;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::span::Span;
use crate::lang::token::TokenKind::*;

/// What Luau knows.
const ATTRIBUTES: [&str; 3] = ["checked", "native", "deprecated"];

impl Parser<'_> {
    /// `function() end` with attributes in front.
    pub(super) fn function_expr(&mut self) -> ExprId {
        let start = self.span().start;
        let attributes = self.attributes();
        let Some(keyword) = self.eat(Func) else {
            self.expected("'function'", "after an attribute");
            return self.expr_node(self.since(start), ExprKind::Error);
        };
        let function = self.function_body(start, keyword, attributes, None, false);
        self.expr_node(self.since(start), ExprKind::Function(function))
    }

    /// `@name`s and `@[name(args), ...]`s.
    pub(super) fn attributes(&mut self) -> List<Attribute> {
        if !self.at(At) {
            return List::EMPTY;
        }
        let from = self.scratch.attributes.len();
        while let Some(sign) = self.eat(At) {
            if self.at(LeftBracket) && self.span().start == sign.end {
                let open = self.bump();
                if self.at(RightBracket) {
                    self.expected("an attribute", "");
                }
                while self.at(Word) {
                    self.attribute(self.span().start, from);
                    if self.eat(Comma).is_none() {
                        break;
                    }
                    if !self.at(Word) {
                        self.expected("an attribute", "after ','");
                    }
                }
                self.close(RightBracket, open);
            } else if self.at(Word) && self.span().start == sign.end {
                let name = self.ident();
                let span = self.since(sign.start);
                self.add_attribute(Attribute { span, name, args: List::EMPTY }, from);
            } else {
                self.expected("an attribute name", "right after '@'");
                break;
            }
        }
        finish!(self.attributes from from => attributes)
    }

    fn attribute(&mut self, start: u32, from: usize) {
        let name = self.ident();
        let args = match self.kind {
            LeftParen => self.arguments(),
            LeftBrace | Quoted | LongString => {
                let arg = self.expr();
                self.ast.expr_lists.push(arg);
                List::new(self.ast.expr_lists.len() - 1, 1)
            }
            _ => List::EMPTY,
        };
        self.check_literals(args, true);
        let span = self.since(start);
        self.add_attribute(Attribute { span, name, args }, from);
    }

    fn add_attribute(&mut self, attribute: Attribute, from: usize) {
        let text = attribute.name.span.text(self.source);
        if !ATTRIBUTES.contains(&text) {
            let message = format!("there is no attribute '@{text}'");
            let known = "functions have @checked, @native and @deprecated";
            self.note(Diagnostic::syntax(attribute.span, message).help(known));
        }
        let same = |other: &Attribute| other.name.name == attribute.name.name;
        if self.scratch.attributes[from..].iter().any(same) {
            let message = format!("attribute '@{text}' is given twice");
            self.note(Diagnostic::syntax(attribute.span, message));
            return;
        }
        self.scratch.attributes.push(attribute);
    }

    /// After `function` and its name. A method has a hidden `self`.
    pub(super) fn function_body(
        &mut self,
        start: u32,
        keyword: Span,
        attributes: List<Attribute>,
        name: Option<Ident>,
        method: bool,
    ) -> FunctionId {
        let generics = self.generics(false);
        let open = self.span();
        let (mut params, mut vararg) = (List::EMPTY, None);
        if self.expect(LeftParen, "before the parameters").is_some() {
            (params, vararg) = self.params();
            self.close(RightParen, open);
        }
        let params_span = self.since(open.start);
        let result = self.optional_result();
        let receiver = method.then(|| {
            let span = name.map_or(keyword, |name| name.span);
            let name = Ident { name: self.known("self"), span };
            self.binding(name, None)
        });
        self.functions.push(FunctionState { vararg: vararg.is_some(), loops: 0 });
        let body = self.block();
        self.functions.pop();
        self.close_block(End, keyword);
        let span = self.since(start);
        self.ast.functions.push(Function {
            span,
            keyword,
            attributes,
            name,
            generics,
            receiver,
            params,
            params_span,
            vararg,
            result,
            body,
        });
        FunctionId::new(self.ast.functions.len() - 1)
    }

    /// The number of a name that may not stand in the source.
    pub(super) fn known(&mut self, text: &'static str) -> Name {
        if let Some(name) = self.names.get(text) {
            return *name;
        }
        let name = self.ast.names.push(text);
        self.names.insert(text, name);
        name
    }

    fn params(&mut self) -> (List<Binding>, Option<Vararg>) {
        let from = self.scratch.bindings.len();
        let mut vararg = None;
        while !self.at(RightParen) {
            if let Some(span) = self.eat(Ellipsis) {
                let ty = self.eat(Colon).map(|_| self.vararg_type());
                vararg = Some(Vararg { span, ty });
                break;
            }
            if !self.at(Word) {
                self.expected("a parameter", "");
                break;
            }
            let binding = self.typed_name();
            self.scratch.bindings.push(binding);
            if self.eat(Comma).is_none() {
                break;
            }
            if self.at(RightParen) {
                self.expected("a parameter", "after ','");
            }
        }
        (finish!(self.bindings from from => bindings), vararg)
    }

    /// `name` or `name: T`; the current token is a name.
    pub(super) fn typed_name(&mut self) -> Binding {
        let name = self.ident();
        if self.at(Question) && self.peek_kind(1) == Colon {
            let found = Diagnostic::syntax(self.span(), "a '?' belongs behind the type");
            self.report(found.help("write name: T?"));
            self.bump();
        }
        let ty = self.eat(Colon).map(|_| self.type_expr());
        Binding { name, ty }
    }

    fn optional_result(&mut self) -> Option<TypeId> {
        if self.at(Arrow) {
            let found = Diagnostic::syntax(self.span(), "a function's result follows ':'");
            self.report(found.help("'->' is for the types of functions"));
        } else if !self.at(Colon) {
            return None;
        }
        self.bump();
        let ty = self.result_type();
        if self.at(Comma) {
            let found = Diagnostic::syntax(self.span(), "unexpected ',' after the result type");
            self.report(found.help("several results are put in parentheses: (A, B)"));
            while self.eat(Comma).is_some() {
                self.result_type();
            }
        }
        Some(ty)
    }
}
