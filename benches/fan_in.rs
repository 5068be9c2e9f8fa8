//! Guards many senders at one receiver: eight processes send a small table each in turn, an
//! iteration is one message received. Event queues and lanes fill: this is where the mailbox's
//! back-pressure shows.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

const RECEIVER: &str = r#"
    local function main(n, host)
      local inbox = process.inbox()
      for i = 1, 8 do
        local share = n // 8 + (if i <= n % 8 then 1 else 0)
        local _, err = process.spawn("bench:sender", host, process.pid(), share)
        if err then error(err) end
      end
      for _ = 1, n do inbox:receive() end
    end
    return { main = main }"#;

const SENDER: &str = r#"
    local function main(to, n)
      for i = 1, n do process.send(to, "work", { seq = i, data = "hello" }) end
    end
    return { main = main }"#;

fn fan_in(c: &mut Criterion) {
    let mut group = c.benchmark_group("fan_in");
    for (name, host) in [("shared", support::SHARED), ("isolated", support::ISOLATED)] {
        let node = support::node(2, &[("receiver", RECEIVER), ("sender", SENDER)]);
        group.bench_function(name, |b| {
            b.iter_custom(|n| support::timed(&node, "receiver", host, n, &[host.into()]));
        });
    }
    group.finish();
}

criterion_group!(benches, fan_in);
criterion_main!(benches);
