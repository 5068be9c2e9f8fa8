//! Guards reading the registry, which every spawn by id and every query does: a look-up by id, and
//! a query by kind and by metadata over all entries.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use wippy::core::registry::{Entry, EntryId, Query, Registry, Settings};
use wippy::infra::transcoder::{Map, Value};

const ENTRIES: usize = 2_000;

fn id(n: usize) -> EntryId {
    EntryId::parse(&format!("app.part{}:entry{n}", n % 20))
}

fn entry(n: usize) -> Entry {
    let kind = if n.is_multiple_of(10) { "registry.entry" } else { "ns.definition" };
    let meta = Map::from_iter([("group".to_owned(), Value::Int((n % 50) as i64))]);
    Entry { id: id(n), kind: kind.to_owned(), meta, data: Value::Nil }
}

fn registry(c: &mut Criterion) {
    let registry = Registry::new(Settings::default());
    registry.load((0..ENTRIES).map(entry).collect()).expect("loads");
    let mut group = c.benchmark_group("registry");
    let ids: Vec<EntryId> = (0..ENTRIES).map(id).collect();
    let mut turn = 0;
    group.bench_function("get", |b| {
        b.iter(|| {
            turn = (turn + 7) % ids.len();
            black_box(registry.get(&ids[turn])).is_ok()
        });
    });
    let query = |key: &str, value: Value| {
        let (query, ignored) = Query::parse(&Map::from_iter([(key.to_owned(), value)]));
        assert!(ignored.is_empty());
        assert!(!registry.find(&query).is_empty());
        query
    };
    let by_kind = query(".kind", "registry.entry".into());
    let by_meta = query("meta.group", Value::Int(7));
    for (name, query) in [("find_by_kind", by_kind), ("find_by_meta", by_meta)] {
        group.bench_function(name, |b| b.iter(|| black_box(registry.find(&query)).len()));
    }
    group.finish();
}

criterion_group!(benches, registry);
criterion_main!(benches);
