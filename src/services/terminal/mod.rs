//! The terminal of a process, and what its result means to the shell.
//!
//! [`TerminalSession`] is what a process on a terminal host reads and writes through. Who made it
//! keeps a handle to it:
//!
//! 1. [`close`](TerminalSession::close) at the start of a graceful shutdown: the process sees its
//!    reads end, may still write, and comes to its result.
//! 2. [`end`](TerminalSession::end) when the process has ended: raw mode is over as well. Dropping
//!    the session does the same.
//! 3. [`exit_code`] of the result.

mod events;

use std::any::Any;
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::core::dispatcher::{Command, CommandId, Dispatcher, Handler};
use crate::core::reactor::terminal::{
    Input, Output, RawError, RawMode, ReadError, ReadReply, Written, is_terminal, keys, on_restore,
    screen_size,
};
use crate::core::relay::Outcome;
use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::Value;
use crate::system::spawn::{InputSink, IoDone, ReadCommand, Stream, TerminalPort};

pub use events::resized;

use events::Listening;

/// Makes the commands that read from terminals known.
pub fn register(dispatcher: &Dispatcher) {
    dispatcher.register(CommandId::TERMINAL_READ, Arc::new(Reads { lines: false }));
    dispatcher.register(CommandId::TERMINAL_READ_LINE, Arc::new(Reads { lines: true }));
}

/// Hands a read on to the port it names; the port answers when it has something.
struct Reads {
    lines: bool,
}

impl Handler for Reads {
    fn handle(&self, command: Command) {
        let Ok(read) = command.args.downcast::<ReadCommand>() else {
            let error = Error::invalid("a read names a terminal");
            return command.completion.complete(Err(error));
        };
        let completion = command.completion;
        let done: IoDone<Vec<u8>> = Box::new(move |result| {
            completion.complete(result.map(|bytes| Box::new(bytes) as Box<dyn Any + Send>));
        });
        match self.lines {
            true => read.port.read_line(done),
            false => read.port.read(read.n, done),
        }
    }
}

/// Standard streams and arguments, as one process sees them.
pub struct TerminalSession {
    args: Vec<String>,
    input: Arc<Input>,
    out: Output,
    err: Output,
    /// What raw mode is about.
    terminal: BorrowedFd<'static>,
    raw: Mutex<Raw>,
    /// Whoever gets the events of the terminal, and is the mouse on? Taken before `raw`.
    events: Mutex<Events>,
}

#[derive(Default)]
struct Events {
    listening: Option<Arc<Listening>>,
    mouse: bool,
}

/// How often raw mode was switched on, and whether it may be. Held while modes are changed.
#[derive(Default)]
struct Raw {
    guards: Vec<RawMode<'static>>,
    ended: bool,
}

impl TerminalSession {
    /// On the standard streams of this program.
    pub fn stdio(args: Vec<String>) -> TerminalSession {
        let stdin = rustix::stdio::stdin();
        TerminalSession::on(args, Input::stdin(), Output::stdout(), Output::stderr(), stdin)
    }

    /// On other streams; `terminal` is what becomes raw.
    pub fn on(
        args: Vec<String>,
        input: Input,
        out: Output,
        err: Output,
        terminal: BorrowedFd<'static>,
    ) -> TerminalSession {
        let input = Arc::new(input);
        let (raw, events) = Default::default();
        TerminalSession { args, input, out, err, terminal, raw, events }
    }

    /// Pending and later reads fail as [`Kind::Canceled`], `terminal closed`. Output goes on.
    pub fn close(&self) {
        self.input.close();
    }

    /// Nobody uses the terminal any more: closes the input, and puts the modes back for good.
    pub fn end(&self) {
        self.stop_events();
        self.close();
        let mut raw = self.raw.lock();
        raw.ended = true;
        raw.guards.clear();
    }

    /// Writes a control sequence; whoever has no screen does not see it.
    fn control(&self, sequence: &[u8]) {
        if is_terminal(self.terminal) && self.out.is_terminal() {
            let _ = self.out.write(sequence, |_| ());
        }
    }

    /// What has to be said when everybody leaves.
    fn prepare_to_leave(&self, events: &Events) {
        on_restore(match (&events.listening, events.mouse) {
            (None, false) => b"",
            (Some(_), false) => keys::END,
            (_, true) => ALL_OFF,
        });
    }
}

/// [`keys::MOUSE_OFF`] and [`keys::END`].
const ALL_OFF: &[u8] = b"\x1b[?1006l\x1b[?1003l\x1b[?1004l\x1b[?2004l";

