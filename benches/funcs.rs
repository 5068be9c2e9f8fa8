//! Guards what a call costs: a function that does nothing, called from a process beside it.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use wippy::core::registry::{Entry, EntryId};
use wippy::infra::transcoder::Value;

const CALLER: &str = r#"
    return { main = function(n)
      for i = 1, n do
        if funcs.call("bench:f", i) ~= i then error("no call was made") end
      end
    end }"#;

const FUTURES: &str = r#"
    return { main = function(n)
      for i = 1, n do
        local payload = funcs.async("bench:f", i):response():receive()
        if payload:data() ~= i then error("no call was made") end
      end
    end }"#;

fn funcs(c: &mut Criterion) {
    let node = support::node(1, &[("caller", CALLER), ("futures", FUTURES)]);
    let source = "return {main = function(x) return x end}";
    let function = Entry {
        id: EntryId::parse("bench:f"),
        kind: "function.lua".into(),
        meta: Default::default(),
        data: Value::from([("source", source.into()), ("method", "main".into())]),
    };
    node.registry.load(vec![function]).expect("loads");
    for name in ["caller", "futures"] {
        c.bench_function(&format!("funcs/{name}"), |b| {
            b.iter_custom(|n| support::timed(&node, name, support::SHARED, n, &[]));
        });
    }
}

criterion_group!(benches, funcs);
criterion_main!(benches);
