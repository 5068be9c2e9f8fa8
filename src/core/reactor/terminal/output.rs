//! [`Output`]: writing to stdout and stderr.
//!
//! A reader that stands still (a pager, a terminal after Ctrl+S) must not stop a worker. So a
//! write does as much as goes without waiting, and hands over the rest to a thread that may wait.
//!
//! 1. Writes reach the stream in call order; none is buffered beyond its own reply.
//! 2. While the thread is at work, each further write queues behind it. What bounds the queue is
//!    that each writer waits for its reply before it goes on.
//! 3. What "without waiting" means depends on the stream, see [`Way`].
//!
//! SIGPIPE is ignored from the start of a Rust program; a closed pipe is an error of the write.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread;

use parking_lot::{Condvar, Mutex};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

use super::Handle;
use super::raw_mode::is_terminal;

/// Most bytes the calling thread itself writes for one call, so that a quick reader does not keep
/// a worker busy with one huge write. What a Linux pipe holds.
const INLINE_LEN: usize = 64 * 1024;

/// A pipe that poll(2) calls writable takes so many bytes at once: PIPE_BUF of Linux, and less
/// than what a writable socket takes.
const POLLED_LEN: usize = 4096;

type Reply = Box<dyn FnOnce(io::Result<()>) + Send>;

/// What became of a write.
#[must_use]
#[derive(Debug)]
pub enum Written {
    /// It is over. The reply was dropped uncalled.
    Done(io::Result<()>),
    /// The reply will be called once, on the thread of the output.
    Queued,
}

/// An output stream. Dropping it ends its thread after what is queued.
pub struct Output {
    shared: Arc<Shared>,
}

struct Shared {
    fd: Handle,
    way: Way,
    /// Held during a write that does not wait, which makes the order of writes; not held by the
    /// thread while it writes.
    state: Mutex<State>,
    /// The thread sleeps here.
    queued: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    /// The thread is writing the job it took.
    writing: bool,
    /// The thread runs; it starts with the first write that has to wait.
    started: bool,
    closed: bool,
}

struct Job {
    bytes: Vec<u8>,
    reply: Reply,
}

/// How to write without waiting.
#[derive(Debug, PartialEq)]
enum Way {
    /// `fd` was opened anew by us, non-blocking: whatever it takes at once. Terminals and pipes.
    NonBlocking,
    /// A little at a time while poll(2) says so. Sockets, and pipes that cannot be opened anew;
    /// if another program fills the pipe between poll and write, the write waits for its reader.
    Polled,
    /// Just write. Files and `/dev/null`, where nobody can hold the write up.
    Plain,
    /// Not at all, leave it to the thread: terminals that cannot be opened anew. Poll(2) says that
    /// a terminal takes something, but not how much.
    Never,
}

impl Output {
    pub fn stdout() -> Output {
        Output::new(Handle::Standard(rustix::stdio::stdout()))
    }

    pub fn stderr() -> Output {
        Output::new(Handle::Standard(rustix::stdio::stderr()))
    }

    pub fn on(fd: OwnedFd) -> Output {
        Output::new(Handle::Owned(fd))
    }

    fn new(fd: Handle) -> Output {
        let (fd, way) = open_anew(fd);
        let shared = Shared { fd, way, state: Mutex::default(), queued: Condvar::new() };
        Output { shared: Arc::new(shared) }
    }

    /// Does somebody look at it?
    pub fn is_terminal(&self) -> bool {
        rustix::termios::isatty(&self.shared.fd)
    }

    /// Writes all of `bytes`. Does not wait for the reader: returns either the outcome, or that
    /// `reply` will have it.
    pub fn write(
        &self,
        bytes: &[u8],
        reply: impl FnOnce(io::Result<()>) + Send + 'static,
    ) -> Written {
        let mut state = self.shared.state.lock();
        let n = match state.writing || !state.jobs.is_empty() {
            true => 0,
            false => match self.shared.write_now(bytes) {
                Ok(n) if n == bytes.len() => return Written::Done(Ok(())),
                Ok(n) => n,
                Err(error) => return Written::Done(Err(error)),
            },
        };
        if !state.started {
            let shared = self.shared.clone();
            let thread = thread::Builder::new().name("wippy-output".into());
            if let Err(error) = thread.spawn(move || shared.write_queued()) {
                return Written::Done(Err(error));
            }
            state.started = true;
        }
        state.jobs.push_back(Job { bytes: bytes[n..].to_vec(), reply: Box::new(reply) });
        self.shared.queued.notify_one();
        Written::Queued
    }
}

