//! Process groups on one node: named sets of processes that messages can be sent to at once.
//!
//! A scope holds groups; an entry of kind `pg.scope` makes one. A process may be in a group several
//! times. Whoever watches a scope hears of each change, in order and from a known state on: changes
//! and their news are made under one lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use fnv::FnvHashMap;
use parking_lot::{Mutex, RwLock};

use crate::core::pid::Pid;
use crate::infra::error::{Error, Kind, Result};
use crate::infra::event_bus::{Event, Feed, Feeder, Feeding};
use crate::infra::transcoder::{Map, Value};

/// Bounds of a scope; 0: none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Limits {
    pub groups: usize,
    pub members_per_group: usize,
}

pub struct GroupScope {
    limits: Mutex<Limits>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Members in the order of joining; none is empty.
    groups: BTreeMap<Arc<str>, Vec<Pid>>,
    watchers: Vec<Watcher>,
    next_watcher: u64,
}

struct Watcher {
    number: u64,
    /// All groups if none.
    group: Option<Arc<str>>,
    feeder: Feeder,
}

/// The members of some groups.
pub type Members = BTreeMap<Arc<str>, Vec<Pid>>;

impl GroupScope {
    pub fn new(limits: Limits) -> Arc<GroupScope> {
        Arc::new(GroupScope { limits: Mutex::new(limits), state: Mutex::default() })
    }

    /// Counts from the next joining on; nobody has to leave.
    pub fn set_limits(&self, limits: Limits) {
        *self.limits.lock() = limits;
    }

    /// Joins all of `groups`, or none: `RATE_LIMITED` if a limit stands against one of them.
    pub fn join(&self, pid: Pid, groups: &[String]) -> Result<()> {
        let limits = *self.limits.lock();
        let mut state = self.state.lock();
        let mut joining: FnvHashMap<&str, usize> = FnvHashMap::default();
        groups.iter().for_each(|group| *joining.entry(group).or_default() += 1);
        let is_new = |group: &&&str| !state.groups.contains_key(**group);
        let after = state.groups.len() + joining.keys().filter(is_new).count();
        if limits.groups > 0 && after > limits.groups {
            return Err(limited("too many groups"));
        }
        for (group, n) in &joining {
            let members = state.groups.get(*group).map_or(0, Vec::len) + n;
            if limits.members_per_group > 0 && members > limits.members_per_group {
                return Err(limited("too many members in group"));
            }
        }
        for group in groups {
            let group: Arc<str> = group.as_str().into();
            state.groups.entry(group.clone()).or_default().push(pid);
            state.tell("member.joined", &group, &[pid]);
        }
        Ok(())
    }

    /// Leaves each of `groups` once. `NOT_FOUND` if it is in none of them.
    pub fn leave(&self, pid: Pid, groups: &[String]) -> Result<()> {
        let mut state = self.state.lock();
        let mut has_left = false;
        for group in groups {
            let Some((group, members)) = state.groups.get_key_value(group.as_str()) else {
                continue;
            };
            let (group, at) = (group.clone(), members.iter().rposition(|member| *member == pid));
            let Some(at) = at else { continue };
            state.remove(&group, |index, _| index == at);
            state.tell("member.left", &group, &[pid]);
            has_left = true;
        }
        match has_left {
            true => Ok(()),
            false => Err(Error::not_found("pg: process not joined in group")),
        }
    }

    /// A process has ended.
    fn leave_all(&self, pid: Pid) {
        let mut state = self.state.lock();
        let groups: Vec<(Arc<str>, usize)> = state
            .groups
            .iter()
            .map(|(group, members)| (group.clone(), members.iter().filter(|m| **m == pid).count()))
            .filter(|(_, n)| *n > 0)
            .collect();
        for (group, n) in groups {
            state.remove(&group, |_, member| member == pid);
            state.tell("member.left", &group, &vec![pid; n]);
        }
    }

    /// Members in the order of joining, each as often as it has joined.
    pub fn members(&self, group: &str) -> Vec<Pid> {
        self.state.lock().groups.get(group).cloned().unwrap_or_default()
    }

    /// Groups that have members.
    pub fn groups(&self) -> Vec<Arc<str>> {
        self.state.lock().groups.keys().cloned().collect()
    }

    /// Hears of all changes from here on, of one group or of all; and the members at this moment.
    pub fn watch(
        self: &Arc<GroupScope>,
        group: Option<&str>,
        wake: impl Fn(&Arc<Feed>) + Send + Sync + 'static,
    ) -> (Feeding, Members) {
        let mut state = self.state.lock();
        let number = state.next_watcher;
        state.next_watcher += 1;
        let scope: Weak<GroupScope> = Arc::downgrade(self);
        let (feeder, feeding) = Feeder::new(wake, move || {
            if let Some(scope) = scope.upgrade() {
                scope.state.lock().watchers.retain(|watcher| watcher.number != number);
            }
        });
        state.watchers.push(Watcher { number, group: group.map(Arc::from), feeder });
        let members = match group {
            Some(group) => {
                let found = state.groups.get_key_value(group);
                found.map(|(group, members)| (group.clone(), members.clone())).into_iter().collect()
            }
            None => state.groups.clone(),
        };
        (feeding, members)
    }
}

