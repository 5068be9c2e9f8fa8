//! The soak: an echo service at a share of its peak for minutes, with every message checked.
//!
//! - Clients number their requests. A relay tells the client that it has the request, and spawns a
//!   worker, which answers; it also tells a ledger, a process in another VM.
//! - An answer must come exactly once for each request: the client keeps what is outstanding.
//! - Order is promised from one sender to one receiver. The relay must see each client's requests in
//!   order, the client the relay's receipts, the ledger the relay's notes. Answers come from many
//!   workers: no order is promised between them.
//! - Latency counts from when a request was due ([`send`]), in a histogram from the first second on.
//!
//! The peak is the highest rate that the service keeps up with in a short run of the same kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rustc_hash::FxHashSet;
use wippy::app::node::{Ended, Node};
use wippy::core::pid::Pid;
use wippy::core::relay::{Body, Package};
use wippy::infra::error::{Error, Result};
use wippy::infra::transcoder::Value;
use wippy::infra::transcoder::wire::Wire;

use crate::clients::{self, Receive};
use crate::recorder::Recorder;
use crate::report::{Report, Series, Table, Target, figure, millis};
use crate::{Args, HOST, node, progress, system};

/// Ends with how many requests it had out of order.
const RELAY: &str = r#"
    local function main(ledger)
      local inbox, events = process.inbox(), process.events()
      local cases = { events:case_receive(), inbox:case_receive() }
      local last, faults, running, notes, stop = {}, 0, 0, 0, false
      while not (stop and running == 0) do
        local result = channel.select(cases)
        if result.channel == events then
          if result.value.result.error then error(result.value.result.error) end
          running -= 1
        elseif result.value:topic() == "stop" then
          stop = true
        else
          local request = result.value:payload():data()
          local client, n = request.client, request.n
          if n ~= (last[client] or 0) + 1 then faults += 1 end
          last[client] = n
          process.send(client, "receipt", n)
          local _, err = process.spawn_monitored("load:worker", "load:processes", client, n,
            request.due, request.data)
          if err then error(err) end
          running += 1
          notes += 1
          process.send(ledger, "note", notes)
        end
      end
      process.send(ledger, "stop", notes)
      return faults
    end
    return { main = main }"#;

const WORKER: &str = r#"
    local function main(client, n, due, data)
      process.send(client, "answer", n, due, string.upper(data))
    end
    return { main = main }"#;

/// Ends with how many notes were not the next one, or missing at the end.
const LEDGER: &str = r#"
    local function main()
      local inbox, seen, faults = process.inbox(), 0, 0
      while true do
        local message = inbox:receive()
        local n = message:payload():data()
        if message:topic() == "stop" then
          return if n == seen then faults else faults + 1
        end
        if n ~= seen + 1 then faults += 1 end
        seen = n
      end
    end
    return { main = main }"#;

/// How long to wait for answers once no more requests are sent.
const PATIENCE: Duration = Duration::from_secs(30);
/// A short run on the way to the peak.
const PROBE: Duration = Duration::from_secs(3);
/// The service keeps up if, when a run ends, no more requests wait than come in this time.
const BACKLOG: Duration = Duration::from_millis(50);
/// Memory is compared by the mean of so many seconds at both ends.
const ENDS: usize = 60;
/// By how much it may have grown.
const GROWTH_MAX: f64 = 5.0;

/// What a client knows.
#[derive(Default)]
struct Client {
    sent: u64,
    receipts: u64,
    outstanding: FxHashSet<u64>,
}

/// What must not happen.
#[derive(Default)]
struct Faults {
    /// Answers to what is not outstanding: duplicates, or never asked.
    unasked: AtomicU64,
    wrong_data: AtomicU64,
    /// Receipts out of order.
    disorder: AtomicU64,
}

struct Clients {
    clients: Box<[Mutex<Client>]>,
    recorder: Recorder,
    pad: String,
    sent: AtomicU64,
    answered: AtomicU64,
    faults: Faults,
}

/// A service that runs: clients, and a relay and a ledger in each VM.
struct Service {
    node: Node,
    clients: Arc<Clients>,
    relays: Vec<Pid>,
}

