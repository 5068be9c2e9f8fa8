//! [`Input`]: reading the terminal.
//!
//! 1. Requests are answered one at a time, in the order of their calls, out of one buffer: what a
//!    line leaves over is there for the next request, whatever its kind.
//! 2. Nothing is read while nobody asks, so that a child process can have the rest.
//! 3. The thread never begins a read(2) that poll(2) does not promise to return at once. One case
//!    is left: another program takes the input in between. Then the thread is stuck until more
//!    comes; so [`Input::close`] answers by itself and waits for no thread.
//! 4. It sleeps in epoll, with a waker for new requests and the end. Epoll tells of changes only,
//!    so before each sleep poll(2) is asked whether there is input now; a change after the
//!    question ends the sleep. Files refuse epoll (EPERM), and poll(2) always calls them ready.
//! 5. The end of the input is final, also on a terminal where more could be typed after it.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::sync::Arc;
use std::thread;

use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token, Waker};
use parking_lot::{Mutex, MutexGuard};
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

use super::Handle;
use super::line_buffer::LineBuffer;

/// Most bytes read at once: what a Linux pipe holds.
const CHUNK_LEN: usize = 64 * 1024;

const INPUT: Token = Token(0);
const WAKER: Token = Token(1);

/// Receives the outcome of a request, exactly once: on the thread of the terminal, of the caller
/// (before the call returns) or of who closes the input. Must not wait.
pub type ReadReply = Box<dyn FnOnce(Result<Vec<u8>, ReadError>) + Send>;

/// Why a request brought no bytes.
#[derive(Debug)]
pub enum ReadError {
    /// The input is at its end, or was never open.
    Eof,
    /// [`Input::close`] was called.
    Closed,
    Io(io::Error),
}

/// An input stream and those who wait for it. The thread starts with the first request that has
/// to wait. Dropping it closes it.
pub struct Input {
    shared: Arc<Shared>,
}

struct Shared {
    fd: Handle,
    /// Never held while reading or replying.
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    buffer: LineBuffer,
    /// Unanswered requests, oldest first. One waiting process has one, which bounds it.
    requests: VecDeque<Request>,
    at_eof: bool,
    closed: bool,
    /// Wakes the thread; `None` until it is started.
    waker: Option<Waker>,
    /// Of the last request.
    id: u64,
}

/// A request that may be withdrawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RequestId(u64);

struct Request {
    id: RequestId,
    want: Want,
    reply: ReadReply,
}

#[derive(Clone, Copy)]
enum Want {
    /// At least one byte, at most so many.
    Bytes(usize),
    Line,
}

impl Input {
    /// The input of this process.
    pub fn stdin() -> Input {
        Input::new(Handle::Standard(rustix::stdio::stdin()))
    }

    pub fn on(fd: OwnedFd) -> Input {
        Input::new(Handle::Owned(fd))
    }

    fn new(fd: Handle) -> Input {
        Input { shared: Arc::new(Shared { fd, state: Mutex::default() }) }
    }

    /// Asks for 1 to `n` bytes, as soon as there are any; 0 counts as 1.
    pub fn read(&self, n: usize, reply: ReadReply) -> RequestId {
        self.ask(Want::Bytes(n.max(1)), reply)
    }

    /// Takes a request back: nobody answers it any more, unless that is happening already.
    pub fn withdraw(&self, id: RequestId) {
        let mut state = self.shared.state.lock();
        let request = state.requests.iter().position(|request| request.id == id);
        let request = request.and_then(|at| state.requests.remove(at));
        drop(state);
        drop(request);
    }

    /// Asks for a line, without its `\n` and one `\r` before that. There is no limit of length. A
    /// last line without `\n` is a line too.
    pub fn read_line(&self, reply: ReadReply) {
        let _ = self.ask(Want::Line, reply);
    }

    /// Ends pending and later requests with [`ReadError::Closed`], and the thread. Input that was
    /// read and not asked for is gone. Does not wait; may be repeated.
    pub fn close(&self) {
        let mut state = self.shared.state.lock();
        state.closed = true;
        state.buffer = LineBuffer::default();
        let requests = std::mem::take(&mut state.requests);
        if let Some(waker) = &state.waker {
            let _ = waker.wake(); // If it fails the thread sleeps on, which harms nobody.
        }
        drop(state);
        for request in requests {
            (request.reply)(Err(ReadError::Closed));
        }
    }

