//! Channels that take mail: of the inbox, of lifecycle events, of topics.

use std::collections::VecDeque;

use rustc_hash::FxHashMap;

use crate::infra::error::{Error, Kind};
use crate::runtime::engine::channel::Source;
use crate::runtime::engine::mail::Mail;
use crate::runtime::engine::process::Process;
use crate::runtime::engine::queue::Queue;
use crate::runtime::engine::slab::NONE;
use crate::runtime::engine::slot::Slot;
use crate::runtime::engine::topic::Topic;
use crate::runtime::engine::vm::VmData;

/// Makes a channel take the mail of topics. Lies in the channel.
pub struct Listener {
    /// One, unless the channel is the program's own.
    topics: Vec<Topic>,
    /// Receivers get message objects instead of the bare value.
    messages: bool,
    queue: Queue<Mail>,
    /// The channel is the program's own.
    own: bool,
}

impl Listener {
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
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

    /// Mail in their queues.
    pub fn queued(&self) -> usize {
        self.queued
    }

    /// Bytes that they take, about.
    pub fn memory(&self) -> usize {
        let listener = size_of::<(Topic, u32)>() + size_of::<Listener>() + size_of::<Topic>();
        self.by_topic.len() * listener + self.queued * size_of::<Mail>()
    }
}

impl VmData {
    /// Gives mail to the channel that takes its topic; gives it back if there is none.
    pub fn listened(&mut self, process: u32, mail: Mail) -> Option<Mail> {
        let Some(listeners) = &mut self.processes[process].listeners else { return Some(mail) };
        let Some(&channel) = listeners.by_topic.get(&mail.topic) else { return Some(mail) };
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
        }
        None
    }

    /// The next mail of a listener, and whether its receivers get message objects.
    pub fn take_listened(&mut self, channel: u32) -> Option<(Mail, bool)> {
        let place = &mut self.channels[channel];
        let listener = place.listener.as_mut()?;
        let mail = listener.queue.pop_front()?;
        if let Some(listeners) = &mut self.processes[place.process].listeners {
            listeners.queued -= 1;
        }
        Some((mail, listener.messages))
    }

    /// The channel of the inbox or of the events, made at the first call.
    pub fn subscription(&mut self, process: u32, source: Source) -> u32 {
        let slot = |p: &mut Process| match source {
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
    pub fn end_subscription(&mut self, process: u32, source: Source) {
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
                let room = self.channels[channel].capacity as usize;
                while self.channels[channel].buffer.len() < room
                    && let Some((mail, messages)) = self.take_listened(channel)
                {
                    self.keep_mail(channel, mail, messages);
                }
                self.close_channel(channel);
                if self.take_listened(channel).is_some() {
                    self.end_listener(process, channel);
                }
            }
        }
    }

    /// Puts mail into the buffer of its channel.
    fn keep_mail(&mut self, channel: u32, mail: Mail, as_message: bool) {
        let main = self.main;
        self.push_mail(main, mail, as_message);
        self.buffer(channel, Slot::take(main));
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
        while inbox != NONE
            && !self.processes[process].mail.is_empty()
            && let Some(receiver) = self.channels[inbox].receivers.pop_front()
            && let Some(mail) = self.processes[process].mail.pop_front()
        {
            self.hand_mail(receiver, inbox, mail, true);
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
        for mail in self.take_topic(process, &topic) {
            self.receive_mail(process, mail);
        }
        // They may have arrived before what waits there of other topics.
        if let Some(listener) = &mut self.channels[channel].listener {
            listener.queue.sort_by_key(|mail| mail.arrived);
        }
        Ok(())
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
        if !self.channels[channel].closed
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
