//! The mailbox with toy VMs: order and exactly once under tiny bounds, and each rule by itself.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use proptest::prelude::*;

use crate::core::pid::{HostId, NodeId, Pid};
use crate::core::process::{Control, ProcessTable};
use crate::core::relay::mailbox::{Mailbox, Posted, Resume, Ticket, fnv1a_32, lane_hash};
use crate::core::relay::node::{Host, Node, Sink, Wake};
use crate::core::relay::router::{NoRoute, Router};
use crate::core::relay::{Body, Package, Refusal, Refused};
use crate::core::scheduler::{Options, Scheduler};
use crate::core::vm::{Answer, Event, Interrupt, Slice, SliceEnd, Vm, VmCell};
use crate::infra::clock::Clock;
use crate::infra::transcoder::Value;
use crate::infra::transcoder::wire::Wire;

/// Long enough for any machine; reached only when something is lost.
const LONG: Duration = Duration::from_secs(60);

fn pid(uniq: u64) -> Pid {
    Pid::new(NodeId::LOCAL, HostId::intern("relay:test"), uniq)
}

fn message(from: Pid, to: Pid, number: usize) -> Package {
    Package { from, to, body: Body::Message(Wire::of(&[Value::Int(number as i64)])) }
}

fn cancel(from: Pid, to: Pid) -> Package {
    Package { from, to, body: Body::Cancel { reason: "".into() } }
}

/// The number of a message; nothing for lifecycle events.
fn number(package: &Package) -> Option<usize> {
    match &package.body {
        Body::Message(wire) => wire.reader().value()?.as_int().map(|n| n as usize),
        _ => None,
    }
}

struct NoInterrupt;

impl Interrupt for NoInterrupt {
    fn arm(&self) {}
}

/// A mailbox with a scheduler below it.
struct Machine {
    scheduler: Scheduler,
    table: Arc<ProcessTable>,
    mailbox: Arc<Mailbox>,
}

impl Machine {
    fn start(workers: usize, lanes: usize, lane_max: usize) -> Machine {
        let options = Options { workers, ..Options::default() };
        let scheduler = Scheduler::start(options, Clock::real()).expect("starts");
        let table = Arc::new(ProcessTable::new());
        let handle = scheduler.handle().clone();
        let node = Arc::new(Node::new(NodeId::LOCAL, table.clone(), handle));
        node.attach_host(HostId::intern("relay:test"), Host::Processes).expect("is the first");
        let router = Router::new(node, Box::new(NoRoute), Box::new(NoRoute));
        let mailbox = Mailbox::new(router, lanes, lane_max);
        Machine { scheduler, table, mailbox }
    }

    /// A cell with `vm` in it and a process `pid` that lives there.
    fn add(&self, pid: Pid, incoming_max: usize, vm: impl Vm + 'static) -> Arc<VmCell> {
        let cell = VmCell::new(incoming_max);
        cell.install(Box::new(vm), Box::new(NoInterrupt));
        assert!(self.table.insert(Control::new(pid, cell.clone())));
        cell
    }

    /// A process that lets its packages lie until told to read.
    fn add_lazy(&self, pid: Pid, incoming_max: usize) -> Lazy {
        let (seen, packages) = mpsc::channel();
        let awake = Arc::new(AtomicBool::new(false));
        let reader = LazyVm { awake: awake.clone(), seen, mailbox: self.mailbox.clone() };
        let cell = self.add(pid, incoming_max, reader);
        Lazy { cell, awake, packages }
    }

    fn read(&self, lazy: &Lazy) {
        lazy.awake.store(true, Ordering::SeqCst);
        self.scheduler.handle().notify(&lazy.cell);
    }
}

struct LazyVm {
    awake: Arc<AtomicBool>,
    seen: mpsc::Sender<Option<usize>>,
    mailbox: Arc<Mailbox>,
}

/// The test's end of a lazy process.
struct Lazy {
    cell: Arc<VmCell>,
    awake: Arc<AtomicBool>,
    /// Numbers of messages, `None` for lifecycle events.
    packages: mpsc::Receiver<Option<usize>>,
}

impl Lazy {
    fn next(&self) -> Option<usize> {
        self.packages.recv_timeout(LONG).expect("nothing is lost")
    }
}

