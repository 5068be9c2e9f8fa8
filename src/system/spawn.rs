//! Starting a process, from anywhere.

use std::sync::Arc;

use crate::core::pid::{HostId, Pid};
use crate::core::relay::Exit;
use crate::infra::error::Error;
use crate::infra::transcoder::Value;
use crate::infra::transcoder::wire::Wire;
use crate::system::factory::Blueprint;
use crate::system::frame::Frame;
use crate::system::functions::CallSlot;
use crate::system::host::Host;

/// Called once when the process has ended, on the worker that ran it: must not block.
pub type OnEnd = Box<dyn FnOnce(&Exit) + Send>;

/// What a process on a terminal host has beyond others. No call waits.
pub trait TerminalPort: Send + Sync {
    /// Arguments of the command line.
    fn args(&self) -> &[String];
    /// Writes all of `bytes`, in call order: `Some` is the outcome and drops `done` uncalled, with
    /// `None` the rest is on its way and `done` will have the outcome.
    fn write(&self, stream: Stream, bytes: &[u8], done: IoDone<()>) -> Option<Result<(), Error>>;
    /// At least one and at most `n` bytes of input. `done` may be called before this returns.
    fn read(&self, n: usize, done: IoDone<Vec<u8>>);
    /// A line without its end. `done` may be called before this returns.
    fn read_line(&self, done: IoDone<Vec<u8>>);
    /// Switches raw mode on (counted) or off.
    fn raw(&self, on: bool) -> Result<(), Error>;
    /// From now on the terminal is raw and `sink` gets what a person does at it, as tables; the first
    /// is `start`. It is called on any thread and must not wait.
    fn start_events(&self, sink: InputSink) -> Result<(), Error> {
        drop(sink);
        Err(no_input())
    }
    /// Ends that. May be repeated.
    fn stop_events(&self) {}
    /// Switches on, or off, that the mouse is told of.
    fn mouse(&self, on: bool) -> Result<(), Error> {
        let _ = on;
        Err(no_input())
    }
    /// Columns and rows.
    fn screen_size(&self) -> Result<(u16, u16), Error> {
        Err(no_input())
    }
}

/// Gives a process that somebody starts on a terminal host its terminal, and who hears of its end.
pub type TerminalSource = Box<dyn Fn(HostId) -> (Arc<dyn TerminalPort>, OnEnd) + Send + Sync>;

/// Takes events of a terminal.
pub type InputSink = Arc<dyn Fn(Value) + Send + Sync>;

fn no_input() -> Error {
    Error::unavailable("input controller unavailable")
}

/// Arguments of the commands that read from a terminal; they answer with a `Vec<u8>`.
pub struct ReadCommand {
    pub port: Arc<dyn TerminalPort>,
    /// At most so many bytes; a line does not ask.
    pub n: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    Out,
    Err,
}

/// Called once with the outcome, from any thread.
pub type IoDone<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;

/// A process to be started.
pub struct SpawnRequest {
    pub blueprint: Blueprint,
    /// Counted in outside, see [`Host::enter`]; whoever handles the request counts it out again.
    pub host: Arc<Host>,
    pub args: Wire,
    /// Who spawns; `Pid::NONE` for roots.
    pub parent: Pid,
    pub monitor: bool,
    pub link: bool,
    /// What it inherits.
    pub frame: Option<Arc<Frame>>,
    pub named: Option<Box<Named>>,
    pub terminal: Option<Arc<dyn TerminalPort>>,
    pub on_end: Option<OnEnd>,
    /// It is a call of a function: the place it takes there.
    pub slot: Option<CallSlot>,
    /// It is in the process table already, and nobody waits for its start: failing is its end.
    pub known: Option<Pid>,
}

/// What a process gets with its start: a name, and messages that come first in its mailbox.
pub struct Named {
    pub name: Option<Arc<str>>,
    /// Encoded, each with its topic in front.
    pub messages: Vec<Wire>,
    /// If the name belongs to a live process, that one gets the messages and nothing is started.
    /// Else the start fails.
    pub or_signal: bool,
}

/// Told whether the process came to be.
pub type SpawnReply = Box<dyn FnOnce(Result<Pid, Error>) + Send>;

/// Finds a VM for a new process, or for an instance. Implemented by the runtime layer.
pub trait Spawner: Send + Sync {
    fn spawn(&self, request: SpawnRequest, reply: SpawnReply);

    /// Has an instance of a function made for this seat, which is given back when it is there, or
    /// when it cannot be made: then the first call says why.
    fn prepare(&self, seat: CallSlot);
}
