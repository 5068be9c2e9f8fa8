//! Every row of the tables of events and of the restart policy, for one service.

use super::*;
use crate::infra::transcoder::Value;
use crate::system::supervisor::Desired;

#[test]
fn starts_and_stops() {
    let mut rig = Rig::with("a", usual);
    assert_eq!(rig.status("a"), Status::Unknown);
    assert_eq!(rig.state("a").desired, Desired::Stopped);
    ok(&rig.start("a"));
    rig.check("a starting (attempt 1); start a; a running");
    assert_eq!(rig.state("a").desired, Desired::Running);
    assert!(rig.state("a").started_at > 0);
    ok(&rig.start("a")); // While it runs: success, nothing happens.
    rig.check("");
    ok(&rig.stop("a"));
    rig.check("a stopping; stop a; a stopped");
    assert_eq!(rig.state("a").desired, Desired::Stopped);
    ok(&rig.stop("a"));
    rig.check("");
    ok(&rig.start("a"));
    rig.check("a starting (attempt 1); start a; a running");
    rig.finish();
}

#[test]
fn a_terminal_start_error_is_final() {
    let mut rig = Rig::with("a, b", usual);
    rig.script("a", [Run::Refuse(hopeless())]);
    rig.script("b", [Run::Fail(SECOND, hopeless()), Run::Up]);
    fails(&rig.start("a"), "Internal hopeless");
    rig.check("a starting (attempt 1); start a; a exited (hopeless)");
    let start = rig.start("b");
    rig.advance(100 * SECOND);
    fails(&start, "Internal hopeless");
    assert_eq!(rig.status("b"), Status::Exited);
    ok(&rig.stop("b")); // Already exited: success.
    assert_eq!(rig.status("b"), Status::Exited);
    ok(&rig.start("b")); // It may be asked for again.
    rig.finish();
}

#[test]
fn other_start_errors_are_retried_while_the_requester_waits() {
    let mut rig = Rig::with("a", usual);
    rig.script("a", [Run::Refuse(broken()), Run::Fail(SECOND, broken()), Run::Panic, Run::Up]);
    let start = rig.start("a");
    rig.check("a starting (attempt 1); start a; a failed (broken)");
    rig.advance(SECOND);
    rig.check("a starting (attempt 2); start a");
    rig.advance(SECOND);
    rig.check("a failed (broken)");
    assert_eq!(rig.state("a").retry_count, 2);
    rig.advance(2 * SECOND);
    rig.check("a starting (attempt 3); start a; a failed (service panicked while starting)");
    waits(&start);
    rig.advance(4 * SECOND);
    rig.check("a starting (attempt 4); start a; a running");
    ok(&start);
    rig.finish();
}

#[test]
fn a_start_that_takes_too_long_is_abandoned_and_retried() {
    let mut rig = Rig::with("a", usual);
    rig.script("a", [Run::Hang, Run::Hang, Run::Up]);
    let start = rig.start("a");
    rig.advance(9 * SECOND);
    rig.check("a starting (attempt 1); start a");
    let late = rig.events("a");
    rig.advance(SECOND);
    rig.check("a failed (start timeout); kill a");
    rig.advance(SECOND);
    rig.check("a starting (attempt 2); start a");
    late.started(); // Of the attempt that was given up: nobody listens.
    late.ended(Some(hopeless()));
    late.stopped();
    late.detail("hello".into());
    rig.pump();
    rig.check("");
    waits(&start);
    rig.advance(12 * SECOND);
    rig.check("a failed (start timeout); kill a; a starting (attempt 3); start a; a running");
    ok(&start);
    rig.finish();
}

#[test]
fn a_stream_that_closes_is_a_failure() {
    for error in [None, Some(broken()), Some(hopeless().with_retryable(Some(true)))] {
        let mut rig = Rig::with("a", usual);
        rig.script("a", [Run::UpFor(SECOND, error), Run::Up]);
        ok(&rig.start("a"));
        rig.advance(SECOND);
        assert_eq!(rig.status("a"), Status::Failed);
        assert_eq!(rig.state("a").desired, Desired::Running);
        rig.advance(SECOND);
        assert_eq!(rig.status("a"), Status::Running);
        rig.finish();
    }
}

#[test]
fn a_terminal_error_on_the_stream_is_final() {
    let canceled = Error::new(crate::infra::error::Kind::Canceled, "canceled");
    let runs = [
        (Run::UpFor(SECOND, Some(hopeless())), "a exited (hopeless)"),
        (Run::UpFor(SECOND, Some(canceled)), "a exited (canceled)"),
        (Run::Job(SECOND), "a exited (service exited)"),
    ];
    for (run, line) in runs {
        let mut rig = Rig::with("a", usual);
        rig.script("a", [run]);
        ok(&rig.start("a"));
        rig.log();
        rig.advance(1000 * SECOND);
        rig.check(line);
        rig.finish();
    }
    let mut rig = Rig::with("a", usual);
    ok(&rig.start("a"));
    rig.log();
    rig.events("a").terminated();
    rig.pump();
    rig.check("a exited (service terminated)");
}

