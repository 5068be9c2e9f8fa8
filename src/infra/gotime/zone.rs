//! Time zones: which offset and abbreviation a [`Location`] has at an instant.
//!
//! The machine's own zone database is used where there is one, else the one built in. The local
//! zone is read once, on first use: a change of it needs a restart.

use std::fmt;
use std::sync::{Arc, OnceLock};

use jiff::Timestamp;
use jiff::tz::{TimeZone, TimeZoneOffsetInfo};

use crate::infra::error::{Error, Result};
use crate::infra::gotime::civil::SECONDS_PER_DAY;

/// Seconds in 400 years, after which rules of the form "last Sunday of March" repeat exactly.
const CYCLE_SECONDS: i64 = 146_097 * SECONDS_PER_DAY;

/// Transitions to search for a zone name that is not in force; no zone has half as many on record.
const N_TRANSITIONS_MAX: usize = 512;

/// A place with its history of offsets from UTC. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Location {
    Utc,
    /// The zone of this machine.
    Local,
    /// A zone of the IANA database; made by [`load_location`], which checks that it has a name.
    Iana(TimeZone),
    /// One offset forever, in seconds east of UTC. The name may be empty.
    Fixed {
        name: Arc<str>,
        offset: i32,
    },
}

/// What holds in a location at one instant.
#[derive(Clone, Debug)]
pub struct Zone<'a> {
    /// Seconds east of UTC.
    pub offset: i32,
    pub dst: bool,
    name: Name<'a>,
}

/// Where an abbreviation lives: the database hands out some of its own inside the answer.
#[derive(Clone, Debug)]
enum Name<'a> {
    Text(&'a str),
    Database(TimeZoneOffsetInfo<'a>),
}

impl Zone<'_> {
    /// `CET`, `-03`; empty for a fixed zone without a name.
    pub fn abbreviation(&self) -> &str {
        match &self.name {
            Name::Text(text) => text,
            Name::Database(info) => info.abbreviation(),
        }
    }
}

/// Finds a location by name: `UTC`, `Local`, or one of the IANA database, in its exact spelling.
///
/// May read a small file the first time. The empty name is `Invalid`, an unknown one `NotFound`.
pub fn load_location(name: &str) -> Result<Location> {
    match name {
        "" => return Err(Error::invalid("location name is empty")),
        "UTC" => return Ok(Location::Utc),
        "Local" => return Ok(Location::Local),
        _ => (),
    }
    match TimeZone::get(name) {
        // The lookup ignores case, and answers to a name that means "unknown".
        Ok(tz) if tz.iana_name() == Some(name) && !tz.is_unknown() => Ok(Location::Iana(tz)),
        _ => Err(Error::not_found(format!("unknown time zone {name}"))),
    }
}

/// The zone of this machine; UTC if it has none that can be read.
fn local() -> &'static TimeZone {
    static LOCAL: OnceLock<TimeZone> = OnceLock::new();
    LOCAL.get_or_init(|| TimeZone::try_system().unwrap_or(TimeZone::UTC))
}

impl Location {
    pub fn fixed(name: &str, offset: i32) -> Location {
        Location::Fixed { name: name.into(), offset }
    }

    pub fn name(&self) -> &str {
        match self {
            Location::Utc => "UTC",
            Location::Local => "Local",
            Location::Iana(tz) => tz.iana_name().unwrap_or_default(),
            Location::Fixed { name, .. } => name,
        }
    }

