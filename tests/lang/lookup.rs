//! What editors are told of places: hover, definition, references, completion, calls. `$` in a source is
//! the place that is asked about.

use std::sync::Arc;

use proptest::prelude::*;
use wippy::lang::lookup::{Access, Analysis, Completion, Definition, Export};
use wippy::runtime::modules::declarations;

use crate::program;

/// A library behind the alias `lib`.
const LIBRARY: &str = "
local M = {}
M.limit = 3
--- Doubles a number.
function M.double(n: number): number
    return n * 2
end
function M:grow(by: number) end
return M
";

fn access() -> Access {
    let modules = ["time", "json", "io"].map(str::to_owned);
    Access { modules: Some(modules.into()), imports: vec!["lib".to_owned()] }
}

fn analysis(source: &str) -> Analysis {
    Analysis::new(source.to_owned(), declarations::library(), access())
}

fn import(alias: &str) -> Option<Arc<Vec<Export>>> {
    (alias == "lib").then(|| Arc::new(analysis(LIBRARY).exports()))
}

/// A source without its marker, and where that stood.
#[track_caller]
fn marked(source: &str) -> (Analysis, u32) {
    let (before, after) = source.split_once('$').expect("a marker");
    (analysis(&format!("{before}{after}")), before.len() as u32)
}

#[track_caller]
fn hover(source: &str, expect: &str) {
    let (mut analysis, at) = marked(source);
    let told = match analysis.hover(at, &import) {
        Some(hover) if hover.doc.is_empty() => hover.code,
        Some(hover) => format!("{} -- {}", hover.code, hover.doc.replace('\n', " / ")),
        None => "nothing".to_owned(),
    };
    assert_eq!(told, expect, "{source}");
}

#[test]
fn hover_of_locals() {
    hover("local $x: number = 1", "local x: number");
    hover("local x = 'a' return x$", "local x: string");
    hover("--- Counts.\nlocal n = 1\nreturn $n", "local n: number -- Counts.");
    hover("const c = 1 return $c", "const c: number");
    hover("local function f(a: string) return $a end", "parameter a: string");
    hover("for k$, v in pairs({}) do end", "loop variable k: any");
    hover("--- Adds.\nlocal function f$(a: number): number return a end", {
        "local function f(a: number) -> number -- Adds."
    });
    hover("local x: string? = f() if x then return $x end", "local x: string");
    hover("local x: string? = f() return $x", "local x: string?");
    hover("local t = require('time') return $t", {
        "local t: module time -- Instants, durations, waiting."
    });
    hover("local l = require('lib') return $l", "local l = require(\"lib\")");
    hover("function M:m() return self$ end", "parameter self: any");
    hover("local x = 1 -- $x", "nothing");
    hover("local x = 'a $x b'", "nothing");
    hover("$", "nothing");
}

#[test]
fn hover_of_members() {
    let now = "function time.now() -> time.Time -- The current instant in the local zone.";
    hover("local t = require('time') t.no$w()", now);
    hover("time.$now()", now);
    hover(
        "local t: time.Time = x return t:$unix()",
        "function time.Time:unix() -> integer -- Seconds since 1970.",
    );
    hover(
        "local d = time.now() return d:$unix()",
        "function time.Time:unix() -> integer -- Seconds since 1970.",
    );
    hover("return time.$SECOND", "time.SECOND: number");
    hover("return time.$nothing", "nothing");
    hover("return ('x'):$upper()", {
        "function string:upper(s?: string | number | error) -> string"
    });
    hover("type P = {x: number} local p: P = q return p.$x", "P.x: number");
    hover("local p: {x: number} = q return p.$x", "x: number");
    hover("local M = {} --- One.\n\n--- Two.\nfunction M.f$(a: number) end", {
        "function M.f(a: number) -> any -- Two."
    });
    hover("local M = {a = 1} function M:f() return self.$a end", "self.a: number");
    hover("local lib = require('lib') return lib.$double", {
        "function lib.double(n: number) -> number -- Doubles a number."
    });
    hover("return lib.$limit", "lib.limit: number");
    hover("return {ma$in = function(a: string) end}", "function main(a: string) -> any");
}

