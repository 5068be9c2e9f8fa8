//! Runs small sets of programs that start each other.

use std::sync::Arc;
use std::time::Duration;

use wippy::app::node::{Node, Options};
use wippy::core::registry::listener::Listener;
use wippy::core::registry::{Entry, EntryId};
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::config::Config;
use wippy::infra::error::Error;
use wippy::infra::transcoder::Value;
use wippy::system::host::HostKind;

/// A safety net, not a measure.
const LONG: Duration = Duration::from_secs(60);

/// Runs `app:main` of the given programs twice: where all may share a VM, and with a VM for each.
#[track_caller]
pub fn check(programs: &[(&str, &str)]) {
    check_with(programs, Config::default);
}

/// Runs them where whoever lacks an actor or a scope may do nothing.
#[track_caller]
pub fn check_strict(programs: &[(&str, &str)]) {
    check_with(programs, || {
        let mut config = Config::builder();
        config.set("security.strict_mode", Value::Bool(true));
        config.build()
    });
}

#[track_caller]
fn check_with(programs: &[(&str, &str)], config: fn() -> Config) {
    for isolated in [false, true] {
        if let Err(error) = run(programs, isolated, config()) {
            panic!("isolated: {isolated}: {error}");
        }
    }
}

fn run(programs: &[(&str, &str)], isolated: bool, config: Config) -> Result<Value, Error> {
    let scheduler = SchedulerOptions { workers: 2, pin: false, ..SchedulerOptions::default() };
    let config = Arc::new(config);
    let node = Node::start(Options { scheduler, config, ..Options::default() })?;
    node.add_host("app:host", HostKind::Processes, isolated)?;
    node.registry.register_listener("network.*", Arc::new(Anything));
    node.registry.load(entries())?;
    for (name, body) in programs {
        let source = format!("return {{main = function(...)\n{body}\nend}}");
        node.define(&format!("app:{name}"), &source)?;
    }
    node.spawn("app:main", "app:host", &[])?.1.wait(LONG)
}

/// Accepts every entry.
struct Anything;

impl Listener for Anything {
    fn add(&self, _: &Entry) -> Result<(), Error> {
        Ok(())
    }

    fn update(&self, _: &Entry, _: &Entry) -> Result<(), Error> {
        Ok(())
    }

    fn delete(&self, _: &Entry) -> Result<(), Error> {
        Ok(())
    }
}

/// What the programs find: policies, scopes of groups, a network.
fn entries() -> Vec<Entry> {
    let entry = |id: &str, kind: &str, data: Value| Entry {
        id: EntryId::parse(id),
        kind: kind.into(),
        meta: Default::default(),
        data,
    };
    let rule = |effect: &str, conditions: Vec<Value>| {
        Value::from([
            ("actions", "*".into()),
            ("resources", "*".into()),
            ("effect", effect.into()),
            ("conditions", Value::List(conditions)),
        ])
    };
    let condition = |field: &str, operator: &str, value_from: &str| {
        Value::from([
            ("field", field.into()),
            ("operator", operator.into()),
            ("value_from", value_from.into()),
        ])
    };
    let is_denied = condition("action", "eq", "actor.meta.denied");
    let groups = Value::List(vec!["staff".into()]);
    vec![
        entry(
            "app:all",
            "security.policy",
            Value::from([("policy", rule("allow", vec![])), ("groups", groups.clone())]),
        ),
        // Denies the one action that the actor's meta names.
        entry(
            "app:but",
            "security.policy",
            Value::from([("policy", rule("deny", vec![is_denied])), ("groups", groups)]),
        ),
        // Denies exactly what the actor's meta describes: action, resource, and whether the PID is told.
        entry(
            "app:exact",
            "security.policy",
            Value::from([(
                "policy",
                rule(
                    "deny",
                    vec![
                        condition("action", "eq", "actor.meta.action"),
                        condition("resource", "eq", "actor.meta.resource"),
                        condition("meta.pid", "exists", "actor.meta.has_pid"),
                    ],
                ),
            )]),
        ),
        entry("app:groups", "pg.scope", Value::Nil),
        entry("app:few", "pg.scope", Value::from([("max_groups", 1.into())])),
        entry("app:net", "network.test", Value::Nil),
        entry(
            "app:double",
            "function.lua",
            Value::from([
                ("source", "return {main = function(x) return x * 2 end}".into()),
                ("method", "main".into()),
            ]),
        ),
    ]
}
