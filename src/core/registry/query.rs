//! Find queries: a table of conditions, all of which must hold.
//!
//! | Key | Holds when |
//! |---|---|
//! | `.kind` `.name` `.ns` `.id` | the field equals the text; its first `*` is any text |
//! | `meta.f` | `meta[f]` equals the value; of a list, contains all its elements |
//! | `~meta.f` | `meta[f]` is a string in which the regular expression matches somewhere |
//! | `*meta.f` | it is a string containing the text, or a list with such a string |
//! | `^meta.f` `$meta.f` | it is a string starting, ending with the text |
//!
//! `f` is one key of `meta`, dots included; a missing key never matches. The keys of a table under
//! `meta` count as keys of the query. What cannot be understood is left out and reported as a
//! [`Ignored`], never an error: so a query can match more than meant, never fail.

use std::fmt;

use regex::Regex;

use crate::core::registry::entry::{Entry, same_value};
use crate::core::registry::id::EntryId;
use crate::infra::transcoder::{Map, Value};

/// A query ready to be asked any number of times. Without conditions it matches every entry.
#[derive(Clone, Debug, Default)]
pub struct Query {
    conditions: Vec<Condition>,
}

/// A part of a query that has no effect, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    pub key: String,
    pub reason: String,
}

impl fmt::Display for Ignored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "query condition {:?} ignored: {}", self.key, self.reason)
    }
}

#[derive(Clone, Debug)]
enum Condition {
    Field(Field, Glob),
    Meta(String, Test),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Kind,
    Name,
    Ns,
    Id,
}

#[derive(Clone, Debug)]
enum Test {
    Equals(Value),
    Matches(Regex),
    Contains(String),
    StartsWith(String),
    EndsWith(String),
}

#[derive(Clone, Debug)]
struct Glob {
    head: String,
    /// What follows the star, if there is one.
    tail: Option<String>,
}

impl Query {
    pub fn parse(table: &Map) -> (Query, Vec<Ignored>) {
        let mut query = Query::default();
        let mut ignored = Vec::new();
        for (key, value) in table {
            match (key.as_str(), value) {
                ("meta", Value::Map(nested)) => {
                    nested.iter().for_each(|(key, value)| query.add(key, value, &mut ignored));
                }
                _ => query.add(key, value, &mut ignored),
            }
        }
        (query, ignored)
    }

    pub fn matches(&self, entry: &Entry) -> bool {
        self.conditions.iter().all(|condition| condition.holds(entry))
    }

    /// The one namespace that an entry must be in, if the query says so.
    pub(super) fn namespace(&self) -> Option<&str> {
        self.exactly(Field::Ns)
    }

    /// The one id that an entry must have, if the query says so.
    pub(super) fn id(&self) -> Option<EntryId> {
        self.exactly(Field::Id).map(EntryId::parse)
    }

    fn exactly(&self, field: Field) -> Option<&str> {
        self.conditions.iter().find_map(|condition| match condition {
            Condition::Field(its, Glob { head, tail: None }) if *its == field => Some(&**head),
            _ => None,
        })
    }

    fn add(&mut self, key: &str, value: &Value, ignored: &mut Vec<Ignored>) {
        match Condition::parse(key, value) {
            Ok(condition) => self.conditions.push(condition),
            Err(reason) => ignored.push(Ignored { key: key.to_owned(), reason }),
        }
    }
}

impl Condition {
    fn parse(key: &str, value: &Value) -> Result<Condition, String> {
        let text = || match value {
            Value::Str(text) => Ok(text.clone()),
            other => Err(format!("must be a string, not {}", other.type_name())),
        };
        if let Some(name) = key.strip_prefix('.') {
            let field = match name {
                "kind" => Field::Kind,
                "name" => Field::Name,
                "ns" => Field::Ns,
                "id" => Field::Id,
                _ => return Err("no such field; there are .kind, .name, .ns and .id".to_owned()),
            };
            return Ok(Condition::Field(field, Glob::parse(&text()?)));
        }
        let (operator, path) = match key.chars().next() {
            Some(operator @ ('~' | '*' | '^' | '$')) => (operator, &key[1..]),
            _ => ('=', key),
        };
        let Some(name) = path.strip_prefix("meta.") else {
            return Err("a key starts with a dot or with meta.".to_owned());
        };
        let test = match operator {
            '~' => Test::Matches(Regex::new(&text()?).map_err(|e| e.to_string())?),
            '*' => Test::Contains(text()?),
            '^' => Test::StartsWith(text()?),
            '$' => Test::EndsWith(text()?),
            _ => Test::Equals(value.clone()),
        };
        Ok(Condition::Meta(name.to_owned(), test))
    }

    fn holds(&self, entry: &Entry) -> bool {
        match self {
            Condition::Field(Field::Kind, glob) => glob.matches(&entry.kind),
            Condition::Field(Field::Name, glob) => glob.matches(entry.id.name()),
            Condition::Field(Field::Ns, glob) => glob.matches(entry.id.ns()),
            Condition::Field(Field::Id, glob) => glob.matches(&entry.id.to_string()),
            Condition::Meta(name, test) => {
                entry.meta.get(name).is_some_and(|value| test.holds(value))
            }
        }
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        match (self, value) {
            (Test::Equals(Value::List(wanted)), Value::List(items)) => {
                wanted.iter().all(|wanted| items.iter().any(|item| same_value(wanted, item)))
            }
            (Test::Equals(wanted), value) => same_value(wanted, value),
            (Test::Contains(part), Value::List(items)) => {
                items.iter().filter_map(Value::as_str).any(|text| text.contains(part))
            }
            (Test::Contains(part), Value::Str(text)) => text.contains(part),
            (Test::Matches(regex), Value::Str(text)) => regex.is_match(text),
            (Test::StartsWith(head), Value::Str(text)) => text.starts_with(head),
            (Test::EndsWith(tail), Value::Str(text)) => text.ends_with(tail),
            _ => false,
        }
    }
}

