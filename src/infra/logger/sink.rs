//! The writer thread of the log and the queue before it.
//!
//! Callers are pinned worker threads, so a log call only appends its line to a buffer in memory;
//! thread `wippy-log` writes what has gathered and sleeps when there is nothing.
//!
//! 1. Lines are written in the order in which [`Sink::push`] took them.
//! 2. No line is dropped, so the queue has no bound: a reader that stands still while the program
//!    logs on costs memory. [`Sink::backlog`] tells how much; who produces lines without end (a
//!    Lua loop around `print`) can be held back there, at a place where it may be suspended.
//! 3. A stream that cannot be written to (closed pipe, full disk) is ignored: what the failing
//!    write leaves is discarded, later lines are tried again.
//! 4. Dropping the sink writes what is left and then ends the thread.

use std::io::{self, Write};
use std::mem;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// Lines are gathered into pieces of about this size, so that a long backlog is never copied while
/// it grows. The capacity of a Linux pipe: more does not go out in one write.
const PIECE_LEN: usize = 64 * 1024;

pub(super) struct Sink {
    queue: Arc<Queue>,
    /// `None` only while dropping.
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Queue {
    /// Held to append or to take, never while writing.
    state: Mutex<State>,
    /// The writer waits here for lines or the end.
    filled: Condvar,
    /// Those who flush wait here for progress.
    written: Condvar,
}

#[derive(Default)]
struct State {
    /// Lines not yet taken by the writer; none of the pieces is empty.
    pieces: Vec<Vec<u8>>,
    /// Bytes ever pushed.
    n_pushed: u64,
    /// Bytes ever written or discarded, `<= n_pushed`.
    n_written: u64,
    /// The writer waits on `filled`: only then does a push have to wake it.
    writer_sleeps: bool,
    closed: bool,
}

impl Sink {
    pub(super) fn start(out: Box<dyn Write + Send>) -> io::Result<Sink> {
        let queue = Arc::<Queue>::default();
        let thread = thread::Builder::new().name("wippy-log".into()).spawn({
            let queue = queue.clone();
            move || queue.write_to(out)
        })?;
        Ok(Sink { queue, thread: Some(thread) })
    }

    /// Queues one line; does not wait for the stream.
    pub(super) fn push(&self, line: &str) {
        let mut state = self.queue.state.lock();
        match state.pieces.last_mut() {
            Some(piece) if piece.len() + line.len() <= PIECE_LEN => {
                piece.extend_from_slice(line.as_bytes());
            }
            _ => state.pieces.push(line.as_bytes().to_vec()),
        }
        state.n_pushed += line.len() as u64;
        if mem::take(&mut state.writer_sleeps) {
            self.queue.filled.notify_one();
        }
    }

    /// Bytes queued and not yet written.
    pub(super) fn backlog(&self) -> u64 {
        let state = self.queue.state.lock();
        state.n_pushed - state.n_written
    }

    /// Waits until all that was pushed before this call is written; `false` if that took longer
    /// than `timeout`.
    pub(super) fn flush(&self, timeout: Option<Duration>) -> bool {
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut state = self.queue.state.lock();
        let target = state.n_pushed;
        while state.n_written < target {
            match deadline {
                None => self.queue.written.wait(&mut state),
                Some(deadline) => {
                    let timed_out = self.queue.written.wait_until(&mut state, deadline).timed_out();
                    if timed_out && state.n_written < target {
                        return false;
                    }
                }
            }
        }
        true
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let mut state = self.queue.state.lock();
        state.closed = true;
        self.queue.filled.notify_one();
        drop(state);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join(); // A panic of the stream was reported when it happened.
        }
    }
}

impl Queue {
    /// The writer thread.
    fn write_to(&self, mut out: Box<dyn Write + Send>) {
        while let Some(pieces) = self.take() {
            for piece in pieces {
                let _ = out.write_all(&piece).and_then(|()| out.flush()); // Rule 3.
                self.state.lock().n_written += piece.len() as u64;
                self.written.notify_all();
            }
        }
    }

