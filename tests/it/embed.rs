//! The library as a Rust program uses it: nothing here, nor in `embed_changes` and `embed_caller`, names
//! more than its public page shows.

use std::collections::HashMap;
use std::future::Future;
use std::io::Write;
use std::pin::pin;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::json;
use wippy::{
    Builder, Changes, Error, Kind, Level, Pid, Process, Result, Runtime, Value, from_value,
};

/// A safety net, not a measure.
pub const LONG: Duration = Duration::from_secs(60);

const ENTRIES: &str = r#"
namespace: app
entries:
  - { name: hosts, kind: process.host, lifecycle: { auto_start: true } }
  - { name: idle, kind: process.host }
  - { name: add, kind: function.lua, method: main, source: "file://add.lua" }
  - { name: wait, kind: function.lua, method: main, source: "file://wait.lua", pool: { size: 1 } }
  - { name: fail, kind: function.lua, method: main, source: "file://fail.lua" }
  - { name: same, kind: function.lua, method: main, source: "return { main = function(...) return ... end }" }
  - { name: count, kind: function.lua, method: main,
      source: "return { main = function(...) return select('#', ...) end }" }
  - { name: echo, kind: process.lua, source: "file://echo.lua" }
  - { name: spin, kind: process.lua, source: "return { main = function() while true do end end }" }
  - { name: raises, kind: process.lua, source: "error('not today') return { main = print }" }
  - { name: exits, kind: function.lua, method: main, modules: [system],
      source: "return { main = function(code) require('system').exit(code) end }" }
"#;

const ADD: &str = "return { main = function(a, b) return a + b end }";
const WAIT: &str = "return { main = function() channel.new():receive() end }";
const FAIL: &str = r#"
return { main = function()
    return nil, errors.new({ kind = errors.CONFLICT, message = "taken", retryable = true,
        details = { by = "Ada" } })
end }"#;
const ECHO: &str = r#"
local function main()
    local inbox, events = process.inbox(), process.events()
    while true do
        local r = channel.select { inbox:case_receive(), events:case_receive() }
        if r.channel == events then return r.value.kind end
        local message = r.value
        if message:topic() == "stop" then return message:payload():data() end
        process.send(message:from(), message:topic(), message:payload():data())
    end
end
return { main = main }"#;

fn builder() -> Builder {
    let sources = [("add", ADD), ("wait", WAIT), ("fail", FAIL), ("echo", ECHO)];
    let builder = Runtime::builder().workers(2).entries_from_str(ENTRIES);
    sources.into_iter().fold(builder, |b, (name, text)| b.source(format!("{name}.lua"), text))
}

fn runtime() -> Runtime {
    builder().start().expect("starts")
}

fn echo(runtime: &Runtime) -> Process {
    runtime.spawn("app:echo", "app:hosts", ()).wait(LONG).expect("starts")
}

#[track_caller]
pub fn check<T: std::fmt::Debug>(outcome: Result<T>, kind: Kind, text: &str) {
    let error = outcome.expect_err("fails");
    assert_eq!(*error.kind(), kind, "{error}");
    assert!(error.to_string().contains(text), "{error}");
}

// -- mistakes --------------------------------------------------------------------------------------

#[track_caller]
fn check_start(builder: Builder, kind: Kind, text: &str) {
    check(builder.start(), kind, text);
}

