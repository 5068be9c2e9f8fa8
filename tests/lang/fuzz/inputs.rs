//! Inputs: one for each number, always the same.

use wippy::lang::lexer::lex;
use wippy::lang::span::Span;

use super::grammar::Grammar;
use super::rng::Rng;
use crate::corpus;
use crate::program::TOKENS;

/// Where an input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A program by the grammar.
    Grammar,
    /// The same with tokens put in, taken out, moved.
    Damaged,
    /// A piece of a program of this repository, damaged.
    Corpus,
    /// Bytes, alone or in a program.
    Bytes,
    /// Parts of a program many times over, one behind or inside another.
    Pumped,
    /// The same until it is long: what takes more than linear time shows.
    Long,
}

/// Bytes of a long input.
const LONG: usize = 24 << 10;

pub struct Inputs {
    corpus: Vec<String>,
}

impl Inputs {
    /// With the Lua programs of this repository.
    pub fn new() -> Self {
        let folders = ["tests", "examples", "perf", "src/runtime/modules/declared"];
        let programs = corpus::programs(&folders);
        let mut corpus: Vec<String> = programs.iter().map(|path| corpus::read(path)).collect();
        corpus.sort();
        let corners = include_str!("../corners.txt").lines().map(|line| line.replace('~', "\n"));
        corpus.extend(corners);
        Self { corpus }
    }

    /// The input of this number.
    pub fn get(&self, number: u64) -> (Kind, String) {
        let mut rng = Rng::new(number.wrapping_mul(0xD129_0A4B_1F53_9C65));
        let rng = &mut rng;
        if rng.once_in(3000) {
            return (Kind::Long, self.pumped(rng, LONG));
        }
        match rng.below(100) {
            0..45 => (Kind::Grammar, program(rng)),
            45..60 => {
                let source = program(rng);
                (Kind::Damaged, self.damaged(rng, &source))
            }
            60..75 => {
                let piece = self.piece(rng);
                (Kind::Corpus, self.damaged(rng, &piece))
            }
            75..85 => (Kind::Bytes, self.bytes(rng)),
            _ => (Kind::Pumped, self.pumped(rng, 0)),
        }
    }

    /// Some lines of a program.
    fn piece(&self, rng: &mut Rng) -> String {
        let source = &self.corpus[rng.below(self.corpus.len())];
        let n_lines = source.lines().count().max(1);
        let from = rng.below(n_lines);
        let lines: Vec<&str> = source.lines().skip(from).take(1 + rng.below(9)).collect();
        lines.join("\n")
    }

    fn any(&self, rng: &mut Rng) -> String {
        match rng.once_in(3) {
            true => self.piece(rng),
            false => program(rng),
        }
    }

    fn damaged(&self, rng: &mut Rng, source: &str) -> String {
        let mut text = source.to_owned();
        for _ in 0..1 + rng.below(3) {
            let spans = spans(&text);
            let (from, to) = range(rng, &spans, 6);
            let with = match rng.below(6) {
                0 => String::new(),
                1 => {
                    let other = self.any(rng);
                    let (from, to) = range(rng, &self::spans(&other), 12);
                    other[from..to].to_owned()
                }
                2 => text[from..to].repeat(2),
                _ => rng.pick(&TOKENS).to_owned(),
            };
            // In its place, or before it.
            let to = if rng.once_in(2) { to } else { from };
            text.replace_range(from..to, &format!(" {with} "));
        }
        text
    }

    fn bytes(&self, rng: &mut Rng) -> String {
        let mut bytes = match rng.once_in(2) {
            true => Vec::new(),
            false => self.any(rng).into_bytes(),
        };
        for _ in 0..1 + rng.below(if bytes.is_empty() { 60 } else { 4 }) {
            let at = rng.below(bytes.len() + 1);
            let byte = match rng.below(3) {
                0 => rng.next() as u8,
                1 => rng.pick(b"()[]{}<>\"'`\\-=.:;,~!@#%^&*|?/\n\r\0 "),
                _ => rng.pick(b"aefunxz0189_uxz"),
            };
            bytes.insert(at, byte);
            if rng.once_in(4) {
                bytes.remove(rng.below(bytes.len()));
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// `A X X X B Y Y Y C` of a program `A X B Y C`. With `len`, as long as that.
    fn pumped(&self, rng: &mut Rng, len: usize) -> String {
        let source = self.any(rng);
        let spans = spans(&source);
        let (x_from, x_to) = range(rng, &spans, 12);
        let rest: Vec<Span> =
            spans.iter().copied().filter(|span| span.start as usize >= x_to).collect();
        let (y_from, y_to) = match rest.is_empty() {
            true => (source.len(), source.len()),
            false => range(rng, &rest, 8),
        };
        let (x, y) = (&source[x_from..x_to], &source[y_from..y_to]);
        let n = match len {
            0 => 2 + rng.below(70),
            len => len / (x.len() + y.len() + 2),
        };
        let numbered = rng.once_in(3);
        let repeat = |part: &str| {
            let mut out = String::with_capacity(n * (part.len() + 3));
            for at in 0..n {
                out += part;
                // Names that are all different, if the part ends in one.
                if numbered && part.ends_with(|c: char| c.is_ascii_alphabetic()) {
                    out += &at.to_string();
                }
                out.push(' ');
            }
            out
        };
        let (before, between) = (&source[..x_from], &source[x_to..y_from]);
        format!("{before} {}{between} {}{}", repeat(x), repeat(y), &source[y_to..])
    }
}

fn program(rng: &mut Rng) -> String {
    let (fuel, dialect) = (3 + rng.below(30), !rng.once_in(5));
    Grammar::new(rng, fuel, dialect).program()
}

/// Where the tokens are.
fn spans(source: &str) -> Vec<Span> {
    let spans = lex(source).tokens.into_iter().map(|token| token.span);
    spans.filter(|span| !span.is_empty()).collect()
}

/// Up to so many tokens in a row.
fn range(rng: &mut Rng, spans: &[Span], most: usize) -> (usize, usize) {
    if spans.is_empty() {
        return (0, 0);
    }
    let from = rng.below(spans.len());
    let to = (from + rng.below(most)).min(spans.len() - 1);
    (spans[from].start as usize, spans[to].end as usize)
}
