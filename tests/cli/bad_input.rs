//! Mistakes in files and on the command line: what is wrong, where, exit code 1, nothing half done.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::project::{CLI, HOSTS, Project};

/// A program whose output shows that something was started after all.
const STARTED: &str = "io.print('started')";

fn good() -> Project {
    Project::with_main(STARTED)
}

// -- the command line ------------------------------------------------------------------------------

#[track_caller]
fn check_flags(line: &str, words: &[&str]) {
    good().run(line).fails(words);
}

#[test]
fn unknown_flags_and_commands() {
    check_flags("rum", &["unknown command \"rum\"", "did you mean run?"]);
    check_flags("--nope", &["unknown flag: --nope"]);
    check_flags("run --verbos", &["unknown flag: --verbos", "--verbose"]);
    check_flags("run -x", &["a value is required", "--exec"]);
    check_flags("run --workers many", &["invalid value 'many'", "--workers"]);
    check_flags("run --workers 0", &["invalid value '0'", "--workers"]);
    check_flags("registry lst", &["unknown command \"lst\""]);
}

#[test]
fn bad_settings_and_overrides() {
    check_flags("run --set a -x app:cli", &["invalid --set \"a\"", "missing separator '='"]);
    check_flags("run --set a=1 -x app:cli", &["invalid --set \"a=1\"", "missing separator '.'"]);
    let missing = ["invalid override: app:cli", "missing separator '='", "namespace:entry:field"];
    check_flags("run -o app:cli -x app:cli", &missing);
    check_flags("run -o cli=1 -x app:cli", &["invalid override: cli=1"]);
    check_flags("run -o app:no:a=1 -x app:cli", &["override", "no entry found for app:no"]);
    check_flags("run -o app:cli:source=5 -x app:cli", &["app:cli", "source", "string"]);
    check_flags("run --profile nope -x app:cli", &["profile", "nope"]);
}

#[test]
fn a_bad_configuration_file() {
    let project = good();
    let check = |text: &str, words: &[&str]| {
        project.write(".wippy.yaml", text);
        project.run("run -x app:cli").fails(words);
    };
    check("logger: {}", &["missing version field", ".wippy.yaml"]);
    check("version: \"2.0\"", &["unsupported version: 2.0", ".wippy.yaml:1:10"]);
    check("version: \"1.0\"\nx: [", &["failed to parse YAML: yaml: line 2", ".wippy.yaml:2:"]);
    check("version: \"1.0\"\nx: 5\n", &["x", "mapping", ".wippy.yaml:2:"]);
    check("version: \"1.0\"\nx: {a: \"${env:NOT_THERE}\"}\n", &["NOT_THERE", ".wippy.yaml"]);
    project.run("run --config none.yaml -x app:cli").fails(&["none.yaml"]);
}

#[test]
fn what_is_to_be_run_is_not_there() {
    check_flags("run -x cli", &["invalid exec spec: missing separator ':'", "namespace:entry"]);
    let failed = "failed to start process on host: app:terminal";
    check_flags("run -x app:clo", &[failed, "entry not found: app:clo", "app:cli?"]);
    check_flags("run -x app:terminal", &[failed, "app:terminal", "terminal.host"]);
    let unknown = ["terminal host not found: app:termnal", "app:terminal?"];
    check_flags("run -x app:termnal/app:cli", &unknown);
    check_flags("run --host app:termnal -x app:cli", &unknown);
    check_flags("run -x app:processes/app:cli", &["terminal host not found: app:processes"]);
    check_flags("run --host a:b -x app:terminal/app:cli", &["two terminal hosts"]);
    check_flags("run nothing", &["command \"nothing\" not found", "wippy run list"]);
}

