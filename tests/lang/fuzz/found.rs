//! What the fuzzer, or somebody who thought about it, has found: each stays fixed.

use super::execute;

#[track_caller]
fn check(source: &str) {
    let (judged, time) = execute(source, true);
    let short = |text: &str| text.chars().take(400).collect::<String>();
    if let Err(problem) = judged {
        panic!("{:?} ({time:?}): {}", short(source), short(&problem));
    }
}

/// `unit(0) unit(1) ...`
fn repeat(n: usize, unit: impl Fn(usize) -> String) -> String {
    (0..n).map(unit).collect()
}

/// The operand of a compound assignment was looked at twice, and so everything in it.
#[test]
fn compound_assignments_inside_each_other() {
    let n = 60;
    check(&format!("{}x{}", "f(function() ".repeat(n), " end).x += 1".repeat(n)));
    check(&format!("{}x(){}", "f(function() ".repeat(n), " end).x ..= 1".repeat(n)));
}

/// Each `typeof` read the annotation of its local again.
#[test]
fn typeof_of_typeof() {
    let many = |of: &str| format!("typeof({of}) | {{typeof({of})}}").repeat(1);
    let parts = |of: &str| vec![many(of); 60].join(" | ");
    let source = repeat(8, |n| format!("local a{}: {} = nil\n", n + 1, parts(&format!("a{n}"))));
    check(&format!("local a0: number = 1\n{source}"));
}

/// A missing field was looked for along every path.
#[test]
fn intersections_inside_each_other() {
    let chain = repeat(24, |n| format!("type T{n} = T{0} & T{0} & T{0}\n", n + 1));
    check(&format!(
        "{chain}type T24 = {{a: number}}\nlocal x: T0 = {{a = 1, b = 2}}\nf(x.nope, x.a)"
    ));
    let chain = repeat(24, |n| format!("interface T{n}: T{0}, T{0}, T{0} end\n", n + 1));
    check(&format!("{chain}interface T24 a: number end\nlocal x: T0 = {{a = 1}}\nx.nope = x:m()"));
}

/// A part of a union was looked into for a table, and was that union.
#[test]
fn unions_of_themselves() {
    check("type A = A? local x: A = {}");
    check("type A = B | B type B = A | C type C = B? local x: A = {a = 1} f(x) x = {b = {}}");
}

/// Messages named the whole type, however long its names.
#[test]
fn long_names_in_messages() {
    let name = "A".repeat(10_000);
    let fields = |of: &str| {
        let names = ["a", "b", "c", "d", "e", "f", "g", "h"];
        format!("{{{}}}", names.map(|name| format!("{name}: {of}")).join(", "))
    };
    let ty = fields(&fields(&fields(&name)));
    check(&format!("type {name} = number\nlocal x: {ty} = 1\nlocal y: {ty} = 2"));
    // Nor is a name searched for that no other can be like.
    check(&repeat(90, |n| format!("f({name}{n})\n")));
}

/// Fields are found by their names, not one after the other.
#[test]
fn records_with_many_fields() {
    let ty = repeat(4000, |n| format!("f{n}: number, "));
    let values = repeat(4000, |n| format!("f{n} = {n}, "));
    let moves = "x = y ".repeat(2000);
    check(&format!(
        "type A = {{{ty}}} type B = {{{ty}z: number}}\n\
         local x: A = {{{values}}} local y: B = {{{values}z = 1}} {moves}"
    ));
}

/// Types that stand for each other, in a chain as long as the source.
#[test]
fn chains_of_types() {
    let chain = repeat(20_000, |n| format!("type T{n} = T{}\n", n + 1));
    check(&format!("{chain}f(T0:is(1))"));
    let chain = repeat(10_000, |n| format!("type T{n} = {{a: T{}?}}\n", n + 1));
    check(&format!("{chain}f(T0:is(1))"));
    // Ever new types out of themselves.
    check("type A<T> = {a: A<{T}>} f(A:is(1)) type B = A<number> f(B:is(1))");
    check("type A<T> = {a: A<A<{T}>>} type B = A<number> f(B:is(1))");
    let numbers = repeat(3000, |n| format!("f{n}: A<{n}>, "));
    let body = vec!["number"; 4000].join("|");
    check(&format!("type A<T> = {{T | {body}}} type B = {{{numbers}}} f(B:is(1))"));
    let imports = repeat(20_000, |n| format!("f{n}: lib.T{n}, "));
    check(&format!("local lib = f() type A = {{{imports}}} f(A:is(1))"));
}

/// The names of modules stand beside each use of a type.
#[test]
fn long_names_of_modules() {
    let name = "m".repeat(5000);
    let uses = "f(T) ".repeat(5000);
    check(&format!("local {name} = f() type T = {name}.T {uses}"));
}

/// What is printed, read again, was another tree or none.
#[test]
fn printing() {
    for source in [
        "type A = {&read}",
        "type A = {|write | number}",
        "type A = {&readonly[]}",
        "type A = {& readonly {x: read}}",
        "type A = {read read} type B = {readonly readonly}",
        "x = a::|b::c",
        "interface Q function m(|self, x: true): (T1) y?: integer end",
        "x = a::|b::|c::d as e :: f",
        "x = f< <T>> < u",
        "x = `{f< <(T<-1>)>>()}`, f< <{a?: T, b: -1}, U>>(), f< <T>>",
    ] {
        check(source);
    }
}

/// A place kept in front of each loop counted as an edit.
#[test]
fn plain_programs_with_loops_are_left_alone() {
    let source = "for i = 1, 2 do __wippy_x(i) end";
    let translated = wippy::lang::translate::translate(source).expect("is taken");
    assert!(matches!(translated.text, std::borrow::Cow::Borrowed(text) if text == source));
}

/// What was translated was no program to Luau.
#[test]
fn translation() {
    for source in [
        "type A = typeof f()",
        "local x: typeof = 1",
        "local x: &(r)?, y: &T | T, z: | T & U",
        "type A = & T?\ntype B = (& T?)?",
        "x = a & 1\n(f or g)()",
        "x = 1 | ~2\n(f)()",
        "repeat local x = 1 until x & 1\n(f)() x ^= ~[[l]]\n(f)()",
        "do return f, 1 & 2 end (f)()",
        "x = f< <{a: number[],\n b: T}>>(1)",
        "x = `{f<<T[],\n{A}>>\n}`",
    ] {
        check(source);
    }
}

/// Luau ends strings and comments at a NUL.
#[test]
fn nul_bytes() {
    for source in ["f('\0')", "f(`\0{a}`)", "f([[\0]])", "-- \0\nf()", "--[[\0]] f()", "f() \0"] {
        check(source);
        let found = wippy::lang::parser::parse(source).diagnostics;
        assert_eq!(found.len(), 1, "{source:?}: {found:?}");
    }
}

/// Luau ends a comment at a carriage return too.
#[test]
fn carriage_returns() {
    check("-- a\rf()\r\n-- b\r\nf()");
    check("--\rz");
    let found = wippy::lang::parser::parse("-- a\rz").diagnostics;
    assert_eq!(found.len(), 1, "{found:?}");
}

/// A fix left half of a statement.
#[test]
fn fixes() {
    for source in [
        "local x = require(\"\");",
        "f() local x = require('a'); (g)()",
        "local x = require 'a';",
        "local x\n= require(\"a\")",
        "f() local x\n= require(\"a\") g()",
    ] {
        check(source);
    }
}
