//! Subscriptions of processes to the event bus.
//!
//! The bus fills a feed and posts one event to the VM when something is in it; the VM then moves all
//! of it to the process, where it waits until somebody receives. So neither a flood nor a process
//! that never reads costs anybody else more than the queue.
//!
//! In the process they wait as the bus has them and become tables when they are received: each
//! receiver gets a copy of its own.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::core::pid::Pid;
use crate::core::vm::Event as Incoming;
use crate::infra::event_bus::{Event, Feed, Feeding, Payload};
use crate::runtime::engine::channel::Source;
use crate::runtime::engine::raw::{Charge, State};
use crate::runtime::engine::slot::Slot;
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Raise, value, wire};
use crate::system::spawn::InputSink;

/// Events that can still be received once a subscription is closed: the buffer of its channel.
const BUFFER: u32 = 64;

/// A subscription of a process; over when dropped.
pub struct Subscription {
    channel: u32,
    feeding: Feeding,
    /// Receivers get the data alone, not an event of the bus.
    bare: bool,
    /// Moved here, not yet received. As unbounded as all mail of a process.
    waiting: VecDeque<Arc<Event>>,
    /// For what waits; only where memory is limited.
    charge: Charge,
}

/// Where the events of a process's terminal go.
pub struct TerminalInput {
    pub channel: u32,
    /// The program has the channel.
    pub taken: bool,
    pub sink: InputSink,
}

impl Cx {
    /// Tells this VM, from any thread, that events wait in a feed of the running process.
    pub fn feed_waker(&mut self) -> Result<impl Fn(&Arc<Feed>) + Send + use<>, Raise> {
        let pid = self.self_pid();
        let vm = self.vm();
        let cell = vm.cell().ok_or("no VM runs here")?.clone();
        let scheduler = vm.kernel.scheduler.clone();
        Ok(move |feed: &Arc<Feed>| {
            cell.post(Incoming::News { pid, feed: feed.clone() });
            scheduler.notify(&cell);
        })
    }
}

impl VmData {
    /// Gives a process of this VM a subscription; its channel. None: the process is gone.
    /// `bare`: its receivers get the data of events alone.
    pub fn open_subscription(&mut self, owner: Pid, feeding: Feeding, bare: bool) -> Option<u32> {
        let process = *self.by_uniq.get(&owner.uniq())?;
        let channel = self.new_channel(process, BUFFER, Source::Bus);
        self.channels[channel].holders += 1;
        let subscription = Subscription {
            channel,
            feeding,
            bare,
            waiting: VecDeque::new(),
            charge: Charge::default(),
        };
        let extra = self.processes[process].extra.get_or_insert_default();
        extra.subscriptions.push(subscription);
        Some(channel)
    }

    /// Ends the subscription of a channel and closes it: what its buffer holds can still be
    /// received, the rest is discarded.
    pub fn close_subscription(&mut self, channel: u32) {
        let process = self.channels[channel].process;
        let Some(extra) = &mut self.processes[process].extra else { return };
        let Some(at) = extra.subscriptions.iter().position(|s| s.channel == channel) else {
            return;
        };
        let Subscription { waiting, feeding, bare, .. } = extra.subscriptions.remove(at);
        drop(feeding);
        let main = self.main;
        for event in waiting.iter().take(BUFFER as usize) {
            push_event(main, event, bare);
            let slot = Slot::take(main);
            self.buffer(channel, slot);
        }
        self.channels[channel].source = Source::Lua;
        self.close_channel(channel);
        self.release_channel(channel);
    }

    /// Takes over what waits in a feed and hands it to those who wait for it.
    pub fn take_news(&mut self, owner: Pid, feed: &Arc<Feed>) {
        let Some(&process) = self.by_uniq.get(&owner.uniq()) else { return };
        let Some(extra) = &mut self.processes[process].extra else { return };
        let is_it = |s: &&mut Subscription| Arc::ptr_eq(s.feeding.feed(), feed);
        let Some(subscription) = extra.subscriptions.iter_mut().find(is_it) else { return };
        let known = subscription.waiting.len();
        feed.take(&mut subscription.waiting);
        if self.memory_limit.is_some() {
            subscription.charge.add(subscription.waiting.iter().skip(known).map(weight).sum());
        }
        let channel = subscription.channel;
        while self.has_event(channel)
            && let Some(receiver) = self.channels[channel].receivers.pop_front()
        {
            self.received(receiver, channel, true, |vm, l| {
                vm.take_event(l, channel);
            });
        }
    }

    fn subscription_of(&mut self, channel: u32) -> Option<&mut Subscription> {
        let process = self.channels[channel].process;
        let extra = self.processes[process].extra.as_mut()?;
        extra.subscriptions.iter_mut().find(|s| s.channel == channel)
    }

    /// Does an event wait for this subscription's channel?
    pub fn has_event(&self, channel: u32) -> bool {
        let process = &self.processes[self.channels[channel].process];
        process.extra.as_ref().is_some_and(|extra| {
            extra.subscriptions.iter().any(|s| s.channel == channel && !s.waiting.is_empty())
        })
    }

    /// Pushes the next event of this subscription's channel.
    pub fn take_event(&mut self, l: State, channel: u32) -> bool {
        let Some(subscription) = self.subscription_of(channel) else { return false };
        let bare = subscription.bare;
        let next = subscription.waiting.pop_front();
        if let Some(event) = &next {
            if !subscription.charge.is_empty() {
                subscription.charge.take(weight(event));
            }
            push_event(l, event, bare);
        }
        next.is_some()
    }
}

/// Bytes that a waiting event holds. It may wait elsewhere too, but for how long is up to each.
fn weight(event: &Arc<Event>) -> usize {
    let data = match &event.data {
        Payload::Value(value) => value.heap(),
        Payload::Wire(wire) => wire.len(),
        Payload::Part(_) => 0,
    };
    let texts = event.system.len() + event.kind.len() + event.path.len();
    size_of::<Event>() + texts + data
}

/// Pushes `{system =, kind =, path =, data =}`, without data if there is none, or the data alone.
fn push_event(l: State, event: &Event, bare: bool) {
    if bare {
        return push_data(l, event);
    }
    l.new_table(0, 4);
    for (name, text) in [("system", &event.system), ("kind", &event.kind), ("path", &event.path)] {
        l.push_str(text);
        l.set_field(-2, name);
    }
    push_data(l, event);
    l.set_field(-2, "data");
}

fn push_data(l: State, event: &Event) {
    match &event.data {
        Payload::Value(data) => value::push(l, data),
        Payload::Wire(data) => {
            if wire::decode_all(l, data) == 0 {
                l.push_nil();
            }
        }
        Payload::Part(_) => l.push_nil(),
    }
}
