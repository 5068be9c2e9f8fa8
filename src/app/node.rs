//! A node: scheduler, relay, kernel, VM pool and registry put together, without project files or
//! services.
//!
//! The boot sequence builds one from its components; tests, benches and embedding programs start one
//! directly.

use std::sync::{Arc, OnceLock};

use crate::app::alarm::Alarm;
use crate::app::components::{RegistryEvents, open_pool};
use crate::app::infrastructure::{Infrastructure, MAILBOX, TABLE};
use crate::app::project::entry_files::LocalFiles;
use crate::core::dispatcher::Dispatcher;
use crate::core::pid::{HostId, Pid, PidGen};
use crate::core::registry::{EntryId, Registry, Settings};
use crate::core::relay::node::Host as RelayHost;
use crate::infra::error::Result;
use crate::infra::event_bus::EventBus;
use crate::infra::transcoder::{Map, Transcoder, Value};
use crate::runtime::engine::chunk::Definition;
use crate::runtime::kinds;
use crate::runtime::modules;
use crate::runtime::pool::VmPool;
use crate::services::file_systems::DirectoryListener;
use crate::services::groups::GroupScopeListener;
use crate::services::security::PolicyListener;
use crate::services::{events, terminal};
use crate::system::factory::Factory;
use crate::system::functions::Functions;
use crate::system::host::{Host, HostKind, Hosts};
use crate::system::kernel::Kernel;
use crate::system::lifecycle::Lifecycle;
use crate::system::security::Security;
use crate::system::topology::Topology;
use crate::system::tuning::Tuning;

pub use crate::app::infrastructure::Options;
use crate::app::outside;

pub use crate::app::endpoint::{Endpoint, Message};
use crate::app::pending::Pending;

/// The end of a process or of a call, to be waited for.
pub type Ended = Pending<Value>;

pub struct Node {
    pub kernel: Arc<Kernel>,
    pub pool: Arc<VmPool>,
    pub registry: Arc<Registry>,
    infrastructure: Infrastructure,
    alarm: Alarm,
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
            expansion: infrastructure.expansion.clone(),
            ..Settings::default()
        }));
        let (factory, functions) = (Arc::<Factory>::default(), Arc::<Functions>::default());
        factory.serve(&infrastructure.bus)?;
        functions.serve(&infrastructure.bus)?;
        let kernel = Arc::new(Kernel {
            pids: PidGen::new(&infrastructure.node_name),
            mailbox: context.get(&MAILBOX).expect(attached),
            scheduler: infrastructure.scheduler.handle().clone(),
            topology: Arc::new(Topology::new(table)),
            hosts: Arc::new(Hosts::default()),
            factory: factory.clone(),
            functions: functions.clone(),
            lifecycle: Arc::new(Lifecycle::default()),
            security: Arc::new(Security::new(strict)),
            groups: Arc::default(),
            file_systems: Arc::default(),
            entry_files: Arc::new(LocalFiles),
            outdated: Arc::default(),
            bus: infrastructure.bus.clone(),
            dispatcher,
            logger: infrastructure.logger.clone(),
            tuning: Tuning::default(),
            transcoder: *context.get(&Transcoder::KEY).expect(attached),
            registry: Arc::downgrade(&registry),
            blocking: infrastructure.blocking.clone(),
            changes: infrastructure.changes.clone(),
            spawner: OnceLock::new(),
            control: OnceLock::new(),
            terminal: OnceLock::new(),
        });
        let pool = open_pool(&kernel);
        let listener = GroupScopeListener { kernel: kernel.clone() };
        registry.register_listener("pg.scope", Arc::new(listener));
        let expansion = infrastructure.expansion.clone();
        let listener = DirectoryListener { kernel: kernel.clone(), expansion };
        registry.register_listener("fs.directory", Arc::new(listener));
        let (security, own) = (kernel.security.clone(), kernel.registry.clone());
        let listener = PolicyListener { security, registry: own };
        registry.register_listener("security.policy", Arc::new(listener));
        kinds::register(&registry, &kernel, false);
        Ok(Node { kernel, pool, registry, infrastructure, alarm: Alarm::default() })
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
        outside::try_send(&self.kernel, Pid::NONE, to, topic, values)
    }

    /// An address to which processes send and a thread of this program receives.
    pub fn endpoint(&self) -> Result<Endpoint> {
        Endpoint::open(&self.kernel)
    }

    /// Starts a process and returns once it is there; [`Ended`] hears of its end.
    pub fn spawn(&self, source: &str, host: &str, args: &[Value]) -> Result<(Pid, Ended)> {
        let process = outside::spawn(&self.kernel, source, host, args, None).join()?;
        Ok((process.pid(), process.into_outcome()))
    }

    /// Calls a function; [`Ended`] hears of its result. `NOT_FOUND`: there is none.
    pub fn call(&self, target: &str, args: &[Value]) -> Result<Ended> {
        outside::call(&self.kernel, &self.alarm, target, args, None, &Map::new())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.alarm.close();
        self.kernel.functions.close();
        self.infrastructure.stop();
        self.pool.close();
        self.kernel.functions.clear();
        self.infrastructure.clear();
    }
}
