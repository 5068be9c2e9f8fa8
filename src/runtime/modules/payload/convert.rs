//! Payloads from one format to another. Specification 01, section 10.
//!
//! Every format can be read as a tree and as a Lua value, and written from either; what leads
//! nowhere is refused. JSON is written of Lua values by the rules of the `json` module, the other
//! formats by those of [`tree`].

use std::ffi::c_int;

use crate::infra::error::{Error, Result};
use crate::infra::transcoder::wire::number;
use crate::infra::transcoder::{Encoding, Map, Transcoder, Value, json};
use crate::runtime::engine::error;
use crate::runtime::engine::mail::Format;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::value;
use crate::runtime::modules::json::decode as from_json;
use crate::runtime::modules::json::encode::{self as to_json, Empty};

/// Values of a tree that is made of a Lua value.
const VALUES_MAX: usize = 1_000_000;
/// Tables one inside the other.
const DEPTH_MAX: usize = 128;

/// Replaces the content on top, which is in format `from`, by the same in format `to`.
pub fn convert(l: State, by: &Transcoder, from: Format, to: Format) -> Result<()> {
    match to {
        _ if from == to => Ok(()),
        Format::Lua => to_lua(l, by, from),
        Format::Golang => {
            let tree = read(l, by, from)?;
            value::push(l, &tree);
            Ok(())
        }
        Format::Json => {
            let text = match from {
                Format::Yaml | Format::Msgpack => by.encode(Encoding::Json, &read(l, by, from)?)?,
                _ => to_json::encode(l, -1, Empty::List, by.room()).map_err(Error::internal)?,
            };
            l.push_bytes(&text);
            Ok(())
        }
        Format::Yaml => {
            let text = by.encode(Encoding::Yaml, &read(l, by, from)?)?;
            l.push_bytes(&text);
            Ok(())
        }
        Format::Msgpack => {
            let bytes = by.encode(Encoding::Msgpack, &read(l, by, from)?)?;
            l.push_bytes(&bytes);
            Ok(())
        }
        Format::String | Format::Bytes => {
            if !matches!(from, Format::String | Format::Bytes) {
                to_lua(l, by, from)?;
                push_text(l, by)?;
            }
            Ok(())
        }
    }
}

/// Replaces the content on top by the Lua value that it stands for.
pub fn to_lua(l: State, by: &Transcoder, from: Format) -> Result<()> {
    match from {
        Format::Lua | Format::Golang | Format::String | Format::Bytes => Ok(()),
        Format::Json => from_json::decode(l, l.bytes(-1).unwrap_or_default()),
        Format::Yaml | Format::Msgpack => {
            let tree = read(l, by, from)?;
            value::push(l, &tree);
            Ok(())
        }
    }
}

/// The content on top as a tree.
fn read(l: State, by: &Transcoder, from: Format) -> Result<Value> {
    let decode = |encoding| by.decode(encoding, l.bytes(-1).unwrap_or_default());
    match from {
        Format::Json => decode(Encoding::Json),
        Format::Yaml => decode(Encoding::Yaml),
        Format::Msgpack => decode(Encoding::Msgpack),
        _ => tree(l, l.top(), by.room()).map_err(Error::internal),
    }
}

/// Pushes the text that a value on top is as a string.
fn push_text(l: State, by: &Transcoder) -> Result<()> {
    match l.type_of(-1) {
        Type::String => (),
        Type::None | Type::Nil => l.push_str(""),
        Type::Boolean => l.push_str(if l.bool(-1) { "true" } else { "false" }),
        Type::Number => {
            let mut text = Vec::new();
            match l.number(-1).unwrap_or_default() {
                x if x.is_finite() => json::write_number(&mut text, x),
                x => text.extend_from_slice(x.to_string().as_bytes()),
            }
            l.push_bytes(&text);
        }
        Type::Table => {
            let text = match to_json::encode(l, -1, Empty::List, by.room()) {
                Ok(text) => text,
                // With holes, or keys of both sorts: what YAML makes of it.
                Err(_) => by.encode(Encoding::Json, &read(l, by, Format::Lua)?)?,
            };
            l.push_bytes(&text);
        }
        _ => l.push_text_of(-1),
    }
    Ok(())
}

