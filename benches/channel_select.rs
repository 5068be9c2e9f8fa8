//! Guards channels within a process: a value handed over by `send` and `receive`, and one taken by
//! a `select` over two channels. Both sides suspend and resume for each value.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

const RENDEZVOUS: &str = r#"
    local function main(n)
      local numbers = channel.new()
      coroutine.spawn(function()
        for i = 1, n do numbers:send(i) end
      end)
      for _ = 1, n do numbers:receive() end
    end
    return { main = main }"#;

const SELECT: &str = r#"
    local function main(n)
      local odd, even = channel.new(), channel.new()
      coroutine.spawn(function()
        for i = 1, n do (if i % 2 == 1 then odd else even):send(i) end
      end)
      local cases = { odd:case_receive(), even:case_receive() }
      for i = 1, n do
        local result = channel.select(cases)
        if result.value ~= i then error("out of order") end
      end
    end
    return { main = main }"#;

fn channel_select(c: &mut Criterion) {
    let node = support::node(1, &[("rendezvous", RENDEZVOUS), ("select", SELECT)]);
    let mut group = c.benchmark_group("channel");
    for program in ["rendezvous", "select"] {
        group.bench_function(program, |b| {
            b.iter_custom(|n| support::timed(&node, program, support::SHARED, n, &[]));
        });
    }
    group.finish();
}

criterion_group!(benches, channel_select);
criterion_main!(benches);