impl Glob {
    fn parse(text: &str) -> Glob {
        match text.split_once('*') {
            Some((head, tail)) => Glob { head: head.to_owned(), tail: Some(tail.to_owned()) },
            None => Glob { head: text.to_owned(), tail: None },
        }
    }

    fn matches(&self, text: &str) -> bool {
        match &self.tail {
            None => text == self.head,
            Some(tail) => {
                text.strip_prefix(&self.head).is_some_and(|rest| rest.ends_with(tail.as_str()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::testing::entry;

    fn sample() -> Entry {
        let mut entry = entry("app.web:index", "http.endpoint");
        let tags = Value::List(vec!["red".into(), "green".into(), 7.into()]);
        entry.meta = [
            ("title".to_owned(), "Start page".into()),
            ("rank".to_owned(), 2.into()),
            ("public".to_owned(), true.into()),
            ("a.b".to_owned(), "dotted".into()),
            ("tags".to_owned(), tags),
        ]
        .into();
        entry
    }

    #[track_caller]
    fn check(key: &str, value: impl Into<Value>, expect: bool) {
        let table = [(key.to_owned(), value.into())].into();
        let (query, ignored) = Query::parse(&table);
        assert_eq!(ignored, []);
        assert_eq!(query.matches(&sample()), expect, "{table:?}");
    }

    #[track_caller]
    fn check_ignored(key: &str, value: impl Into<Value>, reason: &str) {
        let (query, ignored) = Query::parse(&[(key.to_owned(), value.into())].into());
        assert!(query.matches(&sample()));
        assert_eq!(ignored.len(), 1);
        assert!(ignored[0].to_string().contains(reason), "{}", ignored[0]);
    }

    #[test]
    fn fields_take_one_star() {
        check(".kind", "http.endpoint", true);
        check(".kind", "http.*", true);
        check(".kind", "http", false);
        check(".name", "*dex", true);
        check(".name", "in*ex", true);
        check(".name", "index*", true);
        check(".name", "inde*dex", false);
        check(".ns", "app.web", true);
        check(".ns", "app", false);
        check(".id", "app.web:index", true);
        check(".id", "app*:index", true);
        check(".id", "*", true);
        check(".id", "*a*", false);
    }

    #[test]
    fn meta_equality() {
        check("meta.title", "Start page", true);
        check("meta.title", "Start", false);
        check("meta.rank", 2.0, true);
        check("meta.rank", "2", false);
        check("meta.public", true, true);
        check("meta.a.b", "dotted", true);
        check("meta.missing", "x", false);
        check("meta.missing", Value::Nil, false);
        check("meta.tags", Value::List(vec!["green".into(), 7.0.into()]), true);
        check("meta.tags", Value::List(vec!["green".into(), "blue".into()]), false);
        check("meta.tags", Value::List(vec![]), true);
        check("meta.title", Value::List(vec!["Start page".into()]), false);
        check("meta.tags", "red", false);
    }

    #[test]
    fn meta_texts() {
        check("~meta.title", "art p", true);
        check("~meta.title", "^S.*e$", true);
        check("~meta.title", "^page", false);
        check("~meta.rank", "2", false);
        check("*meta.title", "t p", true);
        check("*meta.tags", "ree", true);
        check("*meta.tags", "blue", false);
        check("^meta.title", "Start", true);
        check("^meta.title", "page", false);
        check("$meta.title", "page", true);
        check("$meta.tags", "red", false);
        check("~meta.missing", ".*", false);
    }

    #[test]
    fn what_is_not_understood_is_reported_and_matches_everything() {
        check_ignored("type", "test", "starts with a dot");
        check_ignored("kind", "x", "starts with a dot");
        check_ignored("~title", "x", "starts with a dot");
        check_ignored("", "x", "starts with a dot");
        check_ignored(".label", "x", "no such field");
        check_ignored(".kind", 3, "must be a string, not an integer");
        check_ignored("~meta.title", true, "must be a string, not a boolean");
        check_ignored("~meta.title", "(", "regex parse error");
        check_ignored("meta", "x", "starts with a dot");
        let (query, ignored) = Query::parse(&Map::new());
        assert!(query.matches(&sample()) && ignored.is_empty());
    }

    #[test]
    fn a_nested_meta_table_is_lifted_and_all_conditions_hold() {
        let nested = Value::from([("meta.rank", 2.into()), ("title", "other".into())]);
        let (query, ignored) = Query::parse(&[("meta".to_owned(), nested)].into());
        assert!(query.matches(&sample()));
        assert_eq!(ignored[0].key, "title");
        let both = [(".ns".to_owned(), "app.web".into()), ("meta.rank".to_owned(), 3.into())];
        assert!(!Query::parse(&both.into()).0.matches(&sample()));
    }
}
