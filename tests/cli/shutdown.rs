//! How a run ends: in which order, how long that may take, and what is on the log by then.

use std::io::Read;
use std::process::Stdio;

use rustix::process::Signal;

use crate::project::{Project, Running, wait};

/// Services `(name, further fields of the lifecycle)` of processes that run this body.
fn project(services: &[(&str, &str)], body: &str) -> Project {
    let mut entries = String::from(
        "  - {name: job, kind: process.lua, source: file://job.lua, modules: [logger, time]}\n",
    );
    for (name, lifecycle) in services {
        entries.push_str(&format!(
            "  - {{name: {name}, kind: process.service, process: job, host: app:processes,
     input: [{name}], lifecycle: {{auto_start: true, {lifecycle}}}}}\n"
        ));
    }
    let project = Project::with_entries(&entries);
    let job = format!(
        "local logger, time = require('logger'), require('time')
         return {{ main = function(name)\n{body}\nend }}"
    );
    project.write("src/job.lua", &job);
    project
}

fn start(project: &Project, line: &str) -> Running {
    let mut command = project.command(line);
    command.stdin(Stdio::null());
    Running::start(command)
}

const POLITE: &str = "process.events():receive() logger:info(name .. ' was asked to end')";
const STUBBORN: &str = "logger:info(name .. ' runs') while true do process.events():receive() end";

/// Where these texts are, which must be there.
#[track_caller]
fn places<'a>(lines: &[String], texts: impl IntoIterator<Item = &'a str>) -> Vec<usize> {
    let place = |text: &str| lines.iter().position(|line| line.contains(text));
    texts.into_iter().map(|text| place(text).unwrap_or_else(|| panic!("no {text:?}"))).collect()
}

#[test]
fn services_go_dependents_first_then_components_in_reverse() {
    // web refers to api by `requires`, api to db by the old spelling.
    let services =
        [("db", ""), ("api", "depends_on: [db]"), ("web", "requires: [api]"), ("log", "")];
    let project = project(&services, POLITE);
    let mut running = start(&project, "run -v");
    let mut lines = Vec::new();
    for service in ["db", "api", "web"] {
        lines.push(running.expect(&format!("service app:{service} is running")));
    }
    running.signal(Signal::TERM);
    running.expect("shutting down");
    let (code, lines) = running.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    let asked = ["web", "api", "db"].map(|name| format!("{name} was asked to end"));
    let stopped = ["web", "api", "db"].map(|name| format!("service app:{name} is stopped"));
    let hosts = ["service app:processes is stopped"];
    let order = places(&lines, asked.iter().chain(&stopped).map(String::as_str));
    // Each asks the next only when it is down itself.
    assert!(order[0] < order[3] && order[3] < order[1], "{lines:#?}");
    assert!(order[1] < order[4] && order[4] < order[2], "{lines:#?}");
    let names = ["supervisor", "registry", "dispatcher", "pidgen"];
    let components = names.map(|name| format!("\"component\": \"{name}\""));
    let ends = hosts.into_iter().chain(components.iter().map(String::as_str));
    let order = places(&lines, ends);
    assert!(order.is_sorted() && places(&lines, [stopped[2].as_str()])[0] < order[0], "{lines:#?}");
    assert!(lines.last().is_some_and(|line| line.contains("stopped")), "{lines:#?}");
}

#[test]
fn a_shutdown_has_a_deadline() {
    let project = project(&[("stubborn", "stop_timeout: 60s")], STUBBORN);
    let mut running = start(&project, "run --set shutdown.timeout=200ms");
    running.expect("stubborn runs");
    running.signal(Signal::INT);
    let (code, lines) = running.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    let texts = ["shutting down", "shutdown timeout, remaining work is abandoned", "INFO\tstopped"];
    assert!(places(&lines, texts).is_sorted(), "{lines:#?}");
}

/// One call into the library cannot be taken off its worker; the end does not wait for it.
#[test]
fn a_worker_that_is_held_does_not_hold_up_the_end() {
    // One call into Luau that takes seconds: nothing gets in between.
    let endless = "local numbers = {}
        for i = 1, 10000000 do numbers[i] = i / 3 end
        logger:info(name .. ' runs')
        process.events():receive()
        table.concat(numbers, ' ')";
    let project = project(&[("busy", "stop_timeout: 60s")], endless);
    let mut running = start(&project, "run --set shutdown.timeout=100ms");
    running.expect("busy runs");
    running.signal(Signal::INT);
    let (code, lines) = running.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    let texts = ["remaining work is abandoned", "shutdown timeout, busy threads are left behind"];
    assert!(places(&lines, texts).is_sorted(), "{lines:#?}");
}

