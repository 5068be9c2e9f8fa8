//! Layouts: what their elements are, and printing a [`Time`] after one.
//!
//! A layout shows how the reference time `Mon Jan 2 15:04:05.000 MST 2006` (zone `-0700`) looks.
//! What is not an element is literal. Reading is next door in [`parse`](super::parse).

use std::fmt::Write;

use crate::infra::gotime::civil::{Civil, MONTHS, WEEKDAYS};
use crate::infra::gotime::time::Time;
use crate::infra::gotime::zone::Zone;

pub const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
pub const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// The layouts that Lua knows by name.
pub static NAMED: [(&str, &str); 15] = [
    ("RFC3339", RFC3339),
    ("RFC3339NANO", RFC3339_NANO),
    ("RFC822", "02 Jan 06 15:04 MST"),
    ("RFC822Z", "02 Jan 06 15:04 -0700"),
    ("RFC850", "Monday, 02-Jan-06 15:04:05 MST"),
    ("RFC1123", "Mon, 02 Jan 2006 15:04:05 MST"),
    ("RFC1123Z", "Mon, 02 Jan 2006 15:04:05 -0700"),
    ("KITCHEN", "3:04PM"),
    ("STAMP", "Jan _2 15:04:05"),
    ("STAMP_MILLI", "Jan _2 15:04:05.000"),
    ("STAMP_MICRO", "Jan _2 15:04:05.000000"),
    ("STAMP_NANO", "Jan _2 15:04:05.000000000"),
    ("DATE_TIME", "2006-01-02 15:04:05"),
    ("DATE_ONLY", "2006-01-02"),
    ("TIME_ONLY", "15:04:05"),
];

/// One element of a layout; its text in the layout stands beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Element {
    LongYear,                               // 2006
    Year,                                   // 06
    LongMonth,                              // January
    ShortMonth,                             // Jan
    Month(Pad),                             // 1 01
    LongWeekday,                            // Monday
    ShortWeekday,                           // Mon
    Day(Pad),                               // 2 _2 02
    YearDay(Pad),                           // __2 002
    Hour,                                   // 15
    Hour12(Pad),                            // 3 03
    Minute(Pad),                            // 4 04
    Second(Pad),                            // 5 05
    Half { upper: bool },                   // PM pm
    Fraction { digits: usize, trim: bool }, // .000 .999, also with a comma
    ZoneName,                               // MST
    Offset { z: bool, shape: OffsetShape }, // -0700 Z0700
}

/// How a number is brought to its full width.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pad {
    None,
    Space,
    Zero,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OffsetShape {
    Hours,        // 07
    Plain,        // 0700
    Colon,        // 07:00
    PlainSeconds, // 070000
    ColonSeconds, // 07:00:00
}

/// The longest shapes first, as a layout is read.
const OFFSETS: [(&[u8], OffsetShape); 5] = [
    (b"070000", OffsetShape::PlainSeconds),
    (b"07:00:00", OffsetShape::ColonSeconds),
    (b"0700", OffsetShape::Plain),
    (b"07:00", OffsetShape::Colon),
    (b"07", OffsetShape::Hours),
];

/// The first element of a layout and where it is: `layout[start..end]`.
pub(super) struct Found {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) element: Element,
}

/// Finds the first element; `None` if all of `layout` is literal. `start` and `end` are at
/// characters.
pub(super) fn find_element(layout: &str) -> Option<Found> {
    let bytes = layout.as_bytes();
    (0..bytes.len()).find_map(|start| {
        let (element, len) = element_at(&bytes[start..])?;
        Some(Found { start, end: start + len, element })
    })
}

