//! Lua values as JSON. Specification 07, section 2.1.

use std::ffi::c_int;

use crate::infra::transcoder::json;
use crate::runtime::engine::error;
use crate::runtime::engine::raw::{State, Type};

/// Tables that may lie within one another below the outermost.
const DEPTH_MAX: usize = 128;
/// Bytes of a text. Tables that share tables are short to build and endless to write, and nothing
/// else runs meanwhile.
const LEN_MAX: usize = 64 << 20;

/// What an empty table is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Empty {
    /// A list, unless [`decode`](super::decode) has made it of an object.
    List,
    Object,
}

/// The value at `index` as JSON, of at most `limit` bytes, or why there is none.
pub fn encode(l: State, index: c_int, empty: Empty, limit: usize) -> Result<Vec<u8>, String> {
    let index = l.abs(index);
    let limit = limit.min(LEN_MAX);
    let mut writer = Writer { l, out: Vec::new(), around: Vec::new(), empty, limit };
    match l.type_of(index) {
        Type::Number => {
            json::write_lone_number(&mut writer.out, l.number(index).unwrap_or_default());
        }
        _ => writer.value(index)?,
    }
    Ok(writer.out)
}

struct Writer {
    l: State,
    out: Vec<u8>,
    /// Addresses of the tables around the one that is written.
    around: Vec<usize>,
    empty: Empty,
    limit: usize,
}

/// What a table is written as.
enum Shape {
    List(usize),
    Object,
}

impl Writer {
    /// The value at `index`, counted from the bottom.
    fn value(&mut self, index: c_int) -> Result<(), String> {
        let l = self.l;
        match l.type_of(index) {
            Type::Boolean if l.bool(index) => self.out.extend_from_slice(b"true"),
            Type::Boolean => self.out.extend_from_slice(b"false"),
            Type::Number => json::write_number(&mut self.out, l.number(index).unwrap_or_default()),
            Type::String => {
                let bytes = l.bytes(index).unwrap_or_default();
                self.room(bytes.len())?;
                json::write_string(&mut self.out, bytes);
            }
            Type::Table => self.table(index)?,
            Type::Userdata => match error::message(l, index) {
                Some(message) => json::write_string(&mut self.out, message.as_bytes()),
                None => self.out.extend_from_slice(b"null"),
            },
            _ => self.out.extend_from_slice(b"null"),
        }
        self.room(0)
    }

    /// May the text grow by this much?
    fn room(&mut self, more: usize) -> Result<(), String> {
        if self.out.len() + more > self.limit || self.out.try_reserve(more).is_err() {
            return Err(format!("longer than {} bytes", self.limit));
        }
        Ok(())
    }

    fn table(&mut self, index: c_int) -> Result<(), String> {
        let l = self.l;
        let address = l.address(index);
        if self.around.contains(&address) {
            return Err("recursive table, it contains itself".into());
        }
        if self.around.len() > DEPTH_MAX || !l.check_stack(6) {
            return Err(format!("nested too deeply (more than {DEPTH_MAX} levels)"));
        }
        self.around.push(address);
        match self.shape(index)? {
            Shape::List(len) => self.list(index, len)?,
            Shape::Object => self.object(index)?,
        }
        self.around.pop();
        Ok(())
    }

    fn shape(&self, index: c_int) -> Result<Shape, String> {
        let l = self.l;
        let (mut n_items, mut last, mut n_others, mut cursor) = (0usize, 0.0, 0usize, 0);
        while let Some(next) = l.next_pair(index, cursor) {
            cursor = next;
            match l.type_of(-2) {
                Type::Number => {
                    let key = l.number(-2).unwrap_or_default();
                    match key > 0.0 && key.fract() == 0.0 {
                        true => {
                            n_items += 1;
                            last = f64::max(last, key);
                        }
                        false => n_others += 1,
                    }
                }
                _ => n_others += 1,
            }
            l.pop(2);
        }
        match (n_items, n_others) {
            (0, 0) if self.empty == Empty::List && !super::decode::was_object(l, index) => {
                Ok(Shape::List(0))
            }
            (0, _) => Ok(Shape::Object),
            (_, 1..) => Err("mixed keys, a table is either a list or an object".into()),
            (len, 0) if last == len as f64 => Ok(Shape::List(len)),
            _ => Err("sparse array, a list has no holes".into()),
        }
    }

    fn list(&mut self, index: c_int, len: usize) -> Result<(), String> {
        self.out.push(b'[');
        for n in 1..=len {
            if n > 1 {
                self.out.push(b',');
            }
            self.l.raw_get_index(index, n);
            self.value(self.l.top())?;
            self.l.pop(1);
        }
        self.out.push(b']');
        Ok(())
    }

    fn object(&mut self, index: c_int) -> Result<(), String> {
        let l = self.l;
        self.out.push(b'{');
        let mut is_first = true;
        let mut cursor = 0;
        while let Some(next) = l.next_pair(index, cursor) {
            cursor = next;
            let key = match l.type_of(-2) {
                // As they are: a number is not to become a string in the table.
                Type::String => l.bytes(-2).map(<[u8]>::to_vec),
                Type::Number => {
                    let mut text = Vec::new();
                    json::write_number(&mut text, l.number(-2).unwrap_or_default());
                    Some(text)
                }
                Type::Boolean => Some(l.bool(-2).to_string().into_bytes()),
                _ => None,
            };
            if let Some(key) = key {
                if !std::mem::take(&mut is_first) {
                    self.out.push(b',');
                }
                self.room(key.len())?;
                json::write_string(&mut self.out, &key);
                self.out.push(b':');
                self.value(l.top())?;
            }
            l.pop(2);
        }
        self.out.push(b'}');
        Ok(())
    }
}
