//! Names of processes, LOCAL scope: a name belongs to one PID.

use std::sync::Arc;

use fnv::FnvHashMap;
use parking_lot::RwLock;

use crate::core::pid::Pid;
use crate::infra::error::{Error, Kind, Result};
use crate::infra::transcoder::Value;

/// Read on every send by name, written rarely.
#[derive(Default)]
pub struct Names(RwLock<FnvHashMap<Arc<str>, Pid>>);

impl Names {
    /// `true`: the name is new; `false`: this PID has it already.
    pub fn register(&self, name: Arc<str>, pid: Pid) -> Result<bool> {
        let mut names = self.0.write();
        match names.get(&name) {
            Some(&holder) if holder == pid => Ok(false),
            Some(&holder) => Err(taken(holder)),
            None => {
                names.insert(name, pid);
                Ok(true)
            }
        }
    }

    /// Like [`Names::register`], but a holder that is not alive loses the name. `is_alive` must take
    /// no lock that is held while a name is looked up.
    pub fn claim(&self, name: Arc<str>, pid: Pid, is_alive: impl Fn(Pid) -> bool) -> Result<()> {
        let mut names = self.0.write();
        match names.get(&name) {
            Some(&holder) if holder != pid && is_alive(holder) => Err(taken(holder)),
            _ => {
                names.insert(name, pid);
                Ok(())
            }
        }
    }

    pub fn find(&self, name: &str) -> Option<Pid> {
        self.0.read().get(name).copied()
    }

    pub fn unregister(&self, name: &str) -> Option<Pid> {
        self.0.write().remove(name)
    }

    /// Frees a name if `pid` still has it.
    pub fn release(&self, name: &str, pid: Pid) {
        let mut names = self.0.write();
        if names.get(name) == Some(&pid) {
            names.remove(name);
        }
    }
}

fn taken(holder: Pid) -> Error {
    let details = [("existing_pid", Value::from(holder.to_string()))].into();
    Error::new(Kind::AlreadyExists, "name already registered").with_details(details)
}