impl Drop for Output {
    fn drop(&mut self) {
        self.shared.state.lock().closed = true;
        self.shared.queued.notify_one();
    }
}

impl Shared {
    /// Writes what goes without waiting; how many bytes that were.
    fn write_now(&self, bytes: &[u8]) -> io::Result<usize> {
        let (end, step) = match self.way {
            Way::NonBlocking => (bytes.len().min(INLINE_LEN), INLINE_LEN),
            Way::Polled => (bytes.len().min(INLINE_LEN), POLLED_LEN),
            Way::Plain => (bytes.len(), bytes.len()),
            Way::Never => (0, 0),
        };
        let mut n = 0;
        while n < end && (self.way != Way::Polled || self.is_writable()) {
            match rustix::io::write(&self.fd, &bytes[n..end.min(n + step)]) {
                Ok(more) => n += more,
                Err(Errno::INTR) => (),
                Err(Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(n)
    }

    fn is_writable(&self) -> bool {
        let mut fds = [PollFd::new(&self.fd, PollFlags::OUT)];
        poll(&mut fds, Some(&Timespec::default())).is_ok_and(|n| n > 0)
    }

    /// The thread.
    fn write_queued(&self) {
        let mut state = self.state.lock();
        loop {
            let Some(job) = state.jobs.pop_front() else {
                if state.closed {
                    return;
                }
                self.queued.wait(&mut state);
                continue;
            };
            state.writing = true;
            drop(state);
            let result = self.write_waiting(&job.bytes);
            state = self.state.lock();
            state.writing = false;
            drop(state);
            (job.reply)(result);
            state = self.state.lock();
        }
    }

    fn write_waiting(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match rustix::io::write(&self.fd, bytes) {
                Ok(n) => bytes = &bytes[n..],
                Err(Errno::INTR) => (),
                Err(Errno::AGAIN) => match poll(&mut [PollFd::new(&self.fd, PollFlags::OUT)], None)
                {
                    Ok(_) | Err(Errno::INTR) => (),
                    Err(error) => return Err(error.into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}

/// Chooses the way for a stream. `O_NONBLOCK` belongs to the open file, which others share, so
/// where it is needed the file is opened once more.
fn open_anew(fd: Handle) -> (Handle, Way) {
    let kind = fstat(&fd).map(|stat| FileType::from_raw_mode(stat.st_mode));
    let is_terminal = is_terminal(&fd);
    if is_terminal || kind == Ok(FileType::Fifo) {
        return match non_blocking(fd.as_fd()) {
            Some(anew) => (Handle::Owned(anew), Way::NonBlocking),
            None if is_terminal => (fd, Way::Never),
            None => (fd, Way::Polled),
        };
    }
    match kind {
        Ok(FileType::Socket) => (fd, Way::Polled),
        _ => (fd, Way::Plain),
    }
}

/// The same terminal or pipe in a non-blocking open file of its own; `None` where the system does
/// not allow it.
#[cfg(target_os = "linux")]
fn non_blocking(fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    use rustix::fs::{Mode, OFlags};

    let flags = OFlags::WRONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
    rustix::fs::open(path, flags, Mode::empty()).ok()
}

/// Elsewhere opening `/dev/fd` may share the open file, and then the flag with it.
#[cfg(not(target_os = "linux"))]
fn non_blocking(_fd: BorrowedFd<'_>) -> Option<OwnedFd> {
    None
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Seek};
    use std::os::unix::net::UnixStream;
    use std::sync::mpsc;
    use std::time::Duration;

    use super::super::test_pty;
    use super::*;

    const SAFETY_NET: Duration = Duration::from_secs(60);

    #[track_caller]
    fn done(written: Written) -> io::Result<()> {
        match written {
            Written::Done(result) => result,
            Written::Queued => panic!("not done at once"),
        }
    }

    fn write(output: &Output, bytes: &[u8]) -> Written {
        output.write(bytes, |_| panic!("a reply nobody expects"))
    }

    /// Fills the stream until a write has to wait, sends two more, then reads all of it.
    #[track_caller]
    fn check_stuck_reader(output: Output, reader: impl Read + Send + 'static) {
        let (replies, replied) = mpsc::channel();
        let mut expect = Vec::new();
        let mut n_queued = 0;
        for n in 0.. {
            let bytes = format!("{n:099} ");
            let reply = {
                let replies = replies.clone();
                move |result: io::Result<()>| replies.send((n, result.is_ok())).unwrap()
            };
            match output.write(bytes.as_bytes(), reply) {
                Written::Done(result) => result.unwrap(),
                Written::Queued => n_queued += 1,
            }
            expect.extend_from_slice(bytes.as_bytes());
            if n_queued == 3 {
                break;
            }
        }
        let len = expect.len() as u64;
        let reading = thread::spawn(move || {
            let mut got = Vec::new();
            let _ = reader.take(len).read_to_end(&mut got);
            got
        });
        let order: Vec<_> =
            (0..3).map(|_| replied.recv_timeout(SAFETY_NET).expect("a reply")).collect();
        assert!(order.is_sorted() && order.iter().all(|(_, ok)| *ok), "{order:?}");
        assert!(reading.join().unwrap() == expect);
    }

    #[test]
    fn a_stuck_pipe_queues() {
        let (reader, writer) = io::pipe().unwrap();
        let output = Output::on(writer.into());
        check_stuck_reader(output, reader);
    }

    #[test]
    fn a_stuck_pipe_queues_without_opening_it_anew() {
        let (reader, writer) = io::pipe().unwrap();
        let mut output = Output::on(writer.into());
        let shared = Arc::get_mut(&mut output.shared).unwrap();
        // A blocking open file, as it would be where opening anew fails.
        rustix::io::ioctl_fionbio(&shared.fd, false).unwrap();
        shared.way = Way::Polled;
        check_stuck_reader(output, reader);
    }

    #[test]
    fn a_stuck_socket_queues() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        check_stuck_reader(Output::on(ours.into()), theirs);
    }

    #[test]
    fn a_stuck_terminal_queues() {
        let (screen, program) = test_pty::open();
        // The second descriptor keeps the terminal from hanging up before all is read.
        let output = Output::on(program.try_clone().unwrap());
        check_stuck_reader(output, std::fs::File::from(screen));
        drop(program);
    }

    #[test]
    fn a_stuck_terminal_queues_without_opening_it_anew() {
        let (screen, program) = test_pty::open();
        let mut output = Output::on(program.try_clone().unwrap());
        Arc::get_mut(&mut output.shared).unwrap().way = Way::Never;
        check_stuck_reader(output, std::fs::File::from(screen));
        drop(program);
    }

    #[test]
    fn the_flags_of_the_stream_stay() {
        let (_reader, writer) = io::pipe().unwrap();
        let output = Output::on(writer.try_clone().unwrap().into());
        done(write(&output, b"x")).unwrap();
        let flags = rustix::fs::fcntl_getfl(&writer).unwrap();
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
    }

    #[test]
    fn a_huge_write_arrives_whole() {
        let (mut reader, writer) = io::pipe().unwrap();
        let output = Output::on(writer.into());
        let bytes: Vec<u8> = (0..10 << 20).map(|n: u32| (n % 251) as u8).collect();
        let (sender, replied) = mpsc::channel();
        let written = output.write(&bytes, move |result| sender.send(result).unwrap());
        assert!(matches!(written, Written::Queued));
        drop(output);
        let mut got = Vec::new();
        reader.read_to_end(&mut got).unwrap();
        assert!(got == bytes);
        replied.recv_timeout(SAFETY_NET).unwrap().unwrap();
    }

    #[test]
    fn files_are_written_at_once() {
        let mut file = tempfile::tempfile().unwrap();
        let output = Output::on(file.try_clone().unwrap().into());
        done(write(&output, &[b'x'; 300_000])).unwrap();
        done(write(&output, b"")).unwrap();
        done(write(&output, b"end")).unwrap();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.len(), &text[299_999..]), (300_003, "xend"));
    }

    #[test]
    fn a_closed_pipe_is_an_error() {
        let (reader, writer) = io::pipe().unwrap();
        let output = Output::on(writer.into());
        drop(reader);
        for _ in 0..2 {
            let error = done(write(&output, b"x")).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
    }

    #[test]
    fn a_pipe_closed_later_is_an_error_of_each_write() {
        let (reader, writer) = io::pipe().unwrap();
        let output = Output::on(writer.into());
        let (sender, replied) = mpsc::channel();
        for _ in 0..2 {
            let sender = sender.clone();
            let written =
                output.write(&vec![0; 1 << 20], move |result| sender.send(result).unwrap());
            assert!(matches!(written, Written::Queued));
        }
        drop(reader);
        for _ in 0..2 {
            let error = replied.recv_timeout(SAFETY_NET).unwrap().unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
        }
    }
}
