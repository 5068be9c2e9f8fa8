//! What a transaction brings is there for processes, calls and policies when readers see it, and not
//! before: it may still come to nothing. Specification 03, section 3.6.

use std::sync::{Arc, Mutex, Weak};

use wippy::app::node::{Node, Options};
use wippy::core::registry::listener::Listener;
use wippy::core::registry::{Changeset, Entry, EntryId};
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::error::{Error, Result};
use wippy::infra::event_bus::Cancel;
use wippy::infra::transcoder::{Map, Value};
use wippy::system::kernel::Kernel;

fn entry(id: &str, kind: &str, data: Value) -> Entry {
    let (id, kind, meta) = (EntryId::parse(id), kind.into(), Map::new());
    Entry { id, kind, meta, data }
}

fn program(id: &str, kind: &str) -> Entry {
    let source = "return {main = function() return 1 end}";
    entry(id, kind, Value::from([("source", source.into()), ("method", "main".into())]))
}

fn policy(id: &str) -> Entry {
    let rule = [("actions", "*".into()), ("resources", "*".into()), ("effect", "allow".into())];
    entry(id, "security.policy", Value::from([("policy", Value::from(rule))]))
}

/// In the middle of a transaction, behind the others: notes what is there, and may refuse.
struct Last {
    kernel: Weak<Kernel>,
    seen: Mutex<Vec<String>>,
    refuses: Mutex<bool>,
}

impl Last {
    fn look(&self) -> Result<()> {
        let kernel = self.kernel.upgrade().expect("the node runs");
        self.seen.lock().unwrap().push(there(&kernel));
        match *self.refuses.lock().unwrap() {
            true => Err(Error::invalid("refused")),
            false => Ok(()),
        }
    }
}

impl Listener for Last {
    fn add(&self, _: &Entry) -> Result<()> {
        self.look()
    }

    fn update(&self, _: &Entry, _: &Entry) -> Result<()> {
        self.look()
    }

    fn delete(&self, _: &Entry) -> Result<()> {
        self.look()
    }
}

/// Which of the things below there are, in words.
fn there(kernel: &Kernel) -> String {
    let mut words = kernel.factory.ids();
    words.extend(kernel.functions.get("app:f").map(|function| function.id.clone()));
    words.extend(kernel.security.policy("app:rule").map(|policy| policy.id().to_owned()));
    words.extend(kernel.groups.get("app:groups").map(|_| "app:groups".to_owned()));
    words.join(" ")
}

fn all() -> [Entry; 4] {
    let groups = entry("app:groups", "pg.scope", Value::Nil);
    [program("app:p", "process.lua"), program("app:f", "function.lua"), policy("app:rule"), groups]
}

const ALL: &str = "app:p app:f app:rule app:groups";

fn node() -> (Node, Arc<Last>) {
    let scheduler = SchedulerOptions { workers: 1, pin: false, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() }).unwrap();
    let kernel = Arc::downgrade(&node.kernel);
    let last = Last { kernel, seen: Mutex::default(), refuses: Mutex::new(false) };
    let last = Arc::new(last);
    node.registry.register_listener("last", last.clone());
    node.registry.load(Vec::new()).unwrap();
    (node, last)
}

/// Applies changes to all of them, and after them an entry of kind `last`.
fn apply(node: &Node, change: fn(&mut Changeset, Entry)) -> Result<()> {
    let mut changes = Changeset::new();
    let mut last = entry("z:last", "last", Value::Nil);
    let ids = all().map(|entry| Value::from(entry.id.to_string()));
    last.meta.insert("depends_on".into(), Value::List(ids.to_vec()));
    all().into_iter().for_each(|entry| change(&mut changes, entry));
    match node.registry.get(&last.id) {
        Ok(_) => changes.update(last),
        Err(_) => changes.create(last),
    };
    node.registry.apply(changes).map(drop)
}

fn create(changes: &mut Changeset, entry: Entry) {
    changes.create(entry);
}

fn delete(changes: &mut Changeset, entry: Entry) {
    changes.delete(entry.id);
}

#[test]
fn nothing_is_there_before_readers_see_it() {
    let (node, last) = node();

    *last.refuses.lock().unwrap() = true;
    assert!(apply(&node, create).is_err());
    assert_eq!(there(&node.kernel), "", "it came to nothing");

    *last.refuses.lock().unwrap() = false;
    assert_eq!(apply(&node, create), Ok(()));
    assert_eq!(there(&node.kernel), ALL);

    *last.refuses.lock().unwrap() = true;
    assert!(apply(&node, delete).is_err());
    assert_eq!(there(&node.kernel), ALL, "nothing went");

    *last.refuses.lock().unwrap() = false;
    assert_eq!(apply(&node, delete), Ok(()));
    assert_eq!(there(&node.kernel), "");
    assert_eq!(*last.seen.lock().unwrap(), ["", "", ALL, ALL]);
}

#[test]
fn programs_come_and_go_by_events() {
    let (node, _) = node();
    let (_, events) = node.bus().channel("(process|function)", "", Cancel::default()).unwrap();
    let next = || {
        let event = events.recv().expect("the bus runs");
        format!("{} {}", event.kind, event.path)
    };
    apply(&node, create).unwrap();
    let came = [next(), next(), next(), next()];
    let expected = [
        "factory.register app:p",
        "factory.accept app:p",
        "function.register app:f",
        "function.accept app:f",
    ];
    assert_eq!(came, expected);
    apply(&node, delete).unwrap();
    let gone = [next(), next(), next(), next()];
    let expected = [
        "factory.delete app:p",
        "factory.accept app:p",
        "function.delete app:f",
        "function.accept app:f",
    ];
    assert_eq!(gone, expected);
}

#[test]
fn an_entry_that_has_gone_within_its_transaction_leaves_nothing() {
    let (node, _) = node();
    let mut changes = Changeset::new();
    changes.create(program("app:p", "process.lua"));
    node.registry.apply(changes).unwrap();
    let mut changes = Changeset::new();
    changes.delete(EntryId::parse("app:p"));
    changes.create(program("app:p", "function.lua"));
    node.registry.apply(changes).unwrap();
    assert_eq!(there(&node.kernel), "");
    assert!(node.kernel.functions.get("app:p").is_ok());
}
