//! The file system `app:files` of programs that load entries: definition files, good and bad, and links
//! that lead out of it.

use std::fs;
use std::os::unix::fs::symlink;

use tempfile::TempDir;
use wippy::system::file_systems::Directory;

const FILES: &[(&str, &str)] = &[
    ("secret.yaml", "{namespace: secret, name: x, kind: k}"),
    ("secrets/a.yaml", "{namespace: secret, name: x, kind: k}"),
    (
        "root/shop/a.yaml",
        "version: '1.0'
namespace: shop
meta: {team: sales}
entries:
  - name: total
    kind: registry.entry
    meta: {rank: 2}
    near: file://near.txt
    far: ['file:///far.txt']
  - {name: prices, kind: registry.entry, meta: {team: stock}, data: only this, lost: 1}
",
    ),
    ("root/shop/near.txt", "near"),
    ("root/shop/deep/a.yml", "{namespace: deep, name: x, kind: k}"),
    ("root/shop/node_modules/a.yaml", "{namespace: node, name: x, kind: k}"),
    ("root/far.txt", "far"),
    ("root/one.json", r#"{"namespace": "shop", "name": "one", "kind": "k", "n": 1}"#),
    ("root/nobody.yml", "name: x"),
    ("root/bad.yaml", "namespace: bad\nentries:\n  - kind: k\n"),
    ("root/leaves.yaml", "{namespace: x, name: x, kind: k, text: 'file://../secret.yaml'}"),
    ("root/empty/none.txt", ""),
];

/// Files that are gone with the first, and the file system that has them.
pub fn file_system() -> (TempDir, Directory) {
    let dir = tempfile::tempdir().expect("a scratch folder");
    for (name, text) in FILES {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        fs::write(path, text).expect("writable");
    }
    let root = dir.path().join("root");
    symlink("../secret.yaml", root.join("link.yaml")).expect("writable");
    symlink("../secrets", root.join("outside")).expect("writable");
    (dir, Directory { root, mode: 0o755 })
}
