//! What tests tell about locals.
//!
//! Only locals that are never written to are narrowed: nothing can change them behind our back, so
//! what a test has told stays true in the whole branch, closures included. A local that a test names
//! is no longer sure afterwards, whether the test was understood or not.

use super::Checker;
use crate::lang::ast::*;
use crate::lang::resolve::Use;
use crate::lang::types::Kind;
use crate::lang::types::Literal;
use crate::lang::types::Ty;

impl Checker<'_> {
    /// Looks at a condition.
    pub(super) fn test(&mut self, condition: ExprId) {
        self.testing += 1;
        self.infer(condition);
        self.testing -= 1;
    }

    /// Takes a condition as true or false, until [`Checker::restore`].
    pub(super) fn narrow(&mut self, condition: ExprId, holds: bool) {
        match self.ast[condition].kind {
            ExprKind::Name(_) => {
                let Some(binding) = self.narrowable(condition) else { return };
                let ty = self.slots[binding.index()].ty;
                let ty = if holds { self.types.truthy(ty) } else { self.types.falsy(ty) };
                self.become_ty(binding, ty);
            }
            ExprKind::Paren(inner) => self.narrow(inner, holds),
            ExprKind::Unary { op: UnaryOp::Not, operand } => self.narrow(operand, !holds),
            ExprKind::Binary { op: BinaryOp::And, left, right, .. } if holds => {
                self.narrow(left, true);
                self.narrow(right, true);
            }
            ExprKind::Binary { op: BinaryOp::Or, left, right, .. } if !holds => {
                self.narrow(left, false);
                self.narrow(right, false);
            }
            ExprKind::Binary { op: BinaryOp::Equal, left, right, .. } => {
                self.narrow_equal(left, right, holds);
            }
            ExprKind::Binary { op: BinaryOp::NotEqual, left, right, .. } => {
                self.narrow_equal(left, right, !holds);
            }
            _ => {}
        }
    }

    /// Forgets what was narrowed since the mark, a former length of `undo`.
    pub(super) fn restore(&mut self, mark: usize) {
        for (binding, ty) in self.undo.drain(mark..).rev() {
            self.slots[binding.index()].ty = ty;
        }
    }

    /// A local that was handed out: whoever got it may have looked at it.
    pub(super) fn touch(&mut self, expr: ExprId) {
        if let Use::Local(binding) = self.resolved.use_of(expr) {
            self.slots[binding.index()].sure = false;
        }
    }

    fn narrowable(&self, expr: ExprId) -> Option<BindingId> {
        let binding = self.resolved.use_of(expr).binding()?;
        (self.resolved.local(binding).writes == 0).then_some(binding)
    }

    fn become_ty(&mut self, binding: BindingId, ty: Ty) {
        let before = self.slots[binding.index()].ty;
        // Never the same test twice: what cannot be may be after all, if a test was misunderstood.
        if ty != before && ty != Ty::NEVER {
            self.undo.push((binding, before));
            self.slots[binding.index()].ty = ty;
        }
    }

    fn narrow_equal(&mut self, left: ExprId, right: ExprId, equal: bool) {
        let (subject, value) = match self.ast[left].kind {
            ExprKind::Nil | ExprKind::String | ExprKind::Number | ExprKind::Bool(_) => {
                (right, left)
            }
            _ => (left, right),
        };
        match (self.ast[subject].kind, self.ast[value].kind) {
            (ExprKind::Name(_), ExprKind::Nil) => {
                let Some(binding) = self.narrowable(subject) else { return };
                let ty = self.slots[binding.index()].ty;
                let ty = self.types.filter(ty, &mut |types, part| match types.kind(part) {
                    Kind::Any | Kind::Unknown | Kind::Parameter(..) | Kind::Error => Some(part),
                    _ => ((part == Ty::NIL) == equal).then_some(part),
                });
                self.become_ty(binding, ty);
            }
            (ExprKind::Name(_), ExprKind::String | ExprKind::Number | ExprKind::Bool(_)) => {
                let Some(binding) = self.narrowable(subject) else { return };
                let literal = self.infer(value).ty;
                let ty = self.slots[binding.index()].ty;
                let ty = self.types.filter(ty, &mut |types, part| match equal {
                    true => types.accepts(literal, part, true).then_some(part),
                    false => (part != literal).then_some(part),
                });
                self.become_ty(binding, ty);
            }
            (
                ExprKind::Field { object, name, .. },
                ExprKind::String | ExprKind::Number | ExprKind::Bool(_),
            ) => {
                let Some(binding) = self.narrowable(object) else { return };
                let (literal, sym) = (self.infer(value).ty, self.sym(name.name));
                let ty = self.slots[binding.index()].ty;
                let ty = self.types.filter(ty, &mut |types, part| {
                    let Some(field) = types.field(part, sym) else { return Some(part) };
                    let fits = match equal {
                        true => types.accepts(literal, field.ty, true),
                        false => field.ty != literal,
                    };
                    fits.then_some(part)
                });
                self.become_ty(binding, ty);
            }
            (ExprKind::Call { callee, args, .. }, ExprKind::String) => {
                let (ExprKind::Name(name), [arg]) = (self.ast[callee].kind, &self.ast[args]) else {
                    return;
                };
                let arg = *arg;
                if self.ast.text(name) == "type" && self.resolved.use_of(callee) == Use::Global {
                    self.narrow_type(arg, value, equal);
                }
            }
            _ => {}
        }
    }

    /// `type(x) == "name"`.
    fn narrow_type(&mut self, subject: ExprId, name: ExprId, equal: bool) {
        let Some(binding) = self.narrowable(subject) else { return };
        let literal = self.infer(name).ty;
        let Kind::Literal(Literal::String(name)) = self.types.kind(literal) else { return };
        let name = self.types.text(*name).to_owned();
        let ty = self.slots[binding.index()].ty;
        let open = matches!(self.types.kind(ty), Kind::Any | Kind::Unknown);
        if open {
            let known = match name.as_str() {
                "number" => Ty::NUMBER,
                "string" => Ty::STRING,
                "boolean" => Ty::BOOLEAN,
                _ => return,
            };
            if equal {
                self.become_ty(binding, known);
            }
            return;
        }
        let ty = self.types.filter(ty, &mut |types, part| match types.type_name(part) {
            Some(known) => ((known == name) == equal).then_some(part),
            None => Some(part),
        });
        self.become_ty(binding, ty);
    }
}
