//! The base library: what Luau has, with the differences of specification 02.

use crate::runtime::engine::error::ErrorObject;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Raise, Ret, host, register_type};

/// Globals taken from Luau as they are.
const TAKEN: &[&str] = &[
    "assert",
    "error",
    "pcall",
    "xpcall",
    "type",
    "tostring",
    "tonumber",
    "select",
    "next",
    "pairs",
    "ipairs",
    "unpack",
    "rawget",
    "rawset",
    "rawequal",
    "getmetatable",
    "setmetatable",
    "string",
    "table",
    "math",
];

pub fn register_types(l: State) {
    register_type::<ErrorObject>(
        l,
        &[(c"message", host(message)), (c"kind", host(kind)), (c"retryable", host(retryable))],
        &[(c"__tostring", host(message))],
    );
}

/// Fills the base environment, the table on top of the stack.
pub fn fill(l: State) {
    for name in TAKEN {
        if l.get_field(State::GLOBALS, name) == Type::Table {
            l.set_read_only(-1, true);
        }
        l.set_field(-2, name);
    }
    l.push_str("Lua 5.3 - Wippy (Luau)");
    l.set_field(-2, "_VERSION");
    l.push_function(host(require), c"require");
    l.set_field(-2, "require");
}

/// `require(name)`: the global `name` of the process, which `modules:` and `imports:` have put there.
fn require(cx: &mut Cx) -> Ret {
    let name = cx.string(1)?;
    let l = cx.l;
    if name == "_G" {
        l.push_value(State::GLOBALS);
        return cx.values(1);
    }
    match l.index_field(State::GLOBALS, &name) {
        Type::Nil => Err(Raise::Message(format!("module '{name}' not found"))),
        _ => cx.values(1),
    }
}

fn message(cx: &mut Cx) -> Ret {
    let text = cx.l.with::<ErrorObject, _>(1, |object| object.message());
    cx.str(&text.ok_or("error expected")?)
}

fn kind(cx: &mut Cx) -> Ret {
    let kind = cx.l.with::<ErrorObject, _>(1, |object| object.error.kind().as_str().to_owned());
    cx.str(&kind.ok_or("error expected")?)
}

fn retryable(cx: &mut Cx) -> Ret {
    match cx.l.with::<ErrorObject, _>(1, |object| object.error.retryable()).flatten() {
        Some(flag) => cx.bool(flag),
        None => {
            cx.l.push_nil();
            cx.values(1)
        }
    }
}
