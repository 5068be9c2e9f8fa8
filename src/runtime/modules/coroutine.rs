//! `coroutine`: Luau's, plus `spawn`; without `close` and `isyieldable`.

use crate::runtime::engine::raw::{State, Type};
use crate::runtime::engine::{Cx, Ret, host};

const TAKEN: &[&str] = &["create", "resume", "yield", "wrap", "status", "running"];

pub fn open(l: State) {
    l.new_table(0, TAKEN.len() + 1);
    if l.get_field(State::GLOBALS, "coroutine") == Type::Table {
        for name in TAKEN {
            l.get_field(-1, name);
            l.set_field(-3, name);
        }
    }
    l.pop(1);
    l.push_function(host(spawn), c"spawn");
    l.set_field(-2, "spawn");
    l.set_read_only(-1, true);
}

/// Starts a managed coroutine of the running process. It runs first, up to its first wait.
fn spawn(cx: &mut Cx) -> Ret {
    cx.function(1)?;
    let l = cx.l;
    let thread = l.new_thread();
    l.push_to(thread, 1);
    l.push_value(-1);
    let anchor = l.anchor();
    let vm = cx.vm();
    let id = vm.new_coroutine(vm.current, thread, anchor);
    vm.enqueue(id);
    // The thread is this function's result.
    match cx.suspendable() {
        Ok(_) => cx.step_aside(1),
        Err(_) => cx.values(1),
    }
}
