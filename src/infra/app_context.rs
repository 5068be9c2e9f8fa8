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
use std::collections::hash_map::Entry;
use std::fmt;
use std::marker::PhantomData;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

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
    /// What has been attached. Sealing leaves it as it is: a reader that found `sealed` empty just
    /// before may still be on its way here.
    open: RwLock<Entries>,
    /// A copy of `open`, made while holding its write lock, so that no write slips in between.
    sealed: OnceLock<Entries>,
}

impl AppContext {
    pub fn new() -> AppContext {
        AppContext::default()
    }

    /// Stores a service.
    ///
    /// # Panics
    /// If the key is taken (the first service stays), or the context is sealed.
    pub fn attach<T: Send + Sync + 'static>(&self, key: &Key<T>, service: Arc<T>) {
        let mut open = self.0.open.write();
        assert!(!self.is_sealed(), "AppContext is sealed: {} came late", key.name);
        match open.entry(key.name) {
            Entry::Vacant(slot) => slot.insert(service),
            Entry::Occupied(_) => panic!("AppContext has two services named {}", key.name),
        };
    }

    /// The service under `key`; none if it is absent or of another type.
    pub fn get<T: Send + Sync + 'static>(&self, key: &Key<T>) -> Option<Arc<T>> {
        let any = match self.0.sealed.get() {
            Some(entries) => entries.get(key.name).cloned(),
            None => self.0.open.read().get(key.name).cloned(),
        };
        any?.downcast().ok()
    }

    /// No writes from here on. Sealing twice changes nothing.
    pub fn seal(&self) {
        let open = self.0.open.write();
        self.0.sealed.get_or_init(|| open.clone());
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
            None => names(&self.0.open.read()),
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
    fn the_first_of_two_services_stays() {
        let context = AppContext::new();
        context.attach(&NUMBER, Arc::new(1));
        let again = || context.attach(&NUMBER, Arc::new(2));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(again)).is_err());
        assert_eq!(context.get(&NUMBER).as_deref(), Some(&1));
    }

    #[test]
    fn clones_are_one_dictionary() {
        let context = AppContext::new();
        let clone = context.clone();
        context.attach(&NUMBER, Arc::new(7));
        assert_eq!(clone.get(&NUMBER).as_deref(), Some(&7));
        clone.seal();
        assert!(context.is_sealed());
    }

    #[test]
    fn a_reader_never_misses_a_service_while_it_is_sealed() {
        for _ in 0..200 {
            let context = AppContext::new();
            context.attach(&NUMBER, Arc::new(7));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !context.is_sealed() {
                        assert_eq!(context.get(&NUMBER).as_deref(), Some(&7));
                    }
                });
                context.seal();
            });
        }
    }

    #[test]
    #[should_panic(expected = "sealed: text came late")]
    fn a_late_write_panics() {
        let context = AppContext::new();
        context.seal();
        context.attach(&TEXT, Arc::new(String::new()));
    }
}
