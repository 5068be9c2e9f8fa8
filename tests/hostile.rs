//! Processes that mean harm, each beside a pair of neighbours that talk: on one worker, and where
//! the placement allows it in the VM of the neighbours.
//!
//! Whatever it does, it ends or is ended, the outcome says why, and the neighbours go on talking:
//! meanwhile, with no pause longer than [`PAUSE_MAX`], and afterwards.

use std::time::Duration;

use wippy::app::node::{Node, Options};
use wippy::core::pid::HostId;
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::transcoder::Value;
use wippy::system::host::{Host, HostKind};

/// A safety net, not a measure.
const LONG: Duration = Duration::from_secs(120);
/// Where Luau cannot be interrupted, an error ends the work after five seconds; some more for a
/// machine that is busy with other tests.
const PAUSE_MAX: f64 = 20_000.0;
/// Of hosts that limit memory.
const MEMORY: usize = 16 << 20;

/// Talks to `app:echo` while `app:hostile` does its worst; ends it if it has not ended in time.
const NEIGHBOUR: &str = r#"
local time = require("time")
local function main(host, patience)
    local inbox, events = process.inbox(), process.events()
    local echo = assert(process.spawn("app:echo", "app:host"))
    local trips, pause, last, terminated, result = 0, 0, time.now(), false, nil
    local pid, refused = process.spawn_monitored("app:hostile", host)
    if not pid then result = { error = refused } end
    local deadline = time.after(patience)
    process.send(echo, "ping", 1)
    while not result do
        local r = channel.select {
            events:case_receive(), inbox:case_receive(), not terminated and deadline:case_receive(),
        }
        if r.channel == inbox then
            local now = time.now()
            pause = math.max(pause, now:sub(last):milliseconds())
            trips, last = trips + 1, now
            process.send(echo, "ping", trips)
        elseif r.channel == events then
            if r.value.from == pid then result = r.value.result end
        else
            terminated = true
            assert(process.terminate(pid))
        end
    end
    for n = 1, 100 do
        local m = inbox:receive()
        pause, last = math.max(pause, time.now():sub(last):milliseconds()), time.now()
        process.send(echo, "ping", n)
    end
    return { error = result.error and tostring(result.error) or "", trips = trips, pause = pause }
end
return { main = main }"#;

const ECHO: &str = r#"
return { main = function()
    local inbox = process.inbox()
    while true do
        local m = inbox:receive()
        process.send(m:from(), "pong", m:payload():data())
    end
end }"#;

/// How the process is to end.
enum End {
    /// By itself, and well.
    Well,
    /// With an error that contains the text.
    Error(&'static str),
    /// It has to be terminated.
    Terminated,
}
use End::{Error, Terminated, Well};

/// Runs the body of a method.
#[track_caller]
fn check(body: &str, end: End) {
    run(
        "app:host",
        &format!("local time = require('time')\nreturn {{main = function() {body}\nend}}"),
        end,
    );
}

/// The same where memory is limited.
#[track_caller]
fn check_limited(body: &str, end: End) {
    run(
        "app:limited",
        &format!("local time = require('time')\nreturn {{main = function() {body}\nend}}"),
        end,
    );
}

#[track_caller]
fn run(host: &str, source: &str, end: End) {
    let scheduler = SchedulerOptions { workers: 1, pin: false, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() }).unwrap();
    node.add_host("app:host", HostKind::Processes, false).unwrap();
    let limited = Host::new(HostId::intern("app:limited"), HostKind::Processes, false);
    node.add(limited.with_memory_limit(Some(MEMORY))).unwrap();
    node.define("app:main", NEIGHBOUR).unwrap();
    node.define("app:echo", ECHO).unwrap();
    node.define("app:hostile", source).unwrap();
    let patience = if matches!(end, Terminated) { "300ms" } else { "60s" };
    let arguments = [host.into(), patience.into()];
    let (_, ended) = node.spawn("app:main", "app:host", &arguments).unwrap();
    let result = ended.wait(LONG).unwrap_or_else(|error| panic!("{error}\nof {source}"));
    let error = result.get("error").and_then(Value::as_str).unwrap();
    match end {
        Well => assert_eq!(error, "", "{source}"),
        Error(text) => assert!(error.contains(text), "{error:?} instead of {text:?}: {source}"),
        Terminated => assert!(error.contains("terminated"), "{error:?}: {source}"),
    }
    let pause = result.get("pause").and_then(Value::as_number).unwrap();
    assert!(pause < PAUSE_MAX, "{pause} ms of silence: {source}");
}

