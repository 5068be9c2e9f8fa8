//! A registry, a roster and a supervisor whose services do at once what they are asked. What happens
//! is told line by line: `start a`, `stop a`, and for all to come to rest, `done`.

use std::io::{self, Write};
use std::time::Duration;

use std::sync::mpsc::{Receiver, Sender, channel};

use super::*;
use crate::core::registry::{Changeset, Entry, Listener, Settings};
use crate::infra::clock::Clock;
use crate::infra::duration;
use crate::infra::event_bus::Event as BusEvent;
use crate::infra::logger::{Mode, Settings as LogSettings};
use crate::infra::transcoder::{Map, Value};
use crate::system::supervisor::{self, ServiceEvents, Status, Update};

/// For what never takes long.
const SAFETY_NET: Duration = Duration::from_secs(30);

fn id(name: &str) -> EntryId {
    EntryId::new("app", name)
}

struct Obedient {
    name: String,
    lines: Sender<String>,
}

impl Service for Obedient {
    fn start(&self, events: ServiceEvents) -> Result<()> {
        let _ = self.lines.send(format!("start {}", self.name));
        events.started();
        Ok(())
    }

    fn stop(&self, events: ServiceEvents, _limit: Duration) {
        let _ = self.lines.send(format!("stop {}", self.name));
        events.stopped();
    }
}

/// Of kind `service`. Data `refuse` is refused.
struct ServiceKind {
    roster: Arc<Roster>,
    registry: Weak<Registry>,
    lines: Sender<String>,
    /// Done in the middle of an update.
    on_update: Mutex<Option<Box<dyn FnOnce() + Send>>>,
}

impl Listener for ServiceKind {
    fn add(&self, entry: &Entry) -> Result<()> {
        let lifecycle = entry.data.get("lifecycle").cloned().unwrap_or_default();
        if lifecycle.as_str() == Some("refuse") {
            return Err(Error::invalid("refused"));
        }
        let options = LifecycleOptions::decode(&lifecycle, entry.id.ns(), duration::parse)?;
        let (name, lines) = (entry.id.name().to_owned(), self.lines.clone());
        self.roster.enrol(entry.id.clone(), Arc::new(Obedient { name, lines }), options)?;
        let (name, lines) = (entry.id.name().to_owned(), self.lines.clone());
        let effect = move || drop(lines.send(format!("effect {name}")));
        match self.registry.upgrade() {
            Some(registry) => registry.put_off(Box::new(effect)),
            None => Err(Error::invalid("there is no registry")),
        }
    }

    fn update(&self, _old: &Entry, _new: &Entry) -> Result<()> {
        if let Some(now) = self.on_update.lock().take() {
            now();
        }
        Ok(())
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        self.roster.withdraw(&entry.id)
    }
}

struct Deaf;

impl supervisor::Observer for Deaf {
    fn changed(&self, _update: &Update) {}
}

/// A log that can be read.
#[derive(Clone, Default)]
struct Paper(Arc<Mutex<Vec<u8>>>);

impl Write for Paper {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct World {
    registry: Arc<Registry>,
    roster: Arc<Roster>,
    supervisor: Arc<Supervisor>,
    kind: Arc<ServiceKind>,
    bus: EventBus,
    lines: Receiver<String>,
    paper: Paper,
    logger: Logger,
}

/// `"web: fn db; auto"`: a service that refers to others and starts by itself. A name with a dash
/// before it is no service.
fn entry(text: &str) -> Entry {
    let (text, lifecycle) = text.split_once(';').unwrap_or((text, ""));
    let (name, needs) = text.split_once(':').unwrap_or((text, ""));
    let kind = if name.starts_with('-') { "registry.entry" } else { "service" };
    let needs = needs.split_whitespace().map(Value::from).collect();
    let meta = Map::from_iter([("depends_on".to_owned(), Value::List(needs))]);
    let lifecycle = match lifecycle.trim() {
        "auto" => Value::from([("auto_start", Value::Bool(true))]),
        "" => Value::Nil,
        other => other.into(),
    };
    let data = Value::from([("lifecycle", lifecycle)]);
    Entry { id: id(name.trim_start_matches('-').trim()), kind: kind.into(), meta, data }
}

impl World {
    #[track_caller]
    fn new(entries: &[&str]) -> World {
        let registry = Arc::new(Registry::new(Settings::default()));
        let supervisor = Arc::new(Supervisor::spawn(Clock::real(), Arc::new(Deaf)).unwrap());
        let paper = Paper::default();
        let out = Box::new(paper.clone());
        let logger = Logger::start_on(Mode::Default, LogSettings::default(), out).unwrap();
        let roster = Arc::new(Roster::new(supervisor.clone(), &registry, logger.clone()));
        registry.register_observer("**", roster.clone());
        let (sender, lines) = channel();
        let on_update = Mutex::default();
        let own = Arc::downgrade(&registry);
        let kind = ServiceKind { roster: roster.clone(), registry: own, lines: sender, on_update };
        let kind = Arc::new(kind);
        registry.register_listener("service", kind.clone());
        let bus = EventBus::start().unwrap();
        roster.listen(&bus).unwrap();
        registry.load(entries.iter().map(|text| entry(text)).collect()).unwrap();
        World { registry, roster, supervisor, kind, bus, lines, paper, logger }
    }

