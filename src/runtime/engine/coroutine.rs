//! Managed coroutines: the main one of a process and those of `coroutine.spawn`.
//!
//! A managed coroutine may resume user coroutines, nested to any depth. When a host function inside
//! suspends, Luau breaks out through all of them; [`Coroutine::inner`] is then the thread that waits
//! and `parents` the chain of its resumers, innermost first. [`run`] goes on inside out.

use std::any::Any;
use std::ffi::c_int;

use crate::core::blocking::Pool;
use crate::core::dispatcher::{Command, CommandId, Completion};
use crate::core::reactor::timers::TimerId;
use crate::core::vm::{Answer, Event};
use crate::infra::clock::{Nanos, thread_time};
use crate::infra::error::Error;
use crate::runtime::engine::calls::Callee;
use crate::runtime::engine::raw::{Anchor, State, Status, VmPointer, lua_State};
use crate::runtime::engine::select::Cases;
use crate::runtime::engine::slab::NONE;
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Done, Raise, Ret};

/// What a coroutine waits for.
pub enum Wait {
    /// Nothing: it is ready or runs.
    None,
    Receive(u32),
    Send(u32),
    Select(Box<Cases>),
    Sleep(TimerId),
    /// A command's completion, turned into results by the function.
    Command(Finish),
    /// The end of a call.
    Call(Callee),
    /// A wait that nothing can end.
    Forever,
}

/// Pushes the results of a completed command onto the thread that waits; returns their number.
pub type Finish = fn(&mut VmData, State, Result<Answer, Error>) -> c_int;

pub struct Coroutine {
    pub thread: State,
    pub anchor: Option<Anchor>,
    pub process: u32,
    /// Told apart from an earlier user of the place; part of a command's tag.
    pub generation: u32,
    /// Where results go and what is resumed first.
    pub inner: State,
    /// Its resumers, if it is not the coroutine's own thread.
    pub parents: Option<Box<Vec<State>>>,
    /// Values on `inner` to resume it with.
    pub results: c_int,
    pub wait: Wait,
    /// In its process's queue of ready coroutines.
    pub queued: bool,
    pub next_ready: u32,
    pub previous: u32,
    pub next: u32,
}

/// How a run of a coroutine ended.
pub enum Ran {
    /// It waits, or has queued itself again.
    Suspended,
    /// The ticker asked it to make room.
    Preempted,
    /// It goes on once others have had their turn.
    GaveWay,
    Finished,
    /// The error is on top of its thread's stack.
    Failed,
}

/// What the break that just happened was about; set by whoever breaks.
#[derive(Default)]
pub struct Break {
    pub inner: Option<State>,
    why: Why,
    /// Threads that resumed the broken one, innermost first.
    pub parents: Vec<State>,
}

#[derive(Default)]
enum Why {
    #[default]
    Waits,
    Preempted,
    GivesWay,
}

/// Luau's hook: called for each enclosing coroutine as a break passes it, with the resumer's state.
///
/// # Safety
/// For Luau to call, in a VM that is entered.
pub unsafe extern "C-unwind" fn on_break(resumer: *mut lua_State, _: *mut mlua::ffi::lua_Debug) {
    // SAFETY: Luau calls its hook with a live state of the running VM.
    let resumer = unsafe { State::from_raw(resumer) };
    VmPointer::<VmData>::entered().get().broke.parents.push(resumer);
}

