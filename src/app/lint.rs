//! Checking the Lua sources of a project without running anything.

use std::fs;
use std::path::{Path, PathBuf};

use crate::app::project::Origins;
use crate::core::registry::{Entry, EntryId};
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;
use crate::lang::check::codes::{self, Severity};
use crate::lang::check::rules::{self, Fix};
use crate::lang::check::{Grants, check};
use crate::lang::diagnostic::Diagnostic;
use crate::lang::parser::{Parsed, parse};
use crate::lang::resolve::{Resolved, resolve};
use crate::lang::span::Lines;
use crate::runtime::modules::declarations;
use crate::runtime::type_check;

/// Kinds of entries that have Lua sources, and what may follow.
const KINDS: [&str; 4] = ["function.lua", "library.lua", "process.lua", "workflow.lua"];

/// Something that was found in an entry.
#[derive(Clone, Debug)]
pub struct Finding {
    pub entry: EntryId,
    pub severity: Severity,
    pub diagnostic: Diagnostic,
    /// From 1, the column in characters.
    pub line: u32,
    pub column: u32,
    pub fix: Option<Fix>,
}

/// Does the entry have a Lua source, or bytecode made of one?
pub fn is_lua(entry: &Entry) -> bool {
    let rest = KINDS.iter().find_map(|kind| entry.kind.strip_prefix(kind));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// The source of an entry, unless it has bytecode.
pub fn source(entry: &Entry) -> Option<&str> {
    entry.data.get("source").and_then(Value::as_str).filter(|_| !entry.kind.ends_with(".bc"))
}

/// Checks an entry, with style rules if `with_rules`.
pub fn check_entry(entry: &Entry, with_rules: bool) -> Vec<Finding> {
    let Some(source) = source(entry) else { return Vec::new() };
    let parsed = parse(source);
    let resolved = resolve(&parsed.ast);
    let modules = modules(entry);
    let modules: Vec<&str> = modules.iter().map(String::as_str).collect();
    let imports = type_check::imports(entry);
    let imports: Vec<&str> = imports.iter().map(String::as_str).collect();
    let grants = Grants { modules: Some(&modules), imports: &imports };
    let library = declarations::library();
    let checked = || check(&parsed.ast, &resolved, source, library, grants).diagnostics;
    // Imports may do anything when they are loaded; modules of the runtime do not.
    let is_granted = |name: &str| library.has(name, &modules);
    let rules: Option<&dyn Fn(&str) -> bool> = if with_rules { Some(&is_granted) } else { None };
    let found = diagnose(&parsed, &resolved, source, checked, rules);
    let finding = |(diagnostic, fix): (Diagnostic, Option<Fix>)| {
        let (line, column) = position(&parsed.ast.lines, source, diagnostic.span.start);
        let severity = codes::severity(diagnostic.code);
        Finding { entry: entry.id.clone(), severity, diagnostic, line, column, fix }
    };
    let mut findings: Vec<Finding> = found.into_iter().map(finding).collect();
    findings.sort_by_key(|f| (f.severity, f.line, f.column, f.diagnostic.code));
    findings
}

/// The modules that an entry lists.
pub fn modules(entry: &Entry) -> Vec<String> {
    let listed = entry.data.get("modules").and_then(Value::as_list).unwrap_or_default();
    listed.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// What is to be said of a source: what does not parse, or else what `checked` finds and what breaks the
/// style rules, each with its fix if there is one. The rules want to know which modules a `require` is
/// sure to find; without `is_granted` they are left out.
pub fn diagnose(
    parsed: &Parsed,
    resolved: &Resolved,
    source: &str,
    checked: impl FnOnce() -> Vec<Diagnostic>,
    is_granted: Option<&dyn Fn(&str) -> bool>,
) -> Vec<(Diagnostic, Option<Fix>)> {
    let plain = |diagnostic: Diagnostic| (diagnostic, None);
    let mut found: Vec<_> = parsed.diagnostics.iter().cloned().map(plain).collect();
    if found.is_empty() {
        found.extend(resolved.diagnostics.iter().cloned().map(plain));
        found.extend(checked().into_iter().map(plain));
        if let Some(is_granted) = is_granted {
            found.extend(rules::find(&parsed.ast, resolved, source, is_granted));
        }
    }
    found
}

/// Line and column of a byte, both from 1; the column counts characters.
pub fn position(lines: &Lines, source: &str, at: u32) -> (u32, u32) {
    let (line, bytes) = lines.position(at);
    let start = (at - (bytes - 1)) as usize;
    let before = source.get(start..at as usize).unwrap_or_default();
    (line, before.chars().count() as u32 + 1)
}

/// Makes the fixes of an entry in the file that its source came from; says how many.
///
/// # Errors
/// The source stands in no file of its own, or the file has changed or cannot be written.
pub fn fix(entry: &Entry, fixes: &[Fix], origins: &Origins) -> Result<usize> {
    let id = &entry.id;
    let Some(source) = source(entry) else { return Ok(0) };
    let path = origins
        .get(id)
        .and_then(|origin| file_of(origin, source))
        .ok_or_else(|| Error::invalid(format!("{id} has no source file of its own")))?;
    let (text, made) = rules::apply(source, fixes);
    fs::write(&path, text)
        .map_err(|error| Error::internal(error.to_string()).context(path.display().to_string()))?;
    Ok(made)
}

/// The one file that the entry file names and that has this text.
fn file_of(origin: &Path, source: &str) -> Option<PathBuf> {
    let document = fs::read_to_string(origin).ok()?;
    let folder = origin.parent()?;
    let names = document.split("file://").skip(1).map(|rest| {
        let end = rest.find(|c: char| c.is_whitespace() || "'\",}]#".contains(c));
        rest[..end.unwrap_or(rest.len())].trim_start_matches('/')
    });
    let mut fitting: Vec<PathBuf> = names
        .flat_map(|name| folder.ancestors().take(16).map(move |folder| folder.join(name)))
        .filter(|path| fs::read_to_string(path).is_ok_and(|text| text == source))
        .collect();
    fitting.sort();
    fitting.dedup();
    (fitting.len() == 1).then(|| fitting.remove(0))
}
