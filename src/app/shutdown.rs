//! Shutdown: who asks for it, with which exit code, and what a second signal does.
//!
//! A shutdown begins with the first signal, or with the end of the process that the command line
//! asked for. While it is under way further programmatic requests only set the exit code; a signal
//! leaves at once: with status 1 if it is the second one, and with the code that is already there if a
//! program's own end began the shutdown and the signal merely cuts the waiting short.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

#[derive(Default)]
struct State {
    begun: bool,
    signals: u32,
    code: i32,
}

/// Shared by the signal thread, the processes' hosts and the main thread, which waits.
#[derive(Default)]
pub struct Shutdown {
    state: Mutex<State>,
    begun: Condvar,
}

/// What the signal thread has to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnSignal {
    /// The main thread has been told and will shut down.
    Graceful,
    /// Leave now, with this exit status.
    LeaveNow(i32),
}

impl Shutdown {
    /// SIGINT or SIGTERM has arrived.
    pub fn signal(&self) -> OnSignal {
        let mut state = self.state.lock();
        state.signals += 1;
        if state.begun {
            return OnSignal::LeaveNow(if state.signals > 1 { 1 } else { state.code });
        }
        state.begun = true;
        self.begun.notify_all();
        OnSignal::Graceful
    }

    /// A program asks for it, with its exit code.
    pub fn request(&self, code: i32) {
        let mut state = self.state.lock();
        state.code = code;
        state.begun = true;
        self.begun.notify_all();
    }

    /// Waits until somebody asks.
    pub fn wait(&self) {
        let mut state = self.state.lock();
        while !state.begun {
            self.begun.wait(&mut state);
        }
    }

    /// Waits at most `timeout` until somebody asks. Has anybody?
    pub fn wait_for(&self, timeout: Duration) -> bool {
        let mut state = self.state.lock();
        let _ = self.begun.wait_while_for(&mut state, |state| !state.begun, timeout);
        state.begun
    }

    pub fn has_begun(&self) -> bool {
        self.state.lock().begun
    }

    /// The exit status, set last by whoever set one.
    pub fn code(&self) -> i32 {
        self.state.lock().code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_signal_leaves_with_status_one() {
        let shutdown = Shutdown::default();
        assert_eq!(shutdown.signal(), OnSignal::Graceful);
        shutdown.wait();
        assert_eq!((shutdown.has_begun(), shutdown.code()), (true, 0));
        shutdown.request(3);
        assert_eq!(shutdown.signal(), OnSignal::LeaveNow(1));
    }

    #[test]
    fn a_signal_while_a_finished_program_is_being_cleaned_up_keeps_its_code() {
        let shutdown = Shutdown::default();
        shutdown.request(7);
        shutdown.request(4);
        shutdown.wait();
        assert_eq!(shutdown.signal(), OnSignal::LeaveNow(4));
        assert_eq!(shutdown.signal(), OnSignal::LeaveNow(1));
    }
}
