//! Dispatcher: from a command's number to the handler that does it.
//!
//! A command is outside work a process asks for. Handlers register during boot; then the table is
//! frozen and read without a lock: numbers below 256 from an array, the others from a map.
//!
//! The engine does process and clock commands (numbers 1 to 29) itself, inside the VM: they are the hot
//! path and need nothing from outside. Their numbers stay reserved.

use std::any::Any;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use crate::core::pid::Pid;
use crate::infra::app_context::Key;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;

/// The number of a command. The constants are the table of specification 03; of a range whose
/// commands the specification does not number, the first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandId(pub u16);

impl CommandId {
    /// Process: 1 to 9.
    pub const PROCESS: CommandId = CommandId(1);
    pub const PROCESS_SEND: CommandId = CommandId(1);
    pub const PROCESS_SPAWN: CommandId = CommandId(2);
    pub const PROCESS_TERMINATE: CommandId = CommandId(3);
    pub const PROCESS_CANCEL: CommandId = CommandId(4);
    pub const PROCESS_MONITOR: CommandId = CommandId(5);
    pub const PROCESS_UNMONITOR: CommandId = CommandId(6);
    pub const PROCESS_LINK: CommandId = CommandId(7);
    pub const PROCESS_UNLINK: CommandId = CommandId(8);
    pub const PROCESS_EXEC: CommandId = CommandId(9);

    /// Clock: 10 to 29.
    pub const CLOCK: CommandId = CommandId(10);
    pub const CLOCK_SLEEP: CommandId = CommandId(10);
    pub const CLOCK_TICKER_START: CommandId = CommandId(14);
    pub const CLOCK_TICKER_STOP: CommandId = CommandId(16);
    pub const CLOCK_TIMER_START: CommandId = CommandId(18);
    pub const CLOCK_TIMER_WAIT: CommandId = CommandId(19);
    pub const CLOCK_TIMER_STOP: CommandId = CommandId(20);
    pub const CLOCK_TIMER_RESET: CommandId = CommandId(21);

    pub const SOCKET: CommandId = CommandId(30);
    pub const STREAM: CommandId = CommandId(50);
    pub const HTTP: CommandId = CommandId(60);

    /// Terminal: 70 to 79.
    pub const TERMINAL_READ: CommandId = CommandId(70);
    pub const TERMINAL_READ_LINE: CommandId = CommandId(71);
    pub const TERMINAL_WRITE: CommandId = CommandId(72);

    pub const WEBSOCKET: CommandId = CommandId(80);

    /// Events: 90 and 91.
    pub const EVENTS: CommandId = CommandId(90);
    pub const EVENTS_SUBSCRIBE: CommandId = CommandId(90);
    pub const EVENTS_SEND: CommandId = CommandId(91);

    pub const SQL: CommandId = CommandId(100);
    pub const STORE: CommandId = CommandId(120);
    pub const SECURITY_TOKEN: CommandId = CommandId(130);

    /// Functions: 140 to 142.
    pub const FUNCTION: CommandId = CommandId(140);
    pub const FUNCTION_CALL: CommandId = CommandId(140);
    pub const FUNCTION_ASYNC_START: CommandId = CommandId(141);
    pub const FUNCTION_ASYNC_CANCEL: CommandId = CommandId(142);

    pub const EXEC: CommandId = CommandId(150);
    pub const CLOUD_STORAGE: CommandId = CommandId(160);
    pub const EVAL: CommandId = CommandId(170);
    pub const WORKFLOW: CommandId = CommandId(180);

    /// Contracts: 190 to 193.
    pub const CONTRACT_OPEN: CommandId = CommandId(190);
    pub const CONTRACT_CALL: CommandId = CommandId(191);
    pub const CONTRACT_ASYNC_CALL: CommandId = CommandId(192);
    pub const CONTRACT_ASYNC_CANCEL: CommandId = CommandId(193);

    pub const PROCESS_GROUP: CommandId = CommandId(200);
    /// Free for extensions from here.
    pub const EXTENSION: CommandId = CommandId(256);
}

