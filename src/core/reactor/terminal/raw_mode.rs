//! Raw mode of a terminal, counted, and always undone.

use std::fmt;
use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::termios::{
    OptionalActions, OutputModes, SpecialCodeIndex, Termios, isatty, tcgetattr, tcgetwinsize,
    tcsetattr,
};

/// The terminals now in raw mode: in practice stdin or none. Held while modes are changed, which
/// does not wait for the terminal.
static RAW: Mutex<Vec<Entry>> = Mutex::new(Vec::new());

/// What [`restore_terminal`] writes to standard output if that is a terminal.
static LAST_WORDS: Mutex<&[u8]> = Mutex::new(b"");

/// How long [`restore_terminal`] waits for somebody who is just changing modes. It may be the
/// very thread that now panics, so there must be an end; picked out of the air.
const RESTORE_WAIT: Duration = Duration::from_millis(200);

struct Entry {
    /// The number under which the terminal was made raw.
    key: RawFd,
    /// Our own descriptor of it.
    fd: OwnedFd,
    /// Its modes before.
    before: Termios,
    n_guards: usize,
}

impl Entry {
    fn restore(&self) {
        // At once: waiting for output to drain could take for ever. A terminal that is gone
        // cannot be restored and need not be.
        let _ = tcsetattr(&self.fd, OptionalActions::Now, &self.before);
    }
}

/// Why a terminal did not become raw.
#[derive(Debug)]
pub enum RawError {
    NotATerminal,
    Io(io::Error),
}

impl fmt::Display for RawError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RawError::NotATerminal => f.write_str("not a terminal"),
            RawError::Io(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for RawError {}

/// Keeps a terminal in raw mode: no echo, no line editing, no signals from keys, input as it is
/// typed; the translation of line ends on output stays. The guards of one terminal are counted,
/// the modes from before the first come back with the end of the last.
#[must_use = "raw mode lasts as long as this lives"]
#[derive(Debug)]
pub struct RawMode<'fd> {
    key: RawFd,
    /// The descriptor stays open, so its number means the same terminal all the time.
    _fd: PhantomData<BorrowedFd<'fd>>,
}

impl<'fd> RawMode<'fd> {
    pub fn enter(fd: BorrowedFd<'fd>) -> Result<RawMode<'fd>, RawError> {
        if !is_terminal(fd) {
            return Err(RawError::NotATerminal);
        }
        let key = fd.as_raw_fd();
        let mut raw = RAW.lock();
        match raw.iter_mut().find(|entry| entry.key == key) {
            Some(entry) => entry.n_guards += 1,
            None => raw.push(make_raw(fd).map_err(RawError::Io)?),
        }
        Ok(RawMode { key, _fd: PhantomData })
    }
}

impl Drop for RawMode<'_> {
    fn drop(&mut self) {
        let mut raw = RAW.lock();
        if let Some(index) = raw.iter().position(|entry| entry.key == self.key) {
            raw[index].n_guards -= 1;
            if raw[index].n_guards == 0 {
                raw.swap_remove(index).restore();
            }
        }
    }
}

fn make_raw(fd: BorrowedFd<'_>) -> io::Result<Entry> {
    let before = tcgetattr(fd)?;
    let entry = Entry { key: fd.as_raw_fd(), fd: fd.try_clone_to_owned()?, before, n_guards: 1 };
    let mut modes = entry.before.clone();
    modes.make_raw();
    modes.output_modes = entry.before.output_modes | OutputModes::OPOST | OutputModes::ONLCR;
    // A read returns as soon as there is one byte.
    modes.special_codes[SpecialCodeIndex::VMIN] = 1;
    modes.special_codes[SpecialCodeIndex::VTIME] = 0;
    tcsetattr(fd, OptionalActions::Now, &modes)?;
    Ok(entry)
}

/// Puts every raw terminal back as it was, whoever holds guards: for a panic hook or an exit that
/// runs no destructors. Callable from any thread at any time (not from a signal handler in the
/// strict sense), waits a moment at most, never fails, may be repeated.
pub fn restore_terminal() {
    if let Some(mut words) = LAST_WORDS.try_lock_for(RESTORE_WAIT) {
        say(std::mem::take(&mut *words));
    }
    if let Some(raw) = RAW.try_lock_for(RESTORE_WAIT) {
        raw.iter().for_each(Entry::restore);
    }
}

