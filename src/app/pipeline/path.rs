//! [`FieldPath`]: which field of an entry an override or a requirement means.

use crate::core::registry::Entry;
use crate::infra::transcoder::{Map, Value};

/// Mappings that a path may nest. Files nest no deeper than this either, so that whatever walks an
/// entry recursively has an end.
const SEGMENTS_MAX: usize = 100;

/// `kind`, `meta.x.y`, `data.x.y` or `x.y`, which is below `data` as well.
///
/// Segments are keys of mappings; list indexes and keys with a dot cannot be named.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FieldPath {
    Kind,
    /// Not empty.
    Meta(Vec<String>),
    /// Not empty.
    Data(Vec<String>),
}

impl FieldPath {
    /// Parses `[.]segment{.segment}`. The error is a reason without the text.
    pub fn parse(text: &str) -> Result<FieldPath, String> {
        let text = text.strip_prefix('.').unwrap_or(text);
        let segments: Vec<String> = text.split('.').map(str::to_owned).collect();
        if segments.iter().any(String::is_empty) {
            return Err("empty path segment".to_owned());
        }
        if segments.len() > SEGMENTS_MAX {
            return Err(format!("path has more than {SEGMENTS_MAX} segments"));
        }
        match segments[0].as_str() {
            "kind" if segments.len() == 1 => Ok(FieldPath::Kind),
            tree @ ("data" | "meta") => {
                let rest = segments[1..].to_vec();
                if rest.is_empty() {
                    return Err(format!("path must name a field below {tree}"));
                }
                Ok(if tree == "meta" { FieldPath::Meta(rest) } else { FieldPath::Data(rest) })
            }
            _ => Ok(FieldPath::Data(segments)),
        }
    }

    /// Sets the field, making the mappings on the way. The error is a reason.
    pub fn set(&self, entry: &mut Entry, value: Value) -> Result<(), String> {
        match self {
            FieldPath::Kind => match value {
                Value::Str(kind) if !kind.is_empty() => entry.kind = kind,
                _ => return Err("kind must be a string that is not empty".to_owned()),
            },
            _ => {
                if let Some(slot) = self.slot(entry) {
                    *slot = value;
                }
            }
        }
        Ok(())
    }

    /// Appends to the list in the field, making it if needed; a value that is there is not added
    /// again. Values are compared as the text they print as. The error is a reason.
    pub fn append(&self, entry: &mut Entry, value: Value) -> Result<(), String> {
        let Some(slot) = self.slot(entry) else {
            return Err("kind is not a list".to_owned());
        };
        match slot {
            Value::Nil => *slot = Value::List(vec![value]),
            Value::List(items) => {
                let text = scalar_text(&value);
                if !items.iter().any(|item| scalar_text(item) == text) {
                    items.push(value);
                }
            }
            other => return Err(format!("cannot append to {}", other.type_name())),
        }
        Ok(())
    }

    /// The place of the field, made if needed; what is in the way and no mapping becomes one.
    fn slot<'a>(&self, entry: &'a mut Entry) -> Option<&'a mut Value> {
        let (map, segments) = match self {
            FieldPath::Kind => return None,
            FieldPath::Meta(segments) => (&mut entry.meta, segments),
            FieldPath::Data(segments) => (as_map(&mut entry.data), segments),
        };
        let (last, parents) = segments.split_last()?;
        let mut map = map;
        for segment in parents {
            map = as_map(map.entry(segment.clone()).or_default());
        }
        Some(map.entry(last.clone()).or_default())
    }
}

impl std::fmt::Display for FieldPath {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            FieldPath::Kind => f.write_str("kind"),
            FieldPath::Meta(segments) => write!(f, "meta.{}", segments.join(".")),
            FieldPath::Data(segments) => write!(f, "data.{}", segments.join(".")),
        }
    }
}

fn as_map(value: &mut Value) -> &mut Map {
    if !matches!(value, Value::Map(_)) {
        *value = Value::Map(Map::new());
    }
    match value {
        Value::Map(map) => map,
        _ => unreachable!("made a map just above"),
    }
}

/// What a scalar prints as; `None` for anything else, which equals nothing.
pub fn scalar_text(value: &Value) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.clone()),
        Value::Bool(flag) => Some(flag.to_string()),
        Value::Int(n) => Some(n.to_string()),
        Value::Float(x) => Some(x.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<&str, &str>) {
        let found = FieldPath::parse(text).map(|path| path.to_string());
        assert_eq!(found.as_deref().map_err(String::as_str), expect, "{text}");
    }

    #[test]
    fn parses() {
        check("kind", Ok("kind"));
        check("kind.x", Ok("data.kind.x"));
        check("data.kind", Ok("data.kind"));
        check("a.b", Ok("data.a.b"));
        check(".a.b", Ok("data.a.b"));
        check("meta.a", Ok("meta.a"));
        check("a:b.c", Ok("data.a:b.c"));
        check("data", Err("path must name a field below data"));
        check(".meta", Err("path must name a field below meta"));
        check("a..b", Err("empty path segment"));
        check("", Err("empty path segment"));
        check("a.", Err("empty path segment"));
        check(&format!("{}z", "a.".repeat(100)), Err("path has more than 100 segments"));
        check(&format!("{}z", "a.".repeat(60_000)), Err("path has more than 100 segments"));
    }
}
