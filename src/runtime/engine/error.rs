//! Error objects: an [`Error`] as Lua sees it.

use std::ffi::{CStr, c_int};

use crate::infra::error::{Error, Kind};
use crate::runtime::engine::raw::{State, Tagged, Type};
use crate::runtime::engine::tags;

/// What stands behind an error object.
pub struct ErrorObject {
    pub error: Error,
    /// Context of `errors.wrap`, this object's own.
    pub context: Option<String>,
    pub stack: String,
}

impl Tagged for ErrorObject {
    const TAG: c_int = tags::ERROR;
    const NAME: &'static CStr = c"error";
}

impl ErrorObject {
    pub fn message(&self) -> String {
        self.error.to_string()
    }
}

/// Pushes an error object with the stack of `l`.
pub fn push(l: State, error: Error) {
    let stack = stack_of(l);
    l.push_userdata(ErrorObject { error, context: None, stack });
}

/// `  SOURCE:LINE (NAME)` for each Lua frame; frames beyond the twentieth are left out.
pub fn stack_of(l: State) -> String {
    let mut text = String::from("stack:");
    for level in 0..20 {
        let Some((source, line)) = l.location(level) else {
            if level > 1 { break } else { continue }
        };
        let name = l.function_name(level).unwrap_or_else(|| "main".into());
        text.push_str(&format!("\n  {source}:{line} ({name})"));
    }
    text
}

/// The text of the error object at `index`; `None` if it is none.
pub fn message(l: State, index: c_int) -> Option<String> {
    l.with::<ErrorObject, _>(index, |object| object.message())
}

/// The error behind the object at `index`.
pub fn get(l: State, index: c_int) -> Option<Error> {
    l.with::<ErrorObject, _>(index, |object| object.error.clone())
}

/// A raised value as an error: error objects keep kind, retryability and details; anything else is
/// internal and of unknown retryability.
pub fn from_raised(l: State, index: c_int) -> Error {
    if let Some(error) = get(l, index) {
        return match error.kind() {
            Kind::Unknown => rekind(&error, Kind::Internal),
            _ => error,
        };
    }
    let message = match l.type_of(index) {
        Type::String | Type::Number => lossy(l, index),
        _ => format!("(error object is a {} value)", l.type_name(index)),
    };
    Error::internal(message).with_retryable(None)
}

/// The second result of a method as an error: a text or an error object is one.
pub fn from_result(l: State, index: c_int) -> Option<Error> {
    match l.type_of(index) {
        Type::String => Some(Error::internal(lossy(l, index))),
        Type::Userdata => get(l, index).map(|error| match error.kind() {
            Kind::Unknown => rekind(&error, Kind::Internal),
            _ => error,
        }),
        _ => None,
    }
}

fn rekind(error: &Error, kind: Kind) -> Error {
    let rekinded = Error::new(kind, error.to_string()).with_retryable(error.retryable());
    match error.details() {
        Some(details) => rekinded.with_details(details.clone()),
        None => rekinded,
    }
}

fn lossy(l: State, index: c_int) -> String {
    String::from_utf8_lossy(l.bytes(index).unwrap_or_default()).into_owned()
}
