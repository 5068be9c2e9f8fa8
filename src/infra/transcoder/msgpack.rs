//! [`Value`] to MessagePack and back.
//!
//! | value | MessagePack |
//! |---|---|
//! | integer | the shortest integer form |
//! | float | 64 bits |
//! | string, bytes | str, bin |
//! | map | map with str keys, in the order of the keys |
//! | error | map of `kind`, `message` and, if they are there, `retryable`, `details`, `cause` |
//!
//! Everything but errors comes back as it was; an error comes back as a map. What others write is
//! read as well: integers above `i64::MAX` and 32-bit floats become floats, a str that is not UTF-8
//! becomes bytes, integer keys become text, a timestamp becomes Unix seconds. Other extensions are
//! refused.

use rmp::Marker;
use rmp::decode::{self, RmpRead, bytes::Bytes};
use rmp::encode;

use crate::infra::error::{Error, Result};
use crate::infra::transcoder::value::{Map, Value};

/// How deep values may nest, written or read. Deeper ones are refused, not crashed on.
pub const DEPTH_MAX: usize = 512;

/// Items for which room is made before they are seen.
const CLAIM_MAX: usize = 64;

/// Type of the extension that holds a point in time.
const TIMESTAMP: i8 = -1;

/// One value as bytes. `INVALID` for one that nests too deeply or has a part of 4 GiB.
pub fn encode(value: &Value) -> Result<Vec<u8>> {
    let mut encoder = Encoder::default();
    encoder.value(value)?;
    Ok(encoder.into_bytes())
}

/// The one value that `bytes` holds. `INVALID` for anything else.
pub fn decode(bytes: &[u8]) -> Result<Value> {
    let mut reader = Bytes::new(bytes);
    let value = read(&mut reader, DEPTH_MAX)?;
    match reader.remaining_slice().is_empty() {
        true => Ok(value),
        false => Err(Error::invalid("messagepack: something follows the value")),
    }
}

/// Writes values one after another; lists and maps can be written in parts.
#[derive(Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// `len` values follow.
    pub fn list(&mut self, len: usize) -> Result<()> {
        let len = length(len)?;
        encode::write_array_len(&mut self.bytes, len).map_err(unwritten)?;
        Ok(())
    }

    /// `len` pairs of a text and a value follow.
    pub fn map(&mut self, len: usize) -> Result<()> {
        let len = length(len)?;
        encode::write_map_len(&mut self.bytes, len).map_err(unwritten)?;
        Ok(())
    }

    pub fn text(&mut self, text: &str) -> Result<()> {
        length(text.len())?;
        encode::write_str(&mut self.bytes, text).map_err(unwritten)
    }

    pub fn nil(&mut self) -> Result<()> {
        encode::write_nil(&mut self.bytes).map_err(unwritten)
    }

    pub fn value(&mut self, value: &Value) -> Result<()> {
        self.nested(value, DEPTH_MAX)
    }

    /// Like [`Encoder::value`] for a map that is not wrapped in a value.
    pub fn value_map(&mut self, map: &Map) -> Result<()> {
        self.nested_map(map, DEPTH_MAX)
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    fn nested(&mut self, value: &Value, depth: usize) -> Result<()> {
        let out = &mut self.bytes;
        match value {
            Value::Nil => encode::write_nil(out).map_err(unwritten),
            Value::Bool(flag) => encode::write_bool(out, *flag).map_err(unwritten),
            Value::Int(n) => encode::write_sint(out, *n).map(|_| ()).map_err(unwritten),
            Value::Float(x) => encode::write_f64(out, *x).map_err(unwritten),
            Value::Str(text) => self.text(text),
            Value::Bytes(bytes) => {
                length(bytes.len())?;
                encode::write_bin(out, bytes).map_err(unwritten)
            }
            Value::List(items) => {
                let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
                self.list(items.len())?;
                items.iter().try_for_each(|item| self.nested(item, depth))
            }
            Value::Map(map) => self.nested_map(map, depth),
            Value::Error(error) => self.nested_map(&parts(error), depth),
        }
    }

    fn nested_map(&mut self, map: &Map, depth: usize) -> Result<()> {
        let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
        self.map(map.len())?;
        for (key, value) in map {
            self.text(key)?;
            self.nested(value, depth)?;
        }
        Ok(())
    }
}

