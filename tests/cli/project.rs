//! Scratch projects, and the binary run on them to its end.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;

use tempfile::TempDir;

use crate::SAFETY_NET;

/// Hosts for processes and for the terminal; the start of most projects.
pub const HOSTS: &str = "\
version: \"1.0\"
namespace: app
entries:
  - {name: terminal, kind: terminal.host, lifecycle: {auto_start: true}}
  - {name: processes, kind: process.host, lifecycle: {auto_start: true}}
";

/// An entry for `src/cli.lua`, which may use the modules listed here.
pub const CLI: &str = "  - name: cli
    kind: process.lua
    source: file://cli.lua
    method: main
    modules: [errors, io, json, logger, process, time, events, registry, tty]
";

/// A folder that is gone when this is dropped.
pub struct Project {
    dir: TempDir,
}

impl Project {
    /// A folder with nothing in it.
    pub fn empty() -> Project {
        Project { dir: tempfile::tempdir().expect("a scratch folder") }
    }

    /// A lock file, [`HOSTS`], and these entries, written as YAML in the list `entries`.
    pub fn with_entries(entries: &str) -> Project {
        let project = Project::empty();
        project.write("wippy.lock", "directories:\n    modules: .wippy\n    src: ./src\n");
        project.write("src/_index.yaml", &format!("{HOSTS}{entries}"));
        project
    }

    /// A project with the process `app:cli`, whose chunk is `lua`.
    pub fn with_cli(lua: &str) -> Project {
        let project = Project::with_entries(CLI);
        project.write("src/cli.lua", lua);
        project
    }

    /// A project with the process `app:cli`, whose `main` has this body.
    pub fn with_main(body: &str) -> Project {
        Project::with_cli(&format!(
            "local io = require(\"io\")\nreturn {{ main = function(...)\n{body}\nend }}\n"
        ))
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("make a folder");
        fs::write(path, text).expect("write a file of the project");
    }

    /// Replaces text in a file, which must have it.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.path().join(name)).expect("read a file of the project");
        assert!(text.contains(from), "{name} has no {from:?}");
        self.write(name, &text.replace(from, to));
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// The binary with these arguments, separated by spaces, in this folder.
    pub fn command(&self, line: &str) -> Command {
        wippy(self.path(), line)
    }

    /// Runs the binary to its end, without input.
    pub fn run(&self, line: &str) -> Ended {
        run(self.command(line), b"")
    }

    /// Runs the binary to its end, with this input.
    pub fn run_with_input(&self, line: &str, input: &[u8]) -> Ended {
        run(self.command(line), input)
    }
}

/// One of the example projects.
pub fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name)
}

/// The binary with arguments separated by spaces, in an environment of its own.
pub fn wippy(dir: &Path, line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_wippy"));
    command.args(line.split_whitespace()).current_dir(dir).env_clear();
    command
}

/// Runs a command to its end, with this input in a pipe.
#[track_caller]
pub fn run(mut command: Command, input: &[u8]) -> Ended {
    let line = format!("{:?}", command.get_args().collect::<Vec<_>>());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("start wippy");
    let mut stdin = child.stdin.take().expect("piped");
    let input = input.to_vec();
    // A program need not read what it is given.
    std::thread::spawn(move || drop(stdin.write_all(&input)));
    Ended::new(line, &within_limit(child, Child::wait_with_output))
}

/// Waits for the end of a child, which gets no more time than [`SAFETY_NET`].
#[track_caller]
pub fn wait(child: Child) -> ExitStatus {
    within_limit(child, |mut child| child.wait())
}

#[track_caller]
fn within_limit<T: Send + 'static>(
    child: Child,
    wait: impl FnOnce(Child) -> std::io::Result<T> + Send + 'static,
) -> T {
    let pid = rustix::process::Pid::from_child(&child);
    let (sender, end) = mpsc::channel();
    std::thread::spawn(move || sender.send(wait(child)));
    match end.recv_timeout(SAFETY_NET) {
        Ok(end) => end.expect("the end of a child"),
        Err(_) => {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            panic!("still running after {SAFETY_NET:?}");
        }
    }
}

