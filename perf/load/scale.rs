//! What further workers add: processes that compute, spawned in a loop by one process; and how a
//! burst of spawns spreads over workers.
//!
//! A process that has begun to run tells a sink, which is called on its worker: so the sink knows
//! who ran it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use wippy::core::pid::Pid;
use wippy::infra::error::Result;
use wippy::infra::transcoder::Value;

use crate::clients::{self, Receive};
use crate::report::{Report, Table, Target};
use crate::{Args, HOST, node, progress};

/// Spawns `n` children in a loop, then takes their EXITs. Returns how many went well.
const PARENT: &str = r#"
    local function main(n, child, ...)
      local events, exits = process.events(), 0
      for _ = 1, n do
        local _, err = process.spawn_monitored(child, "load:processes", ...)
        if err then error(err) end
      end
      for _ = 1, n do
        if not events:receive().result.error then exits += 1 end
      end
      return exits
    end
    return { main = main }"#;

/// Computes for a fixed number of steps.
const COMPUTE: &str = r#"
    local function main(sink, steps)
      local x = 0
      for i = 1, steps do x = (x * 31 + i) % 1000003 end
      process.send(sink, "ran", x)
    end
    return { main = main }"#;

const TOUCH: &str = r#"return { main = function(sink) process.send(sink, "ran") end }"#;

/// Processes that compute, and for how long each.
const PROCESSES: u64 = 64;
const WORK: Duration = Duration::from_millis(50);
/// Runs of each; the median counts.
const RUNS: usize = 5;
/// Spawns of the burst.
const BURST: u64 = 100_000;
/// What a process of the burst computes that is not over at once.
const BRIEFLY: Duration = Duration::from_micros(50);
const PATIENCE: Duration = Duration::from_secs(300);

/// Counts who ran processes.
#[derive(Default)]
struct Ran(Mutex<FxHashMap<String, u64>>);

impl Receive for Ran {
    fn receive(&self, _to: Pid, _topic: &str, _values: &[Value]) {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("another thread");
        let mut ran = self.0.lock();
        match ran.get_mut(name) {
            Some(count) => *count += 1,
            None => {
                ran.insert(name.to_owned(), 1);
            }
        }
    }
}

struct Outcome {
    took: Duration,
    /// Processes that each worker ran.
    shares: Vec<u64>,
    steals: u64,
    missing: u64,
}

pub fn run(args: &Args) -> Result<Report> {
    let most = args.workers.unwrap_or(2).max(2);
    let most_args = Args { workers: Some(most), ..args.clone() };
    let mut report = Report::bare(&most_args, "scale");
    let step = calibrate()?;
    let steps = |work: Duration| (work.as_secs_f64() / step) as i64;
    if args.wants("compute") {
        let work = if args.short { WORK / 50 } else { WORK };
        let columns = ["median s", "least s", "most s", "efficiency", "least share", "steals"];
        let title = format!("{PROCESSES} processes of {work:?}, spawned by one");
        let mut table = Table::new(title, &columns);
        let mut medians = Vec::new();
        for (workers, before) in [(1, work), (most, work), (most, Duration::ZERO)] {
            let runs = if args.short { 1 } else { RUNS };
            let mut outcomes = Vec::new();
            for n in 0..runs {
                progress::draw("computing", n as f64 / runs as f64, &format!("{workers} workers"));
                outcomes.push(spawned(
                    workers,
                    PROCESSES,
                    "load:compute",
                    (steps(before), steps(work)),
                )?);
            }
            outcomes.sort_by_key(|outcome| outcome.took);
            report.fault("processes missing", outcomes.iter().map(|o| o.missing).sum());
            let median = &outcomes[runs / 2];
            let ideal = work.as_secs_f64() * PROCESSES as f64 / workers as f64;
            let took = |n: usize| outcomes[n].took.as_secs_f64();
            let known = if before == work { "" } else { ", known to end at once" };
            table.row(
                format!("{workers} workers{known}"),
                [
                    median.took.as_secs_f64(),
                    took(0),
                    took(runs - 1),
                    ideal / median.took.as_secs_f64(),
                    least_share(&median.shares),
                    median.steals as f64,
                ],
            );
            medians.push(median.took.as_secs_f64());
        }
        report.tables.push(table);
        // 1.8 of 2, and as much of more.
        let aim = Target::AtLeast(0.9 * most as f64);
        report.check(format!("{most} workers against 1"), medians[0] / medians[1], "times", aim);
    }
    if args.wants("burst") {
        let count = args.count.unwrap_or(BURST);
        let columns = ["s", "spawns/s", "least share", "steals"];
        let title = format!("{count} spawns by one process, {most} workers");
        let mut table = Table::new(title, &columns);
        for (name, program, work) in [
            ("end at once", "load:touch", Duration::ZERO),
            ("compute 50 us", "load:compute", BRIEFLY),
        ] {
            progress::draw("spawning", 0.0, name);
            let outcome = spawned(most, count, program, (steps(work), steps(work)))?;
            report.fault("processes missing", outcome.missing);
            let took = outcome.took.as_secs_f64();
            let share = least_share(&outcome.shares);
            table.row(name, [took, count as f64 / took, share, outcome.steals as f64]);
            // Those that end at once stay with their parent on purpose.
            if work > Duration::ZERO {
                // Half of what would be its part is a worker that takes part.
                let fair = 0.5 / most as f64;
                report.check(
                    format!("least share of a worker, {name}"),
                    share,
                    "of all processes",
                    Target::AtLeast(fair),
                );
            }
        }
        report.tables.push(table);
    }
    progress::clear();
    Ok(report)
}

