//! One entry file (`.yaml`, `.yml` or `.json`) to its entries.
//!
//! Rules:
//! 1. A file without `namespace` is not ours and gives no entries and no problem.
//! 2. Any problem drops the whole file: half a file is harder to understand than none.
//! 3. A string value that starts with `file://` is replaced by the text of that file, at any
//!    depth; keys are not. The file must lie under the root of the scanned tree, also after
//!    links are followed.
//!
//! `${env:...}` placeholders stay as they are: the listener of the entry's kind resolves them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use crate::app::project::document::{self, Format, Step};
use crate::app::project::problem::FileProblem;
use crate::core::registry::{Entry, EntryId};
use crate::infra::transcoder::{Map, Value};

/// Largest entry file that is read.
pub const DEFINITION_BYTES_MAX: u64 = 16 << 20;
/// Largest file that a `file://` value may name.
pub const SOURCE_BYTES_MAX: u64 = 64 << 20;

const SCHEME: &str = "file://";
/// Top-level keys that are no data in the form with one entry per file.
const RESERVED: [&str; 7] =
    ["version", "namespace", "meta", "entries", "name", "kind", "requirements"];

/// The format that the extension of `path` stands for; `None` if it is no entry file.
pub fn format_of(path: &Path) -> Option<Format> {
    match path.extension()?.to_str()? {
        "yaml" | "yml" => Some(Format::Yaml),
        "json" => Some(Format::Json),
        _ => None,
    }
}

/// The root of a scanned tree.
pub struct Root<'a> {
    dir: &'a Path,
    /// Without links: what a source must lie under. Looked up once for all files.
    real: PathBuf,
    /// Whether definition files, too, must lie under it after links are followed.
    is_confined: bool,
}

impl Root<'_> {
    pub fn new(dir: &Path) -> io::Result<Root<'_>> {
        Ok(Root { dir, real: fs::canonicalize(dir)?, is_confined: false })
    }

    /// One that no definition file leaves by a link.
    pub fn confined(dir: &Path) -> io::Result<Root<'_>> {
        Ok(Root { is_confined: true, ..Root::new(dir)? })
    }

    /// What `path`, below the root, really is. The reason if it is not there, or not in the tree.
    pub fn follow(&self, path: &Path) -> Result<PathBuf, String> {
        let real = fs::canonicalize(path).map_err(unreadable)?;
        match real.starts_with(&self.real) {
            true => Ok(real),
            false => Err("the file is a link that leaves the source directory".to_owned()),
        }
    }
}

fn unreadable(error: io::Error) -> String {
    format!("cannot read the file: {error}")
}

/// The entries of the file at `path`, which lies in the scanned tree under `root`.
pub fn read(path: &Path, root: &Root<'_>) -> Result<Vec<Entry>, Box<FileProblem>> {
    let real = match root.is_confined {
        true => root.follow(path),
        false => Ok(path.to_owned()),
    };
    let content = real
        .and_then(|real| read_bounded(&real, DEFINITION_BYTES_MAX).map_err(unreadable))
        .map_err(|reason| FileProblem::whole_file(path, reason))?;
    let text = String::from_utf8(content).map_err(|error| {
        let valid_len = error.utf8_error().valid_up_to();
        FileProblem::not_utf8(path, error.as_bytes(), valid_len)
    })?;
    let format = format_of(path).unwrap_or(Format::Yaml);
    let document = document::parse(&text, format)
        .map_err(|problem| FileProblem::at(path, &text, problem.at, problem.reason))?;

    let dir = path.parent().unwrap_or(root.dir);
    decode(document, &Sources::Files { dir, root }).map_err(|refusal| {
        let at = document::locate(&text, &refusal.path);
        Box::new(FileProblem::at(path, &text, at, refusal.reason))
    })
}

