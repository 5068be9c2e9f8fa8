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
use crate::infra::event_bus::request::{self, HOSTS, Request};
use crate::infra::event_bus::{EventBus, Part};
use crate::infra::size;
use crate::infra::transcoder::Value;
use crate::system::host::{Host, HostKind};
use crate::system::kernel::Kernel;
use crate::system::roster::Roster;
use crate::system::supervisor::{LifecycleOptions, Service, ServiceEvents};

/// The lifecycle options of an entry.
pub fn lifecycle(entry: &Entry) -> Result<LifecycleOptions> {
    let lifecycle = entry.data.get("lifecycle").cloned().unwrap_or_default();
    LifecycleOptions::decode(&lifecycle, entry.id.ns(), duration::parse)
}

/// Takes the entries of both kinds of hosts.
pub struct HostListener {
    pub kernel: Arc<Kernel>,
    pub roster: Arc<Roster>,
}

impl Listener for HostListener {
    fn add(&self, entry: &Entry) -> Result<()> {
        let settings = decode(entry)?;
        let options = lifecycle(entry)?;
        let host = Host::new(host_id(entry), kind(entry), settings.isolated);
        let host = Arc::new(host.with_memory_limit(settings.memory_limit));
        let kernel = self.kernel.clone();
        let service = Arc::new(HostService { host: host.clone(), kernel });
        let hosts = self.kernel.hosts.clone();
        // Before it runs, so that a spawn says "not running" rather than "not found".
        self.kernel.put_off(Box::new(move || hosts.insert(host)))?;
        self.roster.enrol(entry.id.clone(), service, options)
    }

    /// In place: its processes go on. What cannot change that way is refused.
    fn update(&self, old: &Entry, new: &Entry) -> Result<()> {
        let (before, after) = (decode(old)?, decode(new)?);
        if lifecycle(old)? != lifecycle(new)? {
            return Err(Error::invalid("lifecycle of a host cannot be changed while it is there"));
        }
        if before.queue_sizes != after.queue_sizes {
            return Err(Error::invalid(
                "queue sizes of a host cannot be changed while it is there",
            ));
        }
        let (hosts, id) = (self.kernel.hosts.clone(), host_id(new));
        let configure = move || {
            if let Ok(host) = hosts.get(id.as_str()) {
                host.configure(after.isolated, after.memory_limit);
            }
        };
        self.kernel.put_off(Box::new(configure))
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        let (hosts, id) = (self.kernel.hosts.clone(), host_id(entry));
        self.kernel.put_off(Box::new(move || hosts.remove(id)))?;
        self.roster.withdraw(&entry.id)
    }
}

fn host_id(entry: &Entry) -> HostId {
    HostId::intern(&entry.id.to_string())
}

fn kind(entry: &Entry) -> HostKind {
    match entry.kind.as_str() {
        "terminal.host" => HostKind::Terminal,
        _ => HostKind::Processes,
    }
}

/// What an entry of either kind says, besides its lifecycle.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Settings {
    isolated: bool,
    /// In bytes.
    memory_limit: Option<usize>,
    /// Hints, like the number of workers, that this runtime does not need: its workers serve all
    /// hosts, its queues grow.
    queue_sizes: [Option<i64>; 2],
}

fn decode(entry: &Entry) -> Result<Settings> {
    if entry.data.is_nil() {
        return Ok(Settings::default());
    }
    let fields = Fields::new(entry)?;
    if kind(entry) == HostKind::Terminal {
        fields.opt_bool("hide_logs")?;
        return Ok(Settings::default());
    }
    for field in ["memory_limit", "isolated"] {
        // Other strange fields are ignored; these are there because somebody relies on them.
        if fields.value(field).is_some() {
            return Err(fields.error(field, "belongs into the field host"));
        }
    }
    let Some(host) = fields.opt_fields("host")? else { return Ok(Settings::default()) };
    let hint = |field: &str, what: &str| match host.opt_int(field)? {
        Some(n) if n < 0 => Err(Error::invalid(format!("{what} must be greater than 0"))),
        n => Ok(n.filter(|&n| n > 0)),
    };
    hint("workers", "workers")?;
    let queue_sizes =
        [hint("queue_size", "queue size")?, hint("local_queue_size", "local queue size")?];
    let limit = match host.value("memory_limit") {
        None | Some(Value::Nil | Value::Int(0)) => None,
        Some(Value::Int(bytes)) => Some(usize::try_from(*bytes).ok()),
        Some(Value::Str(text)) => Some(size::parse(text).and_then(|n| usize::try_from(n).ok())),
        Some(_) => Some(None),
    };
    let limit = limit
        .map(|read| read.ok_or_else(|| Error::invalid("memory limit is not a size, such as 64M")));
    let isolated = host.opt_bool("isolated")?.unwrap_or(false);
    Ok(Settings { isolated, memory_limit: limit.transpose()?, queue_sizes })
}

