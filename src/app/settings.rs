//! The settings that concern the runtime as a whole, read from a [`Config`].
//!
//! | Key | Unset |
//! |---|---|
//! | `scheduler.workers` | a worker for each core |
//! | `relay.node_name` | `WIPPY_NODE_ID`, `WIPPY_RELAY_NODE_NAME` of the environment, `local` |
//! | `supervisor.host.buffer_size` | [`LANE_MAX`] |
//! | `logmanager.min_level` | info; debug only for those who ask otherwise |
//! | `logmanager.propagate_downstream` | true |
//! | `logmanager.stream_to_events` | false |
//! | `shutdown.timeout` | 30s |

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::app::infrastructure::{LANE_MAX, Options};
use crate::core::scheduler::Options as SchedulerOptions;
use crate::infra::clock::Clock;
use crate::infra::config::Config;
use crate::infra::duration;
use crate::infra::logger::{Level, Logger, Settings};

/// How long services may take to stop unless configured.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(30);

/// What phase 1 of the boot is told. `workers` wins over the setting; relative paths in the settings
/// start at `dir`.
pub fn options(config: &Config, workers: Option<usize>, dir: PathBuf, logger: &Logger) -> Options {
    let defaults = SchedulerOptions::default();
    let configured = config.get_int("scheduler.workers").and_then(|n| usize::try_from(n).ok());
    let workers = workers.or(configured.filter(|n| *n > 0)).unwrap_or(defaults.workers);
    let lane_max = config.get_int("supervisor.host.buffer_size");
    let node_name = config
        .get_str("relay.node_name")
        .map(str::to_owned)
        .or_else(|| std::env::var("WIPPY_NODE_ID").ok())
        .or_else(|| std::env::var("WIPPY_RELAY_NODE_NAME").ok())
        .unwrap_or_default();
    Options {
        scheduler: SchedulerOptions { workers, ..defaults },
        node_name,
        lane_max: lane_max.and_then(|n| usize::try_from(n).ok()).unwrap_or(LANE_MAX),
        logger: logger.clone(),
        clock: Clock::real(),
        config: Arc::new(config.clone()),
        dir,
        expansion: None,
    }
}

/// The log's settings, without debug lines and stack traces.
pub fn log(config: &Config) -> Settings {
    let configured = config.get_int("logmanager.min_level").and_then(Level::from_number);
    Settings {
        min_level: configured.filter(|level| *level > Level::Debug).unwrap_or(Level::Info),
        stack_traces: false,
        propagate_downstream: config.get_bool("logmanager.propagate_downstream").unwrap_or(true),
        stream_to_events: config.get_bool("logmanager.stream_to_events").unwrap_or(false),
    }
}

/// How long services may take to stop.
pub fn shutdown_timeout(config: &Config) -> Duration {
    let text = config.get_str("shutdown.timeout");
    let nanos =
        text.and_then(|text| duration::parse(text).ok()).and_then(|n| u64::try_from(n).ok());
    nanos.map_or(SHUTDOWN_TIMEOUT, Duration::from_nanos)
}
