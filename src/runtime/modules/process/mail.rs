//! Messages: sending, and the channels that take them.

use crate::core::relay::mailbox::Resume;
use crate::core::relay::{Body, Package, Posted};
use crate::core::vm::Answer;
use crate::infra::error::Error;
use crate::infra::transcoder::wire::Wire;
use crate::runtime::engine::channel::Source;
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::mail::Payload;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::slot::Slot;
use crate::runtime::engine::topic::Topic;
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Raise, Ret, copy, wire};
use crate::runtime::modules::process::push_failure;

pub(super) fn send(cx: &mut Cx) -> Ret {
    let l = cx.l;
    if l.top() < 2 {
        return cx.fail(Error::invalid("send requires at least destination and topic arguments"));
    }
    let to = match cx.destination(1)? {
        Ok(to) => to,
        Err(error) => return cx.fail(error),
    };
    let topic = cx.text(2)?;
    if topic.first() == Some(&b'@') {
        return cx.fail(Error::invalid("cannot send to @ topics"));
    }
    if !cx.is_unchecked()
        && let Some(denied) = cx.refuses_pid("process.send", "send to", to, 1)?
    {
        return cx.fail(denied);
    }
    let from = cx.self_pid();
    // Beside us: copy the values over.
    if let Some(&target) = cx.vm().by_uniq.get(&to.uniq())
        && cx.vm().processes[target].pid == to
    {
        let payload = copied(cx, 3)?;
        let vm = cx.vm();
        let topic = vm.topics.of(l, 2);
        let mail = vm.mail(from, topic, payload);
        vm.receive_mail(target, mail);
        let is_crowded = vm.is_crowded(target) && target != vm.current;
        l.push_bool(true);
        return if is_crowded { cx.give_way(1) } else { cx.values(1) };
    }
    let mut message = Wire::with_buffer(std::mem::take(&mut cx.vm().scratch));
    message.str(topic);
    wire::encode_arguments(l, 3, l.top(), &mut message)?;
    let message = message.seal(&mut cx.vm().scratch);
    post(cx, Package { from, to, body: Body::Message(message) })
}

/// Copies of the arguments from `first` on.
fn copied(cx: &Cx, first: i32) -> Result<Payload, Raise> {
    let l = cx.l;
    Ok(match l.top() - first + 1 {
        ..=0 => Payload::None,
        1 => {
            copy::argument(l, first)?;
            Payload::One(Slot::take(l))
        }
        _ => {
            let mut slots = Vec::new();
            for index in first..=l.top() {
                copy::argument(l, index)?;
                slots.push(Slot::take(l));
            }
            Payload::many(slots)
        }
    })
}

/// Sends to another VM or node; suspends the sender while its lane is full.
fn post(cx: &mut Cx, package: Package) -> Ret {
    let can_wait = cx.can_suspend();
    let vm = cx.vm();
    let current = vm.current;
    let mut ticket = vm.processes[current].ticket.take();
    // Made only if the lane is full: most packages never see a lane.
    let resume = || -> Resume {
        match vm.completer() {
            Some(done) => Box::new(move || done(Ok(Answer::Bool(true)))),
            None => Box::new(|| ()),
        }
    };
    let posted = vm.kernel.mailbox.send(package, &mut ticket, resume);
    vm.processes[current].ticket = ticket;
    match posted {
        Ok(Posted::Delivered | Posted::InLane) => cx.bool(true),
        // Where it cannot wait, as in a metamethod, the package is in the lane all the same.
        Ok(Posted::Suspend) if !can_wait => cx.bool(true),
        Ok(Posted::Suspend) => cx.suspend(Wait::Command(finish_bool)),
        Err(refused) => cx.fail(refused.reason.into()),
    }
}

fn finish_bool(_vm: &mut VmData, l: State, result: Result<Answer, Error>) -> i32 {
    match result {
        Ok(_) => {
            l.push_bool(true);
            1
        }
        Err(problem) => push_failure(l, problem),
    }
}

pub(super) fn inbox(cx: &mut Cx) -> Ret {
    subscription(cx, Source::Inbox)
}

pub(super) fn events(cx: &mut Cx) -> Ret {
    subscription(cx, Source::Events)
}

fn subscription(cx: &mut Cx, source: Source) -> Ret {
    let l = cx.l;
    let vm = cx.vm();
    let channel = vm.subscription(vm.current, source);
    vm.push_channel(l, channel);
    cx.values(1)
}

pub(super) fn listen(cx: &mut Cx) -> Ret {
    if let Some(problem) = topic_problem(cx.text(1)?) {
        return cx.fail(problem);
    }
    let l = cx.l;
    let messages = match l.type_of(2) {
        Type::None | Type::Nil => false,
        _ => {
            cx.table(2)?;
            let set = l.get_field(2, "message") != Type::Nil && l.bool(-1);
            l.pop(1);
            set
        }
    };
    let vm = cx.vm();
    let topic: Topic = vm.topics.of(l, 1);
    let channel = vm.listen(vm.current, topic, messages);
    vm.push_channel(l, channel);
    cx.values(1)
}

pub(super) fn unlisten(cx: &mut Cx) -> Ret {
    let channel = VmData::channel_at(cx.l, 1).ok_or_else(|| cx.wrong_type(1, "channel"))?;
    let vm = cx.vm();
    match vm.unlisten(vm.current, channel) {
        true => cx.bool(true),
        false => cx.refuse(Error::not_found("channel is not subscribed")),
    }
}

/// Why nobody can listen to a topic.
fn topic_problem(topic: &[u8]) -> Option<Error> {
    match topic.first() {
        None => Some(Error::invalid("topic cannot be empty")),
        Some(b'@') => Some(Error::invalid("cannot listen to @ topics")),
        Some(_) => None,
    }
}

/// Global `subscribe(topic, channel)`: mail of a topic goes to a channel of the program's own.
pub(super) fn subscribe(cx: &mut Cx) -> Ret {
    let problem = topic_problem(cx.text(1)?);
    let l = cx.l;
    let channel = VmData::channel_at(l, 2).ok_or_else(|| cx.wrong_type(2, "channel"))?;
    if let Some(problem) = problem {
        return cx.fail(problem);
    }
    let vm = cx.vm();
    let topic = vm.topics.of(l, 1);
    match vm.subscribe(vm.current, topic, channel) {
        Ok(()) => {
            l.push_value(2);
            cx.values(1)
        }
        Err(error) => cx.fail(error),
    }
}

/// Global `unsubscribe(channel)`: the channel stays open, later mail goes where it would without it.
pub(super) fn unsubscribe(cx: &mut Cx) -> Ret {
    let channel = VmData::channel_at(cx.l, 1).ok_or_else(|| cx.wrong_type(1, "channel"))?;
    let vm = cx.vm();
    match vm.unsubscribe(vm.current, channel) {
        true => cx.bool(true),
        false => cx.refuse(Error::not_found("channel is not subscribed")),
    }
}
