//! Starts that nobody waits for.
//!
//! A process that goes to another VM is started there, and its parent needs two things from that: the
//! PID, which it can choose itself, and the error if the chunk body raises one. A body that calls no
//! host function but `require` does the same each time: once it has gone well it always will. So a parent need not
//! wait for it, and can spread a burst of children over all workers as fast as it can write them
//! down. Should such a start fail all the same (no memory), that is the end of the process: its
//! watchers get an EXIT with the error.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::core::pid::Pid;
use crate::core::process::Control;
use crate::core::relay::{Exit, Outcome};
use crate::core::vm::{Event, Start, VmCell};
use crate::infra::error::{Error, Result};
use crate::runtime::engine::chunk::Definition;
use crate::runtime::engine::vm::VmData;
use crate::system::host::{Host, Seat};
use crate::system::spawn::SpawnRequest;

/// Chunk bodies that run in a VM, one inside the other.
#[derive(Default)]
pub struct Starts {
    nested: u32,
    /// The innermost one has called a host function.
    called: bool,
}

impl Starts {
    /// Bodies that run at the moment.
    #[inline]
    pub fn nested(&self) -> u32 {
        self.nested
    }

    /// A host function is called, by a body or not; one that may do otherwise next time.
    #[inline]
    pub fn note_call(&mut self) {
        if self.nested > 0 {
            self.called = true;
        }
    }

    /// A body begins. What is returned goes back with its [end](Starts::leave).
    pub fn enter(&mut self) -> bool {
        self.nested += 1;
        std::mem::replace(&mut self.called, false)
    }

    /// A body has ended: whether it called a host function.
    pub fn leave(&mut self, outer: bool) -> bool {
        self.nested -= 1;
        std::mem::replace(&mut self.called, outer)
    }
}

const UNKNOWN: u8 = 0;
const SURE: u8 = 1;
const UNSURE: u8 = 2;

/// Whether the body of a definition, and those of its libraries, go well each time.
#[derive(Default)]
pub struct Reliability(AtomicU8);

impl Reliability {
    /// The body has run. `unsure`: it called something that may do otherwise next time, or failed.
    #[inline]
    pub fn note(&self, unsure: bool) {
        let known = self.0.load(Ordering::Relaxed);
        if unsure && known != UNSURE {
            self.0.store(UNSURE, Ordering::Relaxed);
        } else if !unsure && known == UNKNOWN {
            // Fails if another worker knows better.
            let _ = self.0.compare_exchange(UNKNOWN, SURE, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    fn is_sure(&self) -> bool {
        self.0.load(Ordering::Relaxed) == SURE
    }
}

/// May a process be started in another VM without waiting for it?
pub fn may_launch(definition: &Definition, host: &Host) -> bool {
    // Alone in its VM it may have a limit, which the body may hit.
    definition.reliability.is_sure() && !host.isolated()
}

/// Starts a process in `vm`, with its monitor and link. It is routable at once.
pub fn launch(data: &mut VmData, vm: Arc<VmCell>, mut request: SpawnRequest) -> Result<Pid> {
    let pid = data.kernel.pids.next_of(&mut data.pids, request.host.id);
    let mut control = Control::new(pid, vm.clone());
    control.parent = request.parent;
    if request.monitor {
        control.watchers.push(request.parent);
    }
    request.known = Some(pid);
    let (link, host) = (request.link, request.host.clone());
    vm.population.fetch_add(1, Ordering::Relaxed);
    let start = Start { spec: Box::new(request), reply: Box::new(|_| ()) };
    match data.kernel.topology.begin_unstarted(control, link, Event::Start(Box::new(start))) {
        Ok(()) => {
            data.kernel.scheduler.notify(&vm);
            Ok(pid)
        }
        Err(error) => {
            vm.population.fetch_sub(1, Ordering::Relaxed);
            host.leave(Seat::OUTSIDE);
            Err(error)
        }
    }
}

impl VmData {
    /// The end of a process that was [launched](launch) and could not be started.
    ///
    /// Handlers have not accepted it, so they do not hear of its end.
    pub fn end_unstarted(&mut self, pid: Pid, error: Error) {
        let Some(control) = self.kernel.topology.end(pid) else { return };
        let exit = Arc::new(Exit { pid, at: self.unix_now, outcome: Outcome::Error(error) });
        self.announce(&control, &exit, &mut None);
        control.vm.population.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_answers_for_its_own_calls() {
        let mut starts = Starts::default();
        starts.note_call();
        let outer = starts.enter();
        // The call that starts another process from a body, whose body calls nothing.
        starts.note_call();
        let inner = starts.enter();
        assert_eq!(starts.nested(), 2);
        assert!(!starts.leave(inner));
        assert!(starts.leave(outer));
        let outer = starts.enter();
        assert!(!starts.leave(outer), "a call outside of bodies counts for none");
    }

    #[test]
    fn once_unsure_is_unsure() {
        let reliability = Reliability::default();
        assert!(!reliability.is_sure());
        reliability.note(false);
        assert!(reliability.is_sure());
        reliability.note(true);
        reliability.note(false);
        assert!(!reliability.is_sure());
    }
}
