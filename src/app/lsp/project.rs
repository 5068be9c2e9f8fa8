//! What a server knows of a project: its Lua entries, their sources, and the files these are in.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::app::lint;
use crate::app::project::Origins;
use crate::app::project::definition::{self, DEFINITION_BYTES_MAX};
use crate::app::project::document;
use crate::core::registry::Entry;
use crate::infra::transcoder::Value;
use crate::lang::lookup::Access;

const SCHEME: &str = "file://";
/// How far above an entry file its source root is looked for.
const ANCESTORS_MAX: usize = 16;

/// A Lua entry.
#[derive(Clone, Debug)]
pub struct LuaEntry {
    /// What its source may use.
    pub access: Access,
    /// The entries behind the aliases of its imports.
    pub imports: HashMap<String, String>,
    /// The source as it was when the project was read.
    pub source: String,
    /// The file of its own that the source is in.
    pub path: Option<PathBuf>,
}

/// The Lua entries of a project.
#[derive(Clone, Debug, Default)]
pub struct Project {
    entries: HashMap<String, LuaEntry>,
    files: HashMap<PathBuf, String>,
}

impl Project {
    /// The Lua entries among `entries`. Their entry files are read again to tell which files the sources
    /// are in; what cannot be read then is in none. Paths that are relative are so to `root`.
    pub fn new(entries: &[Entry], origins: &Origins, root: &Path) -> Project {
        let mut project = Project::default();
        let mut documents: HashMap<&Path, Option<Value>> = HashMap::new();
        let mut lua: Vec<&Entry> = entries.iter().filter(|entry| lint::is_lua(entry)).collect();
        lua.sort_by_cached_key(|entry| entry.id.to_string());
        for entry in lua {
            let Some(source) = lint::source(entry) else { continue };
            let id = entry.id.to_string();
            let path: Option<PathBuf> = origins.get(&entry.id).and_then(|origin| {
                let document = documents.entry(origin).or_insert_with(|| read(origin));
                let path = source_path(document.as_ref()?, entry.id.name(), origin, source)?;
                // Without `.`, which editors do not expect in names.
                Some(root.join(path).components().collect())
            });
            let imports = entry.data.get("imports").and_then(Value::as_map).into_iter().flatten();
            let imports: HashMap<String, String> = imports
                .filter_map(|(alias, target)| Some((alias.clone(), target.as_str()?.to_owned())))
                .collect();
            let mut aliases: Vec<String> = imports.keys().cloned().collect();
            aliases.sort();
            let access = Access { modules: Some(lint::modules(entry)), imports: aliases };
            if let Some(path) = &path {
                // Of several entries with one file, the first by id.
                project.files.entry(canonical(path)).or_insert_with(|| id.clone());
            }
            let source = source.to_owned();
            project.entries.insert(id, LuaEntry { access, imports, source, path });
        }
        project
    }

    /// An entry by its id.
    pub fn entry(&self, id: &str) -> Option<&LuaEntry> {
        self.entries.get(id)
    }

    /// The entry whose source is in a file.
    pub fn entry_of_file(&self, path: &Path) -> Option<&str> {
        self.files.get(&canonical(path)).map(String::as_str)
    }
}

fn canonical(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf())
}

/// An entry file as it is written, with `file://` values as they are.
fn read(path: &Path) -> Option<Value> {
    let content = definition::read_bounded(path, DEFINITION_BYTES_MAX).ok()?;
    let text = String::from_utf8(content).ok()?;
    document::parse(&text, definition::format_of(path)?).ok()
}

/// The file that the entry `name` of an entry file at `origin` has its source in.
fn source_path(document: &Value, name: &str, origin: &Path, source: &str) -> Option<PathBuf> {
    let is_named = |item: &&Value| item.get("name").and_then(Value::as_str) == Some(name);
    let entry = match document.get("entries").and_then(Value::as_list) {
        Some(entries) if !entries.is_empty() => entries.iter().rev().find(is_named)?,
        _ => document,
    };
    let data = entry.get("data").filter(|data| data.get("source").is_some());
    let target = data.unwrap_or(entry).get("source")?.as_str()?.strip_prefix(SCHEME)?;
    let folder = origin.parent()?;
    match target.strip_prefix('/') {
        None => Some(folder.join(target)).filter(|path| path.is_file()),
        // From the root of the sources, which is not written down anywhere.
        Some(target) => {
            let paths = folder.ancestors().take(ANCESTORS_MAX).map(|dir| dir.join(target));
            let is_it = |path: &PathBuf| fs::read_to_string(path).is_ok_and(|text| text == source);
            paths.into_iter().find(is_it)
        }
    }
}