    fn ask(&self, want: Want, reply: ReadReply) -> RequestId {
        let mut state = self.shared.state.lock();
        state.id += 1;
        let id = RequestId(state.id);
        let answer = match state.requests.is_empty() {
            true => state.answer(want),
            false => None,
        };
        let answer = answer.or_else(|| state.waken(&self.shared).err().map(failed));
        match answer {
            None => state.requests.push_back(Request { id, want, reply }),
            Some(answer) => {
                drop(state);
                reply(answer);
            }
        }
        id
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.close();
    }
}

fn failed(error: io::Error) -> Result<Vec<u8>, ReadError> {
    Err(ReadError::Io(error))
}

impl State {
    /// What can be said without reading; `None` if more input is needed.
    fn answer(&mut self, want: Want) -> Option<Result<Vec<u8>, ReadError>> {
        if self.closed {
            return Some(Err(ReadError::Closed));
        }
        let bytes = match want {
            Want::Bytes(n) => self.buffer.take(n),
            Want::Line => self.buffer.take_line(),
        };
        match bytes {
            Some(bytes) => Some(Ok(bytes)),
            None if self.at_eof => Some(self.buffer.take_rest().ok_or(ReadError::Eof)),
            None => None,
        }
    }

    /// Makes the thread look at the requests: it cannot before the lock is released. While there
    /// are others it is on its way already.
    fn waken(&mut self, shared: &Arc<Shared>) -> io::Result<()> {
        match &self.waker {
            None => self.waker = Some(start(shared)?),
            Some(waker) if self.requests.is_empty() => waker.wake()?,
            Some(_) => (),
        }
        Ok(())
    }
}

/// Starts the thread; the result wakes it.
fn start(shared: &Arc<Shared>) -> io::Result<Waker> {
    let poll = Poll::new()?;
    let waker = Waker::new(poll.registry(), WAKER)?;
    let fd = shared.fd.as_fd().as_raw_fd();
    match poll.registry().register(&mut SourceFd(&fd), INPUT, Interest::READABLE) {
        Ok(()) => (),
        // Files have no epoll, and a closed descriptor has nothing: both are always ready.
        Err(error) if is_one_of(&error, &[Errno::PERM, Errno::BADF]) => (),
        Err(error) => return Err(error),
    }
    let shared = shared.clone();
    thread::Builder::new().name("wippy-terminal".into()).spawn(move || shared.serve(poll))?;
    Ok(waker)
}

fn is_one_of(error: &io::Error, errnos: &[Errno]) -> bool {
    Errno::from_io_error(error).is_some_and(|errno| errnos.contains(&errno))
}

fn reply_to_oldest(mut state: MutexGuard<'_, State>, answer: Result<Vec<u8>, ReadError>) {
    let oldest = state.requests.pop_front();
    drop(state); // A reply may ask for more.
    if let Some(request) = oldest {
        (request.reply)(answer);
    }
}

enum Next {
    /// Nobody asks.
    Idle,
    /// The oldest request needs more input.
    Read,
    Stop,
}

impl Shared {
    /// The thread.
    fn serve(&self, mut poll: Poll) {
        let mut events = Events::with_capacity(2);
        let mut chunk = vec![0; CHUNK_LEN];
        loop {
            match self.answer_all() {
                Next::Stop => return,
                Next::Read if self.is_ready() => self.read_some(&mut chunk),
                Next::Read | Next::Idle => {
                    // What it says does not matter (a signal may interrupt it as well): the state
                    // and poll(2) say what is to be done.
                    let _ = poll.poll(&mut events, None);
                }
            }
        }
    }

    /// Answers what can be answered.
    fn answer_all(&self) -> Next {
        loop {
            let mut state = self.state.lock();
            if state.closed {
                return Next::Stop;
            }
            let Some(want) = state.requests.front().map(|request| request.want) else {
                return Next::Idle;
            };
            let Some(answer) = state.answer(want) else {
                return Next::Read;
            };
            reply_to_oldest(state, answer);
        }
    }

    /// Whether a read would return at once, with bytes, the end or an error.
    fn is_ready(&self) -> bool {
        let mut fds = [PollFd::new(&self.fd, PollFlags::IN)];
        rustix::event::poll(&mut fds, Some(&Timespec::default())).is_ok_and(|n| n > 0)
    }

