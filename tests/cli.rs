//! The program as users run it: real project folders, pipes, files and a terminal.
//!
//! The tutorial's relay reads CANCEL and goes on, so a graceful end takes the ten seconds of its stop
//! timeout; where that is not what a test is about, the project says a shorter one.

use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

mod pty;

/// A safety net, not a measure.
const LONG: Duration = Duration::from_secs(90);

fn wippy() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wippy"));
    // Nothing of the developer's own settings.
    command.env_remove("WIPPY_NODE_ID").env_remove("WIPPY_RELAY_NODE_NAME");
    command
}

/// A scratch project.
struct Project(TempDir);

const HOSTS: &str = r#"
  - name: terminal
    kind: terminal.host
    lifecycle: { auto_start: true }
  - name: processes
    kind: process.host
    lifecycle: { auto_start: true }
"#;

impl Project {
    fn new() -> Project {
        Project(tempfile::tempdir().expect("a scratch folder"))
            .file("wippy.lock", "directories:\n    modules: .wippy\n    src: ./src\n")
    }

    /// Two hosts and the given further entries, as YAML list items.
    fn with(entries: &str) -> Project {
        let project = Project::new();
        let index = format!("version: \"1.0\"\nnamespace: app\nentries:{HOSTS}{entries}");
        project.file("src/_index.yaml", &index)
    }

    /// A process `app:cli` with this body, granted io, time and logger.
    fn cli(body: &str) -> Project {
        let source = format!("local function main(...)\n{body}\nend\nreturn {{ main = main }}\n");
        Project::with(
            "  - name: cli\n    kind: process.lua\n    source: file://cli.lua\n    method: main\n    \
             modules: [io, time, logger]\n",
        )
        .file("src/cli.lua", &source)
    }

    fn file(self, path: &str, text: &str) -> Project {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("created");
        fs::write(path, text).expect("written");
        self
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = wippy();
        command.current_dir(self.path()).args(args);
        command
    }

    fn run(&self, args: &[&str], input: &str) -> Output {
        run(self.command(args), input.as_bytes())
    }
}

