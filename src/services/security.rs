//! `security.policy`: policies that entries define.

use std::sync::Arc;

use crate::core::registry::Entry;
use crate::core::registry::listener::Listener;
use crate::infra::error::Result;
use crate::system::security::Security;
use crate::system::security::policy::Policy;

/// Takes the entries of the kind.
pub struct PolicyListener {
    pub security: Arc<Security>,
}

impl Listener for PolicyListener {
    fn add(&self, entry: &Entry) -> Result<()> {
        self.security.insert(Policy::decode(entry)?, Policy::groups(entry)?);
        Ok(())
    }

    fn update(&self, _: &Entry, new: &Entry) -> Result<()> {
        self.add(new)
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        self.security.remove(&entry.id.to_string());
        Ok(())
    }
}