/// Reads a regular file of at most `bytes_max`. Anything else, a pipe for example, might block.
pub fn read_bounded(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidInput, reason);
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(invalid("not a regular file".to_owned()));
    }
    let too_large = || invalid(format!("larger than {} MiB", bytes_max >> 20));
    if metadata.len() > bytes_max {
        return Err(too_large());
    }
    // Room for all of it, and for the byte that would be too many, saves the reader its growing.
    let len = metadata.len() + 1;
    let mut content = Vec::with_capacity(usize::try_from(len).unwrap_or_default());
    File::open(path)?.take(bytes_max + 1).read_to_end(&mut content)?;
    if content.len() as u64 > bytes_max {
        return Err(too_large());
    }
    Ok(content)
}

/// Why a document gives no entries, and which of its values is to blame.
#[derive(Debug, PartialEq)]
struct Refusal {
    path: Vec<Step>,
    reason: String,
}

fn refuse<T>(path: &[Step], reason: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { path: path.to_vec(), reason: reason.into() })
}

fn key(name: &str) -> Step {
    Step::Key(name.to_owned())
}

/// Files that a program brings along, by the path below the root that `file://` would name.
pub type Given = HashMap<PathBuf, String>;

/// The entries of `text`, an entry file that is not on disk. Where it is to be shown, it is called
/// `name`. Its `file://` values name files of `given`.
pub fn read_text(name: &Path, text: &str, given: &Given) -> Result<Vec<Entry>, Box<FileProblem>> {
    let format = format_of(name).unwrap_or(Format::Yaml);
    let document = document::parse(text, format)
        .map_err(|problem| FileProblem::at(name, text, problem.at, problem.reason))?;
    decode(document, &Sources::Given(given)).map_err(|refusal| {
        let at = document::locate(text, &refusal.path);
        Box::new(FileProblem::at(name, text, at, refusal.reason))
    })
}

/// One entry out of what would stand for it in the list of an entry file. The reason if it is none.
pub fn entry(id: &EntryId, kind: &str, mut fields: Map, given: &Given) -> Result<Entry, String> {
    let sources = Sources::Given(given);
    for (name, value) in &mut fields {
        sources.resolve(value, &mut vec![key(name)]).map_err(|refusal| refusal.reason)?;
    }
    fields.insert("name".to_owned(), id.name().into());
    fields.insert("kind".to_owned(), kind.into());
    let read = list_entry(id.ns(), &Map::new(), "entry", &[], Value::Map(fields));
    read.map_err(|refusal| refusal.reason)
}

/// A path as [`Given`] knows it; `None` if there is no such path.
pub fn given_path(path: &str) -> Option<PathBuf> {
    let path = normalize(Path::new(path.trim_start_matches('/')))?;
    (path != Path::new("")).then_some(path)
}

fn decode(document: Value, sources: &Sources<'_>) -> Result<Vec<Entry>, Refusal> {
    let Value::Map(mut document) = document else {
        return Ok(Vec::new());
    };
    let ns = match document.get("namespace") {
        None | Some(Value::Nil) => return Ok(Vec::new()),
        Some(Value::Str(ns)) if ns.is_empty() => return Ok(Vec::new()),
        Some(Value::Str(ns)) if ns.contains(':') => {
            return refuse(&[key("namespace")], "namespace must not contain ':'");
        }
        Some(Value::Str(ns)) => ns.clone(),
        Some(other) => {
            let reason = format!("namespace must be a string, not {}", other.type_name());
            return refuse(&[key("namespace")], reason);
        }
    };
    for (name, value) in &mut document {
        sources.resolve(value, &mut vec![key(name)])?;
    }
    let shared_meta = take_meta(&mut document, &[], "meta")?;

    let has_entries = document.contains_key("entries");
    let items = match document.shift_remove("entries") {
        None | Some(Value::Nil) => Vec::new(),
        Some(Value::List(items)) => items,
        Some(other) => {
            let reason = format!("entries must be a list, not {}", other.type_name());
            return refuse(&[key("entries")], reason);
        }
    };
    if !items.is_empty() {
        let mut entries = Vec::with_capacity(items.len());
        for (i, item) in items.into_iter().enumerate() {
            let path = [key("entries"), Step::Index(i)];
            entries.push(list_entry(&ns, &shared_meta, &format!("entry[{i}]"), &path, item)?);
        }
        return Ok(entries);
    }
    if document.contains_key("name") || document.contains_key("kind") {
        return Ok(vec![single_entry(&ns, shared_meta, document)?]);
    }
    if has_entries {
        return Ok(Vec::new());
    }
    refuse(&[key("namespace")], "namespace without entries, or name and kind")
}

