//! `logger`: records of a process. Specification 02, section 7.1.
//!
//! The module is itself a Logger object, shared by the processes of a VM: it holds a name and
//! fields, never who logs. PID and location are found when a record is made, and nothing at all is
//! done for a level that goes nowhere, except that wrong arguments raise all the same.

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use crate::infra::clock::Nanos;
use crate::infra::logger::{Level, Record, Timestamp};
use crate::infra::transcoder::{Map, Value, heap_of};
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::raw::{State, Tagged, Type};
use crate::runtime::engine::vm::Due;
use crate::runtime::engine::{Cx, Raise, Ret, env, error, host, register_type, tags};

/// Tables nested deeper than this are logged as `"..."`.
const DEPTH_MAX: usize = 32;
/// Values of one call beyond this are logged as `"..."`: tables that lead back to themselves have
/// no end.
const VALUES_MAX: usize = 10_000;
/// Bytes of texts in one call; those that do not fit are logged as `"..."`.
const TEXT_MAX: usize = 16 << 20;
/// Bytes that may wait to be written before those who log pause, and for how long they do then. Twice as
/// much makes a pause of four times as long.
const BACKLOG_MAX: u64 = 64 << 20;
const BACKLOG_PAUSE: f64 = 10e6;
/// How far up the calling Lua function is looked for: `pcall(logger.info, ...)` is one level more.
const LEVELS_MAX: c_int = 8;

struct LoggerObject {
    /// Parts joined by dots; empty at first.
    name: Arc<str>,
    /// Fields of `with`.
    fields: Arc<Map>,
}

impl Tagged for LoggerObject {
    const TAG: c_int = tags::LOGGER;
    const NAME: &'static CStr = c"Logger";

    fn heap(&self) -> usize {
        self.name.len() + heap_of(&self.fields)
    }
}

pub fn register_types(l: State) {
    register_type::<LoggerObject>(
        l,
        &[
            (c"debug", host(|cx: &mut Cx| log(cx, Level::Debug))),
            (c"info", host(|cx: &mut Cx| log(cx, Level::Info))),
            (c"warn", host(|cx: &mut Cx| log(cx, Level::Warn))),
            (c"error", host(|cx: &mut Cx| log(cx, Level::Error))),
            (c"with", host(with)),
            (c"named", host(named)),
        ],
        &[(c"__tostring", host(text))],
    );
}

pub fn open(l: State) {
    l.push_userdata(LoggerObject { name: "".into(), fields: Arc::default() });
}

/// The logger a method is called on.
fn this(cx: &Cx) -> Result<(Arc<str>, Arc<Map>), Raise> {
    let found = cx.l.with::<LoggerObject, _>(1, |this| (this.name.clone(), this.fields.clone()));
    found.ok_or_else(|| cx.wrong_type(1, "logger"))
}

fn log(cx: &mut Cx, level: Level) -> Ret {
    let l = cx.l;
    if !l.is::<LoggerObject>(1) {
        return Err(cx.wrong_type(1, "logger"));
    }
    let is_message = match l.type_of(2) {
        Type::String | Type::Number => true,
        _ => l.is::<error::ErrorObject>(2),
    };
    if !is_message {
        return Err(cx.wrong_type(2, "string"));
    }
    if !l.is_nil(3) {
        cx.table(3)?;
    }
    let vm = cx.vm();
    let logger = &vm.kernel.logger;
    if !logger.enabled(level) {
        return cx.nothing();
    }
    let logger = logger.clone();
    let pid = vm.processes[vm.current].pid;
    let (name, with) = this(cx)?;
    let message = cx.string(2)?;
    let fields = match l.is_nil(3) {
        true => Map::new(),
        false => fields(l, 3)?,
    };
    let mut context = Map::with_capacity(with.len() + 2);
    context.insert("pid".into(), pid.to_string().into());
    if let Some((entry, line)) = (1..=LEVELS_MAX).find_map(|level| l.location(level)) {
        context.insert("location".into(), format!("{entry}:{line}").into());
    }
    context.extend(with.iter().map(|(key, value)| (key.clone(), value.clone())));
    let stack = logger.wants_stack().then(|| error::stack_of(l));
    logger.emit(&Record {
        time: Timestamp::now(),
        level,
        name: &name,
        message: &message,
        context: &context,
        fields: &fields,
        stack: stack.as_deref(),
    });
    hold_back(cx)
}

