//! Guards the round trip of a table with three fields between a pair of processes: both in one VM,
//! and each in a VM of its own with two workers to choose from.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};

const PING: &str = r#"
    local function main(n, host)
      local inbox = process.inbox()
      local echo, err = process.spawn("bench:echo", host)
      if err then error(err) end
      local me = process.pid()
      for i = 1, n do
        process.send(echo, "ping", { sender = me, seq = i, data = "hello world" })
        local answer = inbox:receive():payload():data()
        if answer.seq ~= i then error("out of order") end
      end
      process.send(echo, "stop")
    end
    return { main = main }"#;

const ECHO: &str = r#"
    local function main()
      local inbox = process.inbox()
      local me = process.pid()
      while true do
        local message = inbox:receive()
        if message:topic() == "stop" then return end
        local ping = message:payload():data()
        process.send(ping.sender, "pong", { sender = me, seq = ping.seq, data = ping.data })
      end
    end
    return { main = main }"#;

fn ping_pong(c: &mut Criterion) {
    let mut group = c.benchmark_group("ping_pong");
    for (name, workers, host) in [("one_vm", 1, support::SHARED), ("two_vms", 2, support::ISOLATED)]
    {
        let node = support::node(workers, &[("ping", PING), ("echo", ECHO)]);
        // Once before: an echo that is known to end quickly is started beside its parent.
        support::timed(&node, "ping", host, 1, &[host.into()]);
        group.bench_function(name, |b| {
            b.iter_custom(|n| support::timed(&node, "ping", host, n, &[host.into()]));
        });
    }
    group.finish();
}

criterion_group!(benches, ping_pong);
criterion_main!(benches);
