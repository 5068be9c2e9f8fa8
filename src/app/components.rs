//! The only list that names every component, and what each of them loads.
//!
//! | component | needs | loads |
//! |---|---|---|
//! | pidgen | - | `PidGen` |
//! | dispatcher | pidgen | `Dispatcher` |
//! | terminal | dispatcher | handlers of the commands that read from terminals |
//! | events | dispatcher | handlers of the commands of the event bus |
//! | registry | dispatcher | `Registry`, its history |
//! | finder | registry | `Finder` |
//! | supervisor | registry | `Supervisor`, its events and log lines; `Roster` |
//! | topology | supervisor | `Topology` |
//! | lifecycle | topology | `Lifecycle`, with the events of processes |
//! | factory | lifecycle | `Factory` |
//! | functions | factory | `Functions` |
//! | security | registry | `Security`; kind `security.policy` |
//! | engine | functions, security | `Kernel`, `VmPool`; kinds `process.lua`, `function.lua`, `library.lua`, `pg.scope`, `fs.directory` |
//! | hosts | engine | kinds `process.host`, `terminal.host` |
//! | services | hosts | kind `process.service` |

use std::path::PathBuf;
use std::sync::{Arc, OnceLock, Weak};

use crate::app::infrastructure::{CONFIG, Infrastructure, LOGGER, MAILBOX, TABLE};
use crate::app::project::entry_files::LocalFiles;
use crate::app::registry_settings;
use crate::core::blocking::Pool;
use crate::core::dispatcher::Dispatcher;
use crate::core::expansion::Expansion;
use crate::core::pid::PidGen;
use crate::core::registry::{EntryId, Publisher, Registry, Settings};
use crate::core::relay::Exit;
use crate::core::scheduler::Handle;
use crate::infra::app_context::{AppContext, Key};
use crate::infra::component::Component;
use crate::infra::config::Config;
use crate::infra::error::{Error, Result};
use crate::infra::event_bus::{Event, EventBus};
use crate::infra::logger::{Level, Logger};
use crate::infra::transcoder::{Map, Transcoder, Value};
use crate::runtime::kinds;
use crate::runtime::pool::VmPool;
use crate::services::events;
use crate::services::file_systems::DirectoryListener;
use crate::services::groups::GroupScopeListener;
use crate::services::host::HostListener;
use crate::services::process_service::ProcessServiceListener;
use crate::services::security::PolicyListener;
use crate::services::terminal;
use crate::system::factory::Factory;
use crate::system::finder::Finder;
use crate::system::functions::Functions;
use crate::system::host::Hosts;
use crate::system::kernel::Kernel;
use crate::system::lifecycle::{Handler, Lifecycle, Started};
use crate::system::roster::Roster;
use crate::system::security::Security;
use crate::system::spawn::Spawner;
use crate::system::supervisor::{self, Supervisor};
use crate::system::topology::Topology;
use crate::system::tuning::Tuning;

pub const PIDGEN: Key<PidGen> = Key::new("pidgen");
pub const REGISTRY: Key<Registry> = Key::new("registry");
pub const SUPERVISOR: Key<Supervisor> = Key::new("supervisor");
pub const TOPOLOGY: Key<Topology> = Key::new("topology");
pub const LIFECYCLE: Key<Lifecycle> = Key::new("lifecycle");
pub const FACTORY: Key<Factory> = Key::new("factory");
pub const POOL: Key<VmPool> = Key::new("vm_pool");

/// All components of the runtime.
pub fn all(infrastructure: &Infrastructure) -> Vec<Box<dyn Component>> {
    let scheduler = infrastructure.scheduler.handle().clone();
    let node_name = infrastructure.node_name.clone();
    vec![
        Box::new(PidGenComponent { node_name }),
        Box::new(DispatcherComponent),
        Box::new(TerminalComponent),
        Box::new(EventsComponent),
        Box::new(RegistryComponent {
            expansion: infrastructure.expansion.clone(),
            dir: infrastructure.dir.clone(),
        }),
        Box::new(FinderComponent),
        Box::new(SupervisorComponent { scheduler: scheduler.clone() }),
        Box::new(TopologyComponent),
        Box::new(LifecycleComponent),
        Box::new(FactoryComponent),
        Box::new(FunctionsComponent),
        Box::new(SecurityComponent),
        Box::new(EngineComponent {
            scheduler,
            blocking: infrastructure.blocking.clone(),
            changes: infrastructure.changes.clone(),
            expansion: infrastructure.expansion.clone(),
        }),
        Box::new(HostsComponent),
        Box::new(ServicesComponent),
    ]
}

