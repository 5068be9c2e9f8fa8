//! `system`: `exit`, and the states of services. Specifications 03, sections 3.14 and 3.17, and 04,
//! section 4.7, of which the rest is missing.

use std::sync::Weak;

use crate::core::registry::EntryId;
use crate::infra::error::Error;
use crate::infra::transcoder::Value;
use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Ret, host, push_functions, value};
use crate::system::supervisor::{Supervisor, Update};

pub fn open(l: State) {
    push_functions(l, &[(c"exit", host(exit))]);
    push_functions(l, &[(c"state", host(state)), (c"states", host(states))]);
    l.set_read_only(-1, true);
    l.set_field(-2, "supervisor");
    l.set_read_only(-1, true);
}

fn denied(action: &str, resource: &str) -> Error {
    Error::invalid(format!("permission denied: {action} on {resource}"))
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
