//! [`Transcoder`]: trees to and from the formats in which payloads travel.

use crate::infra::app_context::Key;
use crate::infra::error::Result;
use crate::infra::transcoder::{Value, json, msgpack, yaml};

/// A format that is bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Json,
    Yaml,
    Msgpack,
}

/// The transcoder of one runtime, made in the first phase of its boot.
#[derive(Clone, Copy, Debug)]
pub struct Transcoder {
    /// Bytes that a tree may take.
    room: usize,
}

impl Transcoder {
    pub const KEY: Key<Transcoder> = Key::new("transcoder");

    pub fn new() -> Transcoder {
        Transcoder { room: 256 << 20 }
    }

    /// Bytes that a tree, or a text, may take.
    pub fn room(&self) -> usize {
        self.room
    }

    /// # Errors
    /// `INVALID`: what is wrong and where; or it is too large.
    pub fn decode(&self, encoding: Encoding, bytes: &[u8]) -> Result<Value> {
        match encoding {
            Encoding::Json => json::decode(bytes, self.room),
            Encoding::Yaml => yaml::decode(bytes, self.room),
            Encoding::Msgpack => msgpack::decode(bytes),
        }
    }

    /// # Errors
    /// The format has no place for something in `value`.
    pub fn encode(&self, encoding: Encoding, value: &Value) -> Result<Vec<u8>> {
        match encoding {
            Encoding::Json => Ok(json::encode(value)),
            Encoding::Yaml => yaml::encode(value).map(String::into_bytes),
            Encoding::Msgpack => msgpack::encode(value),
        }
    }
}

impl Default for Transcoder {
    fn default() -> Transcoder {
        Transcoder::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_gives_back_what_it_took() {
        let tree = Value::from([("a", Value::Int(1)), ("b", Value::List(vec!["x".into()]))]);
        for encoding in [Encoding::Json, Encoding::Yaml, Encoding::Msgpack] {
            let transcoder = Transcoder::new();
            let bytes = transcoder.encode(encoding, &tree).expect("has a place for it");
            assert_eq!(transcoder.decode(encoding, &bytes).as_ref(), Ok(&tree), "{encoding:?}");
            assert!(transcoder.decode(encoding, b"\xc1").is_err(), "{encoding:?}");
        }
    }
}
