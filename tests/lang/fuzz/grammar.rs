//! Programs by the grammar of the dialect, most of them without an error. Names are few, so that they
//! meet; types are declared in bunches that refer to each other in every way.

use super::rng::Rng;

const NAMES: [&str; 12] =
    ["a", "b", "c", "foo", "type", "continue", "export", "_x1", "T1", "as", "lib", "é"];
const TYPES: [&str; 16] = [
    "number",
    "string",
    "boolean",
    "any",
    "nil",
    "true",
    "\"s\"",
    "integer",
    "unknown",
    "error",
    "table",
    "lib.T",
    "never",
    "T",
    "{}",
    "time.Time",
];
const LITERALS: [&str; 18] = [
    "nil",
    "true",
    "false",
    "1",
    "0x1F",
    "1.5e3",
    "\"s\"",
    "[[l]]",
    "...",
    "`i`",
    "{}",
    "0b101",
    "'\\u{20AC}\\n'",
    "1_000",
    "[==[\n]]==]",
    "\"\\z\n  x\"",
    "print",
    "string.format",
];
const OPERATORS: [&str; 15] =
    ["+", "-", "*", "/", "//", "%", "^", "..", "==", "~=", "<", ">=", "and", "or", "<="];
const BITS: [&str; 5] = ["&", "|", "~", "<<", ">>"];
const COMPOUND: [&str; 8] = ["+=", "-=", "*=", "/=", "//=", "%=", "^=", "..="];

/// How many types are declared at the top of a program, at most.
const ALIASES: usize = 24;

pub struct Grammar<'r> {
    rng: &'r mut Rng,
    pub out: String,
    /// What is left to be written, in parts; beyond it everything ends soon.
    fuel: usize,
    /// With all that the dialect adds to Luau.
    dialect: bool,
    loops: usize,
    labels: usize,
    aliases: usize,
}

impl<'r> Grammar<'r> {
    pub fn new(rng: &'r mut Rng, fuel: usize, dialect: bool) -> Self {
        Self { rng, out: String::new(), fuel, dialect, loops: 0, labels: 0, aliases: 0 }
    }

    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Between tokens that may stand on different lines.
    fn gap(&mut self) {
        match self.rng.below(60) {
            0 => self.put("\n"),
            1 => self.put(" --[[ c ]] "),
            2 => self.put(" -- c\n"),
            _ => self.put(" "),
        }
    }

    /// One choice of `n`; the first ones when there is no fuel left.
    fn choose(&mut self, n: usize, few: usize) -> usize {
        self.fuel = self.fuel.saturating_sub(1);
        self.rng.below(if self.fuel == 0 { few } else { n })
    }

    fn several(&mut self, least: usize, separator: &str, mut part: impl FnMut(&mut Self)) {
        let n = least + if self.fuel == 0 { 0 } else { self.rng.below(3) };
        for at in 0..n {
            if at > 0 {
                self.put(separator);
            }
            part(self);
        }
    }

    fn name(&mut self) {
        let name = self.rng.pick(&NAMES[..NAMES.len() - 1]);
        self.put(name);
    }

    // -- types -------------------------------------------------------------------------------------

    fn alias_name(&mut self) {
        let n = self.rng.below(self.aliases.max(1) + 1);
        self.put(&format!("T{n}"));
    }

