//! The `wippy` program.

use std::process::ExitCode;

/// One allocator for Rust and for every Lua state.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn release_memory() {
    // SAFETY: callable at any time, on any thread.
    unsafe { libmimalloc_sys::mi_collect(true) }
}

fn main() -> ExitCode {
    wippy::infra::memory::set_release(release_memory);
    // A panic is a bug of ours; whatever becomes of it, the user keeps a usable terminal.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        wippy::core::reactor::terminal::restore_terminal();
        report(panic);
    }));
    // Neither panics nor our signals come by here: Luau without memory, a stack without end.
    let on_abort = || {
        wippy::core::reactor::terminal::restore_at_once();
        let _ = signal_hook::low_level::emulate_default_handler(signal_hook::consts::SIGABRT);
    };
    // SAFETY: it takes no lock that it would wait for, allocates nothing, and calls only what a
    // handler may call.
    let _ = unsafe { signal_hook::low_level::register(signal_hook::consts::SIGABRT, on_abort) };
    wippy::cli::main().into()
}
