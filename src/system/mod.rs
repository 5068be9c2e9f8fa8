//! System: what processes and services are to each other.

pub mod supervisor;
