//! Calls of functions: here beside the caller, or elsewhere, and how their results come back.
//!
//! A call is a process with a slot of its function. Where the caller waits and a slot is free, it runs
//! in the caller's VM: arguments and result are copied from stack to stack. Everything else (futures,
//! retries, time limits, full pools) is an [`Outgoing`] of the caller's VM: arguments go encoded, the
//! outcome comes as an event under a tag of its own.
//!
//! A function's *instance*, its globals and its method, outlives the call and serves later ones: see
//! [`instances`](crate::runtime::engine::instances).

use std::ffi::c_int;
use std::sync::Arc;

use crate::core::pid::Pid;
use crate::core::reactor::timers::TimerId;
use crate::core::relay::{Body, Outcome, Package};
use crate::core::vm::{Answer, Event};
use crate::infra::error::{Error, Kind, Result};
use crate::infra::transcoder::wire::Wire;
use crate::runtime::engine::chunk::Definition;
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::instances::Instance;
use crate::runtime::engine::process::{self, Extra, Process, Spec};
use crate::runtime::engine::raw::{State, VmPointer};
use crate::runtime::engine::recipes::Here;
use crate::runtime::engine::slab::NONE;
use crate::runtime::engine::vm::{Due, VmData};
use crate::runtime::engine::{Cx, Ret, copy, error, wire};
use crate::system::frame::Frame;
use crate::system::functions::{
    self, Call, CallControl, CallSlot, Code, Function, OnQueued, Options,
};
use crate::system::kernel::Kernel;
use crate::system::retry::Retry;

/// What a process serves that is a call.
pub struct Served {
    pub slot: CallSlot,
    /// Waits in this VM.
    pub caller: Option<Caller>,
    pub instance: Option<Instance>,
    /// The result lies on the caller's stack already.
    pub is_handed_over: bool,
}

impl Served {
    pub fn new(slot: CallSlot, caller: Option<Caller>) -> Served {
        Served { slot, caller, instance: None, is_handed_over: false }
    }

    /// A function of its own, not a process that is called like one.
    pub fn is_function(&self) -> bool {
        matches!(self.slot.function().code, Code::Function(_))
    }
}

/// A coroutine of this VM.
#[derive(Clone, Copy)]
pub struct Caller {
    pid: Pid,
    tag: u64,
}

/// What a coroutine waits for that has called.
#[derive(Clone, Copy)]
pub enum Callee {
    /// A process of this VM.
    Here(Pid),
    /// An outgoing call.
    There(u32),
}

/// A call whose outcome comes as an event.
pub struct Outgoing {
    owner: Pid,
    to: To,
    /// None while it waits for its next attempt.
    control: Option<Arc<CallControl>>,
    retry: Option<Box<Retrying>>,
    timeout: Option<TimerId>,
}

struct Retrying {
    policy: Retry,
    /// Made so far.
    attempts: u32,
    call: Call,
    timer: Option<TimerId>,
}

#[derive(Clone, Copy)]
enum To {
    Coroutine(u64),
    /// A channel with a future, of which this is a hold.
    Future(u32),
    Nobody,
}

const CALL_TAG: u64 = 1 << 63;

/// The outgoing call with this tag, if it is the tag of one.
pub fn of_tag(tag: u64) -> Option<u32> {
    (tag & CALL_TAG != 0).then_some(tag as u32)
}

/// Functions a VM remembers.
const CALLEES_MAX: usize = 32;

/// Functions called lately, the last one in front. Right as long as the version is.
#[derive(Default)]
pub struct Callees(Vec<Known>);

struct Known {
    id: Box<[u8]>,
    version: u64,
    function: Arc<Function>,
    here: Option<Here>,
}

impl Callees {
    #[inline]
    fn get(&mut self, kernel: &Kernel, id: &[u8]) -> Result<&mut Known> {
        let version = kernel.functions.version();
        match self.0.iter().position(|known| *known.id == *id) {
            Some(0) if self.0[0].version == version => {}
            Some(at) if self.0[at].version == version => self.0[..=at].rotate_right(1),
            stale => {
                let function = kernel.functions.get(&String::from_utf8_lossy(id))?;
                if let Some(stale) = stale {
                    self.0.remove(stale);
                }
                self.0.truncate(CALLEES_MAX - 1);
                self.0.insert(0, Known { id: id.into(), version, function, here: None });
            }
        }
        Ok(&mut self.0[0])
    }
}

impl VmData {
    /// The function with this id.
    #[inline]
    pub fn callee(&mut self, id: &[u8]) -> Result<Arc<Function>> {
        self.callees.get(&self.kernel, id).map(|known| known.function.clone())
    }

