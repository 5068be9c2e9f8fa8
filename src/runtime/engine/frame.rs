//! Frames of processes as host functions see them: inherited values, actor, scope, permissions.

use std::ffi::{CStr, c_int};
use std::sync::Arc;

use crate::core::registry::EntryId;
use crate::infra::error::Error;
use crate::infra::transcoder::{Map, Value, heap_of};
use crate::runtime::engine::raw::Tagged;
use crate::runtime::engine::{Cx, Raise, tags, value};
use crate::system::frame::Frame;
use crate::system::security::policy::Policy;
use crate::system::security::{self, Actor, Request, Scope};

/// `security.Actor`.
pub struct ActorObject(pub Actor);

impl Tagged for ActorObject {
    const TAG: c_int = tags::ACTOR;
    const NAME: &'static CStr = c"security.Actor";

    fn heap(&self) -> usize {
        self.0.id().len() + heap_of(self.0.meta())
    }
}

/// `security.Scope`.
pub struct ScopeObject(pub Scope);

impl Tagged for ScopeObject {
    const TAG: c_int = tags::SCOPE;
    const NAME: &'static CStr = c"security.Scope";
}

/// `security.Policy`.
pub struct PolicyObject(pub Arc<Policy>);

impl Tagged for PolicyObject {
    const TAG: c_int = tags::POLICY;
    const NAME: &'static CStr = c"security.Policy";
}

impl Cx {
    /// What the running process was given; none is the same as an empty one.
    #[inline]
    pub fn frame(&mut self) -> Option<Arc<Frame>> {
        let vm = self.vm();
        vm.processes[vm.current].frame().cloned()
    }

    /// May the running process do `action` on `resource`? Policies see no meta.
    #[inline]
    pub fn allows(&mut self, action: &str, resource: &str) -> bool {
        self.is_unchecked() || self.allows_with(action, resource, &Map::new())
    }

    /// Like [`Cx::allows`], with its PID as meta: the rule for everything about processes.
    #[inline]
    pub fn allows_as_process(&mut self, action: &str, resource: &str) -> bool {
        self.is_unchecked() || {
            let pid = self.self_pid().to_string();
            self.allows_with(action, resource, &[("pid".to_owned(), Value::Str(pid))].into())
        }
    }

    /// Like [`Cx::allows`], with meta of the caller's.
    pub fn allows_with(&mut self, action: &str, resource: &str, meta: &Map) -> bool {
        let vm = self.vm();
        let frame = vm.processes[vm.current].frame().map(|frame| &**frame);
        let request = Request { action, resource, meta };
        security::allows(frame, vm.is_strict, request)
    }

    /// No policy has to be asked: nearly always.
    #[inline]
    pub fn is_unchecked(&mut self) -> bool {
        let vm = self.vm();
        vm.processes[vm.current].frame().is_none() && !vm.is_strict
    }

    /// The table at `n` as context values: plain data under its string keys. Raises: it is no table,
    /// or holds too much.
    pub fn context_values(&self, n: c_int) -> Result<Map, Raise> {
        self.table(n)?;
        value::read_plain_map(self.l, n)
    }

    /// Argument `n`, an actor. Raises: it is none.
    pub fn actor(&self, n: c_int) -> Result<Actor, Raise> {
        let found = self.l.with::<ActorObject, _>(n, |it| it.0.clone());
        found.ok_or_else(|| self.wrong_type(n, "security.Actor"))
    }

    /// Argument `n`, a scope. Raises: it is none.
    pub fn scope(&self, n: c_int) -> Result<Scope, Raise> {
        let found = self.l.with::<ScopeObject, _>(n, |it| it.0.clone());
        found.ok_or_else(|| self.wrong_type(n, "security.Scope"))
    }

    /// Why there is no such network.
    pub fn network_problem(&mut self, network: &str) -> Option<Error> {
        let registry = self.vm().kernel.registry.upgrade();
        let entry = registry.and_then(|registry| registry.get(&EntryId::parse(network)).ok());
        match entry {
            Some(entry) if entry.kind.starts_with("network.") => None,
            Some(entry) => {
                Some(Error::invalid(format!("{network} is a {}, not a network", entry.kind)))
            }
            None => Some(Error::not_found(format!("network not found: {network}"))),
        }
    }
}
