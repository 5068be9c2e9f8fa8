//! `wippy lint`: what is wrong with the Lua sources of a project. Nothing is started.

use std::collections::BTreeMap;

use crate::app::entries;
use crate::app::lint::{self, Finding};
use crate::app::project::{LockFile, Origins};
use crate::app::render;
use crate::cli::args::{GlobalArgs, LintArgs};
use crate::cli::configuration::configuration;
use crate::cli::exit_code::ExitCode;
use crate::cli::output;
use crate::core::registry::Entry;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::{Map, Value};
use crate::lang::check::codes::Severity;
use crate::lang::check::rules::Fix;
use crate::lang::span::{Lines, Span};

const SEVERITIES: [Severity; 3] = [Severity::Error, Severity::Warning, Severity::Hint];

pub fn lint(global: &GlobalArgs, args: &LintArgs) -> Result<ExitCode> {
    let configuration = configuration(global, &args.profiles, &args.sets)?;
    let lock = LockFile::read(&args.lock_file)?;
    let mut on_problem = |problem: &_| output::problem(problem, global.console);
    let (prepared, origins) =
        entries::load_with_origins(lock, &configuration, &[], &mut on_problem)?;
    let mut checked: Vec<Entry> =
        prepared.entries.into_iter().filter(lint::is_lua).filter(|e| is_asked(e, args)).collect();
    checked.sort_by_cached_key(|entry| entry.id.to_string());
    let mut report = Report { n_entries: checked.len(), ..Report::default() };
    for entry in &checked {
        let mut findings = lint::check_entry(entry, args.rules);
        findings.retain(|finding| is_shown(finding, args));
        if args.fix {
            findings = fixed(entry, findings, &origins, &mut report);
        }
        for finding in findings {
            report.counts[finding.severity as usize] += 1;
            report.findings.push(finding);
        }
    }
    let text = match (args.json, args.summary) {
        (true, _) => report.json(args.limit)?,
        (false, true) => report.summary(),
        (false, false) => {
            let colours = !args.no_color && output::is_terminal();
            report.text(&checked, args.limit, colours)
        }
    };
    output::raw(&text);
    let [errors, warnings, _] = report.counts;
    if errors > 0 {
        let message =
            format!("lint failed: {}, {}", count(errors, "error"), count(warnings, "warning"));
        return Err(Error::invalid(message));
    }
    Ok(ExitCode::Success)
}

/// Makes the fixes of an entry; what is left.
fn fixed(
    entry: &Entry,
    findings: Vec<Finding>,
    origins: &Origins,
    report: &mut Report,
) -> Vec<Finding> {
    let fixes: Vec<Fix> = findings.iter().filter_map(|finding| finding.fix.clone()).collect();
    if fixes.is_empty() {
        return findings;
    }
    match lint::fix(entry, &fixes, origins) {
        Ok(made) => {
            report.n_fixed += made;
            findings.into_iter().filter(|finding| finding.fix.is_none()).collect()
        }
        Err(error) => {
            output::note(&format!("not fixed: {error}"));
            findings
        }
    }
}

fn is_asked(entry: &Entry, args: &LintArgs) -> bool {
    let ns = entry.id.ns();
    let fits = |pattern: &String| {
        let below = pattern.strip_suffix(".**").or(pattern.strip_suffix(".*"));
        match below {
            Some(top) => ns.strip_prefix(top).is_some_and(|r| r.is_empty() || r.starts_with('.')),
            None => ns == pattern,
        }
    };
    args.ns.is_empty() || args.ns.iter().any(fits)
}

fn is_shown(finding: &Finding, args: &LintArgs) -> bool {
    let level = match args.level.to_lowercase().as_str() {
        "warning" | "warn" => Severity::Warning,
        "hint" => Severity::Hint,
        _ => Severity::Error,
    };
    let code = finding.diagnostic.code.0;
    let is_asked = args.code.is_empty() || args.code.iter().any(|c| c.eq_ignore_ascii_case(code));
    finding.severity <= level && is_asked
}

fn count(n: usize, word: &str) -> String {
    format!("{n} {word}{}", if n == 1 { "" } else { "s" })
}

#[derive(Default)]
struct Report {
    n_entries: usize,
    n_fixed: usize,
    findings: Vec<Finding>,
    /// By severity.
    counts: [usize; 3],
}

impl Report {
    fn shown(&self, limit: usize) -> &[Finding] {
        let n = if limit == 0 { self.findings.len() } else { limit.min(self.findings.len()) };
        &self.findings[..n]
    }

    fn last_line(&self) -> String {
        let mut line = format!("Checked {} entries", self.n_entries);
        let parts: Vec<String> = SEVERITIES
            .iter()
            .zip(self.counts)
            .filter(|(_, n)| *n > 0)
            .map(|(severity, n)| count(n, severity.text()))
            .collect();
        if !parts.is_empty() {
            line = format!("{line}: {}", parts.join(", "));
        }
        let fixed =
            if self.n_fixed > 0 { format!("Fixed {}\n", self.n_fixed) } else { String::new() };
        let nothing = if self.findings.is_empty() { "No issues found\n" } else { "" };
        format!("{fixed}{nothing}{line}\n")
    }