    /// Sleeps until there are lines; `None` once there will be none.
    fn take(&self) -> Option<Vec<Vec<u8>>> {
        let mut state = self.state.lock();
        while state.pieces.is_empty() {
            if state.closed {
                return None;
            }
            state.writer_sleeps = true;
            self.filled.wait(&mut state);
        }
        state.writer_sleeps = false;
        Some(mem::take(&mut state.pieces))
    }
}

/// A stream of the process, unbuffered. Bears a descriptor that somebody else made non-blocking.
pub(super) struct Stream(pub(super) BorrowedFd<'static>);

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::io::write(self.0, bytes) {
                Err(Errno::AGAIN) => {
                    match poll(&mut [PollFd::new(&self.0, PollFlags::OUT)], None) {
                        Ok(_) | Err(Errno::INTR) => (),
                        Err(error) => return Err(error.into()),
                    }
                }
                result => return Ok(result?),
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Gives each write to the test and goes on when the test lets it.
    struct Gate {
        seen: mpsc::Sender<Vec<u8>>,
        go: mpsc::Receiver<io::Result<()>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.seen.send(bytes.to_vec()).unwrap();
            self.go.recv().unwrap_or(Ok(()))?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn gate() -> (Sink, mpsc::Receiver<Vec<u8>>, mpsc::Sender<io::Result<()>>) {
        let (seen, seen_rx) = mpsc::channel();
        let (go_tx, go) = mpsc::channel();
        (Sink::start(Box::new(Gate { seen, go })).unwrap(), seen_rx, go_tx)
    }

    #[test]
    fn a_stuck_stream_blocks_nobody_and_loses_nothing() {
        let (sink, seen, go) = gate();
        sink.push("one\n");
        assert_eq!(seen.recv().unwrap(), b"one\n");
        for _ in 0..100_000 {
            sink.push("0123456789\n"); // Returns though the stream hangs.
        }
        assert_eq!(sink.backlog(), 4 + 1_100_000);
        assert!(!sink.flush(Some(Duration::from_millis(1))));
        drop(go);
        assert!(sink.flush(None));
        assert_eq!(sink.backlog(), 0);
        assert_eq!(seen.try_iter().flatten().count(), 1_100_000);
    }

    #[test]
    fn a_failing_stream_is_tried_again() {
        let (sink, seen, go) = gate();
        go.send(Err(io::ErrorKind::BrokenPipe.into())).unwrap();
        go.send(Ok(())).unwrap();
        sink.push("one\n");
        assert!(sink.flush(None));
        sink.push("two\n");
        assert!(sink.flush(None));
        assert_eq!(seen.iter().take(2).collect::<Vec<_>>(), [b"one\n", b"two\n"]);
    }

    #[test]
    fn dropping_writes_what_is_left() {
        let (sink, seen, go) = gate();
        sink.push("one\n");
        seen.recv().unwrap();
        sink.push("two\n");
        let dropper = thread::spawn(move || drop(sink));
        drop(go);
        dropper.join().unwrap();
        assert_eq!(seen.iter().collect::<Vec<_>>(), [b"two\n"]);
    }

    #[test]
    fn each_callers_lines_keep_their_order() {
        const THREADS: usize = 4;
        const COUNT: usize = 2_000;
        let (seen, lines) = mpsc::channel();
        let (go_tx, go) = mpsc::channel();
        drop(go_tx);
        let sink = Sink::start(Box::new(Gate { seen, go })).unwrap();
        thread::scope(|scope| {
            for caller in 0..THREADS {
                let sink = &sink;
                scope.spawn(move || {
                    (0..COUNT).for_each(|n| sink.push(&format!("{caller} {n}\n")));
                });
            }
        });
        drop(sink);
        let text = String::from_utf8(lines.iter().flatten().collect()).unwrap();
        let mut next = [0; THREADS];
        for line in text.lines() {
            let (caller, n) = line.split_once(' ').unwrap();
            let next = &mut next[caller.parse::<usize>().unwrap()];
            assert_eq!(n.parse::<usize>().unwrap(), *next);
            *next += 1;
        }
        assert_eq!(next, [COUNT; THREADS]);
    }

    #[test]
    fn a_closed_pipe_is_ignored() {
        let (reader, writer) = io::pipe().unwrap();
        drop(reader);
        let sink = Sink::start(Box::new(writer)).unwrap();
        sink.push("one\n");
        assert!(sink.flush(None));
    }
}
