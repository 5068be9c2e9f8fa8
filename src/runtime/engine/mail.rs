//! Mail of a process: messages and lifecycle events, and the channels that take them.
//!
//! Three queues instead of one that is scanned: lifecycle events; messages for each topic somebody
//! listens to; all others, for the inbox. Each is in order of arrival, which is all that can be seen,
//! because each feeds a channel of its own. Mail that arrives before `inbox`, `events` or `listen` was
//! called waits in its queue. What a listener leaves behind goes back among the others, to where its
//! arrival puts it.
//!
//! A program may close such a channel itself: the next mail for it is dropped, and with it ends that the
//! channel is fed. The one after it finds what would be there had nobody asked.
//!
//! However many topics a process listens to, a look into a table finds the channel of one, and the
//! channel has the queue.

use std::collections::VecDeque;
use std::ffi::{CStr, c_int};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::core::pid::Pid;
use crate::core::relay::{Body, Exit, Outcome, Package};
use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::Transcoder;
use crate::infra::transcoder::wire::{Item, Wire};
use crate::runtime::engine::channel::Source;
use crate::runtime::engine::process::Process;
use crate::runtime::engine::queue::Queue;
use crate::runtime::engine::raw::{Anchor, Charge, State, Tagged};
use crate::runtime::engine::slot::Slot;
use crate::runtime::engine::vm::{NONE, VmData};
use crate::runtime::engine::{error, tags, wire};
use crate::runtime::modules::payload;

/// A topic: common ones are numbered per VM and keep their Lua string.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Topic {
    Known(u16),
    Text(TopicText),
}

/// A topic that is not numbered.
#[derive(Clone, Debug)]
pub struct TopicText {
    bytes: Box<[u8]>,
    _charge: Charge,
}

impl TopicText {
    fn new(text: &[u8]) -> TopicText {
        TopicText { bytes: text.into(), _charge: Charge::of(text.len()) }
    }
}

impl PartialEq for TopicText {
    fn eq(&self, other: &TopicText) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for TopicText {}

impl Hash for TopicText {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

/// Values of a message, in the receiver's VM.
pub enum Payload {
    None,
    One(Slot),
    Many(Vec<Slot>, Charge),
    /// Still encoded, after topic: decoded when somebody asks.
    Wire(Wire, Charge),
}

pub struct Mail {
    /// Counted per VM.
    arrived: u64,
    pub from: Pid,
    pub topic: Topic,
    pub payload: Payload,
}

/// A lifecycle event as it waits for a receiver.
pub enum Notice {
    Cancel {
        from: Pid,
        reason: Arc<str>,
        at: f64,
    },
    Exit(Arc<Exit>),
    LinkDown(Arc<Exit>),
    /// Ids of the entries that are new, each once.
    Outdated(Vec<String>),
}

impl Notice {
    /// Bytes of the host's behind it, about.
    fn held(&self) -> usize {
        match self {
            Notice::Cancel { reason, .. } => reason.len(),
            Notice::Exit(exit) | Notice::LinkDown(exit) => match &exit.outcome {
                Outcome::Value(value) => value.len(),
                Outcome::Error(error) => error.heap(),
            },
            Notice::Outdated(sources) => sources.iter().map(String::len).sum(),
        }
    }
}

/// Makes a channel take the mail of topics. Lies in the channel.
pub struct Listener {
    /// One, unless the channel is the program's own.
    topics: Vec<Topic>,
    /// Receivers get message objects instead of the bare value.
    messages: bool,
    /// In order of arrival; for a channel of the program's own what its buffer has no room for.
    queue: Queue<Mail>,
    /// The channel is the program's own.
    own: bool,
}

/// The topics that a process listens to, and the channels that take them. Most processes have none.
#[derive(Default)]
pub struct Listeners {
    by_topic: FxHashMap<Topic, u32>,
    /// Mail in the queues of all listeners.
    queued: usize,
}

impl Listeners {
    pub fn is_empty(&self) -> bool {
        self.by_topic.is_empty()
    }

