//! Instances of functions: globals and method that outlive a call and serve later ones.
//!
//! They lie in the VM that made them, with the chunk they are of. Who may use one is the affair of
//! `system/functions`: here they are only kept, and dropped:
//!
//! - Of a pool with seats there are as many as it has seats in this VM; of others a few are kept.
//! - Those of lazy and adaptive pools go when nobody has called for half a minute. An adaptive pool
//!   keeps one.
//! - Those of a static pool are [prepared](prepare) when it is loaded: their libraries run then, their
//!   chunk at the first call.

use std::sync::{Arc, Weak};

use crate::core::vm::VmCell;
use crate::infra::clock::Nanos;
use crate::infra::error::Result;
use crate::runtime::engine::calls::definition;
use crate::runtime::engine::process::{self, Process};
use crate::runtime::engine::raw::{Anchor, State, VmPointer};
use crate::runtime::engine::vm::{Due, VmData};
use crate::system::functions::{CallSlot, Function};
use crate::system::pools::Kind;

/// Instances of one function that a VM keeps, if they have no seats.
const KEPT_MAX: usize = 64;
/// How often a VM looks for functions that nobody calls.
const LOOK_EVERY: Nanos = 15_000_000_000;
/// Looks that find no call since the one before, until the instances go.
const QUIET_LOOKS: u32 = 2;
/// How often the bound of an adaptive pool is looked at.
const ADAPT_EVERY: Nanos = 500_000_000;

/// Globals and method of a function, warm.
pub struct Instance {
    pub globals: Anchor,
    /// None: its libraries have run, its chunk has not.
    pub method: Option<Anchor>,
}

/// What a VM has of a function.
#[derive(Default)]
pub struct Instances {
    idle: Vec<Instance>,
    /// Known once an instance has been made.
    owner: Weak<Function>,
    kept_max: usize,
    /// They go when nobody calls.
    passes: bool,
    /// The count of ended calls at the last look, and how many looks found the same.
    seen: Option<u64>,
    quiet_looks: u32,
}

impl Instances {
    #[inline]
    pub fn take(&mut self) -> Option<Instance> {
        self.idle.pop()
    }

    /// They serve nobody any more.
    pub fn clear(&mut self) {
        self.idle = Vec::new();
    }

    /// Instances of `owner` are made here from now on.
    fn belong_to(&mut self, owner: &Arc<Function>) {
        let pool = &owner.pool;
        self.owner = Arc::downgrade(owner);
        self.kept_max = if pool.has_seats() { usize::MAX } else { KEPT_MAX };
        self.passes = !pool.keeps_all();
    }

    /// A look, in the VM `here`, at whether anybody has called.
    fn look(&mut self, here: Option<&Arc<VmCell>>) -> Seen {
        if self.idle.is_empty() || !self.passes {
            return Seen::Nothing;
        }
        let Some(owner) = self.owner.upgrade().filter(|owner| !owner.is_closed()) else {
            self.clear();
            return Seen::Gone;
        };
        let quiet = owner.quiet();
        match quiet.is_some() && quiet == self.seen {
            true => self.quiet_looks += 1,
            false => (self.seen, self.quiet_looks) = (quiet, 0),
        }
        if self.quiet_looks < QUIET_LOOKS {
            return Seen::Something;
        }
        let kept = usize::from(owner.pool.kind == Kind::Adaptive);
        if self.idle.len() <= kept {
            return Seen::Nothing;
        }
        self.idle.truncate(kept);
        self.idle.shrink_to_fit();
        if let Some(here) = here {
            owner.move_out(here);
        }
        Seen::Gone
    }

    /// Has the pool it belongs to a place for an instance here?
    fn is_seated(&self) -> bool {
        self.kept_max == usize::MAX
            && !self.idle.is_empty()
            && self.owner.upgrade().is_some_and(|owner| !owner.is_closed())
    }
}

/// What a look has found of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Nothing,
    /// Instances that may go later.
    Something,
    /// Some have gone.
    Gone,
}