/// A host as the supervisor runs it.
struct HostService {
    host: Arc<Host>,
    kernel: Arc<Kernel>,
}

impl HostService {
    /// Packages find it no more.
    fn detach(bus: &EventBus, id: HostId, done: impl FnOnce(Result<()>) + Send + 'static) {
        request::ask_then(bus, HOSTS, Request::Delete(id.as_str().to_owned()), done);
    }
}

impl Service for HostService {
    fn start(&self, events: ServiceEvents) -> Result<()> {
        let (host, part) = (self.host.clone(), Part::new(relay::node::Host::Processes));
        let request = Request::Register(host.id.as_str().to_owned(), part);
        request::ask_then(&self.kernel.bus, HOSTS, request, move |outcome| match outcome {
            Ok(()) => {
                host.run();
                events.started();
            }
            Err(error) => events.start_failed(error),
        });
        Ok(())
    }

    /// No new processes; those that live are asked to end, and are waited for.
    fn stop(&self, events: ServiceEvents, _limit: Duration) {
        let (bus, id) = (self.kernel.bus.clone(), self.host.id);
        self.host.stop(Box::new(move || {
            // Gone or not: nobody is left there.
            HostService::detach(&bus, id, move |_| events.stopped());
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
        HostService::detach(&self.kernel.bus, self.host.id, drop);
        self.host.stopped();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::EntryId;

    fn entry(host: &[(&str, Value)]) -> Entry {
        let host = host.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Entry {
            id: EntryId::parse("app:host"),
            kind: "process.host".into(),
            meta: Default::default(),
            data: Value::from([("host", Value::Map(host))]),
        }
    }

    #[track_caller]
    fn check(host: &[(&str, Value)], settings: Settings) {
        assert_eq!(decode(&entry(host)), Ok(settings));
    }

    #[test]
    fn settings_are_decoded() {
        let usual = Settings::default();
        check(&[], usual.clone());
        check(&[("max_processes", Value::Int(7)), ("workers", Value::Int(0))], usual.clone());
        check(&[("isolated", Value::Bool(true))], Settings { isolated: true, ..usual.clone() });
        let queue_sizes = [Some(9), None];
        check(&[("queue_size", Value::Int(9))], Settings { queue_sizes, ..usual.clone() });
        for (size, bytes) in [(Value::from("2M"), 2 << 20), (Value::Int(4096), 4096)] {
            check(
                &[("memory_limit", size)],
                Settings { memory_limit: Some(bytes), ..usual.clone() },
            );
        }
        check(&[("memory_limit", Value::Int(0))], usual);
    }

    #[test]
    fn bad_settings_are_refused() {
        for (field, value, message) in [
            ("workers", Value::Int(-1), "workers must be greater than 0"),
            ("queue_size", Value::Int(-1), "queue size must be greater than 0"),
            ("local_queue_size", Value::Int(-1), "local queue size must be greater than 0"),
            ("memory_limit", Value::from("lots"), "memory limit is not a size, such as 64M"),
        ] {
            let error = decode(&entry(&[(field, value)])).expect_err("refused");
            assert_eq!((error.kind(), error.message()), (&Kind::Invalid, message));
        }
        let mut misplaced = entry(&[]);
        misplaced.data = Value::from([("memory_limit", Value::from("64M"))]);
        let error = decode(&misplaced).expect_err("refused");
        assert_eq!(error.message(), "field memory_limit belongs into the field host");
    }
}
