//! Values as bytes, for the way from one Lua state to another.
//!
//! A [`Wire`] holds any number of values one after another. Format, little-endian:
//!
//! | tag | then |
//! |---|---|
//! | `NIL`, `FALSE`, `TRUE` | nothing |
//! | `INT` | zigzag varint |
//! | `FLOAT` | 8 bytes |
//! | `STR` | varint length, bytes |
//! | `KEY` | varint: number of a string that is a common key, see [`keys`](super::keys) |
//! | `TABLE` | varint array length, one byte: fields (255: that or more), the array's values, then keys and values until `END` |
//! | `SAME` | varint: number of an earlier table of this wire (shared tables and cycles) |
//! | `ERROR` | kind, message: `STR` contents; retryable: one byte; details: a value; cause text |
//!
//! Tables are numbered in the order in which their `TABLE` tag appears. It is a private format of one
//! program run: it is neither stored nor sent to other versions.

use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::keys::KeyId;
use crate::infra::transcoder::value::{Map, Value};

pub const NIL: u8 = 0;
pub const FALSE: u8 = 1;
pub const TRUE: u8 = 2;
pub const INT: u8 = 3;
pub const FLOAT: u8 = 4;
pub const STR: u8 = 5;
pub const TABLE: u8 = 6;
pub const SAME: u8 = 7;
pub const ERROR: u8 = 8;
pub const END: u8 = 9;
pub const KEY: u8 = 10;

/// How deep tables may nest. Deeper ones are refused with an error, not with a crash.
pub const DEPTH_MAX: usize = 2_000;

/// A sequence of encoded values.
#[derive(Clone, Default, PartialEq)]
pub struct Wire {
    bytes: Vec<u8>,
    /// Some table occurs twice, so a reader has to remember the tables it makes.
    shared: bool,
}

impl std::fmt::Debug for Wire {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Wire({} bytes)", self.bytes.len())
    }
}

impl Wire {
    pub fn new() -> Wire {
        Wire::default()
    }

    /// Reuses a buffer that an earlier message gave back.
    pub fn with_buffer(mut buffer: Vec<u8>) -> Wire {
        buffer.clear();
        Wire { bytes: buffer, shared: false }
    }

    pub fn into_buffer(self) -> Vec<u8> {
        self.bytes
    }

