//! The settings and the entries of a project, as all commands see them. Nothing is started.

use std::path::PathBuf;

pub use crate::app::config_file::Loaded as Configuration;
use crate::app::config_file::{self, Sources};
use crate::app::dependencies::{self, Expander};
use crate::app::pipeline::disable::DisableRules;
use crate::app::pipeline::link::Strictness;
use crate::app::pipeline::{self, Plan, Prepared, overrides};
pub use crate::app::project::Origins;
use crate::app::project::{self, LockFile, workspace};
use crate::cli::args::GlobalArgs;
use crate::cli::output;
use crate::infra::error::Result;
use crate::infra::event_bus::Pattern;
use crate::infra::transcoder::Value;

/// The settings from files, profiles and flags.
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
    let files: &[PathBuf] = &global.config;
    let sources = Sources { files, profiles, defaults: &[], flags: &flags, sets, env: &env };
    config_file::load(&sources)
}

/// What the registry of a project asks for the modules of a changed dependency.
pub fn expander(
    lock: LockFile,
    configuration: &Configuration,
    override_args: &[String],
) -> Result<Expander> {
    let Configuration { config, dir, .. } = configuration;
    dependencies::settings::expander(lock, config, dir, override_args)
}

/// The entries that `lock` leads to, through the pipeline. `override_args` are the arguments of
/// `--override`. The warnings are for the caller; files that cannot be used have been shown on stderr
/// even if something else then fails.
pub fn load(
    lock: LockFile,
    configuration: &Configuration,
    override_args: &[String],
    is_console: bool,
) -> Result<Prepared> {
    load_with_origins(lock, configuration, override_args, is_console).map(|(prepared, _)| prepared)
}

/// Like [`load`], with the file that each entry came from.
pub fn load_with_origins(
    mut lock: LockFile,
    configuration: &Configuration,
    override_args: &[String],
    is_console: bool,
) -> Result<(Prepared, Origins)> {
    let config = &configuration.config;
    let mut warnings = workspace::apply(&mut lock, config, &configuration.dir)?;
    let matches = |pattern: &str, value: &str| Pattern::parse(pattern).matches(value);
    let loaded = project::load_entries(&lock, &matches)?;
    for problem in &loaded.problems {
        output::problem(problem, is_console);
    }
    loaded.require_modules()?;
    let overrides = overrides::collect(config, override_args)?;
    let disable = DisableRules::from_config(config)?;
    let plan = Plan {
        overrides: &overrides,
        disable: &disable,
        matches: &matches,
        strictness: Strictness::Lenient,
    };
    let mut prepared = pipeline::run(loaded.entries, &plan)?;
    warnings.extend(loaded.warnings);
    warnings.append(&mut prepared.warnings);
    prepared.warnings = warnings;
    Ok((prepared, loaded.origins))
}
