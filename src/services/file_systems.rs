//! `fs.directory`: a directory of this machine as a file system. Specification 06, section 5.1.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{env, fs, io};

use crate::core::expansion::Expansion;
use crate::core::registry::Entry;
use crate::core::registry::decode::Fields;
use crate::core::registry::listener::Listener;
use crate::infra::error::{Error, Result};
use crate::system::file_systems::Directory;
use crate::system::kernel::Kernel;

const MODE: u32 = 0o755;

/// Takes the entries of the kind.
pub struct DirectoryListener {
    pub kernel: Arc<Kernel>,
    /// Knows where modules are.
    pub expansion: Option<Arc<dyn Expansion>>,
}

impl DirectoryListener {
    /// The directory as the entry describes it; it is there afterwards.
    fn decode(&self, entry: &Entry) -> Result<Directory> {
        let fields = Fields::new(entry)?;
        let path = Path::new(fields.opt_str("directory")?.unwrap_or_default());
        if path == Path::new("") {
            return Err(Error::invalid("directory path is required"));
        }
        let mode = match fields.opt_str("mode")? {
            Some(text) => parse_mode(text).map_err(|reason| fields.error("mode", reason))?,
            None => MODE,
        };
        let base = match fields.opt_str("base")? {
            Some("project") => None,
            Some("module") | None => self.expansion.as_ref().and_then(|e| e.source_dir(entry)),
            Some(_) => return Err(fields.error("base", "must be project or module")),
        };
        let failed = |error: io::Error| {
            let message = format!("directory {}: {error}", path.display());
            match error.kind() {
                io::ErrorKind::NotFound => Error::not_found(message),
                _ => Error::internal(message),
            }
        };
        let base = match base {
            Some(dir) => dir,
            None => env::current_dir().map_err(failed)?,
        };
        // An absolute path takes the place of the base.
        let root: PathBuf = base.join(path);
        if fields.opt_bool("auto_init")?.unwrap_or(false) {
            create(&root, MODE & mode).map_err(failed)?;
        }
        match fs::metadata(&root).map_err(failed)?.is_dir() {
            true => Ok(Directory { root, mode }),
            false => Err(failed(io::ErrorKind::NotADirectory.into())),
        }
    }
}

/// Permission bits as octal text. Who may read, but nobody may enter, may enter as well.
fn parse_mode(text: &str) -> Result<u32, &'static str> {
    let mode = u32::from_str_radix(text, 8).ok().filter(|mode| *mode <= 0o777);
    let mode = mode.ok_or("must be octal digits such as \"0755\"")?;
    Ok(match mode & 0o555 {
        0o444 => mode | 0o111,
        _ => mode,
    })
}

fn create(root: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(mode).create(root)
}

impl Listener for DirectoryListener {
    fn add(&self, entry: &Entry) -> Result<()> {
        let (directory, id) = (self.decode(entry)?, entry.id.to_string());
        let file_systems = self.kernel.file_systems.clone();
        self.kernel.put_off(Box::new(move || file_systems.insert(id, directory)))
    }

    fn update(&self, _: &Entry, new: &Entry) -> Result<()> {
        self.add(new)
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        let (file_systems, id) = (self.kernel.file_systems.clone(), entry.id.to_string());
        self.kernel.put_off(Box::new(move || file_systems.remove(&id)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_texts() {
        let cases = [("0755", 0o755), ("700", 0o700), ("0444", 0o555), ("0644", 0o755), ("0", 0)];
        for (text, mode) in cases {
            assert_eq!(parse_mode(text), Ok(mode), "{text}");
        }
        for text in ["", "0855", "rwx", "-1", "1777777"] {
            assert!(parse_mode(text).is_err(), "{text}");
        }
    }
}
