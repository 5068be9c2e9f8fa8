//! A tree as text: one statement a line, four blanks a level, comments left out.
//!
//! What is printed parses to the same tree, as long as the tree is that of a source without errors.
//! Literals are copied from the source.

use super::ast::*;
use super::span::Span;
use super::token::TokenKind;

/// Prints the tree of `source`.
pub fn print(ast: &Ast, source: &str) -> String {
    let mut printer = Printer { ast, source, out: String::with_capacity(source.len()), level: 0 };
    printer.stats(ast.root);
    printer.out
}

struct Printer<'a> {
    ast: &'a Ast,
    source: &'a str,
    out: String,
    level: usize,
}

impl Printer<'_> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn copy(&mut self, span: Span) {
        self.out.push_str(span.text(self.source));
    }

    fn name(&mut self, name: Ident) {
        self.out.push_str(self.ast.text(name.name));
    }

    /// A blank where two tokens would become another one.
    fn part(&mut self, from: usize, before: &str, first: char) {
        if self.out[from..].starts_with(first) && self.out[..from].ends_with(before) {
            self.out.insert(from, ' ');
        }
    }

    fn line(&mut self) {
        self.out.push('\n');
        self.out.extend(std::iter::repeat_n("    ", self.level));
    }

    fn list<T: Copy>(&mut self, items: &[T], mut print: impl FnMut(&mut Self, T)) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.put(", ");
            }
            print(self, *item);
        }
    }

    fn stats(&mut self, block: BlockId) {
        let ast = self.ast;
        for (index, stat) in ast[ast[block].stats].iter().enumerate() {
            let first = ast.token_after(ast[*stat].span.start).map(|token| token.kind);
            if index > 0 && first == Some(TokenKind::LeftParen) {
                self.put(";");
            }
            if !self.out.is_empty() {
                self.line();
            }
            self.stat(*stat);
        }
        if self.level == 0 {
            self.put("\n");
        }
    }

    /// The statements of a block, further in, and a new line for what closes it.
    fn block(&mut self, block: BlockId) {
        self.level += 1;
        self.stats(block);
        self.level -= 1;
        self.line();
    }

    fn stat(&mut self, id: StatId) {
        let ast = self.ast;
        match ast[id].kind {
            StatKind::Local { bindings, values, is_const } => {
                self.put(if is_const { "const " } else { "local " });
                self.bindings(bindings);
                if !values.is_empty() {
                    self.put(" = ");
                    self.exprs(values);
                }
            }
            StatKind::LocalFunction { binding, function, is_const } => {
                self.attributes(ast[function].attributes);
                self.put(if is_const { "const function " } else { "local function " });
                self.name(ast[binding].name);
                self.function(function);
            }
            StatKind::Function { target, function } => {
                self.attributes(ast[function].attributes);
                self.put("function ");
                self.expr(target);
                self.function(function);
            }
            StatKind::Assign { targets, values, .. } => {
                self.exprs(targets);
                self.put(" = ");
                self.exprs(values);
            }
            StatKind::Compound { op, target, value, .. } => {
                self.expr(target);
                self.put(" ");
                self.put(op.text());
                self.put("= ");
                self.expr(value);
            }
            StatKind::Call(call) => self.expr(call),
            StatKind::Do(body) => {
                self.put("do");
                self.block(body);
                self.put("end");
            }
            StatKind::While { condition, body } => {
                self.put("while ");
                self.expr(condition);
                self.loop_body(body);
            }
            StatKind::Repeat { body, condition } => {
                self.put("repeat");
                self.block(body);
                self.put("until ");
                self.expr(condition);
            }
            StatKind::If { branches, otherwise } => {
                for (index, branch) in ast[branches].iter().enumerate() {
                    self.put(if index > 0 { "elseif " } else { "if " });
                    self.expr(branch.condition);
                    self.put(" then");
                    self.block(branch.body);
                }
                if let Some(block) = otherwise {
                    self.put("else");
                    self.block(block);
                }
                self.put("end");
            }
            StatKind::NumericFor { var, from, to, step, body } => {
                self.put("for ");
                self.binding(ast[var]);
                self.put(" = ");
                self.expr(from);
                self.put(", ");
                self.expr(to);
                if let Some(step) = step {
                    self.put(", ");
                    self.expr(step);
                }
                self.loop_body(body);
            }
            StatKind::GenericFor { vars, values, body } => {
                self.put("for ");
                self.bindings(vars);
                self.put(" in ");
                self.exprs(values);
                self.loop_body(body);
            }
            StatKind::Return(values) => {
                self.put("return");
                if !values.is_empty() {
                    self.put(" ");
                    self.exprs(values);
                }
            }
            StatKind::Break => self.put("break"),
            StatKind::Continue => self.put("continue"),
            StatKind::Goto(label) => {
                self.put("goto ");
                self.name(label);
            }
            StatKind::Label(label) => {
                self.put("::");
                self.name(label);
                self.put("::");
            }
            StatKind::TypeAlias(alias) => self.alias(ast[alias]),
            StatKind::TypeFunction { name, function, exported } => {
                self.put(if exported { "export type function " } else { "type function " });
                self.name(name);
                self.function(function);
            }
            StatKind::Error(exprs) => self.exprs(exprs),
        }
    }

    fn loop_body(&mut self, body: BlockId) {
        self.put(" do");
        self.block(body);
        self.put("end");
    }

    fn alias(&mut self, alias: TypeAlias) {
        self.put(if alias.exported { "export " } else { "" });
        self.put(if alias.interface { "interface " } else { "type " });
        self.name(alias.name);
        self.generics(alias.generics);
        if !alias.interface {
            self.put(" = ");
            return self.ty(alias.ty);
        }
        if !alias.bases.is_empty() {
            self.put(": ");
            self.types(alias.bases);
        }
        self.level += 1;
        if let TypeKind::Record { fields, .. } = self.ast[alias.ty].kind {
            for field in &self.ast[fields] {
                self.line();
                self.type_field(*field);
            }
        }
        self.level -= 1;
        self.line();
        self.put("end");
    }

    fn bindings(&mut self, bindings: List<Binding>) {
        self.list(&self.ast[bindings], Self::binding);
    }

    fn binding(&mut self, binding: Binding) {
        self.name(binding.name);
        self.annotation(binding.ty);
    }

    fn annotation(&mut self, ty: Option<TypeId>) {
        if let Some(ty) = ty {
            self.put(": ");
            self.ty(ty);
        }
    }

    fn attributes(&mut self, attributes: List<Attribute>) {
        for attribute in &self.ast[attributes] {
            let bare = attribute.args.is_empty();
            self.put(if bare { "@" } else { "@[" });
            self.name(attribute.name);
            if !bare {
                self.put("(");
                self.exprs(attribute.args);
                self.put(")]");
            }
            self.put(" ");
        }
    }

    /// From the type parameters to `end`.
    fn function(&mut self, id: FunctionId) {
        let function = self.ast[id];
        self.generics(function.generics);
        self.put("(");
        self.bindings(function.params);
        if let Some(vararg) = function.vararg {
            self.put(if function.params.is_empty() { "..." } else { ", ..." });
            self.annotation(vararg.ty);
        }
        self.put(")");
        self.annotation(function.result);
        self.block(function.body);
        self.put("end");
    }

    fn exprs(&mut self, exprs: List<ExprId>) {
        self.list(&self.ast[exprs], Self::expr);
    }

    /// In square brackets, which must not run together with those of a long string.
    fn in_brackets(&mut self, print: impl FnOnce(&mut Self)) {
        self.put("[");
        let from = self.out.len();
        print(self);
        self.part(from, "[", '[');
        self.put("]");
    }

    fn expr(&mut self, id: ExprId) {
        let ast = self.ast;
        let Expr { span, kind } = ast[id];
        match kind {
            ExprKind::Nil | ExprKind::Bool(_) | ExprKind::Number | ExprKind::String => {
                self.copy(span);
            }
            ExprKind::Vararg => self.put("..."),
            ExprKind::Error => {}
            ExprKind::Name(name) => self.put(ast.text(name)),
            ExprKind::Interp { pieces, holes } => {
                for (index, piece) in ast[pieces].iter().enumerate() {
                    self.copy(*piece);
                    if let Some(hole) = ast[holes].get(index) {
                        let from = self.out.len();
                        self.expr(*hole);
                        self.part(from, "{", '{');
                    }
                }
            }
            ExprKind::Function(function) => {
                self.attributes(ast[function].attributes);
                self.put("function");
                self.function(function);
            }
            ExprKind::Index { object, key } => {
                self.expr(object);
                self.in_brackets(|printer| printer.expr(key));
            }
            ExprKind::Field { object, name, .. } => {
                self.expr(object);
                self.put(".");
                self.name(name);
            }
            ExprKind::Method { object, name, .. } => {
                self.expr(object);
                self.put(":");
                self.name(name);
            }
            ExprKind::Call { callee, args, style } => {
                self.expr(callee);
                self.put(if style == CallStyle::Parens { "(" } else { "" });
                self.exprs(args);
                self.put(if style == CallStyle::Parens { ")" } else { "" });
            }
            ExprKind::Instantiate { callee, types } => {
                // With a blank it is no shift, whatever follows.
                self.expr(callee);
                self.put("< <");
                self.types(types);
                self.put(">>");
            }
            ExprKind::Unary { op, operand } => {
                self.put(op.text());
                self.put(if op == UnaryOp::Not { " " } else { "" });
                let from = self.out.len();
                self.expr(operand);
                self.part(from, "-", '-');
            }
            ExprKind::Binary { op, left, right, .. } => {
                self.expr(left);
                self.put(" ");
                self.put(op.text());
                self.put(" ");
                self.expr(right);
            }
            ExprKind::Paren(inner) => {
                self.put("(");
                self.expr(inner);
                self.put(")");
            }
            ExprKind::Table(fields) => {
                self.put("{");
                self.list(&ast[fields], Self::table_field);
                self.put("}");
            }
            ExprKind::IfElse(parts) => {
                for (index, part) in ast[parts].iter().enumerate() {
                    let last = index + 1 == parts.len();
                    self.put(match index {
                        0 => "if ",
                        _ if last => " else ",
                        _ if index % 2 == 1 => " then ",
                        _ => " elseif ",
                    });
                    self.expr(*part);
                }
            }
            ExprKind::Cast { operand, ty, op, .. } => {
                let from = self.out.len();
                self.expr(operand);
                if op == CastOp::Colons {
                    self.part_from_label(from, operand);
                }
                self.put(if op == CastOp::As { " as " } else { " :: " });
                self.ty(ty);
            }
            ExprKind::NonNil(operand) => {
                self.expr(operand);
                self.put("!");
            }
        }
    }

    fn table_field(&mut self, field: TableField) {
        match field {
            TableField::Item(value) => self.expr(value),
            TableField::Named { name, value } => {
                self.name(name);
                self.put(" = ");
                self.expr(value);
            }
            TableField::Keyed { key, value, .. } => {
                self.in_brackets(|printer| printer.expr(key));
                self.put(" = ");
                self.expr(value);
            }
        }
    }

    /// `x :: a :: b` would be `x` and a label.
    fn part_from_label(&mut self, from: usize, operand: ExprId) {
        let ExprKind::Cast { ty, op: CastOp::Colons, .. } = self.ast[operand].kind else { return };
        let TypeKind::Name { prefix: None, has_args: false, .. } = self.ast[ty].kind else {
            return;
        };
        if let Some(at) = self.out[from..].rfind(":: ") {
            self.out.insert_str(from + at + 3, "| ");
        }
    }

    /// A type called `read` behind `{` would be a word of access.
    fn part_from_access(&mut self, from: usize, element: TypeId) {
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let first = self.out[from..].split(|c| !is_word(c)).next().unwrap_or_default();
        let is_name = !matches!(self.ast[element].kind, TypeKind::Readonly(_));
        if is_name && matches!(first, "read" | "write" | "readonly") {
            self.out.insert_str(from, "| ");
        }
    }

    fn types(&mut self, types: List<TypeId>) {
        self.list(&self.ast[types], Self::ty);
    }

    fn separated(&mut self, types: List<TypeId>, separator: &str) {
        for (index, ty) in self.ast[types].iter().enumerate() {
            if index > 0 {
                self.put(separator);
            }
            self.ty(*ty);
        }
    }

    fn ty(&mut self, id: TypeId) {
        let ast = self.ast;
        let Type { span, kind } = ast[id];
        match kind {
            TypeKind::Name { prefix, name, args, has_args } => {
                if let Some(prefix) = prefix {
                    self.name(prefix);
                    self.put(".");
                }
                self.name(name);
                if has_args {
                    self.put("<");
                    self.types(args);
                    self.put(">");
                }
            }
            TypeKind::Nil | TypeKind::Bool(_) | TypeKind::String | TypeKind::Number => {
                self.copy(span);
            }
            TypeKind::Typeof(expr) => {
                self.put("typeof(");
                self.expr(expr);
                self.put(")");
            }
            TypeKind::Optional(ty) => {
                self.ty(ty);
                self.put("?");
            }
            TypeKind::Union(parts) => self.separated(parts, " | "),
            TypeKind::Intersection(parts) => self.separated(parts, " & "),
            TypeKind::Paren(inner) => {
                self.put("(");
                self.ty(inner);
                self.put(")");
            }
            TypeKind::Array { element, style: ArrayStyle::Brackets } => {
                self.ty(element);
                self.put("[]");
            }
            TypeKind::Array { element, style: ArrayStyle::Braces(access) } => {
                self.put("{");
                self.put(access_word(access));
                let from = self.out.len();
                self.ty(element);
                self.part_from_access(from, element);
                self.put("}");
            }
            TypeKind::Record { fields, interface } => {
                self.put(if interface { "interface {" } else { "{" });
                self.list(&ast[fields], Self::type_field);
                self.put("}");
            }
            TypeKind::Function(function) => self.function_type(function),
            TypeKind::Pack(types) => {
                self.put("(");
                self.types(types);
                self.put(")");
            }
            TypeKind::Variadic(ty) => {
                self.put("...");
                self.ty(ty);
            }
            TypeKind::GenericPack(name) => {
                self.put(ast.text(name));
                self.put("...");
            }
            TypeKind::Readonly(ty) => {
                self.put("readonly ");
                self.ty(ty);
            }
            TypeKind::Keyof(ty) => {
                self.put("keyof(");
                self.ty(ty);
                self.put(")");
            }
            TypeKind::Index { object, key } => {
                self.ty(object);
                self.in_brackets(|printer| printer.ty(key));
            }
            TypeKind::Conditional { check, extends, then, otherwise } => {
                for (ty, after) in
                    [(check, " extends "), (extends, " ? "), (then, " : "), (otherwise, "")]
                {
                    self.ty(ty);
                    self.put(after);
                }
            }
            TypeKind::Asserts { name, ty } => {
                self.put("asserts ");
                self.name(name);
                if let Some(ty) = ty {
                    self.put(" is ");
                    self.ty(ty);
                }
            }
            TypeKind::Validated { ty, validators } => {
                self.ty(ty);
                for validator in &ast[validators] {
                    self.put(" @");
                    self.name(validator.name);
                    if !validator.args.is_empty() {
                        self.put("(");
                        self.exprs(validator.args);
                        self.put(")");
                    }
                }
            }
            TypeKind::Error => {}
        }
    }

    fn type_field(&mut self, field: TypeField) {
        self.put(access_word(field.access));
        match field.key {
            TypeKey::Name(name) => self.name(name),
            TypeKey::String(string) => self.in_brackets(|printer| printer.copy(string)),
            TypeKey::Type(key) => self.in_brackets(|printer| printer.ty(key)),
            TypeKey::Method(name) => {
                self.put("function ");
                self.name(name);
                return self.ty(field.ty);
            }
        }
        self.put(if field.optional { "?: " } else { ": " });
        self.ty(field.ty);
    }

    fn generics(&mut self, generics: List<Generic>) {
        if generics.is_empty() {
            return;
        }
        self.put("<");
        self.list(&self.ast[generics], |printer, generic| {
            printer.name(generic.name);
            printer.put(if generic.pack { "..." } else { "" });
            printer.annotation(generic.bound);
            if let Some(default) = generic.default {
                printer.put(" = ");
                printer.ty(default);
            }
        });
        self.put(">");
    }

    fn function_type(&mut self, id: FunctionTypeId) {
        let function = self.ast[id];
        self.put(if function.style == FunctionStyle::Fun { "fun" } else { "" });
        self.generics(function.generics);
        self.put("(");
        self.list(&self.ast[function.params], |printer, param| {
            if let Some(name) = param.name {
                printer.name(name);
                printer.put(if param.optional { "?: " } else { ": " });
            } else if function.style == FunctionStyle::Method
                && let TypeKind::Name { prefix: None, has_args: false, .. } =
                    printer.ast[param.ty].kind
            {
                // A bare name would be that of the parameter.
                printer.put("| ");
            }
            printer.ty(param.ty);
        });
        self.put(")");
        if let Some(result) = function.result {
            self.put(if function.style == FunctionStyle::Arrow { " -> " } else { ": " });
            self.ty(result);
        }
    }
}

fn access_word(access: Access) -> &'static str {
    match access {
        Access::ReadWrite => "",
        Access::Read => "read ",
        Access::Write => "write ",
        Access::Readonly => "readonly ",
    }
}
