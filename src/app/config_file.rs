//! `.wippy.yaml`, profiles and `--set` to a [`Config`].
//!
//! In this order, what comes later wins for each leaf:
//!
//! 1. defaults (of a pack, of a flag that the file may override),
//! 2. the files, left to right,
//! 3. the profiles, in the order in which they were asked for,
//! 4. flags,
//! 5. `--set`.
//!
//! Before the last step `${env:NAME}` and `${name}` are replaced, both at once, so that what comes
//! from the environment is never taken for a placeholder. A `${name}` means what `vars:` says
//! after everything is merged. That the environment has what a file asks for is checked as the
//! file is read.
//!
//! Text from the environment knows no types, so a value that is one `${env:NAME}` can be read as
//! a string and, if it looks like one, as a number or a boolean. A value that is one `${name}`
//! takes the type of the variable.

use std::io;
use std::path::{Path, PathBuf};

use indexmap::IndexMap;

use crate::app::project::definition;
use crate::app::project::document::{self, Format, Step};
use crate::app::project::problem::FileProblem;
use crate::infra::config::{Config, ConfigBuilder};
use crate::infra::error::{Error, Result};
use crate::infra::nearest::nearest;
use crate::infra::transcoder::{Map, Value};

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = ".wippy.yaml";

const BYTES_MAX: u64 = 4 << 20;
/// Longest text that variables may grow to, and how deep they may refer to each other.
const EXPANDED_MAX: usize = 1 << 20;
const VARS_DEPTH_MAX: usize = 16;
/// Longest dotted key, in bytes. Setting a key costs its length for each of its dots.
const KEY_MAX: usize = 1024;

/// Where settings come from.
pub struct Sources<'a> {
    /// The named files; each must exist.
    pub files: &'a [PathBuf],
    pub profiles: &'a [String],
    /// Dotted keys below the files.
    pub defaults: &'a [(&'a str, Value)],
    /// Dotted keys above the profiles.
    pub flags: &'a [(&'a str, Value)],
    /// The arguments of `--set`.
    pub sets: &'a [String],
    /// The environment of the operating system.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// Settings, and where relative paths in them start.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    pub config: Config,
    /// The directory of the first file.
    pub dir: PathBuf,
}

/// The files to read: those that are `named`, or else [`DEFAULT_FILE`] in `dir`, if there is one.
pub fn files(named: &[PathBuf], dir: &Path) -> Vec<PathBuf> {
    match named {
        [] => Some(dir.join(DEFAULT_FILE)).filter(|path| path.exists()).into_iter().collect(),
        named => named.to_vec(),
    }
}

/// Reads and merges everything.
pub fn load(sources: &Sources<'_>) -> Result<Loaded> {
    let mut config = Config::builder();
    for (key, value) in sources.defaults {
        config.set(*key, value.clone());
    }
    let mut profiles: IndexMap<String, Vec<(String, Value)>> = IndexMap::new();
    for path in sources.files {
        for (key, value) in flatten_file(read(path)?, &mut profiles) {
            check_key(&key).map_err(|error| in_file(path, error))?;
            check_env(&key, &value, sources.env).map_err(|error| in_file(path, error))?;
            config.set(key, value);
        }
    }
    for name in sources.profiles {
        let Some(profile) = profiles.get(name) else {
            let hint = nearest(name, profiles.keys().map(String::as_str))
                .map(|near| format!(", did you mean {near:?}?"))
                .unwrap_or_default();
            return Err(Error::not_found(format!("unknown profile {name:?}{hint}")));
        };
        overlay(&mut config, profile, sources.env)
            .map_err(|error| error.context(format!("profile {name:?}")))?;
    }
    for (key, value) in sources.flags {
        config.set(*key, value.clone());
    }
    let sets = sources.sets.iter().map(|arg| parse_set(arg)).collect::<Result<Vec<_>>>()?;
    // Variables that are set by hand count for the placeholders, other values are no templates.
    for (key, value) in sets.iter().filter(|(key, _)| key.starts_with("vars.")) {
        config.set(key.as_str(), value.clone());
    }
    expand_all(&mut config, sources.env)?;
    for (key, value) in sets {
        config.set(key, value);
    }
    let dir = sources.files.first().and_then(|path| path.parent()).unwrap_or(Path::new(""));
    let dir = if dir == Path::new("") { PathBuf::from(".") } else { dir.to_owned() };
    Ok(Loaded { config: config.build(), dir })
}