#[test]
fn hover_of_globals_types_and_modules() {
    hover("$tostring(1)", {
        "function tostring(v?: any) -> string -- The text of a value; honours `__tostring`."
    });
    hover("$time.now()", "module time -- Instants, durations, waiting.");
    hover("require('$time')", "module time -- Instants, durations, waiting.");
    hover("require('li$b')", "import lib");
    hover("$lib.f()", "import lib");
    hover("$unknown()", "global unknown: any");
    hover("--- A place.\ntype P = {x: number}\nlocal p: $P", "type P = {x: number} -- A place.");
    hover("local d: time.$Duration", "type time.Duration -- A span of time.");
    hover("local d: $number", "type number");
    hover("goto $done ::done::", "::done::");
}

/// The definition as `LINE:COLUMN`, `lib`, or `lib.member`.
#[track_caller]
fn definition(source: &str, expect: &str) {
    let (analysis, at) = marked(source);
    let told = match analysis.definition(at) {
        Some(Definition::Here(span)) => {
            let (line, column) = analysis.parsed().ast.lines.position(span.start);
            format!("{line}:{column}")
        }
        Some(Definition::Import { alias, member: None }) => alias,
        Some(Definition::Import { alias, member: Some(member) }) => format!("{alias}.{member}"),
        None => "nothing".to_owned(),
    };
    assert_eq!(told, expect, "{source}");
}

#[test]
fn definitions() {
    definition("local x = 1\nreturn $x", "1:7");
    definition("local x = 1\nlocal x = 2\nreturn x$", "2:7");
    definition("local x = 1\ndo local x = 2 end\nreturn $x", "1:7");
    definition("local function f() return $f() end", "1:16");
    definition("function g() end\n$g()", "1:10");
    definition("local M = {}\nfunction M.f() end\nM.$f()", "2:12");
    definition("local M = {}\nfunction M:f() self.x = 1 end\nreturn M.$x", "2:21");
    definition("local M = {x = 1}\nreturn M.$x", "1:12");
    definition("local M = {}\nfunction M.a() end\nlocal o = setmetatable({}, M)\no:$a()", "2:12");
    definition("type P = {x: number}\nlocal p: $P", "1:6");
    definition("type P = {x: number}\nlocal p: P = q\nreturn p.$x", "1:11");
    definition("type Q = P?\ntype P = {x: number}\nlocal p: Q = q\nreturn p.$x", "2:11");
    definition("interface A\n  function m(): any\nend\nlocal a: A = q\na:$m()", "2:12");
    definition("goto $done\n::done::", "2:3");
    definition("return time.$now()", "nothing");
    definition("return $tostring", "nothing");
    definition("local t = require('time')\nlocal d: $t.Duration", "1:7");
    definition("return lib$.double(1)", "lib");
    definition("return lib.$double(1)", "lib.double");
    definition("local l = require('lib')\nreturn l.$double(1)", "lib.double");
    definition("local l = require('$lib')", "lib");
    definition("local l = require('lib')\nreturn $l", "lib");
    definition("local $l = require('lib')", "1:7");
}

#[track_caller]
fn references(source: &str, expect: &[(u32, u32)]) {
    let (analysis, at) = marked(source);
    let lines = &analysis.parsed().ast.lines;
    let told: Vec<_> =
        analysis.references(at).iter().map(|span| lines.position(span.start)).collect();
    assert_eq!(told, expect, "{source}");
}

#[test]
fn reference_lists() {
    references("local $x = 1\nx = x + 1\ndo local x end", &[(1, 7), (2, 1), (2, 5)]);
    references("g = 1\nreturn $g", &[(1, 1), (2, 8)]);
    references("type P = {n: P?}\nlocal p: $P", &[(1, 6), (1, 14), (2, 10)]);
    references(
        "local t = require('time')\nlocal d: t.Time = $t.now()",
        &[(1, 7), (2, 10), (2, 19)],
    );
    references("goto a\ngoto a\n::$a::", &[(1, 6), (2, 6), (3, 3)]);
    references("return 1 $+ 2", &[]);
}

