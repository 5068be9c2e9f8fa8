//! Stage `override`: fields of entries set from the outside, by the section `override:` of the
//! configuration and by `-o` on the command line, which wins for the same field.
//!
//! ```text
//! -o arg   := item { "," item }            ; comma separated, CSV quoting, repeatable
//! item     := namespace ":" entry ":" path "=" value
//! key      := namespace ":" entry ":" path ; in the section
//! path     := [ "." ] segment { "." segment }
//! ```

use std::fmt;

use indexmap::IndexMap;

use crate::app::pipeline::path::FieldPath;
use crate::app::pipeline::places;
use crate::core::registry::{Entry, EntryId};
use crate::infra::config::Config;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;

const FORMAT: &str = "namespace:entry:field=value";
const KEY_FORMAT: &str = "namespace:entry:field";

/// One field of one entry, and what it becomes.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    pub id: EntryId,
    pub path: FieldPath,
    pub value: Value,
}

impl fmt::Display for Override {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.path)
    }
}

/// The overrides of the section and of the `-o` arguments, each field once.
pub fn collect(config: &Config, args: &[String]) -> Result<Vec<Override>> {
    let mut fields: IndexMap<(EntryId, FieldPath), Value> = IndexMap::new();
    for Override { id, path, value } in from_config(config)?.into_iter().chain(parse_args(args)?) {
        // Inserted anew, so that what is said last is also applied last.
        fields.shift_remove(&(id.clone(), path.clone()));
        fields.insert((id, path), value);
    }
    Ok(fields.into_iter().map(|((id, path), value)| Override { id, path, value }).collect())
}

/// The section `override:`; values keep their YAML type.
pub fn from_config(config: &Config) -> Result<Vec<Override>> {
    config
        .sub("override")
        .map(|(key, value)| {
            let (id, path) = parse_key(key, KEY_FORMAT)
                .map_err(|reason| Error::invalid(format!("invalid override: {key}: {reason}")))?;
            Ok(Override { id, path, value: value.clone() })
        })
        .collect()
}

/// The `-o` arguments.
pub fn parse_args(args: &[String]) -> Result<Vec<Override>> {
    let mut overrides = Vec::new();
    for arg in args {
        let invalid = |item: &str, reason: String| {
            Error::invalid(format!("invalid override: {item}: {reason}"))
        };
        for item in split_csv(arg).map_err(|reason| invalid(arg, reason.to_owned()))? {
            overrides.push(parse_item(&item).map_err(|reason| invalid(&item, reason))?);
        }
    }
    Ok(overrides)
}

fn parse_item(item: &str) -> Result<Override, String> {
    let Some((key, value)) = item.split_once('=') else {
        return Err(format!("missing separator '=', expected format: {FORMAT}"));
    };
    let (id, path) = parse_key(key, FORMAT)?;
    Ok(Override { id, path, value: typed(value) })
}

fn parse_key(key: &str, format: &str) -> Result<(EntryId, FieldPath), String> {
    let no_colon = || format!("missing separator ':', expected format: {format}");
    let (ns, rest) = key.split_once(':').ok_or_else(no_colon)?;
    let (name, path) = rest.split_once(':').ok_or_else(no_colon)?;
    let (ns, name, path) = (ns.trim(), name.trim(), path.trim());
    for (part, what) in [(ns, "namespace"), (name, "entry"), (path, "field")] {
        if part.is_empty() {
            return Err(format!("empty {what}, expected format: {format}"));
        }
    }
    Ok((EntryId::new(ns, name), FieldPath::parse(path)?))
}

/// A value from the command line: a boolean, an integer or a float if it reads like one.
fn typed(text: &str) -> Value {
    let trimmed = text.trim();
    if trimmed.eq_ignore_ascii_case("true") {
        return Value::Bool(true);
    }
    if trimmed.eq_ignore_ascii_case("false") {
        return Value::Bool(false);
    }
    match trimmed.parse::<i64>() {
        // `007` and `+7` are codes, not numbers.
        Ok(n) if n.to_string() == trimmed => return Value::Int(n),
        _ => (),
    }
    if trimmed.contains(['.', 'e', 'E'])
        && let Ok(x) = trimmed.parse::<f64>()
        && x.is_finite()
    {
        return Value::Float(x);
    }
    Value::from(text)
}

