//! `wippy run`.

use crate::cli::args::{GlobalArgs, RunArgs};
use crate::cli::exit_code::ExitCode;
use crate::infra::error::{Error, Result};

/// Runs an application.
pub fn run(_global: &GlobalArgs, _args: RunArgs) -> Result<ExitCode> {
    Err(Error::unavailable("this build cannot run applications yet"))
}
