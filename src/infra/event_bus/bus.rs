//! The bus: one queue, one dispatcher thread, subscribers with queues of their own.
//!
//! - [`EventBus::send`] never blocks and never fails; the queue is unbounded, since back-pressure must
//!   not reach publishers. It is drained by a thread that does nothing else.
//! - A subscriber sees matching events in the order they were sent. A callback runs on the dispatcher
//!   and must only hand the event on; [`EventBus::channel`] is a ready-made one with an unbounded
//!   queue, so that a slow reader delays only itself.
//! - Subscribing and unsubscribing go through the same queue: whoever has returned from `subscribe`
//!   gets every event sent after that, and none arrives after `unsubscribe` has returned.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, bounded, unbounded};
use parking_lot::Mutex;

use crate::infra::app_context::Key;
use crate::infra::error::{Error, Result};
use crate::infra::event_bus::Pattern;
use crate::infra::transcoder::Value;

/// Live subscribers at most.
pub const SUBSCRIBERS_MAX: usize = 4096;

/// What happened: `system` names the publisher, `kind` what, `path` to whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    pub system: String,
    pub kind: String,
    pub path: String,
    pub data: Value,
}

impl Event {
    pub fn new(system: &str, kind: &str, path: &str, data: Value) -> Event {
        Event { system: system.into(), kind: kind.into(), path: path.into(), data }
    }
}

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

/// Takes matching events, on the dispatcher thread: must not block.
pub type Callback = Box<dyn FnMut(&Arc<Event>) + Send>;

/// `sub.N`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionId(u64);

impl std::fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "sub.{}", self.0)
    }
}

enum Action {
    Send(Event),
    Subscribe(Subscriber, Sender<Result<SubscriptionId>>),
    Unsubscribe(SubscriptionId, Sender<()>),
    Stop,
}

struct Subscriber {
    id: SubscriptionId,
    system: Pattern,
    kind: Pattern,
    cancel: Cancel,
    callback: Callback,
}

/// Cheap to clone; clones are the same bus.
#[derive(Clone)]
pub struct EventBus(Arc<Inner>);

struct Inner {
    actions: Sender<Action>,
    closed: AtomicBool,
    /// Live subscribers: publishers of many small events look here first.
    subscribers: Arc<AtomicUsize>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl EventBus {
    pub const KEY: Key<EventBus> = Key::new("event_bus");

    /// Starts the dispatcher thread. It sleeps while there is nothing to do.
    pub fn start() -> Result<EventBus> {
        let (actions, queue) = unbounded();
        let subscribers = Arc::new(AtomicUsize::new(0));
        let count = subscribers.clone();
        let thread = std::thread::Builder::new()
            .name("wippy-events".into())
            .spawn(move || dispatch(&queue, &count))
            .map_err(|error| Error::internal(format!("start the event bus: {error}")))?;
        Ok(EventBus(Arc::new(Inner {
            actions,
            closed: AtomicBool::new(false),
            subscribers,
            thread: Mutex::new(Some(thread)),
        })))
    }

    /// Queues an event. Dropped once the bus is closed.
    pub fn send(&self, event: Event) {
        if !self.0.closed.load(Ordering::Acquire) {
            // Fails only when the dispatcher has gone, which is the same as closed.
            let _ = self.0.actions.send(Action::Send(event));
        }
    }

    /// Is anybody subscribed to anything? Saves making events nobody hears.
    pub fn is_heard(&self) -> bool {
        self.0.subscribers.load(Ordering::Acquire) > 0
    }

    /// Calls `callback` for matching events until `cancel`, `unsubscribe` or `stop`. Empty patterns
    /// filter nothing; kind `*` means all kinds.
    pub fn subscribe(
        &self,
        system: &str,
        kind: &str,
        cancel: Cancel,
        callback: Callback,
    ) -> Result<SubscriptionId> {
        let kind = if kind == "*" { "" } else { kind };
        let subscriber = Subscriber {
            id: SubscriptionId(0),
            system: Pattern::parse(system),
            kind: Pattern::parse(kind),
            cancel,
            callback,
        };
        let closed = || Error::unavailable("bus is closed");
        let (reply, answer) = bounded(1);
        if self.0.closed.load(Ordering::Acquire) {
            return Err(closed());
        }
        self.0.actions.send(Action::Subscribe(subscriber, reply)).map_err(|_| closed())?;
        answer.recv().map_err(|_| closed())?
    }

    /// A subscription that queues events, without bound, until somebody takes them.
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

    /// No event reaches the subscriber after this. An unknown id is fine. Not to be called from a
    /// callback: it waits for the dispatcher.
    pub fn unsubscribe(&self, id: SubscriptionId) {
        let (reply, done) = bounded(1);
        if self.0.actions.send(Action::Unsubscribe(id, reply)).is_ok() {
            let _ = done.recv();
        }
    }

    /// Drops subscribers and what is queued, and waits for the dispatcher to end.
    pub fn stop(&self) {
        self.0.closed.store(true, Ordering::Release);
        let _ = self.0.actions.send(Action::Stop);
        let thread = self.0.thread.lock().take();
        if let Some(thread) = thread
            && thread.thread().id() != std::thread::current().id()
        {
            let _ = thread.join();
        }
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        let _ = self.actions.send(Action::Stop);
    }
}

fn dispatch(queue: &Receiver<Action>, count: &AtomicUsize) {
    let mut subscribers: Vec<Subscriber> = Vec::new();
    let mut next_id = 1;
    while let Ok(action) = queue.recv() {
        match action {
            Action::Send(event) => {
                let event = Arc::new(event);
                subscribers.retain_mut(|subscriber| subscriber.offer(&event));
            }
            Action::Subscribe(mut subscriber, reply) => {
                subscribers.retain(|s| !s.cancel.is_cancelled());
                let answer = match subscribers.len() < SUBSCRIBERS_MAX {
                    true => {
                        subscriber.id = SubscriptionId(next_id);
                        next_id += 1;
                        let id = subscriber.id;
                        subscribers.push(subscriber);
                        Ok(id)
                    }
                    false => Err(Error::unavailable("eventbus subscribers cap reached")),
                };
                count.store(subscribers.len(), Ordering::Release);
                let _ = reply.send(answer);
                continue;
            }
            Action::Unsubscribe(id, reply) => {
                subscribers.retain(|subscriber| subscriber.id != id);
                count.store(subscribers.len(), Ordering::Release);
                let _ = reply.send(());
                continue;
            }
            Action::Stop => break,
        }
        count.store(subscribers.len(), Ordering::Release);
    }
    count.store(0, Ordering::Release);
}

impl Subscriber {
    /// Hands a matching event on. `false`: the subscription has been cancelled.
    fn offer(&mut self, event: &Arc<Event>) -> bool {
        if !self.system.matches(&event.system) || !self.kind.matches(&event.kind) {
            return true;
        }
        if self.cancel.is_cancelled() {
            return false;
        }
        (self.callback)(event);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn the_number_of_subscribers_is_bounded() {
        let bus = bus();
        let subscribe = || bus.subscribe("", "", Cancel::default(), Box::new(|_| ()));
        for _ in 0..SUBSCRIBERS_MAX {
            assert!(subscribe().is_ok());
        }
        let error = subscribe().expect_err("one too many");
        assert_eq!(error.message(), "eventbus subscribers cap reached");
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
}