#[test]
fn no_host_and_several() {
    let project = good();
    project.edit(
        "src/_index.yaml",
        "name: processes, kind: process.host",
        "name: t, kind: terminal.host",
    );
    let several = ["multiple terminal hosts found (app:t, app:terminal)", "--host"];
    project.run("run -x app:cli").fails(&several);
    project.run("run --host app:t -x app:cli").exits(0).prints(&["started"]);

    let project = good();
    project.edit("src/_index.yaml", "kind: terminal.host", "kind: process.host");
    project.run("run -x app:cli").fails(&["no terminal.host found in registry"]);

    // Nothing starts it, so it never runs.
    let project = good();
    project.edit(
        "src/_index.yaml",
        "kind: terminal.host, lifecycle: {auto_start: true}",
        "kind: terminal.host",
    );
    project.run("run -x app:cli").fails(&["app:terminal", "host is not running"]);
}

// -- the lock file ---------------------------------------------------------------------------------

#[test]
fn no_lock_file() {
    let project = Project::empty();
    let folder = fs::canonicalize(project.path()).unwrap().display().to_string();
    let words = ["lock file not found: no wippy.lock in ", &folder, "wippy init"];
    for line in ["run -x app:cli", "run greet", "run list", "registry list", "registry show a:b"] {
        project.run(line).fails(&words);
    }
    let line = format!("-C {folder} run -s -x app:cli");
    good().run(&line).fails(&words);
}

#[test]
fn a_bad_lock_file() {
    let project = good();
    let check = |text: &str, words: &[&str]| {
        project.write("wippy.lock", text);
        project.run("run -x app:cli").fails(words);
    };
    let failed = "failed to load lock file: lock file wippy.lock";
    check("x: [", &[failed, "yaml: line 1", "wippy.lock:1:5"]);
    check("modules: 5", &[failed, "modules", "list", "wippy.lock:1:10"]);
    check("directories: {src: ''}", &["invalid lock file: lock file wippy.lock", "src"]);
    check("modules: [{name: a/b, version: v1}]", &["failed to ensure modules installed", "a/b"]);

    project.write("wippy.lock", "directories: {src: ./gone}");
    let ended = project.run("run -x app:terminal/app:cli");
    ended.fails(&["gone: load path does not exist", "Error: ", "app:terminal"]);
}

// -- entry files -----------------------------------------------------------------------------------

/// A bad file is shown in every mode, and does not keep the others from being used.
#[track_caller]
fn check_dropped(text: &str, words: &[&str]) {
    let project = good();
    project.write("src/bad.yaml", text);
    for line in ["run -x app:cli", "run -s -x app:cli", "run -c -x app:cli"] {
        let ended = project.run(line).exits(0).prints(&["started"]).says(&["src/bad.yaml:"]);
        ended.says(words).without(&["Error: "]);
    }
    // An error elsewhere hides nothing, and the file's own entries are missing.
    let ended = project.run("run -s -x bad:x").fails(&["Error: ", "entry not found: bad:x"]);
    let ended = ended.says(words);
    assert!(ended.stderr.starts_with("src/bad.yaml:"), "{ended:#?}");
}

#[test]
fn files_that_cannot_be_used() {
    let yaml = "namespace: bad: [\n";
    check_dropped(yaml, &["bad.yaml:1:15: mapping values", " 1 | namespace: bad: [", "^"]);
    let no_name = "namespace: bad\nentries:\n  - kind: process.lua\n";
    check_dropped(no_name, &["3:5: entry[0].name: name is required", " 3 |   - kind", "^"]);
    let no_kind = "namespace: bad\nentries:\n  - {name: ok, kind: k}\n  - name: x\n";
    check_dropped(no_kind, &["4:5: entry[1].kind: kind is required", " 4 |   - name: x", "^"]);
    let wrong = "namespace: bad\nentries: 5\n";
    check_dropped(wrong, &["2:10: ", "list", " 2 | entries: 5", "^"]);
    let gone = "namespace: bad\nname: x\nkind: process.lua\nsource: file://gone.lua\n";
    check_dropped(gone, &["4:9: file://gone.lua: cannot read the file", "No such file", " 4 | "]);
    let outside = "namespace: bad\nname: x\nkind: process.lua\nsource: file://../../a.lua\n";
    check_dropped(outside, &["4:9: file://../../a.lua: ", " 4 | source"]);
}

