//! What is refused: code, place, words. Every error of a source is found in one run, and none is
//! said twice.

use wippy::lang::diagnostic::SYNTAX;
use wippy::lang::parser::parse;
use wippy::lang::resolve::resolve;

/// Every diagnostic as `LINE:COLUMN message`.
#[track_caller]
fn check(source: &str, expected: &[&str]) {
    let parsed = parse(source);
    let resolved = resolve(&parsed.ast).diagnostics;
    let mut shown = Vec::new();
    for found in parsed.diagnostics.iter().chain(&resolved) {
        assert_eq!(found.code, SYNTAX);
        let (line, column) = parsed.ast.lines.position(found.span.start);
        shown.push(format!("{line}:{column} {}", found.message));
    }
    assert_eq!(shown, expected, "{source}");
}

#[test]
fn the_rows_of_the_specification() {
    check("local x: number< = 42", &["1:18 expected a type, got '='"]);
    check("x = 1 @@ 2", &["1:8 expected an attribute name right after '@', got '@'"]);
}

#[test]
fn lists_and_operands() {
    check("x = ", &["1:5 expected an expression, got the end of the file"]);
    check("x = = 1", &["1:5 expected an expression, got '='"]);
    check("x = 1 +", &["1:8 expected an expression, got the end of the file"]);
    check("x = (1 + 2", &["1:11 expected ')' to close '(', got the end of the file"]);
    check("x = (1 + 2\ny = 2", &["2:1 expected ')' to close '(', got 'y'"]);
    check("f(1, 2", &["1:7 expected ')' to close '(', got the end of the file"]);
    check("f(1 2)", &["1:5 expected ',' or ')' after an argument, got '2'"]);
    check("f(1, )", &["1:6 expected an expression after ',', got ')'"]);
    check("f(a, b\nlocal c = 1", &["2:1 expected ')' to close '(', got 'local'"]);
    check("x = {1, 2", &["1:10 expected '}' to close '{', got the end of the file"]);
    check(
        "x = {1 2 3}",
        &[
            "1:8 expected ',' or '}' after a field, got '2'",
            "1:10 expected ',' or '}' after a field, got '3'",
        ],
    );
    check("x = {a = 1\nb = 2}", &["2:1 expected ',' or '}' after a field, got 'b'"]);
    check("x = {a = 1,\nb = }", &["2:5 expected an expression, got '}'"]);
}

#[test]
fn declarations() {
    check("local", &["1:6 expected a variable name, got the end of the file"]);
    check("local 1 = 2", &["1:7 expected a variable name, got '1'"]);
    check("local x = ", &["1:11 expected an expression, got the end of the file"]);
    check("local x: = 1", &["1:10 expected a type, got '='"]);
    check("local function (a) end", &["1:16 expected a function name, got '('"]);
    check("function end", &["1:10 expected a function name, got 'end'"]);
    check("function f(a b) end", &["1:14 expected ')' to close '(', got 'b'"]);
    check("function f(a, 1) end", &["1:15 expected a parameter, got '1'"]);
    check("function f(\nx = 1\nend", &["2:3 expected ')' to close '(', got '='"]);
}

#[test]
fn control_flow() {
    check("if x y() end", &["1:6 expected 'then' after the condition of 'if', got 'y'"]);
    check("if x then y()", &["1:14 expected 'end' to close 'if', got the end of the file"]);
    check("if x = 1 then end", &["1:6 expected 'then' after the condition of 'if', got '='"]);
    check(
        "if a then\n  b()\nelseif c\n  d()\nend",
        &["4:3 expected 'then' after the condition of 'if', got 'd'"],
    );
    check("while x y() end", &["1:9 expected 'do' after the condition of 'while', got 'y'"]);
    check("for i = 1 do end", &["1:11 expected ',' after the first value of a loop, got 'do'"]);
    check("for i in do end", &["1:10 expected an expression, got 'do'"]);
    check("for 1 = 2, 3 do end", &["1:5 expected a loop variable, got '1'"]);
    check("for a, b = 1, 2 do end", &["1:10 expected 'in' after the variables of 'for', got '='"]);
    check("repeat x()", &["1:11 expected 'until' to close 'repeat', got the end of the file"]);
    check(
        "do\n  if a then\n    b()\nend",
        &["4:4 expected 'end' to close 'do', got the end of the file"],
    );
    check(
        "function f()\n  if a then\n    b()\n  \nend\nfunction g()\nend",
        &["7:4 expected 'end' to close 'function', got the end of the file"],
    );
}

