//! Plain Lua programs that end and always do the same: what they say and the errors they make show
//! whether something was changed on the way to Luau.

use crate::fuzz::rng::Rng;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    Number,
    Text,
    List,
    Object,
    Function,
}

struct Writer<'r> {
    rng: &'r mut Rng,
    out: String,
    /// What is in sight.
    locals: Vec<(String, Is)>,
    n_names: usize,
    fuel: usize,
    loops: usize,
    varargs: bool,
}

/// The body of a function without parameters, that calls `say(...)` and, in loops, `tick()`.
pub fn plain(rng: &mut Rng) -> String {
    let fuel = 20 + rng.below(60);
    let mut writer = Writer {
        rng,
        out: String::new(),
        locals: Vec::new(),
        n_names: 0,
        fuel,
        loops: 0,
        varargs: false,
    };
    for _ in 0..3 + writer.rng.below(6) {
        writer.statement();
    }
    writer.out
}

impl Writer<'_> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn format(&mut self, pattern: &str, parts: &[&dyn Fn(&mut Self)]) {
        for (at, text) in pattern.split('$').enumerate() {
            if at > 0 {
                parts[at - 1](self);
            }
            // A line end here and there: lines in errors are to be right.
            if text == " " && self.rng.once_in(8) {
                self.put("\n");
            } else {
                self.put(text);
            }
        }
    }

    fn new_name(&mut self) -> String {
        self.n_names += 1;
        format!("v{}", self.n_names)
    }

    /// A local of this sort in sight.
    fn local(&mut self, is: Is) -> Option<String> {
        let fitting: Vec<usize> =
            (0..self.locals.len()).filter(|at| self.locals[*at].1 == is).collect();
        let at = *fitting.get(self.rng.below(fitting.len().max(1)))?;
        Some(self.locals[at].0.clone())
    }

    fn spend(&mut self) -> bool {
        self.fuel = self.fuel.saturating_sub(1);
        self.fuel > 0
    }

    // -- expressions -------------------------------------------------------------------------------

    fn number(&mut self) {
        let more = self.spend();
        match self.rng.below(if more { 22 } else { 4 }) {
            0 => {
                let number = self.rng.pick(&["0", "1", "2", "3", "7", "-4", "0.5", "1e3", "255"]);
                self.put(number);
            }
            1..=3 => match self.local(Is::Number) {
                Some(name) => self.put(&name),
                None => self.put("5"),
            },
            4..=8 => {
                let operator = self.rng.pick(&["+", "-", "*"]);
                self.format(
                    &format!("($ $ {operator} $)"),
                    &[&Self::number, &|_| (), &Self::number],
                );
            }
            9 => self.format("($ % $7)", &[&Self::number, &|_| ()]),
            10 => self.format("__wippy_idiv($,$ $)", &[&Self::number, &|_| (), &Self::number]),
            11 => self.format("#$", &[&Self::text]),
            12 => self.format("math.max($,$ $)", &[&Self::number, &|_| (), &Self::number]),
            13 => {
                self.format("(if $ then $ else $)", &[&Self::truth, &Self::number, &Self::number])
            }
            14 | 15 => match self.local(Is::Function) {
                Some(name) => {
                    self.format(&format!("({name}($, $) or 0)"), &[&Self::number, &Self::number])
                }
                None => self.put("9"),
            },
            16 => match self.local(Is::List) {
                Some(name) => self.format(&format!("({name}[$ % 3 + 1] or 1)"), &[&Self::number]),
                None => self.put("8"),
            },
            17 => match self.local(Is::Object) {
                Some(name) => self.put(&format!("({name}.n or 2)")),
                None => self.put("6"),
            },
            18 => {
                let name = self.rng.pick(&[
                    "__wippy_band",
                    "__wippy_bor",
                    "__wippy_bxor",
                    "__wippy_shl",
                    "__wippy_shr",
                ]);
                self.format(
                    &format!("{name}(math.floor($) % 1000, math.floor($) % 20)"),
                    &[&Self::number, &Self::number],
                );
            }
            19 => self.format("__wippy_bnot(math.floor($) % 1000)", &[&Self::number]),
            20 if self.varargs => self.put("select('#', ...)"),
            20 => self.put("tonumber('12')"),
            _ => self.format("-($)", &[&Self::number]),
        }
    }

    fn text(&mut self) {
        let more = self.spend();
        match self.rng.below(if more { 10 } else { 3 }) {
            0 => {
                let text = self.rng.pick(&["'a'", "\"b c\"", "[[x\ny]]", "''", "'\\n\\65'"]);
                self.put(text);
            }
            1 | 2 => match self.local(Is::Text) {
                Some(name) => self.put(&name),
                None => self.put("'t'"),
            },
            3 | 4 => self.format("($ .. $)", &[&Self::text, &Self::text]),
            5 => self.format("tostring($)", &[&Self::number]),
            6 => self.format("`<{$}{$}>`", &[&Self::number, &Self::text]),
            7 => self.format("($):upper()", &[&Self::text]),
            8 => self.format("string.rep($, 2)", &[&Self::text]),
            _ => self.format("($):sub(1, $ % 5)", &[&Self::text, &Self::number]),
        }
    }

    fn truth(&mut self) {
        match self.rng.below(7) {
            0 => self.format("$ < $", &[&Self::number, &Self::number]),
            1 => self.format("$ == $", &[&Self::number, &Self::number]),
            2 => self.format("$ ~= $", &[&Self::text, &Self::text]),
            3 if self.spend() => self.format("($ and $)", &[&Self::truth, &Self::truth]),
            4 if self.spend() => self.format("not ($ or $)", &[&Self::truth, &Self::truth]),
            5 => self.format("$ >= 1", &[&Self::number]),
            _ => self.put("true"),
        }
    }

    // -- statements --------------------------------------------------------------------------------

    fn block(&mut self) {
        let seen = self.locals.len();
        self.put("\n");
        for _ in 0..1 + self.rng.below(3) {
            self.statement();
        }
        self.locals.truncate(seen);
    }

    fn loop_body(&mut self) {
        self.loops += 1;
        self.put(" tick() ");
        self.block();
        self.loops -= 1;
    }

    fn function_body(&mut self) {
        let (loops, varargs) = (std::mem::take(&mut self.loops), self.varargs);
        let seen = self.locals.len();
        let (a, b) = (self.new_name(), self.new_name());
        self.varargs = self.rng.once_in(2);
        let rest = if self.varargs { ", ..." } else { "" };
        self.put(&format!("({a}, {b}{rest})\n tick()\n"));
        // Whoever calls gives two numbers, or less.
        self.put(&format!("{a}, {b} = {a} or 1, {b} or 2\n"));
        self.locals.extend([(a, Is::Number), (b, Is::Number)]);
        self.block();
        self.format("return $, $\nend", &[&Self::number, &Self::text]);
        self.locals.truncate(seen);
        (self.loops, self.varargs) = (loops, varargs);
    }

    fn statement(&mut self) {
        let more = self.spend();
        let choice = self.rng.below(if more { 25 } else { 4 });
        let outside = (self.loops, self.varargs);
        let leaves = matches!(choice, 15 | 16) && self.loops > 0;
        if matches!(choice, 15..=17 | 19 | 21 | 22) && !leaves {
            // There is a function in it.
            (self.loops, self.varargs) = (0, false);
        }
        match choice {
            0 | 1 => {
                let name = self.new_name();
                self.format(&format!("local {name} = $"), &[&Self::number]);
                self.locals.push((name, Is::Number));
            }
            2 => self.format("say($,$ $)", &[&Self::number, &|_| (), &Self::text]),
            3 => match self.local(Is::Number) {
                Some(name) => self.format(&format!("{name} = $ $"), &[&|_| (), &Self::number]),
                None => self.put("say('none')"),
            },
            4 => {
                let name = self.new_name();
                self.format(&format!("local {name} = $"), &[&Self::text]);
                self.locals.push((name, Is::Text));
            }
            5 => {
                let name = self.new_name();
                self.format(
                    &format!("local {name} = {{$, $, $}}"),
                    &[&Self::number, &Self::number, &Self::number],
                );
                self.locals.push((name, Is::List));
            }
            6 => {
                let name = self.new_name();
                self.format(
                    &format!("local {name} = {{n = $,$ s = $, [$] = true}}"),
                    &[&Self::number, &|_| (), &Self::text, &Self::number],
                );
                self.locals.push((name, Is::Object));
            }
            7 => {
                let name = self.new_name();
                self.put(&format!("local function {name}"));
                self.function_body();
                self.locals.push((name, Is::Function));
            }
            8 => self.format("if $ then$ else$ end", &[&Self::truth, &Self::block, &Self::block]),
            9 => self.format("if $ then$ end", &[&Self::truth, &Self::block]),
            10 | 11 => {
                let name = self.new_name();
                self.locals.push((name.clone(), Is::Number));
                self.format(&format!("for {name} = 1, 3 do$ end"), &[&Self::loop_body]);
                self.locals.pop();
            }
            12 => match self.local(Is::List) {
                Some(list) => {
                    let name = self.new_name();
                    self.locals.push((name.clone(), Is::Number));
                    self.format(
                        &format!("for _, {name} in ipairs({list}) do$ end"),
                        &[&Self::loop_body],
                    );
                    self.locals.pop();
                }
                None => self.put("say(#{})"),
            },
            13 => {
                let name = self.new_name();
                self.locals.push((name.clone(), Is::Number));
                self.format(
                    &format!("local {name} = 0\nwhile {name} < 3 do {name} += 1$ end"),
                    &[&Self::loop_body],
                );
            }
            14 => {
                let name = self.new_name();
                self.locals.push((name.clone(), Is::Number));
                self.format(
                    &format!("local {name} = 0\nrepeat {name} += 1$ until {name} > 2"),
                    &[&Self::loop_body],
                );
            }
            15 | 16 if leaves => {
                let leave = self.rng.pick(&["break", "continue"]);
                self.format(&format!("if $ then {leave} end"), &[&Self::truth]);
            }
            15..=17 => {
                // An error at a line, caught.
                let wrong = self.rng.pick(&[
                    "error('e')", "error('e', 2)", "error('e', 0)", "error({code = 5})",
                    "local x = nil + 1", "local x x.y = 1", "undefined()", "local x = {} .. 'a'",
                    "local x = #5", "local x = {} < {}", "say((nil)[1])", "error()",
                    "local t = {} t\n.a\n.b = 1", "string.rep()",
                    "local x = 1 +\n2 + \n'a' + {}", "say(1,\n2,\nnil .. 'x')",
                ]);
                self.format(
                    &format!("say(pcall(function()$ if $ then {wrong} end return $ end))"),
                    &[&Self::block, &Self::truth, &Self::number],
                );
            }
            18 => match self.local(Is::Function) {
                Some(name) => self.format(
                    &format!("say({name}($, $, $))"),
                    &[&Self::number, &Self::number, &Self::text],
                ),
                None => self.put("say(nil, true)"),
            },
            19 => {
                let name = self.new_name();
                self.format(
                    &format!(
                        "local {name} = setmetatable({{n = $}}, {{__index = function(t, k) tick() \
                         return $ end, __add = function(a, b) return $ end, __tostring = function(t) \
                         return 'o' .. t.n end, __call = function(self, x) return x, self.n end}})\n\
                         say({name} + 1, {name}.zz, tostring({name}), {name}($))"
                    ),
                    &[&Self::number, &Self::text, &Self::number, &Self::number],
                );
                self.locals.push((name, Is::Object));
            }
            20 => match self.local(Is::Object) {
                Some(name) => {
                    self.put(&format!("function {name}.m"));
                    self.function_body();
                    self.put(&format!("\nfunction {name}:k"));
                    self.function_body();
                    self.format(
                        &format!("\nsay({name}.m($, $), {name}:k($))"),
                        &[&Self::number, &Self::number, &Self::number],
                    );
                }
                None => self.put("say({1, {2}})"),
            },
            21 => self.format(
                "for v in coroutine.wrap(function() tick() coroutine.yield($)$ coroutine.yield($) end) do say(v) end",
                &[&Self::number, &Self::block, &Self::text],
            ),
            22 => self.format(
                "say((($):gsub('%w', function(c) tick() return c .. $ end)))",
                &[&Self::text, &Self::number],
            ),
            23 => match self.local(Is::Number) {
                Some(name) => {
                    let operator = self.rng.pick(&["+=", "-=", "*=", "%=", "..="]);
                    // A text of a number is still one for arithmetic.
                    let with = if operator == "..=" { "1" } else { "3" };
                    self.put(&format!("{name} {operator} {with} {name} = tonumber({name}) or 0"));
                }
                None => self.format("do$ end", &[&Self::block]),
            },
            _ => {
                let name = self.new_name();
                self.format(
                    &format!("local {name} = (function(...) return $, ... end)($, $)"),
                    &[&Self::number, &Self::number, &Self::number],
                );
                self.locals.push((name, Is::Number));
            }
        }
        (self.loops, self.varargs) = outside;
        self.put("\n");
    }
}
