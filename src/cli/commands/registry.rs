//! `wippy registry`: the entries of a project after the pipeline. Nothing is started.

use crate::app::entries;
use crate::app::exec::with_hint;
use crate::app::project::LockFile;
use crate::app::render;
use crate::cli::args::{
    GlobalArgs, RegistryArgs, RegistryCommand, RegistryListArgs, RegistryShowArgs, RegistryViewArgs,
};
use crate::cli::configuration::configuration;
use crate::cli::exit_code::ExitCode;
use crate::cli::output;
use crate::core::registry::{Entry, Query};
use crate::infra::error::{Error, Result};
use crate::infra::nearest::nearest;
use crate::infra::transcoder::{Map, Value};

/// Widest columns of the table, in characters.
const ID_MAX: usize = 50;
const KIND_MAX: usize = 30;

pub fn registry(global: &GlobalArgs, args: &RegistryArgs) -> Result<ExitCode> {
    let text = match &args.command {
        RegistryCommand::List(args) => list(&load(global, &args.view)?, args)?,
        RegistryCommand::Show(args) => show(&load(global, &args.view)?, args)?,
    };
    output::raw(&text);
    Ok(ExitCode::Success)
}

/// The entries, sorted by id.
fn load(global: &GlobalArgs, view: &RegistryViewArgs) -> Result<Vec<Entry>> {
    let configuration = configuration(global, &view.profiles, &view.sets)?;
    let lock = LockFile::read(&view.lock_file)?;
    let mut on_problem = |problem: &_| output::problem(problem, global.console);
    let mut prepared = entries::load(lock, &configuration, &[], &mut on_problem)?;
    if !global.silent {
        prepared.warnings.iter().for_each(|warning| output::note(&format!("WARN\t{warning}")));
    }
    prepared.entries.sort_by_cached_key(|entry| entry.id.to_string());
    Ok(prepared.entries)
}

// -- list ------------------------------------------------------------------------------------------

fn list(entries: &[Entry], args: &RegistryListArgs) -> Result<String> {
    let conditions: Vec<MetaCondition> =
        args.meta.iter().map(|text| MetaCondition::parse(text)).collect::<Result<_>>()?;
    let fits = |glob: &Option<String>, text: &str| glob.as_ref().is_none_or(|g| glob_fits(g, text));
    let is_listed = |entry: &&Entry| {
        fits(&args.kind, &entry.kind)
            && fits(&args.ns, entry.id.ns())
            && fits(&args.name, entry.id.name())
            && conditions.iter().all(|condition| condition.holds(entry))
    };
    let listed: Vec<&Entry> = entries.iter().filter(is_listed).collect();
    if args.view.json || args.view.yaml {
        let rows = Value::List(listed.iter().map(|entry| row(entry)).collect());
        return if args.view.json { render::json(&rows) } else { render::yaml(&rows) };
    }
    Ok(table(&listed))
}

fn row(entry: &Entry) -> Value {
    let mut row = Map::new();
    if !entry.meta.is_empty() {
        row.insert("meta".to_owned(), Value::Map(entry.meta.clone()));
    }
    row.insert("id".to_owned(), entry.id.to_string().into());
    row.insert("kind".to_owned(), entry.kind.as_str().into());
    Value::Map(row)
}

fn table(entries: &[&Entry]) -> String {
    if entries.is_empty() {
        return "No entries found\n".to_owned();
    }
    let rows: Vec<(String, String)> = entries
        .iter()
        .map(|entry| (shortened(&entry.id.to_string(), ID_MAX), shortened(&entry.kind, KIND_MAX)))
        .collect();
    let widest = |texts: &mut dyn Iterator<Item = &String>| {
        texts.map(|text| text.chars().count()).max().unwrap_or(0)
    };
    let id_len = widest(&mut rows.iter().map(|row| &row.0)).max("ID".len());
    let kind_len = widest(&mut rows.iter().map(|row| &row.1)).max("KIND".len());
    let mut text = format!("{:id_len$}  KIND\n{}\n", "ID", "-".repeat(id_len + 2 + kind_len));
    for (id, kind) in &rows {
        text.push_str(&format!("{id:id_len$}  {kind}\n"));
    }
    text.push_str(&format!("\nTotal: {} entries\n", rows.len()));
    text
}

fn shortened(text: &str, len_max: usize) -> String {
    if text.chars().count() <= len_max {
        return text.to_owned();
    }
    let head: String = text.chars().take(len_max - 3).collect();
    format!("{head}...")
}

