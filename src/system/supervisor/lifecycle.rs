//! The `lifecycle` table of an entry: how its service starts, stops and restarts.
//!
//! [`LifecycleOptions::decode`] is the only place with defaults. It rejects what has the wrong type
//! and names the field; values that the restart policy merely treats specially (a factor of zero, a
//! negative jitter) are normalised here, so that nobody later has to know the special cases. The
//! `security` table is kept as it is: what it means is not the supervisor's business.

use std::time::Duration;

use crate::core::registry::EntryId;
use crate::infra::error::{Error, Result};
use crate::infra::transcoder::Value;

/// Turns `"1m30s"` into nanoseconds. Handed in, so that there is one grammar of durations.
pub type ParseDuration = fn(&str) -> Result<i64, Error>;

/// What a start sequence does when this service cannot start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Startup {
    /// It waits for the service, and reports it as blocked when a dependency is missing.
    #[default]
    Required,
    /// It goes on without it; the service retries in the background.
    Optional,
}

/// When and how often a failed service is started again.
#[derive(Clone, Debug, PartialEq)]
pub struct RestartPolicy {
    pub initial_delay: Duration,
    /// Cap of the delay before jitter; the first delay is exempt.
    pub max_delay: Duration,
    pub backoff_factor: f64,
    /// Share of the delay by which it varies to either side; 0 is none.
    pub jitter: f64,
    /// Failed runs in a row until the service is given up; 0 is no limit.
    pub max_attempts: u32,
}

impl Default for RestartPolicy {
    fn default() -> RestartPolicy {
        RestartPolicy {
            initial_delay: Duration::from_secs(1),
            max_delay: Duration::from_secs(90),
            backoff_factor: 2.0,
            jitter: 0.1,
            max_attempts: 0,
        }
    }
}

/// Everything under `lifecycle`.
#[derive(Clone, Debug, PartialEq)]
pub struct LifecycleOptions {
    /// Start when the transaction that registers the entry commits.
    pub auto_start: bool,
    pub startup: Startup,
    /// `requires`, then `depends_on`, without repetitions.
    pub requires: Vec<EntryId>,
    /// Limit of one start attempt.
    pub start_timeout: Duration,
    /// Limit of a graceful stop.
    pub stop_timeout: Duration,
    /// A run of at least this long resets the failure counter.
    pub stable_threshold: Duration,
    pub restart: RestartPolicy,
    /// Actor, groups and policies of the service, undecoded; `Nil` if there are none.
    pub security: Value,
}

impl Default for LifecycleOptions {
    fn default() -> LifecycleOptions {
        LifecycleOptions {
            auto_start: false,
            startup: Startup::Required,
            requires: Vec::new(),
            start_timeout: Duration::from_secs(10),
            stop_timeout: Duration::from_secs(10),
            stable_threshold: Duration::from_secs(5),
            restart: RestartPolicy::default(),
            security: Value::Nil,
        }
    }
}

impl LifecycleOptions {
    /// Reads the `lifecycle` of an entry of namespace `own_ns`; `Nil` gives the defaults.
    ///
    /// A zero duration, factor or jitter takes the default. Unknown keys are left alone.
    ///
    /// # Errors
    /// `INVALID`, with the full name of the first field that is wrong.
    pub fn decode(
        value: &Value,
        own_ns: &str,
        parse_duration: ParseDuration,
    ) -> Result<LifecycleOptions> {
        let table = Table::new(value, "lifecycle")?;
        let restart = Table::new(table.get("restart"), "lifecycle.restart")?;
        let usual = LifecycleOptions::default();
        let mut requires = Vec::new();
        for key in ["requires", "depends_on"] {
            table.ids(key, own_ns, &mut requires)?;
        }
        let duration = |table: &Table<'_>, key, usual| table.duration(key, usual, parse_duration);
        Ok(LifecycleOptions {
            auto_start: table.bool("auto_start")?,
            startup: table.startup()?,
            requires,
            start_timeout: duration(&table, "start_timeout", usual.start_timeout)?,
            stop_timeout: duration(&table, "stop_timeout", usual.stop_timeout)?,
            stable_threshold: duration(&table, "stable_threshold", usual.stable_threshold)?,
            restart: RestartPolicy {
                initial_delay: duration(&restart, "initial_delay", usual.restart.initial_delay)?,
                max_delay: duration(&restart, "max_delay", usual.restart.max_delay)?,
                backoff_factor: match restart.number("backoff_factor")? {
                    0.0 => usual.restart.backoff_factor,
                    factor if factor < 0.0 => 1.0,
                    factor => factor,
                },
                jitter: match restart.number("jitter")? {
                    0.0 => usual.restart.jitter,
                    jitter => jitter.max(0.0),
                },
                max_attempts: restart.count("max_attempts")?,
            },
            security: table.security()?,
        })
    }
}

