//! Guards the event bus: what `send` costs the publisher when nobody matches, and an event's way to
//! a subscriber's queue, with one subscriber and with sixteen of which one matches; to a process that
//! receives it; and there and back for a process that sends to itself.

mod support;

use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use wippy::app::node::Node;
use wippy::infra::event_bus::{Cancel, Event, EventBus};
use wippy::infra::transcoder::Value;

const RECEIVES: &str = r#"
    local events = require("events")
    return {main = function(n)
      local ch = events.subscribe("registry", "entry.*"):channel()
      events.send("bench", "ready", "p")
      for _ = 1, n do ch:receive() end
    end}"#;

const SENDS: &str = r#"
    local events = require("events")
    return {main = function(n)
      local ch = events.subscribe("bench", "k"):channel()
      for _ = 1, n do
        events.send("bench", "k", "p")
        ch:receive()
      end
    end}"#;

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
    let node = support::node(1, &[("receives", RECEIVES), ("sends", SENDS)]);
    group.bench_function("to_a_process", |b| b.iter_custom(|n| to_a_process(&node, n)));
    group.bench_function("process_to_itself", |b| {
        b.iter_custom(|n| support::timed(&node, "sends", support::SHARED, n, &[]));
    });
    group.finish();
}

/// From the first of n events sent until a process has received all.
fn to_a_process(node: &Node, n: u64) -> Duration {
    let (id, ready) = node.bus().channel("bench", "ready", Cancel::default()).expect("subscribed");
    let (_, ended) = support::spawn(node, "receives", support::SHARED, &[Value::Int(n as i64)]);
    ready.recv().expect("it has subscribed");
    node.bus().unsubscribe(id);
    let begin = Instant::now();
    (0..n).for_each(|_| node.bus().send(event()));
    ended.wait(Duration::from_secs(300)).expect("all received");
    begin.elapsed()
}

criterion_group!(benches, event_bus);
criterion_main!(benches);
