//! Very many timers: what setting, resetting and stopping one costs while a million live, how late
//! sleepers wake, and whether tickers drift.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use wippy::app::node::Node;
use wippy::core::pid::Pid;
use wippy::infra::error::{Error, Result};
use wippy::infra::transcoder::Value;

use crate::clients::{self, Receive};
use crate::report::{Report, Table, Target, figure, millis};
use crate::{Args, HOST, node, probe, progress, system};

/// Keeps `n` timers and does with all of them what it is told. Tells when it begins and ends.
const KEEPER: &str = r#"
    local function main(sink, n)
      local time = require("time")
      local inbox, timers = process.inbox(), {}
      local operations = {
        set = function(i) timers[i] = time.timer("1h") end,
        reset = function(i) if not timers[i]:reset("2h") then error("was not pending") end end,
        stop = function(i) if not timers[i]:stop() then error("was not pending") end end,
        after = function(i) timers[i] = time.after("1h") end,
      }
      while true do
        local topic = inbox:receive():topic()
        local operation = operations[topic]
        process.send(sink, "begin")
        for i = 1, n do operation(i) end
        process.send(sink, "end")
      end
    end
    return { main = main }"#;

/// `n` coroutines that sleep once, every second by a channel; tells how late each woke.
const SLEEPERS: &str = r#"
    local function main(sink, n, least, spread)
      local time = require("time")
      local late, done = {}, 0
      local function wake(begin, asked)
        done += 1
        table.insert(late, time.now():sub(begin):nanoseconds() - asked)
        if #late == 50 or done == n then
          process.send(sink, "late", table.unpack(late))
          late = {}
        end
      end
      for i = 1, n do
        local asked = math.floor(least + math.random() * spread)
        coroutine.spawn(function()
          local begin = time.now()
          if i % 2 == 0 then time.sleep(asked) else time.after(asked):receive() end
          wake(begin, asked)
        end)
      end
      process.inbox():receive()
    end
    return { main = main }"#;

const TICKER: &str = r#"
    local function main(sink, period)
      local time = require("time")
      local ticker = time.ticker(period)
      local ticks = ticker:response()
      process.send(sink, "tick", 0)
      local first
      while true do
        local due = ticks:receive()
        first = first or due
        process.send(sink, "tick", due:sub(first):nanoseconds())
      end
    end
    return { main = main }"#;

const TIMERS: u64 = 1_000_000;
/// Timers of one process.
const KEPT: u64 = 1000;
/// Before the first sleeper is due all of them are asleep.
const LEAST: Duration = Duration::from_secs(10);
const PERIOD: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(60);

struct Ticks {
    first: u64,
    last: u64,
    count: u64,
    /// Sum of what the ticks themselves said.
    due: u64,
    lateness: Histogram<u64>,
}

/// The sink of all parts.
struct Ear {
    epoch: Instant,
    /// When the operation under way began, and who waits for its end.
    begin: AtomicU64,
    done: Mutex<mpsc::Sender<u64>>,
    late: Mutex<Histogram<u64>>,
    early: AtomicU64,
    tickers: Mutex<Vec<Ticks>>,
}

impl Ear {
    fn attach(node: &Node) -> Result<(Arc<Ear>, mpsc::Receiver<u64>)> {
        let (sender, done) = mpsc::channel();
        let ear = Arc::new(Ear {
            epoch: Instant::now(),
            begin: AtomicU64::new(0),
            done: Mutex::new(sender),
            late: Mutex::new(probe::histogram()),
            early: AtomicU64::new(0),
            tickers: Mutex::default(),
        });
        clients::attach(node, ear.clone())?;
        Ok((ear, done))
    }

    fn woken(&self) -> u64 {
        self.late.lock().len() + self.early.load(Ordering::SeqCst)
    }
}

