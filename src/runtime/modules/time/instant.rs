//! Times: instants shown in a location.

use std::ffi::{CStr, c_int};

use crate::infra::gotime::{Fields, Location, Time};
use crate::runtime::engine::raw::{State, Tagged};
use crate::runtime::engine::{Cx, Raise, Ret, host, register_type, tags};
use crate::runtime::modules::time::{duration, location};

/// Bytes of a layout: an element of three may become a name of a hundred.
const LAYOUT_MAX: usize = 1 << 20;

struct TimeObject(Time);

impl Tagged for TimeObject {
    const TAG: c_int = tags::TIME;
    const NAME: &'static CStr = c"Time";
}

pub(super) fn register(l: State) {
    register_type::<TimeObject>(
        l,
        &[
            (c"add", host(add)),
            (c"sub", host(sub)),
            (c"add_date", host(add_date)),
            (c"before", host(|cx: &mut Cx| compare(cx, Time::before))),
            (c"after", host(|cx: &mut Cx| compare(cx, Time::after))),
            (c"equal", host(|cx: &mut Cx| compare(cx, Time::equal))),
            (c"format", host(format)),
            (c"format_rfc3339", host(format_rfc3339)),
            (c"unix", host(|cx: &mut Cx| number(cx, |t| t.unix() as f64))),
            (c"unix_nano", host(|cx: &mut Cx| number(cx, |t| t.unix_nano() as f64))),
            (c"date", host(year_month_day)),
            (c"clock", host(clock)),
            (c"year", host(|cx: &mut Cx| number(cx, |t| t.year() as f64))),
            (c"month", host(|cx: &mut Cx| number(cx, |t| t.month().into()))),
            (c"day", host(|cx: &mut Cx| number(cx, |t| t.day().into()))),
            (c"hour", host(|cx: &mut Cx| number(cx, |t| t.hour().into()))),
            (c"minute", host(|cx: &mut Cx| number(cx, |t| t.minute().into()))),
            (c"second", host(|cx: &mut Cx| number(cx, |t| t.second().into()))),
            (c"nanosecond", host(|cx: &mut Cx| number(cx, |t| t.nanosecond().into()))),
            (c"weekday", host(|cx: &mut Cx| number(cx, |t| t.weekday().into()))),
            (c"year_day", host(|cx: &mut Cx| number(cx, |t| t.year_day().into()))),
            (c"is_zero", host(is_zero)),
            (c"utc", host(|cx: &mut Cx| derive(cx, |_, t| Ok(t.utc())))),
            (c"in_local", host(|cx: &mut Cx| derive(cx, |_, t| Ok(t.in_local())))),
            (c"in_location", host(in_location)),
            (c"location", host(location_of)),
            (c"round", host(round)),
            (c"truncate", host(truncate)),
        ],
        &[(c"__tostring", host(text))],
    );
}

pub(super) fn push(l: State, time: Time) {
    l.push_userdata(TimeObject(time));
}

// -- functions of the module -------------------------------------------------------------------

pub(super) fn now(cx: &mut Cx) -> Ret {
    let time = Time::now(cx.vm().kernel.scheduler.clock(), Location::Local);
    push(cx.l, time);
    cx.values(1)
}

pub(super) fn date(cx: &mut Cx) -> Ret {
    let fields = Fields {
        year: integer(cx, 1)?,
        month: integer(cx, 2)?,
        day: integer(cx, 3)?,
        hour: integer(cx, 4)?,
        minute: integer(cx, 5)?,
        second: integer(cx, 6)?,
        nanosecond: integer(cx, 7)?,
    };
    let location = location::optional(cx, 8)?;
    push(cx.l, Time::from_date(fields, location));
    cx.values(1)
}

pub(super) fn unix(cx: &mut Cx) -> Ret {
    let (seconds, nanos) = (integer(cx, 1)?, integer(cx, 2)?);
    push(cx.l, Time::from_unix(seconds, nanos, Location::Local));
    cx.values(1)
}

pub(super) fn parse(cx: &mut Cx) -> Ret {
    let (layout, value) = (cx.string(1)?, cx.string(2)?);
    let location = location::optional(cx, 3)?;
    match Time::parse(&layout, &value, &location) {
        Ok(time) => {
            push(cx.l, time);
            cx.values(1)
        }
        Err(error) => cx.fail(error),
    }
}

// -- methods -----------------------------------------------------------------------------------

/// Argument `n` as an integer; a fraction is cut off, what is out of range saturates.
fn integer(cx: &Cx, n: c_int) -> Result<i64, Raise> {
    Ok(cx.number(n)? as i64)
}

