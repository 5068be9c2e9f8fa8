//! The safe face of `mlua::ffi`: all calls into Luau are in this file. (Callbacks that Luau makes, and
//! pointers into the running VM, are in the few files of the engine that `tests/tidy.rs` lists.)
//!
//! # Why this may be called safe
//!
//! A Lua state may be used by one thread at a time. A VM is run by one worker at a time
//! (`core::scheduler::state`, checked under loom), and every call in here happens while a VM runs or is
//! being built or dropped, on the thread that does so: that is what [`Guard`] marks. So although a VM
//! moves between workers, no two threads are ever inside one state, and the hand-over between workers
//! is an acquire/release pair on the VM's state word. mlua's own lock is not needed, and not used.
//!
//! Contract of the wrappers, kept by the engine:
//! 1. A [`State`] comes from this module only, and is used only while its VM is entered. Threads of a
//!    VM that are kept across calls are anchored in the registry.
//! 2. Indices follow Lua's rules. Positive indices beyond the top read as none. A host function has
//!    twenty free slots; loops that push more ask [`State::check_stack`] first.
//! 3. A Lua error unwinds through our frames as a C++ exception (`C-unwind`): destructors run, so a
//!    wrapper that may raise can be called with anything alive. The release profile must not abort on
//!    panic.
//! 4. Finalizers of userdata run during garbage collection, inside almost any wrapper: they touch
//!    nothing but the value that dies and the registry, see [`Anchor`].

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::NonNull;

use mlua::ffi;
pub use mlua::ffi::lua_State;

/// Calls into Luau. One place to say why that is sound: the module's contract.
macro_rules! ffi {
    ($($call:tt)*) => {{
        // SAFETY: the contract at the head of this module; each wrapper passes its own live state
        // and indices that its callers keep to Lua's rules.
        #[allow(unused_unsafe)]
        unsafe { $($call)* }
    }};
}

mod allocator;
mod entered;

pub use allocator::Charge;
pub use entered::{Anchor, Guard, VmPointer};

use allocator::allocate;
use entered::{Side, entered_account};

/// Types of Lua values, as far as the engine tells them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    None,
    Nil,
    Boolean,
    Number,
    String,
    Table,
    Function,
    Userdata,
    Thread,
    /// Buffers, vectors, light userdata, 64-bit integers: none of ours makes them.
    Other,
}

/// How a resume ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Finished,
    Yielded,
    /// Suspended by a blocking call or by preemption.
    Broke,
    /// The error is on top of the stack.
    Failed,
}

/// Something raised: the error is on top of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Raised;

/// Host data inside a tagged userdata.
///
/// Tags are unique per type. The destructor of `Self` runs as a finalizer, see contract 4.
pub trait Tagged: Sized + 'static {
    const TAG: c_int;
    const NAME: &'static CStr;

    /// Bytes of the host's that this value alone keeps alive, about. The same whenever it is asked.
    #[inline]
    fn heap(&self) -> usize {
        0
    }
}

/// A host function as Luau calls it.
pub type CFunction = ffi::lua_CFunction;

/// Whether a coroutine can be resumed, as another one sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resumable {
    Yes,
    /// It runs, or waits for a coroutine it has resumed, or for a blocking call.
    Running,
    Dead,
}

/// Data of a thread that cannot be suspended. No thread lies at this address.
const HELD: *mut c_void = std::ptr::dangling_mut::<u8>().cast();

/// A Lua thread: the main one of a VM, that of a coroutine, or the one that calls a host function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct State(*mut lua_State);

impl State {
    /// Wraps what Luau passed to a host function.
    ///
    /// # Safety
    /// `raw` must be a live state of the VM that is entered.
    #[inline]
    pub unsafe fn from_raw(raw: *mut lua_State) -> State {
        State(raw)
    }

    pub fn as_ptr(self) -> *mut lua_State {
        self.0
    }

    // -- states -----------------------------------------------------------------------------

    /// A new Lua state whose memory comes from the global allocator. `None`: out of memory.
    pub fn create() -> Option<State> {
        let side = Side::new();
        let state = ffi!(ffi::lua_newstate(allocate, side.cast()));
        if state.is_null() {
            Side::free(side);
            return None;
        }
        Some(State(state))
    }

