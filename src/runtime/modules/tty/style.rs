//! Styles: every method gives a changed copy.

use std::ffi::{CStr, c_int};

use crate::infra::ansi::style::{Attribute, Color, Sides, Style, sides};
use crate::infra::ansi::{LEN_MAX, TooLarge};
use crate::runtime::engine::raw::{State, Tagged, Type};
use crate::runtime::engine::{Cx, Raise, Ret, host, register_type as register, tags};

struct StyleObject(Style);

impl Tagged for StyleObject {
    const TAG: c_int = tags::STYLE;
    const NAME: &'static CStr = c"tty.Style";
}

pub(super) fn register_type(l: State) {
    register::<StyleObject>(
        l,
        &[
            (c"foreground", host(|cx: &mut Cx| color(cx, |style| &mut style.foreground))),
            (c"background", host(|cx: &mut Cx| color(cx, |style| &mut style.background))),
            (c"bold", host(|cx: &mut Cx| attribute(cx, Attribute::Bold))),
            (c"italic", host(|cx: &mut Cx| attribute(cx, Attribute::Italic))),
            (c"underline", host(|cx: &mut Cx| attribute(cx, Attribute::Underline))),
            (c"strikethrough", host(|cx: &mut Cx| attribute(cx, Attribute::Strikethrough))),
            (c"faint", host(|cx: &mut Cx| attribute(cx, Attribute::Faint))),
            (c"blink", host(|cx: &mut Cx| attribute(cx, Attribute::Blink))),
            (c"reverse", host(|cx: &mut Cx| attribute(cx, Attribute::Reverse))),
            (c"inline", host(inline)),
            (c"width", host(|cx: &mut Cx| size(cx, |style| &mut style.width))),
            (c"height", host(|cx: &mut Cx| size(cx, |style| &mut style.height))),
            (c"max_width", host(|cx: &mut Cx| size(cx, |style| &mut style.max_width))),
            (c"max_height", host(|cx: &mut Cx| size(cx, |style| &mut style.max_height))),
            (c"padding", host(|cx: &mut Cx| around(cx, |style| &mut style.padding))),
            (c"margin", host(|cx: &mut Cx| around(cx, |style| &mut style.margin))),
            (c"align", host(|cx: &mut Cx| align(cx, |style| &mut style.align))),
            (c"align_vertical", host(|cx: &mut Cx| align(cx, |style| &mut style.align_vertical))),
            (c"border", host(border)),
            (c"border_foreground", host(|cx: &mut Cx| edges(cx, |s| &mut s.border_foreground))),
            (c"border_background", host(|cx: &mut Cx| edges(cx, |s| &mut s.border_background))),
            (c"copy", host(|cx: &mut Cx| changed(cx, |_| ()))),
            (c"render", host(render)),
        ],
        &[],
    );
}

/// `tty.style()`.
pub(super) fn style(cx: &mut Cx) -> Ret {
    cx.l.push_userdata(StyleObject(Style::default()));
    cx.values(1)
}

fn this(cx: &Cx) -> Result<Style, Raise> {
    let style = cx.l.with::<StyleObject, _>(1, |this| this.0.clone());
    style.ok_or_else(|| cx.wrong_type(1, "tty.Style"))
}

/// Returns a copy of the style with a change.
fn changed(cx: &mut Cx, change: impl FnOnce(&mut Style)) -> Ret {
    let mut style = this(cx)?;
    change(&mut style);
    cx.l.push_userdata(StyleObject(style));
    cx.values(1)
}

/// Argument `n`, true if it is left out.
fn flag(cx: &Cx, n: c_int) -> Result<bool, Raise> {
    match cx.l.type_of(n) {
        Type::None | Type::Nil => Ok(true),
        Type::Boolean => Ok(cx.l.bool(n)),
        _ => Err(cx.wrong_type(n, "boolean")),
    }
}

fn color(cx: &mut Cx, field: fn(&mut Style) -> &mut Option<Color>) -> Ret {
    let color = Color::parse(&cx.string(2)?);
    changed(cx, |style| *field(style) = color)
}

fn attribute(cx: &mut Cx, attribute: Attribute) -> Ret {
    let on = flag(cx, 2)?;
    changed(cx, |style| style.set(attribute, on))
}

fn inline(cx: &mut Cx) -> Ret {
    let on = flag(cx, 2)?;
    changed(cx, |style| style.inline = on)
}

fn size(cx: &mut Cx, field: fn(&mut Style) -> &mut usize) -> Ret {
    // Saturates, and what is below zero is zero.
    let size = cx.number(2)? as usize;
    changed(cx, |style| *field(style) = size)
}

fn around(cx: &mut Cx, field: fn(&mut Style) -> &mut Sides<usize>) -> Ret {
    let numbers = (2..=cx.l.top()).map(|n| Ok(cx.number(n)? as usize));
    let numbers = numbers.collect::<Result<Vec<_>, Raise>>()?;
    let sides = sides(&numbers).ok_or_else(|| cx.bad_argument(2, "1 to 4 numbers expected"))?;
    changed(cx, |style| *field(style) = sides)
}

fn align(cx: &mut Cx, field: fn(&mut Style) -> &mut f64) -> Ret {
    let position = cx.number(2)?;
    changed(cx, |style| *field(style) = position)
}

/// `border(name [, top, right, bottom, left])`.
fn border(cx: &mut Cx) -> Ret {
    let name = cx.string(2)?;
    let mut flags = [true; 4];
    if cx.l.top() > 2 {
        for (n, on) in (3..).zip(&mut flags) {
            *on = cx.l.bool(n);
        }
    }
    changed(cx, |style| style.set_border(&name, flags))
}

fn edges(cx: &mut Cx, field: fn(&mut Style) -> &mut Sides<Option<Color>>) -> Ret {
    let colors = (2..=cx.l.top()).map(|n| Ok(Color::parse(&cx.string(n)?)));
    let colors = colors.collect::<Result<Vec<_>, Raise>>()?;
    let sides = sides(&colors).ok_or_else(|| cx.bad_argument(2, "1 to 4 colours expected"))?;
    changed(cx, |style| *field(style) = sides)
}

/// `render(...)`: the arguments joined by spaces.
fn render(cx: &mut Cx) -> Ret {
    let style = this(cx)?;
    let mut text = String::new();
    for n in 2..=cx.l.top() {
        if n > 2 {
            text.push(' ');
        }
        cx.push_text_of(n)?;
        if text.len() + cx.l.raw_len(-1) > LEN_MAX {
            return super::text::push(cx, Err(TooLarge));
        }
        text.push_str(&String::from_utf8_lossy(cx.l.bytes(-1).unwrap_or_default()));
        cx.l.pop(1);
    }
    super::text::push(cx, style.render(&text))
}
