//! Programs do the same, whether Luau gets them as they are or through the front end: what they say,
//! what they return, and their errors with the lines.
//!
//! Each program runs as given; said in the dialect, line by line, and translated; and both printed
//! from their trees, where lines are others. A long run:
//! `WIPPY_FUZZ_EXECUTIONS=100000 cargo test --test lang executed::`

use std::time::Duration;

use wippy::app::node::{Node, Options};
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::transcoder::Value;
use wippy::lang::parser::parse;
use wippy::lang::print::print;
use wippy::lang::translate::translate;
use wippy::system::host::HostKind;

use crate::dialectize::dialectize;
use crate::fuzz::rng::Rng;
use crate::fuzz::setting;
use crate::plain::plain;

/// Programs made in a run that nobody asked to be longer.
const PROGRAMS: u64 = 300;
const SAFETY_NET: Duration = Duration::from_secs(60);

/// On one line, so that the program's first line is the second.
const BEFORE: &str = "local out, ticks = {}, 0 \
    local function shown(v, depth) \
      if type(v) ~= 'table' then return type(v) == 'function' and 'function' or tostring(v) end \
      if depth > 3 then return '...' end \
      local parts = {} \
      for key, value in next, v do parts[#parts + 1] = tostring(key) .. '=' .. shown(value, depth + 1) end \
      table.sort(parts) return '{' .. table.concat(parts, ',') .. '}' \
    end \
    local function say(...) \
      if #out > 400 then error('said enough', 0) end \
      local parts = {} \
      for at = 1, select('#', ...) do parts[at] = shown((select(at, ...)), 0) end \
      out[#out + 1] = table.concat(parts, ' ') \
    end \
    local function tick() ticks = ticks + 1 if ticks > 3000 then error('ticked enough', 0) end end \
    local function program()\n";
const AFTER: &str = "\nend return {main = function() local ok, err = pcall(program) \
    out[#out + 1] = shown(ok, 0) .. ' ' .. shown(err, 0) .. ' ' .. ticks \
    return table.concat(out, '\\n') end}";

fn node() -> Node {
    let scheduler = SchedulerOptions { workers: 1, pin: false, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() }).expect("starts");
    node.add_host("app:processes", HostKind::Processes, false).expect("a host");
    node
}

/// What a program says. All have the same name: it is in their errors.
fn run(source: &str) -> Result<String, String> {
    thread_local! {
        static NODE: Node = node();
    }
    NODE.with(|node| {
        let text = |error: wippy::infra::error::Error| error.to_string();
        node.define("app:p", source).map_err(text)?;
        let (_, ended) = node.spawn("app:p", "app:processes", &[]).map_err(text)?;
        match ended.wait(SAFETY_NET).map_err(text)? {
            Value::Str(said) => Ok(said),
            other => Err(format!("{other:?}")),
        }
    })
}

