//! Rules of the code base that a program can check: reads `src/` as text.

use std::fs;
use std::path::{Path, PathBuf};

/// Lowest first: a layer may name itself and those before it.
const LAYERS: [&str; 7] = ["infra", "core", "system", "services", "runtime", "app", "cli"];

/// Foreign crates, and where they may be named.
const OWNERS: [(&str, &[&str]); 9] = [
    ("mlua", &["src/runtime"]),
    ("mio", &["src/core/reactor", "src/core/scheduler"]),
    ("crossbeam_deque", &["src/core/scheduler"]),
    ("core_affinity", &["src/core/scheduler"]),
    ("clap", &["src/cli"]),
    ("signal_hook", &["src/core/reactor"]),
    ("serde_yaml", &["src/app"]),
    ("saphyr_parser", &["src/app/project"]),
    ("jiff", &["src/infra"]),
];

/// Files with a reason to be long: one closed list of cases each.
const LINES_MAX: usize = 1000;

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

#[test]
fn layers_point_down() {
    for (path, text) in source_files() {
        let layer = LAYERS.iter().position(|layer| path.starts_with(format!("src/{layer}")));
        let Some(own) = layer.filter(|_| !is_test_file(&path)) else {
            continue; // main.rs and lib.rs see everything.
        };
        let code = code(&text);
        assert!(!code.contains("use crate::{"), "{path:?}: one path per line, so that we see all");
        for above in &LAYERS[own + 1..] {
            assert!(!code.contains(&format!("crate::{above}")), "{path:?} names {above}");
        }
    }
}

#[test]
fn foreign_crates_have_owners() {
    for (path, text) in source_files() {
        let code = code(&text);
        for (name, owners) in OWNERS {
            let named = code.contains(&format!("{name}::"));
            let owned = owners.iter().any(|owner| path.starts_with(owner));
            let exempt = path == Path::new("src/main.rs");
            assert!(
                !named || owned || exempt,
                "{path:?} names {name}, which belongs to {owners:?}"
            );
        }
    }
}

#[test]
fn unsafe_code_lives_in_the_engine() {
    for (path, text) in source_files() {
        let has = code(&text).lines().any(|line| {
            let mut words = line.split(|c: char| !c.is_alphanumeric() && c != '_');
            words.any(|word| word == "unsafe")
        });
        assert!(!has || path.starts_with("src/runtime/engine"), "{path:?} has unsafe code");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for (path, text) in source_files() {
        assert!(text.starts_with("//!"), "{path:?} has no head");
        assert!(!text.starts_with("//! (being written)"), "{path:?} is a placeholder");
        let lines = text.lines().count();
        assert!(lines <= LINES_MAX, "{path:?} has {lines} lines: which state could move out?");
    }
}

#[test]
fn nothing_is_left_for_later() {
    for (path, text) in source_files() {
        for word in ["todo!(", "unimplemented!(", "dbg!(", "println!(", "TODO", "FIXME"] {
            let found = code(&text).contains(word) && !is_test_file(&path);
            assert!(!found, "{path:?} has {word:?}");
        }
    }
}
