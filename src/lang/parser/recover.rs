//! Errors: how they are said, and how reading goes on after them.
//!
//! Each token is reported at most once. A missing bracket is looked for on the rest of its line; a
//! statement that went wrong is left at the next thing that looks like the start of one.

use super::Parser;
use crate::lang::diagnostic::Diagnostic;
use crate::lang::limits;
use crate::lang::span::Span;
use crate::lang::token::Token;
use crate::lang::token::TokenKind;
use crate::lang::token::TokenKind::*;

/// How many tokens are looked at for a bracket that is missing.
const SEARCH: usize = 64;

impl Parser<'_> {
    /// What a message calls a token.
    pub(super) fn describe(&self, token: Token) -> String {
        let text = self.text(token);
        match token.kind {
            Word | Number => format!("'{}'", shorten(text)),
            Quoted | LongString | InterpSimple => shorten(text),
            kind => kind.describe().into(),
        }
    }

    /// Reports something at the current token, unless that has been reported.
    #[cold]
    #[inline(never)]
    pub(super) fn report(&mut self, found: Diagnostic) {
        if self.stopped || self.reported == Some(self.at) {
            return;
        }
        self.reported = Some(self.at);
        if self.malformed.binary_search(&self.span().start).is_ok() {
            return;
        }
        self.note(found);
    }

    /// Reports something that does not keep the parser from going on as if nothing were wrong.
    #[cold]
    #[inline(never)]
    pub(super) fn note(&mut self, found: Diagnostic) {
        if self.stopped {
            return;
        }
        self.diagnostics.push(found);
        if self.diagnostics.len() >= limits::DIAGNOSTICS {
            self.stop();
        }
    }

    /// Reports that the current token is not what should be here.
    #[cold]
    #[inline(never)]
    pub(super) fn expected(&mut self, what: &str, context: &str) {
        let found = self.unexpected(what, context);
        self.report(found);
    }

    pub(super) fn unexpected(&self, what: &str, context: &str) -> Diagnostic {
        let token = self.token();
        let got = self.describe(token);
        let blank = if context.is_empty() { "" } else { " " };
        Diagnostic::syntax(token.span, format!("expected {what}{blank}{context}, got {got}"))
    }

    /// Takes a token that must come here. If another one stands before it, that is skipped.
    pub(super) fn expect(&mut self, kind: TokenKind, context: &str) -> Option<Span> {
        if self.kind == kind {
            return Some(self.bump());
        }
        self.expected(kind.describe(), context);
        if self.peek_kind(1) == kind && !self.peek(1).newline {
            self.bump();
            return Some(self.bump());
        }
        None
    }

    /// Takes the word that comes before a body. If something else stands before it on the line, that
    /// is skipped.
    pub(super) fn expect_body(&mut self, kind: TokenKind, context: &str) {
        if self.eat(kind).is_none() {
            self.expected(kind.describe(), context);
            self.search(kind);
        }
    }

    /// Takes the token that closes what `open` has opened.
    pub(super) fn close(&mut self, kind: TokenKind, open: Span) -> Option<Span> {
        if self.kind == kind {
            return Some(self.bump());
        }
        self.unclosed(kind, open);
        self.search(kind)
    }

    #[cold]
    #[inline(never)]
    fn unclosed(&mut self, kind: TokenKind, open: Span) {
        let opener = open.text(self.source);
        let mut found = self.unexpected(kind.describe(), &format!("to close '{opener}'"));
        let line = self.ast.lines.line(open.start);
        if line != self.ast.lines.line(found.span.start) {
            found = found.related(open, format!("'{opener}' is opened here"));
        }
        if kind == Greater && self.at(GreaterEqual) {
            found = found.help("put a blank between '>' and '='");
        }
        self.report(found);
    }

    /// Looks for a bracket on the rest of the line and goes past it.
    fn search(&mut self, kind: TokenKind) -> Option<Span> {
        let mut depth = 0u32;
        for ahead in 0..SEARCH {
            let token = self.peek(ahead);
            match token.kind {
                _ if token.newline && ahead > 0 => return None,
                found if found == kind && depth == 0 => {
                    for _ in 0..ahead {
                        self.bump();
                    }
                    return Some(self.bump());
                }
                LeftParen | LeftBrace | LeftBracket | Func | If | Do | Repeat => depth += 1,
                RightParen | RightBrace | RightBracket | End | Until => {
                    depth = depth.checked_sub(1)?;
                }
                Eof => return None,
                _ => {}
            }
        }
        None
    }

    /// Takes the `end` (or `until`) of what begins at `open`.
    pub(super) fn close_block(&mut self, kind: TokenKind, open: Span) -> Option<Span> {
        if self.kind == kind {
            if self.suspect.is_none() && self.token().newline && !self.aligned(open) {
                self.suspect = Some(open);
            }
            return Some(self.bump());
        }
        let opener = open.text(self.source);
        let mut found = self.unexpected(kind.describe(), &format!("to close '{opener}'"));
        let place = self.suspect.filter(|_| self.at(Eof)).unwrap_or(open);
        let line = self.ast.lines.line(place.start);
        found = if place == open {
            found.related(open, format!("'{opener}' on line {line}"))
        } else {
            let opener = place.text(self.source);
            found.related(place, format!("'{opener}' on line {line} may be what stays open"))
        };
        self.report(found);
        None
    }

    /// Does the current token stand in the column where the line of `open` begins?
    fn aligned(&self, open: Span) -> bool {
        let lines = &self.ast.lines;
        let indent = |line: u32| {
            let text = lines.span(line, self.source).unwrap_or_default().text(self.source);
            text.bytes().take(200).take_while(u8::is_ascii_whitespace).count()
        };
        let (line, column) = lines.position(self.span().start);
        let first = lines.line(open.start);
        line == first || indent(first) as u32 + 1 == column
    }

    /// At the top of a file, at a word that closes a block: reports and skips it.
    #[cold]
    pub(super) fn unopened(&mut self) {
        let what = self.describe(self.token());
        let mut found = Diagnostic::syntax(self.span(), format!("{what} closes nothing"));
        if let Some(place) = self.suspect {
            let line = self.ast.lines.line(place.start);
            let opener = place.text(self.source);
            found = found.related(place, format!("'{opener}' on line {line} may end too early"));
        }
        self.report(found);
        self.bump();
    }

    /// After an error in a statement: to where the next one may begin.
    #[cold]
    #[inline(never)]
    pub(super) fn synchronize(&mut self) {
        let mut depth = 0u32;
        loop {
            match self.kind {
                Eof | End | Else | Elseif | Until | Semicolon if depth == 0 => return,
                Eof => return,
                Local | Return | While | For | Repeat if depth == 0 => return,
                If | Do | Func | Word | DoubleColon if depth == 0 && self.token().newline => {
                    return;
                }
                // A function or block inside what went wrong is skipped whole.
                Func | If | Do | Repeat => depth += 1,
                End | Until => depth = depth.saturating_sub(1),
                _ => {}
            }
            self.bump();
        }
    }

    #[cold]
    pub(super) fn too_deep(&mut self) -> bool {
        let message = format!("this is nested more than {} levels deep", limits::DEPTH);
        self.reported = None;
        self.report(Diagnostic::syntax(self.span(), message).help("take parts of it out"));
        self.stop();
        false
    }

    /// Goes to the end of the source, silently.
    fn stop(&mut self) {
        self.stopped = true;
        self.at = self.tokens.len() - 1;
        self.kind = Eof;
    }
}

fn shorten(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let short: String = line.chars().take(30).collect();
    if short.len() < text.len() { format!("{short}...") } else { short }
}