#[test]
fn what_is_no_statement() {
    check("x = 1 end y = 2", &["1:7 'end' closes nothing"]);
    check("return 1 x = 2", &["1:10 expected 'end' after 'return', got 'x'"]);
    check("x", &["1:1 this is no statement: it is neither a call nor an assignment"]);
    check("x + 1", &["1:1 this is no statement: it is neither a call nor an assignment"]);
    check("x == 1", &["1:1 this is no statement: it is neither a call nor an assignment"]);
    check("x.y", &["1:1 this is no statement: it is neither a call nor an assignment"]);
    check("\"abc\"", &["1:1 expected a statement, got \"abc\""]);
    check("1 = 2", &["1:1 expected a statement, got '1'"]);
    check("f() = 1", &["1:5 expected a statement, got '='"]);
    check("(a) = 1", &["1:1 only variables and fields can be assigned to"]);
    check("a, f() = 1, 2", &["1:4 only variables and fields can be assigned to"]);
    check("x++", &["1:1 this is no statement: it is neither a call nor an assignment"]);
    check("x != y", &["1:1 this is no statement: it is neither a call nor an assignment"]);
    check("if x != y then end", &["1:6 unexpected '!='"]);
    check("if x && y || z then end", &["1:6 unexpected '&&'", "1:11 unexpected '||'"]);
    check("if !x then end", &["1:4 unexpected '!' before an expression"]);
    check("x = a ? b : c", &["1:7 expected a statement, got '?'"]);
    check("// comment", &["1:1 expected a statement, got '//'"]);
}

#[test]
fn tokens() {
    check("local x = \"abc\ny = 1", &["1:11 this string has no end on its line"]);
    check("local x = 'abc\\qé", &["1:11 this string has no end on its line"]);
    check("local x = [[abc", &["1:11 this string has no end"]);
    check("--[[ abc", &["1:1 this comment has no end"]);
    check(
        "x = `a {b c`",
        &[
            "1:11 expected '}' after a hole of a string, got 'c'",
            "1:12 this string has no end on its line",
        ],
    );
    check("x = `a {b`", &["1:10 this string has no end on its line"]);
    check("x = 0x + 1", &["1:5 malformed number '0x'"]);
    check(
        "x = \"\\xZZ\" .. \"\\u{FFFFFFF}\" .. \"\\999\"",
        &[
            "1:6 \\x takes two hexadecimal digits",
            "1:16 \\u takes a code point in braces, as in \\u{20AC}",
            "1:33 \\999 is more than 255, so it is no byte",
        ],
    );
    check("x = 5 $ 3", &["1:7 unexpected \"$\"", "1:9 expected a statement, got '3'"]);
    check("x = “a”", &["1:5 unexpected \"“\"", "1:9 unexpected \"”\""]);
    check("local é = 1", &["1:7 malformed name 'é'"]);
}

