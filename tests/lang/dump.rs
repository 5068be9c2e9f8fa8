//! A tree as nested lists, without positions: for snapshots, and to compare trees.

use wippy::lang::ast::*;

/// The statements of a tree, one a line.
pub fn dump(ast: &Ast, source: &str) -> String {
    let dump = Dump { ast, source };
    let stats = ast[ast[ast.root].stats].iter().map(|stat| dump.stat(*stat));
    stats.collect::<Vec<_>>().join("\n")
}

struct Dump<'a> {
    ast: &'a Ast,
    source: &'a str,
}

fn node(tag: &str, parts: impl IntoIterator<Item = String>) -> String {
    let parts = parts.into_iter().filter(|part| !part.is_empty()).map(|part| format!(" {part}"));
    format!("({tag}{})", parts.collect::<String>())
}

impl Dump<'_> {
    fn name(&self, name: Ident) -> String {
        let text = self.ast.text(name.name);
        let given = name.span.text(self.source);
        assert!(text == given || text == "any" || text == "self", "{text:?} at {given:?}");
        text.into()
    }

    fn exprs(&self, exprs: List<ExprId>) -> Vec<String> {
        self.ast[exprs].iter().map(|expr| self.expr(*expr)).collect()
    }

    fn types(&self, types: List<TypeId>) -> Vec<String> {
        self.ast[types].iter().map(|ty| self.ty(*ty)).collect()
    }

    fn block(&self, block: BlockId) -> String {
        let ast = self.ast;
        node("block", ast[ast[block].stats].iter().map(|stat| self.stat(*stat)))
    }

    fn binding(&self, binding: &Binding) -> String {
        let ty = binding.ty.map(|ty| format!(": {}", self.ty(ty)));
        format!("{}{}", self.name(binding.name), ty.unwrap_or_default())
    }

    fn bindings(&self, bindings: List<Binding>) -> String {
        let bindings: Vec<_> = self.ast[bindings].iter().map(|b| self.binding(b)).collect();
        format!("[{}]", bindings.join(", "))
    }

    fn generics(&self, generics: List<Generic>) -> String {
        let generics: Vec<_> = self.ast[generics].iter().map(|g| self.generic(g)).collect();
        if generics.is_empty() { String::new() } else { format!("<{}>", generics.join(", ")) }
    }

    fn generic(&self, generic: &Generic) -> String {
        let pack = if generic.pack { "..." } else { "" };
        let bound = generic.bound.map(|ty| format!(": {}", self.ty(ty))).unwrap_or_default();
        let default = generic.default.map(|ty| format!(" = {}", self.ty(ty))).unwrap_or_default();
        format!("{}{pack}{bound}{default}", self.name(generic.name))
    }

    fn function(&self, id: FunctionId) -> String {
        let function = self.ast[id];
        let attributes = self.ast[function.attributes].iter();
        let mut parts: Vec<String> = attributes
            .map(|a| node(&format!("@{}", self.name(a.name)), self.exprs(a.args)))
            .collect();
        parts.push(function.name.map(|name| self.name(name)).unwrap_or_default());
        parts.push(self.generics(function.generics));
        parts.push(if function.receiver.is_some() { "self".into() } else { String::new() });
        parts.push(self.bindings(function.params));
        if let Some(vararg) = function.vararg {
            let ty = vararg.ty.map(|ty| format!(": {}", self.ty(ty)));
            parts.push(format!("...{}", ty.unwrap_or_default()));
        }
        parts.push(function.result.map(|ty| format!("=> {}", self.ty(ty))).unwrap_or_default());
        parts.push(self.block(function.body));
        node("function", parts)
    }

    fn stat(&self, id: StatId) -> String {
        let ast = self.ast;
        match ast[id].kind {
            StatKind::Local { bindings, values, is_const } => {
                let tag = if is_const { "const" } else { "local" };
                let parts = [self.bindings(bindings)].into_iter().chain(self.exprs(values));
                node(tag, parts)
            }
            StatKind::LocalFunction { binding, function, is_const } => {
                let tag = if is_const { "const-function" } else { "local-function" };
                node(tag, [self.binding(&ast[binding]), self.function(function)])
            }
            StatKind::Function { target, function } => {
                node("declare", [self.expr(target), self.function(function)])
            }
            StatKind::Assign { targets, values, equals } => {
                assert_eq!(&self.source[equals as usize..][..1], "=");
                let (targets, values) = (self.exprs(targets), self.exprs(values));
                node("assign", [node("", targets), node("", values)])
            }
            StatKind::Compound { op, target, value, op_start } => {
                assert!(self.source[op_start as usize..].starts_with(op.text()));
                node(&format!("{}=", op.text()), [self.expr(target), self.expr(value)])
            }
            StatKind::Call(call) => self.expr(call),
            StatKind::Do(body) => node("do", [self.block(body)]),
            StatKind::While { condition, body } => {
                node("while", [self.expr(condition), self.block(body)])
            }
            StatKind::Repeat { body, condition } => {
                node("repeat", [self.block(body), self.expr(condition)])
            }
            StatKind::If { branches, otherwise } => {
                let branches = ast[branches].iter();
                let mut parts: Vec<_> = branches
                    .flat_map(|branch| [self.expr(branch.condition), self.block(branch.body)])
                    .collect();
                parts.extend(otherwise.map(|block| node("else", [self.block(block)])));
                node("if", parts)
            }
            StatKind::NumericFor { var, from, to, step, body } => {
                let mut parts = vec![self.binding(&ast[var]), self.expr(from), self.expr(to)];
                parts.extend(step.map(|step| self.expr(step)));
                parts.push(self.block(body));
                node("for", parts)
            }
            StatKind::GenericFor { vars, values, body } => {
                let values = node("in", self.exprs(values));
                node("for", [self.bindings(vars), values, self.block(body)])
            }
            StatKind::Return(values) => node("return", self.exprs(values)),
            StatKind::Break => "break".into(),
            StatKind::Continue => "continue".into(),
            StatKind::Goto(label) => node("goto", [self.name(label)]),
            StatKind::Label(label) => node("label", [self.name(label)]),
            StatKind::TypeAlias(alias) => self.alias(&ast[alias]),
            StatKind::TypeFunction { name, function, exported } => {
                let tag = if exported { "export-type-function" } else { "type-function" };
                node(tag, [self.name(name), self.function(function)])
            }
            StatKind::Error(exprs) => node("error", self.exprs(exprs)),
        }
    }

    fn alias(&self, alias: &TypeAlias) -> String {
        let tag = match (alias.exported, alias.interface) {
            (false, false) => "type",
            (true, false) => "export-type",
            (false, true) => "interface",
            (true, true) => "export-interface",
        };
        let mut parts = vec![self.name(alias.name), self.generics(alias.generics)];
        parts.extend(self.types(alias.bases));
        parts.push(self.ty(alias.ty));
        node(tag, parts)
    }

    fn expr(&self, id: ExprId) -> String {
        let ast = self.ast;
        let Expr { span, kind } = ast[id];
        let text = span.text(self.source);
        match kind {
            ExprKind::Nil => "nil".into(),
            ExprKind::Bool(value) => value.to_string(),
            ExprKind::Number | ExprKind::String => text.into(),
            ExprKind::Vararg => "...".into(),
            ExprKind::Error => "<error>".into(),
            ExprKind::Name(name) => self.name(Ident { name, span }),
            ExprKind::Interp { pieces, holes } => {
                let pieces = ast[pieces].iter().map(|piece| piece.text(self.source).to_string());
                node("interp", pieces.chain(self.exprs(holes)))
            }
            ExprKind::Function(function) => self.function(function),
            ExprKind::Index { object, key } => node("index", [self.expr(object), self.expr(key)]),
            ExprKind::Field { object, name, dot } => {
                assert_eq!(&self.source[dot as usize..][..1], ".");
                node(".", [self.expr(object), self.name(name)])
            }
            ExprKind::Method { object, name, colon } => {
                assert_eq!(&self.source[colon as usize..][..1], ":");
                node(":", [self.expr(object), self.name(name)])
            }
            ExprKind::Call { callee, args, style } => {
                let tag = match style {
                    CallStyle::Parens => "call",
                    CallStyle::String => "call-string",
                    CallStyle::Table => "call-table",
                };
                node(tag, [self.expr(callee)].into_iter().chain(self.exprs(args)))
            }
            ExprKind::Instantiate { callee, types } => {
                node("<<>>", [self.expr(callee)].into_iter().chain(self.types(types)))
            }
            ExprKind::Unary { op, operand } => {
                assert!(text.starts_with(op.text()));
                node(op.text(), [self.expr(operand)])
            }
            ExprKind::Binary { op, left, right, op_start } => {
                assert!(self.source[op_start as usize..].starts_with(op.text()));
                node(op.text(), [self.expr(left), self.expr(right)])
            }
            ExprKind::Paren(inner) => node("paren", [self.expr(inner)]),
            ExprKind::Table(fields) => {
                node("table", ast[fields].iter().map(|field| self.table_field(*field)))
            }
            ExprKind::IfElse(parts) => node("if-else", self.exprs(parts)),
            ExprKind::Cast { operand, ty, op, op_start } => {
                let written = if op == CastOp::As { "as" } else { "::" };
                assert!(self.source[op_start as usize..].starts_with(written));
                node(written, [self.expr(operand), self.ty(ty)])
            }
            ExprKind::NonNil(operand) => node("!", [self.expr(operand)]),
        }
    }

    fn table_field(&self, field: TableField) -> String {
        match field {
            TableField::Item(value) => self.expr(value),
            TableField::Named { name, value } => {
                format!("{} = {}", self.name(name), self.expr(value))
            }
            TableField::Keyed { key, value, .. } => {
                assert!(field.span(self.ast).text(self.source).starts_with('['));
                format!("[{}] = {}", self.expr(key), self.expr(value))
            }
        }
    }

    fn ty(&self, id: TypeId) -> String {
        let ast = self.ast;
        let Type { span, kind } = ast[id];
        match kind {
            TypeKind::Name { prefix, name, args, has_args } => {
                let prefix = prefix.map(|prefix| format!("{}.", self.name(prefix)));
                let name = format!("{}{}", prefix.unwrap_or_default(), self.name(name));
                if has_args { node(&name, self.types(args)) } else { name }
            }
            TypeKind::Nil => "nil".into(),
            TypeKind::Bool(value) => value.to_string(),
            TypeKind::String | TypeKind::Number => span.text(self.source).into(),
            TypeKind::Typeof(expr) => node("typeof", [self.expr(expr)]),
            TypeKind::Optional(ty) => node("?", [self.ty(ty)]),
            TypeKind::Union(parts) => node("|", self.types(parts)),
            TypeKind::Intersection(parts) => node("&", self.types(parts)),
            TypeKind::Paren(ty) => node("paren", [self.ty(ty)]),
            TypeKind::Array { element, style } => match style {
                ArrayStyle::Brackets => node("[]", [self.ty(element)]),
                ArrayStyle::Braces(access) => node("{}", [word(access), self.ty(element)]),
            },
            TypeKind::Record { fields, interface } => {
                let tag = if interface { "interface" } else { "record" };
                node(tag, ast[fields].iter().map(|field| self.type_field(field)))
            }
            TypeKind::Function(function) => self.function_type(&ast[function]),
            TypeKind::Pack(types) => node("pack", self.types(types)),
            TypeKind::Variadic(ty) => node("...", [self.ty(ty)]),
            TypeKind::GenericPack(name) => format!("{}...", ast.text(name)),
            TypeKind::Readonly(ty) => node("readonly", [self.ty(ty)]),
            TypeKind::Keyof(ty) => node("keyof", [self.ty(ty)]),
            TypeKind::Index { object, key } => node("index", [self.ty(object), self.ty(key)]),
            TypeKind::Conditional { check, extends, then, otherwise } => {
                node("extends", [check, extends, then, otherwise].map(|ty| self.ty(ty)))
            }
            TypeKind::Asserts { name, ty } => {
                let ty = ty.map(|ty| self.ty(ty)).unwrap_or_default();
                node("asserts", [self.name(name), ty])
            }
            TypeKind::Validated { ty, validators } => {
                let validators = ast[validators]
                    .iter()
                    .map(|v| node(&format!("@{}", self.name(v.name)), self.exprs(v.args)));
                node("valid", [self.ty(ty)].into_iter().chain(validators))
            }
            TypeKind::Error => "<error>".into(),
        }
    }

    fn type_field(&self, field: &TypeField) -> String {
        let key = match field.key {
            TypeKey::Name(name) => self.name(name),
            TypeKey::String(string) => format!("[{}]", string.text(self.source)),
            TypeKey::Type(key) => format!("[{}]", self.ty(key)),
            TypeKey::Method(name) => format!("function {}", self.name(name)),
        };
        let optional = if field.optional { "?" } else { "" };
        node(&format!("{key}{optional}"), [word(field.access), self.ty(field.ty)])
    }

    fn function_type(&self, function: &FunctionType) -> String {
        let tag = match function.style {
            FunctionStyle::Arrow => "->",
            FunctionStyle::Fun => "fun",
            FunctionStyle::Method => "method",
        };
        let params = self.ast[function.params].iter().map(|param| match param.name {
            Some(name) => {
                let optional = if param.optional { "?" } else { "" };
                format!("{}{optional}: {}", self.name(name), self.ty(param.ty))
            }
            None => self.ty(param.ty),
        });
        let params = format!("[{}]", params.collect::<Vec<_>>().join(", "));
        let result = function.result.map(|ty| self.ty(ty)).unwrap_or_default();
        node(tag, [self.generics(function.generics), params, result])
    }
}

fn word(access: Access) -> String {
    match access {
        Access::ReadWrite => "",
        Access::Read => "read",
        Access::Write => "write",
        Access::Readonly => "readonly",
    }
    .into()
}
