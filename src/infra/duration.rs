//! Durations as Lua programs write them: `1h30m`, `1.5s`, `-2ms`. A duration is an `i64` of
//! nanoseconds, about 292 years either way.
//!
//! [`parse`] is on the path of every `time.sleep("100ms")`, so it allocates only to report an
//! error. There are no days and no spaces on purpose: a day is not always 24 hours.

use std::fmt::Write;

use crate::infra::error::{Error, Result};

pub const NANOSECOND: i64 = 1;
pub const MICROSECOND: i64 = 1_000 * NANOSECOND;
pub const MILLISECOND: i64 = 1_000 * MICROSECOND;
pub const SECOND: i64 = 1_000 * MILLISECOND;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;

/// The magnitude of `i64::MIN`; a magnitude above it does not fit, whatever its sign.
const MAGNITUDE_MAX: u64 = 1 << 63;

/// Why a text is no duration; becomes an [`Error`] once the whole text is at hand.
enum Bad<'a> {
    /// Not of the right shape, or out of range.
    Invalid,
    MissingUnit,
    UnknownUnit(&'a [u8]),
}

/// Reads a duration: an optional sign, then one or more decimal numbers with a unit each.
///
/// Fails with `Invalid`; so does a duration that does not fit an `i64`.
pub fn parse(text: &str) -> Result<i64> {
    parse_bytes(text.as_bytes()).map_err(|bad| {
        let quoted = quote(text.as_bytes());
        Error::invalid(match bad {
            Bad::Invalid => format!("time: invalid duration {quoted}"),
            Bad::MissingUnit => format!("time: missing unit in duration {quoted}"),
            Bad::UnknownUnit(unit) => {
                format!("time: unknown unit {} in duration {quoted}", quote(unit))
            }
        })
    })
}

fn parse_bytes(text: &[u8]) -> Result<i64, Bad<'_>> {
    let (negative, mut rest) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    if rest == b"0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(Bad::Invalid);
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let (part, after) = parse_part(rest)?;
        total = total.checked_add(part).filter(|t| *t <= MAGNITUDE_MAX).ok_or(Bad::Invalid)?;
        rest = after;
    }
    if negative {
        // The magnitude of `i64::MIN` wraps to itself, which is the right answer.
        Ok((total as i64).wrapping_neg())
    } else {
        i64::try_from(total).map_err(|_| Bad::Invalid)
    }
}

/// One number with its unit, in nanoseconds, and what follows it.
fn parse_part(text: &[u8]) -> Result<(u64, &[u8]), Bad<'_>> {
    let n_whole = count_digits(text);
    let mut whole: u64 = 0;
    for digit in &text[..n_whole] {
        let next = whole.checked_mul(10).and_then(|w| w.checked_add(u64::from(digit - b'0')));
        whole = next.filter(|w| *w <= MAGNITUDE_MAX).ok_or(Bad::Invalid)?;
    }
    let mut rest = &text[n_whole..];

    let (mut fraction, mut scale) = (0_u64, 1.0_f64);
    let mut n_fraction = 0;
    if let [b'.', after @ ..] = rest {
        n_fraction = count_digits(after);
        for digit in &after[..n_fraction] {
            let next =
                fraction.checked_mul(10).and_then(|f| f.checked_add(u64::from(digit - b'0')));
            let Some(next) = next else {
                break; // Nineteen digits in, the rest is far below a nanosecond.
            };
            (fraction, scale) = (next, scale * 10.0);
        }
        rest = &after[n_fraction..];
    }
    if n_whole + n_fraction == 0 {
        return Err(Bad::Invalid);
    }

    let n_unit = rest.iter().position(|c| *c == b'.' || c.is_ascii_digit()).unwrap_or(rest.len());
    if n_unit == 0 {
        return Err(Bad::MissingUnit);
    }
    let (name, rest) = rest.split_at(n_unit);
    let unit = unit(name).ok_or(Bad::UnknownUnit(name))?;
    let mut nanos = whole.checked_mul(unit).filter(|n| *n <= MAGNITUDE_MAX).ok_or(Bad::Invalid)?;
    if fraction > 0 {
        // In floats, so that a third of an hour written with enough digits is 20 minutes.
        nanos += (fraction as f64 * (unit as f64 / scale)) as u64;
    }
    Ok((nanos, rest))
}