/// The fields of one line of CSV. A field in double quotes may hold commas and doubled quotes.
fn split_csv(line: &str) -> Result<Vec<String>, &'static str> {
    let mut fields = Vec::new();
    let mut rest = line;
    if line.is_empty() {
        return Ok(fields);
    }
    loop {
        let Some(quoted) = rest.strip_prefix('"') else {
            let (field, next) = match rest.split_once(',') {
                Some((field, next)) => (field, Some(next)),
                None => (rest, None),
            };
            if field.contains('"') {
                return Err("a quote within an unquoted item, quote the whole item");
            }
            fields.push(field.to_owned());
            match next {
                Some(next) => rest = next,
                None => return Ok(fields),
            }
            continue;
        };
        let mut field = String::new();
        let mut chars = quoted.char_indices().peekable();
        let end = loop {
            match chars.next() {
                Some((_, '"')) if chars.next_if(|(_, c)| *c == '"').is_some() => field.push('"'),
                Some((i, '"')) => break i + 1,
                Some((_, c)) => field.push(c),
                None => return Err("a quoted item has no end"),
            }
        };
        fields.push(field);
        match (&quoted[end..], quoted[end..].strip_prefix(',')) {
            ("", _) => return Ok(fields),
            (_, Some(next)) => rest = next,
            _ => return Err("text after a quoted item"),
        }
    }
}

