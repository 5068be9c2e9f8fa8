//! Tables of layouts and values, read and refused.

use proptest::prelude::*;

use super::*;
use crate::infra::error::Kind;
use crate::infra::gotime::layout::{NAMED, RFC3339, RFC3339_NANO};
use crate::infra::gotime::load_location;

/// Reads in UTC and prints as `tostring` would.
#[track_caller]
fn check(layout: &str, value: &str, expect: &str) {
    check_in("UTC", layout, value, expect);
}

#[track_caller]
fn check_in(location: &str, layout: &str, value: &str, expect: &str) {
    let location = load_location(location).unwrap();
    match Time::parse(layout, value, &location) {
        Ok(time) => assert_eq!(time.to_string(), expect, "{layout} {value}"),
        Err(error) => panic!("{error}"),
    }
}

#[track_caller]
fn check_error(layout: &str, value: &str, expect: &str) {
    let error = Time::parse(layout, value, &Location::Utc).unwrap_err();
    assert_eq!((error.kind(), error.message()), (&Kind::Invalid, expect));
}

#[test]
fn usual_forms() {
    check(RFC3339, "2024-06-15T14:30:45Z", "2024-06-15 14:30:45 +0000 UTC");
    check(RFC3339, "2024-06-15T14:30:45.25+05:30", "2024-06-15 14:30:45.25 +0530 +0530");
    check(RFC3339_NANO, "2024-06-15T14:30:45Z", "2024-06-15 14:30:45 +0000 UTC");
    check("Jan _2 2006", "Feb  5 2009", "2009-02-05 00:00:00 +0000 UTC");
    check("Jan _2 2006", "Feb 15 2009", "2009-02-15 00:00:00 +0000 UTC");
    check("January 2, 2006", "fEBRUARY 5, 2009", "2009-02-05 00:00:00 +0000 UTC");
    check("Monday, 02-Jan-06", "sunday, 15-Jun-24", "2024-06-15 00:00:00 +0000 UTC");
    check("1/2/06", "12/31/69", "1969-12-31 00:00:00 +0000 UTC");
    check("1/2/06", "1/2/68", "2068-01-02 00:00:00 +0000 UTC");
    check("2006-002", "2010-035", "2010-02-04 00:00:00 +0000 UTC");
    check("2006 __2", "2024  60", "2024-02-29 00:00:00 +0000 UTC");
    check("15:04", "09:05", "0000-01-01 09:05:00 +0000 UTC");
    check("15:04", "9:05", "0000-01-01 09:05:00 +0000 UTC");
    check("2006", "2024", "2024-01-01 00:00:00 +0000 UTC");
    check("", "", "0000-01-01 00:00:00 +0000 UTC");
}

#[test]
fn twelve_hour_clock() {
    check("3:04PM", "3:04PM", "0000-01-01 15:04:00 +0000 UTC");
    check("3:04PM", "12:00AM", "0000-01-01 00:00:00 +0000 UTC");
    check("3:04PM", "12:30PM", "0000-01-01 12:30:00 +0000 UTC");
    check("03:04pm", "03:04am", "0000-01-01 03:04:00 +0000 UTC");
    let elem =
        |value| format!("parsing time \"1{value}\" as \"3PM\": cannot parse \"{value}\" as \"PM\"");
    check_error("3PM", "1pm", &elem("pm"));
    check_error("3PM", "1P", &elem("P"));
}

#[test]
fn fractions() {
    check("15:04:05", "10:11:12.5", "0000-01-01 10:11:12.5 +0000 UTC");
    check("15:04:05", "10:11:12,123456789999", "0000-01-01 10:11:12.123456789 +0000 UTC");
    check("15:04:05.000", "10:11:12.120", "0000-01-01 10:11:12.12 +0000 UTC");
    check("15:04:05,000", "10:11:12.120", "0000-01-01 10:11:12.12 +0000 UTC");
    check("15:04:05.9", "10:11:12.123", "0000-01-01 10:11:12.123 +0000 UTC");
    check("15:04:05.999", "10:11:12", "0000-01-01 10:11:12 +0000 UTC");
    check_error(
        "15:04:05.000",
        "10:11:12.12",
        "parsing time \"10:11:12.12\" as \"15:04:05.000\": cannot parse \".12\" as \".000\"",
    );
}

#[test]
fn zones() {
    check("15 MST", "10 UTC", "0000-01-01 10:00:00 +0000 UTC");
    check("15 MST", "10 EST", "0000-01-01 10:00:00 +0000 EST");
    check("15 MST", "10 GMT-8", "0000-01-01 10:00:00 -0800 GMT-8");
    check("15 MST", "10 +03", "0000-01-01 10:00:00 +0000 +03");
    check("15 MST", "10 WITA", "0000-01-01 10:00:00 +0000 WITA");
    check("15 -0700 MST", "10 +0200 CEST", "0000-01-01 10:00:00 +0200 CEST");
    check("15 -07", "10 -03", "0000-01-01 10:00:00 -0300 -0300");
    check("15 -07:00:00", "10 -03:30:15", "0000-01-01 10:00:00 -0330 -0330");
    check("15 Z070000", "10 +013000", "0000-01-01 10:00:00 +0130 +0130");
    check("15 Z0700", "10 Z", "0000-01-01 10:00:00 +0000 UTC");
    check("15 -0700", "10 +0000", "0000-01-01 10:00:00 +0000 UTC");
    for zone in ["EDTS", "EDTXYZ", "E", "ED", "Est", "+24", "+"] {
        let value = format!("10 {zone}");
        assert!(Time::parse("15 MST", &value, &Location::Utc).is_err(), "{value}");
    }
}

