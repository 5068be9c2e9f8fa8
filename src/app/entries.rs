//! The entries of a project, as every command and every embedding program sees them. Nothing is
//! started, nothing is printed.

use crate::app::config_file::Loaded as Configuration;
use crate::app::dependencies::{self, Expander};
use crate::app::pipeline::disable::DisableRules;
use crate::app::pipeline::link::Strictness;
use crate::app::pipeline::{self, Plan, Prepared, overrides};
use crate::app::project::{self, FileProblem, LockFile, Origins, workspace};
use crate::core::registry::Entry;
use crate::infra::error::Result;
use crate::infra::event_bus::Pattern;

/// Told of each file that cannot be used; the others are.
pub type OnProblem<'a> = &'a mut dyn FnMut(&FileProblem);

/// Entries as files define them, before the pipeline.
#[derive(Debug, Default)]
pub struct Defined {
    pub entries: Vec<Entry>,
    /// To be logged at WARN.
    pub warnings: Vec<String>,
    /// The file that each entry came from.
    pub origins: Origins,
}

/// The entries that `lock` leads to, through the pipeline. `override_args` are the arguments of
/// `--override`. The warnings are for the caller; `on_problem` is told before anything else can fail.
pub fn load(
    lock: LockFile,
    configuration: &Configuration,
    override_args: &[String],
    on_problem: OnProblem<'_>,
) -> Result<Prepared> {
    load_with_origins(lock, configuration, override_args, on_problem).map(|(prepared, _)| prepared)
}

/// Like [`load`], with the file that each entry came from.
pub fn load_with_origins(
    lock: LockFile,
    configuration: &Configuration,
    override_args: &[String],
    on_problem: OnProblem<'_>,
) -> Result<(Prepared, Origins)> {
    let mut defined = read(lock, configuration, on_problem)?;
    let origins = std::mem::take(&mut defined.origins);
    Ok((prepare(defined, configuration, override_args)?, origins))
}

/// The entries of the files that `lock` leads to, and of its modules.
pub fn read(
    mut lock: LockFile,
    configuration: &Configuration,
    on_problem: OnProblem<'_>,
) -> Result<Defined> {
    let mut warnings = workspace::apply(&mut lock, &configuration.config, &configuration.dir)?;
    let loaded = project::load_entries(&lock, &matches)?;
    loaded.problems.iter().for_each(on_problem);
    loaded.require_modules()?;
    warnings.extend(loaded.warnings);
    Ok(Defined { entries: loaded.entries, warnings, origins: loaded.origins })
}

/// Through the pipeline, wherever they come from.
pub fn prepare(
    defined: Defined,
    configuration: &Configuration,
    override_args: &[String],
) -> Result<Prepared> {
    let config = &configuration.config;
    let overrides = overrides::collect(config, override_args)?;
    let disable = DisableRules::from_config(config)?;
    let plan = Plan {
        overrides: &overrides,
        disable: &disable,
        matches: &matches,
        strictness: Strictness::Lenient,
    };
    let mut prepared = pipeline::run(defined.entries, &plan)?;
    let mut warnings = defined.warnings;
    warnings.append(&mut prepared.warnings);
    prepared.warnings = warnings;
    Ok(prepared)
}

/// What the registry of a project asks for the modules of a changed dependency.
pub fn expander(
    lock: &LockFile,
    configuration: &Configuration,
    override_args: &[String],
) -> Result<Expander> {
    let Configuration { config, dir, .. } = configuration;
    dependencies::settings::expander(lock, config, dir, override_args)
}

fn matches(pattern: &str, value: &str) -> bool {
    Pattern::parse(pattern).matches(value)
}
