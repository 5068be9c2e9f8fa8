//! Bindings: does an event mean this?

use std::ffi::{CStr, c_int};

use crate::runtime::engine::raw::{State, Tagged, Type};
use crate::runtime::engine::{Cx, Raise, Ret, host, register_type as register, tags};

struct Binding {
    /// Patterns such as `ctrl+c`, `q` or `runes`.
    keys: Vec<String>,
    /// Key and what it does, for people.
    help: (String, String),
    enabled: bool,
}

impl Tagged for Binding {
    const TAG: c_int = tags::BINDING;
    const NAME: &'static CStr = c"tty.Binding";
}

pub(super) fn register_type(l: State) {
    register::<Binding>(
        l,
        &[
            (c"matches", host(matches)),
            (c"set_enabled", host(set_enabled)),
            (c"is_enabled", host(is_enabled)),
            (c"help", host(help)),
        ],
        &[],
    );
}

/// `tty.bind{keys = {...}, help = {key =, desc =}}`.
pub(super) fn bind(cx: &mut Cx) -> Ret {
    cx.table(1)?;
    let l = cx.l;
    let keys = match l.get_field(1, "keys") {
        Type::Table => texts(l, l.top()),
        _ => return Err(cx.bad_argument(1, "field 'keys' must be a list of strings")),
    };
    let text = |name: &str| match l.type_of(3) {
        Type::Table => {
            l.get_field(3, name);
            let text = string(l, -1);
            l.pop(1);
            text
        }
        _ => String::new(),
    };
    l.get_field(1, "help");
    let help = (text("key"), text("desc"));
    l.push_userdata(Binding { keys, help, enabled: true });
    cx.values(1)
}

/// The strings in a list.
fn texts(l: State, list: c_int) -> Vec<String> {
    let mut texts = Vec::new();
    for n in 1..=l.raw_len(list) {
        if l.raw_get_index(list, n) == Type::String {
            texts.push(string(l, -1));
        }
        l.pop(1);
    }
    texts
}

/// The string at `index`; empty if there is none.
fn string(l: State, index: c_int) -> String {
    match l.type_of(index) {
        Type::String => String::from_utf8_lossy(l.bytes(index).unwrap_or_default()).into_owned(),
        _ => String::new(),
    }
}

fn this<R>(cx: &Cx, look: impl FnOnce(&mut Binding) -> R) -> Result<R, Raise> {
    let result = cx.l.with::<Binding, _>(1, look);
    result.ok_or_else(|| cx.wrong_type(1, "tty.Binding"))
}

/// Is the event a key that one of the patterns names?
fn matches(cx: &mut Cx) -> Ret {
    let l = cx.l;
    l.set_top(2);
    let mut names = Vec::new();
    if l.type_of(2) == Type::Table {
        let field = |name: &str| {
            l.get_field(2, name);
            let text = string(l, -1);
            l.pop(1);
            text
        };
        let flag = |name: &str| {
            l.get_field(2, name);
            let on = l.bool(-1);
            l.pop(1);
            on
        };
        if field("type") == "key" {
            let (key, kind) = (field("key"), field("key_type"));
            let mut stroke = String::new();
            for (name, prefix) in [("ctrl", "ctrl+"), ("alt", "alt+"), ("shift", "shift+")] {
                if flag(name) {
                    stroke.push_str(prefix);
                }
            }
            stroke.push_str(&key);
            names = vec![stroke, key, kind];
        }
    }
    let matches = this(cx, |binding| {
        binding.enabled && binding.keys.iter().any(|key| !key.is_empty() && names.contains(key))
    })?;
    cx.bool(matches)
}

fn set_enabled(cx: &mut Cx) -> Ret {
    let on = match cx.l.type_of(2) {
        Type::Boolean => cx.l.bool(2),
        _ => return Err(cx.wrong_type(2, "boolean")),
    };
    this(cx, |binding| binding.enabled = on)?;
    cx.l.push_value(1);
    cx.values(1)
}

fn is_enabled(cx: &mut Cx) -> Ret {
    let enabled = this(cx, |binding| binding.enabled)?;
    cx.bool(enabled)
}

fn help(cx: &mut Cx) -> Ret {
    let (key, text) = this(cx, |binding| binding.help.clone())?;
    let l = cx.l;
    l.new_table(0, 2);
    l.push_str(&key);
    l.set_field(-2, "key");
    l.push_str(&text);
    l.set_field(-2, "desc");
    cx.values(1)
}