/// `SECTION.PATH=VALUE` to a dotted key and a typed value.
pub fn parse_set(arg: &str) -> Result<(String, Value)> {
    let invalid = |reason: &str| {
        let format = "expected format: section.path=value";
        Error::invalid(format!("invalid --set {arg:?}: {reason}, {format}"))
    };
    let (key, text) = arg.split_once('=').ok_or_else(|| invalid("missing separator '='"))?;
    let key = key.trim();
    if !key.contains('.') {
        return Err(invalid("missing separator '.'"));
    }
    if key.split('.').any(str::is_empty) {
        return Err(invalid("empty section or path"));
    }
    check_key(key)?;
    let value = match text {
        "true" => Value::Bool(true),
        "false" => Value::Bool(false),
        _ => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(n), _) => Value::Int(n),
            (_, Ok(x)) if x.is_finite() && text.contains(|c: char| c.is_ascii_digit()) => {
                Value::Float(x)
            }
            _ => Value::from(text),
        },
    };
    Ok((key.to_owned(), value))
}

/// The sections of the file at `path`, its version checked and removed.
fn read(path: &Path) -> Result<Map> {
    let shown = path.display();
    let content = definition::read_bounded(path, BYTES_MAX).map_err(|error| {
        let error = match error.kind() {
            io::ErrorKind::NotFound => Error::not_found(error.to_string()),
            _ => Error::invalid(error.to_string()),
        };
        error.context(format!("cannot read configuration file {shown}"))
    })?;
    let text = String::from_utf8(content).map_err(|error| {
        let valid_len = error.utf8_error().valid_up_to();
        let problem = FileProblem::not_utf8(path, error.as_bytes(), valid_len);
        let reason =
            format!("failed to parse YAML: yaml: line {}: {}", problem.line, problem.reason);
        problem.into_error(reason)
    })?;
    let document = document::parse(&text, Format::Yaml).map_err(|problem| {
        let reason =
            format!("failed to parse YAML: yaml: line {}: {}", problem.at.line, problem.reason);
        FileProblem::at(path, &text, problem.at, problem.reason).into_error(reason)
    })?;
    let error_at = |steps: &[Step], reason: String| {
        let at = document::locate(&text, steps);
        FileProblem::at(path, &text, at, reason.clone()).into_error(reason)
    };
    let mut sections = match document {
        Value::Nil => Map::new(),
        Value::Map(sections) => sections,
        other => {
            let reason = format!("{shown} must be a mapping, not {}", other.type_name());
            return Err(error_at(&[], reason));
        }
    };
    let key = |name: &str| [Step::Key(name.to_owned())];
    let version = match sections.shift_remove("version") {
        None | Some(Value::Nil) => String::new(),
        Some(Value::Str(version)) => version,
        Some(Value::Int(n)) => n.to_string(),
        // Without quotes YAML reads a number; `{:?}` keeps the `.0`.
        Some(Value::Float(x)) => format!("{x:?}"),
        Some(other) => {
            return Err(error_at(
                &key("version"),
                format!("unsupported version: {}", other.type_name()),
            ));
        }
    };
    match version.as_str() {
        "1.0" => (),
        "" => return Err(in_file(path, Error::invalid("missing version field"))),
        other => return Err(error_at(&key("version"), format!("unsupported version: {other}"))),
    }
    for (name, section) in &sections {
        if !matches!(section, Value::Map(_) | Value::Nil) {
            let found = section.type_name();
            let reason = format!("section {name} must be a mapping, not {found}");
            return Err(error_at(&key(name), reason));
        }
    }
    Ok(sections)
}