fn run(mut command: Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    // The program may end without reading everything.
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().expect("ends");
    writer.join().expect("the writer does not panic");
    output
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Exit code, standard output, standard error. No output of ours ever speaks of a panic.
#[track_caller]
fn parts(output: &Output) -> (i32, String, String) {
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(!err.contains("panicked"), "{err}");
    (output.status.code().unwrap_or(-1), out, err)
}

/// Runs `run -x app:cli` with a body and no input.
#[track_caller]
fn body(body: &str) -> (i32, String, String) {
    parts(&Project::cli(body).run(&["run", "-x", "app:cli"], ""))
}

fn example(language: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/echo-service").join(language)
}

// -- the echo service ------------------------------------------------------------------------------

/// One session on a terminal: prompt, answer with the worker's PID, goodbye, the note while the relay
/// is waited for, and Ctrl+C that cuts it short.
#[track_caller]
fn echo_session(language: &str, greeting: &str, from: &str, goodbye: &str) {
    let mut command = wippy();
    command.current_dir(example(language)).args(["run", "-x", "app:terminal/app:cli"]);
    let mut session = pty::Session::start(command);
    session.expect("Echo Client");
    session.expect(greeting);
    session.expect("> ");
    session.send("hello world\r");
    session.expect("HELLO WORLD");
    session.expect(&format!("{from} {{app:processes|0x0000"));
    session.expect("> ");
    session.send("\r");
    session.expect(goodbye);
    session.expect("waiting for app:relay-service to stop, at most");
    session.expect("Ctrl+C leaves at once");
    let cut = Instant::now();
    session.send("\x03");
    assert_eq!(session.wait(), 0);
    assert!(cut.elapsed() < Duration::from_secs(6), "left at once, not at the timeout");
}

const HINT: &str = "Type messages to echo. Ctrl+C to exit.";

#[test]
fn echo_in_english() {
    echo_session("en", HINT, "from worker:", "Goodbye!");
}

#[test]
fn echo_in_german() {
    let hint = "Nachrichten zum Echo eingeben. Ctrl+C zum Beenden.";
    echo_session("de", hint, "von worker:", "Auf Wiedersehen!");
}

#[test]
fn echo_in_portuguese() {
    echo_session("pt", HINT, "from worker:", "Goodbye!");
}

#[test]
fn echo_in_japanese() {
    echo_session("ja", HINT, "from worker:", "Goodbye!");
}

#[test]
fn echo_in_korean() {
    echo_session("ko", HINT, "from worker:", "Goodbye!");
}

#[test]
fn ctrl_c_at_the_prompt_says_goodbye_and_a_second_one_leaves() {
    let mut command = wippy();
    command.current_dir(example("en")).args(["run", "-x", "app:cli"]);
    let mut session = pty::Session::start(command);
    session.expect("> ");
    session.send("\x03");
    session.expect("Goodbye!");
    session.expect("Ctrl+C leaves at once");
    session.send("\x03");
    assert_eq!(session.wait(), 1);
}

#[test]
fn echo_through_a_pipe_with_logs() {
    let mut command = wippy();
    command.current_dir(example("en")).args(["run", "-x", "app:cli", "-c"]);
    let (code, out, err) = parts(&run(command, b"one\ntwo\n\n"));
    assert_eq!(code, 0, "{err}");
    for expected in ["ONE", "TWO", "{app:processes|0x", "Goodbye!", "relay started", "stopped"] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    assert_eq!(out.matches("worker exited").count(), 2, "{out}");
    assert!(out.contains("stats") && out.contains("\"workers_spawned\": 2"), "{out}");
}

/// The echo client against a relay that ends when it is asked to.
fn quick_echo() -> Project {
    let mut project = Project::new();
    for file in ["_index.yaml", "relay.lua", "worker.lua", "cli.lua"] {
        let source = fs::read_to_string(example("en").join("src").join(file)).expect("read");
        let source = source.replace(
            "if event.kind == process.event.EXIT then",
            "if event.kind == process.event.CANCEL then return end\n            \
             if event.kind == process.event.EXIT then",
        );
        project = project.file(&format!("src/{file}"), &source);
    }
    project
}

#[test]
fn echo_from_a_file_and_from_nothing() {
    let project = quick_echo().file("input.txt", "from a file\n");
    let from = |stdin: Stdio| {
        let output = project.command(&["run", "-x", "app:cli"]).stdin(stdin).output();
        parts(&output.expect("ends"))
    };
    let file = fs::File::open(project.path().join("input.txt")).expect("opened");
    let (code, out, _) = from(file.into());
    assert!(code == 0 && out.contains("FROM A FILE") && out.contains("Goodbye!"), "{code} {out}");
    let (code, out, _) = from(Stdio::null());
    assert!(code == 0 && out.contains("Goodbye!"), "{code} {out}");
    let shell = format!("{} run -x app:cli <&-", env!("CARGO_BIN_EXE_wippy"));
    let output = Command::new("sh").current_dir(project.path()).args(["-c", &shell]).output();
    let (code, out, _) = parts(&output.expect("ends"));
    assert!(code == 0 && out.contains("Goodbye!"), "closed stdin: {code} {out}");
}

#[test]
fn a_reader_that_leaves_early_does_no_harm() {
    let project = quick_echo();
    let program = env!("CARGO_BIN_EXE_wippy");
    let shell = format!("printf 'a\\nb\\nc\\n' | {program} run -x app:cli | head -1");
    let output = Command::new("sh").current_dir(project.path()).args(["-c", &shell]).output();
    let (_, out, err) = parts(&output.expect("ends"));
    assert!(out.contains("Echo Client"), "{out} {err}");
}

#[test]
fn services_run_until_a_signal_and_use_no_cpu() {
    let project = quick_echo();
    let mut child = project
        .command(&["run", "-c"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut out = child.stdout.take().expect("piped");
    let mut seen = String::new();
    let mut buffer = [0; 4096];
    while !seen.contains("relay-service is running") {
        let n = out.read(&mut buffer).expect("readable");
        assert!(n > 0, "ended early: {seen}");
        seen.push_str(&text(&buffer[..n]));
    }
    // The relay sleeps; a span of idleness is what is measured here.
    let before = cpu_ticks(child.id());
    std::thread::sleep(Duration::from_secs(2));
    let used = cpu_ticks(child.id()) - before;
    assert!(used <= 2, "{used} hundredths of a second in two seconds of idleness");
    let pid = rustix::process::Pid::from_raw(child.id() as i32).expect("a pid");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("signalled");
    assert_eq!(child.wait().expect("ends").code(), Some(0));
    let mut rest = String::new();
    out.read_to_string(&mut rest).expect("readable");
    assert!(rest.contains("shutting down") && rest.contains("stopped"), "{rest}");
}

/// User and system time of a process, in hundredths of a second.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("alive");
    let fields: Vec<&str> = stat.rsplit(')').next().expect("a name").split_whitespace().collect();
    fields[11].parse::<u64>().expect("utime") + fields[12].parse::<u64>().expect("stime")
}

// -- results, arguments, input --------------------------------------------------------------------

#[test]
fn results_become_exit_codes() {
    for (result, code, message) in [
        ("return", 0, ""),
        ("return 7", 7, ""),
        ("return 3.9", 3, ""),
        ("return 0/0", 1, ""),
        ("return true", 0, ""),
        ("return false", 1, ""),
        ("return 'text'", 0, ""),
        ("return {}", 0, ""),
        ("return nil, 'went wrong'", 1, "went wrong"),
        ("error('raised')", 1, "app:cli:2: raised"),
        ("error({})", 1, "table"),
        ("local x = nil; return x.field", 1, "app:cli:2: attempt to index nil"),
    ] {
        let (got, out, err) = body(result);
        assert_eq!((got, out.as_str()), (code, ""), "{result}: {err}");
        assert!(err.contains(message) && (message.is_empty() == err.is_empty()), "{result}: {err}");
    }
}

#[test]
fn arguments_reach_the_process() {
    let project = Project::cli(
        "local io = require('io') local a, b = ... io.print(a, b, #io.args(), io.args()[2])",
    );
    let output = project.run(&["run", "-x", "app:cli", "--", "one", "--two"], "");
    assert_eq!(parts(&output), (0, "one\t--two\t2\t--two\n".into(), String::new()));
}

#[test]
fn a_terminal_host_may_hide_the_log() {
    let run = |hide: &str| {
        let project = Project::cli("require('logger'):info('from the program')");
        let index = fs::read_to_string(project.path().join("src/_index.yaml")).expect("read");
        let hiding = format!("kind: terminal.host\n    hide_logs: {hide}");
        let project =
            project.file("src/_index.yaml", &index.replace("kind: terminal.host", &hiding));
        parts(&project.run(&["run", "-v", "-x", "app:cli"], "")).2
    };
    assert!(run("false").contains("from the program"));
    let hidden = run("true");
    assert!(!hidden.contains("from the program") && hidden.contains("stopped"), "{hidden}");
}

#[test]
fn input_is_bytes_of_any_length() {
    let project = Project::cli(
        "local io = require('io') while true do local line, err = io.readline() \
         if not line then io.print(tostring(err)) return end io.print(#line, (line:byte(1))) end",
    );
    let mut input = b"\xff\xfe\n\r\n".to_vec();
    input.extend(std::iter::repeat_n(b'x', 10_000_000));
    let (code, out, err) = parts(&run(project.command(&["run", "-x", "app:cli"]), &input));
    assert_eq!((code, out.as_str()), (0, "2\t255\n0\tnil\n10000000\t120\nEOF\n"), "{err}");
}

#[test]
fn an_error_in_one_process_harms_no_other() {
    let project = Project::with(
        "  - { name: bad, kind: process.lua, source: 'return { main = function() error(\"bad\") end }' }\n\
         \x20 - { name: cli, kind: process.lua, source: file://cli.lua, modules: [io] }\n",
    )
    .file(
        "src/cli.lua",
        "return { main = function()\n local events = process.events()\n \
         assert(process.spawn_monitored('app:bad', 'app:processes'))\n \
         require('io').print(tostring(events:receive().result.error))\n return 5 end }",
    );
    let (code, out, _) = parts(&project.run(&["run", "-x", "app:cli"], ""));
    assert_eq!(code, 5);
    assert!(out.contains("bad"), "{out}");
}

// -- bad input ------------------------------------------------------------------------------------

/// The run fails with status 1 and says all of `words` on stderr.
#[track_caller]
fn fails(project: &Project, args: &[&str], words: &[&str]) {
    let (code, out, err) = parts(&project.run(args, ""));
    assert_eq!(code, 1, "{out}{err}");
    for word in words {
        assert!(err.contains(word), "no {word:?} in: {err}");
    }
}

const EXEC: &[&str] = &["run", "-x", "app:cli"];
const FINE: &str =
    "  - { name: cli, kind: process.lua, source: 'return { main = function() end }' }\n";

#[test]
fn a_missing_lock_file() {
    let project = Project(tempfile::tempdir().expect("a scratch folder"));
    let folder = project.path().file_name().expect("named").to_string_lossy().into_owned();
    fails(&project, EXEC, &["lock file not found", &folder, "wippy init"]);
}

#[test]
fn entry_files_that_cannot_be_used() {
    let index = |text: &str| Project::new().file("src/_index.yaml", text);
    // The whole file is dropped, the hosts in it too, so what was to be run is missing.
    let missing = "Error: no terminal.host found";
    fails(
        &index("namespace: app\nentries:\n  - name: cli\n   kind: [\n"),
        EXEC,
        &["_index.yaml:4:", "   kind: [", "^", missing],
    );
    fails(
        &index("namespace: app\nentries:\n  - name: cli\n    source: x\n"),
        EXEC,
        &["_index.yaml:3:", "kind is required", missing],
    );
    fails(
        &index("namespace: app\nentries:\n  - kind: process.lua\n"),
        EXEC,
        &["_index.yaml:3:", "name is required", missing],
    );
    fails(
        &Project::with("  - { name: cli, kind: process.lua, source: file://gone.lua }\n"),
        EXEC,
        &["_index.yaml:", "gone.lua", missing],
    );
    let unreadable = Project::with(FINE).file("src/other.yaml/keep", "");
    let (code, ..) = parts(&unreadable.run(EXEC, ""));
    assert_eq!(code, 0, "a folder with such a name is a folder");
    // Also when nothing else is said.
    let project = index("namespace: app\nentries: 3\n");
    fails(&project, &["run", "-s", "-x", "app:cli"], &["_index.yaml:2:", "entries"]);
}

#[test]
fn entries_that_are_wrong() {
    let with = |entry: &str| Project::with(&format!("{FINE}{entry}"));
    let service =
        |fields: &str| with(&format!("  - {{ name: x, kind: process.service, {fields} }}\n"));
    fails(
        &service("process: 'app:cli', host: 'app:processes', lifecycle: { auto_start: 'yes' }"),
        EXEC,
        &["operation failed for entry app:x", "auto_start"],
    );
    fails(&service("host: 'app:processes'"), EXEC, &["app:x", "process is required"]);
    fails(
        &with("  - { name: x, kind: process.lua, source: 5 }\n"),
        EXEC,
        &["operation failed for entry app:x", "source"],
    );
    fails(&with("  - { name: x, kind: process.lua, source: x, modules: 3 }\n"), EXEC, &["modules"]);
    fails(
        &with("  - { name: x, kind: process.lua, source: x, modules: [tiem] }\n"),
        EXEC,
        &["tiem", "time"],
    );
    fails(
        &with("  - { name: x, kind: process.host, host: { workers: -1 } }\n"),
        EXEC,
        &["workers"],
    );
    fails(
        &with("  - { name: x, kind: proces.lua }\n"),
        EXEC,
        &["unknown entry kind: proces.lua", "process.lua", "app:x"],
    );
    fails(
        &Project::cli("local = 1"),
        EXEC,
        &["operation failed for entry app:cli", "app:cli:2:", "local = 1"],
    );
    fails(
        &Project::with("  - { name: cli, kind: process.lua, source: 'return {}', method: go }\n"),
        EXEC,
        &["failed to start process on host: app:terminal", "method \"go\" not found"],
    );
    fails(
        &Project::with("  - { name: cli, kind: process.lua, source: 'require(\"io\")' }\n"),
        EXEC,
        &["failed to start", "module 'io' not found"],
    );
}

#[test]
fn names_that_nobody_has() {
    let project = Project::with(FINE);
    fails(&project, &["run", "-x", "app:cil"], &["entry not found: app:cil", "app:cli"]);
    let host = ["run", "-x", "app:terminl/app:cli"];
    fails(&project, &host, &["terminal host not found: app:terminl", "app:terminal"]);
    fails(&project, &["run", "-x", "cli"], &["invalid exec spec: missing separator ':'"]);
    fails(&project, &["run", "greet"], &["command \"greet\" not found", "wippy run list"]);
    fails(&project, &["run", "--nonsense"], &["Error: ", "--nonsense"]);
    fails(&project, &["nonsense"], &["Error: ", "nonsense"]);
    fails(&project, &["run", "--set", "x"], &["invalid --set"]);
    fails(&project, &["run", "-o", "app:cli:x", "-x", "app:cli"], &["invalid override"]);
}

#[test]
fn settings_that_are_wrong() {
    let project = Project::with(FINE).file(".wippy.yaml", "logger:\n  encoding: json\n");
    fails(&project, EXEC, &["missing version field"]);
    let project = Project::with(FINE).file(".wippy.yaml", "version: [\n");
    fails(&project, EXEC, &["failed to parse YAML"]);
    let project = Project::with(FINE).file("wippy.lock", "directories: 3\n");
    fails(&project, EXEC, &["wippy.lock"]);
    let lock = "directories:\n    modules: .wippy\n    src: ./nowhere\n";
    let project = Project::with(FINE).file("wippy.lock", lock);
    fails(&project, EXEC, &["nowhere"]);
}

// -- other commands -------------------------------------------------------------------------------

#[test]
fn init_twice_harms_nothing() {
    let project = Project(tempfile::tempdir().expect("a scratch folder"));
    let read = || fs::read_to_string(project.path().join("wippy.lock")).expect("written");
    assert_eq!(parts(&project.run(&["init"], "")).0, 0);
    assert_eq!(read(), "directories:\n    modules: .wippy\n    src: ./src\n");
    let edited = format!("{}options:\n    unpack_modules: true\n", read());
    let project = project.file("wippy.lock", &edited);
    assert_eq!(parts(&project.run(&["init"], "")).0, 0);
    assert_eq!(fs::read_to_string(project.path().join("wippy.lock")).ok(), Some(edited));
}

#[test]
fn version_and_help_read_well() {
    let project = Project::new();
    let (code, out, _) = parts(&project.run(&["version", "--short"], ""));
    assert_eq!((code, out.as_str()), (0, concat!(env!("CARGO_PKG_VERSION"), "\n")));
    for (args, words) in [
        (&["--help"][..], &["Usage:", "init", "run", "Examples:"][..]),
        (&[], &["Usage:"]),
        (&["run", "--help"], &["--exec", "--host", "--workers", "Examples:"]),
        (&["init", "--help"], &["--src-dir"]),
        (&["version"], &[env!("CARGO_PKG_VERSION")]),
    ] {
        let (code, out, err) = parts(&project.run(args, ""));
        assert_eq!((code, err.as_str()), (0, ""), "{args:?}");
        for word in words {
            assert!(out.contains(word), "{args:?}: no {word:?} in {out}");
        }
    }
}

#[test]
fn commands_are_listed_and_run() {
    let project = Project::with(
        "  - name: cli\n    kind: process.lua\n    source: 'return { main = function(n) \
         require(\"io\").print(\"hi \" .. n) end }'\n    modules: [io]\n    meta: { command: { name: \
         greet, short: Say hello } }\n",
    );
    let (code, out, _) = parts(&project.run(&["run", "list"], ""));
    assert_eq!(code, 0);
    assert!(out.contains("  greet  Say hello  (app:cli)\n"), "{out}");
    let greeted = parts(&project.run(&["run", "greet", "Ada"], ""));
    assert_eq!(greeted, (0, "hi Ada\n".into(), String::new()));
}

// -- supervision ----------------------------------------------------------------------------------

#[test]
fn services_are_restarted_by_their_policy() {
    let service = |name: &str, body: &str| {
        format!(
            "  - {{ name: {name}-code, kind: process.lua, source: 'return {{ main = function() \
             process.send(\"cli\", \"{name}\") {body} end }}' }}\n  - name: {name}\n    kind: \
             process.service\n    process: app:{name}-code\n    host: app:processes\n    lifecycle: {{ \
             requires: [], restart: {{ initial_delay: 1ms, max_delay: 5ms }} }}\n"
        )
    };
    let entries = format!(
        "{}{}  - {{ name: cli, kind: process.lua, source: file://cli.lua, modules: [io, time] }}\n",
        service("raises", "error(\"again\")"),
        service("refuses", "return nil, \"for good\""),
    );
    let project = Project::with(&entries.replace("requires: [], restart", "auto_start: true, restart"))
        .file(
            "src/cli.lua",
            r#"return { main = function()
                process.registry.register("cli")
                local inbox, raises, refuses = process.inbox(), 0, 0
                while raises < 4 do
                    if inbox:receive():topic() == "raises" then raises = raises + 1 else refuses = refuses + 1 end
                end
                require("io").print(refuses <= 1)
            end }"#,
        );
    let (code, out, err) = parts(&project.run(EXEC, ""));
    assert_eq!((code, out.as_str()), (0, "true\n"), "{err}");
}

#[test]
fn verbose_shows_phases_and_levels() {
    let (code, _, err) = parts(&Project::with(FINE).run(&["run", "-v", "-x", "app:cli"], ""));
    assert_eq!(code, 0);
    for word in ["boot phase done", "component loaded", "\"level\": 0", "runtime ready"] {
        assert!(err.contains(word), "no {word:?} in {err}");
    }
}
