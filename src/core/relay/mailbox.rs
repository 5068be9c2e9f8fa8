//! The node's mailbox: a lane per worker, each sender in the lane its PID hashes to.
//!
//! Most packages never see a lane: a sender with nothing waiting in its lane delivers directly. A
//! package goes into the lane when its target's VM has no room, or when an earlier package of the
//! same sender is still there. The VM that made it wait knows the lane, and whoever runs the VM
//! next drains it, see [`Mailbox::drain_for`]. A full sink is given a call to make when it has room;
//! should it go first, all lanes look again.
//!
//! Order of locks: a lane, then what delivery takes (a shard of the process table, a VM's queue).

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::core::pid::Pid;
use crate::core::relay::package::{Package, Refusal, Refused};
use crate::core::relay::router::{Route, Router};
use crate::core::vm::VmCell;

/// FNV-1a, 32 bits, of the text of a sender's PID. (The `fnv` crate has the 64-bit form only, which
/// would give other lanes than the specification's.)
pub fn lane_hash(sender: Pid) -> u32 {
    fnv1a_32(sender.text().as_bytes())
}

pub(super) fn fnv1a_32(bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(0x811c_9dc5_u32, |hash, &byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// How many packages of one sender wait in its lane. Shared by the sender and the lane.
pub type Ticket = Arc<AtomicUsize>;

/// Called once a suspended sender may go on.
pub type Resume = Box<dyn FnOnce() + Send>;

/// What became of a package.
#[derive(Debug, PartialEq, Eq)]
pub enum Posted {
    Delivered,
    /// In the lane: it arrives unless the target ends first.
    InLane,
    /// The lane is full. The sender is to be suspended; its `Resume` is called when the package has
    /// moved into the lane.
    Suspend,
}

struct Waiting {
    package: Package,
    ticket: Ticket,
    /// Of a suspended sender; `None` for lifecycle events, which pass the bound.
    resume: Option<Resume>,
}

#[derive(Default)]
struct Lane {
    /// Within the bound.
    queue: VecDeque<Waiting>,
    /// Beyond it: one package for each suspended coroutine, plus lifecycle events behind them.
    beyond: VecDeque<Waiting>,
    /// A sink has been given a call to make. It is made at most once for each time this is set.
    waits_for_sink: bool,
}

pub struct Mailbox {
    router: Router,
    lanes: Box<[Mutex<Lane>]>,
    lane_max: usize,
    /// For calls that sinks make: they come later, from anywhere.
    this: Weak<Mailbox>,
}

impl Mailbox {
    /// `lanes` is the number of workers, `lane_max` the bound of each lane.
    pub fn new(router: Router, lanes: usize, lane_max: usize) -> Arc<Mailbox> {
        Arc::new_cyclic(|this: &Weak<Mailbox>| {
            let weak = this.clone();
            router.local().on_detach(Box::new(move || {
                if let Some(mailbox) = weak.upgrade() {
                    mailbox.look_again();
                }
            }));
            Mailbox {
                router,
                lanes: (0..lanes.max(1)).map(|_| Mutex::default()).collect(),
                lane_max: lane_max.max(1),
                this: this.clone(),
            }
        })
    }

    pub fn router(&self) -> &Router {
        &self.router
    }

    pub fn lane_of(&self, sender: Pid) -> usize {
        lane_hash(sender) as usize % self.lanes.len()
    }

    /// Sends for a process. `ticket` is the sender's; `resume` makes its continuation, and is
    /// called only for [`Posted::Suspend`].
    pub fn send(
        &self,
        package: Package,
        ticket: &mut Option<Ticket>,
        resume: impl FnOnce() -> Resume,
    ) -> Result<Posted, Refused> {
        let waiting = ticket.as_ref().is_some_and(|t| t.load(Ordering::Acquire) > 0);
        let package = match waiting {
            true => package,
            false => match self.router.route(package) {
                Ok(()) => return Ok(Posted::Delivered),
                Err(refused) if refused.reason == Refusal::Busy => refused.package,
                Err(refused) => return Err(refused),
            },
        };
        let ticket = ticket.get_or_insert_with(Ticket::default);
        Ok(self.enqueue(package, ticket, resume))
    }

    /// Sends for a part of the runtime that is no process and cannot be suspended.
    pub fn send_from_outside(&self, package: Package) -> Result<(), Refused> {
        self.router.route(package)
    }

    fn enqueue(
        &self,
        package: Package,
        ticket: &Ticket,
        resume: impl FnOnce() -> Resume,
    ) -> Posted {
        let index = self.lane_of(package.from);
        let mut lane = self.lanes[index].lock();
        // Counted before the lock is released, so that the sender never overtakes itself.
        ticket.fetch_add(1, Ordering::Relaxed);
        let room = lane.beyond.is_empty() && lane.queue.len() < self.lane_max;
        let lifecycle = package.body.is_lifecycle();
        let waiting = Waiting { package, ticket: ticket.clone(), resume: None };
        let posted = match (room, lifecycle) {
            (true, _) => {
                lane.queue.push_back(waiting);
                Posted::InLane
            }
            (false, true) => {
                lane.beyond.push_back(waiting);
                Posted::InLane
            }
            (false, false) => {
                lane.beyond.push_back(Waiting { resume: Some(resume()), ..waiting });
                Posted::Suspend
            }
        };
        // Whoever finds the lane idle drains it: the room may have come back meanwhile.
        self.drain(index, &mut lane);
        posted
    }

    /// After `vm` has taken its events: the lanes it made wait go on.
    pub fn drain_for(&self, vm: &VmCell) {
        if vm.waiting_lanes.load(Ordering::Acquire) == 0 {
            return;
        }
        let set = vm.waiting_lanes.swap(0, Ordering::AcqRel);
        for (index, lane) in self.lanes.iter().enumerate() {
            if set & (1 << (index % 64)) != 0 {
                self.drain(index, &mut lane.lock());
            }
        }
    }

    /// Delivers from the front until the lane is empty or a target has no room.
    fn drain(&self, index: usize, lane: &mut Lane) {
        while let Some(waiting) = lane.queue.pop_front() {
            match self.deliver(index, waiting.package, &mut lane.waits_for_sink) {
                Ok(()) => {
                    // Release pairs with the Acquire in `send`: the delivery comes before the
                    // sender's next direct one.
                    waiting.ticket.fetch_sub(1, Ordering::Release);
                }
                Err(package) => {
                    lane.queue.push_front(Waiting { package, ..waiting });
                    return;
                }
            }
            while lane.queue.len() < self.lane_max {
                let Some(mut next) = lane.beyond.pop_front() else { break };
                let resume = next.resume.take();
                lane.queue.push_back(next);
                if let Some(resume) = resume {
                    resume();
                }
            }
        }
    }

    /// A sink that lanes waited for may have gone.
    fn look_again(&self) {
        for (index, lane) in self.lanes.iter().enumerate() {
            let mut lane = lane.lock();
            // The sink that has the call may be the one that has gone.
            if std::mem::take(&mut lane.waits_for_sink) {
                self.drain(index, &mut lane);
            }
        }
    }

    /// `Err`: no room, try again when the target's VM has run, or its sink calls. A target that has
    /// ended takes its package with it.
    fn deliver(
        &self,
        lane: usize,
        package: Package,
        waits_for_sink: &mut bool,
    ) -> Result<(), Package> {
        let package = match self.router.route(package) {
            Ok(()) => return Ok(()),
            Err(refused) if refused.reason == Refusal::Busy => refused.package,
            Err(_) => return Ok(()),
        };
        // Leave word with the VM, then try once more: it may have made room in between, and would
        // not have seen the word.
        if let Some(vm) = self.router.local().table().vm_of(package.to) {
            vm.waiting_lanes.fetch_or(1 << (lane % 64), Ordering::AcqRel);
            self.router.local().scheduler().notify(&vm);
        } else if *waits_for_sink {
            // It has not called yet; or it just did, and waits for the lock of this lane.
            return Err(package);
        } else {
            let this = self.this.clone();
            let wake = Box::new(move || {
                if let Some(mailbox) = this.upgrade() {
                    let mut own = mailbox.lanes[lane].lock();
                    own.waits_for_sink = false;
                    mailbox.drain(lane, &mut own);
                }
            });
            *waits_for_sink = !self.router.when_room(package.to, wake);
        }
        match self.router.route(package) {
            Err(refused) if refused.reason == Refusal::Busy => Err(refused.package),
            _ => Ok(()),
        }
    }

    /// Packages that wait in lanes, those of suspended senders included.
    pub fn waiting(&self) -> usize {
        let count = |lane: &Mutex<Lane>| {
            let lane = lane.lock();
            lane.queue.len() + lane.beyond.len()
        };
        self.lanes.iter().map(count).sum()
    }
}
