//! Reading a [`Time`] after a layout.
//!
//! Parts that the layout lacks are those of year 0, January 1, 00:00. A weekday is read but not
//! compared with the date. Values are handled as bytes: an element may end inside a character.

use crate::infra::duration::quote;
use crate::infra::error::{Error, Result};
use crate::infra::gotime::civil::{self, MONTHS, WEEKDAYS};
use crate::infra::gotime::layout::{Element, OffsetShape, Pad, find_element};
use crate::infra::gotime::time::{Fields, Time};
use crate::infra::gotime::zone::Location;

/// Why an element, or the whole, cannot be what the value says.
enum Bad {
    /// Does not look like the element.
    Shape,
    /// Looks right and is impossible: `month out of range`.
    Range(&'static str),
}

/// What has been read so far.
#[derive(Default)]
struct Parts<'a> {
    year: i64,
    month: Option<u8>,
    day: Option<u8>,
    year_day: Option<u16>,
    hour: u8,
    minute: u8,
    second: u8,
    nanos: u32,
    /// Whether AM or PM was given, and which.
    pm: Option<bool>,
    zone: Option<ZoneText<'a>>,
    offset: Option<i32>,
}

/// A zone given by letters.
enum ZoneText<'a> {
    /// `UTC`, or the `Z` of an offset; goes before an offset.
    Utc,
    Abbreviation(&'a [u8]),
}

impl Time {
    /// Reads `value`, which must look as `layout` shows, as a time in `location`.
    ///
    /// An offset or an abbreviation in the value goes before `location`, which is still used if it
    /// has that offset then. An abbreviation unknown there counts as offset 0. Fails with
    /// `Invalid`.
    pub fn parse(layout: &str, value: &str, location: &Location) -> Result<Time> {
        let bytes = value.as_bytes();
        let mut parts = Parts::default();
        let (mut layout_rest, mut rest) = (layout, bytes);
        loop {
            let found = find_element(layout_rest);
            let literal = &layout_rest[..found.as_ref().map_or(layout_rest.len(), |f| f.start)];
            rest = skip_literal(rest, literal.as_bytes())
                .map_err(|at| cannot_parse(bytes, layout, at, literal))?;
            let Some(found) = found else {
                break;
            };
            let text = &layout_rest[found.start..found.end];
            layout_rest = &layout_rest[found.end..];
            rest = parts.read(found.element, rest, layout_rest).map_err(|bad| match bad {
                Bad::Shape => cannot_parse(bytes, layout, rest, text),
                Bad::Range(what) => impossible(bytes, what),
            })?;
        }
        if !rest.is_empty() {
            return Err(impossible(bytes, &format!("extra text: {}", quote(rest))));
        }
        let fields = parts.fields().map_err(|what| impossible(bytes, what))?;
        Ok(parts.place(fields, location))
    }
}

fn cannot_parse(value: &[u8], layout: &str, rest: &[u8], element: &str) -> Error {
    Error::invalid(format!(
        "parsing time {} as {}: cannot parse {} as {}",
        quote(value),
        quote(layout.as_bytes()),
        quote(rest),
        quote(element.as_bytes()),
    ))
}

fn impossible(value: &[u8], what: &str) -> Error {
    Error::invalid(format!("parsing time {}: {what}", quote(value)))
}

/// Takes `literal` off `value`; a run of spaces matches a run of spaces, and the end of the value.
/// Fails with what could not be matched.
fn skip_literal<'a>(mut value: &'a [u8], mut literal: &[u8]) -> Result<&'a [u8], &'a [u8]> {
    while let [expect, literal_after @ ..] = literal {
        match value {
            [b' ', ..] | [] if *expect == b' ' => {
                literal = trim_spaces(literal);
                value = trim_spaces(value);
            }
            [found, value_after @ ..] if found == expect => {
                literal = literal_after;
                value = value_after;
            }
            _ => return Err(value),
        }
    }
    Ok(value)
}

fn trim_spaces(text: &[u8]) -> &[u8] {
    let n_spaces = text.iter().take_while(|c| **c == b' ').count();
    &text[n_spaces..]
}

