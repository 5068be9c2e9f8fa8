//! `funcs`: calls of functions, at once or as futures. Specification 04, section 2.

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use crate::core::vm::VmCell;
use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::wire::Wire;
use crate::infra::transcoder::{Map, heap_of};
use crate::runtime::engine::calls::{self, definition};
use crate::runtime::engine::raw::{State, Tagged, Type};
use crate::runtime::engine::{Cx, Raise, Ret, host, push_functions, register_type, tags, wire};
use crate::runtime::pool::{Parent, Place};
use crate::system::frame::Frame;
use crate::system::functions::{Call, Code, Function, Options};
use crate::system::security::{Actor, Scope};

/// `funcs.Executor`: how calls differ from those of the module. Never changes.
#[derive(Clone, Default)]
struct Executor {
    values: Map,
    actor: Option<Actor>,
    scope: Option<Scope>,
    network: Option<Arc<str>>,
    options: Map,
}

impl Tagged for Executor {
    const TAG: c_int = tags::EXECUTOR;
    const NAME: &'static CStr = c"funcs.Executor";

    fn heap(&self) -> usize {
        heap_of(&self.values) + heap_of(&self.options)
    }
}

pub fn register_types(l: State) {
    register_type::<Executor>(
        l,
        &[
            (c"call", host(|cx| call_as(cx, Wanted::Result))),
            (c"async", host(|cx| call_as(cx, Wanted::Future))),
            (c"with_context", host(with_context)),
            (c"with_actor", host(with_actor)),
            (c"with_scope", host(with_scope)),
            (c"with_options", host(with_options)),
        ],
        &[(c"__tostring", host(text))],
    );
}

pub fn open(l: State) {
    push_functions(l, &[(c"call", host(call)), (c"async", host(call_async)), (c"new", host(new))]);
    l.set_read_only(-1, true);
}

/// What a caller gets.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Result,
    Future,
}

fn call(cx: &mut Cx) -> Ret {
    make(cx, Wanted::Result, 1, None)
}

fn call_async(cx: &mut Cx) -> Ret {
    make(cx, Wanted::Future, 1, None)
}

fn call_as(cx: &mut Cx, wanted: Wanted) -> Ret {
    let executor = this(cx)?;
    make(cx, wanted, 2, Some(executor))
}

/// Makes a call; target and arguments are those of the running one from `first` on.
fn make(cx: &mut Cx, wanted: Wanted, first: c_int, executor: Option<Executor>) -> Ret {
    let target = cx.text(first)?;
    if let Some(problem) = problem_of(target) {
        return cx.fail(Error::invalid(problem));
    }
    if !cx.is_unchecked() {
        let target = String::from_utf8_lossy(target).into_owned();
        if !cx.allows("funcs.call", &target) {
            return cx.fail(denied(&target));
        }
    }
    let function = match cx.vm().callee(target) {
        Ok(function) => function,
        Err(error) if wanted == Wanted::Future => {
            return calls::call_async(cx, Err(error), Options::default());
        }
        Err(error) => return cx.fail(error),
    };
    let mut frame = cx.frame();
    let mut options = Options::default();
    if let Some(executor) = executor {
        if let Some(network) = &executor.network
            && let Some(problem) = cx.network_problem(network)
        {
            return cx.fail(problem);
        }
        options = Options::of(&function.options, &executor.options);
        frame = executor.over(frame);
    } else if !function.options.is_empty() {
        options = Options::of(&function.options, &Map::new());
    }
    // Before anything is sent: a caller that cannot wait must leave no call behind.
    if wanted == Wanted::Result {
        cx.suspendable()?;
        if options.is_empty()
            && runs_here(cx, &function)
            && let Some(slot) = function.try_enter(cx.vm().cell())
        {
            return calls::call_here(cx, slot, frame, first + 1);
        }
    }
    let mut args = Wire::new();
    wire::encode_arguments(cx.l, first + 1, cx.l.top(), &mut args)?;
    let parent = cx.self_pid();
    let is_shared = !is_isolated(cx);
    let own = cx.vm().cell().cloned().filter(|_| is_shared);
    let at = match wanted {
        // The caller waits: nothing is gained elsewhere.
        Wanted::Result => own,
        Wanted::Future => own.and_then(|own| place(cx, &function, own)),
    };
    let call = Call { function, args, frame, parent, at };
    match wanted {
        Wanted::Result => calls::call_there(cx, call, options),
        Wanted::Future => calls::call_async(cx, Ok(call), options),
    }
}

