//! Functions: entries that are called, and how many of their calls run at a time.
//!
//! A call is a small process. It begins with a [`CallSlot`] of its function (`admission.rs`), which is
//! given back when the call has ended, whatever the end. A pool has no threads: those of the scheduler
//! run its calls, and its instances live in the VMs. `adaptive.rs` moves the bound of pools that ask
//! for that; `control.rs` is the handle to a call under way.

mod adaptive;
mod admission;
mod control;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
use crate::system::functions::admission::{Admission, Entered, Waiter};
use crate::system::host::{Host, HostKind, Seat};
use crate::system::kernel::Kernel;
use crate::system::pools::Pool;
use crate::system::retry::{self, Retry};
use crate::system::spawn::{OnEnd, SpawnReply, SpawnRequest};

pub use crate::system::functions::admission::{CallSlot, OnQueued};
pub use crate::system::functions::control::CallControl;

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
    gate: Mutex<Admission>,
}

impl Function {
    pub fn new(id: String, code: Code, pool: Pool, options: Map) -> Function {
        let host = Arc::new(Host::new(HostId::intern(&id), HostKind::Processes, false));
        host.run();
        let gate = Mutex::new(Admission::new(&pool));
        Function { id, code, host, pool, options, gate }
    }
}

fn closed() -> Error {
    Error::unavailable("pool is closed")
}

/// How a call ends that was canceled.
pub fn canceled() -> Error {
    Error::new(Kind::Canceled, "context canceled").with_retryable(None)
}

/// All functions by id.
#[derive(Default)]
pub struct Functions {
    by_id: RwLock<FnvHashMap<Box<str>, Arc<Function>>>,
    /// Those that others have replaced, as long as calls of them run or wait. Locked within `by_id`.
    replaced: Mutex<Vec<Weak<Function>>>,
    version: AtomicU64,
    is_closed: AtomicBool,
}

impl Functions {
    pub const KEY: Key<Functions> = Key::new("functions");

    /// Adds or replaces a function. Calls that run or wait finish with what they have.
    pub fn insert(&self, function: impl Into<Arc<Function>>) {
        let function = function.into();
        let id = function.id.as_str().into();
        let mut by_id = self.by_id.write();
        // Under the lock: whoever closes all of them sees it, or it sees that.
        if self.is_closed.load(Ordering::Acquire) {
            function.close();
        }
        let before = by_id.insert(id, function);
        if let Some(before) = &before {
            let mut replaced = self.replaced.lock();
            replaced.retain(|function| function.strong_count() > 0);
            replaced.push(Arc::downgrade(before));
        }
        drop(by_id);
        self.version.fetch_add(1, Ordering::Release);
    }

    pub fn remove(&self, id: &str) {
        let removed = self.by_id.write().remove(id);
        self.version.fetch_add(1, Ordering::Release);
        if let Some(function) = removed {
            function.close();
        }
    }

    /// No further calls of any function; those that run go on, those that wait are told so.
    pub fn close(&self) {
        let by_id = self.by_id.write();
        self.is_closed.store(true, Ordering::Release);
        let replaced = std::mem::take(&mut *self.replaced.lock());
        let replaced = replaced.iter().filter_map(Weak::upgrade);
        let all: Vec<Arc<Function>> = by_id.values().cloned().chain(replaced).collect();
        drop(by_id);
        all.iter().for_each(|function| function.close());
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

    /// Forgets all functions. Only when no worker runs any more.
    pub fn clear(&self) {
        self.close();
        // Not under the lock.
        let all = std::mem::take(&mut *self.by_id.write());
        drop(all);
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

/// Has the instances made for which [`Function::reserve`] has set seats aside.
pub fn prepare(kernel: &Kernel, seats: Vec<CallSlot>) {
    let Some(spawner) = kernel.spawner.get().and_then(Weak::upgrade) else { return };
    seats.into_iter().for_each(|seat| spawner.prepare(seat));
}

/// Makes a call, once there is a slot for it.
pub fn call(kernel: &Arc<Kernel>, call: Call, done: OnOutcome) -> Arc<CallControl> {
    call_in_turn(kernel, call, None, done).0
}

/// Like [`call`]. `true`: the pool's queue is full, and the caller is to make no further calls until
/// `on_queued` is called, as it then surely is.
pub fn call_in_turn(
    kernel: &Arc<Kernel>,
    call: Call,
    on_queued: Option<OnQueued>,
    done: OnOutcome,
) -> (Arc<CallControl>, bool) {
    let function = call.function.clone();
    let control = CallControl::new(function.clone());
    let slot = function.try_enter_anywhere(call.at.as_ref()).or_else(|| {
        let waits_for_itself = is_within(kernel, call.parent, function.host.id);
        waits_for_itself.then(|| function.enter_again())
    });
    if let Some(slot) = slot {
        launch(kernel, &control, call, slot, done);
        return (control, false);
    }
    let (weak, waiting) = (Arc::downgrade(kernel), control.clone());
    let run = Box::new(move |slot: Result<CallSlot>| match (slot, weak.upgrade()) {
        (Ok(slot), Some(kernel)) => launch(&kernel, &waiting, call, slot, done),
        (Ok(_), None) => done(Outcome::Error(closed())),
        (Err(error), _) => done(Outcome::Error(error)),
    });
    let entered = function.enter(Waiter { control: control.clone(), run }, on_queued);
    (control, entered == Entered::Blocked)
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

/// How a caller is told of the error that ended a call: one without a kind is internal.
pub fn as_told(error: Error) -> Error {
    match error.kind() {
        Kind::Unknown => error.with_kind(Kind::Internal),
        _ => error,
    }
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
    let waiting = done.clone();
    let on_end: OnEnd = Box::new(move |exit: &Exit| {
        if let Some(done) = waiting.lock().take() {
            done(match &exit.outcome {
                Outcome::Error(error) => Outcome::Error(as_told(error.clone())),
                value => value.clone(),
            });
        }
    });
    let is_process = matches!(function.code, Code::Process { .. });
    let failed = move |error: Error| {
        let error = if is_process { error.with_kind(Kind::Internal) } else { error };
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
    let home = slot.home();
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
        (Err(error), _) => failed(error),
    });
    match home.or(at).filter(|_| !isolated) {
        Some(cell) => {
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

    #[test]
    fn replaced_functions_are_known_while_somebody_has_them() {
        let functions = Functions::default();
        let insert = || {
            let code = Code::Function(Arc::new(()));
            let function = Function::new("test:f".into(), code, Pool::UNBOUNDED, Map::new());
            functions.insert(function);
            functions.get("test:f").expect("known")
        };
        let first = insert();
        for _ in 0..9 {
            insert();
        }
        let last = insert();
        assert!(functions.replaced.lock().len() <= 2, "the first, and the one before the last");
        functions.close();
        assert!(first.is_closed() && last.is_closed() && insert().is_closed());
    }
}
