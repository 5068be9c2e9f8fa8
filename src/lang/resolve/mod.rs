//! Which declaration each name means: locals, upvalues, globals, types, labels.
//!
//! One walk over the tree in the order of the source, linear in its size. Also reports what Luau's
//! compiler refuses and the grammar does not show: assignments to constants, jumps that go nowhere,
//! locals that `continue` has jumped over.

mod jump;
mod scope;

pub use jump::Jump;
pub use jump::JumpKind;

use scope::Scope;

use super::ast::*;
use super::diagnostic::Diagnostic;
use super::span::Span;

/// What a name in an expression stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// No name, or one nobody has looked at.
    None,
    /// A local of this function.
    Local(BindingId),
    /// A local of a function around this one.
    Upvalue(BindingId),
    /// A field of the environment.
    Global,
    /// A declared type used as a value; no local of the name is visible.
    Type(AliasId),
}

impl Use {
    /// The local it is, here or further out.
    pub fn binding(self) -> Option<BindingId> {
        match self {
            Self::Local(binding) | Self::Upvalue(binding) => Some(binding),
            _ => None,
        }
    }
}

/// What the name of a type stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TypeUse {
    /// Built in, or unknown.
    Unknown,
    /// Declared in this source.
    Alias(AliasId),
    /// A type parameter around it.
    Parameter,
    /// `mod.T` of a module in a local.
    Import(BindingId),
}

/// What declares a local.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LocalKind {
    /// `local x`.
    Variable,
    /// `const x`, `const function x`.
    Constant,
    /// `local function x`.
    Function,
    /// A parameter.
    Parameter,
    /// The hidden parameter of methods.
    Receiver,
    /// A variable of `for`.
    Loop,
}

/// What is known of a local.
#[derive(Clone, Copy, Debug)]
pub struct Local {
    /// What declares it.
    pub kind: LocalKind,
    /// In which function; `None` at the top of the file.
    pub function: Option<FunctionId>,
    /// From where to where its name is visible, shadowing aside.
    pub scope: Span,
    /// How often it is read, in types too.
    pub reads: u32,
    /// How often it is assigned to after its declaration.
    pub writes: u32,
    /// Does an inner function use it?
    pub captured: bool,
    /// The local of the same name that it hides.
    pub shadows: Option<BindingId>,
    order: u32,
}

/// A use of a global.
#[derive(Clone, Copy, Debug)]
pub struct GlobalUse {
    /// The expression, a [`ExprKind::Name`].
    pub expr: ExprId,
    /// Its name.
    pub name: Name,
    /// Is it assigned to, or declared by `function name()`?
    pub write: bool,
}

/// What the names of a tree stand for.
#[derive(Clone, Debug)]
pub struct Resolved {
    uses: Vec<Use>,
    type_uses: Vec<TypeUse>,
    locals: Vec<Local>,
    /// Uses of globals in the order of the source.
    pub globals: Vec<GlobalUse>,
    /// Every `goto` that has a label, in the order of the source.
    pub jumps: Vec<Jump>,
    /// Names that hide another one of the same block or function are no error here.
    pub diagnostics: Vec<Diagnostic>,
}

impl Resolved {
    /// What a name in an expression stands for; [`Use::None`] for other expressions.
    pub fn use_of(&self, expr: ExprId) -> Use {
        self.uses[expr.index()]
    }

    /// What the name of a type stands for; [`TypeUse::Unknown`] for other types.
    pub fn type_use(&self, ty: TypeId) -> TypeUse {
        self.type_uses[ty.index()]
    }

    /// What is known of a local.
    pub fn local(&self, binding: BindingId) -> &Local {
        &self.locals[binding.index()]
    }
}

/// Finds out what the names of a tree stand for.
pub fn resolve(ast: &Ast) -> Resolved {
    let unseen = Local {
        kind: LocalKind::Variable,
        function: None,
        scope: Span::default(),
        reads: 0,
        writes: 0,
        captured: false,
        shadows: None,
        order: 0,
    };
    let resolved = Resolved {
        uses: vec![Use::None; ast.expr_count()],
        type_uses: vec![TypeUse::Unknown; ast.type_count()],
        locals: vec![unseen; ast.binding_count()],
        globals: Vec::new(),
        jumps: Vec::new(),
        diagnostics: Vec::new(),
    };
    let mut resolver = Resolver { ast, out: resolved, scope: Scope::new(ast), function: None };
    resolver.block(ast.root);
    let mut resolved = resolver.out;
    resolved.diagnostics.sort_by_key(|found| found.span);
    resolved
}

