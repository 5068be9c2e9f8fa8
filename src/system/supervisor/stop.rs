//! Stops: level by level, dependents first.
//!
//! A request is a [`StopRun`]. From its first moment all its members are unwanted: retries are
//! cancelled, and whoever waits for one of them to start is told so. A member is *held* until its
//! turn is over; a start that is asked for meanwhile waits until then, so that "stop, start" means
//! a restart however long the stop takes. A run may have a sequel: services that it was asked to start
//! when it is over, unless somebody stops them before that.

use std::collections::{BTreeSet, VecDeque};

use crate::core::registry::EntryId;
use crate::infra::error::Error;
use crate::system::supervisor::completion::{Outcome, Promise};
use crate::system::supervisor::machine::{Machine, Patience, Slot, canceled};
use crate::system::supervisor::observe::Details;
use crate::system::supervisor::order::{self, Reach};
use crate::system::supervisor::state::{Event, State};

/// A stop, or the stops among changes, that has not been answered.
pub(super) struct StopRun {
    /// Being stopped.
    current: BTreeSet<EntryId>,
    /// Not yet their turn.
    later: VecDeque<Vec<EntryId>>,
    pub(super) outcome: Outcome,
    /// Its sequel: to be started when all are down.
    pub(super) then_start: Vec<EntryId>,
    promise: Promise,
}

impl Machine {
    /// Stops `ids` and everything that depends on them.
    pub(super) fn stop(&mut self, ids: Vec<EntryId>, promise: Promise) {
        self.stop_in_order(ids, Reach::WithDependents, promise);
    }

    pub(super) fn stop_all(&mut self, promise: Promise) {
        self.is_closing = true;
        let ids = self.slots.keys().cloned().collect();
        self.stop_in_order(ids, Reach::WithDependents, promise);
    }

    fn stop_in_order(&mut self, ids: Vec<EntryId>, reach: Reach, promise: Promise) {
        let number = self.begin_stop(ids, reach, promise);
        self.next_level(number);
    }

    /// A run whose members are unwanted from now on; its levels have not begun.
    pub(super) fn begin_stop(&mut self, ids: Vec<EntryId>, reach: Reach, promise: Promise) -> u64 {
        let graph = self.graph(Slot::stoppable);
        let levels = order::stop_levels(&graph, &ids, reach);
        let unknown = ids.into_iter().filter(|id| !graph.contains_key(id));
        let not_found = |id: EntryId| {
            let error = Error::not_found(format!("service not found: {id}"));
            (id, error)
        };
        let outcome = Outcome { failed: unknown.map(not_found).collect() };
        for id in levels.iter().flatten() {
            if let Some(slot) = self.slots.get_mut(id) {
                slot.pending = None;
            }
            self.apply(id, Event::Unwant, Details::None);
            self.cancel_sequels(id);
        }
        let number = self.next_number();
        let later = VecDeque::from(levels);
        let (current, then_start) = (BTreeSet::new(), Vec::new());
        self.runs.insert(number, StopRun { current, later, outcome, then_start, promise });
        number
    }

    /// `id` is not to be started after the runs that there are.
    fn cancel_sequels(&mut self, id: &EntryId) {
        for run in self.runs.values_mut() {
            if let Some(index) = run.then_start.iter().position(|it| it == id) {
                run.then_start.swap_remove(index);
                run.outcome.failed.push((id.clone(), canceled()));
            }
        }
    }

    pub(super) fn next_level(&mut self, number: u64) {
        let Some(run) = self.runs.get_mut(&number) else { return };
        let Some(level) = run.later.pop_front() else {
            if let Some(StopRun { outcome, then_start, promise, .. }) = self.runs.remove(&number) {
                self.start_after(outcome, then_start, Patience::RequiredOnly, promise);
            }
            return;
        };
        run.current = level.iter().cloned().collect();
        for id in level {
            self.apply(&id, Event::Stop, Details::None);
            // Down already, or gone: its turn is over as soon as this input has been applied.
            if self.slots.get(&id).is_none_or(|slot| slot.machine.is_at_rest()) {
                self.changed.push_back(id);
            }
        }
    }

    /// A stop of the service is under way or to come.
    pub(super) fn is_held(&self, id: &EntryId) -> bool {
        self.runs
            .values()
            .any(|run| run.current.contains(id) || run.later.iter().any(|level| level.contains(id)))
    }

    /// The service is down, or has been removed: stops go on, removals are completed, and a start
    /// that had to wait begins.
    pub(super) fn came_to_rest(&mut self, id: &EntryId) {
        let timed_out = self.slots.get(id).and_then(Slot::stop_timeout);
        let mut over = Vec::new();
        for (number, run) in &mut self.runs {
            if run.current.remove(id) {
                run.outcome.failed.extend(timed_out.clone().map(|error| (id.clone(), error)));
                if run.current.is_empty() {
                    over.push(*number);
                }
            }
        }
        let has_failed = |slot: &Slot| matches!(slot.machine.state, State::Failed | State::Exited);
        // With a start of its own ahead, there is hope for its dependents.
        if self.slots.get(id).is_some_and(|slot| has_failed(slot) && slot.pending.is_none()) {
            self.block_dependents(id);
        }
        if self.slots.get(id).is_some_and(|slot| slot.is_leaving) && !self.is_held(id) {
            self.complete_removal(id);
        }
        over.into_iter().for_each(|number| self.next_level(number));
        self.begin_if_ready(id);
    }

    fn complete_removal(&mut self, id: &EntryId) {
        let Some(slot) = self.uninstall(id) else { return };
        let waiting = self.waiting_on(id);
        let Some(successor) = slot.successor else {
            return waiting.iter().for_each(|dependent| self.lose(dependent, id));
        };
        self.install(id.clone(), successor);
        // What waited for the old one waits for the new one, which nobody else may have asked for.
        if slot.pending.is_some() || !waiting.is_empty() {
            let graph = self.graph(Slot::startable);
            self.want(id, &graph);
        }
    }

    /// `dependent` was waiting for `gone`, which will never come: an error if it is required, one
    /// thing less to wait for if it was only found by a reference.
    fn lose(&mut self, dependent: &EntryId, gone: &EntryId) {
        let Some(slot) = self.slots.get_mut(dependent) else { return };
        let is_required = slot
            .startable()
            .is_some_and(|registration| registration.options.requires.contains(gone));
        if !is_required {
            if let Some(pending) = slot.pending.as_mut() {
                pending.remove(gone);
            }
            return self.begin_if_ready(dependent);
        }
        slot.pending = None;
        let missing = vec![(dependent.clone(), gone.clone())];
        self.settle(dependent, Some(order::missing_error(&missing)), |_| true);
        self.apply(dependent, Event::Unwant, Details::None);
    }
}
