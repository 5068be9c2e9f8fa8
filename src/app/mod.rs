//! Application: project files to a running system.

pub mod config_file;
pub mod pipeline;
pub mod project;