    /// What was written, in a buffer of just its length; the long one is given back through `buffer`.
    pub fn seal(self, buffer: &mut Vec<u8>) -> Wire {
        let sealed = Wire { bytes: self.bytes.as_slice().to_vec(), shared: self.shared };
        *buffer = self.bytes;
        sealed
    }

    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    pub fn reader(&self) -> Reader<'_> {
        Reader { bytes: &self.bytes, shared: self.shared }
    }

    /// A wire with the given values.
    pub fn of(values: &[Value]) -> Wire {
        let mut wire = Wire::new();
        for value in values {
            wire.value(value);
        }
        wire
    }

    #[inline]
    pub fn tag(&mut self, tag: u8) {
        self.bytes.push(tag);
    }

    #[inline]
    pub fn bool(&mut self, flag: bool) {
        self.bytes.push(if flag { TRUE } else { FALSE });
    }

    #[inline]
    pub fn float(&mut self, x: f64) {
        self.bytes.push(FLOAT);
        self.bytes.extend_from_slice(&x.to_le_bytes());
    }

    #[inline]
    pub fn int(&mut self, n: i64) {
        self.bytes.push(INT);
        self.varint(((n << 1) ^ (n >> 63)) as u64);
    }

    #[inline]
    pub fn str(&mut self, bytes: &[u8]) {
        self.bytes.push(STR);
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    #[inline]
    pub fn varint(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.bytes.push(n as u8 | 0x80);
            n >>= 7;
        }
        self.bytes.push(n as u8);
    }

    #[inline]
    pub fn key(&mut self, key: KeyId) {
        self.tag(KEY);
        self.varint(key.number().into());
    }

    /// Begins a table with `len` values in its list part; how many fields follow is told at its end.
    #[inline]
    pub fn begin_table(&mut self, len: usize) -> OpenTable {
        self.tag(TABLE);
        self.varint(len as u64);
        self.bytes.push(0);
        OpenTable { fields_at: self.bytes.len() - 1 }
    }

    #[inline]
    pub fn end_table(&mut self, table: OpenTable, fields: usize) {
        self.bytes[table.fields_at] = fields.min(FIELDS_TOLD) as u8;
        self.tag(END);
    }

    /// A table that was written before as number `number`.
    pub fn same(&mut self, number: usize) {
        self.shared = true;
        self.tag(SAME);
        self.varint(number as u64);
    }

    pub fn error(&mut self, error: &Error) {
        self.bytes.push(ERROR);
        self.str(error.kind().as_str().as_bytes());
        self.str(error.to_string().as_bytes());
        self.bytes.push(match error.retryable() {
            None => NIL,
            Some(false) => FALSE,
            Some(true) => TRUE,
        });
        self.value(error.details().unwrap_or(&Value::Nil));
    }

    /// Encodes a tree. Trees of the host are finite, their depth is that of files and of code.
    pub fn value(&mut self, value: &Value) {
        match value {
            Value::Nil => self.tag(NIL),
            Value::Bool(flag) => self.bool(*flag),
            Value::Int(n) => self.int(*n),
            Value::Float(x) => self.float(*x),
            Value::Str(text) => self.str(text.as_bytes()),
            Value::Bytes(bytes) => self.str(bytes),
            Value::List(items) => {
                let table = self.begin_table(items.len());
                items.iter().for_each(|item| self.value(item));
                self.end_table(table, 0);
            }
            Value::Map(map) => {
                let table = self.begin_table(0);
                for (key, item) in map {
                    self.str(key.as_bytes());
                    self.value(item);
                }
                self.end_table(table, map.len());
            }
            Value::Error(error) => self.error(error),
        }
    }
}

/// A table being written.
#[must_use]
pub struct OpenTable {
    fields_at: usize,
}

/// More fields than this are told as this many.
pub const FIELDS_TOLD: usize = 255;

/// One decoded item; a table's contents follow as further items.
#[derive(Debug, PartialEq)]
pub enum Item<'a> {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(&'a [u8]),
    /// A string, by its number.
    Key(KeyId),
    /// A table with so many array values, then about so many pairs until [`Item::End`].
    Table {
        len: usize,
        fields: usize,
    },
    Same(usize),
    Error,
    End,
}

/// Reads a [`Wire`] from the front.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    shared: bool,
}

impl<'a> Reader<'a> {
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// May [`Item::Same`] come up?
    pub fn is_shared(&self) -> bool {
        self.shared
    }

