//! Finds the entry files of a directory and reads them.
//!
//! The walk finds the files in order; reading and parsing them, nearly all of the work, is spread over
//! the cores and put back into that order.
//!
//! Every `.yaml`, `.yml` and `.json` file below the root counts, in lexical order, directory by
//! directory. Directories that are links are not entered, so a loop of links cannot trap the scan;
//! the root itself may be one.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::num::NonZero;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::app::project::definition::{self, Root};
use crate::app::project::problem::FileProblem;
use crate::core::registry::Entry;
use crate::infra::error::{Error, Kind, Result};

/// Names of directories that a scan does not enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SkipDirs {
    names: Vec<String>,
}

/// Variables that, when set and not empty, skip directories of these names.
const SWITCHES: [(&str, &[&str]); 4] = [
    ("SKIP_TEMPORAL_TESTS", &["temporal", "_temporal"]),
    ("SKIP_CLOUDSTORAGE_TESTS", &["cloudstorage"]),
    ("SKIP_SQS_TESTS", &["sqs"]),
    ("SKIP_NETWORK_TESTS", &["network"]),
];

impl SkipDirs {
    /// `node_modules` and what the `SKIP_…` environment variables name.
    pub fn from_env() -> SkipDirs {
        SkipDirs::from_lookup(|name| env::var(name).ok())
    }

    fn from_lookup(get: impl Fn(&str) -> Option<String>) -> SkipDirs {
        let mut names = vec!["node_modules".to_owned()];
        let listed = get("SKIP_TEST_DIRS").unwrap_or_default();
        names.extend(listed.split(',').map(str::trim).filter(|n| !n.is_empty()).map(str::to_owned));
        for (variable, dirs) in SWITCHES {
            if get(variable).is_some_and(|value| !value.is_empty()) {
                names.extend(dirs.iter().map(|dir| (*dir).to_owned()));
            }
        }
        SkipDirs { names }
    }

    fn contains(&self, name: &OsStr) -> bool {
        name.to_str().is_some_and(|name| self.names.iter().any(|skipped| skipped == name))
    }
}

/// What the files of one tree gave.
#[derive(Debug, Default)]
pub struct Scan {
    /// Entries with their files, in the order of the files.
    pub entries: Vec<(Entry, PathBuf)>,
    /// One per dropped file.
    pub problems: Vec<FileProblem>,
}

/// Reads all entry files below `root`, except below the directory `except`.
///
/// A bad file becomes a problem; a directory that cannot be listed fails the scan.
pub fn scan(root: &Path, skip: &SkipDirs, except: Option<&Path>) -> Result<Scan> {
    let files = entry_files(root, skip, except)?;
    let root = Root::new(root).map_err(|error| unlisted(root, &error))?;
    Ok(read_scan(files, &root))
}

/// Like [`scan`], of the directory `dir` below `root`.
pub fn scan_below(dir: &Path, root: &Root<'_>, skip: &SkipDirs) -> Result<Scan> {
    Ok(read_scan(entry_files(dir, skip, None)?, root))
}

fn read_scan(files: Vec<PathBuf>, root: &Root<'_>) -> Scan {
    let mut scan = Scan::default();
    let read = read_all(&files, root);
    for (path, outcome) in files.into_iter().zip(read) {
        match outcome {
            Ok(entries) => {
                scan.entries.extend(entries.into_iter().map(|entry| (entry, path.clone())));
            }
            Err(problem) => scan.problems.push(*problem),
        }
    }
    scan
}

/// Below this many files for each of them, more threads cost more than they save.
const FILES_PER_THREAD: usize = 8;
/// More would wait for the disk, and each may hold a document of the largest size that is allowed.
const THREADS_MAX: usize = 8;

type Outcome = Result<Vec<Entry>, Box<FileProblem>>;

