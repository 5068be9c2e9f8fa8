//! Guards the latency of one message carrying a number, by how far apart the two ends are. Two
//! processes return a token to each other; an iteration is one send, half a round trip.
//!
//! - `same_vm`, `same_worker`: in one VM, in two VMs of one worker.
//! - `other_worker_busy`: in two VMs of two workers, both of which always have something ready.
//!   Shows how soon a busy VM looks at its mail. (Left alone, a pair that only answers each other
//!   ends up on one worker, hence the polling.)
//! - `other_thread`: a thread that is no worker sends, and a sink of the relay takes the answer;
//!   the worker sleeps in between. An iteration is the whole way there and back.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use wippy::app::node::Node;
use wippy::core::pid::{HostId, Pid};
use wippy::core::relay::node::{Host, Sink};
use wippy::core::relay::{Body, Package, Refused};
use wippy::infra::transcoder::Value;
use wippy::infra::transcoder::wire::Wire;

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
    group.bench_function("other_worker_busy", |b| {
        b.iter_custom(|n| {
            let (echo, _ended) = support::spawn(&two, "polling_echo", support::ISOLATED, &[]);
            let args = [echo.text().as_str().into()];
            support::timed(&two, "polling", support::ISOLATED, n, &args)
        });
    });
    let answers = Arc::new(AtomicU64::new(0));
    let sink = HostId::intern("bench:sink");
    let local = one.kernel.mailbox.router().local();
    local.attach_host(sink, Host::Sink(Arc::new(Answers(answers.clone())))).expect("a new host");
    let (echo, _ended) = support::spawn(&one, "waiting_echo", support::ISOLATED, &[]);
    let from = Pid::new(one.kernel.pids.node(), sink, 1);
    group.bench_function("other_thread", |b| {
        b.iter_custom(|n| there_and_back(&one, from, echo, &answers, n));
    });
    local.detach_host(sink);
    group.finish();
}

/// Counts what it is sent.
struct Answers(Arc<AtomicU64>);

impl Sink for Answers {
    fn deliver(&self, _package: Package) -> Result<(), Refused> {
        self.0.fetch_add(1, Ordering::Release);
        Ok(())
    }
}

fn there_and_back(node: &Node, from: Pid, to: Pid, answers: &AtomicU64, n: u64) -> Duration {
    let begin = Instant::now();
    for _ in 0..n {
        let seen = answers.load(Ordering::Acquire);
        let body = Body::Message(Wire::of(&["token".into(), Value::Int(0)]));
        node.kernel.mailbox.send_from_outside(Package { from, to, body }).expect("has room");
        while answers.load(Ordering::Acquire) == seen {
            std::thread::yield_now();
        }
    }
    begin.elapsed()
}

/// Lets an echo end once: processes known to end quickly are started beside their parent.
fn settle(node: &Node) {
    support::timed(node, "near", support::SHARED, 2, &[support::SHARED.into()]);
}

criterion_group!(benches, send);
criterion_main!(benches);