    /// Bytes that they take, about.
    pub fn memory(&self) -> usize {
        let listener = size_of::<(Topic, u32)>() + size_of::<Listener>() + size_of::<Topic>();
        self.by_topic.len() * listener + self.queued * size_of::<Mail>()
    }
}

/// Known topics of a VM. Bounded: programs may make up topics without end.
#[derive(Default)]
pub struct Topics {
    texts: Vec<(Box<[u8]>, Anchor)>,
    by_address: FxHashMap<usize, u16>,
    by_text: FxHashMap<Box<[u8]>, u16>,
}

const KNOWN_TOPICS_MAX: usize = 512;

impl Topics {
    /// The topic of the string at `index`.
    #[inline]
    pub fn of(&mut self, l: State, index: c_int) -> Topic {
        // A known string is anchored, so its address is its identity.
        if let Some(&known) = self.by_address.get(&l.address(index)) {
            return Topic::Known(known);
        }
        self.of_text(l, l.bytes(index).unwrap_or_default())
    }

    pub fn of_text(&mut self, l: State, text: &[u8]) -> Topic {
        if let Some(&known) = self.by_text.get(text) {
            return Topic::Known(known);
        }
        if self.texts.len() >= KNOWN_TOPICS_MAX || text.len() > 128 {
            return Topic::Text(TopicText::new(text));
        }
        let number = self.texts.len() as u16;
        l.push_bytes(text);
        self.by_address.insert(l.address(-1), number);
        self.by_text.insert(text.into(), number);
        self.texts.push((text.into(), l.anchor()));
        Topic::Known(number)
    }

    pub fn push(&self, l: State, topic: &Topic) {
        match topic {
            Topic::Known(number) => self.texts[*number as usize].1.push(l),
            Topic::Text(text) => l.push_bytes(&text.bytes),
        }
    }

    pub fn bytes<'a>(&'a self, topic: &'a Topic) -> &'a [u8] {
        match topic {
            Topic::Known(number) => &self.texts[*number as usize].0,
            Topic::Text(text) => &text.bytes,
        }
    }
}

/// `process.Message`.
pub struct MessageObject {
    pub mail: Mail,
}

impl Tagged for MessageObject {
    const TAG: c_int = tags::MESSAGE;
    const NAME: &'static CStr = c"process.Message";
}

/// `payload`: one value of a message, or one made with `payload.new`.
pub struct PayloadObject {
    /// A Lua value in the formats LUA and GOLANG, else a string.
    pub slot: Slot,
    pub format: Format,
}

/// What the content of a payload is. An error object is told by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Lua,
    /// A Lua value that has lost what a tree cannot hold.
    Golang,
    Json,
    Yaml,
    String,
    Bytes,
    Msgpack,
}

impl PayloadObject {
    /// A Lua value.
    pub fn of(slot: Slot) -> PayloadObject {
        PayloadObject { slot, format: Format::Lua }
    }

    /// Pushes the value that the payload object at `index` stands for; nil if its content cannot be
    /// read. `false`, and nothing is pushed: it is no payload object.
    pub fn push_value(l: State, index: c_int) -> bool {
        let found = l.with::<PayloadObject, _>(index, |p| (p.slot.share(), p.format));
        let Some((slot, format)) = found else { return false };
        slot.push(l);
        let content = l.top();
        if format != Format::Lua && payload::to_lua(l, &Transcoder::new(), format).is_err() {
            l.push_nil();
        }
        if l.top() > content {
            l.remove(content);
        }
        true
    }
}

impl Tagged for PayloadObject {
    const TAG: c_int = tags::PAYLOAD;
    const NAME: &'static CStr = c"payload";
}

impl Payload {
    /// Decodes what came from another VM.
    pub fn unpack(&mut self, l: State) {
        let Payload::Wire(encoded, _) = self else { return };
        let mut reader = encoded.reader();
        // The topic comes first; it was read on arrival.
        let _ = reader.item();
        let count = wire::decode_rest(l, &mut reader);
        *self = match count {
            0 => Payload::None,
            1 => Payload::One(Slot::take(l)),
            n => {
                let mut values: Vec<Slot> = (0..n).map(|_| Slot::take(l)).collect();
                values.reverse();
                Payload::many(values)
            }
        };
    }

    /// Several values.
    pub fn many(values: Vec<Slot>) -> Payload {
        let charge = Charge::of(values.capacity() * size_of::<Slot>());
        Payload::Many(values, charge)
    }

