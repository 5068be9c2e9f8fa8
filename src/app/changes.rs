//! [`Changes`]: what is to become of the entries of a running runtime, and how that is done.
//!
//! A Rust program changes entries as Lua programs do: the registry's own threads have the change
//! applied, in turn with those of Lua programs, and nobody else waits for it. What differs is who is
//! told: the [`Promise`] goes along with the change.

use std::sync::{Arc, Weak};

use serde::Serialize;

use crate::app::boot::System;
use crate::app::pending::{Pending, Promise, pending};
use crate::app::written::{self, Sources, Written};
use crate::core::registry::{Changeset, Entry, EntryId, Operation, Version};
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;
use crate::system::supervisor::Supervisor;

/// Entries to be created, updated and deleted, all of them or none.
///
/// The order in which they are written does not matter: what others depend on comes first and goes
/// last. [`Runtime::apply`](crate::Runtime::apply) is what happens with them; mistakes are reported
/// there.
///
/// An entry is written as for [`Builder::entry`](crate::Builder::entry) and
/// [`Builder::entries_from_str`](crate::Builder::entries_from_str). It is taken as it is: overrides,
/// `disable` rules and requirements are affairs of the start.
///
/// ```
/// use serde_json::json;
/// use wippy::Changes;
///
/// let changes = Changes::new()
///     .create("app:tax", "function.lua", json!({ "method": "main", "source": "file://tax.lua" }))
///     .source("tax.lua", "return { main = function(net) return net * 0.19 end }")
///     .delete("app:old_tax");
/// ```
#[must_use = "nothing changes before it is applied"]
#[derive(Clone, Debug, Default)]
pub struct Changes {
    wishes: Vec<Wish>,
    sources: Sources,
}

#[derive(Clone, Debug)]
enum Wish {
    Write(Write, Written),
    WriteAll(Write, String),
    Delete(String),
}

/// Makes an entry an operation.
type Write = fn(Arc<Entry>) -> Operation;

impl Changes {
    /// No changes yet.
    pub fn new() -> Changes {
        Changes::default()
    }

    /// Creates an entry: its id, `namespace:name`, its kind, and the fields that would stand beside
    /// them in an entry file, `meta` among them. There must be none with this id.
    pub fn create(
        self,
        id: impl Into<String>,
        kind: impl Into<String>,
        fields: impl Serialize,
    ) -> Changes {
        let entry = Written::new(id.into(), kind.into(), &fields);
        self.with(Wish::Write(Operation::Create, entry))
    }

    /// Replaces an entry: nothing of the old one's fields is kept. There must be one with this id and
    /// this kind.
    pub fn update(
        self,
        id: impl Into<String>,
        kind: impl Into<String>,
        fields: impl Serialize,
    ) -> Changes {
        let entry = Written::new(id.into(), kind.into(), &fields);
        self.with(Wish::Write(Operation::Update, entry))
    }

    /// Deletes the entry with this id, which must be there.
    pub fn delete(self, id: impl Into<String>) -> Changes {
        self.with(Wish::Delete(id.into()))
    }

    /// Creates all entries of a document: the text of an entry file, in YAML or JSON.
    pub fn create_from_str(self, document: impl Into<String>) -> Changes {
        self.with(Wish::WriteAll(Operation::Create, document.into()))
    }

    /// Replaces all entries of a document by what it says.
    pub fn update_from_str(self, document: impl Into<String>) -> Changes {
        self.with(Wish::WriteAll(Operation::Update, document.into()))
    }

    /// A text that entries of these changes may name as `file://NAME`; those of other changes, and of
    /// the builder, are not known here.
    pub fn source(mut self, name: impl Into<String>, text: impl Into<String>) -> Changes {
        self.sources.add(name.into(), text.into());
        self
    }

    fn with(mut self, wish: Wish) -> Changes {
        self.wishes.push(wish);
        self
    }

    /// What the registry is asked.
    ///
    /// # Errors
    /// Those of [`Written::read`], [`written::document`] and [`Sources::read`]; `INVALID`: no id.
    pub(super) fn read(&self) -> Result<Changeset> {
        let given = self.sources.read()?;
        let mut operations = Vec::with_capacity(self.wishes.len());
        let mut n_documents = 0;
        for wish in &self.wishes {
            match wish {
                Wish::Write(write, entry) => operations.push(write(Arc::new(entry.read(&given)?))),
                Wish::WriteAll(write, text) => {
                    n_documents += 1;
                    let entries = written::document(n_documents, text, &given)?;
                    operations.extend(entries.into_iter().map(|entry| write(Arc::new(entry))));
                }
                Wish::Delete(id) => {
                    let parsed = EntryId::parse(id);
                    if !parsed.is_complete() {
                        let reason = Error::invalid("expected an id like namespace:name");
                        return Err(reason.context(format!("entry {id}")));
                    }
                    operations.push(Operation::Delete(parsed));
                }
            }
        }
        Ok(Changeset::from(operations))
    }
}

/// Has the registry changed when it is this change's turn. The outcome is there once readers see the
/// change, and the hosts run that it has brought.
pub(super) fn apply(system: &System, changes: Changeset) -> Pending<Version> {
    let (promise, outcome) = pending();
    let operations = changes.operations().iter();
    let hosts = marked_hosts(operations.filter_map(|operation| Some(&**operation.entry()?)));
    // Neither is held: what waits for its turn keeps nothing alive.
    let registry = Arc::downgrade(&system.registry);
    let supervisor = Arc::downgrade(&system.supervisor);
    system.kernel.changes.run(Box::new(move || {
        let Some(registry) = registry.upgrade() else { return };
        match registry.apply(changes) {
            Ok(version) => {
                let applied = Arc::new(Applied { version, promise: Some(promise) });
                when_hosts_run(&supervisor, hosts, &applied);
            }
            Err(error) => promise.keep(Err(typed(error))),
        }
    }));
    outcome
}