impl<'a> Parts<'a> {
    /// Reads one element off `value` and returns what follows it.
    fn read(&mut self, element: Element, value: &'a [u8], layout: &str) -> Result<&'a [u8], Bad> {
        let mut rest = value;
        match element {
            Element::LongYear => self.year = fixed_number(&mut rest, 4)?.into(),
            Element::Year => {
                let year = i64::from(fixed_number(&mut rest, 2)?);
                self.year = if year >= 69 { 1900 + year } else { 2000 + year };
            }
            Element::LongMonth => self.month = Some(name(&mut rest, &MONTHS, false)? + 1),
            Element::ShortMonth => self.month = Some(name(&mut rest, &MONTHS, true)? + 1),
            Element::LongWeekday => _ = name(&mut rest, &WEEKDAYS, false)?,
            Element::ShortWeekday => _ = name(&mut rest, &WEEKDAYS, true)?,
            Element::Month(pad) => {
                let month = number(&mut rest, pad)?;
                self.month = Some(within(month, 1..=12, "month out of range")?);
            }
            // Compared with the length of the month at the end, when the month is known.
            Element::Day(pad) => self.day = Some(number(&mut rest, pad)?),
            Element::YearDay(pad) => self.year_day = Some(year_day(&mut rest, pad)?),
            Element::Hour => {
                let hour = number(&mut rest, Pad::None)?;
                self.hour = within(hour, 0..=23, "hour out of range")?;
            }
            Element::Hour12(pad) => {
                self.hour = within(number(&mut rest, pad)?, 0..=12, "hour out of range")?;
            }
            Element::Minute(pad) => {
                self.minute = within(number(&mut rest, pad)?, 0..=59, "minute out of range")?;
            }
            Element::Second(pad) => {
                self.second = within(number(&mut rest, pad)?, 0..=59, "second out of range")?;
                let next = find_element(layout).map(|found| found.element);
                if !matches!(next, Some(Element::Fraction { .. })) {
                    self.read_fraction(&mut rest);
                }
            }
            Element::Half { upper } => {
                let half = rest.split_off(..2).ok_or(Bad::Shape)?;
                self.pm = Some(match (upper, half) {
                    (true, b"PM") | (false, b"pm") => true,
                    (true, b"AM") | (false, b"am") => false,
                    _ => return Err(Bad::Shape),
                });
            }
            Element::Fraction { trim: true, .. } => self.read_fraction(&mut rest),
            Element::Fraction { digits, trim: false } => {
                let text = rest.split_off(..=digits).ok_or(Bad::Shape)?;
                if fraction_len(text) != Some(text.len()) {
                    return Err(Bad::Shape);
                }
                self.nanos = nanos(text);
            }
            Element::ZoneName => {
                self.zone = Some(if let Some(after) = rest.strip_prefix(b"UTC") {
                    rest = after;
                    ZoneText::Utc
                } else {
                    let len = abbreviation_len(rest).ok_or(Bad::Shape)?;
                    ZoneText::Abbreviation(rest.split_off(..len).ok_or(Bad::Shape)?)
                });
            }
            Element::Offset { z: true, .. } if rest.starts_with(b"Z") => {
                rest = &rest[1..];
                self.zone = Some(ZoneText::Utc);
            }
            Element::Offset { shape, .. } => self.offset = Some(offset(&mut rest, shape)?),
        }
        Ok(rest)
    }

    /// Reads a fraction of any length, if there is one.
    fn read_fraction(&mut self, rest: &mut &'a [u8]) {
        if let Some(text) = fraction_len(rest).and_then(|len| rest.split_off(..len)) {
            self.nanos = nanos(text);
        }
    }

    /// All parts together; fails with what is wrong with them.
    fn fields(&self) -> Result<Fields, &'static str> {
        let (mut month, mut day) = (self.month, self.day);
        if let Some(year_day) = self.year_day {
            let (its_month, its_day) =
                civil::month_and_day(year_day, self.year).ok_or("day-of-year out of range")?;
            if *month.get_or_insert(its_month) != its_month {
                return Err("day-of-year does not match month");
            }
            if *day.get_or_insert(its_day) != its_day {
                return Err("day-of-year does not match day");
            }
        }
        let (month, day) = (month.unwrap_or(1), day.unwrap_or(1));
        if day < 1 || day > civil::days_in_month(month, self.year) {
            return Err("day out of range");
        }
        let hour = match (self.pm, self.hour) {
            (Some(true), hour @ ..12) => hour + 12,
            (Some(false), 12) => 0,
            (_, hour) => hour,
        };
        Ok(Fields {
            year: self.year,
            month: month.into(),
            day: day.into(),
            hour: hour.into(),
            minute: self.minute.into(),
            second: self.second.into(),
            nanosecond: self.nanos.into(),
        })
    }

