//! The supervisor: its pure parts. What drives them follows.

mod backoff;
mod lifecycle;
mod order;
mod state;

pub use crate::system::supervisor::lifecycle::{
    LifecycleOptions, ParseDuration, RestartPolicy, Startup,
};
pub use crate::system::supervisor::state::{Desired, Status};
