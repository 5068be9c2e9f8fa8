//! Processes of a VM: start, run, end.

use std::ffi::c_int;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::core::pid::{HostId, Pid};
use crate::core::process::Control;
use crate::core::relay::{Body, Exit, Outcome, Package, Ticket};
use crate::infra::error::{Error, Kind, Result};
use crate::infra::transcoder::wire::Wire;
use crate::runtime::engine::calls::Served;
use crate::runtime::engine::coroutine::{self, Ran};
use crate::runtime::engine::instances::Instance;
use crate::runtime::engine::limits::memory_limit_exceeded;
use crate::runtime::engine::listeners::Listeners;
use crate::runtime::engine::mail::{Mail, Notice};
use crate::runtime::engine::news::{Subscription, TerminalInput};
use crate::runtime::engine::queue::Queue;
use crate::runtime::engine::raw::{Charge, State, Type, VmPointer};
use crate::runtime::engine::slab::NONE;
use crate::runtime::engine::upgrade::{self, Upgrade};
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Raise, error, wire};
use crate::runtime::pool::Spread;
use crate::system::frame::Frame;
use crate::system::groups::Membership;
use crate::system::host::HostKind;
use crate::system::kernel::Kernel;
use crate::system::lifecycle::Started;
use crate::system::outdated::Watch;
use crate::system::spawn::{Named, OnEnd, TerminalPort};

/// Coroutine switches in one step before the process goes behind the others of its VM.
const STEP_SWITCHES: u32 = 128;
/// A process that took more turns than this, or a whole quantum in one of them, had a life of its own:
/// its like may be worth another VM. One that is spawned for a message takes one or two.
const LONG_TURNS: u32 = 16;
/// Chunk bodies that start processes whose chunk bodies start processes ...
const NESTED_STARTS_MAX: u32 = 16;

/// What a VM keeps of a process. Small: there may be a million.
pub struct Process {
    pub pid: Pid,
    /// Places of its chunk and its host in the VM. `NONE` only for the limbo process, which owns the
    /// channels of the dead.
    pub chunk: u32,
    pub host: u32,
    pub main: u32,
    /// List of its coroutines, and how many.
    pub coroutines: u32,
    pub threads: u32,
    pub ready_first: u32,
    pub ready_last: u32,
    /// In the VM's queue of ready processes.
    pub queued: bool,
    pub trap_links: bool,
    /// Cannot be terminated: it has a terminal.
    pub protected: bool,
    /// Coroutines in a wait that nothing can end.
    pub stuck: u32,
    /// How often it had its turn.
    pub turns: u32,
    /// Unix time in seconds.
    pub started_at: f64,
    /// Pending timers of its channels.
    pub timers: u32,
    pub inbox: u32,
    pub events: u32,
    pub channels: u32,
    pub mail: Queue<Mail>,
    pub notices: Queue<(Notice, Charge)>,
    pub listeners: Option<Box<Listeners>>,
    /// Packages of this process that wait in its lane; made when the first does.
    pub ticket: Option<Ticket>,
    /// Where its children have gone.
    pub spread: Spread,
    /// Set when it is to leave its code while it runs.
    pub leave: Option<Leave>,
    pub extra: Option<Box<Extra>>,
}

/// Why a process leaves the code that it runs.
pub enum Leave {
    End(Error),
    /// For other code.
    Upgrade(Box<Upgrade>),
}

/// What few processes have.
#[derive(Default)]
pub struct Extra {
    /// What it was given on its way, and hands on to its children.
    pub frame: Option<Arc<Frame>>,
    pub on_end: Option<OnEnd>,
    /// It is a call of a function.
    pub served: Option<Served>,
    pub terminal: Option<Arc<dyn TerminalPort>>,
    pub subscriptions: Vec<Subscription>,
    /// In process groups, one for each scope.
    pub memberships: Vec<Membership>,
    /// It hears of new code.
    pub upgradable: Option<Watch>,
    /// For its names.
    pub names: Charge,
    /// Events of its terminal.
    pub input: Option<TerminalInput>,
}