    /// Where this VM has the function that was looked up last.
    fn place_of(&mut self, function: &Arc<Function>) -> Result<Here> {
        let known = self.callees.0.first().filter(|known| Arc::ptr_eq(&known.function, function));
        if let Some(here) = known.and_then(|known| known.here) {
            return Ok(here);
        }
        let host = self.host(&function.host);
        let chunk = self.chunk(&definition(function)?)?;
        let here = Here { chunk, host };
        if let Some(known) = self.callees.0.first_mut()
            && Arc::ptr_eq(&known.function, function)
        {
            known.here = Some(here);
        }
        Ok(here)
    }
}

/// The code of a function.
pub fn definition(function: &Function) -> Result<Arc<Definition>> {
    let blueprint = match &function.code {
        Code::Function(blueprint) => blueprint.clone().downcast::<Definition>().ok(),
        Code::Process { .. } => None,
    };
    blueprint.ok_or_else(|| Error::internal("failed to create function"))
}

/// Calls beside the caller, with the arguments from `first` on; the caller waits for the result.
pub fn call_here(cx: &mut Cx, mut slot: CallSlot, frame: Option<Arc<Frame>>, first: c_int) -> Ret {
    let coroutine = cx.suspendable()?;
    let parent = cx.self_pid();
    let vm = cx.vm();
    let here = vm.place_of(slot.function());
    let entered = here.and_then(|here| vm.enter_host(here.host).map(|()| here));
    let Here { chunk, host } = match entered {
        Ok(here) => here,
        Err(error) => return cx.fail(error),
    };
    let caller = Caller { pid: parent, tag: vm.tag_of(coroutine) };
    vm.adapt_for(&mut slot);
    let served = Some(Served::new(slot, Some(caller)));
    let extra = Some(Box::new(Extra { frame, served, ..Extra::default() }));
    let spec =
        Spec { chunk, host, parent, monitor: false, link: false, extra, named: None, known: None };
    let mut raised = None;
    let started = process::start(VmPointer::entered(), spec, |thread| {
        copy::arguments(cx, first, thread).map_err(|raise| {
            raised = Some(raise);
            Error::internal("arguments cannot be copied")
        })
    });
    match (started, raised) {
        (_, Some(raise)) => Err(raise),
        (Ok(pid), None) => cx.suspend(Wait::Call(Callee::Here(pid))),
        (Err(error), None) => cx.fail(error),
    }
}

/// Makes a call whose outcome comes as an event; the caller waits for it.
pub fn call_there(cx: &mut Cx, call: Call, options: Options) -> Ret {
    let coroutine = cx.suspendable()?;
    let vm = cx.vm();
    let to = To::Coroutine(vm.tag_of(coroutine));
    let (sent, _) = vm.send_call(Ok(call), options, to, None);
    cx.suspend(Wait::Call(Callee::There(sent)))
}

/// Makes a call and pushes its future. Waits while the function's queue is full, if it can wait.
pub fn call_async(cx: &mut Cx, call: Result<Call>, options: Options) -> Ret {
    let l = cx.l;
    let has_bound = call.as_ref().is_ok_and(|call| call.function.pool.buffer < usize::MAX);
    let on_queued = match has_bound && cx.can_suspend() {
        true => {
            let done = cx.completer()?;
            let on_queued: OnQueued = Box::new(move || done(Ok(Answer::Nothing)));
            Some(on_queued)
        }
        false => None,
    };
    let vm = cx.vm();
    let channel = vm.push_future(l);
    // The call's own hold.
    vm.channels[channel].holders += 1;
    let (sent, is_blocked) = vm.send_call(call, options, To::Future(channel), on_queued);
    vm.set_call(channel, sent);
    match is_blocked {
        // The future lies on the stack until then.
        true => cx.suspend(Wait::Command(|_, _, _| 1)),
        false => cx.values(1),
    }
}

impl VmData {
    /// Makes a call: its place, and whether its caller has to wait for `on_queued`.
    fn send_call(
        &mut self,
        call: Result<Call>,
        options: Options,
        to: To,
        on_queued: Option<OnQueued>,
    ) -> (u32, bool) {
        let owner = self.processes[self.current].pid;
        let outgoing = Outgoing { owner, to, control: None, retry: None, timeout: None };
        let at = self.outgoing.insert(outgoing);
        let call = match call {
            Ok(call) => call,
            Err(error) => {
                // As if it had run: nothing is delivered before the owner waits.
                self.answer_to(at)(Outcome::Error(error));
                return (at, false);
            }
        };
        if let Some(timeout) = options.timeout {
            let deadline = self.now().saturating_add(timeout.as_nanos() as u64);
            self.outgoing[at].timeout = Some(self.timers.insert(deadline, Due::Timeout(at)));
        }
        if let Some(policy) = options.retry {
            let retrying = Retrying { policy, attempts: 1, call: call.clone(), timer: None };
            self.outgoing[at].retry = Some(Box::new(retrying));
        }
        let is_blocked = self.launch(at, call, on_queued);
        (at, is_blocked)
    }