fn completions(source: &str) -> Vec<Completion> {
    let (mut analysis, at) = marked(source);
    analysis.complete(at, &import)
}

/// The labels offered; all of them.
#[track_caller]
fn offers(source: &str, expect: &[&str]) {
    let labels: Vec<String> = completions(source).into_iter().map(|c| c.label).collect();
    assert_eq!(labels, expect, "{source}");
}

/// What is among the labels, and what is not.
#[track_caller]
fn offers_some(source: &str, with: &[&str], without: &[&str]) {
    let labels: Vec<String> = completions(source).into_iter().map(|c| c.label).collect();
    for label in with {
        assert!(labels.iter().any(|l| l == label), "no {label:?} in {labels:?}: {source}");
    }
    for label in without {
        assert!(!labels.iter().any(|l| l == label), "{label:?} in {labels:?}: {source}");
    }
}

#[test]
fn completion_of_members() {
    offers_some("time.$", &["now", "sleep", "SECOND"], &["unix_nano", "local", "string"]);
    offers_some("local t = require('time')\nt.$\nlocal x = 1", &["now"], &["x"]);
    offers_some("local t = require('time')\nreturn t.no$", &["now"], &[]);
    offers("time:$", &[]);
    offers_some("local t = time.now()\nt:$", &["unix", "format"], &["now"]);
    offers_some("local s = 'x'\ns:$", &["upper", "rep"], &["now"]);
    offers("local s = 'x'\nreturn s.$", &[]);
    offers("local M = {a = 1}\nfunction M.f() end\nfunction M:m() end\nM.$", &["a", "f"]);
    offers("local M = {}\nfunction M.f() end\nfunction M:m() self:$ end", &["f", "m"]);
    offers("type P = {x: number, y: number}\nlocal p: P? = q\nreturn p.$", &["x", "y"]);
    offers("return lib.$", &["double", "limit"]);
    offers("local l = require('lib')\nl.$\nreturn 1", &["double", "limit"]);
    offers("local l = require('lib')\nl:$", &["double", "grow"]);
    offers_some("process.registry.$", &["lookup", "LOCAL"], &["send"]);
    offers("local x = nothing.$", &[]);
    offers("local x = 1.$", &[]);
    offers("return logger.$", &[]);
}

#[test]
fn completion_of_names() {
    offers_some(
        "local outer = 1\nlocal function f(arg)\n  local inner\n  $\nend\nlocal later",
        &["outer", "f", "arg", "inner", "tostring", "time", "lib", "local", "process"],
        &["later", "logger", "now"],
    );
    offers_some("do local gone end\nlo$", &["local"], &["gone"]);
    offers_some("$", &["local", "function"], &[]);
    offers_some("return { a = $ }", &["time"], &[]);
    offers("local $", &[]);
    offers("local function $", &[]);
    offers("-- $", &[]);
    offers("local x = 'a$'", &[]);
    offers("local x = `a$ {x}`", &[]);
    offers_some("return `{$}`", &["time"], &[]);
    offers_some("x --[[ comment ]]$", &["local"], &[]);
}

#[test]
fn completion_of_types_and_modules() {
    offers_some("type P = {}\nlocal p: $", &["P", "number", "time"], &["local", "tostring"]);
    offers_some("local function f(a: n$) end", &["number"], &["local"]);
    offers_some("local d: time.$", &["Duration", "Time"], &["now"]);
    offers_some("return x :: $", &["number"], &["local"]);
    offers_some("local t = require('$')", &["time", "lib", "process"], &["logger", "local"]);
    offers_some("local t = require(\"ti$", &["time"], &["local"]);
    offers_some("local t = require(\"time\"$)", &["local"], &[]);
}

#[test]
fn completions_say_what_they_are() {
    let all = completions("time.$");
    let now = all.iter().find(|c| c.label == "now").expect("now");
    let told = format!("{:?} {} {}", now.kind, now.detail, now.doc);
    assert_eq!(told, "Function () -> time.Time The current instant in the local zone.");
    let all = completions("local l = require('lib')\nl.$");
    let double = all.iter().find(|c| c.label == "double").expect("double");
    assert_eq!((double.detail.as_str(), double.doc.as_str()), {
        ("(n: number) -> number", "Doubles a number.")
    });
}

