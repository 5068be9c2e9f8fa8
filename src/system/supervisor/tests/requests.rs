//! Requests about several services: order, dependencies, what happens when requests meet.

use super::*;

#[test]
fn dependencies_start_first_and_independent_ones_at_once() {
    let mut rig = Rig::with("db, log, api: db, web: api log", usual);
    for name in ["db", "log"] {
        rig.script(name, [Run::Hang]);
    }
    let start = rig.start("web");
    rig.check("db starting (attempt 1); start db; log starting (attempt 1); start log");
    rig.events("db").started();
    rig.pump();
    rig.check("db running; api starting (attempt 1); start api; api running");
    waits(&start);
    rig.events("log").started();
    rig.pump();
    rig.check("log running; web starting (attempt 1); start web; web running");
    ok(&start);
    rig.finish();
}

#[test]
fn a_stop_takes_dependents_down_first_and_leaves_dependencies() {
    let mut rig = Rig::with("db, api: db, job: db, web: api", usual);
    ok(&rig.start_many("web job"));
    rig.on_stop("job", Stop::After(3 * SECOND));
    rig.on_stop("web", Stop::Never);
    rig.log();
    let stop = rig.stop("api");
    rig.advance(10 * SECOND);
    rig.check(
        "web stopping; stop web; web failed (stop timeout after 10s); kill web;
        api stopping; stop api; api stopped",
    );
    let failed = stop.get().unwrap().failed;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].0, id("web"), "an error does not stop the sequence");
    assert_eq!((rig.status("db"), rig.status("job")), (Status::Running, Status::Running));
    let stop = rig.stop_all();
    waits(&stop);
    rig.check("job stopping; stop job; web stopped");
    rig.advance(3 * SECOND);
    rig.check("job stopped; db stopping; stop db; db stopped");
    ok(&stop);
    fails(&rig.start("db"), "Unavailable the supervisor is stopping all services");
}

#[test]
fn a_missing_requirement_blocks_or_skips() {
    let mut rig = Rig::with("web: db, top: web, log", usual);
    let blocked =
        "Invalid service startup blocked by missing dependencies: app:web requires app:db";
    fails(&rig.start("web"), blocked);
    fails(&rig.start("top"), blocked);
    rig.check("");
    let outcome = rig.start_many("log top web").get().unwrap();
    assert_eq!(outcome.failed.len(), 2);
    assert_eq!(rig.status("log"), Status::Running);
    fails(&rig.start("nobody"), "NotFound service not found: app:nobody");
    fails(&rig.stop("nobody"), "NotFound service not found: app:nobody");
    rig.finish();

    let mut rig = Rig::with("web: db, log", optional);
    ok(&rig.start_many("web log"));
    assert_eq!((rig.status("web"), rig.status("log")), (Status::Unknown, Status::Running));
    fails(&rig.start("web"), blocked);
}

#[test]
fn references_order_but_do_not_block() {
    let mut rig = Rig::with("db", usual);
    let references = vec![id("db"), id("not-a-service")];
    ok(&rig.register("web", LifecycleOptions::default(), references));
    ok(&rig.start("web"));
    rig.check(
        "db starting (attempt 1); start db; db running;
        web starting (attempt 1); start web; web running",
    );
    rig.finish();
}

#[test]
fn a_cycle_fails_the_sequence() {
    let mut rig = Rig::with("a: b, b: a, c", usual);
    let outcome = rig.start_many("a c").get().unwrap();
    let text = "cycle detected among services: app:a, app:b";
    assert!(outcome.failed.iter().all(|(_, error)| error.to_string() == text));
    assert_eq!(outcome.failed.len(), 2);
    rig.check("");
    ok(&rig.start("c"));
    rig.finish();
}

#[test]
fn a_failed_service_blocks_only_its_dependents() {
    let mut rig = Rig::with("db, api: db, web: api, log", usual);
    rig.script("db", [Run::Refuse(hopeless()), Run::Up]);
    let start = rig.start_many("web log");
    let failed = start.get().unwrap().failed;
    assert_eq!(failed.len(), 1);
    assert_eq!(failed[0].0, id("web"));
    let text = "service startup blocked by failed dependency: app:db: hopeless";
    assert_eq!(failed[0].1.to_string(), text);
    assert_eq!(rig.status("log"), Status::Running);
    ok(&rig.start("db")); // What was waiting for it follows.
    assert_eq!(rig.status("web"), Status::Running);
    rig.finish();
}

