//! Where the memory of Lua states comes from.

use std::ffi::c_void;

/// The state's allocator: Rust's own, so that the program has one heap.
pub(super) unsafe extern "C" fn allocate(
    _data: *mut c_void,
    block: *mut c_void,
    old: usize,
    new: usize,
) -> *mut c_void {
    use std::alloc::{Layout, alloc, dealloc, realloc};
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
