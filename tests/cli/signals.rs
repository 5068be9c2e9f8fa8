//! Ctrl+C, SIGTERM, terminal modes, and a runtime that has nothing to do.

use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::AT_ONCE;
use crate::project::{Project, Running};
use crate::pty::Terminal;

/// Says goodbye when its read ends; the result then counts.
const PROMPT: &str = "io.write('name? ')
    local line, err = io.readline()
    io.print(line, err)
    io.print('goodbye')
    return 5";

#[test]
fn ctrl_c_at_the_prompt() {
    let project = Project::with_main(PROMPT);
    let mut terminal = Terminal::start(project.command("run -x app:cli"));
    terminal.expect("name? ").send("half a li\x03").expect("terminal closed").expect("goodbye");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(5), "{shown}");

    let mut terminal = Terminal::start(project.command("run -x app:cli"));
    terminal.expect("name? ").send("Ada\n").expect("Ada").expect("goodbye");
    assert_eq!(terminal.end().0, Some(5));

    let mut terminal = Terminal::start(project.command("run -x app:cli"));
    terminal.expect("name? ").send("\x04").expect("EOF").expect("goodbye");
    assert_eq!(terminal.end().0, Some(5));
}

#[test]
fn sigterm_at_the_prompt() {
    let project = Project::with_main(PROMPT);
    let mut command = project.command("run -x app:cli");
    command.stdin(Stdio::piped());
    // The prompt has no newline, so the log tells when it is time.
    command.args(["-c"]);
    let mut running = Running::start(command);
    running.expect("runtime ready");
    running.signal(Signal::TERM);
    running.expect("goodbye");
    let (code, lines) = running.end();
    assert_eq!(code, Some(5), "{lines:#?}");
}

#[test]
fn a_second_ctrl_c_leaves_at_once() {
    let project = Project::with_main(
        "io.raw(true) io.raw(false)
         io.print('ready')
         while true do
           local _, err = io.readline()
           if err then break end
         end
         io.print('stubborn')
         local events = process.events()
         while true do events:receive() end",
    );
    let mut terminal = Terminal::start(project.command("run -x app:cli"));
    terminal.expect("ready").send("\x03").expect("stubborn").expect("waiting for app:terminal");
    let second_at = Instant::now();
    terminal.send("\x03");
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(1), "{shown}");
    assert!(second_at.elapsed() < AT_ONCE, "{:?}", second_at.elapsed());
}

/// In raw mode Ctrl+C is a byte; a signal from outside still restores the modes.
#[test]
fn raw_mode_is_left_whatever_happens() {
    let project = Project::with_main(
        "assert(io.raw())
         io.write('ready')
         local bytes, err = io.read(1)
         io.write(bytes and string.byte(bytes) or tostring(err), '\\n')
         if bytes == 'e' then error('out of cheese') end
         local events = process.events()
         while bytes == 'w' do events:receive() end",
    );
    let start = || {
        let mut terminal = Terminal::start(project.command("run -x app:cli"));
        terminal.expect("ready");
        assert!(terminal.is_raw());
        terminal
    };
    let mut terminal = start();
    terminal.send("\x03").expect("3\r\n");
    assert_eq!(terminal.end().0, Some(0));

    let mut terminal = start();
    terminal.send("e").expect("101").expect("out of cheese");
    assert_eq!(terminal.end().0, Some(1));

    let mut terminal = start();
    terminal.signal(Signal::TERM).expect("terminal closed");
    assert_eq!(terminal.end().0, Some(0));

    let mut terminal = start();
    terminal.send("w").expect("119");
    terminal.signal(Signal::INT).expect("waiting for app:terminal").signal(Signal::INT);
    assert_eq!(terminal.end().0, Some(1));
}

#[test]
fn services_run_until_a_signal_and_idle_meanwhile() {
    let service = "  - {name: idle, kind: process.lua, source: file://idle.lua, modules: [logger]}
  - name: idle-service
    kind: process.service
    process: app:idle
    host: app:processes
    lifecycle: {auto_start: true}
";
    let project = Project::with_entries(service);
    project.write(
        "src/idle.lua",
        "local logger = require('logger')
         return { main = function()
           logger:info('idle now')
           local event = process.events():receive()
           logger:info('asked to end', {reason = event.reason})
         end }",
    );
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = project.command("run");
        command.stdin(Stdio::null());
        let mut running = Running::start(command);
        running.expect("idle now");
        if signal == Signal::INT {
            let before = cpu_time(running.child().id());
            // Not to be right, but to measure: this is the time over which it should do nothing.
            std::thread::sleep(Duration::from_secs(2));
            let used = cpu_time(running.child().id()) - before;
            assert!(used <= Duration::from_millis(20), "idle, it used {used:?} in 2 s");
        }
        running.signal(signal);
        running.expect("shutting down");
        running.expect("asked to end");
        running.expect("stopped");
        let (code, lines) = running.end();
        assert_eq!(code, Some(0), "{lines:#?}");
    }
}

#[test]
fn an_empty_runtime_waits_too() {
    let project = Project::empty();
    let mut command = project.command("run");
    command.stdin(Stdio::null());
    let mut running = Running::start(command);
    running.expect("no lock file found, starting with empty registry");
    running.expect("runtime ready");
    running.signal(Signal::TERM);
    assert_eq!(running.end().0, Some(0));
}

/// User and system time so far, of all threads.
fn cpu_time(pid: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).expect("it is running");
    // After the name, which is in parentheses and may hold spaces, fields 3 and on.
    let (_, fields) = stat.rsplit_once(')').expect("a name");
    let ticks = |n: usize| -> u64 {
        fields.split_whitespace().nth(n - 3).and_then(|text| text.parse().ok()).expect("a number")
    };
    let per_second = rustix::param::clock_ticks_per_second();
    Duration::from_millis((ticks(14) + ticks(15)) * 1000 / per_second)
}
