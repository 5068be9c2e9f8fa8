//! What becomes of a process's results and errors. Specifications 01, section 2 and 02, section 6.

use wippy::infra::error::{Error, Kind};
use wippy::infra::transcoder::Value;

use crate::lua::run;

/// Runs `body` as the main function, which must fail.
#[track_caller]
fn error_of(body: &str) -> Error {
    let source = format!("return {{main = function() {body} end}}");
    match run(&source) {
        Ok(value) => panic!("it returned {value:?}"),
        Err(error) => error,
    }
}

#[track_caller]
fn check(body: &str, kind: Kind, retryable: Option<bool>, message: &str) {
    let error = error_of(body);
    assert_eq!(error.to_string(), message);
    assert_eq!((error.kind(), error.retryable()), (&kind, retryable));
}

#[test]
fn returned_errors() {
    let full = "return nil, errors.new{message = 'm', kind = errors.CONFLICT, retryable = true,
        details = {n = 1}}";
    check(full, Kind::Conflict, Some(true), "m");
    assert_eq!(error_of(full).details().unwrap().get("n").and_then(Value::as_number), Some(1.0));
    check("return 5, errors.new('m')", Kind::Internal, None, "m");
    check("return nil, errors.wrap(errors.new('m'), 'context')", Kind::Internal, None, "m");
    check("return nil, 'text'", Kind::Internal, Some(false), "text");
    assert!(run("return {main = function() return 1, 5 end}").is_ok());
    assert!(run("return {main = function() return 1, {} end}").is_ok());
}

#[test]
fn raised_errors() {
    check("error('boom')", Kind::Internal, None, "app:test:1: boom");
    check("local x = nil + 1", Kind::Internal, None, {
        "app:test:1: attempt to perform arithmetic (add) on nil and number"
    });
    check("error(errors.new{message = 'm', kind = errors.TIMEOUT})", Kind::Timeout, None, "m");
    check("error(errors.new('m'))", Kind::Internal, None, "m");
    assert_eq!(*error_of("error({})").kind(), Kind::Internal);
    assert_eq!(*error_of("error()").kind(), Kind::Internal);
}

#[test]
fn errors_of_coroutines_end_the_process() {
    let late = "coroutine.spawn(function() require('time').sleep('1ms') error('boom', 0) end)
        channel.new():receive()";
    check(late, Kind::Internal, None, "boom");
    check("coroutine.spawn(function() error('at once', 0) end)", Kind::Internal, None, "at once");
    check("coroutine.wrap(function() error(errors.new('m')) end)()", Kind::Internal, None, "m");
}

#[test]
fn waits_that_nothing_can_end() {
    let deadlock = error_of("channel.select{}");
    let text = "deadlock: all coroutines blocked with no pending operations (threads=1)";
    assert_eq!(deadlock.to_string(), text);
    assert_eq!((deadlock.kind(), deadlock.retryable()), (&Kind::Unknown, None));
}

#[test]
fn chunks() {
    let error = run("return {").unwrap_err();
    assert_eq!(*error.kind(), Kind::Invalid);
    let error = run("error('in the chunk')").unwrap_err();
    assert_eq!(error.to_string(), "app:test:1: in the chunk");
    for chunk in ["return 5", "return {}", "return {main = 5}", "", "return nil"] {
        let error = run(chunk).unwrap_err();
        assert_eq!(error.to_string(), "method \"main\" not found in module", "{chunk}");
        assert_eq!(*error.kind(), Kind::NotFound);
    }
    assert!(run("return function() end").is_ok());
}

/// Runaway recursion through every way that calls back into Lua ends in an error, not in a crash.
#[test]
fn recursion_ends() {
    for body in [
        "local function f() return f() + 1 end f()",
        "local function f() for _ in f do end end f()",
        "local function f() return (string.gsub('x', 'x', f)) end f()",
        "local function f() return table.sort({1, 2}, f) end f()",
        "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k] end
         return t.x",
        "local t = setmetatable({}, {}) getmetatable(t).__concat = function(a, b) return a .. b end
         return t .. t",
        "local t = setmetatable({}, {}) getmetatable(t).__tostring = function(t) return print(t) or
         string.format('%s', t) end return tostring(t)",
        "local function f() coroutine.wrap(f)() end f()",
        "local function f() assert(coroutine.resume(coroutine.create(f))) end f()",
    ] {
        let error = error_of(body);
        let text = error.to_string();
        assert!(text.contains("overflow") || text.contains("stack"), "{body}: {text}");
    }
}
