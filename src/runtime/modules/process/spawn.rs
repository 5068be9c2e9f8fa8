//! Starting processes: here or in another VM, with or without waiting for their end.

use std::ffi::c_int;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::core::pid::Pid;
use crate::core::relay::{Exit, Outcome};
use crate::core::vm::{Answer, VmCell};
use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::wire::Wire;
use crate::runtime::engine::chunk::Definition;
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::process::{self as engine_process, Extra, Spec};
use crate::runtime::engine::raw::{State, VmPointer};
use crate::runtime::engine::recipes::Here;
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Raise, Ret, copy, launch, wire};
use crate::runtime::modules::process::{denied, push_failure};
use crate::runtime::pool::{Parent, Place, VmPool};
use crate::system::frame::Frame;
use crate::system::host::{Host, Seat};
use crate::system::spawn::{Named, OnEnd, SpawnReply, SpawnRequest};

/// One of the variants of spawn.
#[derive(Clone, Copy)]
pub(super) struct Variant {
    pub(super) name: &'static str,
    pub(super) monitor: bool,
    pub(super) link: bool,
}

impl Variant {
    pub(super) const PLAIN: Variant = Variant::new("spawn", false, false);
    pub(super) const MONITORED: Variant = Variant::new("spawn_monitored", true, false);
    pub(super) const LINKED: Variant = Variant::new("spawn_linked", false, true);
    pub(super) const LINKED_MONITORED: Variant = Variant::new("spawn_linked_monitored", true, true);
    pub(super) const EXEC: Variant = Variant::new("exec", false, false);

    const fn new(name: &'static str, monitor: bool, link: bool) -> Variant {
        Variant { name, monitor, link }
    }

    /// What is wrong with a call whose arguments begin at `first`.
    pub(super) fn problem(self, cx: &Cx, first: c_int) -> Option<Error> {
        (cx.l.top() <= first).then(|| {
            Error::invalid(format!("{} requires at least id and host arguments", self.name))
        })
    }
}

pub(super) fn spawn(cx: &mut Cx) -> Ret {
    inheriting(cx, Variant::PLAIN)
}

pub(super) fn spawn_monitored(cx: &mut Cx) -> Ret {
    inheriting(cx, Variant::MONITORED)
}

pub(super) fn spawn_linked(cx: &mut Cx) -> Ret {
    inheriting(cx, Variant::LINKED)
}

pub(super) fn spawn_linked_monitored(cx: &mut Cx) -> Ret {
    inheriting(cx, Variant::LINKED_MONITORED)
}

/// Spawns a child that inherits all and gets nothing beyond.
fn inheriting(cx: &mut Cx, variant: Variant) -> Ret {
    if let Some(problem) = variant.problem(cx, 1) {
        return cx.fail(problem);
    }
    let mut frame = None;
    if !cx.is_unchecked() {
        if let Some(denied) = refusal(cx, variant, 1)? {
            return cx.fail(denied);
        }
        frame = cx.frame();
    }
    start(cx, variant, 1, frame, None)
}

pub(super) fn exec(cx: &mut Cx) -> Ret {
    if let Some(problem) = exec_problem(cx, 1)? {
        return cx.fail(problem);
    }
    if let Some(denied) = refusal(cx, Variant::EXEC, 1)? {
        return cx.fail(denied);
    }
    let frame = cx.frame();
    run(cx, 1, frame, None)
}

/// What is wrong with a call of `exec` whose arguments begin at `first`.
pub(super) fn exec_problem(cx: &Cx, first: c_int) -> Result<Option<Error>, Raise> {
    if let Some(problem) = Variant::EXEC.problem(cx, first) {
        return Ok(Some(problem));
    }
    let (id, host) = (cx.text(first)?, cx.text(first + 1)?);
    let has_both_parts = matches!(id.iter().position(|&c| c == b':'),
        Some(colon) if colon > 0 && colon + 1 < id.len());
    Ok(match (has_both_parts, host.is_empty()) {
        (false, _) => Some(Error::invalid("id must be namespace:name")),
        (true, true) => Some(Error::invalid("host cannot be empty")),
        (true, false) => None,
    })
}

/// Why policies do not let the process named by the arguments at `first` start.
pub(super) fn refusal(cx: &mut Cx, variant: Variant, first: c_int) -> Result<Option<Error>, Raise> {
    if cx.is_unchecked() {
        return Ok(None);
    }
    let (id, host) = (cx.string(first)?, cx.string(first + 1)?);
    let action = match variant.name {
        "exec" => "process.exec",
        _ => "process.spawn",
    };
    let asked = [
        (true, action, "start", &id),
        (variant.monitor, "process.spawn.monitored", "start monitored", &id),
        (variant.link, "process.spawn.linked", "start linked", &id),
        (true, "process.host", "use host", &host),
    ];
    for (is_asked, action, verb, resource) in asked {
        if is_asked && !cx.allows_as_process(action, resource) {
            return Ok(Some(denied(verb, resource)));
        }
    }
    Ok(None)
}