/// What is wrong with a target.
fn problem_of(target: &[u8]) -> Option<&'static str> {
    if target.is_empty() {
        return Some("function ID required");
    }
    let colon = target.iter().position(|&byte| byte == b':');
    match colon {
        None | Some(0) => Some("namespace required in function ID"),
        Some(at) if at + 1 == target.len() => Some("name required in function ID"),
        Some(_) => None,
    }
}

fn denied(what: &str) -> Error {
    Error::new(Kind::PermissionDenied, format!("not allowed: {what}"))
}

/// Has the running process a VM to itself? Then nothing else runs there.
fn is_isolated(cx: &mut Cx) -> bool {
    cx.vm().alone
}

/// May a call run beside its caller?
fn runs_here(cx: &mut Cx, function: &Arc<Function>) -> bool {
    let is_function = matches!(function.code, Code::Function(_));
    is_function && !is_isolated(cx)
}

/// Where a call runs that nobody waits for. `None`: anywhere.
fn place(cx: &mut Cx, function: &Function, own: Arc<VmCell>) -> Option<Arc<VmCell>> {
    let definition = definition(function).ok()?;
    let vm = cx.vm();
    let pool = vm.pool.upgrade()?;
    let (number, population) = (own.number, own.population());
    let process = &mut vm.processes[vm.current];
    let spread = &mut process.spread;
    let mut parent = Parent { vm: number, population, spread, can_wait: true };
    if parent.keeps(&definition) {
        return Some(own);
    }
    match pool.place(Some(parent), false).ok()? {
        Place::Here => Some(own),
        Place::There(vm) => Some(vm),
    }
}

// -- executors -------------------------------------------------------------------------------------

fn new(cx: &mut Cx) -> Ret {
    give(cx, Executor::default())
}

fn this(cx: &Cx) -> Result<Executor, Raise> {
    let found = cx.l.with::<Executor, _>(1, |this| this.clone());
    found.ok_or_else(|| cx.wrong_type(1, "funcs.Executor"))
}

fn give(cx: &Cx, executor: Executor) -> Ret {
    cx.l.push_userdata(executor);
    cx.values(1)
}

fn with_context(cx: &mut Cx) -> Ret {
    let mut executor = this(cx)?;
    if !cx.allows("funcs.context", "context") {
        return cx.fail(denied("context"));
    }
    executor.values.extend(cx.context_values(2)?);
    give(cx, executor)
}

fn with_actor(cx: &mut Cx) -> Ret {
    let mut executor = this(cx)?;
    if !cx.allows("funcs.security", "security") {
        return cx.fail(denied("security"));
    }
    executor.actor = Some(cx.actor(2)?);
    give(cx, executor)
}

fn with_scope(cx: &mut Cx) -> Ret {
    let mut executor = this(cx)?;
    if !cx.allows("funcs.security", "security") {
        return cx.fail(denied("security"));
    }
    executor.scope = Some(cx.scope(2)?);
    give(cx, executor)
}

fn with_options(cx: &mut Cx) -> Ret {
    let mut executor = this(cx)?;
    cx.table(2)?;
    let l = cx.l;
    executor.network = match l.get_field(2, "network") {
        Type::String => Some(cx.string(l.top())?.into()),
        Type::Nil => None,
        _ => return Err(cx.bad_argument(2, "network must be a string")),
    };
    l.pop(1);
    if let Some(network) = &executor.network
        && !cx.allows("network.select", network)
    {
        let network = network.to_string();
        return cx.fail(denied(&network));
    }
    executor.options = cx.context_values(2)?;
    give(cx, executor)
}

fn text(cx: &mut Cx) -> Ret {
    this(cx)?;
    cx.str("funcs.Executor{}")
}

impl Executor {
    /// The frame of a call: what is inherited, and over it what the executor has.
    fn over(self, inherited: Option<Arc<Frame>>) -> Option<Arc<Frame>> {
        let changes = !self.values.is_empty() || self.network.is_some();
        if !changes && self.actor.is_none() && self.scope.is_none() {
            return inherited;
        }
        let mut frame = Frame::of(inherited.as_ref());
        frame.merge(self.values);
        frame.actor = self.actor.or(frame.actor);
        frame.scope = self.scope.or(frame.scope);
        frame.network = self.network.or(frame.network);
        frame.share()
    }
}