    /// Applies `"+web: db; auto, ~fn: db, -old"`: creates, updates, deletes.
    fn apply(&self, text: &str) -> Result<()> {
        let mut changes = Changeset::new();
        for operation in text.split(',').map(str::trim) {
            match operation.split_at(1) {
                ("+", rest) => changes.create(entry(rest)),
                ("~", rest) => changes.update(entry(rest)),
                (_, rest) => changes.delete(id(rest)),
            };
        }
        self.registry.apply(changes).map(drop)
    }

    fn send(&self, kind: &str, name: &str) {
        let path = id(name).to_string();
        self.bus.send(BusEvent::new("supervisor", kind, &path, Value::Nil));
    }

    /// All that was asked for so far has been handed to the supervisor.
    fn sync(&self) {
        // A subscription is answered behind the events that were sent before.
        let (active, _events) = self.bus.channel("none", "", Default::default()).unwrap();
        self.bus.unsubscribe(active);
        // And a request behind those that were made before.
        drop(self.supervisor.change(Changes::default()).wait());
    }

    /// The next lines are these, and there is no other.
    #[track_caller]
    fn check(&self, wanted: &str) {
        self.sync();
        let mut got = Vec::new();
        for _ in wanted.split("; ").filter(|line| !line.is_empty()) {
            got.push(self.lines.recv_timeout(SAFETY_NET).expect("another line"));
        }
        got.extend(self.lines.try_iter());
        assert_eq!(got.join("; "), wanted);
    }

    #[track_caller]
    fn wait_for(&self, name: &str, status: Option<Status>) {
        let deadline = std::time::Instant::now() + SAFETY_NET;
        while self.supervisor.state(&id(name)).map(|update| update.status) != status {
            assert!(std::time::Instant::now() < deadline, "{name} is never {status:?}");
            std::thread::yield_now();
        }
    }

