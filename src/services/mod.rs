//! Services: entry kinds that do things. They know processes by PID and hosts by id, and no Lua.

pub mod events;
pub mod file_systems;
pub mod groups;
pub mod host;
pub mod process_service;
pub mod security;
pub mod terminal;
