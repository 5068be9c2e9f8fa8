//! What is known of places, in the shapes of the protocol.

use crate::app::lsp::text::{Encoding, Position, Text};
use crate::infra::transcoder::Value;
use crate::lang::check::codes::{self, Severity};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::lookup::{CallHelp, Completion, CompletionKind, Hover, Symbol, SymbolKind};
use crate::lang::span::Span;

fn number(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

fn position(at: Position) -> Value {
    Value::from([("line", number(at.line)), ("character", number(at.character))])
}

/// A span as a range of the document.
pub fn range(span: Span, text: &Text, encoding: Encoding) -> Value {
    let place = |at: u32| position(text.position(at as usize, encoding));
    Value::from([("start", place(span.start)), ("end", place(span.end))])
}

/// A span of a document as a place that can be opened.
pub fn location(uri: &str, span: Span, text: &Text, encoding: Encoding) -> Value {
    Value::from([("uri", uri.into()), ("range", range(span, text, encoding))])
}

/// A finding, with advice below its message.
pub fn diagnostic(found: &Diagnostic, uri: &str, text: &Text, encoding: Encoding) -> Value {
    let severity = match codes::severity(found.code) {
        Severity::Error => 1,
        Severity::Warning => 2,
        Severity::Hint => 4,
    };
    let message = match &found.help {
        Some(help) => format!("{}\nhelp: {help}", found.message),
        None => found.message.clone(),
    };
    let mut fields = vec![
        ("range", range(found.span, text, encoding)),
        ("severity", Value::Int(severity)),
        ("code", found.code.0.into()),
        ("source", "wippy".into()),
        ("message", message.into()),
    ];
    if [codes::UNUSED_LOCAL, codes::UNUSED_PARAMETER, codes::UNUSED_REQUIRE].contains(&found.code) {
        const UNNECESSARY: i64 = 1;
        fields.push(("tags", Value::List(vec![Value::Int(UNNECESSARY)])));
    }
    if let Some((span, note)) = &found.related {
        let related = Value::from([
            ("location", location(uri, *span, text, encoding)),
            ("message", note.as_str().into()),
        ]);
        fields.push(("relatedInformation", Value::List(vec![related])));
    }
    map(fields)
}

/// What is shown beside the pointer.
pub fn hover(hover: &Hover, text: &Text, encoding: Encoding, markdown: bool) -> Value {
    let code = match markdown {
        true => format!("```lua\n{}\n```", hover.code),
        false => hover.code.clone(),
    };
    let shown = match hover.doc.as_str() {
        "" => code,
        doc => format!("{code}\n\n{doc}"),
    };
    let kind = if markdown { "markdown" } else { "plaintext" };
    let contents = Value::from([("kind", kind.into()), ("value", shown.into())]);
    Value::from([("contents", contents), ("range", range(hover.span, text, encoding))])
}

/// What could be written.
pub fn completion(completion: &Completion) -> Value {
    let kind = match completion.kind {
        CompletionKind::Method => 2,
        CompletionKind::Function => 3,
        CompletionKind::Field => 5,
        CompletionKind::Variable => 6,
        CompletionKind::Type => 7,
        CompletionKind::Module => 9,
        CompletionKind::Keyword => 14,
    };
    let mut fields = vec![("label", completion.label.as_str().into()), ("kind", Value::Int(kind))];
    if !completion.detail.is_empty() {
        fields.push(("detail", completion.detail.as_str().into()));
    }
    if !completion.doc.is_empty() {
        fields.push(("documentation", completion.doc.as_str().into()));
    }
    map(fields)
}

/// The call around a place.
pub fn call_help(help: &CallHelp) -> Value {
    let param = |label: &String| Value::from([("label", label.as_str().into())]);
    let mut fields = vec![
        ("label", help.label.as_str().into()),
        ("parameters", Value::List(help.params.iter().map(param).collect())),
    ];
    if !help.doc.is_empty() {
        fields.push(("documentation", help.doc.as_str().into()));
    }
    Value::from([
        ("signatures", Value::List(vec![map(fields)])),
        ("activeSignature", Value::Int(0)),
        ("activeParameter", number(help.active)),
    ])
}

/// A declaration in the list of a document.
pub fn symbol(symbol: &Symbol, text: &Text, encoding: Encoding) -> Value {
    let kind = match symbol.kind {
        SymbolKind::Method => 6,
        SymbolKind::Type => 11,
        SymbolKind::Function => 12,
        SymbolKind::Variable => 13,
        SymbolKind::Constant => 14,
    };
    Value::from([
        ("name", symbol.name.as_str().into()),
        ("kind", Value::Int(kind)),
        ("range", range(symbol.span, text, encoding)),
        ("selectionRange", range(symbol.name_span, text, encoding)),
    ])
}

fn map(fields: Vec<(&str, Value)>) -> Value {
    Value::Map(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}
