//! Guards the static checker: 100,000 lines a second on one core is the least, with names resolved
//! before. Parsing and resolving are measured beside it.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wippy::lang::check::{Grants, check};
use wippy::lang::parser::parse;
use wippy::lang::resolve::resolve;
use wippy::runtime::modules::declarations;

fn lines(c: &mut Criterion) {
    let source = include_str!("../tests/lang/speed.luau").repeat(100);
    let library = declarations::library();
    let mut group = c.benchmark_group("check");
    group.throughput(Throughput::Elements(source.lines().count() as u64));
    group.bench_function("parse_and_resolve", |b| {
        b.iter(|| resolve(&parse(&source).ast));
    });
    let parsed = parse(&source);
    let resolved = resolve(&parsed.ast);
    group.bench_function("check", |b| {
        b.iter(|| check(&parsed.ast, &resolved, &source, library, Grants::default()));
    });
    group.finish();
}

criterion_group!(benches, lines);
criterion_main!(benches);
