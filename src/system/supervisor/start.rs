//! Start requests: who waits for which service, and which service waits for which other.
//!
//! A request is a [`Batch`]; it is answered once each of its services runs or will not. A service
//! whose dependencies do not all run yet has them in its `pending` set and begins when the set is
//! empty. Each leaves the set when it comes to run, and does not return to it: a job that runs to
//! its end has done what its dependents waited for.
//!
//! When a dependency fails for good, whoever waits is told, but the set stays: if the dependency is
//! started later, so is what was waiting for it.

use std::collections::BTreeSet;

use crate::core::registry::EntryId;
use crate::infra::error::Error;
use crate::system::supervisor::completion::{Outcome, Promise};
use crate::system::supervisor::lifecycle::Startup;
use crate::system::supervisor::machine::{Machine, Patience, Slot};
use crate::system::supervisor::observe::Details;
use crate::system::supervisor::order::{self, Graph};
use crate::system::supervisor::state::{Event, State};

/// A start request that has not been answered.
pub(super) struct Batch {
    waiting: BTreeSet<EntryId>,
    outcome: Outcome,
    patience: Patience,
    promise: Promise,
}

impl Machine {
    pub(super) fn start(&mut self, ids: Vec<EntryId>, patience: Patience, promise: Promise) {
        self.start_after(Outcome::default(), ids, patience, promise);
    }

    /// A start that is the last part of a request which has come to `outcome` so far.
    pub(super) fn start_after(
        &mut self,
        mut outcome: Outcome,
        ids: Vec<EntryId>,
        patience: Patience,
        promise: Promise,
    ) {
        if ids.is_empty() {
            return promise.answer(outcome);
        }
        self.batches.retain(|_, batch| !batch.promise.is_abandoned());
        let graph = self.graph(Slot::startable);
        let plan = match self.is_closing {
            true => Err(Error::unavailable("the supervisor is stopping all services")),
            false => {
                order::plan_start(&graph, &ids, |id| self.is_under_way(id)).map_err(Error::from)
            }
        };
        let plan = match plan {
            Ok(plan) => plan,
            Err(error) => {
                outcome.failed.extend(ids.into_iter().map(|id| (id, error.clone())));
                return promise.answer(outcome);
            }
        };
        let mut waiting: BTreeSet<EntryId> = ids.into_iter().collect();
        waiting.retain(|id| {
            if !graph.contains_key(id) {
                let error = Error::not_found(format!("service not found: {id}"));
                outcome.failed.push((id.clone(), error));
                return false;
            }
            let Some(missing) = plan.blocked.get(id) else { return true };
            if patience != Patience::RequiredOnly || !self.is_optional(id) {
                outcome.failed.push((id.clone(), order::missing_error(missing)));
            }
            false
        });
        if patience == Patience::None {
            waiting.clear();
        }
        let number = self.next_number();
        self.batches.insert(number, Batch { waiting, outcome, patience, promise });
        self.answer_if_over(number);
        for id in plan.levels.iter().flatten() {
            self.want(id, &graph);
        }
    }

    /// Takes note that the service is to run, and begins if it can.
    pub(super) fn want(&mut self, id: &EntryId, graph: &Graph) {
        let missing = match self.is_under_way(id) {
            true => BTreeSet::new(),
            false => order::dependencies(graph, id).filter(|d| !self.is_up(d)).cloned().collect(),
        };
        if let Some(slot) = self.slots.get_mut(id) {
            slot.pending = Some(missing);
        }
        self.apply(id, Event::Want, Details::None);
        self.begin_if_ready(id);
    }

    /// Begins a start that was waiting, if it has nothing left to wait for.
    pub(super) fn begin_if_ready(&mut self, id: &EntryId) {
        let is_held = self.is_held(id);
        let Some(slot) = self.slots.get_mut(id) else { return };
        if slot.pending.as_ref().is_some_and(BTreeSet::is_empty) && !is_held {
            slot.pending = None;
            self.apply(id, Event::Start, Details::None);
        }
    }

    /// The service runs: so may what was waiting for it.
    pub(super) fn release(&mut self, id: &EntryId) {
        for dependent in self.waiting_on(id) {
            if let Some(pending) = self.slots.get_mut(&dependent).and_then(|s| s.pending.as_mut()) {
                pending.remove(id);
            }
            self.begin_if_ready(&dependent);
        }
    }

    /// The service has failed for good: so have the requests for what was waiting for it.
    pub(super) fn block_dependents(&mut self, id: &EntryId) {
        let Some(failure) = self.slots.get(id).map(Slot::failure) else { return };
        let text = format!("service startup blocked by failed dependency: {id}");
        let error = Error::unavailable(text).with_source(failure);
        for dependent in self.held_up_by(id).into_iter().filter(|dependent| dependent != id) {
            self.settle(&dependent, Some(error.clone()), |_| true);
        }
    }

    /// The service has failed and will try again: requests that need not wait for it, or for what
    /// waits for it, do not.
    pub(super) fn go_on_without(&mut self, id: &EntryId) {
        for held_up in self.held_up_by(id) {
            if self.is_optional(&held_up) {
                self.settle(&held_up, None, |batch| batch.patience == Patience::RequiredOnly);
            }
        }
    }

    /// Tells the requests for `id` that pass `filter` what became of it.
    pub(super) fn settle(
        &mut self,
        id: &EntryId,
        error: Option<Error>,
        filter: impl Fn(&Batch) -> bool,
    ) {
        let mut over = Vec::new();
        for (number, batch) in &mut self.batches {
            if filter(batch) && batch.waiting.remove(id) {
                batch.outcome.failed.extend(error.clone().map(|error| (id.clone(), error)));
                over.push(*number);
            }
        }
        over.into_iter().for_each(|number| self.answer_if_over(number));
    }

    fn answer_if_over(&mut self, number: u64) {
        if self.batches.get(&number).is_some_and(|batch| batch.waiting.is_empty())
            && let Some(batch) = self.batches.remove(&number)
        {
            batch.promise.answer(batch.outcome);
        }
    }

    /// The services that cannot begin before `id` runs.
    pub(super) fn waiting_on(&self, id: &EntryId) -> Vec<EntryId> {
        let waits = |slot: &Slot| slot.pending.as_ref().is_some_and(|ids| ids.contains(id));
        self.slots.iter().filter(|(_, slot)| waits(slot)).map(|(id, _)| id.clone()).collect()
    }

    /// `id`, what waits for it, what waits for that, and so on.
    fn held_up_by(&self, id: &EntryId) -> BTreeSet<EntryId> {
        let mut found = BTreeSet::new();
        let mut open = vec![id.clone()];
        while let Some(id) = open.pop() {
            if !found.contains(&id) {
                open.extend(self.waiting_on(&id));
                found.insert(id);
            }
        }
        found
    }

    fn is_optional(&self, id: &EntryId) -> bool {
        let registration = self.slots.get(id).and_then(Slot::startable);
        registration.is_some_and(|it| it.options.startup == Startup::Optional)
    }

    /// It runs, and no stop is about to change that.
    fn is_up(&self, id: &EntryId) -> bool {
        let state = self.slots.get(id).map(|slot| slot.machine.state);
        state == Some(State::Running) && !self.is_held(id)
    }

    /// It has been started, or will be by itself; dependencies no longer matter.
    fn is_under_way(&self, id: &EntryId) -> bool {
        let state = self.slots.get(id).map(|slot| slot.machine.state);
        let started = [State::Starting, State::Running, State::Retrying];
        state.is_some_and(|state| started.contains(&state)) && !self.is_held(id)
    }
}
