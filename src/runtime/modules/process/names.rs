//! `process.registry`: names of processes.

use crate::core::pid::{Pid, PidParts};
use crate::infra::error::Error;
use crate::runtime::engine::raw::{Charge, State, Type};
use crate::runtime::engine::{Cx, Ret, host, push_functions};
use crate::runtime::modules::process::denied;

const LOCAL: f64 = 0.0;
const EVENTUAL: f64 = 1.0;
const CONSISTENT: f64 = 2.0;
const STRONG: f64 = 3.0;

/// Bytes that a name takes beside its text, about: among all names, and among those of its process.
const NAME_SIZE: usize = 128;

/// How far a name is known.
#[derive(Clone, Copy, PartialEq)]
enum Scope {
    Local,
    Eventual,
    Consistent,
    Strong,
}

impl Scope {
    /// The argument at `n`; numbers nobody knows mean LOCAL.
    fn argument(cx: &Cx, n: i32) -> Result<Scope, Error> {
        let number = match cx.l.type_of(n) {
            Type::None | Type::Nil => None,
            Type::Number => cx.l.number(n),
            _ => return Err(Error::invalid("scope must be a number")),
        };
        Ok(match number {
            Some(EVENTUAL) => Scope::Eventual,
            Some(CONSISTENT) => Scope::Consistent,
            Some(STRONG) => Scope::Strong,
            _ => Scope::Local,
        })
    }

    /// May the process register or unregister `name` in this scope? An error also if there is no such
    /// scope: all but LOCAL need a cluster.
    fn check(self, cx: &mut Cx, verb: &str, name: &str) -> Result<(), Error> {
        let suffix = match self {
            Scope::Local => "",
            Scope::Eventual => ".eventual",
            Scope::Consistent => ".consistent",
            Scope::Strong => ".strong",
        };
        if !cx.allows_as_process(&format!("process.registry.{verb}{suffix}"), name) {
            return Err(denied(verb, name));
        }
        match self {
            Scope::Local => Ok(()),
            Scope::Eventual => Err(Error::internal("eventual registry not available")),
            Scope::Consistent | Scope::Strong => {
                Err(Error::internal("global registry not available"))
            }
        }
    }
}

/// Pushes `process.registry`.
pub(super) fn open(l: State) {
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
    match register_for(cx, &name, pid) {
        Ok(()) => cx.bool(true),
        Err(error) => cx.fail(error),
    }
}

fn register_for(cx: &mut Cx, name: &str, pid: Result<Pid, Error>) -> Result<(), Error> {
    let (scope, pid) = (Scope::argument(cx, 3)?, pid?);
    scope.check(cx, "register", name)?;
    if pid != cx.self_pid() && !cx.is_unchecked() {
        let target = pid.to_string();
        if !cx.allows_as_process("process.registry.foreign", &target) {
            return Err(denied("register a name for", &target));
        }
    }
    let is_new = cx.vm().kernel.topology.names().find(name) != Some(pid);
    cx.vm().kernel.topology.register(name, pid)?;
    if is_new && pid == cx.self_pid() {
        held_names(cx).add(NAME_SIZE + name.len());
    }
    Ok(())
}

/// What the names of the running process are charged to.
fn held_names(cx: &mut Cx) -> &mut Charge {
    let vm = cx.vm();
    &mut vm.processes[vm.current].extra.get_or_insert_default().names
}

fn lookup(cx: &mut Cx) -> Ret {
    let name = cx.string(1)?;
    // What is a PID already is found as it stands, as destinations are.
    let found = match PidParts::parse(&name) {
        Ok(_) => cx.vm().resolve(&name).ok(),
        Err(_) => cx.vm().kernel.topology.names().find(&name),
    };
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
    let scope = Scope::argument(cx, 2);
    if let Err(error) = scope.and_then(|scope| scope.check(cx, "unregister", &name)) {
        return cx.fail(error);
    }
    let is_own = cx.vm().kernel.topology.names().find(&name) == Some(cx.self_pid());
    let removed = cx.vm().kernel.topology.unregister(&name);
    if is_own && removed {
        held_names(cx).take(NAME_SIZE + name.len());
    }
    cx.bool(removed)
}