/// A service some component before has attached.
fn need<T: Send + Sync + 'static>(context: &AppContext, key: &Key<T>) -> Result<Arc<T>> {
    context.get(key).ok_or_else(|| Error::internal(format!("{} is not there", key.name())))
}

/// Implements `Component` for a unit: its name, its needs, and how it loads.
macro_rules! component {
    ($type:ident, $name:literal, [$($need:literal),*], $load:expr) => {
        impl Component for $type {
            fn name(&self) -> &'static str {
                $name
            }

            fn needs(&self) -> &'static [&'static str] {
                &[$($need),*]
            }

            fn load(&self, context: &AppContext) -> Result<()> {
                let load: fn(&$type, &AppContext) -> Result<()> = $load;
                load(self, context)
            }
        }
    };
}

struct PidGenComponent {
    node_name: String,
}

component!(PidGenComponent, "pidgen", [], |this, context| {
    context.attach(&PIDGEN, Arc::new(PidGen::new(&this.node_name)));
    Ok(())
});

struct DispatcherComponent;

component!(DispatcherComponent, "dispatcher", ["pidgen"], |_, context| {
    context.attach(&Dispatcher::KEY, Arc::new(Dispatcher::default()));
    Ok(())
});

struct TerminalComponent;

component!(TerminalComponent, "terminal", ["dispatcher"], |_, context| {
    terminal::register(&*need(context, &Dispatcher::KEY)?);
    Ok(())
});

struct EventsComponent;

component!(EventsComponent, "events", ["dispatcher"], |_, context| {
    let bus = need(context, &EventBus::KEY)?;
    events::register(&*need(context, &Dispatcher::KEY)?, &bus);
    Ok(())
});

struct RegistryComponent {
    dir: PathBuf,
    expansion: Option<Arc<dyn Expansion>>,
}

component!(RegistryComponent, "registry", ["dispatcher"], |this, context| {
    let bus = need(context, &EventBus::KEY)?;
    let publisher: Arc<dyn Publisher> = Arc::new(RegistryEvents { bus: (*bus).clone() });
    let config = need(context, &CONFIG)?;
    let logger = need(context, &LOGGER)?.named("registry");
    let settings = registry_settings::read(&config, &this.dir, &logger)?;
    let expansion = this.expansion.clone();
    let settings = Settings { publisher: Some(publisher), expansion, ..settings };
    context.attach(&REGISTRY, Arc::new(Registry::new(settings)));
    Ok(())
});

/// Puts what the registry tells onto the bus.
pub struct RegistryEvents {
    pub bus: EventBus,
}

impl Publisher for RegistryEvents {
    fn publish(&self, kind: &str, path: &str, mut data: Value) {
        // Where an event shows an entry, its id is in two parts.
        if let (Value::Map(entry), "entry.create" | "entry.update" | "entry.delete") =
            (&mut data, kind)
        {
            let id = EntryId::parse(path);
            let id = Value::from([("ns", id.ns().into()), ("name", id.name().into())]);
            entry.insert("id".into(), id);
        }
        self.bus.send(Event::new("registry", kind, path, data));
    }

    fn is_heard(&self, _kind: &str) -> bool {
        self.bus.is_heard()
    }
}

struct FinderComponent;

component!(FinderComponent, "finder", ["registry"], |_, context| {
    let registry = need(context, &REGISTRY)?;
    context.attach(&Finder::KEY, Arc::new(Finder::new(registry)));
    Ok(())
});

struct SupervisorComponent {
    scheduler: Handle,
}