#[test]
fn mistakes_at_the_start() {
    use Kind::{AlreadyExists, Internal, Invalid, NotFound};
    let new = || Runtime::builder().workers(1);
    let document = |text: &str| new().entries_from_str(text);
    check_start(document("namespace: ["), Invalid, "document 1:1:");
    check_start(document("namespace: a\nentries: 5"), Invalid, "document 1:2:10: entries must be");
    check_start(
        builder().entries_from_str("namespace: b\nentries:\n- {name: x}"),
        Invalid,
        "document 2:3:3: entry[0].kind: kind is required",
    );
    check_start(
        document("namespace: a\nname: x\nkind: k\ny: file://z.lua"),
        Invalid,
        "document 1:4:4: file://z.lua: no such source is given",
    );
    check_start(new().source("a", "").source("./a", ""), AlreadyExists, "given twice");
    check_start(new().source("../a", ""), Invalid, "no usable name");
    let lua = |source: &str| {
        new().entry("a:b", "function.lua", json!({ "source": source, "method": "main" }))
    };
    check_start(lua("return {"), Invalid, "a:b");
    check_start(lua("return { main = function() goto x end }"), Invalid, "a:b");
    check_start(new().entry("a:b", "no.such", json!({})), Invalid, "a:b");
    check_start(new().entry("b", "function.lua", json!({})), Invalid, "namespace:name");
    check_start(new().entry("a:b", "function.lua", json!([1])), Invalid, "the fields are a list");
    check_start(new().entry("a:b", "k", HashMap::from([((1, 2), 3)])), Invalid, "entry a:b: a key");
    check_start(new().set("workers", 1), Invalid, "setting workers: expected a name like");
    check_start(new().set("a.b", "${env:WIPPY_TEST_UNSET}"), Invalid, "WIPPY_TEST_UNSET");
    check_start(new().config_file("/no/such.yaml"), NotFound, "/no/such.yaml");
    check_start(new().profile("dev"), NotFound, "unknown profile \"dev\"");
    check_start(new().project("/no/such"), NotFound, "no wippy.lock in /no/such");
    check_start(
        builder().override_field("app:none:port=1"),
        Internal,
        "no entry found for app:none",
    );
    let needs = json!({ "lifecycle": { "auto_start": true, "requires": ["a:none"] } });
    check_start(new().entry("a:h", "process.host", needs), Invalid, "host a:h does not run");
}

#[test]
fn mistakes_of_a_call() {
    let runtime = runtime();
    let call = |function: &str| runtime.call(function, ()).wait(LONG);
    check(call("app:none"), Kind::NotFound, "no handler registered");
    check(call("app:echo"), Kind::NotFound, "no handler registered");
    check(call(""), Kind::NotFound, "no handler registered");
    check(call("app:add"), Kind::Internal, "arithmetic");
    let odd = HashMap::from([((1, 2), 3)]);
    check(runtime.call("app:same", (odd,)).wait(LONG), Kind::Invalid, "a key must be text");
    let error = call("app:fail").expect_err("fails");
    assert_eq!((error.kind(), error.retryable()), (&Kind::Conflict, Some(true)));
    assert_eq!(error.details().and_then(|details| details.get("by")), Some(&"Ada".into()));
}

#[test]
fn mistakes_of_a_spawn() {
    let runtime = runtime();
    let spawn = |source: &str, host: &str| runtime.spawn(source, host, ()).wait(LONG);
    check(spawn("app:none", "app:hosts"), Kind::NotFound, "");
    check(spawn("app:echo", "app:none"), Kind::NotFound, "host not found");
    check(spawn("app:echo", "app:idle"), Kind::Unavailable, "host is not running");
    check(spawn("app:echo", "app:add"), Kind::Internal, "not a process host");
    let error = spawn("app:raises", "app:hosts").expect_err("raises");
    assert!(error.to_string().contains("not today"), "{error}");
}

#[test]
fn mistakes_of_a_send() {
    let runtime = runtime();
    let (endpoint, process) = (runtime.endpoint().expect("runs"), echo(&runtime));
    let (odd, pid) = (HashMap::from([((1, 2), 3)]), process.pid());
    check(runtime.send(pid, "x", (odd,)), Kind::Invalid, "a key must be text");
    endpoint.send(pid, "stop", 7, LONG).expect("it lives");
    assert_eq!(process.into_outcome().join(), Ok(7.into()));
    check(runtime.send(pid, "x", ()), Kind::NotFound, "process not found");
    check(endpoint.send(pid, "x", (), LONG), Kind::NotFound, "process not found");
    check(runtime.send(Pid::NONE, "x", ()), Kind::NotFound, "");
    check(endpoint.receive(Duration::ZERO), Kind::Timeout, "no message");
    let gone = endpoint.pid();
    drop(endpoint);
    check(runtime.send(gone, "x", ()), Kind::NotFound, "process not found");
}

