//! Patterns over dotted names: for subscriptions, listener kinds and `disable`.
//!
//! | segment | matches |
//! |---|---|
//! | `*` | exactly one segment |
//! | `**` | zero or more segments |
//! | `(a\|b\|c)` | one segment equal to an alternative |
//! | other | that text (`foo*` is literal, not a glob) |
//!
//! A `*` wants a segment that is there: the empty value has none, so of all patterns only `**` and the
//! empty one take it. Where an empty pattern means "no filter", as on the bus, the caller says so.

use smallvec::SmallVec;

use crate::infra::event_bus::Event;

/// Which events a subscription is for: a pattern for the system and one for the kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    system: Pattern,
    kind: Pattern,
}

impl Filter {
    /// An empty pattern filters nothing, nor does a kind `*`.
    pub fn new(system: &str, kind: &str) -> Filter {
        let kind = if kind == "*" { "" } else { kind };
        Filter {
            system: Pattern::of(system, Pattern::parse),
            kind: Pattern::of(kind, Pattern::parse),
        }
    }

    /// As programs write it, see [`Pattern::parse_loose`].
    pub fn loose(system: &str, kind: &str) -> Filter {
        let parse = Pattern::parse_loose;
        Filter { system: Pattern::of(system, parse), kind: Pattern::of(kind, parse) }
    }

    pub fn matches(&self, event: &Event) -> bool {
        self.system.matches(&event.system) && self.kind.matches(&event.kind)
    }
}

/// A parsed pattern; pure, so anybody may keep and share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Form);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Form {
    /// `**` alone.
    Everything,
    /// Nothing but literal segments, which is how most subscriptions look: one comparison.
    Exactly(Box<str>),
    Segments(Box<[Segment]>),
    /// What begins with the text, and what the segments match.
    Prefix(Box<str>, Box<[Segment]>),
    /// The text itself, and what the segments match.
    Literally(Box<str>, Box<[Segment]>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    One,
    Any,
    Either(Vec<String>),
    Text(String),
}

impl Pattern {
    /// Matches every value, as `**` does.
    pub const EVERYTHING: Pattern = Pattern(Form::Everything);

    /// Every text is a pattern.
    pub fn parse(text: &str) -> Pattern {
        if text == "**" {
            return Pattern::EVERYTHING;
        }
        let segments: Box<[Segment]> = text.split('.').map(Segment::parse).collect();
        let is_literal = segments.iter().all(|segment| matches!(segment, Segment::Text(_)));
        Pattern(match is_literal {
            true => Form::Exactly(text.into()),
            false => Form::Segments(segments),
        })
    }

    /// As programs write patterns: one that ends in `*` also matches all that begins with the text
    /// before the star, dots or not, and any pattern also matches itself.
    pub fn parse_loose(text: &str) -> Pattern {
        let Pattern(form) = Pattern::parse(text);
        Pattern(match (form, text.strip_suffix('*')) {
            (_, Some("")) => Form::Everything,
            (Form::Segments(segments), Some(head)) => Form::Prefix(head.into(), segments),
            // `foo*` has no special segment: here it is a prefix all the same.
            (Form::Exactly(_), Some(head)) => Form::Prefix(head.into(), Box::default()),
            (Form::Segments(segments), None) => Form::Literally(text.into(), segments),
            (form, _) => form,
        })
    }

    /// `parse`, or no filter for the empty text.
    fn of(text: &str, parse: fn(&str) -> Pattern) -> Pattern {
        if text.is_empty() { Pattern::EVERYTHING } else { parse(text) }
    }

    pub fn matches(&self, value: &str) -> bool {
        match &self.0 {
            Form::Everything => true,
            Form::Exactly(text) => **text == *value,
            Form::Segments(pattern) => matches_split(pattern, value),
            Form::Prefix(head, pattern) => {
                value.starts_with(&**head) || (!pattern.is_empty() && matches_split(pattern, value))
            }
            Form::Literally(text, pattern) => **text == *value || matches_split(pattern, value),
        }
    }
}

fn matches_split(pattern: &[Segment], value: &str) -> bool {
    let segments: SmallVec<[&str; 8]> = match value {
        "" => SmallVec::new(),
        value => value.split('.').collect(),
    };
    matches(pattern, &segments)
}

impl Segment {
    fn parse(text: &str) -> Segment {
        match text {
            "*" => Segment::One,
            "**" => Segment::Any,
            text => match text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
                Some(inner) => Segment::Either(inner.split('|').map(str::to_owned).collect()),
                None => Segment::Text(text.to_owned()),
            },
        }
    }

    fn takes(&self, value: &str) -> bool {
        match self {
            Segment::One | Segment::Any => true,
            Segment::Either(texts) => texts.iter().any(|text| text == value),
            Segment::Text(text) => text == value,
        }
    }
}

