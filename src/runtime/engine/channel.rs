//! Channels between the coroutines of one process: no locks, one slab per VM.
//!
//! A channel object in Lua is a number in a userdata; the channel lies in [`VmData::channels`]. It lives
//! while something holds it: its object, cases made from it, a subscription, a timer. Objects die
//! in a finalizer, which may touch nothing, so it leaves the number in a graveyard that is emptied
//! at the end of each slice.
//!
//! Channels of subscriptions have no buffer of their own: they take straight from the process's mail
//! ([`mail`](crate::runtime::engine::mail)), which is unbounded, so mail that nobody asked for yet
//! stays in the mailbox, and polling sees it.
//!
//! Known limit: a value that is buffered in a channel and leads back to that same channel lives until
//! the process ends, because the registry holds it.

use std::ffi::{CStr, c_int};
use std::ptr::NonNull;

use crate::core::reactor::timers::TimerId;
use crate::infra::clock::Nanos;
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::future::Future;
use crate::runtime::engine::listeners::Listener;
use crate::runtime::engine::queue::{Queue, Waiters};
use crate::runtime::engine::raw::{State, Tagged};
use crate::runtime::engine::slab::NONE;
use crate::runtime::engine::slot::Slot;
use crate::runtime::engine::tags;
use crate::runtime::engine::vm::VmData;

/// Where a channel's values come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// From `send`.
    Lua,
    /// User messages nobody listens to by topic.
    Inbox,
    /// Lifecycle events.
    Events,
    /// A listener of the process, by its place in the list.
    Listener,
    /// A subscription to the event bus.
    Bus,
}

/// A timer that feeds a channel.
#[derive(Clone, Copy, Debug)]
pub struct ChannelTimer {
    pub id: TimerId,
    /// Zero for a single shot.
    pub period: Nanos,
    pub next: Nanos,
}

/// A sender that waits for room.
pub struct Sender {
    pub coroutine: u32,
    pub value: Slot,
}

pub struct Channel {
    pub process: u32,
    /// Holders: the object, cases, a subscription, a pending timer. Zero: the place is free.
    pub holders: u32,
    pub generation: u32,
    pub capacity: u32,
    pub source: Source,
    pub closed: bool,
    pub buffer: Queue<Slot>,
    pub receivers: Waiters,
    pub senders: Queue<Sender>,
    pub timer: Option<ChannelTimer>,
    /// It has the result of an asynchronous call, or will have it.
    pub future: Option<Box<Future>>,
    /// It takes the mail of topics.
    pub listener: Option<Box<Listener>>,
    /// Neighbours in the list of the process's channels.
    pub previous: u32,
    pub next: u32,
}

/// The dead of a slice. Finalizers write here through a pointer of their own.
#[derive(Default)]
pub struct Graveyard {
    pub channels: Vec<u32>,
}

/// A hold on a channel inside a userdata; letting it go is noted in the graveyard.
pub struct ChannelRef {
    pub id: u32,
    graveyard: NonNull<Graveyard>,
}

impl ChannelRef {
    pub fn new(id: u32, graveyard: NonNull<Graveyard>) -> ChannelRef {
        ChannelRef { id, graveyard }
    }
}

impl Drop for ChannelRef {
    fn drop(&mut self) {
        // SAFETY: the graveyard is allocated on its own and freed after the state is closed; only
        // finalizers and the end of a slice touch it, on the thread that runs the VM.
        unsafe { self.graveyard.as_mut() }.channels.push(self.id);
    }
}

/// The channel object of Lua.
pub struct ChannelObject(pub ChannelRef);

impl Tagged for ChannelObject {
    const TAG: c_int = tags::CHANNEL;
    const NAME: &'static CStr = c"channel";
}

/// What an operation did at once.
pub enum Attempt {
    Done,
    /// The channel is closed.
    Closed,
    /// It has to wait.
    Wait,
}