/// `item` stands at `path`; messages call it `label`.
fn list_entry(
    ns: &str,
    shared: &Map,
    label: &str,
    path: &[Step],
    item: Value,
) -> Result<Entry, Refusal> {
    let Value::Map(mut fields) = item else {
        let reason = format!("{label} must be a mapping, not {}", item.type_name());
        return refuse(path, reason);
    };
    let name = required(&fields, path, &format!("{label}.name"), "name")?;
    let kind = required(&fields, path, &format!("{label}.kind"), "kind")?;
    let mut meta = shared.clone();
    meta.extend(take_meta(&mut fields, path, &format!("{label}.meta"))?);
    let data = match fields.shift_remove("data") {
        Some(data) => data,
        None => {
            fields.shift_remove("name");
            fields.shift_remove("kind");
            Value::Map(fields)
        }
    };
    Ok(Entry { id: EntryId::new(ns, &name), kind, meta, data })
}

fn single_entry(ns: &str, meta: Map, mut fields: Map) -> Result<Entry, Refusal> {
    let name = required(&fields, &[], "name", "name")?;
    let kind = required(&fields, &[], "kind", "kind")?;
    let data = fields.shift_remove("data").unwrap_or_else(|| {
        fields.retain(|name, _| !RESERVED.contains(&name.as_str()));
        Value::Map(fields)
    });
    Ok(Entry { id: EntryId::new(ns, &name), kind, meta, data })
}

fn required(fields: &Map, path: &[Step], label: &str, name: &str) -> Result<String, Refusal> {
    let mut path = path.to_vec();
    let reason = match fields.get(name) {
        Some(Value::Str(text)) if !text.is_empty() => return Ok(text.clone()),
        None => format!("{label}: {name} is required and must be a string that is not empty"),
        Some(value) => {
            path.push(key(name));
            match value {
                Value::Str(_) | Value::Nil => {
                    format!("{label}: {name} is required and must not be empty")
                }
                other => format!("{label}: {name} must be a string, not {}", other.type_name()),
            }
        }
    };
    refuse(&path, reason)
}

fn take_meta(fields: &mut Map, path: &[Step], label: &str) -> Result<Map, Refusal> {
    match fields.shift_remove("meta") {
        None | Some(Value::Nil) => Ok(Map::new()),
        Some(Value::Map(meta)) => Ok(meta),
        Some(other) => {
            let path = [path, &[key("meta")]].concat();
            refuse(&path, format!("{label} must be a mapping, not {}", other.type_name()))
        }
    }
}

/// Where `file://` values are looked up.
enum Sources<'a> {
    Files {
        /// Directory of the entry file, for `file://x`.
        dir: &'a Path,
        /// Root of the scanned tree, for `file:///x`; nothing outside is read.
        root: &'a Root<'a>,
    },
    Given(&'a Given),
}

impl Sources<'_> {
    /// Replaces every `file://` string in `value`, which stands at `path`.
    fn resolve(&self, value: &mut Value, path: &mut Vec<Step>) -> Result<(), Refusal> {
        match value {
            Value::Str(text) => {
                if let Some(target) = text.strip_prefix(SCHEME) {
                    let content = match self {
                        Sources::Files { dir, root } => read_source(target, dir, root),
                        Sources::Given(given) => read_given(target, given),
                    };
                    *value = match content {
                        Ok(content) => match String::from_utf8(content) {
                            Ok(text) => Value::Str(text),
                            Err(error) => Value::Bytes(error.into_bytes()),
                        },
                        Err(reason) => return refuse(path, format!("{text}: {reason}")),
                    };
                }
            }
            Value::List(items) => {
                for (i, item) in items.iter_mut().enumerate() {
                    path.push(Step::Index(i));
                    self.resolve(item, path)?;
                    path.pop();
                }
            }
            Value::Map(map) => {
                for (name, item) in map {
                    path.push(key(name));
                    self.resolve(item, path)?;
                    path.pop();
                }
            }
            _ => (),
        }
        Ok(())
    }
}

