//! Where the modules of a lock file are on disk, and what sets their entries apart.

use std::path::{Path, PathBuf};

use crate::app::pipeline::Matcher;
use crate::app::pipeline::disable::DisableRules;
use crate::app::project::discover::{self, Scan, SkipDirs};
use crate::app::project::document::{self, Format};
use crate::app::project::lock_file::{LockFile, Module, Replacement};
use crate::app::project::{FileProblem, definition};
use crate::core::registry::Entry;
use crate::infra::error::Result;
use crate::infra::transcoder::Value;

const MANIFEST: &str = "wippy.yaml";

/// A directory to scan.
#[derive(Debug)]
pub struct LoadPath {
    pub dir: PathBuf,
    /// `None` for the sources of the application.
    pub module: Option<Origin>,
}

impl LoadPath {
    /// The entries below, with their files; those of a module filtered and tagged. `except` is a
    /// directory that does not belong to the sources though it may lie in them.
    pub fn read(
        &self,
        except: Option<&Path>,
        matches: Matcher<'_>,
        problems: &mut Vec<FileProblem>,
    ) -> Result<Vec<(Entry, PathBuf)>> {
        let Scan { mut entries, problems: dropped } =
            discover::scan(&self.dir, &SkipDirs::from_env(), except)?;
        problems.extend(dropped);
        if let Some(module) = &self.module {
            let excludes = module.excludes(problems);
            entries.retain(|(entry, _)| !excludes.matches(entry, matches));
            entries.iter_mut().for_each(|(entry, _)| module.tag(entry));
        }
        Ok(entries)
    }
}

/// The module that entries come from.
#[derive(Debug)]
pub struct Origin {
    name: String,
    version: Option<String>,
    /// Directory of the manifest.
    root: PathBuf,
}

impl Origin {
    /// Puts the name of the module into the metadata of its entry.
    fn tag(&self, entry: &mut Entry) {
        entry.meta.insert("module".to_owned(), self.name.as_str().into());
        if let Some(version) = &self.version {
            entry.meta.insert("module_version".to_owned(), version.as_str().into());
        }
    }

    /// What the manifest of the module keeps out. An unreadable manifest excludes nothing.
    fn excludes(&self, problems: &mut Vec<FileProblem>) -> DisableRules {
        let path = self.root.join(MANIFEST);
        if !path.exists() {
            return DisableRules::default();
        }
        match read_manifest(&path) {
            Ok(manifest) => excludes_of(&manifest),
            Err(problem) => {
                problems.push(*problem);
                DisableRules::default()
            }
        }
    }
}

fn read_manifest(path: &Path) -> Result<Value, Box<FileProblem>> {
    let content = definition::read_bounded(path, definition::DEFINITION_BYTES_MAX)
        .map_err(|error| FileProblem::whole_file(path, format!("cannot read the file: {error}")))?;
    let text = String::from_utf8(content).map_err(|error| {
        FileProblem::not_utf8(path, error.as_bytes(), error.utf8_error().valid_up_to())
    })?;
    document::parse(&text, Format::Yaml)
        .map_err(|problem| Box::new(FileProblem::at(path, &text, problem.at, problem.reason)))
}

fn excludes_of(manifest: &Value) -> DisableRules {
    let mut rules = DisableRules::default();
    let patterns = manifest.get("exclude").and_then(Value::as_list).unwrap_or_default();
    for pattern in patterns.iter().filter_map(Value::as_str) {
        // Patterns without a colon are about files and matter when a module is packed.
        if let Some((ns, name)) = pattern.split_once(':') {
            rules.entries.push((ns.to_owned(), name.to_owned()));
        }
    }
    for (field, values) in
        manifest.get("exclude_meta").and_then(Value::as_map).into_iter().flatten()
    {
        rules.add_meta(field, values);
    }
    rules
}

/// The load paths of `lock` in load order. Modules that are absent end up in `missing`.
pub fn load_paths(lock: &LockFile, missing: &mut Vec<String>) -> Vec<LoadPath> {
    let mut paths = vec![LoadPath { dir: lock.resolve(&lock.src_dir), module: None }];
    paths.extend(lock.replacements.iter().map(|replacement| replaced(lock, replacement)));
    for module in &lock.modules {
        if lock.replacements.iter().any(|r| r.from == module.name) {
            continue;
        }
        match find(&lock.vendor_dir(), module) {
            Ok(dir) => paths.push(vendored(&module.name, &module.version, dir)),
            Err(reason) => missing.push(format!("{} {}: {reason}", module.name, module.version)),
        }
    }
    paths
}

/// A module in a directory of the workspace.
pub fn replaced(lock: &LockFile, replacement: &Replacement) -> LoadPath {
    let root = lock.resolve(&replacement.to);
    let src = root.join("src");
    let dir = if src.is_dir() { src } else { root.clone() };
    let module = Some(Origin { name: replacement.from.clone(), version: None, root });
    LoadPath { dir, module }
}

/// A module that was installed in `dir`; no `version` if it is not known.
pub fn vendored(name: &str, version: &str, dir: PathBuf) -> LoadPath {
    let version = (!version.is_empty()).then(|| version.to_owned());
    let module = Some(Origin { name: name.to_owned(), version, root: dir.clone() });
    LoadPath { dir, module }
}

/// The version that the manifest in `dir` names.
pub fn manifest_version(dir: &Path) -> Option<String> {
    let manifest = read_manifest(&dir.join(MANIFEST)).ok()?;
    manifest.get("version")?.as_str().filter(|version| !version.is_empty()).map(str::to_owned)
}

/// The directory of `module`, or why there is none.
fn find(vendor: &Path, module: &Module) -> Result<PathBuf, String> {
    let plain = vendor.join(&module.name);
    if plain.is_dir() {
        return Ok(plain);
    }
    let versioned = format!("{}-{}", module.name, module.version);
    let unpacked = vendor.join(&versioned);
    if unpacked.is_dir() {
        return Ok(unpacked);
    }
    if vendor.join(format!("{versioned}.wapp")).exists() {
        return Err(format!("{versioned}.wapp is a pack, unpack it into {}", plain.display()));
    }
    Err(format!("not found in {}, and downloads are not supported", vendor.display()))
}
