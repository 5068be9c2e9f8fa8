//! One call on its way: where it is, and whether it is still wanted.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::core::pid::Pid;
use crate::system::functions::admission::OnQueued;
use crate::system::functions::{Code, Function, canceled};
use crate::system::kernel::Kernel;

/// A handle to a call that was made.
pub struct CallControl {
    stage: Mutex<Stage>,
    function: Arc<Function>,
}

enum Stage {
    /// For a slot, or for the VM that starts it; and for room in the queue, if somebody is to be told.
    Waiting(Option<OnQueued>),
    Running(Pid),
    Canceled,
}

impl CallControl {
    pub(super) fn new(function: Arc<Function>) -> Arc<CallControl> {
        Arc::new(CallControl { stage: Mutex::new(Stage::Waiting(None)), function })
    }

    pub(super) fn is_canceled(&self) -> bool {
        matches!(*self.stage.lock(), Stage::Canceled)
    }

    /// Whoever made it waits until it is queued.
    pub(super) fn block(&self, on_queued: OnQueued) {
        *self.stage.lock() = Stage::Waiting(Some(on_queued));
    }

    /// It is queued: whom to tell, if somebody waits for that.
    pub(super) fn queued(&self) -> Option<OnQueued> {
        match &mut *self.stage.lock() {
            Stage::Waiting(on_queued) => on_queued.take(),
            _ => None,
        }
    }

    /// Ends the call: at once if it runs, when its turn comes at the latest if it waits. Its outcome is
    /// told as ever. Whoever waits until it is queued goes on.
    pub fn cancel(&self, kernel: &Kernel) {
        if let Some(pid) = self.call_off() {
            self.end(kernel, pid);
        }
    }

    /// It is not wanted any more. If it runs: the process that does.
    pub(super) fn call_off(&self) -> Option<Pid> {
        let before = std::mem::replace(&mut *self.stage.lock(), Stage::Canceled);
        match before {
            Stage::Running(pid) => return Some(pid),
            Stage::Waiting(on_queued) => {
                self.function.sweep();
                if let Some(on_queued) = on_queued {
                    on_queued();
                }
            }
            Stage::Canceled => {}
        }
        None
    }

    pub(super) fn started(&self, kernel: &Kernel, pid: Pid) {
        let mut stage = self.stage.lock();
        match *stage {
            Stage::Waiting(_) => *stage = Stage::Running(pid),
            Stage::Canceled => {
                drop(stage);
                self.end(kernel, pid);
            }
            Stage::Running(_) => {}
        }
    }

    fn end(&self, kernel: &Kernel, pid: Pid) {
        // It may have ended meanwhile. A process is asked to end, not ended.
        let _ = match self.function.code {
            Code::Process { .. } => kernel.cancel(Pid::NONE, pid, "caller context canceled"),
            Code::Function(_) => kernel.kill(Pid::NONE, pid, canceled()),
        };
    }
}
