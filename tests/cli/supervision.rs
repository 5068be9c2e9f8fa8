//! Services as the supervisor keeps them, seen in the log.

use std::process::Stdio;

use rustix::process::Signal;

use crate::project::{Project, Running};

fn service(lifecycle: &str) -> String {
    format!(
        "  - {{name: job, kind: process.lua, source: file://job.lua, modules: [logger]}}
  - name: job-service
    kind: process.service
    process: job
    host: app:processes
    input: [from the entry, 7]
    lifecycle: {{auto_start: true, {lifecycle}}}
"
    )
}

/// Starts the services of a project whose `app:job` has this body.
fn start(flags: &str, lifecycle: &str, body: &str) -> (Project, Running) {
    let project = Project::with_entries(&service(lifecycle));
    project.write(
        "src/job.lua",
        &format!(
            "local logger = require('logger')\nreturn {{ main = function(...)\n{body}\nend }}\n"
        ),
    );
    let mut command = project.command(&format!("run {flags}"));
    command.stdin(Stdio::null());
    (project, Running::start(command))
}

#[track_caller]
fn stop(mut running: Running) -> Vec<String> {
    running.signal(Signal::INT);
    let (code, lines) = running.end();
    assert_eq!(code, Some(0), "{lines:#?}");
    lines
}

const QUICK: &str = "restart: {initial_delay: 10ms, max_delay: 40ms}";

#[test]
fn a_service_that_raises_is_restarted() {
    let body = "logger:info('job runs', {pid = process.pid(), args = {...}}) error('no cheese')";
    let (_project, running) = start("", QUICK, body);
    let mut pids = Vec::new();
    for _ in 0..4 {
        let line = running.expect("job runs");
        assert!(line.contains("from the entry") && line.contains('7'), "{line}");
        pids.push(line);
        let line = running.expect("service app:job-service is failed");
        assert!(line.contains("ERROR") && line.contains("no cheese"), "{line}");
    }
    let distinct: std::collections::HashSet<&str> = pids
        .iter()
        .map(|line| line.split("{app:processes|").nth(1).and_then(|rest| rest.get(..7)).unwrap())
        .collect();
    assert_eq!(distinct.len(), 4, "a new PID each time: {pids:#?}");
    stop(running);
}

#[test]
fn attempts_are_counted() {
    let lifecycle = "restart: {initial_delay: 1ms, max_delay: 2ms, max_attempts: 3}";
    let (_project, running) = start("", lifecycle, "logger:info('job runs') error('no cheese')");
    for _ in 0..3 {
        running.expect("job runs");
        running.expect("service app:job-service is failed");
    }
    let rest = stop(running);
    assert!(!rest.iter().any(|line| line.contains("job runs")), "{rest:#?}");
}

#[test]
fn results_that_end_a_service_for_good() {
    for result in ["return nil, 'no cheese'", "return 0", "return"] {
        let body = format!("logger:info('job runs')\n{result}");
        let (_project, running) = start("", QUICK, &body);
        running.expect("job runs");
        running.expect("service app:job-service is exited");
        let rest = stop(running);
        assert!(!rest.iter().any(|line| line.contains("job runs")), "{result}: {rest:#?}");
    }
}

#[test]
fn a_service_that_cannot_start_harms_nothing() {
    let project = Project::with_entries(&service(QUICK).replace("process: job", "process: jop"));
    project.write("src/job.lua", "return { main = function() end }");
    let mut command = project.command("run");
    command.stdin(Stdio::null());
    let running = Running::start(command);
    let line = running.expect("service did not start");
    assert!(line.contains("app:job-service") && line.contains("app:jop"), "{line}");
    stop(running);
}

/// What ignores CANCEL gets `stop_timeout`, no more.
#[test]
fn a_stop_timeout_is_kept() {
    let body = "logger:info('job runs') while true do process.events():receive() end";
    let (_project, running) = start("", "stop_timeout: 50ms", body);
    running.expect("job runs");
    let lines = stop(running);
    let timeout = lines.iter().any(|line| line.contains("stop timeout after 50ms"));
    assert!(timeout, "{lines:#?}");
}

#[test]
fn verbose_shows_the_boot() {
    let (_project, running) = start("-v", QUICK, "process.events():receive()");
    let levels = running.expect("level loaded");
    assert!(levels.contains("DEBUG") && levels.contains("level"), "{levels}");
    for phase in ["components", "activation", "entries"] {
        let line = running.expect(&format!("{{\"phase\": \"{phase}\""));
        assert!(line.contains("DEBUG") && line.contains("boot phase done"), "{line}");
    }
    running.expect("runtime ready");
    stop(running);
}
