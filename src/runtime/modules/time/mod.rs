//! `time`: instants, durations, places, sleeping, timers and tickers. Specification 02, section 4.
//!
//! - `instant` is the Time object: reading, arithmetic, printing. It wraps [`gotime::Time`].
//! - `duration` is the Duration object, and what counts as a duration in an argument.
//! - `location` is the Location object.
//! - `timer` sleeps and feeds channels; it is the only part that has to do with the scheduler.
//!
//! Failures follow one rule: a value that cannot be used (`parse`, `load_location`, a bad duration
//! of a function) gives `nil, error`; an argument of the wrong type, and everything in a method,
//! raises.
//!
//! [`gotime::Time`]: crate::infra::gotime::Time

mod duration;
mod instant;
mod location;
mod timer;

use crate::infra::gotime::Location;
use crate::runtime::engine::raw::State;
use crate::runtime::engine::{host, push_functions};

pub use self::timer::fire;

const NUMBERS: &[(&str, f64)] = &[
    ("NANOSECOND", 1.0),
    ("MICROSECOND", 1e3),
    ("MILLISECOND", 1e6),
    ("SECOND", 1e9),
    ("MINUTE", 6e10),
    ("HOUR", 3.6e12),
];

/// From 1.
const MONTHS: &[&str] = &[
    "JANUARY",
    "FEBRUARY",
    "MARCH",
    "APRIL",
    "MAY",
    "JUNE",
    "JULY",
    "AUGUST",
    "SEPTEMBER",
    "OCTOBER",
    "NOVEMBER",
    "DECEMBER",
];

/// From 0, as `weekday()` counts.
const WEEKDAYS: &[&str] =
    &["SUNDAY", "MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY"];

const LAYOUTS: &[(&str, &str)] = &[
    ("RFC3339", "2006-01-02T15:04:05Z07:00"),
    ("RFC3339NANO", "2006-01-02T15:04:05.999999999Z07:00"),
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

pub fn register_types(l: State) {
    duration::register(l);
    instant::register(l);
    location::register(l);
    timer::register(l);
}

pub fn open(l: State) {
    push_functions(
        l,
        &[
            (c"now", host(instant::now)),
            (c"date", host(instant::date)),
            (c"unix", host(instant::unix)),
            (c"parse", host(instant::parse)),
            (c"parse_duration", host(duration::parse_duration)),
            (c"load_location", host(location::load_location)),
            (c"fixed_zone", host(location::fixed_zone)),
            (c"sleep", host(timer::sleep)),
            (c"after", host(timer::after)),
            (c"timer", host(timer::timer)),
            (c"ticker", host(timer::ticker)),
        ],
    );
    for (name, location) in [("utc", Location::Utc), ("localtz", Location::Local)] {
        location::push(l, location);
        l.set_field(-2, name);
    }
    let months = (1_u8..).map(f64::from).zip(MONTHS).map(|(n, name)| (*name, n));
    let weekdays = (0_u8..).map(f64::from).zip(WEEKDAYS).map(|(n, name)| (*name, n));
    for (name, number) in NUMBERS.iter().copied().chain(months).chain(weekdays) {
        l.push_number(number);
        l.set_field(-2, name);
    }
    for (name, layout) in LAYOUTS {
        l.push_str(layout);
        l.set_field(-2, name);
    }
    l.set_read_only(-1, true);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::modules::testing::check_lua;

    #[test]
    fn constants() {
        check_lua(
            r#"
            local time = require("time")
            assert(time.HOUR == 3600 * time.SECOND and time.MICROSECOND == 1000)
            assert(time.MINUTE == 60 * time.SECOND and time.MILLISECOND == 1e6)
            assert(time.NANOSECOND == 1)
            assert(time.JANUARY == 1 and time.DECEMBER == 12)
            assert(time.SUNDAY == 0 and time.SATURDAY == 6)
            assert(time.RFC3339 == "2006-01-02T15:04:05Z07:00")
            assert(time.STAMP_MICRO == time.STAMP .. ".000000")
            assert(time.utc:string() == "UTC" and tostring(time.localtz) == "Local")
            assert(not pcall(function() time.HOUR = 1 end))
            "#,
        );
    }

    #[test]
    fn layouts_print_and_read_back() {
        for (name, layout) in LAYOUTS {
            check_lua(&format!(
                r#"
                local time = require("time")
                local t = time.date(2024, 6, 15, 14, 30, 45, 123456789, time.utc)
                assert(time.{name} == "{layout}")
                local text = t:format(time.{name})
                local back, err = time.parse(time.{name}, text, time.utc)
                assert(back, tostring(err))
                assert(back:format(time.{name}) == text, text)
                "#
            ));
        }
    }
}
