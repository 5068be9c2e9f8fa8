//! Stage `link`: the values that requirements ask for are put into the entries that need them.
//!
//! An `ns.requirement` names targets, entries and fields that want a value. An `ns.dependency`
//! on a module carries parameters, which are values for the requirements of that module. For each
//! requirement: the matching parameter, else its own default, else it stays unresolved.
//!
//! What cannot be linked is a warning while an application starts, so that one loose end does not
//! stop it, and an error where a module is published or changed.

use std::collections::HashMap;

use crate::app::pipeline::path::{FieldPath, scalar_text};
use crate::app::pipeline::places;
use crate::core::registry::{Entry, EntryId};
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::{Map, Value};

pub const REQUIREMENT_KIND: &str = "ns.requirement";
pub const DEPENDENCY_KIND: &str = "ns.dependency";

/// What becomes of a requirement that cannot be met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// A warning.
    Lenient,
    /// All of them together are one error.
    Strict,
}

/// Links `entries` and returns the warnings.
pub fn apply(entries: &mut [Entry], strictness: Strictness) -> Result<Vec<String>> {
    apply_some(entries, &|_| true, strictness)
}

/// Links those requirements among `entries` that are `chosen`, and returns the warnings.
pub fn apply_some(
    entries: &mut [Entry],
    chosen: &dyn Fn(&Entry) -> bool,
    strictness: Strictness,
) -> Result<Vec<String>> {
    let of_kind = |kind| entries.iter().filter(move |entry| entry.kind == kind);
    let requirements: Vec<Requirement> = of_kind(REQUIREMENT_KIND)
        .filter(|entry| chosen(entry))
        .map(|entry| decoded(entry, Requirement::decode))
        .collect::<Result<_>>()?;
    let dependencies: Vec<Dependency> =
        of_kind(DEPENDENCY_KIND).map(Dependency::of).collect::<Result<_>>()?;
    let mut loose_ends = Vec::new();
    if requirements.is_empty() {
        return Ok(loose_ends);
    }
    let places = places(entries);
    for requirement in &requirements {
        requirement.link(&dependencies, entries, &places, &mut loose_ends)?;
    }
    if strictness == Strictness::Lenient || loose_ends.is_empty() {
        return Ok(loose_ends);
    }
    let text = format!("unresolved requirements: {}", loose_ends.join("; "));
    let details = Value::from([
        ("count", Value::Int(loose_ends.len() as i64)),
        ("errors", Value::List(loose_ends.into_iter().map(Value::from).collect())),
    ]);
    Err(Error::invalid(text).with_details(details))
}

fn decoded<T>(entry: &Entry, decode: fn(&Entry) -> Result<T, String>) -> Result<T> {
    decode(entry).map_err(|reason| {
        Error::invalid(reason).context(format!("cannot decode {} {}", entry.kind, entry.id))
    })
}

struct Requirement {
    id: EntryId,
    /// The `meta.module` of the entry.
    module: Option<String>,
    default: Option<Value>,
    targets: Vec<Target>,
}

struct Target {
    entry: EntryId,
    path: FieldPath,
    /// The path ended in `+=`.
    append: bool,
    /// The path as it was written.
    text: String,
}

/// What an `ns.dependency` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Dependency {
    pub id: EntryId,
    /// `org/module`.
    pub component: String,
    /// The constraint as it was written; empty if there is none.
    pub version: String,
    pub parameters: Vec<(String, Value)>,
}

impl Requirement {
    fn decode(entry: &Entry) -> Result<Requirement, String> {
        let data = mapping(&entry.data, "data")?;
        let default = match data.get("default") {
            None | Some(Value::Nil) => None,
            Some(value) => Some(scalar(value, "default")?),
        };
        let mut targets = Vec::new();
        for (i, item) in list(data.get("targets"), "targets")?.iter().enumerate() {
            let label = format!("targets[{i}]");
            let fields = mapping(item, &label)?;
            let name = text(fields, "entry", &label)?;
            let written = text(fields, "path", &label)?;
            let (path, append) = match written.trim_end().strip_suffix("+=") {
                Some(path) => (path.trim_end(), true),
                None => (written, false),
            };
            targets.push(Target {
                entry: EntryId::parse_in(name, entry.id.ns()),
                path: FieldPath::parse(path).map_err(|e| format!("{label}.path {path:?}: {e}"))?,
                append,
                text: written.to_owned(),
            });
        }
        let module = entry.meta.get("module").and_then(Value::as_str).map(str::to_owned);
        Ok(Requirement { id: entry.id.clone(), module, default, targets })
    }

