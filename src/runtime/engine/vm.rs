//! The VM: a Lua state, its processes, and the loop that runs them.

use std::any::Any;
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use rustc_hash::FxHashMap;

use crate::core::pid::{Pid, PidBlock};
use crate::core::reactor::timers::Timers;
use crate::core::relay::Package;
use crate::core::scheduler::stats::bump;
use crate::core::vm::{Event, Interrupt, Slice, SliceEnd, Vm, VmCell};
use crate::infra::clock::Nanos;
use crate::infra::error::{Error, Result};
use crate::infra::memory;
use crate::infra::transcoder::keys::KeyId;
use crate::runtime::engine::addresses::Addresses;
use crate::runtime::engine::calls::{Callees, Outgoing, Served};
use crate::runtime::engine::channel::{Channel, Graveyard};
use crate::runtime::engine::chunk::Definition;
use crate::runtime::engine::coroutine::{self, Break, Coroutine, Wait};
use crate::runtime::engine::env::Environments;
use crate::runtime::engine::housekeeping::Housekeeping;
use crate::runtime::engine::instances::{self, Prepare, Upkeep};
use crate::runtime::engine::launch::Starts;
use crate::runtime::engine::loaded::{Chunks, TURNS_THAT_TELL};
use crate::runtime::engine::mail::unix_now;
use crate::runtime::engine::process::{self, Process, Spec};
use crate::runtime::engine::raw::{Anchor, Guard, InterruptSwitch, State, VmPointer};
use crate::runtime::engine::recipes::Recipes;
use crate::runtime::engine::slab::{NONE, Slab32};
use crate::runtime::engine::topic::Topics;
use crate::runtime::engine::{calls, env, wire};
use crate::runtime::pool::VmPool;
use crate::system::functions::Function;
use crate::system::host::{Host, Seat};
use crate::system::kernel::Kernel;
use crate::system::spawn::SpawnRequest;

/// Coroutine switches between two looks at the clock and at the event queue.
const SWITCHES_PER_LOOK: u32 = 32;
/// A collection ends before the heap has grown to this percentage of what was alive.
///
/// Luau's 200 does not fit us: the body of a message hangs in the registry until the collector has
/// found its message object dead, and so counts as alive for one more cycle. With a share `f` of such
/// memory, `h = goal * (alive + f * h * (1 - 1/goal))`: at 200 the heap grows without bound as `f`
/// nears one (150 MB seen under the echo load, flat 10 MB at 150, at the same throughput).
const GC_GOAL: i32 = 150;
/// Allocations between two steps of a collection, in KiB: a step takes some tens of microseconds.
const GC_STEP: i32 = 16;
/// What a collection deals with, in percent of what is allocated meanwhile.
const GC_EFFORT: i32 = 200;
/// Both while the program uses more memory than it should: much more work for little garbage.
const GC_SHORT: (i32, i32) = (115, 1000);
/// Finished threads kept for the next processes.
const THREADS_KEPT: usize = 64;

/// What a timer does when it fires.
#[derive(Clone, Copy, Debug)]
pub enum Due {
    /// Wakes a sleeping coroutine.
    Sleep(u32),
    /// Feeds a channel.
    Channel(u32),
    /// Makes a call again.
    Retry(u32),
    /// A call has taken too long.
    Timeout(u32),
    /// Instances of functions that nobody calls may go.
    Instances,
    /// The bound of a pool is looked at.
    Adapt(u32),
}

/// Field names that results and events are made of, as Lua strings.
pub struct Keys {
    pub channel: Anchor,
    pub value: Anchor,
    pub ok: Anchor,
    pub kind: Anchor,
    pub from: Anchor,
    pub at: Anchor,
    pub result: Anchor,
    pub exit: Anchor,
    pub link_down: Anchor,
}

