//! [`Format`]: values as texts and bytes, in the formats that programs speak.

use crate::infra::error::Result;
use crate::infra::transcoder::{Value, json, msgpack, yaml};

/// Data that is decoded takes at most so much memory, roughly.
const ROOM: usize = 256 << 20;

/// A format in which data leaves the program, as the Lua module `payload` writes and reads it.
///
/// ```
/// use wippy::{Format, Value};
///
/// let order = Value::from([("item", "tea".into()), ("count", 2.into())]);
/// let text = Format::Json.encode(&order)?;
/// assert_eq!(text, br#"{"item":"tea","count":2}"#);
/// assert_eq!(Format::Json.decode(&text)?, order);
/// # Ok::<(), wippy::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Format {
    /// Compact; `<`, `>` and `&` are escaped within texts.
    Json,
    /// In blocks, with a newline at the end. Of several documents the first is read.
    Yaml,
    /// MessagePack.
    Msgpack,
}

impl Format {
    /// What text formats cannot hold, bytes and errors, is a text there.
    ///
    /// # Errors
    /// `Internal`: nested too deep for the format.
    pub fn encode(self, value: &Value) -> Result<Vec<u8>> {
        match self {
            Format::Json => Ok(json::encode(value)),
            Format::Yaml => yaml::encode(value).map(String::into_bytes),
            Format::Msgpack => msgpack::encode(value),
        }
    }

    /// # Errors
    /// `Internal`: `bytes` are something else, nest too deep, or expand to more than 256 MiB.
    pub fn decode(self, bytes: &[u8]) -> Result<Value> {
        match self {
            Format::Json => json::decode(bytes, ROOM),
            Format::Yaml => yaml::decode(bytes, ROOM),
            Format::Msgpack => msgpack::decode(bytes),
        }
    }
}