impl VmData {
    /// A new channel of the running process, with no holder yet.
    pub fn new_channel(&mut self, process: u32, capacity: u32, source: Source) -> u32 {
        let generation = 0;
        let channel = Channel {
            process,
            holders: 0,
            generation,
            capacity,
            source,
            closed: false,
            buffer: Queue::default(),
            receivers: Waiters::None,
            senders: Queue::default(),
            timer: None,
            future: None,
            listener: None,
            previous: NONE,
            next: self.processes[process].channels,
        };
        let id = self.channels.insert(channel);
        let first = std::mem::replace(&mut self.processes[process].channels, id);
        if first != NONE {
            self.channels[first].previous = id;
        }
        id
    }

    /// Pushes the one object of a channel.
    pub fn push_channel(&mut self, l: State, id: u32) {
        self.objects.push(l);
        if l.raw_get_index(-1, id as usize + 1) == crate::runtime::engine::raw::Type::Nil {
            l.pop(1);
            self.channels[id].holders += 1;
            // Most of a channel is not in the object: without this a loop that makes channels would have
            // left hundreds of megabytes behind before they are collected.
            l.pace(size_of::<Channel>());
            l.push_userdata(ChannelObject(ChannelRef::new(id, self.graveyard)));
            l.push_value(-1);
            l.raw_set_index(-3, id as usize + 1);
        }
        l.remove(-2);
    }

    /// The channel object at `index`.
    pub fn channel_at(l: State, index: c_int) -> Option<u32> {
        l.with::<ChannelObject, _>(index, |object| object.0.id)
    }

    /// A further hold, to be kept in a userdata.
    pub fn hold_channel(&mut self, id: u32) -> ChannelRef {
        self.channels[id].holders += 1;
        ChannelRef::new(id, self.graveyard)
    }

    /// Lets a hold go; the last one frees the channel.
    pub fn release_channel(&mut self, id: u32) {
        let channel = &mut self.channels[id];
        channel.holders = channel.holders.saturating_sub(1);
        if channel.holders == 0 {
            self.free_channel(id);
        }
    }

    /// Frees what finalizers have left.
    pub fn bury(&mut self) {
        // SAFETY: as in `ChannelRef::drop`; the list is taken out before anything else happens.
        let dead = std::mem::take(&mut unsafe { self.graveyard.as_mut() }.channels);
        for id in dead {
            // The process may have ended before, and taken its channels with it.
            if self.channels.contains(id) {
                self.release_channel(id);
            }
        }
    }

    fn free_channel(&mut self, id: u32) {
        let channel = &self.channels[id];
        let (process, previous, next) = (channel.process, channel.previous, channel.next);
        match previous {
            NONE => self.processes[process].channels = next,
            previous => self.channels[previous].next = next,
        }
        if next != NONE {
            self.channels[next].previous = previous;
        }
        let channel = self.channels.remove(id);
        self.buffered -= channel.buffer.len();
        if let Some(timer) = channel.timer {
            self.timers.cancel(timer.id);
            self.lose_timer(process);
        }
    }

    /// Frees all channels of a process that has ended. Objects that still exist die later; their
    /// numbers must not be given out before, so the places stay taken until then.
    pub fn end_channels(&mut self, process: u32) {
        let mut id = std::mem::replace(&mut self.processes[process].channels, NONE);
        while id != NONE {
            let channel = &mut self.channels[id];
            let next = channel.next;
            self.buffered -= channel.buffer.len();
            channel.buffer = Queue::default();
            channel.senders = Queue::default();
            channel.future = None;
            channel.listener = None;
            channel.receivers = Waiters::None;
            channel.closed = true;
            channel.previous = NONE;
            channel.next = NONE;
            channel.process = self.limbo;
            // The subscription's own hold goes with the process.
            if channel.source != Source::Lua {
                channel.holders -= 1;
            }
            if let Some(timer) = channel.timer.take() {
                self.timers.cancel(timer.id);
            }
            match channel.holders {
                0 => {
                    self.channels.remove(id);
                }
                _ => self.adopt(id),
            }
            id = next;
        }
    }