/// Whoever sends more than a process takes is told, and can wait for room.
#[test]
fn a_process_that_does_not_read() {
    let runtime = runtime();
    let process = runtime.spawn("app:spin", "app:hosts", ()).wait(LONG).expect("starts");
    let busy = loop {
        match runtime.send(process.pid(), "x", "text") {
            Ok(()) => {}
            Err(error) => break error,
        }
    };
    assert_eq!((busy.kind(), busy.retryable()), (&Kind::Unavailable, Some(true)));
    let endpoint = runtime.endpoint().expect("runs");
    // It makes room now and then, even if it never reads.
    let late = loop {
        match endpoint.send(process.pid(), "x", "text", Duration::ZERO) {
            Ok(()) => {}
            late => break late,
        }
    };
    check(late, Kind::Timeout, "takes no messages");
    process.outcome().abort();
    check(process.into_outcome().join(), Kind::Internal, "process terminated");
}

// -- calls and processes ---------------------------------------------------------------------------

#[test]
fn a_call_that_is_late_goes_on_until_it_is_aborted() {
    let runtime = runtime();
    let (runs, waits) = (runtime.call("app:wait", ()), runtime.call("app:wait", ()));
    check(runs.wait(Duration::from_millis(5)), Kind::Timeout, "no outcome in time");
    assert!(waits.try_take().is_none());
    waits.abort();
    runs.abort();
    check(runs.wait(LONG), Kind::Canceled, "canceled");
    check(waits.join(), Kind::Canceled, "canceled");
    check(runs.wait(LONG), Kind::Invalid, "has been taken");
    runs.abort();
}

#[test]
fn a_process_is_asked_to_end() {
    let runtime = runtime();
    let process = echo(&runtime);
    process.cancel("enough");
    assert_eq!(process.outcome().wait(LONG), Ok("pid.cancel".into()));
    process.cancel("again");
    process.outcome().abort();
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    item: String,
    count: u32,
    to: Pid,
    notes: Vec<String>,
    rush: Option<bool>,
}

#[test]
fn data_keeps_its_type() {
    let runtime = runtime();
    let to = runtime.endpoint().expect("runs").pid();
    let order = Order { item: "tea".into(), count: 2, to, notes: vec![], rush: None };
    let value = runtime.call("app:same", (&order,)).wait(LONG).expect("succeeds");
    assert_eq!(from_value(value), Ok(order));
    let json = json!({ "a": [1, 2.5, true, "x"], "b": { "c": "d" } });
    let value = runtime.call("app:same", json.clone()).wait(LONG).expect("succeeds");
    assert_eq!(from_value(value), Ok(json));
    let bytes = Value::Bytes(vec![0xff, 0, 1]);
    assert_eq!(runtime.call("app:same", bytes.clone()).wait(LONG), Ok(bytes));
    for (n, outcome) in [
        (0, runtime.call("app:count", ())),
        (1, runtime.call("app:count", "x")),
        (3, runtime.call("app:count", (1, "x", None::<i32>))),
        (4, runtime.call("app:count", vec![1, 2, 3, 4])),
        (1, runtime.call("app:count", (vec![1, 2, 3, 4],))),
    ] {
        assert_eq!(outcome.wait(LONG), Ok(Value::Int(n)));
    }
}

#[test]
fn messages_arrive_in_the_order_of_their_sender() {
    const COUNT: u32 = 2_000;
    let runtime = runtime();
    let process = echo(&runtime);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let endpoint = runtime.endpoint().expect("runs");
                for n in 0..COUNT {
                    endpoint.send(process.pid(), "n", n, LONG).expect("it lives");
                }
                for n in 0..COUNT {
                    let answer = endpoint.receive(LONG).expect("an answer");
                    assert_eq!((answer.from, answer.payload()), (process.pid(), Ok(n)));
                }
            });
        }
    });
}

