//! One record, one line: the shapes in which log records are printed. Pure; time is an argument.
//!
//! - `Default`: `2024-06-15 14:30:45⇥INFO⇥name⇥message⇥{"k": "v", "n": 1}` (⇥ is a tab), local time,
//!   name and fields left out when empty.
//! - `Console`: `   1.23s⇥INFO ⇥name        ⇥message⇥{…}`, coloured, seconds since start.
//! - `Json`: one object, the record's own keys first. A field that would repeat one of those is
//!   printed as `fields.KEY`, so that no program's log call can fake a level or a time.
//!
//! Message and stack are printed as they are, line breaks included, except in JSON.

use std::fmt::{self, Write};
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::infra::transcoder::{Map, Value};

/// How much a record matters. The numbers are those of the setting `logmanager.min_level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(i8)]
pub enum Level {
    Debug = -1,
    Info = 0,
    Warn = 1,
    Error = 2,
}

impl Level {
    /// The level with this number; whatever is outside -1..=2 is `None`.
    pub fn from_number(number: i64) -> Option<Level> {
        match number {
            -1 => Some(Level::Debug),
            0 => Some(Level::Info),
            1 => Some(Level::Warn),
            2 => Some(Level::Error),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        }
    }

    fn upper(self) -> &'static str {
        match self {
            Level::Debug => "DEBUG",
            Level::Info => "INFO",
            Level::Warn => "WARN",
            Level::Error => "ERROR",
        }
    }

    fn color(self) -> &'static str {
        match self {
            Level::Debug => MAGENTA,
            Level::Info => BLUE,
            Level::Warn => YELLOW,
            Level::Error => RED,
        }
    }
}

/// Everything known about one log call.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    pub time: Timestamp,
    pub level: Level,
    /// Parts joined by dots; empty for the root logger.
    pub name: &'a str,
    pub message: &'a str,
    /// What the logger itself adds to each record (`pid`, `location`, fields of `with`). Printed
    /// before `fields`; a field of the same name in `fields` takes its place.
    pub context: &'a Map,
    /// What this call added.
    pub fields: &'a Map,
    /// Where it happened, if the caller found that out; never printed in console mode.
    pub stack: Option<&'a str>,
}

/// Which line shape, and with it which stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Plain lines on stderr.
    #[default]
    Default,
    /// Coloured lines on stdout.
    Console,
    /// An object per line on stdout.
    Json,
    /// Nothing at all.
    Silent,
}

const MAGENTA: &str = "\x1b[35m";
const BLUE: &str = "\x1b[34m";
const YELLOW: &str = "\x1b[33m";
const RED: &str = "\x1b[31m";
const CYAN: &str = "\x1b[36m";
const GREY: &str = "\x1b[90m";
const RESET: &str = "\x1b[0m";

/// Keys of the JSON shape that belong to the record.
const JSON_KEYS: [&str; 5] = ["level", "ts", "logger", "msg", "stacktrace"];

/// Values nested deeper than this print as `"..."`: a hostile value must not exhaust the stack.
const DEPTH_MAX: usize = 100;

/// Appends the line of `record`, with its line feed. `elapsed` is the time since start.
pub(super) fn line(
    mode: Mode,
    record: &Record<'_>,
    elapsed: Duration,
    zone: &TimeZone,
    out: &mut String,
) {
    // Writing to a `String` cannot fail; a time zone cannot either, its offsets are checked.
    let _ = match mode {
        Mode::Default => text_line(record, zone, out),
        Mode::Console => console_line(record, elapsed, out),
        Mode::Json => json_line(record, zone, out),
        Mode::Silent => Ok(()),
    };
}

fn text_line(record: &Record<'_>, zone: &TimeZone, out: &mut String) -> fmt::Result {
    let time = record.time.to_zoned(zone.clone());
    write!(out, "{}\t{}", time.strftime("%Y-%m-%d %H:%M:%S"), record.level.upper())?;
    if !record.name.is_empty() {
        write!(out, "\t{}", record.name)?;
    }
    write!(out, "\t{}", record.message)?;
    spaced_fields(record, out);
    if let Some(stack) = record.stack {
        write!(out, "\n{stack}")?;
    }
    out.write_char('\n')
}

fn console_line(record: &Record<'_>, elapsed: Duration, out: &mut String) -> fmt::Result {
    let Record { level, name, .. } = *record;
    write!(out, "{GREY}{:6.2}s{RESET}", elapsed.as_secs_f64())?;
    write!(out, "\t{}{:<5}{RESET}", level.color(), level.upper())?;
    if !name.is_empty() {
        write!(out, "\t{CYAN}{name:<12}{RESET}")?;
    }
    write!(out, "\t{}", record.message)?;
    spaced_fields(record, out);
    out.write_char('\n')
}

