//! Stage `bytecode` of packing: Lua sources replaced by what they compile to.
//!
//! An entry of kind `process.lua` becomes one of kind `process.lua.bc`, which names a file in a file
//! system that the pack carries, and its hash. The compiler is handed in: bytecode belongs to the
//! engine that will run it.

use sha2::{Digest, Sha256};

use crate::app::pipeline::selection::Selection;
use crate::core::registry::{Entry, EntryId};
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::{Map, Value};

/// The file system of the compiled sources.
pub const FS: &str = "internal:lua.bytecode";
const KINDS: [&str; 4] = ["function.lua", "library.lua", "process.lua", "workflow.lua"];
/// What a compiled entry keeps of the data it had.
const KEPT: [&str; 5] = ["method", "imports", "modules", "pool", "meta"];

/// A file of the file system [`FS`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompiledFile {
    pub path: String,
    pub content: Vec<u8>,
}

/// `(entry, source) -> bytecode`.
pub type Compiler<'a> = &'a dyn Fn(&EntryId, &str) -> Result<Vec<u8>>;

/// Compiles those `entries` that are `selected`, adds the file system if there were any, and returns
/// its files. The first entry that does not compile fails the stage.
pub fn apply(
    entries: &mut Vec<Entry>,
    selected: &Selection,
    compile: Compiler<'_>,
) -> Result<Vec<CompiledFile>> {
    let mut files = Vec::new();
    for entry in entries.iter_mut() {
        if KINDS.contains(&entry.kind.as_str()) && selected.has(&entry.id) {
            files.push(replace(entry, compile).map_err(|e| e.context(entry.id.to_string()))?);
        }
    }
    if files.is_empty() {
        return Ok(files);
    }
    let id = EntryId::parse(FS);
    if entries.iter().any(|entry| entry.id == id) {
        return Err(Error::invalid(format!("{FS} is reserved for compiled sources")));
    }
    let data = Value::Map(Map::new());
    entries.push(Entry { id, kind: "fs.embed".to_owned(), meta: Map::new(), data });
    Ok(files)
}

/// Replaces the source of `entry` by the file that is returned.
fn replace(entry: &mut Entry, compile: Compiler<'_>) -> Result<CompiledFile> {
    let source = match entry.data.get("source") {
        Some(Value::Str(source)) => source,
        None | Some(Value::Nil) => return Err(Error::invalid("source is required")),
        Some(other) => {
            let found = other.type_name();
            return Err(Error::invalid(format!("source must be a string, not {found}")));
        }
    };
    let (ns, name) = (entry.id.ns(), entry.id.name());
    // Each entry has a file of its own, within the file system.
    let is_file_name = |text: &str| !text.contains(['/', '\\', '\0']) && !text.is_empty();
    if !is_file_name(ns) || !is_file_name(name) || ns == "." || ns == ".." {
        return Err(Error::invalid("the id cannot be the name of a file"));
    }
    let path = format!("{ns}/{name}.luac");
    let content = compile(&entry.id, source)?;
    let hash: String = Sha256::digest(&content).iter().map(|byte| format!("{byte:02x}")).collect();

    let mut data = Map::new();
    data.insert("fs".to_owned(), FS.into());
    data.insert("path".to_owned(), path.as_str().into());
    data.insert("hash".to_owned(), format!("sha256:{hash}").into());
    for key in KEPT {
        if let Some(value) = entry.data.get(key) {
            data.insert(key.to_owned(), value.clone());
        }
    }
    // Compiled entries must say it; of these two kinds the source need not.
    if matches!(entry.kind.as_str(), "process.lua" | "workflow.lua") {
        data.entry("method".to_owned()).or_insert_with(|| "main".into());
    }
    entry.data = Value::Map(data);
    entry.kind.push_str(".bc");
    Ok(CompiledFile { path, content })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::project::document::{self, Format};

    fn entry(id: &str, kind: &str, data: &str) -> Entry {
        let data = document::parse(data, Format::Yaml).unwrap();
        Entry { id: EntryId::parse(id), kind: kind.to_owned(), meta: Map::new(), data }
    }

    const COMPILER: Compiler<'static> = &|_, source| match source {
        "bad" => Err(Error::invalid("app:x:1: does not compile")),
        good => Ok(good.as_bytes().to_vec()),
    };

    /// The hash of the three bytes `abc`, a test vector of the standard.
    const ABC: &str = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[track_caller]
    fn check(kind: &str, data: &str, expect: &str) {
        let mut entries = vec![entry("app.x:run", kind, data)];
        entries[0].meta.insert("title".to_owned(), "stays".into());
        let files = apply(&mut entries, &Selection::new(&["**"]), COMPILER).unwrap();
        let expect =
            format!("{{fs: 'internal:lua.bytecode', path: app.x/run.luac, hash: '{ABC}'{expect}}}");
        assert_eq!(entries[0].data, document::parse(&expect, Format::Yaml).unwrap());
        assert_eq!(entries[0].kind, format!("{kind}.bc"));
        assert_eq!(entries[0].meta["title"], "stays".into());
        assert_eq!(entries[1], entry(FS, "fs.embed", "{}"));
        let content = b"abc".to_vec();
        assert_eq!(files, [CompiledFile { path: "app.x/run.luac".to_owned(), content }]);
    }

    #[test]
    fn sources_become_files() {
        check("function.lua", "{source: abc, method: go, other: 1}", ", method: go");
        check("library.lua", "{source: abc}", "");
        check("process.lua", "{source: abc}", ", method: main");
        check("workflow.lua", "{source: abc, method: go}", ", method: go");
        check(
            "function.lua",
            "{source: abc, method: go, imports: {a: 'b:c'}, modules: [io], pool: {size: 2}, meta: {x: 1}}",
            ", method: go, imports: {a: 'b:c'}, modules: [io], pool: {size: 2}, meta: {x: 1}",
        );
    }

    #[test]
    fn what_is_not_selected_or_no_source_stays() {
        let mut entries = vec![
            entry("app:x", "process.lua", "{source: abc}"),
            entry("app:y", "process.lua.bc", "{source: abc}"),
            entry("app:z", "registry.entry", "{source: abc}"),
        ];
        let before = entries.clone();
        for patterns in [&["y", "z"][..], &[], &["other:**"]] {
            assert_eq!(apply(&mut entries, &Selection::new(patterns), COMPILER), Ok(vec![]));
            assert_eq!(entries, before);
        }
    }

    #[track_caller]
    fn check_error(mut entries: Vec<Entry>, expect: &str) {
        let error = apply(&mut entries, &Selection::new(&["**"]), COMPILER).unwrap_err();
        assert_eq!(error.to_string(), expect);
    }

    #[test]
    fn errors_name_the_entry() {
        let lua = |id: &str, data: &str| vec![entry(id, "process.lua", data)];
        check_error(lua("app:x", "{source: bad}"), "app:x: app:x:1: does not compile");
        check_error(lua("app:x", "{}"), "app:x: source is required");
        check_error(lua("app:x", "{source: [a]}"), "app:x: source must be a string, not a list");
        let not_a_file = "the id cannot be the name of a file";
        for id in ["app:../x", "..:x", "a/b:x", "app:", ":x"] {
            check_error(lua(id, "{source: a}"), &format!("{id}: {not_a_file}"));
        }
        let mut taken = lua("app:x", "{source: a}");
        taken.push(entry(FS, "registry.entry", "{}"));
        check_error(taken, "internal:lua.bytecode is reserved for compiled sources");
    }
}