#[test]
fn files_that_cannot_be_read() {
    let project = good();
    symlink("nowhere", project.path().join("src/dangling.yaml")).unwrap();
    // A directory is looked into, whatever its name.
    fs::create_dir(project.path().join("src/dir.yaml")).unwrap();
    fs::write(project.path().join("src/latin.yaml"), b"namespace: bad\n# \xe9t\xe9\n").unwrap();
    let ended = project.run("run -x app:cli").exits(0).prints(&["started"]);
    ended.says(&["src/dangling.yaml: ", "src/latin.yaml:2:3: file is not valid UTF-8", " 2 | # "]);

    // Nothing is closed to root.
    if !rustix::process::geteuid().is_root() {
        let project = good();
        project.write("src/closed.yaml", "namespace: bad\nname: x\nkind: k\n");
        let path = project.path().join("src/closed.yaml");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
        project.run("run -x app:cli").exits(0).says(&["src/closed.yaml: ", "ermission"]);
    }
}

#[test]
fn a_dropped_file_is_shown_before_any_other_error() {
    let dropped = ["src/bad.yaml:1:", "Error: "];
    let spoil = |project: Project, line: &str| {
        project.write("src/bad.yaml", "namespace: [");
        project.run(line).fails(&dropped);
    };
    spoil(Project::with_cli("local x = = 1"), "run -s -x app:cli");
    spoil(Project::with_entries("  - {name: x, kind: no.such}\n"), "run -x app:cli");
    spoil(good(), "run -x app:cli -o app:no:x=1");
    spoil(good(), "registry show app:none");
    let project = good();
    project.write("wippy.lock", "directories: {src: ./src}\nmodules: [{name: a/b, version: v1}]");
    spoil(project, "run -x app:cli");
}

#[test]
fn duplicates_are_warned_of() {
    let project = good();
    project.write("src/later.yaml", &format!("namespace: app\nentries:\n{CLI}"));
    project.run("run -c -x app:cli").exits(0).prints(&["WARN", "app:cli", "later.yaml", "started"]);
    project.run("run -x app:cli").exits(0).without(&["WARN"]);
}

// -- entries ---------------------------------------------------------------------------------------

/// The good project, with one change in its entry file.
#[track_caller]
fn check_entry(from: &str, to: &str, words: &[&str]) {
    let project = good();
    project.edit("src/_index.yaml", from, to);
    project.run("run -x app:cli").fails(words);
}

#[test]
fn fields_of_the_wrong_type() {
    let failed = |name: &str| format!("operation failed for entry app:{name}: ");
    let (terminal, cli) = (failed("terminal"), failed("cli"));
    let auto_start = "terminal.host, lifecycle: {auto_start: true}";
    let text = "terminal.host, lifecycle: {auto_start: \"yes\"}";
    check_entry(auto_start, text, &[&terminal, "lifecycle.auto_start", "boolean", "string"]);
    let duration = "terminal.host, lifecycle: {stop_timeout: soon}";
    check_entry(auto_start, duration, &[&terminal, "stop_timeout", "soon"]);
    let list = "terminal.host, lifecycle: [1]";
    check_entry(auto_start, list, &[&terminal, "lifecycle", "mapping", "list"]);

    let modules = "modules: [errors, io, json, logger, process, time, events, registry, tty]";
    check_entry(modules, "modules: 3", &[&cli, "modules", "list", "integer"]);
    check_entry(modules, "modules: [3]", &[&cli, "modules", "string", "integer"]);
    check_entry(modules, "modules: [io, tme]", &[&cli, "unknown module \"tme\"", "\"time\"?"]);
    check_entry(modules, "modules: [qwerty]", &[&cli, "unknown module \"qwerty\""]);
    let source = "source: file://cli.lua";
    check_entry(source, "source: 5", &[&cli, "source", "string", "integer"]);
    check_entry(source, "sauce: 5", &[&cli, "source"]);
    check_entry("method: main", "method: [main]", &[&cli, "method", "string", "list"]);

    let host = "process.host,";
    let workers = "process.host, host: {workers: -1},";
    check_entry(host, workers, &["app:processes", "workers"]);
    check_entry(host, "process.host, host: 5,", &["app:processes", "host", "mapping"]);
    let nearest = &["app:processes", "unknown entry kind: process.hots", "process.host"];
    check_entry(host, "process.hots,", nearest);
}