fn read_source(target: &str, dir: &Path, root: &Root<'_>) -> Result<Vec<u8>, String> {
    let (base, relative) = match target.strip_prefix('/') {
        Some(from_root) => (Path::new(""), from_root),
        None => (dir.strip_prefix(root.dir).unwrap_or(Path::new("")), target),
    };
    let relative = relative.trim_start_matches('/');
    if relative.is_empty() {
        return Err("the path is empty".to_owned());
    }
    let Some(inside) = normalize(&base.join(relative)) else {
        return Err("the path leaves the source directory".to_owned());
    };
    let real = root.follow(&root.dir.join(inside))?;
    read_bounded(&real, SOURCE_BYTES_MAX).map_err(unreadable)
}

fn read_given(target: &str, given: &Given) -> Result<Vec<u8>, String> {
    let found = given_path(target).and_then(|path| given.get(&path));
    found.map(|text| text.clone().into_bytes()).ok_or_else(|| "no such source is given".to_owned())
}

/// `path` without `.` and `..`; `None` if it climbs above where it starts.
pub(super) fn normalize(path: &Path) -> Option<PathBuf> {
    let mut parts = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => (),
            Component::ParentDir => {
                if !parts.pop() {
                    return None;
                }
            }
            other => parts.push(other),
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in [
            ("secret.lua", "outside"),
            ("src/top.lua", "top"),
            ("src/sub/near.lua", "near"),
            ("src/sub/bytes.bin", ""),
        ] {
            let path = dir.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::write(dir.path().join("src/sub/bytes.bin"), b"\xff\x00").unwrap();
        std::os::unix::fs::symlink("../../secret.lua", dir.path().join("src/sub/link.lua"))
            .unwrap();
        dir
    }

    fn read_text(name: &str, text: &[u8]) -> Result<Vec<Entry>, Box<FileProblem>> {
        let dir = tree();
        let path = dir.path().join("src/sub").join(name);
        fs::write(&path, text).unwrap();
        read(&path, &Root::new(&dir.path().join("src")).unwrap())
    }

    #[track_caller]
    fn check(text: &str, expect: &[(&str, &str, Value, Value)]) {
        let entries = read_text("a.yaml", text.as_bytes()).unwrap();
        let found: Vec<_> = entries
            .into_iter()
            .map(|e| (e.id.to_string(), e.kind, Value::Map(e.meta), e.data))
            .collect();
        let expect: Vec<_> = expect
            .iter()
            .map(|(id, kind, meta, data)| {
                ((*id).to_owned(), (*kind).to_owned(), meta.clone(), data.clone())
            })
            .collect();
        assert_eq!(found, expect);
    }

    fn none() -> Value {
        Value::Map(Map::new())
    }

    #[test]
    fn list_form() {
        check(
            "version: '1.0'\nnamespace: shop\nmeta: {team: sales, size: 1}\nentries:\n\
             - {name: a, kind: function.lua, source: file://near.lua, meta: {size: 2}}\n\
             - {name: b, kind: k, data: [1], lost: 1}\n",
            &[
                (
                    "shop:a",
                    "function.lua",
                    Value::from([("team", "sales".into()), ("size", Value::Int(2))]),
                    Value::from([("source", "near".into())]),
                ),
                (
                    "shop:b",
                    "k",
                    Value::from([("team", "sales".into()), ("size", Value::Int(1))]),
                    Value::List(vec![Value::Int(1)]),
                ),
            ],
        );
    }

    #[test]
    fn single_form() {
        check(
            "namespace: a\nname: b\nkind: k\nmeta: {x: 1}\nport: 8\nrequirements: [1]\n",
            &[(
                "a:b",
                "k",
                Value::from([("x", Value::Int(1))]),
                Value::from([("port", Value::Int(8))]),
            )],
        );
        let data = Value::from([("y", Value::Int(2))]);
        check(
            "namespace: a\nentries: []\nname: b\nkind: k\ndata: {y: 2}\nport: 8\n",
            &[("a:b", "k", none(), data)],
        );
    }

    #[test]
    fn files_that_are_not_ours() {
        check("", &[]);
        check("[1, 2]", &[]);
        check("name: x\nkind: y\nsource: file://missing", &[]);
        check("namespace:\nentries: 5", &[]);
        check("namespace: a\nentries: []", &[]);
        check("namespace: a\nentries:", &[]);
    }

    #[test]
    fn sources() {
        let data = |text: &str| Value::from([("list", Value::List(vec![text.into()]))]);
        for (target, text) in [
            ("near.lua", "near"),
            ("./../sub/near.lua", "near"),
            ("/top.lua", "top"),
            ("../top.lua", "top"),
        ] {
            let yaml = format!("namespace: a\nname: b\nkind: k\nlist: ['file://{target}']");
            check(&yaml, &[("a:b", "k", none(), data(text))]);
        }
        check(
            "namespace: a\nname: b\nkind: k\ndata: file://bytes.bin",
            &[("a:b", "k", none(), Value::Bytes(vec![0xff, 0]))],
        );
    }

    #[track_caller]
    fn check_problem(text: &str, line: usize, column: usize, reason: &str) {
        let problem = read_text("a.yaml", text.as_bytes()).unwrap_err();
        assert_eq!((problem.line, problem.column), (line, column), "{problem}");
        assert!(problem.reason.contains(reason), "{problem}");
    }

    #[test]
    fn problems_have_places() {
        let entry = |fields: &str| format!("namespace: a\nentries:\n  - {fields}\n");
        check_problem("namespace: [a]", 1, 12, "namespace must be a string, not a list");
        check_problem("namespace: a:b", 1, 12, "must not contain ':'");
        check_problem("namespace: a\nmeta: 5", 2, 7, "meta must be a mapping, not an integer");
        check_problem("namespace: a\nentries: {}", 2, 10, "entries must be a list");
        check_problem("namespace: a", 1, 12, "namespace without entries");
        check_problem("namespace: a\nname: x", 1, 1, "kind: kind is required");
        check_problem(&entry("kind: x"), 3, 5, "entry[0].name: name is required");
        check_problem(&entry("{name: a, kind: ''}"), 3, 21, "entry[0].kind: kind is required");
        check_problem(&entry("{name: a, kind: [k]}"), 3, 21, "kind must be a string, not a list");
        check_problem(&entry("text"), 3, 5, "entry[0] must be a mapping, not a string");
        check_problem(&entry("{name: a, kind: k, meta: 1}"), 3, 30, "entry[0].meta must be");
        check_problem("namespace: a\nx: [", 2, 5, "did not find expected node content");
    }

    #[test]
    fn bad_sources_have_places() {
        for (target, reason) in [
            ("", "the path is empty"),
            ("/", "the path is empty"),
            ("../../secret.lua", "leaves the source directory"),
            ("/../secret.lua", "leaves the source directory"),
            ("link.lua", "a link that leaves"),
            ("missing.lua", "cannot read the file"),
            ("/sub", "not a regular file"),
        ] {
            let text = format!("namespace: a\nname: b\nkind: k\nx:\n  y: file://{target}\n");
            check_problem(&text, 5, 6, reason);
        }
    }

    #[test]
    fn other_bad_files() {
        let problem = read_text("a.yaml", b"namespace: a\nx: \xff").unwrap_err();
        assert_eq!((problem.line, problem.column), (2, 4));
        let problem = read_text("a.json", b"{\"namespace\": \"a\",\n}").unwrap_err();
        assert_eq!((problem.line, problem.column), (2, 1), "{problem}");
        assert!(read_text("a.json", b"{\"namespace\": \"a\", \"entries\": []}").is_ok());
    }
}