/// Without the lines in errors, which are others in a printed program.
fn without_lines(said: &str) -> String {
    let mut out = String::new();
    let mut parts = said.split("app:p:");
    out.push_str(parts.next().unwrap_or_default());
    for part in parts {
        out.push_str("app:p:");
        out.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    out
}

fn printed(source: &str) -> String {
    let parsed = parse(source);
    assert_eq!(parsed.diagnostics, [], "{source}");
    print(&parsed.ast, source)
}

#[track_caller]
fn check(body: &str) {
    let given = format!("{BEFORE}{body}{AFTER}");
    let translated = translate(&given).unwrap_or_else(|found| panic!("{found:?}\n{body}"));
    assert_eq!(translated.text, given, "plain programs stay the same bytes");
    let dialect = dialectize(&given).expect("no errors");
    let expected = run(&given).unwrap_or_else(|error| panic!("{error}\n{body}"));
    let ours = run(&dialect).unwrap_or_else(|error| panic!("{error}\n{body}\n---\n{dialect}"));
    assert_eq!(expected, ours, "{body}\n---\n{dialect}");
    for again in [printed(&given), printed(&dialect)] {
        let said = run(&again).unwrap_or_else(|error| panic!("{error}\n{body}\n---\n{again}"));
        assert_eq!(without_lines(&expected), without_lines(&said), "{body}\n---\n{again}");
    }
}

#[test]
fn programs_by_the_grammar() {
    let programs = setting("WIPPY_FUZZ_EXECUTIONS", PROGRAMS);
    let (mut lines, mut errors) = (0, 0);
    for number in 0..programs {
        let body = plain(&mut Rng::new(number));
        check(&body);
        let said = run(&format!("{BEFORE}{body}{AFTER}")).expect("ran before");
        lines += said.lines().count();
        errors += said.matches("app:p:").count();
    }
    println!("{programs} programs said {lines} lines, {errors} errors with their lines");
    // They are to do something.
    assert!(lines as u64 > 3 * programs && errors as u64 > programs / 8, "{lines} {errors}");
}

#[test]
fn corners() {
    for body in [
        "say(pcall(function()\n\n  local x\n  say(x.y)\nend))",
        "say(pcall(function() error('a\\nb', 1) end))",
        "local t = {}\nsay(pcall(function()\n  t\n  .a\n  .b\n  .c = 1\nend))",
        "for i = 1, 3 do for j = 1, 3 do if j == 2 then continue end if i == 2 then break end say(i, j) end end",
        "local i = 0 while true do i += 1 if i == 2 then continue end if i > 4 then break end say(i) end",
        "local i = 0 repeat i += 1 if i == 2 then continue end say(i) until i > 4",
        "for i = 1, 2 do local f = function() for j = 1, 2 do if j == 1 then break end end return i end say(f()) end",
        "say(select('#', (function() return 1, 2, 3 end)()))\nsay((function(...) return ... end)(1, nil, 3))",
        "local a <const> = 1",
        "say(-2 ^ 2, 2 ^ 3 ^ 2, not nil == true, 1 .. 2 .. 3, __wippy_idiv(7, 2) * 2, -7 % 3)",
        "say(pcall(function()\n  return __wippy_idiv(1,\n 0)\nend))\nsay(pcall(function() return __wippy_idiv('1', {}) end))",
        "say(__wippy_bor(1, __wippy_band(6, 3)), __wippy_bnot(0), __wippy_shl(1, 40), __wippy_shr(-1, 1))",
    ] {
        // Luau takes no attributes: neither do we.
        if body.contains("<const>") {
            assert!(run(&format!("{BEFORE}{body}{AFTER}")).is_err());
        } else {
            check(body);
        }
    }
}

/// Operators as people write them, without brackets: their priorities are those of Lua 5.3.
#[test]
fn bitwise_operators_bind_as_in_lua() {
    const OPERATORS: [(&str, u8); 9] = [
        ("|", 4),
        ("~", 5),
        ("&", 6),
        ("<<", 7),
        (">>", 7),
        ("+", 10),
        ("-", 10),
        ("*", 11),
        ("//", 11),
    ];
    let mut rng = Rng::new(1);
    let mut text = String::new();
    let mut expected = Vec::new();
    for _ in 0..200 {
        let n = 2 + rng.below(5);
        let numbers: Vec<i64> = (0..n).map(|_| 1 + rng.below(6) as i64).collect();
        let operators: Vec<(&str, u8)> = (1..n).map(|_| rng.pick(&OPERATORS)).collect();
        let mut line = numbers[0].to_string();
        for (operator, number) in operators.iter().zip(&numbers[1..]) {
            line += &format!(" {} {number}", operator.0);
        }
        let Some(value) = evaluate(&numbers, &operators) else { continue };
        text += &format!("say({line})\n");
        expected.push(value.to_string());
    }
    assert!(expected.len() > 100);
    let said = run(&format!("{BEFORE}{text}{AFTER}")).expect("runs");
    let mut said: Vec<&str> = said.lines().collect();
    said.pop();
    let lines: Vec<&str> = text.lines().collect();
    for ((said, expected), line) in said.iter().zip(&expected).zip(lines) {
        assert_eq!(said, expected, "{line}");
    }
    assert_eq!(said.len(), expected.len());
}

/// All of them associate to the left. `None` where a number gets too large, or zero divides.
fn evaluate(numbers: &[i64], operators: &[(&str, u8)]) -> Option<i64> {
    let Some(lowest) = operators.iter().map(|(_, priority)| *priority).min() else {
        return Some(numbers[0]);
    };
    let at = operators.iter().rposition(|(_, priority)| *priority == lowest)?;
    let a = evaluate(&numbers[..=at], &operators[..at])?;
    let b = evaluate(&numbers[at + 1..], &operators[at + 1..])?;
    let shift = |a: i64, by: i64| match by {
        0..64 => a.checked_mul(1i64.checked_shl(by as u32)?),
        -63..0 => Some(a >> -by),
        _ => None,
    };
    let value = match operators[at].0 {
        "|" => a | b,
        "~" => a ^ b,
        "&" => a & b,
        "<<" => shift(a, b)?,
        ">>" => shift(a, b.checked_neg()?)?,
        "+" => a.checked_add(b)?,
        "-" => a.checked_sub(b)?,
        "*" => a.checked_mul(b)?,
        _ if b == 0 => return None,
        _ => a.div_euclid(b) - i64::from(b < 0 && a.rem_euclid(b) != 0),
    };
    (value.abs() < 1 << 40).then_some(value)
}
