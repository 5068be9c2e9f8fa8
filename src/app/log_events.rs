//! Log records as events: system `logs`, kind `logs.entry`, path the name of the logger.
//!
//! Records go there while `logmanager.stream_to_events` is set, and instead of the log while a terminal
//! host with `hide_logs` runs its process.

use crate::infra::event_bus::{Event, EventBus};
use crate::infra::logger::{Logger, Record};
use crate::infra::transcoder::Value;

/// Publishes what `logger` streams on `bus`.
pub fn stream(logger: &Logger, bus: EventBus) {
    logger.set_tap(Box::new(move |record| {
        if bus.is_heard() {
            bus.send(Event::new("logs", "logs.entry", record.name, data(record)));
        }
    }));
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
}
