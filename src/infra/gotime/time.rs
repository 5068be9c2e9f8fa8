//! An instant with the location it is shown in, and arithmetic on it.
//!
//! A [`Time`] made by [`Time::now`] also remembers the monotonic clock; differences and comparisons
//! of two such times use it, so setting the machine's clock does not disturb them. What changes
//! only the view ([`Time::in_location`]) or computes a new date drops the monotonic reading.

use std::cmp::Ordering;
use std::fmt;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::infra::clock::{Clock, Nanos};
use crate::infra::gotime::civil::{self, Civil, SECONDS_PER_DAY};
use crate::infra::gotime::zone::{Location, Zone};

const NANOS_PER_SECOND: i64 = 1_000_000_000;

/// Unix seconds of the zero time, 0001-01-01 00:00:00 UTC.
const YEAR_ONE: i64 = -62_135_596_800;

/// What [`Time`] prints as.
const DISPLAY_LAYOUT: &str = "2006-01-02 15:04:05.999999999 -0700 MST";

/// An instant to the nanosecond, seen in a location.
///
/// There is no `PartialEq` on purpose: [`Time::equal`] compares instants and ignores the location.
#[derive(Clone, Debug)]
pub struct Time {
    /// Unix seconds.
    seconds: i64,
    /// 0 to 999,999,999.
    nanos: u32,
    /// Nanoseconds of the runtime's monotonic clock; comes and goes with [`Time::now`].
    monotonic: Option<i64>,
    location: Location,
}

/// Parts of a date in any range: month 14 is February of the next year, day 0 the last of the month
/// before.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    pub year: i64,
    pub month: i64,
    pub day: i64,
    pub hour: i64,
    pub minute: i64,
    pub second: i64,
    pub nanosecond: i64,
}

