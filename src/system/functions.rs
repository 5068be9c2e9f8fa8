//! Functions: entries that are called, and how many of their calls run at a time.
//!
//! A call is a small process. It begins with a [`CallSlot`] of its function, which is given back when
//! the call has ended, whatever the end. Calls beyond the function's bound wait in the order they came.
//! A bound is all that a pool is here: instances live in the VMs, threads are those of the scheduler.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use fnv::FnvHashMap;
use parking_lot::{Mutex, RwLock};

use crate::core::pid::{HostId, Pid};
use crate::core::relay::{Exit, Outcome};
use crate::core::vm::{Event, Start, VmCell};
use crate::infra::app_context::Key;
use crate::infra::error::{Error, Kind, Result};
use crate::infra::event_bus::EventBus;
use crate::infra::event_bus::request::{self, FUNCTIONS, Request};
use crate::infra::transcoder::wire::Wire;
use crate::infra::transcoder::{Map, Value};
use crate::system::factory::Blueprint;
use crate::system::frame::Frame;
use crate::system::host::{Host, HostKind, Seat};
use crate::system::kernel::Kernel;
use crate::system::pools::Pool;
use crate::system::retry::{self, Retry};
use crate::system::spawn::{OnEnd, SpawnReply, SpawnRequest};

/// What is run for a call.
pub enum Code {
    /// A function's own code.
    Function(Blueprint),
    /// A process of the entry on this host.
    Process { host: String },
}

pub struct Function {
    /// `ns:name` of its entry.
    pub id: String,
    pub code: Code,
    /// Part of the PIDs of its calls; in no table of hosts, so that nobody spawns on it.
    pub host: Arc<Host>,
    pub pool: Pool,
    /// `meta.options`: options of every call.
    pub options: Map,
    admission: Mutex<Admission>,
    /// The VM of the one instance of a pool that has no more.
    home: Mutex<Weak<VmCell>>,
}

#[derive(Default)]
struct Admission {
    busy: usize,
    /// Unbounded: callers that have to wait are suspended, so there are as many as they are.
    waiting: VecDeque<Waiter>,
    closed: bool,
}

struct Waiter {
    control: Arc<CallControl>,
    run: Box<dyn FnOnce(Result<CallSlot>) + Send>,
}

impl Function {
    pub fn new(id: String, code: Code, pool: Pool, options: Map) -> Function {
        let host = Arc::new(Host::new(HostId::intern(&id), HostKind::Processes, false));
        host.run();
        let (admission, home) = (Mutex::default(), Mutex::default());
        Function { id, code, host, pool, options, admission, home }
    }

    /// A slot, if one is free and nobody waits for it.
    #[inline]
    pub fn try_enter(self: &Arc<Function>) -> Option<CallSlot> {
        let mut admission = self.admission.lock();
        let is_free = admission.busy < self.pool.max && admission.waiting.is_empty();
        (is_free && !admission.closed).then(|| {
            admission.busy += 1;
            CallSlot(self.clone())
        })
    }

    /// A slot beyond the bound, for a call out of a call of the same function: it would wait for
    /// itself.
    fn enter_again(self: &Arc<Function>) -> CallSlot {
        self.admission.lock().busy += 1;
        CallSlot(self.clone())
    }

    /// `run` gets a slot now or later, or hears why there is none.
    fn enter(self: &Arc<Function>, waiter: Waiter) {
        let mut admission = self.admission.lock();
        let slot = if admission.closed {
            Err(closed())
        } else if admission.busy < self.pool.max && admission.waiting.is_empty() {
            admission.busy += 1;
            Ok(CallSlot(self.clone()))
        } else {
            admission.waiting.push_back(waiter);
            return;
        };
        drop(admission);
        (waiter.run)(slot);
    }

    /// A call has ended.
    fn leave(self: &Arc<Function>) {
        let mut admission = self.admission.lock();
        admission.busy -= 1;
        while admission.busy < self.pool.max {
            let Some(waiter) = admission.waiting.pop_front() else { return };
            let is_canceled = waiter.control.is_canceled();
            admission.busy += usize::from(!is_canceled);
            drop(admission);
            (waiter.run)(match is_canceled {
                true => Err(canceled()),
                false => Ok(CallSlot(self.clone())),
            });
            admission = self.admission.lock();
        }
    }

