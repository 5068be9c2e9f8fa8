//! Programs made at random: plain Luau, or with all that the dialect adds.

use proptest::prelude::*;
use proptest::strategy::Union;

/// A list of strategies, the last few only for the dialect.
fn any_of(
    plain: Vec<BoxedStrategy<String>>,
    ours: Vec<BoxedStrategy<String>>,
    dialect: bool,
) -> BoxedStrategy<String> {
    let ours = ours.into_iter().filter(|_| dialect);
    Union::new(plain.into_iter().chain(ours)).boxed()
}

fn words(words: &'static [&'static str]) -> BoxedStrategy<String> {
    prop::sample::select(words).prop_map(str::to_string).boxed()
}

fn name() -> BoxedStrategy<String> {
    words(&["a", "b", "foo", "type", "continue", "export", "_x1", "read", "typeof"])
}

/// Fills the gaps of a pattern, `$`, with what the strategies make.
fn fill(pattern: &'static str, gaps: Vec<BoxedStrategy<String>>) -> BoxedStrategy<String> {
    let parts: Vec<&str> = pattern.split('$').collect();
    assert_eq!(parts.len(), gaps.len() + 1, "{pattern}");
    gaps.prop_map(move |texts| {
        let mut out = parts[0].to_string();
        for (text, part) in texts.iter().zip(&parts[1..]) {
            out += text;
            out += part;
        }
        out
    })
    .boxed()
}

fn some(separator: &'static str, min: usize, item: BoxedStrategy<String>) -> BoxedStrategy<String> {
    prop::collection::vec(item, min..4).prop_map(|items| items.join(separator)).boxed()
}

/// A type.
pub fn ty(depth: u32, dialect: bool) -> BoxedStrategy<String> {
    let leaf = any_of(
        vec![words(&["number", "T", "nil", "true", "\"s\"", "any", "m.T", "string"])],
        vec![words(&["123", "-1", "fun", "readonly"])],
        dialect,
    );
    if depth == 0 {
        return leaf;
    }
    let t = ty(depth - 1, dialect);
    let e = expr(depth - 1, dialect);
    any_of(
        vec![
            leaf,
            fill("($)?", vec![t.clone()]),
            fill("($) | ($)", vec![t.clone(), t.clone()]),
            fill("| ($) & ($)", vec![t.clone(), t.clone()])
                .prop_map(|s| s[2..].to_string())
                .boxed(),
            fill("{$}", vec![t.clone()])
                .prop_map(|s| s.replace("{readonly", "{ (any) | readonly"))
                .boxed(),
            fill("{[ $ ]: $, foo: $}", vec![t.clone(), t.clone(), t.clone()]),
            fill("{read a: $; [\"b\"]: $}", vec![t.clone(), t.clone()]),
            fill("($) -> ($, $)", vec![some(", ", 0, t.clone()), t.clone(), t.clone()]),
            fill("(x: $, ...$) -> ()", vec![t.clone(), t.clone()]),
            fill("N<$, ($), ...$>", vec![t.clone(), some(", ", 2, t.clone()), t.clone()]),
            fill("typeof($)", vec![e.clone()]),
        ],
        vec![
            fill("($)[]", vec![t.clone()]),
            fill("($)[ $ ]", vec![t.clone(), t.clone()]),
            fill("{foo?: $, readonly bar: $}", vec![t.clone(), t.clone()]),
            fill("($) @min($) @max(-2)", vec![t.clone(), words(&["1", "\"x\"", "-1"])]),
            fill("readonly {$}", vec![t.clone()]),
            fill("fun(x: $): ($)", vec![t.clone(), t.clone()]),
            fill("interface {a: $}", vec![t.clone()]),
            fill("keyof($)", vec![t.clone()]),
            fill("($) extends ($)? ? $ : $", vec![t.clone(), t.clone(), t.clone(), t.clone()]),
        ],
        dialect,
    )
}