fn parts(error: &Error) -> Map {
    let mut map = Map::new();
    map.insert("kind".to_owned(), error.kind().as_str().into());
    map.insert("message".to_owned(), error.message().into());
    if let Some(retryable) = error.retryable() {
        map.insert("retryable".to_owned(), retryable.into());
    }
    if let Some(details) = error.details() {
        map.insert("details".to_owned(), details.clone());
    }
    if let Some(cause) = error.cause() {
        map.insert("cause".to_owned(), Value::Map(parts(cause)));
    }
    map
}

fn read(reader: &mut Bytes<'_>, depth: usize) -> Result<Value> {
    let marker = decode::read_marker(reader).map_err(|_| cut_short())?;
    let number = |reader: &mut Bytes<'_>, len| big_endian(reader, len);
    // Of what has a length: bytes, items or pairs.
    let len: u64 = match marker {
        Marker::FixStr(len) => len.into(),
        Marker::FixArray(len) | Marker::FixMap(len) => len.into(),
        Marker::FixExt1 => 1,
        Marker::FixExt2 => 2,
        Marker::FixExt4 => 4,
        Marker::FixExt8 => 8,
        Marker::FixExt16 => 16,
        Marker::Str8 | Marker::Bin8 | Marker::Ext8 => number(reader, 1)?,
        Marker::Str16 | Marker::Bin16 | Marker::Array16 | Marker::Map16 | Marker::Ext16 => {
            number(reader, 2)?
        }
        Marker::Str32 | Marker::Bin32 | Marker::Array32 | Marker::Map32 | Marker::Ext32 => {
            number(reader, 4)?
        }
        _ => 0,
    };
    Ok(match marker {
        Marker::Null => Value::Nil,
        Marker::False => Value::Bool(false),
        Marker::True => Value::Bool(true),
        Marker::FixPos(n) => Value::Int(n.into()),
        Marker::FixNeg(n) => Value::Int(n.into()),
        Marker::U8 => unsigned(number(reader, 1)?),
        Marker::U16 => unsigned(number(reader, 2)?),
        Marker::U32 => unsigned(number(reader, 4)?),
        Marker::U64 => unsigned(number(reader, 8)?),
        Marker::I8 => Value::Int((number(reader, 1)? as i8).into()),
        Marker::I16 => Value::Int((number(reader, 2)? as i16).into()),
        Marker::I32 => Value::Int((number(reader, 4)? as i32).into()),
        Marker::I64 => Value::Int(number(reader, 8)? as i64),
        Marker::F32 => Value::Float(f32::from_bits(number(reader, 4)? as u32).into()),
        Marker::F64 => Value::Float(f64::from_bits(number(reader, 8)?)),
        Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32 => {
            text(take(reader, len)?)
        }
        Marker::Bin8 | Marker::Bin16 | Marker::Bin32 => Value::Bytes(take(reader, len)?.to_vec()),
        Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => read_list(reader, len, depth)?,
        Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => read_map(reader, len, depth)?,
        Marker::FixExt1
        | Marker::FixExt2
        | Marker::FixExt4
        | Marker::FixExt8
        | Marker::FixExt16
        | Marker::Ext8
        | Marker::Ext16
        | Marker::Ext32 => extension(reader, len)?,
        Marker::Reserved => return Err(Error::invalid("messagepack: byte c1 has no meaning")),
    })
}

