//! Core: scheduler, relay, registry, dispatcher. Knows no service, no file format and no Lua.

pub mod reactor;
pub mod registry;
