//! `system`: the runtime, the machine and the services below a program. Specifications 03, sections
//! 3.14 and 3.17, 04, section 4.7, and 09, section 11.
//!
//! Everything but `exit` asks the policies for an action on a resource, mostly `system.read`, and says
//! what was denied. A node that stands alone is its own cluster, without raft and without locks.

mod classes;
mod hosts;
mod memory;

use std::sync::Weak;

use crate::core::pid::NodeId;
use crate::core::registry::EntryId;
use crate::infra::error::{Error, Kind};
use crate::infra::machine;
use crate::infra::transcoder::Value;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Function, Ret, host, push_functions, value};
use crate::system::supervisor::{Supervisor, Update};

pub fn open(l: State) {
    push_functions(l, &[(c"exit", host(exit)), (c"modules", host(modules))]);
    let parts: &[(&str, &[Function])] = &[
        (
            "memory",
            &[
                (c"stats", host(memory::stats)),
                (c"allocated", host(memory::allocated)),
                (c"heap_objects", host(memory::heap_objects)),
                (c"set_limit", host(memory::set_limit)),
                (c"get_limit", host(memory::get_limit)),
            ],
        ),
        (
            "gc",
            &[
                (c"collect", host(memory::collect)),
                (c"set_percent", host(memory::set_percent)),
                (c"get_percent", host(memory::get_percent)),
            ],
        ),
        (
            "runtime",
            &[
                (c"goroutines", host(memory::goroutines)),
                (c"cpu_count", host(memory::cpu_count)),
                (c"max_procs", host(memory::max_procs)),
            ],
        ),
        ("process", &[(c"pid", host(pid)), (c"hostname", host(hostname)), (c"cwd", host(cwd))]),
        ("hosts", &[(c"list", host(hosts::list)), (c"processes", host(hosts::processes))]),
        ("supervisor", &[(c"state", host(state)), (c"states", host(states))]),
        ("node", &[(c"id", host(node_id)), (c"addr", host(node_addr)), (c"role", host(node_role))]),
        (
            "cluster",
            &[
                (c"members", host(members)),
                (c"leader", host(leader)),
                (c"size", host(cluster_size)),
            ],
        ),
        (
            "raft",
            &[
                (c"is_leader", host(raft)),
                (c"is_member", host(raft)),
                (c"role", host(raft)),
                (c"term", host(raft)),
                (c"commit_index", host(raft)),
                (c"stats", host(raft_stats)),
            ],
        ),
        ("lock", &[(c"acquire", host(lock)), (c"release", host(lock))]),
    ];
    for (name, functions) in parts {
        push_functions(l, functions);
        l.set_read_only(-1, true);
        l.set_field(-2, name);
    }
    l.set_read_only(-1, true);
}

fn denied(action: &str, resource: &str) -> Error {
    Error::invalid(format!("permission denied: {action} on {resource}"))
}

/// Asks the policies for `action` on `resource`; what is allowed gives this value.
fn guarded(
    cx: &mut Cx,
    action: &str,
    resource: &str,
    value: impl FnOnce(&mut Cx) -> Result<Value, Error>,
) -> Ret {
    if !cx.allows(action, resource) {
        return cx.fail(denied(action, resource));
    }
    match value(cx) {
        Ok(value) => {
            value::push(cx.l, &value);
            cx.values(1)
        }
        Err(error) => cx.fail(error),
    }
}

fn read(cx: &mut Cx, resource: &str, value: impl FnOnce(&mut Cx) -> Result<Value, Error>) -> Ret {
    guarded(cx, "system.read", resource, value)
}

/// `system.modules()`.
fn modules(cx: &mut Cx) -> Ret {
    read(cx, "modules", |_| Ok(classes::list()))
}

fn pid(cx: &mut Cx) -> Ret {
    read(cx, "pid", |_| Ok(Value::Int(i64::from(std::process::id()))))
}

fn hostname(cx: &mut Cx) -> Ret {
    read(cx, "hostname", |_| Ok(machine::host_name().into()))
}

fn cwd(cx: &mut Cx) -> Ret {
    read(cx, "cwd", |_| match std::env::current_dir() {
        Ok(path) => Ok(path.to_string_lossy().into_owned().into()),
        Err(error) => Err(Error::internal(format!("no working directory: {error}"))),
    })
}