#[test]
fn endless_work() {
    for body in [
        "while true do end",
        "repeat until false",
        "while true do pcall(function() while true do end end) end",
        "coroutine.spawn(function() while true do end end) while true do coroutine.yield() end",
        "coroutine.wrap(function() coroutine.wrap(function() while true do end end)() end)()",
        "while true do time.sleep(0) end",
        "for _ in function() return 1 end do end",
        "local t = {} while true do t.x = {t} end",
        "while true do pcall(error, setmetatable({}, {__tostring = error})) end",
    ] {
        check(body, Terminated);
    }
}

#[test]
fn endless_work_where_nobody_can_interrupt() {
    const TOO_LONG: &str = "runs for too long where it cannot be interrupted";
    check(
        "return setmetatable({}, {__index = function() while true do end end}).x",
        Error(TOO_LONG),
    );
    check("string.find(string.rep('a', 40), string.rep('a-', 40) .. 'b')", Error(TOO_LONG));
    const CHUNK: &str = "the chunk body runs for too long";
    run("app:host", "while true do end", Error(CHUNK));
    run("app:host", "while true do pcall(function() while true do end end) end", Error(CHUNK));
    // Who catches that error does not stay where it was.
    for body in [
        "while true do xpcall(error, function() while true do end end) end",
        "local t = setmetatable({}, {__index = function() while true do end end})
         while true do pcall(function() return t.x end) end",
        "while true do pcall(table.sort, {1, 2, 3}, function() while true do pcall(error) end end) end",
    ] {
        check(body, Terminated);
    }
}

#[test]
fn endless_depth() {
    for body in [
        "local function f() return f() + 1 end f()",
        "local function f() return pcall(f) end assert(f()) error('stack overflow, caught inside')",
        "local function f() error(select(2, pcall(f)) or 'stack') end f()",
        "local function h() error('x') end error('stack: ' .. tostring(select(2, xpcall(error, h))))",
        "local function f() return coroutine.wrap(f)() end f()",
        "local t = {} setmetatable(t, {__index = function(_, k) return t[k] end}) return t.x",
        "return string.format(string.rep('%s', 100), unpack(table.create(1, 1), 1, 1e9))",
        "return select('#', unpack({}, 1, 1e8)) .. 'stack'",
    ] {
        let text = if body.contains("unpack") { "" } else { "stack" };
        check(body, Error(text));
    }
    // Values too large to leave the process, though they are small in it.
    let same = "local long, t = string.rep('x', 1e6), {} for k = 1, 1e6 do t[k] = long end";
    check(&format!("{same} return t"), Error("too large"));
    check(
        &format!("{same} return nil, errors.new{{message = 'm', details = {{t = t}}}}"),
        Error("too large"),
    );
    let tree = "type Node = {left: Node?, right: Node?}
        local n = {} for _ = 1, 60 do n = {left = n, right = n} end";
    check(&format!("{tree} error(select(2, Node:is(n)))"), Error("too many parts"));
    // Values too deep to leave the process.
    let deep = "local t = {} for _ = 1, 1e6 do t = {t} end";
    check(&format!("{deep} process.send(process.pid(), 'x', t)"), Error("nested too deeply"));
    check(&format!("{deep} return t"), Error("nested too deeply"));
    check(&format!("{deep} return nil, errors.new{{message = 'm', details = {{t}}}}"), Error(""));
    check(&format!("{deep} error(t)"), Error(""));
    check(&format!("{deep} print(t) return #tostring(t)"), Well);
}

#[test]
fn huge_texts() {
    for body in [
        "return string.rep('x', 2^40)",
        "return string.rep('x', 2^31)",
        "local s = string.rep('x', 2^29) return s .. s .. s",
        "local s = string.rep('x', 2^20) return table.concat(table.create(1, 1), s, 1, 2^53)",
        "local t = {} for n = 1, 5000 do t[n] = n end return table.concat(t, string.rep('x', 2^20))",
    ] {
        check(body, Error(""));
    }
    const LIMIT: &str = "memory";
    check_limited("local s = 'x' while true do s = s .. s end", Error(LIMIT));
    check_limited(
        "return #string.gsub(string.rep('x', 1e5), 'x', string.rep('y', 1e5))",
        Error(LIMIT),
    );
    check_limited(
        "local t = {} while true do t[#t + 1] = string.rep('x', 1e5) .. #t end",
        Error(LIMIT),
    );
    check_limited(
        "return string.format(string.rep('%s', 99), unpack(table.create(0, 0)))",
        Error(""),
    );
    check_limited(
        "local t = {} for n = 1, 50 do t[n] = n end table.concat(t, string.rep('x', 2^20))",
        Error(""),
    );
    check_limited(
        "local t = {'x'} for _ = 1, 40 do t = {t, t} end
        local text, err = require('json').encode(t) error(err)",
        Error("longer than"),
    );
    // What the host puts together counts before Luau has it.
    check_limited(
        "local s, t = string.rep('x', 1e6), {} for n = 1, 1000 do t[n] = s end table.concat(t)",
        Error("resulting string too large"),
    );
    check_limited(
        "local s = string.rep('x', 9e6) errors.wrap(s, s)",
        Error("the text of the error becomes too long"),
    );
}

