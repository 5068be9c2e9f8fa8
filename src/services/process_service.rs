//! `process.service`: a process that the supervisor keeps running.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::core::pid::{HostId, NodeId, Pid};
use crate::core::registry::decode::Fields;
use crate::core::registry::listener::Listener;
use crate::core::registry::{Entry, EntryId};
use crate::core::relay::Exit;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;
use crate::infra::transcoder::wire::Wire;
use crate::services::host::lifecycle;
use crate::system::kernel::{Kernel, RootSpawn, terminated};
use crate::system::roster::Roster;
use crate::system::security::identity::Identity;
use crate::system::supervisor::{Service, ServiceEvents};

/// What an entry of this kind says.
#[derive(Clone, Debug, PartialEq)]
struct Settings {
    process: EntryId,
    host: EntryId,
    input: Vec<Value>,
}

fn decode(entry: &Entry) -> Result<Settings> {
    let fields = Fields::new(entry)?;
    let text = |name: &str| -> Result<&str> {
        let text = fields.opt_str(name)?.filter(|text| !text.is_empty());
        text.ok_or_else(|| Error::invalid(format!("{name} is required")))
    };
    let process = EntryId::parse_in(text("process")?, entry.id.ns());
    let host = text("host")?;
    let host_id = EntryId::parse(host);
    if !host_id.is_complete() || host == "node:control" {
        return Err(Error::invalid(format!("invalid host: {host}")));
    }
    let input = match fields.value("input") {
        None | Some(Value::Nil) => Vec::new(),
        Some(Value::List(items)) => items.clone(),
        Some(other) => {
            let reason = format!("must be a list, not {}", other.type_name());
            return Err(fields.error("input", reason));
        }
    };
    Ok(Settings { process, host: host_id, input })
}

/// As whom its processes act: `lifecycle.security`.
fn identity(entry: &Entry) -> Result<Option<Identity>> {
    let Some(lifecycle) = Fields::new(entry)?.opt_fields("lifecycle")? else { return Ok(None) };
    lifecycle.opt_fields("security")?.as_ref().map(Identity::decode).transpose()
}

/// Takes the entries of the kind.
pub struct ProcessServiceListener {
    kernel: Arc<Kernel>,
    roster: Arc<Roster>,
    services: Arc<Services>,
}

/// Those that there are, for updates. A leaf lock.
type Services = Mutex<BTreeMap<EntryId, Arc<ProcessService>>>;

impl ProcessServiceListener {
    pub fn new(kernel: Arc<Kernel>, roster: Arc<Roster>) -> ProcessServiceListener {
        ProcessServiceListener { kernel, roster, services: Arc::default() }
    }
}

impl Listener for ProcessServiceListener {
    fn add(&self, entry: &Entry) -> Result<()> {
        let settings = Mutex::new(Arc::new(decode(entry)?));
        let (options, identity) = (lifecycle(entry)?, identity(entry)?);
        let (kernel, attempt) = (self.kernel.clone(), Mutex::default());
        let service = Arc::new(ProcessService { settings, identity, kernel, attempt });
        let (services, id, known) = (self.services.clone(), entry.id.clone(), service.clone());
        self.kernel.put_off(Box::new(move || drop(services.lock().insert(id, known))))?;
        self.roster.enrol(entry.id.clone(), service, options)
    }

    /// The next start has the new settings. The lifecycle stays what it was: only an entry that is
    /// deleted and created has a new one.
    fn update(&self, _old: &Entry, new: &Entry) -> Result<()> {
        let settings = Arc::new(decode(new)?);
        lifecycle(new)?;
        identity(new)?;
        let (services, id) = (self.services.clone(), new.id.clone());
        let change = move || {
            if let Some(service) = services.lock().get(&id) {
                *service.settings.lock() = settings;
            }
        };
        self.kernel.put_off(Box::new(change))
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        let (services, id) = (self.services.clone(), entry.id.clone());
        self.kernel.put_off(Box::new(move || drop(services.lock().remove(&id))))?;
        self.roster.withdraw(&entry.id)
    }
}

struct ProcessService {
    /// Of the next start. A leaf lock.
    settings: Mutex<Arc<Settings>>,
    /// Part of the lifecycle.
    identity: Option<Identity>,
    kernel: Arc<Kernel>,
    /// The latest attempt. Written on the supervisor's thread only.
    attempt: Mutex<Arc<Attempt>>,
}

/// One start and the child that comes of it. A leaf lock.
#[derive(Default)]
struct Attempt(Mutex<Progress>);

#[derive(Default)]
struct Progress {
    child: Child,
    wanted: Wanted,
}

#[derive(Clone, Copy, Default)]
enum Child {
    /// A VM has been asked for it.
    #[default]
    Coming,
    Alive(Pid),
    /// Ended, or never came to be.
    Gone,
}

