//! One transaction: from a state and operations to a new state, or to nothing having happened.
//!
//! 1. Kinds of creates are checked, so that a typing error costs no rollback.
//! 2. `begin` to every listener.
//! 3. Each operation in dependency order: checked against the state so far, published, put to its
//!    listener. One that fails with `NOT_FOUND` waits for the rest of the pass and is tried again,
//!    as long as a pass gets anything done.
//! 4. `commit` to every listener, then the changes are saved.
//! 5. On a failure after step 2: the accepted changes are taken back in reverse, which is a
//!    dependency order of the inverses since it is that of the changes; steps of it that fail are
//!    noted and skipped. Then `discard`.
//!
//! The state is a private copy until the caller publishes it, so readers see nothing of this.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustc_hash::FxHashMap;

use crate::core::registry::changeset::{Change, Operation};
use crate::core::registry::entry::Entry;
use crate::core::registry::id::EntryId;
use crate::core::registry::listener::{Event, Listener, Listeners, Publisher, Route};
use crate::core::registry::order;
use crate::core::registry::state::State;
use crate::infra::error::{Error, Kind, Result};
use crate::infra::transcoder::{Map, Value};

/// Who takes part in a transaction.
pub(super) struct Parties {
    pub(super) listeners: Arc<Listeners>,
    pub(super) publisher: Option<Arc<dyn Publisher>>,
    /// Number of the transaction, for its events.
    pub(super) number: u64,
    /// How long a listener may take to answer.
    pub(super) event_wait_timeout: Duration,
}

/// Why a transaction came to nothing.
#[derive(Debug)]
pub(super) struct Failure {
    /// What was being done: the outer message of the error.
    stage: &'static str,
    pub(super) cause: Error,
    /// What went wrong while taking it back.
    rollback: Vec<Error>,
}

impl Failure {
    /// Before anything was put to a listener.
    pub(super) fn early(stage: &'static str, cause: Error) -> Failure {
        Failure { stage, cause, rollback: Vec::new() }
    }

    /// `INTERNAL`, the stage as message, the cause as cause; details are those of the cause, with
    /// `cause` and, if taking back failed too, `rollback_error`.
    pub(super) fn into_error(self) -> Error {
        let stage = self.stage;
        self.wrap(stage)
    }

    pub(super) fn wrap(self, message: &str) -> Error {
        let mut details = match self.cause.details() {
            Some(Value::Map(details)) => details.clone(),
            _ => Map::new(),
        };
        details.insert("cause".to_owned(), self.cause.to_string().into());
        if !self.rollback.is_empty() {
            let texts: Vec<String> = self.rollback.iter().map(Error::to_string).collect();
            details.insert("rollback_error".to_owned(), texts.join("; ").into());
        }
        Error::internal(message)
            .with_retryable(self.cause.retryable())
            .with_details(Value::Map(details))
            .with_source(self.cause)
    }
}

/// Runs a transaction on `state`. `save` stores the accepted changes; it comes last, and its error
/// takes everything back.
pub(super) fn run(
    parties: &Parties,
    state: State,
    operations: Vec<Operation>,
    save: impl FnOnce(&[Change]) -> Result<()>,
) -> Result<State, Failure> {
    let mut transaction =
        Transaction { parties, state, accepted: Vec::new(), routes: FxHashMap::default() };
    let fail = |stage, cause, rollback| Failure { stage, cause, rollback };
    transaction.check_kinds(&operations).map_err(|cause| fail("apply changes", cause, vec![]))?;
    transaction.begin().map_err(|cause| fail("apply changes", cause, vec![]))?;
    let operations = order::sort(operations, |id| transaction.state.get(id).cloned());
    let outcome = transaction.run_all(operations).and_then(|()| transaction.commit());
    let (stage, outcome) = match outcome {
        Ok(()) => ("save new version", save(&transaction.accepted)),
        Err(cause) => ("apply changes", Err(cause)),
    };
    match outcome {
        Ok(()) => Ok(transaction.state),
        Err(cause) => Err(fail(stage, cause, transaction.roll_back())),
    }
}

struct Transaction<'a> {
    parties: &'a Parties,
    /// The state so far.
    state: State,
    /// What has happened, in order.
    accepted: Vec<Change>,
    /// Looked up once per kind.
    routes: FxHashMap<String, Route>,
}

