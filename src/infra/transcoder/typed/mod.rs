//! Values out of types that serde writes, and into types that serde reads.
//!
//! Exact where the text formats are not: bytes stay bytes, numbers that are no numbers stay that.
//! Integers beyond 64 bits with sign become floats. Keys of maps are text, numbers among them. Since
//! Lua has one kind of table, an empty list reads as an empty map too, and the other way round.
//!
//! Nesting is bounded both ways, so that neither a type nor a program can exhaust a thread's stack.

mod input;
mod output;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;
use crate::infra::transcoder::tree::DEPTH_MAX;
use crate::infra::transcoder::typed::input::Input;
use crate::infra::transcoder::typed::output::Output;

/// Data of any type that serde writes, as a [`Value`].
///
/// # Errors
/// `Invalid`: it nests deeper than 200 levels, a key of a map is no text, or its `Serialize` says so.
pub fn to_value<T: Serialize + ?Sized>(data: &T) -> Result<Value> {
    data.serialize(Output::new()).map_err(Problem::into_error)
}

/// A [`Value`] as any type that serde reads.
///
/// # Errors
/// `Invalid`: it has another shape than the type, or nests deeper than 200 levels.
pub fn from_value<T: DeserializeOwned>(value: Value) -> Result<T> {
    T::deserialize(Input::new(value)).map_err(Problem::into_error)
}

/// Why data does not fit.
#[derive(Debug)]
struct Problem(String);

impl Problem {
    fn into_error(self) -> Error {
        Error::invalid(self.0)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Problem {}

impl serde::ser::Error for Problem {
    fn custom<T: fmt::Display>(text: T) -> Problem {
        Problem(text.to_string())
    }
}

impl serde::de::Error for Problem {
    fn custom<T: fmt::Display>(text: T) -> Problem {
        Problem(text.to_string())
    }
}

/// One level further in.
fn deeper(depth_left: usize) -> Result<usize, Problem> {
    let problem = || Problem(format!("data nests deeper than {DEPTH_MAX} levels"));
    depth_left.checked_sub(1).ok_or_else(problem)
}
