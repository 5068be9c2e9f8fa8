//! Versions of modules, and the constraints that dependencies put on them.
//!
//! ```text
//! constraint := [ part { (" " | ",") part } ]      ; all parts must hold, none at all holds always
//! part       := [ "=" | "!=" | ">" | ">=" | "<" | "<=" | "^" | "~" ] number | "*"
//! number     := [ "v" ] n [ "." n [ "." n ] ] [ "-" prerelease ] [ "+" build ]   ; n or "x" or "*"
//! ```
//!
//! A number that is not complete stands for all that begin with it: `1.2`, `1.2.x` and `=1.2.*` are
//! the same. A version with a prerelease only fits a constraint that names one.

use std::cmp::Ordering;
use std::fmt;

/// `major.minor.patch[-prerelease]`, ordered as semantic versioning says; what follows a `+` is
/// dropped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    numbers: [u64; 3],
    prerelease: String,
}

impl Version {
    /// A complete version, with or without a `v` before it.
    pub fn parse(text: &str) -> Option<Version> {
        let partial = Partial::parse(text)?;
        let [Some(major), Some(minor), Some(patch)] = partial.numbers else {
            return None;
        };
        Some(Version { numbers: [major, minor, patch], prerelease: partial.prerelease })
    }

    pub fn is_stable(&self) -> bool {
        self.prerelease.is_empty()
    }
}

impl Ord for Version {
    fn cmp(&self, other: &Version) -> Ordering {
        let prereleases = || match (self.is_stable(), other.is_stable()) {
            (true, true) => Ordering::Equal,
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            (false, false) => compare_prereleases(&self.prerelease, &other.prerelease),
        };
        self.numbers.cmp(&other.numbers).then_with(prereleases)
    }
}

impl PartialOrd for Version {
    fn partial_cmp(&self, other: &Version) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.numbers;
        write!(f, "{major}.{minor}.{patch}")?;
        match self.is_stable() {
            true => Ok(()),
            false => write!(f, "-{}", self.prerelease),
        }
    }
}

/// Part by part: numbers by value and before texts, texts by their bytes, the longer one last.
fn compare_prereleases(a: &str, b: &str) -> Ordering {
    let key = |part: &str| match part.parse::<u64>() {
        Ok(n) => (0, n, String::new()),
        Err(_) => (1, 0, part.to_owned()),
    };
    a.split('.').map(key).cmp(b.split('.').map(key))
}

/// A version that may end early.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Partial {
    /// Once one is `None`, so are those after it.
    numbers: [Option<u64>; 3],
    prerelease: String,
}

impl Partial {
    fn parse(text: &str) -> Option<Partial> {
        let text = text.strip_prefix('v').unwrap_or(text);
        let text = text.split_once('+').map_or(text, |(text, _)| text);
        let (core, prerelease) = text.split_once('-').unwrap_or((text, ""));
        let mut numbers = [None; 3];
        let mut has_ended = false;
        for (i, part) in core.split('.').enumerate() {
            let is_open = matches!(part, "x" | "X" | "*");
            if i >= numbers.len() || (has_ended && !is_open) {
                return None;
            }
            has_ended |= is_open;
            if !is_open {
                // `parse` would take a sign.
                let is_digits = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
                numbers[i] = Some(part.parse().ok().filter(|_| is_digits)?);
            }
        }
        let is_identifier = |part: &str| {
            !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        };
        if text.contains('-') {
            let is_whole = numbers[2].is_some();
            if !is_whole || !prerelease.split('.').all(is_identifier) {
                return None;
            }
        }
        Some(Partial { numbers, prerelease: prerelease.to_owned() })
    }

    /// The first version that begins like this.
    fn lowest(&self) -> Version {
        Version {
            numbers: self.numbers.map(Option::unwrap_or_default),
            prerelease: self.prerelease.clone(),
        }
    }

    /// The first version after all that share the numbers up to `place`; none if there is no end.
    fn after(&self, place: usize) -> Option<Version> {
        let mut numbers = [0; 3];
        for (number, given) in numbers.iter_mut().zip(&self.numbers).take(place + 1) {
            *number = given.unwrap_or_default();
        }
        numbers[place] = numbers[place].checked_add(1)?;
        Some(Version { numbers, prerelease: String::new() })
    }

    /// The place of the last number; none for `*`.
    fn last_place(&self) -> Option<usize> {
        self.numbers.iter().rposition(Option::is_some)
    }
}

/// From `low` on, up to and without `high`.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    low: Option<Version>,
    high: Option<Version>,
    /// What is meant is everything else.
    is_negated: bool,
}