fn count_digits(text: &[u8]) -> usize {
    text.iter().take_while(|c| c.is_ascii_digit()).count()
}

fn unit(name: &[u8]) -> Option<u64> {
    let nanos = match name {
        b"ns" => NANOSECOND,
        // The two Unicode letters that look like a mu.
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => MICROSECOND,
        b"ms" => MILLISECOND,
        b"s" => SECOND,
        b"m" => MINUTE,
        b"h" => HOUR,
        _ => return None,
    };
    Some(nanos as u64)
}

/// Prints a duration in its shortest exact form: `1h30m45s`, `1.5s`, `100ms`, `1µs`, `0s`.
pub fn format(ns: i64) -> String {
    let mut out = String::new();
    if ns < 0 {
        out.push('-');
    }
    let (second, nanos) = (SECOND as u64, ns.unsigned_abs());
    match nanos {
        0 => out.push_str("0s"),
        1..1_000 => push_decimal(&mut out, nanos, 0, 0, "ns"),
        1_000..1_000_000 => push_decimal(&mut out, nanos / 1_000, nanos % 1_000, 3, "µs"),
        1_000_000..1_000_000_000 => {
            push_decimal(&mut out, nanos / 1_000_000, nanos % 1_000_000, 6, "ms");
        }
        _ => {
            let seconds = nanos / second;
            let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
            if hours > 0 {
                push_decimal(&mut out, hours, 0, 0, "h");
            }
            if seconds >= 60 {
                push_decimal(&mut out, minutes, 0, 0, "m");
            }
            push_decimal(&mut out, seconds % 60, nanos % second, 9, "s");
        }
    }
    out
}

/// Appends `whole.fraction` and the unit; `fraction` has `digits` digits, trailing zeros dropped.
fn push_decimal(out: &mut String, whole: u64, fraction: u64, digits: usize, unit: &str) {
    // Writing to a `String` cannot fail.
    let _ = write!(out, "{whole}");
    if fraction > 0 {
        let _ = write!(out, ".{fraction:0digits$}");
        out.truncate(out.trim_end_matches('0').len());
    }
    out.push_str(unit);
}

/// Whole microseconds, truncated towards zero.
pub fn microseconds(ns: i64) -> i64 {
    ns / MICROSECOND
}

/// Whole milliseconds, truncated towards zero.
pub fn milliseconds(ns: i64) -> i64 {
    ns / MILLISECOND
}

pub fn seconds(ns: i64) -> f64 {
    fractional(ns, SECOND)
}

pub fn minutes(ns: i64) -> f64 {
    fractional(ns, MINUTE)
}

pub fn hours(ns: i64) -> f64 {
    fractional(ns, HOUR)
}

/// Whole and fractional part apart, which keeps nanoseconds that one division would round away.
fn fractional(ns: i64, unit: i64) -> f64 {
    (ns / unit) as f64 + (ns % unit) as f64 / unit as f64
}