/// The element that `text` begins with, and its length.
fn element_at(text: &[u8]) -> Option<(Element, usize)> {
    let found = match text {
        [b'J', b'a', b'n', b'u', b'a', b'r', b'y', ..] => (Element::LongMonth, 7),
        // `Jan` and `Mon` that begin another word are literal.
        [b'J', b'a', b'n', b'a'..=b'z', ..] => return None,
        [b'J', b'a', b'n', ..] => (Element::ShortMonth, 3),
        [b'M', b'o', b'n', b'd', b'a', b'y', ..] => (Element::LongWeekday, 6),
        [b'M', b'o', b'n', b'a'..=b'z', ..] => return None,
        [b'M', b'o', b'n', ..] => (Element::ShortWeekday, 3),
        [b'M', b'S', b'T', ..] => (Element::ZoneName, 3),
        [b'0', b'1', ..] => (Element::Month(Pad::Zero), 2),
        [b'0', b'2', ..] => (Element::Day(Pad::Zero), 2),
        [b'0', b'3', ..] => (Element::Hour12(Pad::Zero), 2),
        [b'0', b'4', ..] => (Element::Minute(Pad::Zero), 2),
        [b'0', b'5', ..] => (Element::Second(Pad::Zero), 2),
        [b'0', b'6', ..] => (Element::Year, 2),
        [b'0', b'0', b'2', ..] => (Element::YearDay(Pad::Zero), 3),
        [b'1', b'5', ..] => (Element::Hour, 2),
        [b'1', ..] => (Element::Month(Pad::None), 1),
        [b'2', b'0', b'0', b'6', ..] => (Element::LongYear, 4),
        [b'2', ..] => (Element::Day(Pad::None), 1),
        // An underscore before the year is just that.
        [b'_', b'2', b'0', b'0', b'6', ..] => return None,
        [b'_', b'2', ..] => (Element::Day(Pad::Space), 2),
        [b'_', b'_', b'2', ..] => (Element::YearDay(Pad::Space), 3),
        [b'3', ..] => (Element::Hour12(Pad::None), 1),
        [b'4', ..] => (Element::Minute(Pad::None), 1),
        [b'5', ..] => (Element::Second(Pad::None), 1),
        [b'P', b'M', ..] => (Element::Half { upper: true }, 2),
        [b'p', b'm', ..] => (Element::Half { upper: false }, 2),
        [sign @ (b'-' | b'Z'), rest @ ..] => {
            let (text, shape) = OFFSETS.iter().find(|(text, _)| rest.starts_with(text))?;
            (Element::Offset { z: *sign == b'Z', shape: *shape }, 1 + text.len())
        }
        [b'.' | b',', digit @ (b'0' | b'9'), ..] => {
            let digits = text[1..].iter().take_while(|c| *c == digit).count();
            // A run that goes on with other digits is a number, not a fraction.
            if text.get(1 + digits).is_some_and(u8::is_ascii_digit) {
                return None;
            }
            (Element::Fraction { digits, trim: *digit == b'9' }, 1 + digits)
        }
        _ => return None,
    };
    Some(found)
}

impl Time {
    /// Prints this time as `layout` shows.
    pub fn format(&self, layout: &str) -> String {
        let (civil, zone) = self.civil_and_zone();
        let shown = Shown { civil, zone, nanos: self.nanosecond() };
        let mut out = String::with_capacity(layout.len() + 10);
        let mut rest = layout;
        while let Some(found) = find_element(rest) {
            out.push_str(&rest[..found.start]);
            shown.push(&mut out, found.element, &rest[found.start..found.end]);
            rest = &rest[found.end..];
        }
        out.push_str(rest);
        out
    }
}

/// A time taken apart, as the elements of a layout need it.
struct Shown<'a> {
    civil: Civil,
    zone: Zone<'a>,
    nanos: u32,
}

impl Shown<'_> {
    /// Appends one element; `text` is how the layout spells it.
    fn push(&self, out: &mut String, element: Element, text: &str) {
        let civil = &self.civil;
        let month = MONTHS[usize::from(civil.month - 1)];
        let weekday = WEEKDAYS[usize::from(civil.weekday)];
        match element {
            Element::LongYear => {
                if civil.year < 0 {
                    out.push('-');
                }
                push_number(out, civil.year.unsigned_abs(), 4, Pad::Zero);
            }
            Element::Year => push_number(out, civil.year.max(0).unsigned_abs() % 100, 2, Pad::Zero),
            Element::LongMonth => out.push_str(month),
            Element::ShortMonth => out.push_str(&month[..3]),
            Element::LongWeekday => out.push_str(weekday),
            Element::ShortWeekday => out.push_str(&weekday[..3]),
            Element::Month(pad) => push_number(out, civil.month, 2, pad),
            Element::Day(pad) => push_number(out, civil.day, 2, pad),
            Element::YearDay(pad) => push_number(out, civil.year_day, 3, pad),
            Element::Hour => push_number(out, civil.hour, 2, Pad::Zero),
            Element::Hour12(pad) => push_number(out, civil.hour12(), 2, pad),
            Element::Minute(pad) => push_number(out, civil.minute, 2, pad),
            Element::Second(pad) => push_number(out, civil.second, 2, pad),
            Element::Half { upper } => out.push_str(match (civil.hour >= 12, upper) {
                (true, true) => "PM",
                (true, false) => "pm",
                (false, true) => "AM",
                (false, false) => "am",
            }),
            // The separator is the one of the layout.
            Element::Fraction { digits, trim } => {
                push_fraction(out, &text[..1], self.nanos, digits, trim);
            }
            Element::ZoneName if self.zone.abbreviation().is_empty() => {
                push_offset(out, self.zone.offset, OffsetShape::Plain);
            }
            Element::ZoneName => out.push_str(self.zone.abbreviation()),
            Element::Offset { z: true, .. } if self.zone.offset == 0 => out.push('Z'),
            Element::Offset { shape, .. } => push_offset(out, self.zone.offset, shape),
        }
    }
}

pub(super) fn push_number(out: &mut String, number: impl Into<u64>, width: usize, pad: Pad) {
    let number = number.into();
    // Writing to a `String` cannot fail.
    let _ = match pad {
        Pad::None => write!(out, "{number}"),
        Pad::Space => write!(out, "{number:width$}"),
        Pad::Zero => write!(out, "{number:0width$}"),
    };
}

