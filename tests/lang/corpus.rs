//! The Lua programs of this repository.

use std::path::{Path, PathBuf};

/// Those below these folders of the repository, in order of their paths.
pub fn programs(folders: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut programs = Vec::new();
    let mut folders: Vec<PathBuf> = folders.iter().map(|folder| root.join(folder)).collect();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("readable").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "lua" || end == "luau") {
                programs.push(path);
            }
        }
    }
    programs.sort();
    programs
}

pub fn read(path: &Path) -> String {
    std::fs::read_to_string(path).expect("text")
}
