//! A terminal with the binary on it, and a person who types.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::SAFETY_NET;
use crate::project::wait;

/// How often to look whether the program is still there to be waited for.
const GLANCE: Duration = Duration::from_millis(500);

/// A terminal, and the program in its foreground. Killed when dropped.
pub struct Terminal {
    keyboard: File,
    /// Held open, so that the modes can be looked at when the program has gone.
    line: OwnedFd,
    modes: Termios,
    screen: Arc<Screen>,
    /// How much of the screen has been looked at.
    position: usize,
    child: Option<Child>,
}

#[derive(Default)]
struct Screen {
    shown: Mutex<Vec<u8>>,
    changed: Condvar,
}

impl Terminal {
    /// Starts `command` with all its streams on a new terminal, which controls it.
    pub fn start(mut command: Command) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).expect("grant a terminal");
        unlockpt(&master).expect("unlock a terminal");
        let name = ptsname(&master, Vec::new()).expect("the name of a terminal");
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let line = rustix::fs::open(name, flags, Mode::empty()).expect("open a terminal");
        let modes = tcgetattr(&line).expect("the modes of a terminal");

        let stream = || Stdio::from(line.try_clone().expect("one more descriptor"));
        command.stdin(stream()).stdout(stream()).stderr(stream());
        // SAFETY: between fork and exec only these two system calls are made, and nothing allocates.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
                Ok(())
            });
        }
        let child = command.spawn().expect("start wippy");
        drop(command);

        let screen = Arc::new(Screen::default());
        let mut reader = File::from(master.try_clone().expect("one more descriptor"));
        let reader_screen = screen.clone();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Reading fails when nobody holds the line any more.
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                reader_screen.shown.lock().unwrap().extend_from_slice(&buffer[..n]);
                reader_screen.changed.notify_all();
            }
        });
        let keyboard = File::from(master);
        Terminal { keyboard, line, modes, screen, position: 0, child: Some(child) }
    }

    /// Waits until `text` is shown after what was expected before.
    #[track_caller]
    pub fn expect(&mut self, text: &str) -> &mut Terminal {
        let deadline = Instant::now() + SAFETY_NET;
        let mut shown = self.screen.shown.lock().unwrap();
        loop {
            let fresh = &shown[self.position..];
            if let Some(at) = find(fresh, text.as_bytes()) {
                self.position += at + text.len();
                break;
            }
            let has_ended =
                self.child.as_mut().is_some_and(|c| matches!(c.try_wait(), Ok(Some(_))));
            let fresh = String::from_utf8_lossy(fresh).into_owned();
            assert!(Instant::now() < deadline, "no {text:?} on the screen, but {fresh:?}");
            let (now_shown, wait) = self.screen.changed.wait_timeout(shown, GLANCE).unwrap();
            let nothing_more = has_ended
                && wait.timed_out()
                && find(&now_shown[self.position..], text.as_bytes()).is_none();
            assert!(
                !nothing_more,
                "it ended without {text:?}: {:?}",
                String::from_utf8_lossy(&now_shown)
            );
            shown = now_shown;
        }
        drop(shown);
        self
    }

    /// Types text; `\n` is the return key, `\x03` Ctrl+C, `\x04` Ctrl+D.
    pub fn send(&mut self, text: &str) -> &mut Terminal {
        self.keyboard.write_all(text.as_bytes()).expect("type");
        self
    }

    /// Gives the terminal another size; the program is told by the system.
    pub fn resize(&mut self, columns: u16, rows: u16) -> &mut Terminal {
        let size = Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&self.keyboard, size).expect("a size");
        self
    }

    pub fn signal(&mut self, signal: Signal) -> &mut Terminal {
        let pid = Pid::from_child(self.child.as_ref().expect("it is running"));
        kill_process(pid, signal).expect("it is running");
        self
    }

    /// The program switched line editing off.
    pub fn is_raw(&self) -> bool {
        !tcgetattr(&self.line).expect("the modes").local_modes.contains(LocalModes::ICANON)
    }

    /// Waits for the end of the program. Returns its exit code and all that was shown; the modes
    /// are as before it.
    #[track_caller]
    pub fn end(mut self) -> (Option<i32>, String) {
        let status = wait(self.child.take().expect("ends once"));
        let modes = tcgetattr(self.line.as_fd()).expect("the modes");
        let flags = |m: &Termios| (m.local_modes, m.input_modes, m.output_modes);
        assert_eq!(flags(&modes), flags(&self.modes), "the modes of the terminal");
        let shown = String::from_utf8_lossy(&self.screen.shown.lock().unwrap()).into_owned();
        assert!(!shown.contains("panicked"), "{shown}");
        (status.code(), shown)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|window| window == what)
}
