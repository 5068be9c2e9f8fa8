//! The services every VM works with, in one place: attached to the AppContext once all are there.

use std::sync::{Arc, OnceLock, Weak};

use crate::core::blocking::Pool;
use crate::core::dispatcher::Dispatcher;
use crate::core::entry_files::EntryFiles;
use crate::core::pid::{Pid, PidGen};
use crate::core::process::ProcessTable;
use crate::core::registry::{Effect, EntryId, Registry};
use crate::core::relay::{Body, Mailbox, Package, Refused};
use crate::core::scheduler::Handle;
use crate::infra::app_context::Key;
use crate::infra::error::{Error, Result};
use crate::infra::event_bus::EventBus;
use crate::infra::logger::Logger;
use crate::infra::transcoder::Transcoder;
use crate::infra::transcoder::wire::Wire;
use crate::system::factory::Factory;
use crate::system::file_systems::FileSystems;
use crate::system::frame::Frame;
use crate::system::functions::Functions;
use crate::system::groups::GroupScopes;
use crate::system::host::{Host, Hosts, Seat};
use crate::system::lifecycle::Lifecycle;
use crate::system::outdated::Watches;
use crate::system::security::Security;
use crate::system::spawn::{
    OnEnd, SpawnReply, SpawnRequest, Spawner, TerminalPort, TerminalSource,
};
use crate::system::supervisor::Supervisor;
use crate::system::topology::Topology;
use crate::system::tuning::Tuning;

pub struct Kernel {
    pub pids: PidGen,
    pub scheduler: Handle,
    pub mailbox: Arc<Mailbox>,
    pub topology: Arc<Topology>,
    pub hosts: Arc<Hosts>,
    pub factory: Arc<Factory>,
    pub functions: Arc<Functions>,
    pub lifecycle: Arc<Lifecycle>,
    pub security: Arc<Security>,
    pub groups: Arc<GroupScopes>,
    pub file_systems: Arc<FileSystems>,
    /// Reads entries in them.
    pub entry_files: Arc<dyn EntryFiles>,
    /// Who hears of new code.
    pub outdated: Arc<Watches>,
    /// Where hosts, and what processes are made from, come and go.
    pub bus: EventBus,
    /// What coroutines wait for outside their VM.
    pub dispatcher: Arc<Dispatcher>,
    pub logger: Logger,
    pub transcoder: Transcoder,
    pub tuning: Tuning,
    /// Not held: its listeners hold the kernel.
    pub registry: Weak<Registry>,
    /// For work of processes that blocks.
    pub blocking: Arc<Pool>,
    /// For changes of the registry, one at a time: those that wait for their turn keep no thread
    /// from work that the one before needs.
    pub changes: Arc<Pool>,
    /// Set once, when the runtime layer has its VMs.
    pub spawner: OnceLock<Weak<dyn Spawner>>,
    /// Set once, if programs have a whole system around them.
    pub control: OnceLock<Control>,
    /// Set once, if there is a terminal for whoever is started on a terminal host.
    pub terminal: OnceLock<TerminalSource>,
}

/// What programs may ask of the system as a whole.
pub struct Control {
    /// Not held: its services hold the kernel.
    pub supervisor: Weak<Supervisor>,
    /// Begins a shutdown with this exit status; one that is under way takes the status. Must not
    /// block.
    pub exit: Box<dyn Fn(i32) + Send + Sync>,
}

impl Kernel {
    pub fn table(&self) -> &ProcessTable {
        self.topology.table()
    }

    /// Starts a root process: for services, the command line and embedding programs. `reply` may be
    /// called on a worker.
    pub fn spawn(&self, spawn: RootSpawn, reply: SpawnReply) {
        match self.request(spawn) {
            Ok(request) => match self.spawner.get().and_then(Weak::upgrade) {
                Some(spawner) => spawner.spawn(request, reply),
                None => {
                    request.host.leave(Seat::OUTSIDE);
                    reply(Err(Error::unavailable("the runtime is not started")));
                }
            },
            Err(error) => reply(Err(error)),
        }
    }

    /// For listeners: see [`Registry::put_off`].
    ///
    /// # Errors
    /// `INVALID` outside a transaction.
    pub fn put_off(&self, effect: Effect) -> Result<()> {
        match self.registry.upgrade() {
            Some(registry) => registry.put_off(effect),
            None => Err(Error::unavailable("the runtime is not started")),
        }
    }

    /// The host of an entry. `INTERNAL`: the entry is something else; `NOT_FOUND`: there is none.
    pub fn host(&self, id: &str) -> Result<Arc<Host>> {
        self.hosts.get(id).map_err(|missing| {
            let registry = self.registry.upgrade();
            match registry.and_then(|registry| registry.get(&EntryId::parse(id)).ok()) {
                Some(entry) if !entry.kind.ends_with(".host") => {
                    Error::internal(format!("{id} is a {}, not a process host", entry.kind))
                }
                _ => missing,
            }
        })
    }

    fn request(&self, spawn: RootSpawn) -> Result<SpawnRequest> {
        let host = self.host(&spawn.host)?;
        let blueprint = self.factory.get(&spawn.source)?;
        host.enter(Seat::OUTSIDE)?;
        Ok(SpawnRequest {
            blueprint,
            host,
            args: spawn.args,
            parent: Pid::NONE,
            monitor: false,
            link: false,
            frame: spawn.frame,
            named: None,
            terminal: spawn.terminal,
            on_end: spawn.on_end,
            slot: None,
            known: None,
        })
    }

    /// Asks a process to end.
    pub fn cancel(&self, from: Pid, to: Pid, reason: &str) -> Result<(), Refused> {
        let body = Body::Cancel { reason: reason.into() };
        self.mailbox.send_from_outside(Package { from, to, body })
    }

    /// Tells a process that what it runs is not the newest any more.
    pub fn outdate(&self, to: Pid, sources: Arc<[String]>) {
        let body = Body::Outdated { sources };
        // It may have ended meanwhile.
        let _ = self.mailbox.send_from_outside(Package { from: Pid::NONE, to, body });
    }

    /// Ends a process with `error`, whatever it does.
    pub fn kill(&self, from: Pid, to: Pid, error: Error) -> Result<(), Refused> {
        self.mailbox.send_from_outside(Package { from, to, body: Body::Kill(error) })
    }
}

impl Kernel {
    pub const KEY: Key<Kernel> = Key::new("kernel");
}

/// How a terminated process ends.
pub fn terminated() -> Error {
    Error::internal("process terminated").with_retryable(None)
}

/// A process nobody spawned.
pub struct RootSpawn {
    /// Entry to run, `ns:name`.
    pub source: String,
    /// Host entry, `ns:name`.
    pub host: String,
    pub args: Wire,
    /// Values, actor and scope to start with.
    pub frame: Option<Arc<Frame>>,
    pub terminal: Option<Arc<dyn TerminalPort>>,
    pub on_end: Option<OnEnd>,
}
