//! Names of documents: `file:///path`, `wippy://ns:name`, plain `ns:name`.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// What a document is, by its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A file.
    File(PathBuf),
    /// The source of an entry.
    Entry(String),
    /// Something that exists in the editor only.
    Other,
}

/// Tells what a name means.
pub fn target(uri: &str) -> Target {
    if let Some(rest) = uri.strip_prefix("file://") {
        // A host stands before the path; only our own makes sense.
        let path = rest.find('/').map_or("", |slash| &rest[slash..]);
        return Target::File(PathBuf::from(OsString::from_vec(decoded(path))));
    }
    if let Some(id) = uri.strip_prefix("wippy://") {
        return Target::Entry(String::from_utf8_lossy(&decoded(id)).into_owned());
    }
    let is_id = |(ns, name): (&str, &str)| !ns.is_empty() && !name.contains([':', '/']);
    match uri.split_once(':').is_some_and(is_id) {
        true => Target::Entry(uri.to_owned()),
        false => Target::Other,
    }
}

/// The name of a file.
pub fn of_file(path: &Path) -> String {
    let mut uri = String::from("file://");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => uri.push(char::from(*byte)),
            byte if byte.is_ascii_alphanumeric() => uri.push(char::from(*byte)),
            byte => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

/// The name of the source of an entry that has no file of its own.
pub fn of_entry(id: &str) -> String {
    format!("wippy://{id}")
}

fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| char::from(*after.get(at)?).to_digit(16);
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let file = |path: &str| Target::File(PathBuf::from(path));
        let entry = |id: &str| Target::Entry(id.to_owned());
        for (uri, expect) in [
            ("file:///a/b.lua", file("/a/b.lua")),
            ("file://localhost/a%20b/%C3%A4.lua", file("/a b/ä.lua")),
            ("file:///50%.lua", file("/50%.lua")),
            ("file:///x%2", file("/x%2")),
            ("file://", file("")),
            ("wippy://app:cli", entry("app:cli")),
            ("wippy://app%3Acli", entry("app:cli")),
            ("app.deep:cli", entry("app.deep:cli")),
            ("untitled:Untitled-1", entry("untitled:Untitled-1")),
            ("http://x/y", Target::Other),
            ("", Target::Other),
        ] {
            assert_eq!(target(uri), expect, "{uri}");
        }
        assert_eq!(of_file(Path::new("/a b/ä_1.lua")), "file:///a%20b/%C3%A4_1.lua");
        assert_eq!(target(&of_file(Path::new("/a b/%ä.lua"))), file("/a b/%ä.lua"));
    }
}
