//! What programs of the dialect become for Luau.

use std::fmt::Write as _;

use mlua::chunk::Compiler;
use proptest::prelude::*;
use wippy::lang::translate::may_be_mistaken;
use wippy::lang::translate::translate;

use crate::corpus;
use crate::program;

fn compile(source: &str) -> Result<Vec<u8>, String> {
    Compiler::new().compile(source).map_err(|error| error.to_string())
}

/// Source and translation, one below the other; `~` is a line end.
fn show(sources: &[&str]) -> String {
    let mut out = String::new();
    for source in sources {
        match translate(source) {
            Ok(translated) => {
                let text = translated.text;
                let lines = |text: &str| text.matches('\n').count();
                assert_eq!(lines(source), lines(&text), "{source}\n{text}");
                if let Err(error) = compile(&text) {
                    panic!("{source}\n{text}\n{error}");
                }
                writeln!(out, "{source}\n---- becomes\n{text}\n").unwrap();
            }
            Err(found) => {
                writeln!(out, "{source}\n---- is refused").unwrap();
                for found in found {
                    writeln!(out, "{:?} {} ({:?})", found.span, found.message, found.help).unwrap();
                }
                out.push('\n');
            }
        }
    }
    out
}

#[track_caller]
fn snapshot(name: &str, sources: &[&str]) {
    let mut settings = insta::Settings::clone_current();
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(format!("{name}"), show(sources)));
}

#[test]
fn types() {
    snapshot(
        "types",
        &[
            "local x: {a?: number} = {}",
            "local x: {\n  a?: number,\n  b: string,\n}, y: string = {}, 1",
            "function f<T: {a: any}>(x: T, ...: string[]): (number, T[]) return 1, {} end",
            "local x = y as number\nlocal z = (y as T[]).a, y as string[] < 3",
            "local x = y :: A :: B as C",
            "local function f() return (g() as (number | string))! end",
            "f(msg.data!, (u!).name!:upper())",
            "interface Shape : Base\n  name: string\n  function area(self): number\nend\nlocal x = 1",
            "local a = b\ntype N = 123\n(f)()",
            "type N = string @min_len(1); local x: N",
            "do type N = 1; end",
            "type Ok = {a: number?, [string]: any}\nexport type Fine<T> = (T) -> T",
            "local f: fun(a: number): string, g: readonly {number}",
            "for k: string[], v: number in pairs({}) do end",
            "for i: 1 | 2 = 1, 2 do end",
            "f<<number[]>>(x)",
            "local x: typeof(a!.b), y: typeof(a.b)",
            "type function g(x) return x!end",
        ],
    );
}

#[test]
fn operators() {
    snapshot(
        "operators",
        &[
            "x = a & b | c ~ d << 2 >> 1",
            "x = ~a & ~~b",
            "x = 1 + 2 & 3 == 4 .. \"s\" | 5",
            "x = -a ^ ~b ^ 2",
            "return f() | g(), ... & 1",
            "x = {a & 1, [b | 2] = `n{c ~ 3}`}",
            "x = a\n  | b\n  & c",
            "if flags & MASK ~= 0 then end",
            "x = a//b",
            "x = a // b // c * -d // 2",
            "local n = #t // 2\n(f)()",
            "x //= 2\n(f)()",
            "t.a[1].n //= f() // 2 (g)()",
            "t\n  .a -- first\n  [f()] //= 2 -- last\nx = 1",
            "(f()).x //= t[1] x += 1",
        ],
    );
}

#[test]
fn jumps() {
    snapshot(
        "jumps",
        &[
            "for i = 1, 3 do\n  if i == 2 then goto continue end\n  print(i)\n  ::continue::\nend",
            "while a do goto continue; print(1); ::continue:: ; ::b:: end",
            "for i = 1, 3 do\n  for j = 1, 3 do\n    if j == 2 then goto next end\n    if j == 3 then break end\n  end\n  ::next::\nend",
            "for i = 1, 3 do\n  repeat\n    while b do if c then goto done end end\n  until d\nend\n::done::\nprint(1)",
            "do\n  goto skip\n  print(1)\n  ::skip::\n  print(2)\nend",
            "local n = 0\n::top::\nn += 1\nif n < 3 then goto top end\nprint(n)\nreturn n",
            "::top:: while a do if b then goto top elseif c then break end end",
            "while a do if b then goto out end if c then break else continue end ::out:: f() end",
            "do goto a; f() goto b; ::a:: g() ::b:: h() end",
            "do goto a; local x; ::a:: end",
            "repeat local x = f() if x then goto out end local y = 1 ::out:: until x",
            "repeat ::top:: local x = f() if x then goto top end until x",
            "do goto mid; ::top:: f() ::mid:: g() goto top end",
            "while a do break print(1) end",
            "while a do do break end; continue; f() end",
            "goto nowhere",
            "x = 1 goto a; ::a:: (f)()",
        ],
    );
}

