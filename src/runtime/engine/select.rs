//! `channel.select`: the first ready case in the order of the list, else wait for all of them.

use std::ffi::{CStr, c_int};

use smallvec::SmallVec;

use crate::runtime::engine::channel::{Attempt, ChannelRef, Sender};
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::raw::{Charge, State, Tagged, Type};
use crate::runtime::engine::slot::Slot;
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Done, Ret, tags};

/// A case object: a channel and what to do with it. May be used many times.
pub struct CaseObject {
    pub channel: ChannelRef,
    /// The value of a send case; `None` receives.
    pub send: Option<Slot>,
}

impl Tagged for CaseObject {
    const TAG: c_int = tags::CASE;
    const NAME: &'static CStr = c"channel.case";
}

/// A case a coroutine waits on.
pub struct Waiting {
    pub channel: u32,
    /// Set for a send case.
    pub value: Option<Slot>,
}

/// What a coroutine waits on, all at once.
pub struct Cases {
    list: SmallVec<[Waiting; 2]>,
    _charge: Charge,
}

/// Bytes that a waiting case takes: here, and in the queue of its channel.
const CASE_SIZE: usize = size_of::<Waiting>() + size_of::<Sender>();

/// `channel.select{case, ..., default = bool?}`, or with the flag as second argument.
pub fn select(cx: &mut Cx) -> Ret {
    cx.table(1)?;
    let l = cx.l;
    let has_default = l.bool(2) || {
        let set = l.get_field(1, "default") != Type::Nil && l.bool(-1);
        l.pop(1);
        set
    };
    let mut places = Places::of(l);
    let mut open_cases = 0;
    let mut closed_sends = 0;
    // First pass: the first ready case wins.
    while let Some(n) = places.next(l) {
        l.raw_get_index(1, n);
        let Some((channel, sends)) =
            l.with::<CaseObject, _>(-1, |case| (case.channel.id, case.send.is_some()))
        else {
            // What `cond and ch:case_receive()` leaves of a case that is not wanted.
            let unwanted = match l.type_of(-1) {
                Type::Nil => true,
                Type::Boolean => !l.bool(-1),
                _ => false,
            };
            if unwanted {
                l.pop(1);
                continue;
            }
            return Err("invalid select case".into());
        };
        let vm = cx.vm();
        if sends {
            if vm.channels[channel].closed {
                closed_sends += 1;
            } else {
                open_cases += 1;
                if vm.can_send(channel) {
                    // The value twice: one to send, one to show.
                    push_case_value(l);
                    l.push_value(-1);
                    if let Attempt::Done = vm.try_send(l, channel) {
                        return push_result(cx, channel, true);
                    }
                    l.pop(2);
                }
            }
            l.pop(1);
            continue;
        }
        open_cases += 1;
        match vm.take_ready(l, channel) {
            Attempt::Done => return push_result(cx, channel, true),
            Attempt::Closed => {
                l.push_nil();
                return push_result(cx, channel, false);
            }
            Attempt::Wait => l.pop(1),
        }
    }
    if has_default {
        l.new_table(0, 2);
        l.push_bool(true);
        l.set_field(-2, "default");
        l.push_bool(true);
        l.set_field(-2, "ok");
        return cx.values(1);
    }
    if open_cases == 0 && closed_sends > 0 {
        return Err("send on closed channel".into());
    }
    wait(cx, places, open_cases)
}

/// Where the cases are in the table: in its list part, which may end at a hole, then what lies behind
/// holes. Most selects have none, and are done with the list part when a case is ready.
struct Places {
    count: usize,
    /// Behind a hole, in order; `None`: nobody has looked.
    behind: Option<SmallVec<[usize; 4]>>,
    next: usize,
}

impl Places {
    fn of(l: State) -> Places {
        Places { count: l.raw_len(1), behind: None, next: 0 }
    }

    fn next(&mut self, l: State) -> Option<usize> {
        self.next += 1;
        if self.next <= self.count {
            return Some(self.next);
        }
        let behind = self.behind.get_or_insert_with(|| places_behind(l, self.count));
        behind.get(self.next - self.count - 1).copied()
    }

    fn again(self) -> Places {
        Places { next: 0, ..self }
    }
}