#[test]
fn services_that_make_no_sense() {
    let check = |fields: &str, words: &[&str]| {
        let service = format!("  - {{name: svc, kind: process.service, {fields}}}\n");
        let project = Project::with_entries(&format!("{CLI}{service}"));
        project.write("src/cli.lua", "return { main = function() end }");
        project.run("run -x app:cli").fails(words);
    };
    check("host: app:processes", &["app:svc", "process is required"]);
    check("process: cli", &["app:svc", "host is required"]);
    check("process: cli, host: processes", &["app:svc", "invalid host: processes"]);
    check("process: cli, host: app:processes, input: 5", &["app:svc", "input", "list"]);
}

#[test]
fn several_bad_entries_leave_nothing_behind() {
    let project = Project::with_entries(
        "  - {name: up, kind: process.lua, source: \"print('started')\"}\n  \
           - {name: down, kind: no.such.kind}\n",
    );
    // Also without `-x`: it does not go on with half of the entries.
    project.run("run -s").fails(&["app:down", "unknown entry kind: no.such.kind"]);
    let ended = project.run("run").exits(1).prints(&["wippy 0."]);
    let ended = ended.says(&["ERROR\tstart failed", "shutting down", "stopped", "Error: "]);
    ended.without(&["started", "runtime ready"]);
}

// -- Lua -------------------------------------------------------------------------------------------

#[test]
fn lua_that_does_not_parse() {
    let project = Project::with_cli("local io = require('io')\nlocal x = = 1\nreturn {}\n");
    project.run("run -x app:cli").fails(&[
        "operation failed for entry app:cli: ",
        "app:cli:2:11: ",
        "got '='",
        " 2 | local x = = 1",
    ]);
    let project = Project::with_cli("local s = 'open\n");
    project.run("run -x app:cli").fails(&["app:cli:1:11: ", " 1 | local s = 'open"]);
    let project = Project::with_cli("if x then\n");
    project.run("run -x app:cli").fails(&["app:cli", "'end'"]);
}

#[track_caller]
fn check_chunk(lua: &str, words: &[&str]) {
    let failed = "failed to start process on host: app:terminal: ";
    let project = Project::with_cli(lua);
    project.run("run -x app:cli").fails(&[&[failed], words].concat());
}

#[test]
fn chunks_without_the_method() {
    check_chunk("return { mian = function() end }", &["method \"main\" not found in module"]);
    check_chunk("return { main = 5 }", &["method \"main\" not found in module"]);
    check_chunk("return 5", &["method \"main\" not found in module"]);
    check_chunk("-- nothing", &["method \"main\" not found in module"]);
    check_chunk("error('at the top')", &["app:cli:1: at the top"]);
    check_chunk("return nil + 1", &["app:cli:1: attempt to perform arithmetic"]);
    check_chunk("channel.new():receive()", &["app:cli"]);
}

#[test]
fn modules_that_are_not_granted() {
    check_chunk(
        "local sql = require('sql')",
        &["app:cli:1: module 'sql' not found: it is not among the modules"],
    );
    let project = good();
    project.edit("src/_index.yaml", "modules: [errors, io, ", "modules: [");
    let words = ["failed to start process on host", "app:cli:1: module 'io' not found"];
    project.run("run -x app:cli").fails(&words);
}

#[test]
fn hosts_alone_are_no_mistake() {
    assert!(HOSTS.ends_with("}\n"), "entries go on below it");
    Project::with_entries("").run("run -x app:cli").fails(&["entry not found: app:cli"]);
}