/// An instance to be made before it is called.
pub struct Prepare {
    /// Given back when it is there.
    pub seat: CallSlot,
}

/// Pools of a VM's functions.
#[derive(Default)]
pub struct Upkeep {
    /// A look at idle instances is due.
    looks: bool,
}

impl VmData {
    /// An instance of a function that serves nobody.
    #[inline]
    pub fn take_instance(&mut self, chunk: u32) -> Option<Instance> {
        self.instances(chunk).take()
    }

    /// An instance has done its work.
    #[inline]
    pub fn give_instance(&mut self, chunk: u32, instance: Instance) {
        let looks = self.upkeep.looks;
        let instances = self.instances(chunk);
        if instances.idle.len() < instances.kept_max {
            instances.idle.push(instance);
            if instances.passes && !looks {
                self.look_later();
            }
        }
    }

    /// An instance of `owner` has been made.
    pub fn own_instances(&mut self, chunk: u32, owner: &Arc<Function>) {
        self.instances(chunk).belong_to(owner);
    }

    #[cold]
    fn look_later(&mut self) {
        self.upkeep.looks = true;
        let deadline = self.now().saturating_add(LOOK_EVERY);
        self.timers.insert(deadline, Due::Instances);
    }

    /// Looks for functions that nobody calls any more.
    pub fn look_at_instances(&mut self) {
        self.upkeep.looks = false;
        let cell = self.cell().cloned();
        let look = |instances: &mut Instances| instances.look(cell.as_ref());
        let seen: Vec<Seen> = self.all_instances().map(look).collect();
        if seen.contains(&Seen::Something) {
            self.look_later();
        }
        if seen.contains(&Seen::Gone) {
            self.keep_house_soon();
        }
    }

    /// Does a pool have instances here that it wants to find again?
    pub fn has_seated_instances(&mut self) -> bool {
        self.all_instances().any(|instances| instances.is_seated())
    }

    /// Whoever has this slot sees to the bound of its pool from now on, if nobody does.
    #[inline]
    pub fn adapt_for(&mut self, slot: &mut CallSlot) {
        if slot.takes_ticks() {
            let function = slot.function().clone();
            let at = self.adapting.insert(function);
            self.adapt_later(at);
        }
    }

    fn adapt_later(&mut self, at: u32) {
        let deadline = self.now().saturating_add(ADAPT_EVERY);
        self.timers.insert(deadline, Due::Adapt(at));
    }

    /// The bound of an adaptive pool is due for a look.
    pub fn adapt(&mut self, at: u32) {
        let Some(function) = self.adapting.get(at) else { return };
        match function.clone().adapt() {
            true => self.adapt_later(at),
            false => {
                self.adapting.remove(at);
                // Perhaps that was all that kept this VM.
                self.keep_house_soon();
            }
        }
    }
}

/// Makes an instance: fresh globals, and in them the libraries.
///
/// # Errors
/// What a library raises. The first call will hear the same.
pub fn prepare(vm: VmPointer<VmData>, prepare: &Prepare) -> Result<()> {
    let function = prepare.seat.function();
    let definition = definition(function)?;
    let data = vm.get();
    let chunk = data.chunk(&definition)?;
    let host = data.host(&function.host);
    let mut process = Process::new(data.kernel.pids.next_of(&mut data.pids, function.host.id));
    (process.chunk, process.host) = (chunk, host);
    let (thread, anchor) = data.take_thread();
    data.fresh_globals(thread, chunk);
    // The libraries run as a process that nobody else knows.
    let id = data.processes.insert(process);
    let main = data.new_coroutine(id, thread, anchor);
    data.processes[id].main = main;
    let (ran, _) = process::run_body(vm, id, main, || process::run_libraries(vm, chunk, thread));
    let data = vm.get();
    if ran.is_ok() {
        thread.push_value(State::GLOBALS);
        let globals = thread.anchor();
        data.own_instances(chunk, function);
        data.give_instance(chunk, Instance { globals, method: None });
    }
    thread.set_top(0);
    data.discard(id);
    ran
}
