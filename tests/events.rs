//! The event bus and the registry as processes use them, when things go wrong: floods, slow readers,
//! sudden ends, listeners that need what their callers hold.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak, mpsc};
use std::thread;
use std::time::Duration;

use wippy::app::node::{Ended, Node, Options};
use wippy::core::pid::Pid;
use wippy::core::registry::{Entry, Listener};
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::error::{Error, Result};
use wippy::infra::event_bus::{Cancel, Event, SubscriptionId};
use wippy::infra::transcoder::Value;
use wippy::infra::transcoder::wire::Wire;
use wippy::system::host::HostKind;
use wippy::system::kernel::{Kernel, RootSpawn};

/// A safety net, not a measure.
const LONG: Duration = Duration::from_secs(60);
const EVENTS: usize = 1_000_000;

fn node(workers: usize, programs: &[(&str, &str)]) -> Node {
    let scheduler = SchedulerOptions { workers, pin: false, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() }).unwrap();
    node.add_host("app:host", HostKind::Processes, false).unwrap();
    node.registry.load(Vec::new()).unwrap();
    for (name, body) in programs {
        let source = format!(
            "local events, registry = require('events'), require('registry')
            return {{main = function(...) {body} end}}"
        );
        node.define(&format!("app:{name}"), &source).unwrap();
    }
    node
}

/// Starts a process and waits until it has sent `ready`.
fn start(node: &Node, name: &str) -> (Pid, Ended) {
    let (id, ready) = node.bus().channel("ready", "", Cancel::default()).unwrap();
    let started = node.spawn(&format!("app:{name}"), "app:host", &[]).unwrap();
    ready.recv_timeout(LONG).expect("the process is ready");
    node.bus().unsubscribe(id);
    started
}

/// Everything sent before has been delivered, all that was to end has ended. Subscribes to nothing:
/// that would make room, and hide what has not ended.
fn fence(node: &Node, id: SubscriptionId) {
    node.bus().unsubscribe(id);
}

/// What a fence needs.
fn known(node: &Node) -> SubscriptionId {
    node.bus().channel("", "", Cancel::default()).unwrap().0
}

fn kill(node: &Node, (pid, ended): (Pid, Ended)) {
    node.kernel.kill(Pid::NONE, pid, Error::internal("killed")).unwrap();
    assert_eq!(ended.wait(LONG).unwrap_err().message(), "killed");
}

/// A million events for a process that never takes one: others get theirs meanwhile, and nothing is
/// left when it ends.
#[track_caller]
fn check_never_reads(how: &str) {
    let deaf = format!(
        "local sub = events.subscribe('flood')
        events.send('ready', 'k', 'p')
        {how}"
    );
    let reader = "local ch = events.subscribe('flood'):channel()
        events.send('ready', 'k', 'p')
        for n = 1, 1000000 do ch:receive() end
        return 'all'";
    let node = node(2, &[("deaf", &deaf), ("reader", reader)]);
    let deaf = start(&node, "deaf");
    let (_, reading) = start(&node, "reader");
    let (id, control) = node.bus().channel("flood", "", Cancel::default()).unwrap();
    for n in 0..EVENTS {
        node.bus().send(Event::new("flood", "k", "p", Value::Int(n as i64)));
    }
    let last: Weak<Event> = control.iter().take(EVENTS).last().map(|e| Arc::downgrade(&e)).unwrap();
    assert_eq!(reading.wait(LONG).unwrap(), "all".into());
    node.bus().unsubscribe(id);
    drop(control);
    assert!(last.upgrade().is_some(), "it waits for the process that does not read");
    kill(&node, deaf);
    fence(&node, id);
    assert!(last.upgrade().is_none(), "nothing of the flood is left");
    assert!(!node.bus().is_heard());
}

#[test]
fn a_million_events_at_a_process_that_waits_for_something_else() {
    check_never_reads("process.inbox():receive()");
}