fn json_line(record: &Record<'_>, zone: &TimeZone, out: &mut String) -> fmt::Result {
    let time = record.time.to_zoned(zone.clone());
    write!(out, "{{\"level\":\"{}\"", record.level.as_str())?;
    write!(out, ",\"ts\":\"{}", time.strftime("%Y-%m-%dT%H:%M:%S%.3f"))?;
    match time.offset() == Offset::UTC {
        true => out.push('Z'),
        false => write!(out, "{}", time.strftime("%z"))?,
    }
    out.push('"');
    let mut json = Json { out, spaced: false };
    if !record.name.is_empty() {
        json.out.push_str(",\"logger\":");
        json.string(record.name);
    }
    json.out.push_str(",\"msg\":");
    json.string(record.message);
    for (key, value) in fields(record) {
        json.out.push(',');
        match JSON_KEYS.contains(&key.as_str()) {
            true => json.string(&format!("fields.{key}")),
            false => json.string(key),
        }
        json.out.push(':');
        json.value(value, 0);
    }
    if let Some(stack) = record.stack {
        json.out.push_str(",\"stacktrace\":");
        json.string(stack);
    }
    out.write_str("}\n")
}

fn spaced_fields(record: &Record<'_>, out: &mut String) {
    if !record.context.is_empty() || !record.fields.is_empty() {
        out.push('\t');
        Json { out, spaced: true }.object(fields(record), 0);
    }
}

/// Context first; a name occurs once, with the call's own value.
fn fields<'a>(record: &Record<'a>) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let Record { context, fields, .. } = *record;
    context.iter().filter(|(key, _)| !fields.contains_key(*key)).chain(fields)
}

/// Writes values as JSON, which is all the structure a log line has.
struct Json<'a> {
    out: &'a mut String,
    /// `{"k": 1, "l": 2}`, not `{"k":1,"l":2}`.
    spaced: bool,
}