    /// Frees the state and everything in it.
    pub fn close(self) {
        let _guard = Guard::closing();
        let side = Side::of(self);
        ffi!(ffi::lua_close(self.0));
        // Finalizers do not reach it while the state is being closed.
        Side::free(side);
    }

    pub fn open_library(self, open: CFunction) {
        ffi!(ffi::lua_pushcfunction(self.0, open));
        ffi!(ffi::lua_call(self.0, 0, 0));
    }

    /// A new thread, pushed and returned.
    pub fn new_thread(self) -> State {
        State(ffi!(ffi::lua_newthread(self.0)))
    }

    /// Gives the finished thread a clean stack.
    pub fn reset_thread(self) {
        ffi!(ffi::lua_resetthread(self.0));
    }

    pub fn to_thread(self, index: c_int) -> Option<State> {
        let thread = ffi!(ffi::lua_tothread(self.0, index));
        (!thread.is_null()).then_some(State(thread))
    }

    pub fn push_thread(self) {
        ffi!(ffi::lua_pushthread(self.0));
    }

    /// Could the running thread resume `thread`? One that the engine resumes is never free.
    #[inline]
    pub fn resumable(self, thread: State) -> Resumable {
        match ffi!(ffi::lua_costatus(self.0, thread.0)) {
            ffi::LUA_COSUS if thread.is_managed() => Resumable::Running,
            ffi::LUA_COSUS => Resumable::Yes,
            ffi::LUA_COFIN | ffi::LUA_COERR => Resumable::Dead,
            _ => Resumable::Running,
        }
    }

    /// Marks a thread as one that the engine resumes, and nobody else.
    pub fn set_managed(self) {
        // The data slot of a thread other than the main one is ours; its own address marks it.
        ffi!(ffi::lua_setthreaddata(self.0, self.0.cast()));
    }

    fn is_managed(self) -> bool {
        ffi!(ffi::lua_getthreaddata(self.0)) == self.0.cast()
    }

    /// To be called before this thread resumes `thread`, a coroutine of a program's own. Where this one
    /// cannot be left, in a metamethod for example, that one cannot be suspended either, whatever
    /// Luau says of it alone: a break would find a C function above it and become an error when it
    /// is too late.
    #[inline]
    pub fn hand_on_to(self, thread: State) {
        let mark = match self.is_yieldable() {
            true => std::ptr::null_mut(),
            false => HELD,
        };
        if !thread.is_managed() {
            ffi!(ffi::lua_setthreaddata(thread.0, mark));
        }
    }

    /// Has [`State::hand_on_to`] found that it cannot be suspended?
    #[inline]
    fn is_held(self) -> bool {
        ffi!(ffi::lua_getthreaddata(self.0)) == HELD
    }

    /// How a thread stands after a resume that was broken and has gone on since.
    pub fn outcome(self) -> Status {
        status(ffi!(ffi::lua_status(self.0)))
    }

    /// Runs or goes on with a thread; `arguments` values are on its stack.
    #[inline]
    pub fn resume(self, arguments: c_int) -> Status {
        status(ffi!(ffi::lua_resume_(self.0, std::ptr::null_mut(), arguments)))
    }

    /// May the running function be suspended here?
    #[inline]
    pub fn is_yieldable(self) -> bool {
        ffi!(ffi::lua_isyieldable(self.0)) != 0 && !self.is_held()
    }

    pub fn pcall(self, arguments: c_int, results: c_int) -> Result<(), Raised> {
        match ffi!(ffi::lua_pcall(self.0, arguments, results, 0)) {
            ffi::LUA_OK => Ok(()),
            _ => Err(Raised),
        }
    }

    /// Calls; an error unwinds through the caller.
    pub fn call(self, arguments: c_int, results: c_int) {
        ffi!(ffi::lua_call(self.0, arguments, results));
    }

