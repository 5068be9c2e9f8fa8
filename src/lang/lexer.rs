//! Source text to tokens, in one pass.
//!
//! What is no token is reported and left out, or, if it is a string or number gone wrong, taken for
//! one, so that the parser sees what was meant.

use super::diagnostic::Diagnostic;
use super::literal;
use super::span::Span;
use super::token::Comment;
use super::token::Token;
use super::token::TokenKind;

/// What a source consists of.
pub struct Lexed {
    /// In order, the last is [`TokenKind::Eof`].
    pub tokens: Vec<Token>,
    /// In order.
    pub comments: Vec<Comment>,
    /// Malformed strings, numbers, bytes.
    pub diagnostics: Vec<Diagnostic>,
}

/// Cuts a source into tokens. Spans fit as long as the source keeps to
/// [`SOURCE_BYTES`](super::limits::SOURCE_BYTES).
pub fn lex(source: &str) -> Lexed {
    let bytes = source.as_bytes();
    let mut lexer = Lexer {
        source,
        bytes,
        at: 0,
        newline: false,
        braces: Vec::new(),
        out: Lexed {
            tokens: Vec::with_capacity(bytes.len() / 4 + 16),
            comments: Vec::new(),
            diagnostics: Vec::new(),
        },
    };
    lexer.run();
    lexer.nul();
    lexer.out
}

/// What an open brace belongs to, as long as an interpolated string is open.
#[derive(PartialEq, Eq)]
enum Brace {
    Normal,
    Hole,
}

struct Lexer<'s> {
    source: &'s str,
    bytes: &'s [u8],
    at: usize,
    newline: bool,
    braces: Vec<Brace>,
    out: Lexed,
}

const NAME: u8 = 1;
const DIGIT: u8 = 2;
const SPACE: u8 = 4;

