//! `wippy lsp`: a language server for the Lua sources of a project, on stdin and stdout. Nothing is
//! started.

use std::env;
use std::io::{self, BufReader};
use std::path::Path;

use crate::app::entries;
use crate::app::lsp::{self, project::Project};
use crate::app::project::LockFile;
use crate::cli::args::{GlobalArgs, LspArgs};
use crate::cli::configuration::configuration;
use crate::cli::exit_code::ExitCode;
use crate::cli::output;
use crate::infra::error::{Error, Result};

pub fn lsp(global: &GlobalArgs, args: &LspArgs) -> Result<ExitCode> {
    let mut is_first = true;
    let mut load = |root: Option<&Path>| {
        // The folder that the client works in is ours, unless one was named.
        if let Some(root) = root.filter(|_| is_first && global.directory.is_none())
            && let Err(error) = env::set_current_dir(root)
        {
            output::note(&format!("cannot work in {}: {error}", root.display()));
        }
        is_first = false;
        let here = env::current_dir().unwrap_or_default();
        // The client's own name for the folder, which may be that of a link.
        let root = root.filter(|root| is_same(root, &here)).unwrap_or(&here);
        project(global, args, root).unwrap_or_else(|error| {
            output::error(&error, global.console);
            Project::default()
        })
    };
    let input = BufReader::new(io::stdin());
    let served = lsp::serve(input, &mut io::stdout().lock(), &mut load, args.rules);
    match served {
        Ok(true) => Ok(ExitCode::Success),
        Ok(false) => Ok(ExitCode::Failure),
        Err(error) => Err(Error::unavailable(error.to_string()).context("cannot answer")),
    }
}

/// The entries of the project here; none if there is no project.
fn project(global: &GlobalArgs, args: &LspArgs, root: &Path) -> Result<Project> {
    if !args.lock_file.exists() {
        return Ok(Project::default());
    }
    let configuration = configuration(global, &args.profiles, &args.sets)?;
    let lock = LockFile::read(&args.lock_file)?;
    let mut on_problem = |problem: &_| output::problem(problem, global.console);
    let (prepared, origins) =
        entries::load_with_origins(lock, &configuration, &[], &mut on_problem)?;
    Ok(Project::new(&prepared.entries, &origins, root))
}

fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}
