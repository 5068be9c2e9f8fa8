//! The echo service of the tutorials, as a person uses it and as a script does.
//!
//! Its relay does not react to CANCEL, so every exit takes ten seconds unless Ctrl+C cuts them short.
//! The sessions run side by side in one test, which therefore takes little longer than one of them.

use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Instant;

use crate::AT_ONCE;
use crate::project::{Ended, Running, example, run, wippy};
use crate::pty::Terminal;

/// What one of the programs says.
struct Language {
    folder: &'static str,
    hint: &'static str,
    from_worker: &'static str,
    goodbye: &'static str,
    input: &'static str,
    answer: &'static str,
}

const ENGLISH: Language = Language {
    folder: "echo-service/en",
    hint: "Type messages to echo. Ctrl+C to exit.",
    from_worker: "  from worker: {app:processes|0x",
    goodbye: "Goodbye!",
    input: "hello",
    answer: "HELLO",
};

const LANGUAGES: [Language; 5] = [
    ENGLISH,
    Language {
        folder: "echo-service/de",
        hint: "Nachrichten zum Echo eingeben. Ctrl+C zum Beenden.",
        from_worker: "  von worker: {app:processes|0x",
        goodbye: "Auf Wiedersehen!",
        input: "hallo",
        answer: "HALLO",
    },
    Language { folder: "echo-service/pt", input: "olá você", answer: "OLÁ VOCÊ", ..ENGLISH },
    Language {
        folder: "echo-service/ja",
        input: "hi こんにちは",
        answer: "HI こんにちは",
        ..ENGLISH
    },
    Language {
        folder: "echo-service/ko",
        input: "hi 안녕하세요",
        answer: "HI 안녕하세요",
        ..ENGLISH
    },
];

#[test]
fn echo_sessions() {
    thread::scope(|scope| {
        for (i, language) in LANGUAGES.iter().enumerate() {
            // Both forms, and one that is not cut short.
            let exec = if i % 2 == 0 { "app:terminal/app:cli" } else { "app:cli" };
            scope.spawn(move || by_hand(language, exec, i == 0));
        }
        scope.spawn(|| by_pipe("app:terminal/app:cli"));
        scope.spawn(|| by_pipe("app:cli"));
        scope.spawn(from_a_file);
        scope.spawn(from_dev_null);
        scope.spawn(without_stdin);
        scope.spawn(with_a_log);
        scope.spawn(with_a_shorter_shutdown);
    });
}

fn by_hand(language: &Language, exec: &str, is_patient: bool) {
    let mut terminal = Terminal::start(wippy(&example(language.folder), &format!("run -x {exec}")));
    terminal.expect("Echo Client").expect(language.hint).expect("> ");
    for _ in 0..2 {
        terminal.send(&format!("{}\n", language.input));
        terminal.expect(&format!("  {}", language.answer)).expect(language.from_worker);
        terminal.expect("> ");
    }
    terminal.send("\n").expect(language.goodbye);
    let goodbye_at = Instant::now();
    terminal.expect("waiting for app:relay-service to stop, at most ").expect(" s more; ");
    terminal.expect("Ctrl+C leaves at once");
    if !is_patient {
        terminal.send("\x03");
    }
    let (code, shown) = terminal.end();
    assert_eq!(code, Some(0), "{shown}");
    assert_eq!(shown.matches("waiting for").count(), 1, "{shown}");
    let took = goodbye_at.elapsed();
    assert_eq!(took > 2 * AT_ONCE, is_patient, "{took:?}: {shown}");
}

#[track_caller]
fn check_answer(ended: Ended) {
    let words = ["Echo Client", "> ", "HELLO", "from worker: {app:processes|0x", "> ", "Goodbye!"];
    // There is no terminal to tell that something is being waited for.
    assert_eq!(ended.exits(0).prints(&words).stderr, "");
}

fn english(exec: &str) -> Command {
    wippy(&example(ENGLISH.folder), &format!("run -x {exec}"))
}

fn by_pipe(exec: &str) {
    check_answer(run(english(exec), b"hello\n\n"));
}

fn from_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("input");
    // The end of the file ends the last line, and the program.
    fs::write(&path, "hello").unwrap();
    let mut command = english("app:cli");
    let output = command.stdin(File::open(&path).unwrap()).output().unwrap();
    check_answer(Ended::new("< file".into(), &output));
}

fn from_dev_null() {
    let output = english("app:cli").stdin(Stdio::null()).output().unwrap();
    let ended = Ended::new("< /dev/null".into(), &output).exits(0);
    ended.prints(&["Echo Client", "> ", "Goodbye!"]).without(&["HELLO", "rror"]);
}

fn without_stdin() {
    let mut shell = Command::new("/bin/sh");
    let script = r#"exec "$0" run -x app:cli <&-"#;
    shell.args(["-c", script, env!("CARGO_BIN_EXE_wippy")]).current_dir(example(ENGLISH.folder));
    let output = shell.env_clear().output().unwrap();
    let ended = Ended::new("<&-".into(), &output).exits(0);
    ended.prints(&["Echo Client", "> ", "Goodbye!"]).without(&["HELLO", "rror"]);
}

/// The log with its colours, and the statistics after five seconds. Then the second signal.
fn with_a_log() {
    let mut command = wippy(&example(ENGLISH.folder), "run -c -x app:terminal/app:cli");
    command.stdin(Stdio::piped());
    let mut running = Running::start(command);
    running.expect("runtime ready");
    running.expect("relay started");
    let stdin = running.child().stdin.as_mut().expect("piped");
    std::io::Write::write_all(stdin, b"one\ntwo\n").unwrap();
    for _ in 0..2 {
        let line = running.expect("worker exited");
        assert!(line.contains("{app:processes|0x"), "{line}");
    }
    let stats = running.expect("stats");
    assert!(stats.contains("\"messages\": 2"), "{stats}");
    assert!(stats.contains("\"workers_spawned\": 2"), "{stats}");

    running.signal(rustix::process::Signal::INT);
    running.expect("Goodbye!");
    let second_at = Instant::now();
    running.signal(rustix::process::Signal::INT);
    let (code, lines) = running.end();
    assert_eq!(code, Some(1), "{lines:#?}");
    assert!(second_at.elapsed() < AT_ONCE, "{:?}", second_at.elapsed());
}

/// What is still there at the deadline is left behind.
fn with_a_shorter_shutdown() {
    let mut command = english("app:cli");
    command.args(["-c", "--set", "shutdown.timeout=500ms"]);
    let began = Instant::now();
    let ended = run(command, b"").exits(0);
    ended.prints(&["Goodbye!", "WARN", "shutdown timeout, remaining work is abandoned", "stopped"]);
    assert!(began.elapsed() < 2 * AT_ONCE, "{:?}", began.elapsed());
}
