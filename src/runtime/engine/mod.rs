//! The engine: Lua processes in pooled Lua states.
//!
//! A *process* is a Luau thread with its own sandboxed globals; many share one state, the *VM*, which
//! one worker at a time runs ([`vm`]). What belongs to a process lies in slabs of its VM, without locks:
//! processes ([`process`]), coroutines ([`coroutine`]), channels ([`channel`]), pending timers.
//!
//! **Suspension.** A blocking host function notes what its coroutine waits for and *breaks* out of Luau
//! (`lua_break`). The break passes through any depth of `coroutine.resume`, `pcall` and `for ... in`
//! iterators; a hook tells which threads it passes, so [`coroutine`] can go on inside out: results
//! onto the innermost thread, resume it, then its resumers one after another.
//!
//! **Preemption** is the same break, asked for by the ticker through Luau's interrupt.
//!
//! **Values** cross between processes of one VM by a copy ([`copy`]), between VMs encoded ([`wire`]).
//!
//! Host functions get a [`Cx`]. They return how many results they pushed, that they have suspended
//! the coroutine, or an error to raise.

pub mod addresses;
pub mod calls;
pub mod channel;
pub mod chunk;
pub mod copy;
pub mod coroutine;
pub mod env;
pub mod error;
pub mod frame;
pub mod future;
pub mod housekeeping;
pub mod instances;
pub mod launch;
pub mod limits;
pub mod listeners;
pub mod loaded;
pub mod mail;
pub mod news;
pub mod process;
pub mod queue;
pub mod raw;
pub mod recipes;
pub mod select;
pub mod slab;
pub mod slot;
pub mod topic;
pub mod upgrade;
pub mod value;
pub mod vm;
pub mod wire;

use std::ffi::{CStr, c_int};

use crate::infra::error::Error;
use crate::runtime::engine::raw::{CFunction, State, Type, VmPointer, lua_State};
use crate::runtime::engine::vm::VmData;

/// What a host function works with.
pub struct Cx {
    /// The thread that calls: arguments from 1, results pushed.
    pub l: State,
    vm: VmPointer<VmData>,
}

/// How a host function ends.
#[derive(Clone, Copy, Debug)]
pub enum Done {
    /// So many values on top of the stack are its results.
    Values(c_int),
    /// The coroutine is suspended: `Cx::suspend` has noted what for.
    Suspended,
}

/// A Lua error to be raised.
#[derive(Debug)]
pub enum Raise {
    /// A message, to be prefixed with the caller's position.
    Message(String),
    /// The value on top of the stack.
    Top,
}

pub type Ret = Result<Done, Raise>;

impl<S: Into<String>> From<S> for Raise {
    fn from(message: S) -> Raise {
        Raise::Message(message.into())
    }
}

/// A host function made of a plain `fn(&mut Cx) -> Ret`, without any state of its own.
pub fn host<F: Fn(&mut Cx) -> Ret + Copy + 'static>(_function: F) -> CFunction {
    const { assert!(std::mem::size_of::<F>() == 0, "a host function captures nothing") };
    trampoline::<F, false>
}

/// A host function that does the same each time a chunk body calls it, see [`launch`].
pub fn steady_host<F: Fn(&mut Cx) -> Ret + Copy + 'static>(_function: F) -> CFunction {
    const { assert!(std::mem::size_of::<F>() == 0, "a host function captures nothing") };
    trampoline::<F, true>
}

unsafe extern "C-unwind" fn trampoline<
    F: Fn(&mut Cx) -> Ret + Copy + 'static,
    const STEADY: bool,
>(
    raw: *mut lua_State,
) -> c_int {
    // SAFETY: `F` is a function item: it has no size, so there is nothing to initialise.
    let function: F = unsafe { std::mem::zeroed() };
    // SAFETY: Luau calls host functions with the running state.
    let l = unsafe { State::from_raw(raw) };
    let mut cx = Cx { l, vm: VmPointer::entered() };
    if !STEADY {
        cx.vm().starts.note_call();
    }
    match function(&mut cx) {
        Ok(Done::Values(n)) => n,
        Ok(Done::Suspended) => l.break_here(),
        Err(raise) => {
            if let Raise::Message(message) = raise {
                push_located(l, &message);
            }
            l.raise()
        }
    }
}

/// Pushes `chunk:line: message`, for the Lua function that called the host function.
fn push_located(l: State, message: &str) {
    match l.location(1) {
        Some((chunk, line)) => l.push_str(&format!("{chunk}:{line}: {message}")),
        None => l.push_str(message),
    }
}

impl Cx {
    /// The VM's data. Not to be kept across anything that runs Lua code.
    #[inline]
    pub fn vm(&mut self) -> &mut VmData {
        self.vm.get()
    }

    pub fn nothing(&self) -> Ret {
        Ok(Done::Values(0))
    }

    pub fn values(&self, n: c_int) -> Ret {
        Ok(Done::Values(n))
    }

    pub fn bool(&self, flag: bool) -> Ret {
        self.l.push_bool(flag);
        Ok(Done::Values(1))
    }

    pub fn str(&self, text: &str) -> Ret {
        self.l.push_str(text);
        Ok(Done::Values(1))
    }

    /// `nil, error`: the usual failure.
    pub fn fail(&mut self, error: Error) -> Ret {
        self.l.push_nil();
        error::push(self.l, error);
        Ok(Done::Values(2))
    }

    /// `false, error`.
    pub fn refuse(&mut self, error: Error) -> Ret {
        self.l.push_bool(false);
        error::push(self.l, error);
        Ok(Done::Values(2))
    }

