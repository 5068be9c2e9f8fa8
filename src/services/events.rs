//! The commands by which processes take part in the event bus: 90 subscribes, 91 sends.

use std::any::Any;
use std::sync::Arc;

use crate::core::dispatcher::{Command, CommandId, Dispatcher, Handler};
use crate::core::pid::Pid;
use crate::infra::error::Error;
use crate::infra::event_bus::{Event, EventBus, Feed, Feeding, Filter};

/// Arguments of [`CommandId::EVENTS_SUBSCRIBE`], which completes with [`Subscribed`] once events
/// flow. Those of [`CommandId::EVENTS_SEND`] are an [`Event`]; it completes with nothing, once the
/// event is queued.
pub struct Subscribe {
    pub filter: Filter,
    pub wake: Wake,
}

/// Called on the bus's thread when events wait in the feed: must not block.
pub type Wake = Box<dyn Fn(&Arc<Feed>) + Send>;

/// A subscription for `owner`. Dropped, it is over: also if nobody waits for the answer any more.
pub struct Subscribed {
    pub owner: Pid,
    pub feeding: Feeding,
}

/// Makes the commands known.
pub fn register(dispatcher: &Dispatcher, bus: &EventBus) {
    dispatcher.register(CommandId::EVENTS_SUBSCRIBE, Arc::new(Subscribes(bus.clone())));
    dispatcher.register(CommandId::EVENTS_SEND, Arc::new(Sends(bus.clone())));
}

struct Subscribes(EventBus);

impl Handler for Subscribes {
    fn handle(&self, command: Command) {
        let Command { from: owner, args, completion, .. } = command;
        let Ok(Subscribe { filter, wake }) = args.downcast::<Subscribe>().map(|args| *args) else {
            return completion.complete(Err(Error::invalid("a subscription has a filter")));
        };
        self.0.feed(filter, wake, move |feeding| {
            let subscribed = feeding.map(|feeding| Subscribed { owner, feeding });
            completion.complete(subscribed.map(|it| Box::new(it) as Box<dyn Any + Send>));
        });
    }
}

struct Sends(EventBus);

impl Handler for Sends {
    fn handle(&self, command: Command) {
        let answer = match command.args.downcast::<Event>() {
            Ok(event) => {
                self.0.send(*event);
                Ok(Box::new(()) as Box<dyn Any + Send>)
            }
            Err(_) => Err(Error::invalid("what is sent is an event")),
        };
        command.completion.complete(answer);
    }
}
