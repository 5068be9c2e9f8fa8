//! Log records as events: system `logs`, kind `logs.entry`, path the name of the logger.
//!
//! Records go there while `logmanager.stream_to_events` is set, and instead of the log while a terminal
//! host with `hide_logs` runs its process.
//!
//! The settings of the section `logmanager` change by events too: `logs.config.set` with some of them as
//! data changes those; it and `logs.config.get` are answered by `logs.config.state` with all of them, on
//! the path of the request.

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

/// Takes requests about the settings until the bus stops.
///
/// # Errors
/// The bus is closed.
pub fn serve(logger: &Logger, bus: &EventBus) -> Result<()> {
    let (logger, answers) = (logger.clone(), bus.clone());
    let callback = Box::new(move |event: &Arc<Event>| {
        if event.kind == "logs.config.set" {
            logger.configure(changed(logger.settings(), &event.data.to_value()));
        }
        let state = state(&logger.settings());
        answers.send(Event::new("logs", "logs.config.state", &event.path, state));
    });
    bus.serve("logs", "logs.config.(get|set)", callback)
}

/// What is not there, or is no such value, stays as it is.
fn changed(settings: Settings, wanted: &Value) -> Settings {
    let flag = |key: &str, now: bool| wanted.get(key).and_then(Value::as_bool).unwrap_or(now);
    let level = wanted.get("min_level").and_then(Value::as_int).and_then(Level::from_number);
    Settings {
        propagate_downstream: flag("propagate_downstream", settings.propagate_downstream),
        stream_to_events: flag("stream_to_events", settings.stream_to_events),
        min_level: level.unwrap_or(settings.min_level),
        ..settings
    }
}

fn state(settings: &Settings) -> Value {
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
    use crate::infra::logger::Mode;

    #[test]
    fn settings_change_by_events() {
        let bus = EventBus::start().expect("starts");
        let logger = Logger::start(Mode::Silent, Settings::default()).expect("starts");
        serve(&logger, &bus).expect("served");
        let (_, events) =
            bus.channel("logs", "logs.config.state", Cancel::default()).expect("subscribed");
        let usual = Settings::default();
        let quiet = Settings { min_level: Level::Error, propagate_downstream: false, ..usual };
        let (level, streams) = (("min_level", Value::Int(2)), ("stream_to_events", true.into()));
        let off = ("propagate_downstream", Value::Bool(false));
        let wrong = [("min_level", Value::Int(7)), ("propagate_downstream", "no".into())];
        for (kind, data, expected) in [
            ("get", Value::Nil, usual),
            ("set", Value::from([level, off]), quiet),
            ("get", Value::from([streams.clone()]), quiet),
            ("set", Value::from(wrong), quiet),
            ("set", Value::from([streams]), Settings { stream_to_events: true, ..quiet }),
        ] {
            bus.send(Event::new("logs", &format!("logs.config.{kind}"), "me", data));
            let answer = events.recv().expect("answered");
            assert_eq!((answer.path.as_str(), answer.data.to_value()), ("me", state(&expected)));
            assert_eq!(logger.settings(), expected);
        }
    }

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
}
