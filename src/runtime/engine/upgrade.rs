//! Upgrade: a process leaves its code for other code.
//!
//! What stays: PID, names, monitors, links, host, frame, and the mail that no channel had taken. All
//! else of the old code is gone, as at the end of a process.

use std::sync::Arc;

use crate::core::relay::Outcome;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::wire::Wire;
use crate::runtime::engine::chunk::Definition;
use crate::runtime::engine::process::run_chunk;
use crate::runtime::engine::raw::VmPointer;
use crate::runtime::engine::slab::NONE;
use crate::runtime::engine::vm::VmData;
use crate::runtime::engine::wire;

/// The code to go on with, and the arguments of its method.
pub struct Upgrade {
    pub definition: Arc<Definition>,
    pub args: Wire,
}

impl Upgrade {
    /// How a process ends whose upgrade fails in a stage: `create` or `init`.
    pub fn failed(stage: &str, error: Error) -> Error {
        let message = format!("upgrade: {stage} failed: {error}");
        Error::new(error.kind().clone(), message).with_retryable(error.retryable())
    }
}

/// Replaces the code of a process that does not run at the moment, or ends it with the reason.
pub fn upgrade(vm: VmPointer<VmData>, id: u32, new: Upgrade) {
    let data = vm.get();
    data.strip(id);
    if let Err(error) = go_on(vm, id, &new) {
        vm.get().end(id, Outcome::Error(error));
    }
}

fn go_on(vm: VmPointer<VmData>, id: u32, new: &Upgrade) -> Result<()> {
    let data = vm.get();
    let chunk = data.chunk(&new.definition).map_err(|error| Upgrade::failed("create", error))?;
    let (thread, anchor) = data.take_thread();
    data.fresh_globals(thread, chunk);
    let main = data.new_coroutine(id, thread, anchor);
    let process = &mut data.processes[id];
    (process.main, process.chunk) = (main, chunk);
    run_chunk(vm, id, main, thread, true).map_err(|error| Upgrade::failed("init", error))?;
    let data = vm.get();
    data.coroutines[main].results = wire::decode_all(thread, &new.args);
    data.enqueue(main);
    Ok(())
}

impl VmData {
    /// Takes everything from a process that belongs to its code.
    fn strip(&mut self, id: u32) {
        self.free_coroutines(id);
        // The new code says itself what it wants to hear.
        self.set_upgradable(id, false);
        // The channels go, what waited for them stays, in the order of each topic.
        self.end_listeners(id);
        if let Some(extra) = &mut self.processes[id].extra {
            extra.subscriptions.clear();
            if let Some(served) = &mut extra.served {
                served.instance = None;
            }
        }
        self.end_channels(id);
        let process = &mut self.processes[id];
        (process.inbox, process.events, process.main) = (NONE, NONE, NONE);
        (process.ready_first, process.ready_last) = (NONE, NONE);
        (process.stuck, process.timers) = (0, 0);
        process.trap_links = false;
    }
}
