//! Rules of the code base that a program can check: reads `src/` as text.

use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first: a layer may name itself and those before it.
const LAYERS: [&str; 8] = ["infra", "lang", "core", "system", "services", "runtime", "app", "cli"];

/// Every foreign crate of the library, and the paths that may name it. What stands for `src` is plain
/// data or a lock and may be used anywhere.
const OWNERS: &[(&str, &[&str])] = &[
    ("clap", &["src/cli"]),
    ("core_affinity", &["src/core/scheduler"]),
    ("crossbeam_channel", &["src/infra/event_bus", "src/system/supervisor", "src/app"]),
    ("crossbeam_deque", &["src/core/scheduler"]),
    ("fnv", &["src/system"]),
    ("indexmap", &["src/infra/transcoder", "src/app"]),
    ("jiff", &["src/infra"]),
    ("libmimalloc_sys", &["src/main.rs"]),
    ("memchr", &["src/runtime/modules/base"]),
    ("memory_stats", &["src/infra/memory.rs"]),
    ("mimalloc", &["src/main.rs"]),
    ("mio", &["src/core/reactor", "src/core/scheduler"]),
    ("mlua", &["src/runtime"]),
    ("parking_lot", &["src"]),
    (
        "regex",
        &[
            "src/core/registry",
            "src/infra/json_schema",
            "src/system/security",
            "src/runtime/modules/types",
        ],
    ),
    ("rmp", &["src/infra/transcoder"]),
    ("rusqlite", &["src/core/registry"]),
    (
        "rustc_hash",
        &[
            "src/core",
            "src/infra/transcoder",
            "src/lang/types",
            "src/runtime/engine",
            "src/runtime/modules/json",
        ],
    ),
    (
        "rustix",
        &[
            "src/core/reactor",
            "src/infra/clock.rs",
            "src/infra/logger",
            "src/infra/machine.rs",
            "src/services/terminal",
        ],
    ),
    ("saphyr_parser", &["src/app/project"]),
    ("serde", &["src/app", "src/infra/transcoder", "src/runtime/modules/json"]),
    ("serde_json", &["src/app", "src/infra/transcoder"]),
    ("serde_yaml", &["src/app", "src/infra/transcoder"]),
    ("sha2", &["src/app/pipeline"]),
    ("signal_hook", &["src/core/reactor", "src/main.rs"]),
    ("signal_hook_mio", &["src/core/reactor"]),
    ("slab", &["src/runtime/engine"]),
    ("smallvec", &["src"]),
    ("strsim", &["src/infra/nearest.rs"]),
    ("unicode_width", &["src/infra/ansi"]),
    ("uuid", &["src/runtime/modules"]),
];

/// Where `unsafe` may stand, and what for. That each block has its `SAFETY:` is a lint of clippy's.
const UNSAFE_FILES: [&str; 8] = [
    "src/runtime/engine/raw.rs",           // calls into Luau
    "src/runtime/engine/raw/allocator.rs", // memory for them
    "src/runtime/engine/raw/entered.rs",   // what lies beside a state
    "src/runtime/engine/mod.rs",           // how Luau calls a host function
    "src/runtime/engine/coroutine.rs",     // how Luau calls its hooks
    "src/runtime/engine/vm.rs",            // a VM moves between workers; pointers of one slice
    "src/runtime/engine/channel.rs",       // what finalizers leave behind
    "src/main.rs",                         // a call of the allocator's, a handler of SIGABRT
];

/// Longer files, each with the reason that its head gives.
const LONG_FILES: [&str; 0] = [];
const LINES_MAX: usize = 1000;

/// Puts whole nodes together for the tests of modules, as unit tests may do anywhere.
const TEST_SUPPORT: &str = "src/runtime/modules/testing.rs";

fn source_files() -> Vec<(PathBuf, String)> {
    fn collect(dir: &Path, files: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                collect(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("text");
                files.push((path, text));
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    collect(&root.join("src"), &mut files);
    let relative = |path: PathBuf| path.strip_prefix(root).expect("below").to_path_buf();
    files.into_iter().map(|(path, text)| (relative(path), text)).collect()
}

fn is_test_file(path: &Path) -> bool {
    let path = path.to_string_lossy();
    path.contains("/tests/") || path.ends_with("tests.rs") || path.ends_with("testing.rs")
}

/// The code without the unit tests at its end, and without comments.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// Does `text` say `word` as a word of its own?
fn names(text: &str, word: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
    words.any(|found| found == word)
}

/// Does `code` name the crate, by a path or by an import?
fn names_crate(code: &str, name: &str) -> bool {
    let path = format!("{name}::");
    let is_start = |at: usize| {
        let before = code[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':')
    };
    code.match_indices(&path).any(|(at, _)| is_start(at)) || code.contains(&format!("use {name};"))
}

/// The names in `[dependencies]`, as Rust spells them.
fn dependencies() -> Vec<String> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = fs::read_to_string(manifest).expect("a manifest");
    let section = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
    section
        .take_while(|line| !line.starts_with('['))
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| Some(line.split_once(" =")?.0.replace('-', "_")))
        .collect()
}