fn function_body(depth: u32, dialect: bool) -> BoxedStrategy<String> {
    let t = ty(depth.min(1), dialect);
    any_of(
        vec![
            fill("($, ...)\n$ end", vec![some(", ", 1, name()), block(depth, dialect)]),
            fill(
                "<T>(a: $, ...: $): ($, $)\n$ end",
                vec![t.clone(), t.clone(), t.clone(), t.clone(), block(depth, dialect)],
            ),
        ],
        vec![fill("<T: $>(a: $, ...)\n$ end", vec![t.clone(), t, block(depth, dialect)])],
        dialect,
    )
}

/// An expression.
pub fn expr(depth: u32, dialect: bool) -> BoxedStrategy<String> {
    let leaf = any_of(
        vec![
            words(&["nil", "true", "1", "0x1F", "1.5e3", "\"s\"", "[[l]]", "...", "`i`", "{}"]),
            name(),
        ],
        vec![],
        dialect,
    );
    if depth == 0 {
        return leaf;
    }
    let e = expr(depth - 1, dialect);
    let t = ty(depth - 1, dialect);
    let op = words(&["+", "-", "*", "/", "//", "%", "^", "..", "==", "~=", "<", ">=", "and", "or"]);
    let bits = words(&["&", "|", "~", "<<", ">>"]);
    any_of(
        vec![
            leaf,
            fill("$ $ $", vec![e.clone(), op.clone(), e.clone()]),
            fill("$$", vec![words(&["not ", "- ", "#"]), e.clone()]),
            fill("($)", vec![e.clone()]),
            fill("$.$", vec![name(), name()]),
            fill("($)[ $ ]", vec![e.clone(), e.clone()]),
            call(depth - 1, dialect),
            fill("{$; a = $, [ $ ] = $,}", vec![e.clone(), e.clone(), e.clone(), e.clone()]),
            fill("function$", vec![function_body(depth - 1, dialect)]),
            fill("@native function$", vec![function_body(depth - 1, dialect)]),
            fill(
                "if $ then $ elseif $ then $ else $",
                vec![e.clone(), e.clone(), e.clone(), e.clone(), e.clone()],
            ),
            fill("`a{ $ }b{($)}`", vec![e.clone(), e.clone()]),
            fill("($ :: $)", vec![leaf_like(), t.clone()]),
        ],
        vec![
            fill("$ $ $", vec![e.clone(), bits, e.clone()]),
            fill("~$", vec![e.clone()]),
            fill("($ as $)", vec![leaf_like(), t]),
            fill("($)!", vec![e.clone()]),
            fill("foo!.bar!:m($)", vec![e]),
        ],
        dialect,
    )
}

fn leaf_like() -> BoxedStrategy<String> {
    words(&["a", "f()", "({})", "1", "\"s\""])
}

fn call(depth: u32, dialect: bool) -> BoxedStrategy<String> {
    let e = expr(depth, dialect);
    let args = some(", ", 0, e.clone());
    any_of(
        vec![
            fill("$($)", vec![name(), args.clone()]),
            fill("a.b:$($)", vec![name(), args.clone()]),
            fill("foo{$}", vec![e.clone()]),
            fill("foo\"s\"[[l]]:m$", vec![words(&["\"x\"", "{}", "(1)"])]),
            fill("f<<$>>($)", vec![ty(depth.min(1), false), args]),
        ],
        vec![],
        dialect,
    )
}