fn in_file(path: &Path, error: Error) -> Error {
    // The text stays as people know it; which file it was follows on a line of its own.
    let quote = Value::from(format!("  --> {}", path.display()));
    error.with_details(Value::from([("quote", quote)]))
}

/// The leaves of a file; those of its profiles are added to `profiles`.
fn flatten_file(
    sections: Map,
    profiles: &mut IndexMap<String, Vec<(String, Value)>>,
) -> Vec<(String, Value)> {
    let mut leaves = Vec::new();
    for (section, value) in sections {
        let Value::Map(map) = value else {
            continue;
        };
        match section.strip_prefix("profiles") {
            Some("") => {
                for (name, profile) in map {
                    flatten("", profile, profiles.entry(name).or_default());
                }
            }
            Some(dotted) if dotted.starts_with('.') => {
                let profile = profiles.entry(dotted[1..].to_owned()).or_default();
                flatten("", Value::Map(map), profile);
            }
            _ => flatten(&section, Value::Map(map), &mut leaves),
        }
    }
    leaves
}

/// Nested mappings to dotted keys; anything else is a leaf.
fn flatten(prefix: &str, value: Value, leaves: &mut Vec<(String, Value)>) {
    match value {
        Value::Map(map) => {
            for (key, value) in map {
                let key = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
                flatten(&key, value, leaves);
            }
        }
        _ if prefix.is_empty() => (),
        leaf => leaves.push((prefix.to_owned(), leaf)),
    }
}

