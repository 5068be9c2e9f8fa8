//! `process.host` and `terminal.host`: where processes live.

use std::sync::Arc;
use std::time::Duration;

use crate::core::pid::{HostId, Pid};
use crate::core::registry::Entry;
use crate::core::registry::decode::Fields;
use crate::core::registry::listener::Listener;
use crate::core::relay;
use crate::infra::duration;
use crate::infra::error::{Error, Kind, Result};
use crate::infra::size;
use crate::infra::transcoder::Value;
use crate::system::host::{Host, HostKind};
use crate::system::kernel::Kernel;
use crate::system::supervisor::{LifecycleOptions, Service, ServiceEvents, Supervisor};

/// The lifecycle options of an entry.
pub fn lifecycle(entry: &Entry) -> Result<LifecycleOptions> {
    let lifecycle = entry.data.get("lifecycle").cloned().unwrap_or_default();
    LifecycleOptions::decode(&lifecycle, entry.id.ns(), duration::parse)
}

/// Takes the entries of both kinds of hosts.
pub struct HostListener {
    pub kernel: Arc<Kernel>,
    pub relay: Arc<relay::Node>,
    pub supervisor: Arc<Supervisor>,
}

impl Listener for HostListener {
    fn add(&self, entry: &Entry) -> Result<()> {
        let kind = match entry.kind.as_str() {
            "terminal.host" => HostKind::Terminal,
            _ => HostKind::Processes,
        };
        let Settings { isolated, memory_limit, .. } = match (kind, entry.data.is_nil()) {
            (HostKind::Processes, false) => decode_host(entry)?,
            (HostKind::Terminal, false) => {
                Fields::new(entry)?.opt_bool("hide_logs")?;
                Settings::default()
            }
            (_, true) => Settings::default(),
        };
        let options = lifecycle(entry)?;
        let host = Host::new(HostId::intern(&entry.id.to_string()), kind, isolated);
        let host = Arc::new(host.with_memory_limit(memory_limit));
        let service = Arc::new(HostService {
            host: host.clone(),
            kernel: self.kernel.clone(),
            relay: self.relay.clone(),
        });
        // Known from now on, so that a spawn says "not running" rather than "not found".
        self.kernel.hosts.insert(host);
        self.supervisor.register(entry.id.clone(), service, options, Vec::new());
        Ok(())
    }

    /// A host of processes keeps them: what can change applies to those to come.
    fn update(&self, old: &Entry, new: &Entry) -> Result<()> {
        if new.kind != "process.host" || old.kind != new.kind {
            self.delete(old)?;
            return self.add(new);
        }
        let read = |entry: &Entry| match entry.data.is_nil() {
            true => Ok(Settings::default()),
            false => decode_host(entry),
        };
        let (before, after) = (read(old)?, read(new)?);
        for (name, changed) in [
            ("host.queue_size", before.queue_size != after.queue_size),
            ("host.local_queue_size", before.local_queue_size != after.local_queue_size),
            ("lifecycle", lifecycle(old)? != lifecycle(new)?),
        ] {
            if changed {
                return Err(Error::invalid(format!("{name} of a live host cannot be changed")));
            }
        }
        let host = self.kernel.hosts.get(&new.id.to_string())?;
        let changed = host.changed(after.isolated, after.memory_limit);
        self.kernel.hosts.insert(Arc::new(changed));
        Ok(())
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        self.supervisor.remove(vec![entry.id.clone()]);
        self.kernel.hosts.remove(HostId::intern(&entry.id.to_string()));
        Ok(())
    }
}

/// The `host:` section.
#[derive(Clone, Debug, Default, PartialEq)]
struct Settings {
    /// Each process gets a VM to itself.
    isolated: bool,
    /// Bytes that each process may hold.
    memory_limit: Option<usize>,
    /// Not written is the same as 0.
    queue_size: i64,
    local_queue_size: i64,
}

/// Checks the `host:` section.
///
/// Sizes of queues and the number of workers are hints that this runtime does not need: its workers
/// serve all hosts, its queues grow.
fn decode_host(entry: &Entry) -> Result<Settings> {
    let Some(host) = Fields::new(entry)?.opt_fields("host")? else {
        return Ok(Settings::default());
    };
    let mut sizes = [0; 3];
    for (size, (field, what)) in sizes.iter_mut().zip([
        ("workers", "workers"),
        ("queue_size", "queue size"),
        ("local_queue_size", "local queue size"),
    ]) {
        *size = host.opt_int(field)?.unwrap_or(0);
        if *size < 0 {
            return Err(Error::invalid(format!("{what} must be greater than 0")));
        }
    }
    let limit = match host.value("memory_limit") {
        None | Some(Value::Nil | Value::Int(0)) => None,
        Some(Value::Int(bytes)) => Some(usize::try_from(*bytes).ok()),
        Some(Value::Str(text)) => Some(size::parse(text).and_then(|n| usize::try_from(n).ok())),
        Some(_) => Some(None),
    };
    let limit = limit.map(|read| read.ok_or_else(|| Error::invalid("memory limit is not a size")));
    let [_, queue_size, local_queue_size] = sizes;
    let isolated = host.opt_bool("isolated")?.unwrap_or(false);
    Ok(Settings { isolated, memory_limit: limit.transpose()?, queue_size, local_queue_size })
}

/// A host as the supervisor runs it.
struct HostService {
    host: Arc<Host>,
    kernel: Arc<Kernel>,
    relay: Arc<relay::Node>,
}

impl Service for HostService {
    fn start(&self, events: ServiceEvents) -> Result<()> {
        self.relay.attach_host(self.host.id, relay::node::Host::Processes)?;
        self.host.run();
        events.started();
        Ok(())
    }

    /// No new processes; those that live are asked to end, and are waited for.
    fn stop(&self, events: ServiceEvents, _limit: Duration) {
        let (relay, id) = (self.relay.clone(), self.host.id);
        self.host.stop(Box::new(move || {
            relay.detach_host(id);
            events.stopped();
        }));
        for pid in self.kernel.table().on_host(self.host.id) {
            // It may have ended meanwhile.
            let _ = self.kernel.cancel(Pid::NONE, pid, "scheduler shutdown");
        }
    }

    /// Whoever is left ends now.
    fn kill(&self) {
        for pid in self.kernel.table().on_host(self.host.id) {
            let error = Error::new(Kind::Canceled, "context canceled").with_retryable(None);
            let _ = self.kernel.kill(Pid::NONE, pid, error);
        }
        self.relay.detach_host(self.host.id);
        self.host.stopped();
    }
}
