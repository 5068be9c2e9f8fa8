//! Topology: who watches whom, who is linked to whom, who has which name, who spawned whom.
//!
//! Monitors and links lie in the control blocks of the process table, so that a process's end takes
//! them along with the process itself, under one lock. What others see of an end, in this order:
//! the PID is unroutable, its names are free, EXIT goes to watchers, LINK_DOWN to links (only after
//! a failure). [`Topology::end`] does the first two and hands out whom to tell; the VM tells them,
//! because it knows which of them live beside the one that ended.

pub mod names;

use std::sync::Arc;

use crate::core::pid::Pid;
use crate::core::process::{Control, ProcessTable};
use crate::core::vm::Event;
use crate::infra::error::{Error, Kind, Result};
use crate::system::topology::names::Names;

fn already_registered() -> Error {
    Error::new(Kind::AlreadyExists, "pid already registered")
}

pub struct Topology {
    table: Arc<ProcessTable>,
    names: Names,
}

impl Topology {
    pub fn new(table: Arc<ProcessTable>) -> Topology {
        Topology { table, names: Names::default() }
    }

    pub fn table(&self) -> &Arc<ProcessTable> {
        &self.table
    }

    pub fn names(&self) -> &Names {
        &self.names
    }

    /// Makes a process known.
    ///
    /// # Errors
    /// `ALREADY_EXISTS`: it is known.
    pub fn begin(&self, control: Control) -> Result<()> {
        match self.table.insert(control) {
            true => Ok(()),
            false => Err(already_registered()),
        }
    }

    /// Makes a process known that its VM has still to start, linked to its parent if wanted; `start`
    /// is what its VM is told. The caller wakes the VM.
    ///
    /// # Errors
    /// `ALREADY_EXISTS`: it is known.
    pub fn begin_unstarted(&self, mut control: Control, link: bool, start: Event) -> Result<()> {
        let (pid, parent) = (control.pid, control.parent);
        if link {
            // First: once the VM knows of it, the process may have come and gone.
            self.table.with(parent, |parent| parent.bonds().links.push(pid));
            control.bonds().links.push(parent);
        }
        match self.table.insert_unstarted(control, start) {
            true => Ok(()),
            false => {
                self.forget_link(parent, pid);
                Err(already_registered())
            }
        }
    }

    /// `watcher` gets one EXIT when `target` ends.
    pub fn monitor(&self, watcher: Pid, target: Pid) -> Result<()> {
        let added = self.table.with(target, |control| match control.watchers.contains(&watcher) {
            true => false,
            false => {
                control.watchers.push(watcher);
                true
            }
        });
        match added {
            Some(true) => Ok(()),
            Some(false) => Err(Error::new(Kind::AlreadyExists, "already monitoring pid")),
            None => Err(Error::not_found("pid not registered")),
        }
    }

    /// Also fine when nothing was monitored.
    pub fn unmonitor(&self, watcher: Pid, target: Pid) {
        self.table.with(target, |control| control.watchers.retain(|w| *w != watcher));
    }

    /// Links both ways; linking twice changes nothing.
    pub fn link(&self, a: Pid, b: Pid) -> Result<()> {
        let add = |at: Pid, other: Pid| {
            self.table.with(at, |control| {
                if !control.links().contains(&other) {
                    control.bonds().links.push(other);
                }
            })
        };
        if a == b {
            return Ok(());
        }
        // The far side first: it may be gone, the near side is the caller.
        add(b, a).ok_or_else(|| Error::not_found("pid not registered"))?;
        if add(a, b).is_none() {
            self.unlink(a, b);
            return Err(Error::not_found("pid not registered"));
        }
        Ok(())
    }

    pub fn unlink(&self, a: Pid, b: Pid) {
        self.forget_link(a, b);
        self.forget_link(b, a);
    }

    fn forget_link(&self, at: Pid, other: Pid) {
        self.table.with(at, |control| {
            if let Some(bonds) = control.bonds_mut() {
                bonds.links.retain(|&link| link != other);
            }
        });
    }

    /// Registers `name` for a live process of this node; its end frees the name.
    pub fn register(&self, name: &str, pid: Pid) -> Result<()> {
        let name: Arc<str> = name.into();
        if self.names.register(name.clone(), pid)? {
            // Liveness is not checked: a name of a process that is gone, or never was, stays until
            // it is unregistered.
            self.table.with(pid, |control| control.bonds().names.push(name));
        }
        Ok(())
    }

    /// Takes `name` for a process that is just starting; also from a holder that is gone.
    pub fn claim(&self, name: &Arc<str>, pid: Pid) -> Result<()> {
        self.names.claim(name.clone(), pid, |holder| self.table.is_alive(holder))?;
        self.table.with(pid, |control| control.bonds().names.push(name.clone()));
        Ok(())
    }

    /// The live process that has `name`.
    pub fn holder(&self, name: &str) -> Option<Pid> {
        self.names.find(name).filter(|pid| self.table.is_alive(*pid))
    }

    /// Frees a name. `false`: nobody had it.
    pub fn unregister(&self, name: &str) -> bool {
        let Some(pid) = self.names.unregister(name) else { return false };
        self.table.with(pid, |control| {
            if let Some(bonds) = control.bonds_mut() {
                bonds.names.retain(|known| &**known != name);
            }
        });
        true
    }

    /// The process is gone: unroutable, names free. Whom to tell is in what is returned.
    pub fn end(&self, pid: Pid) -> Option<Box<Control>> {
        let control = self.table.remove(pid)?;
        for name in control.names() {
            self.names.release(name, pid);
        }
        for &other in control.links() {
            self.forget_link(other, pid);
        }
        Some(control)
    }

