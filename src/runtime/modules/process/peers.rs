//! What one process does to others: cancel, terminate, monitor, link.

use crate::core::pid::Pid;
use crate::core::relay::{Body, Package};
use crate::infra::error::{Error, Kind};
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::raw::Type;
use crate::runtime::engine::{Cx, Ret};
use crate::system::host::HostKind;
use crate::system::kernel::terminated;

/// An error of the calls below as Lua sees it: internal, with the original message.
pub(super) fn internal(error: Error) -> Error {
    Error::new(Kind::Internal, error.message())
}

/// Resolves argument 1 for an action that may be denied, or returns the failure that the caller
/// passes on.
macro_rules! destination {
    ($cx:expr, $verb:literal) => {{
        let pid = match $cx.destination(1)? {
            Ok(pid) => pid,
            Err(error) if error.message().starts_with("could not resolve") => {
                return $cx.fail(error);
            }
            Err(error) => return $cx.fail(internal(error)),
        };
        match $cx.refuses_pid(concat!("process.", $verb), $verb, pid, 1)? {
            Some(denied) => return $cx.fail(denied),
            None => pid,
        }
    }};
}

pub(super) fn cancel(cx: &mut Cx) -> Ret {
    let to = destination!(cx, "cancel");
    let reason = match cx.l.type_of(2) {
        Type::None | Type::Nil => String::new(),
        Type::String | Type::Number => cx.string(2)?,
        _ => return Err(cx.wrong_type(2, "string")),
    };
    lifecycle(cx, to, Body::Cancel { reason: reason.into() })
}

pub(super) fn terminate(cx: &mut Cx) -> Ret {
    let to = destination!(cx, "terminate");
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

pub(super) fn monitor(cx: &mut Cx) -> Ret {
    let to = destination!(cx, "monitor");
    let me = cx.self_pid();
    if !cx.vm().is_local(to) {
        return cx.fail(internal(Error::not_found("node not found")));
    }
    match cx.vm().kernel.topology.monitor(me, to) {
        Ok(()) => cx.bool(true),
        Err(error) => cx.fail(internal(error)),
    }
}

pub(super) fn unmonitor(cx: &mut Cx) -> Ret {
    let to = destination!(cx, "unmonitor");
    let me = cx.self_pid();
    cx.vm().kernel.topology.unmonitor(me, to);
    cx.bool(true)
}

pub(super) fn link(cx: &mut Cx) -> Ret {
    let to = destination!(cx, "link");
    let me = cx.self_pid();
    match cx.vm().kernel.topology.link(me, to) {
        Ok(()) => cx.bool(true),
        Err(error) => cx.fail(internal(error)),
    }
}

pub(super) fn unlink(cx: &mut Cx) -> Ret {
    let to = destination!(cx, "unlink");
    let me = cx.self_pid();
    cx.vm().kernel.topology.unlink(me, to);
    cx.bool(true)
}
