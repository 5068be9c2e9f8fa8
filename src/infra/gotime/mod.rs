//! Instants, time zones and layouts as Lua programs see them through `time` and `os`.
//!
//! Layouts are written as the reference time `Mon Jan 2 15:04:05 MST 2006` would look. Where
//! behaviour is not obvious, it is that of Go's `time` package, whose layouts and error texts these
//! are.
//!
//! - [`civil`] turns days into dates and back, for every year.
//! - [`zone`] answers which offset and abbreviation a [`Location`] has at an instant.
//! - [`time`] is the [`Time`] value and its arithmetic.
//! - [`layout`] and [`parse`] print and read it; [`strftime`] is `os.date` and `os.time`.
//!
//! Rules kept everywhere:
//!
//! 1. Nothing panics or wraps for any input; what does not fit saturates. The range is all `i64`
//!    unix seconds, which is more than the time zone database covers, so [`civil`] does the
//!    calendar and the database is asked for offsets only.
//! 2. Nothing here reads a clock, except [`Time::now`].

pub mod civil;
pub mod layout;
pub mod parse;
pub mod strftime;
pub mod time;
pub mod zone;

pub use civil::Civil;
pub use time::{Fields, Time};
pub use zone::{Location, load_location};