    /// Bytes of the host's behind an encoded one.
    fn encoded_len(&self) -> usize {
        match self {
            Payload::Wire(encoded, _) => encoded.len(),
            _ => 0,
        }
    }
}

/// How a process ends that is linked to one that has failed.
fn linked_failed() -> Error {
    Error::new(Kind::default(), "linked process failed").with_retryable(None)
}

impl VmData {
    /// A package for a process of this VM has arrived.
    pub fn arrive(&mut self, package: Package) {
        let Some(&process) = self.by_uniq.get(&package.to.uniq()) else {
            // Ended between the look-up and now; a message in transit goes with it.
            return;
        };
        match package.body {
            Body::Message(encoded) => {
                let topic = match encoded.reader().item() {
                    Some(Item::Str(text)) => self.topics.of_text(self.main, text),
                    _ => return,
                };
                let charge = Charge::of(encoded.len());
                let payload = Payload::Wire(encoded, charge);
                let mail = self.mail(package.from, topic, payload);
                self.receive_mail(process, mail);
            }
            Body::Cancel { reason } => {
                let notice = Notice::Cancel { from: package.from, reason, at: self.unix_now };
                self.receive_notice(process, notice);
            }
            Body::Exit(exit) => self.receive_notice(process, Notice::Exit(exit)),
            Body::LinkDown(exit) => self.link_down(process, exit),
            Body::Outdated { sources } => self.outdated(process, &sources),
            Body::Kill(error) => self.kill(process, error),
        }
    }

    /// A linked process failed: this one fails too, unless it traps.
    pub fn link_down(&mut self, process: u32, exit: Arc<Exit>) {
        if self.processes[process].trap_links {
            self.receive_notice(process, Notice::LinkDown(exit));
        } else {
            self.kill(process, linked_failed());
        }
    }

    /// Whether failures of linked processes are told from now on, or end the process: also those that
    /// nobody has taken from its mailbox yet.
    pub fn set_trap_links(&mut self, process: u32, traps: bool) {
        self.processes[process].trap_links = traps;
        let pending = self.processes[process].notices.iter_mut();
        if !traps && pending.into_iter().any(|(notice, _)| matches!(notice, Notice::LinkDown(_))) {
            self.kill(process, linked_failed());
        }
    }

    /// The code of a process has been replaced. What waits to be told already takes this in.
    pub fn outdated(&mut self, process: u32, sources: &[String]) {
        let Process { ref mut notices, ref extra, .. } = self.processes[process];
        if extra.as_ref().is_none_or(|extra| extra.upgradable.is_none()) {
            // It has changed its mind.
            return;
        }
        let pending = notices.iter_mut().find_map(|(notice, charge)| match notice {
            Notice::Outdated(sources) => Some((sources, charge)),
            _ => None,
        });
        match pending {
            Some((pending, charge)) => {
                let new = sources.iter().filter(|source| !pending.contains(source));
                let new: Vec<String> = new.cloned().collect();
                pending.extend(new);
                *charge = Charge::of(pending.iter().map(String::len).sum());
            }
            None => self.receive_notice(process, Notice::Outdated(sources.to_vec())),
        }
    }

    /// Whether a process hears of new code from now on.
    pub fn set_upgradable(&mut self, process: u32, wanted: bool) {
        let Process { pid, chunk, ref mut notices, ref mut extra, .. } = self.processes[process];
        if !wanted {
            notices.retain(|(notice, _)| !matches!(notice, Notice::Outdated(_)));
            if let Some(extra) = extra {
                extra.upgradable = None;
            }
            return;
        }
        let extra = extra.get_or_insert_default();
        if extra.upgradable.is_some() {
            return;
        }
        let running = self.definition(chunk).clone();
        let watch = self.kernel.outdated.watch(running.id.clone(), pid);
        if let Some(extra) = &mut self.processes[process].extra {
            extra.upgradable = Some(watch);
        }
        // Replaced before anybody watched?
        let newest = self.kernel.factory.get(&running.id.to_string());
        if newest
            .is_ok_and(|newest| !std::ptr::addr_eq(Arc::as_ptr(&newest), Arc::as_ptr(&running)))
        {
            self.outdated(process, &[running.id.to_string()]);
        }
    }

