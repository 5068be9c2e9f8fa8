//! The settings of a project, from files, profiles and flags.

use std::path::Path;

pub use crate::app::config_file::Loaded as Configuration;
use crate::app::config_file::{self, Sources};
use crate::cli::args::GlobalArgs;
use crate::infra::error::Result;
use crate::infra::transcoder::Value;

/// Reads the files and lays profiles and flags over them.
pub fn configuration(
    global: &GlobalArgs,
    profiles: &[String],
    sets: &[String],
) -> Result<Configuration> {
    let env = |name: &str| std::env::var(name).ok();
    let mut flags: Vec<(&str, Value)> = Vec::new();
    if global.event_streams {
        flags.push(("logmanager.stream_to_events", Value::Bool(true)));
    }
    let files = config_file::files(&global.config, Path::new(""));
    let sources =
        Sources { files: &files, profiles, defaults: &[], flags: &flags, sets, env: &env };
    config_file::load(&sources)
}
