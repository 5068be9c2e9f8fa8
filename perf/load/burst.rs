//! Memory around a burst of spawns, and what idle processes cost. Three parts, each on a node of its
//! own; `--only` gives one the whole program to itself, so that nothing is left over from another.
//!
//! - `churn`: processes spawn monitored children that end at once, 64 at a time.
//! - `idle`: 100,000 idle processes, what they use of the processor, then the churn beside them.
//! - `alive`: 200,000 processes alive at once, which then all end.
//!
//! "Before" is a node on which all programs have run once, so that its VMs are open.

use std::time::{Duration, Instant};

use wippy::app::node::Node;
use wippy::core::pid::Pid;
use wippy::infra::error::Result;
use wippy::infra::transcoder::Value;

use crate::report::{Report, Series, Table, Target};
use crate::{Args, HOST, clients, idle, node, progress, system};

/// Spawns `total` children, `batch` at a time, and takes the EXIT of each. Returns how many it took.
const CHURN: &str = r#"
    local function main(total, batch)
      local events, exits = process.events(), 0
      while exits < total do
        local n = math.min(batch, total - exits)
        for _ = 1, n do
          local _, err = process.spawn_monitored("load:child", "load:processes")
          if err then error(err) end
        end
        for _ = 1, n do
          local exit = events:receive()
          if exit.result.error then error(exit.result.error) end
          exits += 1
        end
      end
      return exits
    end
    return { main = main }"#;

/// Spawns `n` children that wait, and when told ends them. Returns how many EXITs it took.
const HOLDER: &str = r#"
    local function main(n)
      local inbox, events, children = process.inbox(), process.events(), {}
      for i = 1, n do
        local pid, err = process.spawn_monitored("load:idle", "load:processes")
        if err then error(err) end
        children[i] = pid
      end
      inbox:receive()
      for _, pid in children do process.send(pid, "end") end
      local exits = 0
      for _ = 1, n do
        if events:receive().result.error then error("a child failed") end
        exits += 1
      end
      return exits
    end
    return { main = main }"#;

const CHILD: &str = "return { main = function() end }";

const SPAWNS: u64 = 1_000_000;
/// Children of a spawner that are alive at once.
const BATCH: i64 = 64;
/// Children of a holder.
const HELD: u64 = 1000;
/// Looks at memory after a burst, one a second.
const LOOKS: u64 = 10;
/// For how long idle processes are watched.
const WATCH: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(120);

struct Burst<'a> {
    args: &'a Args,
    report: Report,
    table: Table,
}

pub fn run(args: &Args) -> Result<Report> {
    let columns =
        ["before MiB", "peak MiB", "1 s MiB", "5 s MiB", "10 s MiB", "ratio", "spawns/s", "VMs"];
    let table = Table::new("resident size around a burst", &columns);
    let mut burst = Burst { args, report: Report::bare(args, "burst"), table };
    let spawns = args.count.unwrap_or(SPAWNS).max(1);
    burst.report.set("spawns", spawns.to_string());
    burst.report.set("spawners", args.clients.to_string());
    if args.wants("churn") {
        let node = burst.node()?;
        burst.around(&node, "churn", |burst| burst.churn(&node, spawns))?;
    }
    if args.wants("idle") {
        let node = burst.node()?;
        burst.idle(&node, spawns / 10)?;
        burst.around(&node, "idle", |burst| burst.churn(&node, spawns))?;
    }
    if args.wants("alive") {
        let node = burst.node()?;
        burst.around(&node, "alive", |burst| burst.alive(&node, spawns / 5))?;
    }
    burst.report.tables.push(burst.table);
    Ok(burst.report)
}