impl Drop for TerminalSession {
    fn drop(&mut self) {
        self.end();
    }
}

impl TerminalPort for TerminalSession {
    fn args(&self) -> &[String] {
        &self.args
    }

    fn write(&self, stream: Stream, bytes: &[u8], done: IoDone<()>) -> Option<Result<(), Error>> {
        let output = match stream {
            Stream::Out => &self.out,
            Stream::Err => &self.err,
        };
        match output.write(bytes, move |result| done(result.map_err(internal))) {
            Written::Done(result) => Some(result.map_err(internal)),
            Written::Queued => None,
        }
    }

    fn read(&self, n: usize, done: IoDone<Vec<u8>>) {
        let _ = self.input.read(n, reply(done));
    }

    fn read_line(&self, done: IoDone<Vec<u8>>) {
        self.input.read_line(reply(done));
    }

    fn raw(&self, on: bool) -> Result<(), Error> {
        let not_a_terminal = || Error::internal("stdin is not a terminal");
        if !is_terminal(self.terminal) {
            return Err(not_a_terminal());
        }
        let mut raw = self.raw.lock();
        if on {
            if raw.ended {
                return Err(closed());
            }
            let guard = RawMode::enter(self.terminal).map_err(|error| match error {
                RawError::NotATerminal => not_a_terminal(),
                RawError::Io(error) => internal(error),
            })?;
            raw.guards.push(guard);
        } else {
            raw.guards.pop();
        }
        Ok(())
    }

    fn start_events(&self, sink: InputSink) -> Result<(), Error> {
        let mut events = self.events.lock();
        if events.listening.is_some() {
            return Err(Error::new(Kind::AlreadyExists, "input reader already started"));
        }
        self.raw(true)?;
        self.control(keys::BEGIN);
        events.listening = Some(Listening::start(&self.input, self.terminal, sink));
        self.prepare_to_leave(&events);
        Ok(())
    }

    fn stop_events(&self) {
        let mut events = self.events.lock();
        if std::mem::take(&mut events.mouse) {
            self.control(keys::MOUSE_OFF);
        }
        if let Some(listening) = events.listening.take() {
            listening.stop(&self.input);
            self.control(keys::END);
            // It was on, so this does not fail.
            let _ = self.raw(false);
        }
        self.prepare_to_leave(&events);
    }

    fn mouse(&self, on: bool) -> Result<(), Error> {
        if !is_terminal(self.terminal) {
            return Err(Error::internal("stdin is not a terminal"));
        }
        let mut events = self.events.lock();
        if std::mem::replace(&mut events.mouse, on) != on {
            self.control(if on { keys::MOUSE_ON } else { keys::MOUSE_OFF });
        }
        self.prepare_to_leave(&events);
        Ok(())
    }

    fn screen_size(&self) -> Result<(u16, u16), Error> {
        screen_size(self.terminal)
            .or_else(|_| screen_size(rustix::stdio::stdout()))
            .map_err(internal)
    }
}

fn reply(done: IoDone<Vec<u8>>) -> ReadReply {
    Box::new(move |result| {
        done(result.map_err(|error| match error {
            ReadError::Eof => Error::internal("EOF"),
            ReadError::Closed => closed(),
            ReadError::Io(error) => internal(error),
        }));
    })
}

fn closed() -> Error {
    Error::new(Kind::Canceled, "terminal closed")
}

fn internal(error: io::Error) -> Error {
    Error::internal(error.to_string())
}

/// What a program leaves with when the process on its terminal has ended so: the exit code, and a
/// text for standard error.
pub fn exit_code(outcome: &Outcome) -> (i32, Option<String>) {
    let wire = match outcome {
        Outcome::Value(wire) => wire,
        Outcome::Error(error) => return (1, Some(undouble(&error.to_string()).to_owned())),
    };
    let code = match wire.reader().value() {
        Some(Value::Int(n)) => i32::try_from(n).unwrap_or(1),
        Some(Value::Float(x)) => truncated(x).unwrap_or(1),
        Some(Value::Bool(false)) => 1,
        _ => 0,
    };
    (code, None)
}

/// The integer part; `None` if there is none in range.
fn truncated(x: f64) -> Option<i32> {
    let x = x.trunc();
    (x >= f64::from(i32::MIN) && x <= f64::from(i32::MAX)).then_some(x as i32)
}

