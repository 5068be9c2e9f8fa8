//! VMs that a burst has opened, and functions in them: such a VM goes when nothing of a pool is left in
//! it, and no earlier.

use std::sync::{Arc, Weak};
use std::time::Duration;

use wippy::app::node::Node;
use wippy::core::pid::Pid;
use wippy::core::registry::{Changeset, Entry, EntryId};
use wippy::core::vm::VmCell;
use wippy::infra::clock::Clock;
use wippy::infra::transcoder::Value;
use wippy::system::kernel::terminated;

use crate::pools::{COUNT, WAIT, call, function, load, node, pass, release, running, until};

const SECOND: Duration = Duration::from_secs(1);

/// A node whose VMs are full, so that the next process gets a third one.
fn full(functions: Vec<Entry>) -> (Node, Clock, Vec<Pid>) {
    let (node, clock) = node(functions);
    let idle = "return {main = function() process.inbox():receive() end}";
    node.define("app:idle", idle).expect("compiles");
    let mut pids = Vec::new();
    while node.pool.len() < 3 {
        pids.push(node.spawn("app:idle", "app:host", &[]).expect("starts").0);
    }
    (node, clock, pids)
}

/// Makes room in one of the first two: further calls go there. Others have gone to the third one.
fn make_room(node: &Node, pids: &[Pid]) {
    call(node, "fn:echo");
    end(node, pids[0]);
}

fn end(node: &Node, pid: Pid) {
    node.kernel.kill(Pid::NONE, pid, terminated()).expect("lives");
    until(node, "it ends", || !node.kernel.table().is_alive(pid));
}

/// The VM of the last process, where nothing else is.
fn third(node: &Node, pids: &[Pid]) -> (Pid, Weak<VmCell>) {
    let last = *pids.last().expect("some");
    (last, Arc::downgrade(&node.kernel.table().vm_of(last).expect("lives")))
}

/// The third VM leaves the pool and is freed, in time.
#[track_caller]
fn goes(node: &Node, clock: &Clock, vm: &Weak<VmCell>) {
    until(node, "nothing keeps it", || {
        pass(node, clock, SECOND);
        node.pool.len() == 2 && vm.strong_count() == 0
    });
}

#[test]
fn a_vm_that_follows_the_load_of_a_pool_stays_until_that_is_calm() {
    let adaptive = [("type", Value::from("adaptive")), ("max_size", Value::Int(4))];
    let (node, clock, pids) = full(vec![function("fn:f", WAIT, &adaptive)]);
    let (last, vm) = third(&node, &pids);
    let begin = |n: usize| Vec::from_iter((0..n).map(|_| node.call("fn:f", &[]).expect("known")));
    let _calls = begin(2);
    until(&node, "one runs", || running(&node, "fn:f").len() == 1);
    end(&node, last);
    make_room(&node, &pids);
    let tick = Duration::from_millis(500);
    pass(&node, &clock, tick);
    assert_eq!(load(&node, "fn:f"), (2, 0));
    for _ in 0..2 {
        release(&node, "fn:f");
    }
    until(&node, "all have left", || load(&node, "fn:f") == (0, 0));
    // Eight ticks until the pool is as small as before. Other VMs stay for two of them.
    for _ in 0..7 {
        pass(&node, &clock, tick);
    }
    assert_eq!(node.pool.len(), 3);
    goes(&node, &clock, &vm);
    let _calls = begin(3);
    assert_eq!(load(&node, "fn:f"), (1, 2));
}

#[test]
fn a_vm_stays_as_long_as_an_instance_in_it() {
    let lazy = [("type", Value::from("lazy")), ("max_size", Value::Int(1))];
    let (node, clock, pids) = full(vec![function("fn:f", COUNT, &lazy)]);
    let (last, vm) = third(&node, &pids);
    assert_eq!(call(&node, "fn:f"), Value::Int(1));
    end(&node, last);
    make_room(&node, &pids);
    for _ in 0..5 {
        pass(&node, &clock, SECOND);
    }
    assert_eq!((node.pool.len(), call(&node, "fn:f")), (3, Value::Int(2)));
    for _ in 0..29 {
        pass(&node, &clock, SECOND);
    }
    assert_eq!(node.pool.len(), 3);
    goes(&node, &clock, &vm);
    assert_eq!(call(&node, "fn:f"), Value::Int(1));
}

#[test]
fn a_removed_function_keeps_no_vm() {
    let inline = [("type", Value::from("inline"))];
    let (node, clock, pids) = full(vec![function("fn:f", COUNT, &inline)]);
    let (last, vm) = third(&node, &pids);
    assert_eq!(call(&node, "fn:f"), Value::Int(1));
    // Somebody remembers it still.
    let _removed = node.kernel.functions.get("fn:f").expect("known");
    let mut changes = Changeset::new();
    changes.delete(EntryId::parse("fn:f"));
    node.registry.apply(changes).expect("applies");
    end(&node, last);
    make_room(&node, &pids);
    goes(&node, &clock, &vm);
}
