//! Boot in four phases, and shutdown in the reverse order.
//!
//! 1. Infrastructure: [`infrastructure`](crate::app::infrastructure).
//! 2. Components load, level by level: [`components`].
//! 3. Activation: dispatcher frozen, context sealed, components started.
//! 4. Entries: through the pipeline into the registry; then services marked `auto_start` start.
//!
//! A failure on the way stops what has been started, in reverse order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::app::alarm::Alarm;
use crate::app::components::{self, POOL, REGISTRY, SUPERVISOR};
use crate::app::infrastructure::{Infrastructure, Options};
use crate::app::log_events;
use crate::core::dispatcher::Dispatcher;
use crate::core::registry::{Entry, EntryId, Registry};
use crate::infra::app_context::{AppContext, Key};
use crate::infra::component::{Loader, Step};
use crate::infra::error::{Error, Result};
use crate::infra::logger::Logger;
use crate::infra::transcoder::Value;
use crate::runtime::pool::VmPool;
use crate::system::finder::Finder;
use crate::system::kernel::{Control, Kernel};
use crate::system::roster::Roster;
use crate::system::supervisor::Supervisor;

/// How long a change of the registry may take beyond the end of a stop.
const CLOSE_PATIENCE: Duration = Duration::from_millis(100);

/// A running system.
pub struct System {
    infrastructure: Infrastructure,
    loader: Loader,
    pub kernel: Arc<Kernel>,
    pub registry: Arc<Registry>,
    pub finder: Arc<Finder>,
    pub supervisor: Arc<Supervisor>,
    /// For calls from outside.
    pub alarm: Alarm,
    roster: Arc<Roster>,
    pool: Arc<VmPool>,
}

/// Told now and then what a stop waits for: the service, how long it may still take, how long in
/// all.
pub type Progress<'a> = dyn FnMut(&[(EntryId, Duration, Duration)]) + 'a;

impl System {
    /// Phases 1 to 3.
    pub fn boot(options: Options) -> Result<System> {
        let began = Instant::now();
        let mut infrastructure = Infrastructure::start(options)?;
        log_events::stream(&infrastructure.logger, infrastructure.bus.clone());
        log_events::configure(&infrastructure.logger, &infrastructure.bus)?;
        let logger = infrastructure.logger.named("boot");
        phase(&logger, "infrastructure", began.elapsed());
        if infrastructure.scheduler.unpinned() > 0 {
            logger.warn("workers could not be pinned to cores", []);
        }
        match activate(&infrastructure, &logger) {
            Ok((loader, parts)) => Ok(System {
                kernel: parts.kernel,
                registry: parts.registry,
                finder: parts.finder,
                supervisor: parts.supervisor,
                roster: parts.roster,
                pool: parts.pool,
                alarm: Alarm::default(),
                infrastructure,
                loader,
            }),
            Err(error) => {
                infrastructure.stop();
                Err(error)
            }
        }
    }

    /// What `system.exit` does; `exit` must not block. Before the entries are loaded.
    pub fn on_exit(&self, exit: impl Fn(i32) + Send + Sync + 'static) {
        let supervisor = Arc::downgrade(&self.supervisor);
        // Nobody else sets it.
        let _ = self.kernel.control.set(Control { supervisor, exit: Box::new(exit) });
    }

    /// Phase 4: the entries become the registry's baseline; with that `auto_start` services begin to
    /// start.
    pub fn load(&self, entries: Vec<Entry>) -> Result<()> {
        let began = Instant::now();
        let logger = self.infrastructure.logger.named("boot");
        let n_entries = entries.len() as i64;
        for id in self.registry.load(entries)? {
            logger.warn(
                "entry defined more than once, the last wins",
                [("entry", id.to_string().into())],
            );
        }
        logger.debug("entries loaded", [("entries", Value::Int(n_entries))]);
        phase(&logger, "entries", began.elapsed());
        Ok(())
    }

    /// Stops services, components and infrastructure. What is not done within `timeout` is left, with
    /// a warning. `progress` is called once a second while services stop.
    ///
    /// What processes that still live hold is left to the end of the program.
    pub fn shut_down(mut self, timeout: Duration, progress: &mut Progress<'_>) {
        let began = Instant::now();
        self.stop_services(timeout, progress);
        self.finish(timeout.saturating_sub(began.elapsed()));
    }

