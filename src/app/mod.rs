//! Application: project files to a running system.

pub mod args;
pub mod boot;
pub mod builder;
pub mod components;
pub mod config_file;
pub mod dependencies;
pub mod endpoint;
pub mod entries;
pub mod exec;
pub mod infrastructure;
pub mod lint;
pub mod log_events;
pub mod lsp;
pub mod node;
pub mod outside;
pub mod payload_format;
pub mod pending;
pub mod pid_text;
pub mod pipeline;
pub mod project;
pub mod registry_settings;
pub mod render;
pub mod runtime;
pub mod settings;
pub mod shutdown;
