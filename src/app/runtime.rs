//! [`Runtime`]: the whole of it as one object of a Rust program.
//!
//! It stands on the same pieces as the command line: [`System`] for boot and stop, `outside` for what
//! threads do with processes. What it adds is their lifetime:
//!
//! 1. Every operation holds the system for as long as it hands work over, which never waits.
//! 2. A shutdown first stops services, while operations still work. Then it takes the system out,
//!    which waits for operations under way; later ones find none.
//! 3. With the system go the VMs, with them the promises they hold, and that is an answer to everybody
//!    who still waits.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use parking_lot::{Mutex, RwLock};
use serde::Serialize;

use crate::app::args::Args;
use crate::app::boot::System;
use crate::app::builder::Builder;
use crate::app::caller::Caller;
use crate::app::changes::{self, Changes};
use crate::app::endpoint::Endpoint;
use crate::app::outside::{self, Process};
use crate::app::pending::{Pending, stopped};
use crate::app::shutdown::Shutdown;
use crate::core::pid::Pid;
use crate::core::registry::{Entry, EntryId, Query, Version};
use crate::infra::error::{Error, Kind, Result};
use crate::infra::transcoder::typed::to_value;
use crate::infra::transcoder::{Map, Value};

/// A running runtime: its worker threads, its Lua states, its entries.
///
/// Share it by reference or in an [`Arc`]: every method takes `&self`, and any number of threads may use
/// them at the same time. Several runtimes in one program know nothing of each other.
///
/// It does nothing to the program it is part of: it handles no signals, leaves terminal, working
/// directory and standard streams alone, and never exits.
///
/// # Ending it
///
/// [`shutdown`](Runtime::shutdown) ends it in order: processes and services are asked to end and waited
/// for. Dropping it ends it at once: no process hears of it. In both cases, whoever still waits for
/// something gets an `Unavailable` error, and all of its threads and memory are gone afterwards.
pub struct Runtime {
    /// None once it has stopped. Written by the one who takes it out; readers hold it while they hand
    /// work over.
    system: RwLock<Option<System>>,
    /// Set before it is taken out: operations would keep the one who does so waiting. Relaxed, for the
    /// lock tells the truth.
    is_over: AtomicBool,
    /// Held by the one who stops what was taken out.
    ending: Mutex<()>,
    /// What its programs ask for by `system.exit`.
    asked: Arc<Shutdown>,
    shutdown_timeout: Duration,
}