fn statement(depth: u32, dialect: bool) -> BoxedStrategy<String> {
    let e = expr(depth.min(2), dialect);
    let t = ty(depth.min(2), dialect);
    let simple = vec![
        fill("local $ = $", vec![name(), e.clone()]),
        fill("local $: $, $ = $", vec![name(), t.clone(), name(), some(", ", 1, e.clone())]),
        fill("$, a.b, foo[ $ ] = $", vec![name(), e.clone(), some(", ", 1, e.clone())]),
        fill("$ += $", vec![name(), e.clone()]),
        call(depth.min(2), dialect),
        fill(";(foo or $)()", vec![e.clone()]).prop_map(|s| format!("do end{s}")).boxed(),
        fill("type N<T, U = $> = $", vec![t.clone(), t.clone()]),
        fill("export type M<T...> = $", vec![t.clone()]),
    ];
    if depth == 0 {
        return Union::new(simple).boxed();
    }
    let b = block(depth - 1, dialect);
    let f = function_body(depth - 1, dialect);
    let last = words(&["", "break", "continue"]);
    let mut plain = simple;
    plain.extend([
        fill("do $ end", vec![b.clone()]),
        fill("while $ do $ $ end", vec![e.clone(), b.clone(), last.clone()]),
        fill("repeat $ until $", vec![b.clone(), e.clone()]),
        fill(
            "if $ then $ elseif $ then $ else $ end",
            vec![e.clone(), b.clone(), e.clone(), b.clone(), b.clone()],
        ),
        fill("for $ = $, $ do $ end", vec![name(), e.clone(), e.clone(), b.clone()]),
        fill("for $, b: $ in $ do $ $ end", vec![name(), t.clone(), e.clone(), b.clone(), last]),
        fill("local function $$", vec![name(), f.clone()]),
        fill("function foo.bar:$$", vec![name(), f.clone()]),
        fill("@[deprecated { use = \"x\" }]\n@native function foo$", vec![f.clone()]),
        fill("do $ return $ end", vec![b.clone(), some(", ", 0, e.clone())]),
        fill("const function zz$", vec![f.clone()]),
    ]);
    let ours = vec![
        fill(
            "while $ do if $ then goto continue end $ ::continue:: end",
            vec![e.clone(), e.clone(), b.clone()],
        ),
        fill(
            "interface I: $ function m(self, x: $): $\ny?: $ end",
            vec![t.clone(), t.clone(), t.clone(), t],
        ),
        fill("while $ do break $ end", vec![e, b]),
    ];
    any_of(plain, ours, dialect)
}

fn block(depth: u32, dialect: bool) -> BoxedStrategy<String> {
    some("\n", 0, statement(depth, dialect))
}

/// A program without errors.
pub fn program(dialect: bool) -> BoxedStrategy<String> {
    some("\n", 1, statement(2, dialect))
}

/// Tokens that damage puts into programs.
pub const TOKENS: [&str; 76] = [
    "and",
    "break",
    "do",
    "else",
    "elseif",
    "end",
    "false",
    "for",
    "function",
    "if",
    "in",
    "local",
    "nil",
    "not",
    "or",
    "repeat",
    "return",
    "then",
    "true",
    "until",
    "while",
    "a",
    "type",
    "continue",
    "export",
    "const",
    "1",
    "\"s\"",
    "`",
    "{",
    "}",
    "(",
    ")",
    "[",
    "]",
    "+",
    "-",
    "*",
    "//",
    "%",
    "^",
    "#",
    "==",
    "~=",
    "<",
    "<=",
    ">",
    ">=",
    "=",
    "+=",
    ";",
    ":",
    "::",
    ",",
    ".",
    "..",
    "...",
    "->",
    "@",
    "?",
    "|",
    "&",
    "~",
    "!",
    "goto",
    "as",
    "\n",
    "<<",
    "readonly",
    "extends",
    "fun",
    "interface",
    "@native",
    "keyof",
    "--",
    "[[",
];

/// A program, and one token after another put in its place or taken out.
pub fn damaged(dialect: bool) -> BoxedStrategy<String> {
    let tokens = [&TOKENS[..], &["asserts", "'"]].concat();
    let token = prop::sample::select(tokens).prop_map(str::to_string);
    let damage = prop::collection::vec((any::<prop::sample::Index>(), 0..3u8, token), 1..4);
    (program(dialect), damage)
        .prop_map(|(program, damage)| {
            let mut parts: Vec<String> = split(&program);
            for (at, how, token) in damage {
                let at = at.index(parts.len());
                match how {
                    0 => parts[at] = token,
                    1 => parts.insert(at, token),
                    _ if parts.len() > 1 => drop(parts.remove(at)),
                    _ => {}
                }
            }
            parts.join(" ")
        })
        .boxed()
}

/// Words, signs and line ends; blanks are dropped.
fn split(program: &str) -> Vec<String> {
    use wippy::lang::lexer::lex;
    let mut parts = Vec::new();
    for token in lex(program).tokens {
        if token.newline {
            parts.push("\n".into());
        }
        parts.push(token.span.text(program).to_string());
    }
    parts
}
