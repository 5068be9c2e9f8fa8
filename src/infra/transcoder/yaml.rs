//! Trees as YAML and back.

use std::cell::Cell;

use serde::de::DeserializeSeed;
use serde::ser::{Serialize, Serializer};

use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;
use crate::infra::transcoder::tree::Tree;

/// Brackets that may be open at once: the parser is quadratic in them, and nests to 128 anyway.
const OPEN_BRACKETS_MAX: usize = 1_000;

/// The first document of `text` as a tree of at most `room` bytes; nothing is nil.
pub fn decode(text: &[u8], room: usize) -> Result<Value> {
    let text = std::str::from_utf8(text).map_err(|error| Error::internal(error.to_string()))?;
    if open_brackets(text) > OPEN_BRACKETS_MAX {
        return Err(Error::internal("recursion limit exceeded"));
    }
    let room = Cell::new(room);
    match serde_yaml::Deserializer::from_str(text).next() {
        Some(input) => {
            let tree = Tree::within(&room).deserialize(input);
            tree.map_err(|error| Error::internal(error.to_string()))
        }
        None => Ok(Value::Nil),
    }
}

/// Most brackets open at once, those within strings among them.
fn open_brackets(text: &str) -> usize {
    let (mut open, mut most) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => continue,
        }
        most = most.max(open);
    }
    most
}

/// A block of YAML, with a newline at the end. Maps keep their order.
pub fn encode(value: &Value) -> Result<String> {
    serde_yaml::to_string(&Written(value)).map_err(|error| Error::internal(error.to_string()))
}

/// A tree as serde writes it. What a text format cannot hold is a string: bytes that are no text,
/// with replacement characters, and errors.
pub struct Written<'a>(pub &'a Value);

impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self.0 {
            Value::Nil => serializer.serialize_unit(),
            Value::Bool(flag) => serializer.serialize_bool(*flag),
            Value::Int(n) => serializer.serialize_i64(*n),
            Value::Float(x) => serializer.serialize_f64(*x),
            Value::Str(text) => serializer.serialize_str(text),
            Value::Bytes(bytes) => serializer.serialize_str(&String::from_utf8_lossy(bytes)),
            Value::List(items) => serializer.collect_seq(items.iter().map(Written)),
            Value::Map(map) => serializer.collect_map(map.iter().map(|(k, v)| (k, Written(v)))),
            Value::Error(error) => serializer.collect_str(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let value = Value::from([
            ("text", "true".into()),
            ("lines", "a\nb".into()),
            ("list", Value::List(vec![Value::Nil, 1.into(), 0.5.into()])),
            ("empty", Value::Map(Default::default())),
        ]);
        let text = encode(&value).unwrap();
        assert_eq!(
            text,
            "text: 'true'\nlines: |-\n  a\n  b\nlist:\n- null\n- 1\n- 0.5\nempty: {}\n"
        );
        assert_eq!(decode(text.as_bytes(), 1 << 20).unwrap(), value);
        assert_eq!(decode(b"# nothing\n", 1 << 20).unwrap(), Value::Nil);
    }

    #[test]
    fn hostile_texts_are_refused() {
        let laughs = (1..30).fold("a0: &a0 [x]\n".to_owned(), |text, i| {
            format!("{text}a{i}: &a{i} [*a{0}, *a{0}, *a{0}, *a{0}, *a{0}]\n", i - 1)
        });
        for text in [laughs, "[".repeat(1 << 20), "{a: ".repeat(1 << 18), "a: &a [*a]".to_owned()] {
            assert!(decode(text.as_bytes(), 1 << 20).is_err());
        }
        assert!(decode(b"\xff", 1 << 20).is_err());
    }
}