/// Looks at the Time at `n`. `read` runs no Lua code.
fn with<R>(cx: &Cx, n: c_int, read: impl FnOnce(&Time) -> R) -> Result<R, Raise> {
    let found = cx.l.with::<TimeObject, _>(n, |object| read(&object.0));
    found.ok_or_else(|| cx.wrong_type(n, "time"))
}

/// The Time at `n`.
fn get(cx: &Cx, n: c_int) -> Result<Time, Raise> {
    with(cx, n, Time::clone)
}

fn number(cx: &Cx, of: impl FnOnce(&Time) -> f64) -> Ret {
    let number = with(cx, 1, of)?;
    cx.l.push_number(number);
    cx.values(1)
}

/// A Time made from the one the method is called on.
fn derive(cx: &Cx, make: impl FnOnce(&Cx, &Time) -> Result<Time, Raise>) -> Ret {
    let time = make(cx, &get(cx, 1)?)?;
    push(cx.l, time);
    cx.values(1)
}

fn add(cx: &mut Cx) -> Ret {
    derive(cx, |cx, time| match duration::argument(cx, 2) {
        Ok(nanos) => Ok(time.add(nanos)),
        Err(error) => Err(Raise::Message(error.to_string())),
    })
}

fn sub(cx: &mut Cx) -> Ret {
    let nanos = get(cx, 1)?.sub(&get(cx, 2)?);
    duration::push(cx.l, nanos);
    cx.values(1)
}

fn add_date(cx: &mut Cx) -> Ret {
    derive(cx, |cx, time| Ok(time.add_date(integer(cx, 2)?, integer(cx, 3)?, integer(cx, 4)?)))
}

fn compare(cx: &Cx, holds: impl FnOnce(&Time, &Time) -> bool) -> Ret {
    let holds = holds(&get(cx, 1)?, &get(cx, 2)?);
    cx.bool(holds)
}

fn format(cx: &mut Cx) -> Ret {
    let layout = cx.string(2)?;
    if layout.len() > LAYOUT_MAX {
        return Err(cx.bad_argument(2, "layout is too long"));
    }
    let text = with(cx, 1, |time| time.format(&layout))?;
    cx.str(&text)
}

fn format_rfc3339(cx: &mut Cx) -> Ret {
    let text = with(cx, 1, |time| time.format("2006-01-02T15:04:05Z07:00"))?;
    cx.str(&text)
}

fn year_month_day(cx: &mut Cx) -> Ret {
    let (year, month, day) = with(cx, 1, Time::date)?;
    cx.l.push_number(year as f64);
    cx.l.push_number(month.into());
    cx.l.push_number(day.into());
    cx.values(3)
}

fn clock(cx: &mut Cx) -> Ret {
    let (hour, minute, second) = with(cx, 1, Time::clock)?;
    for part in [hour, minute, second] {
        cx.l.push_number(part.into());
    }
    cx.values(3)
}

fn is_zero(cx: &mut Cx) -> Ret {
    let is_zero = with(cx, 1, Time::is_zero)?;
    cx.bool(is_zero)
}

fn in_location(cx: &mut Cx) -> Ret {
    derive(cx, |cx, time| Ok(time.in_location(location::argument(cx, 2)?)))
}

fn location_of(cx: &mut Cx) -> Ret {
    let place = with(cx, 1, |time| time.location().clone())?;
    location::push(cx.l, place);
    cx.values(1)
}

fn round(cx: &mut Cx) -> Ret {
    derive(cx, |cx, time| Ok(time.round(duration::object(cx, 2)?)))
}

fn truncate(cx: &mut Cx) -> Ret {
    derive(cx, |cx, time| Ok(time.truncate(duration::object(cx, 2)?)))
}

fn text(cx: &mut Cx) -> Ret {
    let text = with(cx, 1, Time::to_string)?;
    cx.str(&text)
}

#[cfg(test)]
mod tests {
    use crate::runtime::modules::testing::check_lua;

    #[test]
    fn dates_and_parts() {
        check_lua(
            r#"
            local time = require("time")
            local t = time.date(2024, 6, 15, 14, 30, 45, 123456789, time.utc)
            assert(type(t) == "userdata")
            assert(tostring(t) == "2024-06-15 14:30:45.123456789 +0000 UTC")
            local y, mo, d = t:date()
            assert(y == 2024 and mo == 6 and d == 15)
            local h, mi, s = t:clock()
            assert(h == 14 and mi == 30 and s == 45)
            assert(t:year() == 2024 and t:month() == 6 and t:day() == 15)
            assert(t:hour() == 14 and t:minute() == 30 and t:second() == 45)
            assert(t:nanosecond() == 123456789)
            assert(t:weekday() == time.SATURDAY and t:year_day() == 167)
            assert(t:unix() == 1718461845)
            assert(time.unix(1718461845, 5):unix_nano() == 1718461845000000005)
            assert(time.unix(1, -1):nanosecond() == 999999999)
            assert(time.unix(0, 0):location():string() == "Local")
            assert(time.date(2024, 14, 0, 25, 0, 0, 0, time.utc):format_rfc3339()
                == "2025-02-01T01:00:00Z")
            assert(time.date(1, 1, 1, 0, 0, 0, 0, time.utc):is_zero() and not t:is_zero())
            assert(time.date(2024, 1, 1, 0, 0, 0, 0):location():string() == "Local")
            "#,
        );
    }

