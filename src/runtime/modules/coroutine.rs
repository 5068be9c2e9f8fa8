//! `coroutine`: Luau's, plus `spawn`; without `close` and `isyieldable`.
//!
//! `resume` and `wrap` are wrapped for the texts of their refusals, and because a program must not
//! resume what the engine resumes. A wrapped function loses Luau's continuation, which goes on after
//! a break, so that part is written here once more.

use std::ffi::c_int;

use crate::runtime::engine::raw::{Resumable, State, Status, Type, VmPointer};
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::{Cx, Ret, host, set_functions};

const TAKEN: &[&str] = &["create", "yield", "status", "running"];

pub fn open(l: State) {
    l.new_table(0, TAKEN.len() + 3);
    if l.get_field(State::GLOBALS, "coroutine") == Type::Table {
        for name in TAKEN {
            l.get_field(-1, name);
            l.set_field(-3, name);
        }
        l.get_field(-1, "resume");
        l.wrap_resumer(before_resume, after_resume, c"resume", 0);
        l.set_field(-3, "resume");
        // What Luau's `wrap` makes: the same C function each time.
        l.get_field(-1, "wrap");
        l.push_value(-1);
        l.call(1, 1);
        l.push_closure(host(wrap), c"wrap", 1);
        l.set_field(-3, "wrap");
    }
    l.pop(1);
    set_functions(l, &[(c"spawn", host(spawn))]);
    l.set_read_only(-1, true);
}

/// Why `thread` cannot be resumed by `l`.
#[inline]
fn refusal(l: State, thread: State) -> Option<&'static str> {
    match l.resumable(thread) {
        Resumable::Yes => None,
        Resumable::Running => Some("can not resume a running thread"),
        Resumable::Dead => Some("can not resume a dead thread"),
    }
}

fn before_resume(l: State) -> Option<c_int> {
    let thread = l.to_thread(1)?;
    let Some(refusal) = refusal(l, thread) else {
        l.hand_on_to(thread);
        return None;
    };
    l.push_bool(false);
    l.push_str(refusal);
    Some(2)
}

/// The resumed coroutine was broken and has gone on since: its outcome as results of `resume`.
fn after_resume(l: State) -> c_int {
    let Some(thread) = l.to_thread(1) else { return 0 };
    match finish(l, thread) {
        Finished::Broken => l.break_here(),
        Finished::Values(count) => {
            l.push_bool(true);
            l.insert(-count - 1);
            count + 1
        }
        Finished::Failed => {
            l.push_bool(false);
            l.insert(-2);
            2
        }
    }
}

enum Finished {
    /// It was broken once more, and so are we.
    Broken,
    /// So many values were moved over.
    Values(c_int),
    /// The error was moved over.
    Failed,
}

fn finish(l: State, thread: State) -> Finished {
    match thread.outcome() {
        Status::Broke => {
            VmPointer::<VmData>::entered().get().broke.parents.push(l);
            Finished::Broken
        }
        Status::Finished | Status::Yielded => {
            let count = thread.top();
            if !l.check_stack(count + 1) {
                l.raise_message("too many results to resume");
            }
            thread.move_to(l, count);
            Finished::Values(count)
        }
        Status::Failed => {
            if !l.check_stack(2) {
                l.raise_message("stack overflow");
            }
            thread.move_to(l, 1);
            Finished::Failed
        }
    }
}

/// `coroutine.wrap(f)`: the function it returns has the thread and Luau's resuming function.
fn wrap(cx: &mut Cx) -> Ret {
    cx.function(1)?;
    let l = cx.l;
    let thread = l.new_thread();
    l.push_to(thread, 1);
    l.push_value(State::upvalue(1));
    l.wrap_resumer(before_wrapped, after_wrapped, c"wrapped", 1);
    cx.values(1)
}

fn before_wrapped(l: State) -> Option<c_int> {
    let thread = l.to_thread(State::upvalue(1))?;
    match refusal(l, thread) {
        None => {
            l.hand_on_to(thread);
            None
        }
        Some(refusal) => l.raise_message(refusal),
    }
}

fn after_wrapped(l: State) -> c_int {
    let Some(thread) = l.to_thread(State::upvalue(1)) else { return 0 };
    match finish(l, thread) {
        Finished::Broken => l.break_here(),
        Finished::Values(count) => count,
        Finished::Failed => {
            if l.type_of(-1) == Type::String {
                l.prepend_position();
            }
            l.raise()
        }
    }
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
