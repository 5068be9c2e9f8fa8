//! Who acts on entries, who only watches, and who tells the outside world.
//!
//! | Trait | Sees | May refuse |
//! |---|---|---|
//! | [`Listener`] | the entries whose kind matches its pattern, begin and end | yes |
//! | [`Observer`] | the same, after the listener agreed | no |
//! | [`Publisher`] | everything as events of system `registry`, before the listener is asked | no |
//!
//! All are called on the thread that applies, one call at a time, and the apply waits for them.
//! Who answers later than [`Settings::event_wait_timeout`](super::Settings) has refused: what it did
//! is taken back, and the apply fails with `TIMEOUT`. A call that never returns cannot be given up and
//! holds all later changes: a listener that has to wait for something brings its own limit and
//! returns `TIMEOUT`. A listener must not change the registry; it may read it and sees the state
//! before the apply. One that panics unwinds through the apply: readers keep the old state, the next
//! apply may go, and nothing is taken back.

use std::sync::Arc;

use crate::core::registry::entry::Entry;
use crate::infra::error::{Error, Result};
use crate::infra::event_bus::Pattern;
use crate::infra::nearest::nearest;
use crate::infra::transcoder::Value;

/// Makes entries of some kinds real.
///
/// An error refuses the operation. `NOT_FOUND` anywhere in its chain means "not yet": the operation
/// is tried again after the others. Any other error ends the transaction; what was accepted until
/// then is taken back by calls with the inverse operations, and [`Listener::discard`] follows.
pub trait Listener: Send + Sync {
    fn add(&self, entry: &Entry) -> Result<()>;

    /// `old` and `new` have the same id and kind.
    fn update(&self, old: &Entry, new: &Entry) -> Result<()>;

    fn delete(&self, entry: &Entry) -> Result<()>;

    /// A transaction starts. Called once per transaction, whatever it touches.
    fn begin(&self) -> Result<()> {
        Ok(())
    }

    /// All operations were accepted. An error takes everything back, also if another listener has
    /// committed; so does a history that cannot be written afterwards.
    fn commit(&self) -> Result<()> {
        Ok(())
    }

    /// The transaction failed and has been taken back.
    fn discard(&self) {}
}

