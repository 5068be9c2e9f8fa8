//! The base library: what Luau has, with the differences of specification 02, sections 1 and 2.
//!
//! Most functions are Luau's own. Some are wrapped: a look at the arguments, then Luau's function
//! in the same frame. All tables in here are read-only and shared by the processes of a VM.
//!
//! Left as Luau has it: error texts of its functions, and functions beyond the specification.

mod integers;
mod math;
mod numbers;
mod print;
mod string;
mod table;

use std::ffi::c_int;

use crate::runtime::engine::error::ErrorObject;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Raise, Ret, host, push_functions, set_functions, steady_host};

pub use numbers::is_integral;

/// Globals taken from Luau as they are.
const TAKEN: &[&str] = &[
    "pcall",
    "xpcall",
    "type",
    "tostring",
    "select",
    "next",
    "pairs",
    "ipairs",
    "rawget",
    "rawset",
    "rawequal",
    "getmetatable",
    "setmetatable",
];

/// Functions that the compiler would replace by instructions of Luau, although they are absent here
/// or behave differently. Calls of these look the name up like those of any other.
pub const OVERRIDDEN: &[&str] = &[
    "tonumber",
    "math.log",
    "typeof",
    "rawlen",
    "vector.create",
    "bit32.arshift",
    "bit32.band",
    "bit32.bnot",
    "bit32.bor",
    "bit32.bxor",
    "bit32.btest",
    "bit32.extract",
    "bit32.lrotate",
    "bit32.lshift",
    "bit32.replace",
    "bit32.rrotate",
    "bit32.rshift",
    "bit32.countlz",
    "bit32.countrz",
    "bit32.byteswap",
];

/// Bytes that Luau allows a string to have.
pub(super) const STRING_MAX: usize = 1 << 30;

/// Bytes that a text may have which the host puts together for the running process.
pub(super) fn text_max(cx: &mut Cx) -> usize {
    cx.vm().memory_limit.unwrap_or(STRING_MAX).min(STRING_MAX)
}

/// Fills the base environment, the table on top of the stack.
pub fn fill(l: State) {
    for name in TAKEN {
        l.get_field(State::GLOBALS, name);
        l.set_field(-2, name);
    }
    l.get_field(State::GLOBALS, "error");
    l.wrap_function(raise_number, c"error");
    l.set_field(-2, "error");
    set_functions(
        l,
        &[
            (c"assert", host(assert)),
            (c"require", steady_host(require)),
            (c"print", host(print::print)),
        ],
    );
    numbers::fill(l);
    integers::fill(l);
    string::open(l);
    l.set_field(-2, "string");
    table::open(l);
    l.get_field(-1, "unpack");
    l.set_field(-3, "unpack");
    l.set_field(-2, "table");
    math::open(l);
    l.set_field(-2, "math");
    open_package(l);
    l.set_field(-2, "package");
    l.push_str("Lua 5.3 - Wippy (Luau)");
    l.set_field(-2, "_VERSION");
}

/// Pushes a copy of Luau's library `name`, to be changed and then made read-only.
fn push_library(l: State, name: &str) {
    l.get_field(State::GLOBALS, name);
    l.clone_table(-1);
    l.remove(-2);
}

/// Gives a field of the table on top of the stack a second name.
fn alias(l: State, name: &str, of: &str) {
    l.get_field(-1, of);
    l.set_field(-2, name);
}

/// `error(v)`: Luau's, but a number is raised as it is, not as a text with position.
fn raise_number(l: State) -> Option<c_int> {
    if l.type_of(1) == Type::Number {
        l.set_top(1);
        l.raise();
    }
    None
}

/// `assert(v, message)`: with position. An error object is raised as it is.
fn assert(cx: &mut Cx) -> Ret {
    let l = cx.l;
    if l.bool(1) {
        return cx.values(l.top());
    }
    match l.type_of(2) {
        Type::None if l.top() == 0 => Err(cx.bad_argument(1, "value expected")),
        Type::None | Type::Nil => Err("assertion failed!".into()),
        Type::Userdata if l.is::<ErrorObject>(2) => {
            l.push_value(2);
            Err(Raise::Top)
        }
        _ => {
            cx.text(2)?;
            // Byte for byte: the message may be no UTF-8.
            l.push_value(2);
            l.prepend_position();
            Err(Raise::Top)
        }
    }
}

/// `require(name)`: the global `name` of the process, put there by `modules:` and `imports:`.
fn require(cx: &mut Cx) -> Ret {
    let name = cx.string(1)?;
    let l = cx.l;
    if name == "_G" {
        l.push_value(State::GLOBALS);
        return cx.values(1);
    }
    match l.index_field(State::GLOBALS, &name) {
        Type::Nil => Err(Raise::Message(format!(
            "module '{name}' not found: it is not among the modules and imports of the entry"
        ))),
        _ => cx.values(1),
    }
}

/// `package`: there for programs that look at it; modules come from entries, not from paths.
fn open_package(l: State) {
    push_functions(l, &[(c"loadlib", host(load_library)), (c"seeall", host(see_all))]);
    for name in ["path", "cpath"] {
        l.push_str("");
        l.set_field(-2, name);
    }
    l.set_read_only(-1, true);
}

fn load_library(cx: &mut Cx) -> Ret {
    cx.l.push_nil();
    cx.l.push_str("dynamic libraries not enabled");
    cx.l.push_str("absent");
    cx.values(3)
}

/// `package.seeall(module)`: the module's missing fields are looked up among the globals.
fn see_all(cx: &mut Cx) -> Ret {
    cx.table(1)?;
    let l = cx.l;
    if l.is_read_only(1) || l.has_metatable(1) {
        return Err(cx.bad_argument(1, "table without metatable expected"));
    }
    l.new_table(0, 1);
    l.push_value(State::GLOBALS);
    l.set_field(-2, "__index");
    l.push_value(1);
    l.insert(-2);
    l.set_metatable(-2);
    cx.nothing()
}
