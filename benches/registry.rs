//! Guards the registry: a look-up by id and a query over all entries, which every spawn by id and
//! every query do, and an apply on top of many entries, which must cost what it changes and not
//! what is there. Each with a small application and with 100,000 entries; of those also the load and
//! an older version.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};
use wippy::core::registry::{
    Changeset, Entry, EntryId, History, Query, Registry, Settings, SqliteHistory, VersionId,
};
use wippy::infra::transcoder::{Map, Value};

const SIZES: [usize; 2] = [2_000, 100_000];

fn id(n: usize) -> EntryId {
    EntryId::parse(&format!("app.part{}:entry{n}", n % 20))
}

fn entry(n: usize) -> Entry {
    let kind = if n.is_multiple_of(10) { "registry.entry" } else { "ns.definition" };
    let meta = Map::from_iter([("group".to_owned(), Value::Int((n % 50) as i64))]);
    Entry { id: id(n), kind: kind.to_owned(), meta, data: Value::Nil }
}

fn entries(n_entries: usize) -> Vec<Entry> {
    (0..n_entries).map(entry).collect()
}

fn loaded(n_entries: usize, history: Option<Arc<dyn History>>) -> Registry {
    let registry = Registry::new(Settings { history, ..Settings::default() });
    registry.load(entries(n_entries)).expect("loads");
    registry
}

fn query(key: &str, value: Value) -> Query {
    let (query, ignored) = Query::parse(&Map::from_iter([(key.to_owned(), value)]));
    assert!(ignored.is_empty());
    query
}

fn reads(c: &mut Criterion) {
    let mut group = c.benchmark_group("registry");
    for n_entries in SIZES {
        let registry = loaded(n_entries, None);
        let ids: Vec<EntryId> = (0..n_entries).map(id).collect();
        let mut turn = 0;
        group.bench_function(BenchmarkId::new("get", n_entries), |b| {
            b.iter(|| {
                turn = (turn + 7_919) % ids.len();
                black_box(registry.get(&ids[turn])).is_ok()
            });
        });
        group.bench_function(BenchmarkId::new("snapshot", n_entries), |b| {
            b.iter(|| black_box(registry.snapshot()).len());
        });
        let by_kind = query(".kind", "registry.entry".into());
        let by_meta = query("meta.group", Value::Int(7));
        let by_ns = query(".ns", "app.part3".into());
        for (name, query) in
            [("find_by_kind", by_kind), ("find_by_meta", by_meta), ("find_by_ns", by_ns)]
        {
            assert!(!registry.find(&query).is_empty());
            group.bench_function(BenchmarkId::new(name, n_entries), |b| {
                b.iter(|| black_box(registry.find(&query)).len());
            });
        }
    }
    group.finish();
}

/// One entry comes and goes: two applies, without a history and with one in a file. The file is
/// written through to the disk, so its figure is the disk's.
fn applies(c: &mut Criterion) {
    let mut group = c.benchmark_group("registry");
    let folder = tempfile::tempdir().expect("a scratch folder");
    for n_entries in SIZES {
        let path = folder.path().join(format!("{n_entries}.db"));
        let file: Arc<dyn History> = Arc::new(SqliteHistory::open(path).expect("opens"));
        for (name, history) in [("apply_two", None), ("apply_two_sqlite", Some(file))] {
            let registry = loaded(n_entries, history);
            group.bench_function(BenchmarkId::new(name, n_entries), |b| {
                b.iter(|| {
                    let mut create = Changeset::new();
                    create.create(entry(n_entries));
                    let mut delete = Changeset::new();
                    delete.delete(id(n_entries));
                    registry.apply(create).and(registry.apply(delete)).is_ok()
                });
            });
        }
    }
    group.finish();
}

/// The entries at an older version: ten changes read from the file and laid over the baseline.
fn old_versions(c: &mut Criterion) {
    let mut group = c.benchmark_group("registry");
    let folder = tempfile::tempdir().expect("a scratch folder");
    for n_entries in SIZES {
        let path = folder.path().join(format!("{n_entries}.db"));
        let registry = loaded(n_entries, Some(Arc::new(SqliteHistory::open(path).expect("opens"))));
        for n in 0..20 {
            let mut changes = Changeset::new();
            changes.create(entry(n_entries + n));
            registry.apply(changes).expect("applies");
        }
        group.bench_function(BenchmarkId::new("snapshot_at", n_entries), |b| {
            b.iter(|| registry.snapshot_at(VersionId(10)).expect("there").len());
        });
    }
    group.finish();
}

fn load(c: &mut Criterion) {
    let mut group = c.benchmark_group("registry");
    group.sample_size(10);
    for n_entries in SIZES {
        group.bench_function(BenchmarkId::new("load", n_entries), |b| {
            let make = || (Registry::new(Settings::default()), entries(n_entries));
            b.iter_batched(
                make,
                |(registry, entries)| {
                    registry.load(entries).expect("loads");
                    registry
                },
                BatchSize::PerIteration,
            );
        });
    }
    group.finish();
}

criterion_group!(benches, reads, applies, old_versions, load);
criterion_main!(benches);