    /// Hangs an ended process's channel into the list of the limbo process, which owns nothing else.
    fn adopt(&mut self, id: u32) {
        let limbo = self.limbo;
        let first = std::mem::replace(&mut self.processes[limbo].channels, id);
        self.channels[id].next = first;
        if first != NONE {
            self.channels[first].previous = id;
        }
    }

    // -- operations -------------------------------------------------------------------------

    /// Receives at once if possible: pushes the value and `true`, or `nil, false` when closed.
    pub fn try_receive(&mut self, l: State, id: u32) -> Attempt {
        match self.take_ready(l, id) {
            Attempt::Done => {
                l.push_bool(true);
                Attempt::Done
            }
            other => other,
        }
    }

    /// Pushes the next value of a channel that has one, or tells why there is none.
    pub fn take_ready(&mut self, l: State, id: u32) -> Attempt {
        let channel = &mut self.channels[id];
        if let Some(value) = channel.buffer.pop_front() {
            value.push(l);
            // A waiting sender's value moves into the free slot.
            if let Some(sender) = channel.senders.pop_front() {
                channel.buffer.push_back(sender.value);
                self.sent(sender.coroutine, id);
            } else {
                self.buffered -= 1;
            }
            return Attempt::Done;
        }
        if let Some(sender) = channel.senders.pop_front() {
            sender.value.push(l);
            self.sent(sender.coroutine, id);
            return Attempt::Done;
        }
        if channel.closed {
            return Attempt::Closed;
        }
        if channel.source != Source::Lua && self.take_mail(l, id) {
            return Attempt::Done;
        }
        Attempt::Wait
    }

    /// Would a receive be done at once?
    pub fn can_receive(&self, id: u32) -> bool {
        let channel = &self.channels[id];
        !channel.buffer.is_empty()
            || !channel.senders.is_empty()
            || channel.closed
            || (channel.source != Source::Lua && self.has_mail(id))
    }

    pub fn can_send(&self, id: u32) -> bool {
        let channel = &self.channels[id];
        !channel.closed
            && (!channel.receivers.is_empty() || channel.buffer.len() < channel.capacity as usize)
    }

    /// Sends the value on top of `l`, which is popped unless the sender has to wait.
    pub fn try_send(&mut self, l: State, id: u32) -> Attempt {
        let channel = &mut self.channels[id];
        if channel.closed {
            return Attempt::Closed;
        }
        if let Some(receiver) = channel.receivers.pop_front() {
            self.received(receiver, id, true, |_, receiver| l.move_to(receiver, 1));
            return Attempt::Done;
        }
        if channel.buffer.len() < channel.capacity as usize {
            channel.buffer.push_back(Slot::take(l));
            self.buffered += 1;
            return Attempt::Done;
        }
        Attempt::Wait
    }

    /// Puts a value into the buffer of a channel, whether that has room or not.
    pub fn buffer(&mut self, id: u32, value: Slot) {
        self.channels[id].buffer.push_back(value);
        self.buffered += 1;
    }

    /// Discards what the buffer of a channel holds.
    pub fn empty_buffer(&mut self, id: u32) {
        let buffer = std::mem::take(&mut self.channels[id].buffer);
        self.buffered -= buffer.len();
    }

    /// Offers a value the runtime made: to a waiting receiver, or into the buffer if it has room.
    pub fn offer(&mut self, id: u32, push: impl FnOnce(State)) {
        let main = self.main;
        push(main);
        if !matches!(self.try_send(main, id), Attempt::Done) {
            main.pop(1);
        }
    }

    pub fn close_channel(&mut self, id: u32) {
        let channel = &mut self.channels[id];
        if std::mem::replace(&mut channel.closed, true) {
            return;
        }
        let senders = std::mem::take(&mut channel.senders);
        let mut receivers = std::mem::take(&mut channel.receivers);
        for sender in senders {
            self.send_failed(sender.coroutine, id);
        }
        while let Some(receiver) = receivers.pop_front() {
            self.received(receiver, id, false, |_, l| l.push_nil());
        }
    }

