//! Reading an entry's data field by field, with errors a person can act on.
//!
//! A listener takes what it knows and ignores the rest. A field that is absent or nil counts as not
//! written. Every error is `INVALID` and names the field by its path from the root of the data:
//! `field lifecycle.auto_start must be a boolean, not a string`. Defaults and checks of meaning
//! belong to the listener; [`Fields::error`] says them in the same words.

use std::fmt::Display;

use crate::core::registry::entry::Entry;
use crate::core::registry::id::EntryId;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::{Map, Value};

/// The fields of one mapping, and the way to it.
#[derive(Clone, Debug)]
pub struct Fields<'a> {
    map: &'a Map,
    /// Empty at the root of the data.
    path: String,
    /// Completes references without namespace.
    ns: &'a str,
}

impl<'a> Fields<'a> {
    /// The data of `entry`; "configuration data is required" if it has none.
    pub fn new(entry: &'a Entry) -> Result<Fields<'a>> {
        match &entry.data {
            Value::Map(map) => Ok(Fields { map, path: String::new(), ns: entry.id.ns() }),
            Value::Nil => Err(Error::invalid("configuration data is required")),
            other => Err(Error::invalid(format!(
                "configuration data must be a mapping, not {}",
                other.type_name()
            ))),
        }
    }

    /// The meta of `entry`; paths start with `meta`.
    pub fn of_meta(entry: &'a Entry) -> Fields<'a> {
        Fields { map: &entry.meta, path: "meta".to_owned(), ns: entry.id.ns() }
    }

    /// The raw value; none if absent or nil.
    pub fn value(&self, name: &str) -> Option<&'a Value> {
        self.map.get(name).filter(|value| !value.is_nil())
    }

    /// The names that are written, in the order of the file.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.map.keys().map(String::as_str)
    }

    /// A required string; an empty one counts as missing.
    pub fn str(&self, name: &str) -> Result<&'a str> {
        let text = self.opt_str(name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| self.missing(name))
    }

    pub fn opt_str(&self, name: &str) -> Result<Option<&'a str>> {
        self.typed(name, "a string", Value::as_str)
    }

    pub fn opt_bool(&self, name: &str) -> Result<Option<bool>> {
        self.typed(name, "a boolean", Value::as_bool)
    }

    /// Also takes a float without fraction: data that came through Lua has no integers.
    pub fn opt_int(&self, name: &str) -> Result<Option<i64>> {
        self.typed(name, "an integer", |value| match value {
            Value::Int(n) => Some(*n),
            Value::Float(x) if x.fract() == 0.0 && x.abs() < 9e15 => Some(*x as i64),
            _ => None,
        })
    }

    pub fn opt_number(&self, name: &str) -> Result<Option<f64>> {
        self.typed(name, "a number", Value::as_number)
    }

    pub fn list(&self, name: &str) -> Result<&'a [Value]> {
        Ok(self.typed(name, "a list", Value::as_list)?.unwrap_or_default())
    }

    /// Empty if absent.
    pub fn list_of_str(&self, name: &str) -> Result<Vec<&'a str>> {
        let items = self.list(name)?.iter().enumerate();
        items
            .map(|(i, item)| {
                item.as_str().ok_or_else(|| self.mismatch(&at(name, i), "a string", item))
            })
            .collect()
    }

    /// The names and texts of a mapping, in the order of the file; empty if absent.
    pub fn map_of_str(&self, name: &str) -> Result<Vec<(&'a str, &'a str)>> {
        let Some(fields) = self.opt_fields(name)? else { return Ok(Vec::new()) };
        fields
            .map
            .iter()
            .map(|(key, value)| {
                let text = value.as_str().ok_or_else(|| fields.mismatch(key, "a string", value))?;
                Ok((key.as_str(), text))
            })
            .collect()
    }

    /// A required mapping.
    pub fn fields(&self, name: &str) -> Result<Fields<'a>> {
        self.opt_fields(name)?.ok_or_else(|| self.missing(name))
    }

    pub fn opt_fields(&self, name: &str) -> Result<Option<Fields<'a>>> {
        let map = self.typed(name, "a mapping", Value::as_map)?;
        Ok(map.map(|map| Fields { map, path: self.path_to(name), ns: self.ns }))
    }

    /// A list of mappings; empty if absent.
    pub fn list_of_fields(&self, name: &str) -> Result<Vec<Fields<'a>>> {
        let items = self.list(name)?.iter().enumerate();
        items
            .map(|(i, item)| {
                let name = at(name, i);
                let map = item.as_map().ok_or_else(|| self.mismatch(&name, "a mapping", item))?;
                Ok(Fields { map, path: self.path_to(&name), ns: self.ns })
            })
            .collect()
    }

    /// A required reference to an entry; without a namespace it means the entry's own.
    pub fn id(&self, name: &str) -> Result<EntryId> {
        Ok(EntryId::parse_in(self.str(name)?, self.ns))
    }

    /// An empty string counts as absent.
    pub fn opt_id(&self, name: &str) -> Result<Option<EntryId>> {
        let text = self.opt_str(name)?.filter(|text| !text.is_empty());
        Ok(text.map(|text| EntryId::parse_in(text, self.ns)))
    }

    /// Empty if absent.
    pub fn list_of_id(&self, name: &str) -> Result<Vec<EntryId>> {
        let texts = self.list_of_str(name)?;
        Ok(texts.into_iter().map(|text| EntryId::parse_in(text, self.ns)).collect())
    }

    /// A value with a form of its own, such as a duration; the error of `parse` becomes that of
    /// the field.
    pub fn opt_parsed<T, E: Display>(
        &self,
        name: &str,
        parse: impl FnOnce(&'a Value) -> Result<T, E>,
    ) -> Result<Option<T>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        parse(value).map(Some).map_err(|reason| self.error(name, reason))
    }

    /// `field <path> <reason>`, for what the listener finds wrong: `must not be negative`.
    pub fn error(&self, name: &str, reason: impl Display) -> Error {
        Error::invalid(format!("field {} {reason}", self.path_to(name)))
    }

    fn typed<T>(
        &self,
        name: &str,
        wanted: &str,
        take: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>> {
        let Some(value) = self.value(name) else { return Ok(None) };
        take(value).map(Some).ok_or_else(|| self.mismatch(name, wanted, value))
    }

    fn missing(&self, name: &str) -> Error {
        self.error(name, "is required")
    }

    fn mismatch(&self, name: &str, wanted: &str, found: &Value) -> Error {
        self.error(name, format_args!("must be {wanted}, not {}", found.type_name()))
    }

    fn path_to(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        }
    }
}