impl Runtime {
    /// A runtime to be. Without further ado it starts empty.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(crate) fn new(system: System, asked: Arc<Shutdown>, shutdown_timeout: Duration) -> Runtime {
        let (is_over, ending) = (AtomicBool::new(false), Mutex::new(()));
        Runtime { system: RwLock::new(Some(system)), is_over, ending, asked, shutdown_timeout }
    }

    /// Loads the entries, and waits for the hosts among them that are to run from the start.
    pub(crate) fn load(&self, entries: Vec<Entry>, patience: Duration) -> Result<()> {
        let hosts = changes::marked_hosts(entries.iter());
        let starting: Vec<_> = self.with(|system| {
            system.load(entries)?;
            // They have begun to start with the load: this asks to be told.
            Ok(hosts.into_iter().map(|id| (id.clone(), system.supervisor.start(id))).collect())
        })?;
        let began = Instant::now();
        for (id, completion) in starting {
            let outcome = completion.wait_for(patience.saturating_sub(began.elapsed()));
            let late = || Error::new(Kind::Timeout, "it takes too long");
            let result = outcome.ok_or_else(late).and_then(|outcome| outcome.into_result());
            result.map_err(|error| error.context(format!("host {id} does not run")))?;
        }
        Ok(())
    }

    /// Does something with the system, which must not wait.
    fn with<T>(&self, f: impl FnOnce(&System) -> Result<T>) -> Result<T> {
        if !self.is_running() {
            return Err(stopped());
        }
        // Recursive: a waker may bring this thread back here while it is in here.
        f(self.system.read_recursive().as_ref().ok_or_else(stopped)?)
    }

    /// Calls a function, `namespace:name`. Does not wait: what is returned does, or is awaited.
    ///
    /// What Lua returns is a [`Value`]; [`from_value`](crate::from_value) makes it a type. Calls beyond
    /// the function's pool wait for their turn, without a thread of yours or ours. If the function's entry
    /// has options (`meta.options`: `timeout`, `retry`), they hold for this call too.
    ///
    /// # Errors
    /// In the outcome: `NotFound` there is no such function; `Invalid` arguments that cannot be
    /// converted; what the function raises or returns as its error, with its kind and details;
    /// `Unavailable` the runtime has stopped, or stops before the call ends.
    #[must_use = "a failure is only heard of there"]
    pub fn call(&self, function: &str, args: impl Args) -> Pending<Value> {
        self.call_as(&Caller::new(), function, args)
    }

    /// Calls a function as [`call`](Runtime::call) does, on somebody's behalf.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use serde_json::json;
    /// use wippy::{Caller, Runtime};
    ///
    /// let source = "
    ///     local ctx, security = require('ctx'), require('security')
    ///     return { main = function() return security.actor():id() .. ' of ' .. ctx.get('firm') end }
    /// ";
    /// let who = json!({ "source": source, "method": "main", "modules": ["ctx", "security"] });
    /// let runtime = Runtime::builder().workers(1).entry("app:who", "function.lua", who).start()?;
    /// let ada = Caller::new().actor("ada", ()).context(json!({ "firm": "Acme" }));
    /// let who = runtime.call_as(&ada, "app:who", ()).wait(Duration::from_secs(5))?;
    /// assert_eq!(who.as_str(), Some("ada of Acme"));
    /// # Ok::<(), wippy::Error>(())
    /// ```
    ///
    /// # Errors
    /// In the outcome: those of [`call`](Runtime::call). `NotFound`: also a policy, or a group of them,
    /// that is not there. `Invalid`: also what was wrong when the caller was put together.
    #[must_use = "a failure is only heard of there"]
    pub fn call_as(&self, caller: &Caller, function: &str, args: impl Args) -> Pending<Value> {
        let called = args.into_values().and_then(|args| {
            self.with(|system| {
                let frame = caller.frame(&system.kernel.security)?;
                let System { kernel, alarm, .. } = system;
                outside::call(kernel, alarm, function, &args, frame, caller.own_options())
            })
        });
        called.unwrap_or_else(|error| Pending::ready(Err(error)))
    }

    /// Starts a process of the entry `source` on the host entry `host`. Does not wait: what is returned
    /// does, or is awaited. It is done when the process is there, that is, its source has run and its
    /// main function is about to begin.
    ///
    /// # Errors
    /// In the outcome: `NotFound` there is no such entry or host; `Unavailable` the host does not run, or
    /// the runtime has stopped; `Invalid` arguments that cannot be converted; whatever the source raises.
    #[must_use = "a failure is only heard of there"]
    pub fn spawn(&self, source: &str, host: &str, args: impl Args) -> Pending<Process> {
        self.spawn_as(&Caller::new(), source, host, args)
    }

    /// Starts a process as [`spawn`](Runtime::spawn) does, on somebody's behalf.
    ///
    /// # Errors
    /// In the outcome: those of [`spawn`](Runtime::spawn). `NotFound`: also a policy, or a group of
    /// them, that is not there. `Invalid`: also what was wrong when the caller was put together.
    #[must_use = "a failure is only heard of there"]
    pub fn spawn_as(
        &self,
        caller: &Caller,
        source: &str,
        host: &str,
        args: impl Args,
    ) -> Pending<Process> {
        let spawned = args.into_values().and_then(|args| {
            self.with(|system| {
                let frame = caller.frame(&system.kernel.security)?;
                Ok(outside::spawn(&system.kernel, source, host, &args, frame))
            })
        });
        spawned.unwrap_or_else(|error| Pending::ready(Err(error)))
    }

    /// Sends a message to a process or an endpoint. It comes from nobody: to be answered, send from an
    /// [`endpoint`](Runtime::endpoint). Does not wait. Messages from one thread to one process arrive in
    /// the order in which they were sent.
    ///
    /// # Errors
    /// `NotFound`: it has ended, or never was. `Unavailable` and retryable: it has no room at the moment;
    /// [`Endpoint::send`] waits for some. `Unavailable`: the runtime has stopped. `Invalid`: payloads
    /// that cannot be converted.
    pub fn send(&self, to: Pid, topic: &str, payloads: impl Args) -> Result<()> {
        let values = payloads.into_values()?;
        self.with(|system| outside::try_send(&system.kernel, Pid::NONE, to, topic, &values))
    }

    /// An address to which processes send, and at which this program receives.
    ///
    /// # Errors
    /// `Unavailable`: the runtime has stopped.
    pub fn endpoint(&self) -> Result<Endpoint> {
        self.with(|system| Endpoint::open(&system.kernel))
    }

    /// The process with this name in the registry of names, which processes fill by
    /// `process.registry.register`. `None`: there is none, or the runtime has stopped.
    pub fn find(&self, name: &str) -> Option<Pid> {
        self.with(|system| Ok(system.kernel.topology.names().find(name))).ok().flatten()
    }

    /// Changes entries, all of what `changes` says or nothing. Does not wait: what is returned does, or
    /// is awaited. Once the outcome is there, functions that were created can be called, those that
    /// were updated run their new code and deleted ones are gone; calls under way end with the code they
    /// began with. Hosts marked `auto_start` run; other services marked so are on their way. Changes that
    /// one thread makes happen in this order, and one at a time with those of Lua programs.
    ///
    /// The outcome is the version that the change has made. If the runtime keeps its history in a file
    /// (setting `registry.history_type`) it is written by then, and counts at the next start.
    ///
    /// ```
    /// # use std::time::Duration;
    /// use serde_json::json;
    /// use wippy::{Changes, Kind, Runtime};
    ///
    /// let timeout = Duration::from_secs(5);
    /// let runtime = Runtime::builder().workers(1).start()?;
    /// let double = |source: &str| {
    ///     let fields = json!({ "method": "main", "source": source });
    ///     runtime.apply(Changes::new().create("app:double", "function.lua", fields)).wait(timeout)
    /// };
    /// let refused = double("return { main = function(n) n * 2 end }").unwrap_err();
    /// assert_eq!(*refused.kind(), Kind::Invalid);
    /// let version = double("return { main = function(n) return n * 2 end }")?;
    /// assert_eq!(version.id.to_string(), "v1");
    /// assert_eq!(runtime.call("app:double", 21).wait(timeout)?, 42.into());
    /// # Ok::<(), wippy::Error>(())
    /// ```
    ///
    /// # Errors
    /// In the outcome, and then nothing has changed. The text names the entry.
    ///
    /// | Kind | What is wrong |
    /// |---|---|
    /// | `Invalid` | an entry is not well formed, its kind is unknown or not the one it had, its source cannot be compiled, a field of it is wrong; there are no changes |
    /// | `Conflict` | there is an entry with an id that is to be created; modules do not fit together |
    /// | `NotFound` | an entry that is to be updated or deleted, or something that an entry needs, is not there |
    /// | `AlreadyExists` | a source is given twice |
    /// | `Timeout`, `Unavailable` | it took too long to take over an entry; the history cannot be written; the runtime has stopped, or stops before the change is made |
    #[must_use = "a refusal is only heard of there"]
    pub fn apply(&self, changes: Changes) -> Pending<Version> {
        let applied = changes
            .read()
            .and_then(|changes| self.with(|system| Ok(changes::apply(system, changes))));
        applied.unwrap_or_else(|error| Pending::ready(Err(error)))
    }

    /// The entry with this id, as it is now.
    ///
    /// # Errors
    /// `NotFound`: there is none. `Unavailable`: the runtime has stopped.
    pub fn entry(&self, id: &str) -> Result<Arc<Entry>> {
        self.with(|system| system.registry.get(&EntryId::parse(id)))
    }

    /// The entries for which all conditions of `filter` hold, sorted by id; `()` stands for all entries.
    /// The conditions are those of Lua's `registry.find`:
    ///
    /// | Key | Holds when |
    /// |---|---|
    /// | `.kind`, `.name`, `.ns`, `.id` | the field equals the text, in which one `*` stands for any text |
    /// | `meta.f` | the field `f` of `meta` equals the value; of a list, contains all its elements |
    /// | `~meta.f` | it is a text in which the regular expression matches somewhere |
    /// | `*meta.f` | it is a text that contains this one, or a list with such a text |
    /// | `^meta.f`, `$meta.f` | it is a text that starts, that ends with this one |
    ///
    /// ```
    /// # use wippy::Runtime;
    /// use serde_json::json;
    ///
    /// # let runtime = Runtime::builder()
    /// #     .workers(1)
    /// #     .entry("app:hosts", "process.host", json!({ "meta": { "tier": "web" } }))
    /// #     .start()?;
    /// for host in runtime.entries(json!({ ".kind": "*.host", "meta.tier": "web" }))? {
    ///     println!("{} is a {}", host.id, host.kind);
    /// }
    /// # Ok::<(), wippy::Error>(())
    /// ```
    ///
    /// # Errors
    /// `Invalid`: a condition that makes no sense, which Lua would leave out. `Unavailable`: the runtime
    /// has stopped.
    pub fn entries(&self, filter: impl Serialize) -> Result<Vec<Arc<Entry>>> {
        let conditions = match to_value(&filter)? {
            Value::Map(conditions) => conditions,
            Value::Nil => Map::new(),
            other => {
                return Err(Error::invalid(format!("the filter is {}", other.type_name())));
            }
        };
        let (query, ignored) = Query::parse(&conditions);
        if let Some(part) = ignored.into_iter().next() {
            return Err(Error::invalid(format!("condition {:?}: {}", part.key, part.reason)));
        }
        self.with(|system| Ok(system.registry.find(&query)))
    }

    /// The exit code that a program has asked for by `system.exit`. The runtime goes on: what to do about
    /// it is up to you.
    pub fn exit_code(&self) -> Option<i32> {
        self.asked.has_begun().then(|| self.asked.code())
    }

    /// Waits at most `timeout` for a program to ask for the end, by `system.exit`; its exit code.
    pub fn wait_for_exit(&self, timeout: Duration) -> Option<i32> {
        self.asked.wait_for(timeout).then(|| self.asked.code())
    }

    /// Is it still there?
    pub fn is_running(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }

    /// Ends the runtime in order: services stop, those that depend on others first, and processes on
    /// hosts get a `CANCEL` event. Blocks until all have ended, at most as long as the setting
    /// `shutdown.timeout` says (30 s unless set); what is left then goes without being asked. A second
    /// call returns when the first one is done, or at once if it is.
    ///
    /// Not from a waker or a writer of the log: those are called on threads that this waits for.
    pub fn shutdown(&self) {
        self.shutdown_within(self.shutdown_timeout);
    }

    /// The same with another limit.
    pub fn shutdown_within(&self, timeout: Duration) {
        let began = Instant::now();
        if let Some(system) = self.system.read_recursive().as_ref() {
            system.stop_services(timeout, &mut |_| ());
        }
        let _ending = self.ending.lock();
        self.is_over.store(true, Ordering::Relaxed);
        let taken = self.system.write().take();
        if let Some(mut system) = taken {
            system.finish(timeout.saturating_sub(began.elapsed()));
            system.clear();
        }
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        self.shutdown_within(Duration::ZERO);
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_running() { "Runtime(running)" } else { "Runtime(stopped)" })
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{Receiver, Sender, unbounded};

    use super::*;
    use crate::core::registry::Listener;

    const LONG: Duration = Duration::from_secs(60);

    const ENTRIES: &str = r#"
