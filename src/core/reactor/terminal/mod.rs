//! The terminal of the process, without a worker ever waiting for it.
//!
//! - [`Input`]: requests for bytes and lines, answered in order by thread `wippy-terminal`.
//! - [`Output`]: writes in call order; what cannot be written at once goes to a thread.
//! - [`keys`]: what raw input means.
//! - [`RawMode`]: raw mode as a guard, and [`restore_terminal`] for those who leave in a hurry.
//!
//! What stdin, stdout and stderr are is the user's choice: a terminal, a pipe, a socket, a file,
//! `/dev/null`, closed. They are shared with the shell and with other programs, so no flag of
//! theirs is changed (`O_NONBLOCK` would stay set after our end), only terminal modes, which are
//! put back.

mod input;
pub mod keys;
mod line_buffer;
mod output;
mod raw_mode;

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

pub use self::input::{Input, ReadError, ReadReply, RequestId};
pub use self::output::{Output, Written};
pub use self::raw_mode::{
    RawError, RawMode, is_terminal, on_restore, restore_at_once, restore_terminal, screen_size,
};

/// A descriptor that lives as long as its user: a standard stream, or one handed over.
enum Handle {
    Standard(BorrowedFd<'static>),
    Owned(OwnedFd),
}

impl AsFd for Handle {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Handle::Standard(fd) => *fd,
            Handle::Owned(fd) => fd.as_fd(),
        }
    }
}

#[cfg(test)]
mod test_pty {
    use std::os::fd::OwnedFd;

    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

    /// Both ends of a new terminal: the side of its screen, the side of its programs.
    pub(super) fn open() -> (OwnedFd, OwnedFd) {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap();
        let program = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        (screen, program)
    }
}
