//! Type checking of entries when they are registered: `lua.type_system`, specification 02, section
//! 3.3.

use std::sync::Arc;

use crate::core::registry::Entry;
use crate::core::registry::listener::Listener;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;
use crate::lang::check::codes::{self, Severity};
use crate::lang::check::{Checked, Grants, check};
use crate::lang::parser::parse;
use crate::lang::resolve::resolve;
use crate::runtime::modules::declarations;

/// Errors that are named in the message; the rest is counted.
const SHOWN: usize = 10;

/// A listener in front of another one: entries with type errors do not get through.
pub struct TypeChecked<L> {
    pub inner: L,
    /// `lua.type_system.enabled` and `lua.type_system.strict`; otherwise nothing is checked.
    pub strict: bool,
}

impl<L: Listener> TypeChecked<L> {
    /// In front of `inner`.
    pub fn new(inner: L, strict: bool) -> Arc<Self> {
        Arc::new(Self { inner, strict })
    }

    fn check(&self, entry: &Entry) -> Result<()> {
        if self.strict { check_entry(entry) } else { Ok(()) }
    }
}

impl<L: Listener> Listener for TypeChecked<L> {
    fn add(&self, entry: &Entry) -> Result<()> {
        self.check(entry)?;
        self.inner.add(entry)
    }

    fn update(&self, old: &Entry, new: &Entry) -> Result<()> {
        self.check(new)?;
        self.inner.update(old, new)
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        self.inner.delete(entry)
    }

    fn begin(&self) -> Result<()> {
        self.inner.begin()
    }

    fn commit(&self) -> Result<()> {
        self.inner.commit()
    }

    fn discard(&self) {
        self.inner.discard();
    }
}

/// Refuses an entry whose source has type errors. A source that does not parse is somebody else's.
pub fn check_entry(entry: &Entry) -> Result<()> {
    let Some(source) = entry.data.get("source").and_then(Value::as_str) else { return Ok(()) };
    let parsed = parse(source);
    let resolved = resolve(&parsed.ast);
    if !parsed.diagnostics.is_empty() || !resolved.diagnostics.is_empty() {
        return Ok(());
    }
    let imports = imports(entry);
    let imports: Vec<&str> = imports.iter().map(String::as_str).collect();
    let grants = Grants { modules: None, imports: &imports };
    let Checked { diagnostics, .. } =
        check(&parsed.ast, &resolved, source, declarations::library(), grants);
    let errors: Vec<_> =
        diagnostics.iter().filter(|found| codes::severity(found.code) == Severity::Error).collect();
    if errors.is_empty() {
        return Ok(());
    }
    let mut texts: Vec<String> = errors
        .iter()
        .take(SHOWN)
        .map(|found| {
            let (line, column) = parsed.ast.lines.position(found.span.start);
            format!("{line}:{column} {}", found.message)
        })
        .collect();
    if errors.len() > SHOWN {
        texts.push(format!("{} more", errors.len() - SHOWN));
    }
    let details = Value::from([
        ("node_id", entry.id.to_string().into()),
        ("error_count", Value::Int(errors.len() as i64)),
    ]);
    Err(Error::invalid(format!("type errors in {}: {}", entry.id, texts.join("; ")))
        .with_details(details))
}

/// The aliases of `imports:`.
pub fn imports(entry: &Entry) -> Vec<String> {
    let imports = entry.data.get("imports").and_then(Value::as_map);
    imports.into_iter().flatten().map(|(alias, _)| alias.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::EntryId;
    use crate::infra::error::Kind;

    fn entry(source: &str) -> Entry {
        let imports = Value::from([("lib", Value::from("app:lib"))]);
        Entry {
            id: EntryId::parse("app:p"),
            kind: "process.lua".into(),
            meta: Default::default(),
            data: Value::from([("source", source.into()), ("imports", imports)]),
        }
    }

    #[test]
    fn errors_refuse_an_entry() {
        let source = "local x: number = \"a\"\nlocal y: string = 1\nreturn {}";
        let error = check_entry(&entry(source)).expect_err("refused");
        assert_eq!(error.kind(), &Kind::Invalid);
        assert_eq!(
            error.message(),
            "type errors in app:p: 1:19 expected number, got \"a\"; 2:19 expected string, got 1"
        );
        let details = error.details().expect("details");
        assert_eq!(details.get("node_id").and_then(Value::as_str), Some("app:p"));
        assert_eq!(details.get("error_count"), Some(&Value::Int(2)));
    }

    #[test]
    fn warnings_and_what_is_not_known_do_not() {
        for source in [
            "return undefined_name + lib.x",
            "local lib = require(\"lib\") local n: number = lib.f()",
            "require(\"nothing\")",
            "local time = require(\"time\") time.sleep(true) time.nothing()",
            "return = 1",
        ] {
            assert_eq!(check_entry(&entry(source)), Ok(()), "{source}");
        }
    }
}