    fn text(&self, entries: &[Entry], limit: usize, colours: bool) -> String {
        let mut text = String::new();
        for finding in self.shown(limit) {
            let entry = entries.iter().find(|entry| entry.id == finding.entry);
            let source = entry.and_then(lint::source).unwrap_or_default();
            text.push_str(&shown(finding, source, colours));
            text.push('\n');
        }
        text.push_str(&self.last_line());
        text
    }

    fn summary(&self) -> String {
        let mut text = String::new();
        let by_ns = self.findings.iter().map(|finding| finding.entry.ns().to_owned());
        let by_code = self.findings.iter().map(|finding| finding.diagnostic.code.0.to_owned());
        let sections: [(&str, Vec<String>); 2] =
            [("By namespace:", by_ns.collect()), ("By error code:", by_code.collect())];
        for (title, keys) in sections.into_iter().filter(|(_, keys)| !keys.is_empty()) {
            let mut counts: BTreeMap<String, usize> = BTreeMap::new();
            for key in keys {
                *counts.entry(key).or_default() += 1;
            }
            let mut counts: Vec<_> = counts.into_iter().collect();
            counts.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
            text.push_str(&format!("{title}\n"));
            for (key, n) in counts {
                text.push_str(&format!("  {key}: {n}\n"));
            }
            text.push('\n');
        }
        text + &self.last_line()
    }

    fn json(&self, limit: usize) -> Result<String> {
        let row = |finding: &Finding| {
            let mut row = Map::new();
            row.insert("entry_id".to_owned(), finding.entry.to_string().into());
            row.insert("code".to_owned(), finding.diagnostic.code.0.into());
            row.insert("severity".to_owned(), finding.severity.text().into());
            row.insert("message".to_owned(), finding.diagnostic.message.as_str().into());
            row.insert("line".to_owned(), Value::Int(finding.line.into()));
            row.insert("column".to_owned(), Value::Int(finding.column.into()));
            Value::Map(row)
        };
        let [errors, warnings, hints] = self.counts.map(|n| Value::Int(n as i64));
        let whole = Value::from([
            ("diagnostics", Value::List(self.shown(limit).iter().map(row).collect())),
            ("total_entries", Value::Int(self.n_entries as i64)),
            ("error_count", errors),
            ("warning_count", warnings),
            ("hint_count", hints),
        ]);
        Ok(format!("{}\n", render::json_line(&whole)?))
    }
}

/// A finding in the style of a compiler.
fn shown(finding: &Finding, source: &str, colours: bool) -> String {
    let paint = |code: &str, text: String| match colours {
        true => format!("\x1b[{code}m{text}\x1b[0m"),
        false => text,
    };
    let colour = match finding.severity {
        Severity::Error => "31",
        Severity::Warning => "33",
        Severity::Hint => "36",
    };
    let Finding { diagnostic, entry, line, column, severity, .. } = finding;
    let head = paint(colour, format!("{}[{}]", severity.text(), diagnostic.code.0));
    let mut text = format!("{head}: {}\n --> {entry}:{line}:{column}\n", diagnostic.message);
    let lines = Lines::new(source);
    let gutter = " ".repeat(line.to_string().len());
    text.push_str(&format!("{gutter} |\n"));
    text.push_str(&quoted(&lines, source, diagnostic.span, &|mark| paint(colour, mark)));
    if let Some((span, note)) = &diagnostic.related {
        let (line, column) = lint::position(&lines, source, span.start);
        text.push_str(&format!("{gutter} = note: {note} at {line}:{column}\n"));
    }
    if let Some(help) = &diagnostic.help {
        text.push_str(&format!("{gutter} = help: {help}\n"));
    }
    text
}

/// The line of a span and a marker beneath; tabs are four blanks wide.
fn quoted(lines: &Lines, source: &str, span: Span, paint: &dyn Fn(String) -> String) -> String {
    const SHOWN_MAX: usize = 200;
    let (line, _) = lines.position(span.start);
    let Some(whole) = lines.span(line, source) else { return String::new() };
    let expand = |text: &str| text.replace('\t', "    ").replace(char::is_control, " ");
    let all = expand(whole.text(source).trim_end());
    let before = expand(Span::new(whole.start, span.start).text(source)).chars().count();
    let end = span.end.min(whole.end).max(span.start);
    let marked = expand(Span::new(span.start, end).text(source).trim_end()).chars().count().max(1);
    // A long line is cut where nothing is marked.
    let from = before.saturating_sub(SHOWN_MAX / 2);
    let from = if all.chars().count() > SHOWN_MAX { from } else { 0 };
    let part: String = all.chars().skip(from).take(SHOWN_MAX).collect();
    let marked = marked.min(SHOWN_MAX - (before - from).min(SHOWN_MAX - 1));
    let mark = format!("^{}", "~".repeat(marked - 1));
    let gutter = " ".repeat(line.to_string().len());
    format!("{line} | {part}\n{gutter} | {}{}\n", " ".repeat(before - from), paint(mark))
}