    /// Finds the value and sets the targets; what is left open goes to `loose_ends`.
    fn link(
        &self,
        dependencies: &[Dependency],
        entries: &mut [Entry],
        places: &HashMap<EntryId, Vec<usize>>,
        loose_ends: &mut Vec<String>,
    ) -> Result<()> {
        if self.targets.is_empty() {
            loose_ends.push(format!("requirement {} has no targets", self.id));
            return Ok(());
        }
        let mut given = dependencies.iter().flat_map(|dependency| {
            let own = dependency.parameters.iter().filter(|(name, _)| dependency.means(name, self));
            own.map(move |(_, value)| (&dependency.id, value))
        });
        let value = match given.next() {
            Some((first_id, first)) => {
                if let Some((id, _)) = given.find(|(_, value)| *value != first) {
                    loose_ends.push(format!(
                        "requirement {}: conflict, {first_id} and {id} give different values",
                        self.id
                    ));
                    return Ok(());
                }
                Some(first)
            }
            None => self.default.as_ref(),
        };
        let Some(value) = value else {
            loose_ends.extend(self.targets.iter().map(|target| {
                let Target { entry, text, .. } = target;
                format!("requirement {} has no value for target {entry}, path {text}", self.id)
            }));
            return Ok(());
        };
        for target in &self.targets {
            let found = places.get(&target.entry).map_or(&[][..], Vec::as_slice);
            for i in found {
                let entry = &mut entries[*i];
                let set = match target.append {
                    true => target.path.append(entry, value.clone()),
                    false => target.path.set(entry, value.clone()),
                };
                set.map_err(|reason| {
                    let Target { entry, text, .. } = target;
                    Error::invalid(reason)
                        .context(format!("requirement {}: target {entry}, path {text}", self.id))
                })?;
            }
            if found.is_empty() {
                let Target { entry, text, .. } = target;
                let text =
                    format!("requirement {}: target {entry} not found, path {text}", self.id);
                loose_ends.push(text);
            }
        }
        Ok(())
    }
}

impl Dependency {
    /// Decodes an entry of kind [`DEPENDENCY_KIND`].
    pub fn of(entry: &Entry) -> Result<Dependency> {
        decoded(entry, Dependency::decode)
    }

    fn decode(entry: &Entry) -> Result<Dependency, String> {
        let data = mapping(&entry.data, "data")?;
        let component = text(data, "component", "data")?;
        let is_well_formed = component
            .split_once('/')
            .is_some_and(|(org, name)| !org.is_empty() && !name.is_empty() && !name.contains('/'));
        if !is_well_formed {
            return Err(format!("component {component:?} is not of the form org/module"));
        }
        let version = match data.get("version") {
            None | Some(Value::Nil) => String::new(),
            // Without quotes YAML reads a number; `{:?}` keeps the `.0`.
            Some(Value::Float(x)) => format!("{x:?}"),
            Some(value) => scalar_text(value)
                .ok_or_else(|| format!("version must be a string, not {}", value.type_name()))?,
        };
        let mut parameters = Vec::new();
        for (i, item) in list(data.get("parameters"), "parameters")?.iter().enumerate() {
            let label = format!("parameters[{i}]");
            let fields = mapping(item, &label)?;
            let name = text(fields, "name", &label)?.to_owned();
            let value = fields.get("value").unwrap_or(&Value::Nil);
            parameters.push((name, scalar(value, &format!("{label}.value"))?));
        }
        let component = component.to_owned();
        Ok(Dependency { id: entry.id.clone(), component, version, parameters })
    }

