//! `table`: Luau's, except `create` and `concat`; `move` has a bound.

use std::ffi::c_int;

use crate::runtime::engine::error;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Raise, Ret, host, set_functions};
use crate::runtime::modules::base::text_max;

/// Room made in advance: a hint beyond this is cut, the table grows anyway.
const ROOM_MAX: f64 = (1 << 20) as f64;
/// Places that `table.move` may go over: half a second of them.
const MOVED_MAX: f64 = (1 << 24) as f64;

pub(super) fn open(l: State) {
    super::push_library(l, "table");
    for name in ["foreach", "foreachi"] {
        l.push_nil();
        l.set_field(-2, name);
    }
    set_functions(l, &[(c"create", host(create)), (c"concat", host(concat))]);
    l.get_field(-1, "freeze");
    l.wrap_function(freeze, c"freeze");
    l.set_field(-2, "freeze");
    l.get_field(-1, "move");
    l.wrap_function(check_move, c"move");
    l.set_field(-2, "move");
    l.set_read_only(-1, true);
}

/// `table.move`: Luau goes over all places, whether there is anything in them or not, and cannot be
/// interrupted meanwhile.
fn check_move(l: State) -> Option<c_int> {
    if let (Some(from), Some(to)) = (l.number(2), l.number(3))
        && to - from > MOVED_MAX
    {
        l.raise_message("too many elements to move");
    }
    None
}

/// `table.create(narray, nhash)`: an empty table.
fn create(cx: &mut Cx) -> Ret {
    let array = cx.number(1)?;
    let hash = cx.number(2)?;
    let room = |hint: f64| hint.clamp(0.0, ROOM_MAX) as usize;
    cx.l.new_table(room(array), room(hash));
    cx.values(1)
}

/// Freezing twice is no mistake.
fn freeze(l: State) -> Option<c_int> {
    if l.type_of(1) != Type::Table || !l.is_read_only(1) {
        return None;
    }
    l.push_value(1);
    Some(1)
}

/// `table.concat(t, separator, from, to)`: strings, numbers and error objects.
fn concat(cx: &mut Cx) -> Ret {
    cx.table(1)?;
    let (l, max) = (cx.l, text_max(cx));
    l.set_top(4);
    let separator = match l.is_nil(2) {
        true => &[][..],
        false => cx.text(2)?,
    };
    let from = match l.is_nil(3) {
        true => 1,
        false => cx.number(3)? as i64,
    };
    let to = match l.is_nil(4) {
        true => l.raw_len(1) as i64,
        false => cx.number(4)? as i64,
    };
    let mut joined = Vec::new();
    for n in from..=to {
        if n > from {
            append(&mut joined, separator, max)?;
        }
        let found = match usize::try_from(n) {
            Ok(n) if n <= i32::MAX as usize => l.raw_get_index(1, n),
            _ => {
                l.push_number(n as f64);
                l.raw_get(1)
            }
        };
        match found {
            Type::String | Type::Number => {
                append(&mut joined, l.bytes(-1).unwrap_or_default(), max)?;
            }
            _ => match error::message(l, -1) {
                Some(message) => append(&mut joined, message.as_bytes(), max)?,
                None => return Err(not_a_text(l, n)),
            },
        }
        l.pop(1);
    }
    l.push_bytes(&joined);
    cx.values(1)
}

/// Too much to hold is an error of the program, not the end of all of them.
fn append(joined: &mut Vec<u8>, text: &[u8], max: usize) -> Result<(), Raise> {
    if joined.len() + text.len() > max || joined.try_reserve(text.len()).is_err() {
        return Err("resulting string too large".into());
    }
    joined.extend_from_slice(text);
    Ok(())
}

fn not_a_text(l: State, n: i64) -> Raise {
    let got = l.type_name(-1);
    Raise::Message(format!("invalid value ({got}) at index {n} in table for 'concat'"))
}
