//! AppContext: a write-once dictionary of service references, one per runtime.
//!
//! | property | behaviour |
//! |---|---|
//! | before sealing | writes under a lock |
//! | after sealing | reads take no lock; a write panics |
//! | duplicate key | panics |
//! | type safety | a [`Key`] carries the type; another type under the name reads as absent |
//!
//! The panics are for mistakes in the wiring of the program, made by whoever writes a component; no
//! input reaches them.

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

/// The name of a service and its type. Each service has one constant of these beside it.
pub struct Key<T> {
    name: &'static str,
    _type: PhantomData<fn() -> T>,
}

impl<T> Key<T> {
    pub const fn new(name: &'static str) -> Key<T> {
        Key { name, _type: PhantomData }
    }

    pub fn name(&self) -> &'static str {
        self.name
    }
}

type Entries = HashMap<&'static str, Arc<dyn Any + Send + Sync>>;

/// Cheap to clone; clones are the same dictionary.
#[derive(Clone, Default)]
pub struct AppContext(Arc<Inner>);

#[derive(Default)]
struct Inner {
    open: Mutex<Entries>,
    sealed: OnceLock<Entries>,
}

impl AppContext {
    pub fn new() -> AppContext {
        AppContext::default()
    }

    /// Stores a service.
    ///
    /// # Panics
    /// If the key is taken, or the context is sealed.
    pub fn attach<T: Send + Sync + 'static>(&self, key: &Key<T>, service: Arc<T>) {
        let mut open = self.0.open.lock();
        assert!(self.0.sealed.get().is_none(), "AppContext is sealed: {} came late", key.name);
        let before = open.insert(key.name, service);
        assert!(before.is_none(), "AppContext has two services named {}", key.name);
    }

    /// The service under `key`; none if it is absent or of another type.
    pub fn get<T: Send + Sync + 'static>(&self, key: &Key<T>) -> Option<Arc<T>> {
        let any = match self.0.sealed.get() {
            Some(entries) => entries.get(key.name)?.clone(),
            None => self.0.open.lock().get(key.name)?.clone(),
        };
        any.downcast().ok()
    }

    /// No writes from here on. Sealing twice changes nothing.
    pub fn seal(&self) {
        let mut open = self.0.open.lock();
        let entries = std::mem::take(&mut *open);
        if self.0.sealed.set(entries).is_err() {
            debug_assert!(open.is_empty());
        }
    }

    pub fn is_sealed(&self) -> bool {
        self.0.sealed.get().is_some()
    }
}

impl fmt::Debug for AppContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |entries: &Entries| {
            let mut names: Vec<_> = entries.keys().copied().collect();
            names.sort_unstable();
            names
        };
        let names = match self.0.sealed.get() {
            Some(entries) => names(entries),
            None => names(&self.0.open.lock()),
        };
        f.debug_struct("AppContext").field("services", &names).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NUMBER: Key<u32> = Key::new("number");
    const TEXT: Key<String> = Key::new("text");

    #[test]
    fn getters_are_typed() {
        let context = AppContext::new();
        context.attach(&NUMBER, Arc::new(7));
        for sealed in [false, true] {
            assert_eq!(context.get(&NUMBER).as_deref(), Some(&7));
            assert_eq!(context.get(&Key::<String>::new("number")), None);
            assert_eq!(context.get(&TEXT), None);
            assert_eq!(context.is_sealed(), sealed);
            context.seal();
        }
    }

    #[test]
    #[should_panic(expected = "two services named number")]
    fn a_duplicate_key_panics() {
        let context = AppContext::new();
        context.attach(&NUMBER, Arc::new(1));
        context.attach(&NUMBER, Arc::new(2));
    }

    #[test]
    #[should_panic(expected = "sealed: text came late")]
    fn a_late_write_panics() {
        let context = AppContext::new();
        context.seal();
        context.attach(&TEXT, Arc::new(String::new()));
    }
}
