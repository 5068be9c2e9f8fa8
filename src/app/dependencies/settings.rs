//! The [`Expander`] of a project as configured.
//!
//! | Key | Unset |
//! |---|---|
//! | `registry.dependency_lock_path` | the lock file of the project |
//! | `registry.dependency_vendor_dir` | the vendor directory of that lock file |
//!
//! Relative paths start at the directory of the project. Overrides, disable rules and replacements are those
//! of the boot, so that a module that comes later is what it would have been then.

use std::path::Path;

use crate::app::dependencies::Expander;
use crate::app::pipeline::disable::DisableRules;
use crate::app::pipeline::overrides;
use crate::app::project::{LockFile, workspace};
use crate::infra::config::Config;
use crate::infra::error::Result;

/// `project` is the lock file, as it is on disk; relative replacements of the workspace start at
/// `dir`. Errors are those of the lock file that is configured, and those of the settings.
pub fn expander(
    project: &LockFile,
    config: &Config,
    dir: &Path,
    override_args: &[String],
) -> Result<Expander> {
    let configured = |key: &str| config.get_str(key).filter(|path| !path.is_empty());
    let mut lock = match configured("registry.dependency_lock_path") {
        Some(path) => LockFile::read(&project.resolve(path))?,
        None => project.clone(),
    };
    // What is to be warned of has been said when the entries were read.
    workspace::apply(&mut lock, config, dir)?;
    let vendor_dir = match configured("registry.dependency_vendor_dir") {
        Some(path) => project.resolve(path),
        None => lock.vendor_dir(),
    };
    let overrides = overrides::collect(config, override_args)?;
    let disable = DisableRules::from_config(config)?;
    Ok(Expander { lock, vendor_dir, overrides, disable })
}
