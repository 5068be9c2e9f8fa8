//! Entry kinds of the runtime: `process.lua`.

use std::sync::Arc;

use crate::core::registry::Entry;
use crate::core::registry::decode::Fields;
use crate::core::registry::listener::Listener;
use crate::infra::error::{Error, Result};
use crate::infra::nearest::nearest;
use crate::runtime::engine::chunk::Definition;
use crate::runtime::modules;
use crate::system::factory::Factory;

/// Compiles `process.lua` entries and makes them startable.
pub struct ProcessListener {
    pub factory: Arc<Factory>,
}

impl Listener for ProcessListener {
    fn add(&self, entry: &Entry) -> Result<()> {
        let definition = definition(entry)?;
        self.factory.register(&entry.id, Arc::new(definition));
        Ok(())
    }

    fn update(&self, _old: &Entry, new: &Entry) -> Result<()> {
        self.add(new)
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        self.factory.delete(&entry.id);
        Ok(())
    }
}

/// The compiled form of an entry with `source`, `method` and `modules`.
pub fn definition(entry: &Entry) -> Result<Definition> {
    let fields = Fields::new(entry)?;
    let source = fields.str("source")?;
    let method = fields.opt_str("method")?.filter(|m| !m.is_empty()).unwrap_or("main");
    if fields.value("imports").and_then(|v| v.as_map()).is_some_and(|map| !map.is_empty()) {
        return Err(fields.error("imports", "is not supported yet: libraries cannot be imported"));
    }
    let listed = match fields.value("modules") {
        None => Vec::new(),
        Some(_) => fields.list_of_str("modules")?,
    };
    let mut granted = Vec::new();
    for name in listed {
        if name.is_empty() || name.contains(':') {
            return Err(fields.error("modules", format!("has no place for {name:?}")));
        }
        if modules::ALWAYS_THERE.contains(&name) {
            continue;
        }
        let known = modules::granted(name).ok_or_else(|| unknown_module(name))?;
        if !granted.contains(&known) {
            granted.push(known);
        }
    }
    // One environment serves all entries with the same set.
    granted.sort_unstable();
    Definition::compile(entry.id.clone(), method, source, granted)
}

fn unknown_module(name: &str) -> Error {
    let known =
        modules::GRANTED.iter().map(|m| m.name).chain(modules::ALWAYS_THERE.iter().copied());
    match nearest(name, known) {
        Some(near) => Error::invalid(format!("unknown module {name:?}, did you mean {near:?}?")),
        None => Error::invalid(format!("unknown module {name:?}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::EntryId;
    use crate::infra::transcoder::Value;

    fn compile(pairs: &[(&str, Value)]) -> Result<Definition> {
        let data = pairs.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect();
        definition(&Entry {
            id: EntryId::parse("app:p"),
            kind: "process.lua".into(),
            meta: Default::default(),
            data: Value::Map(data),
        })
    }

    fn modules(names: &[&str]) -> Value {
        Value::List(names.iter().map(|name| Value::from(*name)).collect())
    }

    #[test]
    fn modules_are_a_set_and_ambient_names_have_no_effect() {
        let source = Value::from("return {}");
        let listed = modules(&["time", "process", "channel", "io", "time"]);
        let granted = compile(&[("source", source), ("modules", listed)]).map(|d| d.modules);
        assert_eq!(granted, Ok(vec!["io", "time"]));
    }

    #[track_caller]
    fn refused(pairs: &[(&str, Value)], text: &str) {
        let error = compile(pairs).map(|_| ()).expect_err("refused");
        assert!(error.to_string().contains(text), "{error}");
    }

    #[test]
    fn bad_entries_are_refused() {
        let source = || ("source", Value::from("return {}"));
        refused(&[("method", Value::from("main"))], "source");
        refused(&[("source", Value::Int(3))], "source");
        refused(&[source(), ("modules", modules(&["tme"]))], "did you mean \"time\"?");
        refused(&[source(), ("modules", modules(&["app:lib"]))], "modules");
        refused(&[source(), ("modules", Value::from("time"))], "modules");
        refused(&[("source", Value::from("return {"))], "app:p:1:");
    }
}
