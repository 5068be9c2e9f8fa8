//! YAML and JSON text to a [`Value`], and from a place in the value back to a place in the text.
//!
//! Rules:
//! 1. Only the first document of a file is read. Scalars keep their YAML type, mappings their
//!    order; a key is the text that was written. `<<` merges. Tags of one's own are dropped.
//! 2. A key that stands twice in a mapping is an error: one of the two would be lost in silence.
//! 3. No text can exhaust the machine: nesting, and the size after aliases are expanded, are
//!    bounded.
//!
//! Values come from `serde_yaml`, which forgets where it found them; positions from
//! `saphyr-parser`, which is only asked once there is a problem to report.

use std::cell::Cell;
use std::collections::HashSet;

use saphyr_parser::{Event, Marker, Parser, Span};
use serde::de::DeserializeSeed;

use crate::infra::transcoder::Value;
use crate::infra::transcoder::tree::{DUPLICATE, Tree};

/// Largest value a document may expand to, roughly in bytes; picked well above any real project.
const EXPANDED_MAX: usize = 256 << 20;
/// Brackets that may be open at once. The parser below is quadratic in them; 128 is its own limit
/// on nesting, so nothing readable is refused.
const OPEN_BRACKETS_MAX: usize = 1000;

/// A place in a text: line and column count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Position {
    pub const START: Position = Position { line: 1, column: 1 };
}

impl From<Marker> for Position {
    fn from(mark: Marker) -> Position {
        Position { line: mark.line().max(1), column: mark.col() + 1 }
    }
}

/// Why a text is not a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyntaxProblem {
    pub at: Position,
    pub reason: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Yaml,
    Json,
}

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Key(String),
    Index(usize),
}

/// The first document of `text`; an empty text is [`Value::Nil`].
pub fn parse(text: &str, format: Format) -> Result<Value, SyntaxProblem> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let room = Cell::new(EXPANDED_MAX);
    let seed = Tree::within(&room);
    match format {
        Format::Json => {
            let mut input = serde_json::Deserializer::from_str(text);
            seed.deserialize(&mut input)
                .and_then(|value| input.end().map(|()| value))
                .map_err(|error| json_problem(text, &error))
        }
        Format::Yaml => {
            too_deep(text).map_or(Ok(()), Err)?;
            match serde_yaml::Deserializer::from_str(text).next() {
                Some(input) => seed.deserialize(input).map_err(|error| yaml_problem(text, &error)),
                None => Ok(Value::Nil),
            }
        }
    }
}