impl Transaction<'_> {
    fn check_kinds(&mut self, operations: &[Operation]) -> Result<()> {
        for operation in operations {
            if let Operation::Create(entry) = operation {
                self.route(entry).map_err(|cause| failed_for(&entry.id, cause))?;
            }
        }
        Ok(())
    }

    fn route(&mut self, entry: &Entry) -> Result<Route> {
        if let Some(route) = self.routes.get(&entry.kind) {
            return Ok(route.clone());
        }
        let route = self.parties.listeners.route(&entry.kind).map_err(|error| {
            error.with_details(Value::from([
                ("entry_id", entry.id.to_string().into()),
                ("kind", entry.kind.as_str().into()),
            ]))
        })?;
        self.routes.insert(entry.kind.clone(), route.clone());
        Ok(route)
    }

    /// Runs passes over what is left until nothing is, or a pass gets nothing done.
    fn run_all(&mut self, operations: Vec<Operation>) -> Result<()> {
        let mut pending = operations;
        while !pending.is_empty() {
            let n_pending = pending.len();
            let mut deferred = Vec::new();
            for operation in pending {
                match self.step(&operation) {
                    Ok(()) => (),
                    Err(error) if is_not_found(&error) => deferred.push((operation, error)),
                    Err(error) => return Err(failed_for(operation.id(), error)),
                }
            }
            if deferred.len() == n_pending {
                return Err(unresolved(deferred));
            }
            pending = deferred.into_iter().map(|(operation, _)| operation).collect();
        }
        Ok(())
    }

    fn step(&mut self, operation: &Operation) -> Result<()> {
        let change = self.check(operation)?;
        self.deliver(&change)?;
        self.state.overlay(&change);
        self.accepted.push(change);
        Ok(())
    }

    /// Against the state so far, not the one the caller saw when it made the changeset.
    fn check(&self, operation: &Operation) -> Result<Change> {
        let id = operation.id();
        match (operation, self.state.get(id)) {
            (Operation::Create(new), None) => Ok(Change::Create(new.clone())),
            (Operation::Create(_), Some(_)) => {
                Err(Error::new(Kind::Conflict, format!("entry already exists: {id}")))
            }
            (Operation::Update(new), Some(old)) if old.kind == new.kind => {
                Ok(Change::Update { old: old.clone(), new: new.clone() })
            }
            (Operation::Update(new), Some(old)) => Err(Error::invalid(format!(
                "cannot change entry kind from {} to {} of entry {id}",
                old.kind,
                if new.kind.is_empty() { "nothing" } else { &new.kind },
            ))),
            (Operation::Update(_), None) => {
                Err(Error::not_found(format!("entry does not exist: {id}")))
            }
            (Operation::Delete(_), Some(old)) => Ok(Change::Delete(old.clone())),
            (Operation::Delete(_), None) => {
                Err(Error::not_found(format!("cannot delete non-existent entry: {id}")))
            }
        }
    }

    /// Publishes the change, asks its listener, tells the answer, then tells the observers.
    fn deliver(&mut self, change: &Change) -> Result<()> {
        let entry = change.entry();
        let route = self.route(entry)?;
        self.publish_entry(change.kind(), entry, || Value::from(&**entry));
        if let Some(listener) = &route.listener {
            let (answer, late) = self.timed(|| tell(&**listener, change));
            let answer = answer.and_then(|()| match late {
                None => Ok(()),
                Some(timeout) => {
                    // It will not be among the changes taken back, since it was not accepted. What
                    // the listener says to this changes nothing.
                    let _ = tell(&**listener, &change.inverse());
                    let (id, kind) = (&entry.id, &entry.kind);
                    Err(too_late(timeout, &format!("entry {id} (kind: {kind})")))
                }
            });
            if let Err(error) = answer {
                let data = || Value::Error(Box::new(error.clone()));
                self.publish_entry("entry.reject", entry, data);
                return Err(error);
            }
            self.publish_entry("entry.accept", entry, || Value::Nil);
        }
        let event = match change {
            Change::Create(entry) => Event::Create(entry),
            Change::Update { old, new } => Event::Update { old, new },
            Change::Delete(entry) => Event::Delete(entry),
        };
        route.observers.iter().for_each(|observer| observer.observe(&event));
        Ok(())
    }

    /// On an error those that had begun are told to discard.
    fn begin(&self) -> Result<()> {
        const KIND: &str = "registry.begin";
        self.publish(KIND, KIND, Value::Nil);
        let listeners = self.parties.listeners.listeners();
        for (n_begun, listener) in listeners.iter().enumerate() {
            let (answer, late) = self.timed(|| listener.begin());
            let n_begun = n_begun + usize::from(answer.is_ok());
            if let Err(error) = in_time(answer, late, KIND) {
                self.publish("registry.reject", KIND, Value::Error(Box::new(error.clone())));
                self.publish("registry.discard", "registry.discard", Value::Nil);
                listeners[..n_begun].iter().for_each(|begun| begun.discard());
                return Err(error);
            }
        }
        self.publish("registry.accept", KIND, Value::Nil);
        self.observe(&Event::Begin);
        Ok(())
    }

    fn commit(&self) -> Result<()> {
        const KIND: &str = "registry.commit";
        self.publish(KIND, KIND, Value::Nil);
        for listener in self.parties.listeners.listeners() {
            let (answer, late) = self.timed(|| listener.commit());
            if let Err(error) = in_time(answer, late, KIND) {
                self.publish("registry.reject", KIND, Value::Error(Box::new(error.clone())));
                return Err(error);
            }
        }
        self.publish("registry.accept", KIND, Value::Nil);
        self.observe(&Event::Commit);
        Ok(())
    }

    fn roll_back(mut self) -> Vec<Error> {
        let mut failures = Vec::new();
        while let Some(change) = self.accepted.pop() {
            let inverse = change.inverse();
            if let Err(error) = self.deliver(&inverse) {
                failures.push(failed_for(&inverse.entry().id, error));
            }
        }
        self.publish("registry.discard", "registry.discard", Value::Nil);
        self.parties.listeners.listeners().iter().for_each(|listener| listener.discard());
        self.observe(&Event::Discard);
        failures
    }

    /// An answer, and the limit if it came too late.
    fn timed(&self, ask: impl FnOnce() -> Result<()>) -> (Result<()>, Option<Duration>) {
        let began = Instant::now();
        let answer = ask();
        let timeout = self.parties.event_wait_timeout;
        (answer, (began.elapsed() > timeout).then_some(timeout))
    }

    fn observe(&self, event: &Event<'_>) {
        self.parties.listeners.observers().iter().for_each(|observer| observer.observe(event));
    }

    /// An event about the transaction; answers carry the path of what they answer.
    fn publish(&self, kind: &str, path_kind: &str, data: Value) {
        if let Some(publisher) = &self.parties.publisher
            && publisher.is_heard(kind)
        {
            let path = format!("registry.tx/{}/{path_kind}", self.parties.number);
            publisher.publish(kind, &path, data);
        }
    }

    fn publish_entry(&self, kind: &str, entry: &Entry, data: impl FnOnce() -> Value) {
        if let Some(publisher) = &self.parties.publisher
            && publisher.is_heard(kind)
        {
            publisher.publish(kind, &entry.id.to_string(), data());
        }
    }
}