#[test]
fn errors_that_are_hard_to_tell() {
    for body in [
        "error(setmetatable({}, {__tostring = function() error('again') end}))",
        "error(setmetatable({}, {__tostring = function() while true do end end}))",
        "error(setmetatable({}, {__index = error, __concat = error, __eq = error}))",
        "return nil, setmetatable({}, {__tostring = error}) or error()",
        "local t = {} t.t = t error(t)",
        "error(coroutine.create(error))",
        "error(print)",
        "error(string.rep('x', 2^24))",
        "error('\\255\\254\\0')",
        "coroutine.spawn(function() error({}) end) channel.new():receive()",
        "local t = {} t.t = t error(errors.new{message = 'm', details = t})",
        "local e = errors.new('m') for _ = 1, 2e4 do e = errors.wrap(e, 'c') end error(e)",
        "local t = {'x'} for _ = 1, 60 do t = {t, t} end error(errors.new{message = 'm', details = {t}})",
    ] {
        let end = if body.starts_with("return nil, setmetatable") { Well } else { Error("") };
        check(body, end);
    }
    // In places of the host that ask for a text.
    for call in [
        "print(v)",
        "tostring(v)",
        "string.format('%s', v)",
        "table.concat({v})",
        "logger:info('m', {v = v})",
    ] {
        let body = format!(
            "local logger = require('logger')
            local v = setmetatable({{}}, {{__tostring = function() error('no text', 0) end}})
            pcall(function() {call} end) error('survived', 0)"
        );
        check(&body, Error("survived"));
    }
}

#[test]
fn bombs() {
    const LIMIT: &str = "memory";
    check_limited(
        "while true do coroutine.spawn(function() channel.new():receive() end) end",
        Error(LIMIT),
    );
    check_limited(
        "local t = {} while true do t[#t + 1] = coroutine.create(print) end",
        Error(LIMIT),
    );
    check_limited("local t = {} while true do t[#t + 1] = channel.new(1) end", Error(LIMIT));
    check_limited("local t = {} while true do t[#t + 1] = time.after('1h') end", Error(LIMIT));
    check_limited("local t = {} while true do t[{}] = t end", Error(LIMIT));
    check_limited("local c = channel.new(1e9) while true do c:send({}) end", Error(LIMIT));
    check_limited(
        "while true do process.send(process.pid(), 'x', {'some', 'thing'}) end",
        Error(LIMIT),
    );
    check_limited(
        "while true do process.send(process.pid(), 'x', string.rep('x', 1e5)) end",
        Error(LIMIT),
    );
}