/// Everything of a VM but the worker's view of it. Reached from host functions.
pub struct VmData {
    pub main: State,
    pub kernel: Arc<Kernel>,
    /// Where new processes go; gone once the runtime shuts down.
    pub pool: Weak<VmPool>,
    pub processes: Slab32<Process>,
    pub coroutines: Slab32<Coroutine>,
    pub channels: Slab32<Channel>,
    pub timers: Timers<Due>,
    pub by_uniq: FxHashMap<u64, u32>,
    /// Numbers set aside for the next processes.
    pub pids: PidBlock,
    /// Hosts of the processes in here.
    pub hosts: Vec<Arc<Host>>,
    seat: Seat,
    pub recipes: Recipes,
    /// Functions called lately.
    pub callees: Callees,
    /// Calls that run elsewhere, or as futures.
    pub outgoing: Slab32<Outgoing>,
    /// Unix time in seconds, as of the last look at the clock.
    pub unix_now: f64,
    /// Messages that have come so far.
    pub arrivals: u64,
    pub topics: Topics,
    pub addresses: Addresses,
    /// Where messages to other VMs are written before they get a buffer of their length.
    pub scratch: Vec<u8>,
    pub environments: Environments,
    pub keys: Keys,
    /// Templates: a shallow copy of a table that has its fields is cheaper than growing one.
    pub select_result: Anchor,
    pub exit_event: Anchor,
    /// Weak table: place of a channel + 1 -> its object.
    pub objects: Anchor,
    pub graveyard: NonNull<Graveyard>,
    /// Owner of channels whose process has ended while objects of them exist.
    pub limbo: u32,
    /// Lifecycle packages between processes of this VM.
    pub local_mail: VecDeque<Package>,
    /// Values in the buffers of all channels.
    pub buffered: usize,
    /// The process and the coroutine that run at the moment.
    pub current: u32,
    pub running: u32,
    pub starts: Starts,
    /// When the running chunk body has to be done, in time of the thread that runs it; unknown until
    /// the ticker has looked at it.
    pub chunk_deadline: Option<Nanos>,
    pub broke: Break,
    /// A resume that could not be interrupted: its number, and since when, in time of its thread.
    pub held: (u64, Nanos),
    pub generation: u32,
    /// Processes that lost a timer while some of their coroutines wait for nothing: perhaps the last
    /// thing that could have happened to them.
    pub suspects: Vec<u32>,
    pub housekeeping: Housekeeping,
    pub upkeep: Upkeep,
    /// Functions whose pools this VM looks after.
    pub adapting: Slab32<Arc<Function>>,
    /// Processes without an actor and a scope may do nothing.
    pub is_strict: bool,
    /// Its collector works as if memory were short.
    is_short: bool,
    /// Size that the heap may have, if the one process of this VM has a limit.
    pub memory_limit: Option<usize>,
    /// It was made for one process, and whatever that must keep with it.
    pub alone: bool,
    ready: VecDeque<u32>,
    /// The process that the running one has woken last, before those in the queue.
    next: u32,
    /// How many of those have had their turn in a row.
    hops: u32,
    pub chunks: Chunks,
    /// Processes started by the one whose turn it is, in this turn.
    pub born: u32,
    threads: Vec<(State, Anchor)>,
    /// Of the running slice.
    resumes: Option<NonNull<AtomicU64>>,
    cell: Option<NonNull<Arc<VmCell>>>,
}

/// Processes in a row that get their turn because the one before has woken them.
const HOPS_MAX: u32 = 32;
impl VmData {
    fn new(main: State, kernel: Arc<Kernel>, pool: Weak<VmPool>, seat: Seat) -> VmData {
        let text = |name: &str| {
            main.push_str(name);
            main.anchor()
        };
        let keys = Keys {
            channel: text("channel"),
            value: text("value"),
            ok: text("ok"),
            kind: text("kind"),
            from: text("from"),
            at: text("at"),
            result: text("result"),
            exit: text("pid.exit"),
            link_down: text("pid.link.down"),
        };
        let template = |fields: &[&str]| {
            main.new_table(0, fields.len());
            for field in fields {
                main.push_bool(false);
                main.set_field(-2, field);
            }
            main.anchor()
        };
        let select_result = template(&["channel", "value", "ok"]);
        let exit_event = template(&["kind", "from", "at", "result"]);
        main.new_table(0, 0);
        main.new_table(0, 1);
        main.push_str("v");
        main.set_field(-2, "__mode");
        main.set_metatable(-2);
        let objects = main.anchor();
        let mut processes = Slab32::default();
        let is_strict = kernel.security.strict;
        let limbo = processes.insert(Process::new(Pid::NONE));
        VmData {
            main,
            kernel,
            pool,
            processes,
            coroutines: Slab32::default(),
            channels: Slab32::default(),
            timers: Timers::default(),
            by_uniq: FxHashMap::default(),
            pids: PidBlock::default(),
            hosts: Vec::new(),
            seat,
            recipes: Recipes::default(),
            callees: Callees::default(),
            outgoing: Slab32::default(),
            unix_now: unix_now(),
            arrivals: 0,
            topics: Topics::default(),
            addresses: Addresses::default(),
            scratch: Vec::new(),
            environments: Environments::default(),
            keys,
            select_result,
            exit_event,
            objects,
            graveyard: NonNull::from(Box::leak(Box::new(Graveyard::default()))),
            limbo,
            local_mail: VecDeque::new(),
            buffered: 0,
            current: NONE,
            running: NONE,
            starts: Starts::default(),
            chunk_deadline: None,
            broke: Break::default(),
            held: (0, 0),
            generation: 0,
            suspects: Vec::new(),
            housekeeping: Housekeeping::default(),
            upkeep: Upkeep::default(),
            adapting: Slab32::default(),
            is_strict,
            is_short: false,
            memory_limit: None,
            alone: false,
            ready: VecDeque::new(),
            next: NONE,
            hops: 0,
            chunks: Chunks::default(),
            born: 0,
            threads: Vec::new(),
            resumes: None,
            cell: None,
        }
    }

