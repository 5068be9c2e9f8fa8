//! Stalls by garbage collection: while 10,000 processes with 1 KB of data each exchange messages, and
//! beside one VM that holds and makes much garbage.
//!
//! Each of the VMs has a pair of processes that talk ([`probe`](crate::probe)) and one that sleeps.
//! Every part has a control that loads the workers alike and leaves the data out: what a part has
//! above its control is the collector's doing, or that of allocation.

use std::time::Duration;

use wippy::app::node::{Ended, Node};
use wippy::core::pid::HostId;
use wippy::infra::error::Result;
use wippy::infra::transcoder::Value;

use crate::probe::{Probes, Seen};
use crate::report::{Report, Table, Target, millis};
use crate::{Args, HOST, ISOLATED, clients, node, progress, system};

/// Spawns `n` holders and a talker for each fourth of them. All talk to holders of other spawners.
const SPAWNER: &str = r##"
    local function main(n, items, pause, sink)
      local holders = {}
      local function spawn(...)
        local pid, err = process.spawn(...)
        if err then error(err) end
        return pid
      end
      for i = 1, n - n // 4 do
        holders[i] = spawn("load:holder", "load:processes", items)
      end
      for i = 1, n // 4 do
        spawn("load:talker", "load:processes", holders[i], items, pause, sink)
      end
    end
    return { main = main }"##;

/// Holds `items` tables of about 200 bytes and replaces one at each message.
const HOLDER: &str = r#"
    local function item(n) return { id = n, name = "item number " .. n, on = true, at = n * 7 } end
    local function main(items)
      local inbox, data = process.inbox(), {}
      for i = 1, items do data[i] = item(i) end
      while true do
        local message = inbox:receive()
        local request = message:payload():data()
        if items > 0 then data[request.seq % items + 1] = item(request.seq) end
        process.send(message:from(), "answer", request.seq)
      end
    end
    return { main = main }"#;

/// Holds as much, and asks its holder again after a pause.
const TALKER: &str = r#"
    local function item(n) return { id = n, name = "item number " .. n, on = true, at = n * 7 } end
    local function main(holder, items, pause, sink)
      local time = require("time")
      local inbox, data, seq = process.inbox(), {}, 0
      for i = 1, items do data[i] = item(i) end
      time.sleep(math.random(1, pause))
      while true do
        seq += 1
        process.send(holder, "ask", { seq = seq, text = "some words" })
        if inbox:receive():payload():data() ~= seq then process.send(sink, "fault") end
        if seq % 10 == 0 then process.send(sink, "count", 10) end
        time.sleep(pause)
      end
    end
    return { main = main }"#;

/// Holds `count` tables and makes more garbage without end.
const HOG: &str = r#"
    local function main(count)
      local data = {}
      for i = 1, count do data[i] = { i, tostring(i) } end
      local i = 0
      while true do
        i = i % count + 1
        data[i] = { i, tostring(i) }
      end
    end
    return { main = main }"#;

/// Leaves an object of the host behind in each round: what has a finalizer.
const HOG_OBJECTS: &str = r#"
    local function main(count)
      local time = require("time")
      local data, i = {}, 0
      while true do
        i = i % count + 1
        data[i] = { time.now() }
      end
    end
    return { main = main }"#;

const PROCESSES: u64 = 10_000;
/// Tables of a holder, about 1 KB together.
const ITEMS: i64 = 5;
/// Round trips of all talkers in a second.
const RATE: f64 = 50_000.0;
/// Tables of the hog, about 100 bytes each.
const HOARD: i64 = 2_000_000;
/// Between rounds of a pair, so that pairs are not the load.
const PAUSE: Duration = Duration::from_micros(200);
/// What stalls are held to, at p99.9.
const TARGET_MS: f64 = 5.0;
const PATIENCE: Duration = Duration::from_secs(60);

struct Parts<'a> {
    args: &'a Args,
    report: Report,
    pairs: Table,
    sleepers: Table,
}

pub fn run(args: &Args) -> Result<Report> {
    let columns = [
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "worst VM p99.9",
        "CPU %",
        "RSS MiB",
        "round trips/s",
    ];
    let mut parts = Parts {
        args,
        report: Report::bare(args, "gc"),
        pairs: Table::new("stalls of pairs", &columns),
        sleepers: Table::new("lateness of sleepers", &["p50 ms", "p99 ms", "p99.9 ms", "max ms"]),
    };
    let count = args.count.unwrap_or(PROCESSES);
    parts.report.set("processes", count.to_string());
    parts.report.set("round trips", format!("{}/s", args.rate.unwrap_or(RATE)));
    parts.part("quiet", |_| Ok(Vec::new()))?;
    parts.processes("processes without data", count, 0)?;
    parts.processes("processes with 1 KB", count, ITEMS)?;
    let hoard = if args.short { 10_000 } else { HOARD };
    parts.hog("beside a busy VM", "return { main = function() while true do end end }", 0)?;
    parts.hog("beside a VM of garbage", HOG, hoard)?;
    parts.hog("beside a VM of objects", HOG_OBJECTS, hoard / 4)?;
    progress::clear();
    parts.report.tables.extend([parts.pairs, parts.sleepers]);
    Ok(parts.report)
}