/// What the supervisor wants of the child.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Wanted {
    #[default]
    Running,
    /// Its end will be what was asked for.
    Stopped,
    /// Nobody listens any more, it just must not stay.
    Killed,
}

/// The sender of the supervisor's own messages.
fn supervisor_pid() -> Pid {
    Pid::new(NodeId::LOCAL, HostId::intern("supervisor"), 0)
}

fn ask_to_end(kernel: &Kernel, child: Pid) {
    // One that has ended meanwhile has said so.
    let _ = kernel.cancel(supervisor_pid(), child, "service stopping");
}

fn end(kernel: &Kernel, child: Pid) {
    let _ = kernel.kill(supervisor_pid(), child, terminated());
}

impl Service for ProcessService {
    fn start(&self, events: ServiceEvents) -> Result<()> {
        let settings = self.settings.lock().clone();
        let attempt = Arc::<Attempt>::default();
        *self.attempt.lock() = attempt.clone();
        let (of_child, ended) = (attempt.clone(), events.clone());
        let on_end = Box::new(move |exit: &Exit| {
            let mut progress = of_child.0.lock();
            progress.child = Child::Gone;
            let wanted = progress.wanted;
            drop(progress);
            match (wanted, exit.outcome.error()) {
                (Wanted::Stopped | Wanted::Killed, _) => ended.stopped(),
                (Wanted::Running, Some(error)) => ended.ended(Some(error.clone())),
                (Wanted::Running, None) => ended.exited(),
            }
        });
        let kernel = self.kernel.clone();
        let process = settings.process.to_string();
        let spawn = RootSpawn {
            source: process.clone(),
            host: settings.host.to_string(),
            args: Wire::of(&settings.input),
            frame: self.identity.as_ref().and_then(|it| it.frame(&self.kernel.security).share()),
            terminal: None,
            on_end: Some(on_end),
        };
        // Called before the child runs, and so before it ends.
        let reply = move |started: Result<Pid>| {
            let mut progress = attempt.0.lock();
            progress.child = started.as_ref().map_or(Child::Gone, |pid| Child::Alive(*pid));
            let wanted = progress.wanted;
            drop(progress);
            match (started, wanted) {
                (Ok(_), Wanted::Running) => events.started(),
                // The stop, or its end, came before the child did.
                (Ok(pid), Wanted::Stopped) => ask_to_end(&kernel, pid),
                (Ok(pid), Wanted::Killed) => end(&kernel, pid),
                // Nothing would be different at the next try.
                (Err(error), _) => {
                    let error = error.context(format!("start process {process}"));
                    events.start_failed(error.with_retryable(Some(false)));
                }
            }
        };
        self.kernel.spawn(spawn, Box::new(reply));
        Ok(())
    }

    fn stop(&self, _events: ServiceEvents, _limit: Duration) {
        if let Some(child) = self.want(Wanted::Stopped) {
            ask_to_end(&self.kernel, child);
        }
    }

    fn kill(&self) {
        if let Some(child) = self.want(Wanted::Killed) {
            end(&self.kernel, child);
        }
    }
}

impl ProcessService {
    /// Takes note of what is wanted. The child if it is there; if it is coming, it hears when it comes,
    /// and if it has gone, the supervisor has been told.
    fn want(&self, wanted: Wanted) -> Option<Pid> {
        let attempt = self.attempt.lock().clone();
        let mut progress = attempt.0.lock();
        progress.wanted = wanted;
        match progress.child {
            Child::Alive(pid) => Some(pid),
            Child::Coming | Child::Gone => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(data: Value) -> Entry {
        Entry {
            id: EntryId::parse("app:svc"),
            kind: "process.service".into(),
            meta: Default::default(),
            data,
        }
    }

    #[test]
    fn settings_are_decoded() {
        let data = Value::from([
            ("process", Value::from("relay")),
            ("host", Value::from("app:processes")),
            ("input", Value::List(vec![Value::Int(1)])),
        ]);
        let expected = Settings {
            process: EntryId::parse("app:relay"),
            host: EntryId::parse("app:processes"),
            input: vec![Value::Int(1)],
        };
        assert_eq!(decode(&entry(data)), Ok(expected));
    }

    #[track_caller]
    fn refused(pairs: &[(&str, &str)], message: &str) {
        let map = pairs.iter().map(|(k, v)| ((*k).to_owned(), Value::from(*v))).collect();
        let error = decode(&entry(Value::Map(map))).expect_err("refused");
        assert_eq!(error.message(), message);
    }

    #[test]
    fn bad_settings_are_refused() {
        refused(&[("host", "app:p")], "process is required");
        refused(&[("process", "p")], "host is required");
        refused(&[("process", "p"), ("host", "p")], "invalid host: p");
        refused(&[("process", "p"), ("host", "node:control")], "invalid host: node:control");
    }
}
