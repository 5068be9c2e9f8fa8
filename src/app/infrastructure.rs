//! Phase 1 of the boot: what has to be there before any component loads.

use std::sync::Arc;

use crate::core::pid::NodeId;
use crate::core::process::ProcessTable;
use crate::core::relay::router::NoRoute;
use crate::core::relay::{self, Mailbox, Router};
use crate::core::scheduler::{Options as SchedulerOptions, Scheduler};
use crate::infra::app_context::{AppContext, Key};
use crate::infra::clock::Clock;
use crate::infra::config::Config;
use crate::infra::error::Result;
use crate::infra::event_bus::EventBus;
use crate::infra::logger::Logger;

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
        }
    }
}

/// Settings, event bus, logger, scheduler and relay, attached to a context of their own.
pub struct Infrastructure {
    pub context: AppContext,
    pub bus: EventBus,
    pub logger: Logger,
    pub relay: Arc<relay::Node>,
    pub scheduler: Scheduler,
    pub node_name: String,
}

pub const CONFIG: Key<Config> = Key::new("config");
pub const LOGGER: Key<Logger> = Key::new("logger");
pub const TABLE: Key<ProcessTable> = Key::new("process_table");
pub const RELAY: Key<relay::Node> = Key::new("relay");
pub const MAILBOX: Key<Mailbox> = Key::new("mailbox");

impl Infrastructure {
    /// Starts the workers and the event bus. Nothing runs on them yet.
    pub fn start(options: Options) -> Result<Infrastructure> {
        let context = AppContext::new();
        let bus = EventBus::start()?;
        let scheduler = Scheduler::start(options.scheduler, options.clock)?;
        let handle = scheduler.handle().clone();
        let table = Arc::new(ProcessTable::new());
        let node = match options.node_name.as_str() {
            "" | "local" => NodeId::LOCAL,
            name => NodeId::intern(name),
        };
        let relay = Arc::new(relay::Node::new(node, table.clone(), handle.clone()));
        let router = Router::new(relay.clone(), Box::new(NoRoute), Box::new(NoRoute));
        let mailbox = Arc::new(Mailbox::new(router, handle.workers(), options.lane_max));
        context.attach(&CONFIG, options.config);
        context.attach(&EventBus::KEY, Arc::new(bus.clone()));
        context.attach(&LOGGER, Arc::new(options.logger.clone()));
        context.attach(&TABLE, table);
        context.attach(&RELAY, relay.clone());
        context.attach(&MAILBOX, mailbox);
        Ok(Infrastructure {
            context,
            bus,
            logger: options.logger,
            relay,
            scheduler,
            node_name: options.node_name,
        })
    }

    /// The last to go: workers first, so that nobody sends any more.
    pub fn stop(&mut self) {
        self.relay.close();
        self.scheduler.stop();
        self.bus.stop();
    }
}
