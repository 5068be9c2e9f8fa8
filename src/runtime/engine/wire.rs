//! Lua values to and from [`Wire`]: the way from one VM to another, and to the host.
//!
//! The rules of what crosses are those of [`copy`](crate::runtime::engine::copy).

use std::ffi::c_int;

use rustc_hash::FxHashMap;

use crate::infra::transcoder::keys::KeyId;
use crate::infra::transcoder::wire::{self, DEPTH_MAX, Item, Reader, Wire};
use crate::runtime::engine::Raise;
use crate::runtime::engine::error::{self, ErrorObject};
use crate::runtime::engine::mail::PayloadObject;
use crate::runtime::engine::raw::{Anchor, State, Type};

/// Bytes that a value may take on its way: as many as the longest string of Luau.
const LEN_MAX: usize = 1 << 30;

/// Addresses of tables already written, with their numbers. Few tables: a list is faster.
#[derive(Default)]
struct Written {
    few: smallvec::SmallVec<[usize; 8]>,
    many: FxHashMap<usize, usize>,
}

impl Written {
    /// The number of the table, or `None` after having given it one.
    fn number(&mut self, address: usize) -> Option<usize> {
        if self.few.len() < 8 {
            let found = self.few.iter().position(|&a| a == address);
            if found.is_none() {
                self.few.push(address);
            }
            return found;
        }
        if self.many.is_empty() {
            self.many = self.few.iter().enumerate().map(|(n, &a)| (a, n)).collect();
        }
        let next = self.many.len();
        match self.many.insert(address, next) {
            Some(number) => {
                self.many.insert(address, number);
                Some(number)
            }
            None => None,
        }
    }
}

/// Appends the arguments `first..=last` of a call.
pub fn encode_arguments(l: State, first: c_int, last: c_int, out: &mut Wire) -> Result<(), Raise> {
    let mut written = Written::default();
    for index in first..=last {
        encode(l, index, out, &mut written, 0)?;
    }
    Ok(())
}

/// Appends one value.
pub fn encode_one(l: State, index: c_int, out: &mut Wire) -> Result<(), Raise> {
    encode(l, l.abs(index), out, &mut Written::default(), 0)
}

fn encode(
    l: State,
    index: c_int,
    out: &mut Wire,
    written: &mut Written,
    depth: usize,
) -> Result<(), Raise> {
    match l.type_of(index) {
        Type::Boolean => out.bool(l.bool(index)),
        Type::Number => out.float(l.number(index).unwrap_or_default()),
        Type::String => {
            fits(out, l.raw_len(index))?;
            out.str(l.bytes(index).unwrap_or_default());
        }
        Type::Table => encode_table(l, index, out, written, depth)?,
        Type::Userdata if l.is::<ErrorObject>(index) => {
            if let Some(error) = error::get(l, index) {
                fits(out, error.heap())?;
                out.error(&error);
            }
        }
        Type::Userdata if depth == 0 => {
            let top = l.top();
            match PayloadObject::push_value(l, index) {
                true => {
                    let result = encode(l, l.top(), out, written, 1);
                    l.set_top(top);
                    result?;
                }
                false => out.tag(wire::NIL),
            }
        }
        _ => out.tag(wire::NIL),
    }
    Ok(())
}

/// Is there room for so many more bytes? One text may be in a table a million times.
#[inline]
fn fits(out: &Wire, more: usize) -> Result<(), Raise> {
    if out.len() + more > LEN_MAX {
        return Err(format!("value is too large (more than {LEN_MAX} bytes)").into());
    }
    Ok(())
}

