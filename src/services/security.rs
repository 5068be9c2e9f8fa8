//! `security.policy`: policies that entries define.

use std::sync::{Arc, Weak};

use crate::core::registry::listener::Listener;
use crate::core::registry::{Effect, Entry, Registry};
use crate::infra::error::{Error, Result};
use crate::system::security::Security;
use crate::system::security::policy::Policy;

/// Takes the entries of the kind. A policy counts from when readers see it, not while the transaction
/// that brings it may still come to nothing.
pub struct PolicyListener {
    pub security: Arc<Security>,
    /// Not held: it holds its listeners.
    pub registry: Weak<Registry>,
}

impl PolicyListener {
    fn put_off(&self, effect: Effect) -> Result<()> {
        match self.registry.upgrade() {
            Some(registry) => registry.put_off(effect),
            None => Err(Error::unavailable("there is no registry")),
        }
    }
}

impl Listener for PolicyListener {
    fn add(&self, entry: &Entry) -> Result<()> {
        let (policy, groups) = (Policy::decode(entry)?, Policy::groups(entry)?);
        let security = self.security.clone();
        self.put_off(Box::new(move || security.insert(policy, groups)))
    }

    fn update(&self, _: &Entry, new: &Entry) -> Result<()> {
        self.add(new)
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        let (security, id) = (self.security.clone(), entry.id.to_string());
        self.put_off(Box::new(move || security.remove(&id)))
    }
}
