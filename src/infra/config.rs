//! [`Config`]: settings as a flat map from dotted keys to values, built once at boot.
//!
//! `cluster.raft.enabled` is a key; nested mappings of a file are flattened to such keys before
//! they come here, lists are values. A getter answers `None` for a value of the wrong type, so
//! the caller's default holds: a setting that is not understood never stops the start.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::infra::transcoder::Value;

/// Immutable settings; cheap to share behind an `Arc`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Config {
    leaves: BTreeMap<String, Leaf>,
}

#[derive(Clone, Debug, PartialEq)]
struct Leaf {
    value: Value,
    /// The value is text from the environment, which knows no types: `"8080"` is an integer too.
    untyped: bool,
}

impl Config {
    pub fn builder() -> ConfigBuilder {
        ConfigBuilder::default()
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.leaves.get(key).map(|leaf| &leaf.value)
    }

    pub fn get_str(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }

    pub fn get_bool(&self, key: &str) -> Option<bool> {
        match self.untyped_text(key) {
            Some(text) => text.parse().ok(),
            None => self.get(key)?.as_bool(),
        }
    }

    pub fn get_int(&self, key: &str) -> Option<i64> {
        match self.untyped_text(key) {
            Some(text) => text.parse().ok(),
            None => self.get(key)?.as_int(),
        }
    }

    /// Integers count as well.
    pub fn get_float(&self, key: &str) -> Option<f64> {
        match self.untyped_text(key) {
            Some(text) => text.parse().ok(),
            None => self.get(key)?.as_number(),
        }
    }

    pub fn get_list(&self, key: &str) -> Option<&[Value]> {
        self.get(key)?.as_list()
    }

    fn untyped_text(&self, key: &str) -> Option<&str> {
        self.leaves.get(key).filter(|leaf| leaf.untyped)?.value.as_str()
    }

    /// All settings below `section`, sorted, each with the rest of its key.
    pub fn sub<'a>(&'a self, section: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let prefix_len = section.len() + 1;
        below(&self.leaves, section).map(move |(key, leaf)| (&key[prefix_len..], &leaf.value))
    }
}

/// The leaves whose key starts with `section.`.
fn below<'a>(
    leaves: &'a BTreeMap<String, Leaf>,
    section: &str,
) -> impl Iterator<Item = (&'a String, &'a Leaf)> {
    let prefix = format!("{section}.");
    leaves
        .range::<str, _>((Bound::Included(prefix.as_str()), Bound::Unbounded))
        .take_while(move |(key, _)| key.starts_with(&prefix))
}

/// Collects settings; what is set later wins.
#[derive(Clone, Debug, Default)]
pub struct ConfigBuilder {
    leaves: BTreeMap<String, Leaf>,
}

impl ConfigBuilder {
    pub fn set(&mut self, key: impl Into<String>, value: Value) {
        self.put(key.into(), Leaf { value, untyped: false });
    }

    /// Sets text that stands for a value of any type.
    pub fn set_untyped(&mut self, key: impl Into<String>, text: String) {
        self.put(key.into(), Leaf { value: Value::Str(text), untyped: true });
    }

    /// A key is either a leaf or a section, so the new one pushes out what contradicts it.
    fn put(&mut self, key: String, leaf: Leaf) {
        let mut parent = key.as_str();
        while let Some((shorter, _)) = parent.rsplit_once('.') {
            self.leaves.remove(shorter);
            parent = shorter;
        }
        let inside: Vec<String> =
            below(&self.leaves, &key).map(|(inner, _)| inner.clone()).collect();
        for inner in inside {
            self.leaves.remove(&inner);
        }
        self.leaves.insert(key, leaf);
    }

    pub fn get(&self, key: &str) -> Option<&Value> {
        self.leaves.get(key).map(|leaf| &leaf.value)
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.leaves.keys().map(String::as_str)
    }

    pub fn build(self) -> Config {
        Config { leaves: self.leaves }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(pairs: &[(&str, Value)]) -> Config {
        let mut builder = Config::builder();
        for (key, value) in pairs {
            builder.set(*key, value.clone());
        }
        builder.build()
    }

    #[test]
    fn wrong_types_are_none() {
        let config = config(&[("a.int", Value::Int(3)), ("a.text", "4".into())]);
        assert_eq!(config.get_int("a.int"), Some(3));
        assert_eq!(config.get_float("a.int"), Some(3.0));
        assert_eq!(config.get_str("a.int"), None);
        assert_eq!(config.get_int("a.text"), None);
        assert_eq!(config.get_bool("a.text"), None);
        assert_eq!(config.get_list("a.none"), None);
    }

    #[test]
    fn text_of_the_environment_has_every_type() {
        let mut builder = Config::builder();
        builder.set_untyped("port", "8080".to_owned());
        builder.set_untyped("on", "true".to_owned());
        let config = builder.build();
        assert_eq!((config.get_int("port"), config.get_str("port")), (Some(8080), Some("8080")));
        assert_eq!((config.get_bool("on"), config.get_int("on")), (Some(true), None));
    }

    #[test]
    fn later_settings_win() {
        let config = config(&[
            ("a.b", Value::Int(1)),
            ("a.b.c", Value::Int(2)),
            ("a.bb", Value::Int(3)),
            ("x.y.z", Value::Int(4)),
            ("x.y", Value::Int(5)),
            ("a.b.c", Value::Int(6)),
        ]);
        let leaves = |section| config.sub(section).map(|(k, v)| (k, v.clone())).collect::<Vec<_>>();
        assert_eq!(leaves("a"), [("b.c", Value::Int(6)), ("bb", Value::Int(3))]);
        assert_eq!(leaves("x"), [("y", Value::Int(5))]);
        assert_eq!(leaves("nothing"), []);
    }
}
