//! Operators on 64-bit integers, which Luau lacks: what translated programs call in their place.
//!
//! Numbers are cut to integers and the result is the nearest number, so results are exact within
//! ±2^53. `>>` keeps the sign, `//` rounds down and refuses to divide by zero. No metamethods.

use crate::lang::translate::OPERATORS;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Raise, Ret, set_functions, steady_host};

/// Adds the functions to the table on top of the stack.
pub(super) fn fill(l: State) {
    set_functions(
        l,
        &[
            (c"__wippy_band", steady_host(|cx: &mut Cx| binary(cx, |a, b| a & b))),
            (c"__wippy_bor", steady_host(|cx: &mut Cx| binary(cx, |a, b| a | b))),
            (c"__wippy_bxor", steady_host(|cx: &mut Cx| binary(cx, |a, b| a ^ b))),
            (c"__wippy_shl", steady_host(|cx: &mut Cx| binary(cx, shift_left))),
            (
                c"__wippy_shr",
                steady_host(|cx: &mut Cx| binary(cx, |a, b| shift_left(a, b.saturating_neg()))),
            ),
            (c"__wippy_bnot", steady_host(not)),
            (c"__wippy_idiv", steady_host(divide)),
        ],
    );
    debug_assert!(OPERATORS.iter().all(|name| {
        let there = l.get_field(-1, name) == Type::Function;
        l.pop(1);
        there
    }));
}

fn binary(cx: &mut Cx, operate: impl Fn(i64, i64) -> i64) -> Ret {
    let result = operate(integer(cx, 1)?, integer(cx, 2)?);
    cx.l.push_number(result as f64);
    cx.values(1)
}

fn not(cx: &mut Cx) -> Ret {
    let operand = integer(cx, 1)?;
    cx.l.push_number(!operand as f64);
    cx.values(1)
}

/// `//` takes numbers only, and its errors are worded as those of Luau's arithmetic.
fn divide(cx: &mut Cx) -> Ret {
    let l = cx.l;
    if l.type_of(1) != Type::Number || l.type_of(2) != Type::Number {
        let [left, right] = [1, 2].map(|n| type_name(l, n));
        let and = if left == right { String::new() } else { format!(" and {right}") };
        return Err(format!("attempt to perform arithmetic (idiv) on {left}{and}").into());
    }
    let (dividend, divisor) = (integer(cx, 1)?, integer(cx, 2)?);
    if divisor == 0 {
        return Err("attempt to divide by zero".into());
    }
    // It only wraps for the least integer by -1, which has no remainder.
    let toward_zero = dividend.wrapping_div(divisor);
    let is_beyond = dividend.wrapping_rem(divisor) != 0 && (dividend < 0) != (divisor < 0);
    l.push_number((toward_zero - i64::from(is_beyond)) as f64);
    cx.values(1)
}

/// By 64 and more nothing is left; a negative count shifts the other way.
fn shift_left(number: i64, count: i64) -> i64 {
    match count {
        0..64 => number << count,
        -63..0 => number >> -count,
        _ => 0,
    }
}

/// An operand: a number, or a text that is one. Beyond the range of integers it is the nearest one.
#[inline]
fn integer(cx: &Cx, n: i32) -> Result<i64, Raise> {
    let refused =
        || format!("attempt to perform bitwise operation on a {} value", type_name(cx.l, n));
    cx.l.number(n).map(|number| number as i64).ok_or_else(|| refused().into())
}

fn type_name(l: State, n: i32) -> &'static str {
    match l.type_of(n) {
        Type::None => "nil",
        _ => l.type_name(n),
    }
}
