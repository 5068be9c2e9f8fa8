//! JSON as Lua values, without a tree in between. Specification 07, section 2.2.
//!
//! A table made of an empty object has a metatable that says so, for the way back. Nobody has to
//! care: it holds no metamethods, and a program may replace it.

use std::fmt;

use rustc_hash::FxHashSet;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::infra::error::Result;
use crate::infra::transcoder::json;
use crate::runtime::engine::raw::{State, Type};

/// Field of the metatable of tables that were empty objects.
const WAS_OBJECT: &str = "json.object";

/// Pushes the first value in `text`; the stack is as before if there is none.
pub fn decode(l: State, text: &[u8]) -> Result<()> {
    let top = l.top();
    json::read(text, Push { l, depth: 0 }).inspect_err(|_| l.set_top(top))
}

/// Does the metatable of the table at `index` say that it was an empty object?
pub fn was_object(l: State, index: std::ffi::c_int) -> bool {
    if !l.has_metatable(index) || !l.get_metatable(index) {
        return false;
    }
    let was = l.get_field(-1, WAS_OBJECT) == Type::Boolean;
    l.pop(2);
    was
}

/// Marks the empty table on top of the stack.
fn mark(l: State) {
    l.new_table(0, 1);
    l.push_bool(true);
    l.set_field(-2, WAS_OBJECT);
    l.set_read_only(-1, true);
    l.set_metatable(-2);
}

/// Pushes one value, whatever it is.
#[derive(Clone, Copy)]
struct Push {
    l: State,
    /// Lists and objects around it.
    depth: usize,
}

impl Push {
    fn inner<E: serde::de::Error>(self) -> std::result::Result<Push, E> {
        if self.depth >= json::DEPTH_MAX || !self.l.check_stack(6) {
            return Err(E::custom("recursion limit exceeded"));
        }
        Ok(Push { depth: self.depth + 1, ..self })
    }
}

impl<'de> DeserializeSeed<'de> for Push {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> std::result::Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Push {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> std::result::Result<(), E> {
        self.l.push_nil();
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> std::result::Result<(), E> {
        self.l.push_bool(flag);
        Ok(())
    }

    fn visit_i64<E>(self, n: i64) -> std::result::Result<(), E> {
        self.l.push_number(n as f64);
        Ok(())
    }

    fn visit_u64<E>(self, n: u64) -> std::result::Result<(), E> {
        self.l.push_number(n as f64);
        Ok(())
    }

    fn visit_f64<E>(self, x: f64) -> std::result::Result<(), E> {
        self.l.push_number(x);
        Ok(())
    }

    fn visit_str<E>(self, text: &str) -> std::result::Result<(), E> {
        self.l.push_str(text);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> std::result::Result<(), A::Error> {
        let inner = self.inner()?;
        let l = self.l;
        l.new_table(0, 0);
        let mut n = 1;
        while input.next_element_seed(inner)?.is_some() {
            // Null leaves a hole.
            l.raw_set_index(-2, n);
            n += 1;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> std::result::Result<(), A::Error> {
        let inner = self.inner()?;
        let l = self.l;
        l.new_table(0, 0);
        let mut is_empty = true;
        // Names of members that are null: the table does not know them.
        let mut nulls = FxHashSet::<Box<[u8]>>::default();
        while input.next_key_seed(Push { l, depth: 0 })?.is_some() {
            l.push_value(-1);
            let known = l.raw_get(-3) != Type::Nil;
            l.pop(1);
            let key = l.bytes(-1).unwrap_or_default();
            if known || (!nulls.is_empty() && nulls.contains(key)) {
                let key = String::from_utf8_lossy(key);
                return Err(A::Error::custom(format!("duplicate member {key:?}")));
            }
            input.next_value_seed(inner)?;
            if l.type_of(-1) == Type::Nil {
                nulls.insert(l.bytes(-2).unwrap_or_default().into());
                l.pop(2);
                continue;
            }
            l.raw_set(-3);
            is_empty = false;
        }
        if is_empty && nulls.is_empty() {
            mark(l);
        }
        Ok(())
    }
}