impl Json<'_> {
    fn value(&mut self, value: &Value, depth: usize) {
        match value {
            Value::Nil => self.out.push_str("null"),
            Value::Bool(flag) => self.display(flag),
            Value::Int(n) => self.display(n),
            Value::Float(x) => self.number(*x),
            Value::Str(text) => self.string(text),
            Value::Bytes(bytes) => self.string(&String::from_utf8_lossy(bytes)),
            Value::Error(error) => self.string(&error.to_string()),
            Value::List(_) | Value::Map(_) if depth >= DEPTH_MAX => self.string("..."),
            Value::List(items) => self.list(items, depth + 1),
            Value::Map(map) => self.object(map, depth + 1),
        }
    }

    fn list(&mut self, items: &[Value], depth: usize) {
        self.out.push('[');
        for (index, item) in items.iter().enumerate() {
            self.comma(index);
            self.value(item, depth);
        }
        self.out.push(']');
    }

    fn object<'v>(
        &mut self,
        pairs: impl IntoIterator<Item = (&'v String, &'v Value)>,
        depth: usize,
    ) {
        self.out.push('{');
        for (index, (key, value)) in pairs.into_iter().enumerate() {
            self.comma(index);
            self.string(key);
            self.out.push_str(if self.spaced { ": " } else { ":" });
            self.value(value, depth);
        }
        self.out.push('}');
    }

    fn comma(&mut self, index: usize) {
        if index > 0 {
            self.out.push_str(if self.spaced { ", " } else { "," });
        }
    }

    /// Integral numbers as integers; those JSON has no number for as strings.
    fn number(&mut self, x: f64) {
        let size = x.abs();
        if x.is_nan() {
            self.out.push_str("\"NaN\"");
        } else if x.is_infinite() {
            self.out.push_str(if x > 0.0 { "\"+Inf\"" } else { "\"-Inf\"" });
        } else if x.fract() == 0.0 && size < 1e18 {
            self.display(&(x as i64));
        } else if (1e-6..1e18).contains(&size) {
            self.display(&x);
        } else {
            self.display(&format_args!("{x:e}"));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        let mut rest = text;
        while let Some(at) = rest.find(|c: char| c < ' ' || matches!(c, '"' | '\\' | '\x7f')) {
            self.out.push_str(&rest[..at]);
            // What was found is ASCII, so one byte.
            match rest.as_bytes()[at] {
                b'"' => self.out.push_str("\\\""),
                b'\\' => self.out.push_str("\\\\"),
                b'\n' => self.out.push_str("\\n"),
                b'\r' => self.out.push_str("\\r"),
                b'\t' => self.out.push_str("\\t"),
                control => self.display(&format_args!("\\u{control:04x}")),
            }
            rest = &rest[at + 1..];
        }
        self.out.push_str(rest);
        self.out.push('"');
    }

    fn display(&mut self, value: &dyn fmt::Display) {
        let _ = write!(self.out, "{value}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::error::Error;

    fn map<const N: usize>(pairs: [(&str, Value); N]) -> Map {
        pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }

    /// The line of a record at 2024-06-15 12:30:45.123 UTC, two hours east of it, 1.234 s in.
    fn print(mode: Mode, name: &str, context: &Map, fields: &Map) -> String {
        let record = Record {
            time: "2024-06-15T12:30:45.1239Z".parse().unwrap(),
            level: Level::Info,
            name,
            message: "up",
            context,
            fields,
            stack: None,
        };
        let mut out = String::new();
        let zone = TimeZone::fixed(Offset::constant(2));
        line(mode, &record, Duration::from_millis(1234), &zone, &mut out);
        out
    }

    #[track_caller]
    fn check(mode: Mode, name: &str, fields: &Map, expect: &str) {
        assert_eq!(print(mode, name, &Map::new(), fields), expect);
    }

    #[test]
    fn line_shapes() {
        let none = Map::new();
        let some = map([("k", "v".into()), ("n", Value::Float(1.0))]);
        check(Mode::Default, "", &none, "2024-06-15 14:30:45\tINFO\tup\n");
        check(Mode::Default, "a.b", &none, "2024-06-15 14:30:45\tINFO\ta.b\tup\n");
        let expect = "2024-06-15 14:30:45\tINFO\ta.b\tup\t{\"k\": \"v\", \"n\": 1}\n";
        check(Mode::Default, "a.b", &some, expect);

        let head = "\x1b[90m  1.23s\x1b[0m\t\x1b[34mINFO \x1b[0m\t";
        check(Mode::Console, "", &none, &format!("{head}up\n"));
        let expect = format!("{head}\x1b[36ma.b         \x1b[0m\tup\t{{\"k\": \"v\", \"n\": 1}}\n");
        check(Mode::Console, "a.b", &some, &expect);

        let head = r#"{"level":"info","ts":"2024-06-15T14:30:45.123+0200""#;
        check(Mode::Json, "", &none, &format!("{head},\"msg\":\"up\"}}\n"));
        let expect = format!("{head},\"logger\":\"a.b\",\"msg\":\"up\",\"k\":\"v\",\"n\":1}}\n");
        check(Mode::Json, "a.b", &some, &expect);

        check(Mode::Silent, "a.b", &some, "");
    }

    #[test]
    fn utc_is_a_z() {
        let (none, mut out) = (Map::new(), String::new());
        let record = Record {
            time: Timestamp::UNIX_EPOCH,
            level: Level::Error,
            name: "",
            message: "down\n\"now\"",
            context: &none,
            fields: &none,
            stack: Some("at a:1"),
        };
        line(Mode::Json, &record, Duration::ZERO, &TimeZone::UTC, &mut out);
        let expect = concat!(
            r#"{"level":"error","ts":"1970-01-01T00:00:00.000Z","msg":"down\n\"now\"","#,
            r#""stacktrace":"at a:1"}"#,
            "\n"
        );
        assert_eq!(out, expect);
        out.clear();
        line(Mode::Default, &record, Duration::ZERO, &TimeZone::UTC, &mut out);
        assert_eq!(out, "1970-01-01 00:00:00\tERROR\tdown\n\"now\"\nat a:1\n");
    }

    #[test]
    fn the_calls_own_field_replaces_the_context() {
        let context = map([("pid", "p1".into()), ("location", "a:b:3".into())]);
        let fields = map([("pid", Value::Int(7)), ("x", true.into())]);
        let line = print(Mode::Default, "", &context, &fields);
        let expect =
            "2024-06-15 14:30:45\tINFO\tup\t{\"location\": \"a:b:3\", \"pid\": 7, \"x\": true}\n";
        assert_eq!(line, expect);
    }

    #[test]
    fn fields_cannot_fake_the_record() {
        let line = print(Mode::Json, "", &Map::new(), &map([("msg", "x".into()), ("m", 1.into())]));
        assert!(line.ends_with("\"msg\":\"up\",\"fields.msg\":\"x\",\"m\":1}\n"), "{line}");
    }

    #[track_caller]
    fn check_value(value: Value, expect: &str) {
        let mut out = String::new();
        Json { out: &mut out, spaced: true }.value(&value, 0);
        assert_eq!(out, expect);
    }

    #[test]
    fn values() {
        check_value(Value::Nil, "null");
        check_value(Value::Int(i64::MIN), "-9223372036854775808");
        check_value(Value::Float(-3.0), "-3");
        check_value(Value::Float(-0.0), "0");
        check_value(Value::Float(0.5), "0.5");
        check_value(Value::Float(1e300), "1e300");
        check_value(Value::Float(1.5e-9), "1.5e-9");
        check_value(Value::Float(f64::NAN), "\"NaN\"");
        check_value(Value::Float(f64::NEG_INFINITY), "\"-Inf\"");
        check_value("a\"b\\c\r\n\t\u{1b}é".into(), r#""a\"b\\c\r\n\t\u001bé""#);
        check_value(Value::Bytes(b"a\xffb".to_vec()), "\"a\u{fffd}b\"");
        let list = Value::List(vec![1.into(), "x".into(), Value::List(vec![])]);
        check_value(list, "[1, \"x\", []]");
        check_value([("a", Value::from([("b", 2.into())]))].into(), "{\"a\": {\"b\": 2}}");
        let error = Error::not_found("no such file").context("load");
        check_value(Value::Error(Box::new(error)), "\"load: no such file\"");
    }

    #[test]
    fn deep_values_end() {
        let mut value = Value::Nil;
        for _ in 0..2 * DEPTH_MAX {
            value = Value::List(vec![value]);
        }
        let mut out = String::new();
        Json { out: &mut out, spaced: false }.value(&value, 0);
        assert!(out.contains("[\"...\"]"), "{out}");
    }
}