impl Receive for Ear {
    fn receive(&self, to: Pid, topic: &str, values: &[Value]) {
        let now = self.epoch.elapsed().as_nanos() as u64;
        match topic {
            "begin" => self.begin.store(now, Ordering::SeqCst),
            "end" => {
                // Nobody waits any more after a failure.
                let _ = self.done.lock().send(now - self.begin.load(Ordering::SeqCst));
            }
            "late" => {
                let mut late = self.late.lock();
                for nanos in values.iter().filter_map(Value::as_number) {
                    match nanos < 0.0 {
                        true => drop(self.early.fetch_add(1, Ordering::SeqCst)),
                        false => late.saturating_record(nanos as u64),
                    }
                }
            }
            _ => {
                let mut tickers = self.tickers.lock();
                let Some(ticks) = tickers.get_mut(clients::index(to)) else { return };
                if ticks.first == 0 {
                    ticks.first = now;
                    return;
                }
                ticks.last = now;
                ticks.count += 1;
                ticks.due = clients::number(values, 0);
                let due = ticks.first + ticks.count * PERIOD.as_nanos() as u64;
                ticks.lateness.saturating_record(now.saturating_sub(due));
            }
        }
    }
}

pub fn run(args: &Args) -> Result<Report> {
    let mut report = Report::bare(args, "timers");
    let count = args.count.unwrap_or(TIMERS).max(1);
    report.set("timers", count.to_string());
    if args.wants("operations") {
        operations(args, &mut report, count)?;
    }
    if args.wants("lateness") {
        lateness(args, &mut report, count)?;
    }
    if args.wants("tickers") {
        tickers(args, &mut report)?;
    }
    Ok(report)
}

/// Nanoseconds per operation, keeper after keeper: the more of them have set, the more timers live.
fn operations(args: &Args, report: &mut Report, count: u64) -> Result<()> {
    let node = node(args.workers())?;
    node.define("load:keeper", KEEPER)?;
    let (_ear, done) = Ear::attach(&node)?;
    let keepers = count.div_ceil(KEPT);
    let mut running = Vec::new();
    for _ in 0..keepers {
        let args = [clients::address(&node, 0), Value::Int(KEPT as i64)];
        running.push(node.spawn("load:keeper", HOST, &args)?);
    }
    let columns = ["ns each", "first tenth", "last tenth", "RSS bytes"];
    let mut table =
        Table::new(format!("{} timers in {keepers} processes", keepers * KEPT), &columns);
    let settled = system::resident_mib();
    for operation in ["set", "reset", "stop", "after"] {
        let mut took = Vec::new();
        for (n, (keeper, ended)) in running.iter().enumerate() {
            progress::draw(operation, n as f64 / keepers as f64, "");
            clients::tell(&node, *keeper, operation, &[]);
            let silent = |_| {
                let ended = clients::ended(operation, ended).unwrap_or_default();
                Error::internal(format!("{operation}: a keeper does not answer: {ended}"))
            };
            let nanos = done.recv_timeout(PATIENCE).map_err(silent)?;
            took.push(nanos as f64 / KEPT as f64);
        }
        let mean = |part: &[f64]| part.iter().sum::<f64>() / part.len().max(1) as f64;
        let tenth = took.len().div_ceil(10);
        let bytes = (system::resident_mib() - settled) * system::MIB / (keepers * KEPT) as f64;
        let ends = [mean(&took), mean(&took[..tenth]), mean(&took[took.len() - tenth..]), bytes];
        table.row(operation, ends);
    }
    progress::clear();
    clients::detach(&node);
    report.tables.push(table);
    Ok(())
}