fn limited(message: &str) -> Error {
    Error::new(Kind::RateLimited, format!("pg: {message}")).with_retryable(Some(true))
}

impl State {
    /// Takes members out of a group; an empty one goes.
    fn remove(&mut self, group: &str, goes: impl Fn(usize, Pid) -> bool) {
        let Some(members) = self.groups.get_mut(group) else { return };
        let mut index = 0;
        members.retain(|member| {
            index += 1;
            !goes(index - 1, *member)
        });
        if members.is_empty() {
            self.groups.remove(group);
        }
    }

    fn tell(&self, kind: &str, group: &str, pids: &[Pid]) {
        let is_about = |watcher: &&Watcher| watcher.group.as_deref().is_none_or(|g| g == group);
        let mut watchers = self.watchers.iter().filter(is_about).peekable();
        if watchers.peek().is_none() {
            return;
        }
        let pids = pids.iter().map(|pid| Value::from(pid.to_string())).collect();
        let data = [("Group".to_owned(), group.into()), ("PIDs".to_owned(), Value::List(pids))];
        let event = Arc::new(Event::new("pg", kind, group, Value::Map(Map::from(data))));
        watchers.for_each(|watcher| watcher.feeder.push(&event));
    }
}

/// That a process is in groups of a scope: dropped, it is in none of them.
pub struct Membership {
    pub scope: Arc<GroupScope>,
    pub pid: Pid,
}

impl Drop for Membership {
    fn drop(&mut self) {
        self.scope.leave_all(self.pid);
    }
}

/// All scopes, by the id of their entry.
#[derive(Default)]
pub struct GroupScopes(RwLock<FnvHashMap<String, Arc<GroupScope>>>);

impl GroupScopes {
    pub fn insert(&self, id: String, scope: Arc<GroupScope>) {
        self.0.write().insert(id, scope);
    }

    /// Those who have opened it keep it.
    pub fn remove(&self, id: &str) {
        self.0.write().remove(id);
    }

    pub fn get(&self, id: &str) -> Option<Arc<GroupScope>> {
        self.0.read().get(id).cloned()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use super::*;
    use crate::core::pid::{HostId, PidGen};
    use crate::infra::event_bus::Payload;

    fn pids() -> [Pid; 2] {
        let pids = PidGen::new("local");
        let host = HostId::intern("test:host");
        [pids.next(host), pids.next(host)]
    }

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|name| (*name).to_owned()).collect()
    }

    /// `kind group n` of all that a watcher has heard.
    fn heard(feeding: &Feeding) -> Vec<String> {
        let mut events = VecDeque::new();
        feeding.feed().take(&mut events);
        let line = |event: &Arc<Event>| {
            let Payload::Value(data) = &event.data else { panic!("a value") };
            let n = data.get("PIDs").and_then(Value::as_list).map_or(0, <[Value]>::len);
            format!("{} {} {n}", event.kind, event.path)
        };
        events.iter().map(line).collect()
    }

    #[test]
    fn members_count_as_often_as_they_join() {
        let scope = GroupScope::new(Limits::default());
        let [a, b] = pids();
        let (all, before) = scope.watch(None, |_| ());
        let (one, _) = scope.watch(Some("x"), |_| ());
        assert!(before.is_empty());
        scope.join(a, &names(&["x", "y", "x"])).expect("joined");
        scope.join(b, &names(&["x"])).expect("joined");
        assert_eq!((scope.members("x"), scope.members("y")), (vec![a, a, b], vec![a]));
        scope.leave(a, &names(&["nothing", "x"])).expect("was in x");
        assert_eq!(scope.members("x"), [a, b]);
        scope.leave(b, &names(&["y"])).expect_err("never joined");
        scope.join(a, &names(&["x"])).expect("joined");
        drop(Membership { scope: scope.clone(), pid: a });
        assert_eq!(scope.groups(), [Arc::from("x")]);
        let x = ["member.joined x 1"; 3].map(str::to_owned);
        let mut expect = x.to_vec();
        expect.extend(names(&["member.left x 1", "member.joined x 1", "member.left x 2"]));
        assert_eq!(heard(&one), expect);
        assert_eq!(heard(&all).len(), expect.len() + 2, "y, joined and left");
        drop(one);
        assert_eq!(scope.state.lock().watchers.len(), 1);
    }

    #[test]
    fn limits_stand_against_all_of_a_list() {
        let scope = GroupScope::new(Limits { groups: 2, members_per_group: 2 });
        let [a, b] = pids();
        for refused in [&["x", "y", "z"][..], &["x", "x", "x"]] {
            let error = scope.join(a, &names(refused)).expect_err("too many");
            assert_eq!((error.kind(), error.retryable()), (&Kind::RateLimited, Some(true)));
            assert!(scope.groups().is_empty());
        }
        scope.join(a, &names(&["x", "y", "x"])).expect("fits");
        scope.join(b, &names(&["y", "x"])).expect_err("x is full");
        assert_eq!(scope.members("y"), [a]);
    }
}
