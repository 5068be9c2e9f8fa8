//! The proleptic Gregorian calendar, for every second an `i64` can count.
//!
//! Years are astronomical: year 0 is 1 BC. There are no time zones here; "seconds" are those a
//! clock on the wall would count since the start of 1970.

pub const SECONDS_PER_DAY: i64 = 86_400;

pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// From Sunday, as `weekday` counts.
pub const WEEKDAYS: [&str; 7] =
    ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// Days in a cycle of 400 years, after which leap years and weekdays repeat.
const DAYS_PER_CYCLE: i64 = 146_097;

/// Days from 0000-03-01, where the formulas count from, to 1970-01-01.
const EPOCH_SHIFT: i64 = 719_468;

/// A date and the time of day, all parts in their usual ranges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Civil {
    pub year: i64,
    /// 1 to 12.
    pub month: u8,
    /// 1 to 31.
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    /// 0 is Sunday.
    pub weekday: u8,
    /// 1 to 366.
    pub year_day: u16,
}

impl Civil {
    /// The calendar at `seconds` since 1970 on this clock.
    pub fn from_seconds(seconds: i64) -> Civil {
        let days = seconds.div_euclid(SECONDS_PER_DAY);
        let second_of_day = seconds.rem_euclid(SECONDS_PER_DAY);
        let (year, month, day) = date_from_days(days);
        Civil {
            year,
            month,
            day,
            hour: (second_of_day / 3_600) as u8,
            minute: (second_of_day / 60 % 60) as u8,
            second: (second_of_day % 60) as u8,
            weekday: (days + 4).rem_euclid(7) as u8, // 1970 began on a Thursday.
            year_day: days_before_month(month, is_leap(year)) + u16::from(day),
        }
    }

    /// Hour of a 12-hour clock, 1 to 12.
    pub fn hour12(&self) -> u8 {
        match self.hour % 12 {
            0 => 12,
            hour => hour,
        }
    }

    /// Week of the year after ISO 8601: weeks begin on Monday, week 1 has the year's first
    /// Thursday.
    pub fn iso_week(&self) -> u8 {
        let weekday = i64::from((self.weekday + 6) % 7) + 1;
        match (i64::from(self.year_day) - weekday + 10) / 7 {
            0 => weeks_in(self.year - 1),
            53 if weeks_in(self.year) == 52 => 1,
            week => week as u8,
        }
    }
}

