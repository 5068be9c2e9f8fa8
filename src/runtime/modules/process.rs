//! `process`: identity, spawn, send and receive, events, monitors and links, names.
//!
//! Specification 01. Within a VM everything here is done at once; across VMs, spawning suspends the
//! caller until the other VM has started the child.

use std::sync::Arc;

use crate::core::pid::{HostId, NodeId, Pid, PidParts};
use crate::core::relay::mailbox::Resume;
use crate::core::relay::{Body, Package, Posted};
use crate::core::vm::{Answer, VmCell};
use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::wire::Wire;
use crate::runtime::engine::channel::Source;
use crate::runtime::engine::chunk::Definition;
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::mail::{Mail, Payload, Topic};
use crate::runtime::engine::process::{self as engine_process, Spec};
use crate::runtime::engine::raw::{State, Type, VmPointer};
use crate::runtime::engine::recipes::Here;
use crate::runtime::engine::slot::Slot;
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Raise, Ret, copy, error, host, push_functions, wire};
use crate::runtime::pool::{Parent, Place, VmPool};
use crate::system::host::{Host, HostKind, Seat};
use crate::system::kernel::terminated;
use crate::system::spawn::SpawnRequest;

const LOCAL: f64 = 0.0;
const EVENTUAL: f64 = 1.0;
const CONSISTENT: f64 = 2.0;
const STRONG: f64 = 3.0;

pub fn open(l: State) {
    push_functions(
        l,
        &[
            (c"pid", host(pid)),
            (c"id", host(id)),
            (c"spawn", host(spawn)),
            (c"spawn_monitored", host(spawn_monitored)),
            (c"spawn_linked", host(spawn_linked)),
            (c"spawn_linked_monitored", host(spawn_linked_monitored)),
            (c"send", host(send)),
            (c"inbox", host(inbox)),
            (c"events", host(events)),
            (c"listen", host(listen)),
            (c"unlisten", host(unlisten)),
            (c"cancel", host(cancel)),
            (c"terminate", host(terminate)),
            (c"monitor", host(monitor)),
            (c"unmonitor", host(unmonitor)),
            (c"link", host(link)),
            (c"unlink", host(unlink)),
            (c"get_options", host(get_options)),
            (c"set_options", host(set_options)),
        ],
    );
    l.new_table(0, 4);
    for (name, kind) in [
        ("CANCEL", "pid.cancel"),
        ("EXIT", "pid.exit"),
        ("LINK_DOWN", "pid.link.down"),
        ("OUTDATED", "pid.outdated"),
    ] {
        l.push_str(kind);
        l.set_field(-2, name);
    }
    l.set_read_only(-1, true);
    l.set_field(-2, "event");
    push_functions(
        l,
        &[
            (c"register", host(register)),
            (c"lookup", host(lookup)),
            (c"unregister", host(unregister)),
        ],
    );
    for (name, scope) in
        [("LOCAL", LOCAL), ("EVENTUAL", EVENTUAL), ("CONSISTENT", CONSISTENT), ("STRONG", STRONG)]
    {
        l.push_number(scope);
        l.set_field(-2, name);
    }
    l.set_read_only(-1, true);
    l.set_field(-2, "registry");
    l.set_read_only(-1, true);
}

impl Cx {
    /// The PID of the running process.
    pub fn self_pid(&mut self) -> Pid {
        let vm = self.vm();
        vm.processes[vm.current].pid
    }

    /// Argument `n` as a destination: a PID or a registered name.
    fn destination(&mut self, n: i32) -> Result<Result<Pid, Error>, Raise> {
        let text = self.text(n)?;
        let address = self.l.address(n);
        let vm = self.vm();
        if let Some(pid) = vm.addresses.get(address, text) {
            return Ok(Ok(pid));
        }
        let resolved = vm.resolve(&String::from_utf8_lossy(text));
        if let Ok(pid) = resolved
            && PidParts::parse(&String::from_utf8_lossy(text)).is_ok()
        {
            vm.addresses.insert(address, text, pid);
        }
        Ok(resolved)
    }
}

