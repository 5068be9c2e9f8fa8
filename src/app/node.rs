//! A node: scheduler, relay, kernel, VM pool and registry put together, without project files or
//! services.
//!
//! The boot sequence builds one from its components; tests, benches and embedding programs start one
//! directly.

use std::sync::mpsc;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use crate::app::components::{RegistryEvents, open_pool};
use crate::app::infrastructure::{Infrastructure, MAILBOX, TABLE};
use crate::core::dispatcher::Dispatcher;
use crate::core::pid::{HostId, Pid, PidGen};
use crate::core::registry::{EntryId, Registry, Settings};
use crate::core::relay::node::Host as RelayHost;
use crate::core::relay::{Body, Exit, Outcome, Package};
use crate::infra::error::{Error, Result};
use crate::infra::event_bus::EventBus;
use crate::infra::transcoder::Value;
use crate::infra::transcoder::wire::Wire;
use crate::runtime::engine::chunk::Definition;
use crate::runtime::kinds;
use crate::runtime::modules;
use crate::runtime::pool::VmPool;
use crate::services::groups::GroupScopeListener;
use crate::services::security::PolicyListener;
use crate::services::{events, terminal};
use crate::system::factory::Factory;
use crate::system::functions::{self, Call};
use crate::system::host::{Host, HostKind, Hosts};
use crate::system::kernel::{Kernel, RootSpawn};
use crate::system::lifecycle::Lifecycle;
use crate::system::security::Security;
use crate::system::topology::Topology;

pub use crate::app::infrastructure::Options;

pub struct Node {
    pub kernel: Arc<Kernel>,
    pub pool: Arc<VmPool>,
    pub registry: Arc<Registry>,
    infrastructure: Infrastructure,
}

impl Node {
    /// Starts the workers. Nothing runs on them yet.
    pub fn start(options: Options) -> Result<Node> {
        let strict = options.config.get_bool("security.strict_mode").unwrap_or(false);
        let infrastructure = Infrastructure::start(options)?;
        let context = &infrastructure.context;
        let attached = "attached by the infrastructure";
        let table = context.get(&TABLE).expect(attached);
        let dispatcher = Arc::new(Dispatcher::default());
        terminal::register(&dispatcher);
        events::register(&dispatcher, &infrastructure.bus);
        dispatcher.freeze();
        let publisher = RegistryEvents { bus: infrastructure.bus.clone() };
        let registry = Arc::new(Registry::new(Settings {
            publisher: Some(Arc::new(publisher)),
            ..Settings::default()
        }));
        let kernel = Arc::new(Kernel {
            pids: PidGen::new(&infrastructure.node_name),
            mailbox: context.get(&MAILBOX).expect(attached),
            scheduler: infrastructure.scheduler.handle().clone(),
            topology: Arc::new(Topology::new(table)),
            hosts: Arc::new(Hosts::default()),
            factory: Arc::new(Factory::default()),
            functions: Arc::default(),
            lifecycle: Arc::new(Lifecycle::default()),
            security: Arc::new(Security::new(strict)),
            groups: Arc::default(),
            dispatcher,
            logger: infrastructure.logger.clone(),
            registry: Arc::downgrade(&registry),
            blocking: infrastructure.blocking.clone(),
            changes: infrastructure.changes.clone(),
            spawner: OnceLock::new(),
        });
        let pool = open_pool(&kernel);
        let listener = GroupScopeListener { scopes: kernel.groups.clone() };
        registry.register_listener("pg.scope", Arc::new(listener));
        let listener = PolicyListener { security: kernel.security.clone() };
        registry.register_listener("security.policy", Arc::new(listener));
        kinds::register(&registry, &kernel);
        Ok(Node { kernel, pool, registry, infrastructure })
    }

    /// The bus that its processes and its registry send to.
    pub fn bus(&self) -> &EventBus {
        &self.infrastructure.bus
    }

    /// Adds a running host.
    pub fn add_host(&self, id: &str, kind: HostKind, isolated: bool) -> Result<Arc<Host>> {
        self.add(Host::new(HostId::intern(id), kind, isolated))
    }

    /// Adds a host of any make and runs it.
    pub fn add(&self, host: Host) -> Result<Arc<Host>> {
        let host = Arc::new(host);
        self.infrastructure.relay.attach_host(host.id, RelayHost::Processes)?;
        self.kernel.hosts.insert(host.clone());
        host.run();
        Ok(host)
    }

    /// Compiles a source and makes it startable. It is granted all modules there are.
    pub fn define(&self, id: &str, source: &str) -> Result<()> {
        let granted = modules::GRANTED.iter().map(|module| module.name).collect();
        let id = EntryId::parse(id);
        let definition = Definition::compile(id.clone(), "main", source, granted)?;
        self.kernel.factory.register(&id, Arc::new(definition));
        Ok(())
    }

    /// Sends a message that comes from no process. `UNAVAILABLE`, retryable: the target has no room.
    pub fn send(&self, to: Pid, topic: &str, values: &[Value]) -> Result<()> {
        let mut message = Wire::new();
        message.str(topic.as_bytes());
        values.iter().for_each(|value| message.value(value));
        let package = Package { from: Pid::NONE, to, body: Body::Message(message) };
        let sent = self.kernel.mailbox.send_from_outside(package);
        sent.map_err(|refused| refused.reason.into())
    }

    /// Starts a process and returns once it is there; `ended` hears of its end.
    pub fn spawn(&self, source: &str, host: &str, args: &[Value]) -> Result<(Pid, Ended)> {
        let (sender, ended) = mpsc::channel();
        let (reply, started) = mpsc::channel();
        let spawn = RootSpawn {
            source: source.into(),
            host: host.into(),
            args: Wire::of(args),
            frame: None,
            terminal: None,
            on_end: Some(Box::new(move |exit: &Exit| {
                // Nobody may be waiting for it.
                let _ = sender.send(exit.outcome.clone());
            })),
        };
        self.kernel.spawn(
            spawn,
            Box::new(move |result| {
                let _ = reply.send(result);
            }),
        );
        let gone = |_| Error::unavailable("the runtime has stopped");
        let pid = started.recv().map_err(gone)??;
        Ok((pid, Ended(ended)))
    }
}

impl Node {
    /// Calls a function and waits for its result. `NOT_FOUND`: there is none; `TIMEOUT`: it goes on.
    pub fn call(&self, target: &str, args: &[Value], timeout: Duration) -> Result<Value> {
        let (sender, ended) = mpsc::channel();
        let function = self.kernel.functions.get(target)?;
        let (args, parent) = (Wire::of(args), Pid::NONE);
        let call = Call { function, args, frame: None, parent, at: None };
        let done = move |outcome| {
            // Nobody may be waiting for it any more.
            let _ = sender.send(outcome);
        };
        functions::call(&self.kernel, call, Box::new(done));
        Ended(ended).wait(timeout)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.infrastructure.stop();
        self.pool.close();
    }
}

/// The end of a process, to be waited for.
pub struct Ended(mpsc::Receiver<Outcome>);

impl Ended {
    /// The value the process returned, or its error.
    pub fn wait(&self, timeout: Duration) -> Result<Value> {
        let outcome = self.0.recv_timeout(timeout).map_err(|_| {
            Error::new(crate::infra::error::Kind::Timeout, "the process has not ended in time")
        })?;
        match outcome {
            Outcome::Value(wire) => Ok(wire.reader().value().unwrap_or_default()),
            Outcome::Error(error) => Err(error),
        }
    }
}