    pub fn ty(&mut self) {
        let n = if self.dialect { 24 } else { 12 };
        match self.choose(n, 2) {
            0 => {
                let name = self.rng.pick(&TYPES);
                self.put(name);
            }
            1 => self.alias_name(),
            2 => self.wrap("(", ")?", Self::ty),
            3 => {
                self.wrap("(", ")", Self::ty);
                self.put(" | ");
                self.wrap("(", ")", Self::ty);
            }
            4 => {
                self.wrap("(", ")", Self::ty);
                self.put(" & ");
                self.wrap("(", ")", Self::ty);
            }
            5 => self.wrap("{(", ")}", Self::ty),
            6 => {
                self.wrap("{[", "]: ", Self::ty);
                self.ty();
                self.put("}");
            }
            7 => {
                self.wrap("{a: ", ", ", Self::ty);
                self.wrap("b: ", "}", Self::ty);
            }
            8 => {
                self.put("(");
                self.several(0, ", ", Self::ty);
                self.wrap(") -> (", ")", Self::ty);
            }
            9 => {
                self.wrap("(x: ", ", ...", Self::ty);
                self.ty();
                self.put(") -> ()");
            }
            10 => {
                self.alias_name();
                self.wrap("<", ">", |this| this.several(1, ", ", Self::ty));
            }
            11 => self.wrap("typeof(", ")", Self::name),
            12 => self.wrap("(", ")[]", Self::ty),
            13 => {
                self.wrap("(", ")[", Self::ty);
                self.wrap("", "]", Self::ty);
            }
            14 => {
                self.wrap("{a?: ", ", readonly b: ", Self::ty);
                self.ty();
                self.put("}");
            }
            15 => {
                self.wrap("(", ") ", Self::ty);
                let condition = self.rng.pick(&[
                    "@min(1)",
                    "@max(-2)",
                    "@min_len(3)",
                    "@pattern(\"a+\")",
                    "@min(1) @max(2)",
                    "@other",
                    "@pattern('(')",
                ]);
                self.put(condition);
            }
            16 => self.wrap("readonly {(", ")}", Self::ty),
            17 => {
                self.wrap("fun(x: ", "): (", Self::ty);
                self.wrap("", ")", Self::ty);
            }
            18 => self.wrap("interface {a: ", "}", Self::ty),
            19 => self.wrap("keyof(", ")", Self::ty),
            20 => {
                self.wrap("(", ") extends (", Self::ty);
                self.wrap("", ") ? ", Self::ty);
                self.wrap("", " : ", Self::ty);
                self.ty();
            }
            21 => self.put("123"),
            22 => self.put("-1"),
            _ => {
                self.wrap("<V>(x: V, y: ", ") -> V", Self::ty);
            }
        }
    }

    fn wrap(&mut self, open: &str, close: &str, inner: impl FnOnce(&mut Self)) {
        self.put(open);
        inner(self);
        self.put(close);
    }

    /// A bunch of types at the top.
    fn declarations(&mut self) {
        self.aliases = self.rng.below(ALIASES);
        for n in 0..self.aliases {
            match self.rng.below(8) {
                0 => self.put(&format!("type T{n}<U, V = any> = U | V | ")),
                1 => self.put(&format!("export type T{n} = ")),
                2 if self.dialect => {
                    self.put(&format!("interface T{n}: T{}, T{}\n  a: ", n + 1, n + 2));
                    self.ty();
                    self.put("\nend\n");
                    continue;
                }
                // The next ones, each more than once: graphs with very many paths.
                3..=5 => {
                    let (open, between, close) = self.rng.pick(&[
                        ("", " | ", ""),
                        ("", " & ", ""),
                        ("{a: ", ", b: ", "}"),
                        ("{a: ", "} | {a: ", "}"),
                        ("{a: ", "} & {b: ", "}"),
                        ("(", ") -> ", ""),
                        ("{[string]: ", "} | {[number]: ", "}"),
                    ]);
                    let near = |rng: &mut Rng| n + 1 + rng.below(2);
                    let (x, y) = (near(self.rng), near(self.rng));
                    self.put(&format!("type T{n} = {open}T{x}{between}T{y}{close}\n"));
                    continue;
                }
                _ => self.put(&format!("type T{n} = ")),
            }
            self.ty();
            self.put("\n");
        }
    }

    // -- expressions -------------------------------------------------------------------------------

    fn leaf(&mut self) {
        if self.rng.once_in(2) {
            self.name();
        } else {
            let literal = self.rng.pick(&LITERALS);
            self.put(literal);
        }
    }

