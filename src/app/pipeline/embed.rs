//! Stage `embed_fs` of packing: directories that travel with the application.
//!
//! A chosen `fs.directory` becomes an `fs.embed`, whose files are those of the pack. Which directory
//! that is on this machine is the result of the stage; reading it is up to whoever writes the pack.

use std::path::{Path, PathBuf};

use crate::app::pipeline::selection::Selection;
use crate::core::registry::{Entry, EntryId};
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::{Map, Value};

const DIRECTORY_KIND: &str = "fs.directory";
const EMBED_KIND: &str = "fs.embed";

/// Where relative paths start.
pub struct Roots<'a> {
    /// The working directory of the project.
    pub project: &'a Path,
    /// The source root of a module; none if it has none on this machine.
    pub module: &'a dyn Fn(&str) -> Option<PathBuf>,
    pub is_dir: &'a dyn Fn(&Path) -> bool,
}

/// A directory whose files are to go into the pack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EmbeddedDir {
    /// The file system that it becomes.
    pub id: EntryId,
    pub dir: PathBuf,
}

/// The result of [`apply`].
#[derive(Debug, Default, PartialEq)]
pub struct Embedded {
    /// In the order of the entries.
    pub dirs: Vec<EmbeddedDir>,
    /// Directories that are not there; their entries stay as they are.
    pub warnings: Vec<String>,
}

/// Embeds the directories that are `selected`. One that says nonsense about itself fails the stage.
pub fn apply(entries: &mut [Entry], selected: &Selection, roots: &Roots<'_>) -> Result<Embedded> {
    let mut embedded = Embedded::default();
    for entry in entries {
        if entry.kind != DIRECTORY_KIND || !selected.has(&entry.id) {
            continue;
        }
        let dir = directory(entry, roots).map_err(|error| error.context(entry.id.to_string()))?;
        if !(roots.is_dir)(&dir) {
            let text = format!("{}: directory {} does not exist, skipped", entry.id, dir.display());
            embedded.warnings.push(text);
            continue;
        }
        entry.kind = EMBED_KIND.to_owned();
        entry.data = Value::Map(Map::new());
        embedded.dirs.push(EmbeddedDir { id: entry.id.clone(), dir });
    }
    Ok(embedded)
}

/// The directory that an entry names.
fn directory(entry: &Entry, roots: &Roots<'_>) -> Result<PathBuf> {
    let text = |key: &str| match entry.data.get(key) {
        None | Some(Value::Nil) => Ok(""),
        Some(Value::Str(text)) => Ok(text.as_str()),
        Some(other) => {
            let found = other.type_name();
            Err(Error::invalid(format!("{key} must be a string, not {found}")))
        }
    };
    let path = text("directory")?;
    if path.is_empty() {
        return Err(Error::invalid("directory path is required"));
    }
    let module = entry.meta.get("module").and_then(Value::as_str);
    let root = match text("base")? {
        "project" => None,
        "" | "module" => module.and_then(roots.module),
        other => return Err(Error::invalid(format!("base {other:?} is not project or module"))),
    };
    // An absolute path stays what it is.
    Ok(root.as_deref().unwrap_or(roots.project).join(path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::project::document::{self, Format};

    fn entry(name: &str, kind: &str, data: &str) -> Entry {
        let data = document::parse(data, Format::Yaml).unwrap();
        Entry { id: EntryId::new("app", name), kind: kind.to_owned(), meta: Map::new(), data }
    }

    fn of_module(mut entry: Entry) -> Entry {
        entry.meta.insert("module".to_owned(), "o/m".into());
        entry
    }

    fn run(entries: &mut [Entry], patterns: &[&str]) -> Result<Embedded> {
        let roots = Roots {
            project: Path::new("/p"),
            module: &|module| (module == "o/m").then(|| PathBuf::from("/m/src")),
            is_dir: &|path| !path.ends_with("gone"),
        };
        apply(entries, &Selection::new(patterns), &roots)
    }

    #[track_caller]
    fn check(entry: Entry, dir: &str) {
        let mut entries = [entry];
        let embedded = run(&mut entries, &["**"]).unwrap();
        let id = EntryId::new("app", "x");
        assert_eq!(embedded.dirs, [EmbeddedDir { id, dir: PathBuf::from(dir) }]);
        assert_eq!(
            (entries[0].kind.as_str(), &entries[0].data),
            ("fs.embed", &Value::Map(Map::new()))
        );
    }

    #[test]
    fn directories_become_file_systems() {
        let dir = |data: &str| entry("x", "fs.directory", data);
        check(dir("{directory: a, mode: '0755'}"), "/p/a");
        check(dir("{directory: /abs}"), "/abs");
        check(dir("{directory: a, base: module}"), "/p/a");
        check(of_module(dir("{directory: a}")), "/m/src/a");
        check(of_module(dir("{directory: a, base: module}")), "/m/src/a");
        check(of_module(dir("{directory: a, base: project}")), "/p/a");
    }

    #[test]
    fn the_others_stay() {
        let mut entries = [
            entry("x", "fs.directory", "{directory: a}"),
            entry("y", "fs.directory", "{directory: gone}"),
            entry("z", "registry.entry", "{directory: a}"),
        ];
        let before = entries.clone();
        assert_eq!(run(&mut entries, &["z"]), Ok(Embedded::default()));
        let embedded = run(&mut entries, &["y", "app:z"]).unwrap();
        assert_eq!(embedded.warnings, ["app:y: directory /p/gone does not exist, skipped"]);
        assert_eq!((embedded.dirs.len(), &entries), (0, &before));
    }

    #[test]
    fn nonsense_fails_the_stage() {
        let check = |data: &str, expect: &str| {
            let error = run(&mut [entry("x", "fs.directory", data)], &["**"]).unwrap_err();
            assert_eq!(error.to_string(), expect);
        };
        check("{}", "app:x: directory path is required");
        check("{directory: ''}", "app:x: directory path is required");
        check("{directory: 5}", "app:x: directory must be a string, not an integer");
        check("{directory: a, base: home}", "app:x: base \"home\" is not project or module");
    }
}
