//! `wippy`: a thread-per-core runtime for applications made of Lua processes.
//!
//! Layers, each depending only on those before it: [`infra`], [`lang`], [`core`], [`system`],
//! [`services`], [`runtime`], [`app`], [`cli`]. `ARCHITECTURE.md` is the map.

pub mod infra;

pub mod lang;

pub mod core;

pub mod system;

pub mod services;

pub mod runtime;

pub mod app;

pub mod cli;