#[test]
fn a_million_events_at_a_process_that_is_busy() {
    check_never_reads("while true do end");
}

#[test]
fn processes_end_while_events_fly() {
    let listens = "local ch = events.subscribe('flood'):channel()
        events.send('ready', 'k', 'p')
        while true do ch:receive() end";
    let closes = "events.send('ready', 'k', 'p')
        while true do
            local sub = events.subscribe('flood')
            sub:channel():receive()
            sub:close()
        end";
    let node = node(2, &[("listens", listens), ("closes", closes)]);
    let id = known(&node);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                (0..100).for_each(|_| node.bus().send(Event::new("flood", "k", "p", Value::Nil)));
                // As fast as the bus can deliver.
                fence(&node, id);
            }
        });
        for _ in 0..100 {
            let (one, other) = (start(&node, "listens"), start(&node, "closes"));
            kill(&node, other);
            kill(&node, one);
        }
        done.store(true, Ordering::Release);
    });
    fence(&node, id);
    assert!(!node.bus().is_heard(), "subscriptions ended with their processes");
}

#[test]
fn a_subscription_ends_with_a_process_that_returns() {
    let ends = "events.subscribe('a') events.subscribe('b') return 'done'";
    let node = node(1, &[("ends", ends)]);
    let id = known(&node);
    let (_, ended) = node.spawn("app:ends", "app:host", &[]).unwrap();
    assert_eq!(ended.wait(LONG).unwrap(), "done".into());
    fence(&node, id);
    assert!(!node.bus().is_heard());
}

#[test]
fn places_of_ended_processes_are_free_again() {
    let greedy = "for _ = 1, 1000 do assert(events.subscribe('many')) end return 'done'";
    let node = node(2, &[("greedy", greedy)]);
    for _ in 0..6 {
        let (_, ended) = node.spawn("app:greedy", "app:host", &[]).unwrap();
        assert_eq!(ended.wait(LONG).unwrap(), "done".into());
    }
}

#[test]
fn too_many_subscribers_are_refused() {
    let greedy = "local n = 0
        while true do
            local sub, err = events.subscribe('many')
            if not sub then return {n, tostring(err)} end
            n += 1
        end";
    let node = node(1, &[("greedy", greedy)]);
    let (_, ended) = node.spawn("app:greedy", "app:host", &[]).unwrap();
    let expect = vec![Value::Int(4096), "eventbus subscribers cap reached".into()];
    assert_eq!(ended.wait(LONG).unwrap(), Value::List(expect));
}

#[test]
fn subscriptions_cost_nothing_while_nothing_happens() {
    let waits = "local ch = events.subscribe('quiet'):channel()
        events.send('ready', 'k', 'p')
        ch:receive()
        return 'heard'";
    let node = node(2, &[("waits", waits)]);
    let processes: Vec<_> = (0..50).map(|_| start(&node, "waits")).collect();
    let slices = || node.kernel.scheduler.stats().iter().map(|s| s.slices).sum::<u64>();
    // The last one may still be on its way into its wait.
    let mut before = slices();
    loop {
        thread::sleep(Duration::from_millis(50));
        let now = slices();
        if now == before {
            break;
        }
        before = now;
    }
    thread::sleep(Duration::from_millis(200));
    assert_eq!(slices(), before, "nothing has run");
    node.bus().send(Event::new("quiet", "k", "p", Value::Nil));
    for (_, ended) in processes {
        assert_eq!(ended.wait(LONG).unwrap(), "heard".into());
    }
}

#[test]
fn a_bus_that_has_stopped_says_so() {
    let late = "local sub, err = events.subscribe('s')
        assert(sub == nil and err:kind() == errors.UNAVAILABLE, tostring(err))
        return tostring(err)";
    let node = node(1, &[("late", late)]);
    node.bus().stop();
    let (_, ended) = node.spawn("app:late", "app:host", &[]).unwrap();
    assert_eq!(ended.wait(LONG).unwrap(), "bus is closed".into());
}

