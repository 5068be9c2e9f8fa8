//! The language front end: what it takes, what it refuses and where, and that nothing breaks it.

mod checked;
mod corpus;
mod dialectize;
mod differential;
mod dump;
mod executed;
mod fuzz;
mod literals;
mod lookup;
mod names;
mod plain;
mod program;
mod rejected;
mod robust;
mod snapshots;
mod style;
mod translate;