    /// A `bad argument` error for argument `n`.
    pub fn bad_argument(&self, n: c_int, problem: &str) -> Raise {
        let name = self.l.function_name(0).unwrap_or_else(|| "?".into());
        Raise::Message(format!("bad argument #{n} to '{name}' ({problem})"))
    }

    /// The `bad argument` error for an argument `n` that is not of the `expected` type.
    pub fn wrong_type(&self, n: c_int, expected: &str) -> Raise {
        let got = self.l.type_name(n);
        self.bad_argument(n, &format!("{expected} expected, got {got}"))
    }

    /// Argument `n` as text: a string, a number, or an error object's message.
    pub fn text<'a>(&self, n: c_int) -> Result<&'a [u8], Raise> {
        if self.l.type_of(n) == Type::Userdata
            && let Some(message) = error::message(self.l, n)
        {
            self.l.push_str(&message);
            self.l.replace(n);
        }
        self.l.bytes(n).ok_or_else(|| self.wrong_type(n, "string"))
    }

    /// Like [`Cx::text`], as UTF-8 (with replacement characters where it is none).
    pub fn string(&self, n: c_int) -> Result<String, Raise> {
        Ok(String::from_utf8_lossy(self.text(n)?).into_owned())
    }

    pub fn number(&self, n: c_int) -> Result<f64, Raise> {
        self.l.number(n).ok_or_else(|| self.wrong_type(n, "number"))
    }

    pub fn table(&self, n: c_int) -> Result<(), Raise> {
        match self.l.type_of(n) {
            Type::Table => Ok(()),
            _ => Err(self.wrong_type(n, "table")),
        }
    }

    pub fn function(&self, n: c_int) -> Result<(), Raise> {
        match self.l.type_of(n) {
            Type::Function => Ok(()),
            _ => Err(self.wrong_type(n, "function")),
        }
    }

    /// Host data of type `T` at `n`.
    pub fn userdata<T: raw::Tagged + Copy>(&self, n: c_int) -> Result<T, Raise> {
        let name = || T::NAME.to_string_lossy();
        self.l.get::<T>(n).ok_or_else(|| self.wrong_type(n, &name()))
    }

    /// Pushes the text that `tostring` makes of the value at `index`; runs `__tostring`.
    pub fn push_text_of(&mut self, index: c_int) -> Result<(), Raise> {
        env::push_text_of(self.l, index)
    }
}

/// A function of a module table: its name for traces, its name in the table, and the host function.
pub type Function = (&'static CStr, CFunction);

/// Pushes a read-only table of functions.
pub fn push_functions(l: State, functions: &[Function]) {
    l.new_table(0, functions.len());
    set_functions(l, functions);
}

/// Adds functions to the table on top of the stack.
pub fn set_functions(l: State, functions: &[Function]) {
    for (name, function) in functions {
        l.push_function(*function, name);
        l.set_field(-2, &name.to_string_lossy());
    }
}

/// Registers a userdata type with methods; further metamethods are `meta`.
pub fn register_type<T: raw::Tagged>(l: State, methods: &[Function], meta: &[Function]) {
    #[cfg(test)]
    registered::note(&T::NAME.to_string_lossy(), methods);
    l.new_table(0, meta.len() + 3);
    set_functions(l, meta);
    push_functions(l, methods);
    l.set_read_only(-1, true);
    l.set_field(-2, "__index");
    l.push_str(&T::NAME.to_string_lossy());
    l.set_field(-2, "__type");
    // getmetatable() shows this text, and nobody can replace the metatable.
    l.push_str("locked");
    l.set_field(-2, "__metatable");
    l.set_read_only(-1, true);
    l.register::<T>();
}

/// What this thread has registered, for the test that compares it with what is declared.
#[cfg(test)]
pub mod registered {
    use std::cell::RefCell;

    use super::Function;

    thread_local! {
        static TYPES: RefCell<Vec<(String, Vec<String>)>> = const { RefCell::new(Vec::new()) };
    }

    pub fn note(name: &str, methods: &[Function]) {
        let methods = methods.iter().map(|(name, _)| name.to_string_lossy().into_owned());
        TYPES.with_borrow_mut(|types| types.push((name.to_owned(), methods.collect())));
    }

    pub fn clear() {
        take();
    }

    pub fn take() -> Vec<(String, Vec<String>)> {
        TYPES.take()
    }
}

/// Tags of all userdata types: one list, so that none is given twice.
pub mod tags {
    use std::ffi::c_int;

    pub const ERROR: c_int = 1;
    pub const CHANNEL: c_int = 2;
    pub const CASE: c_int = 3;
    pub const MESSAGE: c_int = 4;
    pub const PAYLOAD: c_int = 5;
    pub const SPAWNER: c_int = 6;
    pub const TIMER: c_int = 7;
    pub const TICKER: c_int = 8;
    pub const DURATION: c_int = 9;
    pub const TIME: c_int = 10;
    pub const LOCATION: c_int = 11;
    pub const LOGGER: c_int = 12;
    pub const SUBSCRIPTION: c_int = 13;
    pub const SNAPSHOT: c_int = 14;
    pub const CHANGES: c_int = 15;
    pub const VERSION: c_int = 16;
    pub const HISTORY: c_int = 17;
    pub const ACTOR: c_int = 18;
    pub const SCOPE: c_int = 19;
    pub const POLICY: c_int = 20;
    pub const EXECUTOR: c_int = 21;
    pub const FUTURE: c_int = 22;
    pub const LOADER: c_int = 23;
    pub const GROUPS: c_int = 30;
    pub const GROUPS_SUBSCRIPTION: c_int = 31;
    pub const BINDING: c_int = 60;
    pub const STYLE: c_int = 61;
    pub const TYPE: c_int = 62;
}