/// Applies all overrides to all entries with their id, or tells everything that is wrong.
pub fn apply(entries: &mut [Entry], overrides: &[Override]) -> Result<()> {
    if overrides.is_empty() {
        return Ok(());
    }
    let places = places(entries);
    let mut errors: Vec<String> = Vec::new();
    for change in overrides {
        let Some(places) = places.get(&change.id) else {
            let error = format!("no entry found for {}", change.id);
            if !errors.contains(&error) {
                errors.push(error);
            }
            continue;
        };
        for i in places {
            if let Err(reason) = change.path.set(&mut entries[*i], change.value.clone()) {
                errors.push(format!("{change}: {reason}"));
            }
        }
    }
    match errors.is_empty() {
        true => Ok(()),
        false => Err(Error::internal(format!("override errors: [{}]", errors.join("; ")))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::infra::error::Kind;
    use crate::infra::transcoder::Map;

    fn entry(id: &str) -> Entry {
        let data = Value::from([("list", Value::List(vec![])), ("n", Value::Int(1))]);
        Entry { id: EntryId::parse(id), kind: "k".into(), meta: Map::new(), data }
    }

    #[track_caller]
    fn check_typed(text: &str, expect: Value) {
        assert_eq!(typed(text), expect, "{text}");
    }

    #[test]
    fn values_have_types() {
        check_typed("TRUE", Value::Bool(true));
        check_typed("false", Value::Bool(false));
        check_typed("-12", Value::Int(-12));
        check_typed("007", "007".into());
        check_typed("+7", "+7".into());
        check_typed("9223372036854775808", "9223372036854775808".into());
        check_typed("1.5", Value::Float(1.5));
        check_typed("1e3", Value::Float(1000.0));
        check_typed("1e999", "1e999".into());
        check_typed("1.2.3", "1.2.3".into());
        check_typed("hello", "hello".into());
        check_typed(" spaced ", " spaced ".into());
        check_typed("", "".into());
    }

    #[track_caller]
    fn check_args(arg: &str, expect: &[(&str, &str)]) {
        let found: Vec<_> = parse_args(&[arg.to_owned()])
            .unwrap()
            .iter()
            .map(|o| (o.to_string(), o.value.clone()))
            .collect();
        let expect: Vec<_> =
            expect.iter().map(|(key, value)| ((*key).to_owned(), Value::from(*value))).collect();
        assert_eq!(found, expect, "{arg}");
    }

    #[test]
    fn arguments() {
        check_args("app:x:a.b=v", &[("app:x:data.a.b", "v")]);
        check_args(" app : x : kind = v", &[("app:x:kind", " v")]);
        check_args("app:x:meta.u=http://h:1/?a=b", &[("app:x:meta.u", "http://h:1/?a=b")]);
        check_args("app:x:a=v,app:y:b=", &[("app:x:data.a", "v"), ("app:y:data.b", "")]);
        check_args("\"app:x:a=1,2\",a:b:c=d", &[("app:x:data.a", "1,2"), ("a:b:data.c", "d")]);
        check_args("\"a:b:c=say \"\"hi\"\"\"", &[("a:b:data.c", "say \"hi\"")]);
        check_args("", &[]);
    }

    #[track_caller]
    fn check_error(arg: &str, expect: &str) {
        let error = parse_args(&[arg.to_owned()]).unwrap_err();
        assert_eq!(error.to_string(), format!("invalid override: {expect}"));
        assert_eq!(*error.kind(), Kind::Invalid);
    }

    #[test]
    fn bad_arguments() {
        let format = "expected format: namespace:entry:field=value";
        check_error("app:x:a", &format!("app:x:a: missing separator '=', {format}"));
        check_error("app:x=1", &format!("app:x=1: missing separator ':', {format}"));
        check_error("x=app:y:z", &format!("x=app:y:z: missing separator ':', {format}"));
        check_error("app::a=1", &format!("app::a=1: empty entry, {format}"));
        check_error(":x:a=1", &format!(":x:a=1: empty namespace, {format}"));
        check_error("app:x: =1", &format!("app:x: =1: empty field, {format}"));
        check_error("app:x:data=1", "app:x:data=1: path must name a field below data");
        check_error("app:x:a=1,", &format!(": missing separator '=', {format}"));
        check_error(
            "a:b:c=\"d\"",
            "a:b:c=\"d\": a quote within an unquoted item, quote the whole item",
        );
        check_error("\"a:b:c=d", "\"a:b:c=d: a quoted item has no end");
        check_error("\"a:b:c=d\"x", "\"a:b:c=d\"x: text after a quoted item");
    }

    #[test]
    fn arguments_win_over_the_section() {
        let mut config = Config::builder();
        config.set("override.app:x:port", Value::Int(1));
        config.set("override.app:x:data.host", "a".into());
        let config = config.build();
        let overrides = collect(&config, &["app:x:data.port=2".to_owned()]).unwrap();
        let found: Vec<_> = overrides.iter().map(|o| (o.to_string(), o.value.clone())).collect();
        assert_eq!(
            found,
            [
                ("app:x:data.host".to_owned(), Value::from("a")),
                ("app:x:data.port".to_owned(), Value::Int(2))
            ]
        );
        let mut bad = Config::builder();
        bad.set("override.app", Value::Int(1));
        assert_eq!(
            from_config(&bad.build()).unwrap_err().to_string(),
            "invalid override: app: missing separator ':', expected format: namespace:entry:field"
        );
    }

    #[test]
    fn applies_to_every_entry_with_the_id() {
        let mut entries = vec![entry("a:x"), entry("a:y"), entry("a:x")];
        let args = ["a:x:kind=new,a:x:n.deep.er=5,a:x:meta.team=t,a:x:list=v".to_owned()];
        apply(&mut entries, &parse_args(&args).unwrap()).unwrap();
        for i in [0, 2] {
            assert_eq!(entries[i].kind, "new");
            let deep = Value::from([("deep", Value::from([("er", Value::Int(5))]))]);
            assert_eq!(entries[i].data.get("n"), Some(&deep));
            assert_eq!(entries[i].data.get("list"), Some(&"v".into()));
            assert_eq!(entries[i].meta["team"], "t".into());
        }
        assert_eq!(entries[1], entry("a:y"));
    }

    #[test]
    fn collects_all_errors() {
        let args = ["a:gone:x=1,a:gone:y=1,a:x:kind=5,b:z:x=1".to_owned()];
        let error = apply(&mut [entry("a:x")], &parse_args(&args).unwrap()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "override errors: [no entry found for a:gone; a:x:kind: kind must be a string that is \
             not empty; no entry found for b:z]"
        );
        assert_eq!(*error.kind(), Kind::Internal);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn quoting_round_trips(fields in proptest::collection::vec("[ -~]{1,8}", 1..4)) {
            let line: Vec<String> =
                fields.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
            prop_assert_eq!(split_csv(&line.join(",")), Ok(fields));
        }

        #[test]
        fn any_argument_is_parsed_or_refused(arg in "[\"a:.=, é]{0,20}") {
            let _ = parse_args(&[arg]);
        }
    }
}
