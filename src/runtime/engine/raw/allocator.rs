//! Where the memory of Lua states comes from, and how much a state may have.

use std::alloc::{Layout, alloc, dealloc, realloc};
use std::ffi::c_void;

use crate::runtime::engine::raw::State;
use crate::runtime::engine::raw::entered::Side;

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
}

impl Default for Account {
    fn default() -> Account {
        Account { used: 0, ceiling: usize::MAX, enforced: false, refused: false }
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
