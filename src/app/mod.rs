//! Application: project files to a running system.

pub mod boot;
pub mod components;
pub mod config_file;
pub mod dependencies;
pub mod exec;
pub mod infrastructure;
pub mod lint;
pub mod log_events;
pub mod lsp;
pub mod node;
pub mod outside;
pub mod pipeline;
pub mod project;
pub mod registry_settings;
pub mod render;
pub mod shutdown;
