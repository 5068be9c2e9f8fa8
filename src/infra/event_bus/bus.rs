//! The bus: one queue, one dispatcher thread, subscribers with queues of their own.
//!
//! - [`EventBus::send`] never blocks and never fails; the queue is unbounded, since back-pressure must
//!   not reach publishers. It is drained by a thread that does nothing else.
//! - A subscriber sees matching events in the order they were sent. A callback runs on the dispatcher
//!   and must only hand the event on; [`EventBus::channel`] is a ready-made one with an unbounded
//!   queue, so that a slow reader delays only itself.
//! - Subscribing and unsubscribing go through the same queue: whoever has returned from `subscribe`
//!   gets every event sent after that, and none arrives after `unsubscribe` has returned.
//! - Stopping overtakes the queue: what is still in it is dropped, and whoever waits in it is told that
//!   the bus is closed.
//! - A callback that panics loses its subscription; the others do not notice.
//! - [`EventBus::serve`] is for the runtime's own parts that take requests by event: they get theirs,
//!   and do not count as listeners, so that events nobody else wants need not be made for them.
//!
//! Both `subscribe` and `unsubscribe` wait for the dispatcher, so a callback may call neither; it ends
//! its own subscription with [`Cancel`].

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{JoinHandle, ThreadId};

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use parking_lot::{Mutex, RwLock};

use crate::infra::app_context::Key;
use crate::infra::error::{Error, Result};
use crate::infra::event_bus::{Event, Filter};

/// Live subscribers at most.
pub const SUBSCRIBERS_MAX: usize = 4096;

/// Ends subscriptions from afar. Clones are the same token.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Takes matching events, on the dispatcher thread: must not block, subscribe or unsubscribe.
pub type Callback = Box<dyn FnMut(&Arc<Event>) + Send>;

/// `sub.N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionId(u64);

impl SubscriptionId {
    /// Of no subscription.
    #[cfg(test)]
    pub(super) const NONE: SubscriptionId = SubscriptionId(0);
}

impl std::fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sub.{}", self.0)
    }
}

enum Action {
    Send(Arc<Event>),
    Subscribe(Box<Subscriber>, Reply),
    /// The sender of nothing is dropped when it is done, which is the answer.
    Unsubscribe(SubscriptionId, Option<Sender<()>>),
    /// Those that are cancelled go now.
    Prune,
    Stop,
}

/// Who is told the outcome of a subscription. Dropped with the queue of a bus that is stopped, it
/// says that.
struct Reply(Option<Box<dyn FnOnce(Result<SubscriptionId>) + Send>>);

impl Reply {
    fn tell(&mut self, outcome: Result<SubscriptionId>) {
        if let Some(done) = self.0.take() {
            // Unwind safe: called once. As with callbacks, the dispatcher survives it.
            let _ = catch_unwind(AssertUnwindSafe(|| done(outcome)));
        }
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.tell(Err(closed()));
    }
}

struct Subscriber {
    id: SubscriptionId,
    filter: Filter,
    cancel: Cancel,
    callback: Callback,
    /// By [`EventBus::serve`].
    is_servant: bool,
}

/// Cheap to clone; clones are the same bus.
#[derive(Clone)]
pub struct EventBus(Arc<Inner>);

struct Inner {
    actions: Sender<Action>,
    shared: Arc<Shared>,
    dispatcher: ThreadId,
    /// Taken by the first `stop`.
    thread: Mutex<Option<JoinHandle<()>>>,
}

/// What the handles and the dispatcher both look at.
#[derive(Default)]
struct Shared {
    /// Set once, by `stop`; the dispatcher reads it before each action.
    closed: AtomicBool,
    /// Live subscribers, written by the dispatcher. Stored before `subscribe` is answered, so whoever
    /// knows of a subscription also sees that there is one.
    subscribers: AtomicUsize,
    /// What is delivered even if nobody listens, each until it is cancelled. A leaf: nothing else is
    /// locked while it is held.
    served: RwLock<Vec<(Cancel, Filter)>>,
}