    /// The next item; `None` at the end. A wire is only ever made by this module, so a malformed
    /// one reads as ended.
    #[inline]
    pub fn item(&mut self) -> Option<Item<'a>> {
        let (&tag, rest) = self.bytes.split_first()?;
        self.bytes = rest;
        Some(match tag {
            NIL => Item::Nil,
            FALSE => Item::Bool(false),
            TRUE => Item::Bool(true),
            INT => {
                let n = self.varint()?;
                Item::Int((n >> 1) as i64 ^ -((n & 1) as i64))
            }
            FLOAT => {
                let (bytes, rest) = self.bytes.split_first_chunk::<8>()?;
                self.bytes = rest;
                Item::Float(f64::from_le_bytes(*bytes))
            }
            STR => {
                let len = self.varint()? as usize;
                let (text, rest) = self.bytes.split_at_checked(len)?;
                self.bytes = rest;
                Item::Str(text)
            }
            KEY => Item::Key(KeyId::from_number(self.varint()?)?),
            TABLE => {
                let len = self.varint()? as usize;
                let (&fields, rest) = self.bytes.split_first()?;
                self.bytes = rest;
                Item::Table { len, fields: fields.into() }
            }
            SAME => Item::Same(self.varint()? as usize),
            ERROR => Item::Error,
            END => Item::End,
            _ => return None,
        })
    }

    fn varint(&mut self) -> Option<u64> {
        let mut n = 0u64;
        let mut shift = 0;
        loop {
            let (&byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            n |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(n);
            }
            shift += 7;
            if shift > 63 {
                return None;
            }
        }
    }

    /// The contents of an error, after [`Item::Error`].
    pub fn error(&mut self) -> Option<Error> {
        let kind = self.text()?;
        let message = self.text()?;
        let retryable = match self.item()? {
            Item::Bool(flag) => Some(flag),
            _ => None,
        };
        let details = self.value()?;
        let error = Error::new(Kind::parse(&kind), message).with_retryable(retryable);
        Some(if details.is_nil() { error } else { error.with_details(details) })
    }

    fn text(&mut self) -> Option<String> {
        match self.item()? {
            Item::Str(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            _ => None,
        }
    }

    /// The next value as a tree. Tables with an array part become lists, the others maps; a
    /// repeated table becomes nil (a tree has no cycles).
    pub fn value(&mut self) -> Option<Value> {
        let item = self.item()?;
        self.value_of(item)
    }

    fn value_of(&mut self, item: Item<'a>) -> Option<Value> {
        Some(match item {
            Item::Nil | Item::Same(_) | Item::End => Value::Nil,
            Item::Bool(flag) => Value::Bool(flag),
            Item::Int(n) => Value::Int(n),
            Item::Float(x) => number(x),
            Item::Str(bytes) => text_or_bytes(bytes),
            Item::Key(key) => text_or_bytes(key.text()),
            Item::Error => Value::Error(Box::new(self.error()?)),
            Item::Table { len: array_len, .. } => {
                let mut list = Vec::with_capacity(array_len.min(self.bytes.len()));
                for _ in 0..array_len {
                    list.push(self.value()?);
                }
                let mut map = Map::new();
                loop {
                    let key = match self.item()? {
                        Item::End => break,
                        Item::Str(bytes) => String::from_utf8_lossy(bytes).into_owned(),
                        Item::Key(key) => String::from_utf8_lossy(key.text()).into_owned(),
                        Item::Int(n) => n.to_string(),
                        Item::Float(x) => x.to_string(),
                        Item::Bool(flag) => flag.to_string(),
                        other => {
                            self.value_of(other)?;
                            String::new()
                        }
                    };
                    let value = self.value()?;
                    map.insert(key, value);
                }
                match list.is_empty() {
                    true => Value::Map(map),
                    false => Value::List(list),
                }
            }
        })
    }
}

/// Lua has one number type: integral values come back as integers.
pub fn number(x: f64) -> Value {
    match x.fract() == 0.0 && x.abs() <= 9_007_199_254_740_992.0 {
        true => Value::Int(x as i64),
        false => Value::Float(x),
    }
}

fn text_or_bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::Str(text.to_owned()),
        Err(_) => Value::Bytes(bytes.to_vec()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trees() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Nil),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::Int),
            ".*".prop_map(Value::Str),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 1..6).prop_map(Value::List),
                prop::collection::vec((".*", inner), 0..6)
                    .prop_map(|pairs| Value::Map(pairs.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn trees_survive(values in prop::collection::vec(trees(), 0..4)) {
            let wire = Wire::of(&values);
            let mut reader = wire.reader();
            for value in &values {
                prop_assert_eq!(reader.value(), Some(value.clone()));
            }
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn any_bytes_are_harmless(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let wire = Wire { bytes, shared: true };
            let mut reader = wire.reader();
            while reader.value().is_some() {}
        }
    }

    #[test]
    fn errors_keep_what_matters() {
        let error = Error::new(Kind::Timeout, "slow")
            .with_retryable(Some(true))
            .with_details([("n", Value::Int(3))].into());
        let wire = Wire::of(&[Value::Error(Box::new(error.clone()))]);
        assert_eq!(wire.reader().value(), Some(Value::Error(Box::new(error))));
    }
}