    /// No further calls; those that run go on.
    fn close(&self) {
        let waiting = {
            let mut admission = self.admission.lock();
            admission.closed = true;
            std::mem::take(&mut admission.waiting)
        };
        for waiter in waiting {
            (waiter.run)(Err(closed()));
        }
    }

    /// Calls that run, and calls that wait.
    pub fn load(&self) -> (usize, usize) {
        let admission = self.admission.lock();
        (admission.busy, admission.waiting.len())
    }

    /// Has it one instance only, so that all calls go to one VM?
    pub fn is_alone(&self) -> bool {
        self.pool.max == 1
    }

    /// May a call run in this VM?
    pub fn is_at_home(&self, cell: &Arc<VmCell>) -> bool {
        if !self.is_alone() {
            return true;
        }
        let mut home = self.home.lock();
        match home.upgrade() {
            Some(known) => Arc::ptr_eq(&known, cell),
            None => {
                *home = Arc::downgrade(cell);
                true
            }
        }
    }
}

fn closed() -> Error {
    Error::unavailable("pool is closed")
}

/// How a call ends that was canceled.
pub fn canceled() -> Error {
    Error::new(Kind::Canceled, "context canceled").with_retryable(None)
}

/// The right to run one call; dropping it lets the next one in.
pub struct CallSlot(Arc<Function>);

impl CallSlot {
    pub fn function(&self) -> &Arc<Function> {
        &self.0
    }
}

impl Drop for CallSlot {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// All functions by id.
#[derive(Default)]
pub struct Functions {
    by_id: RwLock<FnvHashMap<Box<str>, Arc<Function>>>,
    version: AtomicU64,
}

impl Functions {
    pub const KEY: Key<Functions> = Key::new("functions");

    /// Adds or replaces a function. Calls that run or wait finish with what they have.
    pub fn insert(&self, function: impl Into<Arc<Function>>) {
        let function = function.into();
        self.by_id.write().insert(function.id.as_str().into(), function);
        self.version.fetch_add(1, Ordering::Release);
    }

    pub fn remove(&self, id: &str) {
        let removed = self.by_id.write().remove(id);
        self.version.fetch_add(1, Ordering::Release);
        if let Some(function) = removed {
            function.close();
        }
    }

    /// Takes requests of topic [`FUNCTIONS`]; the thing that one brings is an `Arc<Function>`.
    ///
    /// # Errors
    /// The bus is closed.
    pub fn serve(self: &Arc<Functions>, bus: &EventBus) -> Result<()> {
        let functions = self.clone();
        request::serve(bus, FUNCTIONS, move |wanted| {
            match wanted {
                Request::Register(_, part) => {
                    let function: &Arc<Function> = request::expect(FUNCTIONS, part)?;
                    functions.insert(function.clone());
                }
                Request::Delete(id) => functions.remove(id),
            }
            Ok(())
        })
    }

    /// Forgets all functions, and the calls that wait for their turn: nobody is told. Only when no
    /// worker runs any more.
    pub fn clear(&self) {
        let functions = std::mem::take(&mut *self.by_id.write());
        for function in functions.values() {
            let waiting = std::mem::take(&mut function.admission.lock().waiting);
            // Not under the lock.
            drop(waiting);
        }
    }

    /// Changes with every change: whoever remembers what `get` gave may look whether it still holds.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// `NOT_FOUND`, with the target: there is no such function.
    pub fn get(&self, id: &str) -> Result<Arc<Function>> {
        self.by_id.read().get(id).cloned().ok_or_else(|| {
            let details = [("target", Value::from(id))].into();
            Error::not_found("no handler registered for target").with_details(details)
        })
    }
}

/// One call on its way: where it is, and whether it is still wanted.
pub struct CallControl {
    stage: Mutex<Stage>,
    /// It is a process: asked to end, not ended.
    is_gentle: bool,
}

enum Stage {
    Waiting,
    Running(Pid),
    Over,
    Canceled,
}

impl CallControl {
    fn new(is_gentle: bool) -> Arc<CallControl> {
        Arc::new(CallControl { stage: Mutex::new(Stage::Waiting), is_gentle })
    }

    fn is_canceled(&self) -> bool {
        matches!(*self.stage.lock(), Stage::Canceled)
    }