impl EventBus {
    pub const KEY: Key<EventBus> = Key::new("event_bus");

    /// Starts the dispatcher thread. It sleeps while there is nothing to do.
    pub fn start() -> Result<EventBus> {
        let (actions, queue) = unbounded();
        let shared = Arc::new(Shared::default());
        let seen = shared.clone();
        let thread = std::thread::Builder::new()
            .name("wippy-events".into())
            .spawn(move || dispatch(&queue, &seen))
            .map_err(|error| Error::internal(format!("start the event bus: {error}")))?;
        let dispatcher = thread.thread().id();
        let thread = Mutex::new(Some(thread));
        Ok(EventBus(Arc::new(Inner { actions, shared, dispatcher, thread })))
    }

    /// Queues an event. Dropped once the bus is closed, and at once if nobody listens.
    pub fn send(&self, event: Event) {
        if !self.is_closed() && (self.is_heard() || self.is_served(&event)) {
            // Fails only when the dispatcher has gone, which is the same as closed.
            let _ = self.0.actions.send(Action::Send(Arc::new(event)));
        }
    }

    /// Is anybody subscribed to anything? Saves making events nobody hears.
    pub fn is_heard(&self) -> bool {
        self.0.shared.subscribers.load(Ordering::Acquire) > 0
    }

    fn is_served(&self, event: &Event) -> bool {
        self.0.shared.served.read().iter().any(|(_, filter)| filter.matches(event))
    }

    fn is_closed(&self) -> bool {
        self.0.shared.closed.load(Ordering::Acquire)
    }

    fn is_dispatcher(&self) -> bool {
        std::thread::current().id() == self.0.dispatcher
    }

    /// Calls `callback` for matching events until `cancel`, `unsubscribe` or `stop`. Empty patterns
    /// filter nothing; kind `*` means all kinds.
    ///
    /// # Panics
    /// In a callback, where it would wait for itself.
    pub fn subscribe(
        &self,
        system: &str,
        kind: &str,
        cancel: Cancel,
        callback: Callback,
    ) -> Result<SubscriptionId> {
        assert!(!self.is_dispatcher(), "a callback of the event bus subscribes");
        let (reply, answer) = bounded(1);
        self.subscribe_then(Filter::new(system, kind), cancel, callback, move |outcome| {
            let _ = reply.send(outcome);
        });
        answer.recv().map_err(|_| closed())?
    }

    /// Like [`EventBus::subscribe`], until `stop`, and without counting as a listener: see
    /// [`EventBus::is_heard`].
    pub fn serve(&self, system: &str, kind: &str, callback: Callback) -> Result<()> {
        assert!(!self.is_dispatcher(), "a callback of the event bus subscribes");
        let (reply, answer) = bounded(1);
        let done = move |outcome| {
            let _ = reply.send(outcome);
        };
        self.serve_until(system, kind, Cancel::default(), callback, done);
        answer.recv().map_err(|_| closed())?.map(drop)
    }

    /// Like [`EventBus::serve`], without waiting, until [`EventBus::end`] is called with `cancel`:
    /// `callback` gets the events sent from now on, `done` is told as by
    /// [`EventBus::subscribe_then`].
    pub(super) fn serve_until(
        &self,
        system: &str,
        kind: &str,
        cancel: Cancel,
        callback: Callback,
        done: impl FnOnce(Result<SubscriptionId>) + Send + 'static,
    ) {
        let filter = Filter::new(system, kind);
        self.0.shared.served.write().push((cancel.clone(), Filter::new(system, kind)));
        self.add(filter, cancel, callback, true, Box::new(done));
    }

    /// Cancels subscriptions, and has the dispatcher drop them although no event comes.
    pub(super) fn end(&self, cancel: &Cancel) {
        cancel.cancel();
        self.0.shared.served.write().retain(|(cancel, _)| !cancel.is_cancelled());
        let _ = self.0.actions.send(Action::Prune);
    }