#[test]
fn values() {
    snapshot(
        "values",
        &[
            "type Point = {x: number, y: number}\nreturn Point:is(v), Point",
            "-- head\n--!native\ntype P = {next: P?, of: Q<string>}\ntype Q<T> = {\n  it: T[], -- it\n}\nreturn {P = P, Q = Q}",
            "type T = number\ndo type T = string @pattern(\"a\\\\b\")\n f(T) end\nf(T, T)",
            "local T = 1\ndo type T = number f(T) end\ntype U = any\nf(U)",
            "local n: {a?: string} = {}\ntype N = typeof(n) | typeof(f())\nN:is(1)",
            "local lib = require(\"lib\")\ntype C = lib.Config & other.T\nlocal function f(lib) return C:is(lib) end\nreturn C",
            "interface I<T>: A, B\n  a: number\n  b?: T\nend\ninterface A c: string end\nreturn I",
            "type Class = {}\nClass = {}\nfunction Class.new() return Class end",
            "type F = number\nfunction F.new() end",
            "type A = number\nlocal __wippy_x = A",
            "local __wippy_x = 1",
        ],
    );
}

/// Luau's reading of the source is ours.
fn is_plain(source: &str) -> bool {
    compile(source).is_ok() && !may_be_mistaken(source)
}

fn lines(text: &str) -> usize {
    text.matches('\n').count()
}

/// Nesting of the dialect's constructs may pass Luau's limits.
fn is_limit(error: &str) -> bool {
    error.contains("recursion depth") || error.contains("limit") || error.contains("local regist")
}

fn check(source: &str) -> Result<(), TestCaseError> {
    let Ok(translated) = translate(source) else { return Ok(()) };
    let text = translated.text;
    prop_assert_eq!(lines(source), lines(&text), "{}\n---\n{}", source, text);
    if is_plain(source) {
        prop_assert_eq!(source, &*text);
    }
    if let Err(error) = compile(&text)
        && !is_limit(&error)
    {
        prop_assert!(false, "{error}\n{source}\n---\n{text}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn plain_programs_stay_the_same_bytes(source in program::program(false)) {
        // `f << t >> (x)` cannot be made: the generator writes type arguments without blanks. `//` is
        // Luau's, but has another meaning there.
        let source = source.replace("//", "/");
        let translated = translate(&source);
        prop_assert_eq!(translated.map(|t| t.text.into_owned()), Ok(source));
    }

    #[test]
    fn what_is_translated_compiles(source in program::program(true)) {
        prop_assert!(translate(&source).is_ok(), "{:?}\n{}", translate(&source), source);
        check(&source)?;
    }

    #[test]
    fn damaged_programs_do_no_harm(source in program::damaged(true)) {
        check(&source)?;
    }
}

/// Every program in this repository that Luau takes is its own translation; the others compile.
#[test]
fn programs_at_hand() {
    let (mut plain, mut dialect) = (0, 0);
    for path in corpus::programs(&["tests", "examples", "perf"]) {
        let source = corpus::read(&path);
        let translated = translate(&source).unwrap_or_else(|e| panic!("{path:?} {e:?}"));
        if is_plain(&source) {
            assert_eq!(source, translated.text, "{path:?}");
            plain += 1;
        } else {
            compile(&translated.text).unwrap_or_else(|e| panic!("{path:?} {e}"));
            dialect += 1;
        }
    }
    assert!(plain > 20 && dialect > 2, "{plain} {dialect}");
}

/// Long programs without errors take time and space that grow with their length.
#[test]
fn long_programs_take_linear_time() {
    type Unit = (&'static str, fn(usize) -> String);
    let units: [Unit; 12] = [
        ("", |_| "x = a & b | ~c\n".into()),
        ("", |n| format!("do goto l{n} x = 1 ::l{n}:: end ")),
        ("", |n| format!("do ::l{n}:: if x then goto l{n} end end ")),
        ("", |_| "for i = 1, 2 do for j = 1, 2 do goto c end ::c:: end ".into()),
        ("", |_| "repeat ::a:: if x then goto a end until y ".into()),
        ("", |n| format!("goto l{n} ::l{n}:: ")),
        ("type T = {a: number}\n", |_| "T:is(x) ".into()),
        ("local lib = f() type T = lib.U\n", |_| "local lib = 1 T:is(x) ".into()),
        ("", |n| format!("type T{n} = {{a: T{}?}} f(T{n}) ", n + 1)),
        ("local a = 1 type T = typeof(a) f(T)\n", |_| "do local a: typeof(a) = 1 end ".into()),
        ("", |_| "local x: {a?: string[]} = y as number[] ".into()),
        ("", |_| "x = y! :: A :: B! ".into()),
    ];
    for (before, unit) in units {
        let mut source = before.to_owned();
        for n in 0.. {
            if source.len() > 300_000 {
                break;
            }
            source += &unit(n);
        }
        let start = std::time::Instant::now();
        let translated = translate(&source);
        let taken = start.elapsed();
        // A quadratic step would take many seconds here; the machine may be slow and busy.
        assert!(taken < std::time::Duration::from_secs(5), "{:?} took {taken:?}", unit(0));
        if let Ok(translated) = translated {
            let (from, to) = (source.len(), translated.text.len());
            assert!(to < 10 * from, "{:?}: {from} bytes become {to}", unit(0));
        }
    }
}