impl Parts<'_> {
    /// Measures with a load on a fresh node. The probes come first: one of each kind for each VM.
    fn part(
        &mut self,
        name: &str,
        load: impl FnOnce(&Node) -> Result<Vec<Ended>>,
    ) -> Result<Option<Seen>> {
        if !self.args.wants(name) {
            return Ok(None);
        }
        progress::draw("collecting", 0.0, name);
        let node = node(self.args.workers())?;
        let probes = Probes::attach(&node)?;
        let vms = 2 * self.args.workers();
        let mut running = Vec::new();
        for _ in 0..vms {
            running.push(node.spawn("load:ping", HOST, &probes.pair(&node, PAUSE))?.1);
        }
        for _ in 0..vms {
            running.push(node.spawn("load:sleeper", HOST, &probes.sleeper(&node))?.1);
        }
        let spread = spread(&node);
        self.report.fault("VMs without a pair", (vms as u64).saturating_sub(spread));
        running.extend(load(&node)?);
        std::thread::sleep(Duration::from_secs_f64(self.args.warmup));
        let (counted, cpu) = (probes.counted(), system::cpu_seconds());
        let seen = probes.measure(self.args.duration());
        let cpu = (system::cpu_seconds() - cpu) / self.args.duration;
        let rate = (probes.counted() - counted) as f64 / self.args.duration;
        let dead = running.iter().filter_map(|ended| clients::ended(name, ended));
        self.report.faults.extend(dead);
        clients::detach(&node);
        self.report.fault(&format!("{name}: answers out of order"), seen.faults);
        let of_vm = seen.by_pair.iter().map(|pair| millis(pair, [99.9])[0]);
        let worst = of_vm.fold(f64::NAN, f64::max);
        let shown = [50.0, 99.0, 99.9, 100.0];
        let more = [worst, cpu * 100.0, system::resident_mib(), rate];
        self.pairs.row(name, millis(&seen.stalls, shown).into_iter().chain(more));
        self.sleepers.row(name, millis(&seen.lateness, shown));
        Ok(Some(seen))
    }

    fn processes(&mut self, name: &str, count: u64, items: i64) -> Result<()> {
        let spawners = 4;
        // A talker pauses so that all of them together keep the rate.
        let pause = count as f64 / 4.0 / self.args.rate.unwrap_or(RATE);
        let seen = self.part(name, |node| {
            node.define("load:holder", HOLDER)?;
            node.define("load:talker", TALKER)?;
            node.define("load:spawner", SPAWNER)?;
            for _ in 0..spawners {
                let args = [
                    Value::Int((count / spawners) as i64),
                    Value::Int(items),
                    Value::Int((pause * 1e9) as i64),
                    clients::address(node, 0),
                ];
                node.spawn("load:spawner", HOST, &args)?.1.wait(PATIENCE)?;
            }
            Ok(Vec::new())
        })?;
        if let Some(seen) = seen.filter(|_| items > 0) {
            self.held(name, &seen);
        }
        Ok(())
    }

    fn hog(&mut self, name: &str, program: &str, count: i64) -> Result<()> {
        let seen = self.part(name, |node| {
            node.define("load:hog", program)?;
            Ok(vec![node.spawn("load:hog", ISOLATED, &[Value::Int(count)])?.1])
        })?;
        if let Some(seen) = seen.filter(|_| count > 0) {
            self.held(name, &seen);
        }
        Ok(())
    }

    fn held(&mut self, name: &str, seen: &Seen) {
        let [stall] = millis(&seen.stalls, [99.9]);
        self.report.check(format!("p99.9, {name}"), stall, "ms", Target::AtMost(TARGET_MS));
    }
}

/// In how many VMs processes live.
fn spread(node: &Node) -> u64 {
    let pids = node.kernel.table().on_host(HostId::intern(HOST));
    let vms = pids.iter().filter_map(|pid| node.kernel.table().vm_of(*pid));
    let mut vms: Vec<usize> = vms.map(|vm| std::sync::Arc::as_ptr(&vm) as usize).collect();
    vms.sort_unstable();
    vms.dedup();
    vms.len() as u64
}
