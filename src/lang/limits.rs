//! How much of everything one source may have. Past a limit there is a diagnostic, never a crash.

/// Bytes of a source. Spans are 32 bits wide.
pub const SOURCE_BYTES: usize = 1 << 30;

/// How deep a tree may be: nested blocks, expressions and types, and links of one chain such as
/// `a.b.c` or `x + y + z`. Luau has the same limit, and counts about the same. Whoever walks a tree
/// recursively needs this many of his own frames.
pub const DEPTH: u32 = 1000;

/// Diagnostics of one source; what comes after is rarely news. Luau has the same limit.
pub const DIAGNOSTICS: usize = 100;