#[test]
fn a_stop_that_takes_too_long_is_abandoned() {
    let mut rig = Rig::with("a", usual);
    rig.on_stop("a", Stop::Never);
    ok(&rig.start("a"));
    let stop = rig.stop("a");
    rig.log();
    rig.advance(4 * SECOND);
    let waiting = rig.board.waiting_for(&rig.world.clock);
    assert_eq!(waiting, [(id("a"), 6 * SECOND, 10 * SECOND)]);
    waits(&stop);
    rig.advance(6 * SECOND);
    rig.check("a failed (stop timeout after 10s); kill a");
    fails(&stop, "Timeout service stop timed out");
    assert!(rig.board.waiting_for(&rig.world.clock).is_empty());
    rig.events("a").stopped(); // Too late to matter.
    rig.pump();
    rig.check("");
    rig.advance(1000 * SECOND); // Nobody wants it: it stays down.
    rig.check("");
    ok(&rig.start("a"));
    rig.finish();
}

#[test]
fn exhausted_attempts_leave_it_failed() {
    let mut rig = Rig::with("a", |options| options.restart.max_attempts = 3);
    rig.script("a", [Run::Refuse(broken())]);
    let start = rig.start("a");
    rig.advance(3 * SECOND);
    fails(&start, "Timeout service start given up after 3 failures: broken");
    rig.log();
    rig.advance(1000 * SECOND);
    rig.check("");
    assert_eq!((rig.status("a"), rig.state("a").retry_count), (Status::Failed, 3));
    assert_eq!(rig.actors["a"].events.lock().len(), 3, "N is the number of failed runs in total");
    ok(&rig.stop("a"));
    assert_eq!(rig.status("a"), Status::Stopped);
    rig.finish();
}

#[test]
fn the_delay_grows_until_a_run_was_stable() {
    let mut rig = Rig::with("a", usual);
    let short = || Run::UpFor(4 * SECOND, None);
    let stable = Run::UpFor(5 * SECOND, None);
    rig.script("a", [short(), short(), short(), stable, short(), Run::Up]);
    ok(&rig.start("a"));
    for (run, delay) in [(4, 1), (4, 2), (4, 4), (5, 1), (4, 2)] {
        rig.advance(run * SECOND);
        assert_eq!(rig.status("a"), Status::Failed);
        rig.advance(delay * SECOND - Duration::from_nanos(1));
        assert_eq!(rig.status("a"), Status::Failed);
        rig.advance(Duration::from_nanos(1));
        assert_eq!(rig.status("a"), Status::Running);
    }
    rig.finish();
}

#[test]
fn jitter_spreads_the_delay() {
    let mut rig = Rig::with("a", |options| {
        options.restart.initial_delay = 90 * SECOND;
        options.restart.jitter = 0.1;
    });
    rig.script("a", [Run::Refuse(broken())]);
    let _start = rig.start("a");
    let mut delays = Vec::new();
    for _ in 0..50 {
        let next = rig.machine.tick().unwrap() - rig.world.clock.now();
        delays.push(Duration::from_nanos(next).as_secs_f64());
        rig.advance(Duration::from_nanos(next));
    }
    assert!(delays.iter().all(|delay| (81.0..=99.0).contains(delay)), "{delays:?}");
    assert!(delays.iter().any(|&delay| delay < 87.0) && delays.iter().any(|&delay| delay > 93.0));
}

#[test]
fn a_stop_during_the_wait_cancels_the_retry() {
    let mut rig = Rig::with("a", usual);
    rig.script("a", [Run::Refuse(broken()), Run::Up]);
    let start = rig.start("a");
    rig.log();
    ok(&rig.stop("a"));
    fails(&start, "Canceled service start canceled by a stop");
    rig.check("a stopped");
    rig.advance(1000 * SECOND);
    rig.check("");
    assert!(rig.machine.is_idle());
}

#[test]
fn a_stop_during_a_start_stops_the_attempt() {
    let mut rig = Rig::with("a", usual);
    rig.script("a", [Run::Hang]);
    let start = rig.start("a");
    rig.log();
    ok(&rig.stop("a"));
    fails(&start, "Canceled service start canceled by a stop");
    rig.check("a stopping; stop a; a stopped");
    rig.finish();
}

#[test]
fn an_end_during_a_stop_is_a_stop() {
    let mut rig = Rig::with("a", usual);
    rig.on_stop("a", Stop::Never);
    ok(&rig.start("a"));
    let stop = rig.stop("a");
    rig.events("a").ended(Some(broken()));
    rig.pump();
    ok(&stop);
    assert_eq!(rig.status("a"), Status::Stopped);
    rig.finish();
}

#[test]
fn details_are_shown_until_the_next_change() {
    let mut rig = Rig::with("a", usual);
    ok(&rig.start("a"));
    rig.log();
    let events = rig.events("a");
    events.detail("3 peers".into());
    events.detail("3 peers".into()); // No change, no update.
    events.detail(Value::Int(4));
    rig.pump();
    rig.check("a running (3 peers); a running (4)");
    assert_eq!(rig.state("a").previous, Status::Running);
    ok(&rig.stop("a"));
    rig.check("a stopping; stop a; a stopped");
    events.detail("late".into());
    rig.pump();
    rig.check("");
}
