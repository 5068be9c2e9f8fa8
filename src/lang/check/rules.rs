//! Style rules.
