//! The registry's history as configured: which store, where, what a broken one says, and that a
//! program goes on when a version cannot be saved. Modules that come and go with a version.

use std::process::Command;

use rustix::process::Signal;

use crate::project::{self, Ended, Project, Running};

/// Runs a program of one line with these settings under `registry`.
fn run(project: &Project, settings: &str) -> Ended {
    let text = format!("version: \"1.0\"\nregistry: {settings}\n");
    project.write(".wippy.yaml", &text);
    project.run("run -x app:cli -v")
}

fn project() -> Project {
    Project::with_main("io.print(\"ran\")\nreturn 0")
}

#[track_caller]
fn files(project: &Project, folder: &str) -> Vec<String> {
    let Ok(read) = std::fs::read_dir(project.path().join(folder)) else { return Vec::new() };
    read.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn sqlite_keeps_one_file_between_runs() {
    let project = project();
    for _ in 0..2 {
        run(&project, "{history_type: sqlite}").exits(0).prints(&["ran"]);
        // Closed: no log beside it.
        assert_eq!(files(&project, ".wippy"), ["registry.db"]);
    }
    run(&project, "{history_type: sqlite, history_path: ''}").exits(0);
    assert_eq!(files(&project, ".wippy"), ["registry.db"]);
    run(&project, "{history_type: sqlite, history_path: data/deep/versions.db}").exits(0);
    assert_eq!(files(&project, "data/deep"), ["versions.db"]);
}

#[test]
fn without_sqlite_there_is_no_file() {
    let project = project();
    for settings in ["{}", "{history_type: nil}", "{history_type: sqlite, enable_history: false}"] {
        run(&project, settings).exits(0).prints(&["ran"]);
        assert_eq!(files(&project, ".wippy"), [""; 0], "{settings}");
    }
}

#[test]
fn a_type_nobody_knows_is_reported() {
    let project = project();
    let ended = run(&project, "{history_type: papyrus}").exits(0).prints(&["ran"]);
    ended.says(&["unknown registry history type, versions are kept in memory", "papyrus"]);
    let words = ["failed to load component: registry", "postgres is not supported, use sqlite"];
    run(&project, "{history_type: postgres}").exits(1).says(&words);
}

#[test]
fn a_file_that_cannot_be_used_ends_the_start() {
    let project = project();
    project.write(".wippy/registry.db", &"no database at all, ".repeat(100));
    let words = ["open history file .wippy/registry.db", "file is not a database"];
    run(&project, "{history_type: sqlite}").exits(1).says(&words);
    project.write("data/registry.db/x", "");
    let words = ["open history file data/registry.db", "unable to open database file"];
    run(&project, "{history_type: sqlite, history_path: data/registry.db}").exits(1).says(&words);
}

/// A project whose `main` has this body, with the module `registry`, and versions in a file.
fn with_registry(body: &str) -> Project {
    let project = Project::with_main(&format!("local registry = require('registry')\n{body}"));
    project.write(".wippy.yaml", "version: \"1.0\"\nregistry: {history_type: sqlite}\n");
    project
}

#[test]
fn versions_outlive_the_program() {
    let project = with_registry(
        "local function entry(n)
             return {id = 'app:kept', kind = 'registry.entry', data = {n = n}}
         end
         local kept = registry.get('app:kept')
         local n = registry.current_version():id()
         io.print('at ' .. n .. ' with ' .. (kept and kept.data.n or 'nothing'))
         local step = ({
             [0] = function(c) return c:create(entry(1)) end,
             function(c) return c:update(entry(2)) end,
             function(c) return c:delete('app:kept') end,
         })[n]
         if step then
             assert(step(registry.snapshot():changes()):apply())
         else
             assert(registry.apply_version(registry.history():get_version(1)))
         end
         return 0",
    );
    let run = || project.run("run -x app:cli").exits(0);
    for expected in ["0 with nothing", "1 with 1", "2 with 2", "3 with nothing", "1 with 1"] {
        run().prints(&[&format!("at {expected}\n")]);
    }
    // A file elsewhere knows nothing of it.
    let elsewhere = "run -x app:cli --set registry.history_path=data/other.db";
    project.run(elsewhere).exits(0).prints(&["at 0 with nothing"]);
    project.run(elsewhere).exits(0).prints(&["at 1 with 1"]);
}

#[test]
fn a_program_goes_on_when_the_disk_is_full() {
    let project = with_registry(
        "local n, err = 0, nil
         repeat
             local changes = registry.snapshot():changes()
             local data = {text = string.rep('x', 10000)}
             changes:create{id = 'app:n' .. n, kind = 'registry.entry', data = data}
             local version
             version, err = changes:apply()
             if version then n = version:id() end
         until err
         io.print(err:kind(), tostring(err))
         assert(n > 5 and registry.current_version():id() == n, n)
         assert(not registry.get('app:n' .. n) and registry.get('app:n' .. n - 1))
         io.print('went on after ' .. n)
         return 0",
    );
    let mut command = Command::new("/bin/sh");
    // Blocks are of 512 or of 1024 bytes. The signal would end the program.
    let script = "trap '' XFSZ; ulimit -f 1000; exec \"$0\" run -x app:cli";
    command.args(["-c", script, env!("CARGO_BIN_EXE_wippy")]);
    command.current_dir(project.path()).env_clear();
    let words = [
        "Internal",
        "apply changes: save new version: write history file .wippy/registry.db: disk I/O error",
        "went on after ",
    ];
    project::run(command, b"").exits(0).prints(&words);
}

#[test]
fn a_signal_while_versions_are_saved_loses_none() {
    let project = with_registry(
        "io.print('at ' .. registry.current_version():id())
         while true do
             local changes = registry.snapshot():changes()
             local id = 'app:n' .. registry.current_version():id()
             local version, err = changes:create{id = id, kind = 'registry.entry'}:apply()
             if err then io.print('refused ' .. tostring(err)) return 1 end
             io.print('saved ' .. version:id())
         end",
    );
    // It does not listen to the request to end.
    let host = "kind: terminal.host, lifecycle: {auto_start: true";
    project.edit("src/_index.yaml", host, &format!("{host}, stop_timeout: 100ms"));
    let number = |line: &str| line.rsplit(' ').next().and_then(|n| n.parse::<u64>().ok());
    let mut said = 0;
    for _ in 0..4 {
        let mut running = Running::start(project.command("run -x app:cli"));
        let at = number(&running.expect("at ")).expect("a version");
        assert!(at == said || at == said + 1, "at {at} after {said}");
        running.expect(&format!("saved {}", at + 3));
        running.signal(Signal::TERM);
        let (_, lines) = running.end();
        said = lines.iter().filter_map(|line| number(line)).max().unwrap_or(0).max(at + 3);
    }
}

#[test]
fn modules_come_and_go_with_a_version() {
    let project = with_registry(
        "local function show()
             local db = registry.get('o.sql:db')
             io.print('v' .. registry.current_version():id(), db and db.data.dsn or 'no module')
         end
         local function dependency(version, dsn)
             return {id = 'app:sql', kind = 'ns.dependency', data = {
                 component = 'o/sql', version = version, parameters = {{name = 'dsn', value = dsn}},
             }}
         end
         show()
         if registry.current_version():id() == 0 then
             local changes = registry.snapshot():changes()
             local version, err = changes:create(dependency('^2', 'x')):apply()
             assert(not version and not registry.get('app:sql'))
             io.print(err:kind(), tostring(err))
             local details = err:details()
             io.print(details.count, details.errors[1].module, details.errors[1].constraint)
             assert(registry.snapshot():changes():create(dependency('^1', 'one')):apply())
             show()
             assert(registry.snapshot():changes():update(dependency('^1', 'two')):apply())
         else
             assert(registry.apply_version(registry.history():get_version(1)))
             show()
             assert(registry.snapshot():changes():delete('app:sql'):apply())
         end
         show()
         return 0",
    );
    let module = "namespace: o.sql\nentries:\n\
         - {name: dsn, kind: ns.requirement, targets: [{entry: db, path: dsn}]}\n\
         - {name: db, kind: registry.entry}\n";
    project.write(".wippy/vendor/o/sql-1.0.0/a.yaml", module);
    let refused = "apply changes: failed to expand changeset: dependency resolution failed: o/sql: \
                   nothing fits ^2";
    let run = |line: &str| project.run(line).exits(0);
    run("run -x app:cli").prints(&[
        "v0\tno module",
        "Internal",
        refused,
        "1\to/sql\t^2",
        "v1\tone",
        "v2\ttwo",
    ]);
    // The file has what was asked for; what follows from it is found out again.
    run("run -x app:cli").prints(&["v2\ttwo", "v1\tone", "v3\tno module"]);

    // Another directory, another lock file.
    project.write("cellar/o/sql-1.0.0/a.yaml", &module.replace("dsn}]", "dsn}], default: 5"));
    std::fs::remove_dir_all(project.path().join(".wippy")).expect("it is there");
    let flags = "--set registry.dependency_vendor_dir=cellar";
    run(&format!("run -x app:cli {flags}")).prints(&["v0\tno module", "v2\ttwo"]);
    let words =
        ["failed to expand changeset", "o/sql: nothing fits ^1", "no release of it is there"];
    project.run("run -x app:cli").exits(1).says(&words);
    project.write("other/wippy.lock", "directories: {modules: ../cellar/vendor, src: .}\n");
    project.write("cellar/vendor/o/sql-1.0.0/a.yaml", module);
    let flags = "--set registry.dependency_lock_path=other/wippy.lock";
    run(&format!("run -x app:cli {flags}")).prints(&["v2\ttwo", "v1\tone", "v3\tno module"]);
    let words = ["start failed", "lock file not found", "nowhere.lock"];
    let flags = "--set registry.dependency_lock_path=nowhere.lock -v";
    project.run(&format!("run -x app:cli {flags}")).exits(1).says(&words);
}