    /// A message that has just arrived.
    pub fn mail(&mut self, from: Pid, topic: Topic, payload: Payload) -> Mail {
        self.arrivals += 1;
        Mail { arrived: self.arrivals, from, topic, payload }
    }

    pub fn receive_mail(&mut self, process: u32, mail: Mail) {
        if let Some(listeners) = &mut self.processes[process].listeners
            && let Some(&channel) = listeners.by_topic.get(&mail.topic)
        {
            let place = &mut self.channels[channel];
            if place.closed {
                // Lua closed it: this message is dropped and the subscription ends.
                self.end_listener(process, channel);
            } else if let Some(receiver) = place.receivers.pop_front() {
                let messages = place.listener.as_ref().is_some_and(|l| l.messages);
                self.hand_mail(receiver, channel, mail, messages);
            } else if let Some(listener) = &mut place.listener {
                listener.queue.push_back(mail);
                listeners.queued += 1;
                if listener.own {
                    self.fill_buffer(channel);
                }
            }
            return;
        }
        let inbox = self.processes[process].inbox;
        if inbox != NONE {
            let place = &mut self.channels[inbox];
            if place.closed {
                self.end_subscription(process, Source::Inbox);
                return;
            }
            if let Some(receiver) = place.receivers.pop_front() {
                self.hand_mail(receiver, inbox, mail, true);
                return;
            }
        }
        self.processes[process].mail.push_back(mail);
    }

    /// Takes back what a listener has not handed out: to the inbox if there is one.
    fn take_back(&mut self, process: u32, queue: Queue<Mail>) {
        if queue.is_empty() {
            return;
        }
        let mail = &mut self.processes[process].mail;
        queue.into_iter().for_each(|each| mail.push_back(each));
        mail.sort_by_key(|mail| mail.arrived);
        let inbox = self.processes[process].inbox;
        if inbox != NONE && self.channels[inbox].closed {
            self.processes[process].mail.pop_front();
            self.end_subscription(process, Source::Inbox);
            return;
        }
        while inbox != NONE
            && !self.processes[process].mail.is_empty()
            && let Some(receiver) = self.channels[inbox].receivers.pop_front()
            && let Some(mail) = self.processes[process].mail.pop_front()
        {
            self.hand_mail(receiver, inbox, mail, true);
        }
    }

    fn hand_mail(&mut self, receiver: u32, channel: u32, mail: Mail, messages: bool) {
        self.received(receiver, channel, true, |vm, l| vm.push_mail(l, mail, messages));
    }

    pub fn receive_notice(&mut self, process: u32, notice: Notice) {
        let events = self.processes[process].events;
        if events != NONE {
            let place = &mut self.channels[events];
            if place.closed {
                self.end_subscription(process, Source::Events);
                return;
            }
            if let Some(receiver) = place.receivers.pop_front() {
                self.received(receiver, events, true, |vm, l| vm.push_notice(l, notice));
                return;
            }
        }
        let charge = Charge::of(notice.held());
        self.processes[process].notices.push_back((notice, charge));
    }

    /// Is there mail for this subscription's channel?
    pub fn has_mail(&self, channel: u32) -> bool {
        let process = &self.processes[self.channels[channel].process];
        match self.channels[channel].source {
            Source::Lua => false,
            Source::Inbox => !process.mail.is_empty(),
            Source::Events => !process.notices.is_empty(),
            Source::Listener => {
                let listener = self.channels[channel].listener.as_ref();
                listener.is_some_and(|listener| !listener.queue.is_empty())
            }
            Source::Bus => self.has_event(channel),
        }
    }

    /// Pushes the next mail of this subscription's channel.
    pub fn take_mail(&mut self, l: State, channel: u32) -> bool {
        let process = self.channels[channel].process;
        let process = &mut self.processes[process];
        match self.channels[channel].source {
            Source::Lua => false,
            Source::Bus => self.take_event(l, channel),
            Source::Inbox => match process.mail.pop_front() {
                Some(mail) => {
                    self.push_mail(l, mail, true);
                    true
                }
                None => false,
            },
            Source::Events => match process.notices.pop_front() {
                Some((notice, _)) => {
                    self.push_notice(l, notice);
                    true
                }
                None => false,
            },
            Source::Listener => match self.dequeue_mail(channel) {
                Some((mail, messages)) => {
                    self.push_mail(l, mail, messages);
                    true
                }
                None => false,
            },
        }
    }