#[test]
fn rules_behind_the_grammar() {
    check("break", &["1:1 'break' is outside of a loop"]);
    check("if a then continue end", &["1:11 'continue' is outside of a loop"]);
    check(
        "local function f() return ... end",
        &["1:27 '...' is outside of a function that takes it"],
    );
    check("goto nowhere", &["1:6 no label 'nowhere' is visible here"]);
    check("goto continue", &["1:6 no label 'continue' is visible here"]);
    check("goto l local x ::l:: f(x)", &["1:6 goto 'l' jumps over a local"]);
    check("::a:: ::a::", &["1:9 label 'a' is there already"]);
    check("const x = 1 x = 2 x += 1", &["1:13 'x' is constant", "1:19 'x' is constant"]);
    check("const x", &["1:1 every constant needs a value"]);
    check(
        "repeat local x if x then continue end local y until y",
        &["1:53 'y' may be unset here: a continue in the loop skips it"],
    );
    check("local x <const> = 1", &["1:9 variables take no attributes"]);
    check(
        "local x <close>, y <const> = 1, 2",
        &["1:9 variables take no attributes", "1:20 variables take no attributes"],
    );
}

#[test]
fn types() {
    check(
        "local x: {a: number, b string}",
        &["1:24 expected ':' after the key of a field, got 'string'"],
    );
    check("local x: {a: number b: string}", &["1:21 expected ',' or '}' after a field, got 'b'"]);
    check("local x: {[string]: A, [number]: B}", &["1:24 a table type has one [key] only"]);
    check("local x: {number, string}", &["1:17 expected '}' to close '{', got ','"]);
    check("local x: A<B, = 1", &["1:15 expected a type, got '='"]);
    check("local x: A<B>= 1", &["1:13 expected '>' to close '<', got '>='"]);
    check(
        "local x: (A, B) = 1",
        &["1:17 expected '->' after the parameters of a function type, got '='"],
    );
    check(
        "local x: (a: A) = 1",
        &["1:17 expected '->' after the parameters of a function type, got '='"],
    );
    check(
        "local x: () = 1",
        &["1:13 expected '->' after the parameters of a function type, got '='"],
    );
    check("local x: function = 1", &["1:10 expected a type, got 'function'"]);
    check("local x: `a` = 1", &["1:10 expected a type, got `a`"]);
    check("local x: typeof = 1", &["1:17 expected '(' after 'typeof', got '='"]);
    check("local x: typeof goto (1)", &["1:17 expected '(' after 'typeof', got 'goto'"]);
    check("type A = {typeof}", &["1:17 expected '(' after 'typeof', got '}'"]);
    check("local x: A | = 1", &["1:14 expected a type, got '='"]);
    check("local x: T @min(y) = 1", &["1:17 only literals can be given here"]);
    check("function f(a?: T) end", &["1:13 a '?' belongs behind the type"]);
    check("function f(): A, B end", &["1:16 unexpected ',' after the result type"]);
    check("function f() -> T end", &["1:14 a function's result follows ':'"]);
    check("type A", &["1:7 expected '=' after the name of a type, got the end of the file"]);
    check("type A = ", &["1:10 expected a type, got the end of the file"]);
    check("type A<T..., U> = B", &["1:14 type parameters come before packs such as T..."]);
    check(
        "type A<T = A, U> = B",
        &["1:15 after one with a default, every type parameter needs one"],
    );
    check(
        "type function f() return x end local y type function g() return y end",
        &["1:65 a type function cannot use 'y', a local outside of it"],
    );
}

#[test]
fn attributes() {
    check("@unknown function f() end", &["1:1 there is no attribute '@unknown'"]);
    check("@native @native function f() end", &["1:9 attribute '@native' is given twice"]);
    check("@native local x = 1", &["1:15 expected 'function' after an attribute, got 'x'"]);
    check(
        "@native x = 1",
        &["1:9 expected 'function' or 'local function' after an attribute, got 'x'"],
    );
    check("@[] function f() end", &["1:3 expected an attribute, got ']'"]);
    check("export x = 1", &["1:1 this is no statement: it is neither a call nor an assignment"]);
    check("interface A end end", &["1:17 'end' closes nothing"]);
}

