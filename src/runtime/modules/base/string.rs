//! `string`: Luau's functions, which here also take error objects for strings.
//!
//! Each function is wrapped: error objects among the arguments are replaced by their messages, then
//! Luau's function runs in the same frame. Calls that the compiler turns into instructions
//! (`byte`, `char`, `len`, `sub` on plain strings) do not even come here.

use std::ffi::{CStr, c_int};

use crate::runtime::engine::raw::{Before, State, Type};
use crate::runtime::engine::{Cx, Raise, Ret, error, host, set_functions};
use crate::runtime::modules::base::STRING_MAX;
use crate::runtime::modules::base::numbers::checked;

/// Wrapped without further differences.
const WRAPPED: &[&CStr] =
    &[c"byte", c"char", c"len", c"pack", c"packsize", c"reverse", c"sub", c"unpack"];

/// Steps that a pattern may take where it cannot be interrupted: 0.7 seconds of them.
const STEPS_MAX: usize = 1 << 30;
/// Products of lengths up to this are left to Luau, which is quadratic but quick with the small.
const QUADRATIC_MAX: usize = 1 << 20;

pub(super) fn open(l: State) {
    super::push_library(l, "string");
    for name in WRAPPED {
        wrap(l, &name.to_string_lossy(), texts, name);
    }
    wrap(l, "find", find, c"find");
    for (name, traced) in [("gmatch", c"gmatch"), ("gsub", c"gsub"), ("match", c"match")] {
        wrap(l, name, matching, traced);
    }
    wrap(l, "split", split, c"split");
    super::alias(l, "gfind", "gmatch");
    wrap(l, "format", format, c"format");
    wrap(l, "rep", repeat, c"rep");
    wrap(l, "lower", |l| change_case(l, lower), c"lower");
    wrap(l, "upper", |l| change_case(l, upper), c"upper");
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

/// Puts `before` in front of a function of the table on top of the stack.
fn wrap(l: State, name: &str, before: impl Before, traced: &'static CStr) {
    l.get_field(-1, name);
    l.wrap_function(before, traced);
    l.set_field(-2, name);
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

/// Luau's loop over a character set, once for each byte of the text, cannot be interrupted: nobody
/// needs long sets, so a text is too long for one rather than a worker lost.
fn matching(l: State) -> Option<c_int> {
    texts(l);
    let (len, pattern) = (l.raw_len(1), l.raw_len(2));
    if len.saturating_mul(pattern) > STEPS_MAX
        && l.type_of(1) == Type::String
        && let Some(pattern) = l.bytes(2)
        && len.saturating_mul(longest_set(pattern)) > STEPS_MAX
    {
        l.raise_message("text is too long for so large a character set");
    }
    None
}

/// Bytes of the longest character set of a pattern, or more.
fn longest_set(pattern: &[u8]) -> usize {
    let (mut longest, mut begin) = (0, None);
    let mut rest = pattern.iter().enumerate();
    while let Some((at, byte)) = rest.next() {
        match (byte, begin) {
            (b'%', _) => {
                rest.next();
            }
            (b'[', None) => begin = Some(at),
            // The first one in a set stands for itself.
            (b']', Some(first)) if at > first + 2 => {
                longest = longest.max(at - first);
                begin = None;
            }
            _ => {}
        }
    }
    longest.max(begin.map_or(0, |first| pattern.len() - first))
}

/// `string.find`: Luau's, but a long plain text in a long text is found in linear time.
fn find(l: State) -> Option<c_int> {
    matching(l);
    let plain = |pattern: &[u8]| {
        // As Luau looks at it: up to the first NUL.
        let mut looked_at = pattern.iter().take_while(|&&byte| byte != 0);
        l.bool(4) || !looked_at.any(|byte| b"^$*+?.([%-".contains(byte))
    };
    if l.raw_len(1).saturating_mul(l.raw_len(2)) <= QUADRATIC_MAX
        || (l.type_of(1), l.type_of(2)) != (Type::String, Type::String)
    {
        return None;
    }
    let (text, pattern) = (l.bytes(1)?, l.bytes(2)?);
    let from = if l.is_nil(3) { 1.0 } else { l.number(3)? };
    if !plain(pattern) {
        return None;
    }
    let from = if from < 0.0 { from + text.len() as f64 + 1.0 } else { from };
    // Saturates; beyond the end nothing is found.
    let skipped = (from.max(1.0) - 1.0) as usize;
    let found = text.get(skipped..).and_then(|text| memchr::memmem::find(text, pattern));
    match found {
        Some(at) => {
            let first = skipped + at + 1;
            l.push_number(first as f64);
            l.push_number((first + pattern.len() - 1) as f64);
            Some(2)
        }
        None => {
            l.push_nil();
            Some(1)
        }
    }
}

/// `string.split`: Luau's, but a long separator in a long text is found in linear time.
fn split(l: State) -> Option<c_int> {
    texts(l);
    if l.raw_len(1).saturating_mul(l.raw_len(2)) <= QUADRATIC_MAX
        || (l.type_of(1), l.type_of(2)) != (Type::String, Type::String)
    {
        return None;
    }
    let (text, separator) = (l.bytes(1)?, l.bytes(2)?);
    if separator.is_empty() {
        return None;
    }
    l.new_table(0, 0);
    let ends = memchr::memmem::find_iter(text, separator).map(|at| (at, at + separator.len()));
    let mut begin = 0;
    for (n, (end, next)) in ends.chain([(text.len(), text.len())]).enumerate() {
        l.push_bytes(&text[begin..end]);
        l.raw_set_index(-2, n + 1);
        begin = next;
    }
    Some(1)
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