impl VmData {
    /// A PID or a registered name as a PID.
    pub fn resolve(&self, text: &str) -> Result<Pid, Error> {
        let unresolved = || {
            let message = format!("could not resolve '{text}' as PID or registered name");
            Error::not_found(message)
        };
        let Ok(parts) = PidParts::parse(text) else {
            return self.kernel.topology.names().find(text).ok_or_else(unresolved);
        };
        let node = match parts.node {
            "" => self.kernel.pids.node(),
            name => NodeId::find(name).ok_or_else(|| Error::not_found("node not found"))?,
        };
        // A host nobody has registered, or a number no generator makes: the text is a PID, but
        // there is no such process.
        let host = HostId::find(parts.host).ok_or_else(|| Error::not_found("host not found"))?;
        let uniq = parts.number().ok_or_else(|| Error::not_found("process not found"))?;
        Ok(Pid::new(node, host, uniq))
    }

    fn is_local(&self, pid: Pid) -> bool {
        pid.node() == NodeId::LOCAL || pid.node() == self.kernel.pids.node()
    }
}

fn pid(cx: &mut Cx) -> Ret {
    let pid = cx.self_pid();
    let l = cx.l;
    cx.vm().push_pid(l, pid);
    cx.values(1)
}

fn id(cx: &mut Cx) -> Ret {
    let vm = cx.vm();
    let id = vm.definition(vm.processes[vm.current].chunk).id.to_string();
    cx.str(&id)
}

// -- spawn -------------------------------------------------------------------------------------

fn spawn(cx: &mut Cx) -> Ret {
    spawn_with(cx, "spawn", false, false)
}

fn spawn_monitored(cx: &mut Cx) -> Ret {
    spawn_with(cx, "spawn_monitored", true, false)
}

fn spawn_linked(cx: &mut Cx) -> Ret {
    spawn_with(cx, "spawn_linked", false, true)
}

fn spawn_linked_monitored(cx: &mut Cx) -> Ret {
    spawn_with(cx, "spawn_linked_monitored", true, true)
}

fn spawn_with(cx: &mut Cx, name: &str, monitor: bool, link: bool) -> Ret {
    if cx.l.top() < 2 {
        let message = format!("{name} requires at least id and host arguments");
        return cx.fail(Error::invalid(message));
    }
    let (source, host_id) = (cx.text(1)?, cx.text(2)?);
    let can_wait = cx.can_suspend();
    let vm = cx.vm();
    let Some((number, population)) = vm.cell().map(|cell| (cell.number, cell.population())) else {
        return Err("no VM runs here".into());
    };
    let recipe = match vm.recipes.get(&vm.kernel, source, host_id) {
        Ok(recipe) => recipe,
        Err(error) => return cx.fail(error),
    };
    let process = &mut vm.processes[vm.current];
    let bonds = Bonds { parent: process.pid, monitor, link };
    let mut parent = Parent { vm: number, population, spread: &mut process.spread, can_wait };
    let kept = !recipe.host.isolated() && parent.keeps(&recipe.definition);
    if let Some(here) = recipe.here
        && kept
    {
        return spawn_here(cx, here, bonds);
    }
    let (definition, host) = (recipe.definition.clone(), recipe.host.clone());
    let Some(pool) = vm.pool.upgrade() else {
        return cx.fail(Error::unavailable("the runtime is shutting down"));
    };
    let place = if kept { Ok(Place::Here) } else { pool.place(Some(parent), host.isolated()) };
    match place {
        Ok(Place::Here) => {
            let host = vm.host(&host);
            let here = match vm.chunk(&definition) {
                Ok(chunk) => Here { chunk, host },
                Err(error) => return cx.fail(error),
            };
            vm.recipes.set_here(here);
            spawn_here(cx, here, bonds)
        }
        Ok(Place::There(vm)) => spawn_there(cx, &pool, &vm, definition, host, bonds),
        Err(error) => cx.fail(error),
    }
}

/// What ties a child to its parent.
struct Bonds {
    parent: Pid,
    monitor: bool,
    link: bool,
}

/// Starts a process in the VM of its parent, the arguments are those of the call.
fn spawn_here(cx: &mut Cx, here: Here, bonds: Bonds) -> Ret {
    if let Err(error) = cx.vm().enter_host(here.host) {
        return cx.fail(error);
    }
    let Here { chunk, host } = here;
    let Bonds { parent, monitor, link } = bonds;
    let spec = Spec { chunk, host, parent, monitor, link, extra: None };
    let mut raised = None;
    let started = engine_process::start(VmPointer::entered(), spec, |thread| {
        copy::arguments(cx, 3, thread).map_err(|raise| {
            raised = Some(raise);
            Error::internal("arguments cannot be copied")
        })
    });
    match (started, raised) {
        (_, Some(raise)) => Err(raise),
        (Ok(child), None) => {
            let l = cx.l;
            cx.vm().push_pid(l, child);
            cx.values(1)
        }
        (Err(error), None) => cx.fail(error),
    }
}