#[test]
fn a_job_satisfies_its_dependents_by_having_run() {
    let mut rig = Rig::with("migrate, slow, api: migrate slow", usual);
    rig.script("migrate", [Run::Job(SECOND)]);
    rig.script("slow", [Run::Refuse(broken()), Run::Refuse(broken()), Run::Up]);
    let start = rig.start("api");
    rig.advance(3 * SECOND);
    ok(&start);
    assert_eq!((rig.status("migrate"), rig.status("api")), (Status::Exited, Status::Running));
    rig.finish();
}

#[test]
fn optional_services_retry_in_the_background() {
    let mut rig = Rig::with("log", usual);
    rig.add("cache", optional);
    rig.add("warm: cache", optional);
    rig.script("cache", [Run::Refuse(broken()), Run::Refuse(broken()), Run::Up]);
    ok(&rig.start_many("warm cache log"));
    let earnest = rig.start("warm");
    waits(&earnest);
    rig.advance(3 * SECOND);
    ok(&earnest);
    assert_eq!((rig.status("cache"), rig.status("warm")), (Status::Running, Status::Running));
    rig.finish();

    let mut rig = Rig::with("db", usual);
    rig.script("db", [Run::Refuse(broken()), Run::Up]);
    let start = rig.start_many("db");
    waits(&start); // Required: waited for.
    rig.advance(SECOND);
    ok(&start);
}

#[test]
fn a_stop_cancels_starts_that_wait_for_dependencies() {
    let mut rig = Rig::with("db, web: db", usual);
    rig.script("db", [Run::Hang]);
    let start = rig.start("web");
    rig.log();
    let stop = rig.stop_all();
    fails(&start, "Canceled service start canceled by a stop");
    ok(&stop);
    rig.check("db stopping; stop db; db stopped");
    rig.advance(1000 * SECOND);
    rig.check("");
    assert!(rig.machine.is_idle());
}

#[test]
fn a_failure_before_its_turn_is_not_retried() {
    let mut rig = Rig::with("db, web: db", usual);
    ok(&rig.start("web"));
    rig.on_stop("web", Stop::After(5 * SECOND));
    rig.script("db", [Run::Up]);
    let stop = rig.stop("db");
    rig.log();
    rig.events("db").ended(Some(broken()));
    rig.pump();
    rig.check("db stopped");
    waits(&stop);
    rig.advance(5 * SECOND);
    rig.check("web stopped");
    ok(&stop);
    assert!(rig.machine.is_idle());
}

#[test]
fn a_start_during_a_stop_waits_for_its_end() {
    let mut rig = Rig::with("db, web: db", usual);
    ok(&rig.start("web"));
    rig.on_stop("web", Stop::After(SECOND));
    rig.on_stop("db", Stop::After(SECOND));
    rig.log();
    let stop = rig.stop("db");
    let start = rig.start("web");
    rig.advance(SECOND);
    rig.check("web stopping; stop web; web stopped; db stopping; stop db");
    waits(&start);
    rig.advance(SECOND);
    ok(&stop);
    ok(&start);
    rig.check(
        "db stopped; db starting (attempt 1); start db; db running;
        web starting (attempt 1); start web; web running",
    );
    // And a stop that follows cancels the start that waits.
    let stop = rig.stop("web");
    let start = rig.start("web");
    let again = rig.stop("web");
    fails(&start, "Canceled service start canceled by a stop");
    rig.advance(SECOND);
    ok(&stop);
    ok(&again);
    assert_eq!(rig.status("web"), Status::Stopped);
    rig.finish();
}

#[test]
fn a_start_survives_the_failure_of_the_attempt_before_the_stop() {
    let mut rig = Rig::with("db, web: db", usual);
    ok(&rig.start("web"));
    rig.on_stop("web", Stop::After(SECOND));
    let _stop = rig.stop("db");
    let start = rig.start("web"); // Waits for `db`, which has its own stop ahead of it...
    rig.events("db").ended(Some(hopeless())); // ...and ends before.
    rig.pump();
    waits(&start);
    rig.advance(SECOND);
    ok(&start);
    rig.finish();
}

#[test]
fn removal_stops_and_forgets() {
    let mut rig = Rig::with("db, web: db", usual);
    ok(&rig.start("web"));
    rig.on_stop("web", Stop::After(SECOND));
    rig.log();
    let removed = rig.remove("db web");
    rig.advance(SECOND);
    ok(&removed);
    rig.check("web stopping; stop web; web stopped; db stopping; stop db; db stopped");
    assert_eq!(rig.board.states(), []);
    assert_eq!(Arc::strong_count(&rig.actors["web"]), 1, "the service is let go");
    fails(&rig.remove("db"), "NotFound service not found: app:db");
    fails(&rig.start("db"), "NotFound service not found: app:db");
    assert!(rig.machine.is_idle());
}

