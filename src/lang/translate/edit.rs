//! Edits of a source.

use std::borrow::Cow;

use crate::lang::span::Span;

/// Puts a text in the place of a span. At one place, those that come first stay first.
#[derive(Clone, Debug)]
pub(super) struct Edit {
    pub(super) span: Span,
    /// Line ends of the span are kept behind it.
    pub(super) text: Cow<'static, str>,
}

/// The edited source. Edits may come in any order, and lie in each other only at their starts.
pub(super) fn apply(source: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.span.start);
    let growth: usize = edits.iter().map(|edit| edit.text.len()).sum();
    let mut out = String::with_capacity(source.len() + growth);
    let mut at = 0;
    for Edit { span, text } in &edits {
        let start = span.start as usize;
        if start > at {
            out.push_str(&source[at..start]);
            at = start;
        }
        part(&mut out, text.as_bytes().first().copied());
        out.push_str(text);
        let lines = span.text(source).bytes().filter(|byte| *byte == b'\n').count();
        out.extend(std::iter::repeat_n('\n', lines));
        if span.end as usize > at {
            at = span.end as usize;
            part(&mut out, source.as_bytes().get(at).copied());
        }
    }
    out.push_str(&source[at..]);
    out
}

/// A blank where what comes next would become part of the token before.
fn part(out: &mut String, next: Option<u8>) {
    let sticky = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.');
    if next.is_some_and(sticky) && out.as_bytes().last().copied().is_some_and(sticky) {
        out.push(' ');
    }
}