/// Greedy with one point of return, as for globs: at most pattern times value comparisons.
fn matches(pattern: &[Segment], value: &[&str]) -> bool {
    let (mut p, mut v) = (0, 0);
    // The last `**`, and how much of the value it has taken.
    let mut retry: Option<(usize, usize)> = None;
    while v < value.len() {
        match pattern.get(p) {
            Some(Segment::Any) => {
                retry = Some((p, v));
                p += 1;
            }
            Some(segment) if segment.takes(value[v]) => {
                p += 1;
                v += 1;
            }
            _ => match retry {
                Some((any, taken)) => {
                    retry = Some((any, taken + 1));
                    p = any + 1;
                    v = taken + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|segment| *segment == Segment::Any)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let parsed = Pattern::parse(pattern);
        for value in yes {
            assert!(parsed.matches(value), "{pattern:?} should match {value:?}");
        }
        for value in no {
            assert!(!parsed.matches(value), "{pattern:?} should not match {value:?}");
        }
    }

    #[test]
    fn the_grammar_of_the_specification() {
        check("*", &["a", "foo"], &["", "a.b"]);
        check("**", &["", "a", "a.b.c"], &[]);
        check("a.**", &["a", "a.b", "a.b.c"], &["", "b", "ab"]);
        check("a.*", &["a.b"], &["a", "a.b.c"]);
        check("**.c", &["c", "a.c", "a.b.c"], &["c.d"]);
        check("a.**.d", &["a.d", "a.b.d", "a.b.c.d"], &["a", "d", "a.b"]);
        check("(a|b).x", &["a.x", "b.x"], &["c.x", "a|b.x", "x"]);
        check("foo*", &["foo*"], &["foo", "foobar"]);
        check("", &[""], &["a", "a.b", "."]);
        check("a.b", &["a.b"], &["a", "a.b.c", "a.", "A.b"]);
        check("a.*.c", &["a.b.c", "a..c"], &["a.c", "a.b.b.c"]);
        check("*.**.*", &["a.b", "a.b.c"], &["", "a"]);
        check("**.**", &["", "a", "a.b"], &[]);
        check("(a|b)", &["a", "b"], &["", "c", "(a|b)"]);
        check("()", &[], &["", "a", "()"]);
        check("x.()", &["x."], &["x", "x.a"]);
        check("(a", &["(a"], &["a"]);
        check("a|b", &["a|b"], &["a", "b"]);
        // Alternatives hold no dots: these are the segments `(a`, `b|c)`.
        check("(a.b|c)", &["(a.b|c)"], &["a.b", "c"]);
        check("***", &["***"], &["a", ""]);
    }

    #[track_caller]
    fn check_loose(pattern: &str, yes: &[&str], no: &[&str]) {
        let parsed = Pattern::parse_loose(pattern);
        for value in yes {
            assert!(parsed.matches(value), "{pattern:?} should match {value:?}");
        }
        for value in no {
            assert!(!parsed.matches(value), "{pattern:?} should not match {value:?}");
        }
    }

    #[test]
    fn programs_write_prefixes_too() {
        check_loose("test.*", &["test.a", "test.a.b", "test."], &["test", "tests", "a.test.b"]);
        check_loose("test*", &["test", "test.a", "tests.a.b", "test*"], &["tes", "a.test"]);
        check_loose("*", &["", "a", "a.b"], &[]);
        check_loose("**", &["", "a", "a.b"], &[]);
        check_loose("a.**", &["a", "a.b", "a.b.c", "a.*x"], &["b", "ab"]);
        check_loose("*.b", &["a.b", "*.b"], &["b", "a.b.c"]);
        check_loose("*.*", &["a.b", "*.x.y"], &["a", "a.b.c"]);
        check_loose("(a|b).x", &["a.x", "b.x", "(a|b).x"], &["c.x"]);
        check_loose("a.b", &["a.b"], &["a", "a.b.c"]);
    }

    #[test]
    fn many_stars_cost_little() {
        let value = "a.".repeat(2_000) + "b";
        check(&("**.a.".repeat(200) + "c"), &[], &[&value]);
        check(&("**.a.".repeat(200) + "**"), &[&value], &[]);
    }

    fn naive(pattern: &[&str], value: &[&str]) -> bool {
        match (pattern, value) {
            ([], []) => true,
            (["**", rest @ ..], _) => (0..=value.len()).any(|n| naive(rest, &value[n..])),
            (["*", rest @ ..], [_, values @ ..]) => naive(rest, values),
            (["(a|b)", rest @ ..], ["a" | "b", values @ ..]) => naive(rest, values),
            (["(a|b)", ..], _) => false,
            ([text, rest @ ..], [first, values @ ..]) if text == first => naive(rest, values),
            _ => false,
        }
    }

    fn segments(text: &str) -> Vec<&str> {
        if text.is_empty() { Vec::new() } else { text.split('.').collect() }
    }

    proptest! {
        #[test]
        fn agrees_with_the_obvious_matcher(
            pattern in prop::collection::vec(
                prop::sample::select(vec!["a", "b", "", "a*", "*", "**", "(a|b)"]),
                0..6,
            ),
            value in prop::collection::vec(
                prop::sample::select(vec!["a", "b", "c", "", "a*", "(a|b)"]),
                0..7,
            ),
        ) {
            let (pattern, value) = (pattern.join("."), value.join("."));
            let expected = naive(&segments(&pattern), &segments(&value));
            let is_match = Pattern::parse(&pattern).matches(&value);
            prop_assert_eq!(is_match, expected, "{:?} against {:?}", pattern, value);
        }

        #[test]
        fn every_text_is_a_pattern(pattern in ".*", value in ".*") {
            Pattern::parse(&pattern).matches(&value);
        }
    }
}