impl Process {
    pub fn new(pid: Pid) -> Process {
        Process {
            pid,
            chunk: NONE,
            host: NONE,
            main: NONE,
            coroutines: NONE,
            threads: 0,
            ready_first: NONE,
            ready_last: NONE,
            queued: false,
            trap_links: false,
            protected: false,
            stuck: 0,
            turns: 0,
            started_at: 0.0,
            timers: 0,
            inbox: NONE,
            events: NONE,
            channels: NONE,
            mail: Queue::default(),
            notices: Queue::default(),
            listeners: None,
            ticket: None,
            spread: Spread::default(),
            leave: None,
            extra: None,
        }
    }
}

impl Process {
    /// Is it a call of a function that is one itself?
    #[inline]
    fn is_function(&self) -> bool {
        let served = self.extra.as_ref().and_then(|extra| extra.served.as_ref());
        served.is_some_and(Served::is_function)
    }

    /// Whoever is started on a terminal host has the terminal, if there is one.
    fn attach_terminal(&mut self, kernel: &Kernel, host: HostId) {
        let Some(source) = kernel.terminal.get() else { return };
        let extra = self.extra.get_or_insert_default();
        if extra.terminal.is_some() {
            return;
        }
        let (terminal, leave_terminal) = source(host);
        extra.terminal = Some(terminal);
        let others = extra.on_end.take();
        extra.on_end = Some(Box::new(move |exit| {
            leave_terminal(exit);
            if let Some(others) = others {
                others(exit);
            }
        }));
    }

    /// Is it a call that an instance of its pool may serve?
    #[inline]
    fn shares_instance(&self) -> bool {
        let served = self.extra.as_ref().and_then(|extra| extra.served.as_ref());
        served.is_some_and(|served| served.is_function() && served.slot.shares_instance())
    }

    /// What it was given, if anything.
    #[inline]
    pub fn frame(&self) -> Option<&Arc<Frame>> {
        self.extra.as_ref()?.frame.as_ref()
    }
}

/// What to start; its host has been entered, at the seat of this VM.
pub struct Spec {
    pub chunk: u32,
    pub host: u32,
    pub parent: Pid,
    pub monitor: bool,
    pub link: bool,
    pub extra: Option<Box<Extra>>,
    pub named: Option<Box<Named>>,
    /// The process is in the process table already, with its monitor and link.
    pub known: Option<Pid>,
}

/// Starts a process in this VM. `push_arguments` puts the arguments onto the new thread.
///
/// The chunk runs in here; the method runs when the process gets its turn.
pub fn start(
    vm: VmPointer<VmData>,
    spec: Spec,
    push_arguments: impl FnOnce(State) -> Result<c_int, Error>,
) -> Result<Pid> {
    let host = spec.host;
    let mut spec = spec;
    let named = spec.named.take();
    let name = named.as_ref().and_then(|named| named.name.as_ref());
    let started = try_start(vm, spec, name, push_arguments);
    let data = vm.get();
    match (started, named) {
        (Ok(pid), Some(named)) => {
            deliver_first(data, pid, &named.messages);
            Ok(pid)
        }
        (Ok(pid), None) => Ok(pid),
        (Err(error), named) => {
            data.leave_host(host);
            // The name may have been taken meanwhile.
            named.and_then(|named| signal(data, &named)).ok_or(error)
        }
    }
}

/// Sends the messages to the live process that has the name, if there is one: its PID.
///
/// They wait in the lane of those who are no process, however many there are: nobody is suspended.
pub fn signal(data: &mut VmData, named: &Named) -> Option<Pid> {
    let name = named.name.as_ref().filter(|_| named.or_signal)?;
    let holder = data.kernel.topology.holder(name)?;
    deliver_first(data, holder, &named.messages);
    Some(holder)
}

/// Delivers messages that come from no process.
fn deliver_first(data: &mut VmData, to: Pid, messages: &[Wire]) {
    let mut ticket = None;
    for message in messages {
        let package = Package { from: Pid::NONE, to, body: Body::Message(message.clone()) };
        if data.by_uniq.contains_key(&to.uniq()) {
            data.arrive(package);
            continue;
        }
        // Ended meanwhile: its mail goes with it.
        let _ = data.kernel.mailbox.send(package, &mut ticket, || Box::new(|| ()));
    }
}

