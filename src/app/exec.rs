//! Starting one process on a terminal host: what `run -x` and named commands do.

use std::sync::Arc;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::app::attempts;
use crate::app::boot::System;
use crate::core::pid::Pid;
use crate::core::registry::{Entry, EntryId};
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::wire::Wire;
use crate::infra::transcoder::{Map, Value};
use crate::system::functions::{Call, OnOutcome, Options};
use crate::system::kernel::RootSpawn;
use crate::system::spawn::{OnEnd, TerminalPort};

/// How long a terminal host may take to run.
const HOST_TIMEOUT: Duration = Duration::from_secs(5);

/// The process entry whose `meta.command.name` is `name`.
pub fn named_command(entries: &[Arc<Entry>], name: &str) -> Option<EntryId> {
    entries.iter().find(|entry| command_name(entry) == Some(name)).map(|entry| entry.id.clone())
}

/// The command an entry declares.
pub fn command_name(entry: &Entry) -> Option<&str> {
    let command = entry.meta.get("command")?;
    let name = command.get("name")?.as_str().filter(|name| !name.is_empty())?;
    entry.kind.starts_with("process.").then_some(name)
}

/// Chooses the terminal host: the one named, else the only one there is.
pub fn choose_host(system: &System, named: Option<&EntryId>) -> Result<EntryId> {
    let hosts = system.finder.of_kind("terminal.host");
    match (named, &hosts[..]) {
        (Some(named), _) => match hosts.iter().any(|host| host.id == *named) {
            true => Ok(named.clone()),
            false => {
                let near = system.finder.nearest(&named.to_string(), |k| k == "terminal.host");
                Err(Error::not_found(with_hint(format!("terminal host not found: {named}"), near)))
            }
        },
        (None, []) => Err(Error::not_found("no terminal.host found in registry")),
        (None, [only]) => Ok(only.id.clone()),
        (None, several) => {
            let names: Vec<String> = several.iter().map(|host| host.id.to_string()).collect();
            Err(Error::invalid(format!(
                "multiple terminal hosts found ({}), use --host to specify",
                names.join(", ")
            )))
        }
    }
}

/// Adds the name that may have been meant.
pub fn with_hint(message: String, near: Option<String>) -> String {
    match near {
        Some(near) => format!("{message} (did you mean {near}?)"),
        None => message,
    }
}

/// Starts `entry` on `host` once that runs. Returns when the process is there.
pub fn start(
    system: &System,
    host: &EntryId,
    entry: &EntryId,
    args: &[String],
    terminal: Arc<dyn TerminalPort>,
    on_end: OnEnd,
) -> Result<()> {
    let failed = |cause: Error| {
        Error::internal(format!("failed to start process on host: {host}")).with_source(cause)
    };
    let Some(found) = system.finder.get(entry) else {
        let near = system.finder.nearest(&entry.to_string(), |kind| kind.starts_with("process."));
        return Err(failed(Error::not_found(with_hint(format!("entry not found: {entry}"), near))));
    };
    if found.kind != "process.lua" {
        let message = format!("{entry} is a {}, only process.lua can be started", found.kind);
        return Err(failed(Error::invalid(message)));
    }
    wait_for(system, host).map_err(failed)?;
    let values: Vec<Value> = args.iter().map(|arg| Value::from(arg.as_str())).collect();
    let spawn = RootSpawn {
        source: entry.to_string(),
        host: host.to_string(),
        args: Wire::of(&values),
        frame: None,
        terminal: Some(terminal),
        on_end: Some(on_end),
    };
    let (reply, started) = mpsc::channel();
    system.kernel.spawn(
        spawn,
        Box::new(move |result| {
            let _ = reply.send(result);
        }),
    );
    match started.recv() {
        Ok(result) => result.map(|_| ()).map_err(failed),
        Err(_) => Err(failed(Error::unavailable("the runtime has stopped"))),
    }
}

/// Calls function `entry`. Returns at once; `done` hears the outcome.
pub fn call(system: &System, entry: &EntryId, args: &[String], done: OnOutcome) -> Result<()> {
    let function = system.kernel.functions.get(&entry.to_string())?;
    let values: Vec<Value> = args.iter().map(|arg| Value::from(arg.as_str())).collect();
    let (args, parent) = (Wire::of(&values), Pid::NONE);
    let options = Options::of(&function.options, &Map::new());
    let call = Call { function, args, frame: None, parent, at: None };
    attempts::begin(&system.kernel, &system.alarm, call, options, done);
    Ok(())
}

/// Is the entry a function?
pub fn is_function(system: &System, entry: &EntryId) -> bool {
    system.finder.get(entry).is_some_and(|entry| entry.kind.starts_with("function."))
}

/// Waits until the host runs.
fn wait_for(system: &System, host: &EntryId) -> Result<()> {
    let deadline = Instant::now() + HOST_TIMEOUT;
    let host = system.kernel.hosts.get(&host.to_string())?;
    while !host.is_running() {
        if Instant::now() > deadline {
            return Err(Error::unavailable("host is not running"));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
