//! What is printed on the terminal, apart from logs.
//!
//! A reader that went away (`wippy … | head`) is no error: output to a closed stream is dropped.

use std::io::{self, IsTerminal, Write};

use crate::app::project::FileProblem;
use crate::infra::error::Error;
use crate::infra::transcoder::Value;

const RED: &str = "\x1b[31m";
const DIM: &str = "\x1b[2m";
const RESET: &str = "\x1b[0m";

/// Writes `text` and a newline to stdout.
pub fn line(text: &str) {
    write(&mut io::stdout().lock(), &format!("{text}\n"));
}

/// Writes `text` to stdout as it is.
pub fn raw(text: &str) {
    write(&mut io::stdout().lock(), text);
}

/// Writes `text` and a newline to stderr.
pub fn note(text: &str) {
    write(&mut io::stderr().lock(), &format!("{text}\n"));
}

/// Stdout is a terminal, so colours are welcome.
pub fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Prints an error on stderr: `Error: <text>` on one line, then what it quotes. In console mode
/// there is no prefix, and the quoted source has colours.
pub fn error(error: &Error, is_console: bool) {
    note(&render_error(error, is_console));
}

/// Prints a dropped file on stderr, in the same style.
pub fn problem(problem: &FileProblem, is_console: bool) {
    note(&render_problem(problem, is_console));
}

fn render_error(error: &Error, is_console: bool) -> String {
    // A cause may bring its own line breaks; the first line tells it all, the rest is quotation.
    let mut text = error.to_string();
    if let Some(quote) = error.details().and_then(|d| d.get("quote")).and_then(Value::as_str) {
        text.push('\n');
        text.push_str(quote);
    }
    match text.split_once('\n') {
        None if is_console => text,
        None => format!("Error: {text}"),
        Some((first, quote)) if is_console => format!("{first}\n{}", coloured(quote)),
        Some(_) => format!("Error: {text}"),
    }
}

fn render_problem(problem: &FileProblem, is_console: bool) -> String {
    let first = format!("{}: {}", problem.place(), problem.reason);
    match problem.quote() {
        None => first,
        Some(quote) if is_console => format!("{first}\n{}", coloured(&quote)),
        Some(quote) => format!("{first}\n{quote}"),
    }
}

/// Dims quoted source and makes its markers red.
fn coloured(quote: &str) -> String {
    let is_marker = |line: &str| {
        let rest = line.trim_start().trim_start_matches('|').trim();
        !rest.is_empty() && rest.chars().all(|c| matches!(c, '^' | '~'))
    };
    let lines: Vec<String> = quote
        .lines()
        .map(|line| {
            let colour = if is_marker(line) { RED } else { DIM };
            format!("{colour}{line}{RESET}")
        })
        .collect();
    lines.join("\n")
}

fn write(stream: &mut dyn Write, text: &str) {
    // There is nobody left to tell about a failure here.
    let _ = stream.write_all(text.as_bytes()).and_then(|()| stream.flush());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_one_line_and_what_they_quote() {
        let error = Error::invalid("b").context("a");
        assert_eq!(render_error(&error, false), "Error: a: b");
        assert_eq!(render_error(&error, true), "a: b");
        let quote = Value::from(" 1 | x\n   | ^");
        let error = error.with_details(Value::from([("quote", quote)])).context("c");
        assert_eq!(render_error(&error, false), "Error: c: a: b\n 1 | x\n   | ^");
        assert_eq!(
            render_error(&error, true),
            "c: a: b\n\x1b[2m 1 | x\x1b[0m\n\x1b[31m   | ^\x1b[0m"
        );
    }

    #[test]
    fn a_closed_stream_is_fine() {
        struct Closed;
        impl Write for Closed {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
        }
        write(&mut Closed, "text");
    }
}