/// The same without waiting for anybody, so from a signal handler: what is being changed at this very
/// moment stays.
pub fn restore_at_once() {
    if let Some(words) = LAST_WORDS.try_lock() {
        say(*words);
    }
    if let Some(raw) = RAW.try_lock() {
        raw.iter().for_each(Entry::restore);
    }
}

/// From now on [`restore_terminal`] writes these bytes, which switch off what was switched on.
pub fn on_restore(words: &'static [u8]) {
    *LAST_WORDS.lock() = words;
}

/// Writes to standard output if that is a terminal which takes them at once.
fn say(words: &[u8]) {
    let screen = rustix::stdio::stdout();
    let mut fds = [PollFd::new(&screen, PollFlags::OUT)];
    let mut takes =
        || rustix::event::poll(&mut fds, Some(&Timespec::default())).is_ok_and(|n| n > 0);
    if !words.is_empty() && is_terminal(screen) && takes() {
        let _ = rustix::io::write(screen, words);
    }
}

pub fn is_terminal(fd: impl AsFd) -> bool {
    isatty(fd)
}

/// Columns and rows of a terminal.
pub fn screen_size(fd: impl AsFd) -> io::Result<(u16, u16)> {
    let size = tcgetwinsize(fd)?;
    Ok((size.ws_col, size.ws_row))
}

#[cfg(test)]
mod tests {
    use rustix::termios::{InputModes, LocalModes, Winsize, tcsetwinsize};

    use super::super::test_pty;
    use super::*;

    /// Held by tests that make terminals raw: one of them restores all there are.
    static ALONE: Mutex<()> = Mutex::new(());

    /// The modes that matter, in a form that compares.
    fn modes(fd: impl AsFd) -> (InputModes, OutputModes, LocalModes) {
        let modes = tcgetattr(fd).unwrap();
        (modes.input_modes, modes.output_modes, modes.local_modes)
    }

    #[track_caller]
    fn check_raw(fd: impl AsFd) {
        let (input, output, local) = modes(fd);
        assert!(!input.intersects(InputModes::ICRNL | InputModes::IXON), "{input:?}");
        assert!(output.contains(OutputModes::OPOST | OutputModes::ONLCR), "{output:?}");
        let off = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG | LocalModes::IEXTEN;
        assert!(!local.intersects(off), "{local:?}");
    }

    #[test]
    fn guards_are_counted_and_the_last_restores() {
        let _alone = ALONE.lock();
        let (_screen, program) = test_pty::open();
        let before = modes(&program);
        let first = RawMode::enter(program.as_fd()).unwrap();
        let second = RawMode::enter(program.as_fd()).unwrap();
        check_raw(&program);
        drop(first);
        check_raw(&program);
        drop(second);
        assert_eq!(modes(&program), before);
        let _again = RawMode::enter(program.as_fd()).unwrap();
        check_raw(&program);
    }

    #[test]
    fn raw_input_comes_by_the_byte() {
        let _alone = ALONE.lock();
        let (screen, program) = test_pty::open();
        let _raw = RawMode::enter(program.as_fd()).unwrap();
        rustix::io::write(&screen, b"\x03").unwrap(); // Ctrl+C
        let mut buffer = [0; 8];
        assert_eq!(rustix::io::read(&program, &mut buffer).unwrap(), 1);
        assert_eq!(buffer[0], 3);
    }

    #[test]
    fn leaving_in_a_hurry_restores() {
        let _alone = ALONE.lock();
        let (_screen, program) = test_pty::open();
        let before = modes(&program);
        let guard = RawMode::enter(program.as_fd()).unwrap();
        restore_at_once();
        assert_eq!(modes(&program), before);
        restore_terminal();
        assert_eq!(modes(&program), before);
        restore_terminal();
        drop(guard);
        assert_eq!(modes(&program), before);

        // Somebody holds the lock for ever, perhaps this very thread: no hang, no panic.
        let _held = RAW.lock();
        restore_terminal();
        restore_at_once();
    }

    #[test]
    fn only_terminals_become_raw() {
        let (reader, _writer) = io::pipe().unwrap();
        assert!(!is_terminal(&reader));
        assert!(matches!(RawMode::enter(reader.as_fd()), Err(RawError::NotATerminal)));
        assert!(screen_size(&reader).is_err());
    }

    #[test]
    fn size_is_columns_and_rows() {
        let (screen, program) = test_pty::open();
        let size = Winsize { ws_col: 100, ws_row: 30, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&screen, size).unwrap();
        assert_eq!(screen_size(&program).unwrap(), (100, 30));
    }
}
