//! Guards reading a service from the sealed context, which takes no lock: beside it, in the same run,
//! the plain map of the same size that it must not fall far behind.

use std::any::Any;
use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, criterion_group, criterion_main};
use wippy::infra::app_context::{AppContext, Key};

/// About as many as a runtime has.
const NAMES: [&str; 16] = [
    "event_bus",
    "logger",
    "config",
    "process_table",
    "relay",
    "mailbox",
    "pidgen",
    "dispatcher",
    "registry",
    "finder",
    "supervisor",
    "topology",
    "lifecycle",
    "factory",
    "kernel",
    "vm_pool",
];

fn app_context(c: &mut Criterion) {
    let context = AppContext::new();
    let mut map: HashMap<&'static str, Arc<dyn Any + Send + Sync>> = HashMap::new();
    for (n, name) in NAMES.into_iter().enumerate() {
        context.attach(&Key::new(name), Arc::new(n));
        map.insert(name, Arc::new(n));
    }
    let open = AppContext::new();
    NAMES.into_iter().enumerate().for_each(|(n, name)| open.attach(&Key::new(name), Arc::new(n)));
    context.seal();

    let keys: Vec<Key<usize>> = NAMES.into_iter().map(Key::new).collect();
    let mut group = c.benchmark_group("app_context");
    let mut turn = 0;
    let mut next = move || {
        turn = (turn + 7) % NAMES.len();
        turn
    };
    group.bench_function("sealed", |b| b.iter(|| black_box(context.get(&keys[next()]))));
    group.bench_function("open", |b| b.iter(|| black_box(open.get(&keys[next()]))));
    // What a reader has in the end is a counted reference to the service, in its own type.
    group.bench_function("plain_map", |b| {
        b.iter(|| {
            let any = map.get(keys[next()].name()).cloned();
            black_box(any.and_then(|any| any.downcast::<usize>().ok()))
        });
    });
    group.bench_function("plain_map_without_reference", |b| {
        b.iter(|| black_box(map.contains_key(keys[next()].name())));
    });
    group.finish();
}

criterion_group!(benches, app_context);
criterion_main!(benches);