    /// The next mail of a listener, and whether as a message object.
    fn dequeue_mail(&mut self, channel: u32) -> Option<(Mail, bool)> {
        let listener = self.channels[channel].listener.as_mut()?;
        let taken = (listener.queue.pop_front()?, listener.messages);
        let process = self.channels[channel].process;
        if let Some(listeners) = &mut self.processes[process].listeners {
            listeners.queued -= 1;
        }
        Some(taken)
    }

    /// Puts mail into the buffer of its channel.
    fn keep_mail(&mut self, channel: u32, mail: Mail, as_message: bool) {
        let main = self.main;
        self.push_mail(main, mail, as_message);
        self.buffer(channel, Slot::take(main));
    }

    /// Pushes a message object, or the bare value: none is nil, several are a list.
    fn push_mail(&mut self, l: State, mut mail: Mail, as_message: bool) {
        // Who lets go of messages unread leaves their bytes behind, which Luau does not see.
        let behind = mail.payload.encoded_len();
        if behind != 0 {
            l.pace(behind);
        }
        if as_message {
            l.push_userdata(MessageObject { mail });
            return;
        }
        mail.payload.unpack(l);
        match &mail.payload {
            Payload::One(value) => value.push(l),
            Payload::Many(values, _) => {
                l.new_table(values.len(), 0);
                for (n, value) in values.iter().enumerate() {
                    value.push(l);
                    l.raw_set_index(-2, n + 1);
                }
            }
            _ => l.push_nil(),
        }
    }

    /// Pushes an event table.
    fn push_notice(&self, l: State, notice: Notice) {
        match notice {
            Notice::Exit(exit) => self.push_exit(l, &self.keys.exit, &exit),
            Notice::LinkDown(exit) => self.push_exit(l, &self.keys.link_down, &exit),
            Notice::Outdated(sources) => {
                l.new_table(0, 2);
                l.push_str("pid.outdated");
                l.set_field(-2, "kind");
                l.new_table(sources.len(), 0);
                for (n, source) in sources.iter().enumerate() {
                    l.push_str(source);
                    l.raw_set_index(-2, n + 1);
                }
                l.set_field(-2, "sources");
            }
            Notice::Cancel { from, reason, at } => {
                l.new_table(0, 4);
                l.push_str("pid.cancel");
                l.set_field(-2, "kind");
                self.push_pid(l, from);
                l.set_field(-2, "from");
                l.push_number(at);
                l.set_field(-2, "at");
                l.push_str(&reason);
                l.set_field(-2, "reason");
            }
        }
    }

    fn push_exit(&self, l: State, kind: &Anchor, exit: &Exit) {
        self.exit_event.push(l);
        l.clone_table(-1);
        l.remove(-2);
        self.keys.kind.push(l);
        kind.push(l);
        l.raw_set(-3);
        self.keys.from.push(l);
        self.push_pid(l, exit.pid);
        l.raw_set(-3);
        self.keys.at.push(l);
        l.push_number(exit.at);
        l.raw_set(-3);
        self.keys.result.push(l);
        push_outcome(l, &exit.outcome);
        l.raw_set(-3);
    }

    pub fn push_pid(&self, l: State, pid: Pid) {
        l.push_bytes(pid.text().as_bytes());
    }

    // -- subscriptions ------------------------------------------------------------------------

    /// The channel of the inbox or of the events, made at the first call.
    pub fn subscription(&mut self, process: u32, source: Source) -> u32 {
        let slot = |p: &mut crate::runtime::engine::process::Process| match source {
            Source::Inbox => p.inbox,
            _ => p.events,
        };
        let known = slot(&mut self.processes[process]);
        if known != NONE {
            return known;
        }
        let channel = self.new_channel(process, 0, source);
        self.channels[channel].holders += 1;
        match source {
            Source::Inbox => self.processes[process].inbox = channel,
            _ => self.processes[process].events = channel,
        }
        channel
    }

