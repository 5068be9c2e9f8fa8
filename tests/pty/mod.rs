//! A terminal for a program under test.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::time::Instant;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::LONG;

/// A program on a pseudo-terminal of its own.
pub struct Session {
    child: Child,
    terminal: File,
    output: Receiver<Vec<u8>>,
    seen: String,
}

impl Session {
    pub fn start(command: Command) -> Session {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&terminal).expect("granted");
        unlockpt(&terminal).expect("unlocked");
        let name = ptsname(&terminal, Vec::new()).expect("named").into_string().expect("text");
        // setsid(1) makes the program the leader of a session, and the terminal its own: so Ctrl+C on
        // the terminal becomes SIGINT.
        let mut leader = Command::new("setsid");
        leader.arg("--ctty").arg("--wait").arg(command.get_program()).args(command.get_args());
        if let Some(dir) = command.get_current_dir() {
            leader.current_dir(dir);
        }
        let side = || File::options().read(true).write(true).open(&name).expect("opened");
        let child = leader.stdin(side()).stdout(side()).stderr(side()).spawn().expect("starts");
        let terminal: OwnedFd = terminal;
        let terminal = File::from(terminal);
        let mut reader = terminal.try_clone().expect("cloned");
        let (sender, output) = mpsc::channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // Ends with an error when the last one on the other side has gone.
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    return;
                }
            }
        });
        Session { child, terminal, output, seen: String::new() }
    }

    pub fn send(&mut self, text: &str) {
        self.terminal.write_all(text.as_bytes()).expect("written");
    }

    /// Waits until the text comes up, after what was expected before.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let deadline = Instant::now() + LONG;
        loop {
            if let Some(at) = self.seen.find(text) {
                self.seen.drain(..at + text.len());
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.output.recv_timeout(left) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("no {text:?} in {:?}", self.seen),
            }
        }
    }

    /// Waits for the end; the exit code.
    pub fn wait(&mut self) -> i32 {
        self.child.wait().expect("ends").code().unwrap_or(-1)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A failed test leaves nothing running.
        let _ = self.child.kill();
    }
}