/// Quotes text from a user for an error message; bytes that are not plain ASCII become `\xNN`.
pub(crate) fn quote(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for byte in text {
        match byte {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(*byte));
            }
            b' '..=0x7f => out.push(char::from(*byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::infra::error::Kind;

    #[track_caller]
    fn check(text: &str, expect: i64) {
        assert_eq!(parse(text), Ok(expect), "{text}");
    }

    #[track_caller]
    fn check_error(text: &str, expect: &str) {
        let error = parse(text).unwrap_err();
        assert_eq!((error.kind(), error.message()), (&Kind::Invalid, expect));
    }

    #[track_caller]
    fn check_format(ns: i64, expect: &str) {
        assert_eq!(format(ns), expect);
        assert_eq!(parse(expect), Ok(ns));
    }

    #[test]
    fn reads_what_people_write() {
        for zero in ["0", "+0", "-0", "0s"] {
            check(zero, 0);
        }
        check("5s", 5 * SECOND);
        check("1h30m", 90 * MINUTE);
        check("-2ms", -2 * MILLISECOND);
        check("+5s", 5 * SECOND);
        check("5.s", 5 * SECOND);
        check(".5s", 500 * MILLISECOND);
        check("1.004s", 1004 * MILLISECOND);
        check("1.00100s", 1001 * MILLISECOND);
        check("12us", 12 * MICROSECOND);
        check("12µs", 12 * MICROSECOND);
        check("12μs", 12 * MICROSECOND);
        check("10.5s4m", 4 * MINUTE + 10_500 * MILLISECOND);
        check("39h9m14.425s", 39 * HOUR + 9 * MINUTE + 14_425 * MILLISECOND);
        check("1s1s", 2 * SECOND);
    }

    #[test]
    fn keeps_precision_and_range() {
        check("52763797000ns", 52_763_797_000);
        check("0.3333333333333333333h", 20 * MINUTE);
        check("0.100000000000000000000h", 6 * MINUTE);
        check("9007199254740993ns", (1 << 53) + 1);
        check("9223372036854775807ns", i64::MAX);
        check("9223372036854775.807us", i64::MAX);
        check("9223372036s854ms775us807ns", i64::MAX);
        check("-9223372036854775808ns", i64::MIN);
        check("-9223372036854.775808ms", i64::MIN);
        check("-2562047h47m16.854775808s", i64::MIN);
    }

    #[test]
    fn errors_have_exact_texts() {
        for bad in ["", "-", "+", ".", "-.", ".s", "+.s", "s", " 1s", "--1s", "3000000h"] {
            check_error(bad, &format!("time: invalid duration \"{bad}\""));
        }
        for too_big in [
            "9223372036854775808ns",
            "9223372036854775.808us",
            "-9223372036854775809ns",
            "99999999999999999999h",
            "9223372036854775807ns1ns",
        ] {
            check_error(too_big, &format!("time: invalid duration \"{too_big}\""));
        }
        check_error("3", "time: missing unit in duration \"3\"");
        check_error("1s2", "time: missing unit in duration \"1s2\"");
        check_error("1d", "time: unknown unit \"d\" in duration \"1d\"");
        check_error("1 s", "time: unknown unit \" s\" in duration \"1 s\"");
        check_error("1s ", "time: unknown unit \"s \" in duration \"1s \"");
        check_error(
            "1\"é\n",
            r#"time: unknown unit "\"\xc3\xa9\x0a" in duration "1\"\xc3\xa9\x0a""#,
        );
    }

    #[test]
    fn prints_the_shortest_form() {
        check_format(0, "0s");
        check_format(1, "1ns");
        check_format(1_100, "1.1µs");
        check_format(MICROSECOND, "1µs");
        check_format(2_200_000, "2.2ms");
        check_format(100 * MILLISECOND, "100ms");
        check_format(1_500 * MILLISECOND, "1.5s");
        check_format(20 * SECOND, "20s");
        check_format(MINUTE, "1m0s");
        check_format(HOUR, "1h0m0s");
        check_format(-(HOUR + 30 * MINUTE + 45 * SECOND), "-1h30m45s");
        check_format(5 * HOUR + 6 * MINUTE + 7 * SECOND + MILLISECOND, "5h6m7.001s");
        check_format(8 * MINUTE + 1, "8m0.000000001s");
        check_format(i64::MAX, "2562047h47m16.854775807s");
        check_format(i64::MIN, "-2562047h47m16.854775808s");
    }

    #[test]
    fn getters_truncate() {
        assert_eq!((microseconds(1_999), microseconds(-1_999)), (1, -1));
        assert_eq!((milliseconds(1_999_999), milliseconds(-1_999_999)), (1, -1));
        assert_eq!(
            (seconds(1_500_000_000), minutes(90 * SECOND), hours(90 * MINUTE)),
            (1.5, 1.5, 1.5)
        );
    }

    proptest! {
        #[test]
        fn what_is_printed_is_read_back(ns: i64) {
            prop_assert_eq!(parse(&format(ns)), Ok(ns));
        }

        #[test]
        fn nothing_panics(text in "[-+0-9.nuµmsh x]{0,40}|.{0,20}") {
            let _ = parse(&text);
        }
    }
}