/// A run that is over.
#[derive(Debug)]
pub struct Ended {
    /// Which run this was, for the reader of a failed test.
    #[expect(dead_code, reason = "shown by Debug")]
    line: String,
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Whatever happened, there was no panic.
    #[track_caller]
    pub fn new(line: String, output: &Output) -> Ended {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let ended = Ended {
            line,
            code: output.status.code(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        };
        ended.without(&["panicked", "RUST_BACKTRACE"])
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Ended {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    /// Exit code 1, nothing on stdout, and an error with these words on stderr, in this order.
    #[track_caller]
    pub fn fails(self, words: &[&str]) -> Ended {
        assert_eq!(self.stdout, "", "{self:#?}");
        let ended = self.exits(1).says(words);
        let errors = ended.stderr.lines().filter(|line| line.starts_with("Error: ")).count();
        assert_eq!(errors, 1, "one error: {ended:#?}");
        ended
    }

    /// Stderr has these words, in this order.
    #[track_caller]
    pub fn says(self, words: &[&str]) -> Ended {
        self.check_order("stderr", &self.stderr, words);
        self
    }

    /// Stdout has these words, in this order.
    #[track_caller]
    pub fn prints(self, words: &[&str]) -> Ended {
        self.check_order("stdout", &self.stdout, words);
        self
    }

    #[track_caller]
    fn check_order(&self, stream: &str, text: &str, words: &[&str]) {
        let mut rest = text;
        for word in words {
            match rest.split_once(word) {
                Some((_, after)) => rest = after,
                None => panic!("no {word:?} at its place on {stream}: {self:#?}"),
            }
        }
    }

    /// Neither stream has any of these words.
    #[track_caller]
    pub fn without(self, words: &[&str]) -> Ended {
        for word in words {
            let found = self.stdout.contains(word) || self.stderr.contains(word);
            assert!(!found, "{word:?} is there: {self:#?}");
        }
        self
    }
}

/// A child whose output is read line by line while it runs. Killed when dropped.
pub struct Running {
    child: Option<Child>,
    lines: mpsc::Receiver<String>,
}

impl Running {
    /// Starts a command with pipes for stdout and stderr; both end up among the lines.
    pub fn start(mut command: Command) -> Running {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("start wippy");
        let (sender, lines) = mpsc::channel();
        let streams: [Box<dyn Read + Send>; 2] = [
            Box::new(child.stdout.take().expect("piped")),
            Box::new(child.stderr.take().expect("piped")),
        ];
        for stream in streams {
            let sender = sender.clone();
            std::thread::spawn(move || {
                for line in BufReader::new(stream).lines().map_while(Result::ok) {
                    // Whoever started it may have heard enough.
                    let _ = sender.send(line);
                }
            });
        }
        Running { child: Some(child), lines }
    }

    pub fn child(&mut self) -> &mut Child {
        self.child.as_mut().expect("there until it has ended")
    }

    /// Skips lines up to one with this text, and returns that.
    #[track_caller]
    pub fn expect(&self, text: &str) -> String {
        let mut seen = Vec::new();
        loop {
            match self.lines.recv_timeout(SAFETY_NET) {
                Ok(line) if line.contains(text) => return line,
                Ok(line) => seen.push(line),
                Err(_) => panic!("no {text:?} after {seen:#?}"),
            }
        }
    }

    pub fn signal(&mut self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(self.child());
        rustix::process::kill_process(pid, signal).expect("it is running");
    }

    /// Waits for the end; returns the exit code and the lines not seen so far.
    #[track_caller]
    pub fn end(mut self) -> (Option<i32>, Vec<String>) {
        let mut child = self.child.take().expect("ends once");
        drop(child.stdin.take());
        let status = wait(child);
        let lines: Vec<String> = self.lines.iter().collect();
        assert!(!lines.iter().any(|line| line.contains("panicked")), "{lines:#?}");
        (status.code(), lines)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
