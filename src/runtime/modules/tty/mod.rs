//! `tty`: keys, mouse and size of the terminal, and texts that look good on it. Specification 02,
//! section 9.
//!
//! - here: events. The terminal fills a feed, as the event bus does, and the program receives from a
//!   channel; what comes before it has the channel waits.
//! - `bind`: names for keys. `style`, `text`: the pure part, [`ansi`], for Lua.
//!
//! The channel has no bound but the patience of who types: nothing that was typed is lost.
//!
//! [`ansi`]: crate::infra::ansi

mod bind;
mod style;
mod text;

use std::sync::Arc;

use crate::infra::error::{Error, Kind};
use crate::infra::event_bus::{Event, Feeder};
use crate::infra::transcoder::Value;
use crate::runtime::engine::news::TerminalInput;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Raise, Ret, error, host, push_functions};
use crate::runtime::modules::io::terminal;

pub fn register_types(l: State) {
    bind::register_type(l);
    style::register_type(l);
}

pub fn open(l: State) {
    push_functions(
        l,
        &[
            (c"start", host(start)),
            (c"stop", host(stop)),
            (c"events", host(events)),
            (c"screen_size", host(screen_size)),
            (c"mouse", host(mouse)),
            (c"bind", host(bind::bind)),
            (c"style", host(style::style)),
        ],
    );
    text::open(l);
    l.set_field(-2, "text");
    let names = [
        ("NORMAL", "normal"),
        ("ROUNDED", "rounded"),
        ("THICK", "thick"),
        ("DOUBLE", "double"),
        ("HIDDEN", "hidden"),
    ];
    l.new_table(0, names.len());
    for (name, text) in names {
        l.push_str(text);
        l.set_field(-2, name);
    }
    l.set_read_only(-1, true);
    l.set_field(-2, "borders");
    push_numbers(l, &[("LEFT", 0.0), ("CENTER", 0.5), ("RIGHT", 1.0)]);
    l.set_field(-2, "align");
    l.set_read_only(-1, true);
}

/// Pushes a read-only table.
fn push_numbers(l: State, numbers: &[(&str, f64)]) {
    l.new_table(0, numbers.len());
    for (name, number) in numbers {
        l.push_number(*number);
        l.set_field(-2, name);
    }
    l.set_read_only(-1, true);
}

/// Where the events of the running process go; made at the first call.
fn input(cx: &mut Cx) -> Result<&mut TerminalInput, Raise> {
    let vm = cx.vm();
    let has = vm.processes[vm.current].extra.as_ref().is_some_and(|extra| extra.input.is_some());
    if !has {
        let wake = cx.feed_waker()?;
        // Nobody has to be told that the process is gone: its terminal ends with it.
        let (feeder, feeding) = Feeder::new(wake, || ());
        let owner = cx.self_pid();
        let vm = cx.vm();
        let channel = vm.open_subscription(owner, feeding, true).ok_or("the process has ended")?;
        let sink =
            Arc::new(move |data: Value| feeder.push(&Arc::new(Event::new("tty", "", "", data))));
        let current = vm.current;
        let extra = vm.processes[current].extra.get_or_insert_default();
        extra.input = Some(TerminalInput { channel, taken: false, sink });
    }
    let vm = cx.vm();
    let extra = vm.processes[vm.current].extra.as_mut();
    extra.and_then(|extra| extra.input.as_mut()).ok_or_else(|| "the process has ended".into())
}

fn start(cx: &mut Cx) -> Ret {
    let terminal = terminal!(cx);
    let sink = input(cx)?.sink.clone();
    match terminal.start_events(sink) {
        Ok(()) => cx.bool(true),
        Err(error) => cx.fail(error),
    }
}

fn stop(cx: &mut Cx) -> Ret {
    let terminal = terminal!(cx);
    terminal.stop_events();
    cx.bool(true)
}

/// The channel of events, for one taker.
fn events(cx: &mut Cx) -> Ret {
    terminal!(cx);
    let input = input(cx)?;
    if std::mem::replace(&mut input.taken, true) {
        let message = "the channel of events is taken already";
        return cx.fail(Error::new(Kind::AlreadyExists, message));
    }
    let channel = input.channel;
    let l = cx.l;
    cx.vm().push_channel(l, channel);
    cx.values(1)
}

fn screen_size(cx: &mut Cx) -> Ret {
    let size = match cx.terminal() {
        Some(terminal) => terminal.screen_size(),
        None => Err(Error::unavailable("no terminal context")),
    };
    let l = cx.l;
    match size {
        Ok((width, height)) => {
            l.push_number(width.into());
            l.push_number(height.into());
            cx.values(2)
        }
        Err(error) => {
            l.push_nil();
            l.push_nil();
            error::push(l, error);
            cx.values(3)
        }
    }
}

fn mouse(cx: &mut Cx) -> Ret {
    if cx.l.type_of(1) != Type::Boolean {
        return Err(cx.wrong_type(1, "boolean"));
    }
    let on = cx.l.bool(1);
    let terminal = terminal!(cx);
    match terminal.mouse(on) {
        Ok(()) => cx.bool(true),
        Err(error) => cx.fail(error),
    }
}
