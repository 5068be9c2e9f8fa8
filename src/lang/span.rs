//! Places in a source: byte spans, and the lines they stand on.

use std::fmt;
use std::ops::Range;

/// A stretch of the source in bytes, `start..end`. Empty where something is missing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset after the last byte.
    pub end: u32,
}

impl Span {
    /// The bytes from `start` up to `end`.
    pub fn new(start: u32, end: u32) -> Self {
        Self { start, end }
    }

    /// The gap at `at`.
    pub fn empty(at: u32) -> Self {
        Self { start: at, end: at }
    }

    /// From the start of this span to the end of `last`.
    pub fn to(self, last: Span) -> Self {
        Self { start: self.start, end: last.end.max(self.start) }
    }

    /// Does the position lie in the span or at its end?
    pub fn touches(self, at: u32) -> bool {
        self.start <= at && at <= self.end
    }

    /// Bytes in the span.
    pub fn len(self) -> u32 {
        self.end.saturating_sub(self.start)
    }

    /// Is nothing in the span?
    pub fn is_empty(self) -> bool {
        self.end <= self.start
    }

    /// For slicing the source.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The source text below the span; empty when it is none of this source's spans.
    pub fn text(self, source: &str) -> &str {
        source.get(self.range()).unwrap_or_default()
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.start, self.end)
    }
}

/// Where lines begin. Lines end with `\n`; `\r` alone ends none, as in Luau.
#[derive(Clone, Debug)]
pub struct Lines {
    starts: Vec<u32>,
}

impl Lines {
    /// The lines of a source.
    pub fn new(source: &str) -> Self {
        let after = |(at, byte): (usize, u8)| (byte == b'\n').then_some(at as u32 + 1);
        let starts = std::iter::once(0).chain(source.bytes().enumerate().filter_map(after));
        Self { starts: starts.collect() }
    }

    /// Line and column of a byte offset, both from 1; the column counts bytes.
    pub fn position(&self, at: u32) -> (u32, u32) {
        let line = self.starts.partition_point(|start| *start <= at).max(1);
        (line as u32, at - self.starts[line - 1] + 1)
    }

    /// The line, from 1, on which a byte offset lies.
    pub fn line(&self, at: u32) -> u32 {
        self.position(at).0
    }

    /// The bytes of a line, from 1, with its line end; `None` past the last line.
    pub fn span(&self, line: u32, source: &str) -> Option<Span> {
        let start = *self.starts.get((line as usize).checked_sub(1)?)?;
        let end = self.starts.get(line as usize).copied().unwrap_or(source.len() as u32);
        Some(Span::new(start, end))
    }

    /// How many lines there are; at least one.
    pub fn count(&self) -> usize {
        self.starts.len()
    }
}
