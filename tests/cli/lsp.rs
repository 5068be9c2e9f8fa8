//! `wippy lsp`: what an editor and the server say to each other.
//!
//! `lsp/*.txt` are recorded dialogues: `-->` is what the editor says, `<--` what the server answers,
//! `$ROOT` the folder of the project. Long lists are cut at `...`. Every line has to come as it stands
//! there, and nothing else may come.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdout, Stdio};
use std::sync::mpsc;

use crate::SAFETY_NET;
use crate::project::{Project, wait};

/// A server with pipes. Killed when dropped.
struct Session {
    child: Option<Child>,
    messages: mpsc::Receiver<String>,
}

/// The next message of a stream.
fn read(stream: &mut BufReader<ChildStdout>) -> Option<String> {
    let mut header = String::new();
    stream.read_line(&mut header).ok().filter(|read| *read > 0)?;
    let length = header.trim().strip_prefix("Content-Length: ").expect("a length first");
    let length = length.parse().expect("a number");
    stream.read_line(&mut header).expect("an empty line");
    let mut body = vec![0; length];
    stream.read_exact(&mut body).expect("as many bytes as were promised");
    Some(String::from_utf8(body).expect("text"))
}

impl Session {
    fn start(project: &Project, line: &str) -> Session {
        let mut command = project.command(line);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start wippy");
        let mut stream = BufReader::new(child.stdout.take().expect("piped"));
        let (sender, messages) = mpsc::channel();
        std::thread::spawn(move || {
            while let Some(message) = read(&mut stream) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Session { child: Some(child), messages }
    }

    fn raw(&mut self, bytes: &[u8]) {
        let child = self.child.as_mut().expect("running");
        child.stdin.as_mut().expect("piped").write_all(bytes).expect("the server reads");
    }

    fn send(&mut self, message: &str) {
        self.raw(format!("Content-Length: {}\r\n\r\n{message}", message.len()).as_bytes());
    }

    #[track_caller]
    fn next(&self) -> String {
        self.messages.recv_timeout(SAFETY_NET).expect("a message")
    }

    /// Skips messages up to one with this text.
    #[track_caller]
    fn expect(&self, text: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.messages.recv_timeout(SAFETY_NET) {
                Ok(message) if message.contains(text) => return message,
                Ok(message) => seen.push(message),
                Err(_) => panic!("no {text:?} after {seen:#?}"),
            }
        }
    }

    /// Closes the stream; the exit code, what else came, and what was said on stderr.
    #[track_caller]
    fn end(mut self) -> (Option<i32>, Vec<String>, String) {
        let mut child = self.child.take().expect("ends once");
        drop(child.stdin.take());
        let mut stderr = child.stderr.take().expect("piped");
        let code = wait(child).code();
        let mut said = String::new();
        stderr.read_to_string(&mut said).expect("text");
        assert!(!said.contains("panicked"), "{said}");
        (code, self.messages.iter().collect(), said)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

const ENTRIES: &str = "  - name: main
    kind: process.lua
    source: file://main.lua
    modules: [time]
    imports: {shapes: 'app:shapes', inline: 'app:inline'}
  - {name: shapes, kind: library.lua, source: 'file://lib/shapes.lua'}
  - name: inline
    kind: library.lua
    source: |
      return {answer = 42}
";

const MAIN: &str = "\
local time = require(\"time\")
local shapes = require(\"shapes\")
local inline = require(\"inline\")
local io = require(\"io\")

-- Greets.
local function main(name: string)
    local s = \"ä🙂\" local n: number = \"five\"
    time.sleep(\"1s\")
    return shapes.area(2), inline.answer, name
end
return {main = main}
";

const SHAPES: &str = "\
local M = {}
--- The area of a square.
function M.area(side: number): number
    return side * side
end
return M
";

fn sample() -> Project {
    let project = Project::with_entries(ENTRIES);
    project.write("src/main.lua", MAIN);
    project.write("src/lib/shapes.lua", SHAPES);
    project
}

/// Is the line, which may be cut at `...`, what has come?
fn fits(line: &str, message: &str) -> bool {
    match line.strip_suffix("...") {
        Some(start) => message.starts_with(start),
        None => message == line,
    }
}

#[track_caller]
fn replay(project: &Project, flags: &str, dialogue: &str, code: i32) {
    let root = project.path().to_str().expect("text");
    let dialogue = dialogue.replace("$ROOT", root);
    let mut session = Session::start(project, &format!("lsp{flags}"));
    let lines = dialogue.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    for line in lines {
        if let Some(message) = line.strip_prefix("--> ") {
            session.send(message);
        } else if let Some(expect) = line.strip_prefix("<-- ") {
            let message = session.next();
            assert!(fits(expect, &message), "expected {expect}\n     got {message}");
        } else {
            panic!("neither --> nor <--: {line}");
        }
    }
    let (ended, rest, _) = session.end();
    assert_eq!((ended, rest), (Some(code), vec![]));
}

/// Text as a JSON string.
fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}

#[test]
fn a_session_in_a_project() {
    let dialogue = include_str!("lsp/project.txt");
    let dialogue = dialogue.replace("$MAIN", &quoted(MAIN));
    replay(&sample(), "", &dialogue, 0);
}

#[test]
fn a_session_without_a_project() {
    replay(&Project::empty(), "", include_str!("lsp/alone.txt"), 0);
}

#[test]
fn what_makes_no_sense_is_refused() {
    replay(&Project::empty(), "", include_str!("lsp/refused.txt"), 0);
}

#[test]
fn style_rules_are_told_if_asked_for() {
    let dialogue = "\
--> {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{}}
<-- {\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{...
--> {\"jsonrpc\":\"2.0\",\"method\":\"textDocument/didOpen\",\"params\":{\"textDocument\":{\"uri\":\"untitled:1\",\"text\":\"local x = 1\"}}}
<-- {\"jsonrpc\":\"2.0\",\"method\":\"textDocument/publishDiagnostics\",\"params\":{\"uri\":\"untitled:1\",\"diagnostics\":[{\"range\":{\"start\":{\"line\":0,\"character\":6},\"end\":{\"line\":0,\"character\":7}},\"severity\":2,\"code\":\"W0004\",...
--> {\"jsonrpc\":\"2.0\",\"method\":\"exit\"}
";
    replay(&Project::empty(), " --rules --stdio", dialogue, 1);
}

/// The same codes at the same places as `wippy lint --json`.
#[test]
fn diagnostics_are_those_of_lint() {
    let project = sample();
    let linted = project.run("lint --json").exits(1).stdout;
    let count = |text: &str, part: &str| text.matches(part).count();
    assert_eq!(count(&linted, "\"code\":"), 2, "{linted}");
    let mut session = Session::start(&project, "lsp");
    session.send(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#);
    let open = format!(
        r#"{{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{{"textDocument":{{"uri":"file://{}/src/main.lua","languageId":"lua","version":1,"text":{}}}}}}}"#,
        project.path().display(),
        quoted(MAIN)
    );
    session.send(&open);
    let published = session.expect("publishDiagnostics");
    assert_eq!(count(&published, "\"code\":"), 2, "{published}");
    // In characters there, in UTF-16 units here: the smiley has two.
    for (there, here) in [
        (r#""code":"E0010","severity":"error""#, r#""severity":1,"code":"E0010""#),
        (r#""code":"E0001","severity":"error""#, r#""severity":1,"code":"E0001""#),
        (r#""line":4,"column":12"#, r#""start":{"line":3,"character":11}"#),
        (r#""line":8,"column":38"#, r#""start":{"line":7,"character":38}"#),
    ] {
        assert!(linted.contains(there), "{there} in {linted}");
        assert!(published.contains(here), "{here} in {published}");
    }
}

/// A change on disk is seen once the editor tells of it; what is open counts and not the disk.
#[test]
fn files_that_change() {
    let project = sample();
    let root = project.path().display();
    let mut session = Session::start(&project, "lsp");
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"capabilities":{"workspace":{"didChangeWatchedFiles":{"dynamicRegistration":true}}}}}"#;
    session.send(initialize);
    session.expect("\"id\":1");
    session.send(r#"{"jsonrpc":"2.0","method":"initialized","params":{}}"#);
    session.expect("client/registerCapability");
    session.send(r#"{"jsonrpc":"2.0","id":"files","result":null}"#);
    let open = |name: &str, text: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{{"textDocument":{{"uri":"file://{root}/src/{name}","text":{}}}}}}}"#,
            quoted(text)
        )
    };
    session.send(&open("main.lua", MAIN));
    assert!(session.expect("publishDiagnostics").contains("E0010"));
    project.edit("src/_index.yaml", "modules: [time]", "modules: [time, io]");
    session.send(
        r#"{"jsonrpc":"2.0","method":"workspace/didChangeWatchedFiles","params":{"changes":[]}}"#,
    );
    assert!(!session.expect("publishDiagnostics").contains("E0010"));
    // The library as it is open, not as it is on disk.
    let changed = SHAPES.replace("area", "volume");
    session.send(&open("lib/shapes.lua", &changed));
    session.expect("publishDiagnostics");
    let at = r#""position":{"line":9,"character":18}"#;
    let ask = format!(
        r#"{{"jsonrpc":"2.0","id":7,"method":"textDocument/completion","params":{{"textDocument":{{"uri":"file://{root}/src/main.lua"}},{at}}}}}"#
    );
    session.send(&ask);
    let offered = session.expect("\"id\":7");
    assert!(offered.contains("volume") && !offered.contains("area\""), "{offered}");
}

#[test]
fn streams_that_lose_step() {
    let mut session = Session::start(&Project::empty(), "lsp");
    session.send(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#);
    session.expect("\"id\":1");
    session.raw(b"Content-Length: 5\r\n\r\n{\"id\":3, \"method\":\"shutdown\"}");
    session.raw(b"Content-Length: nonsense\r\n\r\n");
    session.raw(&[0xff; 10_000]);
    session.raw(b"\r\n\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd");
    let large = vec![b'['; 9_000_000];
    session.raw(format!("Content-Length: {}\r\n\r\n", large.len()).as_bytes());
    session.raw(&large);
    session.send(&"[".repeat(100_000));
    session.send(r#"{"jsonrpc":"2.0","id":2,"method":"shutdown"}"#);
    let mut refused = 0;
    loop {
        let message = session.next();
        if message.contains("\"id\":2") {
            break;
        }
        assert!(message.contains("\"id\":null,\"error\":{\"code\":-32"), "{message}");
        refused += 1;
    }
    assert!(refused >= 5, "{refused}");
    session.send(r#"{"jsonrpc":"2.0","method":"exit"}"#);
    assert_eq!(session.end().0, Some(0));
}

#[test]
fn exit_codes() {
    let end = |messages: &[&str]| {
        let mut session = Session::start(&Project::empty(), "lsp");
        for message in messages {
            session.send(message);
        }
        session.end().0
    };
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#;
    let shutdown = r#"{"jsonrpc":"2.0","id":2,"method":"shutdown"}"#;
    let exit = r#"{"jsonrpc":"2.0","method":"exit"}"#;
    assert_eq!(end(&[initialize, shutdown, exit]), Some(0));
    assert_eq!(end(&[initialize, shutdown]), Some(0), "the editor has closed the stream");
    assert_eq!(end(&[initialize, exit]), Some(1));
    assert_eq!(end(&[initialize]), Some(1));
    assert_eq!(end(&[exit]), Some(1));
    assert_eq!(end(&[]), Some(1));
}

/// Programs of a size that nobody writes, and positions that are not there.
#[test]
fn huge_documents() {
    let mut session = Session::start(&Project::empty(), "lsp");
    session.send(r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}"#);
    session.expect("\"id\":1");
    let texts = [
        "local x = 1 ".repeat(50_000),
        "(".repeat(500_000),
        "x.".repeat(100_000),
        "🙂".repeat(200_000),
        "{".repeat(100_000) + &"a=function() ".repeat(10_000),
    ];
    for (n, text) in texts.iter().enumerate() {
        let uri = format!("file:///huge{n}.lua");
        session.send(&format!(
            r#"{{"jsonrpc":"2.0","method":"textDocument/didOpen","params":{{"textDocument":{{"uri":"{uri}","text":{}}}}}}}"#,
            quoted(text)
        ));
        let methods = ["hover", "definition", "completion", "signatureHelp", "documentSymbol"];
        for (m, method) in methods.iter().enumerate() {
            let id = 10 + n * 10 + m;
            for place in [100, 99_999_999_999_999_i64] {
                session.send(&format!(
                    r#"{{"jsonrpc":"2.0","id":{id},"method":"textDocument/{method}","params":{{"textDocument":{{"uri":"{uri}"}},"position":{{"line":0,"character":{place}}}}}}}"#
                ));
                session.expect(&format!("\"id\":{id},\"result\""));
            }
        }
    }
    session.send(r#"{"jsonrpc":"2.0","id":2,"method":"shutdown"}"#);
    session.expect("\"id\":2");
    session.send(r#"{"jsonrpc":"2.0","method":"exit"}"#);
    assert_eq!(session.end().0, Some(0));
}