/// Has another VM start a process; the caller waits for its PID.
fn spawn_there(
    cx: &mut Cx,
    pool: &VmPool,
    vm: &Arc<VmCell>,
    definition: Arc<Definition>,
    host: Arc<Host>,
    bonds: Bonds,
) -> Ret {
    // Before anything is sent: a caller that cannot wait must leave no child behind.
    cx.suspendable()?;
    let done = cx.completer()?;
    let mut args = Wire::new();
    wire::encode_arguments(cx.l, 3, cx.l.top(), &mut args)?;
    if let Err(error) = host.enter(Seat::OUTSIDE) {
        return cx.fail(error);
    }
    let Bonds { parent, monitor, link } = bonds;
    let request = SpawnRequest {
        blueprint: definition,
        host,
        args,
        parent,
        monitor,
        link,
        terminal: None,
        on_end: None,
    };
    let reply = move |started: Result<Pid, Error>| done(started.map(Answer::Pid));
    pool.start_in(vm, request, Box::new(reply));
    cx.suspend(Wait::Command(finish_pid))
}

/// Results of a command that answers with a PID.
fn finish_pid(vm: &mut VmData, l: State, result: Result<Answer, Error>) -> i32 {
    match result {
        Ok(Answer::Pid(pid)) => {
            vm.push_pid(l, pid);
            1
        }
        Ok(_) => 0,
        Err(problem) => push_failure(l, problem),
    }
}

/// `nil, error` as results of a command.
pub fn push_failure(l: State, problem: Error) -> i32 {
    l.push_nil();
    error::push(l, problem);
    2
}

// -- messages ----------------------------------------------------------------------------------

fn send(cx: &mut Cx) -> Ret {
    let l = cx.l;
    if l.top() < 2 {
        return cx.fail(Error::invalid("send requires at least destination and topic arguments"));
    }
    let to = match cx.destination(1)? {
        Ok(to) => to,
        Err(error) => return cx.fail(error),
    };
    let topic = cx.text(2)?;
    if topic.first() == Some(&b'@') {
        return cx.fail(Error::invalid("cannot send to @ topics"));
    }
    let from = cx.self_pid();
    // Beside us: copy the values over.
    if let Some(&target) = cx.vm().by_uniq.get(&to.uniq())
        && cx.vm().processes[target].pid == to
    {
        let payload = copied(cx, 3)?;
        let vm = cx.vm();
        let topic = vm.topics.of(l, 2);
        vm.receive_mail(target, Mail { from, topic, payload });
        return cx.bool(true);
    }
    let mut message = Wire::with_buffer(std::mem::take(&mut cx.vm().scratch));
    message.str(topic);
    wire::encode_arguments(l, 3, l.top(), &mut message)?;
    let message = message.seal(&mut cx.vm().scratch);
    post(cx, Package { from, to, body: Body::Message(message) })
}

/// Copies of the arguments from `first` on.
fn copied(cx: &Cx, first: i32) -> Result<Payload, Raise> {
    let l = cx.l;
    Ok(match l.top() - first + 1 {
        ..=0 => Payload::None,
        1 => {
            copy::argument(l, first)?;
            Payload::One(Slot::take(l))
        }
        _ => {
            let mut slots = Vec::new();
            for index in first..=l.top() {
                copy::argument(l, index)?;
                slots.push(Slot::take(l));
            }
            Payload::Many(slots)
        }
    })
}

/// Sends to another VM or node; suspends the sender while its lane is full.
fn post(cx: &mut Cx, package: Package) -> Ret {
    let can_wait = cx.can_suspend();
    let vm = cx.vm();
    let current = vm.current;
    let mut ticket = vm.processes[current].ticket.take();
    // Made only if the lane is full: most packages never see a lane.
    let resume = || -> Resume {
        match vm.completer() {
            Some(done) => Box::new(move || done(Ok(Answer::Bool(true)))),
            None => Box::new(|| ()),
        }
    };
    let posted = vm.kernel.mailbox.send(package, &mut ticket, resume);
    vm.processes[current].ticket = ticket;
    match posted {
        Ok(Posted::Delivered | Posted::InLane) => cx.bool(true),
        // Where it cannot wait, as in a metamethod, the package is in the lane all the same.
        Ok(Posted::Suspend) if !can_wait => cx.bool(true),
        Ok(Posted::Suspend) => cx.suspend(Wait::Command(finish_bool)),
        Err(refused) => cx.fail(refused.reason.into()),
    }
}

