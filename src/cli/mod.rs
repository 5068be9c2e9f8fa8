//! Command line: flags, what is printed on the terminal, exit codes.
//!
//! Two stages. [`args`] says what was typed and has no effects; a command in [`commands`] decides
//! what that means and does it. Errors come back here and are printed once.

pub mod args;
pub mod commands;
pub mod configuration;
pub mod exec_spec;
pub mod exit_code;
pub mod memory_limit;
pub mod output;

use std::env;
use std::ffi::OsString;

use clap::CommandFactory;

use crate::cli::args::{Cli, Command, GlobalArgs, Refusal};
use crate::cli::exit_code::ExitCode;
use crate::infra::error::{Error, Result};

/// Runs the program with the arguments of this process.
pub fn main() -> ExitCode {
    run(env::args_os())
}

/// Runs the program with `args`, the name of the program included.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match args::parse(args) {
        Ok(cli) => cli,
        Err(Refusal::Help(text)) => {
            output::raw(&text);
            return ExitCode::Success;
        }
        Err(Refusal::Error(error)) => {
            output::error(&error, false);
            return ExitCode::Failure;
        }
    };
    let is_console = cli.global.console;
    dispatch(cli).unwrap_or_else(|error| {
        output::error(&error, is_console);
        ExitCode::Failure
    })
}

fn dispatch(cli: Cli) -> Result<ExitCode> {
    let Cli { global, command } = cli;
    enter_directory(&global)?;
    match command {
        Some(Command::Run(args)) => commands::run::run(&global, args),
        Some(Command::Init(args)) => commands::init::init(&global, &args),
        Some(Command::Version(args)) => commands::version::version(&global, &args),
        Some(Command::Registry(args)) => commands::registry::registry(&global, &args),
        Some(Command::Lint(args)) => commands::lint::lint(&global, &args),
        Some(Command::Lsp(args)) => commands::lsp::lsp(&global, &args),
        None => {
            if !global.silent {
                output::raw(&commands::version::banner());
            }
            output::raw(&Cli::command().render_help().to_string());
            Ok(ExitCode::Success)
        }
    }
}

fn enter_directory(global: &GlobalArgs) -> Result<()> {
    let Some(dir) = &global.directory else {
        return Ok(());
    };
    env::set_current_dir(dir).map_err(|error| {
        Error::invalid(error.to_string()).context(format!("cannot work in {}", dir.display()))
    })
}