/// What a child gets from its parent.
struct Child {
    parent: Pid,
    monitor: bool,
    link: bool,
    frame: Option<Arc<Frame>>,
    named: Option<Box<Named>>,
    on_end: Option<OnEnd>,
}

/// Children beside a process in one turn, after which it lets them run first: else a quantum makes
/// thousands, which are in no cache any more when they begin.
const BORN_MAX: u32 = 64;

/// Where a child is to live.
enum Site {
    Here(Here),
    There { pool: Arc<VmPool>, vm: Arc<VmCell>, definition: Arc<Definition>, host: Arc<Host> },
}

/// Starts a process; its id, host and arguments are those of the call from `first` on.
pub(super) fn start(
    cx: &mut Cx,
    variant: Variant,
    first: c_int,
    frame: Option<Arc<Frame>>,
    named: Option<Box<Named>>,
) -> Ret {
    if let Some(named) = &named
        && let Some(holder) = engine_process::signal(cx.vm(), named)
    {
        let l = cx.l;
        cx.vm().push_pid(l, holder);
        return cx.values(1);
    }
    let Variant { monitor, link, .. } = variant;
    let site = match site(cx, first)? {
        Ok(site) => site,
        Err(error) => return cx.fail(error),
    };
    let parent = cx.self_pid();
    let child = Child { parent, monitor, link, frame, named, on_end: None };
    let mut gives_way = false;
    let started = match site {
        Site::Here(here) => {
            let vm = cx.vm();
            vm.born += 1;
            gives_way = vm.born >= BORN_MAX;
            start_here(cx, here, child, first + 2)?
        }
        Site::There { vm, definition, host, .. }
            if launch::may_launch(&definition, &host) && child.named.is_none() =>
        {
            let request = request(cx, definition, host, child, first + 2)?;
            request.and_then(|request| launch::launch(cx.vm(), vm, request))
        }
        Site::There { pool, vm, definition, host } => {
            // Before anything is sent: a caller that cannot wait must leave no child behind.
            cx.suspendable()?;
            let done = cx.completer()?;
            let request = match request(cx, definition, host, child, first + 2)? {
                Ok(request) => request,
                Err(error) => return cx.fail(error),
            };
            let reply = move |started: Result<Pid, Error>| done(started.map(Answer::Pid));
            pool.start_in(&vm, request, Box::new(reply));
            return cx.suspend(Wait::Command(finish_pid));
        }
    };
    match started {
        Ok(pid) => {
            let l = cx.l;
            cx.vm().push_pid(l, pid);
            if gives_way { cx.give_way(1) } else { cx.values(1) }
        }
        Err(error) => cx.fail(error),
    }
}

/// Starts a process as [`start`] does and waits for its end. If the caller goes away, it goes on.
pub(super) fn run(
    cx: &mut Cx,
    first: c_int,
    frame: Option<Arc<Frame>>,
    named: Option<Box<Named>>,
) -> Ret {
    cx.suspendable()?;
    let site = match site(cx, first)? {
        Ok(site) => site,
        Err(error) => return cx.fail(not_started(error)),
    };
    // Taken by the end of the child, or by the failure to start it, whichever there is.
    let done = Arc::new(Mutex::new(Some(cx.completer()?)));
    let waiting = done.clone();
    let on_end: OnEnd = Box::new(move |exit: &Exit| {
        if let Some(done) = waiting.lock().take() {
            done(Ok(Answer::Boxed(Box::new(exit.outcome.clone()))));
        }
    });
    let parent = cx.self_pid();
    let child = Child { parent, monitor: false, link: false, frame, named, on_end: Some(on_end) };
    match site {
        Site::Here(here) => {
            if let Err(error) = start_here(cx, here, child, first + 2)? {
                return cx.fail(not_started(error));
            }
        }
        Site::There { pool, vm, definition, host } => {
            let request = match request(cx, definition, host, child, first + 2)? {
                Ok(request) => request,
                Err(error) => return cx.fail(not_started(error)),
            };
            let reply: SpawnReply = Box::new(move |started| {
                if let Err(error) = started
                    && let Some(done) = done.lock().take()
                {
                    done(Err(not_started(error)));
                }
            });
            pool.start_in(&vm, request, reply);
        }
    }
    cx.suspend(Wait::Command(finish_run))
}

/// The failure to start a process as `exec` tells it.
fn not_started(error: Error) -> Error {
    if *error.kind() == Kind::Internal {
        return error;
    }
    let told = Error::internal(error.to_string()).with_retryable(error.retryable());
    match error.details() {
        Some(details) => told.with_details(details.clone()),
        None => told,
    }
}

