//! Log records as events: system `logs`, kind `logs.entry`, path the name of the logger.
//!
//! Records go there while `logmanager.stream_to_events` is set, and instead of the log while a terminal
//! host with `hide_logs` runs its process.
//!
//! The settings of section `logmanager` change at run time by events of the same system:
//! `logs.config.set` with those that shall change, `logs.config.get`. Both are answered by
//! `logs.config.state` with all of them, on the path of the question. What is no such setting, or not
//! of its type, changes nothing.

use std::sync::Arc;

use crate::infra::error::Result;
use crate::infra::event_bus::{Event, EventBus};
use crate::infra::logger::{Level, Logger, Record, Settings};
use crate::infra::transcoder::Value;

/// Publishes what `logger` streams on `bus`.
pub fn stream(logger: &Logger, bus: EventBus) {
    logger.set_tap(Box::new(move |record| {
        if bus.is_heard() {
            bus.send(Event::new("logs", "logs.entry", record.name, data(record)));
        }
    }));
}

/// Lets events read and change the settings of `logger`.
///
/// # Errors
/// `UNAVAILABLE`: the bus is closed.
pub fn configure(logger: &Logger, bus: &EventBus) -> Result<()> {
    let (logger, answers) = (logger.clone(), bus.clone());
    let callback = move |event: &Arc<Event>| {
        if event.kind == "logs.config.set" {
            logger.configure(changed(logger.settings(), &event.data.to_value()));
        }
        let state = state(logger.settings());
        answers.send(Event::new("logs", "logs.config.state", &event.path, state));
    };
    bus.serve("logs", "logs.config.(set|get)", Box::new(callback))
}

fn changed(settings: Settings, wanted: &Value) -> Settings {
    let flag = |name: &str, now: bool| wanted.get(name).and_then(Value::as_bool).unwrap_or(now);
    let level = wanted.get("min_level").and_then(Value::as_number);
    let level = level.filter(|n| n.fract() == 0.0).and_then(|n| Level::from_number(n as i64));
    Settings {
        propagate_downstream: flag("propagate_downstream", settings.propagate_downstream),
        stream_to_events: flag("stream_to_events", settings.stream_to_events),
        min_level: level.unwrap_or(settings.min_level),
        ..settings
    }
}

fn state(settings: Settings) -> Value {
    Value::from([
        ("propagate_downstream", settings.propagate_downstream.into()),
        ("stream_to_events", settings.stream_to_events.into()),
        ("min_level", Value::Int(settings.min_level as i64)),
    ])
}

fn data(record: &Record<'_>) -> Value {
    let location = record.context.get("location").cloned();
    let entry = Value::from([
        ("logger_name", record.name.into()),
        ("message", record.message.into()),
        ("caller", location.unwrap_or_else(|| "".into())),
        ("stack", record.stack.unwrap_or_default().into()),
        ("level", Value::Int(record.level as i64)),
        ("time", Value::Int(record.time.as_nanosecond() as i64)),
    ]);
    let fields = record.fields.iter().map(|(key, value)| field(key, value)).collect();
    Value::from([("entry", entry), ("fields", Value::List(fields))])
}

/// `{key, type, string, int}`: the shape of one field.
fn field(key: &str, value: &Value) -> Value {
    let (kind, text, number) = match value {
        Value::Str(text) => ("string", text.clone(), 0),
        Value::Int(n) => ("int", String::new(), *n),
        Value::Bool(flag) => ("bool", String::new(), i64::from(*flag)),
        Value::Float(x) => ("float", x.to_string(), 0),
        Value::Error(error) => ("error", error.to_string(), 0),
        other => ("any", other.type_name().to_owned(), 0),
    };
    Value::from([
        ("key", key.into()),
        ("type", kind.into()),
        ("string", text.into()),
        ("int", Value::Int(number)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::event_bus::Cancel;
    use crate::infra::logger::{Mode, Settings};

    #[test]
    fn records_become_events_while_they_are_streamed() {
        let bus = EventBus::start().expect("starts");
        let (_, events) = bus.channel("logs", "", Cancel::default()).expect("subscribed");
        let settings = Settings { stream_to_events: true, ..Settings::default() };
        let logger = Logger::start(Mode::Silent, settings).expect("starts");
        stream(&logger, bus);
        logger.named("app").info("hello", [("n", Value::Int(3))]);
        let event = events.recv().expect("published");
        assert_eq!((event.kind.as_str(), event.path.as_str()), ("logs.entry", "app"));
        let data = event.data.to_value();
        let entry = data.get("entry").expect("an entry");
        assert_eq!(entry.get("message"), Some(&"hello".into()));
        let fields = data.get("fields").and_then(Value::as_list).expect("fields");
        assert_eq!(fields[0].get("int"), Some(&Value::Int(3)));
    }

    #[test]
    fn settings_change_by_events() {
        let bus = EventBus::start().expect("starts");
        let (_, states) = bus.channel("logs", "logs.config.state", Cancel::default()).expect("on");
        let logger = Logger::silent();
        configure(&logger, &bus).expect("serves");
        let ask = |kind: &str, data: Value| {
            bus.send(Event::new("logs", kind, "me", data));
            let answer = states.recv().expect("an answer");
            assert_eq!(answer.path, "me");
            answer.data.to_value()
        };
        let before = ask("logs.config.get", Value::Nil);
        assert_eq!(before, state(Settings::default()));
        let wanted = [("stream_to_events", true.into()), ("min_level", Value::Float(2.0))];
        let after = ask("logs.config.set", Value::from(wanted));
        assert_eq!(after.get("min_level"), Some(&Value::Int(2)));
        let settings = logger.settings();
        assert!(settings.stream_to_events && settings.propagate_downstream);
        assert_eq!(settings.min_level, Level::Error);
        // What makes no sense changes nothing.
        let nonsense = [("stream_to_events", "no".into()), ("min_level", Value::Int(7))];
        assert_eq!(ask("logs.config.set", Value::from(nonsense)), after);
        assert_eq!(ask("logs.config.set", Value::Int(1)), after);
    }
}
