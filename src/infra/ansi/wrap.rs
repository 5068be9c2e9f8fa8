//! Lines of a bounded width: broken between words or behind a hyphen where that is possible, within them
//! where not.

use crate::infra::ansi::width::{Part, parts};

/// Wraps each line of `text` to at most `cells`, which is not zero.
pub(super) fn wrap(text: &str, cells: usize) -> String {
    let mut out = String::with_capacity(text.len());
    for (n, line) in text.split('\n').enumerate() {
        if n > 0 {
            out.push('\n');
        }
        Wrapper {
            out: &mut out,
            cells,
            used: 0,
            space: String::new(),
            word: String::new(),
            word_width: 0,
        }
        .line(line);
    }
    out
}

struct Wrapper<'a> {
    out: &'a mut String,
    cells: usize,
    /// Cells of the line so far.
    used: usize,
    /// Spaces behind it, which vanish at a line's end.
    space: String,
    word: String,
    word_width: usize,
}

impl Wrapper<'_> {
    fn line(mut self, line: &str) {
        for part in parts(line) {
            match part {
                Part::Escape(escape) => self.word.push_str(escape),
                Part::Char(" ", _) => {
                    self.end_word();
                    self.space.push(' ');
                }
                Part::Char(text, width) => {
                    if self.word_width + width > self.cells && self.word_width > 0 {
                        // A word longer than a line.
                        self.end_word();
                    }
                    self.word.push_str(text);
                    self.word_width += width;
                    if text == "-" {
                        self.end_word();
                    }
                }
            }
        }
        self.end_word();
        if self.used + self.space.len() <= self.cells {
            self.out.push_str(&self.space);
        }
    }

    fn end_word(&mut self) {
        if self.word.is_empty() {
            return;
        }
        if self.word_width > 0 && self.used + self.space.len() + self.word_width > self.cells {
            if self.used > 0 {
                self.out.push('\n');
            }
            self.used = 0;
        } else {
            self.out.push_str(&self.space);
            self.used += self.space.len();
        }
        self.space.clear();
        self.out.push_str(&self.word);
        self.used += self.word_width;
        self.word.clear();
        self.word_width = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_stay_whole_where_they_can() {
        for (text, cells, expect) in [
            ("one two three", 7, "one two\nthree"),
            ("one two", 3, "one\ntwo"),
            ("abcdefgh", 3, "abc\ndef\ngh"),
            ("a abcdefgh b", 4, "a\nabcd\nefgh\nb"),
            ("  indented text", 10, "  indented\ntext"),
            ("a\n\nb", 1, "a\n\nb"),
            ("日本語", 4, "日本\n語"),
            ("\u{1b}[1mab cd\u{1b}[0m", 2, "\u{1b}[1mab\ncd\u{1b}[0m"),
            ("日", 1, "日"),
            ("one-two-three four", 7, "one-\ntwo-\nthree\nfour"),
            ("one-two-three four", 10, "one-two-\nthree four"),
            ("- item", 4, "-\nitem"),
        ] {
            assert_eq!(wrap(text, cells), expect, "{text:?} to {cells}");
        }
    }
}