    /// Puts a wall time into the zone that the value names, or else into `location`.
    fn place(&self, fields: Fields, location: &Location) -> Time {
        let abbreviation = match &self.zone {
            Some(ZoneText::Utc) => return Time::from_date(fields, Location::Utc),
            Some(ZoneText::Abbreviation(text)) => String::from_utf8_lossy(text),
            None => "".into(),
        };
        let wall = Time::from_date(fields, Location::Utc);
        let at = |offset: i32, location: Location| {
            Time::from_unix(wall.unix() - i64::from(offset), self.nanos.into(), location)
        };
        if let Some(offset) = self.offset {
            let time = at(offset, location.clone());
            let here = time.zone();
            let fits = abbreviation.is_empty() || here.abbreviation() == abbreviation;
            if here.offset == offset && fits {
                return time;
            }
            return at(offset, Location::fixed(&abbreviation, offset));
        }
        if abbreviation.is_empty() {
            return Time::from_date(fields, location.clone());
        }
        if let Some(offset) = location.offset_of(&abbreviation, wall.unix()) {
            return at(offset, location.clone());
        }
        // `GMT+3` says its offset itself.
        let hours = abbreviation.strip_prefix("GMT").and_then(|text| text.parse::<i32>().ok());
        let offset = hours.unwrap_or(0) * 3_600;
        at(offset, Location::fixed(&abbreviation, offset))
    }
}

fn within(number: u8, range: std::ops::RangeInclusive<u8>, error: &'static str) -> Result<u8, Bad> {
    if range.contains(&number) { Ok(number) } else { Err(Bad::Range(error)) }
}

fn digit(text: &[u8], idx: usize) -> Option<u8> {
    text.get(idx).filter(|c| c.is_ascii_digit()).map(|c| c - b'0')
}

/// Exactly `len` digits, at most four.
fn fixed_number(rest: &mut &[u8], len: usize) -> Result<u16, Bad> {
    let text = rest.split_off(..len).ok_or(Bad::Shape)?;
    (0..len).try_fold(0, |n, idx| Ok(n * 10 + u16::from(digit(text, idx).ok_or(Bad::Shape)?)))
}

/// One or two digits; two if padded with zeros. One space may stand before if padded with spaces.
fn number(rest: &mut &[u8], pad: Pad) -> Result<u8, Bad> {
    if pad == Pad::Space {
        *rest = rest.strip_prefix(b" ").unwrap_or(rest);
    }
    let (number, len) = match (digit(rest, 0), digit(rest, 1)) {
        (Some(tens), Some(ones)) => (tens * 10 + ones, 2),
        (Some(ones), None) if pad != Pad::Zero => (ones, 1),
        _ => return Err(Bad::Shape),
    };
    *rest = &rest[len..];
    Ok(number)
}

/// Up to three digits; three if padded with zeros. Two spaces may stand before if padded with
/// spaces.
fn year_day(rest: &mut &[u8], pad: Pad) -> Result<u16, Bad> {
    for _ in 0..if pad == Pad::Space { 2 } else { 0 } {
        *rest = rest.strip_prefix(b" ").unwrap_or(rest);
    }
    let len = (0..3).take_while(|idx| digit(rest, *idx).is_some()).count();
    if len == 0 || (pad == Pad::Zero && len != 3) {
        return Err(Bad::Shape);
    }
    fixed_number(rest, len)
}