    fn read_some(&self, chunk: &mut [u8]) {
        let result = rustix::io::read(&self.fd, &mut *chunk);
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        match result {
            Ok(0) => state.at_eof = true,
            Ok(n) => state.buffer.push(&chunk[..n]),
            Err(Errno::INTR | Errno::AGAIN) => (),
            Err(errno) if self.is_gone(errno) => state.at_eof = true,
            Err(errno) => reply_to_oldest(state, failed(errno.into())),
        }
    }

    /// Whether the error says that the input does not exist: closed from the start, or a terminal
    /// that was hung up.
    fn is_gone(&self, errno: Errno) -> bool {
        let is_device = || {
            fstat(&self.fd).is_ok_and(|stat| {
                FileType::from_raw_mode(stat.st_mode) == FileType::CharacterDevice
            })
        };
        errno == Errno::BADF || errno == Errno::IO && is_device()
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::super::test_pty;
    use super::*;

    /// Nothing here takes long; a test that waits for this has failed.
    const SAFETY_NET: Duration = Duration::from_secs(60);

    type Answer = Result<Vec<u8>, ReadError>;

    fn reply() -> (ReadReply, mpsc::Receiver<Answer>) {
        let (sender, receiver) = mpsc::channel();
        (Box::new(move |answer| sender.send(answer).unwrap()), receiver)
    }

    /// An answer in a form that compares.
    fn wait(answer: &mpsc::Receiver<Answer>) -> Result<Vec<u8>, String> {
        let answer = answer.recv_timeout(SAFETY_NET).expect("no answer");
        answer.map_err(|error| format!("{error:?}"))
    }

    fn line(input: &Input) -> Result<Vec<u8>, String> {
        let (reply, answer) = reply();
        input.read_line(reply);
        wait(&answer)
    }

    fn read(input: &Input, n: usize) -> Result<Vec<u8>, String> {
        let (reply, answer) = reply();
        input.read(n, reply);
        wait(&answer)
    }

    fn eof<T>() -> Result<T, String> {
        Err("Eof".into())
    }

    fn pipe() -> (Input, io::PipeWriter) {
        let (reader, writer) = io::pipe().unwrap();
        (Input::on(reader.into()), writer)
    }

    /// `input` holds `"one\r\ntwo\0\xff\nthree"` and ends.
    #[track_caller]
    fn check_content(input: Input) {
        assert_eq!(line(&input).unwrap(), b"one");
        assert_eq!(read(&input, 2).unwrap(), b"tw");
        assert_eq!(line(&input).unwrap(), b"o\0\xff");
        assert_eq!(line(&input).unwrap(), b"three");
        assert_eq!(line(&input), eof());
        assert_eq!(read(&input, 10), eof());
    }
    const CONTENT: &[u8] = b"one\r\ntwo\0\xff\nthree";

    #[test]
    fn reads_a_pipe() {
        let (input, mut writer) = pipe();
        writer.write_all(CONTENT).unwrap();
        drop(writer);
        check_content(input);
    }

    #[test]
    fn reads_a_socket() {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        theirs.write_all(CONTENT).unwrap();
        drop(theirs);
        check_content(Input::on(ours.into()));
    }

    #[test]
    fn reads_a_file() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(CONTENT).unwrap();
        file.rewind().unwrap();
        check_content(Input::on(file.into()));
    }

