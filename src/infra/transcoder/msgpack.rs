//! Trees as MessagePack and back.

use rmp::Marker;
use rmp::encode;

use crate::infra::error::{Error, Result};
use crate::infra::transcoder::{Map, Value};

/// How deep lists and maps may nest.
const DEPTH_MAX: usize = 128;
/// The extension type of timestamps.
const TIMESTAMP: i8 = -1;

/// Errors are written as their texts.
pub fn encode(value: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    write(&mut out, value);
    out
}

/// Writing into a vector does not fail; lengths beyond 32 bits do not fit into memory's limits here.
fn write(out: &mut Vec<u8>, value: &Value) {
    let count = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
    let written = match value {
        Value::Nil => encode::write_nil(out).is_ok(),
        Value::Bool(flag) => encode::write_bool(out, *flag).is_ok(),
        Value::Int(n) => encode::write_sint(out, *n).is_ok(),
        Value::Float(x) => encode::write_f64(out, *x).is_ok(),
        Value::Str(text) => encode::write_str(out, text).is_ok(),
        Value::Bytes(bytes) => encode::write_bin(out, bytes).is_ok(),
        Value::Error(error) => encode::write_str(out, &error.to_string()).is_ok(),
        Value::List(items) => {
            let begun = encode::write_array_len(out, count(items.len())).is_ok();
            items.iter().for_each(|item| write(out, item));
            begun
        }
        Value::Map(map) => {
            let begun = encode::write_map_len(out, count(map.len())).is_ok();
            for (key, item) in map {
                let _ = encode::write_str(out, key);
                write(out, item);
            }
            begun
        }
    };
    debug_assert!(written, "a vector takes what is written");
}

/// The first value of `bytes` as a tree of at most `room` bytes.
pub fn decode(bytes: &[u8], room: usize) -> Result<Value> {
    Reader { bytes, room }.value(0).map_err(|problem| Error::internal(problem.0))
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// Bytes that the tree may still grow by.
    room: usize,
}

