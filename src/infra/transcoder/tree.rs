//! Values out of anything that serde reads: JSON, YAML.
//!
//! A key that stands twice in a mapping is an error, nesting and size are bounded, tags are dropped.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, EnumAccess, MapAccess, SeqAccess, VariantAccess};
use serde::de::{Error as _, IgnoredAny, Visitor};

use crate::infra::transcoder::{Map, Value};

/// What the message about a key that stands twice contains.
pub const DUPLICATE: &str = "duplicate key";

/// How deep lists and maps may nest in a tree.
pub const DEPTH_MAX: usize = 200;

/// Builds a [`Value`], paying for each node out of `room`, roughly in bytes.
#[derive(Clone, Copy)]
pub struct Tree<'a> {
    room: &'a Cell<usize>,
    depth_left: usize,
    merges: bool,
}

impl<'a> Tree<'a> {
    /// A tree of at most `room` bytes in which `<<` merges, as in YAML.
    pub fn within(room: &'a Cell<usize>) -> Tree<'a> {
        Tree { room, depth_left: DEPTH_MAX, merges: true }
    }

    /// The same for JSON, where `<<` is a key like any other, with at most `depth` levels.
    pub fn json(room: &'a Cell<usize>, depth: usize) -> Tree<'a> {
        Tree { room, depth_left: depth, merges: false }
    }

    fn deeper<E: serde::de::Error>(self) -> Result<Tree<'a>, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Tree { depth_left, ..self }),
            None => Err(E::custom("recursion limit exceeded")),
        }
    }

    fn pay<E: serde::de::Error>(&self, len: usize) -> Result<(), E> {
        match self.room.get().checked_sub(size_of::<Value>() + len) {
            Some(left) => {
                self.room.set(left);
                Ok(())
            }
            None => Err(E::custom("document expands to too much data, check its aliases")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Tree<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        self.pay(0)?;
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Tree<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("plain data")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Nil)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Value, E> {
        Ok(Value::Int(n))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Value, E> {
        Ok(i64::try_from(n).map_or(Value::Float(n as f64), Value::Int))
    }

    fn visit_i128<E>(self, n: i128) -> Result<Value, E> {
        Ok(i64::try_from(n).map_or(Value::Float(n as f64), Value::Int))
    }

    fn visit_u128<E>(self, n: u128) -> Result<Value, E> {
        Ok(i64::try_from(n).map_or(Value::Float(n as f64), Value::Int))
    }

    fn visit_f64<E>(self, x: f64) -> Result<Value, E> {
        Ok(Value::Float(x))
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Value, E> {
        self.pay(text.len())?;
        Ok(Value::from(text))
    }

    fn visit_string<E: serde::de::Error>(self, text: String) -> Result<Value, E> {
        self.pay(text.len())?;
        Ok(Value::Str(text))
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Value, E> {
        self.pay(bytes.len())?;
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut items = Vec::new();
        while let Some(item) = input.next_element_seed(inner)? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut map = Map::new();
        let mut merged = Value::Nil;
        while let Some(key) = input.next_key::<String>()? {
            self.pay(key.len())?;
            let value = input.next_value_seed(inner)?;
            if self.merges && key == "<<" {
                merged = value;
            } else if map.contains_key(&key) {
                return Err(A::Error::custom(format!("{DUPLICATE} {key:?}")));
            } else {
                map.insert(key, value);
            }
        }
        let sources = match merged {
            Value::Nil => Vec::new(),
            Value::List(sources) => sources,
            source => vec![source],
        };
        for source in sources {
            let Value::Map(source) = source else {
                return Err(A::Error::custom("\"<<\" can only merge mappings"));
            };
            for (key, value) in source {
                map.entry(key).or_insert(value);
            }
        }
        Ok(Value::Map(map))
    }

    /// A tagged value, `!tag value`: the tag is dropped.
    fn visit_enum<A: EnumAccess<'de>>(self, input: A) -> Result<Value, A::Error> {
        let (IgnoredAny, content) = input.variant()?;
        content.newtype_variant_seed(self)
    }
}
