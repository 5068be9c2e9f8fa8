//! The commands, a file each: what was typed in, an exit code out.

pub mod init;
pub mod lint;
pub mod lsp;
pub mod registry;
pub mod run;
pub mod version;
