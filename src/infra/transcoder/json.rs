//! JSON as programs write and read it. Specification 07, sections 2.1 and 2.2.
//!
//! Written compactly; `<`, `>`, `&`, U+2028 and U+2029 are escaped, so that a text can stand in a
//! page. Of what is read, the first value counts, and what follows it is ignored.

use std::cell::Cell;

use serde::de::DeserializeSeed;

use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;
use crate::infra::transcoder::tree::Tree;

/// Lists and objects that may lie within one another in a text that is read.
pub const DEPTH_MAX: usize = 128;

/// Integers up to this are exact in a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads the first value of `text` by means of `seed`, which bounds the depth. The message of an
/// error says where.
pub fn read<'de, S: DeserializeSeed<'de>>(text: &'de [u8], seed: S) -> Result<S::Value> {
    let mut input = serde_json::Deserializer::from_slice(text);
    input.disable_recursion_limit();
    seed.deserialize(&mut input).map_err(|error| Error::internal(error.to_string()))
}

/// The first value of `text` as a tree of at most `room` bytes.
pub fn decode(text: &[u8], room: usize) -> Result<Value> {
    let room = Cell::new(room);
    read(text, Tree::json(&room, DEPTH_MAX))
}

/// A tree as text. Bytes that are no text, and errors, are written as strings.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    match value {
        Value::Float(x) => write_lone_number(&mut out, *x),
        value => write(&mut out, value),
    }
    out
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Nil => out.extend_from_slice(b"null"),
        Value::Bool(flag) => out.extend_from_slice(if *flag { b"true" } else { b"false" }),
        Value::Int(n) => out.extend_from_slice(n.to_string().as_bytes()),
        Value::Float(x) => write_number(out, *x),
        Value::Str(text) => write_string(out, text.as_bytes()),
        Value::Bytes(bytes) => write_string(out, bytes),
        Value::Error(error) => write_string(out, error.to_string().as_bytes()),
        Value::List(items) => {
            out.push(b'[');
            for (n, item) in items.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write(out, item);
            }
            out.push(b']');
        }
        Value::Map(map) => {
            out.push(b'{');
            for (n, (key, item)) in map.iter().enumerate() {
                if n > 0 {
                    out.push(b',');
                }
                write_string(out, key.as_bytes());
                out.push(b':');
                write(out, item);
            }
            out.push(b'}');
        }
    }
}

/// A number inside a value: the shortest decimal that reads back as it, without exponent. What is
/// no number in JSON is null.
pub fn write_number(out: &mut Vec<u8>, x: f64) {
    use std::io::Write;
    if !x.is_finite() {
        out.extend_from_slice(b"null");
    } else if x.fract() == 0.0 && x.abs() <= EXACT {
        // Quicker, and zero has no sign.
        let _ = write!(out, "{}", x as i64);
    } else {
        let _ = write!(out, "{x}");
    }
}

/// A number that is the whole text has an exponent where it is very small or very large.
pub fn write_lone_number(out: &mut Vec<u8>, x: f64) {
    if !x.is_finite() || x == 0.0 || (1e-6..1e21).contains(&x.abs()) {
        return write_number(out, x);
    }
    let text = format!("{x:e}");
    out.extend_from_slice(
        match text.contains("e-") {
            true => text,
            false => text.replacen('e', "e+", 1),
        }
        .as_bytes(),
    );
}

