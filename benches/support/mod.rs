//! What the benchmarks share: a node with two hosts, and timing of programs that count to n.
//!
//! A program runs its n iterations in Lua and returns. Starting it and hearing of its end cost some
//! tens of microseconds, which the regression over growing n takes out.

use std::time::{Duration, Instant};

use wippy::app::node::{Ended, Node, Options};
use wippy::core::pid::Pid;
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::transcoder::Value;
use wippy::system::host::HostKind;

/// Processes share VMs here.
pub const SHARED: &str = "bench:shared";
/// Each process has a VM to itself here.
pub const ISOLATED: &str = "bench:isolated";
/// Only a hang takes so long.
const LONG: Duration = Duration::from_secs(300);

/// A node with both hosts and these programs, `bench:NAME`.
pub fn node(workers: usize, programs: &[(&str, &str)]) -> Node {
    let scheduler = SchedulerOptions { workers, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() }).expect("starts");
    node.add_host(SHARED, HostKind::Processes, false).expect("a new host");
    node.add_host(ISOLATED, HostKind::Processes, true).expect("a new host");
    for (name, source) in programs {
        node.define(&format!("bench:{name}"), source).expect("compiles");
    }
    node
}

pub fn spawn(node: &Node, program: &str, host: &str, args: &[Value]) -> (Pid, Ended) {
    node.spawn(&format!("bench:{program}"), host, args).expect("starts")
}

/// How long `program` takes for n iterations; `more` are its arguments after n.
pub fn timed(node: &Node, program: &str, host: &str, n: u64, more: &[Value]) -> Duration {
    let mut args = vec![Value::Int(n as i64)];
    args.extend_from_slice(more);
    let begin = Instant::now();
    let (_, ended) = spawn(node, program, host, &args);
    ended.wait(LONG).expect("the program succeeds");
    begin.elapsed()
}