namespace: app
entries:
  - { name: hosts, kind: process.host, lifecycle: { auto_start: true } }
  - { name: alone, kind: process.host, host: { isolated: true }, lifecycle: { auto_start: true } }
  - { name: service, kind: process.service, process: app:waits, host: app:hosts,
      lifecycle: { auto_start: true } }
  - { name: spins, kind: process.lua, source: "return { main = function() while true do end end }" }
  - { name: waits, kind: process.lua,
      source: "return { main = function() process.inbox():receive() end }" }
  - { name: sleeps, kind: process.lua, modules: [time],
      source: "return { main = function() require('time').sleep('1h') end }" }
  - { name: hears, kind: process.lua, modules: [events],
      source: "return { main = function() require('events').subscribe('**'):channel():receive() end }" }
  - { name: calls, kind: process.lua, modules: [funcs],
      source: "return { main = function() require('funcs').call('app:never') end }" }
  - { name: never, kind: function.lua, method: main, pool: { size: 1 },
      source: "return { main = function() channel.new():receive() end }" }
  - { name: limited, kind: function.lua, method: main, meta: { options: { timeout: 1h } },
      source: "return { main = function() channel.new():receive() end }" }
  - { name: again, kind: function.lua, method: main,
      meta: { options: { retry: { max_attempts: 9, initial_delay: 1h, max_delay: 1h } } },
      source: "return { main = function() return nil, errors.new({ kind = errors.UNAVAILABLE, message = 'x' }) end }" }
