//! `events`: the event bus. Specification 03, section 3.4.
//!
//! Subscribing and sending are commands. A subscription is a channel of its process that the bus
//! feeds, see [`news`](crate::runtime::engine::news).

use std::ffi::{CStr, c_int};

use crate::core::dispatcher::CommandId;
use crate::core::vm::Answer;
use crate::infra::error::Error;
use crate::infra::event_bus::{Event, Filter, Payload};
use crate::infra::transcoder::Value;
use crate::infra::transcoder::wire::Wire;
use crate::runtime::engine::channel::ChannelRef;
use crate::runtime::engine::raw::{State, Tagged};
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Raise, Ret, host, push_functions, register_type, tags, wire};
use crate::runtime::modules::process::push_failure;
use crate::services::events::{Subscribe, Subscribed};

/// What `subscribe` returns.
struct SubscriptionObject {
    channel: ChannelRef,
}

impl Tagged for SubscriptionObject {
    const TAG: c_int = tags::SUBSCRIPTION;
    const NAME: &'static CStr = c"events.Subscription";
}

pub fn register_types(l: State) {
    register_type::<SubscriptionObject>(
        l,
        &[(c"channel", host(channel)), (c"close", host(close))],
        &[(c"__tostring", host(text))],
    );
}

pub fn open(l: State) {
    push_functions(l, &[(c"subscribe", host(subscribe)), (c"send", host(send))]);
    l.set_read_only(-1, true);
}

/// The first argument, what a program may subscribe or send to, or why it may not: also a refusal of
/// policies is `INVALID` here.
fn system(cx: &mut Cx, action: &str) -> Result<Result<String, Error>, Raise> {
    let system = cx.string(1)?;
    if system.is_empty() {
        return Ok(Err(Error::invalid("system cannot be empty")));
    }
    Ok(match cx.allows(action, &system) {
        true => Ok(system),
        false => Err(Error::invalid(format!("not allowed: {action} on {system}"))),
    })
}

fn subscribe(cx: &mut Cx) -> Ret {
    let system = system(cx, "events.subscribe")?;
    let kind = match cx.l.is_nil(2) {
        true => String::new(),
        false => cx.string(2)?,
    };
    let system = match system {
        Ok(system) => system,
        Err(error) => return cx.fail(error),
    };
    let filter = Filter::loose(&system, &kind);
    let wake = Box::new(cx.feed_waker()?);
    let args = Box::new(Subscribe { filter, wake });
    cx.command(CommandId::EVENTS_SUBSCRIBE, args, finish_subscribe)
}

fn finish_subscribe(vm: &mut VmData, l: State, result: Result<Answer, Error>) -> c_int {
    let subscribed = match result {
        Ok(Answer::Boxed(answer)) => answer.downcast::<Subscribed>().ok(),
        Ok(_) => None,
        Err(error) => return push_failure(l, error),
    };
    let channel = subscribed.and_then(|it| vm.open_subscription(it.owner, it.feeding, false));
    let Some(channel) = channel else {
        return push_failure(l, Error::internal("nothing was subscribed to"));
    };
    let channel = vm.hold_channel(channel);
    l.push_userdata(SubscriptionObject { channel });
    1
}

fn send(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let system = system(cx, "events.send")?;
    let (kind, path) = (cx.string(2)?, cx.string(3)?);
    let system = match system {
        Ok(system) => system,
        Err(error) => return cx.fail(error),
    };
    for (name, text) in [("kind", &kind), ("path", &path)] {
        if text.is_empty() {
            return cx.fail(Error::invalid(format!("{name} cannot be empty")));
        }
    }
    let data = match l.is_nil(4) {
        true => Payload::Value(Value::Nil),
        false => {
            let mut data = Wire::new();
            wire::encode_one(l, 4, &mut data)?;
            Payload::Wire(data)
        }
    };
    let event = Event { system, kind, path, data };
    cx.command(CommandId::EVENTS_SEND, Box::new(event), finish_send)
}

fn finish_send(_: &mut VmData, l: State, result: Result<Answer, Error>) -> c_int {
    match result {
        Ok(_) => {
            l.push_bool(true);
            1
        }
        Err(error) => push_failure(l, error),
    }
}

/// The channel of the subscription a method is called on.
fn this(cx: &Cx) -> Result<u32, Raise> {
    let found = cx.l.with::<SubscriptionObject, _>(1, |this| this.channel.id);
    found.ok_or_else(|| cx.wrong_type(1, "events.Subscription"))
}

fn channel(cx: &mut Cx) -> Ret {
    let id = this(cx)?;
    let l = cx.l;
    cx.vm().push_channel(l, id);
    cx.values(1)
}

/// Waiting receivers go on first, the closer behind them.
fn close(cx: &mut Cx) -> Ret {
    let id = this(cx)?;
    let vm = cx.vm();
    let wakes = !vm.channels[id].receivers.is_empty();
    vm.close_subscription(id);
    cx.l.push_bool(true);
    match wakes && cx.suspendable().is_ok() {
        true => cx.step_aside(1),
        false => cx.values(1),
    }
}

fn text(cx: &mut Cx) -> Ret {
    this(cx)?;
    cx.str("events.Subscription{}")
}
