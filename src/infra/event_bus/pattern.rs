//! Patterns over dotted names: for subscriptions, listener kinds and `disable`.
//!
//! | segment | matches |
//! |---|---|
//! | `*` | exactly one segment |
//! | `**` | zero or more segments |
//! | `(a\|b\|c)` | one segment equal to an alternative |
//! | other | that text (`foo*` is literal, not a glob) |
//!
//! The empty value has no segments worth matching: only `**` and the empty pattern take it.

/// A parsed pattern; pure, so anybody may keep and share it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(Vec<Segment>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    One,
    Any,
    Either(Vec<String>),
    Text(String),
}

impl Pattern {
    /// Every text is a pattern. The empty one matches everything: no filter.
    pub fn parse(text: &str) -> Pattern {
        if text.is_empty() {
            return Pattern(vec![Segment::Any]);
        }
        Pattern(text.split('.').map(Segment::parse).collect())
    }

    pub fn matches(&self, value: &str) -> bool {
        let segments: smallvec::SmallVec<[&str; 8]> = match value {
            "" => smallvec::SmallVec::new(),
            value => value.split('.').collect(),
        };
        matches(&self.0, &segments)
    }
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

/// Greedy with one point of return, as for globs: linear in pattern times value.
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
        check("", &["", "a", "a.b"], &[]);
    }

    fn naive(pattern: &[&str], value: &[&str]) -> bool {
        match (pattern, value) {
            ([], []) => true,
            (["**", rest @ ..], _) => (0..=value.len()).any(|n| naive(rest, &value[n..])),
            (["*", rest @ ..], [_, values @ ..]) => naive(rest, values),
            ([text, rest @ ..], [first, values @ ..]) if text == first => naive(rest, values),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_obvious_matcher(
            pattern in prop::collection::vec(prop::sample::select(vec!["a", "b", "*", "**"]), 1..6),
            value in prop::collection::vec(prop::sample::select(vec!["a", "b", "c"]), 1..7),
        ) {
            let parsed = Pattern::parse(&pattern.join("."));
            prop_assert_eq!(parsed.matches(&value.join(".")), naive(&pattern, &value));
        }
    }
}