#[test]
fn layers_point_down() {
    for (path, text) in source_files() {
        let layer = LAYERS.iter().position(|layer| path.starts_with(format!("src/{layer}")));
        let Some(own) = layer.filter(|_| path != Path::new(TEST_SUPPORT)) else {
            continue; // main.rs and lib.rs see everything.
        };
        assert!(!text.contains("use crate::{"), "{path:?}: one path per line, so that we see all");
        let code = code(&text);
        for above in &LAYERS[own + 1..] {
            assert!(!code.contains(&format!("crate::{above}")), "{path:?} names {above}");
        }
    }
}

#[test]
fn foreign_crates_have_owners() {
    let files = source_files();
    for (name, owners) in OWNERS {
        for (path, text) in &files {
            let owned = owners.iter().any(|owner| path.starts_with(owner));
            let named = names_crate(&code(text), name);
            assert!(!named || owned, "{path:?} names {name}, which belongs to {owners:?}");
        }
    }
}

#[test]
fn every_dependency_is_listed_and_used() {
    let files = source_files();
    let listed: Vec<&str> = OWNERS.iter().map(|(name, _)| *name).collect();
    let mut declared = dependencies();
    declared.sort();
    assert_eq!(declared, listed, "OWNERS names the dependencies of Cargo.toml, sorted");
    for (name, owners) in OWNERS {
        for owner in *owners {
            let mut owned = files.iter().filter(|(path, _)| path.starts_with(owner));
            let used = owned.any(|(_, text)| names_crate(&code(text), name));
            assert!(used, "{owner} does not use {name}");
        }
    }
}

#[test]
fn unsafe_code_lives_in_the_engine() {
    for (path, text) in source_files() {
        let listed = UNSAFE_FILES.iter().any(|file| path == Path::new(file));
        assert_eq!(
            names(&code(&text), "unsafe"),
            listed,
            "{path:?}: unsafe code, and UNSAFE_FILES"
        );
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in source_files() {
        assert!(text.starts_with("//! "), "{path:?} has no head");
        let lines = text.lines().count();
        let excused = LONG_FILES.iter().any(|file: &&str| path == Path::new(file));
        assert_eq!(lines > LINES_MAX, excused, "{path:?} has {lines} lines: what could move out?");
    }
}

#[test]
fn nothing_is_left_for_later() {
    for (path, text) in source_files() {
        let code = code(&text);
        for word in ["todo!(", "unimplemented!(", "dbg!(", "println!(", "TODO", "FIXME"] {
            assert!(!code.contains(word) || is_test_file(&path), "{path:?} has {word:?}");
        }
    }
}

/// The map in ARCHITECTURE.md: every folder is on it, and nothing that is not there. A line that
/// begins with `src/` is a folder; the file names that begin the lines below it are in there.
#[test]
fn the_map_shows_the_country() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("a page");
    let map = page.split("## The map").nth(1).and_then(|rest| rest.split("\n## ").next());
    let mut folders = Vec::new();
    for line in map.expect("a chapter `The map`").lines() {
        let words = line.split_whitespace().map(|word| word.trim_end_matches(','));
        if let Some(folder) = words.clone().next().filter(|_| line.starts_with("src/")) {
            assert!(root.join(folder).is_dir(), "the map shows {folder}, which is not there");
            folders.push(PathBuf::from(folder));
        } else if let (true, Some(folder)) = (line.starts_with("  "), folders.last()) {
            for file in words.take_while(|word| word.ends_with(".rs")) {
                assert!(root.join(folder).join(file).exists(), "no {file} in {folder:?}");
            }
        }
    }
    for (path, _) in source_files().iter().filter(|(path, _)| !is_test_file(path)) {
        let folder = path.parent().expect("a folder");
        assert!(folders.iter().any(|shown| shown == folder), "{folder:?} is not on the map");
    }
}

/// Where ARCHITECTURE.md says where something is, it is there: paths between backticks, below `src/`.
#[test]
fn the_page_row_by_row_names_what_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(root.join("ARCHITECTURE.md")).expect("a page");
    let rows = page.split("## The architecture page, row by row").nth(1);
    let rows = rows.and_then(|rest| rest.split("\n## ").next()).expect("a chapter about the page");
    let quoted = rows.split('`').skip(1).step_by(2);
    let mut paths = 0;
    for path in quoted.filter(|text| LAYERS.iter().any(|l| text.starts_with(&format!("{l}/")))) {
        assert!(root.join("src").join(path).exists(), "no src/{path}");
        paths += 1;
    }
    assert!(paths > 80, "{paths} paths: has the chapter changed its form?");
}

/// What the crate's page shows in full is to be read in full.
#[test]
fn the_example_of_embedding_is_short() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/embed.rs");
    let lines = fs::read_to_string(path).expect("an example").lines().count();
    assert!(lines <= 40, "{lines} lines");
}
