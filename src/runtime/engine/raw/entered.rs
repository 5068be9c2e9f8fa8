//! The VM that is entered on an OS thread: its data, and the Lua values that the host holds in it.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

use mlua::ffi;

use crate::runtime::engine::raw::allocator::Account;
use crate::runtime::engine::raw::{State, lua_State};

/// The VM entered on this OS thread. At hand here, so that a host function need not ask Luau.
#[derive(Clone, Copy)]
struct Entered {
    /// Its main thread; null outside of any VM, and while one is being closed.
    main: *mut lua_State,
    /// What [`VmPointer::install`] has put beside it; null before.
    data: *mut c_void,
    side: *mut Side,
}

impl Entered {
    const NOWHERE: Entered = Entered {
        main: std::ptr::null_mut(),
        data: std::ptr::null_mut(),
        side: std::ptr::null_mut(),
    };
}

thread_local! {
    static ENTERED: Cell<Entered> = const { Cell::new(Entered::NOWHERE) };
}

/// What this module keeps beside a state. Allocated on its own, because finalizers reach it; the state
/// knows it as the datum of its allocator.
#[derive(Default)]
pub(super) struct Side {
    /// Further holds on values in the registry, by place: see [`Anchor::share`].
    holds: Vec<u32>,
    pub(super) account: Account,
    /// Places of numbered strings in the registry, by number; zero: not there yet.
    numbered: Vec<c_int>,
}

impl Side {
    pub(super) fn new() -> *mut Side {
        Box::into_raw(Box::<Side>::default())
    }

    pub(super) fn of(state: State) -> *mut Side {
        let mut datum = std::ptr::null_mut();
        ffi!(ffi::lua_getallocf(state.0, &mut datum));
        datum.cast()
    }

    /// Frees what `new` has made, once nothing of the state is left.
    pub(super) fn free(side: *mut Side) {
        // SAFETY: made by `new` for one state, whose maker or closer calls this once.
        drop(unsafe { Box::from_raw(side) });
    }
}

/// The account of the VM that is entered; none while a state is being closed.
#[inline]
pub(super) fn entered_account<'a>() -> Option<&'a mut Account> {
    let Entered { side, .. } = ENTERED.get();
    // SAFETY: lives as long as the state, and only its worker reaches it; callers use it for a field
    // at a time and call nothing meanwhile.
    (!side.is_null()).then(|| unsafe { &mut (*side).account })
}

/// Marks that a VM is entered on this OS thread; entering nests.
pub struct Guard {
    before: Entered,
}

impl Guard {
    pub fn enter(main: State) -> Guard {
        let data = ffi!(ffi::lua_getthreaddata(main.0));
        let entered = Entered { main: main.0, data, side: Side::of(main) };
        Guard { before: ENTERED.replace(entered) }
    }

    /// Inside, registry references are let go without touching the state: it is being closed.
    pub fn closing() -> Guard {
        Guard { before: ENTERED.replace(Entered::NOWHERE) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        ENTERED.set(self.before);
    }
}

/// A value kept alive in the registry of the VM that is entered. Let go when dropped.
pub struct Anchor {
    at: c_int,
    /// A reference belongs to one VM, hence to whoever runs it.
    _not_send: PhantomData<*const ()>,
}

impl Drop for Anchor {
    fn drop(&mut self) {
        let Entered { main, side, .. } = ENTERED.get();
        if main.is_null() {
            return;
        }
        // SAFETY: lives as long as the state, and only its worker reaches it; nobody else looks at it
        // during this block.
        let holds = unsafe { &mut (*side).holds };
        match holds.get_mut(self.at as usize) {
            Some(more) if *more > 0 => *more -= 1,
            // Writes a number into an existing slot of the registry: allowed in finalizers too.
            _ => {
                ffi!(ffi::lua_unref(main, self.at));
            }
        }
    }
}

impl Anchor {
    pub(super) fn at(at: c_int) -> Anchor {
        Anchor { at, _not_send: PhantomData }
    }

    /// Puts the value onto the stack of `state`.
    #[inline]
    pub fn push(&self, state: State) {
        ffi!(ffi::lua_rawgeti_(state.0, ffi::LUA_REGISTRYINDEX, self.at));
    }

    /// A second hold on the value, in the VM that is entered. Cheaper than a second anchor.
    #[inline]
    pub fn share(&self) -> Anchor {
        let Entered { side, .. } = ENTERED.get();
        assert!(!side.is_null(), "a value is shared inside its VM");
        // SAFETY: as in `drop`.
        let holds = unsafe { &mut (*side).holds };
        let at = self.at as usize;
        if holds.len() <= at {
            holds.resize(at + 1, 0);
        }
        holds[at] += 1;
        Anchor { at: self.at, _not_send: PhantomData }
    }
}

impl State {
    /// Pushes the string with this number, which is always the same; in the VM that is entered.
    #[inline]
    pub fn push_numbered(self, number: u16, text: &[u8]) {
        let Entered { side, .. } = ENTERED.get();
        assert!(!side.is_null(), "a string is pushed inside its VM");
        // SAFETY: as in `Anchor::drop`; Luau, which is called below, does not reach this list.
        let numbered = unsafe { &mut (*side).numbered };
        if let Some(&at) = numbered.get(number as usize)
            && at != 0
        {
            ffi!(ffi::lua_rawgeti_(self.0, ffi::LUA_REGISTRYINDEX, at));
            return;
        }
        self.push_bytes(text);
        if numbered.len() <= number as usize {
            numbered.resize(number as usize + 1, 0);
        }
        // Kept as long as the state lives.
        numbered[number as usize] = ffi!(ffi::lua_ref(self.0, -1));
    }
}

/// The running VM's data as the engine keeps it beside the state.
///
/// Host functions reach it through a pointer in the main thread's data slot, because one function
/// serves all processes of a VM.
pub struct VmPointer<T>(NonNull<T>);

impl<T> VmPointer<T> {
    /// Moves `value` to a fixed place and remembers the place in `main`.
    pub fn install(main: State, value: T) -> VmPointer<T> {
        let place = NonNull::from(Box::leak(Box::new(value)));
        let data = place.as_ptr().cast();
        ffi!(ffi::lua_setthreaddata(main.0, data));
        let entered = ENTERED.get();
        assert!(entered.main == main.0, "data is installed inside its VM");
        ENTERED.set(Entered { data, ..entered });
        VmPointer(place)
    }

    /// The data of the VM that is entered.
    #[inline]
    pub fn entered() -> VmPointer<T> {
        let data = ENTERED.get().data.cast::<T>();
        debug_assert!(!data.is_null(), "a host function runs in a VM without data");
        // SAFETY: `install` has put a pointer there before any host function could run.
        VmPointer(unsafe { NonNull::new_unchecked(data) })
    }

    /// The data. The borrow must end before Lua code runs again: host functions that call back
    /// into Lua, and the loop that resumes coroutines, fetch it anew afterwards.
    #[inline]
    pub fn get<'a>(self) -> &'a mut T {
        let mut place = self.0;
        ffi!(place.as_mut())
    }

    /// Takes the data out again, before the state is closed.
    ///
    /// # Safety
    /// No other pointer to it may be used after this.
    pub unsafe fn take(self) -> Box<T> {
        // SAFETY: made by `install` from a box; the caller vouches that it is the last use.
        unsafe { Box::from_raw(self.0.as_ptr()) }
    }
}

impl<T> Clone for VmPointer<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for VmPointer<T> {}