    pub fn expr(&mut self) {
        let n = if self.dialect { 24 } else { 17 };
        match self.choose(n, 2) {
            0 | 1 => self.leaf(),
            2 | 3 => {
                self.expr();
                self.gap();
                let operator = self.rng.pick(&OPERATORS);
                self.put(operator);
                self.gap();
                self.expr();
            }
            4 => {
                let operator = self.rng.pick(&["not ", "- ", "#"]);
                self.put(operator);
                self.expr();
            }
            5 => self.wrap("(", ")", Self::expr),
            6 => {
                self.name();
                self.put(".");
                self.name();
            }
            7 => {
                self.wrap("(", ")[ ", Self::expr);
                self.wrap("", " ]", Self::expr);
            }
            8 | 9 => self.call(),
            10 => self.table(),
            11 | 12 => {
                self.put("function");
                self.function_body();
            }
            13 => {
                self.wrap("if ", " then ", Self::expr);
                self.wrap("", " else ", Self::expr);
                self.expr();
            }
            14 => {
                self.wrap("`a{ ", " }b{(", Self::expr);
                self.wrap("", ")}`", Self::expr);
            }
            15 => {
                self.wrap("((", ") :: ", Self::expr);
                self.wrap("", ")", Self::ty);
            }
            16 => self.wrap("typeof(", ")", Self::expr),
            17 | 18 => {
                self.expr();
                let operator = self.rng.pick(&BITS);
                self.put(&format!(" {operator} "));
                self.expr();
            }
            19 => {
                self.put("~");
                self.expr();
            }
            20 => {
                self.wrap("((", ") as ", Self::expr);
                self.wrap("", ")", Self::ty);
            }
            21 => self.wrap("(", ")!", Self::expr),
            22 => {
                self.alias_name();
                self.wrap(":is(", ")", Self::expr);
            }
            _ => {
                self.put("foo!.bar");
                self.wrap("!:m(", ")", Self::expr);
            }
        }
    }

    fn table(&mut self) {
        self.put("{");
        for _ in 0..self.rng.below(4) {
            match self.rng.below(4) {
                0 => self.wrap("a = ", "", Self::expr),
                1 => self.wrap("b = ", "", Self::expr),
                2 => {
                    self.wrap("[ ", " ] = ", Self::expr);
                    self.expr();
                }
                _ => self.expr(),
            }
            self.put(", ");
        }
        self.put("}");
    }

    fn call(&mut self) {
        match self.rng.below(8) {
            0 => self.put("f"),
            1 => self.put("pairs"),
            2 => self.put("setmetatable"),
            3 => self.put("assert"),
            4 => {
                self.name();
                self.put(":");
                self.name();
            }
            5 => self.wrap("(", ")", Self::expr),
            6 => {
                self.put("f");
                self.wrap("<<", ">>", |this| this.several(1, ", ", Self::ty));
            }
            _ => self.name(),
        }
        match self.rng.below(10) {
            0 => self.put("\"s\""),
            1 => self.table(),
            _ => self.wrap("(", ")", |this| this.several(0, ", ", Self::expr)),
        }
    }

    fn function_body(&mut self) {
        let loops = std::mem::take(&mut self.loops);
        match self.rng.below(if self.dialect { 4 } else { 3 }) {
            0 => self.put("(a, b, ...)"),
            1 => {
                self.wrap("<T>(a: ", ", ...: ", Self::ty);
                self.wrap("", "): (", Self::ty);
                self.several(1, ", ", Self::ty);
                self.put(")");
            }
            2 => {
                self.wrap("(a: ", ", b: ", Self::ty);
                self.wrap("", ", ...): ", Self::ty);
                self.wrap("(", ")", Self::ty);
            }
            _ => {
                self.wrap("<T: ", ">(a: T, ...)", Self::ty);
            }
        }
        self.put("\n");
        self.block();
        if self.rng.once_in(2) {
            self.put("return ");
            self.several(0, ", ", Self::expr);
            self.put(" ");
        }
        self.put("end");
        self.loops = loops;
    }

    // -- statements --------------------------------------------------------------------------------

    fn block(&mut self) {
        self.several(0, "", |this| {
            this.statement();
            this.put("\n");
        });
    }

    fn loop_body(&mut self) {
        self.loops += 1;
        self.block();
        self.loops -= 1;
    }