impl Vm for LazyVm {
    fn run(&mut self, slice: &Slice<'_>) -> SliceEnd {
        if self.awake.load(Ordering::SeqCst) {
            let mut events = Vec::new();
            slice.cell.take(&mut events);
            for event in events {
                if let Event::Package(package) = event {
                    let _ = self.seen.send(number(&package));
                }
            }
            self.mailbox.drain_for(slice.cell);
        }
        SliceEnd { more: false, next_timer: None }
    }
}

/// A sending process outside any VM.
struct Sender {
    ticket: Option<Ticket>,
    resumed: mpsc::Receiver<()>,
    resume: mpsc::Sender<()>,
}

impl Sender {
    fn new() -> Sender {
        let (resume, resumed) = mpsc::channel();
        Sender { ticket: None, resumed, resume }
    }

    fn send(&mut self, mailbox: &Mailbox, package: Package) -> Posted {
        let resume = self.resume.clone();
        let suspended = || -> Resume {
            Box::new(move || {
                let _ = resume.send(());
            })
        };
        mailbox.send(package, &mut self.ticket, suspended).expect("the target is alive")
    }

    fn wait(&self) {
        self.resumed.recv_timeout(LONG).expect("a suspended sender goes on");
    }
}

#[test]
fn the_lane_hash_is_fnv_1a_of_32_bits() {
    // From the authors' test suite.
    assert_eq!(fnv1a_32(b""), 0x811c_9dc5);
    assert_eq!(fnv1a_32(b"a"), 0xe40c_292c);
    assert_eq!(fnv1a_32(b"foobar"), 0xbf9c_f968);
    let sender = pid(4);
    assert_eq!(sender.text().as_str(), "{relay:test|0x00004}");
    assert_eq!(lane_hash(sender), fnv1a_32(b"{relay:test|0x00004}"));
}

#[test]
fn outsiders_are_told_busy_and_lifecycle_passes_the_bound() {
    let machine = Machine::start(1, 1, 1);
    let (target, nobody) = (pid(1), Pid::NONE);
    let lazy = machine.add_lazy(target, 2);
    for number in 0..2 {
        let sent = machine.mailbox.send_from_outside(message(nobody, target, number));
        assert!(sent.is_ok());
    }
    let refused = machine.mailbox.send_from_outside(message(nobody, target, 2)).expect_err("full");
    assert_eq!(refused.reason, Refusal::Busy);
    assert_eq!(number(&refused.package), Some(2), "the package comes back");
    assert!(machine.mailbox.send_from_outside(cancel(nobody, target)).is_ok());
    machine.read(&lazy);
    assert_eq!([lazy.next(), lazy.next(), lazy.next()], [Some(0), Some(1), None]);
}

#[test]
fn a_full_lane_suspends_and_lifecycle_waits_its_turn_without_suspending() {
    let machine = Machine::start(1, 1, 1);
    let target = pid(1);
    let lazy = machine.add_lazy(target, 1);
    let mut sender = Sender::new();
    let posted = [0, 1, 2, 3].map(|n| sender.send(&machine.mailbox, message(pid(2), target, n)));
    use Posted::{Delivered, InLane, Suspend};
    assert_eq!(posted, [Delivered, InLane, Suspend, Suspend]);
    // Behind the messages of its sender, though there would be room for it in the VM.
    assert_eq!(sender.send(&machine.mailbox, cancel(pid(2), target)), InLane);
    assert_eq!(machine.mailbox.waiting(), 4);
    assert!(sender.resumed.try_recv().is_err());
    machine.read(&lazy);
    let read = [(); 5].map(|()| lazy.next());
    assert_eq!(read, [Some(0), Some(1), Some(2), Some(3), None]);
    sender.wait();
    sender.wait();
    assert_eq!(machine.mailbox.waiting(), 0);
}

