//! Locations: where a Time is shown.

use std::ffi::{CStr, c_int};

use crate::infra::gotime::{self, Location};
use crate::runtime::engine::raw::{State, Tagged};
use crate::runtime::engine::{Cx, Raise, Ret, host, register_type, tags};

/// Bytes of the name of a zone, which a layout may repeat.
const NAME_MAX: usize = 100;

struct LocationObject(Location);

impl Tagged for LocationObject {
    const TAG: c_int = tags::LOCATION;
    const NAME: &'static CStr = c"Location";
}

pub(super) fn register(l: State) {
    register_type::<LocationObject>(
        l,
        &[(c"string", host(string))],
        &[(c"__tostring", host(string))],
    );
}

pub(super) fn push(l: State, location: Location) {
    l.push_userdata(LocationObject(location));
}

pub(super) fn argument(cx: &Cx, n: c_int) -> Result<Location, Raise> {
    let found = cx.l.with::<LocationObject, _>(n, |object| object.0.clone());
    found.ok_or_else(|| cx.wrong_type(n, "location"))
}

/// Argument `n`, or the local zone if the call ends before it: an explicit nil is no location.
pub(super) fn optional(cx: &Cx, n: c_int) -> Result<Location, Raise> {
    match cx.l.top() < n {
        true => Ok(Location::Local),
        false => argument(cx, n),
    }
}

pub(super) fn load_location(cx: &mut Cx) -> Ret {
    let name = cx.string(1)?;
    match gotime::load_location(&name) {
        Ok(location) => {
            push(cx.l, location);
            cx.values(1)
        }
        Err(error) => cx.fail(error),
    }
}

pub(super) fn fixed_zone(cx: &mut Cx) -> Ret {
    let name = cx.string(1)?;
    if name.len() > NAME_MAX {
        return Err(cx.bad_argument(1, "name is too long"));
    }
    let offset = cx.number(2)? as i32;
    push(cx.l, Location::fixed(&name, offset));
    cx.values(1)
}

fn string(cx: &mut Cx) -> Ret {
    let location = argument(cx, 1)?;
    cx.str(location.name())
}

#[cfg(test)]
mod tests {
    use crate::runtime::modules::testing::check_lua;

    #[test]
    fn names() {
        check_lua(
            r#"
            local time = require("time")
            for _, name in {"UTC", "Local", "Europe/Berlin"} do
                local loc = time.load_location(name)
                assert(type(loc) == "userdata")
                assert(loc:string() == name and tostring(loc) == name)
            end
            local loc, err = time.load_location("")
            assert(loc == nil and err:kind() == "Invalid")
            loc, err = time.load_location("Mars/Base")
            assert(loc == nil and err:kind() == "NotFound")
            assert(err:message() == "unknown time zone Mars/Base")
            assert(not pcall(time.load_location))
            "#,
        );
    }

    #[test]
    fn fixed_zones() {
        check_lua(
            r#"
            local time = require("time")
            local zone = time.fixed_zone("PLUS", 5400)
            assert(tostring(zone) == "PLUS")
            local t = time.date(2024, 1, 2, 3, 4, 5, 0, zone)
            assert(tostring(t) == "2024-01-02 03:04:05 +0130 PLUS")
            assert(not pcall(time.fixed_zone, "X"))
            assert(not pcall(time.fixed_zone, nil, 1))

            -- A layout may repeat the name, so neither can be of any length.
            local name = string.rep("x", 100)
            local t = time.date(2024, 1, 2, 3, 4, 5, 0, time.fixed_zone(name, 0))
            assert(#t:format(string.rep("MST", 1e4)) == 1e6)
            local ok, err = pcall(time.fixed_zone, name .. "x", 0)
            assert(not ok and err:find("name is too long"))
            ok, err = pcall(t.format, t, string.rep("MST", 1e6))
            assert(not ok and err:find("layout is too long"))
            time.date(2024, 1, 2, 3, 4, 5, 0, time.fixed_zone("", 1e300)):format(time.RFC850)
            "#,
        );
    }
}
