//! Signals of the operating system, as calls on a thread of their own.
//!
//! Thread `wippy-signal` sleeps until a signal comes. Equal signals that come faster than they
//! are handled count as one, as everywhere in Unix. What a second interrupt means is the
//! business of who installs: exit at once, with the terminal restored and the log flushed.
//!
//! Signals that end the program as they always do, such as SIGHUP, come here first as [`Signal::Fatal`],
//! so that there is time to put the terminal back. One that was ignored when the program started, as
//! `nohup` does, stays ignored where the system tells (Linux).

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use mio::{Events, Interest, Poll, Token};
use signal_hook::consts::{SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
use signal_hook_mio::v1_0::Signals;

/// A signal the runtime reacts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Signal {
    /// SIGINT: Ctrl+C, outside raw mode.
    Interrupt,
    /// SIGTERM.
    Terminate,
    /// SIGWINCH: the terminal has another size.
    Resize,
    /// Ends the program; see [`Fatal::end`].
    Fatal(Fatal),
}

/// A signal that nobody wants to live on after.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fatal(i32);

impl Fatal {
    /// Ends the program as the signal does by itself, with the status that says so.
    pub fn end(self) {
        // Fails for signals that cannot be handled; those never come here.
        let _ = signal_hook::low_level::emulate_default_handler(self.0);
    }
}

/// What ends a program by itself: the terminal has gone, Ctrl+\\ from elsewhere, alarms and users'
/// signals that are not for us.
const FATAL: [i32; 5] = [SIGHUP, SIGQUIT, SIGALRM, SIGUSR1, SIGUSR2];

impl Signal {
    fn from_raw(number: i32) -> Option<Signal> {
        match number {
            SIGINT => Some(Signal::Interrupt),
            SIGTERM => Some(Signal::Terminate),
            SIGWINCH => Some(Signal::Resize),
            fatal if FATAL.contains(&fatal) => Some(Signal::Fatal(Fatal(fatal))),
            _ => None,
        }
    }
}

/// Calls `on_signal` for each signal from now on, one at a time, for the rest of the process.
/// Meant to be called once; a second call fails with [`io::ErrorKind::AlreadyExists`].
pub fn install(mut on_signal: impl FnMut(Signal) + Send + 'static) -> io::Result<()> {
    static INSTALLED: AtomicBool = AtomicBool::new(false);

    let mut poll = Poll::new()?;
    // Guards no data, so Relaxed: one call wins.
    if INSTALLED.swap(true, Ordering::Relaxed) {
        let message = "signal handlers are already installed";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, message));
    }
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGWINCH])?;
    for signal in FATAL.into_iter().filter(|&signal| !is_ignored(signal)) {
        signals.add_signal(signal)?;
    }
    poll.registry().register(&mut signals, Token(0), Interest::READABLE)?;
    let thread = move || {
        let mut events = Events::with_capacity(1);
        loop {
            // `pending` empties the pipe, as an edge-triggered poll demands; before the first
            // sleep as well, for signals that came before the registration.
            signals.pending().filter_map(Signal::from_raw).for_each(&mut on_signal);
            let _ = poll.poll(&mut events, None); // Interrupted by a signal: look again.
        }
    };
    thread::Builder::new().name("wippy-signal".into()).spawn(thread)?;
    Ok(())
}

/// Was this program started with the signal ignored? Without an answer, no.
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask & (1 << (signal - 1)) != 0
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use rustix::process::{Signal as Raw, getpid, kill_process};

    use super::*;

    #[test]
    fn signals_arrive_and_install_is_for_once() {
        let hang_up_is_ignored = is_ignored(SIGHUP);
        let (sender, signals) = mpsc::channel();
        install(move |signal| sender.send(signal).unwrap()).unwrap();
        let table = [
            (Raw::INT, Signal::Interrupt),
            (Raw::TERM, Signal::Terminate),
            (Raw::INT, Signal::Interrupt),
            (Raw::WINCH, Signal::Resize),
            (Raw::HUP, Signal::Fatal(Fatal(SIGHUP))),
        ];
        // Under `nohup` the last one is ignored, and stays so.
        let n_rows = table.len() - usize::from(hang_up_is_ignored);
        for (raw, expect) in table.into_iter().take(n_rows) {
            kill_process(getpid(), raw).unwrap();
            assert_eq!(signals.recv_timeout(Duration::from_secs(60)).unwrap(), expect);
        }
        assert_eq!(install(|_| ()).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
    }
}
