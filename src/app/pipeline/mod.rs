//! From the entries of a project to the entries of a boot: **override, disable, link, override**.
//!
//! Each stage is a pure function; nothing here reads a file or a clock. The overrides run twice,
//! so that they win over what linking puts into an entry, and so that linking sees, for example,
//! the overridden default of a requirement. It follows that overriding an entry which is disabled
//! fails: at the second run it is gone.
//!
//! A pack is made by the same stages, then [`bytecode`] and [`embed`]. `wippy pack` will run them; no
//! command does so far.

pub mod bytecode;
pub mod disable;
pub mod embed;
pub mod link;
pub mod overrides;
mod path;
pub mod selection;

use std::collections::HashMap;

use crate::app::pipeline::disable::DisableRules;
use crate::app::pipeline::link::Strictness;
use crate::app::pipeline::overrides::Override;
use crate::core::registry::{Entry, EntryId};
use crate::infra::error::{Error, Result};

pub use path::FieldPath;

/// The pattern grammar of the event bus, as `(pattern, value) -> matches`.
pub type Matcher<'a> = &'a dyn Fn(&str, &str) -> bool;

/// What to do to the entries.
pub struct Plan<'a> {
    pub overrides: &'a [Override],
    pub disable: &'a DisableRules,
    pub matches: Matcher<'a>,
    pub strictness: Strictness,
}

/// The result of [`run`].
#[derive(Debug)]
pub struct Prepared {
    pub entries: Vec<Entry>,
    /// To be logged at WARN.
    pub warnings: Vec<String>,
}

/// Runs all stages. A failure names its stage.
pub fn run(mut entries: Vec<Entry>, plan: &Plan<'_>) -> Result<Prepared> {
    overrides::apply(&mut entries, plan.overrides).map_err(failed("override"))?;
    disable::apply(&mut entries, plan.disable, plan.matches);
    let warnings = link::apply(&mut entries, plan.strictness).map_err(failed("link"))?;
    overrides::apply(&mut entries, plan.overrides).map_err(failed("override"))?;
    Ok(Prepared { entries, warnings })
}

/// Where the entries with an id are. Several files may define one.
fn places(entries: &[Entry]) -> HashMap<EntryId, Vec<usize>> {
    let mut places: HashMap<EntryId, Vec<usize>> = HashMap::with_capacity(entries.len());
    for (i, entry) in entries.iter().enumerate() {
        places.entry(entry.id.clone()).or_default().push(i);
    }
    places
}

fn failed(stage: &str) -> impl Fn(Error) -> Error {
    move |error| Error::internal(format!("stage '{stage}' failed")).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::transcoder::{Map, Value};

    fn entry(name: &str) -> Entry {
        let data = Value::Map(Map::new());
        Entry { id: EntryId::new("app", name), kind: "k".into(), meta: Map::new(), data }
    }

    #[test]
    fn overriding_a_disabled_entry_fails() {
        let overrides = overrides::parse_args(&["app:x:port=1".to_owned()]).unwrap();
        let run_with = |disable: DisableRules| {
            let plan = Plan {
                overrides: &overrides,
                disable: &disable,
                matches: &|pattern, value| pattern == value,
                strictness: Strictness::Lenient,
            };
            run(vec![entry("x"), entry("y")], &plan)
        };
        let prepared = run_with(DisableRules::default()).unwrap();
        assert_eq!(prepared.entries[0].data.get("port"), Some(&Value::Int(1)));

        let entries = vec![("app".to_owned(), "x".to_owned())];
        let error = run_with(DisableRules { entries, ..Default::default() }).unwrap_err();
        assert_eq!(
            error.to_string(),
            "stage 'override' failed: override errors: [no entry found for app:x]"
        );
    }
}
