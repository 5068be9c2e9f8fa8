//! Durations: the object, and every argument that may be one.

use std::ffi::{CStr, c_int};

use crate::infra::duration;
use crate::infra::error::Error;
use crate::runtime::engine::raw::{State, Tagged, Type};
use crate::runtime::engine::{Cx, Raise, Ret, host, register_type, tags};

/// Nanoseconds.
#[derive(Clone, Copy)]
pub(super) struct DurationObject(pub(super) i64);

impl Tagged for DurationObject {
    const TAG: c_int = tags::DURATION;
    const NAME: &'static CStr = c"Duration";
}

pub(super) fn register(l: State) {
    register_type::<DurationObject>(
        l,
        &[
            (c"nanoseconds", host(|cx: &mut Cx| number(cx, |ns| ns as f64))),
            (
                c"microseconds",
                host(|cx: &mut Cx| number(cx, |ns| duration::microseconds(ns) as f64)),
            ),
            (
                c"milliseconds",
                host(|cx: &mut Cx| number(cx, |ns| duration::milliseconds(ns) as f64)),
            ),
            (c"seconds", host(|cx: &mut Cx| number(cx, duration::seconds))),
            (c"minutes", host(|cx: &mut Cx| number(cx, duration::minutes))),
            (c"hours", host(|cx: &mut Cx| number(cx, duration::hours))),
        ],
        &[(c"__tostring", host(text))],
    );
}

/// Argument `n` as nanoseconds: a number of them, a text such as `"1.5s"`, or a Duration.
/// Allocates only to fail.
pub(super) fn argument(cx: &Cx, n: c_int) -> Result<i64, Error> {
    match cx.l.type_of(n) {
        Type::Number => Ok(cx.l.number(n).unwrap_or_default() as i64),
        Type::String => {
            let text = cx.l.bytes(n).unwrap_or_default();
            match std::str::from_utf8(text) {
                Ok(text) => duration::parse(text),
                Err(_) => duration::parse(&String::from_utf8_lossy(text)),
            }
        }
        _ => match cx.l.get::<DurationObject>(n) {
            Some(DurationObject(nanos)) => Ok(nanos),
            None => Err(Error::invalid("duration must be number or string")),
        },
    }
}

/// A Duration object and nothing else.
pub(super) fn object(cx: &Cx, n: c_int) -> Result<i64, Raise> {
    match cx.l.get::<DurationObject>(n) {
        Some(DurationObject(nanos)) => Ok(nanos),
        None => Err(cx.wrong_type(n, "duration")),
    }
}

pub(super) fn push(l: State, nanos: i64) {
    l.push_userdata(DurationObject(nanos));
}

pub(super) fn parse_duration(cx: &mut Cx) -> Ret {
    match argument(cx, 1) {
        Ok(nanos) => {
            push(cx.l, nanos);
            cx.values(1)
        }
        Err(error) => cx.fail(error),
    }
}

fn number(cx: &Cx, of: impl FnOnce(i64) -> f64) -> Ret {
    let nanos = object(cx, 1)?;
    cx.l.push_number(of(nanos));
    cx.values(1)
}

fn text(cx: &mut Cx) -> Ret {
    let nanos = object(cx, 1)?;
    cx.str(&duration::format(nanos))
}

#[cfg(test)]
mod tests {
    use crate::runtime::modules::testing::check_lua;

    #[test]
    fn arguments_of_three_types() {
        check_lua(
            r#"
            local time = require("time")
            local d = time.parse_duration("1h30m45s")
            assert(type(d) == "userdata" and tostring(d) == "1h30m45s")
            assert(time.parse_duration(d):nanoseconds() == d:nanoseconds())
            assert(time.parse_duration(1.9):nanoseconds() == 1)
            assert(time.parse_duration(-1.9):nanoseconds() == -1)
            assert(time.parse_duration(0/0):nanoseconds() == 0)
            assert(time.parse_duration("0"):nanoseconds() == 0)
            assert(d ~= time.parse_duration("1h30m45s"), "== is identity")
            "#,
        );
    }

    #[test]
    fn failures_are_values() {
        check_lua(
            r#"
            local time = require("time")
            local function check(value, text)
                local d, err = time.parse_duration(value)
                assert(d == nil and err:kind() == "Invalid", tostring(err))
                assert(err:message() == text, err:message())
            end
            check("soon", 'time: invalid duration "soon"')
            check("3", 'time: missing unit in duration "3"')
            check("1d", 'time: unknown unit "d" in duration "1d"')
            check(nil, "duration must be number or string")
            check({}, "duration must be number or string")
            check(time.utc, "duration must be number or string")
            "#,
        );
    }

    #[test]
    fn parts_and_text() {
        check_lua(
            r#"
            local time = require("time")
            local d = time.parse_duration("1.999999999s")
            assert(d:nanoseconds() == 1999999999)
            assert(d:microseconds() == 1999999 and d:milliseconds() == 1999)
            assert(time.parse_duration("-1500us"):milliseconds() == -1)
            assert(time.parse_duration("90m"):hours() == 1.5)
            assert(time.parse_duration("90s"):minutes() == 1.5)
            assert(time.parse_duration("1500ms"):seconds() == 1.5)
            for _, text in {"1.5s", "100ms", "1µs", "0s", "1h0m0s"} do
                assert(tostring(time.parse_duration(text)) == text)
            end
            local ok, err = pcall(d.hours, 5)
            assert(not ok and string.find(tostring(err), "duration expected", 1, true))
            "#,
        );
    }
}
