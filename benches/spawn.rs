//! Guards the life of a short process: `spawn_monitored`, the run of an empty method, its end, and
//! the EXIT event back at the parent. Per process, parent and child in one VM.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

const PARENT: &str = r#"
    local function main(n)
      local events = process.events()
      for _ = 1, n do
        local _, err = process.spawn_monitored("bench:child", "bench:shared")
        if err then error(err) end
        events:receive()
      end
    end
    return { main = main }"#;

const CHILD: &str = "return { main = function() end }";

fn spawn(c: &mut Criterion) {
    let node = support::node(1, &[("parent", PARENT), ("child", CHILD)]);
    c.bench_function("spawn/monitored_exit", |b| {
        b.iter_custom(|n| support::timed(&node, "parent", support::SHARED, n, &[]));
    });
}

criterion_group!(benches, spawn);
criterion_main!(benches);