"#;

    /// All that a runtime is made of hangs together by its kernel, so if that is gone, all is.
    #[track_caller]
    fn check_leaves_nothing(end: impl FnOnce(&Runtime)) {
        let runtime = Runtime::builder().workers(2).entries_from_str(ENTRIES).start().unwrap();
        let kernel = runtime.with(|system| Ok(Arc::downgrade(&system.kernel))).unwrap();
        let mut outcomes = Vec::new();
        for host in ["app:hosts", "app:alone"] {
            for name in ["spins", "waits", "sleeps", "hears", "calls", "calls"] {
                let process = runtime.spawn(&format!("app:{name}"), host, ()).wait(LONG).unwrap();
                // More than a VM takes: some wait in lanes.
                while name == "spins" && runtime.send(process.pid(), "x", ()).is_ok() {}
                outcomes.push(process.into_outcome());
            }
        }
        let endpoint = runtime.endpoint().unwrap();
        // Some of these are not even taken by a VM when it ends.
        let calls = ["never", "limited", "again"].map(|name| format!("app:{name}"));
        let calls = calls.iter().cycle().take(300);
        let calls: Vec<_> = calls.map(|function| runtime.call(function, ())).collect();
        let starts: Vec<_> =
            (0..100).map(|_| runtime.spawn("app:waits", "app:hosts", ())).collect();
        let create = |n| Changes::new().create(format!("x:{n}"), "process.host", ());
        let changes: Vec<_> = (0..100).map(|n| runtime.apply(create(n))).collect();
        end(&runtime);
        drop(runtime);
        assert_eq!(kernel.strong_count(), 0);
        assert!(endpoint.try_receive().is_none());
        // All have an answer, whichever.
        assert!(outcomes.into_iter().chain(calls).all(|outcome| outcome.try_take().is_some()));
        assert!(starts.into_iter().all(|start| start.try_take().is_some()));
        assert!(changes.into_iter().all(|change| change.try_take().is_some()));
    }

    #[test]
    fn a_drop_leaves_nothing_behind() {
        check_leaves_nothing(|_| ());
    }

    #[test]
    fn a_shutdown_leaves_nothing_behind() {
        check_leaves_nothing(|runtime| runtime.shutdown_within(Duration::from_millis(50)));
    }

    /// Holds every entry up until it is let in.
    struct Gate {
        asked: Sender<()>,
        opened: Receiver<()>,
    }

    impl Listener for Gate {
        fn add(&self, _: &Entry) -> Result<()> {
            self.asked.send(()).expect("the test goes on");
            self.opened.recv().expect("it is opened");
            Ok(())
        }

        fn update(&self, _: &Entry, _: &Entry) -> Result<()> {
            Ok(())
        }

        fn delete(&self, _: &Entry) -> Result<()> {
            Ok(())
        }
    }

    /// A change that has begun is made, though the runtime ends; one that waits for its turn is not.
    /// Nobody else waits for either.
    #[test]
    fn a_change_under_way_ends_before_the_runtime() {
        let one = Changes::new().create_from_str(
            "{ namespace: x, name: f, kind: function.lua, method: main,
               source: 'return { main = function() return 1 end }' }",
        );
        let runtime = Runtime::builder().workers(1).start().unwrap();
        runtime.apply(one).wait(LONG).expect("is new");
        let (asked, is_asked) = unbounded();
        let (open, opened) = unbounded();
        let gate = Arc::new(Gate { asked, opened });
        let register = |system: &System| {
            system.registry.register_listener("test.gate", gate);
            Ok(())
        };
        runtime.with(register).unwrap();
        let under_way = runtime.apply(Changes::new().create("x:one", "test.gate", ()));
        let waits = runtime.apply(Changes::new().create("x:two", "registry.entry", ()));
        is_asked.recv_timeout(LONG).unwrap();
        assert!(under_way.try_take().is_none());
        let not_yet = runtime.entry("x:one").expect_err("is not visible");
        assert_eq!(*not_yet.kind(), Kind::NotFound);
        assert_eq!(runtime.call("x:f", ()).wait(LONG), Ok(1.into()));
        std::thread::scope(|scope| {
            let end = scope.spawn(|| runtime.shutdown());
            let late = waits.wait(LONG).expect_err("is too late");
            assert_eq!(*late.kind(), Kind::Unavailable);
            open.send(()).unwrap();
            assert_eq!(under_way.wait(LONG).expect("has begun").id.0, 2);
            end.join().unwrap();
        });
    }
}
