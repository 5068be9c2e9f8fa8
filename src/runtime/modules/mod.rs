//! Lua modules: a file each, all listed here.
//!
//! *Ambient* modules are globals of every process; *granted* ones are there for entries that list
//! them under `modules:`.

pub mod base;
pub mod channel;
pub mod coroutine;
pub mod ctx;
pub mod declarations;
pub mod errors;
pub mod events;
pub mod funcs;
pub mod future;
pub mod io;
pub mod json;
pub mod loader;
pub mod logger;
pub mod os;
pub mod payload;
pub mod pg;
pub mod process;
pub mod registry;
pub mod security;
pub mod system;
#[cfg(test)]
mod testing;
pub mod time;
pub mod tty;
pub mod types;
pub mod uuid;

use crate::runtime::engine::raw::State;

/// A module: its name, and a function that pushes its read-only table.
pub struct Module {
    pub name: &'static str,
    pub open: fn(State),
}

pub static AMBIENT: &[Module] = &[
    Module { name: "channel", open: channel::open },
    Module { name: "coroutine", open: coroutine::open },
    Module { name: "errors", open: errors::open },
    Module { name: "os", open: os::open },
    Module { name: "payload", open: payload::open },
    Module { name: "process", open: process::open },
];

pub static GRANTED: &[Module] = &[
    Module { name: "ctx", open: ctx::open },
    Module { name: "events", open: events::open },
    Module { name: "funcs", open: funcs::open },
    Module { name: "io", open: io::open },
    Module { name: "json", open: json::open },
    Module { name: "loader", open: loader::open },
    Module { name: "logger", open: logger::open },
    Module { name: "pg", open: pg::open },
    Module { name: "registry", open: registry::open },
    Module { name: "security", open: security::open },
    Module { name: "system", open: system::open },
    Module { name: "time", open: time::open },
    Module { name: "uuid", open: uuid::open },
    Module { name: "tty", open: tty::open },
];

/// Names that may stand in `modules:` without any effect: everybody has them.
pub static ALWAYS_THERE: &[&str] =
    &["channel", "coroutine", "errors", "math", "os", "payload", "process", "string", "table"];

/// The granted module of this name.
pub fn granted(name: &str) -> Option<&'static str> {
    GRANTED.iter().map(|module| module.name).find(|known| *known == name)
}

/// Registers the userdata types of all modules in a new VM.
pub fn register_types(l: State) {
    channel::register_types(l);
    errors::register_types(l);
    events::register_types(l);
    funcs::register_types(l);
    future::register_types(l);
    payload::register_types(l);
    pg::register_types(l);
    process::register_types(l);
    security::register_types(l);
    loader::register_types(l);
    logger::register_types(l);
    registry::register_types(l);
    time::register_types(l);
    tty::register_types(l);
    types::register_types(l);
}