fn tell(listener: &dyn Listener, change: &Change) -> Result<()> {
    match change {
        Change::Create(entry) => listener.add(entry),
        Change::Update { old, new } => listener.update(old, new),
        Change::Delete(entry) => listener.delete(entry),
    }
}

/// An answer to `phase`; a yes that comes too late is a no.
fn in_time(answer: Result<()>, late: Option<Duration>, phase: &str) -> Result<()> {
    answer.and_then(|()| late.map_or(Ok(()), |timeout| Err(too_late(timeout, phase))))
}

fn too_late(timeout: Duration, what: &str) -> Error {
    let text = format!("event handler timeout after {timeout:?} for {what}");
    Error::new(Kind::Timeout, text).with_retryable(Some(true))
}

fn failed_for(id: &EntryId, cause: Error) -> Error {
    cause.context(format!("operation failed for entry {id}"))
}

/// The whole chain counts: a listener adds context to what it passes on.
fn is_not_found(error: &Error) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if *error.kind() == Kind::NotFound {
            return true;
        }
        next = error.cause();
    }
    false
}

/// The ids that could not be settled, and the first reason.
fn unresolved(deferred: Vec<(Operation, Error)>) -> Error {
    let ids: Vec<String> = deferred.iter().map(|(op, _)| op.id().to_string()).collect();
    let text = format!("unresolved dependencies after retry: {}", ids.join(", "));
    let list = Value::List(ids.into_iter().map(Value::Str).collect());
    let error = Error::not_found(text).with_details(Value::from([("unresolved", list)]));
    match deferred.into_iter().next() {
        Some((_, first)) => error.with_source(first),
        None => error,
    }
}