    /// Like [`EventBus::subscribe`], without waiting: `done` is called when the subscription is
    /// active, or with the error, and must not block. On the dispatcher thread, normally; on this
    /// one if the bus is closed.
    pub fn subscribe_then(
        &self,
        filter: Filter,
        cancel: Cancel,
        callback: Callback,
        done: impl FnOnce(Result<SubscriptionId>) + Send + 'static,
    ) {
        self.add(filter, cancel, callback, false, Box::new(done));
    }

    fn add(
        &self,
        filter: Filter,
        cancel: Cancel,
        callback: Callback,
        is_servant: bool,
        done: Box<dyn FnOnce(Result<SubscriptionId>) + Send>,
    ) {
        let reply = Reply(Some(done));
        if self.is_closed() {
            return;
        }
        let id = SubscriptionId(0);
        let subscriber = Subscriber { id, filter, cancel, callback, is_servant };
        // What cannot be queued is dropped, and the reply says that the bus is closed.
        let _ = self.0.actions.send(Action::Subscribe(Box::new(subscriber), reply));
    }

    /// A subscription that queues events, without bound, until somebody takes them. Ending it leaves
    /// what is already in the receiver to the reader; after that, the receiver is disconnected.
    pub fn channel(
        &self,
        system: &str,
        kind: &str,
        cancel: Cancel,
    ) -> Result<(SubscriptionId, Receiver<Arc<Event>>)> {
        let (sender, receiver) = unbounded();
        let callback = Box::new(move |event: &Arc<Event>| {
            // A reader that is gone hears nothing.
            let _ = sender.send(event.clone());
        });
        Ok((self.subscribe(system, kind, cancel, callback)?, receiver))
    }

    /// No event reaches the subscriber after this. An unknown id is fine.
    ///
    /// # Panics
    /// In a callback, where it would wait for itself.
    pub fn unsubscribe(&self, id: SubscriptionId) {
        assert!(!self.is_dispatcher(), "a callback of the event bus unsubscribes");
        let (reply, done) = bounded::<()>(1);
        if self.0.actions.send(Action::Unsubscribe(id, Some(reply))).is_ok() {
            // Hanging up is the answer: it is done, or the bus was stopped.
            let _ = done.recv();
        }
    }

    /// Unsubscribes without waiting. Whoever cannot take another event cancels first.
    pub(super) fn forget(&self, id: SubscriptionId) {
        let _ = self.0.actions.send(Action::Unsubscribe(id, None));
    }

    /// Drops subscribers and what is queued, and waits for the dispatcher to end (in a callback: does
    /// not wait).
    pub fn stop(&self) {
        self.0.shared.closed.store(true, Ordering::Release);
        // Wakes a dispatcher that sleeps; one that is busy sees the flag.
        let _ = self.0.actions.send(Action::Stop);
        if self.is_dispatcher() {
            return;
        }
        // The lock is held while waiting: of two callers, both return after the end.
        if let Some(thread) = self.0.thread.lock().take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Nobody can subscribe or stop any more; what was sent before is still delivered.
        let _ = self.actions.send(Action::Stop);
    }
}

fn closed() -> Error {
    Error::unavailable("bus is closed")
}

/// The dispatcher's loop. Subscribers are dropped before the queue, so that whoever was waiting in it
/// learns of the end when no callback can run any more.
fn dispatch(queue: &Receiver<Action>, shared: &Shared) {
    let mut subscribers = Subscribers { list: Vec::new(), last_id: 0, shared };
    while let Ok(action) = queue.recv() {
        if shared.closed.load(Ordering::Acquire) {
            break;
        }
        match action {
            Action::Send(event) => subscribers.retain(|subscriber| subscriber.offer(&event)),
            Action::Subscribe(subscriber, mut reply) => reply.tell(subscribers.add(*subscriber)),
            Action::Unsubscribe(id, reply) => {
                subscribers.retain(|subscriber| subscriber.id != id);
                drop(reply);
            }
            Action::Prune => subscribers.retain(|subscriber| !subscriber.cancel.is_cancelled()),
            Action::Stop => break,
        }
    }
}

