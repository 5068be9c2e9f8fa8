//! What serde writes, as a [`Value`].

use serde::Serialize;
use serde::ser::{
    SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use crate::infra::transcoder::tree::DEPTH_MAX;
use crate::infra::transcoder::typed::{Problem, deeper};
use crate::infra::transcoder::{Map, Value};

/// An error in it is written as its text.
impl Serialize for Value {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Nil => output.serialize_unit(),
            Value::Bool(flag) => output.serialize_bool(*flag),
            Value::Int(n) => output.serialize_i64(*n),
            Value::Float(x) => output.serialize_f64(*x),
            Value::Str(text) => output.serialize_str(text),
            Value::Bytes(bytes) => output.serialize_bytes(bytes),
            Value::List(items) => output.collect_seq(items),
            Value::Map(map) => output.collect_map(map),
            Value::Error(error) => output.collect_str(error),
        }
    }
}

#[derive(Clone, Copy)]
pub(super) struct Output {
    depth_left: usize,
}

impl Output {
    pub(super) fn new() -> Output {
        Output { depth_left: DEPTH_MAX }
    }

    fn deeper(self) -> Result<Output, Problem> {
        deeper(self.depth_left).map(|depth_left| Output { depth_left })
    }

    fn list(self, len: usize, variant: Option<&'static str>) -> Result<ListOutput, Problem> {
        // A type may claim any length.
        let items = Vec::with_capacity(len.min(1024));
        Ok(ListOutput { items, variant, inner: self.deeper()? })
    }

    fn map(self, variant: Option<&'static str>) -> Result<MapOutput, Problem> {
        Ok(MapOutput { map: Map::new(), key: None, variant, inner: self.deeper()? })
    }
}

/// `{variant: value}`, as serde names the variants of enums.
fn tagged(variant: Option<&'static str>, value: Value) -> Value {
    match variant {
        Some(variant) => Value::from([(variant, value)]),
        None => value,
    }
}

impl Serializer for Output {
    type Ok = Value;
    type Error = Problem;
    type SerializeSeq = ListOutput;
    type SerializeTuple = ListOutput;
    type SerializeTupleStruct = ListOutput;
    type SerializeTupleVariant = ListOutput;
    type SerializeMap = MapOutput;
    type SerializeStruct = MapOutput;
    type SerializeStructVariant = MapOutput;

    fn serialize_bool(self, flag: bool) -> Result<Value, Problem> {
        Ok(Value::Bool(flag))
    }

    fn serialize_i8(self, n: i8) -> Result<Value, Problem> {
        Ok(Value::Int(n.into()))
    }

    fn serialize_i16(self, n: i16) -> Result<Value, Problem> {
        Ok(Value::Int(n.into()))
    }

    fn serialize_i32(self, n: i32) -> Result<Value, Problem> {
        Ok(Value::Int(n.into()))
    }

    fn serialize_i64(self, n: i64) -> Result<Value, Problem> {
        Ok(Value::Int(n))
    }

    fn serialize_i128(self, n: i128) -> Result<Value, Problem> {
        Ok(i64::try_from(n).map_or(Value::Float(n as f64), Value::Int))
    }

    fn serialize_u8(self, n: u8) -> Result<Value, Problem> {
        Ok(Value::Int(n.into()))
    }

    fn serialize_u16(self, n: u16) -> Result<Value, Problem> {
        Ok(Value::Int(n.into()))
    }

    fn serialize_u32(self, n: u32) -> Result<Value, Problem> {
        Ok(Value::Int(n.into()))
    }

    fn serialize_u64(self, n: u64) -> Result<Value, Problem> {
        Ok(i64::try_from(n).map_or(Value::Float(n as f64), Value::Int))
    }

    fn serialize_u128(self, n: u128) -> Result<Value, Problem> {
        Ok(i64::try_from(n).map_or(Value::Float(n as f64), Value::Int))
    }

    fn serialize_f32(self, x: f32) -> Result<Value, Problem> {
        Ok(Value::Float(x.into()))
    }

    fn serialize_f64(self, x: f64) -> Result<Value, Problem> {
        Ok(Value::Float(x))
    }

    fn serialize_char(self, c: char) -> Result<Value, Problem> {
        Ok(Value::Str(c.into()))
    }