/// Luau's interrupt, armed by the ticker: breaks the running thread where that is possible.
///
/// # Safety
/// For Luau to call, in a VM that is entered.
pub unsafe extern "C-unwind" fn on_interrupt(l: *mut lua_State, gc: c_int) {
    if gc >= 0 {
        return;
    }
    // SAFETY: as above.
    let l = unsafe { State::from_raw(l) };
    let vm = VmPointer::<VmData>::entered().get();
    if vm.starts.nested() > 0 {
        // A chunk body cannot be suspended. One that takes its time is ended instead.
        let now = thread_time();
        if now > *vm.chunk_deadline.get_or_insert(now + CHUNK_TIME) {
            // Still armed, see below.
            l.push_str("the chunk body runs for too long: move the work into the method");
            l.raise();
        }
        l.clear_interrupt();
        return;
    }
    if l.is_yieldable() {
        l.clear_interrupt();
        vm.broke.inner = Some(l);
        vm.broke.why = Why::Preempted;
        l.break_here();
        return;
    }
    // In a metamethod, a sort comparator, a gsub callback or a pattern match. The ticker will come
    // again; code that stays in there all the same gives its worker back by an error.
    if vm.holds_worker_since() + HOLD_TIME < thread_time() {
        // The interrupt stays armed: a program that catches the error is broken, or gets the next
        // one, before it is back in such a place. The ticker alone would always find it there.
        l.push_str("runs for too long where it cannot be interrupted");
        l.raise();
    }
    l.clear_interrupt();
}

/// How long a chunk body may run, in time of its thread.
const CHUNK_TIME: Nanos = 2_000_000_000;
/// How long one resume may hold its worker where it cannot be suspended, in time of its thread. Sorting a
/// million elements with a comparator takes 0.8 of them.
const HOLD_TIME: Nanos = 2_000_000_000;

impl VmData {
    /// When the ticker first found the running resume where it cannot be left.
    fn holds_worker_since(&mut self) -> Nanos {
        let resume = self.resume_count();
        if self.held.0 != resume {
            self.held = (resume, thread_time());
        }
        self.held.1
    }
}

impl Cx {
    /// May the running coroutine be suspended here?
    #[inline]
    pub fn can_suspend(&mut self) -> bool {
        self.l.is_yieldable() && self.vm().starts.nested() == 0
    }

    /// The running coroutine, if it may be suspended here.
    pub fn suspendable(&mut self) -> Result<u32, Raise> {
        if !self.can_suspend() {
            let name = self.l.function_name(0).unwrap_or_else(|| "this function".into());
            return Err(Raise::Message(format!(
                "{name} cannot block here: not in a metamethod, a sort comparator, a gsub callback \
                 or the chunk body"
            )));
        }
        Ok(self.vm().running)
    }

    /// Suspends the running coroutine; the caller has checked [`Cx::suspendable`] and returns this.
    pub fn suspend(&mut self, wait: Wait) -> Ret {
        let l = self.l;
        let vm = self.vm();
        let running = vm.running;
        let process = vm.coroutines[running].process;
        if matches!(wait, Wait::Forever) {
            vm.processes[process].stuck += 1;
        }
        vm.coroutines[running].wait = wait;
        vm.broke.inner = Some(l);
        Ok(Done::Suspended)
    }

    /// Lets the other processes run first: the results (on top) are returned afterwards. Where the
    /// caller cannot be suspended they are returned at once.
    pub fn give_way(&mut self, results: c_int) -> Ret {
        if !self.can_suspend() {
            return self.values(results);
        }
        let l = self.l;
        let vm = self.vm();
        let running = vm.running;
        vm.coroutines[running].results = results;
        vm.broke.inner = Some(l);
        vm.broke.why = Why::GivesWay;
        Ok(Done::Suspended)
    }

    /// Lets the other coroutines run first: the results (on top) are returned afterwards.
    pub fn step_aside(&mut self, results: c_int) -> Ret {
        let l = self.l;
        let vm = self.vm();
        let running = vm.running;
        vm.coroutines[running].results = results;
        vm.enqueue(running);
        vm.broke.inner = Some(l);
        Ok(Done::Suspended)
    }