/// Ends a call that has logged: while too much waits to be written, as when nobody reads it, the caller
/// pauses, so that a loop around `print` does not fill the memory. Where it cannot wait it goes on.
pub(super) fn hold_back(cx: &mut Cx) -> Ret {
    let backlog = cx.vm().kernel.logger.backlog();
    if backlog <= BACKLOG_MAX || !cx.can_suspend() {
        return cx.nothing();
    }
    let vm = cx.vm();
    let pause = (backlog as f64 / BACKLOG_MAX as f64).powi(2) * BACKLOG_PAUSE;
    let timer = vm.timers.insert(vm.now() + pause as Nanos, Due::Sleep(vm.running));
    cx.suspend(Wait::Sleep(timer))
}

fn with(cx: &mut Cx) -> Ret {
    let (name, known) = this(cx)?;
    cx.table(2)?;
    let mut all = Map::clone(&known);
    all.extend(fields(cx.l, 2)?);
    cx.l.push_userdata(LoggerObject { name, fields: Arc::new(all) });
    cx.values(1)
}

fn named(cx: &mut Cx) -> Ret {
    let (own, fields) = this(cx)?;
    let name = cx.string(2)?;
    let name: Arc<str> = match (&*own, &*name) {
        (_, "") => return Err(cx.bad_argument(2, "name must not be empty")),
        ("", name) => name.into(),
        (own, name) => format!("{own}.{name}").into(),
    };
    cx.l.push_userdata(LoggerObject { name, fields });
    cx.values(1)
}

fn text(cx: &mut Cx) -> Ret {
    let (name, _) = this(cx)?;
    cx.str(&format!("logger{{{name}}}"))
}

// -- fields ------------------------------------------------------------------------------------

/// The table at `index` as fields.
fn fields(l: State, index: c_int) -> Result<Map, Raise> {
    Reader { l, n_left: VALUES_MAX, text_left: TEXT_MAX }.map(index, 0)
}

/// Turns Lua values into what a record holds.
struct Reader {
    l: State,
    /// Values that may still be read.
    n_left: usize,
    /// Bytes of texts that may still be read.
    text_left: usize,
}

impl Reader {
    /// String keys only; the others have no place in a record.
    fn map(&mut self, table: c_int, depth: usize) -> Result<Map, Raise> {
        let l = self.l;
        let mut map = Map::new();
        let mut cursor = 0;
        while self.n_left > 0
            && let Some(next) = l.next_pair(table, cursor)
        {
            cursor = next;
            if l.type_of(-2) == Type::String {
                let key = lossy(l, -2);
                map.insert(key, self.value(l.top(), depth + 1)?);
            }
            l.pop(2);
        }
        // Lua's order means nothing: one that does not change reads better.
        map.sort_unstable_keys();
        Ok(map)
    }

    fn list(&mut self, table: c_int, depth: usize) -> Result<Vec<Value>, Raise> {
        let l = self.l;
        let mut list = Vec::new();
        for n in 1..=l.raw_len(table) {
            if self.n_left == 0 {
                break;
            }
            l.raw_get_index(table, n);
            list.push(self.value(l.top(), depth + 1)?);
            l.pop(1);
        }
        Ok(list)
    }

