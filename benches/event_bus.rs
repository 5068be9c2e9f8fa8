//! Guards the event bus: what `send` costs the publisher when nobody matches, and an event's way to
//! a subscriber's queue, with one subscriber and with sixteen of which one matches.

use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use wippy::infra::event_bus::{Cancel, Event, EventBus};
use wippy::infra::transcoder::Value;

fn event() -> Event {
    Event::new("registry", "entry.update", "app:worker", Value::Nil)
}

fn event_bus(c: &mut Criterion) {
    let mut group = c.benchmark_group("event_bus");
    for (name, others) in [("publish_to_one", 0), ("publish_to_one_of_16", 15)] {
        let bus = EventBus::start().expect("starts");
        for _ in 0..others {
            bus.channel("supervisor", "service.*", Cancel::default()).expect("subscribed");
        }
        let (_, events) =
            bus.channel("registry", "entry.*", Cancel::default()).expect("subscribed");
        group.bench_function(name, |b| {
            b.iter_custom(|n| {
                let begin = Instant::now();
                (0..n).for_each(|_| bus.send(event()));
                assert_eq!(events.iter().take(n as usize).count(), n as usize);
                begin.elapsed()
            });
        });
        bus.stop();
    }
    group.finish();
}

criterion_group!(benches, event_bus);
criterion_main!(benches);