fn at(name: &str, i: usize) -> String {
    format!("{name}[{i}]")
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use super::*;
    use crate::core::registry::testing::entry;
    use crate::infra::error::Kind;

    fn sample() -> Entry {
        let mut entry = entry("app:x", "k");
        entry.meta.insert("title".into(), 3.into());
        entry.data = Value::from([
            ("process", "worker".into()),
            ("empty", "".into()),
            ("absent", Value::Nil),
            ("count", 3.0.into()),
            ("ratio", 0.5.into()),
            ("list", Value::List(vec!["a".into(), true.into()])),
            ("names", Value::List(vec!["a".into(), "b:c".into()])),
            ("rules", Value::List(vec![Value::from([("on", 1.into())])])),
            ("env", Value::from([("HOME", "/root".into())])),
            ("lifecycle", Value::from([("auto_start", "yes".into())])),
        ]);
        entry
    }

    #[track_caller]
    fn check<T: Debug>(found: Result<T>, expect: &str) {
        match found {
            Ok(value) => assert_eq!(format!("{value:?}"), expect),
            Err(error) => {
                assert_eq!(*error.kind(), Kind::Invalid);
                assert_eq!(error.to_string(), expect);
            }
        }
    }

    #[test]
    fn fields_of_every_type() {
        let entry = sample();
        let fields = Fields::new(&entry).unwrap();
        check(fields.str("process"), r#""worker""#);
        check(fields.id("process").map(|id| id.to_string()), r#""app:worker""#);
        check(fields.opt_str("absent"), "None");
        check(fields.opt_str("nowhere"), "None");
        check(fields.opt_id("empty").map(|id| id.is_none()), "true");
        check(fields.opt_int("count"), "Some(3)");
        check(fields.opt_number("ratio"), "Some(0.5)");
        check(fields.list_of_str("names"), r#"["a", "b:c"]"#);
        check(fields.list_of_str("nowhere"), "[]");
        check(fields.list_of_id("names").map(|ids| ids[1].to_string()), r#""b:c""#);
        check(fields.map_of_str("env"), r#"[("HOME", "/root")]"#);
        check(fields.opt_parsed("count", |_| Ok::<_, Error>(7)), "Some(7)");
        assert_eq!(fields.names().next(), Some("process"));
    }

    #[test]
    fn errors_name_the_field_and_the_type_found() {
        let entry = sample();
        let fields = Fields::new(&entry).unwrap();
        check(fields.str("nowhere"), "field nowhere is required");
        check(fields.str("empty"), "field empty is required");
        check(fields.str("count"), "field count must be a string, not a number");
        check(fields.opt_int("ratio"), "field ratio must be an integer, not a number");
        check(fields.list_of_str("list"), "field list[1] must be a string, not a boolean");
        check(fields.list_of_str("env"), "field env must be a list, not a mapping");
        check(
            fields.list_of_fields("names").map(|_| ()),
            "field names[0] must be a mapping, not a string",
        );
        check(fields.fields("nowhere").map(|_| ()), "field nowhere is required");
        check(fields.opt_parsed("count", |_| Err::<(), _>("is odd")), "field count is odd");
        let lifecycle = fields.fields("lifecycle").unwrap();
        let expect = "field lifecycle.auto_start must be a boolean, not a string";
        check(lifecycle.opt_bool("auto_start"), expect);
        let rules = fields.list_of_fields("rules").unwrap();
        check(rules[0].str("on"), "field rules[0].on must be a string, not an integer");
        let meta = Fields::of_meta(&entry);
        check(meta.opt_str("title"), "field meta.title must be a string, not an integer");
    }

    #[test]
    fn data_is_a_mapping() {
        check(Fields::new(&entry("a:x", "k")).map(|_| ()), "configuration data is required");
        let mut text = entry("a:x", "k");
        text.data = "x".into();
        let expect = "configuration data must be a mapping, not a string";
        check(Fields::new(&text).map(|_| ()), expect);
    }
}
