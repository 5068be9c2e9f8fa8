//! Which processes want to hear that the code they run has been replaced: `upgradable`.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::core::pid::Pid;
use crate::core::registry::EntryId;

/// Processes by the entry whose code they run.
#[derive(Default)]
pub struct Watches(Mutex<BTreeMap<EntryId, Vec<Pid>>>);

impl Watches {
    /// `pid`, which runs `source`, wants to hear of it until what is returned is dropped.
    pub fn watch(self: &Arc<Watches>, source: EntryId, pid: Pid) -> Watch {
        self.0.lock().entry(source.clone()).or_default().push(pid);
        Watch { watches: self.clone(), source, pid }
    }

    /// Who wants to hear of this entry.
    pub fn of(&self, source: &EntryId) -> Vec<Pid> {
        self.0.lock().get(source).cloned().unwrap_or_default()
    }
}

/// That a process wants to hear of new code.
pub struct Watch {
    watches: Arc<Watches>,
    source: EntryId,
    pid: Pid,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut watches = self.watches.0.lock();
        if let Some(pids) = watches.get_mut(&self.source) {
            pids.retain(|pid| *pid != self.pid);
            if pids.is_empty() {
                watches.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::pid::{HostId, PidGen};

    #[test]
    fn a_watch_lasts_until_it_is_dropped() {
        let watches = Arc::<Watches>::default();
        let pids = PidGen::new("local");
        let host = HostId::intern("test:host");
        let (a, b) = (pids.next(host), pids.next(host));
        let id = EntryId::parse("app:p");
        let one = watches.watch(id.clone(), a);
        let two = watches.watch(id.clone(), b);
        assert_eq!(watches.of(&id), [a, b]);
        drop(one);
        assert_eq!(watches.of(&id), [b]);
        assert!(watches.of(&EntryId::parse("app:q")).is_empty());
        drop(two);
        assert!(watches.0.lock().is_empty());
    }
}