/// The part of all processes that the least busy worker ran.
fn least_share(shares: &[u64]) -> f64 {
    let all: u64 = shares.iter().sum();
    shares.iter().min().map_or(f64::NAN, |least| *least as f64 / all.max(1) as f64)
}

/// One process spawns `count` others on a fresh node.
///
/// Before that it spawns a few that compute for `before` steps.
fn spawned(
    workers: usize,
    count: u64,
    program: &str,
    (before, steps): (i64, i64),
) -> Result<Outcome> {
    let node = node(workers)?;
    node.define("load:parent", PARENT)?;
    node.define("load:compute", COMPUTE)?;
    node.define("load:touch", TOUCH)?;
    let ran = Arc::new(Ran::default());
    clients::attach(&node, ran.clone())?;
    let sink = clients::address(&node, 0);
    // A program's first run opens VMs and loads chunks. What it computes decides where further
    // processes of its kind are put.
    let first = 2 * workers as i64;
    let first = [Value::Int(first), program.into(), sink.clone(), Value::Int(before)];
    node.spawn("load:parent", HOST, &first)?.1.wait(PATIENCE)?;
    ran.0.lock().clear();
    let stolen = || node.kernel.scheduler.stats().iter().map(|worker| worker.steals).sum::<u64>();
    let steals = stolen();
    let begin = Instant::now();
    let all = [Value::Int(count as i64), program.into(), sink, Value::Int(steps)];
    let exits = node.spawn("load:parent", HOST, &all)?.1.wait(PATIENCE)?;
    let took = begin.elapsed();
    clients::detach(&node);
    let ran = ran.0.lock();
    let share = |n: usize| ran.get(&format!("wippy-{n}")).copied().unwrap_or(0);
    let shares: Vec<u64> = (0..workers).map(share).collect();
    let well = exits.as_number().unwrap_or_default() as u64;
    let missing = count.abs_diff(well) + count.abs_diff(ran.values().sum());
    Ok(Outcome { took, shares, steals: stolen() - steals, missing })
}

/// Seconds that one step of [`COMPUTE`] takes.
fn calibrate() -> Result<f64> {
    const STEPS: i64 = 5_000_000;
    let runs = (0..3).map(|_| Ok(spawned(1, 1, "load:compute", (1, STEPS))?.took.as_secs_f64()));
    let least = runs.collect::<Result<Vec<f64>>>()?.into_iter().fold(f64::INFINITY, f64::min);
    Ok(least / STEPS as f64)
}
