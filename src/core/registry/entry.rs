//! What the registry stores.

use crate::core::registry::id::EntryId;
use crate::infra::transcoder::{Map, Value};

/// One definition of an application: a process, a host, a service, a library.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub id: EntryId,
    /// Dotted kind, for example `process.lua`.
    pub kind: String,
    pub meta: Map,
    /// Normally a map; what the kind's listener decodes.
    pub data: Value,
}