/// Why bytes are no value.
struct Problem(&'static str);

const SHORT: Problem = Problem("unexpected end of MessagePack data");

impl<'a> Reader<'a> {
    fn pay(&mut self, bytes: usize) -> std::result::Result<(), Problem> {
        self.room = self.room.checked_sub(bytes).ok_or(Problem("value is too large"))?;
        Ok(())
    }

    fn take(&mut self, len: usize) -> std::result::Result<&'a [u8], Problem> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(SHORT)?;
        self.bytes = rest;
        self.pay(len)?;
        Ok(taken)
    }

    /// A number in so many bytes, highest first.
    fn unsigned(&mut self, len: usize) -> std::result::Result<u64, Problem> {
        let (taken, rest) = self.bytes.split_at_checked(len).ok_or(SHORT)?;
        self.bytes = rest;
        Ok(taken.iter().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }

    fn len(&mut self, bytes: usize) -> std::result::Result<usize, Problem> {
        self.unsigned(bytes).map(|len| len as usize)
    }

    fn value(&mut self, depth: usize) -> std::result::Result<Value, Problem> {
        if depth > DEPTH_MAX {
            return Err(Problem("value is nested too deeply"));
        }
        self.pay(size_of::<Value>())?;
        let (&first, rest) = self.bytes.split_first().ok_or(SHORT)?;
        self.bytes = rest;
        Ok(match Marker::from_u8(first) {
            Marker::Null => Value::Nil,
            Marker::True => Value::Bool(true),
            Marker::False => Value::Bool(false),
            Marker::FixPos(n) => Value::Int(n.into()),
            Marker::FixNeg(n) => Value::Int(n.into()),
            Marker::U8 => Value::Int(self.unsigned(1)? as i64),
            Marker::U16 => Value::Int(self.unsigned(2)? as i64),
            Marker::U32 => Value::Int(self.unsigned(4)? as i64),
            Marker::U64 => {
                let n = self.unsigned(8)?;
                i64::try_from(n).map_or(Value::Float(n as f64), Value::Int)
            }
            Marker::I8 => Value::Int((self.unsigned(1)? as i8).into()),
            Marker::I16 => Value::Int((self.unsigned(2)? as i16).into()),
            Marker::I32 => Value::Int((self.unsigned(4)? as i32).into()),
            Marker::I64 => Value::Int(self.unsigned(8)? as i64),
            Marker::F32 => Value::Float(f32::from_bits(self.unsigned(4)? as u32).into()),
            Marker::F64 => Value::Float(f64::from_bits(self.unsigned(8)?)),
            Marker::FixStr(len) => text(self.take(len.into())?),
            Marker::Str8 => {
                let len = self.len(1)?;
                text(self.take(len)?)
            }
            Marker::Str16 => {
                let len = self.len(2)?;
                text(self.take(len)?)
            }
            Marker::Str32 => {
                let len = self.len(4)?;
                text(self.take(len)?)
            }
            Marker::Bin8 => {
                let len = self.len(1)?;
                text(self.take(len)?)
            }
            Marker::Bin16 => {
                let len = self.len(2)?;
                text(self.take(len)?)
            }
            Marker::Bin32 => {
                let len = self.len(4)?;
                text(self.take(len)?)
            }
            Marker::FixArray(len) => self.list(len.into(), depth)?,
            Marker::Array16 => {
                let len = self.len(2)?;
                self.list(len, depth)?
            }
            Marker::Array32 => {
                let len = self.len(4)?;
                self.list(len, depth)?
            }
            Marker::FixMap(len) => self.map(len.into(), depth)?,
            Marker::Map16 => {
                let len = self.len(2)?;
                self.map(len, depth)?
            }
            Marker::Map32 => {
                let len = self.len(4)?;
                self.map(len, depth)?
            }
            Marker::FixExt1 => self.extension(1)?,
            Marker::FixExt2 => self.extension(2)?,
            Marker::FixExt4 => self.extension(4)?,
            Marker::FixExt8 => self.extension(8)?,
            Marker::FixExt16 => self.extension(16)?,
            Marker::Ext8 => {
                let len = self.len(1)?;
                self.extension(len)?
            }
            Marker::Ext16 => {
                let len = self.len(2)?;
                self.extension(len)?
            }
            Marker::Ext32 => {
                let len = self.len(4)?;
                self.extension(len)?
            }
            Marker::Reserved => return Err(Problem("a reserved byte in MessagePack data")),
        })
    }

    fn list(&mut self, len: usize, depth: usize) -> std::result::Result<Value, Problem> {
        // A length alone takes no memory: each item has a byte at least.
        let mut items = Vec::with_capacity(len.min(self.bytes.len()));
        for _ in 0..len {
            items.push(self.value(depth + 1)?);
        }
        Ok(Value::List(items))
    }

    /// Keys that are no texts become texts.
    fn map(&mut self, len: usize, depth: usize) -> std::result::Result<Value, Problem> {
        let mut map = Map::new();
        for _ in 0..len {
            let key = match self.value(depth + 1)? {
                Value::Str(text) => text,
                Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
                Value::Int(n) => n.to_string(),
                Value::Float(x) => x.to_string(),
                Value::Bool(flag) => flag.to_string(),
                _ => return Err(Problem("a key that is no text")),
            };
            let value = self.value(depth + 1)?;
            map.insert(key, value);
        }
        Ok(Value::Map(map))
    }

    /// Times are Unix seconds, what nobody knows is its bytes.
    fn extension(&mut self, len: usize) -> std::result::Result<Value, Problem> {
        let kind = self.unsigned(1)? as i8;
        let bytes = self.take(len)?;
        let number = |bytes: &[u8]| bytes.iter().fold(0u64, |n, &byte| n << 8 | u64::from(byte));
        Ok(match (kind, len) {
            (TIMESTAMP, 4) => Value::Int(number(bytes) as i64),
            (TIMESTAMP, 8) => Value::Int((number(bytes) & ((1 << 34) - 1)) as i64),
            (TIMESTAMP, 12) => Value::Int(number(&bytes[4..]) as i64),
            _ => text(bytes),
        })
    }
}

fn text(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::Str(text.to_owned()),
        Err(_) => Value::Bytes(bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ROOM: usize = 1 << 20;

    fn trees() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            (-1e300..1e300f64).prop_map(Value::Float),
            ".*".prop_map(Value::Str),
            prop::collection::vec(128..=255u8, 1..300).prop_filter_map("text", |bytes| {
                std::str::from_utf8(&bytes).is_err().then_some(Value::Bytes(bytes))
            }),
        ];
        leaf.prop_recursive(4, 64, 20, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..20).prop_map(Value::List),
                prop::collection::vec((".*", inner), 0..20)
                    .prop_map(|pairs| Value::Map(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn trees_survive(tree in trees()) {
            prop_assert_eq!(decode(&encode(&tree), ROOM).map_err(|e| e.to_string()), Ok(tree));
        }

        #[test]
        fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = decode(&bytes, ROOM);
        }
    }

    #[track_caller]
    fn check(bytes: &[u8], expect: Option<Value>) {
        assert_eq!(decode(bytes, ROOM).ok(), expect, "{bytes:x?}");
    }

    #[test]
    fn what_only_others_write() {
        check(b"\xca\x3f\x00\x00\x00", Some(0.5.into()));
        check(b"\xcf\xff\xff\xff\xff\xff\xff\xff\xff", Some((u64::MAX as f64).into()));
        check(b"\x81\x01\xc3", Some([("1", true.into())].into()));
        check(b"\xd6\xff\x00\x00\x00\x10", Some(16.into()));
        check(b"\xd7\xff\x00\x00\x00\x04\x00\x00\x00\x10", Some(16.into()));
        check(b"\xc7\x0c\xff\x00\x00\x00\x01\xff\xff\xff\xff\xff\xff\xff\xff", Some((-1).into()));
        check(b"\xc4\x02\xff\xfe", Some(Value::Bytes(b"\xff\xfe".to_vec())));
        check(b"\x81\xc0\xc3", None);
        check(b"\xdd\xff\xff\xff\xff", None);
        check(b"\xdb\xff\xff\xff\xff", None);
        check(&[0x91; 10_000], None);
        check(b"", None);
    }
}
