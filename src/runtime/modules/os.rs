//! `os`: the clock and the calendar, nothing of the operating system. Specification 02, section 5.

use crate::infra::gotime::strftime::{DateQuery, DateTable, OsDate, os_date, os_time};
use crate::infra::gotime::{Location, Time};
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Ret, host, push_functions};

pub fn open(l: State) {
    push_functions(
        l,
        &[
            (c"time", host(time)),
            (c"date", host(date)),
            (c"clock", host(clock)),
            (c"difftime", host(difference)),
        ],
    );
    l.push_str("wippy");
    l.set_field(-2, "platform");
    l.set_read_only(-1, true);
}

/// Bytes of a format: a specifier of two may become twenty-four.
const FORMAT_MAX: usize = 1 << 20;

fn now(cx: &mut Cx) -> Time {
    Time::now(cx.vm().kernel.scheduler.clock(), Location::Local)
}

/// `os.time([table])`: Unix seconds of now, or of a date in the local zone.
fn time(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let now = now(cx);
    let seconds = match l.type_of(1) {
        Type::None => now.unix(),
        _ => {
            cx.table(1)?;
            let field = |name| {
                let number = match l.index_field(1, name) {
                    Type::Number => l.number(-1).map(|number| number as i64),
                    _ => None,
                };
                l.pop(1);
                number
            };
            let query = DateQuery {
                year: field("year"),
                month: field("month"),
                day: field("day"),
                hour: field("hour"),
                min: field("min"),
                sec: field("sec"),
            };
            os_time(&query, &now)
        }
    };
    l.push_number(seconds as f64);
    cx.values(1)
}

/// `os.date([format [, seconds]])`.
fn date(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let format = match l.is_nil(1) {
        true => "%c".to_owned(),
        false => cx.string(1)?,
    };
    if format.len() > FORMAT_MAX {
        return Err(cx.bad_argument(1, "format is too long"));
    }
    let seconds = match l.is_nil(2) {
        true => now(cx).unix(),
        // Saturates; not a number is the epoch.
        false => cx.number(2)? as i64,
    };
    match os_date(&format, seconds, &Location::Local) {
        OsDate::Text(text) => cx.str(&text),
        OsDate::Table(table) => {
            push_date(l, &table);
            cx.values(1)
        }
    }
}

fn push_date(l: State, date: &DateTable) {
    l.new_table(0, 9);
    for (name, number) in [
        ("year", date.year as f64),
        ("month", date.month.into()),
        ("day", date.day.into()),
        ("hour", date.hour.into()),
        ("min", date.min.into()),
        ("sec", date.sec.into()),
        ("wday", date.wday.into()),
        ("yday", date.yday.into()),
    ] {
        l.push_number(number);
        l.set_field(-2, name);
    }
    l.push_bool(date.isdst);
    l.set_field(-2, "isdst");
}

/// `os.clock()`: seconds since the runtime started.
fn clock(cx: &mut Cx) -> Ret {
    let nanos = cx.vm().now();
    cx.l.push_number(nanos as f64 / 1e9);
    cx.values(1)
}

fn difference(cx: &mut Cx) -> Ret {
    cx.l.push_number(cx.number(1)? - cx.number(2)?);
    cx.values(1)
}