/// The ends of its processes.
#[derive(Default)]
struct Ends {
    relays: Vec<Ended>,
    ledgers: Vec<Ended>,
}

impl Clients {
    fn data(&self, client: usize, n: u64) -> String {
        format!("C{client}-N{n}-{}", self.pad)
    }

    fn unanswered(&self) -> u64 {
        // Answers first: no answer is older than its request.
        let answered = self.answered.load(Ordering::SeqCst);
        self.sent.load(Ordering::SeqCst).saturating_sub(answered)
    }
}

impl Receive for Clients {
    fn receive(&self, to: Pid, topic: &str, values: &[Value]) {
        let now = self.recorder.now();
        let (number, n) = (clients::index(to), clients::number(values, 0));
        let Some(client) = self.clients.get(number) else { return };
        if topic == "receipt" {
            let mut client = client.lock();
            client.receipts += 1;
            if client.receipts != n {
                self.faults.disorder.fetch_add(1, Ordering::SeqCst);
            }
            return;
        }
        if !client.lock().outstanding.remove(&n) {
            self.faults.unasked.fetch_add(1, Ordering::SeqCst);
            return;
        }
        if values.get(2).and_then(Value::as_str) != Some(&self.data(number, n)) {
            self.faults.wrong_data.fetch_add(1, Ordering::SeqCst);
        }
        self.recorder.count(now, 1);
        self.recorder.latency(clients::number(values, 1), now);
        self.answered.fetch_add(1, Ordering::SeqCst);
    }
}

impl Service {
    fn start(args: &Args, duration: Duration) -> Result<(Service, Ends)> {
        let node = node(args.workers())?;
        node.define("load:relay", RELAY)?;
        node.define("load:worker", WORKER)?;
        node.define("load:ledger", LEDGER)?;
        let clients = Arc::new(Clients {
            clients: (0..args.clients).map(|_| Mutex::default()).collect(),
            recorder: Recorder::new(duration),
            pad: "X".repeat(args.size),
            sent: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            faults: Faults::default(),
        });
        clients::attach(&node, clients.clone())?;
        // Roots go to the VMs in turn: a relay has its ledger in the VM after its own.
        let (mut relays, mut ledgers, mut ends) = (Vec::new(), Vec::new(), Ends::default());
        let vms = 2 * args.workers();
        for _ in 0..vms {
            let (pid, ended) = node.spawn("load:ledger", HOST, &[])?;
            ledgers.push(pid);
            ends.ledgers.push(ended);
        }
        ledgers.rotate_left(1);
        for ledger in ledgers {
            let ledger = ledger.text().as_str().into();
            let (pid, ended) = node.spawn("load:relay", HOST, &[ledger])?;
            relays.push(pid);
            ends.relays.push(ended);
        }
        Ok((Service { node, clients, relays }, ends))
    }

    /// Sends on schedule until told to stop; waits for nobody, unless a relay's VM has no room.
    /// Returns how far behind schedule the last request was sent.
    fn send(&self, rate: f64, stopped: &AtomicBool) -> Duration {
        let (clients, recorder) = (&self.clients, &self.clients.recorder);
        let begin = recorder.now();
        let pause = 1e9 / rate.max(1e-3);
        let mut behind = 0;
        for request in 0_u64.. {
            let due = begin + (request as f64 * pause) as u64;
            loop {
                if stopped.load(Ordering::SeqCst) {
                    return Duration::from_nanos(behind);
                }
                let now = recorder.now();
                if now >= due {
                    behind = now - due;
                    break;
                }
                std::thread::sleep(Duration::from_nanos(due - now).min(Duration::from_millis(1)));
            }
            let number = request as usize % clients.clients.len();
            let n = {
                let mut client = clients.clients[number].lock();
                client.sent += 1;
                let n = client.sent;
                client.outstanding.insert(n);
                n
            };
            let pid = clients::pid(&self.node, number);
            let body = Value::from([
                ("client", Value::from(pid.text().as_str())),
                ("n", Value::Int(n as i64)),
                ("due", Value::Int(due as i64)),
                ("data", clients.data(number, n).to_lowercase().into()),
            ]);
            let body = Body::Message(Wire::of(&["request".into(), body]));
            clients.sent.fetch_add(1, Ordering::SeqCst);
            // A client has one relay, so that its requests have an order.
            let to = self.relays[number % self.relays.len()];
            clients::post(&self.node, Package { from: pid, to, body });
        }
        Duration::ZERO
    }