/// What Luau does not know of: the host holds it.
#[test]
fn bombs_that_the_host_holds() {
    for body in [
        "local c = channel.new(1e9) while true do c:send(1) end",
        "while true do process.send(process.pid(), 'x') end",
        "process.listen('x') while true do process.send(process.pid(), 'x', 1, 2, 3) end",
        "local t = {n = 0} while true do t.n += 1 process.listen('topic' .. t.n) end",
        "local long, n = string.rep('x', 1e5), 0
         while true do n += 1 process.send(process.pid(), long .. n) end",
        "local long, t = string.rep('x', 1e5), {} while true do t[#t + 1] = errors.new(long) end",
        "local t, e = {}, errors.new('x') while true do e = errors.wrap(e, 'context') t[#t + 1] = e end",
        "local t, m = {}, {details = {string.rep('x', 1e5)}, message = 'm'}
         m.details = {text = m.details[1]} while true do t[#t + 1] = errors.new(m) end",
        "local cases, c = {}, channel.new() for n = 1, 5e4 do cases[n] = c:case_receive() end
         while true do coroutine.spawn(function() channel.select(cases) end) end",
        "local t, long = {}, string.rep('x', 1e5)
         while true do t[#t + 1] = logger:with({long = long}) end",
        "local t, long = {}, string.rep('x', 1e5)
         while true do t[#t + 1] = process.with_context({long = long}) end",
        "local s, long = process.with_context({}), string.rep('x', 1e5)
         while true do s = s:with_message('x', long) end",
        "local n = 0 while true do n += 1 process.registry.register('name' .. n) end",
        "local t = {} while true do t[#t + 1] = funcs.async('app:nothing') end",
    ] {
        let body = format!(
            "local logger, funcs = require('logger'), require('funcs')
            {body}"
        );
        check_limited(&body, Error("memory limit exceeded"));
    }
    // What is let go does not count.
    for body in [
        "local long = string.rep('x', 1e6) for _ = 1, 3000 do errors.new(long) end",
        "local c = channel.new(1e9) for _ = 1, 3e6 do c:send(1) c:receive() end",
        "local inbox = process.inbox()
         for _ = 1, 3e5 do process.send(process.pid(), 'x', 1, 2) inbox:receive() end",
        "for n = 1, 1e5 do process.unlisten(process.listen('topic' .. n)) end",
        "for n = 1, 1e5 do process.registry.register('n' .. n) process.registry.unregister('n' .. n) end",
        "for n = 1, 1e5 do time.after('1h') end",
        "for n = 1, 1e6 do channel.new(1):send(n) end",
    ] {
        check_limited(body, Well);
    }
}

/// Others fill the mailbox of a process that does not read: from another VM, so the bytes wait there.
#[test]
fn floods_from_outside() {
    for (victim, flood) in [
        ("", "process.send(pid, 'x', long)"),
        ("process.listen('x')", "process.send(pid, 'x', long)"),
        // Read, but neither looked at nor let go.
        (
            "local t, inbox = {}, process.inbox() while true do t[#t + 1] = inbox:receive() end",
            "process.send(pid, 'x', long)",
        ),
        ("events.subscribe('test')", "events.send('test', 'kind', 'path', long) time.sleep('1ms')"),
    ] {
        let scheduler = SchedulerOptions { workers: 1, pin: false, ..SchedulerOptions::default() };
        let node = Node::start(Options { scheduler, ..Options::default() }).unwrap();
        node.add_host("app:host", HostKind::Processes, false).unwrap();
        let limited = Host::new(HostId::intern("app:limited"), HostKind::Processes, false);
        node.add(limited.with_memory_limit(Some(MEMORY))).unwrap();
        node.define(
            "app:victim",
            &format!(
                "local events = require('events')
                return {{main = function() {victim} process.events():receive() end}}"
            ),
        )
        .unwrap();
        node.define(
            "app:main",
            &format!(
                "local time, events = require('time'), require('events')
                return {{main = function()
                    local long, ends = string.rep('x', 1e5), process.events()
                    local pid = assert(process.spawn_monitored('app:victim', 'app:limited'))
                    for n = 1, 1e5 do
                        {flood}
                        local r = channel.select {{ends:case_receive(), default = true}}
                        if r.channel then return tostring(r.value.result.error) end
                        if n % 10 == 0 then time.sleep(1) end
                    end
                end}}"
            ),
        )
        .unwrap();
        let (_, ended) = node.spawn("app:main", "app:host", &[]).unwrap();
        let result = ended.wait(LONG).unwrap();
        assert_eq!(result.as_str(), Some("memory limit exceeded"), "{victim:?} {flood}");
    }
}

#[test]
fn a_million_of_anything() {
    for body in [
        "local t = {} for n = 1, 1e6 do t[n] = channel.new() end",
        "local t = {} for n = 1, 1e6 do t[n] = time.timer('1h') end",
        "for n = 1, 1e6 do time.after(n) end",
        "for n = 1, 1e5 do coroutine.spawn(function() time.sleep('1h') end) end",
        "local c = channel.new(1e6) for n = 1, 1e6 do c:send(n) end",
        "local c, cases = channel.new(), {} for n = 1, 1e6 do cases[n] = c:case_receive() end
         cases.default = true channel.select(cases)",
        "for n = 1, 1e6 do process.listen('topic' .. n) end",
        "local c = channel.new(1) for n = 1, 1e6 do subscribe('topic' .. n, c) end
         for n = 1, 1e5 do process.send(process.pid(), 'topic' .. n, n) end
         for n = 1, 1e5 do assert(c:receive() == n) end unsubscribe(c)",
        "for n = 1, 1e5 do process.send(process.pid(), 'x' .. n, n) end
         for n = 1, 1e5, 1000 do assert(process.listen('x' .. n):receive() == n) end",
        "for n = 1, 1e5 do process.registry.register('name' .. n) end",
        "for n = 1, 1e4 do process.send(process.pid(), 'x', n) end local inbox = process.inbox()
         for n = 1, 1e4 do assert(inbox:receive():payload():data() == n) end",
        "local t = {} for n = 1, 1e6 do t[n] = errors.new('x') end",
    ] {
        check(body, Well);
    }
    // A ticker is a promise of nothing but time.
    check("local c = time.ticker(1):channel() for _ = 1, 1e4 do c:receive() end", Well);
    check("for _ = 1, 1000 do time.ticker(1) end time.sleep('200ms')", Well);
}

#[test]
fn long_ways_through_libraries() {
    for body in [
        "table.move({}, 1, 2^31 - 2, 1)",
        "table.move({}, -2^31 + 2, 2^30, 1)",
        "table.insert({}, 2^53, 1)",
        "table.concat({}, '', 1, 2^53)",
        "table.concat({}, '', -2^53, 1)",
        "string.pack('c2147483647', 'x')",
        "string.unpack('s4', string.rep('\\255', 8))",
        "string.format('%1000d', 1)",
        "string.format(string.rep('%d', 1e6))",
        "string.find('x', string.rep('(', 1e6))",
        "string.find('x', string.rep('%b()', 1e6) .. '%')",
        "unpack({}, -1e9, 1e9)",
        "math.random(2, 1)",
        "string.find(string.rep('b', 1e6), '[^' .. string.rep('a', 1e6) .. ']*')",
        "string.gsub(string.rep('b', 1e6), '[]' .. string.rep('%]', 1e6) .. ']*', '')",
        "os.date(string.rep('%c', 2^28))",
        "error(errors.new{message = 'm', details = same(1e6)})",
        "process.with_context({t = same(1e6)})",
        "payload.new(same(1e6)):transcode(payload.format.YAML)",
        "tty.text.join_vertical(0, unpack(same(5000)))",
        "tty.style():render(unpack(same(5000)))",
        "select(-1e300, 1)",
        "error(time.parse_duration(string.rep('1h', 1e6)))",
    ] {
        check(
            &format!(
                "local tty = require('tty')
                local function same(n)
                    local long, t = string.rep('x', 1e6), {{}} for k = 1, n do t[k] = long end
                    return t
                end
                local r = table.pack(pcall(function() {body} end)) error(r[2] or 'fine')"
            ),
            Error(""),
        );
    }
    for body in [
        "string.gsub(string.rep('x', 1e6), '', 'y')",
        "string.rep('x', 2^26):upper():lower():reverse():find('y', 1, true)",
        "local t = {} for n = 1, 1e6 do t[n] = -n end table.sort(t)",
        "string.format('%.99f', 1e300)",
        "string.find(string.rep('a', 1e7), string.rep('a', 5e6) .. 'b', 1, true)",
        "string.find(string.rep('a', 1e7), string.rep('a', 5e6) .. 'b')",
        "string.split(string.rep('a', 1e7), string.rep('a', 5e6) .. 'b')",
        "string.rep('x', 2^29):reverse():upper()",
        "os.date(string.rep('%c', 1e5))",
        "time.now():format(string.rep('2006-01-02T15:04:05.999999999Z07:00', 1e4))",
        "time.load_location('../../../../etc/passwd')",
        "time.load_location(string.rep('A/', 1e6))",
        "time.parse(string.rep('2006', 1e5), string.rep('2024', 1e5))",
        "time.date(2^53, 2^53, 2^53, 2^53, 2^53, 2^53, 2^53)",
        "time.unix(2^63, 2^63):add_date(2^53, 2^53, 2^53):format(time.RFC3339)",
        "time.unix(0/0, 1/0):round(time.parse_duration(1))",
        "os.time({year = 2^53, month = -2^53, day = 2^53}) os.date('*t', 2^62) os.date('%c', 0/0)",
        "table.create(1e300, -1e300) table.create(0/0, 1/0)",
        "channel.new(1e300) channel.new(-1e300)",
        "pcall(require, string.rep('x', 1e7))",
    ] {
        check(&format!("pcall(function() {body} end)"), Well);
    }
}