#[test]
fn a_sender_with_an_empty_lane_delivers_directly_again() {
    let machine = Machine::start(1, 1, 4);
    let (target, other) = (pid(1), pid(3));
    let (lazy, quick) = (machine.add_lazy(target, 1), machine.add_lazy(other, 8));
    let mut sender = Sender::new();
    assert_eq!(sender.send(&machine.mailbox, message(pid(2), target, 0)), Posted::Delivered);
    assert_eq!(sender.send(&machine.mailbox, message(pid(2), target, 1)), Posted::InLane);
    // Not past its own earlier package.
    assert_eq!(sender.send(&machine.mailbox, message(pid(2), other, 2)), Posted::InLane);
    // Others pass it.
    let mut stranger = Sender::new();
    assert_eq!(stranger.send(&machine.mailbox, message(pid(4), other, 3)), Posted::Delivered);
    machine.read(&quick);
    assert_eq!(quick.next(), Some(3));
    machine.read(&lazy);
    assert_eq!([lazy.next(), lazy.next()], [Some(0), Some(1)]);
    assert_eq!(quick.next(), Some(2));
    // `drain` counts a ticket down after the delivery that `quick` has seen.
    let ticket = sender.ticket.clone().expect("it has waited");
    while ticket.load(Ordering::Acquire) > 0 {
        std::thread::yield_now();
    }
    assert_eq!(sender.send(&machine.mailbox, message(pid(2), other, 4)), Posted::Delivered);
    assert_eq!(quick.next(), Some(4));
}

#[test]
fn a_package_to_an_ended_process_vanishes_and_its_lane_goes_on() {
    let machine = Machine::start(1, 1, 8);
    let (target, other) = (pid(1), pid(3));
    let (lazy, quick) = (machine.add_lazy(target, 1), machine.add_lazy(other, 8));
    machine.read(&quick);
    let mut sender = Sender::new();
    for n in 0..3 {
        sender.send(&machine.mailbox, message(pid(2), target, n));
    }
    sender.send(&machine.mailbox, message(pid(2), other, 3));
    assert_eq!(machine.mailbox.waiting(), 3);
    machine.table.remove(target);
    // Its VM goes on living.
    machine.read(&lazy);
    assert_eq!(quick.next(), Some(3));
    assert_eq!(lazy.next(), Some(0), "taken before the end");
    assert_eq!(machine.mailbox.waiting(), 0);
    assert!(lazy.packages.try_recv().is_err());
}

#[test]
fn a_process_that_ends_while_nobody_looks_blocks_no_later_sender() {
    let machine = Machine::start(1, 1, 1);
    let (target, other) = (pid(1), pid(3));
    let (_lazy, quick) = (machine.add_lazy(target, 1), machine.add_lazy(other, 8));
    machine.read(&quick);
    let mut sender = Sender::new();
    for n in 0..3 {
        sender.send(&machine.mailbox, message(pid(2), target, n));
    }
    machine.table.remove(target);
    // Whoever finds the lane idle drains it: here the same sender.
    sender.send(&machine.mailbox, message(pid(2), other, 3));
    sender.wait();
    assert_eq!(quick.next(), Some(3));
    assert_eq!(machine.mailbox.waiting(), 0);
}

/// A sink with room for a few packages.
struct Narrow {
    max: usize,
    held: Mutex<(VecDeque<Package>, Vec<Wake>)>,
}

impl Narrow {
    fn attach(machine: &Machine, host: &str, max: usize) -> (Pid, Arc<Narrow>) {
        let (host, sink) = (HostId::intern(host), Narrow { max, held: Mutex::default() });
        let sink = Arc::new(sink);
        let node = machine.mailbox.router().local();
        node.attach_host(host, Host::Sink(sink.clone())).expect("new");
        (Pid::new(NodeId::LOCAL, host, 1), sink)
    }

    fn take(&self) -> Option<usize> {
        let (package, wakes) = {
            let mut held = self.held.lock();
            (held.0.pop_front(), std::mem::take(&mut held.1))
        };
        wakes.into_iter().for_each(|wake| wake());
        number(&package?)
    }
}

impl Sink for Narrow {
    fn deliver(&self, package: Package) -> Result<(), Refused> {
        let mut held = self.held.lock();
        if held.0.len() >= self.max {
            return Err(Refused { package, reason: Refusal::Busy });
        }
        held.0.push_back(package);
        Ok(())
    }

    fn when_room(&self, wake: Wake) -> bool {
        let mut held = self.held.lock();
        if held.0.len() >= self.max {
            held.1.push(wake);
            return false;
        }
        true
    }
}

