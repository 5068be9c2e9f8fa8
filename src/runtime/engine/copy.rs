//! Deep copies within one VM: what a receiver may get of a sender's values.
//!
//! Plain values are shared (strings cannot change). Tables are copied, shared and cyclic ones keep
//! their shape, metatables are dropped. Error objects are shared: nothing about them can be changed.
//! A payload object becomes its value when it is an argument itself, and nil inside a table, like
//! functions, coroutines and all other userdata.

use std::ffi::c_int;

use rustc_hash::FxHashMap;

use crate::infra::transcoder::wire::DEPTH_MAX;
use crate::runtime::engine::error::ErrorObject;
use crate::runtime::engine::mail::PayloadObject;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Raise};

/// Pushes a copy of the argument at `index`.
pub fn argument(l: State, index: c_int) -> Result<(), Raise> {
    match l.type_of(index) {
        Type::Nil | Type::Boolean | Type::Number | Type::String => l.push_value(index),
        Type::Table => table(l, l.abs(index), &mut Seen::default(), 0)?,
        Type::Userdata if l.is::<ErrorObject>(index) => l.push_value(index),
        Type::Userdata => match PayloadObject::push_value(l, index) {
            true => content(l)?,
            false => l.push_nil(),
        },
        _ => l.push_nil(),
    }
    Ok(())
}

/// Replaces the value of a payload, on top, by a copy.
fn content(l: State) -> Result<(), Raise> {
    match l.type_of(-1) {
        Type::Table => table(l, l.top(), &mut Seen::default(), 0)?,
        _ if is_plain(l, -1) => return Ok(()),
        _ => l.push_nil(),
    }
    l.remove(-2);
    Ok(())
}

/// Copies arguments `first..` of a call onto the child thread.
pub fn arguments(cx: &Cx, first: c_int, to: State) -> Result<c_int, Raise> {
    let count = (cx.l.top() - first + 1).max(0);
    if !to.check_stack(count + 1) {
        return Err("too many arguments".into());
    }
    for index in first..first + count {
        argument(cx.l, index)?;
        cx.l.move_to(to, 1);
    }
    Ok(count)
}

/// Copies of the tables met so far, on the stack at the given indices.
#[derive(Default)]
struct Seen {
    /// Address of the original -> index of its copy in the table at `copies`.
    by_address: FxHashMap<usize, usize>,
    /// Stack index of a Lua list of all copies; made when the first nested table is met.
    copies: Option<c_int>,
}

/// Pushes a copy of the table at `index` (absolute).
fn table(l: State, index: c_int, seen: &mut Seen, depth: usize) -> Result<(), Raise> {
    if depth > DEPTH_MAX {
        return Err(format!("value is nested too deeply (more than {DEPTH_MAX} tables)").into());
    }
    if !l.check_stack(8) {
        return Err("value is nested too deeply for the stack".into());
    }
    l.clone_table(index);
    let copy = l.top();
    if l.has_metatable(copy) {
        l.push_nil();
        l.set_metatable(copy);
    }
    if l.is_read_only(copy) {
        l.set_read_only(copy, false);
    }
    // Most messages are flat: nothing to do but to look.
    let mut cursor = 0;
    let mut flat = true;
    while let Some(next) = l.next_pair(copy, cursor) {
        cursor = next;
        let plain = is_plain(l, -2) && is_plain(l, -1);
        l.pop(2);
        if !plain {
            flat = false;
            break;
        }
    }
    if flat && seen.copies.is_none() {
        return Ok(());
    }
    deep(l, index, copy, seen, depth)
}

fn is_plain(l: State, index: c_int) -> bool {
    match l.type_of(index) {
        Type::Nil | Type::Boolean | Type::Number | Type::String => true,
        Type::Userdata => l.is::<ErrorObject>(index),
        _ => false,
    }
}

/// Replaces in the shallow `copy` what may not be shared.
fn deep(l: State, index: c_int, copy: c_int, seen: &mut Seen, depth: usize) -> Result<(), Raise> {
    let copies = match seen.copies {
        Some(copies) => copies,
        None => {
            // Below the outermost copy, so that it outlives the recursion.
            l.new_table(4, 0);
            l.insert(copy);
            seen.copies = Some(copy);
            let result = deep(l, index, copy + 1, seen, depth);
            if result.is_ok() {
                l.remove(copy);
            }
            return result;
        }
    };
    let number = seen.by_address.len() + 1;
    seen.by_address.insert(l.address(index), number);
    l.push_value(copy);
    l.raw_set_index(copies, number);

    let mut cursor = 0;
    // The original is walked, so that the copy may change meanwhile.
    while let Some(next) = l.next_pair(index, cursor) {
        cursor = next;
        let (key, value) = (l.top() - 1, l.top());
        if is_plain(l, key) && is_plain(l, value) {
            l.pop(2);
            continue;
        }
        if !is_plain(l, key) {
            // The copy still has the original as key.
            l.push_value(key);
            l.push_nil();
            l.raw_set(copy);
        }
        inner(l, key, seen, depth)?;
        if l.is_nil(-1) {
            l.pop(3);
            continue;
        }
        inner(l, value, seen, depth)?;
        l.raw_set(copy);
        l.pop(2);
    }
    Ok(())
}

/// Pushes a copy of a key or value inside a table.
fn inner(l: State, index: c_int, seen: &mut Seen, depth: usize) -> Result<(), Raise> {
    match l.type_of(index) {
        Type::Table => match (seen.by_address.get(&l.address(index)), seen.copies) {
            (Some(&number), Some(copies)) => {
                l.raw_get_index(copies, number);
                Ok(())
            }
            _ => table(l, index, seen, depth + 1),
        },
        _ if is_plain(l, index) => {
            l.push_value(index);
            Ok(())
        }
        _ => {
            l.push_nil();
            Ok(())
        }
    }
}
