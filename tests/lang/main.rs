//! The language front end: what it takes, what it refuses and where, and that nothing breaks it.

mod checked;
mod differential;
mod dump;
mod literals;
mod lookup;
mod names;
mod program;
mod rejected;
mod robust;
mod snapshots;
mod style;
mod translate;