    fn statement(&mut self) {
        let n = if self.dialect { 30 } else { 25 };
        match self.choose(n, 4) {
            0 => {
                self.wrap("local ", " = ", Self::name);
                self.expr();
            }
            1 => {
                self.wrap("local ", ": ", Self::name);
                self.wrap("", ", b = ", Self::ty);
                self.several(1, ", ", Self::expr);
            }
            2 => {
                self.name();
                self.put(", a.b, foo[ 1 ] = ");
                self.several(1, ", ", Self::expr);
            }
            3 => {
                self.put("f(");
                self.several(0, ", ", Self::expr);
                self.put(")");
            }
            4 => {
                let target = self.rng.below(3);
                match target {
                    0 => self.name(),
                    1 => self.wrap("(", ").x", Self::expr),
                    _ => self.wrap("foo[", "]", Self::expr),
                }
                let operator = self.rng.pick(&COMPOUND);
                self.put(&format!(" {operator} "));
                self.expr();
            }
            5 => {
                self.put("do end;");
                self.wrap("(", ")()", Self::expr);
            }
            6 => self.call(),
            7 => self.wrap("do ", " end", Self::block),
            8 | 9 => {
                self.wrap("while ", " do ", Self::expr);
                self.loop_body();
                self.put("end");
            }
            10 => {
                self.wrap("repeat ", " until ", Self::loop_body);
                self.expr();
            }
            11..=13 => {
                self.wrap("if ", " then ", Self::condition);
                self.block();
                if self.rng.once_in(2) {
                    self.wrap("elseif ", " then ", Self::condition);
                    self.block();
                }
                if self.rng.once_in(2) {
                    self.wrap("else ", "", Self::block);
                }
                self.put(" end");
            }
            14 => {
                self.wrap("for i = ", ", ", Self::expr);
                self.wrap("", " do ", Self::expr);
                self.loop_body();
                self.put("end");
            }
            15 | 16 => {
                self.wrap("for k, v: ", " in ", Self::ty);
                let each = self.rng.pick(&["pairs(", "ipairs(", "("]);
                self.wrap(each, ") do ", Self::expr);
                self.loop_body();
                self.put("end");
            }
            17 => {
                self.wrap("local function ", "", Self::name);
                self.function_body();
            }
            18 => {
                self.put("function foo.bar");
                let separator = self.rng.pick(&[":", "."]);
                self.wrap(separator, "", Self::name);
                self.function_body();
            }
            19 => {
                self.put("@[deprecated { use = \"x\" }]\n@native function foo");
                self.function_body();
            }
            20 => {
                self.put("do return ");
                self.several(0, ", ", Self::expr);
                self.put(" end");
            }
            21 => {
                self.wrap("const zz = ", "", Self::expr);
            }
            22 | 23 if self.loops > 0 => {
                let leave = self.rng.pick(&["break", "continue"]);
                self.wrap("if ", " then ", Self::condition);
                self.put(&format!("{leave} end"));
            }
            22..=24 => {
                self.aliases += 1;
                let n = self.aliases;
                self.put(&format!("do type T{n} = "));
                self.ty();
                self.put(" local x: ");
                self.alias_name();
                self.wrap(" = ", " end", Self::expr);
            }
            25 | 26 => {
                // Jumps forward, backward and to the ends of loops.
                self.labels += 1;
                let label = format!("l{}", self.labels);
                let (before, after) = self.rng.pick(&[
                    ("goto", "::"),
                    ("::", "goto"),
                    ("while a do goto", "end"),
                    ("for _ = 1, 2 do while a do goto", "end"),
                ]);
                let jump = |word: &str| match word {
                    "::" => format!("::{label}::\n"),
                    word => {
                        format!("if a then {} {label} end\n", word.rsplit(' ').next().unwrap_or(""))
                    }
                };
                match after {
                    "end" => {
                        let (head, _) = before.rsplit_once(' ').unwrap_or_default();
                        self.put(&format!("{head} "));
                        self.put(&jump("goto"));
                        self.loop_body();
                        let n_loops = head.matches(" do").count();
                        if n_loops == 2 {
                            self.put("end ");
                        }
                        self.put(&format!("::{label}:: end"));
                    }
                    _ => {
                        self.put("do ");
                        self.put(&jump(before));
                        self.block();
                        self.put(&jump(after));
                        self.put("end");
                    }
                }
            }
            27 => {
                self.put("while a do break ");
                self.block();
                self.put("end");
            }
            28 => {
                self.wrap("f(", ", ", |this| this.alias_name());
                self.alias_name();
                self.put(".x)");
            }
            _ => {
                self.wrap("interface Q function m(self, x: ", "): (", Self::ty);
                self.wrap("", ") y?: ", Self::ty);
                self.ty();
                self.put("\nend");
            }
        }
    }

    /// What the checker narrows by.
    fn condition(&mut self) {
        match self.rng.below(7) {
            0 => self.put("a ~= nil"),
            1 => self.put("type(a) == \"string\""),
            2 => self.put("not a or a.k == 's'"),
            3 => self.put("a == nil and b"),
            _ => self.expr(),
        }
    }

    pub fn program(mut self) -> String {
        if self.rng.once_in(3) {
            self.declarations();
        }
        self.several(1, "\n", Self::statement);
        if self.rng.once_in(4) {
            self.put("\nreturn ");
            self.several(1, ", ", Self::expr);
        }
        self.out
    }
}
