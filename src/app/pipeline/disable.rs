//! Stage `disable`: entries removed before they are linked.
//!
//! The same rules, under other names, are the `exclude` lists in the manifest of a module.

use crate::app::pipeline::Matcher;
use crate::app::pipeline::path::scalar_text;
use crate::core::registry::Entry;
use crate::infra::config::Config;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;

/// An entry goes if any of the rules fits.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DisableRules {
    /// Patterns of the namespace.
    pub namespaces: Vec<String>,
    /// Patterns of namespace and name, matched separately.
    pub entries: Vec<(String, String)>,
    /// Metadata fields, and the texts for which they disable.
    pub meta: Vec<(String, Vec<String>)>,
}

impl DisableRules {
    /// The section `disable:`.
    pub fn from_config(config: &Config) -> Result<DisableRules> {
        let mut rules = DisableRules {
            namespaces: strings(config, "disable.namespaces")?,
            ..Default::default()
        };
        for pattern in strings(config, "disable.entries")? {
            match pattern.split_once(':') {
                Some((ns, name)) if !ns.is_empty() && !name.is_empty() => {
                    rules.entries.push((ns.to_owned(), name.to_owned()));
                }
                _ => {
                    return Err(Error::invalid(format!(
                        "invalid pattern {pattern:?} in disable.entries, expected format: \
                         namespace-pattern:name-pattern"
                    )));
                }
            }
        }
        for (field, values) in config.sub("disable.meta") {
            rules.add_meta(field, values);
        }
        Ok(rules)
    }

    /// Adds a rule for `field`: `values` is one scalar, or a list of them.
    pub fn add_meta(&mut self, field: &str, values: &Value) {
        let values = match values {
            Value::List(items) => items.iter().filter_map(scalar_text).collect(),
            one => scalar_text(one).into_iter().collect(),
        };
        self.meta.push((field.to_owned(), values));
    }

    /// Some rule fits `entry`.
    pub fn matches(&self, entry: &Entry, matches: Matcher<'_>) -> bool {
        let (ns, name) = (entry.id.ns(), entry.id.name());
        self.namespaces.iter().any(|pattern| matches(pattern, ns))
            || self.entries.iter().any(|(n, e)| matches(n, ns) && matches(e, name))
            || self.meta.iter().any(|(field, values)| {
                let found = entry.meta.get(field).and_then(Value::as_str);
                found.is_some_and(|found| values.iter().any(|value| value == found))
            })
    }
}

fn strings(config: &Config, key: &str) -> Result<Vec<String>> {
    let wrong = |found: &Value| {
        Error::invalid(format!("{key} must be a list of strings, not {}", found.type_name()))
    };
    match config.get(key) {
        None | Some(Value::Nil) => Ok(Vec::new()),
        Some(Value::List(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned).ok_or_else(|| wrong(item)))
            .collect(),
        Some(other) => Err(wrong(other)),
    }
}

/// Removes the entries that `rules` fit.
pub fn apply(entries: &mut Vec<Entry>, rules: &DisableRules, matches: Matcher<'_>) {
    entries.retain(|entry| !rules.matches(entry, matches));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::EntryId;
    use crate::infra::transcoder::Map;

    fn rules(pairs: &[(&str, Value)]) -> Result<DisableRules> {
        let mut config = Config::builder();
        for (key, value) in pairs {
            config.set(*key, value.clone());
        }
        DisableRules::from_config(&config.build())
    }

    fn list(items: &[&str]) -> Value {
        Value::List(items.iter().map(|item| Value::from(*item)).collect())
    }

    #[track_caller]
    fn check(pairs: &[(&str, Value)], left: &[&str]) {
        let entry = |id: &str, stage: &str| Entry {
            id: EntryId::parse(id),
            kind: "k".into(),
            meta: Map::from_iter([("stage".to_owned(), Value::from(stage))]),
            data: Value::Nil,
        };
        let mut entries = vec![entry("a:x", "dev"), entry("a:y", "test"), entry("b:x", "prod")];
        let matches = |pattern: &str, value: &str| pattern == "*" || pattern == value;
        apply(&mut entries, &rules(pairs).unwrap(), &matches);
        let ids: Vec<String> = entries.iter().map(|e| e.id.to_string()).collect();
        assert_eq!(ids, left);
    }

    #[test]
    fn removes_what_fits() {
        check(&[], &["a:x", "a:y", "b:x"]);
        check(&[("disable.namespaces", list(&["a"]))], &["b:x"]);
        check(&[("disable.entries", list(&["*:x"]))], &["a:y"]);
        check(&[("disable.entries", list(&["a:x", "b:y"]))], &["a:y", "b:x"]);
        check(&[("disable.meta.stage", "dev".into())], &["a:y", "b:x"]);
        check(&[("disable.meta.stage", list(&["dev", "prod"]))], &["a:y"]);
        check(&[("disable.meta.other", "dev".into())], &["a:x", "a:y", "b:x"]);
    }

    #[test]
    fn bad_rules() {
        for pattern in ["x", ":x", "x:"] {
            let error = rules(&[("disable.entries", list(&[pattern]))]).unwrap_err().to_string();
            assert!(error.starts_with("invalid pattern"), "{error}");
        }
        rules(&[("disable.namespaces", "a".into())]).unwrap_err();
        rules(&[("disable.namespaces", Value::List(vec![Value::Int(1)]))]).unwrap_err();
    }
}