fn try_start(
    vm: VmPointer<VmData>,
    mut spec: Spec,
    name: Option<&Arc<str>>,
    push_arguments: impl FnOnce(State) -> Result<c_int, Error>,
) -> Result<Pid> {
    let data = vm.get();
    if data.starts.nested() >= NESTED_STARTS_MAX {
        return Err(Error::internal("chunk bodies start each other too deeply"));
    }
    let host = &data.hosts[spec.host as usize];
    let next = || data.kernel.pids.next_of(&mut data.pids, host.id);
    let pid = spec.known.unwrap_or_else(next);
    let mut process = Process::new(pid);
    process.chunk = spec.chunk;
    process.host = spec.host;
    process.started_at = data.unix_now;
    process.extra = spec.extra.take();
    if host.kind == HostKind::Terminal {
        process.protected = true;
        process.attach_terminal(&data.kernel, host.id);
    }
    let (is_function, shares) = (process.is_function(), process.shares_instance());
    let (thread, anchor) = data.take_thread();
    let warm = if shares { data.take_instance(spec.chunk) } else { None };
    match &warm {
        Some(instance) => {
            instance.globals.push(thread);
            thread.replace(State::GLOBALS);
            thread.set_safe_env(State::GLOBALS, true);
        }
        None => data.fresh_globals(thread, spec.chunk),
    }
    // A host may have got a limit since the VM was chosen: one that others share is not to have it.
    if let Some(limit) = data.hosts[spec.host as usize].memory_limit()
        && data.alone
    {
        data.limit_memory(limit);
    }
    let id = data.processes.insert(process);
    let main = data.new_coroutine(id, thread, anchor);
    data.processes[id].main = main;

    let ready = match &warm {
        Some(Instance { method: Some(method), .. }) => {
            method.push(thread);
            Ok(())
        }
        Some(Instance { method: None, .. }) => run_chunk(vm, id, main, thread, false),
        None => run_chunk(vm, id, main, thread, true),
    };
    if is_function && ready.is_ok() {
        keep_instance(vm.get(), id, thread, warm);
    }
    let prepared = ready
        .and_then(|()| push_arguments(thread))
        .and_then(|arguments| publish(vm.get(), id, &spec, name).map(|()| arguments));
    let data = vm.get();
    match prepared {
        Ok(arguments) => {
            data.coroutines[main].results = arguments;
            data.enqueue(main);
            Ok(pid)
        }
        Err(error) => {
            data.discard(id);
            Err(error)
        }
    }
}

/// Notes the instance that serves a call; the method is on top of the thread's stack.
fn keep_instance(data: &mut VmData, id: u32, thread: State, warm: Option<Instance>) {
    let is_new = warm.as_ref().is_none_or(|instance| instance.method.is_none());
    let instance = warm.filter(|_| !is_new).unwrap_or_else(|| {
        thread.push_value(-1);
        let method = Some(thread.anchor());
        thread.push_value(State::GLOBALS);
        Instance { globals: thread.anchor(), method }
    });
    let Process { chunk, ref mut extra, .. } = data.processes[id];
    let Some(served) = extra.as_mut().and_then(|extra| extra.served.as_mut()) else { return };
    served.instance = Some(instance);
    if is_new {
        let function = served.slot.function().clone();
        data.own_instances(chunk, &function);
    }
}

/// Runs the libraries, if they have not run before, and the chunk body; leaves the method on top of the
/// thread's stack.
pub(super) fn run_chunk(
    vm: VmPointer<VmData>,
    id: u32,
    main: u32,
    thread: State,
    with_libraries: bool,
) -> Result<()> {
    let chunk = vm.get().processes[id].chunk;
    let (ran, called) = run_body(vm, id, main, || {
        if with_libraries {
            run_libraries(vm, chunk, thread)?;
        }
        vm.get().push_chunk(chunk, thread);
        thread.pcall(0, 1).map_err(|_| error::from_raised(thread, -1))
    });
    let ready = ran.and_then(|()| take_method(vm.get(), chunk, thread));
    vm.get().definition(chunk).reliability.note(called || ready.is_err());
    if ready.is_err() {
        thread.set_top(0);
    }
    ready
}

/// Leaves the method in the place of what the chunk has returned.
fn take_method(data: &mut VmData, chunk: u32, thread: State) -> Result<()> {
    if thread.type_of(-1) == Type::Function {
        return Ok(());
    }
    if thread.type_of(-1) == Type::Table {
        let found = data.push_method(chunk, thread);
        thread.remove(-2);
        if found == Type::Function {
            return Ok(());
        }
    }
    let method = &data.definition(chunk).method;
    Err(Error::not_found(format!("method \"{method}\" not found in module")))
}

