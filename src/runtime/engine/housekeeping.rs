//! What a VM does once it has been idle for a while: it collects its garbage, and gives back memory
//! that a burst has left.
//!
//! Luau collects while a program allocates. One that has come to rest keeps what it left behind, and a
//! VM that held thousands of processes keeps room for thousands. A second after the last work the VM
//! wakes up once more, collects in small steps between other VMs' slices, and sleeps for good. A VM
//! without any process leaves the pool, if that has enough others, and is freed.

use crate::core::vm::Slice;
use crate::infra::clock::Nanos;
use crate::runtime::engine::instances::Instances;
use crate::runtime::engine::vm::VmData;

/// How long a VM must have been idle.
const IDLE_TIME: Nanos = 1_000_000_000;
/// Work of the collector between two looks at the clock, in KiB of memory dealt with.
const STEP_KIB: i32 = 256;
/// Collections that leave no garbage: what the first one finds dead may hold other things, see
/// [`Anchor`](crate::runtime::engine::raw::Anchor).
const COLLECTIONS: u32 = 2;
/// A heap that has grown by less than this is left alone.
const WORTH: usize = 256 << 10;

/// When to tidy up, and how far that has come.
#[derive(Default)]
pub struct Housekeeping {
    /// Not before this; `None`: nothing to do.
    pub due: Option<Nanos>,
    collections: u32,
    /// Size of the heap after the last time.
    heap: usize,
    /// The pool has let go of this VM.
    pub retired: bool,
}

impl VmData {
    /// At the end of a slice that leaves nothing to run. `worked`: some process ran in it.
    ///
    /// `true`: there is more to do, in a further slice.
    pub fn keep_house(&mut self, slice: &Slice<'_>, worked: bool) -> bool {
        if worked {
            let grown = self.main.memory() > self.housekeeping.heap + WORTH;
            self.housekeeping.collections = 0;
            self.housekeeping.due =
                (grown || self.by_uniq.is_empty()).then(|| slice.now + IDLE_TIME);
            return false;
        }
        if self.housekeeping.due.is_none_or(|due| slice.now < due) {
            return false;
        }
        while self.housekeeping.collections < COLLECTIONS {
            if self.main.collect_step(STEP_KIB) {
                self.housekeeping.collections += 1;
            }
            // Finalizers leave channels to be freed, which let go of more.
            self.bury();
            if self.now() >= slice.until {
                return true;
            }
        }
        self.housekeeping = Housekeeping { heap: self.main.memory(), ..Housekeeping::default() };
        self.give_room_back();
        if self.is_vacant()
            && let Some(pool) = self.pool.upgrade()
        {
            self.housekeeping.retired = pool.retire(slice.cell);
            if self.housekeeping.retired {
                // No call comes here any more, however often others of the function are called: those
                // that are left would be looked at for ever.
                self.all_instances().for_each(Instances::clear);
            }
        }
        self.kernel.scheduler.release_memory();
        false
    }

    /// There may be something to collect although no process has run.
    pub fn keep_house_soon(&mut self) {
        let due = self.now().saturating_add(IDLE_TIME);
        self.housekeeping.collections = 0;
        self.housekeeping.due.get_or_insert(due);
    }

    /// No process lives here, and nothing that functions want to find again.
    fn is_vacant(&mut self) -> bool {
        self.by_uniq.is_empty() && self.adapting.is_empty() && !self.has_seated_instances()
    }

    fn give_room_back(&mut self) {
        self.processes.shrink();
        self.coroutines.shrink();
        self.channels.shrink();
        self.by_uniq.shrink_to_fit();
        self.suspects.shrink_to_fit();
        self.local_mail.shrink_to_fit();
        self.scratch = Vec::new();
    }
}