#[test]
fn many_threads_call() {
    const THREADS: i64 = 8;
    const CALLS: i64 = 1_000;
    let runtime = runtime();
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let runtime = &runtime;
            scope.spawn(move || {
                // Some in flight at a time, and some awaited one by one.
                for chunk in (0..CALLS / THREADS).collect::<Vec<_>>().chunks(25) {
                    let calls: Vec<_> =
                        chunk.iter().map(|n| runtime.call("app:add", (thread, *n))).collect();
                    for (n, call) in chunk.iter().zip(calls) {
                        assert_eq!(call.wait(LONG), Ok(Value::Int(thread + n)));
                    }
                }
            });
        }
    });
}

#[test]
fn names_are_found() {
    let source = r#"return { main = function()
        process.registry.register("greeter")
        process.inbox():receive()
    end }"#;
    let entry = json!({ "source": source, "method": "main" });
    let runtime = builder().entry("app:named", "process.lua", entry).start().expect("starts");
    assert_eq!(runtime.find("greeter"), None);
    let process = runtime.spawn("app:named", "app:hosts", ()).wait(LONG).expect("starts");
    let found = until(|| runtime.find("greeter"));
    assert_eq!(found, process.pid());
    assert_eq!(found.to_string().parse(), Ok(found));
    runtime.send(found, "done", ()).expect("it lives");
    process.into_outcome().join().expect("returns");
}

pub fn until<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        match look() {
            Some(found) => return found,
            None if began.elapsed() > LONG => panic!("it never came"),
            None => thread::yield_now(),
        }
    }
}

// -- async -----------------------------------------------------------------------------------------

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Unpark>) {
        self.0.unpark();
    }
}

/// The smallest executor there is.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park_timeout(LONG),
        }
    }
}

#[test]
fn everything_can_be_awaited() -> Result<()> {
    let runtime = runtime();
    block_on(async {
        assert_eq!(runtime.call("app:add", (1, 2)).await?, Value::Int(3));
        let process = runtime.spawn("app:echo", "app:hosts", ()).await?;
        let endpoint = runtime.endpoint()?;
        for n in 0..100 {
            endpoint.send(process.pid(), "n", n, LONG)?;
            assert_eq!(endpoint.next().await?.payload(), Ok(n));
        }
        runtime.send(process.pid(), "stop", "bye")?;
        assert_eq!(process.into_outcome().await?, "bye".into());
        check(runtime.call("app:none", ()).await, Kind::NotFound, "");
        Ok(())
    })
}

#[test]
fn tasks_hear_of_the_end() {
    let runtime = runtime();
    let (call, endpoint) = (runtime.call("app:wait", ()), runtime.endpoint().expect("runs"));
    let (polled, is_polled) = mpsc::channel();
    let task = thread::spawn(move || {
        let mut next = pin!(endpoint.next());
        let mut call = pin!(call);
        let mut outcomes = (None, None);
        block_on(std::future::poll_fn(|context| {
            if outcomes.0.is_none()
                && let Poll::Ready(outcome) = next.as_mut().poll(context)
            {
                outcomes.0 = Some(outcome.map(drop));
            }
            if outcomes.1.is_none()
                && let Poll::Ready(outcome) = call.as_mut().poll(context)
            {
                outcomes.1 = Some(outcome.map(drop));
            }
            let _ = polled.send(());
            match &outcomes {
                (Some(_), Some(_)) => Poll::Ready(()),
                _ => Poll::Pending,
            }
        }));
        outcomes
    });
    is_polled.recv_timeout(LONG).expect("polls");
    drop(runtime);
    let (next, call) = task.join().expect("no panic");
    check(next.expect("there"), Kind::Unavailable, "the runtime has stopped");
    check(call.expect("there"), Kind::Unavailable, "the runtime has stopped");
}