    /// What holds at `unix` seconds.
    pub fn zone_at(&self, unix: i64) -> Zone<'_> {
        let tz = match self {
            Location::Utc => return Zone { offset: 0, dst: false, name: Name::Text("UTC") },
            Location::Fixed { name, offset } => {
                return Zone { offset: *offset, dst: false, name: Name::Text(name) };
            }
            Location::Local => local(),
            Location::Iana(tz) => tz,
        };
        let info = tz.to_offset_info(timestamp(unix));
        Zone {
            offset: info.offset().seconds(),
            dst: info.dst().is_dst(),
            name: Name::Database(info),
        }
    }

    /// The unix seconds at which clocks here show `wall` (seconds since 1970 on the wall).
    ///
    /// A wall time that a transition skips or repeats is taken with one of the two offsets.
    pub(crate) fn unix_from_wall(&self, wall: i64) -> i64 {
        // Taking the wall time for UTC is right except within hours of a transition; the second
        // look is from the right side of it.
        let guess = wall.saturating_sub(i64::from(self.zone_at(wall).offset));
        wall.saturating_sub(i64::from(self.zone_at(guess).offset))
    }

    /// The offset that `abbreviation` stands for when clocks here show `wall`; if it is not in
    /// force then, any offset that ever had this name here.
    pub(crate) fn offset_of(&self, abbreviation: &str, wall: i64) -> Option<i32> {
        let tz = match self {
            Location::Utc => return None,
            Location::Fixed { name, offset } => {
                return (**name == *abbreviation).then_some(*offset);
            }
            Location::Local => local(),
            Location::Iana(tz) => tz,
        };
        // Near a transition both of its names are candidates.
        for near in [0, -SECONDS_PER_DAY, SECONDS_PER_DAY] {
            let zone = self.zone_at(wall.saturating_add(near));
            let unix = wall.saturating_sub(i64::from(zone.offset));
            if zone.abbreviation() == abbreviation && self.zone_at(unix).offset == zone.offset {
                return Some(zone.offset);
            }
        }
        // Rules that repeat each year are not on record, so two transitions ahead show their names;
        // a start long after the records would see nothing but such rules.
        let start = timestamp(wall.min(i64::from(i32::MAX)));
        let ahead = tz.following(start).take(2);
        ahead
            .chain(tz.preceding(start).take(N_TRANSITIONS_MAX))
            .find(|transition| transition.abbreviation() == abbreviation)
            .map(|transition| transition.offset().seconds())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// An instant the database can be asked about that has the same offset as `unix`.
///
/// Before its range the first known offset holds; after it the yearly rules go on, so the same day
/// of an earlier cycle of 400 years answers.
fn timestamp(unix: i64) -> Timestamp {
    let max = Timestamp::MAX.as_second();
    let unix = match unix.saturating_sub(max) {
        beyond @ 1.. => max - CYCLE_SECONDS + beyond % CYCLE_SECONDS,
        _ => unix,
    };
    Timestamp::from_second(unix).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::infra::error::Kind;

    #[track_caller]
    fn check(name: &str, unix: i64, offset: i32, dst: bool, abbreviation: &str) {
        let location = load_location(name).unwrap();
        let zone = location.zone_at(unix);
        assert_eq!((zone.offset, zone.dst, zone.abbreviation()), (offset, dst, abbreviation));
    }

    #[test]
    fn zones_at_instants() {
        check("UTC", 0, 0, false, "UTC");
        check("America/New_York", 1_718_461_845, -14_400, true, "EDT");
        check("America/New_York", 1_704_067_200, -18_000, false, "EST");
        check("Europe/Berlin", 1_718_461_845, 7_200, true, "CEST");
        check("Asia/Kolkata", 1_718_461_845, 19_800, false, "IST");
        check("America/Sao_Paulo", 1_718_461_845, -10_800, false, "-03");
        check("America/New_York", i64::MIN, -17_762, false, "LMT");
    }

    #[test]
    fn rules_go_on_after_the_range_of_the_database() {
        // 2024-06-15 and 2024-01-01, 100,000 cycles later.
        check("Europe/Berlin", 1_718_461_845 + 100_000 * CYCLE_SECONDS, 7_200, true, "CEST");
        check("Europe/Berlin", 1_704_067_200 + 100_000 * CYCLE_SECONDS, 3_600, false, "CET");
    }

    #[test]
    fn names() {
        for name in ["UTC", "Local", "Europe/Berlin", "US/Eastern", "Etc/UTC", "GMT"] {
            assert_eq!(load_location(name).unwrap().to_string(), name);
        }
        assert_eq!(Location::fixed("HERE", 60).name(), "HERE");
        assert_eq!(*load_location("").unwrap_err().kind(), Kind::Invalid);
        for name in
            ["Mars/Olympus", "europe/berlin", "utc", "../etc/passwd", "/", "Etc/Unknown", "Europe"]
        {
            let error = load_location(name).unwrap_err();
            assert_eq!(*error.kind(), Kind::NotFound);
            assert_eq!(error.message(), format!("unknown time zone {name}"));
        }
    }

    #[test]
    fn offsets_of_abbreviations() {
        let new_york = load_location("America/New_York").unwrap();
        let summer = 1_718_461_845;
        assert_eq!(new_york.offset_of("EDT", summer), Some(-14_400));
        assert_eq!(new_york.offset_of("EST", summer), Some(-18_000));
        assert_eq!(new_york.offset_of("EST", i64::MAX), Some(-18_000));
        assert_eq!(new_york.offset_of("EWT", summer), Some(-14_400));
        assert_eq!(new_york.offset_of("CEST", summer), None);
        // 2024-11-03 01:30 comes twice.
        assert_eq!(new_york.offset_of("EDT", 1_730_597_400), Some(-14_400));
        assert_eq!(new_york.offset_of("EST", 1_730_597_400), Some(-18_000));
        assert_eq!(Location::fixed("A", 60).offset_of("A", 0), Some(60));
        assert_eq!(Location::Utc.offset_of("EST", 0), None);
    }

    proptest! {
        #[test]
        fn any_instant_has_a_zone(unix: i64) {
            for name in ["Local", "Europe/Berlin", "Australia/Lord_Howe"] {
                let location = load_location(name).unwrap();
                prop_assert!(location.zone_at(unix).offset.abs() <= 93_600);
                location.unix_from_wall(unix);
                location.offset_of("XYZ", unix);
            }
        }
    }
}