/// A map and its name for error messages.
struct Table<'a> {
    value: &'a Value,
    name: &'static str,
}

impl<'a> Table<'a> {
    fn new(value: &'a Value, name: &'static str) -> Result<Table<'a>> {
        match value {
            Value::Nil | Value::Map(_) => Ok(Table { value, name }),
            other => Err(wrong_type(name, "a mapping", other)),
        }
    }

    fn get(&self, key: &str) -> &'a Value {
        self.value.get(key).unwrap_or(&Value::Nil)
    }

    fn wrong<T>(&self, key: &str, wanted: &str) -> Result<T> {
        Err(wrong_type(&format!("{}.{key}", self.name), wanted, self.get(key)))
    }

    fn bool(&self, key: &str) -> Result<bool> {
        match self.get(key) {
            Value::Nil => Ok(false),
            Value::Bool(flag) => Ok(*flag),
            _ => self.wrong(key, "a boolean"),
        }
    }

    /// An unknown word is `required`: a service is not skipped because of a typing error.
    fn startup(&self) -> Result<Startup> {
        match self.get("startup") {
            Value::Nil => Ok(Startup::Required),
            Value::Str(word) if word == "optional" => Ok(Startup::Optional),
            Value::Str(_) => Ok(Startup::Required),
            _ => self.wrong("startup", "a string"),
        }
    }

    fn duration(&self, key: &str, usual: Duration, parse: ParseDuration) -> Result<Duration> {
        let text = match self.get(key) {
            Value::Nil => return Ok(usual),
            Value::Str(text) => text,
            _ => return self.wrong(key, "a duration such as \"10s\""),
        };
        let name = || format!("{}.{key}", self.name);
        let nanos = parse(text).map_err(|e| Error::invalid(name()).with_source(e))?;
        match u64::try_from(nanos) {
            Ok(0) => Ok(usual),
            Ok(nanos) => Ok(Duration::from_nanos(nanos)),
            Err(_) => Err(Error::invalid(format!("{} must not be negative", name()))),
        }
    }

    /// 0 if absent.
    fn number(&self, key: &str) -> Result<f64> {
        match (self.get(key), self.get(key).as_number()) {
            (Value::Nil, _) => Ok(0.0),
            (_, Some(number)) if number.is_finite() => Ok(number),
            _ => self.wrong(key, "a finite number"),
        }
    }

    /// A whole number; what is below zero counts as zero.
    fn count(&self, key: &str) -> Result<u32> {
        let number = self.number(key)?;
        match number.fract() == 0.0 {
            true => Ok(number as u32), // Saturates at both ends, which is what we want.
            false => self.wrong(key, "a whole number"),
        }
    }

    fn security(&self) -> Result<Value> {
        match self.get("security") {
            table @ (Value::Nil | Value::Map(_)) => Ok(table.clone()),
            _ => self.wrong("security", "a mapping"),
        }
    }

    fn ids(&self, key: &str, own_ns: &str, into: &mut Vec<EntryId>) -> Result<()> {
        let items = match self.get(key) {
            Value::Nil => return Ok(()),
            Value::List(items) => items,
            _ => return self.wrong(key, "a list of ids"),
        };
        for (index, item) in items.iter().enumerate() {
            let id = entry_id(item, own_ns).ok_or_else(|| {
                wrong_type(&format!("{}.{key}[{}]", self.name, index + 1), "an entry id", item)
            })?;
            if !into.contains(&id) {
                into.push(id);
            }
        }
        Ok(())
    }
}

/// `"name"`, `"ns:name"` or `{ns, name}`.
fn entry_id(item: &Value, own_ns: &str) -> Option<EntryId> {
    let id = match item {
        Value::Str(text) => EntryId::parse_in(text, own_ns),
        Value::Map(map) => {
            let part = |key: &str| map.get(key).and_then(Value::as_str);
            EntryId::new(part("ns").unwrap_or(own_ns), part("name")?)
        }
        _ => return None,
    };
    (!id.name().is_empty()).then_some(id)
}