    /// Ends the call: at once if it runs, when its turn comes if it waits. Its outcome is told as ever.
    pub fn cancel(&self, kernel: &Kernel) {
        let mut stage = self.stage.lock();
        let before = std::mem::replace(&mut *stage, Stage::Canceled);
        drop(stage);
        if let Stage::Running(pid) = before {
            self.end(kernel, pid);
        }
    }

    fn started(&self, kernel: &Kernel, pid: Pid) {
        let mut stage = self.stage.lock();
        match *stage {
            Stage::Waiting => *stage = Stage::Running(pid),
            Stage::Canceled => {
                drop(stage);
                self.end(kernel, pid);
            }
            Stage::Running(_) | Stage::Over => {}
        }
    }

    fn over(&self) {
        *self.stage.lock() = Stage::Over;
    }

    fn end(&self, kernel: &Kernel, pid: Pid) {
        // It may have ended meanwhile.
        let _ = match self.is_gentle {
            true => kernel.cancel(Pid::NONE, pid, "caller context canceled"),
            false => kernel.kill(Pid::NONE, pid, canceled()),
        };
    }
}

/// A call to be made.
#[derive(Clone)]
pub struct Call {
    pub function: Arc<Function>,
    pub args: Wire,
    pub frame: Option<Arc<Frame>>,
    /// Who calls; `Pid::NONE` for the host program.
    pub parent: Pid,
    /// Where it is to run, if the function has no home.
    pub at: Option<Arc<VmCell>>,
}

/// Told the outcome of a call, once, from any thread: must not block.
pub type OnOutcome = Box<dyn FnOnce(Outcome) + Send>;

/// Makes a call, once there is a slot for it.
pub fn call(kernel: &Arc<Kernel>, call: Call, done: OnOutcome) -> Arc<CallControl> {
    let control = CallControl::new(matches!(call.function.code, Code::Process { .. }));
    let function = call.function.clone();
    let slot = function.try_enter().or_else(|| {
        let waits_for_itself = is_within(kernel, call.parent, function.host.id);
        waits_for_itself.then(|| function.enter_again())
    });
    if let Some(slot) = slot {
        launch(kernel, &control, call, slot, done);
        return control;
    }
    let (weak, waiting) = (Arc::downgrade(kernel), control.clone());
    let run = Box::new(move |slot: Result<CallSlot>| match (slot, weak.upgrade()) {
        (Ok(slot), Some(kernel)) => launch(&kernel, &waiting, call, slot, done),
        (Ok(_), None) => done(Outcome::Error(closed())),
        (Err(error), _) => done(Outcome::Error(error)),
    });
    function.enter(Waiter { control: control.clone(), run });
    control
}

/// Is `pid` a call of this function, or was it called by one, over any number of calls?
fn is_within(kernel: &Kernel, pid: Pid, host: HostId) -> bool {
    let mut at = Some(pid).filter(|pid| !pid.is_none());
    while let Some(pid) = at {
        if pid.host() == host {
            return true;
        }
        at = kernel.topology.parent(pid);
    }
    false
}

fn launch(
    kernel: &Arc<Kernel>,
    control: &Arc<CallControl>,
    call: Call,
    slot: CallSlot,
    done: OnOutcome,
) {
    let Call { function, args, frame, parent, at } = call;
    // Taken by the end of the call, or by the failure to start it, whichever there is.
    let done = Arc::new(Mutex::new(Some(done)));
    let (ended, waiting) = (control.clone(), done.clone());
    let on_end: OnEnd = Box::new(move |exit: &Exit| {
        ended.over();
        if let Some(done) = waiting.lock().take() {
            done(exit.outcome.clone());
        }
    });
    let is_process = matches!(function.code, Code::Process { .. });
    let failed = move |error: Error| {
        let error = match error.kind() {
            Kind::Internal => error,
            _ if is_process => Error::internal(error.message()).with_source(error),
            _ => error,
        };
        if let Some(done) = done.lock().take() {
            done(Outcome::Error(error));
        }
    };
    let site = match &function.code {
        Code::Function(blueprint) => Ok((blueprint.clone(), function.host.clone())),
        Code::Process { host } => kernel
            .host(host)
            .and_then(|host| kernel.factory.get(&function.id).map(|blueprint| (blueprint, host))),
    };
    let entered = site.and_then(|(blueprint, host)| {
        host.enter(Seat::OUTSIDE)?;
        Ok((blueprint, host))
    });
    let (blueprint, host) = match entered {
        Ok(site) => site,
        Err(error) => return failed(error),
    };
    let isolated = host.isolated();
    let request = SpawnRequest {
        blueprint,
        host,
        args,
        parent,
        monitor: false,
        link: false,
        frame,
        named: None,
        terminal: None,
        on_end: Some(on_end),
        slot: Some(slot),
        known: None,
    };
    let (weak, starting) = (Arc::downgrade(kernel), control.clone());
    let reply: SpawnReply = Box::new(move |started| match (started, weak.upgrade()) {
        (Ok(pid), Some(kernel)) => starting.started(&kernel, pid),
        (Ok(_), None) => {}
        (Err(error), _) => {
            starting.over();
            failed(error);
        }
    });
    let home = function.is_alone().then(|| function.home.lock().upgrade()).flatten();
    match home.or(at).filter(|_| !isolated) {
        Some(cell) => {
            // Whoever comes first gives it its home.
            function.is_at_home(&cell);
            cell.post(Event::Start(Box::new(Start { spec: Box::new(request), reply })));
            kernel.scheduler.notify(&cell);
        }
        None => match kernel.spawner.get().and_then(Weak::upgrade) {
            Some(spawner) => spawner.spawn(request, reply),
            None => {
                request.host.leave(Seat::OUTSIDE);
                reply(Err(Error::unavailable("the runtime is not started")));
            }
        },
    }
}

/// Options of a call that mean something to us.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Of the whole call, repetitions included.
    pub timeout: Option<Duration>,
    pub retry: Option<Retry>,
}