    /// The channel of the inbox or of the events, which the program has closed, is no longer fed.
    fn end_subscription(&mut self, process: u32, source: Source) {
        let Process { ref mut inbox, ref mut events, .. } = self.processes[process];
        let place = if source == Source::Inbox { inbox } else { events };
        let channel = std::mem::replace(place, NONE);
        self.channels[channel].source = Source::Lua;
        self.release_channel(channel);
    }

    /// The program closes a channel that mail feeds. What has room in it can still be received, the
    /// next one is dropped.
    pub fn close_fed(&mut self, process: u32, channel: u32) {
        if self.channels[channel].closed {
            return;
        }
        match self.channels[channel].source {
            Source::Inbox => {
                self.close_channel(channel);
                if self.processes[process].mail.pop_front().is_some() {
                    self.end_subscription(process, Source::Inbox);
                }
            }
            Source::Events => {
                self.close_channel(channel);
                if self.processes[process].notices.pop_front().is_some() {
                    self.end_subscription(process, Source::Events);
                }
            }
            _ => {
                self.fill_buffer(channel);
                self.close_channel(channel);
                if self.dequeue_mail(channel).is_some() {
                    self.end_listener(process, channel);
                }
            }
        }
    }

    /// The channel of a topic's listener; mail for the topic moves to it.
    pub fn listen(&mut self, process: u32, topic: Topic, messages: bool) -> u32 {
        let listeners = self.processes[process].listeners.get_or_insert_default();
        if let Some(&channel) = listeners.by_topic.get(&topic) {
            if let Some(listener) = &mut self.channels[channel].listener {
                listener.messages |= messages;
            }
            return channel;
        }
        let channel = self.new_channel(process, 1, Source::Listener);
        let queue = self.take_topic(process, &topic);
        let listeners = self.processes[process].listeners.get_or_insert_default();
        listeners.queued += queue.len();
        listeners.by_topic.insert(topic.clone(), channel);
        let place = &mut self.channels[channel];
        place.holders += 1;
        let topics = vec![topic];
        place.listener = Some(Box::new(Listener { topics, messages, queue, own: false }));
        channel
    }

    /// Takes the mail of a topic out of the mailbox.
    fn take_topic(&mut self, process: u32, topic: &Topic) -> Queue<Mail> {
        let mail = &mut self.processes[process].mail;
        // Most often there is none: then nothing has to be moved.
        if !mail.iter().any(|mail| mail.topic == *topic) {
            return Queue::default();
        }
        let (taken, rest): (VecDeque<Mail>, VecDeque<Mail>) =
            std::mem::take(mail).into_iter().partition(|mail| mail.topic == *topic);
        *mail = rest.into_iter().collect();
        taken.into_iter().collect()
    }

    /// Makes a channel of the program's own take the mail of a topic, as bare values.
    ///
    /// `ALREADY_EXISTS`: another channel takes it; `INVALID`: the channel is fed by something else.
    pub fn subscribe(&mut self, process: u32, topic: Topic, channel: u32) -> Result<(), Error> {
        let listeners = self.processes[process].listeners.get_or_insert_default();
        if let Some(&other) = listeners.by_topic.get(&topic) {
            return match other == channel {
                true => Ok(()),
                false => Err(Error::new(Kind::AlreadyExists, "topic already has a channel")),
            };
        }
        let place = &mut self.channels[channel];
        match (&mut place.listener, place.source) {
            (Some(listener), _) if listener.own => listener.topics.push(topic.clone()),
            (None, Source::Lua) => {
                let (topics, queue) = (vec![topic.clone()], Queue::default());
                let listener = Listener { topics, messages: false, queue, own: true };
                place.listener = Some(Box::new(listener));
                place.source = Source::Listener;
                place.holders += 1;
            }
            _ => return Err(Error::invalid("channel is already subscribed")),
        }
        listeners.by_topic.insert(topic.clone(), channel);
        let taken = self.take_topic(process, &topic);
        if let Some(listeners) = &mut self.processes[process].listeners
            && let Some(listener) = &mut self.channels[channel].listener
        {
            listeners.queued += taken.len();
            taken.into_iter().for_each(|mail| listener.queue.push_back(mail));
            // They may have arrived before what waits there of other topics.
            listener.queue.sort_by_key(|mail| mail.arrived);
        }
        self.fill(process, channel);
        Ok(())
    }

