//! The `wippy` program.

use std::process::ExitCode;

/// One allocator for Rust and for every Lua state.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    wippy::cli::main().into()
}
