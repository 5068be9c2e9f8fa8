//! A [`Value`], as serde reads it.

use std::cell::Cell;

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};

use crate::infra::transcoder::tree::{DEPTH_MAX, Tree};
use crate::infra::transcoder::typed::{Problem, deeper};
use crate::infra::transcoder::{Map, Value};

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Value, D::Error> {
        // Whoever has the data has it in memory already.
        let room = Cell::new(usize::MAX);
        Tree::json(&room, DEPTH_MAX).deserialize(input)
    }
}

pub(super) struct Input {
    value: Value,
    depth_left: usize,
}

impl IntoDeserializer<'_, Problem> for Input {
    type Deserializer = Input;

    fn into_deserializer(self) -> Input {
        self
    }
}

impl Input {
    pub(super) fn new(value: Value) -> Input {
        Input { value, depth_left: DEPTH_MAX }
    }

    fn list<'de, V: Visitor<'de>>(
        self,
        items: Vec<Value>,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let depth_left = deeper(self.depth_left)?;
        let items = items.into_iter().map(|value| Input { value, depth_left });
        let mut items = SeqDeserializer::new(items);
        let read = visitor.visit_seq(&mut items)?;
        items.end().map(|()| read)
    }

    fn map<'de, V: Visitor<'de>>(self, map: Map, visitor: V) -> Result<V::Value, Problem> {
        let depth_left = deeper(self.depth_left)?;
        let pairs = map.into_iter().map(|(key, value)| (Key(key), Input { value, depth_left }));
        let mut pairs = MapDeserializer::new(pairs);
        let read = visitor.visit_map(&mut pairs)?;
        pairs.end().map(|()| read)
    }
}

impl<'de> Deserializer<'de> for Input {
    type Error = Problem;

    fn deserialize_any<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Problem> {
        match std::mem::take(&mut self.value) {
            Value::Nil => visitor.visit_unit(),
            Value::Bool(flag) => visitor.visit_bool(flag),
            Value::Int(n) => visitor.visit_i64(n),
            Value::Float(x) => visitor.visit_f64(x),
            Value::Str(text) => visitor.visit_string(text),
            Value::Bytes(bytes) => visitor.visit_byte_buf(bytes),
            Value::List(items) => self.list(items, visitor),
            Value::Map(map) => self.map(map, visitor),
            Value::Error(error) => visitor.visit_string(error.to_string()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match self.value {
            Value::Nil => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.value {
            Value::Map(map) if map.is_empty() => self.list(Vec::new(), visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Problem> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: usize,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.deserialize_seq(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        match &self.value {
            Value::List(items) if items.is_empty() => self.map(Map::new(), visitor),
            _ => self.deserialize_any(visitor),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.deserialize_map(visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        let (variant, content) = match self.value {
            Value::Str(variant) => (variant, None),
            Value::Map(map) if map.len() == 1 => {
                let depth_left = deeper(self.depth_left)?;
                let only = map.into_iter().next();
                let (variant, value) = only.ok_or_else(|| Problem("an empty map".to_owned()))?;
                (variant, Some(Input { value, depth_left }))
            }
            other => {
                let found = other.type_name();
                return Err(Problem(format!(
                    "a variant is text or a map with one key, not {found}"
                )));
            }
        };
        visitor.visit_enum(EnumInput { variant, content })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct identifier ignored_any
    }
}

/// A key of a map: text, and whatever that text may stand for.
struct Key(String);

impl IntoDeserializer<'_, Problem> for Key {
    type Deserializer = Key;

    fn into_deserializer(self) -> Key {
        self
    }
}

/// Implements methods for numbers and flags: a key that reads as one is one.
macro_rules! parsed_keys {
    ($($method:ident $visit:ident $type:ty),*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
            match self.0.parse::<$type>() {
                Ok(key) => visitor.$visit(key),
                Err(_) => visitor.visit_string(self.0),
            }
        })*
    };
}

impl<'de> Deserializer<'de> for Key {
    type Error = Problem;

    parsed_keys! {
        deserialize_bool visit_bool bool,
        deserialize_i8 visit_i64 i64, deserialize_i16 visit_i64 i64,
        deserialize_i32 visit_i64 i64, deserialize_i64 visit_i64 i64,
        deserialize_u8 visit_u64 u64, deserialize_u16 visit_u64 u64,
        deserialize_u32 visit_u64 u64, deserialize_u64 visit_u64 u64
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Problem> {
        visitor.visit_string(self.0)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        visitor.visit_enum(EnumInput { variant: self.0, content: None })
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char str string bytes byte_buf option unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

struct EnumInput {
    variant: String,
    content: Option<Input>,
}

impl<'de> EnumAccess<'de> for EnumInput {
    type Error = Problem;
    type Variant = VariantInput;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, VariantInput), Problem> {
        let variant = seed.deserialize(Key(self.variant))?;
        Ok((variant, VariantInput(self.content)))
    }
}

struct VariantInput(Option<Input>);

impl VariantInput {
    fn content(self) -> Result<Input, Problem> {
        self.0.ok_or_else(|| Problem("the variant needs content".to_owned()))
    }
}

impl<'de> VariantAccess<'de> for VariantInput {
    type Error = Problem;

    fn unit_variant(self) -> Result<(), Problem> {
        match self.0 {
            None | Some(Input { value: Value::Nil, .. }) => Ok(()),
            Some(_) => Err(Problem("the variant has no content".to_owned())),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Problem> {
        seed.deserialize(self.content()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Problem> {
        self.content()?.deserialize_seq(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Problem> {
        self.content()?.deserialize_map(visitor)
    }
}
