//! `string`: Luau's functions, which here also take error objects for strings.
//!
//! Each function is wrapped: error objects among the arguments are replaced by their messages, then
//! Luau's function runs in the same frame. Calls that the compiler turns into instructions
//! (`byte`, `char`, `len`, `sub` on plain strings) do not even come here.

use std::ffi::{CStr, c_int};

use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Raise, Ret, error, host, set_functions};
use crate::runtime::modules::base::STRING_MAX;
use crate::runtime::modules::base::numbers::checked;

/// Wrapped without further differences.
const WRAPPED: &[&CStr] = &[
    c"byte",
    c"char",
    c"find",
    c"gmatch",
    c"gsub",
    c"len",
    c"match",
    c"pack",
    c"packsize",
    c"reverse",
    c"split",
    c"sub",
    c"unpack",
];

pub(super) fn open(l: State) {
    super::push_library(l, "string");
    for name in WRAPPED {
        let field = name.to_string_lossy();
        l.get_field(-1, &field);
        l.wrap_function(texts, name);
        l.set_field(-2, &field);
    }
    super::alias(l, "gfind", "gmatch");
    l.get_field(-1, "format");
    l.wrap_function(format, c"format");
    l.set_field(-2, "format");
    l.get_field(-1, "rep");
    l.wrap_function(repeat, c"rep");
    l.set_field(-2, "rep");
    l.get_field(-1, "lower");
    l.wrap_function(|l| change_case(l, lower), c"lower");
    l.set_field(-2, "lower");
    l.get_field(-1, "upper");
    l.wrap_function(|l| change_case(l, upper), c"upper");
    l.set_field(-2, "upper");
    set_functions(l, &[(c"dump", host(dump))]);

    // `string(v)` is the type call.
    l.new_table(0, 2);
    set_functions(l, &[(c"__call", host(check_string))]);
    lock(l);
    l.set_metatable(-2);
    l.set_read_only(-1, true);

    // Methods of strings are the functions of this table. Luau's own is reachable no more.
    l.push_str("");
    l.new_table(0, 2);
    l.push_value(-3);
    l.set_field(-2, "__index");
    lock(l);
    l.set_metatable(-2);
    l.pop(1);
}

/// Keeps programs from getting at the metatable on top of the stack.
fn lock(l: State) {
    l.push_str("locked");
    l.set_field(-2, "__metatable");
    l.set_read_only(-1, true);
}

fn check_string(cx: &mut Cx) -> Ret {
    checked(cx, 2, "string", cx.l.type_of(2) == Type::String)
}

fn dump(_cx: &mut Cx) -> Ret {
    Err(Raise::Message("unable to dump given function".into()))
}

/// Replaces error objects among the arguments by their messages.
fn texts(l: State) -> Option<c_int> {
    for index in 1..=l.top() {
        text(l, index);
    }
    None
}

#[inline]
fn text(l: State, index: c_int) {
    if l.type_of(index) == Type::Userdata
        && let Some(message) = error::message(l, index)
    {
        l.push_str(&message);
        l.replace(index);
    }
}

/// `string.rep`: a count beyond what Luau reads as an integer is too large, not zero.
fn repeat(l: State) -> Option<c_int> {
    texts(l);
    let too_many = l.number(2).is_some_and(|count| count > STRING_MAX as f64);
    if too_many && l.type_of(1) == Type::String && l.raw_len(1) > 0 {
        l.raise_message("resulting string too large");
    }
    None
}

/// `string.format`: `%s` takes any value.
fn format(l: State) -> Option<c_int> {
    text(l, 1);
    let plain = |index| matches!(l.type_of(index), Type::String | Type::Number);
    if !(2..=l.top()).all(plain) {
        format_any(l);
    }
    None
}

/// Turns the arguments that `%s` prints into strings, as `tostring` does.
fn format_any(l: State) {
    let Some(format) = l.bytes(1) else { return };
    let mut specifiers = format.iter();
    let mut index = 1;
    while specifiers.by_ref().any(|&byte| byte == b'%') {
        let specifier = specifiers.by_ref().find(|byte| !b"-+ #.0123456789".contains(byte));
        if specifier == Some(&b'%') {
            continue;
        }
        index += 1;
        if index > l.top() {
            return;
        }
        if specifier == Some(&b's') && !matches!(l.type_of(index), Type::String | Type::Number) {
            l.push_text_of(index);
            l.replace(index);
        }
        text(l, index);
    }
}

/// `lower` and `upper`: Luau's for ASCII and for what is not UTF-8.
fn change_case(l: State, change: fn(char) -> char) -> Option<c_int> {
    text(l, 1);
    if l.type_of(1) != Type::String {
        return None;
    }
    let text = l.bytes(1)?;
    if text.is_ascii() {
        return None;
    }
    let changed: String = std::str::from_utf8(text).ok()?.chars().map(change).collect();
    l.push_str(&changed);
    Some(1)
}

/// The simple mapping: a letter whose other case is several letters stays as it is, but for the
/// Greek ones with an iota below, which have a capital that is one letter besides.
fn upper(c: char) -> char {
    let above = match c {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => 8,
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => 9,
        _ => return single(c.to_uppercase(), c),
    };
    char::from_u32(u32::from(c) + above).unwrap_or(c)
}

fn lower(c: char) -> char {
    match c {
        // The one letter whose full lower case has a second part that the simple one has not.
        'İ' => 'i',
        _ => single(c.to_lowercase(), c),
    }
}

fn single(mut mapped: impl Iterator<Item = char>, c: char) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(only), None) => only,
        _ => c,
    }
}
