//! What is wrong with a source, and where. How it is shown is decided elsewhere.

use super::span::Span;

/// Stable names of findings, as `wippy lint --code` takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Code(pub &'static str);

/// The source does not parse, or breaks a rule that Luau's own compiler enforces.
pub const SYNTAX: Code = Code("P0001");

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which kind of finding.
    pub code: Code,
    /// Where; never empty except at the end of the source.
    pub span: Span,
    /// What is wrong, in one line.
    pub message: String,
    /// Another place that explains this one, such as the bracket that stays open.
    pub related: Option<(Span, String)>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// A syntax error.
    pub fn syntax(span: Span, message: impl Into<String>) -> Self {
        Self { code: SYNTAX, span, message: message.into(), related: None, help: None }
    }

    /// Adds advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds the place that explains this one.
    #[must_use]
    pub fn related(mut self, span: Span, message: impl Into<String>) -> Self {
        self.related = Some((span, message.into()));
        self
    }
}