/// A node without a name of its own is called `local`.
fn own_name(cx: &mut Cx) -> Value {
    match cx.vm().kernel.pids.node() {
        NodeId::LOCAL => "local".into(),
        node => node.as_str().into(),
    }
}

fn node_id(cx: &mut Cx) -> Ret {
    read(cx, "node", |cx| Ok(own_name(cx)))
}

fn node_addr(cx: &mut Cx) -> Ret {
    read(cx, "node", |_| Err(Error::internal("local node address not available")))
}

fn node_role(cx: &mut Cx) -> Ret {
    read(cx, "node", |_| Ok("non-member".into()))
}

fn members(cx: &mut Cx) -> Ret {
    read(cx, "cluster", |cx| {
        let own = Value::from([("id", own_name(cx)), ("is_local", true.into())]);
        Ok(Value::List(vec![own]))
    })
}

fn leader(cx: &mut Cx) -> Ret {
    read(cx, "cluster", |_| Ok("".into()))
}

fn cluster_size(cx: &mut Cx) -> Ret {
    read(cx, "cluster", |_| Ok(Value::Int(1)))
}

fn no_raft(_: &mut Cx) -> Result<Value, Error> {
    Err(Error::internal("raft not available"))
}

fn raft(cx: &mut Cx) -> Ret {
    read(cx, "raft", no_raft)
}

fn raft_stats(cx: &mut Cx) -> Ret {
    read(cx, "raft_stats", no_raft)
}

/// `system.lock.acquire(name)`, `system.lock.release(name)`.
fn lock(cx: &mut Cx) -> Ret {
    let name = cx.string(1)?;
    if name.is_empty() {
        return cx.fail(Error::invalid("lock name is empty"));
    }
    if !cx.allows("system.lock", &name) {
        let text = format!("permission denied: system.lock on {name}");
        return cx.fail(Error::new(Kind::PermissionDenied, text));
    }
    cx.fail(Error::internal("lock service not available"))
}

/// `system.exit([code])`: a shutdown begins, or goes on to this exit status.
fn exit(cx: &mut Cx) -> Ret {
    let code = match cx.l.type_of(1) {
        Type::None | Type::Nil => 0.0,
        _ => cx.number(1)?,
    };
    if !cx.allows("system.exit", "") {
        return cx.fail(denied("system.exit", ""));
    }
    match cx.vm().kernel.control.get() {
        // Saturates: what no status can be is no zero.
        Some(control) => (control.exit)(code as i32),
        None => return cx.fail(Error::unavailable("this runtime cannot be ended by a program")),
    }
    cx.bool(true)
}

fn supervisor(cx: &mut Cx) -> Result<std::sync::Arc<Supervisor>, Error> {
    if !cx.allows("system.read", "supervisor") {
        return Err(denied("system.read", "supervisor"));
    }
    let control = cx.vm().kernel.control.get();
    let supervisor = control.map(|control| &control.supervisor).and_then(Weak::upgrade);
    supervisor.ok_or_else(|| Error::internal("there is no supervisor"))
}

/// `system.supervisor.state(id)`.
fn state(cx: &mut Cx) -> Ret {
    let id = cx.string(1)?;
    if id.is_empty() {
        return cx.fail(Error::invalid("service id is empty"));
    }
    let supervisor = match supervisor(cx) {
        Ok(supervisor) => supervisor,
        Err(error) => return cx.fail(error),
    };
    match supervisor.state(&EntryId::parse(&id)) {
        Some(update) => {
            value::push(cx.l, &row(&update));
            cx.values(1)
        }
        None => cx.fail(Error::internal(format!("unknown service: {id}"))),
    }
}

/// `system.supervisor.states()`: sorted by id.
fn states(cx: &mut Cx) -> Ret {
    match supervisor(cx) {
        Ok(supervisor) => {
            let rows = supervisor.states().iter().map(row).collect();
            value::push(cx.l, &Value::List(rows));
            cx.values(1)
        }
        Err(error) => cx.fail(error),
    }
}

fn row(update: &Update) -> Value {
    let details = match update.details.is_none() {
        true => Value::Nil,
        false => update.details.to_string().into(),
    };
    Value::from([
        ("id", update.id.to_string().into()),
        ("status", update.status.as_str().into()),
        ("desired", update.desired.as_str().into()),
        ("retry_count", Value::Int(i64::from(update.retry_count))),
        ("last_update", Value::Int(update.last_update)),
        ("started_at", Value::Int(update.started_at)),
        ("details", details),
    ])
}
