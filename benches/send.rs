//! Guards the latency of one message carrying a number, by how far apart the two processes live:
//! in one VM, in two VMs of one worker, in two VMs of two workers. Two processes return a token
//! to each other; an iteration is one send, half a round trip.
//!
//! Between two workers both ends poll, so that each keeps its worker: left alone, the scheduler
//! brings a pair that only answers each other together on one.

mod support;

use criterion::{Criterion, criterion_group, criterion_main};
use wippy::app::node::Node;
use wippy::infra::transcoder::Value;

const WAITING: &str = r#"
    local function main(n, echo)
      local inbox = process.inbox()
      for i = 1, n / 2 do
        process.send(echo, "token", i)
        inbox:receive()
      end
    end
    return { main = main }"#;

const WAITING_ECHO: &str = r#"
    local function main()
      local inbox = process.inbox()
      while true do
        local message = inbox:receive()
        if message:topic() == "stop" then return end
        process.send(message:from(), "token", 0)
      end
    end
    return { main = main }"#;

/// Starts its echo beside itself.
const NEAR: &str = r#"
    local function main(n, host)
      local inbox = process.inbox()
      local echo, err = process.spawn("bench:waiting_echo", host)
      if err then error(err) end
      for i = 1, n / 2 do
        process.send(echo, "token", i)
        inbox:receive()
      end
      process.send(echo, "stop")
    end
    return { main = main }"#;

const POLLING: &str = r#"
    local time = require("time")
    local function main(n, echo)
      local inbox = process.inbox()
      local cases = { inbox:case_receive(), default = true }
      for i = 1, n / 2 do
        process.send(echo, "token", i)
        while channel.select(cases).default do time.sleep(0) end
      end
      process.send(echo, "stop")
    end
    return { main = main }"#;

const POLLING_ECHO: &str = r#"
    local time = require("time")
    local function main()
      local inbox = process.inbox()
      local cases = { inbox:case_receive(), default = true }
      while true do
        local result = channel.select(cases)
        if result.default then
          time.sleep(0)
        elseif result.value:topic() == "stop" then
          return
        else
          process.send(result.value:from(), "token", 0)
        end
      end
    end
    return { main = main }"#;

const PROGRAMS: &[(&str, &str)] = &[
    ("waiting", WAITING),
    ("waiting_echo", WAITING_ECHO),
    ("near", NEAR),
    ("polling", POLLING),
    ("polling_echo", POLLING_ECHO),
];

fn send(c: &mut Criterion) {
    let mut group = c.benchmark_group("send");
    let one = support::node(1, PROGRAMS);
    settle(&one);
    group.bench_function("same_vm", |b| {
        b.iter_custom(|n| {
            support::timed(&one, "near", support::SHARED, n, &[support::SHARED.into()])
        });
    });
    let (echo, _ended) = support::spawn(&one, "waiting_echo", support::ISOLATED, &[]);
    let echo = Value::from(echo.text().as_str());
    group.bench_function("same_worker", |b| {
        let args = [echo.clone()];
        b.iter_custom(|n| support::timed(&one, "waiting", support::ISOLATED, n, &args));
    });
    let two = support::node(2, PROGRAMS);
    group.bench_function("other_worker", |b| {
        b.iter_custom(|n| {
            let (echo, _ended) = support::spawn(&two, "polling_echo", support::ISOLATED, &[]);
            let args = [echo.text().as_str().into()];
            support::timed(&two, "polling", support::ISOLATED, n, &args)
        });
    });
    group.finish();
}

/// Lets an echo end once: processes known to end quickly are started beside their parent.
fn settle(node: &Node) {
    support::timed(node, "near", support::SHARED, 2, &[support::SHARED.into()]);
}

criterion_group!(benches, send);
criterion_main!(benches);