/// The dispatcher's own list, and the count the others see.
struct Subscribers<'a> {
    list: Vec<Subscriber>,
    last_id: u64,
    shared: &'a Shared,
}

impl Subscribers<'_> {
    fn add(&mut self, mut subscriber: Subscriber) -> Result<SubscriptionId> {
        // Only a matching event would take these out; they must not use up the places.
        self.retain(|subscriber| !subscriber.cancel.is_cancelled());
        if !subscriber.is_servant && self.listeners() >= SUBSCRIBERS_MAX {
            return Err(Error::unavailable("eventbus subscribers cap reached"));
        }
        self.last_id += 1;
        let id = SubscriptionId(self.last_id);
        subscriber.id = id;
        self.list.push(subscriber);
        self.publish_count();
        Ok(id)
    }

    fn retain(&mut self, keep: impl FnMut(&mut Subscriber) -> bool) {
        let before = self.list.len();
        self.list.retain_mut(keep);
        if self.list.len() != before {
            self.publish_count();
        }
    }

    fn listeners(&self) -> usize {
        self.list.iter().filter(|subscriber| !subscriber.is_servant).count()
    }

    fn publish_count(&self) {
        self.shared.subscribers.store(self.listeners(), Ordering::Release);
    }
}

impl Drop for Subscribers<'_> {
    fn drop(&mut self) {
        self.list.clear();
        self.publish_count();
    }
}