    /// Whether the service keeps up with a rate.
    fn keeps_up(&self, rate: f64, duration: Duration) -> bool {
        let stopped = AtomicBool::new(false);
        let (behind, backlog) = std::thread::scope(|scope| {
            let sender = scope.spawn(|| self.send(rate, &stopped));
            std::thread::sleep(duration);
            let backlog = self.clients.unanswered();
            stopped.store(true, Ordering::SeqCst);
            (sender.join().unwrap_or(Duration::MAX), backlog)
        });
        self.drain();
        behind < BACKLOG && (backlog as f64) < rate * BACKLOG.as_secs_f64()
    }

    /// Waits for what is not answered yet.
    fn drain(&self) {
        let end = Instant::now();
        while self.clients.unanswered() > 0 && end.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends relays and ledgers, and adds up what was wrong.
    fn stop(self, ends: &Ends, report: &mut Report) -> Result<()> {
        let mut sums = [0, 0];
        for relay in &self.relays {
            clients::tell(&self.node, *relay, "stop", &[]);
        }
        for ended in &ends.relays {
            sums[0] += ended.wait(PATIENCE)?.as_number().unwrap_or(f64::NAN) as u64;
        }
        for ended in &ends.ledgers {
            sums[1] += ended.wait(PATIENCE)?.as_number().unwrap_or(f64::NAN) as u64;
        }
        clients::detach(&self.node);
        let all = self.clients.clients.iter().map(|client| client.lock());
        let (mut lost, mut receipts) = (0, 0);
        for client in all {
            lost += client.outstanding.len() as u64;
            receipts += client.sent.abs_diff(client.receipts);
        }
        let faults = &self.clients.faults;
        let count = |fault: &AtomicU64| fault.load(Ordering::SeqCst);
        report.lost += lost;
        report.fault("receipts missing or too many", receipts);
        report.fault("receipts out of order", count(&faults.disorder));
        report.fault("answers nobody asked for, or twice", count(&faults.unasked));
        report.fault("answers with wrong data", count(&faults.wrong_data));
        report.fault("requests out of order at a relay", sums[0]);
        report.fault("notes out of order or missing at a ledger", sums[1]);
        Ok(())
    }
}

pub fn run(args: &Args) -> Result<Report> {
    let mut report = Report::bare(args, "soak");
    let rate = match args.rate {
        Some(rate) => rate,
        None if args.short => 2000.0,
        None => {
            let peak = peak(args, &mut report)?;
            report.note("peak", peak, "requests/s");
            peak * args.share
        }
    };
    let duration = Duration::from_secs_f64(args.minutes * 60.0);
    let (service, ends) = Service::start(args, duration)?;
    let stopped = AtomicBool::new(false);
    let memory = std::thread::scope(|scope| {
        let sender = scope.spawn(|| service.send(rate, &stopped));
        progress::wait("warm-up", Duration::from_secs_f64(args.warmup), String::new, || false);
        let memory = watch(&service, duration, &mut report);
        stopped.store(true, Ordering::SeqCst);
        sender.join().map(|_| memory)
    });
    let memory = memory.map_err(|_| Error::internal("the sender has failed"))?;
    service.drain();
    let recorder = &service.clients.recorder;
    report.set("clients", args.clients.to_string());
    report.set("rate", format!("{rate:.0}/s"));
    report.unit = "requests";
    report.operations = recorder.operations();
    report.seconds = recorder.seconds();
    report.throughput = recorder.throughput();
    report.throughput_curve = recorder.curve();
    report.time(&recorder.latencies());
    let (first, last, slope) = trend(&memory);
    report.note("resident, first minute", first, "MiB");
    report.note("resident, last minute", last, "MiB");
    report.note("resident, slope", slope * 60.0 * 1024.0, "KiB/min");
    let growth = (last / first - 1.0) * 100.0;
    report.check("growth", growth, "%", Target::AtMost(GROWTH_MAX));
    report.series.push(Series { title: "Resident MiB".to_owned(), points: memory });
    service.stop(&ends, &mut report)?;
    Ok(report)
}

/// The highest rate that short runs keep up with: doubled until one does not, then halved in.
fn peak(args: &Args, report: &mut Report) -> Result<f64> {
    let mut table = Table::new("rates tried, requests/s", &["kept up"]);
    let (service, ends) = Service::start(args, PROBE)?;
    let (mut good, mut bad) = (0.0, f64::INFINITY);
    let mut rate = 20_000.0;
    for _ in 0..10 {
        progress::draw("looking for the peak", 0.0, &format!("{rate:.0}/s"));
        let kept = service.keeps_up(rate, PROBE);
        table.row(figure(rate), [f64::from(u8::from(kept))]);
        if kept {
            good = rate
        } else {
            bad = rate
        }
        rate = if bad.is_finite() { (good + bad) / 2.0 } else { rate * 2.0 };
        if bad - good < good * 0.05 {
            break;
        }
    }
    progress::clear();
    report.tables.push(table);
    service.stop(&ends, report)?;
    match good > 0.0 {
        true => Ok(good),
        false => Err(Error::internal("the service keeps up with no rate that was tried")),
    }
}

/// Looks at memory each second, and at latencies each minute.
fn watch(service: &Service, duration: Duration, report: &mut Report) -> Vec<(f64, f64)> {
    let recorder = &service.clients.recorder;
    let columns = ["answers/s", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "RSS MiB", "CPU %"];
    let mut table = Table::new("minute", &columns);
    let mut memory = Vec::new();
    recorder.begin();
    let begin = Instant::now();
    let (mut before, mut operations) = (recorder.latencies(), 0);
    let mut cpu = system::cpu_seconds();
    let mut minute_began = begin;
    loop {
        memory.push((begin.elapsed().as_secs_f64(), system::resident_mib()));
        let over = begin.elapsed() >= duration;
        if over || minute_began.elapsed() >= Duration::from_secs(60) {
            let all = recorder.latencies();
            let mut own = all.clone();
            own.subtract(&before).expect("what was counted stays counted");
            let seconds = minute_began.elapsed().as_secs_f64();
            let used = (system::cpu_seconds() - cpu) / seconds * 100.0;
            let answers = (recorder.operations() - operations) as f64 / seconds;
            let shown = millis(&own, [50.0, 99.0, 99.9, 100.0]);
            let more = [system::resident_mib(), used];
            let figures = [answers].into_iter().chain(shown).chain(more);
            table.row((table.rows.len() + 1).to_string(), figures);
            (before, operations, cpu) = (all, recorder.operations(), system::cpu_seconds());
            minute_began = Instant::now();
        }
        if over {
            break;
        }
        let done = begin.elapsed().div_duration_f64(duration);
        progress::draw("soaking", done, &format!("{:.0}/s", recorder.throughput()));
        std::thread::sleep(Duration::from_secs(1).min(duration.saturating_sub(begin.elapsed())));
    }
    recorder.end();
    progress::clear();
    report.tables.push(table);
    memory
}

/// Means of the first and last minute, or third if that is less, and the slope per second.
fn trend(points: &[(f64, f64)]) -> (f64, f64, f64) {
    let mean = |part: &[(f64, f64)]| {
        part.iter().map(|point| point.1).sum::<f64>() / part.len().max(1) as f64
    };
    let ends = ENDS.min(points.len().div_ceil(3));
    let n = points.len() as f64;
    let middle = points.iter().map(|point| point.0).sum::<f64>() / n;
    let level = mean(points);
    let over = points.iter().map(|(x, y)| (x - middle) * (y - level)).sum::<f64>();
    let under = points.iter().map(|(x, _)| (x - middle).powi(2)).sum::<f64>();
    (mean(&points[..ends]), mean(&points[points.len() - ends..]), over / under.max(1e-9))
}