    #[test]
    fn arithmetic() {
        check_lua(
            r#"
            local time = require("time")
            local function at(text) return time.parse(time.RFC3339NANO, text) end
            local t = at("2023-01-31T12:00:00Z")
            assert(t:add_date(0, 1, 0):equal(at("2023-03-03T12:00:00Z")))
            assert(t:add("1h30m"):equal(at("2023-01-31T13:30:00Z")))
            assert(t:add(-1):nanosecond() == 999999999)
            assert(t:add(time.parse_duration("1s")):sub(t):nanoseconds() == time.SECOND)
            local far = time.date(9999, 1, 1, 0, 0, 0, 0, time.utc)
            assert(tostring(far:sub(t)) == "2562047h47m16.854775807s")
            assert(t:before(far) and far:after(t) and not t:equal(far))
            local berlin = time.load_location("Europe/Berlin")
            assert(t:in_location(berlin):equal(t) and t:in_location(berlin):hour() == 13)
            assert(t:in_location(berlin):location():string() == "Europe/Berlin")
            assert(t:in_location(berlin):utc():hour() == 12)
            assert(t:in_local():location():string() == "Local")
            local odd = at("2024-06-15T14:37:30Z")
            local quarter = time.parse_duration("15m")
            assert(odd:round(quarter):equal(at("2024-06-15T14:45:00Z")))
            assert(odd:truncate(quarter):equal(at("2024-06-15T14:30:00Z")))
            assert(odd:round(time.parse_duration("0")):equal(odd))
            "#,
        );
    }

    #[test]
    fn wrong_arguments_raise() {
        check_lua(
            r#"
            local time = require("time")
            local t = time.now()
            local function raises(text, f, ...)
                local ok, err = pcall(f, ...)
                assert(not ok and string.find(tostring(err), text, 1, true), tostring(err))
            end
            raises("location expected", time.date, 1, 1, 1, 0, 0, 0, 0, nil)
            raises("location expected", time.parse, time.RFC3339, "", "UTC")
            raises("location expected", t.in_location, t)
            raises("number expected", time.date, 2024, 1, 1)
            raises("number expected", time.unix, 1)
            raises("duration expected", t.round, t, "1s")
            raises("duration expected", t.truncate, t, 1)
            raises('time: invalid duration "x"', t.add, t, "x")
            raises("duration must be number or string", t.add, t)
            raises("time expected", t.sub, t, 1)
            raises("time expected", t.before, t)
            raises("time expected", t.year)
            raises("number expected", t.add_date, t, 1, 2)
            assert(not pcall(function() return t < t end))
            assert(not pcall(function() return t + 1 end))
            assert(t ~= t:add(0) and t:equal(t:add(0)))
            "#,
        );
    }

    #[test]
    fn parsing_fails_with_values() {
        check_lua(
            r#"
            local time = require("time")
            local t, err = time.parse(time.DATE_ONLY, "2024-13-01")
            assert(t == nil and err:kind() == "Invalid")
            assert(err:message() == 'parsing time "2024-13-01": month out of range')
            t, err = time.parse(time.DATE_ONLY, "soon")
            assert(t == nil and err:message()
                == 'parsing time "soon" as "2006-01-02": cannot parse "soon" as "2006"')
            t, err = time.parse(time.DATE_ONLY, "2024-01-01 x")
            assert(err:message() == 'parsing time "2024-01-01 x": extra text: " x"')
            local berlin = time.load_location("Europe/Berlin")
            assert(time.parse(time.DATE_TIME, "2024-06-15 14:00:00", berlin):utc():hour() == 12)
            assert(time.parse(time.RFC3339, "2024-06-15T14:00:00Z", berlin):unix() == 1718460000)
            "#,
        );
    }

    #[test]
    fn elapsed_time_never_runs_backwards() {
        check_lua(
            r#"
            local time = require("time")
            local before = time.now()
            assert(before:location():string() == "Local")
            for _ = 1, 1000 do
                local now = time.now()
                assert(now:sub(before):nanoseconds() >= 0)
                before = now
            end
            "#,
        );
    }
}