    /// The process that spawned `pid`; none for roots and for the dead.
    pub fn parent(&self, pid: Pid) -> Option<Pid> {
        self.table.with(pid, |control| control.parent).filter(|parent| !parent.is_none())
    }

    pub fn children(&self, pid: Pid) -> Vec<Pid> {
        self.table.children(pid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::pid::{HostId, PidGen};
    use crate::core::vm::VmCell;

    fn topology(n: usize) -> (Topology, Vec<Pid>) {
        let topology = Topology::new(Arc::new(ProcessTable::new()));
        let pids = PidGen::new("local");
        let host = HostId::intern("test:host");
        let made = (0..n).map(|_| {
            let pid = pids.next(host);
            topology.begin(Control::new(pid, VmCell::new(1))).expect("new");
            pid
        });
        let made = made.collect();
        (topology, made)
    }

    #[test]
    fn monitors_are_one_way_and_once() {
        let (topology, p) = topology(2);
        assert_eq!(topology.monitor(p[0], p[1]), Ok(()));
        let again = topology.monitor(p[0], p[1]).expect_err("twice");
        assert_eq!(again.message(), "already monitoring pid");
        assert_eq!(topology.end(p[1]).map(|c| c.watchers.to_vec()), Some(vec![p[0]]));
        let gone = topology.monitor(p[0], p[1]).expect_err("ended");
        assert_eq!((gone.kind(), gone.message()), (&Kind::NotFound, "pid not registered"));
        topology.unmonitor(p[0], p[1]);
    }

    #[test]
    fn links_are_two_way_and_repeatable() {
        let (topology, p) = topology(3);
        assert_eq!(topology.link(p[0], p[1]), Ok(()));
        assert_eq!(topology.link(p[1], p[0]), Ok(()));
        assert_eq!(topology.link(p[0], p[2]), Ok(()));
        topology.unlink(p[2], p[0]);
        assert_eq!(topology.end(p[0]).map(|c| c.links().to_vec()), Some(vec![p[1]]));
        // The end of one side leaves nothing behind at the other.
        assert_eq!(topology.end(p[1]).map(|c| c.links().to_vec()), Some(vec![]));
        assert!(topology.link(p[2], p[0]).is_err());
        assert_eq!(topology.end(p[2]).map(|c| c.links().to_vec()), Some(vec![]));
    }

    #[test]
    fn names_go_with_their_process() {
        let (topology, p) = topology(2);
        assert_eq!(topology.register("relay", p[0]), Ok(()));
        assert_eq!(topology.register("relay", p[0]), Ok(()));
        assert_eq!(topology.names().find("relay"), Some(p[0]));
        let taken = topology.register("relay", p[1]).expect_err("taken");
        assert_eq!(taken.kind(), &Kind::AlreadyExists);
        topology.end(p[0]);
        assert_eq!(topology.names().find("relay"), None);
        assert_eq!(topology.register("relay", p[1]), Ok(()));
        // Whoever starts with a name gets it from the dead, not from the living.
        let refused = topology.claim(&"relay".into(), p[0]).expect_err("taken");
        assert_eq!(refused.kind(), &Kind::AlreadyExists);
        topology.names().register("orphan".into(), p[0]).expect("free");
        assert_eq!((topology.holder("orphan"), topology.holder("relay")), (None, Some(p[1])));
        assert_eq!(topology.claim(&"orphan".into(), p[1]), Ok(()));
        assert_eq!(topology.holder("orphan"), Some(p[1]));
        assert!(topology.unregister("relay"));
        assert!(!topology.unregister("relay"));
    }

    #[test]
    fn a_pid_is_registered_once() {
        let (topology, p) = topology(1);
        assert_eq!(topology.monitor(p[0], p[0]), Ok(()));
        let again = topology.begin(Control::new(p[0], VmCell::new(1))).expect_err("twice");
        assert_eq!(*again.kind(), Kind::AlreadyExists);
        // The first one is as it was.
        assert_eq!(topology.end(p[0]).map(|c| c.watchers.to_vec()), Some(vec![p[0]]));
        assert_eq!(topology.begin(Control::new(p[0], VmCell::new(1))), Ok(()));
    }

    #[test]
    fn what_ends_is_unroutable_and_nameless_before_anybody_is_told() {
        let (topology, p) = topology(2);
        assert_eq!(topology.register("relay", p[0]), Ok(()));
        assert_eq!(topology.link(p[0], p[1]), Ok(()));
        assert_eq!(topology.monitor(p[1], p[0]), Ok(()));
        let told = topology.end(p[0]).expect("alive");
        assert!(!topology.table().is_alive(p[0]) && topology.names().find("relay").is_none());
        assert_eq!((told.watchers.to_vec(), told.links().to_vec()), (vec![p[1]], vec![p[1]]));
        assert!(topology.end(p[0]).is_none(), "once");
    }

    #[test]
    fn a_refused_name_says_who_has_it() {
        let (topology, p) = topology(2);
        assert_eq!(topology.register("relay", p[0]), Ok(()));
        let taken = topology.register("relay", p[1]).expect_err("taken");
        let holder = taken.details().and_then(|details| details.get("existing_pid"));
        assert_eq!(holder.and_then(|pid| pid.as_str()), Some(p[0].to_string().as_str()));
    }

    #[test]
    fn the_tree_knows_parents_and_children() {
        let (topology, p) = topology(3);
        for child in &p[1..] {
            topology.table().with(*child, |control| control.parent = p[0]);
        }
        let mut children = topology.children(p[0]);
        children.sort();
        assert_eq!(children, p[1..]);
        assert_eq!((topology.parent(p[1]), topology.parent(p[0])), (Some(p[0]), None));
    }
}
