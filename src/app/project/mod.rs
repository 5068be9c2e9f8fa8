//! A project on disk: the lock file, the entry files it leads to, and the entries they hold.
//!
//! [`load_entries`] is the whole of it:
//!
//! 1. [`lock_file`] tells the load paths, in this order: `src`, replacements, other modules; before
//!    that, [`workspace`] may have changed the replacements.
//! 2. [`discover`] walks each path and finds the entry files.
//! 3. [`definition`] turns one file into entries, with [`document`] for the text.
//! 4. Here: entries of modules are tagged and filtered, duplicates resolved.
//!
//! A person who edits files makes mistakes in them, so a bad file does not end the load. It
//! becomes a [`FileProblem`] that knows its line; the caller prints it. What does end the load:
//! a lock file that is no lock file, a directory that cannot be listed. An absent module does so
//! only when the caller [requires](Loaded::require_modules) them all, after it has printed the
//! problems: so none of them hides behind another.
//!
//! [`entry_files`] reads such files for programs that run.
//!
//! Not here: what happens to entries afterwards (`app::pipeline`), downloads, and packs.

pub mod definition;
pub mod discover;
pub mod document;
pub mod entry_files;
pub mod lock_file;
pub mod modules;
pub mod problem;
pub mod workspace;

use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::app::pipeline::Matcher;
use crate::core::registry::{Entry, EntryId};
use crate::infra::error::{Error, Result};

pub use lock_file::LockFile;
pub use problem::FileProblem;

/// The file that each entry came from.
pub type Origins = IndexMap<EntryId, PathBuf>;

/// What a project holds.
#[derive(Debug, Default)]
pub struct Loaded {
    /// In load order, each id once.
    pub entries: Vec<Entry>,
    /// Dropped files and load paths that do not exist; to be shown in every mode.
    pub problems: Vec<FileProblem>,
    /// To be logged at WARN.
    pub warnings: Vec<String>,
    /// Modules that are not on disk, each with the reason.
    pub missing_modules: Vec<String>,
    /// The file that each entry came from.
    pub origins: Origins,
}

impl Loaded {
    /// Fails if a module is absent.
    pub fn require_modules(&self) -> Result<()> {
        if self.missing_modules.is_empty() {
            return Ok(());
        }
        let error = Error::unavailable(self.missing_modules.join("; "));
        Err(error.context("failed to ensure modules installed"))
    }
}

/// Loads all entries that `lock` leads to. The last one of several with the same id wins.
/// `matches` is the pattern grammar, for the `exclude` lists of modules.
pub fn load_entries(lock: &LockFile, matches: Matcher<'_>) -> Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut entries: IndexMap<EntryId, Entry> = IndexMap::new();
    let modules_dir = lock.resolve(&lock.modules_dir);
    for load_path in modules::load_paths(lock, &mut loaded.missing_modules) {
        if !load_path.dir.is_dir() {
            let reason = "load path does not exist or is no directory, skipped";
            loaded.problems.push(FileProblem::whole_file(&load_path.dir, reason));
            continue;
        }
        // With sources in `.` the modules would be found twice, once as if they were our own.
        let except = load_path.module.is_none().then_some(modules_dir.as_path());
        for (entry, path) in load_path.read(except, matches, &mut loaded.problems)? {
            if let Some(earlier) = loaded.origins.insert(entry.id.clone(), path.clone()) {
                loaded.warnings.push(duplicate(&entry.id, &earlier, &path));
            }
            entries.insert(entry.id.clone(), entry);
        }
    }
    loaded.entries = entries.into_values().collect();
    Ok(loaded)
}

fn duplicate(id: &EntryId, earlier: &Path, later: &Path) -> String {
    let (earlier, later) = (earlier.display(), later.display());
    if earlier.to_string() == later.to_string() {
        return format!("duplicate entry {id}: {later} defines it twice, the last one is used");
    }
    format!("duplicate entry {id}: the one of {later} replaces the one of {earlier}")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::infra::transcoder::Value;

    const EQUAL: Matcher<'static> = &|pattern, value| pattern == value;

    fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, LockFile) {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = dir.path().join("app").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let lock = LockFile::read(&dir.path().join("app/wippy.lock")).unwrap();
        (dir, lock)
    }

    fn ids(loaded: &Loaded) -> Vec<String> {
        loaded.entries.iter().map(|e| e.id.to_string()).collect()
    }

    #[test]
    fn loads_sources_replacements_and_modules() {
        let (dir, lock) = project(&[
            (
                "wippy.lock",
                "modules:\n- {name: a/one, version: v1}\n- {name: a/two, version: v2}\n\
                 - {name: a/three, version: v3}\nreplacements:\n- {from: a/two, to: ../app/work}\n",
            ),
            ("main.yaml", "{namespace: app, name: x, kind: k}"),
            ("work/skip.yaml", "{namespace: two, name: outside, kind: k}"),
            ("work/src/a.yaml", "{namespace: two, name: x, kind: k}"),
            (
                ".wippy/vendor/a/one/a.yaml",
                "namespace: one\nentries:\n- {name: x, kind: k}\n- {name: y, kind: k}\n\
                 - {name: z, kind: k, meta: {stage: test}}",
            ),
            (
                ".wippy/vendor/a/one/wippy.yaml",
                "exclude: ['one:y', '*.lua']\nexclude_meta: {stage: test}",
            ),
            (".wippy/vendor/a/three-v3/a.yaml", "{namespace: three, name: x, kind: k}"),
        ]);
        let loaded = load_entries(&lock, EQUAL).unwrap();
        assert_eq!(loaded.problems, []);
        // `work` lies inside the sources here, so its entries come first and are then replaced.
        assert_eq!(ids(&loaded), ["app:x", "two:outside", "two:x", "one:x", "three:x"]);
        let meta = |i: usize| Value::Map(loaded.entries[i].meta.clone());
        assert_eq!(meta(0), Value::Map(Default::default()));
        assert_eq!(meta(2), Value::from([("module", "a/two".into())]));
        let tagged = [("module", "a/one".into()), ("module_version", "v1".into())];
        assert_eq!(meta(3), Value::from(tagged));
        assert_eq!(
            loaded.origins[&EntryId::parse("three:x")],
            dir.path().join("app/.wippy/vendor/a/three-v3/a.yaml")
        );
    }

    #[test]
    fn the_last_duplicate_wins() {
        let (_dir, lock) = project(&[
            ("wippy.lock", ""),
            ("a.yaml", "{namespace: app, name: x, kind: first}"),
            ("b.yaml", "{namespace: app, name: x, kind: second}"),
        ]);
        let loaded = load_entries(&lock, EQUAL).unwrap();
        assert_eq!(loaded.entries.len(), 1);
        assert_eq!(loaded.entries[0].kind, "second");
        assert_eq!(loaded.warnings.len(), 1);
        assert!(loaded.warnings[0].starts_with("duplicate entry app:x: "), "{:?}", loaded.warnings);
    }

    #[test]
    fn missing_paths_and_modules() {
        let (_dir, lock) = project(&[("wippy.lock", "directories: {src: gone}")]);
        let loaded = load_entries(&lock, EQUAL).unwrap();
        assert!(loaded.problems[0].to_string().contains("app/gone: load path does not exist"));

        let (_dir, lock) = project(&[("wippy.lock", "modules: [{name: a/b, version: v1}]")]);
        let error = load_entries(&lock, EQUAL).unwrap().require_modules().unwrap_err().to_string();
        assert!(error.starts_with("failed to ensure modules installed: a/b v1: "), "{error}");
    }
}
