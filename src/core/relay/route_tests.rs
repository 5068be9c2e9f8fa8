//! Where packages go: hosts of this node, peers, what lies beyond, and nowhere.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::core::pid::{HostId, NodeId, Pid};
use crate::core::process::{Control, ProcessTable};
use crate::core::relay::node::{Host, Sink};
use crate::core::relay::{
    Body, Mailbox, Node, Package, Peers, Refusal, Refused, Route, Router, Sinks, arrivals,
};
use crate::core::scheduler::{Options, Scheduler};
use crate::core::vm::VmCell;
use crate::infra::clock::Clock;
use crate::infra::error::{Error, Kind};
use crate::infra::event_bus::request::{self, HOSTS, PEERS, Request};
use crate::infra::event_bus::{EventBus, Part};

/// Takes packages for one node, or all, or none.
struct Way {
    takes: Option<&'static str>,
    taken: Mutex<usize>,
}

impl Way {
    fn new(takes: Option<&'static str>) -> Arc<Way> {
        Arc::new(Way { takes, taken: Mutex::default() })
    }

    fn taken(&self) -> usize {
        std::mem::take(&mut self.taken.lock())
    }
}

impl Route for Arc<Way> {
    fn route(&self, package: Package) -> Result<(), Refused> {
        match self.takes {
            Some(name) if name.is_empty() || package.to.node().as_str() == name => {
                *self.taken.lock() += 1;
                Ok(())
            }
            _ => Err(Refused { package, reason: Refusal::NoRoute }),
        }
    }
}

impl Sink for Way {
    fn deliver(&self, _: Package) -> Result<(), Refused> {
        *self.taken.lock() += 1;
        Ok(())
    }
}

/// A node `here` with peers, and somebody beyond them.
struct World {
    /// Held: its workers end with it.
    _scheduler: Scheduler,
    node: Arc<Node>,
    peers: Peers,
    beyond: Arc<Way>,
    mailbox: Arc<Mailbox>,
    bus: EventBus,
}

impl World {
    fn new(beyond: Option<&'static str>) -> World {
        let options = Options { workers: 1, ..Options::default() };
        let scheduler = Scheduler::start(options, Clock::real()).expect("starts");
        let (own, table) = (NodeId::intern("here"), Arc::new(ProcessTable::new()));
        let node = Arc::new(Node::new(own, table, scheduler.handle().clone()));
        let (peers, beyond) = (Peers::new(own), Way::new(beyond));
        let (second, third) = (Box::new(peers.clone()), Box::new(beyond.clone()));
        let mailbox = Mailbox::new(Router::new(node.clone(), second, third), 1, 4);
        let bus = EventBus::start().expect("starts");
        arrivals::serve(&bus, &node, &peers).expect("served");
        World { _scheduler: scheduler, node, peers, beyond, mailbox, bus }
    }

    #[track_caller]
    fn check(&self, to: Pid, problem: Option<(Kind, &str)>) {
        let package = Package { from: Pid::NONE, to, body: Body::Cancel { reason: "".into() } };
        let sent = self.mailbox.send_from_outside(package);
        let error = sent.err().map(|refused| Error::from(refused.reason));
        let problem = problem.map(|(kind, text)| (kind, text.to_owned()));
        assert_eq!(error.map(|e| (e.kind().clone(), e.message().to_owned())), problem);
    }
}

fn pid(node: &str, host: &str) -> Pid {
    Pid::new(NodeId::intern(node), HostId::intern(host), 1)
}

fn kind<T>(result: Result<T, Error>) -> Option<Kind> {
    result.err().map(|error| error.kind().clone())
}

const NO_HOST: Option<(Kind, &str)> = Some((Kind::NotFound, "host not found"));
const NO_PROCESS: Option<(Kind, &str)> = Some((Kind::NotFound, "process not found"));
const NO_NODE: Option<(Kind, &str)> = Some((Kind::NotFound, "node not found"));

#[test]
fn hosts_come_and_go() {
    let world = World::new(None);
    let host = HostId::intern("route:processes");
    for node in ["", "here"] {
        world.check(pid(node, "route:processes"), NO_HOST);
    }
    assert_eq!(world.node.attach_host(host, Host::Processes), Ok(()));
    let again = world.node.attach_host(host, Host::Processes);
    assert_eq!(kind(again), Some(Kind::AlreadyExists));
    world.check(pid("", "route:processes"), NO_PROCESS);
    let alive = pid("here", "route:processes");
    assert!(world.node.table().insert(Control::new(alive, VmCell::new(4))));
    world.check(alive, None);
    world.node.table().remove(alive);
    world.check(alive, NO_PROCESS);
    world.node.detach_host(host);
    world.check(alive, NO_HOST);
    assert_eq!(world.node.attach_host(host, Host::Processes), Ok(()));
}