/// The label with the active parameter in brackets.
#[track_caller]
fn call(source: &str, expect: &str) {
    let (mut analysis, at) = marked(source);
    let told = match analysis.call_help(at, &import) {
        Some(help) => {
            let active = help.params.get(help.active).map_or("-", String::as_str);
            format!("{} [{active}]", help.label)
        }
        None => "nothing".to_owned(),
    };
    assert_eq!(told, expect, "{source}");
}

#[test]
fn calls() {
    let unix = "function time.unix(sec: number, nsec: number) -> time.Time";
    call("time.unix($)", &format!("{unix} [sec: number]"));
    call("time.unix($", &format!("{unix} [sec: number]"));
    call("time.unix(1,$ 2)", &format!("{unix} [nsec: number]"));
    call("time.unix(f(1, 2), {1, 2}, $", &format!("{unix} [-]"));
    call("time.unix(f(1$, 2))", "nothing");
    call("time.unix(1)$", "nothing");
    call("local function f(a: number, b: string?) end\nf(1, $)", {
        "function f(a: number, b?: string?) -> any [b?: string?]"
    });
    call("tostring($)", "function tostring(v?: any) -> string [v?: any]");
    call("lib.double($)", "function lib.double(n: number) -> number [n: number]");
    call("local M = {}\nfunction M.f(self, a: number) end\nM:f($)", {
        "function M.f(self?: any, a: number) -> any [a: number]"
    });
    call("local M = {}\nfunction M:f(a: number) end\nM:f($)", {
        "function M:f(a: number) -> any [a: number]"
    });
}

#[test]
fn symbols() {
    let source = "local M = {}\nfunction M.f() local inner end\nfunction M:m() end\n\
                  local function g() end\ntype T = number\nconst C = 1\n\
                  return {main = function() end}";
    let all = analysis(source).symbols();
    let told: Vec<String> = all.iter().map(|s| format!("{:?} {}", s.kind, s.name)).collect();
    let expect = [
        "Variable M",
        "Function M.f",
        "Method M:m",
        "Function g",
        "Type T",
        "Constant C",
        "Function main",
    ];
    assert_eq!(told, expect);
}

#[test]
fn exports() {
    let told = |source: &str| -> Vec<String> {
        let all = analysis(source).exports();
        let told =
            all.iter().map(|e| format!("{}: {} @{} {}", e.name, e.shown, e.span.start, e.doc));
        told.map(|line| line.trim().to_owned()).collect()
    };
    assert_eq!(
        told("--- Runs.\nlocal function run() end\nreturn {run = run, n = 1}"),
        ["run: () -> any @25 Runs.", "n: number @54",]
    );
    assert_eq!(told("local M = {}\nreturn M"), [""; 0]);
    assert_eq!(told("return 1"), [""; 0]);
    assert_eq!(told(""), [""; 0]);
    assert_eq!(told("return"), [""; 0]);
}

/// Every question at every place of a source, whatever it is.
fn ask_everything(source: &str) {
    let mut analysis = analysis(source);
    for at in (0..=source.len() as u32 + 1).step_by(1 + source.len() / 200) {
        if let Some(hover) = analysis.hover(at, &import) {
            assert!(source.get(hover.span.range()).is_some(), "{source:?} {at}");
        }
        if let Some(Definition::Here(span)) = analysis.definition(at) {
            assert!(source.get(span.range()).is_some(), "{source:?} {at}");
        }
        for span in analysis.references(at) {
            assert!(source.get(span.range()).is_some(), "{source:?} {at}");
        }
        analysis.complete(at, &import);
        analysis.call_help(at, &import);
    }
    analysis.symbols();
    analysis.exports();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_panics_on_damaged_programs(source in program::damaged(true)) {
        ask_everything(&source);
    }

    #[test]
    fn nothing_panics_on_soup(source in "([a-c.:(){}\\[\\]=\"'` ,\n]|local |function |end |self|type |require|--|\u{1f642}){0,40}") {
        ask_everything(&source);
    }
}
