//! Data in its several shapes: the neutral [`Value`], the compact [`wire`] form in which it crosses
//! Lua states, and the text formats of files and logs.

mod formats;
pub mod json;
pub mod keys;
pub mod msgpack;
pub mod tree;
pub mod typed;
pub mod value;
pub mod wire;
pub mod yaml;

pub use formats::{Encoding, Transcoder};
pub use value::{Map, Value, heap_of};
