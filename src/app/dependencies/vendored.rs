//! [`Vendored`]: the modules that are on disk, in the workspace or in the vendor directory.
//!
//! A replaced module is its directory and nothing else. Otherwise each of `<vendor>/<org>/<name>/` and
//! `<vendor>/<org>/<name>-<version>/` is a release; the version of the first is the one in the lock
//! file, else the one in its manifest. Nothing is downloaded, packs are not read.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::app::dependencies::resolve::{Catalog, Release};
use crate::app::dependencies::version::Version;
use crate::app::pipeline::Matcher;
use crate::app::pipeline::disable::{self, DisableRules};
use crate::app::project::LockFile;
use crate::app::project::modules::{self, LoadPath};
use crate::core::registry::Entry;
use crate::infra::error::{Error, Result};

/// A catalog for one resolution: what has been read is kept.
pub struct Vendored<'a> {
    lock: &'a LockFile,
    dir: &'a Path,
    disable: &'a DisableRules,
    matches: Matcher<'a>,
    read: RefCell<HashMap<(String, String), Vec<Entry>>>,
}

impl<'a> Vendored<'a> {
    /// `dir` is the vendor directory. Entries that `disable` fits are as if they were not there.
    pub fn new(
        lock: &'a LockFile,
        dir: &'a Path,
        disable: &'a DisableRules,
        matches: Matcher<'a>,
    ) -> Vendored<'a> {
        Vendored { lock, dir, disable, matches, read: RefCell::default() }
    }

    /// Where the sources of a release are.
    pub fn source_dir(&self, module: &str, version: &str) -> Option<PathBuf> {
        let found = self.find(module).into_iter().find(|(release, _)| release.version == version);
        found.map(|(_, load_path)| load_path.dir)
    }

    /// The releases of `module` and where they are.
    fn find(&self, module: &str) -> Vec<(Release, LoadPath)> {
        if let Some(replacement) = self.lock.replacements.iter().find(|r| r.from == module) {
            let release = Release { version: String::new() };
            return vec![(release, modules::replaced(self.lock, replacement))];
        }
        let pinned = self.lock.modules.iter().find(|pinned| pinned.name == module);
        let pinned = pinned.map(|module| module.version.as_str());
        let mut found: Vec<(String, PathBuf)> = Vec::new();
        let plain = self.dir.join(module);
        if plain.is_dir() {
            let version = pinned.map(str::to_owned).or_else(|| modules::manifest_version(&plain));
            found.push((version.unwrap_or_default(), plain.clone()));
        }
        let (_, name) = module.split_once('/').unwrap_or(("", module));
        let siblings = plain.parent().and_then(|org| fs::read_dir(org).ok());
        for sibling in siblings.into_iter().flatten().flatten() {
            let file_name = sibling.file_name();
            let version = file_name.to_str().and_then(|n| n.strip_prefix(name)?.strip_prefix('-'));
            // `sql-extra` is another module and no version of `sql`.
            let Some(version) =
                version.filter(|text| pinned == Some(*text) || Version::parse(text).is_some())
            else {
                continue;
            };
            let is_new = found.iter().all(|(known, _)| known != version);
            if is_new && sibling.path().is_dir() {
                found.push((version.to_owned(), sibling.path()));
            }
        }
        let release = |(version, dir): (String, PathBuf)| {
            let load_path = modules::vendored(module, &version, dir);
            (Release { version }, load_path)
        };
        found.into_iter().map(release).collect()
    }
}

impl Catalog for Vendored<'_> {
    fn releases(&self, module: &str) -> Result<Vec<Release>> {
        Ok(self.find(module).into_iter().map(|(release, _)| release).collect())
    }

    fn entries(&self, module: &str, release: &Release) -> Result<Vec<Entry>> {
        let key = (module.to_owned(), release.version.clone());
        if let Some(entries) = self.read.borrow().get(&key) {
            return Ok(entries.clone());
        }
        let failed = |cause: Error| cause.context(format!("module {module} {}", release.version));
        let found = self.find(module).into_iter().find(|(found, _)| found == release);
        let (_, load_path) =
            found.ok_or_else(|| failed(Error::unavailable("it is no longer there")))?;
        let mut problems = Vec::new();
        let read = load_path.read(None, self.matches, &mut problems).map_err(failed)?;
        // A person edits a project, who is shown what is wrong; a module that is put into a running
        // application is whole or not there.
        if let Some(problem) = problems.into_iter().next() {
            let reason = format!("{}: {}", problem.place(), problem.reason);
            return Err(failed(problem.into_error(reason)));
        }
        let mut entries: Vec<Entry> = read.into_iter().map(|(entry, _)| entry).collect();
        disable::apply(&mut entries, self.disable, self.matches);
        self.read.borrow_mut().insert(key, entries.clone());
        Ok(entries)
    }
}