fn read_list(reader: &mut Bytes<'_>, len: u64, depth: usize) -> Result<Value> {
    let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
    // What is claimed is not believed: lists within lists could claim the rest of the input each.
    let mut items = Vec::with_capacity((len as usize).min(CLAIM_MAX));
    for _ in 0..len {
        items.push(read(reader, depth)?);
    }
    Ok(Value::List(items))
}

fn read_map(reader: &mut Bytes<'_>, len: u64, depth: usize) -> Result<Value> {
    let depth = depth.checked_sub(1).ok_or_else(too_deep)?;
    let mut map = Map::with_capacity((len as usize).min(CLAIM_MAX));
    for _ in 0..len {
        let key = match read(reader, depth)? {
            Value::Str(key) => key,
            Value::Int(key) => key.to_string(),
            other => {
                let type_name = other.type_name();
                return Err(Error::invalid(format!("messagepack: a key is {type_name}")));
            }
        };
        map.insert(key, read(reader, depth)?);
    }
    Ok(Value::Map(map))
}

fn extension(reader: &mut Bytes<'_>, len: u64) -> Result<Value> {
    let kind = big_endian(reader, 1)? as i8;
    let body = take(reader, len)?;
    let number = |bytes: &[u8]| bytes.iter().fold(0_u64, |n, &byte| n << 8 | u64::from(byte));
    match (kind, body.len()) {
        (TIMESTAMP, 4) => Ok(unsigned(number(body))),
        // 30 bits of nanoseconds, then 34 of seconds.
        (TIMESTAMP, 8) => Ok(unsigned(number(body) & ((1 << 34) - 1))),
        (TIMESTAMP, 12) => Ok(Value::Int(number(&body[4..]) as i64)),
        _ => Err(Error::invalid(format!("messagepack: unknown extension {kind}"))),
    }
}

fn take<'a>(reader: &mut Bytes<'a>, len: u64) -> Result<&'a [u8]> {
    let rest = reader.remaining_slice();
    let len = usize::try_from(len).ok().filter(|&len| len <= rest.len()).ok_or_else(cut_short)?;
    let (taken, rest) = rest.split_at(len);
    *reader = Bytes::new(rest);
    Ok(taken)
}

fn big_endian(reader: &mut Bytes<'_>, len: usize) -> Result<u64> {
    let mut bytes = [0; 8];
    reader.read_exact_buf(&mut bytes[8 - len..]).map_err(|_| cut_short())?;
    Ok(u64::from_be_bytes(bytes))
}

fn unsigned(n: u64) -> Value {
    i64::try_from(n).map_or(Value::Float(n as f64), Value::Int)
}

fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => Value::Bytes(bytes.to_vec()),
    }
}

fn length(len: usize) -> Result<u32> {
    u32::try_from(len).map_err(|_| Error::invalid("messagepack: a part is longer than 4 GiB"))
}

fn too_deep() -> Error {
    Error::invalid(format!("messagepack: nested deeper than {DEPTH_MAX} levels"))
}

fn cut_short() -> Error {
    Error::invalid("messagepack: the input ends within a value")
}