fn json_problem(text: &str, error: &serde_json::Error) -> SyntaxProblem {
    let line = text.split('\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    let before = line.as_bytes().get(..error.column().saturating_sub(1)).unwrap_or_default();
    let at = Position {
        line: error.line().max(1),
        column: String::from_utf8_lossy(before).chars().count() + 1,
    };
    let suffix = format!(" at line {} column {}", error.line(), error.column());
    SyntaxProblem { at, reason: error.to_string().replacen(&suffix, "", 1) }
}

fn yaml_problem(text: &str, error: &serde_yaml::Error) -> SyntaxProblem {
    let mut reason = error.to_string();
    let mut at = match error.location() {
        Some(place) => {
            let suffix = format!(" at line {} column {}", place.line(), place.column());
            reason = reason.replacen(&suffix, "", 1);
            Position { line: place.line(), column: place.column() }
        }
        None => Position::START,
    };
    if let Some(forbidden) = reason.starts_with("control characters").then(|| forbidden_char(text))
    {
        reason = "control characters are not allowed".to_owned();
        at = forbidden.unwrap_or(at);
    } else if reason.contains(DUPLICATE) {
        at = duplicate_key(text).unwrap_or(at);
    }
    SyntaxProblem { at: within(text, at), reason }
}

/// `at`, or the end of the last line that has one: a text that breaks off is wrong there, and not
/// on the line after it.
fn within(text: &str, at: Position) -> Position {
    match text.lines().count() {
        lines if at.line > lines => {
            let last = text.lines().next_back().unwrap_or_default();
            Position { line: lines.max(1), column: last.chars().count() + 1 }
        }
        _ => at,
    }
}

/// The first character that YAML forbids; the parser tells only that there is one.
fn forbidden_char(text: &str) -> Option<Position> {
    let mut at = Position::START;
    for c in text.chars() {
        match c {
            '\n' => at = Position { line: at.line + 1, column: 1 },
            '\t' | '\r' | '\u{85}' => at.column += 1,
            c if c.is_control() || matches!(c, '\u{feff}' | '\u{fffe}' | '\u{ffff}') => {
                return Some(at);
            }
            _ => at.column += 1,
        }
    }
    None
}

/// Refuses flow collections nested beyond reason, before the parser sees them.
fn too_deep(text: &str) -> Option<SyntaxProblem> {
    // Brackets within strings count as well, so a high count is only a reason to look closer.
    let mut open = 0usize;
    let mut open_max = 0usize;
    for byte in text.bytes() {
        match byte {
            b'[' | b'{' => open += 1,
            b']' | b'}' => open = open.saturating_sub(1),
            _ => continue,
        }
        open_max = open_max.max(open);
    }
    if open_max <= OPEN_BRACKETS_MAX {
        return None;
    }
    let mut depth = 0usize;
    for event in events(text) {
        match event {
            Ok((Event::SequenceStart(..) | Event::MappingStart(..), span)) => {
                depth += 1;
                if depth > OPEN_BRACKETS_MAX {
                    return Some(SyntaxProblem {
                        at: span.start.into(),
                        reason: "recursion limit exceeded".to_owned(),
                    });
                }
            }
            Ok((Event::SequenceEnd | Event::MappingEnd, _)) => depth = depth.saturating_sub(1),
            Ok(_) => (),
            Err(problem) => return Some(problem),
        }
    }
    None
}

/// The events of the first document.
fn events(text: &str) -> impl Iterator<Item = Result<(Event<'_>, Span), SyntaxProblem>> {
    let mut parser = Parser::new_from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut ended = false;
    std::iter::from_fn(move || {
        if ended {
            return None;
        }
        let event = parser.next_event()?.map_err(|error| SyntaxProblem {
            at: (*error.marker()).into(),
            reason: error.info().to_owned(),
        });
        ended = matches!(event, Err(_) | Ok((Event::DocumentEnd | Event::StreamEnd, _)));
        Some(event)
    })
}

/// A collection that was entered and not left yet.
enum Frame {
    /// `key` is set while its value is awaited.
    Map {
        key: Option<String>,
        on_path: bool,
        seen: HashSet<String>,
    },
    Seq {
        next: usize,
        on_path: bool,
    },
}

/// Where in `text` the value at `path` stands; where the path ends early, its last value that is
/// there. The text has been parsed before, so it has no syntax problem worth a mention.
pub fn locate(text: &str, path: &[Step]) -> Position {
    let mut best = Position::START;
    let mut frames: Vec<Frame> = Vec::new();
    for (event, span) in events(text).map_while(Result::ok) {
        let container = match event {
            Event::MappingStart(..) | Event::SequenceStart(..) => true,
            Event::Scalar(..) | Event::Alias(_) => false,
            Event::MappingEnd | Event::SequenceEnd => {
                frames.pop();
                continue;
            }
            _ => continue,
        };
        let depth = frames.len();
        let on_path = match frames.last_mut() {
            None => true,
            Some(Frame::Seq { next, on_path }) => {
                *next += 1;
                *on_path && path.get(depth - 1) == Some(&Step::Index(*next - 1))
            }
            Some(Frame::Map { key, on_path, .. }) => match key.take() {
                Some(key) => {
                    *on_path && matches!(path.get(depth - 1), Some(Step::Key(step)) if *step == key)
                }
                None => {
                    *key = Some(scalar_text(&event).to_owned());
                    false
                }
            },
        };
        if on_path {
            best = span.start.into();
            if depth == path.len() {
                break;
            }
        }
        if container {
            frames.push(match event {
                Event::MappingStart(..) => Frame::Map { key: None, on_path, seen: HashSet::new() },
                _ => Frame::Seq { next: 0, on_path },
            });
        }
    }
    best
}

/// The first key that its mapping already has.
fn duplicate_key(text: &str) -> Option<Position> {
    let mut frames: Vec<Frame> = Vec::new();
    for (event, span) in events(text).map_while(Result::ok) {
        if matches!(event, Event::MappingEnd | Event::SequenceEnd) {
            frames.pop();
            continue;
        }
        let is_start = matches!(event, Event::MappingStart(..) | Event::SequenceStart(..));
        if !is_start && !matches!(event, Event::Scalar(..) | Event::Alias(_)) {
            continue;
        }
        if let Some(Frame::Map { key, seen, .. }) = frames.last_mut()
            && key.take().is_none()
        {
            let text = scalar_text(&event).to_owned();
            if matches!(event, Event::Scalar(..)) && !seen.insert(text.clone()) {
                return Some(span.start.into());
            }
            *key = Some(text);
        }
        match event {
            Event::MappingStart(..) => {
                frames.push(Frame::Map { key: None, on_path: false, seen: HashSet::new() });
            }
            Event::SequenceStart(..) => frames.push(Frame::Seq { next: 0, on_path: false }),
            _ => (),
        }
    }
    None
}

fn scalar_text<'a>(event: &'a Event<'_>) -> &'a str {
    match event {
        Event::Scalar(text, ..) => text,
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Value) {
        assert_eq!(parse(text, Format::Yaml).as_ref(), Ok(&expect), "{text}");
    }

    #[test]
    fn scalars_keep_their_type() {
        check("", Value::Nil);
        check("# only a comment\n", Value::Nil);
        check("true", Value::Bool(true));
        check("'true'", Value::from("true"));
        check("0x10", Value::Int(16));
        check("18446744073709551615", Value::Float(u64::MAX as f64));
        check("1.5", Value::Float(1.5));
        check("~", Value::Nil);
        check("yes", Value::from("yes"));
        check("!house 7", Value::Int(7));
        check("\u{feff}a: 1", Value::from([("a", Value::Int(1))]));
    }

    #[test]
    fn collections() {
        check("1: a\n2.50: b\n", Value::from([("1", "a".into()), ("2.50", "b".into())]));
        check("a: [1]\n--- \nnot: [read", Value::from([("a", Value::List(vec![Value::Int(1)]))]));
        let merged = parse("b: &b {x: 1, y: 2}\na: {<<: *b, x: 3}", Format::Yaml).unwrap();
        let expect = Value::from([("x", Value::Int(3)), ("y", Value::Int(2))]);
        assert_eq!(merged.get("a"), Some(&expect));
    }

    #[track_caller]
    fn check_problem(text: &str, format: Format, line: usize, column: usize, reason: &str) {
        let problem = parse(text, format).unwrap_err();
        assert_eq!(problem.at, Position { line, column }, "{}", problem.reason);
        assert!(problem.reason.contains(reason), "{}", problem.reason);
        assert!(!problem.reason.starts_with(" at"), "{}", problem.reason);
    }

    #[test]
    fn problems_have_places() {
        use Format::{Json, Yaml};
        check_problem("a: b: c\n", Yaml, 1, 5, "mapping values are not allowed");
        check_problem("a: [1, 2\nb: 3\n", Yaml, 2, 2, "did not find expected ',' or ']'");
        check_problem("é: 1\nb:\n  x: 1\n  é: 2\n  x: 3\n", Yaml, 5, 3, "duplicate key \"x\"");
        check_problem("a: \u{1}", Yaml, 1, 4, "control characters are not allowed");
        check_problem("a: *b", Yaml, 1, 4, "unknown anchor");
        check_problem("{\"é\": 1,\n \"é\" 2}", Json, 2, 6, "expected `:`");
        check_problem("{\"a\": 1} x", Json, 1, 10, "trailing characters");
    }

    #[test]
    fn hostile_texts_end_soon() {
        let laughs = (1..30).fold("a0: &a0 [x]\n".to_owned(), |text, i| {
            format!("{text}a{i}: &a{i} [*a{0}, *a{0}, *a{0}, *a{0}, *a{0}]\n", i - 1)
        });
        let wide = format!("a: &a [{}]\nb: [{}]", "x, ".repeat(20_000), "*a, ".repeat(20_000));
        let long = format!("a: &a {}\nb: [{}]", "x".repeat(1 << 20), "*a, ".repeat(20_000));
        let texts = [
            laughs,
            wide,
            long,
            "[".repeat(1 << 20),
            "{".repeat(1 << 20),
            "{a: ".repeat(1 << 18),
            "- ".repeat(1 << 19),
            "? ".repeat(1 << 19),
            "a: &a [*a]".to_owned(),
        ];
        let start = Instant::now();
        for text in &texts {
            parse(text, Format::Yaml).unwrap_err();
            locate(text, &[Step::Key("b".into()), Step::Index(3)]);
        }
        parse(&"[".repeat(1 << 20), Format::Json).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    }

    #[track_caller]
    fn check_locate(text: &str, path: &[Step], line: usize, column: usize) {
        assert_eq!(locate(text, path), Position { line, column });
    }

    #[test]
    fn locates_values() {
        let text =
            "# c\nentries:\n  - name: a\n    meta: {x: 1}\n  -\n    name: b\n    kind: [k]\n";
        let (entries, kind) = (Step::Key("entries".into()), Step::Key("kind".into()));
        check_locate(text, &[], 2, 1);
        check_locate(text, std::slice::from_ref(&entries), 3, 3);
        check_locate(text, &[entries.clone(), Step::Index(0)], 3, 5);
        check_locate(text, &[entries.clone(), Step::Index(0), kind.clone()], 3, 5);
        check_locate(text, &[entries.clone(), Step::Index(1), kind.clone()], 7, 11);
        check_locate(text, &[entries.clone(), Step::Index(1), kind, Step::Index(0)], 7, 12);
        check_locate(text, &[entries, Step::Index(7)], 3, 3);
        check_locate("? [a, b]\n: 1\nc: 2", &[Step::Key("c".into())], 3, 4);
        check_locate(": : [", &[Step::Key("c".into())], 1, 1);
    }
}