/// Without repetitions at the start: of `a: b: a: b: c`, `a: b: c` is left.
fn undouble(text: &str) -> &str {
    let rest_after_double = |text: &str| {
        let mut ends = text.match_indices(": ").map(|(at, colon)| at + colon.len());
        ends.find(|&end| text[end..].starts_with(&text[..end]))
    };
    let mut rest = text;
    while let Some(end) = rest_after_double(rest) {
        rest = &rest[end..];
    }
    rest
}

#[cfg(test)]
mod tests {
    use std::io::{PipeReader, PipeWriter, Read, Write};
    use std::os::fd::{AsFd, OwnedFd};
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;
    use crate::infra::transcoder::wire::Wire;

    /// Nothing here takes long; a test that waits for this has failed.
    const SAFETY_NET: Duration = Duration::from_secs(60);

    #[track_caller]
    fn check_exit(value: Value, code: i32) {
        let outcome = Outcome::Value(Wire::of(std::slice::from_ref(&value)));
        assert_eq!(exit_code(&outcome), (code, None), "{value:?}");
    }

    #[test]
    fn results_as_exit_codes() {
        assert_eq!(exit_code(&Outcome::Value(Wire::new())), (0, None));
        check_exit(Value::Nil, 0);
        check_exit(Value::Bool(true), 0);
        check_exit(Value::Bool(false), 1);
        check_exit(Value::from("failed"), 0);
        check_exit(Value::Map([("code".to_owned(), Value::Int(3))].into_iter().collect()), 0);
        check_exit(Value::List(vec![Value::Int(3)]), 0);
        check_exit(Value::Int(3), 3);
        check_exit(Value::Int(-1), -1);
        check_exit(Value::Int(1 << 31), 1);
        check_exit(Value::Float(3.99), 3);
        check_exit(Value::Float(-2.5), -2);
        check_exit(Value::Float(0.9), 0);
        check_exit(Value::Float(2_147_483_647.5), i32::MAX);
        check_exit(Value::Float(2_147_483_648.0), 1);
        check_exit(Value::Float(-2_147_483_648.9), i32::MIN);
        check_exit(Value::Float(-2_147_483_649.0), 1);
        check_exit(Value::Float(f64::NAN), 1);
        check_exit(Value::Float(f64::INFINITY), 1);
    }

    #[track_caller]
    fn check_error(error: Error, text: &str) {
        assert_eq!(exit_code(&Outcome::Error(error)), (1, Some(text.to_owned())));
    }

    #[test]
    fn errors_as_exit_codes() {
        check_error(Error::internal("boom"), "boom");
        check_error(Error::internal("a: b"), "a: b");
        check_error(Error::internal("boom").context("run").context("run"), "run: boom");
        check_error(Error::internal("a: a: a: b"), "a: b");
        check_error(Error::internal("app:x:1: no: app:x:1: no: way"), "app:x:1: no: way");
        check_error(Error::internal("a: ab: c"), "a: ab: c");
        check_error(Error::internal("a: a"), "a: a");
        check_error(Error::internal("ä: ä: ö"), "ä: ö");
        check_error(Error::internal(": : x"), ": x");
        check_error(Error::internal(""), "");
    }

    struct Fixture {
        session: TerminalSession,
        to_stdin: PipeWriter,
        stdout: PipeReader,
        stderr: PipeReader,
    }

    fn session() -> Fixture {
        let (stdin, to_stdin) = io::pipe().unwrap();
        let (stdout, out) = io::pipe().unwrap();
        let (stderr, err) = io::pipe().unwrap();
        let terminal: &'static PipeReader = Box::leak(Box::new(stdin.try_clone().unwrap()));
        let session = TerminalSession::on(
            vec!["one".into()],
            Input::on(stdin.into()),
            Output::on(out.into()),
            Output::on(err.into()),
            terminal.as_fd(),
        );
        Fixture { session, to_stdin, stdout, stderr }
    }