#[test]
fn a_second_signal_leaves_at_once_with_the_log_written() {
    let body = format!("for i = 1, 5000 do logger:info('line ' .. i) end {STUBBORN}");
    for signals in [[Signal::INT, Signal::INT], [Signal::TERM, Signal::INT]] {
        let project = project(&[("stubborn", "stop_timeout: 60s")], &body);
        let mut running = start(&project, "run --set shutdown.timeout=60s");
        for i in [1, 2500, 5000] {
            running.expect(&format!("line {i}"));
        }
        running.expect("stubborn runs");
        running.signal(signals[0]);
        running.expect("service app:stubborn is stopping");
        running.signal(signals[1]);
        let (code, lines) = running.end();
        assert_eq!(code, Some(1), "{lines:#?}");
        assert!(!lines.iter().any(|line| line.contains("INFO\tstopped")), "{lines:#?}");
    }
}

/// However far the reader is behind, the end waits for it.
#[test]
fn no_line_of_the_log_is_lost() {
    const LINES: usize = 20_000;
    let project = Project::with_main(&format!(
        "local logger = require('logger')
         for i = 1, {LINES} do logger:info('line ' .. i .. ';') end
         io.print('written')
         return 7"
    ));
    let mut command = project.command("run -v -x app:cli");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("starts");
    let mut stdout = String::new();
    let mut stderr = child.stderr.take().expect("piped");
    // The log has filled its pipe long before the program says this.
    let mut out = child.stdout.take().expect("piped");
    let mut buffer = [0; 4096];
    while !stdout.contains("written") {
        let n = out.read(&mut buffer).expect("it runs");
        assert!(n > 0, "it has ended: {stdout}");
        stdout.push_str(&String::from_utf8_lossy(&buffer[..n]));
    }
    let mut log = String::new();
    stderr.read_to_string(&mut log).expect("text");
    assert_eq!(wait(child).code(), Some(7));
    let mut rest = log.as_str();
    for i in 1..=LINES {
        let found = rest.split_once(&format!("line {i};"));
        (_, rest) = found.unwrap_or_else(|| panic!("line {i} of {LINES} is not there"));
    }
    assert!(rest.contains("shutting down") && rest.trim_end().contains("stopped"), "{rest}");
}

/// What the program asked for counts, not how long the others took.
#[test]
fn the_exit_status_is_that_of_the_program() {
    let entries = "  - {name: job, kind: process.lua, source: file://job.lua}
  - {name: stubborn, kind: process.service, process: job, host: app:processes,
     lifecycle: {auto_start: true, stop_timeout: 50ms}}
  - {name: cli, kind: process.lua, source: file://cli.lua}
";
    let project = Project::with_entries(entries);
    let job = "return { main = function() while true do process.events():receive() end end }";
    project.write("src/job.lua", job);
    for (body, code) in [("return 3", 3), ("error('no')", 1), ("return true", 0)] {
        project.write("src/cli.lua", &format!("return {{ main = function() {body} end }}"));
        let ended = project.run("run -v -x app:cli").exits(code);
        ended.says(&["service app:stubborn is failed", "stop timeout after 50ms", "stopped"]);
    }
    project.edit("src/_index.yaml", "process: job", "process: 7");
    project.run("run").exits(1);
}

/// It has no chance to say anything itself, wherever it is.
#[test]
fn a_busy_program_is_ended_at_its_deadline() {
    let nowhere = "while true do end";
    let held = "local t = setmetatable({}, {__index = function() while true do end end})
        while true do pcall(function() return t.x end) end";
    for busy in [nowhere, held] {
        let project = Project::with_main(&format!("io.print('busy') {busy}"));
        project.edit(
            "src/_index.yaml",
            "terminal.host, lifecycle: {",
            "terminal.host, lifecycle: {stop_timeout: 50ms, ",
        );
        let mut running = start(&project, "run -x app:cli");
        running.expect("busy");
        running.signal(Signal::TERM);
        let (code, lines) = running.end();
        assert_eq!((code, lines), (Some(1), vec!["context canceled".to_owned()]), "{busy}");
    }
}

#[test]
fn a_program_may_end_the_runtime() {
    let entries =
        "  - {name: job, kind: process.lua, source: file://job.lua, modules: [system, logger]}
  - {name: svc, kind: process.service, process: job, host: app:processes,
     lifecycle: {auto_start: true}}
";
    for (call, code) in
        [("system.exit()", 0), ("system.exit(7)", 7), ("system.exit(3) system.exit(4)", 4)]
    {
        let project = Project::with_entries(entries);
        let job = format!(
            "local system, logger = require('system'), require('logger')
             return {{ main = function()
               {call}
               local reason = process.events():receive().reason
               logger:info('asked to end', {{reason = reason}})
             end }}"
        );
        project.write("src/job.lua", &job);
        let running = start(&project, "run");
        running.expect("shutting down");
        running.expect("asked to end");
        let (ended, lines) = running.end();
        assert_eq!(ended, Some(code), "{call}: {lines:#?}");
    }
}
