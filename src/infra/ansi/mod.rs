//! Texts for terminals: how wide they are, how they are cut, joined, placed and coloured. Pure.
//!
//! A text has lines, between `\n`. Escape sequences take no room, wide characters two cells. All
//! results of one call are bounded by [`SIZE_MAX`], whatever sizes a program asks for.

pub mod layout;
pub mod style;
pub mod width;
mod wrap;

/// Cells in either direction that a text is ever filled up to.
pub const SIZE_MAX: usize = 10_000;

/// Bytes of a result: what goes beyond is an error.
pub const LEN_MAX: usize = 16 << 20;

/// The result would be larger than any terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLarge;