    /// A parameter called `name` of this dependency is for `requirement`.
    fn means(&self, name: &str, requirement: &Requirement) -> bool {
        let module_ns = self.component.replacen('/', ".", 1);
        let is_owner = requirement.id.ns() == module_ns
            || requirement.module.as_deref() == Some(self.component.as_str());
        match name.split_once(':') {
            None => is_owner && name == requirement.id.name(),
            Some((ns, name)) => {
                name == requirement.id.name()
                    && (ns == requirement.id.ns() || (is_owner && ns == module_ns))
            }
        }
    }
}

fn mapping<'a>(value: &'a Value, label: &str) -> Result<&'a Map, String> {
    value.as_map().ok_or_else(|| format!("{label} must be a mapping, not {}", value.type_name()))
}

fn list<'a>(value: Option<&'a Value>, label: &str) -> Result<&'a [Value], String> {
    match value {
        None | Some(Value::Nil) => Ok(&[]),
        Some(Value::List(items)) => Ok(items),
        Some(other) => Err(format!("{label} must be a list, not {}", other.type_name())),
    }
}

fn text<'a>(fields: &'a Map, name: &str, label: &str) -> Result<&'a str, String> {
    match fields.get(name) {
        Some(Value::Str(text)) if !text.is_empty() => Ok(text),
        None | Some(Value::Nil | Value::Str(_)) => Err(format!("{label}.{name} is required")),
        Some(other) => Err(format!("{label}.{name} must be a string, not {}", other.type_name())),
    }
}