fn finish_bool(_vm: &mut VmData, l: State, result: Result<Answer, Error>) -> i32 {
    match result {
        Ok(_) => {
            l.push_bool(true);
            1
        }
        Err(problem) => push_failure(l, problem),
    }
}

fn inbox(cx: &mut Cx) -> Ret {
    subscription(cx, Source::Inbox)
}

fn events(cx: &mut Cx) -> Ret {
    subscription(cx, Source::Events)
}

fn subscription(cx: &mut Cx, source: Source) -> Ret {
    let l = cx.l;
    let vm = cx.vm();
    let channel = vm.subscription(vm.current, source);
    vm.push_channel(l, channel);
    cx.values(1)
}

fn listen(cx: &mut Cx) -> Ret {
    let topic = cx.text(1)?;
    if topic.is_empty() {
        return cx.fail(Error::invalid("topic cannot be empty"));
    }
    if topic[0] == b'@' {
        return cx.fail(Error::invalid("cannot listen to @ topics"));
    }
    let l = cx.l;
    let messages = match l.type_of(2) {
        Type::None | Type::Nil => false,
        _ => {
            cx.table(2)?;
            let set = l.get_field(2, "message") != Type::Nil && l.bool(-1);
            l.pop(1);
            set
        }
    };
    let vm = cx.vm();
    let topic: Topic = vm.topics.of(l, 1);
    let channel = vm.listen(vm.current, topic, messages);
    vm.push_channel(l, channel);
    cx.values(1)
}

fn unlisten(cx: &mut Cx) -> Ret {
    let channel =
        VmData::channel_at(cx.l, 1).ok_or_else(|| cx.bad_argument(1, "channel expected"))?;
    let vm = cx.vm();
    match vm.unlisten(vm.current, channel) {
        true => cx.bool(true),
        false => cx.refuse(Error::not_found("channel is not subscribed")),
    }
}

// -- others --------------------------------------------------------------------------------------

/// An error of the calls below as Lua sees it: internal, with the original message.
fn internal(error: Error) -> Error {
    Error::new(Kind::Internal, error.message())
}

/// Resolves argument 1, or returns the failure that the caller passes on.
macro_rules! destination {
    ($cx:expr) => {
        match $cx.destination(1)? {
            Ok(pid) => pid,
            Err(error) if error.message().starts_with("could not resolve") => {
                return $cx.fail(error);
            }
            Err(error) => return $cx.fail(internal(error)),
        }
    };
}

fn cancel(cx: &mut Cx) -> Ret {
    let to = destination!(cx);
    let reason = match cx.l.type_of(2) {
        Type::None | Type::Nil => String::new(),
        Type::String | Type::Number => cx.string(2)?,
        _ => return Err(cx.bad_argument(2, "string expected")),
    };
    lifecycle(cx, to, Body::Cancel { reason: reason.into() })
}

fn terminate(cx: &mut Cx) -> Ret {
    let to = destination!(cx);
    if to == cx.self_pid() {
        let vm = cx.vm();
        let current = vm.current;
        if vm.processes[current].protected {
            return cx.bool(true);
        }
        cx.suspendable()?;
        cx.vm().kill(current, terminated());
        return cx.suspend(Wait::Forever);
    }
    let kernel = cx.vm().kernel.clone();
    // A process with a terminal cannot be terminated: the call says yes and changes nothing.
    if kernel.hosts.get(to.host().as_str()).is_ok_and(|host| host.kind == HostKind::Terminal) {
        return cx.bool(true);
    }
    lifecycle(cx, to, Body::Kill(terminated()))
}

/// Sends a lifecycle package. To a process beside us it goes through the VM's own queue, so that
/// nothing ends while a host function of ours still runs.
fn lifecycle(cx: &mut Cx, to: Pid, body: Body) -> Ret {
    let from = cx.self_pid();
    let package = Package { from, to, body };
    let vm = cx.vm();
    if vm.by_uniq.get(&to.uniq()).is_some_and(|&p| vm.processes[p].pid == to) {
        vm.local_mail.push_back(package);
        return cx.bool(true);
    }
    match vm.kernel.clone().mailbox.send_from_outside(package) {
        Ok(()) => cx.bool(true),
        Err(refused) => cx.fail(internal(refused.reason.into())),
    }
}

