//! `pg.scope`: scopes of process groups.

use std::sync::Arc;

use crate::core::registry::Entry;
use crate::core::registry::decode::Fields;
use crate::core::registry::listener::Listener;
use crate::infra::duration;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;
use crate::system::groups::{GroupScope, Limits};
use crate::system::kernel::Kernel;

/// Takes the entries of the kind.
pub struct GroupScopeListener {
    pub kernel: Arc<Kernel>,
}

impl Listener for GroupScopeListener {
    fn add(&self, entry: &Entry) -> Result<()> {
        let (limits, id) = (decode(entry)?, entry.id.to_string());
        let scopes = self.kernel.groups.clone();
        self.kernel.put_off(Box::new(move || scopes.insert(id, GroupScope::new(limits))))
    }

    /// Groups and members stay.
    fn update(&self, _: &Entry, new: &Entry) -> Result<()> {
        let (limits, id) = (decode(new)?, new.id.to_string());
        let scopes = self.kernel.groups.clone();
        self.kernel.put_off(Box::new(move || match scopes.get(&id) {
            Some(scope) => scope.set_limits(limits),
            None => scopes.insert(id, GroupScope::new(limits)),
        }))
    }

    fn delete(&self, entry: &Entry) -> Result<()> {
        let (scopes, id) = (self.kernel.groups.clone(), entry.id.to_string());
        self.kernel.put_off(Box::new(move || scopes.remove(&id)))
    }
}

/// Checks all fields. On one node the two limits matter; our queues need no sizes.
fn decode(entry: &Entry) -> Result<Limits> {
    if entry.data.is_nil() {
        return Ok(Limits::default());
    }
    let fields = Fields::new(entry)?;
    let count = |name: &str| match fields.opt_int(name)? {
        Some(n) if n < 0 => Err(Error::invalid(format!("{name} must not be negative"))),
        n => Ok(n.map(|n| n as usize)),
    };
    for name in ["circuit_breaker_failures", "max_retries", "monitor_buffer"] {
        count(name)?;
    }
    for name in [
        "protocol_timeout",
        "broadcast_timeout",
        "anti_entropy_interval",
        "circuit_breaker_reset_time",
        "retry_base_delay",
        "retry_max_delay",
    ] {
        match fields.value(name) {
            None | Some(Value::Int(0..)) => {}
            Some(Value::Str(text)) => {
                let read = duration::parse(text);
                if read.map_err(|reason| fields.error(name, reason))? < 0 {
                    return Err(fields.error(name, "must not be negative"));
                }
            }
            Some(_) => return Err(fields.error(name, "must be a duration")),
        }
    }
    let size = count("action_queue_size")?.filter(|n| *n > 0).unwrap_or(256);
    let max = count("action_queue_max_size")?.filter(|n| *n > 0).unwrap_or(1024);
    if max < size {
        let message = "action_queue_max_size must not be less than action_queue_size";
        return Err(Error::invalid(message));
    }
    Ok(Limits {
        groups: count("max_groups")?.unwrap_or(0),
        members_per_group: count("max_members_per_group")?.unwrap_or(0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::EntryId;

    fn read(pairs: &[(&str, Value)]) -> Result<Limits> {
        let data = pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let (id, kind) = (EntryId::parse("app:pg"), "pg.scope".into());
        decode(&Entry { id, kind, meta: Default::default(), data: Value::Map(data) })
    }

    #[test]
    fn entries_are_checked() {
        assert_eq!(read(&[]), Ok(Limits::default()));
        let limits = Limits { groups: 3, members_per_group: 0 };
        let given = [("max_groups", Value::Int(3)), ("retry_max_delay", "2s".into())];
        assert_eq!(read(&given), Ok(limits));
        for (name, value) in [
            ("max_groups", Value::Int(-1)),
            ("monitor_buffer", Value::Int(-1)),
            ("protocol_timeout", "soon".into()),
            ("action_queue_max_size", Value::Int(100)),
        ] {
            let error = read(&[(name, value)]).expect_err(name);
            assert!(error.message().contains(name), "{error}");
        }
    }
}
