//! Infrastructure: what everything else stands on. Knows no process, no entry and no Lua.

pub mod ansi;
pub mod app_context;
pub mod clock;
pub mod component;
pub mod config;
pub mod duration;
pub mod error;
pub mod event_bus;
pub mod gotime;
pub mod json_schema;
pub mod logger;
pub mod machine;
pub mod memory;
pub mod nearest;
pub mod size;
pub mod sync;
pub mod transcoder;