/// A string with quotes. Each byte that is no UTF-8 becomes the escape of U+FFFD.
pub fn write_string(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    let mut rest = bytes;
    loop {
        match std::str::from_utf8(rest) {
            Ok(text) => {
                write_text(out, text);
                break;
            }
            Err(error) => {
                let (valid, after) = rest.split_at(error.valid_up_to());
                write_text(out, std::str::from_utf8(valid).unwrap_or_default());
                out.extend_from_slice(b"\\ufffd");
                rest = &after[1..];
            }
        }
    }
    out.push(b'"');
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let bytes = text.as_bytes();
    let mut start = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        let escape: &[u8] = match byte {
            b'"' => b"\\\"",
            b'\\' => b"\\\\",
            b'\n' => b"\\n",
            b'\r' => b"\\r",
            b'\t' => b"\\t",
            0x08 => b"\\b",
            0x0c => b"\\f",
            0..0x20 | b'<' | b'>' | b'&' => {
                &[b'\\', b'u', b'0', b'0', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]
            }
            // U+2028 and U+2029: their last byte says which.
            0xe2 if matches!(bytes.get(at + 1..at + 3), Some([0x80, 0xa8 | 0xa9])) => {
                out.extend_from_slice(&bytes[start..at]);
                let last = if bytes[at + 2] == 0xa8 { b'8' } else { b'9' };
                out.extend_from_slice(&[b'\\', b'u', b'2', b'0', b'2', last]);
                start = at + 3;
                continue;
            }
            _ => continue,
        };
        out.extend_from_slice(&bytes[start..at]);
        out.extend_from_slice(escape);
        start = at + 1;
    }
    out.extend_from_slice(&bytes[start..]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOM: usize = 1 << 20;

    #[track_caller]
    fn check(value: impl Into<Value>, expect: &str) {
        assert_eq!(String::from_utf8(encode(&value.into())).unwrap(), expect);
    }

    #[test]
    fn numbers() {
        check(3.0, "3");
        check(-0.0, "0");
        check(1e15, "1000000000000000");
        check(0.1, "0.1");
        check(1.0 / 3.0, "0.3333333333333333");
        check(1e-7, "1e-7");
        check(1.5e-6, "0.0000015");
        check(1e21, "1e+21");
        check(-1.25e300, "-1.25e+300");
        check(f64::NAN, "null");
        check(f64::NEG_INFINITY, "null");
        check(Value::List(vec![1e21.into(), 1e-7.into()]), "[1000000000000000000000,0.0000001]");
    }

    #[test]
    fn strings() {
        check(
            "a\"\\/\n\r\t\u{8}\u{c}\u{0}\u{1f}\u{7f}é",
            "\"a\\\"\\\\/\\n\\r\\t\\b\\f\\u0000\\u001f\u{7f}é\"",
        );
        check("<>&\u{2028}\u{2029}\u{202a}", "\"\\u003c\\u003e\\u0026\\u2028\\u2029\u{202a}\"");
        check(
            Value::Bytes(b"a\xff\xe2\x80b\xe2\x80".to_vec()),
            "\"a\\ufffd\\ufffd\\ufffdb\\ufffd\\ufffd\"",
        );
        check(Value::from([("<", Value::Nil)]), "{\"\\u003c\":null}");
    }

    #[test]
    fn reading() {
        let read = |text: &str| decode(text.as_bytes(), ROOM).map_err(|error| error.to_string());
        assert_eq!(read(" 1 x"), Ok(Value::Int(1)));
        assert_eq!(read("1e2"), Ok(Value::Float(100.0)));
        assert_eq!(read("{\"<<\":{}}"), Ok([("<<", Value::Map(Default::default()))].into()));
        for wrong in ["", " ", "{", "[1,]", "nul", "{\"a\":1,\"a\":2}", "'a'", "01"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
        assert!(decode(b"\"\xff\"", ROOM).is_err());
        let nested = |depth| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(read(&nested(DEPTH_MAX)).is_ok());
        assert!(read(&nested(DEPTH_MAX + 1)).unwrap_err().contains("recursion"));
        assert!(read(&"[".repeat(1 << 20)).is_err());
        assert!(decode(&b"[1,2,3,4,5,6,7,8,9]"[..], 64).is_err(), "no room");
    }

    proptest! {
        #[test]
        fn texts_survive(text in ".*") {
            let written = encode(&Value::from(&*text));
            prop_assert_eq!(decode(&written, ROOM).unwrap(), Value::Str(text));
        }

        #[test]
        fn numbers_survive(x in any::<f64>().prop_filter("finite", |x| x.is_finite())) {
            let written = encode(&Value::List(vec![x.into(), Value::Nil]));
            let read = decode(&written, ROOM).unwrap();
            prop_assert_eq!(read.as_list().unwrap()[0].as_number(), Some(x));
        }

        #[test]
        fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes, ROOM);
        }
    }
}
