//! What comes and goes by events: hosts, peers, what processes are made from, functions.
//!
//! | event | path | data |
//! |---|---|---|
//! | `T.register` | id | the thing, as a [`Part`] |
//! | `T.delete` | id | any [`Part`] |
//! | `T.accept` | id of a request that was granted | - |
//! | `T.reject` | id of one that was not | the error |
//!
//! Whoever keeps such things [serves](serve) requests, one at a time, on the bus's thread; whoever has
//! one [asks](ask). Everybody may listen. Programs can send such events too, but no [`Part`] with
//! them, so theirs are rejected: they cannot take away the host that another program runs on.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use crossbeam_channel::{RecvTimeoutError, bounded};

use crate::infra::error::{Error, Kind, Result};
use crate::infra::event_bus::{Cancel, Event, EventBus, Part, Payload, wait};
use crate::infra::transcoder::Value;

/// Which things: events of `system` whose kinds begin with `prefix` and a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    pub system: &'static str,
    pub prefix: &'static str,
}

/// Where packages can go on this node.
pub const HOSTS: Topic = Topic { system: "relay", prefix: "host" };
/// Nodes of the cluster.
pub const PEERS: Topic = Topic { system: "relay", prefix: "peer" };
/// What processes are made from.
pub const FACTORIES: Topic = Topic { system: "process", prefix: "factory" };
pub const FUNCTIONS: Topic = Topic { system: "function", prefix: "function" };

/// Something to be done about an id.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    Register(String, Part),
    Delete(String),
}

impl Topic {
    fn event(self, kind: &str, path: &str, data: impl Into<Payload>) -> Event {
        Event::new(self.system, &format!("{}.{kind}", self.prefix), path, data)
    }

    fn send(self, bus: &EventBus, request: Request) {
        bus.send(match request {
            Request::Register(id, part) => self.event("register", &id, part),
            Request::Delete(id) => self.event("delete", &id, Part::new(())),
        });
    }

    /// The answer to a request without a thing, or with another one.
    fn wrong(self) -> Error {
        Error::invalid(format!("{} requests come from the runtime only", self.prefix))
    }
}

/// Takes requests until the bus stops. `act` must not block, nor ask; its errors reject.
///
/// # Errors
/// The bus is closed.
pub fn serve(
    bus: &EventBus,
    topic: Topic,
    mut act: impl FnMut(&Request) -> Result<()> + Send + 'static,
) -> Result<()> {
    let (answers, register) = (bus.clone(), format!("{}.register", topic.prefix));
    let callback = Box::new(move |event: &Arc<Event>| {
        let id = event.path.clone();
        let outcome = match &event.data {
            Payload::Part(part) if event.kind == register => {
                act(&Request::Register(id, part.clone()))
            }
            Payload::Part(_) => act(&Request::Delete(id)),
            Payload::Value(_) | Payload::Wire(_) => Err(topic.wrong()),
        };
        answers.send(match outcome {
            Ok(()) => topic.event("accept", &event.path, Value::Nil),
            Err(error) => topic.event("reject", &event.path, Value::Error(Box::new(error))),
        });
    });
    bus.serve(topic.system, &format!("{}.(register|delete)", topic.prefix), callback)
}

/// The thing that a request brings, if it is a `T`.
///
/// # Errors
/// `INVALID`: it is something else.
pub fn expect<T: 'static>(topic: Topic, part: &Part) -> Result<&T> {
    part.get().ok_or_else(|| topic.wrong())
}

/// Sends requests, in order, and waits until all have their answers. Blocks the thread: not for
/// workers, nor for callbacks of the bus.
///
/// # Errors
/// That of the first that was rejected; `TIMEOUT`, `UNAVAILABLE` if the bus is closed.
pub fn ask(bus: &EventBus, topic: Topic, requests: Vec<Request>) -> Result<()> {
    if requests.is_empty() {
        return Ok(());
    }
    let (done, answered) = bounded(1);
    let n_requests = requests.len();
    let first = requests[0].clone();
    let over = ask_all(bus, topic, requests, move |outcome| {
        let _ = done.send(outcome);
    });
    let answer = answered.recv_deadline(Instant::now() + wait::DEFAULT);
    bus.end(&over);
    answer.unwrap_or_else(|error| match error {
        RecvTimeoutError::Timeout => {
            let (Request::Register(id, _) | Request::Delete(id)) = first;
            let text = format!("no answer for {id} and {} more", n_requests - 1);
            Err(Error::new(Kind::Timeout, text).with_retryable(Some(true)))
        }
        RecvTimeoutError::Disconnected => Err(closed()),
    })
}

/// Sends a request; `done` is told how it was answered, on the bus's thread or, if the bus is closed,
/// on this one. It must not block.
pub fn ask_then(
    bus: &EventBus,
    topic: Topic,
    request: Request,
    done: impl FnOnce(Result<()>) + Send + 'static,
) {
    let own = bus.clone();
    let over = Cancel::default();
    let ended = over.clone();
    let done = Told(Some(Box::new(move |outcome| {
        own.end(&ended);
        done(outcome);
    })));
    listen(bus, topic, over, [&request].into_iter(), done);
    topic.send(bus, request);
}

