//! [`Caller`]: on whose behalf a Rust program calls functions and starts processes.
//!
//! It becomes the frame that every process has, so all that Lua does with actors, scopes and context
//! values holds for it. Policies are looked up for each call, so a change of theirs counts at once.

use std::sync::Arc;

use serde::Serialize;

use crate::core::registry::EntryId;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::typed::to_value;
use crate::infra::transcoder::{Map, Value};
use crate::system::frame::Frame;
use crate::system::security::{Actor, Scope, Security};

/// On whose behalf functions are called and processes started: an actor, the policies that it is
/// subject to, and context values. What is called hands all of it on to whatever it calls and starts
/// itself. And, not handed on, how patient its calls are.
///
/// Made once, for a user who has signed in for example, and used for any number of calls, from any
/// thread: see [`Runtime::call_as`](crate::Runtime::call_as) and
/// [`Runtime::spawn_as`](crate::Runtime::spawn_as). It belongs to no runtime.
///
/// | | Lua asks by |
/// |---|---|
/// | [`actor`](Caller::actor) | `security.actor()` |
/// | [`policies`](Caller::policies), [`groups`](Caller::groups) | `security.can(action, resource)`, and whenever a module does something that policies may forbid |
/// | [`context`](Caller::context) | `ctx.get(key)` |
///
/// Policies are asked where both an actor and policies, or groups, have been named, though it be by an
/// empty list. Otherwise all is allowed, or nothing if the setting `security.strict_mode` is on. The
/// Rust program itself is subject to no policies: what it calls is its own decision.
///
/// ```
/// use serde_json::json;
/// use wippy::Caller;
///
/// let ada = Caller::new()
///     .actor("ada", json!({ "team": "sales" }))
///     .policies(["app:may_read"])
///     .context(json!({ "tenant": 7 }));
/// ```
#[must_use = "it does nothing by itself"]
#[derive(Clone, Debug, Default)]
pub struct Caller {
    actor: Option<Actor>,
    /// None: policies have not been mentioned.
    named: Option<Named>,
    /// None: there are none, and nothing has to be made to call on nobody's behalf.
    values: Option<Arc<Map>>,
    options: Map,
    /// The first mistake; what is called with it fails by it.
    mistake: Option<Error>,
}

/// What the scope is put together from.
#[derive(Clone, Debug, Default)]
struct Named {
    policies: Vec<String>,
    groups: Vec<String>,
}

impl Caller {
    /// Nobody in particular, without context: as [`Runtime::call`](crate::Runtime::call) calls.
    pub fn new() -> Caller {
        Caller::default()
    }

    /// Who acts: an id, and what else policies and programs may know of the actor, `()` for nothing.
    pub fn actor(mut self, id: impl Into<String>, meta: impl Serialize) -> Caller {
        if let Some(meta) = self.fields("the actor's meta", &meta) {
            self.actor = Some(Actor::new(id, meta));
        }
        self
    }