fn wrong_type(name: &str, wanted: &str, got: &Value) -> Error {
    Error::invalid(format!("{name} must be {wanted}, not {}", got.type_name()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whole seconds only; the real grammar has its own tests.
    fn seconds(text: &str) -> Result<i64, Error> {
        let digits = text.strip_suffix('s').ok_or_else(|| Error::invalid("no unit"))?;
        let count: i64 = digits.parse().map_err(|_| Error::invalid("no number"))?;
        Ok(count * 1_000_000_000)
    }

    fn decode(value: impl Into<Value>) -> Result<LifecycleOptions> {
        LifecycleOptions::decode(&value.into(), "app", seconds)
    }

    fn list(items: &[&str]) -> Value {
        Value::List(items.iter().map(|&item| item.into()).collect())
    }

    #[test]
    fn nothing_gives_the_defaults() {
        let options = decode(Value::Nil).unwrap();
        assert_eq!(options, LifecycleOptions::default());
        assert_eq!(options.restart.max_delay, Duration::from_secs(90));
        assert_eq!(decode([("restart", Value::Nil), ("novel", true.into())]).unwrap(), options);
    }

    #[test]
    fn every_field_is_read() {
        let options = decode([
            ("auto_start", true.into()),
            ("startup", "optional".into()),
            ("requires", list(&["db", "sys:log"])),
            ("depends_on", Value::List(vec![[("name", "cache".into())].into(), "db".into()])),
            ("start_timeout", "1s".into()),
            ("stop_timeout", "2s".into()),
            ("stable_threshold", "3s".into()),
            (
                "restart",
                [
                    ("initial_delay", "4s".into()),
                    ("max_delay", "5s".into()),
                    ("backoff_factor", 1.5.into()),
                    ("jitter", 0.5.into()),
                    ("max_attempts", 6.into()),
                ]
                .into(),
            ),
            ("security", [("groups", Value::List(vec![]))].into()),
        ])
        .unwrap();
        let wanted = LifecycleOptions {
            auto_start: true,
            startup: Startup::Optional,
            requires: vec![
                EntryId::new("app", "db"),
                EntryId::new("sys", "log"),
                EntryId::new("app", "cache"),
            ],
            start_timeout: Duration::from_secs(1),
            stop_timeout: Duration::from_secs(2),
            stable_threshold: Duration::from_secs(3),
            restart: RestartPolicy {
                initial_delay: Duration::from_secs(4),
                max_delay: Duration::from_secs(5),
                backoff_factor: 1.5,
                jitter: 0.5,
                max_attempts: 6,
            },
            security: [("groups", Value::List(vec![]))].into(),
        };
        assert_eq!(options, wanted);
    }

    #[test]
    fn special_values_are_normalised() {
        let restart = |key, value: Value| {
            decode([("restart", [(key, value)].into())]).map(|options| options.restart).unwrap()
        };
        assert_eq!(restart("backoff_factor", 0.into()).backoff_factor, 2.0);
        assert_eq!(restart("backoff_factor", (-3).into()).backoff_factor, 1.0);
        assert_eq!(restart("jitter", 0.0.into()).jitter, 0.1);
        assert_eq!(restart("jitter", (-1).into()).jitter, 0.0);
        assert_eq!(restart("max_attempts", (-1).into()).max_attempts, 0);
        assert_eq!(restart("max_attempts", 3.0.into()).max_attempts, 3);
        assert_eq!(restart("initial_delay", "0s".into()).initial_delay, Duration::from_secs(1));
        assert_eq!(decode([("startup", "later".into())]).unwrap().startup, Startup::Required);
    }

    #[test]
    fn errors_name_the_field() {
        #[track_caller]
        fn check(value: impl Into<Value>, text: &str) {
            let error = decode(value).unwrap_err();
            assert_eq!(error.to_string(), text);
            assert_eq!(*error.kind(), crate::infra::error::Kind::Invalid);
        }
        check("now", "lifecycle must be a mapping, not a string");
        check(
            [("auto_start", "yes".into())],
            "lifecycle.auto_start must be a boolean, not a string",
        );
        check([("startup", 1.into())], "lifecycle.startup must be a string, not an integer");
        check([("stop_timeout", "a while".into())], "lifecycle.stop_timeout: no unit");
        check(
            [("stop_timeout", 5.into())],
            "lifecycle.stop_timeout must be a duration such as \"10s\", not an integer",
        );
        check([("stop_timeout", "-1s".into())], "lifecycle.stop_timeout must not be negative");
        check([("restart", true.into())], "lifecycle.restart must be a mapping, not a boolean");
        check(
            [("restart", [("jitter", f64::NAN.into())].into())],
            "lifecycle.restart.jitter must be a finite number, not a number",
        );
        check(
            [("restart", [("max_attempts", 1.5.into())].into())],
            "lifecycle.restart.max_attempts must be a whole number, not a number",
        );
        check(
            [("requires", "db".into())],
            "lifecycle.requires must be a list of ids, not a string",
        );
        check(
            [("depends_on", list(&["db", ""]))],
            "lifecycle.depends_on[2] must be an entry id, not a string",
        );
        check([("security", 1.into())], "lifecycle.security must be a mapping, not an integer");
    }
}
