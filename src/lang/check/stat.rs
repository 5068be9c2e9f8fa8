//! Statements. Each tells whether it never lets the next one run.

use super::Checker;
use super::Rest;
use super::Value;
use super::Values;
use super::codes;
use super::expr::Want;
use crate::lang::ast::*;
use crate::lang::resolve::Use;
use crate::lang::types::Kind;
use crate::lang::types::Ty;

impl Checker<'_> {
    /// The statements of a block; what they narrow is forgotten at its end.
    pub(super) fn block(&mut self, id: BlockId) -> bool {
        let mark = self.undo.len();
        let ends = self.statements(id);
        self.restore(mark);
        ends
    }

    fn statements(&mut self, id: BlockId) -> bool {
        let ast = self.ast;
        let mut ends = false;
        for stat in &ast[ast[id].stats] {
            let is_label = matches!(ast[*stat].kind, StatKind::Label(_));
            ends = self.stat(*stat) || ends && !is_label;
        }
        ends
    }

    fn stat(&mut self, id: StatId) -> bool {
        let Stat { span, kind } = self.ast[id];
        match kind {
            StatKind::Local { bindings, values, .. } => self.local(bindings, values),
            StatKind::LocalFunction { binding, function, .. } => {
                let opened = self.open_function(function);
                self.declare(binding, Value::sure(opened.ty));
                self.body(opened);
            }
            StatKind::Function { target, function } => {
                if let ExprKind::Field { object, .. } | ExprKind::Method { object, .. } =
                    self.ast[target].kind
                {
                    self.infer(object);
                }
                self.function(function);
            }
            StatKind::Assign { targets, values, .. } => self.assign(targets, values),
            StatKind::Compound { op, target, value, .. } => self.compound(op, target, value),
            StatKind::Call(call) => {
                return self.infer(call).ty == Ty::NEVER || self.is_error_call(call);
            }
            StatKind::Do(body) => return self.block(body),
            StatKind::While { condition, body } => {
                self.test(condition);
                let mark = self.undo.len();
                self.narrow(condition, true);
                let broken = self.loop_body(body).1;
                self.restore(mark);
                return !broken && matches!(self.ast[condition].kind, ExprKind::Bool(true));
            }
            StatKind::Repeat { body, condition } => {
                let (ends, broken) = self.loop_body(body);
                self.test(condition);
                let never =
                    matches!(self.ast[condition].kind, ExprKind::Bool(false) | ExprKind::Nil);
                return (ends || never) && !broken;
            }
            StatKind::If { branches, otherwise } => return self.if_stat(branches, otherwise),
            StatKind::NumericFor { var, from, to, step, body } => {
                for expr in [Some(from), Some(to), step].into_iter().flatten() {
                    self.infer(expr);
                }
                self.declare(var, Value::sure(Ty::NUMBER));
                self.loop_body(body);
            }
            StatKind::GenericFor { vars, values, body } => {
                self.loop_variables(vars, values);
                self.loop_body(body);
            }
            StatKind::Return(values) => {
                self.returns(span, values);
                return true;
            }
            StatKind::Break | StatKind::Goto(_) => {
                if let Some(broken) = self.loops.last_mut() {
                    *broken = true;
                }
                return true;
            }
            StatKind::Continue => return true,
            StatKind::Label(_) | StatKind::TypeAlias(_) | StatKind::TypeFunction { .. } => {}
            StatKind::Error(values) => self.infer_all(values),
        }
        false
    }

    fn is_error_call(&self, call: ExprId) -> bool {
        let ExprKind::Call { callee, .. } = self.ast[call].kind else { return false };
        let ExprKind::Name(name) = self.ast[callee].kind else { return false };
        self.resolved.use_of(callee) == Use::Global && self.ast.text(name) == "error"
    }

    /// Does the body end, and was it left by `break`?
    fn loop_body(&mut self, body: BlockId) -> (bool, bool) {
        self.loops.push(false);
        let ends = self.block(body);
        (ends, self.loops.pop().unwrap_or(true))
    }

    fn local(&mut self, bindings: List<Binding>, values: List<ExprId>) {
        let ast = self.ast;
        let exprs = &ast[values];
        let mut tail: Option<Values> = None;
        for (n, id) in ast.binding_ids(bindings).enumerate() {
            let want = self.declared_as(id);
            let value = match exprs.get(n) {
                Some(expr) if n + 1 < exprs.len() || !self.is_several(*expr) => match want {
                    Some(want) => self.check(*expr, want),
                    None => self.infer(*expr),
                },
                // The last expression gives the rest.
                more => {
                    if let (Some(expr), None) = (more, &tail) {
                        let mut values = Values { known: Default::default(), rest: Rest::None };
                        self.infer_last(*expr, &mut values);
                        tail = Some(values);
                    }
                    let first = exprs.len().saturating_sub(1);
                    let mut value = tail.as_ref().and_then(|values| values.get(n - first.min(n)));
                    if more.is_some() {
                        // A call that gives nothing, where one value is wanted.
                        value = value.or(Some(Value::sure(Ty::NIL)));
                    }
                    if let (Some(value), Some(want), Some(expr)) = (value, want, exprs.last()) {
                        self.fit(value, ast[*expr].span, want);
                    }
                    // Nothing yet: the program fills it in later, or it is nil.
                    value.unwrap_or(Value::ANY)
                }
            };
            self.declare_local(id, want, value);
        }
        for expr in exprs.iter().skip(bindings.len()) {
            self.infer(*expr);
        }
    }

    /// What the annotation of a local wants.
    fn declared_as(&mut self, id: BindingId) -> Option<Want> {
        let written = self.ast[id].ty?;
        let ty = self.ty(written);
        Some(Want { ty, code: codes::MISMATCH, declared: Some(self.ast[written].span) })
    }

    fn declare_local(&mut self, id: BindingId, want: Option<Want>, value: Value) {
        let value = match want {
            // A value that is known better than the annotation says may be used as what it is.
            Some(want) => {
                Value { ty: want.ty, sure: value.sure && value.ty == want.ty, host: false }
            }
            None if self.resolved.local(id).writes > 0 => Value::ANY,
            None => Value { ty: self.types.widen(value.ty), ..value },
        };
        self.declare(id, value);
    }

    fn assign(&mut self, targets: List<ExprId>, values: List<ExprId>) {
        let ast = self.ast;
        let (targets, values) = (&ast[targets], &ast[values]);
        for (n, value) in values.iter().enumerate() {
            let want = targets.get(n).and_then(|target| self.target(*target, false).0);
            match want {
                Some(want) if n + 1 < values.len() || !self.is_several(*value) => {
                    self.check(*value, want);
                }
                _ => {
                    let value = self.infer(*value);
                    if let Some(want) = want {
                        self.fit(value, ast[values[n]].span, want);
                    }
                }
            }
        }
        for target in targets.iter().skip(values.len()) {
            self.target(*target, false);
        }
    }

    /// What may be assigned to a place, and what is there if it is `read` too.
    fn target(&mut self, target: ExprId, read: bool) -> (Option<Want>, Value) {
        let mut want = Want { ty: Ty::ANY, code: codes::MISMATCH, declared: None };
        match self.ast[target].kind {
            ExprKind::Name(_) => {
                let value = if read { self.infer(target) } else { Value::ANY };
                let binding = self.resolved.use_of(target).binding();
                let Some((binding, written)) =
                    binding.and_then(|binding| Some((binding, self.ast[binding].ty?)))
                else {
                    return (None, value);
                };
                want.ty = self.slots[binding.index()].ty;
                want.declared = Some(self.ast[written].span);
                (Some(want), value)
            }
            ExprKind::Field { object, name, .. } => {
                let object = self.infer(object);
                if object.host && !read {
                    return (None, Value::ANY);
                }
                let field = self.field(object, name);
                if object.host || field.host {
                    return (None, field);
                }
                // Taking a field away is no mistake.
                want.ty = self.types.optional(field.ty);
                (Some(want), field)
            }
            ExprKind::Index { object, key } => {
                let object = self.infer(object);
                let key = self.infer(key);
                let value = self.element(object, key);
                let ty = self.types.resolve(object.ty);
                let (Kind::Array(element) | Kind::Map(_, element)) = self.types.kind(ty) else {
                    return (None, value);
                };
                let element = *element;
                want.ty = self.types.optional(element);
                (Some(want), value)
            }
            _ => (None, self.infer(target)),
        }
    }

    fn compound(&mut self, op: BinaryOp, target: ExprId, value: ExprId) {
        let (want, a) = self.target(target, true);
        let b = self.infer(value);
        if op == BinaryOp::Concat {
            return;
        }
        let result = self.arithmetic(op.text(), &[(target, a), (value, b)]);
        if let Some(want) = want {
            self.fit(result, self.ast[value].span, want);
        }
    }

    fn if_stat(&mut self, branches: List<IfBranch>, otherwise: Option<BlockId>) -> bool {
        let ast = self.ast;
        let branches = &ast[branches];
        let start = self.undo.len();
        let mut all_end = true;
        for branch in branches {
            self.test(branch.condition);
            let mark = self.undo.len();
            self.narrow(branch.condition, true);
            all_end &= self.block(branch.body);
            self.restore(mark);
            self.narrow(branch.condition, false);
        }
        let Some(otherwise) = otherwise else {
            // Whoever gets past has failed all tests, if all branches leave.
            if !all_end {
                self.restore(start);
            }
            return false;
        };
        let else_ends = self.block(otherwise);
        self.restore(start);
        if let ([only], true, false) = (branches, else_ends, all_end) {
            self.narrow(only.condition, true);
        }
        all_end && else_ends
    }

    fn loop_variables(&mut self, vars: List<Binding>, values: List<ExprId>) {
        let ast = self.ast;
        let mut types = (Ty::ANY, Ty::ANY);
        match &ast[values] {
            [only] => types = self.iterated(*only),
            _ => self.infer_all(values),
        }
        for (n, id) in ast.binding_ids(vars).enumerate() {
            let declared = self.declared_as(id);
            let ty = match n {
                0 => types.0,
                1 => types.1,
                _ => Ty::ANY,
            };
            self.declare(id, Value::unsure(declared.map_or(ty, |want| want.ty)));
        }
    }

    /// What `pairs(x)` and `ipairs(x)` go through.
    fn iterated(&mut self, iterator: ExprId) -> (Ty, Ty) {
        let ast = self.ast;
        let any = (Ty::ANY, Ty::ANY);
        if let ExprKind::Call { callee, args, .. } = ast[iterator].kind
            && let ExprKind::Name(name) = ast[callee].kind
            && self.resolved.use_of(callee) == Use::Global
            && let [arg] = ast[args]
            && let name @ ("pairs" | "ipairs") = ast.text(name)
        {
            let value = self.infer(arg);
            self.touch(arg);
            let ty = self.types.resolve(value.ty);
            return match (name, self.types.kind(ty)) {
                (_, Kind::Array(element)) => (Ty::NUMBER, *element),
                ("pairs", Kind::Map(key, value)) => (*key, *value),
                ("pairs", Kind::Record(_)) => (Ty::STRING, Ty::ANY),
                ("ipairs", _) => (Ty::NUMBER, Ty::ANY),
                _ => any,
            };
        }
        self.infer(iterator);
        any
    }
}