    /// The first part of a shutdown: services stop, and processes with their hosts.
    pub fn stop_services(&self, timeout: Duration, progress: &mut Progress<'_>) {
        let began = Instant::now();
        let logger = self.infrastructure.logger.named("shutdown");
        let stopping = self.roster.stop_all();
        loop {
            let left = timeout.saturating_sub(began.elapsed());
            if left.is_zero() {
                logger.warn("shutdown timeout, remaining work is abandoned", []);
                break;
            }
            match stopping.wait_for(left.min(Duration::from_secs(1))) {
                Some(outcome) => {
                    for (id, error) in outcome.failed {
                        let fields = [
                            ("service", id.to_string().into()),
                            ("error", error.to_string().into()),
                        ];
                        logger.debug("service did not stop cleanly", fields);
                    }
                    break;
                }
                None => progress(&self.supervisor.waiting_for()),
            }
        }
    }

    /// The second part: components and infrastructure stop, nothing runs any more. A change of the
    /// registry that is under way gets `patience`, and a moment at least.
    pub fn finish(&mut self, patience: Duration) {
        let began = Instant::now();
        let logger = self.infrastructure.logger.named("shutdown");
        let observe = |step| log_step(&logger, step);
        for error in self.loader.stop(&self.infrastructure.context, &observe) {
            logger.error("component did not stop", [("error", error.to_string().into())]);
        }
        self.alarm.close();
        // While the workers still run: whoever waits for a slot hears that there will be none.
        self.kernel.functions.close();
        self.infrastructure.stop();
        self.pool.close();
        let left = patience.saturating_sub(began.elapsed());
        if let Err(error) = self.registry.close(left.max(CLOSE_PATIENCE)) {
            logger.warn("registry was not closed", [("error", error.to_string().into())]);
        }
    }

    /// Frees what is left, processes that still live among it. After [`System::finish`].
    pub fn clear(self) {
        // First, or the end of each call would let the next one in.
        self.kernel.functions.clear();
        self.infrastructure.clear();
    }

    pub fn context(&self) -> &AppContext {
        &self.infrastructure.context
    }
}

struct Parts {
    kernel: Arc<Kernel>,
    registry: Arc<Registry>,
    finder: Arc<Finder>,
    supervisor: Arc<Supervisor>,
    roster: Arc<Roster>,
    pool: Arc<VmPool>,
}

/// Phases 2 and 3.
fn activate(infrastructure: &Infrastructure, logger: &Logger) -> Result<(Loader, Parts)> {
    let context = &infrastructure.context;
    let observe = |step| log_step(logger, step);
    let began = Instant::now();
    let loader = Loader::new(components::all(infrastructure))?;
    loader.load(context, &observe)?;
    phase(logger, "components", began.elapsed());

    let began = Instant::now();
    let dispatcher = part(context, &Dispatcher::KEY)?;
    dispatcher.freeze();
    context.seal();
    loader.start(context, &observe)?;
    phase(logger, "activation", began.elapsed());
    let parts = Parts {
        kernel: part(context, &Kernel::KEY)?,
        registry: part(context, &REGISTRY)?,
        finder: part(context, &Finder::KEY)?,
        supervisor: part(context, &SUPERVISOR)?,
        roster: part(context, &Roster::KEY)?,
        pool: part(context, &POOL)?,
    };
    Ok((loader, parts))
}

fn part<T: Send + Sync + 'static>(context: &AppContext, key: &Key<T>) -> Result<Arc<T>> {
    context.get(key).ok_or_else(|| Error::internal(format!("{} was not loaded", key.name())))
}

fn phase(logger: &Logger, name: &str, took: Duration) {
    logger.debug("boot phase done", [("phase", name.into()), ("took", text(took))]);
}

fn text(took: Duration) -> Value {
    format!("{took:.1?}").into()
}

fn log_step(logger: &Logger, step: Step) {
    match step {
        Step::Loaded { name, level, took } => logger.debug(
            "component loaded",
            [("component", name.into()), ("level", Value::Int(level as i64)), ("took", text(took))],
        ),
        Step::Level { level, components, took } => logger.debug(
            "level loaded",
            [
                ("level", Value::Int(level as i64)),
                ("components", Value::Int(components as i64)),
                ("took", text(took)),
            ],
        ),
        Step::Started { name, took } => {
            logger.debug("component started", [("component", name.into()), ("took", text(took))])
        }
        Step::Stopped { name, took } => {
            logger.debug("component stopped", [("component", name.into()), ("took", text(took))])
        }
    }
}
