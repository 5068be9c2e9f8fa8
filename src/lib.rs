//! A thread-per-core runtime for applications made of Lua processes, inside your program.
//!
//! A *process* is an actor written in Lua: it has its own globals, a mailbox and an address, and is
//! scheduled, with some hundred thousand others, over a few worker threads. A *function* is called and
//! returns; a *host* is where processes live. They are described by *entries*, in YAML or one by one, and
//! a [`Runtime`] runs them. The command line program `wippy` is made of the same parts.
//!
//! # Quick start
//!
//! ```
//! use std::time::Duration;
//! use wippy::{Runtime, from_value};
//!
//! let runtime = Runtime::builder()
//!     .workers(2)
//!     .entries_from_str(
//!         r#"
//! namespace: app
//! entries:
//!   - { name: add, kind: function.lua, method: main, source: "file://add.lua" }
//! "#,
//!     )
//!     .source("add.lua", "return { main = function(a, b) return a + b end }")
//!     .start()?;
//! let sum = runtime.call("app:add", (1, 2)).wait(Duration::from_secs(5))?;
//! assert_eq!(from_value::<i64>(sum)?, 3);
//! runtime.shutdown();
//! # Ok::<(), wippy::Error>(())
//! ```
//!
//! # A whole program
//!
//! `examples/embed.rs` starts a process too, sends to it and receives from it:
//!
//! ```
#![doc = include_str!("../examples/embed.rs")]
//! ```
//!
//! # Starting
//!
//! [`Runtime::builder`] takes a [project](Builder::project) directory, [documents](Builder::entries_from_str)
//! with the [Lua sources](Builder::source) they name, single [entries](Builder::entry), and
//! [settings](Builder::set); any mixture of them. [`Builder::start`] returns when functions can be called
//! and hosts run.
//!
//! A process needs a host: an entry of kind `process.host`, marked `lifecycle: { auto_start: true }`. What
//! other modules a process or a function uses, its entry lists under `modules:`.
//!
//! # Changing a running program
//!
//! Entries come and go while a runtime runs: [`Runtime::apply`] takes [`Changes`], which count together or
//! not at all, and says why they do not: a source that cannot be compiled is an error here, not a
//! program that fails later. [`Runtime::entry`] and [`Runtime::entries`] read what is there.
//! `examples/scripts.rs` lets others extend a program by scripts of their own.
//!
//! # Acting for somebody
//!
//! A call is made by nobody in particular unless a [`Caller`] says otherwise: who acts, which policies
//! (entries of kind `security.policy`) the actor is subject to, and context values. All of that
//! reaches whatever is called and started from there: [`Runtime::call_as`], [`Runtime::spawn_as`].
//!
//! # Data
//!
//! What crosses between Rust and Lua is a [`Value`]. [`Args`] makes values of tuples, texts, numbers and
//! all that serde writes; [`to_value`] and [`from_value`] convert any one type. [`Format`] writes and reads
//! them as JSON, YAML and MessagePack. An address, a [`Pid`], is a text in Lua, and parses back.
//!
//! # Waiting
//!
//! Nothing in here needs an executor, and nothing blocks unless its name says so.
//!
//! | | blocks | otherwise |
//! |---|---|---|
//! | [`Runtime::call`], [`Runtime::spawn`], [`Runtime::apply`] | no: they return a [`Pending`] | |
//! | [`Runtime::entry`], [`Runtime::entries`] | no | |
//! | [`Pending`] | [`wait`](Pending::wait), [`join`](Pending::join) | `.await`, [`try_take`](Pending::try_take) |
//! | [`Runtime::send`] | no: an error if there is no room | |
//! | [`Endpoint::send`] | while there is no room | [`Runtime::send`], as nobody |
//! | [`Endpoint::receive`] | yes | [`next`](Endpoint::next), [`try_receive`](Endpoint::try_receive) |
//! | [`Builder::start`], [`Runtime::shutdown`], drop of a [`Runtime`] | yes | a thread for blocking work |
//!
//! [`Pending`] is a [`Future`] and [`Endpoint::next`] makes one; both are woken by the runtime's own
//! threads and work in any executor. In async code, leave what blocks to a thread that may. Wakers run on
//! those threads, as executors expect: they must be quick, and must not end the runtime.
//!
//! A call goes on when nobody waits for it any more, unless [`Pending::abort_on_drop`] says otherwise;
//! with it, an executor's own time limits are limits of the call.
//!
//! # Errors
//!
//! There is one type, [`Error`], for what Rust did wrong and for what Lua raises. Decide by its
//! [`kind`](Error::kind) and by [`retryable`](Error::retryable); its text is for people, and may change. It
//! carries [`details`](Error::details) and its [`cause`](Error::cause). Wrong input makes errors, not
//! panics.
//!
//! # Threads and processes
//!
//! A [`Runtime`] has a thread for each worker and a few that mostly sleep. It handles no signals, prints
//! nothing, changes neither terminal nor working directory, and never exits the program; where the command
//! line does so, it is the command line's doing. Several runtimes may live in one program. When one is
//! dropped, its threads and its memory are gone.
//!
//! # What is stable
//!
//! What this page shows. The modules behind it are reachable, for the program's own tests, benchmarks and
//! load generators, and hidden here: they change with any release, without notice.
//!
//! There are no cargo features. Rust 1.90 or newer, and a C++ compiler, since Luau is built along. A newer
//! Rust is asked for in a minor release only. Tested on Linux.

#[doc(inline)]
pub use crate::app::{
    args::Args,
    builder::Builder,
    caller::Caller,
    changes::Changes,
    endpoint::{Endpoint, Message},
    outside::Process,
    payload_format::Format,
    pending::Pending,
    runtime::Runtime,
};
#[doc(inline)]
pub use crate::core::pid::Pid;
#[doc(inline)]
pub use crate::core::registry::{Entry, EntryId, Version, VersionId};
#[doc(inline)]
pub use crate::infra::error::{Error, Kind, Result};
#[doc(inline)]
pub use crate::infra::logger::Level;
#[doc(inline)]
pub use crate::infra::transcoder::typed::{from_value, to_value};
#[doc(inline)]
pub use crate::infra::transcoder::{Map, Value};

// The layers, each depending only on those before it. ARCHITECTURE.md is the map.

#[doc(hidden)]
pub mod infra;

#[doc(hidden)]
pub mod lang;

#[doc(hidden)]
pub mod core;

#[doc(hidden)]
pub mod system;

#[doc(hidden)]
pub mod services;

#[doc(hidden)]
pub mod runtime;

#[doc(hidden)]
pub mod app;

#[doc(hidden)]
pub mod cli;