    /// Has a command done by whoever handles it; the coroutine waits, then `finish` makes its
    /// results of the answer, an [`Answer::Boxed`].
    pub fn command(&mut self, id: CommandId, args: Box<dyn Any + Send>, finish: Finish) -> Ret {
        self.suspendable()?;
        let from = self.self_pid();
        let done = self.completer()?;
        let completion = Completion::new(move |answer| done(answer.map(Answer::Boxed)));
        let kernel = self.vm().kernel.clone();
        kernel.dispatcher.dispatch(Command { id, from, args, completion });
        self.suspend(Wait::Command(finish))
    }

    /// Has `job` done by a thread that may block; the coroutine waits, then `finish` makes its
    /// results of the answer, an [`Answer::Boxed`]. The job is done even if the process ends.
    pub fn offload<T: Any + Send>(
        &mut self,
        pool: &Pool,
        job: impl FnOnce() -> Result<T, Error> + Send + 'static,
        finish: Finish,
    ) -> Ret {
        self.suspendable()?;
        let done = self.completer()?;
        let completion = Completion::new(move |answer| done(answer.map(Answer::Boxed)));
        pool.run(Box::new(move || {
            completion.complete(job().map(|answer| Box::new(answer) as Box<dyn Any + Send>));
        }));
        self.suspend(Wait::Command(finish))
    }

    /// Ends the wait of the running coroutine, from any thread. What comes before it waits is kept
    /// in the VM's queue until then; what comes after its end is dropped.
    pub fn completer(
        &mut self,
    ) -> Result<impl FnOnce(Result<Answer, Error>) + Send + use<>, Raise> {
        self.vm().completer().ok_or_else(|| "no VM runs here".into())
    }
}

impl VmData {
    /// See [`Cx::completer`].
    pub fn completer(&self) -> Option<impl FnOnce(Result<Answer, Error>) + Send + use<>> {
        let pid = self.processes[self.current].pid;
        let tag = self.tag_of(self.running);
        let cell = self.cell()?.clone();
        let scheduler = self.kernel.scheduler.clone();
        Some(move |result| {
            cell.post(Event::Done { pid, tag, result });
            scheduler.notify(&cell);
        })
    }

    pub fn new_coroutine(&mut self, process: u32, thread: State, anchor: Anchor) -> u32 {
        // A program may have the thread, but must not resume it.
        thread.set_managed();
        // The highest bit of a tag means a call, see `calls`.
        self.generation = self.generation.wrapping_add(1) & (u32::MAX >> 1);
        let first = self.processes[process].coroutines;
        let id = self.coroutines.insert(Coroutine {
            thread,
            anchor: Some(anchor),
            process,
            generation: self.generation,
            inner: thread,
            parents: None,
            results: 0,
            wait: Wait::None,
            queued: false,
            next_ready: NONE,
            previous: NONE,
            next: first,
        });
        if first != NONE {
            self.coroutines[first].previous = id;
        }
        self.processes[process].coroutines = id;
        self.processes[process].threads += 1;
        id
    }

    /// Forgets a coroutine; whatever it waits for forgets it. Returns its thread for reuse.
    pub fn free_coroutine(&mut self, id: u32) -> (State, Option<Anchor>) {
        let coroutine = self.coroutines.remove(id);
        match coroutine.previous {
            NONE => self.processes[coroutine.process].coroutines = coroutine.next,
            previous => self.coroutines[previous].next = coroutine.next,
        }
        if coroutine.next != NONE {
            self.coroutines[coroutine.next].previous = coroutine.previous;
        }
        self.processes[coroutine.process].threads -= 1;
        match coroutine.wait {
            Wait::Sleep(timer) => {
                self.timers.cancel(timer);
            }
            Wait::Call(callee) => self.abandon(callee),
            _ => {}
        }
        (coroutine.thread, coroutine.anchor)
    }

    pub fn tag_of(&self, coroutine: u32) -> u64 {
        u64::from(self.coroutines[coroutine].generation) << 32 | u64::from(coroutine)
    }

