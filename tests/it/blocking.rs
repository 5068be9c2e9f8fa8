//! No blocking call is missing in the programs that try them all in every place (`tests/lua/*/matrix.luau`).
//!
//! Which host functions may suspend a coroutine is read from their sources: those that call one of the
//! methods that suspend ([`SUSPENDING`]), or a function that does. That is text search, no compiler:
//! calls are told by the name of the function and of its file. It errs towards finding too much.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::functions::page;

/// Methods of `Cx` without which nothing suspends.
const SUSPENDING: &str =
    "suspend|suspendable|can_suspend|step_aside|command|offload|completion|completer";

/// A function of a source file.
type Function = (PathBuf, String);

struct Sources {
    files: BTreeMap<PathBuf, String>,
    /// With their bodies; of several of one name in a file, all together.
    functions: BTreeMap<Function, String>,
}

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("a pattern")
}

/// What a file is called in paths.
fn module(file: &Path) -> &str {
    let own = file.file_stem().and_then(|name| name.to_str()).expect("a name");
    match own {
        "mod" => module(file.parent().expect("a folder")),
        own => own,
    }
}

impl Sources {
    fn read() -> Sources {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/runtime");
        let mut folders = vec![root.join("engine"), root.join("modules")];
        let mut files = BTreeMap::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|kind| kind == "rs") {
                    let text = fs::read_to_string(&path).expect("a source");
                    let end = text.find("#[cfg(test)]\nmod tests").unwrap_or(text.len());
                    files.insert(path, text[..end].to_owned());
                }
            }
        }
        let head = regex(r"(?m)^( *)(?:pub(?:\([a-z]+\))? )?(?:unsafe )?fn (\w+)");
        let mut functions: BTreeMap<Function, String> = BTreeMap::new();
        for (file, text) in &files {
            for found in head.captures_iter(text) {
                let start = found.get(0).expect("all of it").end();
                let end = format!("\n{}}}", &found[1]);
                let len = text[start..].find(&end).unwrap_or(0);
                let body = functions.entry((file.clone(), found[2].to_owned())).or_default();
                body.push_str(&text[start..start + len]);
            }
        }
        Sources { files, functions }
    }

    /// The functions that `code`, which stands in `file`, calls or names.
    fn called(&self, file: &Path, code: &str, call: &Regex) -> BTreeSet<Function> {
        let mut called = BTreeSet::new();
        for found in call.captures_iter(code) {
            if code[..found.get(0).expect("all of it").start()].ends_with('.') {
                continue;
            }
            let name = &found[2];
            let own = (file.to_owned(), name.to_owned());
            let imported = || {
                let import = regex(&format!(r"use [^;]*\b{name}\b[^;]*;"));
                import.find(&self.files[file]).map(|import| import.as_str().to_owned())
            };
            let is_there: Box<dyn Fn(&Path) -> bool> = match found.get(1) {
                Some(qualifier) => {
                    let qualifier = qualifier.as_str().to_owned();
                    Box::new(move |other| module(other) == qualifier)
                }
                None if self.functions.contains_key(&own) => Box::new(|other| other == file),
                None => match imported() {
                    Some(import) => Box::new(move |other| import.contains(module(other))),
                    None => continue,
                },
            };
            let named = self.functions.keys().filter(|(other, own)| own == name && is_there(other));
            called.extend(named.cloned());
        }
        called
    }

    /// All functions that may suspend.
    fn suspending(&self) -> BTreeSet<Function> {
        let primitive = regex(&format!(r"\b(cx|self)\s*\.({SUSPENDING})\("));
        let call = regex(r"(?:(\w+)::)?\b(\w+)\s*(?:::<[^>]*>)?\(");
        let calls: BTreeMap<&Function, BTreeSet<Function>> = self
            .functions
            .iter()
            .map(|(function, body)| (function, self.called(&function.0, body, &call)))
            .collect();
        let direct = self.functions.iter().filter(|(_, body)| primitive.is_match(body));
        let mut suspending: BTreeSet<Function> =
            direct.map(|(function, _)| function.clone()).collect();
        loop {
            let more: Vec<Function> = calls
                .iter()
                .filter(|(function, called)| {
                    !suspending.contains(**function) && !called.is_disjoint(&suspending)
                })
                .map(|(function, _)| (*function).clone())
                .collect();
            if more.is_empty() {
                return suspending;
            }
            suspending.extend(more);
        }
    }

    /// What a type of userdata is called: `time.Timer`.
    fn sort(&self, object: &str) -> String {
        let name = regex(&format!(r#"impl Tagged for {object} \{{[^}}]*NAME: [^=]*= c"([^"]+)""#));
        let found = self.files.values().find_map(|text| Some(name.captures(text)?[1].to_owned()));
        match found.unwrap_or_else(|| panic!("{object} has no name")).as_str() {
            "channel" => "channel.Channel".to_owned(),
            "error" => "errors.Error".to_owned(),
            "payload" => "payload.Payload".to_owned(),
            "Logger" => "logger.Logger".to_owned(),
            sort if sort.contains('.') => sort.to_owned(),
            sort => format!("time.{sort}"),
        }
    }

    /// The functions of programs that may suspend, as `docs/functions.md` calls them.
    fn blocking(&self) -> BTreeSet<String> {
        let sorts = page().sorts;
        let suspending = self.suspending();
        let registered = regex(r#"\(\s*c"(\w+)",\s*host\(((?:[^()]|\([^()]*\))*)\),?\s*\)"#);
        let owner = regex(r"register(?:_type)?::<(\w+)>|\b(?:push|set)_functions\(");
        let named = regex(r"(?:(\w+)::)?\b(\w+)\b");
        let mut blocking = BTreeSet::new();
        for (file, text) in &self.files {
            for found in registered.captures_iter(text) {
                if self.called(file, &found[2], &named).is_disjoint(&suspending) {
                    continue;
                }
                let before = &text[..found.get(0).expect("all of it").start()];
                let owner = owner.captures_iter(before).last().expect("what it is added to");
                let name = match owner.get(1) {
                    None => format!("{}.{}", module(file), &found[1]),
                    Some(object) => {
                        let sort = self.sort(object.as_str());
                        let owner = sorts.get(&sort).unwrap_or(&sort);
                        format!("{owner}:{}", &found[1])
                    }
                };
                blocking.insert(name);
            }
        }
        blocking
    }
}

/// The calls that a matrix has: `call("NAME", ...)`, `["NAME"] = ...`, or a loop over names that `call`
/// puts behind a prefix.
fn tried() -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lua");
    let mut tried = BTreeSet::new();
    for folder in ["coroutine", "io"] {
        let text = fs::read_to_string(root.join(folder).join("matrix.luau")).expect("a program");
        let call = regex(r#"(?:call\(|\[)"([\w.:]+)"(?: \.\. name)?"#);
        for found in call.captures_iter(&text) {
            match found[1].ends_with(':') {
                false => _ = tried.insert(found[1].to_owned()),
                true => {
                    let before = &text[..found.get(0).expect("all of it").start()];
                    let list = &before[before.rfind("\nfor ").expect("a loop")..];
                    let names = regex(r#""(\w+)"|(\w+) = "#);
                    tried.extend(names.captures_iter(list).map(|name| {
                        let name = name.get(1).or(name.get(2)).expect("a name");
                        format!("{}{}", &found[1], name.as_str())
                    }));
                }
            }
        }
    }
    tried
}

#[test]
fn every_blocking_call_is_tried_in_every_place() {
    let blocking = Sources::read().blocking();
    // The search has not lost its way.
    for known in ["time.sleep", "channel_object:receive", "channel.select", "process.exec"] {
        assert!(blocking.contains(known), "{known} not found in {blocking:?}");
    }
    for not in ["time.now", "channel.new", "process.pid", "payload.new", "channel_object:case_send"]
    {
        assert!(!blocking.contains(not), "{not} does not block");
    }
    let missing: Vec<String> = blocking.difference(&tried()).cloned().collect();
    assert!(missing.is_empty(), "not in tests/lua/coroutine/matrix.luau: {missing:?}");
}
