//! Guards timers: insert and fire in the heap with many others pending, insert and cancel (what a
//! timeout that is not reached costs), and a `time.sleep` that is due at once as a process sees it.

mod support;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use wippy::core::reactor::timers::Timers;

const SLEEPER: &str = r#"
    local time = require("time")
    local function main(n)
      for _ = 1, n do time.sleep(1) end
    end
    return { main = main }"#;

/// A heap of `pending` timers far in the future, and a way to spread new deadlines below them.
fn filled(pending: u64) -> Timers<u64> {
    let mut timers = Timers::default();
    for n in 0..pending {
        timers.insert(u64::MAX - n, n);
    }
    timers
}

fn heap(c: &mut Criterion) {
    let mut group = c.benchmark_group("timers");
    for pending in [100, 10_000] {
        group.bench_function(BenchmarkId::new("insert_and_fire", pending), |b| {
            let mut timers = filled(pending);
            let mut now = 0;
            b.iter(|| {
                now += 1;
                timers.insert(now, now);
                black_box(timers.pop_due(now))
            });
        });
        group.bench_function(BenchmarkId::new("insert_and_cancel", pending), |b| {
            let mut timers = filled(pending);
            b.iter(|| {
                let id = timers.insert(u64::MAX / 2, 0);
                black_box(timers.cancel(id))
            });
        });
    }
    let node = support::node(1, &[("sleeper", SLEEPER)]);
    group.bench_function("sleep_due_at_once", |b| {
        b.iter_custom(|n| support::timed(&node, "sleeper", support::SHARED, n, &[]));
    });
    group.finish();
}

criterion_group!(benches, heap);
criterion_main!(benches);