pub fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days in `month`, 1 to 12.
pub fn days_in_month(month: u8, year: i64) -> u8 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days of the year before the first of `month`, 1 to 12.
fn days_before_month(month: u8, leap: bool) -> u16 {
    const DAYS: [u16; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
    DAYS[usize::from(month - 1)] + u16::from(leap && month > 2)
}

/// Month and day of the `year_day`-th day, counted from 1; `None` if the year has no such day.
pub fn month_and_day(year_day: u16, year: i64) -> Option<(u8, u8)> {
    let leap = is_leap(year);
    if year_day == 0 || year_day > 365 + u16::from(leap) {
        return None;
    }
    let month = (1..=12).rev().find(|m| days_before_month(*m, leap) < year_day)?;
    Some((month, (year_day - days_before_month(month, leap)) as u8))
}

/// ISO weeks in a year: 53 if it begins or ends on a Thursday.
fn weeks_in(year: i64) -> u8 {
    let new_year = days_from_date(i128::from(year), 1).rem_euclid(7);
    let thursday_first = new_year == 0;
    let thursday_last = (new_year + 364 + i128::from(is_leap(year))) % 7 == 0;
    if thursday_first || thursday_last { 53 } else { 52 }
}

/// Days from 1970-01-01 to the first of `month` (1 to 12). Wide, so that any `i64` year fits.
pub fn days_from_date(year: i128, month: u8) -> i128 {
    // Years begin in March here, so that the leap day is the last of its year.
    let year = if month <= 2 { year - 1 } else { year };
    let cycle = year.div_euclid(400);
    let year_of_cycle = year.rem_euclid(400);
    let month_from_march = i128::from((month + 9) % 12);
    let day_of_year = (153 * month_from_march + 2) / 5;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    cycle * i128::from(DAYS_PER_CYCLE) + day_of_cycle - i128::from(EPOCH_SHIFT)
}

/// Year, month and day; the inverse of [`days_from_date`].
fn date_from_days(days: i64) -> (i64, u8, u8) {
    let days = days + EPOCH_SHIFT;
    let cycle = days.div_euclid(DAYS_PER_CYCLE);
    let day_of_cycle = days.rem_euclid(DAYS_PER_CYCLE);
    // Takes out the leap days: one in 4 years, none in 100, one in 400.
    let year_of_cycle = (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524
        - day_of_cycle / 146_096)
        / 365;
    let day_of_year =
        day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = (month_from_march + 2) % 12 + 1;
    let year = cycle * 400 + year_of_cycle + i64::from(month <= 2);
    (year, month as u8, day as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(seconds: i64, date: (i64, u8, u8), clock: (u8, u8, u8), weekday: u8, year_day: u16) {
        let civil = Civil::from_seconds(seconds);
        assert_eq!((civil.year, civil.month, civil.day), date);
        assert_eq!((civil.hour, civil.minute, civil.second), clock);
        assert_eq!((civil.weekday, civil.year_day), (weekday, year_day));
    }

    #[test]
    fn known_dates() {
        check(0, (1970, 1, 1), (0, 0, 0), 4, 1);
        check(-1, (1969, 12, 31), (23, 59, 59), 3, 365);
        check(951_782_400, (2000, 2, 29), (0, 0, 0), 2, 60);
        check(1_718_461_845, (2024, 6, 15), (14, 30, 45), 6, 167);
        check(1_735_689_599, (2024, 12, 31), (23, 59, 59), 2, 366);
        check(-62_135_596_800, (1, 1, 1), (0, 0, 0), 1, 1);
        check(i64::MAX, (292_277_026_596, 12, 4), (15, 30, 7), 0, 339);
        check(i64::MIN, (-292_277_022_657, 1, 27), (8, 29, 52), 0, 27);
    }

    #[test]
    fn iso_weeks() {
        let week = |year: i128, month, day: i128| {
            let days = days_from_date(year, month) + day - 1;
            Civil::from_seconds(days as i64 * SECONDS_PER_DAY).iso_week()
        };
        assert_eq!(week(2024, 6, 15), 24);
        assert_eq!(week(2021, 1, 3), 53);
        assert_eq!(week(2021, 1, 4), 1);
        assert_eq!(week(2020, 12, 31), 53);
        assert_eq!(week(2024, 12, 30), 1);
        assert_eq!(week(2023, 1, 1), 52);
        assert_eq!(week(2015, 12, 31), 53);
    }

    #[test]
    fn days_of_the_year() {
        assert_eq!(month_and_day(60, 2024), Some((2, 29)));
        assert_eq!(month_and_day(60, 2023), Some((3, 1)));
        assert_eq!(month_and_day(366, 2024), Some((12, 31)));
        assert_eq!(month_and_day(366, 2023), None);
        assert_eq!(month_and_day(0, 2024), None);
    }

    proptest! {
        #[test]
        fn dates_and_days_are_inverse(seconds: i64) {
            let civil = Civil::from_seconds(seconds);
            let first = days_from_date(i128::from(civil.year), civil.month);
            let days = first + i128::from(civil.day) - 1;
            prop_assert_eq!(days, i128::from(seconds.div_euclid(SECONDS_PER_DAY)));
            prop_assert!(civil.day <= days_in_month(civil.month, civil.year));
            let from_year_day = month_and_day(civil.year_day, civil.year);
            prop_assert_eq!(from_year_day, Some((civil.month, civil.day)));
            prop_assert!((1..=53).contains(&civil.iso_week()));
        }
    }
}
