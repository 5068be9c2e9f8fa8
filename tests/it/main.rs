//! Tests of the whole: one binary, a module for each area.

mod callees;
mod calls;
#[path = "../lang/dialectize.rs"]
mod dialectize;
mod functions;
mod groups;
mod lifecycle;
mod lua;
mod outcome;
mod permissions;
mod programs;
mod spawners;