impl Time {
    /// The time of the machine's clock, with a monotonic reading of `clock`.
    pub fn now(clock: &Clock, location: Location) -> Time {
        let nanos = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i128::try_from(since.as_nanos()).unwrap_or(i128::MAX),
            Err(before) => -i128::try_from(before.duration().as_nanos()).unwrap_or(i128::MAX),
        };
        let time = Time::from_nanos(nanos, location);
        Time { monotonic: i64::try_from(clock.now()).ok(), ..time }
    }

    /// The time at which `clock` showed `instant`, a while ago or now: the machine's clock less the
    /// time since, and exactly this monotonic reading.
    pub fn of_instant(clock: &Clock, instant: Nanos, location: Location) -> Time {
        let now = Time::now(clock, location);
        match (now.monotonic, i64::try_from(instant)) {
            (Some(monotonic), Ok(instant)) => now.add(instant.saturating_sub(monotonic)),
            _ => now,
        }
    }

    /// The instant `seconds` and `nanos` after the start of 1970 UTC; `nanos` may be in any range.
    pub fn from_unix(seconds: i64, nanos: i64, location: Location) -> Time {
        let nanos = i128::from(seconds) * i128::from(NANOS_PER_SECOND) + i128::from(nanos);
        Time::from_nanos(nanos, location)
    }

    /// The instant at which clocks in `location` show these parts, which may be in any range.
    pub fn from_date(fields: Fields, location: Location) -> Time {
        // Seven `i64`s never overflow an `i128` here: the largest term is a year in seconds, 2^88.
        let months = i128::from(fields.month) - 1;
        let year = i128::from(fields.year) + months.div_euclid(12);
        let month = months.rem_euclid(12) as u8 + 1;
        let days = civil::days_from_date(year, month) + i128::from(fields.day) - 1;
        let wall = days * i128::from(SECONDS_PER_DAY)
            + i128::from(fields.hour) * 3_600
            + i128::from(fields.minute) * 60
            + i128::from(fields.second)
            + i128::from(fields.nanosecond.div_euclid(NANOS_PER_SECOND));
        let seconds = location.unix_from_wall(saturate(wall));
        let nanos = fields.nanosecond.rem_euclid(NANOS_PER_SECOND) as u32;
        Time { seconds, nanos, monotonic: None, location }
    }

    fn from_nanos(nanos: i128, location: Location) -> Time {
        let (seconds, nanos) = split(nanos);
        Time { seconds, nanos, monotonic: None, location }
    }

    /// Nanoseconds since 1970, wide enough for all.
    fn nanos_wide(&self) -> i128 {
        i128::from(self.seconds) * i128::from(NANOS_PER_SECOND) + i128::from(self.nanos)
    }

    /// This time moved by `ns` nanoseconds.
    pub fn add(&self, ns: i64) -> Time {
        let (seconds, nanos) = split(self.nanos_wide() + i128::from(ns));
        let monotonic = self.monotonic.and_then(|m| m.checked_add(ns));
        Time { seconds, nanos, monotonic, location: self.location.clone() }
    }

    /// Nanoseconds from `earlier` to this time; saturates.
    pub fn sub(&self, earlier: &Time) -> i64 {
        match (self.monotonic, earlier.monotonic) {
            (Some(a), Some(b)) => a.saturating_sub(b),
            _ => saturate(self.nanos_wide() - earlier.nanos_wide()),
        }
    }

    /// Adds to the date and normalises it: January 31 and one month is March 2 or 3.
    pub fn add_date(&self, years: i64, months: i64, days: i64) -> Time {
        let civil = self.civil();
        let fields = Fields {
            year: civil.year.saturating_add(years),
            month: i64::from(civil.month).saturating_add(months),
            day: i64::from(civil.day).saturating_add(days),
            hour: civil.hour.into(),
            minute: civil.minute.into(),
            second: civil.second.into(),
            nanosecond: self.nanos.into(),
        };
        Time::from_date(fields, self.location.clone())
    }

    pub fn before(&self, other: &Time) -> bool {
        self.compare(other) == Ordering::Less
    }

    pub fn after(&self, other: &Time) -> bool {
        self.compare(other) == Ordering::Greater
    }

    /// Whether both are the same instant, wherever they are shown.
    pub fn equal(&self, other: &Time) -> bool {
        self.compare(other) == Ordering::Equal
    }

    fn compare(&self, other: &Time) -> Ordering {
        match (self.monotonic, other.monotonic) {
            (Some(a), Some(b)) => a.cmp(&b),
            _ => (self.seconds, self.nanos).cmp(&(other.seconds, other.nanos)),
        }
    }

    /// Whole seconds since 1970, rounded down.
    pub fn unix(&self) -> i64 {
        self.seconds
    }

    /// Nanoseconds since 1970; saturates outside the years 1678 to 2262.
    pub fn unix_nano(&self) -> i64 {
        saturate(self.nanos_wide())
    }

    /// Nanoseconds within the second.
    pub fn nanosecond(&self) -> u32 {
        self.nanos
    }

    /// Date, time of day and weekday in this time's location: all of them for one zone lookup.
    pub fn civil(&self) -> Civil {
        self.civil_and_zone().0
    }

    pub fn zone(&self) -> Zone<'_> {
        self.location.zone_at(self.seconds)
    }

    pub(crate) fn civil_and_zone(&self) -> (Civil, Zone<'_>) {
        let zone = self.zone();
        let wall = self.seconds.saturating_add(i64::from(zone.offset));
        (Civil::from_seconds(wall), zone)
    }

    /// Year, month and day.
    pub fn date(&self) -> (i64, u8, u8) {
        let civil = self.civil();
        (civil.year, civil.month, civil.day)
    }

    /// Hour, minute and second.
    pub fn clock(&self) -> (u8, u8, u8) {
        let civil = self.civil();
        (civil.hour, civil.minute, civil.second)
    }

    pub fn year(&self) -> i64 {
        self.civil().year
    }

    pub fn month(&self) -> u8 {
        self.civil().month
    }

    pub fn day(&self) -> u8 {
        self.civil().day
    }

    pub fn hour(&self) -> u8 {
        self.civil().hour
    }

    pub fn minute(&self) -> u8 {
        self.civil().minute
    }

    pub fn second(&self) -> u8 {
        self.civil().second
    }

    /// 0 is Sunday.
    pub fn weekday(&self) -> u8 {
        self.civil().weekday
    }

    /// 1 to 366.
    pub fn year_day(&self) -> u16 {
        self.civil().year_day
    }

    /// Whether this is the start of year 1 UTC.
    pub fn is_zero(&self) -> bool {
        self.seconds == YEAR_ONE && self.nanos == 0
    }

    pub fn location(&self) -> &Location {
        &self.location
    }

    pub fn utc(&self) -> Time {
        self.in_location(Location::Utc)
    }

    pub fn in_local(&self) -> Time {
        self.in_location(Location::Local)
    }

    /// The same instant shown elsewhere.
    pub fn in_location(&self, location: Location) -> Time {
        Time { seconds: self.seconds, nanos: self.nanos, monotonic: None, location }
    }

    /// The nearest multiple of `ns` since the start of year 1, halves up; unchanged if `ns <= 0`.
    pub fn round(&self, ns: i64) -> Time {
        let over = self.over_multiple(ns);
        // `ns - over` and not twice `over`, which may not fit.
        let by = if ns <= 0 || over < ns - over { -over } else { ns - over };
        self.move_wall(by)
    }

    /// The last multiple of `ns` since the start of year 1; unchanged if `ns <= 0`.
    pub fn truncate(&self, ns: i64) -> Time {
        self.move_wall(-self.over_multiple(ns))
    }

    /// How far this is past the last multiple of `ns`.
    fn over_multiple(&self, ns: i64) -> i64 {
        if ns <= 0 {
            return 0;
        }
        let since_year_one =
            self.nanos_wide() - i128::from(YEAR_ONE) * i128::from(NANOS_PER_SECOND);
        saturate(since_year_one.rem_euclid(i128::from(ns)))
    }

    fn move_wall(&self, ns: i64) -> Time {
        Time { monotonic: None, ..self.add(ns) }
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format(DISPLAY_LAYOUT))
    }
}

