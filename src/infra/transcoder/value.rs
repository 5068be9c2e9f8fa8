//! [`Value`]: data of an entry, a message or a result, independent of where it came from.

use indexmap::IndexMap;

use crate::infra::error::Error;

/// A tree of plain data. Maps keep the order in which their keys were written.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Value {
    /// Nothing; a field that is nil is not there for Lua.
    #[default]
    Nil,
    /// True or false.
    Bool(bool),
    /// An integer as a file or a host wrote it; Lua sees a number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A text.
    Str(String),
    /// A string that is not valid UTF-8.
    Bytes(Vec<u8>),
    /// A table with a list part; what Lua has in fields beside it is not kept. A table with nothing in it
    /// is an empty map when it comes from Lua.
    List(Vec<Value>),
    /// A table with fields.
    Map(Map),
    /// An error object.
    Error(Box<Error>),
}

/// Fields by name, in the order in which they were written.
pub type Map = IndexMap<String, Value>;

impl Value {
    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The flag, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self {
            Value::Bool(flag) => Some(*flag),
            _ => None,
        }
    }

    /// The integer, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(n) => Some(*n),
            _ => None,
        }
    }

    /// Integers and floats alike.
    pub fn as_number(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Float(x) => Some(*x),
            _ => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Value]> {
        match self {
            Value::List(items) => Some(items),
            _ => None,
        }
    }

    /// The fields, if it is a map.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }

    /// The value under `key` if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_map()?.get(key)
    }

    /// Bytes that it takes on the heap, about.
    pub fn heap(&self) -> usize {
        match self {
            Value::Nil | Value::Bool(_) | Value::Int(_) | Value::Float(_) => 0,
            Value::Str(text) => text.capacity(),
            Value::Bytes(bytes) => bytes.capacity(),
            Value::List(items) => {
                let own = items.capacity() * size_of::<Value>();
                own + items.iter().map(Value::heap).sum::<usize>()
            }
            Value::Map(map) => heap_of(map),
            Value::Error(error) => error.heap(),
        }
    }

    /// Is it nothing?
    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil)
    }

    /// What a person would call this type: used in messages such as "must be a string, not a list".
    pub fn type_name(&self) -> &'static str {
        match self {
            Value::Nil => "nothing",
            Value::Bool(_) => "a boolean",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Str(_) => "a string",
            Value::Bytes(_) => "bytes",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
            Value::Error(_) => "an error",
        }
    }
}

/// Bytes that a map takes on the heap, about.
pub fn heap_of(map: &Map) -> usize {
    // A bucket: hash, key, value, and its place in the index.
    let own = map.capacity() * (size_of::<(u64, String, Value)>() + size_of::<usize>());
    own + map.iter().map(|(key, value)| key.capacity() + value.heap()).sum::<usize>()
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Str(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Str(text)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value::Bool(flag)
    }
}

impl From<i64> for Value {
    fn from(n: i64) -> Value {
        Value::Int(n)
    }
}

impl From<f64> for Value {
    fn from(x: f64) -> Value {
        Value::Float(x)
    }
}

impl<const N: usize> From<[(&str, Value); N]> for Value {
    fn from(pairs: [(&str, Value); N]) -> Value {
        Value::Map(pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
    }
}
