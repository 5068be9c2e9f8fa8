//! `process.service`: a process that the supervisor keeps running.

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
use crate::system::supervisor::{Service, ServiceEvents, Supervisor};

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

/// Takes the entries of the kind.
pub struct ProcessServiceListener {
    pub kernel: Arc<Kernel>,
    pub supervisor: Arc<Supervisor>,
}

impl Listener for ProcessServiceListener {
    fn add(&self, entry: &Entry) -> Result<()> {
        let settings = decode(entry)?;
        let options = lifecycle(entry)?;
        // The service needs its host to run first.
        let needs = vec![settings.host.clone()];
        let service = Arc::new(ProcessService {
            settings,
            kernel: self.kernel.clone(),
            child: Arc::default(),
        });
        self.supervisor.register(entry.id.clone(), service, options, needs);
        Ok(())
    }

    fn update(&self, old: &Entry, new: &Entry) -> Result<()> {
        self.delete(old)?;
        self.add(new)
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        self.supervisor.remove(vec![entry.id.clone()]);
        Ok(())
    }
}

struct ProcessService {
    settings: Settings,
    kernel: Arc<Kernel>,
    child: Arc<Mutex<Child>>,
}

/// The child of the current attempt.
#[derive(Default)]
struct Child {
    pid: Option<Pid>,
    /// A stop was asked for: the end of the child is what was wanted.
    stopping: bool,
}

/// The sender of the supervisor's own messages.
fn supervisor_pid() -> Pid {
    Pid::new(NodeId::LOCAL, HostId::intern("supervisor"), 0)
}

impl Service for ProcessService {
    fn start(&self, events: ServiceEvents) -> Result<()> {
        *self.child.lock() = Child::default();
        let (child, ended) = (self.child.clone(), events.clone());
        let on_end = Box::new(move |exit: &Exit| {
            let mut child = child.lock();
            child.pid = None;
            match (child.stopping, exit.outcome.error()) {
                (true, _) => ended.stopped(),
                (false, Some(error)) => ended.ended(Some(error.clone())),
                (false, None) => ended.exited(),
            }
        });
        let child = self.child.clone();
        let kernel = self.kernel.clone();
        let process = self.settings.process.to_string();
        let spawn = RootSpawn {
            source: process.clone(),
            host: self.settings.host.to_string(),
            args: Wire::of(&self.settings.input),
            frame: None,
            terminal: None,
            on_end: Some(on_end),
        };
        self.kernel.spawn(
            spawn,
            Box::new(move |started| match started {
                Ok(pid) => {
                    let mut child = child.lock();
                    child.pid = Some(pid);
                    let stopping = child.stopping;
                    drop(child);
                    events.started();
                    if stopping {
                        // The stop came before the PID did.
                        let _ = kernel.cancel(supervisor_pid(), pid, "service stopping");
                    }
                }
                // Nothing would be different at the next try.
                Err(error) => {
                    let error = error.context(format!("start process {process}"));
                    events.start_failed(error.with_retryable(Some(false)));
                }
            }),
        );
        Ok(())
    }

    fn stop(&self, events: ServiceEvents, _limit: Duration) {
        let mut child = self.child.lock();
        child.stopping = true;
        let pid = child.pid;
        drop(child);
        match pid {
            // Gone meanwhile: the child's end has reported, or will.
            Some(pid) if !self.kernel.table().is_alive(pid) => {}
            Some(pid) => {
                let _ = self.kernel.cancel(supervisor_pid(), pid, "service stopping");
            }
            None => events.stopped(),
        }
    }

    fn kill(&self) {
        let pid = self.child.lock().pid;
        if let Some(pid) = pid {
            let _ = self.kernel.kill(supervisor_pid(), pid, terminated());
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
