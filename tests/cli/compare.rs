//! The workloads that `perf/compare` runs on this side, each small: they verify what they did and
//! print their measurements as JSON.

use std::path::Path;
use std::process::Stdio;

use crate::project::{Running, wippy};

/// Runs a workload and checks the names and operations of its measurements.
#[track_caller]
fn check(line: &str, expected: &[(&str, Option<u64>)]) {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("perf/compare/wippy");
    let mut command = wippy(&project, &format!("run -s --workers 2 -x app.compare:run {line}"));
    // Whoever does not answer need not be waited for.
    command.stdin(Stdio::null());
    // Killed at the end, as the comparison does.
    let running = Running::start(command);
    for (name, operations) in expected {
        let line = running.expect("");
        let found: serde_json::Value = serde_json::from_str(&line).expect(&line);
        assert_eq!(found["name"].as_str().unwrap_or_default(), *name, "{line}");
        assert_eq!(found["operations"].as_u64(), *operations, "{line}");
        assert_eq!(found["ns"].as_f64().is_some_and(|ns| ns > 0.0), operations.is_some(), "{line}");
    }
    assert_eq!(running.expect(""), "{\"done\":1}");
}

#[test]
fn workloads_measure_what_they_are_asked_for() {
    check("spawn 8 20", &[("", Some(160))]);
    check("pairs 1 200", &[("", Some(200))]);
    check("pairs 20 30", &[("", Some(600))]);
    check("fan_in 8 100", &[("", Some(800))]);
    check("ring 50 10", &[("", Some(500))]);
    check("echo 8 40", &[("", Some(320))]);
    check("idle 1500", &[("before", None), ("alive", Some(1500))]);
    check("timers 4 50 500", &[("before", None), ("pending", Some(200)), ("fired", Some(200))]);
    check("cpu 4 10", &[("", Some(40))]);
    for host in ["processes", "apart"] {
        check(&format!("sizes {host} 16 50 65536 10"), &[("16", Some(50)), ("65536", Some(10))]);
    }
}

/// Nothing that a workload got wrong becomes a figure.
#[test]
fn a_workload_that_fails_is_not_done() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("perf/compare/wippy");
    let mut command = wippy(&project, "run -s -x app.compare:run timers 1 50 0");
    command.stdin(Stdio::null());
    let (code, lines) = Running::start(command).end();
    assert_eq!(code, Some(1), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains("took too long")), "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains("done")), "{lines:#?}");
}