struct Resolver<'a> {
    ast: &'a Ast,
    out: Resolved,
    scope: Scope,
    function: Option<FunctionId>,
}

impl Resolver<'_> {
    fn report(&mut self, span: Span, message: String) -> &mut Diagnostic {
        self.out.diagnostics.push(Diagnostic::syntax(span, message));
        let last = self.out.diagnostics.len() - 1;
        &mut self.out.diagnostics[last]
    }

    fn block(&mut self, block: BlockId) {
        let mark = self.scope.mark();
        self.open_block(block);
        self.statements(block);
        self.close_block(block);
        self.leave(mark, self.ast[block].span.end);
    }

    /// Types and labels are visible in the whole block.
    fn open_block(&mut self, block: BlockId) {
        for stat in &self.ast[self.ast[block].stats] {
            if let StatKind::TypeAlias(alias) = self.ast[*stat].kind {
                self.scope.declare_type(self.ast[alias].name.name, TypeUse::Alias(alias));
            }
        }
        self.open_labels(block);
    }

    fn statements(&mut self, block: BlockId) {
        for stat in &self.ast[self.ast[block].stats] {
            self.statement(*stat);
        }
    }

    fn close_block(&mut self, block: BlockId) {
        self.close_labels(block);
    }

    fn statement(&mut self, id: StatId) {
        let Stat { span, kind } = self.ast[id];
        match kind {
            StatKind::Local { bindings, values, is_const } => {
                self.annotations(bindings);
                self.exprs(values);
                let kind = if is_const { LocalKind::Constant } else { LocalKind::Variable };
                self.declare_list(bindings, kind, span.end);
                self.count_local();
            }
            StatKind::LocalFunction { binding, function, is_const } => {
                let kind = if is_const { LocalKind::Constant } else { LocalKind::Function };
                self.declare(binding, kind, self.ast[binding].name.span.end);
                self.count_local();
                self.function(function);
            }
            StatKind::Function { target, function } => {
                self.target(target);
                self.function(function);
            }
            StatKind::Assign { targets, values, .. } => {
                for target in &self.ast[targets] {
                    self.target(*target);
                }
                self.exprs(values);
            }
            StatKind::Compound { target, value, .. } => {
                self.target(target);
                if let Some(binding) = self.out.use_of(target).binding() {
                    self.out.locals[binding.index()].reads += 1;
                }
                self.expr(value);
            }
            StatKind::Call(call) => self.expr(call),
            StatKind::Do(body) => self.block(body),
            StatKind::While { condition, body } => {
                self.expr(condition);
                self.loop_block(body);
            }
            StatKind::Repeat { body, condition } => self.repeat(body, condition, span.end),
            StatKind::If { branches, otherwise } => {
                for branch in &self.ast[branches] {
                    self.expr(branch.condition);
                    self.block(branch.body);
                }
                if let Some(block) = otherwise {
                    self.block(block);
                }
            }
            StatKind::NumericFor { var, from, to, step, body } => {
                self.annotation(var);
                self.expr(from);
                self.expr(to);
                if let Some(step) = step {
                    self.expr(step);
                }
                let mark = self.scope.mark();
                self.declare(var, LocalKind::Loop, self.ast[body].span.start);
                self.loop_block(body);
                self.leave(mark, self.ast[body].span.end);
            }
            StatKind::GenericFor { vars, values, body } => {
                self.annotations(vars);
                self.exprs(values);
                let mark = self.scope.mark();
                self.declare_list(vars, LocalKind::Loop, self.ast[body].span.start);
                self.loop_block(body);
                self.leave(mark, self.ast[body].span.end);
            }
            StatKind::Return(values) | StatKind::Error(values) => self.exprs(values),
            StatKind::Break | StatKind::Label(_) => {}
            StatKind::Continue => self.scope.continues(),
            StatKind::Goto(label) => self.goto(id, label),
            StatKind::TypeAlias(alias) => self.alias(alias),
            StatKind::TypeFunction { function, .. } => {
                let outer = self.scope.enter_type_function();
                self.function(function);
                self.scope.leave_type_function(outer);
            }
        }
    }

    fn loop_block(&mut self, body: BlockId) {
        self.scope.open_loop(body);
        self.block(body);
        self.scope.close_loop();
    }

    /// The condition sees the locals of the body, unless a `continue` may have jumped over them.
    fn repeat(&mut self, body: BlockId, condition: ExprId, end: u32) {
        let mark = self.scope.mark();
        self.scope.open_loop(body);
        self.open_block(body);
        self.statements(body);
        self.close_block(body);
        let continued = self.scope.close_loop();
        let outer = self.scope.enter_until(continued);
        self.expr(condition);
        self.scope.leave_until(outer);
        self.leave(mark, end);
    }

    fn leave(&mut self, mark: scope::Mark, end: u32) {
        let locals = &mut self.out.locals;
        self.scope.leave(mark, |binding| {
            let scope = &mut locals[binding.index()].scope;
            scope.end = end.max(scope.start);
        });
    }

    fn declare_list(&mut self, bindings: List<Binding>, kind: LocalKind, from: u32) {
        for binding in self.ast.binding_ids(bindings) {
            self.declare(binding, kind, from);
        }
    }

    fn declare(&mut self, binding: BindingId, kind: LocalKind, from: u32) {
        let (shadows, order) = self.scope.declare(self.ast[binding].name.name, binding);
        self.out.locals[binding.index()] = Local {
            kind,
            function: self.function,
            scope: Span::empty(from),
            reads: 0,
            writes: 0,
            captured: false,
            shadows,
            order,
        };
    }

    fn annotation(&mut self, binding: BindingId) {
        self.optional_type(self.ast[binding].ty);
    }

    fn annotations(&mut self, bindings: List<Binding>) {
        for binding in self.ast.binding_ids(bindings) {
            self.annotation(binding);
        }
    }

    fn function(&mut self, id: FunctionId) {
        let function = self.ast[id];
        let mark = self.scope.mark();
        self.generics(function.generics);
        self.annotations(function.params);
        self.optional_type(function.vararg.and_then(|vararg| vararg.ty));
        self.optional_type(function.result);
        let outer = self.function.replace(id);
        let outside = self.scope.enter_function();
        let start = self.ast[function.body].span.start;
        if let Some(receiver) = function.receiver {
            self.declare(receiver, LocalKind::Receiver, start);
        }
        self.declare_list(function.params, LocalKind::Parameter, start);
        self.block(function.body);
        self.scope.leave_function(outside);
        self.function = outer;
        self.leave(mark, self.ast[function.body].span.end);
    }

    /// Type parameters are visible in each other's bounds and defaults.
    fn generics(&mut self, generics: List<Generic>) {
        for generic in &self.ast[generics] {
            self.scope.declare_type(generic.name.name, TypeUse::Parameter);
        }
        for generic in &self.ast[generics] {
            self.optional_type(generic.bound);
            self.optional_type(generic.default);
        }
    }

    fn alias(&mut self, id: AliasId) {
        let alias = self.ast[id];
        let mark = self.scope.mark();
        self.generics(alias.generics);
        self.types(alias.bases);
        self.ty(alias.ty);
        self.leave(mark, alias.span.end);
    }

    fn exprs(&mut self, exprs: List<ExprId>) {
        for expr in &self.ast[exprs] {
            self.expr(*expr);
        }
    }

    /// What is assigned to.
    fn target(&mut self, target: ExprId) {
        let ExprKind::Name(name) = self.ast[target].kind else {
            return self.expr(target);
        };
        self.name(target, name, true);
        let Some(binding) = self.out.use_of(target).binding() else { return };
        if self.out.local(binding).kind == LocalKind::Constant {
            let text = self.ast.text(name);
            let (span, declared) = (self.ast[target].span, self.ast[binding].name.span);
            self.report(span, format!("'{text}' is constant")).related =
                Some((declared, "declared here".into()));
        }
    }

    fn name(&mut self, expr: ExprId, name: Name, write: bool) {
        let Some(binding) = self.scope.local(name) else {
            let ty = self.scope.ty(name).filter(|_| !write);
            self.out.uses[expr.index()] = match ty {
                Some(TypeUse::Alias(alias)) => Use::Type(alias),
                _ => {
                    self.out.globals.push(GlobalUse { expr, name, write });
                    Use::Global
                }
            };
            return;
        };
        let span = self.ast[expr].span;
        let local = &mut self.out.locals[binding.index()];
        *(if write { &mut local.writes } else { &mut local.reads }) += 1;
        let order = local.order;
        let upvalue = local.function != self.function;
        local.captured |= upvalue;
        self.out.uses[expr.index()] =
            if upvalue { Use::Upvalue(binding) } else { Use::Local(binding) };
        if self.scope.is_outside_type_function(order) {
            let text = self.ast.text(name);
            let message = format!("a type function cannot use '{text}', a local outside of it");
            self.report(span, message);
        } else if self.scope.is_jumped_over(order) {
            let text = self.ast.text(name);
            let message = format!("'{text}' may be unset here: a continue in the loop skips it");
            let declared = self.ast[binding].name.span;
            self.report(span, message).related = Some((declared, "declared here".into()));
        }
    }

    fn expr(&mut self, id: ExprId) {
        match self.ast[id].kind {
            ExprKind::Nil
            | ExprKind::Bool(_)
            | ExprKind::Number
            | ExprKind::String
            | ExprKind::Vararg
            | ExprKind::Error => {}
            ExprKind::Name(name) => self.name(id, name, false),
            ExprKind::Interp { holes, .. } => self.exprs(holes),
            ExprKind::Function(function) => self.function(function),
            ExprKind::Index { object, key } => {
                self.expr(object);
                self.expr(key);
            }
            ExprKind::Field { object, .. } | ExprKind::Method { object, .. } => self.expr(object),
            ExprKind::Call { callee, args, .. } => {
                self.expr(callee);
                self.exprs(args);
            }
            ExprKind::Instantiate { callee, types } => {
                self.expr(callee);
                self.types(types);
            }
            ExprKind::Unary { operand, .. } => self.expr(operand),
            ExprKind::Binary { left, right, .. } => {
                self.expr(left);
                self.expr(right);
            }
            ExprKind::Paren(inner) | ExprKind::NonNil(inner) => self.expr(inner),
            ExprKind::Table(fields) => {
                for field in &self.ast[fields] {
                    if let TableField::Keyed { key, .. } = field {
                        self.expr(*key);
                    }
                    self.expr(field.value());
                }
            }
            ExprKind::IfElse(parts) => self.exprs(parts),
            ExprKind::Cast { operand, ty, .. } => {
                self.expr(operand);
                self.ty(ty);
            }
        }
    }

    fn optional_type(&mut self, ty: Option<TypeId>) {
        if let Some(ty) = ty {
            self.ty(ty);
        }
    }

    fn types(&mut self, types: List<TypeId>) {
        for ty in &self.ast[types] {
            self.ty(*ty);
        }
    }

    fn ty(&mut self, id: TypeId) {
        match self.ast[id].kind {
            TypeKind::Name { prefix, name, args, .. } => {
                self.type_name(id, prefix, name);
                self.types(args);
            }
            TypeKind::Typeof(expr) => self.expr(expr),
            TypeKind::Union(parts) | TypeKind::Intersection(parts) | TypeKind::Pack(parts) => {
                self.types(parts);
            }
            TypeKind::Optional(ty)
            | TypeKind::Paren(ty)
            | TypeKind::Variadic(ty)
            | TypeKind::Readonly(ty)
            | TypeKind::Keyof(ty)
            | TypeKind::Array { element: ty, .. } => self.ty(ty),
            TypeKind::Record { fields, .. } => {
                for field in &self.ast[fields] {
                    if let TypeKey::Type(key) = field.key {
                        self.ty(key);
                    }
                    self.ty(field.ty);
                }
            }
            TypeKind::Function(function) => self.function_type(function),
            TypeKind::Index { object, key } => {
                self.ty(object);
                self.ty(key);
            }
            TypeKind::Conditional { check, extends, then, otherwise } => {
                for ty in [check, extends, then, otherwise] {
                    self.ty(ty);
                }
            }
            TypeKind::Asserts { ty, .. } => self.optional_type(ty),
            TypeKind::Validated { ty, validators } => {
                self.ty(ty);
                for validator in &self.ast[validators] {
                    self.exprs(validator.args);
                }
            }
            TypeKind::Nil
            | TypeKind::Bool(_)
            | TypeKind::String
            | TypeKind::Number
            | TypeKind::GenericPack(_)
            | TypeKind::Error => {}
        }
    }

    fn type_name(&mut self, id: TypeId, prefix: Option<Ident>, name: Ident) {
        self.out.type_uses[id.index()] = match prefix {
            None => self.scope.ty(name.name).unwrap_or(TypeUse::Unknown),
            Some(module) => match self.scope.local(module.name) {
                Some(binding) => {
                    self.out.locals[binding.index()].reads += 1;
                    TypeUse::Import(binding)
                }
                None => TypeUse::Unknown,
            },
        };
    }

    fn function_type(&mut self, id: FunctionTypeId) {
        let function = self.ast[id];
        let mark = self.scope.mark();
        self.generics(function.generics);
        for param in &self.ast[function.params] {
            self.ty(param.ty);
        }
        self.optional_type(function.result);
        self.leave(mark, function.params_span.end);
    }
}
