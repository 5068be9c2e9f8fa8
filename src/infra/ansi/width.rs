//! The cells that a text takes.

use unicode_width::UnicodeWidthChar;

/// A part of a line: text that takes cells, or an escape sequence that takes none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part<'a> {
    Char(&'a str, usize),
    Escape(&'a str),
}

/// Splits a text into characters and escape sequences.
pub struct Parts<'a> {
    rest: &'a str,
}

pub fn parts(text: &str) -> Parts<'_> {
    Parts { rest: text }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let first = self.rest.chars().next()?;
        let len = match first {
            '\u{1b}' => escape_len(self.rest.as_bytes()),
            c => c.len_utf8(),
        };
        let (part, rest) = self.rest.split_at(len);
        self.rest = rest;
        Some(match first {
            '\u{1b}' => Part::Escape(part),
            c => Part::Char(part, c.width().unwrap_or(0)),
        })
    }
}

/// Length of the escape sequence at the start of `bytes`; one that does not end is all there is.
fn escape_len(bytes: &[u8]) -> usize {
    let until = |from: usize, end: fn(u8) -> bool| {
        bytes[from..].iter().position(|&byte| end(byte)).map_or(bytes.len(), |at| from + at + 1)
    };
    let len = match bytes.get(1) {
        // Parameters, then a letter.
        Some(b'[') => until(2, |byte| (0x40..=0x7e).contains(&byte)),
        // Titles and links: until a bell, or the string terminator.
        Some(b']' | b'P' | b'_' | b'^') => {
            let bell = until(2, |byte| byte == 7);
            let terminator = bytes.windows(2).position(|pair| pair == b"\x1b\\");
            terminator.map_or(bell, |at| bell.min(at + 2))
        }
        Some(byte) if byte.is_ascii() => 2,
        _ => 1,
    };
    // Never in the middle of a character.
    (len..bytes.len()).find(|at| bytes[*at] & 0xc0 != 0x80).unwrap_or(bytes.len())
}

/// Cells of one line.
pub fn line_width(line: &str) -> usize {
    if line.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return line.len();
    }
    parts(line).map(|part| if let Part::Char(_, cells) = part { cells } else { 0 }).sum()
}

/// Cells of the widest line.
pub fn width(text: &str) -> usize {
    text.split('\n').map(line_width).max().unwrap_or(0)
}

/// Lines.
pub fn height(text: &str) -> usize {
    1 + text.bytes().filter(|byte| *byte == b'\n').count()
}

/// The line without what lies beyond `cells`; escape sequences stay, so that colours end.
pub fn truncate(line: &str, cells: usize) -> String {
    let mut out = String::new();
    let mut used = 0;
    for part in parts(line) {
        match part {
            Part::Escape(escape) => out.push_str(escape),
            Part::Char(text, width) => {
                used += width;
                if used <= cells {
                    out.push_str(text);
                }
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells() {
        for (text, expect) in [
            ("", 0),
            ("abc", 3),
            ("äöü", 3),
            ("日本", 4),
            ("e\u{301}", 1),
            ("\u{1b}[1;31mred\u{1b}[0m", 3),
            ("\u{1b}]8;;http://x\u{1b}\\link\u{1b}]8;;\u{7}", 4),
            ("\u{1b}", 0),
            ("\u{1b}[12", 0),
            ("\u{1b}é", 1),
            ("a\nbcd\ne", 3),
        ] {
            assert_eq!(width(text), expect, "{text:?}");
        }
        assert_eq!((height(""), height("a\nb\n")), (1, 3));
        assert_eq!(truncate("\u{1b}[1mabc\u{1b}[0m", 2), "\u{1b}[1mab\u{1b}[0m");
        assert_eq!(truncate("日本", 3), "日");
    }
}
