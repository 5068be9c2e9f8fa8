//! Runtime: the Lua engine and the modules that programs see. Owns mlua: no other folder names it.

pub mod engine;
pub mod kinds;
pub mod libraries;
pub mod modules;
pub mod outdated;
pub mod pool;
pub mod type_check;