fn monitor(cx: &mut Cx) -> Ret {
    let to = destination!(cx);
    let me = cx.self_pid();
    if !cx.vm().is_local(to) {
        return cx.fail(internal(Error::not_found("node not found")));
    }
    match cx.vm().kernel.topology.monitor(me, to) {
        Ok(()) => cx.bool(true),
        Err(error) => cx.fail(internal(error)),
    }
}

fn unmonitor(cx: &mut Cx) -> Ret {
    let to = destination!(cx);
    let me = cx.self_pid();
    cx.vm().kernel.topology.unmonitor(me, to);
    cx.bool(true)
}

fn link(cx: &mut Cx) -> Ret {
    let to = destination!(cx);
    let me = cx.self_pid();
    match cx.vm().kernel.topology.link(me, to) {
        Ok(()) => cx.bool(true),
        Err(error) => cx.fail(internal(error)),
    }
}

fn unlink(cx: &mut Cx) -> Ret {
    let to = destination!(cx);
    let me = cx.self_pid();
    cx.vm().kernel.topology.unlink(me, to);
    cx.bool(true)
}

fn get_options(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let vm = cx.vm();
    let trap = vm.processes[vm.current].trap_links;
    l.new_table(0, 1);
    l.push_bool(trap);
    l.set_field(-2, "trap_links");
    cx.values(1)
}

fn set_options(cx: &mut Cx) -> Ret {
    let l = cx.l;
    if l.type_of(1) != Type::Table {
        return cx.refuse(Error::invalid("options parameter must be a table"));
    }
    let mut problem = None;
    let mut trap = None;
    let mut cursor = 0;
    while let Some(next) = l.next_pair(1, cursor) {
        cursor = next;
        let is_trap = l.type_of(-2) == Type::String && l.bytes(-2) == Some(b"trap_links");
        match (is_trap, l.type_of(-1)) {
            (true, Type::Boolean) => trap = Some(l.bool(-1)),
            (true, _) => problem = Some(Error::invalid("trap_links must be a boolean")),
            (false, _) => {
                l.push_value(-2);
                let key = String::from_utf8_lossy(l.bytes(-1).unwrap_or(b"?")).into_owned();
                l.pop(1);
                let message = format!("option {key} is not supported");
                problem.get_or_insert(Error::invalid(message));
            }
        }
        l.pop(2);
    }
    if let Some(trap) = trap {
        let vm = cx.vm();
        let current = vm.current;
        vm.processes[current].trap_links = trap;
    }
    match problem {
        Some(problem) => cx.refuse(problem),
        None => cx.bool(true),
    }
}

// -- names ---------------------------------------------------------------------------------------

/// The scope argument at `n`; an error for those that need a cluster.
fn scope(cx: &Cx, n: i32) -> Result<(), Error> {
    let scope = match cx.l.type_of(n) {
        Type::None | Type::Nil => LOCAL,
        Type::Number => cx.l.number(n).unwrap_or(LOCAL),
        _ => return Err(Error::invalid("scope must be a number")),
    };
    if scope == EVENTUAL {
        return Err(Error::internal("eventual registry not available"));
    }
    if scope == CONSISTENT || scope == STRONG {
        return Err(Error::internal("global registry not available"));
    }
    Ok(())
}

fn register(cx: &mut Cx) -> Ret {
    let name = cx.string(1)?;
    let pid = match cx.l.type_of(2) {
        Type::None | Type::Nil => Ok(cx.self_pid()),
        Type::String => {
            let text = cx.string(2)?;
            match PidParts::parse(&text) {
                Ok(_) => cx.vm().resolve(&text),
                Err(problem) => Err(problem.into()),
            }
        }
        _ => Err(Error::invalid("pid must be a string")),
    };
    let result = scope(cx, 3).and(pid).and_then(|pid| cx.vm().kernel.topology.register(&name, pid));
    match result {
        Ok(()) => cx.bool(true),
        Err(error) => cx.fail(error),
    }
}

fn lookup(cx: &mut Cx) -> Ret {
    let name = cx.string(1)?;
    let found = cx.vm().kernel.topology.names().find(&name);
    match found {
        Some(pid) => {
            let l = cx.l;
            cx.vm().push_pid(l, pid);
            cx.values(1)
        }
        None => cx.fail(Error::not_found("name not registered")),
    }
}

fn unregister(cx: &mut Cx) -> Ret {
    let name = cx.string(1)?;
    if let Err(error) = scope(cx, 2) {
        return cx.fail(error);
    }
    let removed = cx.vm().kernel.topology.unregister(&name);
    cx.bool(removed)
}