    /// Loads bytecode as a function whose globals are those of this thread.
    pub fn load(self, name: &CStr, bytecode: &[u8]) -> Result<(), Raised> {
        let data = bytecode.as_ptr().cast::<c_char>();
        match ffi!(ffi::luau_load(self.0, name.as_ptr(), data, bytecode.len(), 0)) {
            ffi::LUA_OK => Ok(()),
            _ => Err(Raised),
        }
    }

    /// Makes the state able to run native code. `false`: this machine cannot.
    pub fn enable_native_code(self) -> bool {
        if ffi!(ffi::luau_codegen_supported()) == 0 {
            return false;
        }
        ffi!(ffi::luau_codegen_create(self.0));
        true
    }

    /// Compiles the function at `index`, and those within it, to native code.
    pub fn compile_native(self, index: c_int) {
        ffi!(ffi::luau_codegen_compile(self.0, index));
    }

    // -- stack ------------------------------------------------------------------------------

    #[inline]
    pub fn top(self) -> c_int {
        ffi!(ffi::lua_gettop(self.0))
    }

    #[inline]
    pub fn set_top(self, index: c_int) {
        ffi!(ffi::lua_settop(self.0, index));
    }

    #[inline]
    pub fn pop(self, n: c_int) {
        self.set_top(-n - 1);
    }

    /// Room for `n` more values. `false`: there is none to be had.
    pub fn check_stack(self, n: c_int) -> bool {
        ffi!(ffi::lua_checkstack(self.0, n)) != 0
    }

    #[inline]
    pub fn push_value(self, index: c_int) {
        ffi!(ffi::lua_pushvalue(self.0, index));
    }

    pub fn insert(self, index: c_int) {
        ffi!(ffi::lua_insert(self.0, index));
    }

    pub fn remove(self, index: c_int) {
        ffi!(ffi::lua_remove(self.0, index));
    }

    pub fn replace(self, index: c_int) {
        ffi!(ffi::lua_replace(self.0, index));
    }

    pub fn abs(self, index: c_int) -> c_int {
        ffi!(ffi::lua_absindex(self.0, index))
    }

    /// Moves the top `n` values to another thread of this VM.
    #[inline]
    pub fn move_to(self, to: State, n: c_int) {
        ffi!(ffi::lua_xmove(self.0, to.0, n));
    }

    /// Pushes a copy of a value onto another thread of this VM.
    #[inline]
    pub fn push_to(self, to: State, index: c_int) {
        ffi!(ffi::lua_xpush(self.0, to.0, index));
    }

    // -- reading ----------------------------------------------------------------------------

    #[inline]
    pub fn type_of(self, index: c_int) -> Type {
        match ffi!(ffi::lua_type(self.0, index)) {
            ffi::LUA_TNONE => Type::None,
            ffi::LUA_TNIL => Type::Nil,
            ffi::LUA_TBOOLEAN => Type::Boolean,
            ffi::LUA_TNUMBER => Type::Number,
            ffi::LUA_TSTRING => Type::String,
            ffi::LUA_TTABLE => Type::Table,
            ffi::LUA_TFUNCTION => Type::Function,
            ffi::LUA_TUSERDATA => Type::Userdata,
            ffi::LUA_TTHREAD => Type::Thread,
            _ => Type::Other,
        }
    }