    /// Adds policies, by the ids of their entries. One that is not there when a call is made makes it
    /// fail. With an empty list, and nothing else, an actor may do nothing.
    pub fn policies(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Caller {
        let named = self.named.get_or_insert_default();
        named.policies.extend(ids.into_iter().map(Into::into));
        self
    }

    /// Adds the policies of groups, by the ids that policies have under `groups`. One that no policy
    /// is in when a call is made makes it fail.
    pub fn groups(mut self, ids: impl IntoIterator<Item = impl Into<String>>) -> Caller {
        let named = self.named.get_or_insert_default();
        named.groups.extend(ids.into_iter().map(Into::into));
        self
    }

    /// Adds context values: a map or a struct with a value for each key. Of several with one key the
    /// last is used.
    pub fn context(mut self, values: impl Serialize) -> Caller {
        if let Some(values) = self.fields("the context", &values) {
            Arc::make_mut(self.values.get_or_insert_default()).extend(values);
        }
        self
    }

    /// Options of calls, instead of those there were, as `with_options` has them in Lua: `timeout`, a text
    /// like `"2s"` or milliseconds, after which the call is ended and fails with `Timeout`; `retry`, by
    /// which it is made again when it fails. Each replaces what the function's entry has under
    /// `meta.options`. They mean nothing to processes.
    ///
    /// ```
    /// # use serde_json::json;
    /// let retry = json!({ "max_attempts": 3, "initial_delay": "50ms" });
    /// let patient = wippy::Caller::new().options(json!({ "timeout": "2s", "retry": retry }));
    /// ```
    pub fn options(mut self, options: impl Serialize) -> Caller {
        if let Some(options) = self.fields("the options", &options) {
            self.options = options;
        }
        self
    }

    /// `value` as fields; what is wrong with it is kept.
    fn fields(&mut self, what: &str, value: &impl Serialize) -> Option<Map> {
        let mistake = match to_value(value) {
            Ok(Value::Map(fields)) => return Some(fields),
            Ok(Value::Nil) => return Some(Map::new()),
            Ok(other) => Error::invalid(format!("{what} is {}, not fields", other.type_name())),
            Err(error) => error.context(what),
        };
        self.mistake.get_or_insert(mistake);
        None
    }

    pub(super) fn own_options(&self) -> &Map {
        &self.options
    }

    /// What a process or a call is given.
    ///
    /// # Errors
    /// `NOT_FOUND`: a policy or a group is not there. `INVALID`: the first mistake.
    pub(super) fn frame(&self, security: &Security) -> Result<Option<Arc<Frame>>> {
        if let Some(mistake) = &self.mistake {
            return Err(mistake.clone());
        }
        if self.actor.is_none() && self.named.is_none() && self.values.is_none() {
            return Ok(None);
        }
        let scope = self.named.as_ref().map(|named| named.scope(security)).transpose()?;
        let (actor, values) = (self.actor.clone(), self.values.clone().unwrap_or_default());
        Ok(Frame { values, actor, scope, network: None }.share())
    }
}

impl Named {
    fn scope(&self, security: &Security) -> Result<Scope> {
        let mut policies = Vec::with_capacity(self.policies.len());
        for id in &self.groups {
            let group = security.group(&EntryId::parse(id));
            let missing = || Error::not_found(format!("policy group not found: {id}"));
            policies.extend_from_slice(group.ok_or_else(missing)?.policies());
        }
        for id in &self.policies {
            let missing = || Error::not_found(format!("policy not found: {id}"));
            policies.push(security.policy(id).ok_or_else(missing)?);
        }
        Ok(Scope::new(policies))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::core::registry::Entry;
    use crate::infra::error::Kind;
    use crate::system::security::policy::Policy;

    fn security() -> Security {
        let security = Security::new(false);
        let rule = [("actions", "*"), ("resources", "*"), ("effect", "allow")];
        let rule = Value::from(rule.map(|(key, value)| (key, Value::from(value))));
        for (id, groups) in
            [("a:one", vec!["a:staff"]), ("a:two", vec!["a:staff"]), ("a:x", vec![])]
        {
            let (id, kind) = (EntryId::parse(id), "security.policy".to_owned());
            let data = [("policy", rule.clone())].into();
            let entry = Entry { id, kind, meta: Map::new(), data };
            let groups = groups.into_iter().map(EntryId::parse).collect();
            security.insert(Policy::decode(&entry).expect("well formed"), groups);
        }
        security
    }

    #[track_caller]
    fn check(caller: Caller, policies: Option<&[&str]>) {
        let frame = caller.frame(&security()).expect("all is there");
        let scope = frame.and_then(|frame| frame.scope.clone());
        let ids = scope
            .as_ref()
            .map(|scope| scope.policies().iter().map(|policy| policy.id()).collect::<Vec<_>>());
        assert_eq!(ids.as_deref(), policies);
    }

    #[test]
    fn what_is_named_makes_the_scope() {
        let new = Caller::new;
        check(new(), None);
        check(new().actor("ada", ()), None);
        check(new().policies([""; 0]), Some(&[]));
        check(new().policies(["a:x"]).policies(vec!["a:one".to_owned()]), Some(&["a:one", "a:x"]));
        check(new().groups(["a:staff"]).policies(["a:one"]), Some(&["a:one", "a:two"]));
    }

    #[test]
    fn context_is_laid_over_context() {
        #[derive(Serialize)]
        struct Tenant {
            tenant: u32,
        }
        let caller = Caller::new().context(json!({ "a": 1, "tenant": 1 }));
        let other = caller.clone().context(Tenant { tenant: 2 });
        let values = |caller: &Caller| {
            let frame = caller.frame(&security()).expect("no mistake").expect("has values");
            ["a", "tenant"].map(|key| frame.values.get(key).cloned())
        };
        assert_eq!(values(&caller), [Some(1.into()), Some(1.into())]);
        assert_eq!(values(&other), [Some(1.into()), Some(2.into())]);
    }

    #[track_caller]
    fn check_refused(caller: Caller, kind: Kind, text: &str) {
        let error = caller.frame(&security()).expect_err("refused");
        assert_eq!(*error.kind(), kind, "{error}");
        assert!(error.to_string().contains(text), "{error}");
    }

    /// Leaving out a policy that denies something would allow it.
    #[test]
    fn what_is_missing_or_wrong_makes_calls_fail() {
        let new = Caller::new;
        check_refused(
            new().policies(["a:x", "a:none"]),
            Kind::NotFound,
            "policy not found: a:none",
        );
        check_refused(new().groups(["a:x"]), Kind::NotFound, "policy group not found: a:x");
        check_refused(new().actor("ada", 5), Kind::Invalid, "the actor's meta is an integer");
        let odd = std::collections::HashMap::from([((1, 2), 3)]);
        check_refused(new().context(odd), Kind::Invalid, "the context: a key must be text");
        let first = new().context(["x"]).context(json!({ "a": 1 }));
        check_refused(first, Kind::Invalid, "the context is a list, not fields");
    }
}