/// Watches entries of some kinds. What it is told adds up to the state at every moment: only
/// accepted changes, and the inverse of those that were taken back.
pub trait Observer: Send + Sync {
    fn observe(&self, event: &Event<'_>);
}

#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    Begin,
    Create(&'a Entry),
    Update {
        old: &'a Entry,
        new: &'a Entry,
    },
    Delete(&'a Entry),
    Commit,
    Discard,
    /// Comes after `Commit`, once the changes are saved: from now on readers see them. The next
    /// change waits until all observers have heard of it.
    Visible,
}

/// The way out to the event bus, system `registry`.
pub trait Publisher: Send + Sync {
    /// Must not block. `entry.*` kinds have the entry id as path and the entry as data (accept: no
    /// data, reject: the error); `registry.*` kinds have the path `registry.tx/<n>/<kind>`.
    fn publish(&self, kind: &str, path: &str, data: Value);

    /// Whether anybody wants this kind. No means that the event is not even built.
    fn is_heard(&self, _kind: &str) -> bool {
        true
    }
}

/// Everybody who registered, in that order.
#[derive(Clone, Default)]
pub(super) struct Listeners {
    listeners: Vec<Registered<dyn Listener>>,
    observers: Vec<Registered<dyn Observer>>,
    /// Kinds that are stored and told to observers, and need no listener.
    internal_kinds: Arc<[String]>,
}

/// Who, and for which kinds; the text of the pattern is for messages.
struct Registered<T: ?Sized> {
    text: String,
    pattern: Pattern,
    one: Arc<T>,
}

impl<T: ?Sized> Registered<T> {
    fn new(text: &str, one: Arc<T>) -> Registered<T> {
        Registered { text: text.to_owned(), pattern: Pattern::parse(text), one }
    }
}

/// Not derived: that would ask for `T: Clone`.
impl<T: ?Sized> Clone for Registered<T> {
    fn clone(&self) -> Registered<T> {
        let (text, pattern) = (self.text.clone(), self.pattern.clone());
        Registered { text, pattern, one: self.one.clone() }
    }
}

/// Where the operations on one kind go.
#[derive(Clone)]
pub(super) struct Route {
    /// None for an internal kind.
    pub(super) listener: Option<Arc<dyn Listener>>,
    pub(super) observers: Vec<Arc<dyn Observer>>,
}

impl Listeners {
    pub(super) fn new(internal_kinds: Vec<String>) -> Listeners {
        Listeners { internal_kinds: internal_kinds.into(), ..Listeners::default() }
    }

    pub(super) fn add_listener(&mut self, pattern: &str, listener: Arc<dyn Listener>) {
        self.listeners.push(Registered::new(pattern, listener));
    }

    pub(super) fn add_observer(&mut self, pattern: &str, observer: Arc<dyn Observer>) {
        self.observers.push(Registered::new(pattern, observer));
    }

    /// Each listener once, however many patterns it has.
    pub(super) fn listeners(&self) -> Vec<Arc<dyn Listener>> {
        distinct(&self.listeners)
    }

    pub(super) fn observers(&self) -> Vec<Arc<dyn Observer>> {
        distinct(&self.observers)
    }

    /// The one listener of `kind`. None is `INVALID`, with the nearest known kind; several are a
    /// mistake of whoever registered them, `INTERNAL`.
    pub(super) fn route(&self, kind: &str) -> Result<Route> {
        let observers = matching(&self.observers, kind);
        if self.internal_kinds.iter().any(|internal| internal == kind) {
            return Ok(Route { listener: None, observers });
        }
        let mut found = matching(&self.listeners, kind);
        match (found.pop(), found.is_empty()) {
            (Some(only), true) => Ok(Route { listener: Some(only), observers }),
            (None, _) => Err(self.unknown_kind(kind)),
            (Some(_), false) => Err(Error::internal(format!(
                "entry kind {kind} has {} listeners, must have one",
                found.len() + 1
            ))),
        }
    }

    fn unknown_kind(&self, kind: &str) -> Error {
        let hint = match self.nearest_kind(kind) {
            Some(nearest) => format!(" (nearest known kind: {nearest})"),
            None => String::new(),
        };
        Error::invalid(format!("unknown entry kind: {kind}{hint}"))
    }

    /// The known kind that `kind` is a slip of the pen of.
    fn nearest_kind(&self, kind: &str) -> Option<String> {
        let patterns = self.listeners.iter().map(|listener| &listener.text);
        let mut known: Vec<String> = patterns
            .chain(self.internal_kinds.iter())
            .flat_map(|pattern| kinds_of(pattern))
            .collect();
        known.sort();
        nearest(kind, known.iter().map(String::as_str))
    }
}

/// Those whose pattern matches, each once.
fn matching<T: ?Sized>(registered: &[Registered<T>], kind: &str) -> Vec<Arc<T>> {
    distinct(registered.iter().filter(|one| one.pattern.matches(kind)))
}

fn distinct<'a, T: ?Sized + 'a>(
    registered: impl IntoIterator<Item = &'a Registered<T>>,
) -> Vec<Arc<T>> {
    let mut found: Vec<Arc<T>> = Vec::new();
    for registered in registered {
        if !found.iter().any(|other| Arc::ptr_eq(other, &registered.one)) {
            found.push(registered.one.clone());
        }
    }
    found
}

/// The kinds a pattern without stars spells out.
fn kinds_of(pattern: &str) -> Vec<String> {
    if pattern.contains('*') {
        return Vec::new();
    }
    let mut kinds = vec![String::new()];
    for segment in pattern.split('.') {
        let grown = kinds.iter().flat_map(|head| {
            alternatives(segment).map(move |tail| {
                let dot = if head.is_empty() { "" } else { "." };
                format!("{head}{dot}{tail}")
            })
        });
        kinds = grown.collect();
    }
    kinds
}

fn alternatives(segment: &str) -> impl Iterator<Item = &str> {
    let inner = segment.strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let (list, separator) = match inner {
        Some(inner) => (inner, '|'),
        None => (segment, '.'), // A segment has no dot: itself, whole.
    };
    list.split(separator)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Deaf;

    impl Listener for Deaf {
        fn add(&self, _: &Entry) -> Result<()> {
            Ok(())
        }
        fn update(&self, _: &Entry, _: &Entry) -> Result<()> {
            Ok(())
        }
        fn delete(&self, _: &Entry) -> Result<()> {
            Ok(())
        }
    }

    #[track_caller]
    fn check_route(kind: &str, expect: Result<bool, &str>) {
        let mut listeners = Listeners::new(vec!["registry.entry".into()]);
        let twice: Arc<dyn Listener> = Arc::new(Deaf);
        listeners.add_listener("(process|function).lua", twice.clone());
        listeners.add_listener("process.*", twice);
        listeners.add_listener("process.host", Arc::new(Deaf));
        listeners.add_listener("http.**", Arc::new(Deaf));
        let route = listeners.route(kind).map(|route| route.listener.is_some());
        assert_eq!(route.map_err(|e| e.to_string()), expect.map_err(str::to_owned));
    }

    #[test]
    fn a_kind_has_one_listener() {
        check_route("function.lua", Ok(true));
        check_route("process.lua", Ok(true));
        check_route("http.router", Ok(true));
        check_route("registry.entry", Ok(false));
        check_route("process.host", Err("entry kind process.host has 2 listeners, must have one"));
        check_route("zzz", Err("unknown entry kind: zzz"));
        check_route(
            "fucntion.lua",
            Err("unknown entry kind: fucntion.lua (nearest known kind: function.lua)"),
        );
        check_route(
            "registry.entries",
            Err("unknown entry kind: registry.entries (nearest known kind: registry.entry)"),
        );
    }
}
