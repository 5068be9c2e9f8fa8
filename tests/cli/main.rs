//! The program as its users meet it: the real binary against real project folders.
//!
//! [`project`] builds projects and runs the binary on them, [`pty`] puts it on a terminal. No test
//! sleeps to let something happen: each waits for what it wants to see, within [`SAFETY_NET`].

mod bad_input;
mod commands;
mod compare;
mod echo;
mod functions;
mod history;
mod hostile;
mod lint;
mod loader;
mod lsp;
mod project;
mod pty;
mod registry;
mod results;
mod security;
mod settings;
mod shutdown;
mod signals;
mod streams;
mod supervision;
mod tty;

use std::time::Duration;

/// Nothing here takes long; a test that has waited for this has failed.
const SAFETY_NET: Duration = Duration::from_secs(60);

/// What "at once" means on a machine that is busy with other tests. What must not happen instead
/// takes twice as long or more: the wait for a service that does not stop.
const AT_ONCE: Duration = Duration::from_secs(4);
