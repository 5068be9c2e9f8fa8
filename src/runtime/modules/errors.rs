//! `errors`, and the methods of error objects. Specification 02, section 6.

use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::{Map, Value};
use crate::runtime::engine::error::{self, ErrorObject};
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Raise, Ret, host, push_functions, register_type, value};
use crate::runtime::modules::base::text_max;

const KINDS: &[(&str, Kind)] = &[
    ("NOT_FOUND", Kind::NotFound),
    ("ALREADY_EXISTS", Kind::AlreadyExists),
    ("INVALID", Kind::Invalid),
    ("PERMISSION_DENIED", Kind::PermissionDenied),
    ("UNAVAILABLE", Kind::Unavailable),
    ("INTERNAL", Kind::Internal),
    ("CANCELED", Kind::Canceled),
    ("CONFLICT", Kind::Conflict),
    ("TIMEOUT", Kind::Timeout),
    ("RATE_LIMITED", Kind::RateLimited),
    ("UNKNOWN", Kind::Unknown),
];

pub fn register_types(l: State) {
    register_type::<ErrorObject>(
        l,
        &[
            (c"message", host(message)),
            (c"kind", host(kind)),
            (c"retryable", host(retryable)),
            (c"details", host(details)),
            (c"stack", host(stack)),
        ],
        &[(c"__tostring", host(message)), (c"__concat", host(concat))],
    );
}

pub fn open(l: State) {
    push_functions(
        l,
        &[
            (c"new", host(new)),
            (c"wrap", host(wrap)),
            (c"is", host(is)),
            (c"call_stack", host(call_stack)),
        ],
    );
    for (name, kind) in KINDS {
        l.push_str(kind.as_str());
        l.set_field(-2, name);
    }
    l.set_read_only(-1, true);
}

// -- making ------------------------------------------------------------------------------------

/// `errors.new(message)` or `errors.new{message =, kind =, retryable =, details =}`.
fn new(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let error = match l.type_of(1) {
        Type::String => plain(cx.string(1)?),
        Type::Table => from_table(cx)?,
        _ => return Err(cx.wrong_type(1, "string or table")),
    };
    error::push(l, error);
    cx.values(1)
}

/// An error of no kind.
fn plain(message: String) -> Error {
    Error::new(Kind::Unknown, message).with_retryable(None)
}

fn from_table(cx: &Cx) -> Result<Error, Raise> {
    let l = cx.l;
    if l.get_field(1, "message") != Type::String {
        return Err(cx.bad_argument(1, "field 'message' must be a string"));
    }
    let message = cx.string(-1)?;
    let kind = match l.get_field(1, "kind") {
        Type::String => Kind::parse(&cx.string(-1)?),
        _ => Kind::Unknown,
    };
    let retryable = match l.get_field(1, "retryable") {
        Type::Boolean => Some(l.bool(-1)),
        _ => None,
    };
    let error = Error::new(kind, message).with_retryable(retryable);
    let details = match l.get_field(1, "details") {
        Type::Table => value::read_map(l, l.top())?,
        _ => Map::new(),
    };
    l.pop(4);
    Ok(match details.is_empty() {
        true => error,
        false => error.with_details(Value::Map(details)),
    })
}

/// `errors.wrap(parent, context)`: the new error shows its parent's context, not yet its own.
fn wrap(cx: &mut Cx) -> Ret {
    let (l, max) = (cx.l, text_max(cx));
    let parent = l.with::<ErrorObject, _>(1, |parent| {
        let message = match &parent.context {
            Some(context) => format!("{context}: {}", parent.message()),
            None => parent.message(),
        };
        let parent = &parent.error;
        let error = Error::new(parent.kind().clone(), message).with_retryable(parent.retryable());
        match parent.details() {
            Some(details) => error.with_details(details.clone()),
            None => error,
        }
    });
    let error = match (parent, l.type_of(1)) {
        (Some(error), _) => error,
        (None, Type::String) => plain(cx.string(1)?),
        _ => return Err(cx.wrong_type(1, "error or string")),
    };
    let context = match l.type_of(2) {
        Type::String => cx.string(2)?,
        _ => error::message(l, 2).ok_or_else(|| cx.wrong_type(2, "error or string"))?,
    };
    // An error may be the context of another: a few wraps are enough for a text that nobody can hold.
    if error.message().len() + context.len() > max {
        return Err("the text of the error becomes too long".into());
    }
    error::push_wrapped(l, error, Some(context));
    cx.values(1)
}

// -- asking ------------------------------------------------------------------------------------

fn is(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let wanted = match l.type_of(2) {
        Type::String => l.bytes(2),
        _ => None,
    };
    let is = l.with::<ErrorObject, _>(1, |object| {
        wanted == Some(object.error.kind().as_str().as_bytes())
    });
    cx.bool(is == Some(true))
}

/// `{thread =, frames = {{level, source, line, name, type}, ...}}`, innermost first.
fn call_stack(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let found = l.with::<ErrorObject, _>(1, |object| {
        let stack = &object.stack;
        if stack.frames.is_empty() {
            return false;
        }
        l.new_table(0, 2);
        l.push_str(&format!("thread: {:#018x}", stack.thread));
        l.set_field(-2, "thread");
        l.new_table(stack.frames.len(), 0);
        for (n, frame) in (1..).zip(&stack.frames) {
            l.new_table(0, 5);
            l.push_number(n as f64);
            l.set_field(-2, "level");
            l.push_str(&frame.source);
            l.set_field(-2, "source");
            l.push_number(f64::from(frame.line));
            l.set_field(-2, "line");
            l.push_str(frame.name());
            l.set_field(-2, "name");
            l.push_str("Lua");
            l.set_field(-2, "type");
            l.raw_set_index(-2, n);
        }
        l.set_field(-2, "frames");
        true
    });
    if found != Some(true) {
        l.push_nil();
    }
    cx.values(1)
}

// -- methods -----------------------------------------------------------------------------------

/// Reads the error object that a method is called on.
fn of_this<R>(cx: &Cx, read: impl FnOnce(&ErrorObject) -> R) -> Result<R, Raise> {
    let result = cx.l.with::<ErrorObject, _>(1, |object| read(object));
    result.ok_or_else(|| cx.wrong_type(1, "error"))
}

fn message(cx: &mut Cx) -> Ret {
    cx.str(&of_this(cx, ErrorObject::message)?)
}

fn kind(cx: &mut Cx) -> Ret {
    let kind = of_this(cx, |object| object.error.kind().clone())?;
    cx.str(kind.as_str())
}

fn retryable(cx: &mut Cx) -> Ret {
    match of_this(cx, |object| object.error.retryable())? {
        Some(flag) => cx.bool(flag),
        None => {
            cx.l.push_nil();
            cx.values(1)
        }
    }
}

fn details(cx: &mut Cx) -> Ret {
    let details = of_this(cx, |object| object.error.details().cloned())?;
    value::push(cx.l, &details.unwrap_or_default());
    cx.values(1)
}

fn stack(cx: &mut Cx) -> Ret {
    cx.str(&of_this(cx, |object| object.stack.to_string())?)
}

/// `..` with an error object on either side or both.
fn concat(cx: &mut Cx) -> Ret {
    let l = cx.l;
    for index in [1, 2] {
        let fits = matches!(l.type_of(index), Type::String | Type::Number);
        if !fits && !l.is::<ErrorObject>(index) {
            let got = l.type_name(index);
            return Err(Raise::Message(format!("attempt to concatenate a {got} value")));
        }
    }
    let joined = [cx.text(1)?, cx.text(2)?].concat();
    l.push_bytes(&joined);
    cx.values(1)
}
