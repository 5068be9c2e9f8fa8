//! `json`: encoding, decoding and validation. Specification 07, section 2.
//!
//! Values go to and from text directly; only validation makes trees of them.

pub mod decode;
pub mod encode;

use std::cell::RefCell;
use std::collections::VecDeque;
use std::ffi::c_int;
use std::rc::Rc;

use crate::infra::error::{Error, Kind};
use crate::infra::json_schema::Schema;
use crate::infra::transcoder::{Value, json};
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Ret, host, push_functions};
use encode::Empty;

/// Bytes of a tree that is validated, or validated by.
const TREE_MAX: usize = 256 << 20;
/// Compiled schemas that a worker keeps, and the longest of them.
const SCHEMAS_MAX: usize = 100;
const KEPT_LEN_MAX: usize = 1 << 20;

pub fn open(l: State) {
    push_functions(
        l,
        &[
            (c"encode", host(encode_value)),
            (c"decode", host(decode_text)),
            (c"validate", host(validate)),
            (c"validate_string", host(validate_string)),
        ],
    );
    l.set_read_only(-1, true);
}

/// Bytes that a text may have in the running process.
pub fn text_max(cx: &mut Cx) -> usize {
    cx.vm().memory_limit.unwrap_or(usize::MAX)
}

fn encode_value(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let limit = text_max(cx);
    l.set_top(1);
    match encode::encode(l, 1, Empty::List, limit) {
        Ok(text) => {
            l.push_bytes(&text);
            cx.values(1)
        }
        Err(reason) => cx.fail(Error::internal(format!("encode failed: {reason}"))),
    }
}

fn decode_text(cx: &mut Cx) -> Ret {
    let l = cx.l;
    if l.type_of(1) != Type::String {
        return cx.fail(Error::invalid("string expected"));
    }
    let text = l.bytes(1).unwrap_or_default();
    if text.is_empty() {
        return cx.fail(Error::invalid("empty string is not valid JSON"));
    }
    match decode::decode(l, text) {
        Ok(()) => cx.values(1),
        Err(error) => cx.fail(Error::internal(format!("decode failed: {error}"))),
    }
}

// -- validation --------------------------------------------------------------------------------

/// `validate(schema, data)`.
fn validate(cx: &mut Cx) -> Ret {
    let l = cx.l;
    l.set_top(2);
    if l.is_nil(1) {
        return cx.refuse(Error::invalid("schema is required"));
    }
    if l.is_nil(2) {
        return cx.refuse(Error::invalid("data is required"));
    }
    let schema = match schema(cx) {
        Ok(schema) => schema,
        Err(error) => return cx.refuse(error),
    };
    let tree = encoded(cx, 2).and_then(|text| json::decode(&text, TREE_MAX));
    match tree {
        Ok(data) => answer(cx, &schema, &data),
        Err(error) => cx.refuse(Error::invalid(format!("convert data: {error}"))),
    }
}

/// `validate_string(schema, text)`.
fn validate_string(cx: &mut Cx) -> Ret {
    let l = cx.l;
    l.set_top(2);
    if l.is_nil(1) {
        return cx.refuse(Error::invalid("schema is required"));
    }
    if l.type_of(2) != Type::String {
        return cx.refuse(Error::invalid("data must be a JSON string"));
    }
    let schema = match schema(cx) {
        Ok(schema) => schema,
        Err(error) => return cx.refuse(error),
    };
    match json::decode(l.bytes(2).unwrap_or_default(), TREE_MAX) {
        Ok(data) => answer(cx, &schema, &data),
        Err(error) => cx.refuse(Error::invalid(format!("validation failed: {error}"))),
    }
}

fn answer(cx: &mut Cx, schema: &Schema, data: &Value) -> Ret {
    match schema.validate(data) {
        Ok(()) => cx.bool(true),
        Err(failure) => cx.refuse(Error::invalid(format!("validation failed: {failure}"))),
    }
}

/// The value at `index` as JSON in which empty tables are objects.
fn encoded(cx: &mut Cx, index: c_int) -> Result<Vec<u8>, Error> {
    let limit = text_max(cx);
    encode::encode(cx.l, index, Empty::Object, limit).map_err(Error::internal)
}

/// The compiled schema at 1.
fn schema(cx: &mut Cx) -> Result<Rc<Schema>, Error> {
    thread_local! {
        /// Latest last. They hold nothing of a VM: the same text is the same schema for all.
        static SCHEMAS: RefCell<VecDeque<(Vec<u8>, Rc<Schema>)>> = RefCell::default();
    }
    let text = match cx.l.type_of(1) {
        Type::String => cx.l.bytes(1).unwrap_or_default().to_vec(),
        Type::Table => {
            encoded(cx, 1).map_err(|error| Error::invalid(format!("schema error: {error}")))?
        }
        _ => return Err(Error::invalid("schema error: table or JSON string expected")),
    };
    let known = SCHEMAS.with_borrow_mut(|schemas| {
        let at = schemas.iter().position(|(known, _)| *known == text)?;
        let found = schemas.remove(at)?;
        let schema = found.1.clone();
        schemas.push_back(found);
        Some(schema)
    });
    if let Some(schema) = known {
        return Ok(schema);
    }
    let failed = |error: &dyn std::fmt::Display| {
        Error::new(Kind::Invalid, format!("compile schema: {error}"))
    };
    let tree = json::decode(&text, TREE_MAX).map_err(|error| failed(&error))?;
    let schema = Rc::new(Schema::compile(tree).map_err(|problem| failed(&problem))?);
    if text.len() <= KEPT_LEN_MAX {
        SCHEMAS.with_borrow_mut(|schemas| {
            if schemas.len() >= SCHEMAS_MAX {
                schemas.pop_front();
            }
            schemas.push_back((text, schema.clone()));
        });
    }
    Ok(schema)
}