/// Appends the first `digits` digits of the second's fraction; a nanosecond is the ninth.
fn push_fraction(out: &mut String, separator: &str, nanos: u32, digits: usize, trim: bool) {
    let text = format!("{nanos:09}");
    let mut text = &text[..digits.min(9)];
    if trim {
        text = text.trim_end_matches('0');
        if text.is_empty() {
            return;
        }
    }
    out.push_str(separator);
    out.push_str(text);
}

pub(super) fn push_offset(out: &mut String, offset: i32, shape: OffsetShape) {
    out.push(if offset < 0 { '-' } else { '+' });
    let offset = offset.unsigned_abs();
    push_number(out, offset / 3_600, 2, Pad::Zero);
    let colon = matches!(shape, OffsetShape::Colon | OffsetShape::ColonSeconds);
    let n_more = match shape {
        OffsetShape::Hours => 0,
        OffsetShape::Plain | OffsetShape::Colon => 1,
        OffsetShape::PlainSeconds | OffsetShape::ColonSeconds => 2,
    };
    for part in [offset / 60 % 60, offset % 60].into_iter().take(n_more) {
        if colon {
            out.push(':');
        }
        push_number(out, part, 2, Pad::Zero);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::gotime::{Location, load_location};

    /// 2009-02-05 05:00:57.012345600 in Los Angeles, a Thursday.
    fn sample() -> Time {
        let there = load_location("America/Los_Angeles").unwrap();
        Time::from_unix(1_233_838_857, 12_345_600, there)
    }

    #[track_caller]
    fn check(layout: &str, expect: &str) {
        assert_eq!(sample().format(layout), expect, "{layout}");
    }

    #[test]
    fn named_layouts() {
        let shown: Vec<String> = NAMED
            .iter()
            .map(|(name, layout)| format!("{name} {}", sample().format(layout)))
            .collect();
        assert_eq!(
            shown,
            [
                "RFC3339 2009-02-05T05:00:57-08:00",
                "RFC3339NANO 2009-02-05T05:00:57.0123456-08:00",
                "RFC822 05 Feb 09 05:00 PST",
                "RFC822Z 05 Feb 09 05:00 -0800",
                "RFC850 Thursday, 05-Feb-09 05:00:57 PST",
                "RFC1123 Thu, 05 Feb 2009 05:00:57 PST",
                "RFC1123Z Thu, 05 Feb 2009 05:00:57 -0800",
                "KITCHEN 5:00AM",
                "STAMP Feb  5 05:00:57",
                "STAMP_MILLI Feb  5 05:00:57.012",
                "STAMP_MICRO Feb  5 05:00:57.012345",
                "STAMP_NANO Feb  5 05:00:57.012345600",
                "DATE_TIME 2009-02-05 05:00:57",
                "DATE_ONLY 2009-02-05",
                "TIME_ONLY 05:00:57",
            ]
        );
    }

    #[test]
    fn elements() {
        check("2006 06", "2009 09");
        check("January Jan 01 1", "February Feb 02 2");
        check("Monday Mon", "Thursday Thu");
        check("02 _2 2", "05  5 5");
        check("002 __2", "036  36");
        check("15 03 3 04 4 05 5", "05 05 5 00 0 57 57");
        check("PM pm", "AM am");
        check("-07 -0700 -07:00 -070000 -07:00:00", "-08 -0800 -08:00 -080000 -08:00:00");
        check("Z07 Z0700 Z07:00 Z070000 Z07:00:00", "-08 -0800 -08:00 -080000 -08:00:00");
        check(".0 .00 ,000 .9 .99 ,999", ".0 .01 ,012  .01 ,012");
        check(".000000000000 .999999999999", ".012345600 .0123456");
    }

    #[test]
    fn literals() {
        check("Janet Monster MSTs", "Janet Monster PSTs");
        check("Januarys Mondays", "Februarys Thursdays");
        check("Z Z0 Z06", "Z Z0 Z09");
        check("_2006 __2006", "_2009  36009");
        check(".0001 é→2006é 00 07", ".0002 é→2009é 00 07");
        check("", "");
    }

    #[test]
    fn zones() {
        let utc = sample().utc();
        assert_eq!(utc.format("Z07:00 -07:00 MST"), "Z +00:00 UTC");
        let fixed = |name, offset| sample().in_location(Location::fixed(name, offset));
        assert_eq!(fixed("", -9_015).format("MST -07:00:00"), "-0230 -02:30:15");
        assert_eq!(fixed("X", i32::MIN).format("-0700 MST"), "-59652314 X");
        let noon = Time::from_unix(43_200, 0, Location::Utc);
        assert_eq!(noon.format("3 PM"), "12 PM");
        assert_eq!(noon.add(-43_200_000_000_000).format("03 pm"), "12 am");
    }

    #[test]
    fn years_outside_four_digits() {
        let year = |seconds| Time::from_unix(seconds, 0, Location::Utc).format("2006 06");
        assert_eq!(year(-62_167_219_201), "-0001 00");
        assert_eq!(year(253_402_300_800), "10000 00");
        assert_eq!(year(i64::MAX), "292277026596 96");
    }
}