fn scalar(value: &Value, label: &str) -> Result<Value, String> {
    match scalar_text(value) {
        Some(_) => Ok(value.clone()),
        None => Err(format!("{label} must be a scalar, not {}", value.type_name())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::project::document::{self, Format};

    /// Entries of namespace `app` unless the id says otherwise, as `id: {kind, meta, ...data}`.
    fn entries(yaml: &str) -> Vec<Entry> {
        let Ok(Value::Map(map)) = document::parse(yaml, Format::Yaml) else { panic!("{yaml}") };
        map.into_iter()
            .map(|(id, value)| {
                let Value::Map(mut data) = value else { panic!("{id}") };
                let kind = data.shift_remove("kind").and_then(|k| k.as_str().map(str::to_owned));
                let meta = data.shift_remove("meta").and_then(|m| m.as_map().cloned());
                Entry {
                    id: EntryId::parse_in(&id, "app"),
                    kind: kind.unwrap_or_default(),
                    meta: meta.unwrap_or_default(),
                    data: Value::Map(data),
                }
            })
            .collect()
    }

    const REQUIREMENT: &str = "\
acme.sql:dsn: {kind: ns.requirement, targets: [{entry: db, path: dsn}]}
acme.sql:db: {}
";

    #[track_caller]
    fn check(yaml: &str, target: &str, expect: Option<Value>) {
        let mut entries = entries(yaml);
        assert_eq!(apply(&mut entries, Strictness::Strict), Ok(vec![]), "{yaml}");
        let target = EntryId::parse_in(target, "app");
        let entry = entries.iter().find(|entry| entry.id == target).unwrap();
        assert_eq!(entry.data.get("dsn").cloned(), expect, "{yaml}");
    }

    fn dependency(component: &str, name: &str, value: &str) -> String {
        format!(
            "{component}-{value}: {{kind: ns.dependency, component: {component}, parameters: \
             [{{name: '{name}', value: {value}}}]}}\n"
        )
    }

    #[test]
    fn parameters_reach_their_requirement() {
        for name in ["dsn", "acme.sql:dsn"] {
            let yaml = format!("{REQUIREMENT}{}", dependency("acme/sql", name, "x"));
            check(&yaml, "acme.sql:db", Some("x".into()));
        }
        // A module in another namespace than its name.
        let owned = "db:dsn: {kind: ns.requirement, meta: {module: acme/sql}, \
                     targets: [{entry: 'app:t', path: data.dsn}]}\nt: {}\n";
        for name in ["dsn", "db:dsn", "acme.sql:dsn"] {
            check(
                &format!("{owned}{}", dependency("acme/sql", name, "7")),
                "t",
                Some(Value::Int(7)),
            );
        }
        // Two that agree.
        let yaml = format!(
            "{REQUIREMENT}{}{}",
            dependency("acme/sql", "dsn", "x"),
            dependency("acme/other", "acme.sql:dsn", "x")
        );
        check(&yaml, "acme.sql:db", Some("x".into()));
    }

    #[test]
    fn defaults() {
        for (default, expect) in
            [("''", "".into()), ("5", Value::Int(5)), ("false", Value::Bool(false))]
        {
            let yaml = REQUIREMENT.replace("targets", &format!("default: {default}, targets"));
            check(&yaml, "acme.sql:db", Some(expect));
        }
    }

    #[test]
    fn appends() {
        let yaml = |field: &str, default: &str| {
            format!(
                "r: {{kind: ns.requirement, default: {default}, targets: [{{entry: t, path: dsn \
                 +=}}]}}\nt: {{{field}}}\n"
            )
        };
        let list = |items: &[&str]| Some(Value::List(items.iter().map(|i| (*i).into()).collect()));
        check(&yaml("", "a"), "t", list(&["a"]));
        check(&yaml("dsn: [b]", "a"), "t", list(&["b", "a"]));
        check(&yaml("dsn: [a, b]", "a"), "t", list(&["a", "b"]));
        check(&yaml("dsn: ['1']", "1"), "t", list(&["1"]));
        let error = apply(&mut entries(&yaml("dsn: text", "a")), Strictness::Lenient).unwrap_err();
        assert_eq!(
            error.to_string(),
            "requirement app:r: target app:t, path dsn +=: cannot append to a string"
        );
    }

    #[track_caller]
    fn check_loose(yaml: &str, expect: &str) {
        assert_eq!(apply(&mut entries(yaml), Strictness::Lenient), Ok(vec![expect.to_owned()]));
        let error = apply(&mut entries(yaml), Strictness::Strict).unwrap_err();
        assert_eq!(error.to_string(), format!("unresolved requirements: {expect}"));
        assert_eq!(error.details().and_then(|d| d.get("count")), Some(&Value::Int(1)));
    }

    #[test]
    fn loose_ends() {
        check_loose("r: {kind: ns.requirement, default: a}", "requirement app:r has no targets");
        check_loose(
            &format!("{REQUIREMENT}{}", dependency("acme/http", "dsn", "x")),
            "requirement acme.sql:dsn has no value for target acme.sql:db, path dsn",
        );
        check_loose(
            "r: {kind: ns.requirement, default: a, targets: [{entry: gone, path: x}]}",
            "requirement app:r: target app:gone not found, path x",
        );
        let conflict = format!(
            "{REQUIREMENT}{}{}",
            dependency("acme/sql", "dsn", "x"),
            dependency("acme/sql", "acme.sql:dsn", "y")
        );
        check_loose(
            &conflict,
            "requirement acme.sql:dsn: conflict, app:acme/sql-x and app:acme/sql-y give different \
             values",
        );
    }

    #[track_caller]
    fn check_error(yaml: &str, expect: &str) {
        let error = apply(&mut entries(yaml), Strictness::Lenient).unwrap_err();
        assert_eq!(error.to_string(), expect);
    }

    #[test]
    fn undecodable_entries_fail() {
        check_error(
            "r: {kind: ns.requirement, targets: 5}",
            "cannot decode ns.requirement app:r: targets must be a list, not an integer",
        );
        check_error(
            "r: {kind: ns.requirement, default: [a]}",
            "cannot decode ns.requirement app:r: default must be a scalar, not a list",
        );
        check_error(
            "r: {kind: ns.requirement, targets: [{entry: x}]}",
            "cannot decode ns.requirement app:r: targets[0].path is required",
        );
        check_error(
            "r: {kind: ns.requirement, targets: [{entry: x, path: data}]}",
            "cannot decode ns.requirement app:r: targets[0].path \"data\": path must name a field \
             below data",
        );
        check_error(
            "d: {kind: ns.dependency, component: acme}",
            "cannot decode ns.dependency app:d: component \"acme\" is not of the form org/module",
        );
        check_error(
            "d: {kind: ns.dependency}",
            "cannot decode ns.dependency app:d: data.component is required",
        );
    }
}
