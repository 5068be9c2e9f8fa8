//! Core: scheduler, relay, registry, dispatcher. Knows no service, no file format and no Lua.

pub mod blocking;
pub mod dispatcher;
pub mod entry_files;
pub mod expansion;
pub mod pid;
pub mod process;
pub mod reactor;
pub mod registry;
pub mod relay;
pub mod scheduler;
pub mod vm;
