//! Where the memory of Lua states comes from, and how much a state may have.
//!
//! Beside what Luau allocates, programs make the host hold memory: an error object has texts, a
//! message from elsewhere its bytes, a waiting `select` a list of its cases. That is *held* on the
//! account of the state: by a [`Charge`] where the host has it, by [`Tagged::heap`] where an object of
//! Lua's does. Luau's collector knows nothing of it, so a program could leave gigabytes behind in a
//! few small dead objects; [`State::pace`] makes it collect for them as if they were its own.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ffi::c_void;

use crate::runtime::engine::raw::State;
use crate::runtime::engine::raw::entered::{Side, entered_account};

/// What dead objects may have behind them before the collector hears of it, in bytes: some hundred
/// of its usual steps.
const UNPACED_MAX: usize = 1 << 20;

/// Memory of a state.
pub(super) struct Account {
    used: usize,
    /// Beyond this an allocation fails, while `enforced`.
    ceiling: usize,
    /// Set while Lua code runs: there a failure becomes a Lua error. What the host puts into a state
    /// must not fail, and is little.
    enforced: bool,
    /// An allocation has failed for the ceiling.
    refused: bool,
    /// Bytes that the host holds for the programs of the state.
    held: usize,
    /// Of those that Lua objects hold, what was added since the collector last heard of it.
    unpaced: usize,
}

impl Default for Account {
    fn default() -> Account {
        Account {
            used: 0,
            ceiling: usize::MAX,
            enforced: false,
            refused: false,
            held: 0,
            unpaced: 0,
        }
    }
}

impl Account {
    /// Books a block that changes its size. `false`: there is no room for it.
    fn book(&mut self, old: usize, new: usize) -> bool {
        let used = self.used.saturating_sub(old).saturating_add(new);
        if new > old && self.enforced && used > self.ceiling {
            self.refused = true;
            return false;
        }
        self.used = used;
        true
    }

    pub(super) fn hold(&mut self, bytes: usize) {
        self.held = self.held.saturating_add(bytes);
    }

    pub(super) fn let_go(&mut self, bytes: usize) {
        self.held = self.held.saturating_sub(bytes);
    }
}

/// Bytes that the host holds for the programs of the VM that is entered, for as long as this lives.
///
/// Dropped inside that VM, or while its state is being closed.
#[derive(Debug, Default)]
pub struct Charge {
    bytes: usize,
}

impl Charge {
    #[inline]
    pub fn of(bytes: usize) -> Charge {
        if bytes != 0
            && let Some(account) = entered_account()
        {
            account.hold(bytes);
        }
        Charge { bytes }
    }
}

impl Charge {
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// More of it.
    pub fn add(&mut self, bytes: usize) {
        self.bytes += Charge::of(bytes).keep();
    }

    /// Less of it: not below nothing.
    pub fn take(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        drop(Charge { bytes });
    }

    fn keep(self) -> usize {
        std::mem::ManuallyDrop::new(self).bytes
    }
}

impl Drop for Charge {
    #[inline]
    fn drop(&mut self) {
        if self.bytes != 0
            && let Some(account) = entered_account()
        {
            account.let_go(self.bytes);
        }
    }
}

impl Clone for Charge {
    fn clone(&self) -> Charge {
        Charge::of(self.bytes)
    }
}

impl State {
    /// Lets the state have `more` bytes beyond what it has, while [`State::enforce_ceiling`] says so.
    pub fn set_ceiling(self, more: usize) {
        let account = account(self);
        account.ceiling = account.used.saturating_add(more);
    }

    /// From here on an allocation beyond the ceiling fails, or no longer.
    pub fn enforce_ceiling(self, enforced: bool) {
        account(self).enforced = enforced;
    }

    /// Bytes that the host holds for the programs of this state.
    pub fn held(self) -> usize {
        account(self).held
    }

    /// Objects with so many bytes of the host's behind them have been made: the collector does its
    /// part of the work, as it does when Lua allocates.
    #[inline]
    pub fn pace(self, bytes: usize) {
        let account = account(self);
        account.unpaced = account.unpaced.saturating_add(bytes);
        if account.unpaced > UNPACED_MAX {
            let unpaced = std::mem::take(&mut account.unpaced);
            self.collect_step(i32::try_from(unpaced >> 10).unwrap_or(i32::MAX));
        }
    }

    /// Has an allocation failed for the ceiling?
    pub fn has_hit_ceiling(self) -> bool {
        account(self).refused
    }
}

fn account<'a>(state: State) -> &'a mut Account {
    let side = Side::of(state);
    // SAFETY: lives as long as the state; used for a field at a time, by the thread that runs the VM.
    unsafe { &mut (*side).account }
}

/// The state's allocator: Rust's own, so that the program has one heap.
pub(super) unsafe extern "C" fn allocate(
    side: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    // SAFETY: the datum of the allocator is the state's `Side`, see `State::create`; nobody else looks
    // at the account during this block.
    if !unsafe { (*side.cast::<Side>()).account.book(old, new) } {
        return std::ptr::null_mut();
    }
    let layout = |size: usize| Layout::from_size_align(size, 16).ok();
    match (block.is_null(), new) {
        (true, 0) => std::ptr::null_mut(),
        (true, _) => match layout(new) {
            // SAFETY: the size is not zero.
            Some(layout) => unsafe { alloc(layout) }.cast(),
            None => std::ptr::null_mut(),
        },
        (false, 0) => {
            if let Some(layout) = layout(old) {
                // SAFETY: Luau passes a block of ours with the size it was allocated with.
                unsafe { dealloc(block.cast(), layout) };
            }
            std::ptr::null_mut()
        }
        (false, _) => match layout(old) {
            // SAFETY: as above; the new size is not zero.
            Some(layout) => unsafe { realloc(block.cast(), layout, new) }.cast(),
            None => std::ptr::null_mut(),
        },
    }
}
