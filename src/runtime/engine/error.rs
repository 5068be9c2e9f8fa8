//! Error objects: an [`Error`] as Lua sees it.

use std::ffi::{CStr, c_int};
use std::fmt;

use crate::infra::error::{Error, Kind};
use crate::runtime::engine::raw::{State, Tagged, Type};
use crate::runtime::engine::tags;

/// What stands behind an error object.
pub struct ErrorObject {
    pub error: Error,
    /// Context of `errors.wrap`, this object's own.
    pub context: Option<String>,
    pub stack: Stack,
}

/// Where an error object was made.
pub struct Stack {
    /// Address of the thread.
    pub thread: usize,
    /// Innermost first.
    pub frames: Vec<Frame>,
}

/// A Lua function that was being called.
pub struct Frame {
    pub source: String,
    pub line: i32,
    pub name: Option<String>,
}

/// Calls looked at for a stack: those beyond are left out.
const STACK_MAX: c_int = 20;

impl Tagged for ErrorObject {
    const TAG: c_int = tags::ERROR;
    const NAME: &'static CStr = c"error";

    fn heap(&self) -> usize {
        let context = self.context.as_ref().map_or(0, String::capacity);
        self.error.heap() + context + self.stack.heap()
    }
}

impl ErrorObject {
    pub fn message(&self) -> String {
        self.error.to_string()
    }
}

/// Pushes an error object with the stack of `l`.
pub fn push(l: State, error: Error) {
    push_wrapped(l, error, None);
}

/// Pushes an error object with a context of its own.
pub fn push_wrapped(l: State, error: Error, context: Option<String>) {
    let stack = Stack::of(l);
    l.push_userdata(ErrorObject { error, context, stack });
}

/// The stack of `l` as text, see [`Stack`].
pub fn stack_of(l: State) -> String {
    Stack::of(l).to_string()
}

impl Stack {
    fn of(l: State) -> Stack {
        let mut frames = Vec::new();
        for level in 0..l.depth().min(STACK_MAX) {
            // Host functions have no position.
            if let Some((source, line)) = l.location(level) {
                frames.push(Frame { source, line, name: l.function_name(level) });
            }
        }
        Stack { thread: l.as_ptr() as usize, frames }
    }

    fn heap(&self) -> usize {
        let texts = |frame: &Frame| {
            frame.source.capacity() + frame.name.as_ref().map_or(0, String::capacity)
        };
        let own = self.frames.capacity() * size_of::<Frame>();
        own + self.frames.iter().map(texts).sum::<usize>()
    }
}

impl Frame {
    pub fn name(&self) -> &str {
        self.name.as_deref().unwrap_or("main")
    }
}

/// `  SOURCE:LINE (NAME)` for each Lua function. An error that came in while no function ran, say into
/// the channel of a future, has none, and says so.
impl fmt::Display for Stack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("stack:")?;
        if self.frames.is_empty() {
            f.write_str("\n  (outside of Lua functions)")?;
        }
        for frame in &self.frames {
            write!(f, "\n  {}:{} ({})", frame.source, frame.line, frame.name())?;
        }
        Ok(())
    }
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
