//! `workspace.replacements`: modules that are read from a directory of the workspace instead of the
//! version they are pinned to. They belong to whoever works on the modules, so they are settings and
//! never get into the lock file.

use std::path::{self, Path};

use crate::app::project::LockFile;
use crate::app::project::lock_file::is_module_name;
use crate::infra::config::Config;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;

const KEY: &str = "workspace.replacements";

/// Lays the replacements of the workspace over those of `lock`. Relative paths start at `dir`; a null
/// cancels what the lock file says. Returns what is to be logged at WARN.
pub fn apply(lock: &mut LockFile, config: &Config, dir: &Path) -> Result<Vec<String>> {
    let mut warnings = Vec::new();
    if !lock.replacements.is_empty() {
        warnings.push(format!("replacements in the lock file are deprecated, use {KEY}"));
    }
    for (module, to) in config.sub(KEY) {
        let invalid = |reason: String| Error::invalid(format!("{KEY}: {module}: {reason}"));
        if !is_module_name(module) {
            return Err(invalid("the name is not of the form org/module".to_owned()));
        }
        let to = match to {
            Value::Nil => {
                lock.set_replacement(module, None);
                continue;
            }
            Value::Str(to) if !to.is_empty() => dir.join(to),
            Value::Str(_) => return Err(invalid("the path is empty".to_owned())),
            other => {
                let found = other.type_name();
                return Err(invalid(format!("the path must be a string or null, not {found}")));
            }
        };
        if !to.is_dir() {
            return Err(invalid(format!("{} is no directory", to.display())));
        }
        // The lock file's own paths start where it lies, which may be somewhere else.
        let to = match lock.dir() == Path::new(".") {
            true => to,
            false => path::absolute(&to).map_err(|error| invalid(error.to_string()))?,
        };
        let to = to.to_str().ok_or_else(|| invalid("the path is not UTF-8".to_owned()))?;
        lock.set_replacement(module, Some(to));
    }
    Ok(warnings)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// `in_lock` and `settings` are replacements of `a/b` as YAML; the result is that of the lock file.
    fn replaced(in_lock: &str, settings: Option<Value>) -> Result<(Vec<String>, usize)> {
        let dir = tempfile::tempdir().unwrap();
        for name in ["lock/one", "work/two"] {
            fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let path = dir.path().join("lock/wippy.lock");
        fs::write(&path, format!("replacements: [{in_lock}]")).unwrap();
        let mut lock = LockFile::read(&path)?;
        let mut config = Config::builder();
        if let Some(to) = settings {
            config.set("workspace.replacements.a/b", to);
        }
        let warnings = apply(&mut lock, &config.build(), &dir.path().join("work"))?;
        let base = dir.path().display().to_string();
        let to = |to: &str| lock.resolve(to).display().to_string().replace(&base, "");
        Ok((lock.replacements.iter().map(|r| to(&r.to)).collect(), warnings.len()))
    }

    #[test]
    fn the_workspace_wins_over_the_lock_file() {
        let in_lock = "{from: a/b, to: one}";
        let check = |in_lock, settings, expect: &[&str], n_warnings| {
            let (found, warnings) = replaced(in_lock, settings).unwrap();
            assert_eq!(
                (found.iter().map(String::as_str).collect(), warnings),
                (expect.to_vec(), n_warnings)
            );
        };
        check("", None, &[], 0);
        check("", Some("two".into()), &["/work/two"], 0);
        check(in_lock, None, &["/lock/one"], 1);
        check(in_lock, Some("two".into()), &["/work/two"], 1);
        check(in_lock, Some("../lock/one".into()), &["/work/../lock/one"], 1);
        check(in_lock, Some(Value::Nil), &[], 1);
        check("", Some(Value::Nil), &[], 0);
    }

    #[test]
    fn bad_replacements_are_refused() {
        let check = |to: Value, reason: &str| {
            let error = replaced("", Some(to)).unwrap_err().to_string();
            assert!(error.starts_with("workspace.replacements: a/b: "), "{error}");
            assert!(error.ends_with(reason), "{error}");
        };
        check("".into(), "the path is empty");
        check("gone".into(), "work/gone is no directory");
        check(Value::Int(5), "the path must be a string or null, not an integer");
        let mut config = Config::builder();
        config.set("workspace.replacements.ab", "x".into());
        let mut lock = LockFile::new(Path::new("wippy.lock"));
        let error = apply(&mut lock, &config.build(), Path::new(".")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "workspace.replacements: ab: the name is not of the form org/module"
        );
    }
}
