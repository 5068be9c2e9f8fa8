//! A subscription for somebody who must not wait: events pile up in a queue of its own, and its
//! owner is called when there is something in it.
//!
//! The queue has no bound: nothing may be dropped, and a slow owner must delay only itself. It is
//! emptied at once when the subscription ends.
//!
//! No wake is lost: the owner is called by whoever puts the first event into an empty queue, after
//! putting it there, and takes all there is; what comes later finds an empty queue again.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::infra::error::Result;
use crate::infra::event_bus::{Cancel, Event, EventBus, Filter};

/// The queue between the bus and one owner.
#[derive(Default)]
pub struct Feed {
    /// Leaf lock, held for a push or a swap.
    queue: Mutex<VecDeque<Arc<Event>>>,
    over: Cancel,
}

/// Ends the subscription when dropped, without waiting for the bus. What the queue holds goes too.
pub struct Feeding {
    feed: Arc<Feed>,
    /// Tells whoever fills the feed.
    over: Option<Box<dyn FnOnce() + Send>>,
}

/// The other end of a feed, for those who have events of their own.
pub struct Feeder {
    feed: Arc<Feed>,
    wake: Waker,
}

/// Called when events wait in the feed: must not block.
type Waker = Box<dyn Fn(&Arc<Feed>) + Send + Sync>;

impl Feeder {
    /// `wake` is called by whoever pushes, when events wait in the feed; `over` when the other end is
    /// dropped. Neither may block.
    pub fn new(
        wake: impl Fn(&Arc<Feed>) + Send + Sync + 'static,
        over: impl FnOnce() + Send + 'static,
    ) -> (Feeder, Feeding) {
        let feed = Arc::new(Feed::default());
        let feeding = Feeding { feed: feed.clone(), over: Some(Box::new(over)) };
        (Feeder { feed, wake: Box::new(wake) }, feeding)
    }

    pub fn push(&self, event: &Arc<Event>) {
        if self.feed.push(event) {
            (self.wake)(&self.feed);
        }
    }
}

impl Feed {
    /// Moves all events into the empty-or-not `into`, oldest first.
    pub fn take(&self, into: &mut VecDeque<Arc<Event>>) {
        let mut queue = self.queue.lock();
        match into.is_empty() {
            true => std::mem::swap(&mut *queue, into),
            false => into.append(&mut queue),
        }
    }

    /// Adds an event; was the queue empty?
    fn push(&self, event: &Arc<Event>) -> bool {
        let mut queue = self.queue.lock();
        // Under the lock: what is pushed after the end would lie there for as long as the owner.
        if self.over.is_cancelled() {
            return false;
        }
        queue.push_back(event.clone());
        queue.len() == 1
    }

    fn end(&self) {
        self.over.cancel();
        let rest = std::mem::take(&mut *self.queue.lock());
        // Not under the lock: there may be many.
        drop(rest);
    }
}

impl EventBus {
    /// Subscribes and returns; `done` is called on the dispatcher thread once events flow, or with
    /// the error. `wake` is called there when events wait in the feed. Neither may block.
    pub fn feed(
        &self,
        filter: Filter,
        wake: impl Fn(&Arc<Feed>) + Send + 'static,
        done: impl FnOnce(Result<Feeding>) + Send + 'static,
    ) {
        let feed = Arc::new(Feed::default());
        let own = feed.clone();
        let callback = Box::new(move |event: &Arc<Event>| {
            if own.push(event) {
                wake(&own);
            }
        });
        let (bus, over) = (self.clone(), feed.over.clone());
        self.subscribe_then(filter, over, callback, move |id| {
            done(id.map(|id| {
                let over: Box<dyn FnOnce() + Send> = Box::new(move || bus.forget(id));
                Feeding { feed, over: Some(over) }
            }));
        });
    }
}

impl Feeding {
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }
}

impl Drop for Feeding {
    fn drop(&mut self) {
        self.feed.end();
        if let Some(over) = self.over.take() {
            over();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::infra::transcoder::Value;

    /// A feed of everything, and the calls of its owner.
    fn feed(bus: &EventBus) -> (Feeding, mpsc::Receiver<()>) {
        let (wake, woken) = mpsc::channel();
        let (done, feeding) = mpsc::channel();
        bus.feed(
            Filter::new("", ""),
            move |_| {
                let _ = wake.send(());
            },
            move |result| {
                let _ = done.send(result);
            },
        );
        (feeding.recv().expect("answered").expect("subscribed"), woken)
    }

    fn send(bus: &EventBus, n: usize) {
        bus.send(Event::new("s", "k", &n.to_string(), Value::Nil));
    }

    #[test]
    fn its_owner_is_called_once_for_many_and_misses_none() {
        const EVENTS: usize = 10_000;
        let bus = EventBus::start().expect("starts");
        let (feeding, woken) = feed(&bus);
        let (mut taken, mut calls) = (VecDeque::new(), 0);
        send(&bus, 0);
        woken.recv().expect("woken by a single one");
        feeding.feed().take(&mut taken);
        (1..EVENTS).for_each(|n| send(&bus, n));
        while taken.len() < EVENTS {
            woken.recv().expect("woken while something is missing");
            calls += 1;
            feeding.feed().take(&mut taken);
        }
        assert!(calls <= EVENTS);
        for (n, event) in taken.iter().enumerate() {
            assert_eq!(event.path, n.to_string());
        }
    }

    #[test]
    fn a_million_events_wait_for_an_owner_who_never_comes() {
        let bus = EventBus::start().expect("starts");
        let (feeding, woken) = feed(&bus);
        let (_, control) = bus.channel("", "", Cancel::default()).expect("subscribed");
        (0..1_000_000).for_each(|n| send(&bus, n));
        assert_eq!(control.iter().take(1_000_000).count(), 1_000_000);
        assert_eq!(woken.try_iter().count(), 1, "it was called for the first alone");
        assert_eq!(feeding.feed().queue.lock().len(), 1_000_000);
        let feed = feeding.feed().clone();
        drop(feeding);
        assert_eq!(feed.queue.lock().len(), 0);
    }

    #[test]
    fn an_end_in_the_middle_of_a_flood_leaves_nothing() {
        let bus = EventBus::start().expect("starts");
        let (id, control) = bus.channel("", "", Cancel::default()).expect("subscribed");
        let (ended, _) = bus.channel("", "", Cancel::default()).expect("subscribed");
        for _ in 0..100 {
            let (feeding, _woken) = feed(&bus);
            (0..100).for_each(|n| send(&bus, n));
            let feed = feeding.feed().clone();
            drop(feeding);
            assert_eq!(control.iter().take(100).count(), 100);
            assert_eq!(feed.queue.lock().len(), 0);
            // The bus lets go of it, without waiting for the next event.
            bus.unsubscribe(ended);
            assert_eq!(Arc::strong_count(&feed), 1);
        }
        // Also where no event ever comes again.
        let (feeding, _woken) = feed(&bus);
        drop(feeding);
        bus.unsubscribe(id);
        assert!(!bus.is_heard());
    }

    #[test]
    fn a_stopped_bus_answers() {
        let bus = EventBus::start().expect("starts");
        bus.stop();
        let (done, answer) = mpsc::channel();
        bus.feed(
            Filter::new("", ""),
            |_| (),
            move |result| {
                let _ = done.send(result.map(|_| ()));
            },
        );
        assert_eq!(
            answer.recv().expect("answered").expect_err("closed").message(),
            "bus is closed"
        );
    }
}