/// Sleepers that are all asleep at once and due over some seconds.
fn lateness(args: &Args, report: &mut Report, count: u64) -> Result<()> {
    let node = node(args.workers())?;
    node.define("load:sleepers", SLEEPERS)?;
    let (ear, _done) = Ear::attach(&node)?;
    let least = if args.short { Duration::from_millis(300) } else { LEAST };
    let processes = count.div_ceil(KEPT);
    let mut running = Vec::new();
    let before = system::resident_mib();
    let begin = Instant::now();
    for n in 0..processes {
        let own = KEPT.min(count - n * KEPT);
        let args = [
            clients::address(&node, 0),
            Value::Int(own as i64),
            Value::Int(least.as_nanos() as i64),
            Value::Int(args.duration().as_nanos() as i64),
        ];
        running.push(node.spawn("load:sleepers", HOST, &args)?.1);
        progress::draw("falling asleep", n as f64 / processes as f64, "");
    }
    crate::idle::settled(&node, processes as usize);
    let (asleep, woken) = (begin.elapsed(), ear.woken());
    let each = (system::resident_mib() - before) * system::MIB / count as f64;
    let cpu = system::cpu_seconds();
    let waking = Instant::now();
    while ear.woken() < count && waking.elapsed() < least + args.duration() + PATIENCE {
        progress::draw("waking", ear.woken() as f64 / count as f64, "");
        if running.iter().any(|ended| clients::ended("", ended).is_some()) {
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    progress::clear();
    let cpu = (system::cpu_seconds() - cpu) / waking.elapsed().as_secs_f64() * 100.0;
    report.faults.extend(running.iter().find_map(|r| clients::ended("a sleeper", r)));
    clients::detach(&node);
    report.fault("sleepers that did not wake once", count.abs_diff(ear.woken()));
    report.fault("sleepers woken too early", ear.early.load(Ordering::SeqCst));
    let late = ear.late.lock();
    let columns = [
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "max ms",
        "all asleep s",
        "woken by then",
        "CPU %",
        "RSS bytes",
    ];
    let mut table = Table::new("lateness", &columns);
    let more = [asleep.as_secs_f64(), woken as f64, cpu, each];
    let name = format!("{count} sleepers over {} s", figure(args.duration));
    table.row(name, millis(&late, [50.0, 99.0, 99.9, 100.0]).into_iter().chain(more));
    report.tables.push(table);
    report.time(&late);
    Ok(())
}

/// A ticker in each VM.
fn tickers(args: &Args, report: &mut Report) -> Result<()> {
    let node = node(args.workers())?;
    node.define("load:ticker", TICKER)?;
    let (ear, _done) = Ear::attach(&node)?;
    let tickers = 2 * args.workers();
    for n in 0..tickers {
        let lateness = probe::histogram();
        ear.tickers.lock().push(Ticks { first: 0, last: 0, count: 0, due: 0, lateness });
        let args = [clients::address(&node, n), Value::Int(PERIOD.as_nanos() as i64)];
        node.spawn("load:ticker", HOST, &args)?;
    }
    progress::wait("ticking", args.duration(), String::new, || false);
    clients::detach(&node);
    let ended = ear.epoch.elapsed().as_nanos() as u64;
    let columns = ["ticks", "missing", "drift ms", "late p50", "late p99", "late max ms"];
    let mut table = Table::new(format!("tickers of {PERIOD:?}"), &columns);
    let mut worst: f64 = 0.0;
    for (n, ticks) in ear.tickers.lock().iter().enumerate() {
        let period = PERIOD.as_nanos() as u64;
        // The last may be under way.
        let missing = ((ended - ticks.first) / period).saturating_sub(ticks.count + 1);
        report.fault("ticks missing", missing);
        let said = (ticks.count.max(1) - 1) * period;
        report.fault("ticks that do not name their due time", u64::from(ticks.due != said));
        let drift = (ticks.last - ticks.first) as f64 - (ticks.count * period) as f64;
        worst = worst.max(drift.abs() / 1e6);
        let late = millis(&ticks.lateness, [50.0, 99.0, 100.0]);
        let figures = [ticks.count as f64, missing as f64, drift / 1e6];
        table.row(format!("VM {}", n + 1), figures.into_iter().chain(late));
    }
    report.tables.push(table);
    report.check("ticker drift", worst, "ms", Target::AtMost(5.0));
    Ok(())
}
