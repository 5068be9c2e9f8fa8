//! The pool of VMs, and which of them gets a new process.
//!
//! Talking within a VM is several times cheaper than across, but processes of one VM never run at the
//! same time. So:
//!
//! 1. A process whose kind has always ended quickly is started right where its parent lives.
//! 2. Of those that may run long, the first child of a parent stays with it too: a pair that talks is
//!    the common case. Further ones go to the next VM in turn: a parent that starts many wants them
//!    to run at the same time. The more there are, the longer are the [runs](Spread) of siblings that
//!    share a VM: neighbours talk to each other more than others, in rings, pipelines and groups.
//! 3. A parent that cannot wait (in a chunk body, a metamethod) keeps its children.
//!
//! The figures behind the constants are in ARCHITECTURE.md.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::RwLock;

use crate::core::scheduler::Handle;
use crate::core::vm::{Event, Start, VmCell};
use crate::infra::error::Result;
use crate::runtime::engine::chunk::{Definition, Habit};
use crate::runtime::engine::instances::Prepare;
use crate::runtime::engine::vm::{LuaVm, VmData};
use crate::system::functions::CallSlot;
use crate::system::host::Seat;
use crate::system::kernel::Kernel;
use crate::system::spawn::{SpawnReply, SpawnRequest, Spawner};

/// Processes one VM may hold before new ones go elsewhere. A little below what its tables have room
/// for when their size is 4096, so that none has to double.
const POPULATION_MAX: usize = 3500;
/// VMs opened for each worker before processes share them.
const VMS_PER_WORKER: usize = 2;
/// Messages and events posted to a VM that it has not taken yet.
const INCOMING_MAX: usize = 4096;

pub struct VmPool {
    kernel: Arc<Kernel>,
    vms: RwLock<Vec<Arc<VmCell>>>,
    turn: AtomicUsize,
    this: Weak<VmPool>,
}

/// Siblings that go to one VM in a row, at most.
const RUN_MAX: u32 = 64;
/// Runs for each VM before they get twice as long: no VM has an eighth more of a parent's children than
/// another.
const RUNS_PER_VM: u32 = 8;

/// How a process spreads its children, of those that may run long.
#[derive(Clone, Copy, Debug, Default)]
pub struct Spread {
    /// How many there have been.
    children: u32,
    /// Whose turn it was last.
    turn: u32,
}

impl Spread {
    /// One more child; `next` takes the next turn. Returns whose turn it is.
    fn add(&mut self, vms: usize, next: impl FnOnce() -> usize) -> usize {
        let level = self.children / (vms.max(1) as u32).saturating_mul(RUNS_PER_VM);
        let run = (1 << level.max(1).ilog2()).min(RUN_MAX);
        if self.children.is_multiple_of(run) {
            self.turn = next() as u32;
        }
        self.count();
        self.turn as usize
    }

    fn count(&mut self) {
        self.children = self.children.saturating_add(1);
    }
}

/// What placement needs to know of a process that spawns.
pub struct Parent<'a> {
    /// Number of its VM, and the processes in there.
    pub vm: usize,
    pub population: usize,
    pub spread: &'a mut Spread,
    /// It can be suspended until another VM has started the child.
    pub can_wait: bool,
}

impl Parent<'_> {
    /// Does a child of `definition` stay in the VM of its parent? Asked first, because it needs no
    /// pool: most spawns end here.
    pub fn keeps(&mut self, definition: &Definition) -> bool {
        if !self.can_wait {
            return true;
        }
        let has_room = self.population < POPULATION_MAX;
        match definition.cost.habit() {
            Habit::Short => has_room,
            Habit::MayBeLong => {
                let first = self.spread.children == 0;
                if first {
                    self.spread.count();
                }
                first && has_room
            }
        }
    }
}

/// Where a process goes.
pub enum Place {
    /// Into the VM of its parent.
    Here,
    There(Arc<VmCell>),
}

impl VmPool {
    pub fn new(kernel: Arc<Kernel>) -> Arc<VmPool> {
        Arc::new_cyclic(|this| VmPool {
            kernel,
            vms: RwLock::default(),
            turn: AtomicUsize::new(0),
            this: this.clone(),
        })
    }

    /// Chooses a VM for a process; its `parent`, if it has one, has been asked whether it
    /// [keeps](Parent::keeps) it.
    pub fn place(&self, parent: Option<Parent<'_>>, isolated: bool) -> Result<Place> {
        if isolated {
            // In no list: it is freed with its process.
            return self.open(true).map(Place::There);
        }
        let next_turn = || self.turn.fetch_add(1, Ordering::Relaxed);
        let Some(parent) = parent else {
            return self.next(next_turn()).map(Place::There);
        };
        let vm = self.next(parent.spread.add(self.wanted(), next_turn))?;
        Ok(if parent.vm == vm.number { Place::Here } else { Place::There(vm) })
    }

    /// The next VM in turn that has room: one of the first few, so that those a burst has opened
    /// beyond them run empty; a new one while there are few or all are full.
    fn next(&self, turn: usize) -> Result<Arc<VmCell>> {
        let wanted = self.wanted();
        {
            let vms = self.vms.read();
            let has_room = |vm: &&Arc<VmCell>| vm.population() < POPULATION_MAX;
            if vms.len() >= wanted {
                let mut in_turn = (0..wanted).map(|i| &vms[turn.wrapping_add(i) % wanted]);
                let roomy = in_turn.find(has_room);
                if let Some(vm) = roomy.or_else(|| vms[wanted..].iter().find(has_room)) {
                    return Ok(vm.clone());
                }
            }
        }
        let vm = self.open(false)?;
        self.vms.write().push(vm.clone());
        Ok(vm)
    }

