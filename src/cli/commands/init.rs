//! `wippy init`: creates the lock file, or changes the directories in it.

use crate::app::project::lock_file::{self, Init};
use crate::cli::args::{GlobalArgs, InitArgs};
use crate::cli::exit_code::ExitCode;
use crate::cli::output;
use crate::infra::error::Result;

/// Runs the command. Looks at no sources and creates no directories.
pub fn init(global: &GlobalArgs, args: &InitArgs) -> Result<ExitCode> {
    let (src_dir, modules_dir) = (args.src_dir.as_deref(), args.modules_dir.as_deref());
    let (lock, outcome) = lock_file::init(&args.lock_file, src_dir, modules_dir)?;
    if !global.silent {
        let done = match outcome {
            Init::Created => "created",
            Init::Updated => "updated",
            Init::Unchanged => "kept",
        };
        output::note(&format!("INFO\tlock file {done}: {}", lock.path.display()));
        let (src, modules) = (&lock.src_dir, &lock.modules_dir);
        output::note(&format!("INFO\tsources in {src}, modules in {modules}"));
    }
    Ok(ExitCode::Success)
}