    fn launch(&mut self, at: u32, call: Call, on_queued: Option<OnQueued>) -> bool {
        let done = Box::new(self.answer_to(at));
        let kernel = self.kernel.clone();
        let (control, is_blocked) = functions::call_in_turn(&kernel, call, on_queued, done);
        self.outgoing[at].control = Some(control);
        is_blocked
    }

    /// Sends the outcome of an outgoing call to this VM, from any thread.
    fn answer_to(&self, at: u32) -> impl FnOnce(Outcome) + Send + use<> {
        let cell = self.cell().cloned();
        let scheduler = self.kernel.scheduler.clone();
        let pid = self.outgoing[at].owner;
        move |outcome| {
            // A VM that makes a call runs, so there is one.
            let Some(cell) = cell else { return };
            let result = Ok(Answer::Boxed(Box::new(outcome)));
            cell.post(Event::Done { pid, tag: CALL_TAG | u64::from(at), result });
            scheduler.notify(&cell);
        }
    }

    /// The outcome of an outgoing call has come.
    pub fn call_answered(&mut self, at: u32, result: Result<Answer>) {
        if !self.outgoing.contains(at) {
            return;
        }
        let outcome = match result {
            Ok(Answer::Boxed(outcome)) => outcome.downcast().map_or_else(
                |_| Outcome::Error(Error::internal("a call was answered with something else")),
                |outcome| *outcome,
            ),
            Ok(_) => Outcome::Value(Wire::new()),
            Err(error) => Outcome::Error(error),
        };
        if let Outcome::Error(error) = &outcome
            && self.waits_to_retry(at, error)
        {
            return;
        }
        let to = self.forget_call(at);
        self.give(to, &outcome);
    }

    /// Prepares the next attempt, if there is to be one.
    fn waits_to_retry(&mut self, at: u32, error: &Error) -> bool {
        let Some(retrying) = &mut self.outgoing[at].retry else { return false };
        let Retrying { policy, attempts, .. } = &mut **retrying;
        let Some(delay) = policy.next(*attempts, error) else { return false };
        *attempts += 1;
        let deadline = self.now().saturating_add(delay.as_nanos() as u64);
        let timer = self.timers.insert(deadline, Due::Retry(at));
        let outgoing = &mut self.outgoing[at];
        outgoing.control = None;
        if let Some(retrying) = &mut outgoing.retry {
            retrying.timer = Some(timer);
        }
        true
    }

    /// The delay before the next attempt is over.
    pub fn call_again(&mut self, at: u32) {
        let Some(outgoing) = self.outgoing.get_mut(at) else { return };
        let Some(retrying) = &mut outgoing.retry else { return };
        retrying.timer = None;
        match self.by_uniq.contains_key(&outgoing.owner.uniq()) {
            true => {
                let call = retrying.call.clone();
                self.launch(at, call, None);
            }
            // It has ended meanwhile.
            false => self.cancel_call(at),
        }
    }

    /// The caller has waited long enough.
    pub fn call_timed_out(&mut self, at: u32) {
        let Some(outgoing) = self.outgoing.get_mut(at) else { return };
        outgoing.timeout = None;
        let to = std::mem::replace(&mut outgoing.to, To::Nobody);
        self.cancel_call(at);
        let error = Error::new(Kind::Timeout, "function call timed out");
        self.give(to, &Outcome::Error(error));
    }

    /// Ends a call whose outcome nobody may need any more.
    pub fn cancel_call(&mut self, at: u32) {
        let Some(outgoing) = self.outgoing.get(at) else { return };
        match outgoing.control.clone() {
            Some(control) => {
                if let Some(retrying) = &mut self.outgoing[at].retry {
                    retrying.attempts = u32::MAX;
                }
                control.cancel(&self.kernel);
            }
            // Between two attempts: nothing will come.
            None => {
                let to = self.forget_call(at);
                self.give(to, &Outcome::Error(functions::canceled()));
            }
        }
    }

    fn forget_call(&mut self, at: u32) -> To {
        let outgoing = self.outgoing.remove(at);
        let retry_timer = outgoing.retry.and_then(|retrying| retrying.timer);
        for timer in [outgoing.timeout, retry_timer].into_iter().flatten() {
            self.timers.cancel(timer);
        }
        outgoing.to
    }

