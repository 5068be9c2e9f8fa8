//! Application: project files to a running system.

pub mod config_file;
pub mod node;
pub mod pipeline;
pub mod project;