impl Component for SupervisorComponent {
    fn name(&self) -> &'static str {
        "supervisor"
    }

    fn needs(&self) -> &'static [&'static str] {
        &["registry"]
    }

    fn load(&self, context: &AppContext) -> Result<()> {
        let bus = need(context, &EventBus::KEY)?;
        let logger = need(context, &LOGGER)?;
        let news = Arc::new(SupervisorNews { bus: (*bus).clone(), logger: (*logger).clone() });
        let supervisor = Arc::new(Supervisor::spawn(self.scheduler.clock().clone(), news)?);
        let registry = need(context, &REGISTRY)?;
        let roster = Roster::new(supervisor.clone(), &registry, logger.named("supervisor"));
        let roster = Arc::new(roster);
        registry.register_observer("**", roster.clone());
        context.attach(&SUPERVISOR, supervisor);
        context.attach(&Roster::KEY, roster);
        Ok(())
    }

    fn start(&self, context: &AppContext) -> Result<()> {
        need(context, &Roster::KEY)?.listen(&*need(context, &EventBus::KEY)?)
    }
}

/// Turns changes of services into events and log lines.
struct SupervisorNews {
    bus: EventBus,
    logger: Logger,
}

impl supervisor::Observer for SupervisorNews {
    fn changed(&self, update: &supervisor::Update) {
        if let Some(level) = supervisor::log_level(update) {
            let level = match level {
                supervisor::LogLevel::Info => Level::Info,
                supervisor::LogLevel::Warn => Level::Warn,
                supervisor::LogLevel::Error => Level::Error,
            };
            let message = format!("service {} is {}", update.id, update.status.as_str());
            let mut fields = Map::new();
            if !update.details.is_none() {
                fields.insert("details".into(), update.details.to_string().into());
            }
            self.logger.log(level, "supervisor", &message, &fields);
        }
        if !self.bus.is_heard() {
            return;
        }
        let seconds = |nanos: i64| Value::Int(nanos / 1_000_000_000);
        let data = Value::from([
            ("status", update.status.as_str().into()),
            ("desired", update.desired.as_str().into()),
            ("details", update.details.to_value()),
            ("retry_count", Value::Int(i64::from(update.retry_count))),
            ("last_update", seconds(update.last_update)),
            ("started_at", seconds(update.started_at)),
        ]);
        let path = update.id.to_string();
        self.bus.send(Event::new("supervisor", "service.update", &path, data.clone()));
        if update.status != update.previous {
            let kind = format!("state.{}", update.status.as_str());
            self.bus.send(Event::new("supervisor", &kind, &path, data));
        }
    }
}

struct TopologyComponent;

component!(TopologyComponent, "topology", ["supervisor"], |_, context| {
    let table = need(context, &TABLE)?;
    context.attach(&TOPOLOGY, Arc::new(Topology::new(table)));
    Ok(())
});

struct LifecycleComponent;

component!(LifecycleComponent, "lifecycle", ["topology"], |_, context| {
    let bus = need(context, &EventBus::KEY)?;
    let lifecycle = Lifecycle::default();
    lifecycle.register("topology", Arc::new(ProcessEvents { bus: (*bus).clone() }));
    context.attach(&LIFECYCLE, Arc::new(lifecycle));
    Ok(())
});

/// Publishes `process` `started` and `stopped`.
struct ProcessEvents {
    bus: EventBus,
}

impl ProcessEvents {
    fn send(&self, kind: &str, process: &Started<'_>, extra: Option<(&str, String)>) {
        let mut data = Map::new();
        data.insert("id".into(), process.source.to_string().into());
        data.insert("host".into(), process.pid.host().as_str().into());
        if let Some((name, text)) = extra {
            data.insert(name.into(), text.into());
        }
        let path = process.pid.to_string();
        self.bus.send(Event::new("process", kind, &path, Value::Map(data)));
    }
}

impl Handler for ProcessEvents {
    fn on_start(&self, process: &Started<'_>) -> Result<()> {
        if self.bus.is_heard() {
            let parent = process.parent;
            let parent = (!parent.is_none()).then(|| ("parent", parent.to_string()));
            self.send("started", process, parent);
        }
        Ok(())
    }

    fn on_complete(&self, process: &Started<'_>, exit: &Exit) {
        if self.bus.is_heard() {
            let error = exit.outcome.error().map(|error| ("error", error.to_string()));
            self.send("stopped", process, error);
        }
    }
}

struct FactoryComponent;

component!(FactoryComponent, "factory", ["lifecycle"], |_, context| {
    let factory = Arc::new(Factory::default());
    factory.serve(&*need(context, &EventBus::KEY)?)?;
    context.attach(&FACTORY, factory);
    Ok(())
});

struct FunctionsComponent;