/// Runs code of a process that has not begun: it cannot wait, and has to come to an end soon. Also
/// returned: whether it called a host function.
pub(super) fn run_body(
    vm: VmPointer<VmData>,
    id: u32,
    main: u32,
    body: impl FnOnce() -> Result<()>,
) -> (Result<()>, bool) {
    let data = vm.get();
    // The chunk may be started from a host function of another process: its context comes back.
    let before = (data.current, data.running);
    (data.current, data.running) = (id, main);
    let outer = data.starts.enter();
    if data.starts.nested() == 1 {
        // Set when the ticker first finds it running: most are done by then.
        data.chunk_deadline = None;
    }
    let limited = data.memory_limit.is_some();
    data.main.enforce_ceiling(limited);
    let ran = body();
    let data = vm.get();
    data.main.enforce_ceiling(false);
    let called = data.starts.leave(outer);
    (data.current, data.running) = before;
    match data.is_over_memory_limit() {
        true => (Err(memory_limit_exceeded()), called),
        false => (ran, called),
    }
}

/// Runs the libraries of a chunk: what each returns becomes a global of the process.
pub(super) fn run_libraries(vm: VmPointer<VmData>, chunk: u32, thread: State) -> Result<()> {
    let definition = vm.get().definition(chunk);
    if definition.renamed.is_empty() && definition.libraries.is_empty() {
        // Most have none. All VMs share the definition: they would pass its count around.
        return Ok(());
    }
    let definition = definition.clone();
    for (alias, module) in &definition.renamed {
        vm.get().push_module(thread, module);
        thread.set_field(State::GLOBALS, alias);
    }
    for library in &definition.libraries {
        let place = vm.get().chunk(&library.definition)?;
        vm.get().push_chunk(place, thread);
        thread.pcall(0, 1).map_err(|_| error::from_raised(thread, -1))?;
        thread.set_field(State::GLOBALS, &library.alias);
    }
    Ok(())
}

/// Makes the process routable, with its monitor and link, before its first step.
fn publish(data: &mut VmData, id: u32, spec: &Spec, name: Option<&Arc<str>>) -> Result<()> {
    let pid = data.processes[id].pid;
    if spec.known.is_some() {
        on_start(data, id, spec)?;
        data.by_uniq.insert(pid.uniq(), id);
        return Ok(());
    }
    let Some(cell) = data.cell() else { return Err(Error::internal("no VM runs here")) };
    let mut control = Control::new(pid, cell.clone());
    control.parent = spec.parent;
    if spec.monitor {
        control.watchers.push(spec.parent);
    }
    data.kernel.topology.begin(control)?;
    let linked = match spec.link {
        true => data.kernel.topology.link(spec.parent, pid),
        false => Ok(()),
    };
    let claimed = match name {
        Some(name) => data.kernel.topology.claim(name, pid),
        None => Ok(()),
    };
    match claimed.and(linked).and_then(|()| on_start(data, id, spec)) {
        Ok(()) => cell.population.fetch_add(1, Ordering::Relaxed),
        Err(error) => {
            // Whoever refused it undoes the start: nobody has seen the process run.
            data.kernel.topology.end(pid);
            return Err(error);
        }
    };
    data.by_uniq.insert(pid.uniq(), id);
    Ok(())
}

/// Asks those who want to hear of processes. They do not hear of calls.
fn on_start(data: &VmData, id: u32, spec: &Spec) -> Result<()> {
    if data.processes[id].is_function() {
        return Ok(());
    }
    let (pid, definition) = (data.processes[id].pid, data.definition(spec.chunk));
    let started = Started { pid, source: &definition.id, parent: spec.parent };
    let accepted = data.kernel.lifecycle.on_start(&started);
    accepted.inspect_err(|_| definition.reliability.note(true))
}

/// What a step has cost.
pub struct Step {
    /// Coroutines resumed.
    pub switches: u32,
    /// It took its whole quantum.
    pub overstayed: bool,
}