/// `*` in `glob` is any text, as often as it stands there.
fn glob_fits(glob: &str, text: &str) -> bool {
    let Some((head, rest)) = glob.split_once('*') else { return glob == text };
    let Some(mut text) = text.strip_prefix(head) else { return false };
    let mut parts = rest.split('*');
    let tail = parts.next_back().unwrap_or_default();
    for part in parts {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(tail)
}

/// What `--meta` says: the entry fits if one of the queries does.
struct MetaCondition(Vec<Query>);

impl MetaCondition {
    fn parse(text: &str) -> Result<MetaCondition> {
        let invalid = |reason: &str| Error::invalid(format!("invalid --meta {text:?}: {reason}"));
        let mut parts = ["~", "*", "^", "$", "="].iter().filter_map(|operator| {
            text.split_once(operator).map(|(field, value)| (*operator, field, value))
        });
        let Some((operator, field, value)) = parts.next() else {
            return Err(invalid("expected F=V, F~RE, F*S, F^P or F$S"));
        };
        if field.is_empty() {
            return Err(invalid("missing field"));
        }
        let (key, values) = match operator {
            "=" => (format!("meta.{field}"), typed(value)),
            operator => (format!("{operator}meta.{field}"), vec![value.into()]),
        };
        let mut queries = Vec::new();
        for value in values {
            let (query, ignored) = Query::parse(&Map::from_iter([(key.clone(), value)]));
            if let Some(ignored) = ignored.first() {
                return Err(invalid(ignored.reason.lines().last().unwrap_or_default()));
            }
            queries.push(query);
        }
        Ok(MetaCondition(queries))
    }

    fn holds(&self, entry: &Entry) -> bool {
        self.0.iter().any(|query| query.matches(entry))
    }
}

/// What a text on the command line may stand for.
fn typed(text: &str) -> Vec<Value> {
    let mut values = vec![Value::from(text)];
    values.extend(text.parse::<bool>().ok().map(Value::Bool));
    values.extend(text.parse::<f64>().ok().map(Value::Float));
    values
}

// -- show ------------------------------------------------------------------------------------------

fn show(entries: &[Entry], args: &RegistryShowArgs) -> Result<String> {
    let entry = find(entries, &args.id)?;
    if let Some(field) = &args.field {
        let value = entry.data.get(field).ok_or_else(|| {
            let fields = entry.data.as_map().into_iter().flatten().map(|(name, _)| name.as_str());
            let message = format!("field {field:?} not found in entry data");
            Error::not_found(with_hint(message, nearest(field, fields)))
        })?;
        return field_text(value, args);
    }
    if args.view.json || args.view.yaml {
        let whole = Value::from([
            ("data", entry.data.clone()),
            ("id", entry.id.to_string().into()),
            ("kind", entry.kind.as_str().into()),
            ("meta", Value::Map(entry.meta.clone())),
        ]);
        return if args.view.json { render::json(&whole) } else { render::yaml(&whole) };
    }
    let mut text = format!("ID:   {}\nKind: {}\n", entry.id, entry.kind);
    if !entry.meta.is_empty() {
        text.push_str("\nMetadata:\n");
        let mut meta: Vec<_> = entry.meta.iter().collect();
        meta.sort_by_key(|(key, _)| *key);
        for (key, value) in meta {
            let value = match value.as_str() {
                Some(text) => text.to_owned(),
                None => render::json_line(value)?,
            };
            text.push_str(&format!("  {key}: {value}\n"));
        }
    }
    if entry.data.as_map().is_none_or(|map| !map.is_empty()) {
        text.push_str("\nData:\n");
        for line in render::yaml(&entry.data)?.lines() {
            text.push_str(if line.is_empty() { "" } else { "  " });
            text.push_str(line);
            text.push('\n');
        }
    }
    Ok(text)
}

/// The value of one field; with `--raw` without a newline at its end.
fn field_text(value: &Value, args: &RegistryShowArgs) -> Result<String> {
    let mut text = match value {
        _ if args.view.json => render::json(value)?,
        _ if args.view.yaml => render::yaml(value)?,
        Value::Str(text) => format!("{text}\n"),
        value => render::yaml(value)?,
    };
    if args.raw {
        text.pop();
    }
    Ok(text)
}

/// The entry with this id, or the only one with this name.
fn find<'a>(entries: &'a [Entry], id: &str) -> Result<&'a Entry> {
    if id.contains(':') {
        return entries.iter().find(|entry| entry.id.to_string() == id).ok_or_else(|| {
            let ids: Vec<String> = entries.iter().map(|entry| entry.id.to_string()).collect();
            let near = nearest(id, ids.iter().map(String::as_str));
            Error::not_found(with_hint(format!("entry not found: {id}"), near))
        });
    }
    let mut named = entries.iter().filter(|entry| entry.id.name() == id);
    match (named.next(), named.next()) {
        (Some(entry), None) => Ok(entry),
        (Some(_), Some(_)) => Err(Error::invalid(format!(
            "ambiguous entry name {id:?}, use full ID (namespace:name)"
        ))),
        (None, _) => {
            let near = nearest(id, entries.iter().map(|entry| entry.id.name()));
            Err(Error::not_found(with_hint(format!("entry not found: {id}"), near)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(glob: &str, text: &str, expect: bool) {
        assert_eq!(glob_fits(glob, text), expect, "{glob} {text}");
    }

    #[test]
    fn globs() {
        check("app", "app", true);
        check("app", "apps", false);
        check("*", "", true);
        check("process.*", "process.lua", true);
        check("process.*", "process", false);
        check("*.lua", "process.lua", true);
        check("p*s*a", "process.lua", true);
        check("p*ss*ss*", "process.lua", false);
        check("*lua*", "process.lua.bc", true);
        check("a*a", "a", false);
        check("ä*ü", "äöü", true);
        check("", "", true);
        check("", "a", false);
    }

    #[test]
    fn long_cells_are_cut() {
        assert_eq!(shortened(&"é".repeat(50), 50), "é".repeat(50));
        assert_eq!(shortened(&"é".repeat(51), 50), format!("{}...", "é".repeat(47)));
    }
}
