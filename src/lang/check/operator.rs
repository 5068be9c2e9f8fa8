//! Operators.

use super::Checker;
use super::Value;
use super::codes;
use crate::lang::ast::*;
use crate::lang::types::Kind;
use crate::lang::types::Literal;
use crate::lang::types::Ty;

impl Checker<'_> {
    pub(super) fn unary(&mut self, op: UnaryOp, operand: ExprId) -> Value {
        let value = self.infer(operand);
        match op {
            UnaryOp::Not => Value::sure(Ty::BOOLEAN),
            UnaryOp::Len => Value::sure(Ty::INTEGER),
            UnaryOp::Minus => {
                if let Kind::Literal(Literal::Number(bits)) = self.types.kind(value.ty) {
                    let number = -f64::from_bits(*bits);
                    return Value::sure(self.types.number(number));
                }
                self.arithmetic(op.text(), &[(operand, value)])
            }
            UnaryOp::BitNot => self.arithmetic(op.text(), &[(operand, value)]),
        }
    }

    pub(super) fn binary(&mut self, op: BinaryOp, left: ExprId, right: ExprId) -> Value {
        use BinaryOp::*;
        match op {
            And | Or => return self.logical(op, left, right),
            _ => {}
        }
        let (a, b) = (self.infer(left), self.infer(right));
        if op.priority() == Equal.priority() {
            // The outcome may be kept and tested later.
            self.touch(left);
            self.touch(right);
        }
        match op {
            Concat => {
                for (id, value) in [(left, a), (right, b)] {
                    if value.sure
                        && matches!(self.types.type_name(value.ty), Some("nil" | "boolean"))
                    {
                        self.operand(op.text(), id, value, codes::OPERATION);
                    }
                }
                let is_text = |this: &mut Self, ty| {
                    matches!(this.types.type_name(ty), Some("string" | "number"))
                };
                let text = is_text(self, a.ty) || is_text(self, b.ty);
                if text { Value::unsure(Ty::STRING) } else { Value::ANY }
            }
            Equal | NotEqual => Value::sure(Ty::BOOLEAN),
            Less | LessEqual | Greater | GreaterEqual => {
                let names = (self.types.type_name(a.ty), self.types.type_name(b.ty));
                if let (
                    Some(x @ ("number" | "string" | "nil")),
                    Some(y @ ("number" | "string" | "nil")),
                ) = names
                    && x != y
                {
                    let span = self.ast[left].span.to(self.ast[right].span);
                    let message = format!("{x} cannot be compared with {y}");
                    self.report(codes::OPERATION, span, message);
                }
                Value::sure(Ty::BOOLEAN)
            }
            _ => self.arithmetic(op.text(), &[(left, a), (right, b)]),
        }
    }

    /// The result of arithmetic, also of `+=` and the like.
    pub(super) fn arithmetic(&mut self, op: &str, operands: &[(ExprId, Value)]) -> Value {
        let mut numbers = true;
        for (id, value) in operands {
            match self.types.type_name(value.ty) {
                Some("number") => {}
                Some("boolean") | Some("string") if op == "+" => {
                    self.operand(op, *id, *value, codes::OPERAND);
                }
                Some("boolean" | "function" | "nil") if value.sure => {
                    self.operand(op, *id, *value, codes::OPERATION);
                }
                // Texts of numbers count as numbers; tables may have metatables.
                _ => numbers = false,
            }
        }
        if numbers { Value::sure(Ty::NUMBER) } else { Value::ANY }
    }

    fn operand(&mut self, op: &str, id: ExprId, value: Value, code: crate::lang::diagnostic::Code) {
        let (shown, span) = (self.types.show(value.ty), self.ast[id].span);
        let widened = self.types.widen(value.ty);
        let kind = self.types.show(widened);
        let message = match kind == shown {
            true => format!("'{op}' cannot work with {shown}"),
            false => format!("'{op}' cannot work with {kind} {shown}"),
        };
        if let Some(found) = self.report(code, span, message)
            && op == "+"
            && kind == "string"
        {
            found.help = Some("'..' joins strings; tonumber() reads a number".into());
        }
    }

    fn logical(&mut self, op: BinaryOp, left: ExprId, right: ExprId) -> Value {
        self.testing += 1;
        let a = self.infer(left);
        self.testing -= 1;
        let mark = self.undo.len();
        self.narrow(left, op == BinaryOp::And);
        let b = self.infer(right);
        self.restore(mark);
        let kept = match op {
            BinaryOp::And => self.types.falsy(a.ty),
            _ => self.types.truthy(a.ty),
        };
        // What is false of anything is no more than false or nil.
        let open = matches!(self.types.kind(kept), Kind::Any | Kind::Unknown | Kind::Parameter(..));
        if op == BinaryOp::And && open {
            let no = self.types.bool(false);
            return Value::unsure(self.types.union(&[no, Ty::NIL, b.ty]));
        }
        Value::unsure(self.types.union(&[kept, b.ty]))
    }
}
