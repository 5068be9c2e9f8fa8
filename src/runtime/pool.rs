//! The pool of VMs, and which of them gets a new process.
//!
//! Talking within a VM is several times cheaper than across, but processes of one VM never run at the
//! same time. So:
//!
//! 1. A process whose kind has always ended quickly is started right where its parent lives.
//! 2. Of those that may run long, the first child of a parent stays with it too: a pair that talks is
//!    the common case. Further ones go to the next VM in turn: a parent that starts many wants them
//!    to run at the same time.
//! 3. A parent that cannot wait (in a chunk body, a metamethod) keeps its children.
//!
//! The figures behind the constants are in ARCHITECTURE.md.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::RwLock;

use crate::core::vm::{Event, Start, VmCell};
use crate::infra::error::Result;
use crate::runtime::engine::chunk::{Definition, Habit};
use crate::runtime::engine::vm::LuaVm;
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

/// What placement needs to know of a process that spawns.
#[derive(Clone, Copy)]
pub struct Parent {
    /// Number of its VM, and the processes in there.
    pub vm: usize,
    pub population: usize,
    /// It has spawned a process before that may run long.
    pub has_unknown_child: bool,
    /// It can be suspended until another VM has started the child.
    pub can_wait: bool,
}

impl Parent {
    /// Does a child of `definition` stay in the VM of its parent? Asked first, because it needs no
    /// pool: most spawns end here.
    pub fn keeps(&self, definition: &Definition) -> bool {
        !self.can_wait
            || ((definition.cost.habit() == Habit::Short || !self.has_unknown_child)
                && self.population < POPULATION_MAX)
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

    /// Chooses a VM for a process of `definition`, spawned by a process if there is a `parent`.
    pub fn place(
        &self,
        parent: Option<Parent>,
        definition: &Definition,
        isolated: bool,
    ) -> Result<Place> {
        if isolated {
            // In no list: it is freed with its process.
            return self.open().map(Place::There);
        }
        if parent.is_some_and(|parent| parent.keeps(definition)) {
            return Ok(Place::Here);
        }
        let next = self.next()?;
        match parent {
            Some(parent) if parent.vm == next.number => Ok(Place::Here),
            _ => Ok(Place::There(next)),
        }
    }

    /// The next VM in turn that has room: one of the first few, so that those a burst has opened
    /// beyond them run empty; a new one while there are few or all are full.
    fn next(&self) -> Result<Arc<VmCell>> {
        let wanted = self.wanted();
        {
            let vms = self.vms.read();
            let has_room = |vm: &&Arc<VmCell>| vm.population() < POPULATION_MAX;
            if vms.len() >= wanted {
                let start = self.turn.fetch_add(1, Ordering::Relaxed);
                let mut in_turn = (0..wanted).map(|i| &vms[(start + i) % wanted]);
                let roomy = in_turn.find(has_room);
                if let Some(vm) = roomy.or_else(|| vms[wanted..].iter().find(has_room)) {
                    return Ok(vm.clone());
                }
            }
        }
        let vm = self.open()?;
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

    /// Opens a VM.
    fn open(&self) -> Result<Arc<VmCell>> {
        let cell = VmCell::new(INCOMING_MAX);
        let (vm, interrupt) =
            LuaVm::create(self.kernel.clone(), self.this.clone(), Seat::of_vm(cell.number))?;
        cell.install(Box::new(vm), Box::new(interrupt));
        Ok(cell)
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

impl Spawner for VmPool {
    fn spawn(&self, request: SpawnRequest, reply: SpawnReply) {
        let placed = match request.blueprint.downcast_ref::<Definition>() {
            Some(definition) => self.place(None, definition, request.host.isolated()),
            None => Err(crate::infra::error::Error::internal("failed to create process")),
        };
        match placed {
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