/// Lays the leaves of a profile over `config`.
fn overlay(
    config: &mut ConfigBuilder,
    profile: &[(String, Value)],
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<()> {
    for (key, value) in profile {
        if key.starts_with("vars.") && names_env(value) {
            return Err(Error::invalid(format!("{key} cannot reference the environment")));
        }
        check_key(key)?;
        check_env(key, value, env)?;
        match edited_list(key) {
            Some((list, edit)) => {
                let mut items = config.get(list).and_then(Value::as_list).unwrap_or(&[]).to_vec();
                let operands = match value {
                    Value::List(operands) => operands.as_slice(),
                    one => std::slice::from_ref(one),
                };
                items.retain(|item| !operands.contains(item));
                if edit == Edit::Add {
                    items.extend_from_slice(operands);
                }
                config.set(list, Value::List(items));
            }
            None => config.set(key.as_str(), value.clone()),
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Edit {
    Add,
    Remove,
}

/// The base list that a key of a profile edits.
fn edited_list(key: &str) -> Option<(&str, Edit)> {
    let (list, edit) = match key.rsplit_once('.')? {
        (list, "add") => (list, Edit::Add),
        (list, "remove") => (list, Edit::Remove),
        _ => return None,
    };
    matches!(list, "disable.namespaces" | "disable.entries").then_some((list, edit))
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Part<'a> {
    Text(&'a str),
    /// `${env:NAME}` or `${env:NAME|default}`.
    Env(&'a str, Option<&'a str>),
    /// `${name}`.
    Var(&'a str),
}

/// Splits at the placeholders; what only looks like one is text.
fn parts(text: &str) -> Vec<Part<'_>> {
    let is_name = |name: &str| {
        let is_first = |c: char| c.is_ascii_alphabetic() || c == '_';
        name.starts_with(is_first)
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.'))
    };
    let mut parts = Vec::new();
    // `text[done..]` is not in `parts` yet; the search goes on at `from`.
    let (mut done, mut from) = (0, 0);
    while let Some(start) = text[from..].find("${").map(|i| from + i) {
        let Some(end) = text[start..].find('}').map(|i| start + i) else {
            break;
        };
        let inner = &text[start + 2..end];
        let part = match inner.strip_prefix("env:") {
            Some(env) => {
                let (name, default) = match env.split_once('|') {
                    Some((name, default)) => (name, Some(default)),
                    None => (env, None),
                };
                (!name.is_empty()).then_some(Part::Env(name, default))
            }
            None => is_name(inner).then_some(Part::Var(inner)),
        };
        match part {
            Some(part) => {
                if done < start {
                    parts.push(Part::Text(&text[done..start]));
                }
                parts.push(part);
                (done, from) = (end + 1, end + 1);
            }
            None => from = start + 2,
        }
    }
    if done < text.len() {
        parts.push(Part::Text(&text[done..]));
    }
    parts
}

fn for_each_part(value: &Value, visit: &mut dyn FnMut(Part<'_>)) {
    match value {
        Value::Str(text) => parts(text).into_iter().for_each(visit),
        Value::List(items) => items.iter().for_each(|item| for_each_part(item, visit)),
        Value::Map(map) => map.values().for_each(|item| for_each_part(item, visit)),
        _ => (),
    }
}

fn names_env(value: &Value) -> bool {
    let mut found = false;
    for_each_part(value, &mut |part| found |= matches!(part, Part::Env(..)));
    found
}

fn check_key(key: &str) -> Result<()> {
    match key.len() <= KEY_MAX {
        true => Ok(()),
        false => {
            let start: String = key.chars().take(40).collect();
            Err(Error::invalid(format!("key {start}… is longer than {KEY_MAX} bytes")))
        }
    }
}

/// Every variable of the environment that `value` names is set.
fn check_env(key: &str, value: &Value, env: &dyn Fn(&str) -> Option<String>) -> Result<()> {
    let mut missing = None;
    for_each_part(value, &mut |part| {
        if let Part::Env(name, None) = part
            && env(name).is_none()
        {
            missing.get_or_insert_with(|| name.to_owned());
        }
    });
    match missing {
        None => Ok(()),
        Some(name) => Err(Error::invalid(format!(
            "environment variable {name} is not set, it is needed for {key}"
        ))),
    }
}

/// Replaces the placeholders of all leaves.
fn expand_all(config: &mut ConfigBuilder, env: &dyn Fn(&str) -> Option<String>) -> Result<()> {
    let keys: Vec<String> = config.keys().map(str::to_owned).collect();
    let mut expanded = Vec::new();
    for key in keys {
        let Some(value) = config.get(&key) else {
            continue;
        };
        let mut expander = Expander { config, env, room: EXPANDED_MAX };
        let value = expander.expand(value, 0).map_err(|error| error.context(key.clone()))?;
        expanded.push((key, value));
    }
    for (key, value) in expanded {
        match value {
            Expanded::Typed(value) => config.set(key, value),
            Expanded::Untyped(text) => config.set_untyped(key, text),
        }
    }
    Ok(())
}

enum Expanded {
    Typed(Value),
    /// One `${env:NAME}` and nothing else.
    Untyped(String),
}

impl Expanded {
    fn into_value(self) -> Value {
        match self {
            Expanded::Typed(value) => value,
            Expanded::Untyped(text) => Value::Str(text),
        }
    }
}

struct Expander<'a> {
    config: &'a ConfigBuilder,
    env: &'a dyn Fn(&str) -> Option<String>,
    /// Bytes that the leaf may still grow by.
    room: usize,
}

impl Expander<'_> {
    fn expand(&mut self, value: &Value, depth: usize) -> Result<Expanded> {
        match value {
            Value::Str(text) => self.expand_text(text, depth),
            Value::List(items) => {
                let items = items.iter().map(|i| self.expand(i, depth).map(Expanded::into_value));
                Ok(Expanded::Typed(Value::List(items.collect::<Result<_>>()?)))
            }
            other => Ok(Expanded::Typed(other.clone())),
        }
    }

    fn expand_text(&mut self, text: &str, depth: usize) -> Result<Expanded> {
        let parts = parts(text);
        match parts.as_slice() {
            [] | [Part::Text(_)] => Ok(Expanded::Typed(Value::from(text))),
            [Part::Env(name, default)] => self.env(name, *default).map(Expanded::Untyped),
            [Part::Var(name)] => self.var(name, depth),
            several => {
                let mut joined = String::new();
                for part in several {
                    match part {
                        Part::Text(text) => joined.push_str(text),
                        Part::Env(name, default) => joined.push_str(&self.env(name, *default)?),
                        Part::Var(name) => match self.var(name, depth)?.into_value() {
                            Value::Str(text) => joined.push_str(&text),
                            Value::Bool(flag) => joined.push_str(&flag.to_string()),
                            Value::Int(n) => joined.push_str(&n.to_string()),
                            Value::Float(x) => joined.push_str(&x.to_string()),
                            other => {
                                let found = other.type_name();
                                let text = format!("variable {name} is {found}, not a text");
                                return Err(Error::invalid(text));
                            }
                        },
                    }
                    if joined.len() > EXPANDED_MAX {
                        return Err(too_long());
                    }
                }
                Ok(Expanded::Typed(Value::Str(joined)))
            }
        }
    }

    fn env(&mut self, name: &str, default: Option<&str>) -> Result<String> {
        (self.env)(name)
            .or_else(|| default.map(str::to_owned))
            .ok_or_else(|| Error::invalid(format!("environment variable {name} is not set")))
    }

    fn var(&mut self, name: &str, depth: usize) -> Result<Expanded> {
        let Some(value) = self.config.get(&format!("vars.{name}")) else {
            return Err(Error::invalid(format!("unknown variable ${{{name}}}, it is not in vars")));
        };
        if depth >= VARS_DEPTH_MAX {
            return Err(Error::invalid(format!(
                "variable {name} refers to itself, or is more than {VARS_DEPTH_MAX} variables deep"
            )));
        }
        // Each use is paid for, or a few variables that repeat each other would take for ever.
        self.room = self.room.checked_sub(name.len() + 1).ok_or_else(too_long)?;
        self.expand(value, depth + 1)
    }
}

fn too_long() -> Error {
    Error::invalid("the value grows too long, check its variables")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use proptest::prelude::*;

    use super::*;

    fn env(name: &str) -> Option<String> {
        match name {
            "PORT" => Some("8080".to_owned()),
            "TRICKY" => Some("${name} ${env:PORT}".to_owned()),
            _ => None,
        }
    }

    #[derive(Default)]
    struct Case<'a> {
        files: &'a [&'a str],
        profiles: &'a [&'a str],
        sets: &'a [&'a str],
    }

    fn load_case(case: &Case<'_>) -> Result<Config> {
        let dir = tempfile::tempdir().unwrap();
        let mut files = Vec::new();
        for (i, text) in case.files.iter().enumerate() {
            let path = dir.path().join(format!("{i}.yaml"));
            fs::write(&path, text).unwrap();
            files.push(path);
        }
        let owned = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect::<Vec<_>>();
        let loaded = load(&Sources {
            files: &files,
            profiles: &owned(case.profiles),
            defaults: &[("a.default", Value::Int(1)), ("a.both", Value::Int(1))],
            flags: &[("a.flag", Value::Bool(true))],
            sets: &owned(case.sets),
            env: &env,
        })?;
        assert_eq!(loaded.dir, dir.path());
        Ok(loaded.config)
    }

    fn file(text: &str) -> Result<Config> {
        load_case(&Case { files: &[&format!("version: '1.0'\n{text}")], ..Default::default() })
    }

    #[test]
    fn sections_become_dotted_keys() {
        let config = file("a: {b: {c: 1}, d.e: 2, list: [1]}\nx.y: {z: 3}\nempty:\n").unwrap();
        assert_eq!(config.get_int("a.b.c"), Some(1));
        assert_eq!(config.get_int("a.d.e"), Some(2));
        assert_eq!(config.get_int("x.y.z"), Some(3));
        assert_eq!(config.get_list("a.list"), Some(&[Value::Int(1)][..]));
        assert_eq!(config.get_int("a.default"), Some(1));
    }

    #[test]
    fn later_sources_win() {
        let first = "version: 1.0\na: {both: 2, one: 1, two: 1, flag: false, set: 1}\n\
                     profiles: {p: {a: {two: 9}}, q: {a.one: 7}}";
        let second = "version: '1.0'\na: {two: 2}\nprofiles.q: {a: {three: 3}}";
        let config =
            load_case(&Case { files: &[first, second], profiles: &["p", "q"], sets: &["a.set=5"] })
                .unwrap();
        let ints: Vec<_> = ["both", "one", "two", "three", "set"]
            .iter()
            .map(|key| config.get_int(&format!("a.{key}")))
            .collect();
        assert_eq!(ints, [Some(2), Some(7), Some(9), Some(3), Some(5)]);
        assert_eq!(config.get_bool("a.flag"), Some(true));
        assert_eq!(config.sub("profiles").count(), 0);
    }

    #[test]
    fn profiles_edit_the_disable_lists() {
        let text = "version: '1.0'\ndisable: {namespaces: [a, b], entries: ['x:y']}\nprofiles:\n  \
                    p: {disable: {namespaces: {add: [c], remove: [a]}, entries.add: ['x:z']}}\n  \
                    q: {disable: {namespaces: [only]}}\n";
        let lists = |profiles| {
            let case = Case { files: &[text], profiles, ..Default::default() };
            let config = load_case(&case).unwrap();
            let list = |key| {
                let items = config.get_list(key).unwrap().iter();
                items.map(|v| v.as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
            };
            (list("disable.namespaces"), list("disable.entries"))
        };
        assert_eq!(lists(&["p"]), ("b c".to_owned(), "x:y x:z".to_owned()));
        assert_eq!(lists(&["q", "p"]), ("only c".to_owned(), "x:y x:z".to_owned()));
    }

    #[test]
    fn placeholders() {
        let config = file(
            "vars: {name: app, size: 5, twice: '${name}-${name}', port: '${env:PORT}'}\n\
             a: {port: '${env:PORT}', url: 'h:${env:PORT}/${name}', n: '${size}', t: '${twice}', \
             p: '${port}', list: ['${name}'], dflt: '${env:GONE|7}', tricky: '${env:TRICKY}', \
             not: '$name ${} ${NAME|x} ${a b} ${'}",
        )
        .unwrap();
        assert_eq!(config.get_int("a.port"), Some(8080));
        assert_eq!(config.get_str("a.port"), Some("8080"));
        assert_eq!(config.get_str("a.url"), Some("h:8080/app"));
        assert_eq!(config.get_int("a.n"), Some(5));
        assert_eq!(config.get_str("a.t"), Some("app-app"));
        assert_eq!(config.get_int("a.p"), Some(8080));
        assert_eq!(config.get_list("a.list"), Some(&["app".into()][..]));
        assert_eq!(config.get_int("a.dflt"), Some(7));
        assert_eq!(config.get_str("a.tricky"), Some("${name} ${env:PORT}"));
        assert_eq!(config.get_str("a.not"), Some("$name ${} ${NAME|x} ${a b} ${"));
    }

    #[test]
    fn variables_come_from_all_sources() {
        let text = "version: '1.0'\nvars: {x: base}\na: {v: '${x}'}\nprofiles: {p: {vars: {x: p}}}";
        let get = |profiles, sets| {
            let config = load_case(&Case { files: &[text], profiles, sets }).unwrap();
            config.get_str("a.v").unwrap().to_owned()
        };
        assert_eq!(get(&[], &[]), "base");
        assert_eq!(get(&["p"], &[]), "p");
        assert_eq!(get(&["p"], &["vars.x=set"]), "set");
        assert_eq!(get(&[], &["a.v=${x}"]), "${x}");
    }

    #[track_caller]
    fn check_error(text: &str, expect: &str) {
        let error = load_case(&Case { files: &[text], profiles: &["p"], sets: &[] }).unwrap_err();
        assert_eq!(error.to_string(), expect);
    }

    #[test]
    fn bad_files() {
        check_error("a: {b: 1}", "missing version field");
        check_error("", "missing version field");
        check_error("version: '2.0'", "unsupported version: 2.0");
        check_error("version: 1", "unsupported version: 1");
        check_error("version: '1.0'\na: 5", "section a must be a mapping, not an integer");
        check_error(
            "version: '1.0'\na: b: c",
            "failed to parse YAML: yaml: line 2: mapping values are not allowed in this context",
        );
        check_error(
            "version: '1.0'\nprofiles: {q: {}}",
            "unknown profile \"p\", did you mean \"q\"?",
        );
        check_error(
            "version: '1.0'\na: {b: 'x${env:GONE}'}",
            "environment variable GONE is not set, it is needed for a.b",
        );
        let with_profile = |rest: &str| format!("version: '1.0'\nprofiles: {{p: {{{rest}}}}}");
        check_error(
            &with_profile("vars: {x: '${env:PORT}'}"),
            "profile \"p\": vars.x cannot reference the environment",
        );
        check_error(
            &with_profile("a: {b: '${gone}'}"),
            "a.b: unknown variable ${gone}, it is not in vars",
        );
        check_error(
            &with_profile("vars: {x: '${y}', y: '${x}'}"),
            "vars.x: variable y refers to itself, or is more than 16 variables deep",
        );
        let vars: Vec<String> =
            (0..14).map(|i| format!("v{i}: '{}'", format!("${{v{}}}", i + 1).repeat(20))).collect();
        check_error(
            &with_profile(&format!("vars: {{{}, v14: x}}", vars.join(", "))),
            "vars.v0: the value grows too long, check its variables",
        );
    }

    #[test]
    fn named_files_must_exist() {
        let files = [PathBuf::from("/no/such/file.yaml")];
        let sources = Sources {
            files: &files,
            profiles: &[],
            defaults: &[],
            flags: &[],
            sets: &[],
            env: &env,
        };
        let error = load(&sources).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot read configuration file /no/such/file.yaml: "),
            "{error}"
        );
    }

    #[track_caller]
    fn check_set(arg: &str, key: &str, value: Value) {
        assert_eq!(parse_set(arg), Ok((key.to_owned(), value)));
    }

    #[test]
    fn sets() {
        check_set("a.b=true", "a.b", Value::Bool(true));
        check_set("a.b=True", "a.b", "True".into());
        check_set("a.b.c=12", "a.b.c", Value::Int(12));
        check_set("a.b=-1.5", "a.b", Value::Float(-1.5));
        check_set("a.b=inf", "a.b", "inf".into());
        check_set("a.b=15s", "a.b", "15s".into());
        check_set("a.b=", "a.b", "".into());
        check_set("a.b=x=y", "a.b", "x=y".into());
        for (arg, reason) in [
            ("a.b", "missing separator '='"),
            ("a=b.c", "missing separator '.'"),
            (".b=1", "empty section or path"),
            ("a..b=1", "empty section or path"),
        ] {
            let format = "expected format: section.path=value";
            let expect = format!("invalid --set \"{arg}\": {reason}, {format}");
            assert_eq!(parse_set(arg).unwrap_err().to_string(), expect);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn parts_lose_nothing(text in "[a${}:|env é]{0,30}") {
            let joined: String = parts(&text)
                .into_iter()
                .map(|part| match part {
                    Part::Text(text) => text.to_owned(),
                    Part::Env(name, None) => format!("${{env:{name}}}"),
                    Part::Env(name, Some(default)) => format!("${{env:{name}|{default}}}"),
                    Part::Var(name) => format!("${{{name}}}"),
                })
                .collect();
            prop_assert_eq!(joined, text);
        }
    }
}