    pub fn now(&self) -> Nanos {
        self.kernel.scheduler.clock().now()
    }

    /// The cell of this VM, while it runs.
    #[inline]
    pub fn cell(&self) -> Option<&Arc<VmCell>> {
        // SAFETY: set from the slice's reference at its start, cleared at its end.
        self.cell.map(|cell| unsafe { cell.as_ref() })
    }

    /// Number of the running resume, on the worker that runs it.
    pub fn resume_count(&self) -> u64 {
        // SAFETY: as for `cell`.
        self.resumes.map_or(0, |n| unsafe { n.as_ref() }.load(Ordering::Relaxed))
    }

    #[inline]
    pub fn count_resume(&self) {
        if let Some(resumes) = self.resumes {
            // SAFETY: as for `cell`.
            bump(unsafe { resumes.as_ref() });
        }
    }

    /// Puts a process behind the ready ones.
    pub fn make_ready(&mut self, process: u32) {
        let woken = &mut self.processes[process];
        if std::mem::replace(&mut woken.queued, true) {
            return;
        }
        // Woken by the one that runs: what it was sent is still in the caches. One that has just been
        // started waits for its turn, so that siblings begin in order.
        let by_another = self.current != NONE && self.current != process && woken.turns > 0;
        match by_another {
            true => match std::mem::replace(&mut self.next, process) {
                NONE => {}
                earlier => self.ready.push_back(earlier),
            },
            false => self.ready.push_back(process),
        }
    }

    /// Takes the process whose turn it is: the one that the last one woke, but no more than some in a
    /// row, else the first in the queue.
    fn next_ready(&mut self) -> Option<u32> {
        let woken = std::mem::replace(&mut self.next, NONE);
        self.hops = if woken == NONE || self.hops >= HOPS_MAX { 0 } else { self.hops + 1 };
        match woken {
            NONE => {}
            id if self.hops > 0 => self.ready.push_front(id),
            id => self.ready.push_back(id),
        }
        while let Some(id) = self.ready.pop_front() {
            // The process may have ended, its place may belong to another by now.
            if let Some(process) = self.processes.get_mut(id) {
                process.queued = false;
                if process.ready_first != NONE {
                    return Some(id);
                }
            }
        }
        None
    }

    // -- hosts and threads ---------------------------------------------------------------------

    /// The place of a host of this VM's processes.
    pub fn host(&mut self, host: &Arc<Host>) -> u32 {
        let place = self.hosts.iter().position(|known| Arc::ptr_eq(known, host));
        let place = place.unwrap_or_else(|| {
            self.hosts.push(host.clone());
            self.hosts.len() - 1
        });
        place as u32
    }

    /// Counts a process in that is to be started here.
    pub fn enter_host(&self, host: u32) -> Result<()> {
        self.hosts[host as usize].enter(self.seat)
    }

    pub fn leave_host(&self, host: u32) {
        self.hosts[host as usize].leave(self.seat);
    }

    /// A thread for a new process: a finished one if there is one.
    pub fn take_thread(&mut self) -> (State, Anchor) {
        match self.threads.pop() {
            Some(kept) => kept,
            None => {
                let thread = self.main.new_thread();
                (thread, self.main.anchor())
            }
        }
    }

    /// Takes a process's main thread back, for reuse if it has come to its end.
    pub fn give_thread(&mut self, thread: State, anchor: Anchor) {
        if self.threads.len() < THREADS_KEPT && thread != self.main {
            thread.reset_thread();
            self.threads.push((thread, anchor));
        }
    }

    // -- events ---------------------------------------------------------------------------------

