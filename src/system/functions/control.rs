//! One call on its way: where it is, and whether it is still wanted.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::core::pid::Pid;
use crate::system::functions::{Code, Function, canceled};
use crate::system::kernel::Kernel;

/// A handle to a call that was made.
pub struct CallControl {
    stage: Mutex<Stage>,
    function: Arc<Function>,
}

enum Stage {
    /// For a slot, or for the VM that starts it.
    Waiting,
    Running(Pid),
    Over,
    Canceled,
}

impl CallControl {
    pub(super) fn new(function: Arc<Function>) -> Arc<CallControl> {
        Arc::new(CallControl { stage: Mutex::new(Stage::Waiting), function })
    }

    pub(super) fn is_canceled(&self) -> bool {
        matches!(*self.stage.lock(), Stage::Canceled)
    }

    /// Ends the call: at once if it runs, when its turn comes at the latest if it waits. Its outcome is
    /// told as ever.
    pub fn cancel(&self, kernel: &Kernel) {
        let mut stage = self.stage.lock();
        let before = std::mem::replace(&mut *stage, Stage::Canceled);
        drop(stage);
        match before {
            Stage::Running(pid) => self.end(kernel, pid),
            Stage::Waiting => self.function.sweep(),
            Stage::Over | Stage::Canceled => {}
        }
    }

    pub(super) fn started(&self, kernel: &Kernel, pid: Pid) {
        let mut stage = self.stage.lock();
        match *stage {
            Stage::Waiting => *stage = Stage::Running(pid),
            Stage::Canceled => {
                drop(stage);
                self.end(kernel, pid);
            }
            Stage::Running(_) | Stage::Over => {}
        }
    }

    pub(super) fn over(&self) {
        *self.stage.lock() = Stage::Over;
    }

    fn end(&self, kernel: &Kernel, pid: Pid) {
        // It may have ended meanwhile. A process is asked to end, not ended.
        let _ = match self.function.code {
            Code::Process { .. } => kernel.cancel(Pid::NONE, pid, "caller context canceled"),
            Code::Function(_) => kernel.kill(Pid::NONE, pid, canceled()),
        };
    }

    #[cfg(test)]
    pub(super) fn mark_canceled(&self) {
        *self.stage.lock() = Stage::Canceled;
    }
}