    /// VMs that are kept open.
    fn wanted(&self) -> usize {
        self.kernel.scheduler.workers() * VMS_PER_WORKER
    }

    /// Takes a VM without processes out of the pool, if enough others stay. It is freed when nothing
    /// refers to it any more: a process that was sent to it in this moment still lives its life there.
    pub fn retire(&self, cell: &Arc<VmCell>) -> bool {
        let mut vms = self.vms.write();
        let at = vms.iter().position(|vm| Arc::ptr_eq(vm, cell));
        match at.filter(|_| vms.len() > self.wanted()) {
            Some(at) => {
                vms.remove(at);
                true
            }
            None => false,
        }
    }

    /// Opens a VM, for one process or for many.
    fn open(&self, alone: bool) -> Result<Arc<VmCell>> {
        let cell = VmCell::new(INCOMING_MAX);
        let (vm, interrupt) =
            LuaVm::create(self.kernel.clone(), self.this.clone(), Seat::of_vm(cell.number))?;
        let vm = if alone { vm.for_one() } else { vm };
        cell.install(Box::new(vm), Box::new(interrupt));
        Ok(cell)
    }

    /// Has every VM that is open for sharing collect what its processes have left.
    pub fn collect_soon(&self) {
        for vm in &*self.vms.read() {
            visit(&self.kernel.scheduler, vm, |data| data.main.collect());
        }
    }

    /// How many VMs are open for sharing.
    pub fn len(&self) -> usize {
        self.vms.read().len()
    }

    pub fn is_empty(&self) -> bool {
        self.vms.read().is_empty()
    }

    /// Lets go of all VMs: they end with the last event and queue entry that holds them.
    pub fn close(&self) {
        self.vms.write().clear();
    }

    /// Sends a start to the VM that will hold the process.
    pub fn start_in(&self, vm: &Arc<VmCell>, request: SpawnRequest, reply: SpawnReply) {
        vm.post(Event::Start(Box::new(Start { spec: Box::new(request), reply })));
        self.kernel.scheduler.notify(vm);
    }
}

/// Has `look` called with the data of a VM when a worker comes to it, which is soon, also while the VM
/// is busy. It must not block.
pub fn visit(
    scheduler: &Handle,
    vm: &Arc<VmCell>,
    look: impl FnOnce(&mut VmData) + Send + 'static,
) {
    vm.post(Event::Visit(Box::new(move |data| {
        if let Some(data) = data.downcast_mut::<VmData>() {
            look(data);
        }
    })));
    scheduler.notify(vm);
}

impl Spawner for VmPool {
    fn prepare(&self, seat: CallSlot) {
        if let Ok(Place::There(vm)) = self.place(None, false) {
            seat.settle(&vm);
            let reply = Box::new(|_| ());
            vm.post(Event::Start(Box::new(Start { spec: Box::new(Prepare { seat }), reply })));
            self.kernel.scheduler.notify(&vm);
        }
    }

    fn spawn(&self, request: SpawnRequest, reply: SpawnReply) {
        match self.place(None, request.host.isolated()) {
            Ok(Place::There(vm)) => self.start_in(&vm, request, reply),
            // Without a parent there is no "here".
            Ok(Place::Here) => {
                request.host.leave(Seat::OUTSIDE);
                reply(Err(crate::infra::error::Error::internal("no VM for the process")));
            }
            Err(error) => {
                request.host.leave(Seat::OUTSIDE);
                reply(Err(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Turns of the first `children`, for so many VMs.
    fn turns(vms: usize, children: usize) -> Vec<usize> {
        let (mut spread, mut turn) = (Spread::default(), 0);
        let mut next = || {
            turn += 1;
            turn - 1
        };
        (0..children).map(|_| spread.add(vms, &mut next)).collect()
    }

    #[test]
    fn a_few_children_go_to_a_vm_each() {
        assert_eq!(turns(4, 16), Vec::from_iter(0..16));
        assert_eq!(turns(1, 4), Vec::from_iter(0..4));
    }

    #[test]
    fn very_many_go_in_runs() {
        let turns = turns(4, 10_000);
        let changes = turns.windows(2).filter(|pair| pair[0] != pair[1]).count();
        assert!(changes < 10_000 / 20, "{changes} changes of VM");
        let longest = turns.chunk_by(|a, b| a == b).map(<[usize]>::len).max();
        assert_eq!(longest, Some(RUN_MAX as usize));
    }

    #[test]
    fn no_vm_has_much_more_than_another() {
        for vms in [1, 2, 3, 4, 128] {
            let turns = turns(vms, 5_000);
            let mut held = vec![0_usize; vms];
            for (n, turn) in turns.iter().enumerate() {
                held[turn % vms] += 1;
                let (least, most) = (held.iter().min().unwrap(), held.iter().max().unwrap());
                let allowed = 1 + n / (vms * RUNS_PER_VM as usize);
                assert!(most - least <= allowed, "{vms} VMs, {n} children: {least} to {most}");
            }
        }
    }
}