/// Finds out what to start and where.
fn site(cx: &mut Cx, first: c_int) -> Result<Result<Site, Error>, Raise> {
    let (source, host_id) = (cx.text(first)?, cx.text(first + 1)?);
    let can_wait = cx.can_suspend();
    let vm = cx.vm();
    let Some((number, population)) = vm.cell().map(|cell| (cell.number, cell.population())) else {
        return Err("no VM runs here".into());
    };
    let recipe = match vm.recipes.get(&vm.kernel, source, host_id) {
        Ok(recipe) => recipe,
        Err(error) => return Ok(Err(error)),
    };
    let process = &mut vm.processes[vm.current];
    let mut parent = Parent { vm: number, population, spread: &mut process.spread, can_wait };
    // Who cannot wait has its children in its VM, whatever that is.
    let is_apart = recipe.host.isolated() || (vm.alone && can_wait);
    let kept = !is_apart && parent.keeps(&recipe.definition);
    if let Some(here) = recipe.here
        && kept
    {
        return Ok(Ok(Site::Here(here)));
    }
    let (definition, host) = (recipe.definition.clone(), recipe.host.clone());
    let Some(pool) = vm.pool.upgrade() else {
        return Ok(Err(Error::unavailable("the runtime is shutting down")));
    };
    let place = if kept { Ok(Place::Here) } else { pool.place(Some(parent), host.isolated()) };
    Ok(match place {
        Ok(Place::Here) => {
            let host = vm.host(&host);
            vm.chunk(&definition).map(|chunk| {
                let here = Here { chunk, host };
                vm.recipes.set_here(here);
                Site::Here(here)
            })
        }
        Ok(Place::There(vm)) => Ok(Site::There { pool, vm, definition, host }),
        Err(error) => Err(error),
    })
}

/// Starts a process in the VM of its parent; its arguments are those of the call from `args` on.
fn start_here(
    cx: &mut Cx,
    here: Here,
    child: Child,
    args: c_int,
) -> Result<Result<Pid, Error>, Raise> {
    if let Err(error) = cx.vm().enter_host(here.host) {
        return Ok(Err(error));
    }
    let Here { chunk, host } = here;
    let Child { parent, monitor, link, frame, named, on_end } = child;
    let extra = match (frame, on_end) {
        (None, None) => None,
        (frame, on_end) => Some(Box::new(Extra { frame, on_end, ..Extra::default() })),
    };
    let spec = Spec { chunk, host, parent, monitor, link, extra, named, known: None };
    let mut raised = None;
    let started = engine_process::start(VmPointer::entered(), spec, |thread| {
        copy::arguments(cx, args, thread).map_err(|raise| {
            raised = Some(raise);
            Error::internal("arguments cannot be copied")
        })
    });
    match raised {
        Some(raise) => Err(raise),
        None => Ok(started),
    }
}

/// What another VM needs to start a process; its arguments are those of the call from `args` on.
fn request(
    cx: &mut Cx,
    definition: Arc<Definition>,
    host: Arc<Host>,
    child: Child,
    args: c_int,
) -> Result<Result<SpawnRequest, Error>, Raise> {
    let mut encoded = Wire::new();
    wire::encode_arguments(cx.l, args, cx.l.top(), &mut encoded)?;
    if let Err(error) = host.enter(Seat::OUTSIDE) {
        return Ok(Err(error));
    }
    let Child { parent, monitor, link, frame, named, on_end } = child;
    Ok(Ok(SpawnRequest {
        blueprint: definition,
        host,
        args: encoded,
        parent,
        monitor,
        link,
        frame,
        named,
        terminal: None,
        on_end,
        slot: None,
        known: None,
    }))
}

/// Results of a command that answers with a PID.
fn finish_pid(vm: &mut VmData, l: State, result: Result<Answer, Error>) -> c_int {
    match result {
        Ok(Answer::Pid(pid)) => {
            vm.push_pid(l, pid);
            1
        }
        Ok(_) => 0,
        Err(problem) => push_failure(l, problem),
    }
}

/// What a process that was waited for has returned.
fn finish_run(_: &mut VmData, l: State, result: Result<Answer, Error>) -> c_int {
    let outcome = match result {
        Ok(Answer::Boxed(outcome)) => outcome.downcast::<Outcome>(),
        Ok(_) => return 0,
        Err(problem) => return push_failure(l, problem),
    };
    match outcome.map(|outcome| *outcome) {
        Ok(Outcome::Value(value)) if !value.is_empty() => wire::decode_all(l, &value),
        Ok(Outcome::Error(problem)) => push_failure(l, problem),
        _ => {
            l.push_nil();
            1
        }
    }
}