    /// Takes a coroutine that no longer waits out of a channel's queues.
    pub fn withdraw(&mut self, id: u32, coroutine: u32) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.receivers.withdraw(coroutine);
        channel.senders.remove_last(|sender| sender.coroutine == coroutine);
    }

    /// A waiting receiver gets a value, pushed onto its thread, or the news that the channel is closed.
    pub fn received(
        &mut self,
        coroutine: u32,
        id: u32,
        ok: bool,
        push: impl FnOnce(&mut VmData, State),
    ) {
        let inner = self.coroutines[coroutine].inner;
        match std::mem::replace(&mut self.coroutines[coroutine].wait, Wait::None) {
            Wait::Select(cases) => {
                push(self, inner);
                self.finish_select(coroutine, inner, id, ok, &cases);
            }
            _ => {
                push(self, inner);
                inner.push_bool(ok);
                self.wake(coroutine, 2);
            }
        }
    }

    /// A waiting sender's value has been taken.
    fn sent(&mut self, coroutine: u32, id: u32) {
        let inner = self.coroutines[coroutine].inner;
        match std::mem::replace(&mut self.coroutines[coroutine].wait, Wait::None) {
            Wait::Select(cases) => {
                Self::push_sent_value(inner, &cases, id);
                self.finish_select(coroutine, inner, id, true, &cases);
            }
            _ => {
                inner.push_bool(true);
                self.wake(coroutine, 1);
            }
        }
    }

    /// A waiting sender's channel was closed.
    fn send_failed(&mut self, coroutine: u32, id: u32) {
        let inner = self.coroutines[coroutine].inner;
        if let Wait::Select(cases) =
            std::mem::replace(&mut self.coroutines[coroutine].wait, Wait::None)
        {
            self.withdraw_all(coroutine, &cases, id);
        }
        inner.push_nil();
        crate::runtime::engine::error::push(inner, closed_error());
        self.wake(coroutine, 2);
    }
}

pub fn closed_error() -> crate::infra::error::Error {
    crate::infra::error::Error::invalid("send on closed channel")
}

#[cfg(test)]
mod tests {
    use std::sync::Weak;

    use super::*;
    use crate::app::node::{Node, Options};
    use crate::core::pid::Pid;
    use crate::runtime::engine::process::Process;
    use crate::runtime::engine::raw::Guard;
    use crate::runtime::engine::vm::LuaVm;
    use crate::system::host::Seat;

    /// A VM with one process.
    fn check(test: impl FnOnce(&mut VmData, u32)) {
        let node = Node::start(Options::default()).expect("starts");
        let (vm, _interrupt) =
            LuaVm::create(node.kernel.clone(), Weak::new(), Seat::of_vm(0)).expect("created");
        let data = vm.data();
        let _guard = Guard::enter(data.main);
        let process = data.processes.insert(Process::new(Pid::NONE));
        test(data, process);
    }

    #[test]
    fn nothing_is_left_of_an_ended_process_once_its_objects_are_gone() {
        check(|data, process| {
            let main = data.main;
            let inbox = data.subscription(process, Source::Inbox);
            let own = data.new_channel(process, 1, Source::Lua);
            for id in [inbox, own] {
                data.push_channel(main, id);
                main.pop(1);
            }
            data.subscription(process, Source::Events);
            data.end_channels(process);
            assert_eq!(data.channels.len(), 2, "the two that have objects");
            main.collect();
            main.collect();
            data.bury();
            assert!(data.channels.is_empty());
        });
    }

    #[test]
    fn dead_channels_make_the_collector_work() {
        const MADE: usize = 500_000;
        check(|data, process| {
            let main = data.main;
            let mut most = 0;
            for n in 0..MADE {
                let id = data.new_channel(process, 0, Source::Lua);
                data.push_channel(main, id);
                main.pop(1);
                if n % 1000 == 0 {
                    data.bury();
                }
                most = most.max(data.channels.len());
            }
            assert!(most < MADE / 8, "{most} channels at a time");
        });
    }
}
