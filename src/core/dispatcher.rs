//! Dispatcher: from a command's number to the handler that does it.
//!
//! A command is outside work a process asks for. Handlers register during boot; then the table is
//! frozen and read without a lock: numbers below 256 from an array, the others from a map.
//!
//! The engine does process and clock commands (numbers 1 to 29) itself, inside the VM: they are the hot
//! path and need nothing from outside. Their numbers stay reserved.

use std::any::Any;
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::core::pid::Pid;
use crate::infra::app_context::Key;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandId(pub u16);

impl CommandId {
    /// First number of each owner, as specification 03 gives them out.
    pub const PROCESS: CommandId = CommandId(1);
    pub const CLOCK: CommandId = CommandId(10);
    pub const TERMINAL_READ: CommandId = CommandId(70);
    pub const TERMINAL_READ_LINE: CommandId = CommandId(71);
    pub const TERMINAL_WRITE: CommandId = CommandId(72);
    pub const EVENTS: CommandId = CommandId(90);
    pub const FUNCTION: CommandId = CommandId(140);
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

/// Ends a command, exactly once, from any thread. Dropped without that, it ends with an error.
pub struct Completion(Option<Box<dyn FnOnce(Answer) + Send>>);

impl Completion {
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

#[derive(Default)]
pub struct Dispatcher {
    open: Mutex<Table>,
    frozen: OnceLock<Frozen>,
}

struct Frozen {
    low: Box<[Option<Arc<dyn Handler>>; 256]>,
    high: Table,
}

impl Dispatcher {
    pub const KEY: Key<Dispatcher> = Key::new("dispatcher");

    /// # Panics
    /// If the number is taken or the table is frozen: a mistake in the wiring of the program.
    pub fn register(&self, id: CommandId, handler: Arc<dyn Handler>) {
        let mut open = self.open.lock();
        assert!(self.frozen.get().is_none(), "dispatcher is frozen: command {} came late", id.0);
        let before = open.insert(id.0, handler);
        assert!(before.is_none(), "command {} has two handlers", id.0);
    }

    /// No registrations from here on.
    pub fn freeze(&self) {
        let mut table = std::mem::take(&mut *self.open.lock());
        let low = Box::new(std::array::from_fn(|id| table.remove(&(id as u16))));
        // Freezing twice changes nothing.
        let _ = self.frozen.set(Frozen { low, high: table });
    }

    fn handler(&self, id: CommandId) -> Option<Arc<dyn Handler>> {
        match self.frozen.get() {
            Some(frozen) => match frozen.low.get(usize::from(id.0)) {
                Some(slot) => slot.clone(),
                None => frozen.high.get(&id.0).cloned(),
            },
            None => self.open.lock().get(&id.0).cloned(),
        }
    }

    pub fn dispatch(&self, command: Command) {
        match self.handler(command.id) {
            Some(handler) => handler.handle(command),
            None => {
                let id = i64::from(command.id.0);
                let error = Error::not_found("unknown command")
                    .with_details([("command_id", Value::Int(id))].into());
                command.completion.complete(Err(error));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

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
        let answer = answer.recv().expect("completed exactly once")?;
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
    fn a_dropped_command_fails() {
        let dispatcher = Dispatcher::default();
        dispatcher.register(CommandId(70), Arc::new(Double));
        let error = ask(&dispatcher, 70, Box::new("text")).expect_err("dropped");
        assert_eq!(error.message(), "command was dropped by its handler");
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