/// The places of the table's values behind `count`.
fn places_behind(l: State, count: usize) -> SmallVec<[usize; 4]> {
    let mut places = SmallVec::new();
    let mut cursor = 0;
    while let Some(next) = l.next_pair(1, cursor) {
        let key = if l.type_of(-2) == Type::Number { l.number(-2) } else { None };
        let range = count as f64 + 1.0..=f64::from(c_int::MAX);
        places.extend(key.filter(|n| range.contains(n) && n.fract() == 0.0).map(|n| n as usize));
        l.pop(2);
        cursor = next;
    }
    places.sort_unstable();
    places
}

/// Second pass: nothing is ready, so the coroutine waits on every open case.
fn wait(cx: &mut Cx, places: Places, open_cases: usize) -> Ret {
    let l = cx.l;
    let coroutine = cx.suspendable()?;
    if open_cases == 0 {
        return cx.suspend(Wait::Forever);
    }
    let mut cases = SmallVec::new();
    let mut places = places.again();
    while let Some(n) = places.next(l) {
        l.raw_get_index(1, n);
        let case = l.with::<CaseObject, _>(-1, |case| {
            (case.channel.id, case.send.as_ref().map(|value| value.share()))
        });
        l.pop(1);
        let Some((channel, value)) = case else { continue };
        let vm = cx.vm();
        if value.is_some() && vm.channels[channel].closed {
            continue;
        }
        match &value {
            Some(value) => {
                let value = value.share();
                vm.channels[channel].senders.push_back(Sender { coroutine, value });
            }
            None => vm.channels[channel].receivers.push_back(coroutine),
        }
        cases.push(Waiting { channel, value });
    }
    // A few are part of the coroutine; many are as large as the table may be that names them.
    let behind = if cases.spilled() { cases.capacity() * CASE_SIZE } else { 0 };
    let cases = Cases { list: cases, _charge: Charge::of(behind) };
    cx.suspend(Wait::Select(Box::new(cases)))
}

/// Pushes the value of the send case on top of the stack.
fn push_case_value(l: State) {
    let value = l.with::<CaseObject, _>(-1, |case| case.send.as_ref().map(|v| v.share()));
    match value.flatten() {
        Some(value) => value.push(l),
        None => l.push_nil(),
    }
}

/// The value is on top: `{channel =, value =, ok =}`.
fn push_result(cx: &mut Cx, channel: u32, ok: bool) -> Ret {
    let l = cx.l;
    cx.vm().push_select_result(l, channel, ok);
    Ok(Done::Values(1))
}

impl VmData {
    /// Turns the value on top of `l` into a result table.
    pub fn push_select_result(&mut self, l: State, channel: u32, ok: bool) {
        let value = l.top();
        self.select_result.push(l);
        l.clone_table(-1);
        self.keys.value.push(l);
        l.push_value(value);
        l.raw_set(-3);
        self.keys.ok.push(l);
        l.push_bool(ok);
        l.raw_set(-3);
        self.keys.channel.push(l);
        self.push_channel(l, channel);
        l.raw_set(-3);
        // The value's place takes the table, the template goes.
        l.replace(value);
        l.pop(1);
    }

    /// A suspended select is done: its value is on top of `inner`.
    pub fn finish_select(
        &mut self,
        coroutine: u32,
        inner: State,
        channel: u32,
        ok: bool,
        cases: &Cases,
    ) {
        self.withdraw_all(coroutine, cases, channel);
        self.push_select_result(inner, channel, ok);
        self.wake(coroutine, 1);
    }

    /// Takes a coroutine out of all channels of its select; `done` has let it go already, once.
    pub fn withdraw_all(&mut self, coroutine: u32, cases: &Cases, done: u32) {
        let mut skipped = false;
        for case in &cases.list {
            if case.channel == done && !skipped {
                skipped = true;
                continue;
            }
            self.withdraw(case.channel, coroutine);
        }
    }

    pub fn push_sent_value(l: State, cases: &Cases, channel: u32) {
        let value = cases.list.iter().find(|case| case.channel == channel && case.value.is_some());
        match value.and_then(|case| case.value.as_ref()) {
            Some(value) => value.push(l),
            None => l.push_nil(),
        }
    }
}
