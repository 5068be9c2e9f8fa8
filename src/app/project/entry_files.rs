//! Definition files of a file system, for programs that run: [`EntryFiles`] by the reader of projects.
//!
//! Unlike a project, whose links are its owner's, a file system ends at its root: a definition file that
//! is a link out of it is not read. `file:///x` starts at that root, whichever directory is loaded.
//! Problems name files as programs do, by the path from the root.

use std::path::{Path, PathBuf};

use crate::app::project::FileProblem;
use crate::app::project::definition::{self, Root};
use crate::app::project::discover::{self, SkipDirs};
use crate::core::entry_files::EntryFiles;
use crate::core::registry::Entry;
use crate::infra::error::{Error, Result};

/// Reads the files of this machine.
pub struct LocalFiles;

impl EntryFiles for LocalFiles {
    fn load_file(&self, root: &Path, path: &str) -> Result<Vec<Entry>> {
        let failed = |reason: String| Error::internal(format!("failed to load file: {reason}"));
        let (tree, place) = enter(root, path).map_err(failed)?;
        if definition::format_of(&place).is_none() {
            return Err(failed(format!("{path}: not a .yaml, .yml or .json file")));
        }
        definition::read(&place, &tree).map_err(|problem| to_error(*problem, root))
    }

    fn load_directory(
        &self,
        root: &Path,
        path: &str,
        skipped: &mut dyn FnMut(Error),
    ) -> Result<Vec<Entry>> {
        let failed =
            |reason: String| Error::internal(format!("failed to load directory: {reason}"));
        let (tree, place) = enter(root, path).map_err(failed)?;
        let scan = discover::scan_below(&place, &tree, &SkipDirs::from_env());
        let scan = scan.map_err(|error| failed(error.to_string()))?;
        scan.problems.into_iter().for_each(|problem| skipped(to_error(problem, root)));
        Ok(scan.entries.into_iter().map(|(entry, _)| entry).collect())
    }
}

/// The tree below `root`, and the place in it that `path` names; or why there is none.
fn enter<'a>(root: &'a Path, path: &str) -> Result<(Root<'a>, PathBuf), String> {
    if path.is_empty() {
        return Err("path required".to_owned());
    }
    let inside = definition::normalize(Path::new(path.trim_start_matches('/')));
    let inside = inside.ok_or_else(|| format!("{path}: path traversal not allowed"))?;
    let tree = Root::confined(root).map_err(|error| format!("{path}: {error}"))?;
    let place = root.join(inside);
    match tree.follow(&place) {
        Ok(_) => Ok((tree, place)),
        Err(reason) => Err(format!("{path}: {reason}")),
    }
}

fn to_error(mut problem: FileProblem, root: &Path) -> Error {
    if let Ok(inside) = problem.path.strip_prefix(root) {
        problem.path = Path::new("/").join(inside);
    }
    let message = format!("failed to load file: {}: {}", problem.place(), problem.reason);
    let error = problem.into_error("");
    match error.details() {
        Some(details) => Error::internal(message).with_details(details.clone()),
        None => Error::internal(message),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    const ENTRY: &str = "{namespace: n, name: x, kind: k, text: 'file:///inside.txt'}";

    /// A file system at `root` of it, with files and links beside it.
    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("secret.txt", "secret"),
            ("secret.yaml", "{namespace: n, name: secret, kind: k}"),
            ("out/a.yaml", "{namespace: n, name: out, kind: k}"),
            ("root/inside.txt", "inside"),
            ("root/sub/a.yaml", ENTRY),
            ("root/up.yaml", "{namespace: n, name: x, kind: k, text: 'file://../secret.txt'}"),
            ("root/link.yaml", "{namespace: n, name: x, kind: k, text: 'file://link.txt'}"),
            ("root/notes.txt", "namespace: n"),
            ("root/nobody.yaml", "name: x"),
            ("root/bad.json", "{\n  \"namespace\": 5}"),
        ] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let root = dir.path().join("root");
        symlink("../secret.txt", root.join("link.txt")).unwrap();
        symlink("../secret.yaml", root.join("secret.yaml")).unwrap();
        symlink("../out", root.join("out")).unwrap();
        symlink("sub", root.join("same")).unwrap();
        dir
    }

    fn ids(entries: Result<Vec<Entry>>) -> Result<Vec<String>, String> {
        let ids = |entries: Vec<Entry>| entries.iter().map(|e| e.id.to_string()).collect();
        entries.map(ids).map_err(|error| error.to_string())
    }

    #[test]
    fn files() {
        let dir = tree();
        let root = dir.path().join("root");
        #[track_caller]
        fn check(root: &Path, path: &str, expect: Result<&[&str], &str>) {
            match (ids(LocalFiles.load_file(root, path)), expect) {
                (Ok(found), Ok(expect)) => assert_eq!(found, expect, "{path}"),
                (Err(error), Err(expect)) => assert!(error.contains(expect), "{path}: {error}"),
                (found, _) => panic!("{path}: {found:?}"),
            }
        }
        for path in
            ["sub/a.yaml", "/sub/a.yaml", "//sub/./a.yaml", "x/../sub/a.yaml", "same/a.yaml"]
        {
            check(&root, path, Ok(&["n:x"]));
        }
        check(&root, "nobody.yaml", Ok(&[]));
        for (path, reason) in [
            ("", "path required"),
            ("../secret.yaml", "path traversal not allowed"),
            ("/../secret.yaml", "path traversal not allowed"),
            ("sub/../../secret.yaml", "path traversal not allowed"),
            ("secret.yaml", "leaves"),
            ("out/a.yaml", "leaves"),
            ("up.yaml", "the path leaves"),
            ("link.yaml", "is a link that leaves"),
            ("gone.yaml", "gone.yaml: cannot read the file"),
            ("a\0.yaml", "cannot read the file"),
            ("sub", "not a .yaml"),
            ("notes.txt", "not a .yaml"),
            ("bad.json", "/bad.json:2:16: namespace must be a string"),
        ] {
            check(&root, path, Err(reason));
        }
        let entries = LocalFiles.load_file(&root, "sub/a.yaml").unwrap();
        assert_eq!(entries[0].data.get("text"), Some(&"inside".into()));
    }

    #[test]
    fn directories() {
        let dir = tree();
        let root = dir.path().join("root");
        let load = |path: &str| {
            let mut skipped = Vec::new();
            let found = LocalFiles.load_directory(&root, path, &mut |error| {
                skipped.push(error.message().to_owned());
            });
            (ids(found), skipped)
        };
        for path in ["sub", "/sub/", "same"] {
            assert_eq!(load(path), (Ok(vec!["n:x".to_owned()]), vec![]), "{path}");
        }
        for path in ["/", "."] {
            let (found, skipped) = load(path);
            assert_eq!(found, Ok(vec!["n:x".to_owned()]), "{path}");
            let files = ["/bad.json:", "/link.yaml:", "/secret.yaml:", "/up.yaml:"];
            assert_eq!(skipped.len(), files.len(), "{skipped:?}");
            for (message, file) in skipped.iter().zip(files) {
                assert!(message.starts_with(&format!("failed to load file: {file}")), "{message}");
            }
        }
        for path in ["", "..", "out", "gone", "inside.txt"] {
            assert!(load(path).0.unwrap_err().contains("failed to load directory"), "{path}");
        }
    }
}