/// What a handler gets.
pub struct Command {
    pub id: CommandId,
    pub from: Pid,
    pub args: Box<dyn Any + Send>,
    pub completion: Completion,
}

pub type Answer = Result<Box<dyn Any + Send>>;

/// Ends a command, exactly once, inline or later, from any thread. Dropped without that, it ends with
/// an error.
pub struct Completion(Option<Box<dyn FnOnce(Answer) + Send>>);

impl Completion {
    /// `done` gets the answer, on the thread that has it: it must neither block nor panic.
    pub fn new(done: impl FnOnce(Answer) + Send + 'static) -> Completion {
        Completion(Some(Box::new(done)))
    }

    pub fn complete(mut self, answer: Answer) {
        if let Some(done) = self.0.take() {
            done(answer);
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(done) = self.0.take() {
            done(Err(Error::internal("command was dropped by its handler")));
        }
    }
}

pub trait Handler: Send + Sync {
    /// Does the command, or sees to it that it gets done. Must not block: it runs on a worker.
    fn handle(&self, command: Command);
}

type Table = HashMap<u16, Arc<dyn Handler>>;

/// Handlers by number.
#[derive(Default)]
pub struct Dispatcher {
    /// What has been registered. Freezing leaves it as it is: a reader that found `frozen` empty just
    /// before may still be on its way here.
    open: RwLock<Table>,
    /// A copy of `open`, made while holding its write lock, so that no registration slips in between.
    frozen: OnceLock<Frozen>,
}

struct Frozen {
    low: Box<[Option<Arc<dyn Handler>>; 256]>,
    high: Table,
}

impl Dispatcher {
    pub const KEY: Key<Dispatcher> = Key::new("dispatcher");

    /// # Panics
    /// If the number is taken (the first handler stays) or the table is frozen: a mistake in the wiring
    /// of the program.
    pub fn register(&self, id: CommandId, handler: Arc<dyn Handler>) {
        let mut open = self.open.write();
        assert!(self.frozen.get().is_none(), "dispatcher is frozen: command {} came late", id.0);
        match open.entry(id.0) {
            Entry::Vacant(slot) => slot.insert(handler),
            Entry::Occupied(_) => panic!("command {} has two handlers", id.0),
        };
    }

    /// No registrations from here on. Freezing twice changes nothing.
    pub fn freeze(&self) {
        let open = self.open.write();
        self.frozen.get_or_init(|| Frozen::new(open.clone()));
    }

    /// Hands the command to its handler; without one, completes it with `NOT_FOUND`.
    pub fn dispatch(&self, command: Command) {
        if let Some(frozen) = self.frozen.get() {
            // By reference: all workers come through here, and a count they share would be contended.
            return run(frozen.handler(command.id), command);
        }
        // The lock is not held while the handler runs, which may register others.
        let handler = self.open.read().get(&command.id.0).cloned();
        run(handler.as_deref(), command);
    }
}

impl Frozen {
    fn new(mut table: Table) -> Frozen {
        let low = Box::new(std::array::from_fn(|id| table.remove(&(id as u16))));
        Frozen { low, high: table }
    }

