//! `math`: Luau's, plus what Lua 5.3 has, with random numbers of our own.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Ret, host, set_functions};
use crate::runtime::modules::base::numbers::is_integral;

pub(super) fn open(l: State) {
    super::push_library(l, "math");
    super::alias(l, "mod", "fmod");
    set_functions(
        l,
        &[
            (c"log", host(log)),
            (c"random", host(random)),
            (c"randomseed", host(|cx: &mut Cx| cx.nothing())),
            (c"tointeger", host(to_integer)),
            (c"type", host(number_type)),
            (c"ult", host(less_unsigned)),
        ],
    );
    for (name, value) in [
        ("pi", std::f64::consts::PI),
        ("huge", f64::INFINITY),
        ("maxinteger", i64::MAX as f64),
        ("mininteger", i64::MIN as f64),
    ] {
        l.push_number(value);
        l.set_field(-2, name);
    }
    l.set_read_only(-1, true);
}

/// `math.log(x)`: a second argument is ignored.
fn log(cx: &mut Cx) -> Ret {
    cx.l.push_number(cx.number(1)?.ln());
    cx.values(1)
}

fn number_type(cx: &mut Cx) -> Ret {
    match cx.l.type_of(1) {
        Type::None => return Err(cx.bad_argument(1, "value expected")),
        Type::Number => {
            let integral = cx.l.number(1).is_some_and(is_integral);
            cx.l.push_str(if integral { "integer" } else { "float" });
        }
        _ => cx.l.push_nil(),
    }
    cx.values(1)
}

fn to_integer(cx: &mut Cx) -> Ret {
    match cx.l.number(1).filter(|number| is_integral(*number)) {
        Some(number) => cx.l.push_number(number),
        None => cx.l.push_nil(),
    }
    cx.values(1)
}

/// `math.ult(a, b)`: compares as unsigned 64-bit integers.
fn less_unsigned(cx: &mut Cx) -> Ret {
    let (a, b) = (cx.number(1)? as i64, cx.number(2)? as i64);
    cx.bool((a as u64) < (b as u64))
}

/// `random()` in `[0, 1)`; `random(m)` in `1..=m`; `random(m, n)` in `m..=n`.
fn random(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let (low, high) = match l.top() {
        0 => {
            // The 53 bits that a number has.
            l.push_number((next_random() >> 11) as f64 / (1u64 << 53) as f64);
            return cx.values(1);
        }
        1 => (1.0, cx.number(1)?),
        2 => (cx.number(1)?, cx.number(2)?),
        _ => return Err("wrong number of arguments".into()),
    };
    if low.is_nan() || high.is_nan() {
        return Err("interval is empty".into());
    }
    let (low, high) = (low as i64, high as i64);
    if low > high {
        return Err("interval is empty".into());
    }
    let choices = high.abs_diff(low) as u128 + 1;
    // The product's upper half lies evenly below `choices`, but for one part in 2^64.
    let offset = (u128::from(next_random()) * choices) >> 64;
    l.push_number((i128::from(low) + offset as i128) as f64);
    cx.values(1)
}

/// A step of SplitMix64, one sequence per worker, begun anywhere.
fn next_random() -> u64 {
    thread_local! {
        static STATE: Cell<u64> = Cell::new(RandomState::new().hash_one(()));
    }
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