    /// The value at `index`, counted from the bottom.
    fn value(&mut self, index: c_int, depth: usize) -> Result<Value, Raise> {
        let l = self.l;
        self.n_left -= 1;
        Ok(match l.type_of(index) {
            Type::None | Type::Nil => Value::Nil,
            Type::Boolean => Value::Bool(l.bool(index)),
            Type::Number => number(l.number(index).unwrap_or_default()),
            Type::String => {
                let len = l.raw_len(index);
                let fits = len <= self.text_left;
                self.text_left = self.text_left.saturating_sub(len);
                if fits { Value::Str(lossy(l, index)) } else { Value::from("...") }
            }
            Type::Table if self.n_left == 0 || depth > DEPTH_MAX || !l.check_stack(8) => {
                Value::from("...")
            }
            Type::Table if l.raw_len(index) > 0 => Value::List(self.list(index, depth)?),
            Type::Table => Value::Map(self.map(index, depth)?),
            _ => {
                env::push_text_of(l, index)?;
                let text = lossy(l, -1);
                l.pop(1);
                Value::Str(text)
            }
        })
    }
}

/// An integer where nothing is lost by it.
fn number(x: f64) -> Value {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    match x.fract() == 0.0 && x.abs() <= EXACT {
        true => Value::Int(x as i64),
        false => Value::Float(x),
    }
}