    fn handler(&self, id: CommandId) -> Option<&dyn Handler> {
        match self.low.get(usize::from(id.0)) {
            Some(slot) => slot.as_deref(),
            None => self.high.get(&id.0).map(|handler| &**handler),
        }
    }
}

fn run(handler: Option<&dyn Handler>, command: Command) {
    match handler {
        Some(handler) => handler.handle(command),
        None => {
            let id = Value::Int(i64::from(command.id.0));
            let error =
                Error::not_found("unknown command").with_details([("command_id", id)].into());
            command.completion.complete(Err(error));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::infra::error::Kind;

    /// Doubles a number; drops anything else.
    struct Double;

    impl Handler for Double {
        fn handle(&self, command: Command) {
            match command.args.downcast::<i64>() {
                Ok(n) => command.completion.complete(Ok(Box::new(*n * 2))),
                Err(_) => drop(command.completion),
            }
        }
    }

    fn ask(dispatcher: &Dispatcher, id: u16, args: Box<dyn Any + Send>) -> Result<i64> {
        let (sender, answer) = mpsc::channel();
        let completion = Completion::new(move |answer| {
            let _ = sender.send(answer);
        });
        dispatcher.dispatch(Command { id: CommandId(id), from: Pid::NONE, args, completion });
        let first = answer.recv().expect("completed");
        assert!(answer.recv().is_err(), "completed once");
        let answer = first?;
        Ok(*answer.downcast::<i64>().expect("a number"))
    }

    #[test]
    fn finds_handlers_before_and_after_the_freeze() {
        let dispatcher = Dispatcher::default();
        dispatcher.register(CommandId(70), Arc::new(Double));
        dispatcher.register(CommandId(300), Arc::new(Double));
        for _ in 0..2 {
            assert_eq!(ask(&dispatcher, 70, Box::new(4_i64)), Ok(8));
            assert_eq!(ask(&dispatcher, 300, Box::new(5_i64)), Ok(10));
            let unknown = ask(&dispatcher, 71, Box::new(1_i64)).expect_err("nobody does 71");
            assert_eq!(unknown.message(), "unknown command");
            assert_eq!(unknown.details(), Some(&[("command_id", Value::Int(71))].into()));
            dispatcher.freeze();
        }
    }

    #[test]
    fn numbers_around_the_array_find_their_handlers() {
        let dispatcher = Dispatcher::default();
        let ids = [0, 1, 255, 256, 257, u16::MAX];
        for id in ids {
            dispatcher.register(CommandId(id), Arc::new(Double));
        }
        dispatcher.freeze();
        for id in ids {
            assert_eq!(ask(&dispatcher, id, Box::new(1_i64)), Ok(2), "{id}");
        }
        for id in [2, 254, 258] {
            let error = ask(&dispatcher, id, Box::new(1_i64)).expect_err("no handler");
            assert_eq!(*error.kind(), Kind::NotFound, "{id}");
        }
    }

    /// Completes from a thread of its own.
    struct Later;

    impl Handler for Later {
        fn handle(&self, command: Command) {
            std::thread::spawn(move || command.completion.complete(Ok(Box::new(1_i64))));
        }
    }

    #[test]
    fn a_command_may_be_completed_later_from_any_thread() {
        let dispatcher = Dispatcher::default();
        dispatcher.register(CommandId::SQL, Arc::new(Later));
        dispatcher.freeze();
        assert_eq!(ask(&dispatcher, CommandId::SQL.0, Box::new(())), Ok(1));
    }

    #[test]
    fn no_command_is_lost_while_the_table_freezes() {
        for _ in 0..200 {
            let dispatcher = Dispatcher::default();
            dispatcher.register(CommandId(70), Arc::new(Double));
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    for _ in 0..20 {
                        assert_eq!(ask(&dispatcher, 70, Box::new(4_i64)), Ok(8));
                    }
                });
                dispatcher.freeze();
            });
        }
    }

    #[test]
    fn the_first_of_two_handlers_stays() {
        let dispatcher = Dispatcher::default();
        dispatcher.register(CommandId(7), Arc::new(Double));
        let again = || dispatcher.register(CommandId(7), Arc::new(Later));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(again)).is_err());
        assert_eq!(ask(&dispatcher, 7, Box::new(4_i64)), Ok(8));
    }

    #[test]
    fn a_dropped_command_fails() {
        let dispatcher = Dispatcher::default();
        dispatcher.register(CommandId(70), Arc::new(Double));
        let error = ask(&dispatcher, 70, Box::new("text")).expect_err("dropped");
        assert_eq!(error, Error::internal("command was dropped by its handler"));
    }

    #[test]
    #[should_panic(expected = "command 7 has two handlers")]
    fn a_number_belongs_to_one_handler() {
        let dispatcher = Dispatcher::default();
        dispatcher.register(CommandId(7), Arc::new(Double));
        dispatcher.register(CommandId(7), Arc::new(Double));
    }

    #[test]
    #[should_panic(expected = "frozen: command 7 came late")]
    fn nobody_registers_after_the_freeze() {
        let dispatcher = Dispatcher::default();
        dispatcher.freeze();
        dispatcher.register(CommandId(7), Arc::new(Double));
    }
}
