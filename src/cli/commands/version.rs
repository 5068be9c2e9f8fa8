//! `wippy version`, and the banner.

use crate::cli::args::{GlobalArgs, VersionArgs};
use crate::cli::exit_code::ExitCode;
use crate::cli::output;
use crate::infra::error::Result;

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Set by whoever builds a release.
const BUILD_DATE: Option<&str> = option_env!("WIPPY_BUILD_DATE");

/// Runs the command.
pub fn version(global: &GlobalArgs, args: &VersionArgs) -> Result<ExitCode> {
    if args.short {
        output::line(VERSION);
    } else if !global.silent {
        output::raw(&banner());
    }
    Ok(ExitCode::Success)
}

/// Logo, version and build date, ending in an empty line.
pub fn banner() -> String {
    let build = BUILD_DATE.unwrap_or("development build");
    format!(
        "          _\n__      _(_)_ __  _ __  _   _\n\\ \\ /\\ / / | '_ \\| '_ \\| | | |\n \
         \\ V  V /| | |_) | |_) | |_| |\n  \\_/\\_/ |_| .__/| .__/ \\__, |\n           \
         |_|   |_|    |___/\n\nwippy {VERSION} ({build})\n\n"
    )
}