fn lossy(l: State, index: c_int) -> String {
    String::from_utf8_lossy(l.bytes(index).unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use std::io::{self, Write};

    use parking_lot::Mutex;

    use super::*;
    use crate::infra::logger::{Logger, Mode, Settings};
    use crate::runtime::modules::testing::{Setting, check_lua, check_lua_in};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What the program logs, without times and the PID.
    #[track_caller]
    fn logged(settings: Settings, body: &str) -> String {
        let lines = Lines::default();
        let logger = Logger::start_on(Mode::Default, settings, Box::new(lines.clone())).unwrap();
        check_lua_in(Setting { logger: Some(logger.clone()), ..Setting::default() }, body);
        logger.flush();
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        let untimed = text.lines().map(|line| line.split_once('\t').map_or(line, |parts| parts.1));
        let mut untimed: Vec<String> = untimed.map(str::to_owned).collect();
        for line in &mut untimed {
            if let Some(at) = line.find("\"pid\": \"{") {
                let end = at + line[at..].find("}\", ").unwrap() + 4;
                line.replace_range(at..end, "");
            }
        }
        untimed.join("\n")
    }

    #[track_caller]
    fn check(body: &str, expect: &str) {
        let body = format!("local logger = require(\"logger\")\n{body}");
        assert_eq!(logged(Settings::default(), &body), expect);
    }

    #[test]
    fn records_say_who_and_where() {
        check(
            "logger:debug('not shown')\nlogger:info('plain')\npcall(logger.warn, logger, 5, nil)",
            "INFO\tplain\t{\"location\": \"app:test:3\"}\n\
             WARN\t5\t{\"location\": \"app:test:4\"}",
        );
        let lines = Lines::default();
        let logger =
            Logger::start_on(Mode::Json, Settings::default(), Box::new(lines.clone())).unwrap();
        let setting = Setting { logger: Some(logger.clone()), ..Setting::default() };
        check_lua_in(setting, "assert(select('#', logger:info(process.pid())) == 0)");
        logger.flush();
        let text = String::from_utf8(lines.0.lock().clone()).unwrap();
        let after = |key: &str| text.split(key).nth(1).unwrap().split("\",\"").next().unwrap();
        assert_eq!(after("\"pid\":\""), after("\"msg\":\""), "{text}");
    }

    #[test]
    fn loggers_are_derived() {
        check(
            "local child = logger:named('a'):with({x = 1, location = 'mine'}):named('b')\n\
             child:info('deep', {y = 2})\nchild:info('again', {x = 3})\nlogger:info('root')",
            "INFO\ta.b\tdeep\t{\"location\": \"mine\", \"x\": 1, \"y\": 2}\n\
             INFO\ta.b\tagain\t{\"location\": \"mine\", \"x\": 3}\n\
             INFO\troot\t{\"location\": \"app:test:5\"}",
        );
    }

    #[test]
    fn values_are_converted() {
        #[track_caller]
        fn check_value(value: &str, expect: &str) {
            check(
                &format!("logger:info('m', {{v = {value}, location = '', [1] = 'no'}})"),
                &format!("INFO\tm\t{{\"location\": \"\", \"v\": {expect}}}"),
            );
        }
        check_value("1.5", "1.5");
        check_value("3.0", "3");
        check_value("2^53", "9007199254740992");
        check_value("0/0", "\"NaN\"");
        check_value("true", "true");
        check_value("{1, 'a', {true}, x = 9}", "[1, \"a\", [true]]");
        check_value("{a = {b = {}}}", "{\"a\": {\"b\": {}}}");
        check_value("'\\255x'", "\"\u{fffd}x\"");
        check_value("select(2, time.parse_duration('x'))", "\"time: invalid duration \\\"x\\\"\"");
        check_value("time.parse_duration('90s')", "\"1m30s\"");
    }

    #[test]
    fn errors_are_their_texts() {
        check(
            "local _, e = time.sleep('x')\nlocal t = {error = e, location = ''}\n\
             logger:error(e, t)\nassert(t.error == e)",
            "ERROR\ttime: invalid duration \"x\"\t\
             {\"error\": \"time: invalid duration \\\"x\\\"\", \"location\": \"\"}",
        );
    }

    #[test]
    fn endless_tables_end() {
        check_lua_in(
            Setting {
                logger: Some(
                    Logger::start_on(Mode::Json, Settings::default(), Box::new(io::sink()))
                        .unwrap(),
                ),
                ..Setting::default()
            },
            r#"
            local t = {}
            t.a, t.b, t.c = t, t, {t, t, pcall}
            logger:info("loop", t)
            local deep = {}
            for _ = 1, 1e5 do deep = {deep = deep} end
            logger:with({deep = deep}):info("deep", {f = pcall, co = coroutine.create(pcall)})
            "#,
        );
    }

    /// A stream that nobody reads, until the test has ended.
    struct Stuck(std::sync::mpsc::Receiver<()>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_logs_faster_than_anybody_reads_is_held_back() {
        let (reader, stuck) = std::sync::mpsc::channel();
        let logger =
            Logger::start_on(Mode::Default, Settings::default(), Box::new(Stuck(stuck))).unwrap();
        let setting = Setting { logger: Some(logger.clone()), ..Setting::default() };
        let lines = BACKLOG_MAX / (1 << 20) + 20;
        check_lua_in(
            setting,
            &format!(
                "local line, began, others = string.rep('x', 2^20), time.now(), 0
                coroutine.spawn(function() while true do others += 1 coroutine.yield() end end)
                for n = 1, {lines} do (n % 2 == 0 and print or function(m) logger:info(m) end)(line) end
                -- Twenty times ten milliseconds, less what was in its first lines.
                local took = time.now():sub(began):milliseconds()
                assert(took >= 150, took)
                assert(others > 100, others)"
            ),
        );
        drop(reader);
    }

    #[test]
    fn one_text_many_times_is_cut() {
        let text = logged(
            Settings::default(),
            "local long, t = string.rep('x', 2^20), {}
            for n = 1, 100 do t[n] = long end
            logger:info('m', {location = '', t = t})
            print(unpack(t))",
        );
        assert!(text.contains("\"...\"]"), "of the fields");
        assert!(text.len() < 3 * TEXT_MAX, "{}", text.len());
    }

    #[test]
    fn wrong_arguments_raise_at_any_level() {
        check_lua(
            r#"
            local logger = require("logger")
            assert(type(logger) == "userdata")
            for _, level in {"debug", "error"} do
                assert(not pcall(logger[level], logger))
                assert(not pcall(logger[level], logger, {}))
                assert(not pcall(logger[level], logger, "m", "fields"))
                assert(not pcall(logger[level], "m"))
            end
            assert(not pcall(logger.named, logger, ""))
            assert(not pcall(logger.named, logger))
            assert(not pcall(logger.with, logger))
            assert(not pcall(logger.with, logger, 1))
            "#,
        );
    }

    #[test]
    fn stacks_on_demand() {
        let settings =
            Settings { stack_traces: true, min_level: Level::Debug, ..Settings::default() };
        let text = logged(settings, "logger:debug('m', {location = ''})");
        assert!(text.starts_with("DEBUG\tm\t{\"location\": \"\"}\n"), "{text}");
        assert!(text.contains("app:test:1"), "{text}");
    }
}
