//! `logger`: records of a process. Specification 02, section 7.

use crate::runtime::engine::push_functions;
use crate::runtime::engine::raw::State;

pub fn register_types(_l: State) {}

pub fn open(l: State) {
    push_functions(l, &[]);
    l.set_read_only(-1, true);
}
