//! The roster: which entries are services, and how changes of the registry reach the supervisor.
//!
//! Listeners of the kinds that are services [enrol](Roster::enrol) and [withdraw](Roster::withdraw)
//! them within a registry transaction. Nothing of that happens before readers see the change; if the
//! transaction comes to nothing, nothing ever does. Then, in this order:
//!
//! 1. What listeners [put off](Registry::put_off) happens, which is the registry's affair.
//! 2. Withdrawn services stop, dependents first among them.
//! 3. Enrolled ones are known, and those marked `auto_start` start, with what they depend on.
//!
//! The registry does not wait for services. What a service depends on, besides its
//! `requires`, is what its entry refers to: see `behind.rs`. It is found anew before each request, if
//! the registry has changed since the last.
//!
//! Programs ask for starts and stops by events of system `supervisor`, see [`Roster::listen`].
//!
//! Left out on purpose: what an entry says (its listener knows), and everything about states (the
//! supervisor).

mod behind;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use parking_lot::{Mutex, MutexGuard};

use crate::core::registry::{EntryId, Event, Observer, Registry, Snapshot};
use crate::infra::app_context::Key;
use crate::infra::error::{Error, Kind, Result};
use crate::infra::event_bus::{self, EventBus};
use crate::infra::logger::Logger;
use crate::system::roster::behind::{Behind, behind};
use crate::system::supervisor::{
    Changes, Completion, Enrolment, LifecycleOptions, Outcome, Service, Supervisor,
};

/// The book of services. Watches the registry as an observer of all kinds.
pub struct Roster {
    supervisor: Arc<Supervisor>,
    /// Not held: it holds the roster.
    registry: Weak<Registry>,
    logger: Logger,
    /// Held while requests are handed over, so that they arrive in the order of what they were
    /// worked out from. The supervisor's queue takes them without waiting.
    book: Mutex<Book>,
}

#[derive(Default)]
struct Book {
    /// The transaction under way.
    open: Option<Draft>,
    services: BTreeSet<EntryId>,
    /// What the supervisor was told of references, and when that was right.
    told: Behind,
    told_of: Option<Arc<Snapshot>>,
}

/// What a transaction asks for so far.
#[derive(Default)]
struct Draft {
    withdrawn: BTreeSet<EntryId>,
    enrolled: BTreeMap<EntryId, Enrolment>,
}

impl Roster {
    pub const KEY: Key<Roster> = Key::new("roster");

    /// `logger` gets what does not start, and requests that come at the wrong time.
    pub fn new(supervisor: Arc<Supervisor>, registry: &Arc<Registry>, logger: Logger) -> Roster {
        let book = Mutex::default();
        Roster { supervisor, registry: Arc::downgrade(registry), logger, book }
    }

    /// Makes an entry a service, from the moment on that readers see the entry.
    ///
    /// # Errors
    /// `INVALID` outside a registry transaction.
    pub fn enrol(
        &self,
        id: EntryId,
        service: Arc<dyn Service>,
        options: LifecycleOptions,
    ) -> Result<()> {
        self.draft(&id, |draft| {
            let enrolment = Enrolment { id: id.clone(), service, options };
            draft.enrolled.insert(id.clone(), enrolment);
        })
    }

    /// Stops a service and forgets it, once readers see that its entry is gone. Enrolled again in the
    /// same transaction, it is replaced.
    ///
    /// # Errors
    /// `INVALID` outside a registry transaction.
    pub fn withdraw(&self, id: &EntryId) -> Result<()> {
        self.draft(id, |draft| {
            // One that this transaction has brought was never there.
            if draft.enrolled.remove(id).is_none() {
                draft.withdrawn.insert(id.clone());
            }
        })
    }

    fn draft(&self, id: &EntryId, change: impl FnOnce(&mut Draft)) -> Result<()> {
        let mut book = self.book.lock();
        let Some(draft) = &mut book.open else {
            let text = format!("service registration outside a registry transaction: {id}");
            return Err(Error::invalid(text));
        };
        change(draft);
        Ok(())
    }

    /// Readers see the transaction: so does the supervisor.
    fn publish(&self) {
        let mut book = self.book.lock();
        let Some(draft) = book.open.take() else { return };
        if draft.withdrawn.is_empty() && draft.enrolled.is_empty() {
            return;
        }
        for id in &draft.withdrawn {
            book.services.remove(id);
            book.told.remove(id);
        }
        for id in draft.enrolled.keys() {
            book.services.insert(id.clone());
            book.told.remove(id);
        }
        let references = self.news(&mut book);
        let is_marked = |enrolment: &&Enrolment| enrolment.options.auto_start;
        let marked = draft.enrolled.values().filter(is_marked).map(|it| it.id.clone());
        let changes = Changes {
            start: marked.collect(),
            remove: draft.withdrawn.into_iter().collect(),
            enrol: draft.enrolled.into_values().collect(),
            references,
        };
        self.tell_failures(self.supervisor.change(changes));
    }

