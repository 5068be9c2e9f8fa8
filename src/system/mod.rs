//! System: what processes and services are to each other.

pub mod factory;
pub mod file_systems;
pub mod finder;
pub mod frame;
pub mod functions;
pub mod groups;
pub mod host;
pub mod kernel;
pub mod lifecycle;
pub mod outdated;
pub mod pools;
pub mod retry;
pub mod roster;
pub mod security;
pub mod spawn;
pub mod supervisor;
pub mod topology;
pub mod tuning;