// -- beginnings and ends ---------------------------------------------------------------------------

#[test]
fn after_the_shutdown() {
    let runtime = runtime();
    let (endpoint, process) = (runtime.endpoint().expect("runs"), echo(&runtime));
    let (waiting, other) = (runtime.call("app:wait", ()), runtime.endpoint().expect("runs"));
    runtime.send(endpoint.pid(), "last", ()).expect("it is there");
    assert!(runtime.is_running());
    runtime.shutdown();
    assert!(!runtime.is_running());
    let is_over = "the runtime has stopped";
    check(runtime.call("app:add", (1, 2)).join(), Kind::Unavailable, is_over);
    check(runtime.spawn("app:echo", "app:hosts", ()).join(), Kind::Unavailable, is_over);
    check(runtime.send(process.pid(), "x", ()), Kind::Unavailable, is_over);
    check(runtime.endpoint(), Kind::Unavailable, is_over);
    check(runtime.apply(Changes::new().delete("app:add")).join(), Kind::Unavailable, is_over);
    check(runtime.entry("app:add"), Kind::Unavailable, is_over);
    check(runtime.entries(()), Kind::Unavailable, is_over);
    check(endpoint.send(process.pid(), "x", (), LONG), Kind::Unavailable, is_over);
    assert_eq!(runtime.find("x"), None);
    // What had come before can still be received; processes were asked to end.
    assert_eq!(endpoint.receive(LONG).expect("kept").topic, "last");
    check(endpoint.receive(LONG), Kind::Unavailable, is_over);
    check(other.receive(LONG), Kind::Unavailable, is_over);
    check(waiting.join(), Kind::Unavailable, is_over);
    process.cancel("too late");
    assert_eq!(process.into_outcome().join(), Ok("pid.cancel".into()));
    runtime.shutdown();
}

#[test]
fn a_runtime_that_is_dropped_leaves_nobody_waiting() {
    let runtime = runtime();
    let spinning: Vec<_> =
        (0..4).map(|_| runtime.spawn("app:spin", "app:hosts", ()).wait(LONG)).collect();
    let (process, call) = (echo(&runtime), runtime.call("app:wait", ()));
    let queued = runtime.call("app:wait", ());
    let waiter = thread::spawn(move || (call.join(), queued.join()));
    drop(runtime);
    let (call, queued) = waiter.join().expect("no panic");
    for unanswered in [call, queued] {
        let error = unanswered.expect_err("nobody answers");
        assert_eq!(*error.kind(), Kind::Unavailable, "{error}");
    }
    for process in spinning {
        check(process.expect("started").into_outcome().join(), Kind::Unavailable, "stopped");
    }
    // Its host may have asked it to end before it was too late.
    let outcome = process.into_outcome().join();
    assert!(outcome.is_ok() || *outcome.expect_err("stopped").kind() == Kind::Unavailable);
}

#[test]
fn threads_that_call_while_it_ends_get_an_answer() {
    let runtime = runtime();
    thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        for _ in 0..4 {
            let begun = begun.clone();
            let runtime = &runtime;
            scope.spawn(move || {
                let mut n = 0;
                let last = loop {
                    n += 1;
                    match runtime.call("app:add", (n, 1)).join() {
                        Ok(sum) => assert_eq!(sum, Value::Int(n + 1)),
                        Err(error) => break error,
                    }
                    let _ = begun.send(());
                };
                assert_eq!(*last.kind(), Kind::Unavailable, "{last}");
            });
        }
        has_begun.recv_timeout(LONG).expect("somebody calls");
        let ends = [0, 1].map(|_| scope.spawn(|| runtime.shutdown()));
        ends.into_iter().for_each(|end| end.join().expect("no panic"));
        assert!(!runtime.is_running());
    });
}