#[test]
fn a_lane_goes_on_when_a_sink_has_room_again() {
    let machine = Machine::start(1, 1, 1);
    let (target, sink) = Narrow::attach(&machine, "relay:narrow", 1);
    let mut sender = Sender::new();
    let posted = [0, 1, 2].map(|n| sender.send(&machine.mailbox, message(pid(2), target, n)));
    assert_eq!(posted, [Posted::Delivered, Posted::InLane, Posted::Suspend]);
    // Nobody sends anything any more.
    assert_eq!(sink.take(), Some(0));
    sender.wait();
    assert_eq!([sink.take(), sink.take(), sink.take()], [Some(1), Some(2), None]);
    assert_eq!(machine.mailbox.waiting(), 0);
    assert_eq!(sender.send(&machine.mailbox, message(pid(2), target, 3)), Posted::Delivered);
}

#[test]
fn a_full_sink_that_goes_holds_nobody_up() {
    let machine = Machine::start(1, 1, 4);
    let ((first, _), (second, other)) =
        (Narrow::attach(&machine, "relay:first", 1), Narrow::attach(&machine, "relay:second", 1));
    let mut sender = Sender::new();
    for (to, n) in [(first, 0), (first, 1), (second, 2), (second, 3)] {
        sender.send(&machine.mailbox, message(pid(2), to, n));
    }
    assert_eq!((machine.mailbox.waiting(), other.take()), (3, None));
    machine.mailbox.router().local().detach_host(first.host());
    // The second one is full in its turn, and has a call of its own to make.
    assert_eq!([other.take(), other.take(), other.take()], [Some(2), Some(3), None]);
    assert_eq!(machine.mailbox.waiting(), 0);
}

#[test]
fn no_wake_of_a_sink_is_lost() {
    const MESSAGES: usize = 20_000;
    let machine = Machine::start(1, 2, 2);
    let (target, sink) = Narrow::attach(&machine, "relay:race", 2);
    let senders = [pid(2), pid(3), pid(4)];
    std::thread::scope(|scope| {
        for from in senders {
            let mailbox = &machine.mailbox;
            scope.spawn(move || {
                let mut sender = Sender::new();
                for n in 0..MESSAGES {
                    if sender.send(mailbox, message(from, target, n)) == Posted::Suspend {
                        sender.wait();
                    }
                }
            });
        }
        let (mut taken, mut idle_since) = (0, Instant::now());
        while taken < MESSAGES * senders.len() {
            match sink.take() {
                Some(_) => (taken, idle_since) = (taken + 1, Instant::now()),
                None => {
                    assert!(idle_since.elapsed() < LONG, "{taken} have come, no more do");
                    std::thread::yield_now();
                }
            }
        }
    });
    assert_eq!(machine.mailbox.waiting(), 0);
}

/// Bounds and sizes of one random run.
#[derive(Clone, Debug)]
struct Load {
    workers: usize,
    lanes: usize,
    lane_max: usize,
    incoming_max: usize,
    vms: usize,
    senders_per_vm: usize,
    threads: usize,
    messages: usize,
    seed: u64,
}

fn loads() -> impl Strategy<Value = Load> {
    let bounds = (2..4usize, 1..4usize, 1..5usize, 1..5usize);
    let sizes = (1..5usize, 1..4usize, 0..3usize, 50..400usize);
    (bounds, sizes, any::<u64>()).prop_map(|(bounds, sizes, seed)| {
        let (workers, lanes, lane_max, incoming_max) = bounds;
        let (vms, senders_per_vm, threads, messages) = sizes;
        Load {
            workers,
            lanes,
            lane_max,
            incoming_max,
            vms,
            senders_per_vm,
            threads,
            messages,
            seed,
        }
    })
}

/// What the receivers of one run have seen together.
struct Tally {
    /// From a sender to a target: the number expected next.
    next: Mutex<HashMap<(Pid, Pid), usize>>,
    left: AtomicUsize,
    /// The first message out of order, or the end.
    verdict: mpsc::Sender<Result<(), String>>,
}

impl Tally {
    fn count(&self, package: &Package) {
        let mut next = self.next.lock();
        let expected = next.entry((package.from, package.to)).or_default();
        let number = number(package).expect("only messages are sent");
        if number != *expected {
            let text = format!("{:?}: got {number}, expected {expected}", package);
            let _ = self.verdict.send(Err(text));
        }
        *expected += 1;
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let _ = self.verdict.send(Ok(()));
        }
    }
}