    fn fire_timers(&mut self, now: Nanos) {
        while let Some((deadline, due)) = self.timers.pop_due(now) {
            match due {
                Due::Sleep(coroutine) => {
                    if let Some(sleeper) = self.coroutines.get(coroutine)
                        && matches!(sleeper.wait, Wait::Sleep(_))
                    {
                        self.wake(coroutine, 0);
                    }
                }
                Due::Channel(channel) => {
                    crate::runtime::modules::time::fire(self, channel, deadline, now);
                }
                Due::Retry(call) => self.call_again(call),
                Due::Timeout(call) => self.call_timed_out(call),
                Due::Instances => self.look_at_instances(),
                Due::Adapt(pool) => self.adapt(pool),
            }
        }
    }
}

/// A Lua state as the scheduler runs it.
pub struct LuaVm {
    main: State,
    data: VmPointer<VmData>,
    events: Vec<Event>,
}

// SAFETY: everything in it belongs to one Lua state and is touched only by the worker that runs the
// VM; see the head of `raw`.
unsafe impl Send for LuaVm {}

/// Arms the VM's interrupt from the ticker.
pub struct LuaInterrupt(InterruptSwitch);

impl Interrupt for LuaInterrupt {
    fn arm(&self) {
        self.0.arm();
    }
}

impl LuaVm {
    /// A VM with an empty state, ready for processes.
    ///
    /// Its processes count at `seat` on their hosts.
    pub fn create(
        kernel: Arc<Kernel>,
        pool: Weak<VmPool>,
        seat: Seat,
    ) -> Result<(LuaVm, LuaInterrupt)> {
        let main = State::create().ok_or_else(|| Error::internal("no memory for a Lua state"))?;
        let _guard = Guard::enter(main);
        main.set_gc(GC_GOAL, GC_EFFORT);
        main.set_gc_step(GC_STEP);
        env::open_libraries(main);
        let data = VmPointer::install(main, VmData::new(main, kernel, pool, seat));
        env::build(data.get());
        main.set_break_hook(coroutine::on_break);
        main.set_numbering(|text| KeyId::of(text).map(KeyId::number));
        let interrupt = LuaInterrupt(main.interrupt_switch(coroutine::on_interrupt));
        Ok((LuaVm { main, data, events: Vec::new() }, interrupt))
    }

    /// It is for one process. Before it runs.
    pub fn for_one(self) -> LuaVm {
        self.data.get().alone = true;
        self
    }

    /// What belongs to the state. For tests, which enter the VM themselves.
    #[cfg(test)]
    pub fn data(&self) -> &mut VmData {
        self.data.get()
    }

    /// Takes what other threads have posted.
    fn take_events(&mut self, slice: &Slice<'_>) {
        let mut events = std::mem::take(&mut self.events);
        slice.cell.take(&mut events);
        for event in events.drain(..) {
            match event {
                Event::Package(package) => self.data.get().arrive(package),
                Event::Done { pid, tag, result } => self.complete(pid, tag, result),
                Event::News { pid, feed } => self.data.get().take_news(pid, &feed),
                Event::Visit(visit) => visit(self.data.get()),
                Event::Start(start) => {
                    let started = match start.spec.downcast::<SpawnRequest>() {
                        Ok(request) => self.start_or_end(*request),
                        Err(spec) => self.prepare(&*spec),
                    };
                    (start.reply)(started);
                }
            }
        }
        self.events = events;
        let data = self.data.get();
        data.unix_now = unix_now();
        data.kernel.mailbox.drain_for(slice.cell);
    }

    fn complete(&mut self, pid: Pid, tag: u64, result: Result<crate::core::vm::Answer>) {
        let data = self.data.get();
        if let Some(call) = calls::of_tag(tag) {
            return data.call_answered(call, result);
        }
        let Some(coroutine) = data.coroutine_of(tag) else { return };
        let process = data.coroutines[coroutine].process;
        if data.processes[process].pid != pid {
            return;
        }
        let inner = data.coroutines[coroutine].inner;
        let wait = std::mem::replace(&mut data.coroutines[coroutine].wait, Wait::None);
        if let Wait::Command(finish) = wait {
            let results = finish(data, inner, result);
            data.wake(coroutine, results);
        }
    }

    fn start_or_end(&mut self, request: SpawnRequest) -> Result<Pid> {
        let known = request.known;
        self.start(request).inspect_err(|error| {
            if let Some(pid) = known {
                self.data.get().end_unstarted(pid, error.clone());
            }
        })
    }