/// Reads `files` on all cores; the outcomes are in the order of the files.
fn read_all(files: &[PathBuf], root: &Root<'_>) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let read_some = || {
        let mut outcomes = Vec::new();
        loop {
            // Only hands out numbers; the results travel by the join.
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(path) = files.get(i) else {
                return outcomes;
            };
            outcomes.push((i, definition::read(path, root)));
        }
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let n_threads = cores.min(files.len() / FILES_PER_THREAD).min(THREADS_MAX);
    let helpers = n_threads.saturating_sub(1);
    let mut outcomes: Vec<(usize, Outcome)> = thread::scope(|scope| {
        // A thread that cannot be started is one less: this one reads what the others leave.
        let threads: Vec<_> = (0..helpers)
            .map_while(|_| thread::Builder::new().spawn_scoped(scope, read_some).ok())
            .collect();
        let mut outcomes = read_some();
        for thread in threads {
            outcomes.extend(thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        }
        outcomes
    });
    outcomes.sort_unstable_by_key(|(i, _)| *i);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

fn entry_files(root: &Path, skip: &SkipDirs, except: Option<&Path>) -> Result<Vec<PathBuf>> {
    let except = except.and_then(|dir| fs::canonicalize(dir).ok());
    let mut files = Vec::new();
    // Still to be visited, the next one last: a stack of our own, so depth costs no call frames.
    let mut pending = vec![(root.to_owned(), true)];
    while let Some((path, is_dir)) = pending.pop() {
        if !is_dir {
            files.push(path);
            continue;
        }
        if except.is_some() && fs::canonicalize(&path).ok() == except {
            continue;
        }
        let mut children = list(&path).map_err(|error| unlisted(&path, &error))?;
        children.retain(|(path, is_dir)| match is_dir {
            true => !path.file_name().is_some_and(|name| skip.contains(name)),
            false => definition::format_of(path).is_some(),
        });
        children.sort_unstable_by(|a, b| b.cmp(a));
        pending.append(&mut children);
    }
    Ok(files)
}

fn unlisted(dir: &Path, error: &io::Error) -> Error {
    let context = format!("cannot read directory {}", dir.display());
    Error::new(Kind::Unavailable, error.to_string()).context(context)
}

/// The children of `dir`; what is no directory and no file, say a socket, is left out.
fn list(dir: &Path) -> io::Result<Vec<(PathBuf, bool)>> {
    let mut children = Vec::new();
    for child in fs::read_dir(dir)? {
        let child = child?;
        let kind = child.file_type()?;
        // A link to a directory looks like a file here and would be refused when it is read.
        if kind.is_symlink() && child.path().is_dir() {
            continue;
        }
        if kind.is_dir() || kind.is_file() || kind.is_symlink() {
            children.push((child.path(), kind.is_dir()));
        }
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn write(root: &Path, name: &str, text: &str) {
        let path = root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn no_skip() -> SkipDirs {
        SkipDirs::from_lookup(|_| None)
    }

    #[test]
    fn scans_in_lexical_order() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["b.yml", "a/z.yaml", "a/_index.yaml", "c/d.json", "a.yaml", "c/x.lua"] {
            write(
                root,
                name,
                &format!("{{\"namespace\": \"n\", \"name\": \"{name}\", \"kind\": \"k\"}}"),
            );
        }
        write(root, "node_modules/x.yaml", "namespace: [");
        write(root, ".wippy/vendor/x.yaml", "namespace: [");
        write(root, "bad.yaml", "namespace: a\nentries: 5\n");
        symlink("..", root.join("c/loop")).unwrap();
        symlink("missing", root.join("dangling.yaml")).unwrap();

        let scan = scan(root, &no_skip(), Some(&root.join(".wippy"))).unwrap();
        let names: Vec<&str> = scan.entries.iter().map(|(e, _)| e.id.name()).collect();
        assert_eq!(names, ["a/_index.yaml", "a/z.yaml", "a.yaml", "b.yml", "c/d.json"]);
        assert_eq!(scan.entries[0].1, root.join("a/_index.yaml"));
        let bad: Vec<_> = scan.problems.iter().map(|p| (p.path.clone(), p.line)).collect();
        assert_eq!(bad, [(root.join("bad.yaml"), 2), (root.join("dangling.yaml"), 0)]);
    }

    #[test]
    fn many_files_keep_their_order() {
        let dir = tempfile::tempdir().unwrap();
        let name = |i: usize| format!("{i:03}.yaml");
        for i in 0..200 {
            // The first ones take longest.
            let padding = "# nothing\n".repeat((200 - i) * 20);
            let text = format!("{padding}namespace: n\nname: e{i}\nkind: k\n");
            write(dir.path(), &name(i), if i % 50 == 7 { "namespace: [" } else { &text });
        }
        let scan = scan(dir.path(), &no_skip(), None).unwrap();
        let files: Vec<_> = scan.entries.iter().map(|(_, path)| path.clone()).collect();
        assert!(files.is_sorted() && files.len() == 196, "{files:?}");
        assert!(scan.entries.iter().all(|(entry, path)| {
            let i: usize = entry.id.name()[1..].parse().unwrap();
            path.ends_with(name(i))
        }));
        let bad: Vec<_> = scan.problems.iter().map(|problem| problem.path.clone()).collect();
        assert_eq!(bad, [7, 57, 107, 157].map(|i| dir.path().join(name(i))));
    }

    #[test]
    fn a_root_that_cannot_be_listed_fails() {
        let error = scan(Path::new("/no/such/dir"), &no_skip(), None).unwrap_err();
        assert!(error.to_string().starts_with("cannot read directory /no/such/dir: "));
    }

    #[test]
    fn skips_what_the_environment_names() {
        let skip = SkipDirs::from_lookup(|name| match name {
            "SKIP_TEST_DIRS" => Some("one, two,,".to_owned()),
            "SKIP_SQS_TESTS" => Some("1".to_owned()),
            "SKIP_NETWORK_TESTS" => Some(String::new()),
            _ => None,
        });
        assert_eq!(skip.names, ["node_modules", "one", "two", "sqs"]);
    }
}