#[test]
fn removal_leaves_dependents_running() {
    let mut rig = Rig::with("db, web: db", usual);
    ok(&rig.start("web"));
    ok(&rig.remove("db"));
    assert_eq!(rig.status("web"), Status::Running);
    rig.finish();
}

#[test]
fn removal_of_a_dependency_ends_the_wait_for_it() {
    let mut rig = Rig::with("db, web: db", usual);
    ok(&rig.register("job", LifecycleOptions::default(), vec![id("db")]));
    rig.script("db", [Run::Hang]);
    let (web, job) = (rig.start("web"), rig.start("job"));
    ok(&rig.remove("db"));
    fails(&web, "Invalid service startup blocked by missing dependencies: app:web requires app:db");
    ok(&job); // Found by reference: one thing less to wait for.
    rig.finish();
}

#[test]
fn a_replacement_waits_for_the_old_service() {
    let mut rig = Rig::with("db", usual);
    ok(&rig.start("db"));
    rig.on_stop("db", Stop::After(SECOND));
    let old = Arc::clone(&rig.actors["db"]);
    fails(
        &rig.register("db", LifecycleOptions::default(), vec![]),
        "AlreadyExists service already registered: app:db",
    );
    rig.log();
    let removed = rig.remove("db");
    fails(&rig.start("db"), "NotFound service not found: app:db");
    ok(&rig.register("db", LifecycleOptions::default(), vec![]));
    let start = rig.start("db");
    waits(&start);
    rig.check("db stopping; stop db");
    rig.advance(SECOND);
    ok(&removed);
    ok(&start);
    rig.check("db stopped; db starting (attempt 1); start db; db running");
    assert_eq!(old.events.lock().len(), 1);
    assert_eq!(rig.actors["db"].events.lock().len(), 1);
    rig.finish();
}

#[test]
fn requests_that_nobody_waits_for_do_not_pile_up() {
    let mut rig = Rig::with("a", usual);
    rig.script("a", [Run::Refuse(broken())]);
    for _ in 0..100 {
        drop(rig.start("a"));
    }
    assert_eq!(rig.machine.batches.len(), 1);
}

/// Removes `old`, which takes two seconds to stop, brings `new` and starts it.
fn exchange(rig: &mut Rig) -> Completion {
    ok(&rig.start("old"));
    rig.on_stop("old", Stop::After(2 * SECOND));
    rig.log();
    let enrol = vec![rig.enrolment("new", LifecycleOptions::default())];
    let (remove, start) = (vec![id("old")], vec![id("new")]);
    rig.change(Changes { remove, enrol, start, ..Changes::default() })
}

#[test]
fn of_changes_the_stops_come_first() {
    let mut rig = Rig::with("old", usual);
    let done = exchange(&mut rig);
    rig.check("old stopping; stop old");
    waits(&done);
    rig.advance(2 * SECOND);
    rig.check("old stopped; new starting (attempt 1); start new; new running");
    ok(&done);
    assert!(rig.board.state(&id("old")).is_none());
    rig.finish();
}

#[test]
fn a_stop_cancels_the_start_that_changes_have_ahead() {
    let mut rig = Rig::with("old", usual);
    let done = exchange(&mut rig);
    ok(&rig.stop("new"));
    rig.advance(2 * SECOND);
    fails(&done, "Canceled service start canceled by a stop");
    assert_eq!(rig.status("new"), Status::Unknown);
    rig.finish();
}

#[test]
fn changed_references_hold_for_the_next_start() {
    let mut rig = Rig::with("web, db", usual);
    let references = BTreeMap::from([(id("web"), vec![id("db")])]);
    ok(&rig.change(Changes { references, ..Changes::default() }));
    ok(&rig.start("web"));
    rig.check(
        "db starting (attempt 1); start db; db running; \
               web starting (attempt 1); start web; web running",
    );
    ok(&rig.stop("db"));
    rig.check("web stopping; stop web; web stopped; db stopping; stop db; db stopped");
    rig.finish();
}

#[test]
fn who_only_sets_off_a_start_is_not_kept_waiting() {
    let mut rig = Rig::with("db, web: db nothing", usual);
    rig.script("db", [Run::Hang]);
    ok(&rig.begin("db"));
    fails(
        &rig.begin("web"),
        "Invalid service startup blocked by missing dependencies: app:web requires app:nothing",
    );
    assert_eq!(rig.status("db"), Status::Starting);
    rig.finish();
}
