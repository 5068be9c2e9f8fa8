//! Style rules: where they fire, and what the fixes make of a source.

use wippy::lang::check::rules;
use wippy::lang::parser::parse;
use wippy::lang::resolve::resolve;

/// Findings as `LINE:COLUMN CODE`, and the source with the fixes in it.
#[track_caller]
fn check(source: &str, expected: &[&str], fixed: &str) {
    let parsed = parse(source);
    assert_eq!(parsed.diagnostics, [], "{source}");
    let resolved = resolve(&parsed.ast);
    let found = rules::find(&parsed.ast, &resolved, source, &|name| name == "time");
    let shown: Vec<String> = found
        .iter()
        .map(|(found, _)| {
            let (line, column) = parsed.ast.lines.position(found.span.start);
            format!("{line}:{column} {}", found.code.0)
        })
        .collect();
    assert_eq!(shown, expected, "{source}");
    let fixes: Vec<_> = found.into_iter().filter_map(|(_, fix)| fix).collect();
    assert_eq!(rules::apply(source, &fixes).0, fixed, "{source}");
}

#[track_caller]
fn reported(source: &str, expected: &[&str]) {
    check(source, expected, source);
}

#[test]
fn empty_blocks() {
    reported("if a then end", &["1:1 W0001"]);
    reported("if a then f() elseif b then else f() end", &["1:15 W0001"]);
    reported("if a then f() else end", &["1:15 W0001"]);
    reported("while a do end repeat until a", &["1:1 W0001", "1:16 W0001"]);
    reported("for _ = 1, 2 do end", &["1:1 W0001"]);
    reported("do end local function f() end f()", &[]);
}

#[test]
fn globals() {
    reported("x = 1", &["1:1 W0002"]);
    reported("function f() end", &["1:10 W0002"]);
    reported("local t = {} t.x = 1 function t.f() end", &[]);
}

#[test]
fn comparisons() {
    reported("return a == a, a.b <= a . b, a ~= a", &["1:8 W0003", "1:16 W0003", "1:30 W0003"]);
    reported("return a == b, f() == f(), a + a", &[]);
}

#[test]
fn unused() {
    check("local x = f()", &["1:7 W0004"], "local _x = f()");
    check("local function f() end", &["1:16 W0004"], "local function _f() end");
    check("for i, v in pairs(t) do f(v) end", &["1:5 W0004"], "for _i, v in pairs(t) do f(v) end");
    check(
        "return function(a, b) return b end",
        &["1:17 W0005"],
        "return function(_a, b) return b end",
    );
    // Names that are taken, and locals that are written to, are left for people.
    reported("local x = f() local y = _x return y", &["1:7 W0004"]);
    reported("local x = f() x = 2", &["1:7 W0004"]);
    reported("local _x = f() local t = {} function t:m(...) end return t", &[]);
}

#[test]
fn requires() {
    check("local time = require(\"time\")\nreturn 1", &["1:7 W0006"], "return 1");
    check("f() local time = require(\"time\") g()", &["1:11 W0006"], "f()  g()");
    reported("local lib = require(\"lib\")\nreturn 1", &["1:7 W0006"]);
    reported("local time = require(\"time\") return time.now()", &[]);
}

#[test]
fn shadows() {
    reported("local x = 1 do local x = 2 f(x) end f(x)", &["1:22 W0007"]);
    reported("local x = 1 return x, function(x) return x end", &["1:32 W0007"]);
    reported("local _ = 1 local _ = 2 f(_)", &[]);
}
