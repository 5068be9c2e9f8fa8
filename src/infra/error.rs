//! The one error type that crosses layers and reaches Lua.
//!
//! Where a caller branches on the outcome, a function has a small enum of its own; where an error
//! travels, it is an [`Error`]. [`Kind`] and `retryable` drive decisions, the text is for people:
//! lower case, no full stop, context added once by the layer that knows the name. Nothing parses it.

use std::fmt;

use crate::infra::transcoder::Value;

/// What sort of failure it is, as Lua sees it (`errors.NOT_FOUND` and so on).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// No kind given; prints as the empty string.
    #[default]
    Unknown,
    /// There is no such thing.
    NotFound,
    /// There is such a thing already.
    AlreadyExists,
    /// What was handed in makes no sense, or not now.
    Invalid,
    /// A policy forbids it.
    PermissionDenied,
    /// It is not there at the moment, has no room, or has stopped.
    Unavailable,
    /// Something failed on the way; what a Lua program raises is of this kind unless it says otherwise.
    Internal,
    /// Somebody called it off.
    Canceled,
    /// Somebody else was there first.
    Conflict,
    /// It took too long.
    Timeout,
    /// It was asked for too often.
    RateLimited,
    /// A kind that a Lua program made up; kept as it is.
    Other(Box<str>),
}

impl Kind {
    /// The text Lua compares with, for example `"NotFound"`.
    pub fn as_str(&self) -> &str {
        match self {
            Kind::Unknown => "",
            Kind::NotFound => "NotFound",
            Kind::AlreadyExists => "AlreadyExists",
            Kind::Invalid => "Invalid",
            Kind::PermissionDenied => "PermissionDenied",
            Kind::Unavailable => "Unavailable",
            Kind::Internal => "Internal",
            Kind::Canceled => "Canceled",
            Kind::Conflict => "Conflict",
            Kind::Timeout => "Timeout",
            Kind::RateLimited => "RateLimited",
            Kind::Other(text) => text,
        }
    }

    /// The inverse of [`Kind::as_str`]; a text that is none of ours becomes [`Kind::Other`].
    pub fn parse(text: &str) -> Kind {
        match text {
            "" => Kind::Unknown,
            "NotFound" => Kind::NotFound,
            "AlreadyExists" => Kind::AlreadyExists,
            "Invalid" => Kind::Invalid,
            "PermissionDenied" => Kind::PermissionDenied,
            "Unavailable" => Kind::Unavailable,
            "Internal" => Kind::Internal,
            "Canceled" => Kind::Canceled,
            "Conflict" => Kind::Conflict,
            "Timeout" => Kind::Timeout,
            "RateLimited" => Kind::RateLimited,
            other => Kind::Other(other.into()),
        }
    }
}

/// A failure with what a caller may decide on and what a person may read.
///
/// `Display` prints the message and the chain of causes joined by `": "`.
#[derive(Clone, Debug, PartialEq)]
pub struct Error(
    /// Behind a pointer: results are returned far more often than errors are made.
    Box<Parts>,
);

#[derive(Clone, Debug, PartialEq)]
struct Parts {
    kind: Kind,
    message: String,
    retryable: Option<bool>,
    details: Option<Value>,
    source: Option<Error>,
}

/// What can fail with an [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`, not retryable. Errors of the runtime say so unless they know better.
    pub fn new(kind: Kind, message: impl Into<String>) -> Error {
        Error(Box::new(Parts {
            kind,
            message: message.into(),
            retryable: Some(false),
            details: None,
            source: None,
        }))
    }

    /// One of kind `Invalid`.
    pub fn invalid(message: impl Into<String>) -> Error {
        Error::new(Kind::Invalid, message)
    }

    /// One of kind `NotFound`.
    pub fn not_found(message: impl Into<String>) -> Error {
        Error::new(Kind::NotFound, message)
    }

    /// One of kind `Internal`.
    pub fn internal(message: impl Into<String>) -> Error {
        Error::new(Kind::Internal, message)
    }

    /// One of kind `Unavailable`, not retryable unless told so.
    pub fn unavailable(message: impl Into<String>) -> Error {
        Error::new(Kind::Unavailable, message)
    }

    /// The same error as one of another kind.
    pub fn with_kind(mut self, kind: Kind) -> Error {
        self.0.kind = kind;
        self
    }

    /// `Some(true)` may be tried again, `Some(false)` must not, `None` nobody knows.
    pub fn with_retryable(mut self, retryable: Option<bool>) -> Error {
        self.0.retryable = retryable;
        self
    }

    /// Structured data for programs; a [`Value::Map`].
    pub fn with_details(mut self, details: Value) -> Error {
        self.0.details = Some(details);
        self
    }

    /// The same error with its cause.
    pub fn with_source(mut self, source: Error) -> Error {
        self.0.source = Some(source);
        self
    }

    /// This error as the cause of another, with the same kind, retryability and details.
    pub fn context(self, message: impl Into<String>) -> Error {
        Error(Box::new(Parts {
            kind: self.kind().clone(),
            message: message.into(),
            retryable: self.retryable(),
            details: self.details().cloned(),
            source: Some(self),
        }))
    }

    /// What sort of failure it is.
    pub fn kind(&self) -> &Kind {
        &self.0.kind
    }

    /// The message of this error alone, without its causes.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// May it be tried again? `None`: nobody knows.
    pub fn retryable(&self) -> Option<bool> {
        self.0.retryable
    }

    /// Structured data for programs.
    pub fn details(&self) -> Option<&Value> {
        self.0.details.as_ref()
    }

    /// Bytes that it takes on the heap, about.
    pub fn heap(&self) -> usize {
        let details = self.details().map_or(0, Value::heap);
        let cause = self.cause().map_or(0, Error::heap);
        size_of::<Parts>() + self.0.message.capacity() + details + cause
    }

    /// The error behind this one.
    pub fn cause(&self) -> Option<&Error> {
        self.0.source.as_ref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())?;
        let mut cause = self.cause();
        while let Some(error) = cause {
            write!(f, ": {}", error.message())?;
            cause = error.cause();
        }
        Ok(())
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause().map(|e| e as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn display_joins_the_chain() {
        let error = Error::not_found("no such file").context("read a.lua").context("load app:a");
        assert_eq!(error.to_string(), "load app:a: read a.lua: no such file");
        assert_eq!(*error.kind(), Kind::NotFound);
        assert_eq!(error.retryable(), Some(false));
    }

    #[test]
    fn kinds_survive_their_text() {
        for text in ["", "NotFound", "RateLimited", "Conflict", "HouseRule"] {
            assert_eq!(Kind::parse(text).as_str(), text);
        }
    }
}