impl Subscriber {
    /// Hands a matching event on. `false`: the subscription is over.
    fn offer(&mut self, event: &Arc<Event>) -> bool {
        if !self.filter.matches(event) {
            return true;
        }
        if self.cancel.is_cancelled() {
            return false;
        }
        // Unwind safe: after a panic the callback is not called again. The panic hook has told of it.
        catch_unwind(AssertUnwindSafe(|| (self.callback)(event))).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::transcoder::Value;

    fn event(kind: &str, path: usize) -> Event {
        Event::new("test", kind, &path.to_string(), Value::Nil)
    }

    fn bus() -> EventBus {
        EventBus::start().expect("starts")
    }

    #[test]
    fn a_subscriber_sees_matching_events_in_order() {
        let bus = bus();
        let (_, events) = bus.channel("test", "a.*", Cancel::default()).expect("subscribed");
        for n in 0..1000 {
            bus.send(event(if n % 2 == 0 { "a.x" } else { "b.x" }, n));
        }
        for n in (0..1000).step_by(2) {
            assert_eq!(events.recv().map(|e| e.path.clone()), Ok(n.to_string()));
        }
    }

    #[test]
    fn the_kind_star_means_all_kinds() {
        let bus = bus();
        let (_, events) = bus.channel("", "*", Cancel::default()).expect("subscribed");
        bus.send(event("a.b.c", 1));
        assert_eq!(events.recv().map(|e| e.kind.clone()), Ok("a.b.c".into()));
    }

    #[test]
    fn nothing_arrives_after_unsubscribe_or_cancel() {
        let bus = bus();
        let (id, events) = bus.channel("", "", Cancel::default()).expect("subscribed");
        assert_eq!(id.to_string(), "sub.1");
        let cancel = Cancel::default();
        let (_, cancelled) = bus.channel("", "", cancel.clone()).expect("subscribed");
        let (_, control) = bus.channel("", "", Cancel::default()).expect("subscribed");
        bus.unsubscribe(id);
        bus.unsubscribe(id);
        cancel.cancel();
        bus.send(event("k", 1));
        assert!(control.recv().is_ok());
        assert!(events.try_recv().is_err());
        assert!(cancelled.try_recv().is_err());
    }

    #[test]
    fn a_slow_reader_delays_nobody() {
        let bus = bus();
        let (_, slow) = bus.channel("", "", Cancel::default()).expect("subscribed");
        let (_, quick) = bus.channel("", "", Cancel::default()).expect("subscribed");
        for n in 0..100_000 {
            bus.send(event("k", n));
        }
        assert_eq!(quick.iter().take(100_000).count(), 100_000);
        assert_eq!(slow.iter().take(100_000).count(), 100_000);
    }

    #[test]
    fn a_callback_that_panics_is_dropped_alone() {
        let bus = bus();
        let panics = Box::new(|event: &Arc<Event>| assert!(event.path == "1", "on purpose"));
        assert!(bus.subscribe("", "", Cancel::default(), panics).is_ok());
        let (_, events) = bus.channel("", "", Cancel::default()).expect("subscribed");
        for n in 1..=3 {
            bus.send(event("k", n));
        }
        assert_eq!(events.iter().take(3).count(), 3);
        assert_eq!(bus.0.shared.subscribers.load(Ordering::Acquire), 1);
    }

    #[test]
    fn a_servant_gets_its_events_and_does_not_count_as_a_listener() {
        let bus = bus();
        let (served, requests) = unbounded();
        let callback = Box::new(move |event: &Arc<Event>| {
            let _ = served.send(event.path.clone());
        });
        assert_eq!(bus.serve("test", "do.(this|that)", callback), Ok(()));
        assert!(!bus.is_heard());
        bus.send(event("do.this", 1));
        bus.send(event("do.nothing", 2));
        bus.send(event("do.that", 3));
        assert_eq!(requests.iter().take(2).collect::<Vec<_>>(), ["1", "3"]);
        let (_, events) = bus.channel("", "", Cancel::default()).expect("subscribed");
        assert!(bus.is_heard());
        bus.send(event("do.this", 4));
        assert_eq!((requests.recv(), events.iter().take(1).count()), (Ok("4".into()), 1));
    }

    #[test]
    fn a_callback_may_not_wait_for_itself() {
        let bus = bus();
        let handle = bus.clone();
        let (told, heard) = unbounded();
        let callback = Box::new(move |_: &Arc<Event>| {
            let _ = told.send(());
            handle.unsubscribe(SubscriptionId(1));
        });
        assert!(bus.subscribe("", "", Cancel::default(), callback).is_ok());
        let (_, control) = bus.channel("", "", Cancel::default()).expect("subscribed");
        bus.send(event("k", 1));
        bus.send(event("k", 2));
        assert_eq!(control.iter().take(2).count(), 2);
        assert_eq!(heard.iter().count(), 1, "it panicked, and lost its subscription");
    }

    #[test]
    fn a_callback_may_send_and_cancel_itself() {
        let bus = bus();
        let (handle, cancel) = (bus.clone(), Cancel::default());
        let own = cancel.clone();
        let callback = Box::new(move |event: &Arc<Event>| {
            own.cancel();
            handle.send(Event::new("echo", "k", &event.path, Value::Nil));
        });
        assert!(bus.subscribe("", "", cancel, callback).is_ok());
        let (_, echoes) = bus.channel("echo", "", Cancel::default()).expect("subscribed");
        bus.send(event("k", 1));
        bus.send(event("k", 2));
        bus.send(Event::new("echo", "k", "end", Value::Nil));
        let paths: Vec<String> = echoes.iter().take(2).map(|e| e.path.clone()).collect();
        assert_eq!(paths.len(), 2);
        assert!(paths.contains(&"1".to_owned()) && paths.contains(&"end".to_owned()));
    }

    #[test]
    fn each_senders_events_keep_their_order() {
        const SENDERS: usize = 4;
        const EVENTS: usize = 5_000;
        let bus = bus();
        let (_, events) = bus.channel("", "", Cancel::default()).expect("subscribed");
        std::thread::scope(|scope| {
            for sender in 0..SENDERS {
                let bus = &bus;
                scope.spawn(move || {
                    (0..EVENTS).for_each(|n| bus.send(event(&sender.to_string(), n)));
                });
            }
        });
        let mut next = [0; SENDERS];
        for event in events.iter().take(SENDERS * EVENTS) {
            let sender: usize = event.kind.parse().expect("a number");
            assert_eq!(event.path, next[sender].to_string());
            next[sender] += 1;
        }
        assert_eq!(next, [EVENTS; SENDERS]);
    }

    #[test]
    fn nobody_is_reached_after_unsubscribe_returned_even_in_a_flood() {
        let bus = bus();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    match bus.0.actions.len() < 100 {
                        true => bus.send(event("k", 0)),
                        false => std::thread::yield_now(),
                    }
                }
            });
            for _ in 0..200 {
                let over = Arc::new(AtomicBool::new(false));
                let seen = over.clone();
                let late = Arc::new(AtomicBool::new(false));
                let told = late.clone();
                let callback = Box::new(move |_: &Arc<Event>| {
                    told.fetch_or(seen.load(Ordering::SeqCst), Ordering::SeqCst);
                });
                let id = bus.subscribe("", "", Cancel::default(), callback).expect("subscribed");
                bus.unsubscribe(id);
                over.store(true, Ordering::SeqCst);
                let (_, control) = bus.channel("", "", Cancel::default()).expect("subscribed");
                assert!(control.recv().is_ok());
                assert!(!late.load(Ordering::SeqCst));
                drop(control);
            }
            done.store(true, Ordering::Release);
        });
    }

    #[test]
    fn the_number_of_subscribers_is_bounded() {
        let bus = bus();
        let subscribe = || bus.subscribe("", "", Cancel::default(), Box::new(|_| ()));
        let cancel = Cancel::default();
        let first = bus.subscribe("", "", cancel.clone(), Box::new(|_| ()));
        for n in 2..=SUBSCRIBERS_MAX {
            assert_eq!(subscribe().map(|id| id.to_string()), Ok(format!("sub.{n}")));
        }
        let error = subscribe().expect_err("one too many");
        assert_eq!(error.message(), "eventbus subscribers cap reached");
        cancel.cancel();
        let id = subscribe().expect("a cancelled one holds no place");
        assert_ne!(Ok(id), first, "ids are not used twice");
        bus.unsubscribe(id);
        assert!(subscribe().is_ok());
    }

    #[test]
    fn a_stopped_bus_refuses_and_forgets() {
        let bus = bus();
        let (_, events) = bus.channel("", "", Cancel::default()).expect("subscribed");
        assert!(bus.is_heard());
        bus.stop();
        bus.send(event("k", 1));
        assert!(events.recv().is_err());
        assert!(!bus.is_heard());
        let error = bus.channel("", "", Cancel::default()).expect_err("closed");
        assert_eq!(error.message(), "bus is closed");
    }

    #[test]
    fn stopping_overtakes_the_queue() {
        let bus = bus();
        let (entered, inside) = unbounded();
        let (gate, opened) = bounded::<()>(1);
        let (told, calls) = unbounded();
        let callback = Box::new(move |_: &Arc<Event>| {
            let _ = told.send(());
            let _ = entered.send(());
            let _ = opened.recv();
        });
        assert!(bus.subscribe("", "", Cancel::default(), callback).is_ok());
        (0..3).for_each(|n| bus.send(event("k", n)));
        assert!(inside.recv().is_ok());
        // The dispatcher is in the first call; two events and a subscription are behind it.
        std::thread::scope(|scope| {
            let queued = scope.spawn(|| bus.channel("", "", Cancel::default()).map(|_| ()));
            while bus.0.actions.len() < 3 {
                std::thread::yield_now();
            }
            let stop = scope.spawn(|| bus.stop());
            while !bus.is_closed() {
                std::thread::yield_now();
            }
            // Opens the gate for good: a second call would fail the test, not hang it.
            drop(gate);
            let error = queued.join().expect("no panic").expect_err("never became active");
            assert_eq!(error, closed());
            stop.join().expect("no panic");
        });
        assert_eq!(calls.iter().count(), 1, "the two queued events were dropped");
        bus.stop();
        bus.unsubscribe(SubscriptionId(1));
    }
}