#[test]
fn a_pid_has_one_sink_while_it_is_attached() {
    let world = World::new(None);
    let hosts = [
        ("route:sinks", Host::Sinks(Sinks::default())),
        ("route:sink", Host::Sink(Way::new(None))),
        ("route:mixed", Host::Processes),
    ];
    for (id, host) in hosts {
        world.node.attach_host(HostId::intern(id), host).expect("new");
    }
    let (to, sink) = (pid("here", "route:sinks"), Way::new(None));
    world.check(to, NO_PROCESS);
    let attachment = world.node.attach(to, sink.clone()).expect("free");
    world.check(to, None);
    assert_eq!(sink.taken(), 1);
    assert_eq!(kind(world.node.attach(to, sink.clone())), Some(Kind::AlreadyExists));
    drop(attachment);
    world.check(to, NO_PROCESS);
    let _again = world.node.attach(to, sink.clone()).expect("free again");
    for (host, problem) in [
        ("route:sink", Kind::Invalid),
        ("route:mixed", Kind::Invalid),
        ("route:nowhere", Kind::NotFound),
    ] {
        assert_eq!(kind(world.node.attach(pid("", host), sink.clone())), Some(problem));
    }
}

#[test]
fn each_tier_passes_on_what_it_has_no_way_for() {
    let world = World::new(Some("far"));
    let near = Way::new(Some("near"));
    let blind = Way::new(None);
    world.peers.register("near", Arc::new(near.clone())).expect("new");
    world.peers.register("far", Arc::new(blind)).expect("new");
    world.check(pid("near", "route:x"), None);
    assert_eq!((near.taken(), world.beyond.taken()), (1, 0));
    // A peer that has no way itself: the next tier tries.
    world.check(pid("far", "route:x"), None);
    assert_eq!((near.taken(), world.beyond.taken()), (0, 1));
    world.check(pid("nowhere", "route:x"), NO_NODE);
    assert!(world.peers.unregister("near") && !world.peers.unregister("near"));
    world.check(pid("near", "route:x"), NO_NODE);
}

#[test]
fn hosts_and_peers_come_and_go_by_events() {
    let world = World::new(None);
    let ask = |topic, request| kind(request::ask(&world.bus, topic, vec![request]));
    let host = |id: &str| Request::Register(id.into(), Part::new(Host::Processes));
    let peer = |id: &str| {
        let way: Arc<dyn Route> = Arc::new(Way::new(Some("near")));
        Request::Register(id.into(), Part::new(arrivals::Way(way)))
    };
    let delete = |id: &str| Request::Delete(id.into());
    for (topic, request, expected) in [
        (HOSTS, host(""), Some(Kind::Invalid)),
        (HOSTS, host("event:host"), None),
        (HOSTS, host("event:host"), Some(Kind::AlreadyExists)),
        (HOSTS, delete("event:host"), None),
        (HOSTS, delete("event:host"), None),
        (HOSTS, host("event:host"), None),
        (HOSTS, peer("event:peer"), Some(Kind::Invalid)),
        (PEERS, peer(""), Some(Kind::Invalid)),
        (PEERS, peer("here"), Some(Kind::Conflict)),
        (PEERS, peer("near"), None),
        (PEERS, peer("near"), Some(Kind::AlreadyExists)),
        (PEERS, host("far"), Some(Kind::Invalid)),
    ] {
        let text = format!("{request:?}");
        assert_eq!(ask(topic, request), expected, "{text}");
    }
    world.check(pid("", "event:host"), NO_PROCESS);
    world.check(pid("near", "event:host"), None);
    assert_eq!(ask(PEERS, delete("near")), None);
    world.check(pid("near", "event:host"), NO_NODE);
}

#[test]
fn after_the_end_nothing_is_sent() {
    let world = World::new(None);
    let to = pid("here", "route:closed");
    world.node.attach_host(to.host(), Host::Processes).expect("new");
    assert!(world.node.table().insert(Control::new(to, VmCell::new(4))));
    world.check(to, None);
    world.node.close();
    world.check(to, Some((Kind::Unavailable, "relay is shut down")));
}