impl Burst<'_> {
    /// A node that has seen each program once.
    fn node(&mut self) -> Result<Node> {
        let node = node(self.args.workers())?;
        node.define("load:child", CHILD)?;
        node.define("load:churn", CHURN)?;
        node.define("load:holder", HOLDER)?;
        node.define("load:idle", idle::IDLE)?;
        node.define("load:parent", idle::PARENT)?;
        self.churn(&node, 10_000.min(self.args.count.unwrap_or(SPAWNS)))?;
        self.alive(&node, 1000)?;
        Ok(node)
    }

    /// Memory before, during and after `load`, which returns its peak and spawns.
    fn around(
        &mut self,
        node: &Node,
        name: &str,
        load: impl FnOnce(&mut Self) -> Result<(f64, u64)>,
    ) -> Result<()> {
        let processes = node.kernel.table().len();
        let before = system::resident_mib();
        let begin = Instant::now();
        let (peak, spawns) = load(self)?;
        let rate = spawns as f64 / begin.elapsed().as_secs_f64();
        let left = idle::settled(node, processes).saturating_sub(processes);
        self.report.fault(&format!("{name}: processes left over"), left as u64);
        let second = if self.args.short { 0.02 } else { 1.0 };
        let mut after = vec![(0.0, system::resident_mib())];
        for look in 1..=LOOKS {
            std::thread::sleep(Duration::from_secs_f64(second));
            after.push((look as f64, system::resident_mib()));
        }
        let at = |second: usize| after[second].1;
        // From the start of this second look on it counts as returned.
        let least = after.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
        let vms = node.pool.len() as f64;
        let figures = [before, peak.max(at(0)), at(1), at(5), at(10), least / before, rate, vms];
        self.table.row(name, figures);
        let unit = "of before";
        self.report.check(format!("resident, {name}"), least / before, unit, Target::AtMost(1.2));
        let title = format!("Resident MiB after the burst, {name}");
        self.report.series.push(Series { title, points: after });
        Ok(())
    }

    /// The burst of short-lived processes. All EXITs must come.
    fn churn(&mut self, node: &Node, spawns: u64) -> Result<(f64, u64)> {
        let spawners = self.args.clients as u64;
        let mut running = Vec::new();
        for n in 0..spawners {
            let own = spawns / spawners + u64::from(n < spawns % spawners);
            let args = [Value::Int(own as i64), Value::Int(BATCH)];
            running.push(node.spawn("load:churn", HOST, &args)?.1);
        }
        let mut exits = 0;
        let mut peak = f64::NAN;
        for (n, ended) in running.iter().enumerate() {
            progress::draw("spawning", n as f64 / spawners as f64, "");
            exits += ended.wait(PATIENCE)?.as_number().unwrap_or_default() as u64;
            peak = peak.max(system::resident_mib());
        }
        progress::clear();
        self.report.fault("EXITs missing", spawns.abs_diff(exits));
        Ok((peak, spawns))
    }

    /// Many alive at once; then they all end. All EXITs must come.
    fn alive(&mut self, node: &Node, count: u64) -> Result<(f64, u64)> {
        let before = node.kernel.table().len() as u64;
        let mut holders: Vec<(Pid, _)> = Vec::new();
        let mut started = 0;
        while started < count {
            let own = HELD.min(count - started);
            holders.push(node.spawn("load:holder", HOST, &[Value::Int(own as i64)])?);
            started += own;
        }
        let expected = before + count + holders.len() as u64;
        let alive = idle::settled(node, expected as usize) as u64;
        self.report.fault("processes not alive", expected.abs_diff(alive));
        let peak = system::resident_mib();
        for (holder, _) in &holders {
            clients::tell(node, *holder, "end", &[]);
        }
        let mut exits = 0;
        for (_, ended) in &holders {
            exits += ended.wait(PATIENCE)?.as_number().unwrap_or_default() as u64;
        }
        self.report.fault("EXITs missing", count.abs_diff(exits));
        Ok((peak, count))
    }

    /// Starts idle processes and watches what they use.
    fn idle(&mut self, node: &Node, count: u64) -> Result<()> {
        let before = node.kernel.table().len();
        let (_, ended) = node.spawn("load:parent", HOST, &[Value::Int(count as i64)])?;
        ended.wait(PATIENCE)?;
        let expected = before + count as usize;
        let alive = idle::settled(node, expected);
        self.report.fault("idle processes not alive", expected.abs_diff(alive) as u64);
        // What the start has left to do, such as collecting garbage, is not the cost of idling.
        let watch = if self.args.short { WATCH / 50 } else { WATCH };
        std::thread::sleep(watch / 5);
        let (ticks, seconds) = (system::cpu_ticks(), system::cpu_seconds());
        std::thread::sleep(watch);
        let used = (system::cpu_seconds() - seconds) / watch.as_secs_f64() * 100.0;
        if let (Some(before), Some(after)) = (ticks, system::cpu_ticks()) {
            self.report.note("idle processes", alive as f64, "");
            self.report.note("ticks of 10 ms in 5 s", (after - before) as f64, "");
        }
        self.report.check("processor, idle", used, "% of a core", Target::AtMost(0.1));
        Ok(())
    }
}