/// Like [`ask_then`], for several, of which the first error counts. Who asks ends the subscription.
fn ask_all(
    bus: &EventBus,
    topic: Topic,
    requests: Vec<Request>,
    done: impl FnOnce(Result<()>) + Send + 'static,
) -> Cancel {
    let over = Cancel::default();
    listen(bus, topic, over.clone(), requests.iter(), Told(Some(Box::new(done))));
    requests.into_iter().for_each(|request| topic.send(bus, request));
    over
}

/// Counts the answers to come.
fn listen<'a>(
    bus: &EventBus,
    topic: Topic,
    over: Cancel,
    requests: impl Iterator<Item = &'a Request>,
    mut done: Told,
) {
    let mut open: HashMap<String, usize> = HashMap::new();
    let mut n_open = 0_usize;
    for Request::Register(id, _) | Request::Delete(id) in requests {
        *open.entry(id.clone()).or_default() += 1;
        n_open += 1;
    }
    let mut outcome = Ok(());
    let callback = Box::new(move |event: &Arc<Event>| {
        let Some(left) = open.get_mut(&event.path).filter(|left| **left > 0) else { return };
        *left -= 1;
        n_open -= 1;
        let answer = wait::outcome(event).map(drop);
        outcome = std::mem::replace(&mut outcome, Ok(())).and(answer);
        if n_open == 0 {
            done.tell(std::mem::replace(&mut outcome, Ok(())));
        }
    });
    let answers = format!("{}.(accept|reject)", topic.prefix);
    bus.serve_until(topic.system, &answers, over, callback, drop);
}

/// Whoever waits for answers; dropped with its subscription, it hears that the bus is closed.
struct Told(Option<Box<dyn FnOnce(Result<()>) + Send>>);

impl Told {
    fn tell(&mut self, outcome: Result<()>) {
        if let Some(done) = self.0.take() {
            done(outcome);
        }
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        self.tell(Err(closed()));
    }
}

fn closed() -> Error {
    Error::unavailable("bus is closed")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A bus whose hosts are numbers; odd ones are rejected.
    fn bus() -> EventBus {
        let bus = EventBus::start().expect("starts");
        let act = |request: &Request| match request {
            Request::Register(_, part) if expect::<i32>(HOSTS, part)? % 2 == 1 => {
                Err(Error::new(Kind::Conflict, "odd"))
            }
            Request::Delete(id) if id == "h:3" => Err(Error::not_found("no such host")),
            _ => Ok(()),
        };
        serve(&bus, HOSTS, act).expect("served");
        bus
    }

    fn register(number: i32) -> Request {
        Request::Register(format!("h:{number}"), Part::new(number))
    }

    fn kind(outcome: Result<()>) -> Option<Kind> {
        outcome.err().map(|error| error.kind().clone())
    }

    #[test]
    fn requests_are_granted_or_not() {
        let bus = bus();
        let odd = Some(Kind::Conflict);
        for (requests, expected) in [
            (vec![], None),
            (vec![register(2)], None),
            (vec![register(1)], odd.clone()),
            (vec![Request::Delete("h:2".into())], None),
            (vec![Request::Delete("h:3".into())], Some(Kind::NotFound)),
            (vec![register(2), Request::Delete("h:2".into()), register(2)], None),
            (vec![register(2), register(1), Request::Delete("h:3".into())], odd),
            (vec![Request::Register("h:x".into(), Part::new("a text"))], Some(Kind::Invalid)),
            ((0..1000).map(|n| register(n * 2)).collect(), None),
        ] {
            assert_eq!(kind(ask(&bus, HOSTS, requests)), expected);
        }
        assert!(!bus.is_heard(), "who asks is no listener");
    }

    #[test]
    fn everybody_may_listen_and_programs_may_not_ask() {
        let bus = bus();
        let (_, events) = bus.channel("relay", "", Cancel::default()).expect("subscribed");
        assert_eq!(ask(&bus, HOSTS, vec![register(2)]), Ok(()));
        for kind in ["host.register", "host.delete"] {
            bus.send(Event::new("relay", kind, "h:9", Value::Int(2)));
        }
        let kinds: Vec<String> = events.iter().take(6).map(|event| event.kind.clone()).collect();
        let (register, accept, reject) = ("host.register", "host.accept", "host.reject");
        assert_eq!(kinds[..2], [register, accept]);
        assert_eq!(kinds.iter().filter(|kind| *kind == reject).count(), 2, "{kinds:?}");
    }

    #[test]
    fn whoever_does_not_wait_is_told() {
        let bus = bus();
        for (number, expected) in [(2, None), (1, Some(Kind::Conflict))] {
            let (tell, told) = mpsc::channel();
            ask_then(&bus, HOSTS, register(number), move |outcome| {
                let _ = tell.send(kind(outcome));
            });
            assert_eq!(told.recv(), Ok(expected));
        }
    }

    #[test]
    fn a_closed_bus_says_so() {
        let bus = bus();
        bus.stop();
        assert_eq!(kind(ask(&bus, HOSTS, vec![register(2)])), Some(Kind::Unavailable));
        let (tell, told) = mpsc::channel();
        ask_then(&bus, HOSTS, register(2), move |outcome| {
            let _ = tell.send(kind(outcome));
        });
        assert_eq!(told.recv(), Ok(Some(Kind::Unavailable)));
    }
}
