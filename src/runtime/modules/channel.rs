//! `channel`: specification 01, section 7.

use crate::runtime::engine::channel::{Attempt, ChannelObject, Sender, Source};
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::select::{CaseObject, select};
use crate::runtime::engine::slot::Slot;
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Raise, Ret, host, push_functions, register_type};

/// Room one channel may have: a slot is memory only when it is used.
const CAPACITY_MAX: f64 = 1e9;

pub fn register_types(l: State) {
    register_type::<ChannelObject>(
        l,
        &[
            (c"send", host(send)),
            (c"receive", host(receive)),
            (c"close", host(close)),
            (c"case_send", host(case_send)),
            (c"case_receive", host(case_receive)),
        ],
        &[(c"__tostring", host(text))],
    );
    register_type::<CaseObject>(l, &[], &[]);
}

pub fn open(l: State) {
    push_functions(l, &[(c"new", host(new)), (c"select", host(select))]);
    l.set_read_only(-1, true);
}

/// The channel a method is called on.
fn this(cx: &Cx) -> Result<u32, Raise> {
    VmData::channel_at(cx.l, 1).ok_or_else(|| cx.wrong_type(1, "channel"))
}

fn new(cx: &mut Cx) -> Ret {
    let capacity = match cx.l.type_of(1) {
        Type::None | Type::Nil => 0.0,
        Type::Number => cx.number(1)?,
        _ => return Err(cx.wrong_type(1, "number")),
    };
    let capacity = capacity.clamp(0.0, CAPACITY_MAX) as u32;
    let l = cx.l;
    let vm = cx.vm();
    let id = vm.new_channel(vm.current, capacity, Source::Lua);
    vm.push_channel(l, id);
    cx.values(1)
}

fn send(cx: &mut Cx) -> Ret {
    let id = this(cx)?;
    let l = cx.l;
    l.set_top(2);
    match cx.vm().try_send(l, id) {
        Attempt::Done => cx.bool(true),
        Attempt::Closed => Err("send on closed channel".into()),
        Attempt::Wait => {
            let coroutine = cx.suspendable()?;
            let value = Slot::take(l);
            cx.vm().channels[id].senders.push_back(Sender { coroutine, value });
            cx.suspend(Wait::Send(id))
        }
    }
}

fn receive(cx: &mut Cx) -> Ret {
    let id = this(cx)?;
    let l = cx.l;
    match cx.vm().try_receive(l, id) {
        Attempt::Done => cx.values(2),
        Attempt::Closed => {
            l.push_nil();
            l.push_bool(false);
            cx.values(2)
        }
        Attempt::Wait => {
            let coroutine = cx.suspendable()?;
            cx.vm().channels[id].receivers.push_back(coroutine);
            cx.suspend(Wait::Receive(id))
        }
    }
}

/// Waiting senders and receivers go on first, the closer behind them.
fn close(cx: &mut Cx) -> Ret {
    let id = this(cx)?;
    let vm = cx.vm();
    let wakes = !vm.channels[id].senders.is_empty() || !vm.channels[id].receivers.is_empty();
    match vm.channels[id].source {
        Source::Bus => vm.close_subscription(id),
        Source::Lua => vm.close_channel(id),
        Source::Inbox | Source::Events | Source::Listener => vm.close_fed(vm.current, id),
    }
    match wakes && cx.suspendable().is_ok() {
        true => cx.step_aside(0),
        false => cx.nothing(),
    }
}

fn case_send(cx: &mut Cx) -> Ret {
    let id = this(cx)?;
    let l = cx.l;
    l.set_top(2);
    let send = Some(Slot::take(l));
    let channel = cx.vm().hold_channel(id);
    l.push_userdata(CaseObject { channel, send });
    cx.values(1)
}

fn case_receive(cx: &mut Cx) -> Ret {
    let id = this(cx)?;
    let channel = cx.vm().hold_channel(id);
    cx.l.push_userdata(CaseObject { channel, send: None });
    cx.values(1)
}

fn text(cx: &mut Cx) -> Ret {
    let id = this(cx)?;
    cx.str(&format!("channel{{{id}}}"))
}