fn encode_table(
    l: State,
    index: c_int,
    out: &mut Wire,
    written: &mut Written,
    depth: usize,
) -> Result<(), Raise> {
    if let Some(number) = written.number(l.address(index)) {
        out.same(number);
        return Ok(());
    }
    if depth > DEPTH_MAX || !l.check_stack(6) {
        return Err(format!("value is nested too deeply (more than {DEPTH_MAX} tables)").into());
    }
    let index = l.abs(index);
    let len = l.raw_len(index);
    let table = out.begin_table(len);
    for n in 1..=len {
        l.raw_get_index(index, n);
        encode(l, l.top(), out, written, depth + 1)?;
        l.pop(1);
    }
    let mut cursor = 0;
    let mut fields = 0;
    let key = l.top() + 1;
    while let Some(next) = l.next_pair(index, cursor) {
        cursor = next;
        if !(in_list(l, key, len)) && crosses(l, key) && crosses(l, key + 1) {
            fields += 1;
            // The keys of a table with many fields are data, not names.
            match l.type_of(key) == Type::String && fields <= NAMED_FIELDS {
                true => encode_key(l, key, out),
                false => encode(l, key, out, written, depth + 1)?,
            }
            encode(l, key + 1, out, written, depth + 1)?;
        }
        l.pop(2);
    }
    out.end_table(table, fields);
    Ok(())
}

/// Fields of a table whose keys may get numbers.
const NAMED_FIELDS: usize = 32;

#[inline]
fn encode_key(l: State, index: c_int, out: &mut Wire) {
    let (text, atom) = l.bytes_and_atom(index);
    match atom.and_then(|atom| KeyId::from_number(atom.into())) {
        Some(key) => out.key(key),
        None => out.str(text),
    }
}

/// Is the key one of `1..=len`, which have been written already?
#[inline]
fn in_list(l: State, key: c_int, len: usize) -> bool {
    len > 0
        && l.type_of(key) == Type::Number
        && l.number(key).is_some_and(|n| n.fract() == 0.0 && n >= 1.0 && n <= len as f64)
}

fn crosses(l: State, index: c_int) -> bool {
    match l.type_of(index) {
        Type::Boolean | Type::Number | Type::String | Type::Table => true,
        Type::Userdata => l.is::<ErrorObject>(index),
        _ => false,
    }
}

/// Pushes all values of a wire; the number of them.
pub fn decode_all(l: State, wire: &Wire) -> c_int {
    let mut reader = wire.reader();
    decode_rest(l, &mut reader)
}

/// Pushes what is left in a reader.
pub fn decode_rest(l: State, reader: &mut Reader<'_>) -> c_int {
    let mut count = 0;
    let mut tables = Tables::new();
    while !reader.is_empty() && l.check_stack(8) && decode(l, reader, &mut tables) {
        count += 1;
    }
    count
}

/// Tables made so far, in the order of their numbers; filled only if some come up again.
type Tables = Vec<Anchor>;

/// Pushes the next value. `false`: the reader has ended.
fn decode(l: State, reader: &mut Reader<'_>, tables: &mut Tables) -> bool {
    let Some(item) = reader.item() else { return false };
    push_item(l, item, reader, tables)
}

fn push_item(l: State, item: Item<'_>, reader: &mut Reader<'_>, tables: &mut Tables) -> bool {
    match item {
        Item::Nil | Item::End => l.push_nil(),
        Item::Bool(flag) => l.push_bool(flag),
        Item::Int(n) => l.push_number(n as f64),
        Item::Float(x) => l.push_number(x),
        Item::Str(bytes) => l.push_bytes(bytes),
        Item::Key(key) => l.push_numbered(key.number(), key.text()),
        Item::Same(number) => match tables.get(number) {
            Some(anchor) => anchor.push(l),
            None => l.push_nil(),
        },
        Item::Error => match reader.error() {
            Some(error) => error::push(l, error),
            None => return false,
        },
        Item::Table { len, fields } => {
            if !l.check_stack(6) {
                l.push_nil();
                return false;
            }
            l.new_table(len, fields);
            let table = l.top();
            if reader.is_shared() {
                l.push_value(table);
                tables.push(l.anchor());
            }
            for n in 1..=len {
                if !decode(l, reader, tables) {
                    return true;
                }
                l.raw_set_index(table, n);
            }
            while let Some(item) = reader.item() {
                if item == Item::End || !push_item(l, item, reader, tables) {
                    break;
                }
                if !decode(l, reader, tables) {
                    l.push_nil();
                }
                if l.is_nil(-2) {
                    l.pop(2);
                } else {
                    l.raw_set(table);
                }
            }
        }
    }
    true
}