/// A process that sends its numbered messages to targets in a random order.
struct Plan {
    pid: Pid,
    ticket: Option<Ticket>,
    left: usize,
    /// Number of the next message for each target.
    numbers: Vec<usize>,
    random: u64,
    suspended: bool,
}

impl Plan {
    fn new(pid: Pid, load: &Load) -> Plan {
        let random = load.seed ^ pid.uniq().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let numbers = vec![0; load.vms];
        Plan { pid, ticket: None, left: load.messages, numbers, random, suspended: false }
    }

    fn next(&mut self) -> Option<Package> {
        self.left = self.left.checked_sub(1)?;
        // xorshift64
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let target = (self.random % self.numbers.len() as u64) as usize;
        let number = self.numbers[target];
        self.numbers[target] += 1;
        Some(message(self.pid, target_pid(target), number))
    }
}

fn target_pid(index: usize) -> Pid {
    pid(1 + index as u64)
}

/// A VM whose processes send, and which receives for one target.
struct BusyVm {
    senders: Vec<Plan>,
    mailbox: Arc<Mailbox>,
    scheduler: crate::core::scheduler::Handle,
    tally: Arc<Tally>,
}

impl Vm for BusyVm {
    fn run(&mut self, slice: &Slice<'_>) -> SliceEnd {
        let mut events = Vec::new();
        slice.cell.take(&mut events);
        for event in events {
            match event {
                Event::Package(package) => self.tally.count(&package),
                Event::Done { tag, .. } => self.senders[tag as usize].suspended = false,
                Event::Start(_) => unreachable!("nobody starts anything"),
                Event::News { .. } => unreachable!("nobody subscribes"),
                Event::Visit(_) => unreachable!("nobody visits"),
            }
        }
        self.mailbox.drain_for(slice.cell);
        let mut more = false;
        for (tag, sender) in self.senders.iter_mut().enumerate() {
            if sender.suspended {
                continue;
            }
            let Some(package) = sender.next() else { continue };
            more = true;
            let (cell, scheduler, pid) = (slice.cell.clone(), self.scheduler.clone(), sender.pid);
            let resume = || -> Resume {
                Box::new(move || {
                    let result = Ok(Answer::Nothing);
                    cell.post(Event::Done { pid, tag: tag as u64, result });
                    scheduler.notify(&cell);
                })
            };
            let posted = self.mailbox.send(package, &mut sender.ticket, resume);
            sender.suspended = posted.expect("nobody ends") == Posted::Suspend;
        }
        SliceEnd { more, next_timer: None }
    }
}

fn run(load: &Load) -> Result<(), String> {
    let machine = Machine::start(load.workers, load.lanes, load.lane_max);
    let (verdict, end) = mpsc::channel();
    let senders = load.vms * load.senders_per_vm + load.threads;
    let left = AtomicUsize::new(senders * load.messages);
    let tally = Arc::new(Tally { next: Mutex::default(), left, verdict });
    let mut plans = (0..senders as u64).map(|i| Plan::new(pid(1000 + i), load));
    let cells: Vec<_> = (0..load.vms)
        .map(|index| {
            let vm = BusyVm {
                senders: plans.by_ref().take(load.senders_per_vm).collect(),
                mailbox: machine.mailbox.clone(),
                scheduler: machine.scheduler.handle().clone(),
                tally: tally.clone(),
            };
            machine.add(target_pid(index), load.incoming_max, vm)
        })
        .collect();
    for cell in &cells {
        machine.scheduler.handle().notify(cell);
    }
    std::thread::scope(|scope| {
        for mut plan in plans {
            let mailbox = &machine.mailbox;
            scope.spawn(move || {
                let mut sender = Sender::new();
                while let Some(package) = plan.next() {
                    if sender.send(mailbox, package) == Posted::Suspend {
                        sender.wait();
                    }
                }
            });
        }
    });
    end.recv_timeout(LONG).unwrap_or_else(|_| {
        let left = tally.left.load(Ordering::SeqCst);
        Err(format!("{left} messages lost, {} in lanes", machine.mailbox.waiting()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 20, ..Default::default() })]

    /// Each sender's messages reach each target in order and exactly once, whatever the bounds,
    /// with VMs stolen back and forth and senders suspended on and off workers.
    #[test]
    fn messages_arrive_in_order_and_exactly_once(load in loads()) {
        prop_assert_eq!(run(&load), Ok(()));
    }
}
