//! Topics of messages.

use std::ffi::c_int;
use std::hash::{Hash, Hasher};

use rustc_hash::FxHashMap;

use crate::runtime::engine::raw::{Anchor, Charge, State};

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
