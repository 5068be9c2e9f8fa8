//! Input of a terminal as events: a request for whatever comes, again and again.

use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::core::reactor::terminal::keys::{self, KeyKind, Keys, Modifiers};
use crate::core::reactor::terminal::{Input, RequestId, screen_size};
use crate::infra::transcoder::{Map, Value};
use crate::system::spawn::InputSink;

/// Everybody who wants to know the size of the terminal. Held while they are told, which does not
/// wait.
static LISTENING: Mutex<Vec<Weak<Listening>>> = Mutex::new(Vec::new());

/// Somebody who gets the events of a terminal.
pub(super) struct Listening {
    terminal: BorrowedFd<'static>,
    sink: InputSink,
    keys: Mutex<Keys>,
    /// The latest request.
    request: Mutex<RequestId>,
    stopped: AtomicBool,
}

impl Listening {
    /// The first event is `start`.
    pub(super) fn start(
        input: &Arc<Input>,
        terminal: BorrowedFd<'static>,
        sink: InputSink,
    ) -> Arc<Listening> {
        let listening = Arc::new(Listening {
            terminal,
            sink,
            keys: Mutex::default(),
            request: Mutex::default(),
            stopped: AtomicBool::new(false),
        });
        listening.tell_size("start");
        let mut all = LISTENING.lock();
        all.retain(|one| one.strong_count() > 0);
        all.push(Arc::downgrade(&listening));
        drop(all);
        listening.read_on(input);
        listening
    }

    /// What comes from now on is for others.
    pub(super) fn stop(&self, input: &Input) {
        // Relaxed: an event may slip through, nothing else depends on it.
        self.stopped.store(true, Ordering::Relaxed);
        input.withdraw(*self.request.lock());
    }

    /// Asks for input; the answer asks again, until the input ends.
    fn read_on(self: &Arc<Listening>, input: &Arc<Input>) {
        let (again, own) = (Arc::downgrade(input), self.clone());
        let reply = move |bytes: Result<Vec<u8>, _>| {
            let Ok(bytes) = bytes else { return };
            if own.stopped.load(Ordering::Relaxed) {
                return;
            }
            own.keys.lock().push(&bytes, |input| (own.sink)(value(input)));
            if let Some(input) = again.upgrade() {
                own.read_on(&input);
            }
        };
        let id = input.read(usize::MAX, Box::new(reply));
        // An answer at once has asked again already.
        let mut latest = self.request.lock();
        *latest = id.max(*latest);
        if self.stopped.load(Ordering::Relaxed) {
            input.withdraw(*latest);
        }
    }

    fn tell_size(&self, kind: &str) {
        let (width, height) = screen_size(self.terminal).unwrap_or_default();
        let number = |n: u16| Value::Int(n.into());
        let event = [("type", kind.into()), ("width", number(width)), ("height", number(height))];
        (self.sink)(event.into());
    }
}

/// The terminal has another size: on the thread of signals.
pub fn resized() {
    let all: Vec<_> = LISTENING.lock().iter().filter_map(Weak::upgrade).collect();
    for one in all.iter().filter(|one| !one.stopped.load(Ordering::Relaxed)) {
        one.tell_size("resize");
    }
}

/// An event as programs see it.
fn value(input: keys::Input) -> Value {
    let mut map = Map::new();
    let mut set = |name: &str, value: Value| drop(map.insert(name.into(), value));
    match input {
        keys::Input::Key(key) => {
            set("type", "key".into());
            let kind = match key.kind {
                KeyKind::Runes => "runes",
                KeyKind::Named => &key.key,
                KeyKind::Unknown => "unknown",
            };
            set("key_type", kind.into());
            set("action", if key.released { "release" } else { "press" }.into());
            set("key", key.key.into());
            set_modifiers(&mut map, key.modifiers);
        }
        keys::Input::Mouse(mouse) => {
            set("type", "mouse".into());
            set("action", mouse.action.into());
            set("button", mouse.button.into());
            set("x", Value::Int(mouse.x.into()));
            set("y", Value::Int(mouse.y.into()));
            set_modifiers(&mut map, mouse.modifiers);
        }
        keys::Input::Focus(focused) => {
            set("type", "focus".into());
            set("focused", focused.into());
        }
        keys::Input::Paste(text) => {
            set("type", "paste".into());
            let text = match String::from_utf8(text) {
                Ok(text) => Value::Str(text),
                Err(error) => Value::Bytes(error.into_bytes()),
            };
            set("text", text);
        }
    }
    Value::Map(map)
}

fn set_modifiers(map: &mut Map, modifiers: Modifiers) {
    for (name, on) in [("alt", modifiers.alt), ("ctrl", modifiers.ctrl), ("shift", modifiers.shift)]
    {
        map.insert(name.into(), on.into());
    }
}