/// Gives a process its turn: its ready coroutines run until each waits, or it is preempted.
pub fn step(vm: VmPointer<VmData>, id: u32) -> Step {
    let mut switches = 0;
    let done = |switches| Step { switches, overstayed: false };
    let data = vm.get();
    data.born = 0;
    let turns = &mut data.processes[id].turns;
    *turns = turns.saturating_add(1);
    loop {
        let data = vm.get();
        let Some(next) = data.dequeue(id) else { break };
        data.current = id;
        data.count_resume();
        let ran = coroutine::run(vm, next);
        switches += 1;
        let data = vm.get();
        data.current = NONE;
        data.running = NONE;
        if let Some(leave) = data.processes[id].leave.take() {
            match leave {
                Leave::End(error) => data.end(id, Outcome::Error(error)),
                Leave::Upgrade(new) => upgrade::upgrade(vm, id, *new),
            }
            return done(switches);
        }
        if data.is_over_memory_limit() {
            data.end(id, Outcome::Error(memory_limit_exceeded()));
            return done(switches);
        }
        match ran {
            Ran::Suspended => {}
            Ran::Preempted => {
                let turns = &mut data.processes[id].turns;
                *turns = (*turns).max(LONG_TURNS + 1);
                data.count_overstay(data.processes[id].chunk);
                // First in its process, last in the VM: no other coroutine of the process runs
                // before this one blocks.
                data.requeue_first(next);
                return Step { switches, overstayed: true };
            }
            Ran::GaveWay => {
                data.requeue_first(next);
                return done(switches);
            }
            Ran::Finished if data.processes[id].main == next => {
                let thread = data.coroutines[next].thread;
                let outcome = match data.hand_over(id, thread) {
                    true => Outcome::Value(Wire::new()),
                    false => result_of(thread),
                };
                data.end(id, outcome);
                return done(switches);
            }
            Ran::Finished => {
                let (thread, _anchor) = data.free_coroutine(next);
                // Its results go nowhere; left there, they would make it look as if not yet begun.
                thread.set_top(0);
            }
            Ran::Failed => {
                let thread = data.coroutines[next].thread;
                let problem = error::from_raised(thread, -1);
                data.end(id, Outcome::Error(problem));
                return done(switches);
            }
        }
        if switches >= STEP_SWITCHES && data.processes[id].ready_first != NONE {
            data.make_ready(id);
            return done(switches);
        }
    }
    let data = vm.get();
    data.suspects.push(id);
    end_deadlocked(data);
    done(switches)
}

/// Ends those processes under suspicion in which nothing can ever happen again.
pub fn end_deadlocked(data: &mut VmData) {
    while let Some(id) = data.suspects.pop() {
        if data.is_deadlocked(id) {
            let threads = data.processes[id].threads;
            let message = format!(
                "deadlock: all coroutines blocked with no pending operations (threads={threads})"
            );
            let error = Error::new(Kind::default(), message).with_retryable(None);
            data.end(id, Outcome::Error(error));
        }
    }
}

/// The results of a method: the second one may be an error.
fn result_of(thread: State) -> Outcome {
    let top = thread.top();
    if top >= 2
        && let Some(error) = error::from_result(thread, 2)
    {
        return Outcome::Error(error);
    }
    let mut value = Wire::new();
    if top >= 1 && !thread.is_nil(1) {
        // A payload object is its value here too; what cannot cross becomes nil.
        if let Err(raise) = wire::encode_one(thread, 1, &mut value) {
            let problem = match raise {
                Raise::Message(problem) => problem,
                Raise::Top => "it cannot leave the process".to_owned(),
            };
            return Outcome::Error(Error::internal(format!("result: {problem}")));
        }
    }
    Outcome::Value(value)
}

impl VmData {
    /// A pending timer of one of the process's channels is gone.
    pub fn lose_timer(&mut self, id: u32) {
        let process = &mut self.processes[id];
        process.timers -= 1;
        if process.timers == 0 && process.stuck > 0 {
            self.suspects.push(id);
        }
    }

    /// All coroutines wait for what can never come.
    fn is_deadlocked(&self, id: u32) -> bool {
        let Some(process) = self.processes.get(id) else { return false };
        process.stuck > 0
            && process.ready_first == NONE
            && process.stuck == process.threads
            && process.inbox == NONE
            && process.events == NONE
            && process.timers == 0
            && process.listeners.as_ref().is_none_or(|listeners| listeners.is_empty())
            && process.extra.as_ref().is_none_or(|extra| extra.subscriptions.is_empty())
            && !self.has_pending_future(id)
    }

