//! Services come, go, and depend on others: what a registry transaction asks of the supervisor.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::registry::EntryId;
use crate::infra::error::{Error, Kind};
use crate::system::supervisor::completion::Promise;
use crate::system::supervisor::lifecycle::LifecycleOptions;
use crate::system::supervisor::machine::Machine;
use crate::system::supervisor::order::Reach;
use crate::system::supervisor::service::{Registration, Service};

/// Made together, in the order of the fields. Removed services are stopped, dependents first among
/// them; others that depend on them are left alone. All stops are over before anything starts.
#[derive(Default)]
pub struct Changes {
    pub remove: Vec<EntryId>,
    /// A service that is being removed is replaced once it is down.
    pub enrol: Vec<Enrolment>,
    /// Dependencies that are found by following the references of an entry. Unlike `requires`, those
    /// that are no service are ignored. Services that are not named here keep theirs.
    pub references: BTreeMap<EntryId, Vec<EntryId>>,
    /// With what they depend on. A stop of one that comes before its start cancels that.
    pub start: Vec<EntryId>,
}

/// A service that is to be known.
pub struct Enrolment {
    pub id: EntryId,
    pub service: Arc<dyn Service>,
    pub options: LifecycleOptions,
}

impl Machine {
    pub(super) fn change(&mut self, changes: Changes, promise: Promise) {
        let Changes { remove, enrol, references, start } = changes;
        for id in &remove {
            if let Some(slot) = self.slots.get_mut(id) {
                slot.is_leaving = true;
                slot.successor = None;
            }
        }
        let number = self.begin_stop(remove, Reach::Alone, promise);
        let mut failed = Vec::new();
        for Enrolment { id, service, options } in enrol {
            let registration = Registration { service, options, references: Vec::new() };
            if !self.register(&id, registration) {
                let text = format!("service already registered: {id}");
                failed.push((id, Error::new(Kind::AlreadyExists, text)));
            }
        }
        for (id, references) in references {
            if let Some(slot) = self.slots.get_mut(&id) {
                if let Some(successor) = &mut slot.successor {
                    successor.references.clone_from(&references);
                }
                slot.registration.references = references;
            }
        }
        if let Some(run) = self.runs.get_mut(&number) {
            run.outcome.failed.extend(failed);
            run.then_start = start;
        }
        self.next_level(number);
    }

    /// `false`: it is there already.
    fn register(&mut self, id: &EntryId, registration: Registration) -> bool {
        match self.slots.get_mut(id) {
            None => self.install(id.clone(), registration),
            Some(slot) if slot.is_leaving && slot.successor.is_none() => {
                slot.successor = Some(registration);
            }
            Some(_) => return false,
        }
        true
    }
}
