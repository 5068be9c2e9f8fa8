//! Probes: a pair of processes that talk without pause, and a process that sleeps. Both tell a sink
//! of each round, which measures how long their VM kept them waiting.
//!
//! A pair does very many rounds while nothing is wrong and one while everything stands still, so
//! percentiles of rounds say little. Beside them stand percentiles of *stalls*: every [`LOOK`] an
//! imaginary client asks, and waits until the pair's next round ends (no coordinated omission).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use wippy::app::node::Node;
use wippy::core::pid::Pid;
use wippy::infra::error::Result;
use wippy::infra::transcoder::Value;

use crate::clients::{self, Receive};

/// The parent of a pair: its first child lives in its VM. With a program in `beside` it is itself
/// the first child of that.
const PING: &str = r#"
    local function main(sink, pause)
      local time = require("time")
      local inbox = process.inbox()
      local echo, err = process.spawn("load:echo", "load:processes", process.pid())
      if err then error(err) end
      local round = 0
      while true do
        round += 1
        process.send(echo, "ping", round)
        if inbox:receive():payload():data() ~= round then process.send(sink, "fault") end
        process.send(sink, "round")
        if pause > 0 then time.sleep(pause) end
      end
    end
    return { main = main }"#;

const ECHO: &str = r#"
    local function main(ping)
      local inbox = process.inbox()
      while true do process.send(ping, "pong", inbox:receive():payload():data()) end
    end
    return { main = main }"#;

const SLEEPER: &str = r#"
    local function main(sink, period)
      local time = require("time")
      while true do
        process.send(sink, "woken")
        time.sleep(period)
      end
    end
    return { main = main }"#;

/// How often an imaginary client asks.
pub const LOOK: Duration = Duration::from_micros(100);
/// How long a sleeper sleeps.
pub const PERIOD: Duration = Duration::from_millis(1);
/// Longer than any stall, in nanoseconds.
const STALL_MAX: u64 = 600_000_000_000;

pub fn histogram() -> Histogram<u64> {
    Histogram::new_with_max(STALL_MAX, 3).expect("the bounds are in order")
}

/// What the probes of a node have seen, in nanoseconds.
pub struct Seen {
    /// From one end of a round to the next.
    pub rounds: Histogram<u64>,
    /// What imaginary clients waited.
    pub stalls: Histogram<u64>,
    /// The stalls of each pair.
    pub by_pair: Vec<Histogram<u64>>,
    /// By how much sleepers were late.
    pub lateness: Histogram<u64>,
    pub faults: u64,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Pair,
    Sleeper,
}

struct Probe {
    kind: Kind,
    /// End of its last round; of the beginning of the measured time if that is later.
    last: u64,
    rounds: Histogram<u64>,
    stalls: Histogram<u64>,
}

/// The sink of all probes of a node.
pub struct Probes {
    epoch: Instant,
    probes: Mutex<Vec<Arc<Mutex<Probe>>>>,
    measuring: AtomicBool,
    faults: AtomicU64,
    /// What other processes of the scenario have told with the topic `count`.
    counted: AtomicU64,
}

impl Probes {
    /// Defines the programs and attaches the sink.
    pub fn attach(node: &Node) -> Result<Arc<Probes>> {
        node.define("load:ping", PING)?;
        node.define("load:echo", ECHO)?;
        node.define("load:sleeper", SLEEPER)?;
        let probes = Arc::new(Probes {
            epoch: Instant::now(),
            probes: Mutex::default(),
            measuring: AtomicBool::new(false),
            faults: AtomicU64::new(0),
            counted: AtomicU64::new(0),
        });
        clients::attach(node, probes.clone())?;
        Ok(probes)
    }

    /// The arguments of a new pair, which the caller starts as `load:ping`.
    pub fn pair(&self, node: &Node, pause: Duration) -> [Value; 2] {
        [self.add(node, Kind::Pair), Value::Int(pause.as_nanos() as i64)]
    }

    /// The arguments of a new sleeper, which the caller starts as `load:sleeper`.
    pub fn sleeper(&self, node: &Node) -> [Value; 2] {
        [self.add(node, Kind::Sleeper), Value::Int(PERIOD.as_nanos() as i64)]
    }

    fn add(&self, node: &Node, kind: Kind) -> Value {
        let mut probes = self.probes.lock();
        let (rounds, stalls) = (histogram(), histogram());
        probes.push(Arc::new(Mutex::new(Probe { kind, last: 0, rounds, stalls })));
        clients::address(node, probes.len() - 1)
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    pub fn counted(&self) -> u64 {
        self.counted.load(Ordering::Relaxed)
    }

    /// Lets the probes run for a while, and tells what they have seen.
    pub fn measure(&self, duration: Duration) -> Seen {
        let probes: Vec<_> = self.probes.lock().clone();
        let begin = self.now();
        probes.iter().for_each(|probe| probe.lock().last = begin);
        self.measuring.store(true, Ordering::SeqCst);
        std::thread::sleep(duration);
        self.measuring.store(false, Ordering::SeqCst);
        let end = self.now();
        let faults = self.faults.swap(0, Ordering::SeqCst);
        let mut seen = Seen {
            rounds: histogram(),
            stalls: histogram(),
            by_pair: Vec::new(),
            lateness: histogram(),
            faults,
        };
        for probe in probes {
            let mut probe = probe.lock();
            // A stall that lasts to the end counts as far as it got.
            let into = match probe.kind {
                Kind::Pair => {
                    looks(&mut probe, end);
                    seen.by_pair.push(probe.stalls.clone());
                    &mut seen.rounds
                }
                Kind::Sleeper => {
                    late(&mut probe, end);
                    &mut seen.lateness
                }
            };
            into.add(&probe.rounds).expect("all have the same bounds");
            seen.stalls.add(&probe.stalls).expect("all have the same bounds");
            probe.rounds.reset();
            probe.stalls.reset();
        }
        seen
    }
}

/// What clients have waited that asked since the last round, at whole multiples of [`LOOK`].
fn looks(probe: &mut Probe, now: u64) {
    let look = LOOK.as_nanos() as u64;
    let mut asked = (probe.last / look + 1) * look;
    while asked <= now {
        probe.stalls.saturating_record(now - asked);
        asked += look;
    }
}

/// By how much a sleeper came late, and would have come late in each period that it missed.
fn late(probe: &mut Probe, now: u64) {
    let period = PERIOD.as_nanos() as u64;
    let mut late = (now - probe.last).saturating_sub(period);
    probe.rounds.saturating_record(late);
    while late > period {
        late -= period;
        probe.rounds.saturating_record(late);
    }
}

impl Receive for Probes {
    fn receive(&self, to: Pid, topic: &str, values: &[Value]) {
        match topic {
            "fault" => {
                self.faults.fetch_add(1, Ordering::SeqCst);
            }
            "count" => {
                self.counted.fetch_add(clients::number(values, 0), Ordering::Relaxed);
            }
            _ => {
                if !self.measuring.load(Ordering::Relaxed) {
                    return;
                }
                let probe = self.probes.lock().get(clients::index(to)).cloned();
                let Some(probe) = probe else { return };
                let mut probe = probe.lock();
                let now = self.now();
                match probe.kind {
                    Kind::Pair => {
                        let round = now - probe.last;
                        probe.rounds.saturating_record(round);
                        looks(&mut probe, now);
                    }
                    Kind::Sleeper => late(&mut probe, now),
                }
                probe.last = now;
            }
        }
    }
}
