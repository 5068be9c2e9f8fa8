//! Data in its several shapes: the neutral [`Value`], the compact [`wire`] form in which it crosses
//! Lua states, and the text formats of files and logs.

pub mod keys;
pub mod msgpack;
pub mod value;
pub mod wire;

pub use value::{Map, Value};
