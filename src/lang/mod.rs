//! The language of applications: from source text to a tree with resolved names.

pub mod ast;
pub mod diagnostic;
pub mod limits;
pub mod span;
pub mod token;
pub mod lexer;
pub mod literal;
pub mod parser;
pub mod resolve;
pub mod print;
