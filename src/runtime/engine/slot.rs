//! A Lua value held by the host.

use crate::runtime::engine::raw::{Anchor, State, Type};

/// Small values lie here themselves, the others in the registry of their VM.
pub enum Slot {
    Nil,
    Bool(bool),
    Number(f64),
    Object(Anchor),
}

impl Slot {
    /// Takes the value on top of the stack.
    #[inline]
    pub fn take(l: State) -> Slot {
        let slot = match l.type_of(-1) {
            Type::None | Type::Nil => Slot::Nil,
            Type::Boolean => Slot::Bool(l.bool(-1)),
            Type::Number => Slot::Number(l.number(-1).unwrap_or_default()),
            _ => return Slot::Object(l.anchor()),
        };
        l.pop(1);
        slot
    }

    #[inline]
    pub fn push(&self, l: State) {
        match self {
            Slot::Nil => l.push_nil(),
            Slot::Bool(flag) => l.push_bool(*flag),
            Slot::Number(number) => l.push_number(*number),
            Slot::Object(anchor) => anchor.push(l),
        }
    }

    /// A second hold on the same value.
    #[inline]
    pub fn share(&self) -> Slot {
        match self {
            Slot::Nil => Slot::Nil,
            Slot::Bool(flag) => Slot::Bool(*flag),
            Slot::Number(number) => Slot::Number(*number),
            Slot::Object(anchor) => Slot::Object(anchor.share()),
        }
    }
}