    /// Ends a process: at once, or when its running code comes back to us.
    pub fn kill(&mut self, id: u32, error: Error) {
        if self.current == id {
            self.processes[id].leave = Some(Leave::End(error));
        } else {
            self.end(id, Outcome::Error(error));
        }
    }

    /// The end of a process, in the order others may rely on.
    pub fn end(&mut self, id: u32, outcome: Outcome) {
        let pid = self.processes[id].pid;
        let Some(control) = self.kernel.topology.end(pid) else { return };
        if let Some(extra) = &mut self.processes[id].extra {
            extra.memberships.clear();
        }
        if outcome.error().is_some_and(|error| *error.kind() == Kind::Canceled) {
            self.cancel_futures(id);
        }
        let is_function = self.processes[id].is_function();
        let exit = Arc::new(Exit { pid, at: self.unix_now, outcome });
        let mut ticket = self.processes[id].ticket.take();
        self.announce(&control, &exit, &mut ticket);
        let Process { chunk, host, turns, .. } = self.processes[id];
        if self.kernel.lifecycle.is_watched() && !is_function {
            let source = &self.definition(chunk).id;
            let ended = Started { pid, source, parent: control.parent };
            self.kernel.lifecycle.on_complete(&ended, &exit);
        }
        control.vm.population.fetch_sub(1, Ordering::Relaxed);
        self.count_end(chunk, turns > LONG_TURNS);
        let extra = self.processes[id].extra.as_mut();
        let (on_end, served) = match extra {
            Some(extra) => (extra.on_end.take(), extra.served.take()),
            None => (None, None),
        };
        self.discard(id);
        self.leave_host(host);
        // Last: whoever hears of the end finds nothing of the process any more.
        if let Some(on_end) = on_end {
            on_end(&exit);
        }
        if let Some(served) = served {
            self.answer(served, &exit.outcome);
        }
    }

    /// Tells of an end those who want to know; behind the messages of the process, whose `ticket` it is.
    pub fn announce(&mut self, control: &Control, exit: &Arc<Exit>, ticket: &mut Option<Ticket>) {
        for &watcher in &control.watchers {
            self.tell(exit.pid, watcher, Body::Exit(exit.clone()), ticket);
        }
        if exit.outcome.error().is_some() {
            for &other in control.links() {
                self.tell(exit.pid, other, Body::LinkDown(exit.clone()), ticket);
            }
        }
    }

    /// Sends a lifecycle package of an ending process.
    fn tell(&mut self, from: Pid, to: Pid, body: Body, ticket: &mut Option<Ticket>) {
        let package = Package { from, to, body };
        if self.by_uniq.contains_key(&to.uniq()) {
            // Not at once: it may end that process, whose end tells the next one, and so on.
            self.local_mail.push_back(package);
            return;
        }
        // A watcher that is gone needs no news.
        let _ = self.kernel.mailbox.send(package, ticket, || Box::new(|| ()));
    }

    /// Frees everything of a process that is in no table any more.
    pub fn discard(&mut self, id: u32) {
        let pid = self.processes[id].pid;
        self.by_uniq.remove(&pid.uniq());
        self.free_coroutines(id);
        self.end_channels(id);
        self.processes.remove(id);
    }

    /// Discards all coroutines of a process, in the middle of whatever they do.
    pub(super) fn free_coroutines(&mut self, id: u32) {
        let main = self.processes[id].main;
        while self.processes[id].coroutines != NONE {
            let coroutine = self.processes[id].coroutines;
            let (thread, anchor) = self.free_coroutine(coroutine);
            if coroutine == main
                && let Some(anchor) = anchor
            {
                self.give_thread(thread, anchor);
            }
        }
    }

    /// Puts a preempted coroutine in front of its process's others.
    fn requeue_first(&mut self, id: u32) {
        let process = self.coroutines[id].process;
        let first = std::mem::replace(&mut self.processes[process].ready_first, id);
        let coroutine = &mut self.coroutines[id];
        coroutine.queued = true;
        coroutine.next_ready = first;
        if first == NONE {
            self.processes[process].ready_last = id;
        }
        self.make_ready(process);
    }
}
