//! `system.hosts`: hosts, and what lives on them.
//!
//! All hosts are served by the same workers, so these have the same figures at each of them. What a
//! process does is known to its VM alone, which is visited for it.

use std::collections::BTreeMap;
use std::ffi::c_int;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::core::pid::HostId;
use crate::core::vm::{Answer, VmCell};
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::{Map, Value};
use crate::runtime::engine::coroutine::Wait;
use crate::runtime::engine::process::Process;
use crate::runtime::engine::raw::State;
use crate::runtime::engine::slab::NONE;
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Ret, value};
use crate::runtime::modules::process::push_failure;
use crate::runtime::modules::system::{denied, read};
use crate::runtime::pool::visit;
use crate::system::host::HostKind;
use crate::system::kernel::Kernel;

/// A VM that has not answered by then is left out: its slice takes less than a hundredth of that.
const PATIENCE: Duration = Duration::from_secs(5);

/// `system.hosts.list()`: sorted by id.
pub(super) fn list(cx: &mut Cx) -> Ret {
    read(cx, "hosts", |cx| {
        let kernel = &cx.vm().kernel;
        let (mut executed, mut stolen) = (0_u64, 0_u64);
        for worker in kernel.scheduler.stats() {
            executed += worker.resumes;
            stolen += worker.steals;
        }
        let mut ids = kernel.hosts.ids(HostKind::Processes);
        ids.extend(kernel.hosts.ids(HostKind::Terminal));
        ids.sort();
        let row = |id: &String| {
            let host = kernel.hosts.get(id).ok()?;
            Some(Value::from([
                ("id", Value::from(id.as_str())),
                ("workers", Value::Int(kernel.scheduler.workers() as i64)),
                ("processes", Value::Int(host.live() as i64)),
                ("executed", Value::Int(executed as i64)),
                ("stolen", Value::Int(stolen as i64)),
                ("queue_depth", Value::Int(kernel.mailbox.waiting() as i64)),
            ]))
        };
        Ok(Value::List(ids.iter().filter_map(row).collect()))
    })
}

/// `system.hosts.processes(id)`: sorted by PID.
pub(super) fn processes(cx: &mut Cx) -> Ret {
    let id = cx.string(1)?;
    if id.is_empty() {
        return cx.fail(Error::invalid("host id is empty"));
    }
    if !cx.allows("system.read", "hosts") {
        return cx.fail(denied("system.read", "hosts"));
    }
    let kernel = cx.vm().kernel.clone();
    let host = match kernel.hosts.get(&id) {
        Ok(host) => host.id,
        Err(error) => return cx.fail(error),
    };
    let pool = kernel.blocking.clone();
    cx.offload(&pool, move || Ok(survey(&kernel, host)), finish)
}

fn finish(_: &mut VmData, l: State, result: Result<Answer>) -> c_int {
    match result {
        Ok(Answer::Boxed(rows)) => {
            let rows = rows.downcast::<Value>().map_or(Value::Nil, |rows| *rows);
            value::push(l, &rows);
            1
        }
        Ok(_) => push_failure(l, Error::internal("an answer to another question")),
        Err(error) => push_failure(l, error),
    }
}

/// Visits the VMs that have processes of a host. Blocks.
fn survey(kernel: &Kernel, host: HostId) -> Value {
    let mut cells: BTreeMap<usize, Arc<VmCell>> = BTreeMap::new();
    for pid in kernel.table().on_host(host) {
        if let Some(cell) = kernel.table().vm_of(pid) {
            cells.insert(cell.number, cell);
        }
    }
    let (sender, answers) = channel();
    for cell in cells.values() {
        let sender = sender.clone();
        visit(&kernel.scheduler, cell, move |vm| {
            // Who asked may have lost patience.
            let _ = sender.send(rows(vm, host));
        });
    }
    drop(sender);
    let deadline = Instant::now() + PATIENCE;
    let mut all = Vec::new();
    while let Ok(rows) = answers.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
        all.extend(rows);
    }
    all.sort_by(|(a, _), (b, _)| a.cmp(b));
    Value::List(all.into_iter().map(|(_, row)| Value::Map(row)).collect())
}

/// The processes of a host in one VM, by the texts of their PIDs.
fn rows(vm: &VmData, host: HostId) -> Vec<(String, Map)> {
    let is_on_host = |process: &&Process| process.pid.host() == host;
    vm.processes.iter().filter(is_on_host).map(|process| row(vm, process)).collect()
}

fn row(vm: &VmData, process: &Process) -> (String, Map) {
    let pid = process.pid.to_string();
    let mut row = Map::new();
    row.insert("pid".into(), pid.as_str().into());
    row.insert("host".into(), process.pid.host().as_str().into());
    row.insert("source".into(), vm.definition(process.chunk).id.to_string().into());
    row.insert("state".into(), state(vm, process).into());
    row.insert("steps".into(), Value::Int(i64::from(process.turns)));
    row.insert("started_at".into(), Value::Int((process.started_at * 1e9) as i64));
    let parent = vm.kernel.topology.parent(process.pid).filter(|parent| !parent.is_none());
    if let Some(parent) = parent {
        row.insert("parent".into(), parent.to_string().into());
    }
    if let Some(actor) = process.frame().and_then(|frame| frame.actor.as_ref()) {
        row.insert("actor_id".into(), actor.id().into());
    }
    (pid, row)
}

/// What a process is at that is not running: its VM answers.
fn state(vm: &VmData, process: &Process) -> &'static str {
    if process.queued || process.ready_first != NONE {
        return "ready";
    }
    let mut next = process.coroutines;
    while let Some(coroutine) = vm.coroutines.get(next) {
        if matches!(coroutine.wait, Wait::Command(_) | Wait::Call(_) | Wait::Sleep(_)) {
            return "blocked";
        }
        next = coroutine.next;
    }
    "idle"
}
