//! Programs under `tests/lua` with all they say about their surroundings in comments.
//!
//! | Comment | Meaning |
//! |---|---|
//! | `... --> INFO name message {"k": 1}` | this line logs this record; all records, in order |
//! | `--< text` | a line of its input, `\r` for a carriage return |
//! | `--<< text` | the end of its input, without a line feed |
//! | `--\| text` | a line on its stdout; together that is all of it |
//! | `--! text` | a line on its stderr |
//! | `--$ one two` | its arguments |
//! | `--@ unhurried` | nobody is preempted in the first second |
//!
//! A program with input, output or arguments runs on a terminal session, whose streams are pipes. What
//! is logged is compared when the program has at least one `-->`; `pid` and `location` are checked,
//! not written.

use std::io::{self, PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex};

use wippy::core::reactor::terminal::{Input, Output};
use wippy::infra::error::Result;
use wippy::infra::logger::{Level, Logger, Mode, Settings};
use wippy::infra::transcoder::Value;
use wippy::services::terminal::TerminalSession;
use wippy::system::spawn::TerminalPort;

use crate::lua::run_in;

/// Is nobody to be preempted for a while?
pub fn is_unhurried(source: &str) -> bool {
    marked(source, "--@") == ["unhurried"]
}

/// What follows `mark`, of all lines that begin with it.
fn marked<'a>(source: &'a str, mark: &str) -> Vec<&'a str> {
    let lines = source.lines().filter_map(|line| line.trim_start().strip_prefix(mark));
    lines.map(|rest| rest.strip_prefix(' ').unwrap_or(rest)).collect()
}

/// Runs the program; panics if it fails, or if something else happens than it says.
#[track_caller]
pub fn check(source: &str) {
    let log = Log::default();
    let logger = log.logger();
    let terminal = Terminal::of(source);
    let port = terminal.as_ref().map(|terminal| terminal.session.clone() as Arc<dyn TerminalPort>);
    let result: Result<Value> = run_in(source, logger.clone(), port);
    if let Err(error) = result {
        panic!("{error}");
    }
    if let Some(terminal) = terminal {
        let (out, err) = terminal.written();
        assert_eq!(out, lines_of(&marked(source, "--|")), "stdout");
        assert_eq!(err, lines_of(&marked(source, "--!")), "stderr");
    }
    let expect: Vec<(usize, &str)> = (1..)
        .zip(source.lines())
        .filter_map(|(n, line)| Some((n, line.split_once("--> ")?.1)))
        .collect();
    if !expect.is_empty() {
        logger.flush();
        let records = log.records();
        let records: Vec<(usize, &str)> = records.iter().map(|(n, text)| (*n, &**text)).collect();
        assert_eq!(records, expect, "logged");
    }
}

fn lines_of(lines: &[&str]) -> String {
    lines.iter().flat_map(|line| [line, "\n"]).collect()
}

// -- the log -----------------------------------------------------------------------------------

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Writes every level here.
    fn logger(&self) -> Logger {
        let settings = Settings { min_level: Level::Debug, ..Settings::default() };
        Logger::start_on(Mode::Default, settings, Box::new(self.clone())).unwrap()
    }

    /// Source line and text of each record, `pid` and `location` taken out. A record whose location
    /// the program has replaced is of line 0.
    fn records(&self) -> Vec<(usize, String)> {
        let text = String::from_utf8(self.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| {
                let (_, text) = line.split_once('\t').expect("a time before the record");
                let mut text = text.to_owned();
                if let Some(pid) = take_first(&mut text, "pid") {
                    assert!(pid.starts_with("{app:processes|0x"), "{line}");
                }
                let location = take_first(&mut text, "location");
                let line = location.map_or(0, |location| {
                    let line = location.strip_prefix("app:test:").expect("a place in the program");
                    line.parse().expect("a line number")
                });
                let text = text.strip_suffix("\t{}").unwrap_or(&text);
                (line, text.replace('\t', " "))
            })
            .collect()
    }
}

/// Takes the field `key`, a text without quotes in it, out of the record if it is the first one.
fn take_first(record: &mut String, key: &str) -> Option<String> {
    let start = record.find("\t{")? + 2;
    let value =
        start + record[start..].strip_prefix(&format!("\"{key}\": \"")).map(|_| key.len() + 5)?;
    let end = value + record[value..].find('"')?;
    let text = record[value..end].to_owned();
    let after = if record[end..].starts_with("\", ") { end + 3 } else { end + 1 };
    record.replace_range(start..after, "");
    Some(text)
}

// -- the terminal ------------------------------------------------------------------------------

struct Terminal {
    session: Arc<TerminalSession>,
    streams: [(PipeReader, io::PipeWriter); 2],
}

/// Written after all that the program has written.
const END: &[u8] = b"\0end";

impl Terminal {
    fn of(source: &str) -> Option<Terminal> {
        let marks = ["--<", "--|", "--!", "--$"];
        if !marks.iter().any(|mark| !marked(source, mark).is_empty()) {
            return None;
        }
        let (stdin, mut typed) = io::pipe().unwrap();
        for line in marked(source, "--<") {
            // It fits into the pipe, or this would wait for a reader that is not there yet.
            match line.strip_prefix("< ") {
                Some(rest) => typed.write_all(rest.as_bytes()).unwrap(),
                None => writeln!(typed, "{}", line.replace("\\r", "\r")).unwrap(),
            }
        }
        let args = marked(source, "--$").into_iter().flat_map(|line| line.split(' '));
        let args = args.map(str::to_owned).collect();
        let streams = [io::pipe().unwrap(), io::pipe().unwrap()];
        let [out, err] = [0, 1].map(|n: usize| streams[n].1.try_clone().unwrap().into());
        // A session is made for streams that are there as long as the program is.
        let fd: &'static PipeReader = Box::leak(Box::new(stdin.try_clone().unwrap()));
        let (out, err) = (Output::on(out), Output::on(err));
        let session =
            Arc::new(TerminalSession::on(args, Input::on(stdin.into()), out, err, fd.as_fd()));
        Some(Terminal { session, streams })
    }

    /// What has been written to stdout and stderr.
    fn written(self) -> (String, String) {
        let [out, err] = self.streams.map(|(mut reader, mut writer)| {
            writer.write_all(END).unwrap();
            let mut text = Vec::new();
            while !text.ends_with(END) {
                let mut chunk = [0; 4096];
                let len = reader.read(&mut chunk).unwrap();
                text.extend_from_slice(&chunk[..len]);
            }
            text.truncate(text.len() - END.len());
            String::from_utf8_lossy(&text).into_owned()
        });
        (out, err)
    }
}
