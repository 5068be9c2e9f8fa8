//! `process`: identity, spawn, send and receive, events, monitors and links, names.
//!
//! Specification 01. Within a VM everything here is done at once; across VMs, spawning suspends the
//! caller until the other VM has started the child.

mod mail;
mod names;
mod peers;
mod spawn;
mod spawner;

use crate::core::pid::{HostId, NodeId, Pid, PidParts};
use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::wire::Wire;
use crate::runtime::engine::chunk::Definition;
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::process::Leave;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::upgrade::Upgrade;
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Raise, Ret, error, host, push_functions, set_functions, wire};

pub fn open(l: State) {
    push_functions(
        l,
        &[
            (c"pid", host(pid)),
            (c"id", host(id)),
            (c"spawn", host(spawn::spawn)),
            (c"spawn_monitored", host(spawn::spawn_monitored)),
            (c"spawn_linked", host(spawn::spawn_linked)),
            (c"spawn_linked_monitored", host(spawn::spawn_linked_monitored)),
            (c"exec", host(spawn::exec)),
            (c"upgrade", host(upgrade)),
            (c"with_context", host(spawner::with_context)),
            (c"with_options", host(spawner::with_options)),
            (c"send", host(mail::send)),
            (c"inbox", host(mail::inbox)),
            (c"events", host(mail::events)),
            (c"listen", host(mail::listen)),
            (c"unlisten", host(mail::unlisten)),
            (c"cancel", host(peers::cancel)),
            (c"terminate", host(peers::terminate)),
            (c"monitor", host(peers::monitor)),
            (c"unmonitor", host(peers::unmonitor)),
            (c"link", host(peers::link)),
            (c"unlink", host(peers::unlink)),
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
    names::open(l);
    l.set_field(-2, "registry");
    l.set_read_only(-1, true);
}

pub fn register_types(l: State) {
    spawner::register_types(l);
}

/// Adds the globals beside the module to the table on top of the stack.
pub fn fill_globals(l: State) {
    set_functions(
        l,
        &[(c"subscribe", host(mail::subscribe)), (c"unsubscribe", host(mail::unsubscribe))],
    );
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

    /// Why the running process may not do `action` to `pid`, which argument `n` has named.
    fn refuses_pid(
        &mut self,
        action: &str,
        verb: &str,
        pid: Pid,
        n: i32,
    ) -> Result<Option<Error>, Raise> {
        if self.is_unchecked() || self.allows_as_process(action, &pid.to_string()) {
            return Ok(None);
        }
        Ok(Some(denied(verb, &self.string(n)?)))
    }
}

/// The error of what policies do not allow.
fn denied(verb: &str, what: &str) -> Error {
    Error::new(Kind::PermissionDenied, format!("not allowed to {verb}: {what}"))
        .with_retryable(Some(false))
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
        let own = self.kernel.pids.node();
        let node = match parts.node {
            "" => own,
            // The name of a node that has none.
            "local" if own == NodeId::LOCAL => own,
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

// -- upgrade -------------------------------------------------------------------------------------

/// Replaces the running code; comes back only if it cannot be left here.
fn upgrade(cx: &mut Cx) -> Ret {
    cx.suspendable()?;
    let vm = cx.vm();
    let own = vm.definition(vm.processes[vm.current].chunk).id.clone();
    let id = match cx.l.type_of(1) {
        Type::String => cx.string(1)?,
        _ => own.to_string(),
    };
    let mut args = Wire::new();
    wire::encode_arguments(cx.l, 2, cx.l.top(), &mut args)?;
    let vm = cx.vm();
    let blueprint = vm.kernel.factory.get(&id);
    let found = blueprint.and_then(|blueprint| {
        let definition = blueprint.downcast::<Definition>();
        definition.map_err(|_| Error::internal("not a process"))
    });
    let current = vm.current;
    vm.processes[current].leave = Some(match found {
        Ok(definition) => Leave::Upgrade(Box::new(Upgrade { definition, args })),
        Err(error) => Leave::End(Upgrade::failed("create", error)),
    });
    cx.suspend(Wait::Forever)
}

/// `nil, error` as results of a command.
pub fn push_failure(l: State, problem: Error) -> i32 {
    l.push_nil();
    error::push(l, problem);
    2
}

fn get_options(cx: &mut Cx) -> Ret {
    let l = cx.l;
    let vm = cx.vm();
    let process = &vm.processes[vm.current];
    let upgradable = process.extra.as_ref().is_some_and(|extra| extra.upgradable.is_some());
    l.new_table(0, 2);
    l.push_bool(process.trap_links);
    l.set_field(-2, "trap_links");
    l.push_bool(upgradable);
    l.set_field(-2, "upgradable");
    cx.values(1)
}

fn set_options(cx: &mut Cx) -> Ret {
    let l = cx.l;
    if l.type_of(1) != Type::Table {
        return cx.refuse(Error::invalid("options parameter must be a table"));
    }
    let mut problem = None;
    let (mut trap, mut upgradable) = (None, None);
    let mut cursor = 0;
    while let Some(next) = l.next_pair(1, cursor) {
        cursor = next;
        let key = if l.type_of(-2) == Type::String { l.bytes(-2) } else { None };
        let known = match key {
            Some(b"trap_links") => Some(("trap_links", &mut trap)),
            Some(b"upgradable") => Some(("upgradable", &mut upgradable)),
            _ => None,
        };
        match (known, l.type_of(-1)) {
            (Some((_, option)), Type::Boolean) => *option = Some(l.bool(-1)),
            (Some((name, _)), _) => {
                problem = Some(Error::invalid(format!("{name} must be a boolean")));
            }
            (None, _) => {
                l.push_value(-2);
                let key = String::from_utf8_lossy(l.bytes(-1).unwrap_or(b"?")).into_owned();
                l.pop(1);
                let message = format!("option {key} is not supported");
                problem.get_or_insert(Error::invalid(message));
            }
        }
        l.pop(2);
    }
    let vm = cx.vm();
    let current = vm.current;
    if let Some(trap) = trap {
        vm.set_trap_links(current, trap);
    }
    if let Some(upgradable) = upgradable {
        vm.set_upgradable(current, upgradable);
    }
    match problem {
        Some(problem) => cx.refuse(problem),
        None => cx.bool(true),
    }
}
