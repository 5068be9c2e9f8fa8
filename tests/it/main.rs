//! Tests of the whole: one binary, a module for each area.

mod blocking;
mod callees;
mod calls;
mod canceled;
#[path = "../lang/dialectize.rs"]
mod dialectize;
mod embed;
mod embed_caller;
mod embed_changes;
mod files;
mod functions;
mod gate;
mod groups;
mod lifecycle;
mod lua;
mod options;
mod outcome;
mod permissions;
mod pools;
mod programs;
mod replaced;
mod scripted;
mod spawners;
mod system;
mod vacant;
mod visible;