// -- the registry ---------------------------------------------------------------------------------

/// Accepts an entry once a process it has started has ended.
struct NeedsWorkers(Mutex<Weak<Kernel>>);

impl Listener for NeedsWorkers {
    fn add(&self, _: &Entry) -> Result<()> {
        let kernel = self.0.lock().unwrap().upgrade().expect("running");
        let (sender, ended) = mpsc::channel();
        let spawn = RootSpawn {
            source: "app:helper".into(),
            host: "app:host".into(),
            args: Wire::new(),
            frame: None,
            terminal: None,
            on_end: Some(Box::new(move |_| sender.send(()).unwrap())),
        };
        kernel.spawn(spawn, Box::new(|started| assert!(started.is_ok(), "{started:?}")));
        ended.recv_timeout(LONG).map_err(|_| Error::internal("no worker was free"))
    }

    fn update(&self, _: &Entry, _: &Entry) -> Result<()> {
        Ok(())
    }

    fn delete(&self, _: &Entry) -> Result<()> {
        Ok(())
    }
}

#[test]
fn listeners_may_need_the_workers() {
    let helper = "for _ = 1, 1000 do process.send(process.pid(), 'x') end";
    let applies = "local done = channel.new(10)
        for n = 1, 10 do
            coroutine.spawn(function()
                local changes = registry.snapshot():changes()
                local _, err = changes:create{id = 'x:' .. n, kind = 'slow'}:apply()
                done:send(tostring(err))
            end)
        end
        -- Reads go on meanwhile, and see what was there before or what has been accepted.
        while #registry.find({['.kind'] = 'slow'}) < 10 do
            events.send('s', 'k', 'p')
        end
        for _ = 1, 10 do assert(done:receive() == 'nil') end
        return 'done'";
    let node = node(1, &[("helper", helper), ("applies", applies)]);
    let kernel = Mutex::new(Arc::downgrade(&node.kernel));
    node.registry.register_listener("slow", Arc::new(NeedsWorkers(kernel)));
    let (_, ended) = node.spawn("app:applies", "app:host", &[]).unwrap();
    assert_eq!(ended.wait(LONG).unwrap(), "done".into());
}

/// Tells that it was asked, and answers when told to.
struct Stuck {
    asked: mpsc::SyncSender<()>,
    gate: Mutex<mpsc::Receiver<()>>,
}

impl Listener for Stuck {
    fn add(&self, _: &Entry) -> Result<()> {
        self.asked.send(()).unwrap();
        let _ = self.gate.lock().unwrap().recv();
        Ok(())
    }

    fn update(&self, _: &Entry, _: &Entry) -> Result<()> {
        Ok(())
    }

    fn delete(&self, _: &Entry) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_listener_that_never_answers_holds_up_neither_others_nor_the_end() {
    let applies = "events.send('ready', 'k', 'p')
        registry.snapshot():changes():create{id = 'x:x', kind = 'stuck'}:apply()";
    let old = "return #registry.snapshot_at(1):entries()";
    let first = "return registry.snapshot():changes()
        :create{id = 'x:first', kind = 'registry.entry'}:apply():id()";
    let node = node(1, &[("applies", applies), ("old", old), ("first", first)]);
    let value = |name: &str| {
        let (_, ended) = node.spawn(&format!("app:{name}"), "app:host", &[]).unwrap();
        ended.wait(LONG).unwrap()
    };
    assert_eq!(value("first"), Value::Int(1));
    let (asked, was_asked) = mpsc::sync_channel(1);
    let (open, gate) = mpsc::channel();
    let stuck = Stuck { asked, gate: Mutex::new(gate) };
    node.registry.register_listener("stuck", Arc::new(stuck));
    let applies = start(&node, "applies");
    was_asked.recv_timeout(LONG).expect("the listener is asked");
    assert_eq!(value("old"), Value::Int(1), "history is read meanwhile");
    kill(&node, applies);
    drop(node);
    drop(open);
}
