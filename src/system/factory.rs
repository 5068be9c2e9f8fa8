//! Factory: from an entry id to what a process of it is made from.
//!
//! Kinds register their entries by events, see [`serve`](Factory::serve), when readers see them. What
//! is made is known to the layer that registered it; here it is an opaque value.

use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fnv::FnvHashMap;
use parking_lot::RwLock;

use crate::core::registry::EntryId;
use crate::infra::error::{Error, Result};
use crate::infra::event_bus::EventBus;
use crate::infra::event_bus::request::{self, FACTORIES, Request};
use crate::infra::transcoder::Value;

/// What a process is made from; cheap to share, never changed.
pub type Blueprint = Arc<dyn Any + Send + Sync>;

/// A blueprint on its way to the factory.
pub struct Made(pub Blueprint);

#[derive(Default)]
pub struct Factory {
    by_id: RwLock<FnvHashMap<Box<str>, Blueprint>>,
    version: AtomicU64,
}

impl Factory {
    /// Adds or replaces the blueprint of an entry: processes started from now on use it.
    pub fn register(&self, id: &EntryId, blueprint: Blueprint) {
        self.by_id.write().insert(id.to_string().into(), blueprint);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Takes requests of topic [`FACTORIES`]; the thing that one brings is a [`Made`].
    ///
    /// # Errors
    /// The bus is closed.
    pub fn serve(self: &Arc<Factory>, bus: &EventBus) -> Result<()> {
        let factory = self.clone();
        request::serve(bus, FACTORIES, move |wanted| {
            match wanted {
                Request::Register(id, part) => {
                    let Made(blueprint) = request::expect(FACTORIES, part)?;
                    factory.register(&EntryId::parse(id), blueprint.clone());
                }
                Request::Delete(id) => factory.delete(&EntryId::parse(id)),
            }
            Ok(())
        })
    }

    pub fn delete(&self, id: &EntryId) {
        self.by_id.write().remove(&*id.to_string());
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Changes with every change: whoever remembers what `get` gave may look whether it still holds.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The blueprint of `id`, `ns:name` as text.
    pub fn get(&self, id: &str) -> Result<Blueprint> {
        self.by_id.read().get(id).cloned().ok_or_else(|| {
            Error::not_found("factory not found")
                .with_details([("factory_id", Value::from(id))].into())
        })
    }

    /// All ids that can be started, sorted.
    pub fn ids(&self) -> Vec<String> {
        let mut ids: Vec<String> = self.by_id.read().keys().map(|id| id.to_string()).collect();
        ids.sort();
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::error::Kind;

    #[test]
    fn what_is_registered_is_found_until_it_is_deleted() {
        let factory = Factory::default();
        let (id, text) = (EntryId::parse("app:a"), "app:a");
        let kind = |factory: &Factory| {
            let blueprint = factory.get(text).map(|it| *it.downcast::<i32>().expect("a number"));
            blueprint.map_err(|error| (error.kind().clone(), error.message().to_owned()))
        };
        let absent = Err((Kind::NotFound, "factory not found".to_owned()));
        assert_eq!(kind(&factory), absent);
        let details = factory.get(text).expect_err("absent").details().cloned();
        assert_eq!(details, Some([("factory_id", Value::from(text))].into()));
        factory.register(&id, Arc::new(1));
        let before = factory.version();
        factory.register(&id, Arc::new(2));
        assert_eq!((kind(&factory), factory.ids()), (Ok(2), vec![text.to_owned()]));
        factory.delete(&id);
        assert_eq!(kind(&factory), absent);
        assert!(factory.version() > before && factory.ids().is_empty());
    }
}
