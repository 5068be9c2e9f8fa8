//! Whatever the source is: no panic, no overflow, no time that grows faster than the source, and a
//! tree whose parts lie in each other.

use std::time::Duration;
use std::time::Instant;

use proptest::prelude::*;
use wippy::lang::check::Grants;
use wippy::lang::check::rules;
use wippy::lang::diagnostic::Diagnostic;
use wippy::lang::parser::Parsed;
use wippy::lang::parser::parse;
use wippy::lang::print::print;
use wippy::lang::resolve::resolve;
use wippy::lang::translate::translate;
use wippy::runtime::modules::declarations;

use crate::fuzz::judge::judge;
use crate::program;

fn check(source: &str) -> Result<(), TestCaseError> {
    judge(source, false)
        .map(drop)
        .map_err(|found| TestCaseError::fail(format!("{found}\n{source}")))
}

/// What the checker and the rules find; their fixes are made.
fn look(parsed: &Parsed, source: &str) -> Vec<Diagnostic> {
    let resolved = resolve(&parsed.ast);
    let library = declarations::library();
    let checked =
        wippy::lang::check::check(&parsed.ast, &resolved, source, library, Grants::default());
    let styled = rules::find(&parsed.ast, &resolved, source, &|_| true);
    let fixes: Vec<_> = styled.iter().filter_map(|(_, fix)| fix.clone()).collect();
    rules::apply(source, &fixes);
    checked.diagnostics.into_iter().chain(styled.into_iter().map(|(found, _)| found)).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn what_is_printed_is_the_same_tree(source in program::program(true)) {
        let parsed = parse(&source);
        prop_assert_eq!(&parsed.diagnostics, &[], "{}", source);
        let resolved = resolve(&parsed.ast);
        prop_assert_eq!(&resolved.diagnostics, &[], "{}", source);
        check(&source)?;
    }

    #[test]
    fn damaged_programs_have_a_tree(source in program::damaged(true)) {
        check(&source)?;
    }

    #[test]
    fn any_text_has_a_tree(source in "\\PC{0,200}|[ -~\\n]{0,200}|[`{}\"'\\\\\\[\\]=\\-u0-9\\n]{0,60}") {
        check(&source)?;
    }

    #[test]
    fn any_bytes_have_a_tree(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check(&String::from_utf8_lossy(&bytes))?;
    }
}

/// What a hostile author would write: each text many times over, alone and behind others.
#[test]
fn repetition_takes_linear_time_and_little_stack() {
    let parts = [
        "(",
        "{",
        "[",
        "a[",
        "f(",
        "f{",
        "x = (",
        "function() ",
        "function f() ",
        "do ",
        "if a then ",
        "if a then else ",
        "elseif a then ",
        "else if a then ",
        "while a do ",
        "for i = 1, 2 do ",
        "repeat ",
        "until a ",
        "end ",
        "- ",
        "not ",
        "~ ",
        "a ^ ",
        "a .. ",
        "a + ",
        "a.b",
        ".b",
        "!",
        ":b()",
        "a<<",
        "a<<b>>",
        "a<<b>>(",
        " as T",
        " :: T",
        "`{",
        "`a{b}",
        "}",
        "if a then b else ",
        "local x: {",
        "{",
        "A<",
        "() -> ",
        "?",
        "[]",
        "[A",
        " | A",
        " & A",
        "readonly ",
        "A extends B ? ",
        "typeof(",
        "fun(a: ",
        "interface {",
        "interface A ",
        " @min(1)",
        "@native ",
        "@[",
        "<T>(",
        "<T = ",
        "type A = ",
        "export ",
        "[[",
        "[=[",
        "]=",
        "--[[",
        "--",
        "\\u{",
        "\"",
        "\"\\",
        "1",
        "1..",
        "0x",
        "::a:: ",
        "goto a ",
        "local a ",
        "local a; ",
        "a ",
        "a = ",
        "a, ",
        ", ",
        "; ",
        "$",
        "\u{e9}",
        "\n",
        "\r",
        "\0",
        "break ",
        "return ",
        "continue ",
        "type function f() ",
        "do local a do goto b end ::b:: ",
        "while a do local a ",
    ];
    let prefixes = ["", "x = ", "local x: ", "f(", "do ", "type A<", "x = `{"];
    for (prefix, part) in prefixes.iter().flat_map(|p| parts.iter().map(move |part| (p, part))) {
        let time = |bytes: usize| {
            let source = format!("{prefix}{}", part.repeat(bytes / part.len()));
            let start = Instant::now();
            // Parses and resolves it too.
            let _ = translate(&source);
            look(&parse(&source), &source);
            start.elapsed()
        };
        time(20_000);
        // A quadratic step would take many seconds here; the machine may be slow and busy.
        let taken = time(200_000);
        assert!(taken < Duration::from_secs(5), "{prefix:?} {part:?} took {taken:?}");
    }
}

/// The deepest trees that are taken, on a stack smaller than any thread of ours has.
#[test]
fn the_limit_keeps_the_stack_small() {
    let sources = [
        format!("x = {}1{}", "(".repeat(240), ")".repeat(240)),
        format!("x = {}{}", "{".repeat(240), "}".repeat(240)),
        format!("local x: {}A{}", "{".repeat(300), "}".repeat(300)),
        format!("x = {}a", "a .. ".repeat(990)),
        format!("x = a{}", ".b".repeat(990)),
        format!("{}{}", "do ".repeat(320), "end ".repeat(320)),
        format!("{}{}", "f(function() ".repeat(120), "end) ".repeat(120)),
    ];
    let run = move || {
        for source in &sources {
            let parsed = parse(source);
            assert_eq!(parsed.diagnostics, [], "{source}");
            look(&parsed, source);
            print(&parsed.ast, source);
        }
        let found = parse(&"(".repeat(5000)).diagnostics;
        assert!(found[0].message.contains("nested"), "{found:?}");
        assert_eq!(found.len(), 1, "{found:?}");
    };
    let small = std::thread::Builder::new().stack_size(2 << 20).spawn(run).expect("a thread");
    small.join().expect("no panic");
}

/// How fast it is, on real sources; run by `cargo test --release --test lang -- --ignored speed`.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let mut source = String::new();
    let unit = include_str!("speed.luau");
    while source.len() < 4 << 20 {
        source += unit;
    }
    let (mut parsing, mut resolving, mut checking) = (Duration::MAX, Duration::MAX, Duration::MAX);
    for _ in 0..5 {
        let start = Instant::now();
        let parsed = parse(&source);
        parsing = parsing.min(start.elapsed());
        assert_eq!(parsed.diagnostics, []);
        let start = Instant::now();
        let resolved = resolve(&parsed.ast);
        resolving = resolving.min(start.elapsed());
        let start = Instant::now();
        let library = declarations::library();
        wippy::lang::check::check(&parsed.ast, &resolved, &source, library, Grants::default());
        checking = checking.min(start.elapsed());
    }
    let lines = source.lines().count() as f64;
    println!("{lines} lines, check {:.0} lines/s", lines / checking.as_secs_f64());
    let all = parsing + resolving + checking;
    println!("parse, resolve and check {:.0} lines/s", lines / all.as_secs_f64());
    let rate = |time: Duration| source.len() as f64 / 1e6 / time.as_secs_f64();
    println!("lex and parse {:.0} MB/s, resolve {:.0} MB/s", rate(parsing), rate(resolving));
}