    /// The type's name as `type()` prints it; `no value` beyond the top.
    pub fn type_name(self, index: c_int) -> &'static str {
        match self.type_of(index) {
            Type::None => "no value",
            Type::Nil => "nil",
            Type::Boolean => "boolean",
            Type::Number => "number",
            Type::String => "string",
            Type::Table => "table",
            Type::Function => "function",
            Type::Userdata => "userdata",
            Type::Thread => "thread",
            Type::Other => match ffi!(ffi::lua_type(self.0, index)) {
                ffi::LUA_TBUFFER => "buffer",
                ffi::LUA_TVECTOR => "vector",
                _ => "userdata",
            },
        }
    }

    #[inline]
    pub fn is_nil(self, index: c_int) -> bool {
        matches!(self.type_of(index), Type::None | Type::Nil)
    }

    #[inline]
    pub fn bool(self, index: c_int) -> bool {
        ffi!(ffi::lua_toboolean(self.0, index)) != 0
    }

    /// A number, or a string that reads as one.
    #[inline]
    pub fn number(self, index: c_int) -> Option<f64> {
        let mut is_number = 0;
        let number = ffi!(ffi::lua_tonumberx(self.0, index, &mut is_number));
        (is_number != 0).then_some(number)
    }

    /// The bytes of a string, or of a number turned into one in place. They live as long as the
    /// value stays on the stack; the callers copy or use them before they pop it.
    #[inline]
    pub fn bytes<'a>(self, index: c_int) -> Option<&'a [u8]> {
        let mut len = 0;
        let start = ffi!(ffi::lua_tolstring(self.0, index, &mut len));
        if start.is_null() {
            return None;
        }
        Some(ffi!(std::slice::from_raw_parts(start.cast::<u8>(), len)))
    }

    /// The bytes of a string, as [`State::bytes`] gives them, and its number: what the function set
    /// with [`State::set_numbering`] said of it, once.
    #[inline]
    pub fn bytes_and_atom<'a>(self, index: c_int) -> (&'a [u8], Option<u16>) {
        let (mut len, mut atom) = (0, 0);
        let start = ffi!(ffi::lua_tolstringatom(self.0, index, &mut len, &mut atom));
        if start.is_null() {
            return (&[], None);
        }
        let bytes = ffi!(std::slice::from_raw_parts(start.cast::<u8>(), len));
        (bytes, u16::try_from(atom).ok())
    }

    /// In a `__namecall` function: the name of the method that is called. It lives as long as the code
    /// that names it, which is being run.
    #[inline]
    pub fn called_method<'a>(self) -> Option<&'a [u8]> {
        let name = ffi!(ffi::lua_namecallatom(self.0, std::ptr::null_mut()));
        (!name.is_null()).then(|| ffi!(CStr::from_ptr(name)).to_bytes())
    }

    /// Address of a string, table or other object: its identity while it lives.
    #[inline]
    pub fn address(self, index: c_int) -> usize {
        ffi!(ffi::lua_topointer(self.0, index)) as usize
    }

    pub fn raw_equal(self, a: c_int, b: c_int) -> bool {
        ffi!(ffi::lua_rawequal(self.0, a, b)) != 0
    }

    pub fn c_function(self, index: c_int) -> Option<CFunction> {
        ffi!(ffi::lua_tocfunction(self.0, index))
    }

    // -- pushing ----------------------------------------------------------------------------

    #[inline]
    pub fn push_nil(self) {
        ffi!(ffi::lua_pushnil(self.0));
    }

    #[inline]
    pub fn push_bool(self, flag: bool) {
        ffi!(ffi::lua_pushboolean(self.0, c_int::from(flag)));
    }

    #[inline]
    pub fn push_number(self, number: f64) {
        ffi!(ffi::lua_pushnumber(self.0, number));
    }

    #[inline]
    pub fn push_bytes(self, bytes: &[u8]) {
        ffi!(ffi::lua_pushlstring_(self.0, bytes.as_ptr().cast(), bytes.len()));
    }

    #[inline]
    pub fn push_str(self, text: &str) {
        self.push_bytes(text.as_bytes());
    }

    /// A host function; `name` shows in traces.
    pub fn push_function(self, function: CFunction, name: &'static CStr) {
        ffi!(ffi::lua_pushcfunctiond(self.0, function, name.as_ptr()));
    }

    /// A host function that owns the top `upvalues` values of the stack.
    pub fn push_closure(self, function: CFunction, name: &'static CStr, upvalues: c_int) {
        ffi!(ffi::lua_pushcclosured(self.0, function, name.as_ptr(), upvalues));
    }

    /// Puts `before` in front of the function on top of the stack, which is replaced. `before` may
    /// change the arguments and let the function run, in the same frame; or push results itself
    /// and return their number; or raise. It captures nothing.
    pub fn wrap_function<F: Before>(self, before: F, name: &'static CStr) {
        const { assert!(std::mem::size_of::<F>() == 0, "a wrapper captures nothing") };
        // Only its type is needed.
        let _ = before;
        self.push_closure(wrapped::<F, 1>, name, 1);
    }

    /// Like [`State::wrap_function`] for a function that calls coroutines: `after` runs when a call
    /// that was broken goes on. The function's own upvalues, `others` of them, lie below it.
    pub fn wrap_resumer<F: Before, A>(self, before: F, after: A, name: &'static CStr, others: c_int)
    where
        A: Fn(State) -> c_int + Copy + 'static,
    {
        const { assert!(std::mem::size_of::<F>() == 0, "a wrapper captures nothing") };
        const { assert!(std::mem::size_of::<A>() == 0, "a continuation captures nothing") };
        let _ = (before, after);
        let function = match others {
            0 => wrapped::<F, 1>,
            _ => wrapped::<F, 2>,
        };
        let (count, name) = (others + 1, name.as_ptr());
        ffi!(ffi::lua_pushcclosurek(self.0, function, name, count, Some(continued::<A>)));
    }

    /// Index of the running host function's `n`-th upvalue.
    pub fn upvalue(n: c_int) -> c_int {
        ffi::lua_upvalueindex(n)
    }

    // -- tables -----------------------------------------------------------------------------

    #[inline]
    pub fn new_table(self, array: usize, hash: usize) {
        let clamp = |n: usize| n.min(1 << 24) as c_int;
        ffi!(ffi::lua_createtable(self.0, clamp(array), clamp(hash)));
    }

    /// Length of a table's list part, or of a string, without metamethods.
    #[inline]
    pub fn raw_len(self, index: c_int) -> usize {
        ffi!(ffi::lua_objlen(self.0, index))
    }

    #[inline]
    pub fn raw_get_index(self, table: c_int, n: usize) -> Type {
        ffi!(ffi::lua_rawgeti_(self.0, table, n as c_int));
        self.type_of(-1)
    }

    #[inline]
    pub fn raw_set_index(self, table: c_int, n: usize) {
        ffi!(ffi::lua_rawseti_(self.0, table, n as c_int));
    }

    /// `t[top-1] = top`, both popped.
    #[inline]
    pub fn raw_set(self, table: c_int) {
        ffi!(ffi::lua_rawset(self.0, table));
    }

    /// Replaces the key on top by its value.
    #[inline]
    pub fn raw_get(self, table: c_int) -> Type {
        ffi!(ffi::lua_rawget(self.0, table));
        self.type_of(-1)
    }

    /// Sets field `name` to the value on top, which is popped.
    pub fn set_field(self, table: c_int, name: &str) {
        let table = self.abs(table);
        self.push_str(name);
        self.insert(-2);
        self.raw_set(table);
    }

    /// Pushes field `name`, without metamethods.
    pub fn get_field(self, table: c_int, name: &str) -> Type {
        let table = self.abs(table);
        self.push_str(name);
        self.raw_get(table)
    }

    /// Pushes field `name`; metamethods are honoured and may raise.
    pub fn index_field(self, table: c_int, name: &str) -> Type {
        let table = self.abs(table);
        self.push_str(name);
        ffi!(ffi::lua_gettable(self.0, table));
        self.type_of(-1)
    }

    /// Goes to the next pair after `cursor` (0 at first): pushes key and value and returns the new
    /// cursor, or pushes nothing at the end.
    #[inline]
    pub fn next_pair(self, table: c_int, cursor: c_int) -> Option<c_int> {
        let next = ffi!(ffi::lua_rawiter(self.0, table, cursor));
        (next >= 0).then_some(next)
    }

    /// Pushes a shallow copy of a table, with its metatable.
    #[inline]
    pub fn clone_table(self, table: c_int) {
        ffi!(ffi::lua_clonetable(self.0, table));
    }

    pub fn set_read_only(self, table: c_int, read_only: bool) {
        ffi!(ffi::lua_setreadonly(self.0, table, c_int::from(read_only)));
    }

    pub fn is_read_only(self, table: c_int) -> bool {
        ffi!(ffi::lua_getreadonly(self.0, table)) != 0
    }

    /// Lets Luau resolve global paths at load time and use its fast calls.
    pub fn set_safe_env(self, table: c_int, safe: bool) {
        ffi!(ffi::lua_setsafeenv(self.0, table, c_int::from(safe)));
    }

    /// Pops a table or nil and makes it the metatable.
    #[inline]
    pub fn set_metatable(self, index: c_int) {
        ffi!(ffi::lua_setmetatable(self.0, index));
    }

    /// Pushes the metatable if there is one.
    #[inline]
    pub fn get_metatable(self, index: c_int) -> bool {
        ffi!(ffi::lua_getmetatable(self.0, index)) != 0
    }

    #[inline]
    pub fn has_metatable(self, index: c_int) -> bool {
        !ffi!(ffi::lua_getmetatablepointer(self.0, index)).is_null()
    }

    /// Index of this thread's globals.
    pub const GLOBALS: c_int = ffi::LUA_GLOBALSINDEX;

    /// Pushes what `tostring` makes of the value at `index`; runs `__tostring`, and may raise.
    pub fn push_text_of(self, index: c_int) {
        ffi!(ffi::luaL_tolstring_(self.0, index, std::ptr::null_mut()));
    }

    // -- registry ---------------------------------------------------------------------------

    /// Keeps the value on top alive and pops it.
    #[inline]
    pub fn anchor(self) -> Anchor {
        let at = ffi!(ffi::lua_ref(self.0, -1));
        self.pop(1);
        Anchor::at(at)
    }

    // -- functions --------------------------------------------------------------------------

    /// Pushes a fresh instance of a loaded chunk, with the globals of this thread.
    #[inline]
    pub fn clone_function(self, index: c_int) {
        ffi!(ffi::lua_clonefunction(self.0, index));
    }

    /// `chunk:line:` of the function at `level` (1: the caller of the host function), and its line.
    pub fn location(self, level: c_int) -> Option<(String, i32)> {
        let mut debug = ffi!(std::mem::zeroed::<ffi::lua_Debug>());
        if ffi!(ffi::lua_getinfo(self.0, level, c"sl".as_ptr(), &mut debug)) == 0 {
            return None;
        }
        if debug.currentline < 0 || debug.short_src.is_null() {
            return None;
        }
        let source = ffi!(CStr::from_ptr(debug.short_src)).to_string_lossy().into_owned();
        Some((source, debug.currentline))
    }

    /// Name of the function at `level`, if it has one.
    pub fn function_name(self, level: c_int) -> Option<String> {
        let mut debug = ffi!(std::mem::zeroed::<ffi::lua_Debug>());
        if ffi!(ffi::lua_getinfo(self.0, level, c"n".as_ptr(), &mut debug)) == 0
            || debug.name.is_null()
        {
            return None;
        }
        Some(ffi!(CStr::from_ptr(debug.name)).to_string_lossy().into_owned())
    }

    /// How many functions are being called in this thread.
    pub fn depth(self) -> c_int {
        ffi!(ffi::lua_stackdepth(self.0))
    }

    // -- userdata ---------------------------------------------------------------------------

    /// Registers a userdata type: its metatable is on top and popped.
    pub fn register<T: Tagged>(self) {
        ffi!(ffi::lua_setuserdatametatable(self.0, T::TAG));
        if std::mem::needs_drop::<T>() {
            ffi!(ffi::lua_setuserdatadtor(self.0, T::TAG, Some(finalize::<T>)));
        }
    }

    /// Pushes `value` as a userdata of its type.
    #[inline]
    pub fn push_userdata<T: Tagged>(self, value: T) {
        const { assert!(std::mem::align_of::<T>() <= 16) };
        let heap = value.heap();
        if heap != 0 {
            self.pace(heap);
        }
        let size = std::mem::size_of::<T>();
        let place = ffi!(ffi::lua_newuserdatataggedwithmetatable(self.0, size, T::TAG));
        ffi!(place.cast::<T>().write(value));
        if heap != 0
            && let Some(account) = entered_account()
        {
            account.hold(heap);
        }
    }

    #[inline]
    fn userdata<T: Tagged>(self, index: c_int) -> Option<NonNull<T>> {
        NonNull::new(ffi!(ffi::lua_touserdatatagged(self.0, index, T::TAG)).cast::<T>())
    }

    pub fn is<T: Tagged>(self, index: c_int) -> bool {
        self.userdata::<T>(index).is_some()
    }

    /// A copy of small host data.
    #[inline]
    pub fn get<T: Tagged + Copy>(self, index: c_int) -> Option<T> {
        let place = self.userdata::<T>(index)?;
        Some(ffi!(place.read()))
    }

    /// Looks at host data. `f` must not run Lua code or replace the value at `index`.
    #[inline]
    pub fn with<T: Tagged, R>(self, index: c_int, f: impl FnOnce(&mut T) -> R) -> Option<R> {
        let mut place = self.userdata::<T>(index)?;
        Some(f(ffi!(place.as_mut())))
    }

    /// Pushes the metatable of the userdata type with this tag, or nil.
    #[cfg(test)]
    pub fn push_type_metatable(self, tag: c_int) {
        ffi!(ffi::lua_getuserdatametatable(self.0, tag));
    }

    /// The tag of the userdata at `index`.
    #[cfg(test)]
    pub fn tag(self, index: c_int) -> c_int {
        ffi!(ffi::lua_userdatatag(self.0, index))
    }

    /// Pushes the `n`-th upvalue of the function at `index`. `false`: it has not so many.
    #[cfg(test)]
    pub fn push_upvalue(self, index: c_int, n: c_int) -> bool {
        !ffi!(ffi::lua_getupvalue(self.0, index, n)).is_null()
    }

    // -- memory, interrupts -------------------------------------------------------------------

    /// Bytes in use by this VM.
    pub fn memory(self) -> usize {
        ffi!(ffi::lua_totalbytes(self.0, -1))
    }

    /// When the next collection has to be done: at this percentage of what was alive; and how much it
    /// deals with, in percent of what is allocated meanwhile. A collection of all takes `10000 / effort`
    /// percent of growth, so a goal nearer than that is not reached. Luau's: 200 and 200.
    pub fn set_gc(self, goal: c_int, effort: c_int) {
        ffi!({
            ffi::lua_gc(self.0, ffi::LUA_GCSETGOAL, goal);
            ffi::lua_gc(self.0, ffi::LUA_GCSETSTEPMUL, effort);
        });
    }

    /// Collects once so many KiB have been allocated, while a collection goes on. Luau's: 1.
    pub fn set_gc_step(self, kib: c_int) {
        ffi!(ffi::lua_gc(self.0, ffi::LUA_GCSETSTEPSIZE, kib));
    }

    /// Goes on with a collection, by about so many KiB. `true`: it has come to its end.
    pub fn collect_step(self, kib: c_int) -> bool {
        ffi!(ffi::lua_gc(self.0, ffi::LUA_GCSTEP, kib)) != 0
    }

    pub fn collect(self) {
        ffi!(ffi::lua_gc(self.0, ffi::LUA_GCCOLLECT, 0));
    }

    /// Installs the hook that tells which thread resumed a suspended one.
    pub fn set_break_hook(
        self,
        hook: unsafe extern "C-unwind" fn(*mut lua_State, *mut ffi::lua_Debug),
    ) {
        ffi!((*ffi::lua_callbacks(self.0)).debuginterrupt = Some(hook));
    }

    /// Sets the function that numbers strings; `None` from it leaves a string without number.
    pub fn set_numbering<F: Fn(&[u8]) -> Option<u16> + Copy + 'static>(self, number: F) {
        const { assert!(std::mem::size_of::<F>() == 0, "a numbering captures nothing") };
        let _ = number;
        ffi!((*ffi::lua_callbacks(self.0)).useratom = Some(atom_of::<F>));
    }

    /// The switch that interrupts this VM.
    pub fn interrupt_switch(self, handler: InterruptHandler) -> InterruptSwitch {
        InterruptSwitch { callbacks: ffi!(ffi::lua_callbacks(self.0)), handler }
    }

    /// Disarms the interrupt, on the VM's own thread.
    pub fn clear_interrupt(self) {
        ffi!(std::ptr::write_volatile(&raw mut (*ffi::lua_callbacks(self.0)).interrupt, None));
    }

    /// Suspends the running host function: to be returned by it at once.
    #[inline]
    pub fn break_here(self) -> c_int {
        ffi!(ffi::lua_break(self.0))
    }

    /// Raises the value on top of the stack.
    pub fn raise(self) -> ! {
        ffi!(ffi::lua_error(self.0))
    }

    /// Puts the position of the caller, `chunk:line: `, before the string on top of the stack.
    pub fn prepend_position(self) {
        ffi!(ffi::luaL_where(self.0, 1));
        self.insert(-2);
        ffi!(ffi::lua_concat(self.0, 2));
    }

    /// Raises `message` with the position of the caller.
    pub fn raise_message(self, message: &str) -> ! {
        self.push_str(message);
        self.prepend_position();
        self.raise()
    }
}

