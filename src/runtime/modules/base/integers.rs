//! Bitwise operators, which Luau lacks: what translated programs call in their place.
//!
//! Numbers are cut to 64-bit integers and the result is the nearest number, so results are exact
//! within ±2^53. `>>` keeps the sign. No metamethods.

use crate::lang::translate::BITWISE;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Raise, Ret, host, set_functions};

/// Adds the functions to the table on top of the stack.
pub(super) fn fill(l: State) {
    set_functions(
        l,
        &[
            (c"__wippy_band", host(|cx: &mut Cx| binary(cx, |a, b| a & b))),
            (c"__wippy_bor", host(|cx: &mut Cx| binary(cx, |a, b| a | b))),
            (c"__wippy_bxor", host(|cx: &mut Cx| binary(cx, |a, b| a ^ b))),
            (c"__wippy_shl", host(|cx: &mut Cx| binary(cx, shift_left))),
            (
                c"__wippy_shr",
                host(|cx: &mut Cx| binary(cx, |a, b| shift_left(a, b.saturating_neg()))),
            ),
            (c"__wippy_bnot", host(not)),
        ],
    );
    debug_assert!(BITWISE.iter().all(|name| {
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

/// By 64 and more nothing is left; a negative count shifts the other way.
fn shift_left(number: i64, count: i64) -> i64 {
    match count {
        0..64 => number << count,
        -63..0 => number >> -count,
        _ => 0,
    }
}

/// An operand: a number, or a text that is one.
fn integer(cx: &Cx, n: i32) -> Result<i64, Raise> {
    match cx.l.type_of(n) {
        // Beyond the range it is the nearest one.
        Type::Number | Type::String => cx.l.number(n).map(|number| number as i64),
        _ => None,
    }
    .ok_or_else(|| {
        let got = match cx.l.type_of(n) {
            Type::None => "nil",
            _ => cx.l.type_name(n),
        };
        format!("attempt to perform bitwise operation on a {got} value").into()
    })
}
