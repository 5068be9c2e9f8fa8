//! Entries as Lua tables, and back.

use std::ffi::c_int;
use std::sync::Arc;

use crate::core::registry::{Entry, EntryId, Snapshot};
use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::{Map, Value};
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Raise, Ret, value};

/// Returns the entry, or `nil, NOT_FOUND`; `nil, PERMISSION_DENIED` if policies do not let it see the
/// entry. With [`push_list`] the only way for entries to a program.
pub(super) fn push_one(cx: &mut Cx, snapshot: &Snapshot, id: &EntryId) -> Ret {
    if !may_see(cx, id) {
        return cx.fail(denied(&id.to_string()));
    }
    match snapshot.get(id) {
        Some(entry) => {
            push(cx.l, &entry);
            cx.values(1)
        }
        None => cx.fail(Error::not_found(format!("entry not found: {id}"))),
    }
}

/// The error of what policies do not allow.
pub(super) fn denied(what: &str) -> Error {
    Error::new(Kind::PermissionDenied, format!("not allowed: {what}")).with_retryable(Some(false))
}

fn may_see(cx: &mut Cx, id: &EntryId) -> bool {
    cx.is_unchecked() || cx.allows("registry.get", &id.to_string())
}

/// Returns a list of entries, without those that policies do not let it see.
pub(super) fn push_list<'a>(cx: &mut Cx, entries: impl Iterator<Item = &'a Arc<Entry>>) -> Ret {
    let l = cx.l;
    l.new_table(0, 0);
    let mut n = 0;
    for entry in entries {
        if may_see(cx, &entry.id) {
            n += 1;
            push(l, entry);
            l.raw_set_index(-2, n);
        }
    }
    cx.values(1)
}

/// Pushes `{id =, kind =, meta =, data =}`.
pub(in crate::runtime::modules) fn push(l: State, entry: &Entry) {
    push_parts(l, &entry.id, &entry.kind, &entry.meta, &entry.data);
}

/// Pushes what is known of an entry that is to be deleted.
pub(super) fn push_deleted(l: State, id: &EntryId) {
    push_parts(l, id, "", &Map::new(), &Value::Nil);
}

fn push_parts(l: State, id: &EntryId, kind: &str, meta: &Map, data: &Value) {
    l.new_table(0, 4);
    l.push_str(&id.to_string());
    l.set_field(-2, "id");
    l.push_str(kind);
    l.set_field(-2, "kind");
    value::push_map(l, meta);
    l.set_field(-2, "meta");
    value::push(l, data);
    l.set_field(-2, "data");
}

/// The table at `index` as an entry, or what is wrong with it.
pub(super) fn read(l: State, index: c_int) -> Result<Result<Entry, Error>, Raise> {
    let index = l.abs(index);
    let top = l.top();
    let id = match l.get_field(index, "id") {
        Type::None | Type::Nil => Err("entry must have valid id field"),
        _ => read_id(l, l.top()),
    };
    let id = match id {
        Ok(id) => id,
        Err(problem) => {
            l.set_top(top);
            return Ok(Err(Error::invalid(problem)));
        }
    };
    l.get_field(index, "kind");
    let kind = match l.type_of(-1) {
        Type::String => String::from_utf8_lossy(l.bytes(-1).unwrap_or_default()).into_owned(),
        _ => String::new(),
    };
    if kind.is_empty() {
        l.set_top(top);
        return Ok(Err(Error::invalid("entry must have valid kind field")));
    }
    let meta = match l.get_field(index, "meta") {
        Type::Nil => Map::new(),
        Type::Table => value::read_map(l, -1)?,
        _ => {
            l.set_top(top);
            return Ok(Err(Error::invalid("entry meta must be a table")));
        }
    };
    l.get_field(index, "data");
    let data = value::read(l, -1)?;
    l.set_top(top);
    Ok(Ok(Entry { id, kind, meta, data }))
}

/// The id at `index`: a text, or a table `{ns =, name =}`.
pub(super) fn read_id(l: State, index: c_int) -> Result<EntryId, &'static str> {
    let text = |index| match l.type_of(index) {
        Type::String => Some(String::from_utf8_lossy(l.bytes(index).unwrap_or_default())),
        _ => None,
    };
    match l.type_of(index) {
        Type::Table => {
            l.get_field(index, "ns");
            l.get_field(index, "name");
            let id = match (text(-2), text(-1)) {
                (Some(ns), Some(name)) => Ok(EntryId::new(&ns, &name)),
                _ => Err("id requires ns and name fields"),
            };
            l.pop(2);
            id
        }
        _ => match text(index) {
            Some(text) if !text.is_empty() => Ok(EntryId::parse(&text)),
            _ => Err("entry must have valid id field"),
        },
    }
}