/// Seconds and nanoseconds of a count of nanoseconds; saturates to the first or last instant.
fn split(nanos: i128) -> (i64, u32) {
    let second = i128::from(NANOS_PER_SECOND);
    match i64::try_from(nanos.div_euclid(second)) {
        Ok(seconds) => (seconds, nanos.rem_euclid(second) as u32),
        Err(_) if nanos < 0 => (i64::MIN, 0),
        Err(_) => (i64::MAX, 999_999_999),
    }
}

fn saturate(wide: i128) -> i64 {
    i64::try_from(wide).unwrap_or(if wide < 0 { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::infra::duration::{HOUR, MINUTE, SECOND};
    use crate::infra::gotime::load_location;

    fn date(year: i64, month: i64, day: i64) -> Fields {
        Fields { year, month, day, hour: 0, minute: 0, second: 0, nanosecond: 0 }
    }

    fn at(text: &str) -> Time {
        Time::parse("2006-01-02T15:04:05Z07:00", text, &Location::Utc).unwrap()
    }

    #[track_caller]
    fn check(time: &Time, expect: &str) {
        assert_eq!(time.to_string(), expect);
    }

    #[test]
    fn dates_are_normalised() {
        let utc = |fields| Time::from_date(fields, Location::Utc);
        check(&utc(date(2024, 6, 15)), "2024-06-15 00:00:00 +0000 UTC");
        check(&utc(date(2024, 14, 0)), "2025-01-31 00:00:00 +0000 UTC");
        check(&utc(date(2024, 0, 1)), "2023-12-01 00:00:00 +0000 UTC");
        check(&utc(date(2023, 2, 29)), "2023-03-01 00:00:00 +0000 UTC");
        check(&utc(date(2024, 10, 32)), "2024-11-01 00:00:00 +0000 UTC");
        check(&utc(date(-1, -11, 1)), "-0002-01-01 00:00:00 +0000 UTC");
        let clock = Fields { hour: 25, minute: -1, second: 61, nanosecond: -1, ..date(2024, 1, 1) };
        check(&utc(clock), "2024-01-02 01:00:00.999999999 +0000 UTC");
    }

    #[test]
    fn instants_of_the_clock_are_exact() {
        let clock = Clock::manual();
        clock.advance(Duration::from_secs(5));
        let (now, first) = (clock.now(), Time::of_instant(&clock, 1_000, Location::Utc));
        clock.advance(Duration::from_millis(3));
        let second = Time::of_instant(&clock, now, Location::Utc);
        assert_eq!(second.sub(&first), 5 * SECOND - 1_000);
        // Without the monotonic readings the machine's clock tells about the same.
        assert!(first.utc().sub(&Time::now(&clock, Location::Utc)) < -4 * SECOND);
    }

    #[test]
    fn dates_in_zones_with_transitions() {
        let berlin = load_location("Europe/Berlin").unwrap();
        let here = |day, hour| {
            let fields = Fields { hour, minute: 30, ..date(2024, 3, day) };
            Time::from_date(fields, berlin.clone())
        };
        check(&here(30, 2), "2024-03-30 02:30:00 +0100 CET");
        check(&here(31, 1), "2024-03-31 01:30:00 +0100 CET");
        check(&here(31, 3), "2024-03-31 03:30:00 +0200 CEST");
        // Skipped: any of the two offsets will do, and the instant is within an hour.
        assert!([1, 3].contains(&here(31, 2).hour()));
        let fixed = Time::from_date(date(2024, 1, 1), Location::fixed("X", 3_600));
        check(&fixed, "2024-01-01 00:00:00 +0100 X");
        assert_eq!(fixed.unix(), 1_704_063_600);
    }

    #[test]
    fn months_are_added_to_the_date() {
        check(&at("2024-01-31T10:00:00Z").add_date(0, 1, 0), "2024-03-02 10:00:00 +0000 UTC");
        check(&at("2023-01-31T10:00:00Z").add_date(0, 1, 0), "2023-03-03 10:00:00 +0000 UTC");
        check(&at("2024-02-29T00:00:00Z").add_date(-1, 0, 0), "2023-03-01 00:00:00 +0000 UTC");
        let t = at("2024-03-30T12:00:00Z").in_location(load_location("Europe/Berlin").unwrap());
        check(&t.add_date(0, 0, 1), "2024-03-31 13:00:00 +0200 CEST");
        check(&t.add(24 * HOUR), "2024-03-31 14:00:00 +0200 CEST");
    }

    #[test]
    fn differences_and_order() {
        let (a, b) = (at("2024-06-15T12:00:00Z"), at("2024-06-15T15:30:00+02:00"));
        assert_eq!((b.sub(&a), a.sub(&b)), (90 * MINUTE, -90 * MINUTE));
        assert!(a.before(&b) && b.after(&a) && !a.equal(&b));
        assert!(a.equal(&at("2024-06-15T14:00:00+02:00")));
        let (first, last) = (at("0001-01-01T00:00:00Z"), at("9999-01-01T00:00:00Z"));
        assert_eq!((last.sub(&first), first.sub(&last)), (i64::MAX, i64::MIN));
    }

    #[test]
    fn the_monotonic_clock_decides_where_both_have_it() {
        let clock = Clock::manual();
        let a = Time::now(&clock, Location::Utc);
        clock.advance(Duration::from_secs(5));
        let b = Time::now(&clock, Location::Utc);
        assert_eq!(b.sub(&a), 5 * SECOND);
        assert_eq!(b.sub(&a.add(SECOND)), 4 * SECOND);
        assert!(a.before(&b));
        assert!(b.utc().sub(&a) < 5 * SECOND, "a converted time has the wall clock only");
    }

    #[test]
    fn unix_numbers() {
        let t = Time::from_unix(10, -1, Location::Utc);
        assert_eq!((t.unix(), t.nanosecond(), t.unix_nano()), (9, 999_999_999, 9_999_999_999));
        let t = Time::from_unix(-1, 2_500_000_000, Location::Utc);
        assert_eq!((t.unix(), t.unix_nano()), (1, 1_500_000_000));
        assert_eq!(Time::from_unix(i64::MAX, 0, Location::Utc).unix_nano(), i64::MAX);
        assert_eq!(Time::from_unix(i64::MIN, -1, Location::Utc).unix(), i64::MIN);
    }

    #[test]
    fn parts() {
        let t = at("2024-06-15T14:30:45Z");
        assert_eq!((t.date(), t.clock()), ((2024, 6, 15), (14, 30, 45)));
        assert_eq!((t.weekday(), t.year_day()), (6, 167));
        assert!(!t.is_zero() && at("0001-01-01T00:00:00Z").is_zero());
        let there = t.in_location(load_location("Asia/Tokyo").unwrap());
        assert_eq!((there.date(), there.hour()), ((2024, 6, 15), 23));
        assert_eq!((there.location().name(), there.utc().location().name()), ("Asia/Tokyo", "UTC"));
        assert_eq!(there.in_local().location().name(), "Local");
    }

    #[test]
    fn rounding_counts_from_year_one() {
        let t = at("2024-06-15T14:30:45Z").add(918_273_645);
        let shows = |t: Time| t.format("2006-01-02 15:04:05.999999999");
        assert_eq!(shows(t.truncate(HOUR)), "2024-06-15 14:00:00");
        assert_eq!(shows(t.round(HOUR)), "2024-06-15 15:00:00");
        assert_eq!(shows(t.truncate(1_000)), "2024-06-15 14:30:45.918273");
        assert_eq!(shows(t.round(1_000)), "2024-06-15 14:30:45.918274");
        assert_eq!(shows(t.round(2 * SECOND)), "2024-06-15 14:30:46");
        // Year 1 began on a Monday, so weeks do.
        assert_eq!(shows(t.truncate(168 * HOUR)), "2024-06-10 00:00:00");
        assert!(t.round(0).equal(&t) && t.truncate(-5).equal(&t));
        let before_year_one = Time::from_unix(YEAR_ONE - 1, 0, Location::Utc);
        assert_eq!(before_year_one.truncate(MINUTE).unix(), YEAR_ONE - 60);
    }

    #[test]
    fn prints_as_go_does() {
        let t = at("2024-06-15T14:30:45Z").add(120_000_000);
        check(&t, "2024-06-15 14:30:45.12 +0000 UTC");
        let there = t.in_location(load_location("America/New_York").unwrap());
        check(&there, "2024-06-15 10:30:45.12 -0400 EDT");
        check(&t.in_location(Location::fixed("", 5_400)), "2024-06-15 16:00:45.12 +0130 +0130");
    }

    fn any_location() -> impl Strategy<Value = Location> {
        prop_oneof![
            Just(Location::Utc),
            Just(Location::Local),
            Just(load_location("Australia/Lord_Howe").unwrap()),
            any::<i32>().prop_map(|offset| Location::fixed("F", offset)),
        ]
    }

    proptest! {
        #[test]
        fn add_and_sub_are_inverse(seconds in -1_i64 << 40..1 << 40, nanos: i64, ns: i64) {
            let t = Time::from_unix(seconds, nanos, Location::Utc);
            prop_assert_eq!(t.add(ns).sub(&t), ns);
        }

        #[test]
        fn dates_are_read_back(seconds in -1_i64 << 50..1 << 50, location in any_location()) {
            let t = Time::from_unix(seconds, 5, location.clone());
            let c = t.civil();
            let fields = Fields {
                hour: c.hour.into(),
                minute: c.minute.into(),
                second: c.second.into(),
                nanosecond: 5,
                ..date(c.year, c.month.into(), c.day.into())
            };
            // Within the repeated hour of a transition the other instant may come back.
            let back = Time::from_date(fields, location);
            prop_assert_eq!(back.civil(), c);
            prop_assert!(back.sub(&t).abs() <= HOUR);
        }

        #[test]
        fn nothing_panics(n: [i64; 7], ns: i64, location in any_location()) {
            let [year, month, day, hour, minute, second, nanosecond] = n;
            let fields = Fields { year, month, day, hour, minute, second, nanosecond };
            let from_date = Time::from_date(fields, location.clone());
            for t in [from_date, Time::from_unix(year, month, location)] {
                let _ = (t.add(ns).to_string(), t.round(ns), t.truncate(ns), t.unix_nano());
                let _ = t.add_date(month, day, hour).to_string();
            }
        }
    }
}
