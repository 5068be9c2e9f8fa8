//! What travels on the bus: an event, and its data as the publisher had it.

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

impl From<&str> for Payload {
    fn from(text: &str) -> Payload {
        Payload::Value(text.into())
    }
}
