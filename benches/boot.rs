//! Guards the boot of a large application, 10,000 entries in 200 files, a fifth of them processes
//! with a source file of their own: all of it, and the parts it consists of. A second is the most
//! that the whole may take; it takes about half of that.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use wippy::app::boot::System;
use wippy::app::infrastructure::Options;
use wippy::app::pipeline::disable::DisableRules;
use wippy::app::pipeline::link::Strictness;
use wippy::app::pipeline::{self, Plan};
use wippy::app::project::{self, LockFile};
use wippy::core::registry::Entry;

const FILES: usize = 200;
const ENTRIES_PER_FILE: usize = 50;

/// One folder for each file, with the sources of its processes beside it.
fn write_project(root: &Path) {
    let write = |path: &Path, text: &str| fs::write(path, text).expect("writes");
    write(&root.join("wippy.lock"), "directories: {src: src}\n");
    for part in 0..FILES {
        let dir = root.join(format!("src/part{part:03}"));
        fs::create_dir_all(&dir).expect("a folder");
        let mut text = format!("version: '1.0'\nnamespace: app.part{part:03}\nentries:\n");
        for n in 0..ENTRIES_PER_FILE {
            text.push_str(&match n {
                0 if part == 0 => "  - {name: processes, kind: process.host}\n".to_owned(),
                1 if part % 10 == 0 => "  - {name: service, kind: process.service, process: p4, \
                                        host: 'app.part000:processes'}\n"
                    .to_owned(),
                n if n % 5 == 4 => {
                    write(&dir.join(format!("p{n}.lua")), &source(n));
                    format!(
                        "  - name: p{n}\n    kind: process.lua\n    source: file://p{n}.lua\n    \
                         method: main\n    modules: [time]\n"
                    )
                }
                n => format!(
                    "  - name: e{n}\n    kind: registry.entry\n    meta:\n      type: item\n      \
                     comment: Entry {n} of part {part}\n      tags: [a, b, c]\n    config:\n      \
                     limit: {n}\n      enabled: true\n      paths: [/v1/items/{n}, /v2/items]\n"
                ),
            });
        }
        write(&dir.join("_index.yaml"), &text);
    }
}

fn source(n: usize) -> String {
    format!(
        "local time = require('time')\nlocal function work(a, b)\n  local t = {{}}\n  for i = 1, 10 \
         do t[i] = a * i + b end\n  return t\nend\nreturn {{ main = function(x) return work(x, {n}) \
         end }}\n"
    )
}

fn read(root: &Path) -> Vec<Entry> {
    let lock = LockFile::read(&root.join("wippy.lock")).expect("a lock file");
    let loaded = project::load_entries(&lock, &|pattern, value| pattern == value).expect("reads");
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    assert_eq!(loaded.entries.len(), FILES * ENTRIES_PER_FILE);
    loaded.entries
}

fn prepare(entries: Vec<Entry>) -> Vec<Entry> {
    let plan = Plan {
        overrides: &[],
        disable: &DisableRules::default(),
        matches: &|pattern, value| pattern == value,
        strictness: Strictness::Lenient,
    };
    pipeline::run(entries, &plan).expect("no stage fails").entries
}

/// How long a system takes to be there with these entries.
fn boot(entries: Vec<Entry>) -> (System, Duration) {
    let began = Instant::now();
    let system = System::boot(Options::default()).expect("boots");
    system.load(entries).expect("loads");
    (system, began.elapsed())
}

fn stop(system: System) {
    system.shut_down(Duration::from_secs(10), &mut |_| ());
}

fn bench(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a scratch folder");
    write_project(dir.path());
    let mut group = c.benchmark_group("boot_10k");
    group.sample_size(20);
    group.bench_function("whole", |b| {
        b.iter_custom(|n| {
            let mut total = Duration::ZERO;
            for _ in 0..n {
                let began = Instant::now();
                let entries = prepare(read(dir.path()));
                total += began.elapsed();
                let (system, took) = boot(entries);
                total += took;
                stop(system);
            }
            total
        });
    });
    group.bench_function("read", |b| b.iter(|| read(dir.path())));
    let entries = read(dir.path());
    group.bench_function("pipeline", |b| {
        b.iter_batched(|| entries.clone(), prepare, BatchSize::LargeInput);
    });
    group.bench_function("registry", |b| {
        b.iter_custom(|n| {
            let mut total = Duration::ZERO;
            for _ in 0..n {
                let (system, took) = boot(entries.clone());
                total += took;
                stop(system);
            }
            total
        });
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
