//! What travels on the bus: an event, and its data as the publisher had it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::infra::transcoder::Value;
use crate::infra::transcoder::wire::Wire;

/// What happened: `system` names the publisher, `kind` what, `path` to whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub system: String,
    pub kind: String,
    pub path: String,
    pub data: Payload,
}

/// The data of an event. Whoever takes it gets a copy; the event itself never changes.
#[derive(Clone, Debug, PartialEq)]
pub enum Payload {
    /// From the host.
    Value(Value),
    /// From a Lua program: one value, with the shape it had there, shared tables and cycles
    /// included.
    Wire(Wire),
    /// From one part of the runtime for another; nothing to everybody else.
    Part(Part),
}

/// Something that only the runtime can make. Cheap to clone; clones are the same.
#[derive(Clone)]
pub struct Part(pub Arc<dyn Any + Send + Sync>);

impl Part {
    pub fn new(part: impl Any + Send + Sync) -> Part {
        Part(Arc::new(part))
    }

    /// What it is, if it is a `T`.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl PartialEq for Part {
    fn eq(&self, other: &Part) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Part")
    }
}

impl Event {
    pub fn new(system: &str, kind: &str, path: &str, data: impl Into<Payload>) -> Event {
        Event { system: system.into(), kind: kind.into(), path: path.into(), data: data.into() }
    }
}

impl Payload {
    /// The data as a tree.
    pub fn to_value(&self) -> Value {
        match self {
            Payload::Value(value) => value.clone(),
            Payload::Wire(wire) => wire.reader().value().unwrap_or_default(),
            Payload::Part(_) => Value::Nil,
        }
    }
}

impl From<Value> for Payload {
    fn from(value: Value) -> Payload {
        Payload::Value(value)
    }
}

impl From<Wire> for Payload {
    fn from(wire: Wire) -> Payload {
        Payload::Wire(wire)
    }
}

impl From<Part> for Payload {
    fn from(part: Part) -> Payload {
        Payload::Part(part)
    }
}

impl From<&str> for Payload {
    fn from(text: &str) -> Payload {
        Payload::Value(text.into())
    }
}