component!(FunctionsComponent, "functions", ["factory"], |_, context| {
    let functions = Arc::new(Functions::default());
    functions.serve(&*need(context, &EventBus::KEY)?)?;
    context.attach(&Functions::KEY, functions);
    Ok(())
});

struct SecurityComponent;

component!(SecurityComponent, "security", ["registry"], |_, context| {
    let strict = need(context, &CONFIG)?.get_bool("security.strict_mode").unwrap_or(false);
    let security = Arc::new(Security::new(strict));
    let registry = need(context, &REGISTRY)?;
    let listener =
        PolicyListener { security: security.clone(), registry: Arc::downgrade(&registry) };
    registry.register_listener("security.policy", Arc::new(listener));
    context.attach(&Security::KEY, security);
    Ok(())
});

struct EngineComponent {
    scheduler: Handle,
    blocking: Arc<Pool>,
    changes: Arc<Pool>,
    expansion: Option<Arc<dyn Expansion>>,
}

component!(EngineComponent, "engine", ["functions", "security"], |this, context| {
    let kernel = Arc::new(Kernel {
        pids: (*need(context, &PIDGEN)?).clone(),
        scheduler: this.scheduler.clone(),
        mailbox: need(context, &MAILBOX)?,
        topology: need(context, &TOPOLOGY)?,
        hosts: Arc::new(Hosts::default()),
        factory: need(context, &FACTORY)?,
        functions: need(context, &Functions::KEY)?,
        lifecycle: need(context, &LIFECYCLE)?,
        security: need(context, &Security::KEY)?,
        groups: Arc::default(),
        file_systems: Arc::default(),
        entry_files: Arc::new(LocalFiles),
        outdated: Arc::default(),
        bus: (*need(context, &EventBus::KEY)?).clone(),
        dispatcher: need(context, &Dispatcher::KEY)?,
        logger: (*need(context, &LOGGER)?).clone(),
        tuning: Tuning::default(),
        transcoder: *need(context, &Transcoder::KEY)?,
        registry: Arc::downgrade(&need(context, &REGISTRY)?),
        blocking: this.blocking.clone(),
        changes: this.changes.clone(),
        spawner: OnceLock::new(),
        control: OnceLock::new(),
        terminal: OnceLock::new(),
    });
    let pool = open_pool(&kernel);
    let registry = need(context, &REGISTRY)?;
    let listener = GroupScopeListener { kernel: kernel.clone() };
    registry.register_listener("pg.scope", Arc::new(listener));
    let listener = DirectoryListener { kernel: kernel.clone(), expansion: this.expansion.clone() };
    registry.register_listener("fs.directory", Arc::new(listener));
    let strict = is_type_checked(&*need(context, &CONFIG)?);
    kinds::register(&registry, &kernel, strict);
    context.attach(&Kernel::KEY, kernel);
    context.attach(&POOL, pool);
    Ok(())
});

/// Are entries with type errors to be refused?
fn is_type_checked(config: &Config) -> bool {
    let is_on = |key| config.get_bool(key) == Some(true);
    is_on("lua.type_system.enabled") && is_on("lua.type_system.strict")
}

/// The pool of VMs of a kernel, which spawns through it from now on.
pub fn open_pool(kernel: &Arc<Kernel>) -> Arc<VmPool> {
    let pool = VmPool::new(kernel.clone());
    let spawner: Arc<dyn Spawner> = pool.clone();
    let spawner: Weak<dyn Spawner> = Arc::downgrade(&spawner);
    // A kernel gets its spawner once, here.
    let _ = kernel.spawner.set(spawner);
    pool
}

struct HostsComponent;

component!(HostsComponent, "hosts", ["engine"], |_, context| {
    let listener = Arc::new(HostListener {
        kernel: need(context, &Kernel::KEY)?,
        roster: need(context, &Roster::KEY)?,
    });
    let registry = need(context, &REGISTRY)?;
    registry.register_listener("process.host", listener.clone());
    registry.register_listener("terminal.host", listener);
    Ok(())
});

struct ServicesComponent;

component!(ServicesComponent, "services", ["hosts"], |_, context| {
    let (kernel, roster) = (need(context, &Kernel::KEY)?, need(context, &Roster::KEY)?);
    let listener = Arc::new(ProcessServiceListener::new(kernel, roster));
    need(context, &REGISTRY)?.register_listener("process.service", listener);
    Ok(())
});
