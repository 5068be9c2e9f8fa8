//! [`FileProblem`]: what is wrong with a project file, and where, in the style of a compiler.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::app::project::document::Position;
use crate::infra::error::Error;
use crate::infra::transcoder::Value;

/// Longest part of a source line that is shown, in characters.
const SHOWN_MAX: usize = 100;
/// How much of a cut line stands before the column that matters.
const SHOWN_BEFORE: usize = 60;
const TAB: &str = "    ";

/// One reason why a file, or a part of it, was not used.
///
/// `Display` prints `path:line:col: reason`, then the line with a caret beneath. Line and column
/// count from 1, the column in characters; line 0 means that no place in the file is to blame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileProblem {
    pub path: PathBuf,
    pub line: usize,
    pub column: usize,
    /// The line as it stands in the file, without its end.
    pub source_line: String,
    pub reason: String,
}

impl FileProblem {
    /// A problem of the file as a whole, for example one that cannot be read.
    pub fn whole_file(path: &Path, reason: impl Into<String>) -> FileProblem {
        FileProblem {
            path: path.to_owned(),
            line: 0,
            column: 0,
            source_line: String::new(),
            reason: reason.into(),
        }
    }

    /// A problem at a place of `text`, the content of the file.
    pub fn at(path: &Path, text: &str, at: Position, reason: impl Into<String>) -> FileProblem {
        let line = text.split('\n').nth(at.line.saturating_sub(1)).unwrap_or_default();
        FileProblem {
            path: path.to_owned(),
            line: at.line,
            column: at.column,
            source_line: line.trim_end_matches('\r').to_owned(),
            reason: reason.into(),
        }
    }

    /// The file is not UTF-8: `content` is valid up to byte `valid_len` only.
    pub fn not_utf8(path: &Path, content: &[u8], valid_len: usize) -> FileProblem {
        let before = &content[..valid_len.min(content.len())];
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        let line_len = content[line_start..].iter().position(|b| *b == b'\n');
        let line_end = line_len.map_or(content.len(), |len| line_start + len);
        FileProblem {
            path: path.to_owned(),
            line: before.iter().filter(|b| **b == b'\n').count() + 1,
            column: String::from_utf8_lossy(&before[line_start..]).chars().count() + 1,
            source_line: String::from_utf8_lossy(&content[line_start..line_end])
                .trim_end_matches('\r')
                .to_owned(),
            reason: "file is not valid UTF-8".to_owned(),
        }
    }

    /// `path`, with the line and the column where they are known.
    pub fn place(&self) -> String {
        match self.line {
            0 => self.path.display().to_string(),
            line => format!("{}:{line}:{}", self.path.display(), self.column),
        }
    }

    /// The line of the file with a caret beneath, or `None` if no line is to blame.
    ///
    /// A long line is cut around the column; tabs become spaces, other control characters a
    /// replacement character, so that a file cannot steer the terminal.
    pub fn quote(&self) -> Option<String> {
        if self.line == 0 {
            return None;
        }
        let length = self.source_line.chars().count();
        let column_idx = self.column.saturating_sub(1).min(length);
        let skipped = if length <= SHOWN_MAX { 0 } else { column_idx.saturating_sub(SHOWN_BEFORE) };

        let mut shown = String::new();
        let mut caret = 0;
        if skipped > 0 {
            shown.push('…');
            caret = 1;
        }
        for (i, c) in self.source_line.chars().enumerate().skip(skipped).take(SHOWN_MAX) {
            let before = shown.len();
            match c {
                '\t' => shown.push_str(TAB),
                c if c.is_control() => shown.push(char::REPLACEMENT_CHARACTER),
                c => shown.push(c),
            }
            if i < column_idx {
                caret += shown[before..].chars().count();
            }
        }
        if length > skipped + SHOWN_MAX {
            shown.push('…');
        }
        let number = self.line.to_string();
        let (gutter, caret) = (" ".repeat(number.len()), " ".repeat(caret));
        Some(format!(" {number} | {}\n {gutter} | {caret}^", shown.trim_end()))
    }

    /// This problem as an error; the quoted line goes along in the details, under `quote`, for
    /// whoever prints it.
    pub fn into_error(self, message: impl Into<String>) -> Error {
        let error = Error::invalid(message);
        match self.quote() {
            Some(quote) => error.with_details(Value::from([
                ("path", Value::from(self.path.display().to_string())),
                ("line", Value::Int(self.line as i64)),
                ("column", Value::Int(self.column as i64)),
                ("quote", Value::from(format!("  --> {}\n{quote}", self.place()))),
            ])),
            None => error,
        }
    }
}

impl fmt::Display for FileProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place(), self.reason)?;
        match self.quote() {
            Some(quote) => write!(f, "\n{quote}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, line: usize, column: usize, expect: &str) {
        let at = Position { line, column };
        let problem = FileProblem::at(Path::new("src/a.yaml"), text, at, "no good");
        assert_eq!(problem.to_string(), expect);
    }

    #[test]
    fn points_at_the_column() {
        check("a: b\nkind: 5\n", 2, 7, "src/a.yaml:2:7: no good\n 2 | kind: 5\n   |       ^");
        check("a: b\r\n", 1, 4, "src/a.yaml:1:4: no good\n 1 | a: b\n   |    ^");
        check("\tx: y", 1, 2, "src/a.yaml:1:2: no good\n 1 |     x: y\n   |     ^");
        check("a\u{1b}[2Jb", 1, 3, "src/a.yaml:1:3: no good\n 1 | a\u{fffd}[2Jb\n   |   ^");
    }

    #[test]
    fn places_beyond_the_text_do_no_harm() {
        check("a: b", 1, 99, "src/a.yaml:1:99: no good\n 1 | a: b\n   |     ^");
        check("a: b", 9, 9, "src/a.yaml:9:9: no good\n 9 | \n   | ^");
    }

    #[test]
    fn cuts_long_lines_around_the_column() {
        let text = format!("{}HERE{}", "é".repeat(300), "y".repeat(300));
        let at = Position { line: 1, column: 301 };
        let quote = FileProblem::at(Path::new("a"), &text, at, "").quote().unwrap();
        let lines: Vec<&str> = quote.lines().collect();
        assert!(lines[0].chars().count() < 120, "{quote}");
        let caret = lines[1].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[0].chars().skip(caret).take(4).collect::<String>(), "HERE");
    }

    #[test]
    fn bad_bytes_are_found() {
        let problem = FileProblem::not_utf8(Path::new("a"), b"ok\nx\xc3\xa9 \xff!\nz", 7);
        assert_eq!((problem.line, problem.column), (2, 4));
        assert_eq!(problem.source_line, "xé \u{fffd}!");
    }
}
