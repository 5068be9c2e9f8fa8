//! `tty.text`: sizes of texts, and putting them together.

use crate::infra::ansi::width::{height, width};
use crate::infra::ansi::{LEN_MAX, TooLarge, layout};
use crate::runtime::engine::raw::State;
use crate::runtime::engine::{Cx, Raise, Ret, host, push_functions};

pub(super) fn open(l: State) {
    push_functions(
        l,
        &[
            (c"width", host(|cx: &mut Cx| measure(cx, width))),
            (c"height", host(|cx: &mut Cx| measure(cx, height))),
            (c"size", host(size)),
            (c"max_width", host(|cx: &mut Cx| largest(cx, width))),
            (c"max_height", host(|cx: &mut Cx| largest(cx, height))),
            (c"join_horizontal", host(|cx: &mut Cx| join(cx, layout::join_horizontal))),
            (c"join_vertical", host(|cx: &mut Cx| join(cx, layout::join_vertical))),
            (c"place", host(place)),
            (c"place_horizontal", host(|cx: &mut Cx| place_in(cx, layout::place_horizontal))),
            (c"place_vertical", host(|cx: &mut Cx| place_in(cx, layout::place_vertical))),
        ],
    );
    let positions = [("TOP", 0.0), ("LEFT", 0.0), ("CENTER", 0.5), ("BOTTOM", 1.0), ("RIGHT", 1.0)];
    super::push_numbers(l, &positions);
    l.set_field(-2, "position");
    l.set_read_only(-1, true);
}

/// Pushes what was laid out, or raises.
pub(super) fn push(cx: &mut Cx, laid: Result<String, TooLarge>) -> Ret {
    match laid {
        Ok(text) => cx.str(&text),
        Err(TooLarge) => {
            Err(format!("the text becomes too large (more than {LEN_MAX} bytes)").into())
        }
    }
}

fn measure(cx: &mut Cx, measure: fn(&str) -> usize) -> Ret {
    let text = cx.string(1)?;
    cx.l.push_number(measure(&text) as f64);
    cx.values(1)
}

fn size(cx: &mut Cx) -> Ret {
    let text = cx.string(1)?;
    cx.l.push_number(width(&text) as f64);
    cx.l.push_number(height(&text) as f64);
    cx.values(2)
}

fn largest(cx: &mut Cx, measure: fn(&str) -> usize) -> Ret {
    cx.table(1)?;
    let l = cx.l;
    let mut most = 0;
    for n in 1..=l.raw_len(1) {
        l.raw_get_index(1, n);
        most = most.max(measure(&cx.string(2)?));
        l.pop(1);
    }
    l.push_number(most as f64);
    cx.values(1)
}

type Join = fn(f64, &[String]) -> Result<String, TooLarge>;

fn join(cx: &mut Cx, join: Join) -> Ret {
    let position = cx.number(1)?;
    let l = cx.l;
    if (2..=l.top()).map(|n| l.raw_len(n)).sum::<usize>() > LEN_MAX {
        return push(cx, Err(TooLarge));
    }
    let blocks = (2..=cx.l.top()).map(|n| cx.string(n)).collect::<Result<Vec<_>, Raise>>()?;
    push(cx, join(position, &blocks))
}

fn place(cx: &mut Cx) -> Ret {
    let (cells, lines) = (cx.number(1)? as usize, cx.number(2)? as usize);
    let (across, down) = (cx.number(3)?, cx.number(4)?);
    let text = cx.string(5)?;
    push(cx, layout::place(cells, lines, across, down, &text))
}

type PlaceIn = fn(usize, f64, &str) -> Result<String, TooLarge>;

fn place_in(cx: &mut Cx, place: PlaceIn) -> Ret {
    let (room, position) = (cx.number(1)? as usize, cx.number(2)?);
    let text = cx.string(3)?;
    push(cx, place(room, position, &text))
}