#[test]
fn members_and_calls() {
    check("a.end = 1", &["1:3 expected a field name after '.', got 'end'"]);
    check(
        "a:b",
        &["1:4 expected '(', '{' or a string after a method name, got the end of the file"],
    );
    check("a:b = 1", &["1:5 expected '(', '{' or a string after a method name, got '='"]);
    check("f\n(g)()", &["2:1 this may be arguments of the call above or the start of a statement"]);
    check(
        "x = f\n(g)()",
        &["2:1 this may be arguments of the call above or the start of a statement"],
    );
}

#[test]
fn several_at_once() {
    check(
        "x = function() return 1",
        &["1:24 expected 'end' to close 'function', got the end of the file"],
    );
    check(
        "local t = {\n  a = function()\n    return 1\n  ,\n  b = 2,\n}\nlocal y = 1 1",
        &[
            "5:5 expected 'end' after 'return', got '='",
            "7:13 expected a statement, got '1'",
            "7:14 expected 'end' to close 'function', got the end of the file",
        ],
    );
    check(
        "local a = 1 1\nlocal b = 2 2\nlocal c = 3 +\nlocal d = )\nprint(\"ok\")",
        &[
            "1:13 expected a statement, got '1'",
            "2:13 expected a statement, got '2'",
            "4:1 expected an expression, got 'local'",
            "4:11 expected an expression, got ')'",
        ],
    );
    check(
        "elif x then end",
        &[
            "1:1 this is no statement: it is neither a call nor an assignment",
            "1:13 'end' closes nothing",
        ],
    );
    check("func f() end", &["1:1 expected 'function', got 'func'"]);
    check("var x = 1", &["1:1 this is no statement: it is neither a call nor an assignment"]);
    check(
        "local x = x y z",
        &["1:13 this is no statement: it is neither a call nor an assignment"],
    );
    check("a b c d e f", &["1:1 this is no statement: it is neither a call nor an assignment"]);
    check(
        "end end end",
        &["1:1 'end' closes nothing", "1:5 'end' closes nothing", "1:9 'end' closes nothing"],
    );
    check("} ) ]", &["1:1 expected a statement, got '}'"]);
    check(
        "if a then else b() elseif c then end",
        &["1:20 expected 'end' after the 'else' of an 'if', got 'elseif'"],
    );
    check(
        "x = if a then b",
        &[
            "1:16 expected 'else' in an if expression, which always has one, got the end of the file",
        ],
    );
    check("x = if a then b else", &["1:21 expected an expression, got the end of the file"]);
    check("type A = {x: {y: {z: }}}", &["1:22 expected a type, got '}'"]);
    check(
        "local f = fun(a: T): R",
        &[
            "1:19 expected '(', '{' or a string after a method name, got ')'",
            "1:23 expected '(', '{' or a string after a method name, got the end of the file",
        ],
    );
    check("x = y as", &["1:7 this is no statement: it is neither a call nor an assignment"]);
    check("x = y ::", &["1:9 expected a type, got the end of the file"]);
    check("x = a.b.", &["1:9 expected a field name after '.', got the end of the file"]);
    check("::a", &["1:4 expected '::' after a label, got the end of the file"]);
    check("goto 1", &["1:1 this is no statement: it is neither a call nor an assignment"]);
    check("f(function() x( end)", &["1:17 expected an expression, got 'end'"]);
    check(
        "f({a = 1, b = 2, function() return 1 end, 3",
        &["1:44 expected '}' to close '{', got the end of the file"],
    );
    check("local naïve = 1", &["1:7 malformed name 'naïve'"]);
    check(
        "for a, b = 1, 2 do\n  f(1 2)\nend",
        &[
            "1:10 expected 'in' after the variables of 'for', got '='",
            "2:7 expected ',' or ')' after an argument, got '2'",
        ],
    );
    check(
        "if a then b() else c() else d() end",
        &["1:24 expected 'end' after the 'else' of an 'if', got 'else'"],
    );
    check(
        "if a = 1 then\n  b = = 2\nend",
        &[
            "1:6 expected 'then' after the condition of 'if', got '='",
            "2:7 expected an expression, got '='",
        ],
    );
}