impl Range {
    fn contains(&self, version: &Version) -> bool {
        let is_above = self.low.as_ref().is_none_or(|low| version >= low);
        let is_below = self.high.as_ref().is_none_or(|high| version < high);
        (is_above && is_below) != self.is_negated
    }

    fn parse(part: &str) -> Option<Range> {
        const OPERATORS: [&str; 8] = ["!=", ">=", "<=", "=", ">", "<", "^", "~"];
        let operator = OPERATORS.into_iter().find(|operator| part.starts_with(operator));
        let operator = operator.unwrap_or_default();
        let number = Partial::parse(&part[operator.len()..])?;
        let (low, last) = (number.lowest(), number.last_place());
        let range = |low, high| Some(Range { low, high, is_negated: false });
        let Some(last) = last else {
            // `*`: all, or none of them.
            let is_negated = matches!(operator, "!=" | ">" | "<");
            return Some(Range { low: None, high: None, is_negated });
        };
        // Behind everything that the number stands for.
        let end = match last {
            2 => Some(just_after(&low)),
            place => number.after(place),
        };
        match operator {
            "" | "=" => range(Some(low), end),
            "!=" => Some(Range { low: Some(low), high: end, is_negated: true }),
            ">=" => range(Some(low), None),
            "<" => range(None, Some(low)),
            // Above the greatest there is: nothing.
            ">" if end.is_none() => Some(Range { low: None, high: None, is_negated: true }),
            ">" => range(end, None),
            "<=" => range(None, end),
            // Up to the next change of the first number that is not zero.
            "^" => {
                let first = number.numbers.iter().position(|n| n.is_some_and(|n| n > 0));
                let high = number.after(first.unwrap_or(last));
                range(Some(low), high)
            }
            _ => {
                let high = number.after(last.min(1));
                range(Some(low), high)
            }
        }
    }
}

/// The version that follows at once: nothing lies between it and `version`.
fn just_after(version: &Version) -> Version {
    // A prerelease gets longer, a stable version is followed by the first prerelease of the next.
    match version.is_stable() {
        false => Version { prerelease: format!("{}.0", version.prerelease), ..version.clone() },
        true => {
            let [major, minor, patch] = version.numbers;
            let numbers = [major, minor, patch.saturating_add(1)];
            Version { numbers, prerelease: "0".to_owned() }
        }
    }
}

/// What a dependency asks of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Constraint {
    text: String,
    ranges: Vec<Range>,
    names_prerelease: bool,
}

impl Constraint {
    /// `None` for a text that is no constraint.
    pub fn parse(text: &str) -> Option<Constraint> {
        let mut ranges = Vec::new();
        let mut operator = "";
        for word in text.split([' ', ',', '\t']).filter(|word| !word.is_empty()) {
            // `>= 1.2` is one part.
            if word.bytes().all(|b| b"=!<>^~".contains(&b)) {
                if !operator.is_empty() {
                    return None;
                }
                operator = word;
                continue;
            }
            ranges.push(Range::parse(&format!("{operator}{word}"))?);
            operator = "";
        }
        if !operator.is_empty() {
            return None;
        }
        Some(Constraint {
            text: text.trim().to_owned(),
            ranges,
            names_prerelease: text.contains('-'),
        })
    }

    pub fn fits(&self, version: &Version) -> bool {
        (version.is_stable() || self.names_prerelease)
            && self.ranges.iter().all(|range| range.contains(version))
    }

    /// Everything fits.
    pub fn is_any(&self) -> bool {
        self.ranges.iter().all(|range| range.low.is_none() && range.high.is_none())
            && !self.ranges.iter().any(|range| range.is_negated)
    }
}

impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.text.is_empty() { "*" } else { &self.text })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn version(text: &str) -> Version {
        Version::parse(text).unwrap_or_else(|| panic!("{text}"))
    }

    #[test]
    fn versions_are_ordered() {
        let ascending = [
            "0.0.1",
            "0.1.0",
            "v1.0.0-1",
            "1.0.0-2",
            "1.0.0-10",
            "1.0.0-alpha",
            "1.0.0-alpha.1",
            "1.0.0-beta",
            "1.0.0",
            "1.0.1",
            "1.2.0",
            "1.10.0",
            "2.0.0+build",
            "10.0.0",
        ];
        for pair in ascending.windows(2) {
            assert!(version(pair[0]) < version(pair[1]), "{pair:?}");
        }
        for text in
            ["", "1", "1.2", "1.2.x", "1.2.3.4", "a.b.c", "1.2.-3", "1.2.3-", "+1.2.3", "1..2"]
        {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    /// Which of a row of versions fit.
    #[track_caller]
    fn check(constraint: &str, fits: &str) {
        let row =
            ["0.1.0", "0.1.9", "0.2.0", "1.0.0-rc.1", "1.0.0", "1.2.0", "1.2.3", "1.3.0", "2.0.0"];
        let parsed = Constraint::parse(constraint).unwrap_or_else(|| panic!("{constraint}"));
        let found: Vec<&str> = row.into_iter().filter(|text| parsed.fits(&version(text))).collect();
        assert_eq!(found.join(" "), fits, "{constraint}");
    }

    #[test]
    fn constraints() {
        let all = "0.1.0 0.1.9 0.2.0 1.0.0 1.2.0 1.2.3 1.3.0 2.0.0";
        for any in ["", "*", "x", ">=0", "<= *", " , "] {
            check(any, all);
        }
        check("1.2.3", "1.2.3");
        check("v1.2.3", "1.2.3");
        check("=1.2.3", "1.2.3");
        check("1.2", "1.2.0 1.2.3");
        check("1.2.x", "1.2.0 1.2.3");
        check("1.2.*", "1.2.0 1.2.3");
        check("=1.x", "1.0.0 1.2.0 1.2.3 1.3.0");
        check("1", "1.0.0 1.2.0 1.2.3 1.3.0");
        check("!=1.2.3", "0.1.0 0.1.9 0.2.0 1.0.0 1.2.0 1.3.0 2.0.0");
        check("!=1.x", "0.1.0 0.1.9 0.2.0 2.0.0");
        check(">1.2.0", "1.2.3 1.3.0 2.0.0");
        check(">1.2", "1.3.0 2.0.0");
        check(">=1.2", "1.2.0 1.2.3 1.3.0 2.0.0");
        check("<1.2", "0.1.0 0.1.9 0.2.0 1.0.0");
        check("<=1.2", "0.1.0 0.1.9 0.2.0 1.0.0 1.2.0 1.2.3");
        check("<=1.2.0", "0.1.0 0.1.9 0.2.0 1.0.0 1.2.0");
        check("^1.2", "1.2.0 1.2.3 1.3.0");
        check("^0.1", "0.1.0 0.1.9");
        check("^0.1.5", "0.1.9");
        check("^0.0.1", "");
        check("^0", "0.1.0 0.1.9 0.2.0");
        check("~1.2", "1.2.0 1.2.3");
        check("~1.2.1", "1.2.3");
        check("~1", "1.0.0 1.2.0 1.2.3 1.3.0");
        check(">=1.0 <1.3", "1.0.0 1.2.0 1.2.3");
        check(">= 1.0, < 2, != 1.2.0", "1.0.0 1.2.3 1.3.0");
        check(">=1.0.0-rc.1 <1.2", "1.0.0-rc.1 1.0.0");
        check("1.0.0-rc.1", "1.0.0-rc.1");
        check(">3 <2", "");
        check("!=*", "");
    }

    #[test]
    fn texts_that_are_no_constraints() {
        for text in ["main", ">", "> >1", "=>1", "1.2.3.4", "1.x.3", "^", "1 || 2", "1.2-rc", "é"]
        {
            assert_eq!(Constraint::parse(text), None, "{text}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn any_text_is_a_constraint_or_none(text in "[0-9.x*<>=!^~v, a-]{0,16}") {
            if let Some(constraint) = Constraint::parse(&text) {
                constraint.fits(&version("1.2.3"));
            }
        }

        /// What a constraint says about a number, its opposite denies.
        #[test]
        fn opposites(at in "[0-3](\\.[0-3]){0,2}", v in "[0-3]\\.[0-3]\\.[0-3]") {
            let fits = |operator: &str| {
                Constraint::parse(&format!("{operator}{at}")).is_some_and(|c| c.fits(&version(&v)))
            };
            prop_assert_ne!(fits("="), fits("!="));
            prop_assert_ne!(fits("<"), fits(">="));
            prop_assert_ne!(fits(">"), fits("<="));
        }

        #[test]
        fn printing_round_trips(v in "[0-9]{1,9}\\.[0-9]{1,9}\\.[0-9]{1,9}(-[a-z]{1,3}\\.[0-9]{1,2})?") {
            let parsed = version(&v);
            prop_assert_eq!(version(&parsed.to_string()), parsed);
        }
    }
}
