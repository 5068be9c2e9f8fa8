//! Changes as a store on disk keeps them: MessagePack.
//!
//! A list of maps `{Kind, Entry, OriginalEntry}`, one for each change in the order in which they
//! happened. `Kind` is that of the operation. An entry is `{ID: {ns, name}, Kind, Meta, Data}`, its
//! `Data` is `{Format, Data}`. A create has no original; a delete has the entry that went as its
//! original, and of the entry only id and kind.
//!
//! Reading takes the keys in any order and passes over keys it does not know.

use std::sync::Arc;

use crate::core::registry::changeset::{CREATE, Change, DELETE, UPDATE};
use crate::core::registry::entry::Entry;
use crate::core::registry::id::EntryId;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::msgpack::{self, Encoder};
use crate::infra::transcoder::{Map, Value};

/// What `Data` is in: values as they are, not a text or bytes that stand for them.
const PLAIN: &str = "golang/any";
/// A format of others that means the same when it stands in a file.
const PLAIN_TOO: &str = "lua/any";
const MSGPACK: &str = "application/msgpack";

/// `INVALID` for data that nests too deeply.
pub(super) fn encode(changes: &[Change]) -> Result<Vec<u8>> {
    let mut out = Encoder::default();
    out.list(changes.len())?;
    for change in changes {
        out.map(3)?;
        out.text("Kind")?;
        out.text(change.kind())?;
        out.text("Entry")?;
        match change {
            Change::Create(new) | Change::Update { new, .. } => put_entry(&mut out, new)?,
            Change::Delete(old) => put_name(&mut out, old)?,
        }
        out.text("OriginalEntry")?;
        match change {
            Change::Create(_) => out.nil()?,
            Change::Update { old, .. } | Change::Delete(old) => put_entry(&mut out, old)?,
        }
    }
    Ok(out.into_bytes())
}

fn put_id(out: &mut Encoder, entry: &Entry) -> Result<()> {
    out.text("ID")?;
    out.map(2)?;
    out.text("ns")?;
    out.text(entry.id.ns())?;
    out.text("name")?;
    out.text(entry.id.name())?;
    out.text("Kind")?;
    out.text(&entry.kind)
}

fn put_name(out: &mut Encoder, entry: &Entry) -> Result<()> {
    out.map(2)?;
    put_id(out, entry)
}

fn put_entry(out: &mut Encoder, entry: &Entry) -> Result<()> {
    out.map(4)?;
    put_id(out, entry)?;
    out.text("Meta")?;
    out.value_map(&entry.meta)?;
    out.text("Data")?;
    out.map(2)?;
    out.text("Format")?;
    out.text(PLAIN)?;
    out.text("Data")?;
    out.value(&entry.data)
}

/// `INVALID` for bytes that are no changes; the message says where and why.
pub(super) fn decode(bytes: &[u8]) -> Result<Vec<Change>> {
    let Value::List(items) = msgpack::decode(bytes)? else {
        return Err(Error::invalid("changes are not a list"));
    };
    let read =
        |(n, item)| read_change(item).map_err(|error| error.context(format!("change {}", n + 1)));
    items.into_iter().enumerate().map(read).collect()
}

fn read_change(item: Value) -> Result<Change> {
    let mut parts = map(item, "change")?;
    let kind = text(&mut parts, "Kind")?;
    let new = parts.swap_remove("Entry").unwrap_or_default();
    let old = parts.swap_remove("OriginalEntry").unwrap_or_default();
    match kind.as_str() {
        CREATE => Ok(Change::Create(read_entry(new)?)),
        UPDATE => Ok(Change::Update { old: read_entry(old)?, new: read_entry(new)? }),
        DELETE => Ok(Change::Delete(read_entry(old)?)),
        other => Err(Error::invalid(format!("unknown operation {other:?}"))),
    }
}