    /// The coroutine with this tag, if it still waits for a command.
    pub fn coroutine_of(&self, tag: u64) -> Option<u32> {
        let id = tag as u32;
        let coroutine = self.coroutines.get(id)?;
        let waits = matches!(coroutine.wait, Wait::Command(_) | Wait::Call(_));
        (coroutine.generation == (tag >> 32) as u32 && waits).then_some(id)
    }

    /// The coroutine goes on with the `results` values that were pushed onto its inner thread.
    pub fn wake(&mut self, coroutine: u32, results: c_int) {
        self.coroutines[coroutine].results = results;
        self.coroutines[coroutine].wait = Wait::None;
        self.enqueue(coroutine);
    }

    /// Puts a coroutine behind the ready ones of its process, and the process behind those of the VM.
    pub fn enqueue(&mut self, id: u32) {
        let coroutine = &mut self.coroutines[id];
        debug_assert!(!coroutine.queued, "a coroutine is ready once");
        coroutine.queued = true;
        coroutine.next_ready = NONE;
        let process = coroutine.process;
        let last = std::mem::replace(&mut self.processes[process].ready_last, id);
        match last {
            NONE => self.processes[process].ready_first = id,
            last => self.coroutines[last].next_ready = id,
        }
        self.make_ready(process);
    }

    /// Takes the first ready coroutine of a process.
    pub fn dequeue(&mut self, process: u32) -> Option<u32> {
        let id = self.processes[process].ready_first;
        if id == NONE {
            return None;
        }
        let coroutine = &mut self.coroutines[id];
        coroutine.queued = false;
        let next = coroutine.next_ready;
        self.processes[process].ready_first = next;
        if next == NONE {
            self.processes[process].ready_last = NONE;
        }
        Some(id)
    }
}

/// Runs a coroutine until it waits or ends. Lua code runs in here: no borrow of the VM is kept
/// across a resume.
pub fn run(vm: VmPointer<VmData>, id: u32) -> Ran {
    let data = vm.get();
    data.running = id;
    let coroutine = &mut data.coroutines[id];
    let mut current = coroutine.inner;
    let results = std::mem::take(&mut coroutine.results);
    let limited = data.memory_limit.map(|_| data.main);
    let resume = |thread: State, results| {
        if let Some(main) = limited {
            main.enforce_ceiling(true);
        }
        let status = thread.resume(results);
        if let Some(main) = limited {
            main.enforce_ceiling(false);
        }
        status
    };
    let mut parents = coroutine.parents.take().map(|parents| *parents).unwrap_or_default();
    let mut status = resume(current, results);
    loop {
        if status == Status::Broke {
            let data = vm.get();
            let broke = &mut data.broke;
            let why = std::mem::take(&mut broke.why);
            let inner = broke.inner.take().unwrap_or(current);
            // The new chain goes in front of the parents that are left.
            let mut chain = std::mem::take(&mut broke.parents);
            if parents.is_empty() {
                parents = chain;
            } else {
                chain.append(&mut parents);
                parents = chain;
            }
            let coroutine = &mut data.coroutines[id];
            coroutine.inner = inner;
            coroutine.parents = (!parents.is_empty()).then(|| Box::new(parents));
            return match why {
                Why::Waits => Ran::Suspended,
                Why::Preempted => Ran::Preempted,
                Why::GivesWay => Ran::GaveWay,
            };
        }
        if parents.is_empty() {
            break;
        }
        // The broken user coroutine has ended or yielded: its resumer takes the outcome.
        current = parents.remove(0);
        status = resume(current, 0);
    }
    let data = vm.get();
    data.coroutines[id].inner = data.coroutines[id].thread;
    match status {
        Status::Finished => Ran::Finished,
        Status::Failed => Ran::Failed,
        // `coroutine.yield` with nobody to yield to: let others run, return nothing.
        _ => {
            current.set_top(0);
            data.coroutines[id].results = 0;
            data.enqueue(id);
            Ran::Suspended
        }
    }
}