/// The value at `index` as a tree: a table with any positive integer key is a list up to the
/// largest of them, any other a map with texts as keys. What is no data is its text.
fn tree(l: State, index: c_int, room: usize) -> std::result::Result<Value, String> {
    Reader { l, around: Vec::new(), n_left: VALUES_MAX, room }.value(index)
}

struct Reader {
    l: State,
    /// Addresses of the tables around the one that is read.
    around: Vec<usize>,
    /// Values, and bytes of text, that may still be read.
    n_left: usize,
    room: usize,
}

impl Reader {
    fn value(&mut self, index: c_int) -> std::result::Result<Value, String> {
        let l = self.l;
        self.pay(1)?;
        Ok(match l.type_of(index) {
            Type::None | Type::Nil => Value::Nil,
            Type::Boolean => Value::Bool(l.bool(index)),
            Type::Number => number(l.number(index).unwrap_or_default()),
            Type::String => self.text(index)?,
            Type::Table => {
                let address = l.address(index);
                if self.around.contains(&address) {
                    return Err("recursive table, it contains itself".into());
                }
                if self.around.len() >= DEPTH_MAX || !l.check_stack(6) {
                    return Err(format!("nested too deeply (more than {DEPTH_MAX} levels)"));
                }
                self.around.push(address);
                let read = self.table(index)?;
                self.around.pop();
                read
            }
            _ => match error::get(l, index) {
                Some(error) => Value::Error(Box::new(error)),
                None => {
                    l.push_text_of(index);
                    let text = self.text(l.top())?;
                    l.pop(1);
                    text
                }
            },
        })
    }

    fn pay(&mut self, values: usize) -> std::result::Result<(), String> {
        let left = self.n_left.checked_sub(values);
        self.n_left = left.ok_or_else(|| format!("too large (more than {VALUES_MAX} values)"))?;
        Ok(())
    }

    fn text(&mut self, index: c_int) -> std::result::Result<Value, String> {
        let bytes = self.l.bytes(index).unwrap_or_default();
        let left = self.room.checked_sub(bytes.len());
        self.room = left.ok_or_else(|| "longer than a payload may be".to_owned())?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Value::Str(text.to_owned()),
            Err(_) => Value::Bytes(bytes.to_vec()),
        })
    }

    fn table(&mut self, index: c_int) -> std::result::Result<Value, String> {
        let l = self.l;
        let (mut last, mut cursor) = (0.0, 0);
        while let Some(next) = l.next_pair(index, cursor) {
            cursor = next;
            if l.type_of(-2) == Type::Number {
                let key = l.number(-2).unwrap_or_default();
                if key > last && key.fract() == 0.0 {
                    last = key;
                }
            }
            l.pop(2);
        }
        if last > 0.0 {
            let len = last as usize;
            // Holes are values too: one far key must not make a list without end.
            self.pay(len)?;
            self.n_left += len;
            let mut list = Vec::with_capacity(len);
            for n in 1..=len {
                l.raw_get_index(index, n);
                list.push(self.value(l.top())?);
                l.pop(1);
            }
            return Ok(Value::List(list));
        }
        let (mut map, mut cursor) = (Map::new(), 0);
        while let Some(next) = l.next_pair(index, cursor) {
            cursor = next;
            let key = match l.type_of(-2) {
                Type::String => {
                    String::from_utf8_lossy(l.bytes(-2).unwrap_or_default()).into_owned()
                }
                Type::Number => l.number(-2).unwrap_or_default().to_string(),
                Type::Boolean => l.bool(-2).to_string(),
                _ => {
                    l.push_text_of(-2);
                    let bytes = l.bytes(-1).unwrap_or_default();
                    let text = String::from_utf8_lossy(bytes).into_owned();
                    l.pop(1);
                    text
                }
            };
            map.insert(key, self.value(l.top())?);
            l.pop(2);
        }
        // Lua's order means nothing: one that does not change is better for whoever reads it.
        map.sort_unstable_keys();
        Ok(Value::Map(map))
    }
}