    fn give(&mut self, to: To, outcome: &Outcome) {
        match to {
            To::Nobody => {}
            To::Future(channel) => self.settle(channel, outcome),
            To::Coroutine(tag) => {
                if let Some(coroutine) = self.coroutine_of(tag) {
                    let results = push_result(self.coroutines[coroutine].inner, outcome);
                    self.wake(coroutine, results);
                }
            }
        }
    }

    /// The coroutine that waits for it is gone, and with it whoever wants the result.
    pub fn abandon(&mut self, callee: Callee) {
        match callee {
            Callee::Here(to) => {
                let body = Body::Kill(functions::canceled());
                self.local_mail.push_back(Package { from: Pid::NONE, to, body });
            }
            Callee::There(at) => {
                if let Some(outgoing) = self.outgoing.get_mut(at) {
                    outgoing.to = To::Nobody;
                    self.cancel_call(at);
                }
            }
        }
    }

    // -- the side of the callee -------------------------------------------------------------------

    /// The method has returned: its result goes to a caller that waits beside it, and its instance
    /// serves others. `false`: the result is wanted as an outcome.
    pub fn hand_over(&mut self, id: u32, thread: State) -> bool {
        let Process { pid, chunk, ref mut extra, .. } = self.processes[id];
        let Some(served) = extra.as_mut().and_then(|extra| extra.served.as_mut()) else {
            return false;
        };
        let (caller, instance) = (served.caller, served.instance.take());
        let is_kept = served.slot.shares_instance();
        if let Some(instance) = instance.filter(|_| is_kept) {
            self.give_instance(chunk, instance);
        }
        let Some(coroutine) = caller.and_then(|caller| self.waiting(caller)) else { return false };
        if thread.top() >= 2 && error::from_result(thread, 2).is_some() {
            return false;
        }
        let watched = self.kernel.table().with(pid, |control| !control.watchers.is_empty());
        if watched != Some(false) {
            return false;
        }
        let inner = self.coroutines[coroutine].inner;
        if !inner.check_stack(2) || !thread.check_stack(2) {
            return false;
        }
        match thread.top() {
            0 => inner.push_nil(),
            _ => {
                if copy::argument(thread, 1).is_err() {
                    return false;
                }
                thread.move_to(inner, 1);
            }
        }
        if let Some(extra) = &mut self.processes[id].extra
            && let Some(served) = &mut extra.served
        {
            served.is_handed_over = true;
        }
        true
    }

    /// The call has ended: its caller goes on.
    pub fn answer(&mut self, served: Served, outcome: &Outcome) {
        if let Some(coroutine) = served.caller.and_then(|caller| self.waiting(caller)) {
            let results = match served.is_handed_over {
                true => 1,
                false => push_result(self.coroutines[coroutine].inner, outcome),
            };
            self.wake(coroutine, results);
        }
        // And now the next one may come, see `CallSlot`.
    }

    /// The coroutine of a caller, if it still waits.
    fn waiting(&self, caller: Caller) -> Option<u32> {
        let coroutine = self.coroutine_of(caller.tag)?;
        let process = self.coroutines[coroutine].process;
        (self.processes[process].pid == caller.pid).then_some(coroutine)
    }

    /// The process has outgoing calls whose outcome a future will have.
    pub fn has_pending_future(&self, process: u32) -> bool {
        self.pending_futures(process).next().is_some()
    }

    /// Cancels what a canceled process has called.
    pub fn cancel_futures(&mut self, process: u32) {
        let calls: Vec<u32> = self.pending_futures(process).collect();
        for call in calls {
            self.cancel_call(call);
        }
    }

    fn pending_futures(&self, process: u32) -> impl Iterator<Item = u32> + '_ {
        let mut next = self.processes[process].channels;
        let channels = std::iter::from_fn(move || {
            let channel = self.channels.get(next).filter(|_| next != NONE)?;
            next = channel.next;
            Some(channel)
        });
        channels.filter_map(|channel| channel.future.as_ref()?.pending())
    }
}

/// Pushes what a call returns: a value, or nil and an error.
fn push_result(l: State, outcome: &Outcome) -> c_int {
    match outcome {
        Outcome::Value(value) if !value.is_empty() => wire::decode_all(l, value),
        Outcome::Value(_) => {
            l.push_nil();
            1
        }
        Outcome::Error(problem) => {
            l.push_nil();
            error::push(l, functions::as_told(problem.clone()));
            2
        }
    }
}