    fn channel<T: Send + 'static>() -> (IoDone<T>, mpsc::Receiver<Result<T, Error>>) {
        let (sender, receiver) = mpsc::channel();
        (Box::new(move |result| sender.send(result).unwrap()), receiver)
    }

    fn line(session: &TerminalSession) -> Result<Vec<u8>, Error> {
        let (done, answer) = channel();
        session.read_line(done);
        answer.recv_timeout(SAFETY_NET).unwrap()
    }

    #[test]
    fn reads_until_the_end_and_again() {
        let Fixture { session, mut to_stdin, .. } = session();
        assert_eq!(session.args(), ["one"]);
        to_stdin.write_all(b"first\r\n\xff\nrest").unwrap();
        drop(to_stdin);
        assert_eq!(line(&session).unwrap(), b"first");
        let (done, answer) = channel();
        session.read(1, done);
        assert_eq!(answer.recv_timeout(SAFETY_NET).unwrap().unwrap(), b"\xff");
        assert_eq!(line(&session).unwrap(), b"");
        assert_eq!(line(&session).unwrap(), b"rest");
        for _ in 0..3 {
            let error = line(&session).unwrap_err();
            assert_eq!((error.kind(), error.message()), (&Kind::Internal, "EOF"));
        }
    }

    #[test]
    fn closing_cancels_reads_and_leaves_output() {
        let Fixture { session, to_stdin, mut stdout, .. } = session();
        let (done, pending) = channel();
        session.read_line(done);
        session.close();
        let error = pending.recv_timeout(SAFETY_NET).unwrap().unwrap_err();
        assert_eq!((error.kind(), error.message()), (&Kind::Canceled, "terminal closed"));
        assert_eq!(*line(&session).unwrap_err().kind(), Kind::Canceled);
        let (done, _) = channel();
        assert_eq!(session.write(Stream::Out, b"bye", done), Some(Ok(())));
        drop((session, to_stdin));
        let mut text = String::new();
        stdout.read_to_string(&mut text).unwrap();
        assert_eq!(text, "bye");
    }

    #[test]
    fn a_slow_reader_is_waited_for_elsewhere() {
        let Fixture { session, mut stderr, .. } = session();
        let (done, written) = channel();
        assert_eq!(session.write(Stream::Err, &vec![b'x'; 1 << 20], done), None);
        let (done, written_after) = channel();
        assert_eq!(session.write(Stream::Err, b"end", done), None);
        let mut text = vec![0; (1 << 20) + 3];
        stderr.read_exact(&mut text).unwrap();
        assert!(text.ends_with(b"xend"));
        written.recv_timeout(SAFETY_NET).unwrap().unwrap();
        written_after.recv_timeout(SAFETY_NET).unwrap().unwrap();
    }

    #[test]
    fn a_closed_pipe_is_an_error() {
        let Fixture { session, stdout, .. } = session();
        drop(stdout);
        let (done, _) = channel();
        let error = session.write(Stream::Out, b"x", done).unwrap().unwrap_err();
        assert_eq!(*error.kind(), Kind::Internal);
    }

    #[test]
    fn a_pipe_cannot_be_raw() {
        let Fixture { session, .. } = session();
        for on in [true, false] {
            assert_eq!(session.raw(on).unwrap_err().message(), "stdin is not a terminal");
        }
    }

    /// The two sides of a new terminal: screen and program.
    fn terminal() -> (OwnedFd, OwnedFd) {
        use rustix::fs::{Mode, OFlags};
        use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap();
        let flags = OFlags::RDWR | OFlags::NOCTTY;
        (screen, rustix::fs::open(name, flags, Mode::empty()).unwrap())
    }

    fn is_raw(fd: impl AsFd) -> bool {
        use rustix::termios::{LocalModes, tcgetattr};
        !tcgetattr(fd).unwrap().local_modes.contains(LocalModes::ICANON)
    }

    #[test]
    fn raw_mode_is_counted_and_ends_with_the_session() {
        let (_screen, program) = terminal();
        let program: &'static OwnedFd = Box::leak(Box::new(program));
        let stream = || program.try_clone().unwrap();
        let make = || {
            let (input, out, err) =
                (Input::on(stream()), Output::on(stream()), Output::on(stream()));
            TerminalSession::on(Vec::new(), input, out, err, program.as_fd())
        };
        let session = make();
        session.raw(false).unwrap();
        session.raw(true).unwrap();
        session.raw(true).unwrap();
        session.raw(false).unwrap();
        assert!(is_raw(program), "one is left");
        session.raw(false).unwrap();
        assert!(!is_raw(program));
        session.raw(true).unwrap();
        session.close();
        assert!(is_raw(program), "the process may still need it to say goodbye");
        session.end();
        assert!(!is_raw(program));
        assert_eq!(*session.raw(true).unwrap_err().kind(), Kind::Canceled);

        let dropped = make();
        dropped.raw(true).unwrap();
        assert!(is_raw(program));
        drop(dropped);
        assert!(!is_raw(program));
    }
}
