//! Phase 1 of the boot: what has to be there before any component loads.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::app::endpoint;
use crate::core::blocking::Pool;
use crate::core::expansion::Expansion;
use crate::core::pid::{HostId, NodeId};
use crate::core::process::ProcessTable;
use crate::core::relay::node::Host;
use crate::core::relay::router::NoRoute;
use crate::core::relay::{self, Mailbox, Peers, Router, Sinks, arrivals};
use crate::core::scheduler::{Options as SchedulerOptions, Scheduler};
use crate::infra::app_context::{AppContext, Key};
use crate::infra::clock::Clock;
use crate::infra::config::Config;
use crate::infra::error::{Error, Result};
use crate::infra::event_bus::EventBus;
use crate::infra::logger::Logger;
use crate::infra::transcoder::Transcoder;

/// Packages one lane of the mailbox may hold, unless configured.
pub const LANE_MAX: usize = 1024;

/// How the infrastructure is set up.
pub struct Options {
    pub scheduler: SchedulerOptions,
    /// `local` for a node without a name.
    pub node_name: String,
    pub lane_max: usize,
    pub logger: Logger,
    pub clock: Clock,
    /// For components that have settings of their own.
    pub config: Arc<Config>,
    /// Where relative paths in the settings start; empty: at the working directory.
    pub dir: PathBuf,
    /// What the registry asks for modules; None: dependencies are entries like others.
    pub expansion: Option<Arc<dyn Expansion>>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            scheduler: SchedulerOptions::default(),
            node_name: "local".into(),
            lane_max: LANE_MAX,
            logger: Logger::silent(),
            clock: Clock::real(),
            config: Arc::default(),
            dir: PathBuf::new(),
            expansion: None,
        }
    }
}

/// Threads for work of processes that blocks.
const BLOCKING_THREADS: usize = 4;
/// How long the end waits for such work, which nobody wants any more.
const BLOCKING_PATIENCE: Duration = Duration::from_secs(1);

/// Settings, event bus, transcoder, logger, scheduler, relay and threads for work that blocks, attached to a
/// context of their own.
pub struct Infrastructure {
    pub context: AppContext,
    pub bus: EventBus,
    pub logger: Logger,
    pub relay: Arc<relay::Node>,
    pub scheduler: Scheduler,
    pub blocking: Arc<Pool>,
    pub changes: Arc<Pool>,
    pub node_name: String,
    pub dir: PathBuf,
    pub expansion: Option<Arc<dyn Expansion>>,
}

pub const CONFIG: Key<Config> = Key::new("config");
pub const LOGGER: Key<Logger> = Key::new("logger");
pub const TABLE: Key<ProcessTable> = Key::new("process_table");
pub const RELAY: Key<relay::Node> = Key::new("relay");
pub const PEERS: Key<Peers> = Key::new("peers");
pub const MAILBOX: Key<Mailbox> = Key::new("mailbox");

impl Infrastructure {
    /// Starts the workers and the event bus. Nothing runs on them yet.
    pub fn start(options: Options) -> Result<Infrastructure> {
        let context = AppContext::new();
        let failed = |cause| Error::internal("failed to start runtime services").with_source(cause);
        let bus = EventBus::start().map_err(failed)?;
        let scheduler = Scheduler::start(options.scheduler, options.clock)
            .inspect_err(|_| bus.stop())
            .map_err(failed)?;
        let handle = scheduler.handle().clone();
        let table = Arc::new(ProcessTable::new());
        let node = match options.node_name.as_str() {
            "" | "local" => NodeId::LOCAL,
            name => NodeId::intern(name),
        };
        let relay = Arc::new(relay::Node::new(node, table.clone(), handle.clone()));
        endpoint::attach_host(&relay)?;
        let peers = Peers::new(node);
        let router = Router::new(relay.clone(), Box::new(peers.clone()), Box::new(NoRoute));
        let mailbox = Mailbox::new(router, handle.workers(), options.lane_max);
        arrivals::serve(&bus, &relay, &peers).map_err(failed)?;
        // Addresses of parts of the runtime, for who has some.
        relay.attach_host(HostId::intern("node:control"), Host::Sinks(Sinks::default()))?;
        context.attach(&CONFIG, options.config);
        context.attach(&EventBus::KEY, Arc::new(bus.clone()));
        context.attach(&LOGGER, Arc::new(options.logger.clone()));
        context.attach(&Transcoder::KEY, Arc::new(Transcoder::new()));
        context.attach(&TABLE, table);
        context.attach(&RELAY, relay.clone());
        context.attach(&MAILBOX, mailbox);
        context.attach(&PEERS, Arc::new(peers));
        Ok(Infrastructure {
            context,
            bus,
            logger: options.logger,
            relay,
            scheduler,
            blocking: Arc::new(Pool::new("wippy-blocking", BLOCKING_THREADS)),
            changes: Arc::new(Pool::new("wippy-changes", 1)),
            node_name: options.node_name,
            dir: options.dir,
            expansion: options.expansion,
        })
    }

    /// The last to go: workers first, so that nobody sends any more.
    pub fn stop(&mut self) {
        self.relay.close();
        self.scheduler.stop();
        self.changes.close(BLOCKING_PATIENCE);
        self.blocking.close(BLOCKING_PATIENCE);
        self.bus.stop();
    }

    /// Frees the VMs of processes that still live, and those that were about to run: they hold
    /// everything. After the stop.
    pub fn clear(&self) {
        self.relay.table().clear();
        self.scheduler.clear();
    }
}
