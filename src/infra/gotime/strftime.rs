//! `os.date` and `os.time`: the C way to print a time, and the table form of it.
//!
//! Differs from C where the Lua module says so: `%U` and `%W` are both the ISO week, and an unknown
//! specifier stays in the text.

use crate::infra::gotime::civil::{MONTHS, WEEKDAYS};
use crate::infra::gotime::layout::{OffsetShape, Pad, push_number, push_offset};
use crate::infra::gotime::time::{Fields, Time};
use crate::infra::gotime::zone::Location;

/// What `os.date` returns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OsDate {
    Text(String),
    /// For the format `*t`.
    Table(DateTable),
}

/// The fields of the table that `os.date("*t")` returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DateTable {
    pub year: i64,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub min: u8,
    pub sec: u8,
    /// 1 is Sunday.
    pub wday: u8,
    pub yday: u16,
    pub isdst: bool,
}

/// The number fields of the table given to `os.time`; `None` where it has none.
#[derive(Clone, Copy, Debug, Default)]
pub struct DateQuery {
    pub year: Option<i64>,
    pub month: Option<i64>,
    pub day: Option<i64>,
    pub hour: Option<i64>,
    pub min: Option<i64>,
    pub sec: Option<i64>,
}

/// `os.date(format, unix)` where `local` is the zone used unless the format begins with `!`.
pub fn os_date(format: &str, unix: i64, local: &Location) -> OsDate {
    let (format, location) = match format.strip_prefix('!') {
        Some(format) => (format, Location::Utc),
        None => (format, local.clone()),
    };
    let time = Time::from_unix(unix, 0, location);
    if format.starts_with("*t") {
        OsDate::Table(date_table(&time))
    } else {
        OsDate::Text(strftime(format, &time))
    }
}

/// `os.time(query)` in the location of `now`: a missing date is today's, a missing clock midnight.
pub fn os_time(query: &DateQuery, now: &Time) -> i64 {
    let (year, month, day) = now.date();
    let fields = Fields {
        year: query.year.unwrap_or(year),
        month: query.month.unwrap_or(month.into()),
        day: query.day.unwrap_or(day.into()),
        hour: query.hour.unwrap_or(0),
        minute: query.min.unwrap_or(0),
        second: query.sec.unwrap_or(0),
        nanosecond: 0,
    };
    Time::from_date(fields, now.location().clone()).unix()
}

fn date_table(time: &Time) -> DateTable {
    let (civil, zone) = time.civil_and_zone();
    DateTable {
        year: civil.year,
        month: civil.month,
        day: civil.day,
        hour: civil.hour,
        min: civil.minute,
        sec: civil.second,
        wday: civil.weekday + 1,
        yday: civil.year_day,
        isdst: zone.dst,
    }
}

/// Prints `time` as `format` says, in the time's own location.
pub fn strftime(format: &str, time: &Time) -> String {
    let mut out = String::with_capacity(format.len() * 2);
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('%', Some(specifier)) => {
                chars.next();
                push_specifier(&mut out, specifier, time);
            }
            _ => out.push(c),
        }
    }
    out
}

fn push_specifier(out: &mut String, specifier: char, time: &Time) {
    let (civil, zone) = time.civil_and_zone();
    let weekday = WEEKDAYS[usize::from(civil.weekday)];
    let month = MONTHS[usize::from(civil.month - 1)];
    let mut two_digits = |number: u8| push_number(out, number, 2, Pad::Zero);
    match specifier {
        'm' => two_digits(civil.month),
        'd' => two_digits(civil.day),
        'H' => two_digits(civil.hour),
        'I' => two_digits(civil.hour12()),
        'M' => two_digits(civil.minute),
        'S' => two_digits(civil.second),
        'U' | 'W' => two_digits(civil.iso_week()),
        'y' => two_digits(civil.year.rem_euclid(100) as u8),
        'w' => push_number(out, civil.weekday, 1, Pad::None),
        'j' => push_number(out, civil.year_day, 3, Pad::Zero),
        'A' => out.push_str(weekday),
        'a' => out.push_str(&weekday[..3]),
        'B' => out.push_str(month),
        'b' => out.push_str(&month[..3]),
        'z' => push_offset(out, zone.offset, OffsetShape::Plain),
        'Y' => out.push_str(&time.format("2006")),
        'p' => out.push_str(&time.format("PM")),
        'Z' => out.push_str(&time.format("MST")),
        'x' => out.push_str(&time.format("01/02/06")),
        'X' => out.push_str(&time.format("15:04:05")),
        'c' => out.push_str(&time.format("Mon Jan _2 15:04:05 2006")),
        '%' => out.push('%'),
        unknown => out.extend(['%', unknown]),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::infra::gotime::load_location;

    /// 2024-06-15 14:30:45 UTC, a Saturday.
    const SATURDAY: i64 = 1_718_461_845;

    #[track_caller]
    fn check(format: &str, expect: &str) {
        let berlin = load_location("Europe/Berlin").unwrap();
        assert_eq!(os_date(format, SATURDAY, &berlin), OsDate::Text(expect.to_owned()));
    }

    #[test]
    fn specifiers() {
        check("!%c", "Sat Jun 15 14:30:45 2024");
        check("!%x %X", "06/15/24 14:30:45");
        check("!%Y %y %m %d %H %I %M %S %p", "2024 24 06 15 14 02 30 45 PM");
        check("!%A %a %B %b %w %j", "Saturday Sat June Jun 6 167");
        check("!%z %Z %U %W %%", "+0000 UTC 24 24 %");
        check("%H %z %Z", "16 +0200 CEST");
        check("%q %é 100% é", "%q %é 100% é");
        check("", "");
        let first = os_date("!%c|%d", 0, &Location::Utc);
        assert_eq!(first, OsDate::Text("Thu Jan  1 00:00:00 1970|01".to_owned()));
    }

    #[test]
    fn tables() {
        let berlin = load_location("Europe/Berlin").unwrap();
        let table = DateTable {
            year: 2024,
            month: 6,
            day: 15,
            hour: 14,
            min: 30,
            sec: 45,
            wday: 7,
            yday: 167,
            isdst: false,
        };
        assert_eq!(os_date("!*t", SATURDAY, &berlin), OsDate::Table(table));
        let table = DateTable { hour: 16, isdst: true, ..table };
        assert_eq!(os_date("*t", SATURDAY, &berlin), OsDate::Table(table));
    }

    #[test]
    fn times_of_tables() {
        let now = Time::from_unix(SATURDAY, 0, load_location("Europe/Berlin").unwrap());
        let midnight = 1_718_402_400;
        assert_eq!(os_time(&DateQuery::default(), &now), midnight);
        let query =
            DateQuery { hour: Some(16), min: Some(30), sec: Some(45), ..DateQuery::default() };
        assert_eq!(os_time(&query, &now), SATURDAY);
        let query = DateQuery { month: Some(5), day: Some(46), ..DateQuery::default() };
        assert_eq!(os_time(&query, &now), midnight);
        let query = DateQuery { year: Some(i64::MAX), ..DateQuery::default() };
        assert!(os_time(&query, &now) > 1 << 62);
    }

    proptest! {
        #[test]
        fn nothing_panics(format in "(%?.){0,12}", unix: i64) {
            let _ = os_date(&format, unix, &Location::Local);
        }
    }
}