/// What runs before a wrapped function, see [`State::wrap_function`].
pub trait Before: Fn(State) -> Option<c_int> + Copy + 'static {}

impl<F: Fn(State) -> Option<c_int> + Copy + 'static> Before for F {}

/// The function itself is upvalue number `AT`, its own upvalues are those before.
unsafe extern "C-unwind" fn wrapped<F: Before, const AT: c_int>(raw: *mut lua_State) -> c_int {
    // SAFETY: `F` has no size, so there is nothing to initialise.
    let before: F = unsafe { std::mem::zeroed() };
    let l = State(raw);
    if let Some(results) = before(l) {
        return results;
    }
    match l.c_function(State::upvalue(AT)) {
        // The same frame: it sees the same arguments.
        Some(function) => ffi!(function(raw)),
        None => 0,
    }
}

unsafe extern "C-unwind" fn continued<A>(raw: *mut lua_State, _status: c_int) -> c_int
where
    A: Fn(State) -> c_int + Copy + 'static,
{
    // SAFETY: as in `wrapped`.
    let after: A = unsafe { std::mem::zeroed() };
    after(State(raw))
}

/// Luau asks once for each string whose number somebody wants to know.
unsafe extern "C-unwind" fn atom_of<F: Fn(&[u8]) -> Option<u16> + Copy + 'static>(
    _: *mut lua_State,
    text: *const c_char,
    len: usize,
) -> i16 {
    // SAFETY: `F` has no size, so there is nothing to initialise; Luau passes a string of its own.
    let (number, text) =
        unsafe { (std::mem::zeroed::<F>(), std::slice::from_raw_parts(text.cast::<u8>(), len)) };
    number(text).and_then(|number| i16::try_from(number).ok()).unwrap_or(-1)
}