/// The hosts among `entries` that are to run from the moment on that they are there.
pub(super) fn marked_hosts<'a>(entries: impl Iterator<Item = &'a Entry>) -> Vec<EntryId> {
    let is_marked = |entry: &&Entry| {
        let lifecycle = entry.data.get("lifecycle");
        let mark = lifecycle.and_then(|lifecycle| lifecycle.get("auto_start"));
        entry.kind == "process.host" && mark.and_then(Value::as_bool) == Some(true)
    };
    entries.filter(is_marked).map(|host| host.id.clone()).collect()
}

/// The failure of an apply under the kind of its cause, by which a program can decide.
fn typed(error: Error) -> Error {
    let Some(cause) = error.cause() else { return error };
    let typed = Error::new(cause.kind().clone(), error.message()).with_retryable(error.retryable());
    match error.details() {
        Some(details) => typed.with_details(details.clone()),
        None => typed,
    }
    .with_source(cause.clone())
}

/// A version whose promise is kept when the last one lets go of it.
struct Applied {
    version: Version,
    /// Taken by the drop.
    promise: Option<Promise<Version>>,
}

impl Drop for Applied {
    fn drop(&mut self) {
        if let Some(promise) = self.promise.take() {
            promise.keep(Ok(self.version));
        }
    }
}

/// Keeps hold of `applied` until all of `hosts` run, or have failed to: that takes no change back.
fn when_hosts_run(supervisor: &Weak<Supervisor>, hosts: Vec<EntryId>, applied: &Arc<Applied>) {
    let Some(supervisor) = supervisor.upgrade() else { return };
    for host in hosts {
        let applied = applied.clone();
        // They have begun to start with the change: this asks to be told.
        supervisor.start(host).then(move |_| drop(applied));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::infra::error::Kind;

    #[track_caller]
    fn check(changes: Changes, expect: &[(&str, &str)]) {
        let read = changes.read().expect("well formed");
        let found: Vec<_> =
            read.operations().iter().map(|it| (it.kind(), it.id().to_string())).collect();
        let found: Vec<_> = found.iter().map(|(kind, id)| (*kind, id.as_str())).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn operations_come_as_they_are_written() {
        let document = "namespace: a\nentries:\n- {name: x, kind: k}\n- {name: y, kind: k}";
        check(Changes::new(), &[]);
        check(
            Changes::new()
                .delete("a:z")
                .create_from_str(document)
                .update("a:w", "k", ())
                .update_from_str("{\"namespace\": \"b\", \"name\": \"x\", \"kind\": \"k\"}")
                .create("a:b:c", "k", json!({ "meta": { "n": 1 }, "data": 5 })),
            &[
                ("entry.delete", "a:z"),
                ("entry.create", "a:x"),
                ("entry.create", "a:y"),
                ("entry.update", "a:w"),
                ("entry.update", "b:x"),
                ("entry.create", "a:b:c"),
            ],
        );
    }

    #[test]
    fn sources_may_come_last() {
        let changes = Changes::new()
            .create("a:b", "k", json!({ "source": "file://b.lua" }))
            .source("b.lua", "return 1");
        let read = changes.read().expect("well formed");
        let entry = read.operations()[0].entry().expect("a create");
        assert_eq!(entry.data.get("source"), Some(&"return 1".into()));
    }

    #[track_caller]
    fn check_refused(changes: Changes, kind: Kind, text: &str) {
        let error = changes.read().expect_err("refused");
        assert_eq!(*error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }

    #[test]
    fn mistakes_are_named() {
        let new = Changes::new;
        check_refused(new().delete("x"), Kind::Invalid, "entry x: expected an id like");
        check_refused(new().create("x", "k", ()), Kind::Invalid, "entry x: expected an id like");
        check_refused(new().update("a:x", "", ()), Kind::Invalid, "and a kind");
        check_refused(new().create("a:x", "k", [1]), Kind::Invalid, "the fields are a list");
        let missing = json!({ "source": "file://none.lua" });
        check_refused(new().create("a:x", "k", missing), Kind::Invalid, "no such source is given");
        let twice = new().source("a", "").source("./a", "");
        check_refused(twice, Kind::AlreadyExists, "given twice");
        let second = new()
            .create_from_str("namespace: a\nname: x\nkind: k")
            .update_from_str("namespace: a\nname: 5\nkind: k");
        check_refused(second, Kind::Invalid, "document 2:2:7: name: name must be a string");
    }

    #[test]
    fn a_failure_has_the_kind_of_its_cause() {
        let cause = Error::new(Kind::Conflict, "taken").context("operation failed");
        let details = Value::from([("cause", "taken".into())]);
        let error = Error::internal("apply changes").with_details(details.clone());
        let error = typed(error.with_retryable(Some(true)).with_source(cause));
        assert_eq!((error.kind(), error.retryable()), (&Kind::Conflict, Some(true)));
        assert_eq!(error.details(), Some(&details));
        assert_eq!(error.to_string(), "apply changes: operation failed: taken");
        let plain = Error::invalid("no changes to apply");
        assert_eq!(typed(plain.clone()), plain);
    }
}