/// The place of the name in `names` that the text begins with, in any case.
fn name(rest: &mut &[u8], names: &[&str], short: bool) -> Result<u8, Bad> {
    for (idx, name) in (0_u8..).zip(names) {
        let name = if short { &name[..3] } else { name };
        if rest.get(..name.len()).is_some_and(|text| text.eq_ignore_ascii_case(name.as_bytes())) {
            *rest = &rest[name.len()..];
            return Ok(idx);
        }
    }
    Err(Bad::Shape)
}

/// The length of a fraction, its point or comma included; `None` if there is none.
fn fraction_len(text: &[u8]) -> Option<usize> {
    let digits = text.strip_prefix(b".").or_else(|| text.strip_prefix(b","))?;
    match digits.iter().take_while(|c| c.is_ascii_digit()).count() {
        0 => None,
        n_digits => Some(1 + n_digits),
    }
}

/// Nanoseconds of a fraction; digits after the ninth are dropped.
fn nanos(fraction: &[u8]) -> u32 {
    (1..=9).fold(0, |n, idx| n * 10 + u32::from(digit(fraction, idx).unwrap_or(0)))
}

/// The length of a zone abbreviation: three to five capitals, `GMT+3`, `+03`, and two odd ones.
fn abbreviation_len(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"ChST") || text.starts_with(b"MeST") {
        return Some(4);
    }
    if let Some(after) = text.strip_prefix(b"GMT") {
        return Some(3 + signed_hours_len(after).unwrap_or(0));
    }
    if let [b'+' | b'-', _, _, ..] = text {
        return signed_hours_len(text);
    }
    let n_capitals = text.iter().take(6).take_while(|c| c.is_ascii_uppercase()).count();
    let known = match n_capitals {
        3 => true,
        // Longer ones are those of some zone's standard or summer time.
        4 => text[3] == b'T' || text.starts_with(b"WITA"),
        5 => text[4] == b'T',
        _ => false,
    };
    known.then_some(n_capitals)
}

/// The length of a sign and hours up to 23.
fn signed_hours_len(text: &[u8]) -> Option<usize> {
    let [b'+' | b'-', digits @ ..] = text else {
        return None;
    };
    let len = digits.iter().take_while(|c| c.is_ascii_digit()).count();
    let hours: u32 = std::str::from_utf8(&digits[..len]).ok()?.parse().ok()?;
    (hours <= 23).then_some(1 + len)
}

/// A numeric offset of one shape, in seconds.
fn offset(rest: &mut &[u8], shape: OffsetShape) -> Result<i32, Bad> {
    // Where the digits of hours, minutes and seconds begin, and the colons between them.
    let (starts, len): (&[usize], usize) = match shape {
        OffsetShape::Hours => (&[1], 3),
        OffsetShape::Plain => (&[1, 3], 5),
        OffsetShape::Colon => (&[1, 4], 6),
        OffsetShape::PlainSeconds => (&[1, 3, 5], 7),
        OffsetShape::ColonSeconds => (&[1, 4, 7], 9),
    };
    let text = rest.split_off(..len).ok_or(Bad::Shape)?;
    let mut parts = [0_i32; 3];
    for (part, start) in parts.iter_mut().zip(starts) {
        let colon = matches!(shape, OffsetShape::Colon | OffsetShape::ColonSeconds) && *start > 1;
        if colon && text[start - 1] != b':' {
            return Err(Bad::Shape);
        }
        *part = fixed_number(&mut &text[*start..], 2)?.into();
    }
    let [hours, minutes, seconds] = parts;
    // 24 hours and 60 minutes are let through, as people do write them.
    for (part, max, error) in [
        (hours, 24, "time zone offset hour out of range"),
        (minutes, 60, "time zone offset minute out of range"),
        (seconds, 60, "time zone offset second out of range"),
    ] {
        if part > max {
            return Err(Bad::Range(error));
        }
    }
    let total = (hours * 60 + minutes) * 60 + seconds;
    match text[0] {
        b'+' => Ok(total),
        b'-' => Ok(-total),
        _ => Err(Bad::Shape),
    }
}

#[cfg(test)]
mod tests;