    #[test]
    fn reads_a_descriptor_somebody_made_non_blocking() {
        let (ours, mut theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let input = Input::on(ours.into());
        let (reply, answer) = reply();
        input.read_line(reply);
        theirs.write_all(b"late\n").unwrap();
        assert_eq!(wait(&answer).unwrap(), b"late");
    }

    #[test]
    fn no_input_is_the_end_of_input() {
        let input = Input::on(std::fs::File::open("/dev/null").unwrap().into());
        assert_eq!(line(&input), eof());
        // Readable it is not, like a closed one: read(2) says EBADF.
        let write_only = std::fs::OpenOptions::new().write(true).open("/dev/null").unwrap();
        assert_eq!(read(&Input::on(write_only.into()), 1), eof());
    }

    #[test]
    fn an_error_ends_one_request() {
        let input = Input::on(std::fs::File::open("/").unwrap().into());
        for _ in 0..2 {
            assert!(line(&input).unwrap_err().contains("Io"));
        }
    }

    #[test]
    fn reads_a_terminal_until_it_hangs_up() {
        let (screen, program) = test_pty::open();
        let input = Input::on(program);
        let (first, first_answer) = reply();
        let (second, second_answer) = reply();
        input.read_line(first);
        input.read_line(second);
        rustix::io::write(&screen, b"typed\nmore\n").unwrap();
        assert_eq!(wait(&first_answer).unwrap(), b"typed");
        assert_eq!(wait(&second_answer).unwrap(), b"more");
        // Typed while nobody asks.
        rustix::io::write(&screen, b"early\n").unwrap();
        assert_eq!(line(&input).unwrap(), b"early");
        let (last, last_answer) = reply();
        input.read_line(last);
        drop(screen);
        assert_eq!(wait(&last_answer), eof());
        assert_eq!(line(&input), eof());
    }

    #[test]
    fn ctrl_d_ends_the_input_for_good() {
        let (screen, program) = test_pty::open();
        let input = Input::on(program);
        rustix::io::write(&screen, b"abc\n\x04").unwrap();
        assert_eq!(line(&input).unwrap(), b"abc");
        assert_eq!(line(&input), eof());
        rustix::io::write(&screen, b"late\n").unwrap();
        assert_eq!(line(&input), eof());
    }

    #[test]
    fn pending_requests_are_served_in_order() {
        let (input, mut writer) = pipe();
        let answers: Vec<_> = (0..100)
            .map(|n| {
                let (reply, answer) = reply();
                match n % 2 {
                    0 => input.read_line(reply),
                    _ => drop(input.read(3, reply)),
                }
                answer
            })
            .collect();
        for n in (0..100).step_by(2) {
            // In one piece: a read takes what is there.
            writer.write_all(format!("{n}\n{:03}", n + 1).as_bytes()).unwrap();
        }
        for (n, answer) in answers.iter().enumerate() {
            let expect = if n % 2 == 0 { n.to_string() } else { format!("{n:03}") };
            assert_eq!(String::from_utf8(wait(answer).unwrap()).unwrap(), expect);
        }
    }

    #[test]
    fn a_long_line_takes_linear_time() {
        let (input, mut writer) = pipe();
        let (reply, answer) = reply();
        input.read_line(reply);
        let long = vec![b'x'; 10 << 20];
        let sender = thread::spawn(move || {
            writer.write_all(&long).unwrap();
            writer.write_all(b"\nnext").unwrap();
            long
        });
        assert!(wait(&answer).unwrap() == sender.join().unwrap());
        assert_eq!(line(&input).unwrap(), b"next");
    }

    #[test]
    fn nothing_is_read_while_nobody_asks() {
        let (reader, mut writer) = io::pipe().unwrap();
        let input = Input::on(reader.try_clone().unwrap().into());
        writer.write_all(b"one\n").unwrap();
        assert_eq!(line(&input).unwrap(), b"one");
        writer.write_all(b"two\n").unwrap();
        let mut buffer = [0; 8];
        assert_eq!(rustix::io::read(&reader, &mut buffer).unwrap(), 4);
    }

    #[test]
    fn a_withdrawn_request_takes_nothing() {
        let (input, mut writer) = pipe();
        let (first, first_answer) = reply();
        let (second, second_answer) = reply();
        let id = input.read(10, first);
        input.read_line(second);
        input.withdraw(id);
        input.withdraw(id);
        writer.write_all(b"line\n").unwrap();
        assert_eq!(wait(&second_answer).unwrap(), b"line");
        assert!(first_answer.try_recv().is_err());
    }

    #[test]
    fn close_ends_pending_and_later_requests() {
        let (input, mut writer) = pipe();
        let (first, first_answer) = reply();
        let (second, second_answer) = reply();
        input.read_line(first);
        input.read(1, second);
        input.close();
        let closed = || Err("Closed".to_owned());
        assert_eq!(wait(&first_answer), closed());
        assert_eq!(wait(&second_answer), closed());
        writer.write_all(b"late\n").unwrap_or(()); // The reader may be gone with its thread.
        assert_eq!(line(&input), closed());
        input.close();
        assert_eq!(read(&input, 1), closed());
    }

    #[test]
    fn close_ends_the_thread() {
        let (input, mut writer) = pipe();
        let (reply, answer) = reply();
        input.read_line(reply);
        drop(input);
        assert!(wait(&answer).is_err());
        // The thread holds the last reader: the pipe breaks when it is gone.
        while writer.write_all(b"x").is_ok() {
            thread::yield_now();
        }
    }
}