/// A buffer in memory takes everything; the encoder's signatures do not say so.
fn unwritten(error: impl std::fmt::Display) -> Error {
    Error::internal(format!("messagepack: {error}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(value: Value, bytes: &[u8]) {
        assert_eq!(encode(&value).as_deref(), Ok(bytes));
        assert_eq!(decode(bytes), Ok(value));
    }

    #[test]
    fn each_type_has_its_form() {
        check(Value::Nil, &[0xc0]);
        check(true.into(), &[0xc3]);
        check(5.into(), &[0x05]);
        check((-1).into(), &[0xff]);
        check(200.into(), &[0xcc, 200]);
        check((-200).into(), &[0xd1, 0xff, 0x38]);
        check(i64::MAX.into(), &[0xcf, 0x7f, 255, 255, 255, 255, 255, 255, 255]);
        check(i64::MIN.into(), &[0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0]);
        check(1.0.into(), &[0xcb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0]);
        check("é".into(), &[0xa2, 0xc3, 0xa9]);
        check(Value::Bytes(vec![0xff]), &[0xc4, 1, 0xff]);
        check(Value::List(vec![]), &[0x90]);
        check(Value::from([("b", 1.into()), ("a", Value::Nil)]), b"\x82\xa1b\x01\xa1a\xc0");
    }

    #[test]
    fn an_error_becomes_a_map_of_its_parts() {
        let error = Error::invalid("no").with_source(Error::not_found("gone"));
        let decoded = decode(&encode(&Value::Error(Box::new(error))).unwrap()).unwrap();
        assert_eq!(decoded.get("kind"), Some(&"Invalid".into()));
        assert_eq!(decoded.get("cause").and_then(|c| c.get("message")), Some(&"gone".into()));
    }

    #[track_caller]
    fn check_read(bytes: &[u8], expect: Result<Value, &str>) {
        let read = decode(bytes).map_err(|error| error.to_string());
        assert_eq!(read, expect.map_err(|text| format!("messagepack: {text}")));
    }

    #[test]
    fn what_others_write_is_read_or_refused() {
        check_read(&[0xcf, 255, 255, 255, 255, 255, 255, 255, 255], Ok((u64::MAX as f64).into()));
        check_read(&[0xca, 0x3f, 0x80, 0, 0], Ok(1.0.into()));
        check_read(&[0xa1, 0xff], Ok(Value::Bytes(vec![0xff])));
        check_read(&[0x81, 7, 0xc0], Ok(Value::from([("7", Value::Nil)])));
        check_read(&[0xd6, 0xff, 0, 0, 0, 9], Ok(9.into()));
        check_read(&[0xd7, 0xff, 0, 0, 0, 4, 0, 0, 0, 9], Ok(9.into()));
        let long = [&[0xc7, 12, 0xff, 0, 0, 0, 1][..], &(-9_i64).to_be_bytes()].concat();
        check_read(&long, Ok((-9).into()));
        check_read(&[0xd4, 5, 0], Err("unknown extension 5"));
        check_read(&[0xc1], Err("byte c1 has no meaning"));
        check_read(&[0x81, 0xc0, 0xc0], Err("a key is nothing"));
        check_read(&[1, 1], Err("something follows the value"));
        for cut in [&[][..], &[0xa5, b'a'], &[0xdd, 255, 255, 255, 255], &[0xcb, 0], &[0x91]] {
            check_read(cut, Err("the input ends within a value"));
        }
    }

    #[test]
    fn depth_has_a_limit_both_ways() {
        let nested = |n| (0..n).fold(Value::Nil, |inner, _| Value::List(vec![inner]));
        let deepest = encode(&nested(DEPTH_MAX)).unwrap();
        assert_eq!(decode(&deepest), Ok(nested(DEPTH_MAX)));
        let text = "messagepack: nested deeper than 512 levels";
        let error = encode(&nested(DEPTH_MAX + 1)).unwrap_err();
        assert_eq!(error.to_string(), text);
        let bytes = [vec![0x91; DEPTH_MAX + 1], vec![0xc0]].concat();
        assert_eq!(decode(&bytes).unwrap_err().to_string(), text);
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            prop::num::f64::NORMAL.prop_map(Value::Float),
            ".*".prop_map(Value::Str),
            prop::collection::vec(any::<u8>(), 0..40).prop_map(Value::Bytes),
        ];
        leaf.prop_recursive(4, 40, 20, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Value::List),
                prop::collection::vec((".*", inner), 0..20)
                    .prop_map(|pairs| Value::Map(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn there_and_back_is_the_same(value in value()) {
            prop_assert_eq!(decode(&encode(&value).unwrap()), Ok(value));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(value) = decode(&bytes) {
                prop_assert!(encode(&value).is_ok());
            }
        }
    }
}