#[test]
fn two_runtimes_know_nothing_of_each_other() {
    let (one, other) = (runtime(), runtime());
    let (process, twin) = (echo(&one), echo(&other));
    assert_eq!(process.pid(), twin.pid());
    let (at_one, at_other) = (one.endpoint().expect("runs"), other.endpoint().expect("runs"));
    at_one.send(process.pid(), "n", 1, LONG).expect("it lives");
    at_other.send(twin.pid(), "n", 2, LONG).expect("it lives");
    assert_eq!(at_one.receive(LONG).expect("an answer").payload(), Ok(1));
    assert_eq!(at_other.receive(LONG).expect("an answer").payload(), Ok(2));
    drop(one);
    at_other.send(twin.pid(), "n", 3, LONG).expect("it lives");
    assert_eq!(at_other.receive(LONG).expect("an answer").payload(), Ok(3));
    assert_eq!(other.call("app:add", (1, 2)).join(), Ok(Value::Int(3)));
}

#[test]
fn programs_ask_for_the_end() {
    let runtime = runtime();
    assert_eq!((runtime.exit_code(), runtime.wait_for_exit(Duration::ZERO)), (None, None));
    runtime.call("app:exits", 3).join().expect("returns");
    assert_eq!((runtime.exit_code(), runtime.wait_for_exit(LONG)), (Some(3), Some(3)));
    assert_eq!(runtime.call("app:add", (1, 2)).join(), Ok(Value::Int(3)), "it goes on");
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[test]
fn settings_and_the_log() {
    let source = r#"return { main = function() require("logger"):info("tick", { n = 7 }) end }"#;
    let lines = Lines::default();
    let runtime = Runtime::builder()
        .entry(
            "app:tick",
            "function.lua",
            json!({ "source": source, "method": "main", "modules": ["logger"] }),
        )
        .entry("app:old", "function.lua", json!({ "source": "return 1" }))
        .set("scheduler.workers", 1)
        .set("logger.encoding", "json")
        .set("disable.entries", json!(["app:old"]))
        .log_to(Level::Info, lines.clone())
        .start()
        .expect("starts, with its broken entry disabled");
    runtime.call("app:tick", ()).join().expect("returns");
    drop(runtime);
    let text = String::from_utf8(lines.0.lock().expect("no panic").clone()).expect("text");
    let tick = text.lines().find(|line| line.contains("tick")).expect("a line");
    let record: serde_json::Value = serde_json::from_str(tick).expect("JSON");
    assert_eq!(record["n"], 7, "{record}");
}

/// The project's own settings, files and paths count, wherever the program works.
#[test]
fn a_project_is_started() {
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, text).expect("written");
    };
    write("wippy.lock", "directories: { src: ./src }\n");
    write(
        ".wippy.yaml",
        "version: '1.0'\nregistry: { history_type: sqlite, history_path: state/history.db }\n",
    );
    write("src/lua/who.lua", "return { main = function() return 'the project' end }");
    write(
        "src/_index.yaml",
        "namespace: app\nname: who\nkind: function.lua\nmethod: main\nsource: file://lua/who.lua\n",
    );
    let start = || Runtime::builder().workers(1).project(dir.path()).start();
    let runtime = start().expect("starts");
    assert_eq!(runtime.call("app:who", ()).join(), Ok("the project".into()));
    runtime.shutdown();
    assert!(dir.path().join("state/history.db").exists());
    write("src/bad.yaml", "namespace: app\nentries:\n- {name: 5}\n");
    check(start(), Kind::Invalid, "bad.yaml:3:10: entry[0].name: name must be a string");
}

#[test]
fn handles_cross_threads() {
    fn is_shared<T: Send + Sync>() {}
    is_shared::<Runtime>();
    is_shared::<wippy::Pending<Value>>();
    is_shared::<Process>();
    is_shared::<wippy::Endpoint>();
    is_shared::<wippy::Changes>();
    is_shared::<wippy::Caller>();
    is_shared::<Error>();
    fn is_sent<T: Send>() {}
    is_sent::<Builder>();
}
