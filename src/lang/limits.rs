//! How much of everything one source may have. Past a limit there is a diagnostic, never a crash.

/// Bytes of a source. Spans are 32 bits wide.
pub const SOURCE_BYTES: usize = 1 << 30;

/// How high a tree may be. A link of a chain such as `a.b.c` or `x .. y .. z` counts 1. Luau has the
/// same limit for these. Whoever walks a tree recursively needs at most so many of his own frames.
pub const DEPTH: u32 = 1000;

/// What a level of nesting counts: a block, function, bracket or type inside another one. They cost
/// our parser some frames each: about 200 of them fit, in 0.3 MB of stack (1 MB in a debug build). Luau
/// takes 1000, Lua itself 200.
pub const NESTING_WEIGHT: u32 = 3;

/// Diagnostics of one source; what comes after is rarely news. Luau has the same limit.
pub const DIAGNOSTICS: usize = 100;