pub type InterruptHandler = unsafe extern "C-unwind" fn(*mut lua_State, c_int);

/// Arms a VM's interrupt from another thread. Must not outlive the state: `VmCell` drops it first.
pub struct InterruptSwitch {
    callbacks: *mut ffi::lua_Callbacks,
    handler: InterruptHandler,
}

// SAFETY: the pointer leads to a word of the state that Luau reads at its safe points and that may be
// set from another thread; that is what it is for (see the comment at `lua_Callbacks` in lua.h).
unsafe impl Send for InterruptSwitch {}

impl InterruptSwitch {
    pub fn arm(&self) {
        ffi!(std::ptr::write_volatile(&raw mut (*self.callbacks).interrupt, Some(self.handler)));
    }
}

fn status(code: c_int) -> Status {
    match code {
        ffi::LUA_OK => Status::Finished,
        ffi::LUA_YIELD => Status::Yielded,
        ffi::LUA_BREAK => Status::Broke,
        _ => Status::Failed,
    }
}

unsafe extern "C" fn finalize<T: Tagged>(_state: *mut lua_State, place: *mut c_void) {
    let value = place.cast::<T>();
    // SAFETY: Luau calls this once for each userdata of this tag, which `push_userdata` wrote.
    let heap = unsafe { (*value).heap() };
    if heap != 0
        && let Some(account) = entered_account()
    {
        account.let_go(heap);
    }
    // SAFETY: as above; it is not looked at again.
    unsafe { value.drop_in_place() };
}

/// Standard libraries of Luau that the sandbox starts from.
pub mod libraries {
    pub use mlua::ffi::{
        luaopen_base, luaopen_coroutine, luaopen_math, luaopen_os, luaopen_string, luaopen_table,
    };
}