/// What each byte may be part of.
static CLASS: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_alphabetic() || b == b'_' {
            table[byte] = NAME;
        } else if b.is_ascii_digit() {
            table[byte] = DIGIT;
        } else if matches!(b, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c) {
            table[byte] = SPACE;
        }
        byte += 1;
    }
    table
};

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn is(&self, class: u8) -> bool {
        self.bytes.get(self.at).is_some_and(|byte| CLASS[*byte as usize] & class != 0)
    }

    fn span(&self, start: usize) -> Span {
        Span::new(start as u32, self.at as u32)
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        let token = Token { kind, newline: self.newline, span: self.span(start) };
        self.newline = false;
        self.out.tokens.push(token);
    }

    #[cold]
    fn report(&mut self, span: Span, message: &str) -> &mut Diagnostic {
        self.out.diagnostics.push(Diagnostic::syntax(span, message));
        let last = self.out.diagnostics.len() - 1;
        &mut self.out.diagnostics[last]
    }

    /// For Luau, a NUL byte ends whatever it is in, strings and comments too.
    fn nul(&mut self) {
        let Some(at) = self.bytes.iter().position(|byte| *byte == 0) else { return };
        let span = Span::new(at as u32, at as u32 + 1);
        let known =
            |found: &Diagnostic| found.span.start <= span.start && found.span.end > span.start;
        if !self.out.diagnostics.iter().any(known) {
            self.report(span, "a source has no NUL bytes").help =
                Some("write \\0 in a string".into());
        }
    }

    fn run(&mut self) {
        while let Some(byte) = self.bytes.get(self.at).copied() {
            let start = self.at;
            match CLASS[byte as usize] {
                NAME => {
                    self.at += 1;
                    while self.is(NAME | DIGIT) {
                        self.at += 1;
                    }
                    if self.peek(0) >= 0x80 && self.foreign_letters() > 0 {
                        self.foreign_word(start);
                        continue;
                    }
                    let kind = TokenKind::keyword(&self.bytes[start..self.at]);
                    self.push(kind.unwrap_or(TokenKind::Word), start);
                }
                SPACE => {
                    self.newline |= byte == b'\n';
                    self.at += 1;
                }
                DIGIT => self.number(start),
                _ => self.symbol(byte, start),
            }
        }
        self.push(TokenKind::Eof, self.at);
    }

    fn skip_line(&mut self) {
        // Luau ends a comment at either.
        while self.at < self.bytes.len() && !matches!(self.bytes[self.at], b'\n' | b'\r') {
            self.at += 1;
        }
    }

    fn symbol(&mut self, byte: u8, start: usize) {
        use TokenKind::*;
        let (next, third) = (self.peek(1), self.peek(2));
        let (kind, length) = match byte {
            b'-' if next == b'-' => return self.comment(start),
            b'-' if next == b'>' => (Arrow, 2),
            b'-' if next == b'=' => (MinusAssign, 2),
            b'-' => (Minus, 1),
            b'[' if next == b'[' || next == b'=' => return self.bracket(start),
            b'[' => (LeftBracket, 1),
            b'{' => {
                if !self.braces.is_empty() {
                    self.braces.push(Brace::Normal);
                }
                (LeftBrace, 1)
            }
            b'}' => match self.braces.pop() {
                Some(Brace::Hole) => return self.interp(start, InterpMid, InterpEnd),
                _ => (RightBrace, 1),
            },
            b'=' if next == b'=' => (Equal, 2),
            b'=' => (Assign, 1),
            b'<' if next == b'=' => (LessEqual, 2),
            b'<' => (Less, 1),
            b'>' if next == b'=' => (GreaterEqual, 2),
            b'>' => (Greater, 1),
            b'~' if next == b'=' => (NotEqual, 2),
            b'~' => (Tilde, 1),
            b'"' | b'\'' => return self.quoted(byte, start),
            b'`' => return self.interp(start, InterpBegin, InterpSimple),
            b'.' if next == b'.' && third == b'.' => (Ellipsis, 3),
            b'.' if next == b'.' && third == b'=' => (ConcatAssign, 3),
            b'.' if next == b'.' => (Concat, 2),
            b'.' if next.is_ascii_digit() => return self.number(start),
            b'.' => (Dot, 1),
            b'+' if next == b'=' => (PlusAssign, 2),
            b'+' => (Plus, 1),
            b'/' if next == b'/' && third == b'=' => (DoubleSlashAssign, 3),
            b'/' if next == b'/' => (DoubleSlash, 2),
            b'/' if next == b'=' => (SlashAssign, 2),
            b'/' => (Slash, 1),
            b'*' if next == b'=' => (StarAssign, 2),
            b'*' => (Star, 1),
            b'%' if next == b'=' => (PercentAssign, 2),
            b'%' => (Percent, 1),
            b'^' if next == b'=' => (CaretAssign, 2),
            b'^' => (Caret, 1),
            b':' if next == b':' => (DoubleColon, 2),
            b':' => (Colon, 1),
            b'(' => (LeftParen, 1),
            b')' => (RightParen, 1),
            b']' => (RightBracket, 1),
            b';' => (Semicolon, 1),
            b',' => (Comma, 1),
            b'#' => (Hash, 1),
            b'?' => (Question, 1),
            b'&' => (Amp, 1),
            b'|' => (Pipe, 1),
            b'!' => (Bang, 1),
            b'@' => (At, 1),
            _ => return self.stray(start),
        };
        self.at += length;
        self.push(kind, start);
    }

    /// A name with letters that names do not have.
    #[cold]
    fn foreign_word(&mut self, start: usize) {
        self.at += self.foreign_letters();
        let span = self.span(start);
        let shown: String = span.text(self.source).chars().take(20).collect();
        self.report(span, &format!("malformed name '{shown}'")).help =
            Some("names have ASCII letters, digits and '_' only".into());
        self.push(TokenKind::Word, start);
    }

    /// How many bytes here are letters or digits of any script.
    fn foreign_letters(&self) -> usize {
        let rest = &self.source[self.at..];
        rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
    }

    /// Reports a run of what no token begins with, once.
    #[cold]
    fn stray(&mut self, start: usize) {
        if self.source[start..].starts_with(char::is_alphabetic) {
            return self.foreign_word(start);
        }
        while let Some(byte) = self.bytes.get(self.at) {
            let known = CLASS[*byte as usize] != 0
                || (byte.is_ascii_punctuation() && !matches!(byte, b'$' | b'\\'));
            if known {
                break;
            }
            self.at += 1;
        }
        let span = self.span(start);
        let shown: String = span.text(self.source).chars().take(20).collect();
        let found = self.report(span, &format!("unexpected {shown:?}"));
        if shown.starts_with(['\u{2018}', '\u{2019}', '\u{201c}', '\u{201d}']) {
            found.help = Some("strings are put in straight quotes".into());
        }
    }

    fn comment(&mut self, start: usize) {
        self.at += 2;
        let level = (self.peek(0) == b'[').then(|| self.level()).flatten();
        if let Some(level) = level {
            if !self.long(level) {
                let open = Span::new(start as u32, (start + 4 + level) as u32);
                self.report(open, "this comment has no end").help =
                    Some(format!("close it with ]{}]", "=".repeat(level.min(20))));
            }
            let text = &self.bytes[start..self.at];
            self.newline |= text.contains(&b'\n');
        } else {
            self.skip_line();
        }
        let span = self.span(start);
        self.out.comments.push(Comment { span, block: level.is_some() });
    }

    /// At `[`: how many `=` the long bracket has, if it is one.
    fn level(&self) -> Option<usize> {
        let equals = self.bytes[self.at + 1..].iter().take_while(|byte| **byte == b'=').count();
        (self.peek(1 + equals) == b'[').then_some(equals)
    }

    /// Past the end of a long bracket; at the end of the source if it has none.
    fn long(&mut self, level: usize) -> bool {
        self.at += level + 2;
        while self.at < self.bytes.len() {
            if self.bytes[self.at] == b']' {
                let rest = &self.bytes[self.at + 1..];
                let equals = rest.iter().take_while(|byte| **byte == b'=').count();
                // The bracket that ends this try may begin the next one.
                self.at += 1 + equals;
                if equals == level && rest.get(equals) == Some(&b']') {
                    self.at += 1;
                    return true;
                }
            } else {
                self.at += 1;
            }
        }
        false
    }

    fn bracket(&mut self, start: usize) {
        let Some(level) = self.level() else {
            self.at += 1;
            if self.peek(0) == b'=' {
                // `[=` begins nothing else.
                while self.peek(0) == b'=' {
                    self.at += 1;
                }
                self.report(self.span(start), "a long string begins with [[ or [=[");
                return;
            }
            return self.push(TokenKind::LeftBracket, start);
        };
        if !self.long(level) {
            let open = Span::new(start as u32, (start + 2 + level) as u32);
            self.report(open, "this string has no end").help =
                Some(format!("close it with ]{}]", "=".repeat(level.min(20))));
        }
        self.push(TokenKind::LongString, start);
    }

    fn number(&mut self, start: usize) {
        while matches!(self.peek(0), b'0'..=b'9' | b'.' | b'_') {
            self.at += 1;
        }
        if matches!(self.peek(0), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(0), b'+' | b'-') {
                self.at += 1;
            }
        }
        while self.is(NAME | DIGIT) {
            self.at += 1;
        }
        let span = self.span(start);
        let text = span.text(self.source);
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        if !plain && literal::number(text).is_none() {
            let shown: String = text.chars().take(40).collect();
            self.report(span, &format!("malformed number '{shown}'"));
        }
        self.push(TokenKind::Number, start);
    }

    fn quoted(&mut self, quote: u8, start: usize) {
        self.at += 1;
        loop {
            match self.bytes.get(self.at).copied() {
                Some(byte) if byte == quote => {
                    self.at += 1;
                    break;
                }
                Some(b'\\') => self.escape(),
                None | Some(b'\n' | b'\r') => {
                    self.unfinished(start, "this string has no end on its line", quote);
                    break;
                }
                Some(_) => self.at += 1,
            }
        }
        self.push(TokenKind::Quoted, start);
    }

    #[cold]
    fn unfinished(&mut self, start: usize, message: &str, quote: u8) {
        let span = self.span(start);
        self.report(span, message).help = Some(format!("close it with {}", quote as char));
    }

    /// At a backslash in a string: past the escape, reporting one that makes no sense.
    fn escape(&mut self) {
        let start = self.at;
        self.at += 2;
        match self.bytes.get(start + 1).copied() {
            None => self.at = self.bytes.len(),
            Some(b'\r') if self.peek(0) == b'\n' => self.at += 1,
            Some(b'z') => {
                while self.is(SPACE) {
                    self.at += 1;
                }
            }
            Some(b'x') => {
                for _ in 0..2 {
                    if !self.peek(0).is_ascii_hexdigit() {
                        self.report(self.span(start), "\\x takes two hexadecimal digits");
                        break;
                    }
                    self.at += 1;
                }
            }
            Some(b'u') => {
                if !self.code_point() {
                    let message = "\\u takes a code point in braces, as in \\u{20AC}";
                    self.report(self.span(start), message);
                }
            }
            Some(b'0'..=b'9') => {
                while self.at < start + 4 && self.peek(0).is_ascii_digit() {
                    self.at += 1;
                }
                let digits = &self.source[start + 1..self.at];
                if digits.parse::<u8>().is_err() {
                    let message = format!("\\{digits} is more than 255, so it is no byte");
                    self.report(self.span(start), &message);
                }
            }
            // The rest of a longer character is skipped as text.
            Some(_) => {}
        }
    }

    /// After `\u`: past `{hex}`.
    fn code_point(&mut self) -> bool {
        if self.peek(0) != b'{' {
            return false;
        }
        self.at += 1;
        let start = self.at;
        while self.peek(0).is_ascii_hexdigit() {
            self.at += 1;
        }
        let code = u32::from_str_radix(&self.source[start..self.at], 16);
        let closed = self.peek(0) == b'}';
        self.at += usize::from(closed);
        closed && code.is_ok_and(|code| code < 0x11_0000) && self.at - start <= 17
    }

    /// A piece of an interpolated string, up to a hole or to its end.
    fn interp(&mut self, start: usize, hole: TokenKind, end: TokenKind) {
        self.at += 1;
        loop {
            match self.bytes.get(self.at).copied() {
                Some(b'`') => {
                    self.at += 1;
                    return self.push(end, start);
                }
                Some(b'{') => {
                    self.at += 1;
                    self.braces.push(Brace::Hole);
                    if self.peek(0) == b'{' {
                        let span = Span::new(self.at as u32 - 1, self.at as u32 + 1);
                        self.report(span, "a hole of a string begins with one brace").help =
                            Some("for a brace as text write \\{".into());
                        self.at += 1;
                    }
                    return self.push(hole, start);
                }
                Some(b'\\') => self.escape(),
                None | Some(b'\n' | b'\r') => {
                    self.unfinished(start, "this string has no end on its line", b'`');
                    return self.push(end, start);
                }
                Some(_) => self.at += 1,
            }
        }
    }
}