    #[track_caller]
    fn logs(&self, text: &str) {
        self.sync();
        self.logger.flush();
        let paper = String::from_utf8(std::mem::take(&mut *self.paper.0.lock())).unwrap();
        assert!(paper.contains(text), "{text:?} is not in {paper:?}");
    }
}

#[test]
fn what_is_marked_starts_when_the_registry_is_loaded() {
    let world = World::new(&["web: -fn; auto", "-fn", "db", "idle"]);
    world.check("effect db; effect idle; effect web; start web");
    world.wait_for("web", Some(Status::Running));
    assert_eq!(world.supervisor.state(&id("idle")).unwrap().status, Status::Unknown);
}

#[test]
fn references_order_starts_and_stops() {
    // web refers to fn, which is no service and refers to db; db needs disk.
    let world = World::new(&["web: fn; auto", "-fn: db", "db: disk", "disk", "other; auto"]);
    world.wait_for("web", Some(Status::Running));
    world.wait_for("other", Some(Status::Running));
    let lines: Vec<String> =
        world.lines.try_iter().filter(|line| !line.starts_with("effect")).collect();
    let at = |line: &str| lines.iter().position(|l| l == line).expect(line);
    assert!(at("start disk") < at("start db") && at("start db") < at("start web"), "{lines:?}");

    world.send("service.stop", "db");
    world.check("stop web; stop db");
    world.send("service.start", "web");
    world.check("start db; start web");
    world.wait_for("web", Some(Status::Running));
    let _ = world.roster.stop_all().wait();
    let lines: Vec<String> = world.lines.try_iter().collect();
    let at = |line: &str| lines.iter().position(|l| l == line).expect(line);
    assert!(at("stop web") < at("stop db") && at("stop db") < at("stop disk"), "{lines:?}");
}

#[test]
fn changed_references_count_from_the_next_request_on() {
    let world = World::new(&["web: fn", "-fn: a", "a", "b"]);
    world.check("effect a; effect b; effect web");
    world.apply("~-fn: b").unwrap();
    world.send("service.start", "web");
    world.check("start b; start web");
    world.wait_for("web", Some(Status::Running));
    world.apply("~-fn").unwrap();
    world.send("service.stop", "b");
    world.check("stop b");
}

#[test]
fn a_refused_transaction_leaves_nothing() {
    let world = World::new(&["web; auto"]);
    world.check("effect web; start web");
    assert!(world.apply("+db; auto, -web, +zero; refuse").is_err());
    world.check("");
    assert_eq!(world.supervisor.states().len(), 1);
    // What was withdrawn and taken back still obeys.
    world.send("service.stop", "web");
    world.check("stop web");
}

#[test]
fn deleted_entries_stop_and_their_services_are_forgotten() {
    let world = World::new(&["web: db; auto", "db; auto"]);
    world.check("effect db; effect web; start db; start web");
    world.wait_for("web", Some(Status::Running));
    world.apply("-web, -db").unwrap();
    world.check("stop web; stop db");
    world.wait_for("db", None);
    world.wait_for("web", None);
    world.send("service.start", "web");
    world.check("");
}

#[test]
fn in_one_transaction_stops_precede_starts() {
    let world = World::new(&["old; auto", "same; auto"]);
    world.check("effect old; effect same; start old; start same");
    world.wait_for("same", Some(Status::Running));
    world.apply("+new; auto, -old, -same, +same; auto").unwrap();
    world.check("effect new; effect same; stop old; stop same; start new; start same");
    world.wait_for("old", None);
}

#[test]
fn a_service_that_a_transaction_brings_and_takes_again_never_was() {
    let world = World::new(&["web; auto"]);
    world.check("effect web; start web");
    let roster = world.roster.clone();
    *world.kind.on_update.lock() = Some(Box::new(move || {
        let service = || Arc::new(Obedient { name: "brief".into(), lines: channel().0 });
        roster.enrol(id("brief"), service(), LifecycleOptions::default()).unwrap();
        roster.withdraw(&id("brief")).unwrap();
    }));
    world.apply("~web; auto").unwrap();
    world.check("");
    assert_eq!(world.supervisor.states().len(), 1);
}

#[test]
fn services_come_and_go_with_entries_only() {
    let world = World::new(&["web"]);
    world.check("effect web");
    let service = Arc::new(Obedient { name: "x".into(), lines: channel().0 });
    let errors = [
        world.roster.enrol(id("x"), service, LifecycleOptions::default()),
        world.roster.withdraw(&id("web")),
        world.registry.put_off(Box::new(|| ())),
    ];
    for error in errors {
        assert_eq!(*error.unwrap_err().kind(), Kind::Invalid);
    }
    for kind in ["service.register", "service.remove"] {
        world.send(kind, "web");
        world.logs("request refused, services come and go with their entries");
    }
    // Ids of nobody are ignored.
    world.send("service.start", "nobody");
    world.send("service.stop", "nobody");
    world.check("");
    assert_eq!(world.supervisor.states().len(), 1);
}

#[test]
fn requests_during_a_transaction_are_dropped() {
    let world = World::new(&["web"]);
    world.check("effect web");
    let roster = world.roster.clone();
    *world.kind.on_update.lock() = Some(Box::new(move || roster.start(&id("web"))));
    world.apply("~web").unwrap();
    world.check("");
    world.logs("request dropped, a registry transaction is open");
    world.send("service.start", "web");
    world.check("start web");
}

#[test]
fn what_cannot_start_is_said() {
    let world = World::new(&["a: b; auto", "b: a", "c; auto"]);
    world.wait_for("c", Some(Status::Unknown));
    world.logs("cycle detected among services");
}
