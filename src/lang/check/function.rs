//! Functions: their types, and what their bodies promise.

use super::Checker;
use super::Value;
use super::codes;
use crate::lang::ast::*;
use crate::lang::diagnostic::Code;
use crate::lang::span::Span;
use crate::lang::types::Kind;
use crate::lang::types::Param;
use crate::lang::types::Results;
use crate::lang::types::Signature;
use crate::lang::types::Ty;

/// What a function says it returns.
#[derive(Clone, Debug, Default)]
pub(super) struct Promise {
    pub(super) results: Results,
    pub(super) declared: Option<Span>,
}

/// A function around a place.
pub(super) struct Frame {
    pub(super) promise: Promise,
    /// What each of `...` is.
    pub(super) vararg: Option<Ty>,
    pub(super) returns: bool,
}

/// A function whose type is known and whose body was not looked at.
pub(super) struct Opened {
    function: FunctionId,
    pub(super) ty: Ty,
    mark: usize,
    promise: Promise,
    vararg: Option<Ty>,
    params: Vec<Value>,
}

impl Checker<'_> {
    /// The type of a function, after its body was checked.
    pub(super) fn function(&mut self, id: FunctionId) -> Ty {
        let opened = self.open_function(id);
        let ty = opened.ty;
        self.body(opened);
        ty
    }

    /// The type of a function. Parameters without a type are `any`, whatever is wanted of it.
    pub(super) fn open_function(&mut self, id: FunctionId) -> Opened {
        let ast = self.ast;
        let function = ast[id];
        let mark = self.generics.len();
        self.enter_generics(function.generics);
        let mut signature = Signature::default();
        let mut params = Vec::with_capacity(function.params.len());
        let mut annotated = function.vararg.is_some();
        for binding in &ast[function.params] {
            let name = Some(self.sym(binding.name.name));
            let (ty, value, optional) = match binding.ty {
                Some(ty) => {
                    annotated = true;
                    let ty = self.ty(ty);
                    (ty, Value::sure(ty), self.types.may_be_nil(ty))
                }
                None => (Ty::ANY, Value::ANY, true),
            };
            signature.params.push(Param { name, ty, optional });
            params.push(value);
        }
        let vararg = function.vararg.map(|vararg| match vararg.ty.map(|ty| (ty, ast[ty].kind)) {
            Some((_, TypeKind::GenericPack(_))) | None => Ty::ANY,
            Some((ty, _)) => self.ty(ty),
        });
        signature.rest = vararg;
        let mut promise = Promise::default();
        if let Some(result) = function.result {
            promise.results = self.results(result);
            promise.declared = Some(ast[result].span);
        }
        signature.loose = !annotated && promise.declared.is_none();
        signature.results = promise.results.clone();
        signature.generic = !self.generics.is_empty();
        let ty = self.types.make(Kind::Signature(Box::new(signature)));
        if let Some(seen) = &mut self.seen {
            seen.functions[id.index()] = Some(ty);
        }
        Opened { function: id, ty, mark, promise, vararg, params }
    }

    pub(super) fn signature_in(&mut self, ty: Ty) -> Option<Signature> {
        let ty = self.types.without_nil(ty);
        let ty = self.types.resolve(ty);
        match self.types.kind(ty) {
            Kind::Signature(signature) => Some((**signature).clone()),
            _ => None,
        }
    }

    pub(super) fn enter_function(&mut self, vararg: Option<Ty>, promise: Promise) {
        let vararg = if self.functions.is_empty() { Some(Ty::ANY) } else { vararg };
        self.functions.push(Frame { promise, vararg, returns: false });
    }

    /// Checks the body of a function.
    pub(super) fn body(&mut self, opened: Opened) {
        let Opened { function: id, mark, promise, vararg, params, .. } = opened;
        let ast = self.ast;
        let function = ast[id];
        for (binding, value) in ast.binding_ids(function.params).zip(params) {
            self.declare(binding, value);
        }
        self.enter_function(vararg, promise);
        let testing = std::mem::take(&mut self.testing);
        let loops = std::mem::take(&mut self.loops);
        let ends = self.block(function.body);
        (self.testing, self.loops) = (testing, loops);
        let frame = self.functions.pop();
        self.generics.truncate(mark);
        let Some(Frame { promise, returns: false, .. }) = frame else { return };
        if let Results::Known(types, _) = &promise.results
            && let Some(first) = types.first()
            && !ends
            && !self.types.may_be_nil(*first)
            && let Some(declared) = promise.declared
        {
            let shown = self.types.show(*first);
            let message = format!("the function promises {shown} and has no return");
            self.report(codes::NO_RETURN, declared, message);
        }
    }

    /// A local that begins here. One that is written to later is never sure.
    pub(super) fn declare(&mut self, binding: BindingId, value: Value) {
        let sure = value.sure && self.resolved.local(binding).writes == 0;
        self.slots[binding.index()] = Value { sure, ..value };
    }

    /// `return` with these values.
    pub(super) fn returns(&mut self, span: Span, list: List<ExprId>) {
        let ast = self.ast;
        let list = &ast[list];
        let Some(frame) = self.functions.last_mut() else { return };
        frame.returns = true;
        let Promise { results, declared } = frame.promise.clone();
        let Results::Known(types, rest) = results else {
            for expr in list {
                self.infer(*expr);
            }
            return;
        };
        let code: Code = codes::RETURN;
        let several = types.len() > 1;
        let mut types = types.into_iter();
        for (n, expr) in list.iter().enumerate() {
            let Some(ty) = types.next().or(rest) else {
                // More than promised: Lua lets callers drop them.
                self.infer(*expr);
                continue;
            };
            // `return nil, err` stands for failure whatever the first type says.
            let ty = if several { self.types.optional(ty) } else { ty };
            let want = super::expr::Want { ty, code, declared };
            let is_call = matches!(ast[*expr].kind, ExprKind::Call { .. } | ExprKind::Vararg);
            if is_call && n + 1 == list.len() && several {
                self.infer(*expr);
            } else {
                self.check(*expr, want);
            }
        }
        if list.is_empty()
            && !several
            && let Some(ty) = types.next()
            && !self.types.may_be_nil(ty)
        {
            let message = format!("expected {}, got nothing", self.types.show(ty));
            if let Some(found) = self.report(code, span, message) {
                found.related = declared.map(|span| (span, "promised here".into()));
            }
        }
    }
}