    /// Starts a service and what it depends on, as asked for by an event. Unknown ids are ignored.
    pub fn start(&self, id: &EntryId) {
        if let Some(_book) = self.turn("service.start", id) {
            self.tell_failures(self.supervisor.begin(id.clone()));
        }
    }

    /// Stops a service and what depends on it, as asked for by an event. Unknown ids are ignored.
    pub fn stop(&self, id: &EntryId) {
        if let Some(_book) = self.turn("service.stop", id) {
            // How it ends is in the log and in the events of the services.
            drop(self.supervisor.stop(id.clone()));
        }
    }

    /// Stops all services for good: see [`Supervisor::stop_all`].
    pub fn stop_all(&self) -> Completion {
        let mut book = self.book.lock();
        self.bring_up_to_date(&mut book);
        self.supervisor.stop_all()
    }

    /// The book, with the supervisor up to date, if a request about `id` may go on.
    fn turn(&self, request: &str, id: &EntryId) -> Option<MutexGuard<'_, Book>> {
        let mut book = self.book.lock();
        if book.open.is_some() {
            drop(book);
            let fields = [("request", request.into()), ("service", id.to_string().into())];
            self.logger.warn("request dropped, a registry transaction is open", fields);
            return None;
        }
        if !book.services.contains(id) {
            return None;
        }
        self.bring_up_to_date(&mut book);
        Some(book)
    }

    fn bring_up_to_date(&self, book: &mut Book) {
        let references = self.news(book);
        if !references.is_empty() {
            drop(self.supervisor.change(Changes { references, ..Changes::default() }));
        }
    }

    /// What has changed about references since the supervisor was told.
    fn news(&self, book: &mut Book) -> Behind {
        let Some(registry) = self.registry.upgrade() else { return Behind::new() };
        let snapshot = registry.snapshot();
        let is_known = book.told_of.as_ref().is_some_and(|known| Arc::ptr_eq(known, &snapshot));
        if is_known && book.told.len() == book.services.len() {
            return Behind::new();
        }
        let now = behind(&snapshot, &book.services);
        let is_new = |(id, behind): &(&EntryId, &Vec<EntryId>)| book.told.get(*id) != Some(*behind);
        let news = now.iter().filter(is_new).map(|(id, behind)| (id.clone(), behind.clone()));
        let news = news.collect();
        book.told = now;
        book.told_of = Some(snapshot);
        news
    }

    fn tell_failures(&self, completion: Completion) {
        let logger = self.logger.clone();
        completion.then(move |Outcome { failed }| {
            // Somebody stopped it before it came to run: that is no failure.
            let failed = failed.into_iter().filter(|(_, error)| *error.kind() != Kind::Canceled);
            for (id, error) in failed {
                let fields =
                    [("service", id.to_string().into()), ("error", error.to_string().into())];
                logger.error("service did not start", fields);
            }
        });
    }

    /// Takes requests from the bus: system `supervisor`, kinds `service.start` and `service.stop`,
    /// the path is the id. What only entries may ask for, `service.register` and `service.remove`, is
    /// refused with a warning.
    ///
    /// # Errors
    /// The bus is closed.
    pub fn listen(self: &Arc<Roster>, bus: &EventBus) -> Result<()> {
        let roster = Arc::downgrade(self);
        let kinds = "service.(start|stop|register|remove)";
        let callback = Box::new(move |event: &Arc<event_bus::Event>| {
            let Some(roster) = roster.upgrade() else { return };
            let id = EntryId::parse(&event.path);
            match event.kind.as_str() {
                "service.start" => roster.start(&id),
                "service.stop" => roster.stop(&id),
                kind => {
                    let fields = [("request", kind.into()), ("service", id.to_string().into())];
                    let text = "request refused, services come and go with their entries";
                    roster.logger.warn(text, fields);
                }
            }
        });
        bus.serve("supervisor", kinds, callback)
    }
}

impl Observer for Roster {
    fn observe(&self, event: &Event<'_>) {
        match event {
            Event::Begin => self.book.lock().open = Some(Draft::default()),
            Event::Discard => self.book.lock().open = None,
            Event::Visible => self.publish(),
            Event::Create(_) | Event::Update { .. } | Event::Delete(_) | Event::Commit => (),
        }
    }
}