impl Options {
    /// Reads a function's options, each replaced by the caller's of the same name.
    pub fn of(preset: &Map, own: &Map) -> Options {
        let get = |name: &str| own.get(name).or_else(|| preset.get(name));
        Options {
            timeout: get("timeout").and_then(retry::delay),
            retry: get("retry").and_then(Retry::of),
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Options::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    fn function(max: usize) -> Arc<Function> {
        let code = Code::Function(Arc::new(()));
        Arc::new(Function::new("test:f".into(), code, Pool { max }, Map::new()))
    }

    /// Takes a slot and keeps it, or counts a refusal.
    fn wait(
        function: &Arc<Function>,
        seen: &Arc<Mutex<Vec<Result<CallSlot>>>>,
    ) -> Arc<CallControl> {
        let (control, seen) = (CallControl::new(false), seen.clone());
        let run = Box::new(move |slot| seen.lock().push(slot));
        function.enter(Waiter { control: control.clone(), run });
        control
    }

    #[test]
    fn calls_wait_their_turn() {
        let function = function(2);
        let seen = Arc::<Mutex<Vec<Result<CallSlot>>>>::default();
        let controls: Vec<_> = (0..5).map(|_| wait(&function, &seen)).collect();
        assert_eq!((function.load(), seen.lock().len()), ((2, 3), 2));
        assert!(function.try_enter().is_none());
        // A canceled one takes no slot.
        *controls[2].stage.lock() = Stage::Canceled;
        let first = seen.lock().remove(0);
        drop(first);
        assert_eq!(function.load(), (2, 1));
        let outcomes: Vec<bool> = seen.lock().iter().map(|slot| slot.is_ok()).collect();
        assert_eq!(outcomes, [true, false, true]);
        // One that would wait for itself does not wait.
        let again = function.enter_again();
        assert_eq!(function.load(), (3, 1));
        drop(again);
        assert_eq!(function.load(), (2, 1));
        function.close();
        let last = seen.lock().pop().map(|slot| slot.map(|_| ()));
        assert_eq!(last, Some(Err(closed())));
        let held = std::mem::take(&mut *seen.lock());
        drop(held);
        assert_eq!(function.load(), (0, 0));
    }

    #[test]
    fn very_many_canceled_calls_do_not_pile_up() {
        let function = function(1);
        let slot = function.try_enter().expect("free");
        let refused = Arc::new(AtomicUsize::new(0));
        for _ in 0..100_000 {
            let (control, refused) = (CallControl::new(false), refused.clone());
            *control.stage.lock() = Stage::Canceled;
            let run = Box::new(move |slot: Result<CallSlot>| {
                refused.fetch_add(usize::from(slot.is_err()), Ordering::Relaxed);
            });
            function.enter(Waiter { control, run });
        }
        drop(slot);
        assert_eq!((refused.load(Ordering::Relaxed), function.load()), (100_000, (0, 0)));
    }
}