#[test]
fn zones_of_a_location() {
    let (berlin, new_york) = ("Europe/Berlin", "America/New_York");
    check_in(berlin, "2006-01-02", "2024-06-15", "2024-06-15 00:00:00 +0200 CEST");
    check_in(berlin, RFC3339, "2024-06-15T10:00:00+02:00", "2024-06-15 10:00:00 +0200 CEST");
    check_in(berlin, RFC3339, "2024-06-15T10:00:00+01:00", "2024-06-15 10:00:00 +0100 +0100");
    check_in(berlin, RFC3339, "2024-06-15T10:00:00Z", "2024-06-15 10:00:00 +0000 UTC");
    let with_name = "2006-01-02 15:04 MST";
    check_in(new_york, with_name, "2024-06-15 10:00 EDT", "2024-06-15 10:00:00 -0400 EDT");
    check_in(new_york, with_name, "2024-06-15 10:00 EST", "2024-06-15 11:00:00 -0400 EDT");
    check_in(new_york, with_name, "2024-06-15 10:00 CEST", "2024-06-15 10:00:00 +0000 CEST");
}

#[test]
fn spaces_match_runs_of_spaces() {
    check("2006 01 02", "2024    06 15", "2024-06-15 00:00:00 +0000 UTC");
    check("2006   01 02", "2024 06 15", "2024-06-15 00:00:00 +0000 UTC");
    check("2006 ", "2024", "2024-01-01 00:00:00 +0000 UTC");
    check_error(
        "2006 01",
        "2024-06",
        "parsing time \"2024-06\" as \"2006 01\": cannot parse \"-06\" as \" \"",
    );
}

#[test]
fn error_texts() {
    check_error(
        "2006-01-02",
        "hello",
        "parsing time \"hello\" as \"2006-01-02\": cannot parse \"hello\" as \"2006\"",
    );
    check_error(
        "2006-01-02",
        "2024/06/15",
        "parsing time \"2024/06/15\" as \"2006-01-02\": cannot parse \"/06/15\" as \"-\"",
    );
    check_error(
        "2006-01-02",
        "2024-6-15",
        "parsing time \"2024-6-15\" as \"2006-01-02\": cannot parse \"6-15\" as \"01\"",
    );
    check_error("2006", "", "parsing time \"\" as \"2006\": cannot parse \"\" as \"2006\"");
    check_error(
        "2006é",
        "2024",
        r#"parsing time "2024" as "2006\xc3\xa9": cannot parse "" as "\xc3\xa9""#,
    );
    check_error("06", "é", r#"parsing time "\xc3\xa9" as "06": cannot parse "\xc3\xa9" as "06""#);
    let range = |layout, value: &str, what| {
        check_error(layout, value, &format!("parsing time \"{value}\": {what}"));
    };
    range("2006-01-02", "2024-13-01", "month out of range");
    range("2006-01-02", "2024-00-01", "month out of range");
    range("2006-01-02", "2024-02-30", "day out of range");
    range("2006-01-02", "2023-02-29", "day out of range");
    range("2006-01-02", "2023-01-00", "day out of range");
    range("15:04:05", "24:00:00", "hour out of range");
    range("3PM", "13PM", "hour out of range");
    range("15:04:05", "10:60:00", "minute out of range");
    range("15:04:05", "10:00:60", "second out of range");
    range("2006-01-02", "2024-06-15 10:00", "extra text: \" 10:00\"");
    range("2006 002", "2023 366", "day-of-year out of range");
    range("2006 002 01", "2023 035 03", "day-of-year does not match month");
    range("2006 002 2", "2023 035 3", "day-of-year does not match day");
    range("-0700", "+2500", "time zone offset hour out of range");
    range("-0700", "+0061", "time zone offset minute out of range");
}

/// Texts made of what layouts and values consist of, so that they get far before they fail.
fn mixture() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(vec![
            "2006", "06", "January", "Jan", "01", "1", "Monday", "Mon", "02", "_2", "2", "002",
            "__2", "15", "03", "3", "04", "4", "05", "5", "PM", "pm", ".000", ",999", "MST",
            "-0700", "Z07:00", "-07", "Z070000", "-07:00:00", "GMT+3", "UTC",
            " ", "-", ":", "é", "+", "0", "9", "\0",
        ]).prop_map(str::to_owned),
        1 => ".{0,3}",
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn rfc3339_is_read_back(
        seconds in -62_135_596_800_i64..253_402_300_800 - 86_400,
        nanos in 0..1_000_000_000_i64,
        minutes in -1_439..1_440,
    ) {
        let time = Time::from_unix(seconds, nanos, Location::fixed("", minutes * 60));
        let text = time.format(RFC3339_NANO);
        // Year 0 and earlier have no such form: an offset may lead there.
        prop_assume!(!text.starts_with('-'));
        let back = Time::parse(RFC3339_NANO, &text, &Location::Utc).unwrap();
        prop_assert!(back.equal(&time));
        prop_assert_eq!(back.format(RFC3339_NANO), text);
    }

    // From 1970 to 2068: later years do not come back from two digits.
    #[test]
    fn named_layouts_read_what_they_print(seconds in 0_i64..3_124_224_000) {
        let time = Time::from_unix(seconds, 0, Location::Utc);
        for (name, layout) in &NAMED {
            let text = time.format(layout);
            let back = Time::parse(layout, &text, &Location::Utc).unwrap();
            prop_assert_eq!(back.format(layout), text, "{}", name);
        }
    }

    #[test]
    fn nothing_panics(layout in mixture(), value in mixture(), seconds: i64) {
        for location in [Location::Utc, load_location("Europe/Berlin").unwrap()] {
            let _ = Time::parse(&layout, &value, &location);
            let shown = Time::from_unix(seconds, 1, location.clone()).format(&layout);
            let _ = Time::parse(&layout, &shown, &location);
        }
    }
}
