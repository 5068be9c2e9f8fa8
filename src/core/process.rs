//! The process table: which PIDs are alive, where they live, who watches them.
//!
//! Sharded by the PID's number, so that workers rarely meet: numbers are given to VMs in blocks, and
//! the numbers of a block lie in one shard. A shard's lock is held for a look-up and a push, never across
//! Lua, and may be taken inside a lane's lock; inside it only a VM's event queue is locked.
//!
//! A process is alive from [`ProcessTable::insert`] to [`ProcessTable::remove`]: both happen on the
//! worker that runs its VM. A package accepted in between is in the VM's queue before the process
//! can be removed, so "accepted" and "ended first" never mix.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;

use crate::core::pid::{HostId, Pid, PidBlock};
use crate::core::relay::package::{Package, Refusal, Refused};
use crate::core::vm::{Event, VmCell};

/// What the rest of the system knows about a live process.
pub struct Control {
    pub pid: Pid,
    pub vm: Arc<VmCell>,
    /// The process that spawned it; `Pid::NONE` for roots.
    pub parent: Pid,
    /// Who gets an EXIT when it ends, in order of asking. Mostly nobody, or the parent.
    pub watchers: SmallVec<[Pid; 1]>,
    /// What most processes do not have.
    bonds: Option<Box<Bonds>>,
}

/// Links and names of a process.
#[derive(Default)]
pub struct Bonds {
    /// Both directions of each link are kept, one at each end.
    pub links: Vec<Pid>,
    /// Names registered for it, released when it ends.
    pub names: Vec<Arc<str>>,
}

impl Control {
    pub fn new(pid: Pid, vm: Arc<VmCell>) -> Control {
        Control { pid, vm, parent: Pid::NONE, watchers: SmallVec::new(), bonds: None }
    }

    pub fn links(&self) -> &[Pid] {
        self.bonds.as_ref().map_or(&[], |bonds| &bonds.links)
    }

    pub fn names(&self) -> &[Arc<str>] {
        self.bonds.as_ref().map_or(&[], |bonds| &bonds.names)
    }

    /// Links and names, to be added to.
    pub fn bonds(&mut self) -> &mut Bonds {
        self.bonds.get_or_insert_default()
    }

    /// Links and names, if it has any: to take some away.
    pub fn bonds_mut(&mut self) -> Option<&mut Bonds> {
        self.bonds.as_deref_mut()
    }
}

const SHARDS: usize = 64;
/// A shard with room for fewer processes than this keeps it.
const SHARD_KEPT: usize = 1024;

/// Boxed: half of a hash table is empty places.
type Shard = Mutex<FxHashMap<u64, Box<Control>>>;

/// All live processes of this node.
pub struct ProcessTable {
    shards: Box<[Shard]>,
}

impl Default for ProcessTable {
    fn default() -> ProcessTable {
        ProcessTable::new()
    }
}

impl ProcessTable {
    pub fn new() -> ProcessTable {
        ProcessTable { shards: (0..SHARDS).map(|_| Mutex::default()).collect() }
    }

    fn shard(&self, pid: Pid) -> &Shard {
        &self.shards[(pid.uniq() / PidBlock::MAX) as usize % SHARDS]
    }

    /// Makes the process routable. `false`: there is one with its number, which stays.
    #[must_use]
    pub fn insert(&self, control: Control) -> bool {
        match self.shard(control.pid).lock().entry(control.pid.uniq()) {
            Entry::Vacant(place) => place.insert(Box::new(control)),
            Entry::Occupied(_) => return false,
        };
        true
    }

    /// Makes a process routable that its VM has still to start: the event that says so is in the VM's
    /// queue before any package for it. The caller wakes the VM. `false`: there is one with its number,
    /// which stays.
    #[must_use]
    pub fn insert_unstarted(&self, control: Control, start: Event) -> bool {
        match self.shard(control.pid).lock().entry(control.pid.uniq()) {
            Entry::Vacant(place) => {
                control.vm.post(start);
                place.insert(Box::new(control));
                true
            }
            Entry::Occupied(_) => false,
        }
    }

    /// Makes the process unroutable and hands out what has to be told about it.
    pub fn remove(&self, pid: Pid) -> Option<Box<Control>> {
        let mut shard = self.shard(pid).lock();
        let control = shard.remove(&pid.uniq());
        // After a burst. By so much that it pays off: the next one would have to grow it again.
        if shard.capacity() > SHARD_KEPT && shard.len() < shard.capacity() / 16 {
            let room = shard.capacity() / 4;
            shard.shrink_to(room);
        }
        control
    }

    /// Forgets all processes, and frees their VMs. Only when no worker runs any more.
    pub fn clear(&self) {
        for shard in &self.shards {
            let controls = std::mem::take(&mut *shard.lock());
            // Not under the lock: what goes may look for others here.
            controls.values().for_each(|control| control.vm.uninstall());
        }
    }

    /// Looks at, or changes, the control block of a live process. `f` must be short.
    pub fn with<R>(&self, pid: Pid, f: impl FnOnce(&mut Control) -> R) -> Option<R> {
        let mut shard = self.shard(pid).lock();
        let control = shard.get_mut(&pid.uniq()).filter(|control| control.pid == pid)?;
        Some(f(control))
    }

    pub fn is_alive(&self, pid: Pid) -> bool {
        self.with(pid, |_| ()).is_some()
    }

    /// Puts a package into the event queue of its target's VM and returns that VM, to be woken.
    pub fn deliver(&self, package: Package) -> Result<Arc<VmCell>, Refused> {
        let mut package = Some(package);
        let to = package.as_ref().map_or(Pid::NONE, |p| p.to);
        let posted = self.with(to, |control| match package.take() {
            Some(taken) => match control.vm.try_post(taken) {
                Ok(()) => Some(control.vm.clone()),
                Err(back) => {
                    package = Some(back);
                    None
                }
            },
            None => None,
        });
        match (posted, package) {
            (Some(Some(vm)), _) => Ok(vm),
            (Some(None), Some(package)) => Err(Refused { package, reason: Refusal::Busy }),
            (None, Some(package)) => Err(Refused { package, reason: Refusal::NoProcess }),
            (_, None) => unreachable!("a package that was not posted is still here"),
        }
    }

    /// Posts an event for `pid` to its VM, whatever the bound. `None`: the process has ended.
    pub fn post(&self, pid: Pid, event: Event) -> Option<Arc<VmCell>> {
        self.with(pid, |control| {
            control.vm.post(event);
            control.vm.clone()
        })
    }

    /// The VM a process lives in.
    pub fn vm_of(&self, pid: Pid) -> Option<Arc<VmCell>> {
        self.with(pid, |control| control.vm.clone())
    }

    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| shard.lock().is_empty())
    }

    /// Live processes of a host. A look at every shard: for shutdown, not for traffic.
    pub fn on_host(&self, host: HostId) -> Vec<Pid> {
        self.matching(|control| control.pid.host() == host)
    }

    /// Live children of a process, in no order.
    pub fn children(&self, parent: Pid) -> Vec<Pid> {
        self.matching(|control| control.parent == parent)
    }

    fn matching(&self, wanted: impl Fn(&Control) -> bool) -> Vec<Pid> {
        let mut found = Vec::new();
        for shard in &self.shards {
            found.extend(shard.lock().values().filter(|c| wanted(c)).map(|c| c.pid));
        }
        found
    }
}
