//! Lua values to and from trees of the host.
//!
//! A tree is poorer than a Lua value. A table with a list part is a list, and its other keys are
//! lost; any other is a map, and keys that are numbers or booleans become text. A table that holds
//! itself is cut off there. What is neither data nor an error becomes nil.
//!
//! *Plain data* (specification 01, section 10) is poorer still: a table with any positive integer key
//! is a list up to the largest of them, with nil in its holes; functions and objects become their text.

use std::ffi::c_int;

use rustc_hash::FxHashSet;

use crate::infra::transcoder::wire::{DEPTH_MAX, number};
use crate::infra::transcoder::{Map, Value};
use crate::runtime::engine::Raise;
use crate::runtime::engine::env::push_text_of;
use crate::runtime::engine::error::{self, ErrorObject};
use crate::runtime::engine::raw::{State, Type};

/// Values a tree may hold: tables that share tables would otherwise grow beyond all measure.
const VALUES_MAX: usize = 1_000_000;
/// Bytes of texts that it may hold: one text may be in a table a million times.
const TEXT_MAX: usize = 256 << 20;

/// Pushes a value of the host.
pub fn push(l: State, value: &Value) {
    match value {
        Value::Nil => l.push_nil(),
        Value::Bool(flag) => l.push_bool(*flag),
        Value::Int(n) => l.push_number(*n as f64),
        Value::Float(x) => l.push_number(*x),
        Value::Str(text) => l.push_str(text),
        Value::Bytes(bytes) => l.push_bytes(bytes),
        Value::Error(error) => error::push(l, (**error).clone()),
        // Nested deeper than anybody writes: the rest is left out.
        Value::List(_) | Value::Map(_) if !l.check_stack(6) => l.push_nil(),
        Value::List(items) => {
            l.new_table(items.len(), 0);
            for (n, item) in items.iter().enumerate() {
                push(l, item);
                l.raw_set_index(-2, n + 1);
            }
        }
        Value::Map(map) => push_map(l, map),
    }
}

/// Pushes a map as a table.
pub fn push_map(l: State, map: &Map) {
    l.new_table(0, map.len());
    for (key, item) in map {
        push(l, item);
        l.set_field(-2, key);
    }
}

/// The value at `index` as a tree. Raises if it is too deep or too large for one.
pub fn read(l: State, index: c_int) -> Result<Value, Raise> {
    Reader::new(l, false).value(l.abs(index))
}

/// The fields with string keys of the table at `index`.
pub fn read_map(l: State, index: c_int) -> Result<Map, Raise> {
    let index = l.abs(index);
    let mut reader = Reader::new(l, false);
    reader.around.insert(l.address(index));
    reader.map(index, false)
}

/// The value at `index` as plain data. Raises like [`read`]; runs `__tostring` of objects.
pub fn read_plain(l: State, index: c_int) -> Result<Value, Raise> {
    Reader::new(l, true).value(l.abs(index))
}

/// The fields with string keys of the table at `index`, as plain data.
pub fn read_plain_map(l: State, index: c_int) -> Result<Map, Raise> {
    let index = l.abs(index);
    let mut reader = Reader::new(l, true);
    reader.around.insert(l.address(index));
    reader.map(index, false)
}

struct Reader {
    l: State,
    /// Addresses of the tables around the one that is read.
    around: FxHashSet<usize>,
    /// Values that may still be read.
    n_left: usize,
    /// Bytes of texts that may still be read.
    text_left: usize,
    /// By the rules of plain data.
    plain: bool,
}

impl Reader {
    fn new(l: State, plain: bool) -> Reader {
        Reader { l, around: FxHashSet::default(), n_left: VALUES_MAX, text_left: TEXT_MAX, plain }
    }

    fn value(&mut self, index: c_int) -> Result<Value, Raise> {
        let l = self.l;
        self.n_left = self.n_left.checked_sub(1).ok_or_else(|| {
            Raise::Message(format!("value is too large (more than {VALUES_MAX} values)"))
        })?;
        Ok(match l.type_of(index) {
            Type::Boolean => Value::Bool(l.bool(index)),
            Type::Number => number(l.number(index).unwrap_or_default()),
            Type::String => {
                let len = l.raw_len(index);
                self.text_left = self.text_left.checked_sub(len).ok_or_else(|| {
                    Raise::Message(format!("value is too large (more than {TEXT_MAX} bytes)"))
                })?;
                text(l, index)
            }
            Type::Table => self.table(index)?,
            Type::Userdata if l.is::<ErrorObject>(index) => match error::get(l, index) {
                Some(error) => Value::Error(Box::new(error)),
                None => Value::Nil,
            },
            Type::Nil | Type::None => Value::Nil,
            _ if self.plain => {
                push_text_of(l, index)?;
                let text = text(l, -1);
                l.pop(1);
                text
            }
            _ => Value::Nil,
        })
    }

    /// How long the table is as a list; 0 if it is a map.
    fn list_len(&self, index: c_int) -> usize {
        let l = self.l;
        if !self.plain {
            return l.raw_len(index);
        }
        let mut len = 0;
        let mut cursor = 0;
        while let Some(next) = l.next_pair(index, cursor) {
            cursor = next;
            if l.type_of(-2) == Type::Number
                && let Some(n) = l.number(-2).filter(|n| *n >= 1.0 && n.fract() == 0.0)
            {
                // Beyond all measure is too large in any case.
                len = len.max(n as usize);
            }
            l.pop(2);
        }
        len
    }

    fn table(&mut self, index: c_int) -> Result<Value, Raise> {
        let l = self.l;
        let address = l.address(index);
        if self.around.contains(&address) {
            return Ok(Value::Nil);
        }
        if self.around.len() > DEPTH_MAX || !l.check_stack(6) {
            let text = format!("value is nested too deeply (more than {DEPTH_MAX} tables)");
            return Err(text.into());
        }
        self.around.insert(address);
        let tree = match self.list_len(index) {
            0 => Value::Map(self.map(index, true)?),
            len => {
                let mut list = Vec::with_capacity(len.min(self.n_left));
                for n in 1..=len {
                    l.raw_get_index(index, n);
                    list.push(self.value(l.top())?);
                    l.pop(1);
                }
                Value::List(list)
            }
        };
        self.around.remove(&address);
        Ok(tree)
    }

    /// `others`: keys that are no strings become strings, instead of being left out.
    fn map(&mut self, index: c_int, others: bool) -> Result<Map, Raise> {
        let l = self.l;
        let mut map = Map::new();
        let mut cursor = 0;
        while let Some(next) = l.next_pair(index, cursor) {
            cursor = next;
            let key = match l.type_of(-2) {
                Type::String => Some(lossy(l, -2)),
                Type::Number if others => Some(l.number(-2).unwrap_or_default().to_string()),
                Type::Boolean if others => Some(l.bool(-2).to_string()),
                _ => None,
            };
            if let Some(key) = key {
                let value = self.value(l.top())?;
                if !value.is_nil() {
                    map.insert(key, value);
                }
            }
            l.pop(2);
        }
        // Lua's order means nothing: one that does not change is better for whoever reads it.
        map.sort_unstable_keys();
        Ok(map)
    }
}

fn text(l: State, index: c_int) -> Value {
    let bytes = l.bytes(index).unwrap_or_default();
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::Str(text.to_owned()),
        Err(_) => Value::Bytes(bytes.to_vec()),
    }
}

fn lossy(l: State, index: c_int) -> String {
    String::from_utf8_lossy(l.bytes(index).unwrap_or_default()).into_owned()
}
