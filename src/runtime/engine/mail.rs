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

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use crate::core::pid::Pid;
use crate::core::relay::{Body, Exit, Outcome, Package};
use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::Transcoder;
use crate::infra::transcoder::wire::{Item, Wire};
use crate::runtime::engine::channel::Source;
use crate::runtime::engine::process::Process;
use crate::runtime::engine::raw::{Anchor, Charge, State, Tagged};
use crate::runtime::engine::slab::NONE;
use crate::runtime::engine::slot::Slot;
use crate::runtime::engine::topic::Topic;
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{error, tags, wire};
use crate::runtime::modules::payload;

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
    pub arrived: u64,
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

/// Unread mail beyond which those who send more, in the same VM, let the receiver run first.
///
/// A sender is faster than a receiver, and a quantum is thousands of messages: without this a mailbox
/// grows by whatever senders have left of their quanta, into memory that is no longer in any cache and
/// that each collection has to mark.
const CROWDED: usize = 256;

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
        let Some(mail) = self.listened(process, mail) else { return };
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

    /// Had a process better run before it gets more mail?
    #[inline]
    pub fn is_crowded(&self, process: u32) -> bool {
        let process = &self.processes[process];
        let listened = process.listeners.as_ref().map_or(0, |listeners| listeners.queued());
        process.mail.len() + listened >= CROWDED
    }

    pub fn hand_mail(&mut self, receiver: u32, channel: u32, mail: Mail, messages: bool) {
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
                listener.is_some_and(|listener| !listener.is_empty())
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
            Source::Listener => match self.take_listened(channel) {
                Some((mail, messages)) => {
                    self.push_mail(l, mail, messages);
                    true
                }
                None => false,
            },
        }
    }

    /// Pushes a message object, or the bare value: none is nil, several are a list.
    pub fn push_mail(&mut self, l: State, mut mail: Mail, as_message: bool) {
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