    fn serialize_str(self, text: &str) -> Result<Value, Problem> {
        Ok(text.into())
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<Value, Problem> {
        Ok(Value::Bytes(bytes.to_vec()))
    }

    fn serialize_none(self) -> Result<Value, Problem> {
        Ok(Value::Nil)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, data: &T) -> Result<Value, Problem> {
        data.serialize(self)
    }

    fn serialize_unit(self) -> Result<Value, Problem> {
        Ok(Value::Nil)
    }

    fn serialize_unit_struct(self, _: &'static str) -> Result<Value, Problem> {
        Ok(Value::Nil)
    }

    fn serialize_unit_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
    ) -> Result<Value, Problem> {
        Ok(variant.into())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        data: &T,
    ) -> Result<Value, Problem> {
        data.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        data: &T,
    ) -> Result<Value, Problem> {
        Ok(tagged(Some(variant), data.serialize(self.deeper()?)?))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<ListOutput, Problem> {
        self.list(len.unwrap_or_default(), None)
    }

    fn serialize_tuple(self, len: usize) -> Result<ListOutput, Problem> {
        self.list(len, None)
    }

    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<ListOutput, Problem> {
        self.list(len, None)
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<ListOutput, Problem> {
        self.deeper()?.list(len, Some(variant))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<MapOutput, Problem> {
        self.map(None)
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<MapOutput, Problem> {
        self.map(None)
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<MapOutput, Problem> {
        self.deeper()?.map(Some(variant))
    }
}

pub(super) struct ListOutput {
    items: Vec<Value>,
    variant: Option<&'static str>,
    inner: Output,
}

impl ListOutput {
    fn add<T: Serialize + ?Sized>(&mut self, data: &T) -> Result<(), Problem> {
        self.items.push(data.serialize(self.inner)?);
        Ok(())
    }

    fn finish(self) -> Result<Value, Problem> {
        Ok(tagged(self.variant, Value::List(self.items)))
    }
}

/// Implements one of serde's traits for what is being written, by its two methods.
macro_rules! list_output {
    ($trait:ident, $add:ident) => {
        impl $trait for ListOutput {
            type Ok = Value;
            type Error = Problem;

            fn $add<T: Serialize + ?Sized>(&mut self, data: &T) -> Result<(), Problem> {
                self.add(data)
            }

            fn end(self) -> Result<Value, Problem> {
                self.finish()
            }
        }
    };
}

list_output!(SerializeSeq, serialize_element);
list_output!(SerializeTuple, serialize_element);
list_output!(SerializeTupleStruct, serialize_field);
list_output!(SerializeTupleVariant, serialize_field);

pub(super) struct MapOutput {
    map: Map,
    /// Written, its value not yet.
    key: Option<String>,
    variant: Option<&'static str>,
    inner: Output,
}

impl MapOutput {
    fn add<T: Serialize + ?Sized>(&mut self, key: &str, data: &T) -> Result<(), Problem> {
        self.map.insert(key.to_owned(), data.serialize(self.inner)?);
        Ok(())
    }

    fn finish(self) -> Result<Value, Problem> {
        Ok(tagged(self.variant, Value::Map(self.map)))
    }
}

impl SerializeMap for MapOutput {
    type Ok = Value;
    type Error = Problem;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Problem> {
        self.key = Some(match key.serialize(self.inner)? {
            Value::Str(text) => text,
            Value::Int(n) => n.to_string(),
            Value::Bool(flag) => flag.to_string(),
            other => return Err(Problem(format!("a key must be text, not {}", other.type_name()))),
        });
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, data: &T) -> Result<(), Problem> {
        let key = self.key.take().ok_or_else(|| Problem("a value without a key".to_owned()))?;
        self.add(&key, data)
    }

    fn end(self) -> Result<Value, Problem> {
        self.finish()
    }
}

macro_rules! struct_output {
    ($trait:ident) => {
        impl $trait for MapOutput {
            type Ok = Value;
            type Error = Problem;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                data: &T,
            ) -> Result<(), Problem> {
                self.add(key, data)
            }

            fn end(self) -> Result<Value, Problem> {
                self.finish()
            }
        }
    };
}

struct_output!(SerializeStruct);
struct_output!(SerializeStructVariant);