fn read_entry(value: Value) -> Result<Arc<Entry>> {
    let mut parts = map(value, "entry")?;
    let mut id = map(parts.swap_remove("ID").unwrap_or_default(), "ID")?;
    let id = EntryId::new(&text(&mut id, "ns")?, &text(&mut id, "name")?);
    let kind = text(&mut parts, "Kind")?;
    let meta = match parts.swap_remove("Meta").unwrap_or_default() {
        Value::Nil => Map::new(),
        meta => map(meta, "Meta")?,
    };
    let data = match parts.swap_remove("Data").unwrap_or_default() {
        Value::Nil => Value::Nil,
        data => read_data(map(data, "Data")?)?,
    };
    Ok(Arc::new(Entry { id, kind, meta, data }))
}

fn read_data(mut parts: Map) -> Result<Value> {
    let format = text(&mut parts, "Format")?;
    let data = parts.swap_remove("Data").unwrap_or_default();
    match (format.as_str(), data) {
        (PLAIN | PLAIN_TOO, data) => Ok(data),
        (MSGPACK, Value::Bytes(bytes)) => msgpack::decode(&bytes),
        (format, _) => Err(Error::invalid(format!("data of format {format:?} cannot be read"))),
    }
}

fn map(value: Value, name: &str) -> Result<Map> {
    match value {
        Value::Map(map) => Ok(map),
        other => Err(Error::invalid(format!("{name} is {}, not a mapping", other.type_name()))),
    }
}

fn text(parts: &mut Map, name: &str) -> Result<String> {
    match parts.swap_remove(name).unwrap_or_default() {
        Value::Str(text) => Ok(text),
        other => Err(Error::invalid(format!("{name} is {}, not a string", other.type_name()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::testing::depending;

    fn full(n: i64) -> Arc<Entry> {
        let mut entry = depending("app.sub:x:y", &["other"]);
        entry.data = Value::from([("n", n.into()), ("list", Value::List(vec![1.5.into()]))]);
        Arc::new(entry)
    }

    #[test]
    fn changes_come_back_as_they_were() {
        let changes = [
            Change::Create(full(1)),
            Change::Update { old: full(1), new: full(2) },
            Change::Delete(full(2)),
        ];
        assert_eq!(decode(&encode(&changes).unwrap()), Ok(changes.to_vec()));
        assert_eq!(encode(&[]), Ok(vec![0x90]));
    }

    #[test]
    fn the_shape_is_that_of_the_specification() {
        let shown = msgpack::decode(&encode(&[Change::Delete(full(2))]).unwrap()).unwrap();
        let change = &shown.as_list().unwrap()[0];
        let id = Value::from([("ns", "app.sub".into()), ("name", "x:y".into())]);
        let name = Value::from([("ID", id), ("Kind", "k".into())]);
        assert_eq!(change.get("Kind"), Some(&"entry.delete".into()));
        assert_eq!(change.get("Entry"), Some(&name));
        let data = change.get("OriginalEntry").and_then(|entry| entry.get("Data")).unwrap();
        assert_eq!(data.get("Format"), Some(&"golang/any".into()));
        assert_eq!(data.get("Data").and_then(|data| data.get("n")), Some(&2.into()));
    }

    #[track_caller]
    fn check_refused(value: Value, text: &str) {
        let error = decode(&msgpack::encode(&value).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), text);
    }

    #[test]
    fn what_is_damaged_is_named() {
        let change = |kind: &str, entry| {
            Value::List(vec![Value::from([("Kind", kind.into()), ("Entry", entry)])])
        };
        let id = || Value::from([("ns", "a".into()), ("name", "x".into())]);
        let formatted = |format: &str| {
            let data = Value::from([("Format", format.into()), ("Data", "{}".into())]);
            Value::from([("ID", id()), ("Kind", "k".into()), ("Data", data)])
        };
        check_refused(1.into(), "changes are not a list");
        check_refused(change("entry.eat", Value::Nil), "change 1: unknown operation \"entry.eat\"");
        check_refused(
            change("entry.create", Value::Nil),
            "change 1: entry is nothing, not a mapping",
        );
        check_refused(
            change("entry.create", Value::from([("ID", id())])),
            "change 1: Kind is nothing, not a string",
        );
        check_refused(
            change("entry.create", formatted("json/plain")),
            "change 1: data of format \"json/plain\" cannot be read",
        );
    }
}
