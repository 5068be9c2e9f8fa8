//! `tonumber`, and the type calls `number`, `integer`, `boolean`; `string` has its own file.

use std::ffi::c_int;

use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Raise, Ret, host, set_functions};

/// Adds the functions to the table on top of the stack.
pub(super) fn fill(l: State) {
    l.get_field(State::GLOBALS, "tonumber");
    l.wrap_function(to_number, c"tonumber");
    l.set_field(-2, "tonumber");
    set_functions(
        l,
        &[(c"number", host(number)), (c"integer", host(integer)), (c"boolean", host(boolean))],
    );
}

/// Is the number one that the specification calls an integer?
pub fn is_integral(number: f64) -> bool {
    const LIMIT: f64 = 9_223_372_036_854_775_808.0;
    number.fract() == 0.0 && (-LIMIT..=LIMIT).contains(&number)
}

/// Luau's function, except that `inf` and `nan` are no numbers, and for other bases than ten.
fn to_number(l: State) -> Option<c_int> {
    let base = match l.type_of(2) {
        Type::None | Type::Nil => 10.0,
        _ => l.number(2)?,
    };
    if base != 10.0 {
        if !(2.0..37.0).contains(&base) {
            l.raise_message("bad argument #2 to 'tonumber' (base out of range)");
        }
        let number = match l.type_of(1) {
            Type::String | Type::Number => l.bytes(1).and_then(|text| parse(text, base as u32)),
            Type::None => return None,
            _ => None,
        };
        push_optional(l, number);
        return Some(1);
    }
    if l.type_of(1) != Type::String {
        return None;
    }
    // No numeral has this letter.
    let has_n = l.bytes(1)?.iter().any(|byte| matches!(byte, b'n' | b'N'));
    has_n.then(|| {
        l.push_nil();
        1
    })
}

fn push_optional(l: State, number: Option<f64>) {
    match number {
        Some(number) => l.push_number(number),
        None => l.push_nil(),
    }
}

/// The integer that `text` is in `base`; spaces around it and a sign are allowed.
fn parse(text: &[u8], base: u32) -> Option<f64> {
    let text = text.trim_ascii();
    let (negative, digits) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let digits = match digits {
        [b'0', b'x' | b'X', rest @ ..] if base == 16 => rest,
        _ => digits,
    };
    if digits.is_empty() {
        return None;
    }
    let mut number = 0.0;
    for &digit in digits {
        number = number * f64::from(base) + f64::from(char::from(digit).to_digit(base)?);
    }
    Some(if negative { -number } else { number })
}

/// Returns the argument, which has the `expected` type, or raises.
pub(super) fn checked(cx: &Cx, index: c_int, expected: &str, fits: bool) -> Ret {
    let l = cx.l;
    if !fits {
        let got = l.type_name(index);
        return Err(Raise::Message(format!("expected {expected}, got {got}")));
    }
    l.push_value(index);
    cx.values(1)
}

fn number(cx: &mut Cx) -> Ret {
    checked(cx, 1, "number", cx.l.type_of(1) == Type::Number)
}

fn integer(cx: &mut Cx) -> Ret {
    let is_number = cx.l.type_of(1) == Type::Number;
    checked(cx, 1, "integer", is_number && cx.l.number(1).is_some_and(is_integral))
}

fn boolean(cx: &mut Cx) -> Ret {
    checked(cx, 1, "boolean", cx.l.type_of(1) == Type::Boolean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, base: u32, expect: Option<f64>) {
        assert_eq!(parse(text.as_bytes(), base), expect, "{text:?} in base {base}");
    }

    #[test]
    fn integers_in_any_base() {
        check("ff", 16, Some(255.0));
        check(" 0xFF\n", 16, Some(255.0));
        check("-zz", 36, Some(-1295.0));
        check("+101", 2, Some(5.0));
        check("12", 2, None);
        check("0x1", 8, None);
        check("0x", 16, None);
        check("", 16, None);
        check("-", 16, None);
        check("1 1", 2, None);
        check("é", 36, None);
    }

    #[test]
    fn integral_numbers() {
        for yes in [0.0, -0.0, 3.0, -9_223_372_036_854_775_808.0] {
            assert!(is_integral(yes), "{yes}");
        }
        for no in [0.5, 1e300, f64::INFINITY, f64::NAN] {
            assert!(!is_integral(no), "{no}");
        }
    }
}