    fn start(&mut self, request: SpawnRequest) -> Result<Pid> {
        let data = self.data.get();
        let host = data.host(&request.host);
        request.host.move_in(data.seat);
        let definition = request.blueprint.downcast::<Definition>();
        let chunk = definition
            .map_err(|_| Error::internal("failed to create process"))
            .and_then(|definition| data.chunk(&definition))
            .inspect_err(|_| data.leave_host(host))?;
        let served = request.slot.map(|mut slot| {
            if let Some(cell) = data.cell() {
                slot.settle(cell);
            }
            data.adapt_for(&mut slot);
            Served::new(slot, None)
        });
        let extra = match (request.frame, request.on_end, request.terminal, served) {
            (None, None, None, None) => None,
            (frame, on_end, terminal, served) => {
                let rest = process::Extra::default();
                Some(Box::new(process::Extra { frame, on_end, terminal, served, ..rest }))
            }
        };
        let spec = Spec {
            chunk,
            host,
            parent: request.parent,
            monitor: request.monitor,
            link: request.link,
            extra,
            named: request.named,
            known: request.known,
        };
        let args = request.args;
        process::start(self.data, spec, |thread| Ok(wire::decode_all(thread, &args)))
    }

    /// Makes an instance of a function.
    fn prepare(&mut self, spec: &(dyn Any + Send)) -> Result<Pid> {
        let unknown = || Error::internal("a start request of an unknown kind");
        let prepare = spec.downcast_ref::<Prepare>().ok_or_else(unknown)?;
        instances::prepare(self.data, prepare).map(|()| Pid::NONE)
    }

    /// Delivers lifecycle packages between processes of this VM, and those they cause.
    fn deliver_local(&mut self) {
        while let Some(package) = self.data.get().local_mail.pop_front() {
            self.data.get().arrive(package);
        }
    }
}

impl Vm for LuaVm {
    fn run(&mut self, slice: &Slice<'_>) -> SliceEnd {
        let _guard = Guard::enter(self.main);
        let data = self.data.get();
        if data.is_short != memory::is_short() {
            data.is_short = !data.is_short;
            let (goal, effort) = if data.is_short { GC_SHORT } else { (GC_GOAL, GC_EFFORT) };
            data.main.set_gc(goal, effort);
        }
        data.resumes = Some(NonNull::from(slice.resumes));
        data.cell = Some(NonNull::from(slice.cell));
        let mut more = false;
        let mut worked = false;
        let mut now = slice.now;
        'slice: loop {
            self.take_events(slice);
            self.deliver_local();
            self.data.get().fire_timers(now);
            self.data.get().end_over_limit();
            process::end_deadlocked(self.data.get());
            let mut switches = 0;
            while let Some(id) = self.data.get().next_ready() {
                worked = true;
                let step = process::step(self.data, id);
                self.deliver_local();
                switches += step.switches;
                if step.overstayed || switches >= SWITCHES_PER_LOOK {
                    // Whoever overstays is told of as such.
                    let turns = if step.overstayed { 0 } else { switches };
                    now = self.data.get().look_back(turns, now);
                    if now >= slice.until {
                        more = true;
                        break 'slice;
                    }
                    continue 'slice;
                }
            }
            if switches >= TURNS_THAT_TELL {
                self.data.get().look_back(switches, now);
            }
            break;
        }
        let data = self.data.get();
        data.bury();
        process::end_deadlocked(data);
        more |= !data.local_mail.is_empty();
        more = more || data.keep_house(slice, worked);
        data.resumes = None;
        data.cell = None;
        let due = [data.timers.next_deadline(), data.housekeeping.due];
        SliceEnd { more, next_timer: due.into_iter().flatten().min() }
    }
}

impl Drop for LuaVm {
    fn drop(&mut self) {
        let _guard = Guard::closing();
        let graveyard = self.data.get().graveyard;
        let housekeeping = &self.data.get().housekeeping;
        let burst = housekeeping.retired.then(|| self.data.get().kernel.scheduler.clone());
        // SAFETY: the VM is being dropped: nothing runs in it, and host functions are the only
        // others who would look for its data.
        let data = unsafe { self.data.take() };
        for process in data.processes.iter() {
            if let Some(host) = data.hosts.get(process.host as usize) {
                host.leave(data.seat);
            }
        }
        drop(data);
        self.main.close();
        // SAFETY: allocated by `VmData::new`; the state, whose finalizers wrote to it, is closed.
        drop(unsafe { Box::from_raw(graveyard.as_ptr()) });
        if let Some(scheduler) = burst {
            scheduler.release_memory();
        }
    }
}
