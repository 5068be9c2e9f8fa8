//! The text of a document, and its places as the protocol counts them: lines and characters from 0.
//!
//! A line ends with `\n`, `\r\n` or `\r`. A character is a byte or a UTF-16 unit, as agreed with the
//! client. Places that do not exist are moved to the nearest one before them that does.

use std::ops::Range;

/// What a client counts within a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Encoding {
    /// Bytes.
    Utf8,
    /// What clients count that do not say anything else.
    #[default]
    Utf16,
}

impl Encoding {
    /// Its name in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf16 => "utf-16",
        }
    }
}

/// A place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub line: usize,
    pub character: usize,
}

/// A text with its lines.
#[derive(Clone, Debug)]
pub struct Text {
    source: String,
    /// Where lines begin; the first one is 0.
    starts: Vec<usize>,
    /// Every character that is no ASCII, so that a place in a long line is found without reading it.
    wide: Vec<Wide>,
}

/// A character of several bytes.
#[derive(Clone, Copy, Debug)]
struct Wide {
    start: usize,
    end: usize,
    /// How many UTF-16 units less than bytes there are up to its end.
    lag: usize,
}

impl Text {
    pub fn new(source: String) -> Text {
        let bytes = source.as_bytes();
        let mut starts = vec![0];
        for (at, byte) in bytes.iter().enumerate() {
            let ends = match byte {
                b'\n' => true,
                b'\r' => bytes.get(at + 1) != Some(&b'\n'),
                _ => false,
            };
            if ends {
                starts.push(at + 1);
            }
        }
        let (mut wide, mut lag) = (Vec::new(), 0);
        for (start, c) in source.char_indices().filter(|(_, c)| !c.is_ascii()) {
            lag += c.len_utf8() - c.len_utf16();
            wide.push(Wide { start, end: start + c.len_utf8(), lag });
        }
        Text { source, starts, wide }
    }

    /// UTF-16 units before a byte, which begins a character.
    fn units(&self, offset: usize) -> usize {
        let before = self.wide.partition_point(|wide| wide.end <= offset);
        offset - self.wide[..before].last().map_or(0, |wide| wide.lag)
    }

    /// The byte before which there are so many UTF-16 units; of a pair, the first one counts.
    fn byte(&self, units: usize) -> usize {
        let before = self.wide.partition_point(|wide| wide.end - wide.lag <= units);
        let byte = units + self.wide[..before].last().map_or(0, |wide| wide.lag);
        self.wide.get(before).map_or(byte, |next| byte.min(next.start))
    }

    pub fn source(&self) -> &str {
        &self.source
    }

    /// The byte at a place.
    pub fn offset(&self, at: Position, encoding: Encoding) -> usize {
        let Some(start) = self.starts.get(at.line).copied() else { return self.source.len() };
        let end = self.starts.get(at.line + 1).copied().unwrap_or(self.source.len());
        let line = self.source[start..end].trim_end_matches(['\n', '\r']);
        match encoding {
            Encoding::Utf8 => {
                let mut within = at.character.min(line.len());
                while !line.is_char_boundary(within) {
                    within -= 1;
                }
                start + within
            }
            Encoding::Utf16 => {
                let units = self.units(start).saturating_add(at.character);
                // More units than bytes there are not.
                self.byte(units.min(self.source.len())).min(start + line.len())
            }
        }
    }

    /// The place of a byte.
    pub fn position(&self, offset: usize, encoding: Encoding) -> Position {
        let mut offset = offset.min(self.source.len());
        while !self.source.is_char_boundary(offset) {
            offset -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= offset).saturating_sub(1);
        let start = self.starts[line];
        let character = match encoding {
            Encoding::Utf8 => offset - start,
            Encoding::Utf16 => self.units(offset) - self.units(start),
        };
        Position { line, character }
    }

    /// Puts another text in the place of a range; one that ends before it starts is empty.
    pub fn replace(&mut self, range: Range<Position>, with: &str, encoding: Encoding) {
        let start = self.offset(range.start, encoding);
        let end = self.offset(range.end, encoding).max(start);
        let mut source = std::mem::take(&mut self.source);
        source.replace_range(start..end, with);
        *self = Text::new(source);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(line: usize, character: usize) -> Position {
        Position { line, character }
    }

    #[track_caller]
    fn check(source: &str, offset: usize, utf16: Position, utf8: Position) {
        let text = Text::new(source.to_owned());
        for (encoding, expect) in [(Encoding::Utf16, utf16), (Encoding::Utf8, utf8)] {
            assert_eq!(text.position(offset, encoding), expect, "{source:?} {offset}");
            assert_eq!(text.offset(expect, encoding), offset, "{source:?} {expect:?}");
        }
    }

    #[test]
    fn places() {
        check("", 0, at(0, 0), at(0, 0));
        check("ab\ncd", 4, at(1, 1), at(1, 1));
        check("ab\r\ncd", 5, at(1, 1), at(1, 1));
        check("ab\rcd\n", 4, at(1, 1), at(1, 1));
        check("ab\n", 3, at(1, 0), at(1, 0));
        check("äb", 2, at(0, 1), at(0, 2));
        check("x = '🙂' y", 9, at(0, 7), at(0, 9));
    }

    #[test]
    fn places_that_do_not_exist() {
        let text = Text::new("a🙂b\r\nä\n".to_owned());
        for (place, utf16, utf8) in [
            (at(0, 2), 1, 1),
            (at(0, 99), 6, 6),
            (at(1, 99), 10, 10),
            (at(2, 5), 11, 11),
            (at(99, 0), 11, 11),
            (at(usize::MAX, usize::MAX), 11, 11),
        ] {
            assert_eq!(text.offset(place, Encoding::Utf16), utf16, "{place:?}");
            assert_eq!(text.offset(place, Encoding::Utf8), utf8, "{place:?}");
        }
        assert_eq!(text.position(99, Encoding::Utf16), at(2, 0));
    }

    #[test]
    fn changes() {
        let mut text = Text::new("one\ntwo\n".to_owned());
        text.replace(at(0, 1)..at(1, 1), "🙂\n", Encoding::Utf16);
        assert_eq!(text.source(), "o🙂\nwo\n");
        text.replace(at(0, 3)..at(0, 3), "!", Encoding::Utf16);
        assert_eq!(text.source(), "o🙂!\nwo\n");
        text.replace(at(1, 1)..at(0, 0), "-", Encoding::Utf16);
        assert_eq!(text.source(), "o🙂!\nw-o\n");
        text.replace(at(7, 0)..at(9, 0), "end", Encoding::Utf8);
        assert_eq!(text.source(), "o🙂!\nw-o\nend");
    }

    proptest! {
        #[test]
        fn bytes_and_places_go_together(source in "[a\\r\\n\u{e4}\u{1f642}]{0,20}") {
            let text = Text::new(source.clone());
            for encoding in [Encoding::Utf8, Encoding::Utf16] {
                for (offset, _) in source.char_indices() {
                    let place = text.position(offset, encoding);
                    // Between the two bytes of a line end is no place.
                    let inside = source[..offset].ends_with('\r') && source[offset..].starts_with('\n');
                    prop_assert_eq!(text.offset(place, encoding), offset - usize::from(inside));
                }
            }
        }
    }
}