    /// Gives a channel of the program's own as much of its mail as it takes.
    fn fill(&mut self, process: u32, channel: u32) {
        if self.channels[channel].closed {
            if self.dequeue_mail(channel).is_some() {
                self.end_listener(process, channel);
            }
            return;
        }
        while !self.channels[channel].receivers.is_empty()
            && let Some((mail, messages)) = self.dequeue_mail(channel)
            && let Some(receiver) = self.channels[channel].receivers.pop_front()
        {
            self.hand_mail(receiver, channel, mail, messages);
        }
        self.fill_buffer(channel);
    }

    /// Moves mail into the room that a channel has.
    pub fn fill_buffer(&mut self, channel: u32) {
        while self.has_room(channel)
            && let Some((mail, messages)) = self.dequeue_mail(channel)
        {
            self.keep_mail(channel, mail, messages);
        }
    }

    fn has_room(&self, channel: u32) -> bool {
        let place = &self.channels[channel];
        place.buffer.len() < place.capacity as usize
    }

    /// Ends what [`VmData::subscribe`] began, or a listener. `false`: there is none.
    pub fn unsubscribe(&mut self, process: u32, channel: u32) -> bool {
        match &self.channels[channel].listener {
            None => return false,
            Some(listener) if !listener.own => {
                self.end_listener(process, channel);
                return true;
            }
            Some(_) => {}
        }
        let queue = self.remove_listener(process, channel).map(|listener| listener.queue);
        self.take_back(process, queue.unwrap_or_default());
        self.release_channel(channel);
        true
    }

    /// Ends the listener of a channel and closes it. `false`: there is none.
    pub fn unlisten(&mut self, process: u32, channel: u32) -> bool {
        if self.channels[channel].listener.is_none() {
            return false;
        }
        self.end_listener(process, channel);
        true
    }

    /// Takes the listener out of a channel, which becomes one like others; its hold is left.
    fn remove_listener(&mut self, process: u32, channel: u32) -> Option<Box<Listener>> {
        let listener = self.channels[channel].listener.take()?;
        self.channels[channel].source = Source::Lua;
        if let Some(listeners) = &mut self.processes[process].listeners {
            for topic in &listener.topics {
                listeners.by_topic.remove(topic);
            }
            listeners.queued -= listener.queue.len();
        }
        Some(listener)
    }

    fn end_listener(&mut self, process: u32, channel: u32) {
        let Some(mut listener) = self.remove_listener(process, channel) else { return };
        // One message counts as buffered: it can still be received.
        if !listener.own
            && !self.channels[channel].closed
            && let Some(mail) = listener.queue.pop_front()
        {
            self.keep_mail(channel, mail, listener.messages);
        }
        self.close_channel(channel);
        self.take_back(process, listener.queue);
        self.release_channel(channel);
    }

    /// Ends all listeners of a process: its mail is again what no channel has taken.
    pub fn end_listeners(&mut self, process: u32) {
        if self.processes[process].listeners.take().is_none() {
            return;
        }
        let mut queues = Vec::new();
        let mut channel = self.processes[process].channels;
        while channel != NONE {
            let place = &mut self.channels[channel];
            queues.extend(place.listener.take().map(|listener| listener.queue));
            channel = place.next;
        }
        let mail = &mut self.processes[process].mail;
        queues.into_iter().flatten().for_each(|each| mail.push_back(each));
        mail.sort_by_key(|mail| mail.arrived);
    }
}

/// Pushes `{value =, error =}`.
pub fn push_outcome(l: State, outcome: &Outcome) {
    match outcome {
        Outcome::Value(value) if value.is_empty() => l.new_table(0, 0),
        Outcome::Value(value) => {
            l.new_table(0, 1);
            if wire::decode_all(l, value) > 0 {
                l.set_field(-2, "value");
            }
        }
        Outcome::Error(problem) => {
            l.new_table(0, 1);
            error::push(l, problem.clone());
            l.set_field(-2, "error");
        }
    }
}

/// Unix time in seconds.
pub fn unix_now() -> f64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0.0, |since| since.as_secs() as f64)
}
