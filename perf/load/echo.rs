//! The echo service: a relay spawns a monitored worker for each request, the worker answers the
//! client, the relay takes its EXIT.
//!
//! A request carries the time it was sent, or, with a rate, the time it was due: a service that
//! falls behind schedule then shows it in the latencies, although the sender waits for nobody.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use wippy::core::pid::Pid;
use wippy::core::relay::{Body, Package, Refusal};
use wippy::infra::error::Result;
use wippy::infra::transcoder::Value;
use wippy::infra::transcoder::wire::Wire;
use wippy::system::kernel::Kernel;

use crate::clients::{self, Receive};
use crate::recorder::Recorder;
use crate::report::Report;
use crate::{HOST, Run};

const RELAY: &str = r#"
    local function main()
      local inbox, events = process.inbox(), process.events()
      -- The first ready case wins: with the inbox in front, a full one would let the EXITs pile up.
      local cases = { events:case_receive(), inbox:case_receive() }
      while true do
        local result = channel.select(cases)
        if result.channel == events then
          if result.value.result.error then error(result.value.result.error) end
        else
          local request = result.value:payload():data()
          local _, err = process.spawn_monitored("load:worker", "load:processes",
            request.sender, request.sent, request.data)
          if err then error(err) end
        end
      end
    end
    return { main = main }"#;

const WORKER: &str = r#"
    local function main(sender, sent, data)
      process.send(sender, "echo", sent, string.upper(data))
    end
    return { main = main }"#;

/// How long to wait for answers once no more requests are sent.
const PATIENCE: Duration = Duration::from_secs(10);

struct Clients {
    kernel: Arc<Kernel>,
    recorder: Arc<Recorder>,
    relay: Pid,
    data: String,
    /// An answer makes its client send the next request.
    closed_loop: bool,
    stopped: AtomicBool,
    sent: AtomicU64,
    answered: AtomicU64,
    /// Requests the relay's VM had no room for, to be tried again.
    refused: Mutex<Vec<Package>>,
}

impl Clients {
    fn request(&self, client: Pid, due: u64) {
        let request = Value::from([
            ("sender", Value::from(client.text().as_str())),
            ("sent", Value::Int(due as i64)),
            ("data", Value::from(self.data.as_str())),
        ]);
        let body = Body::Message(Wire::of(&["echo".into(), request]));
        self.sent.fetch_add(1, Ordering::SeqCst);
        self.post(Package { from: client, to: self.relay, body });
    }

    fn post(&self, package: Package) {
        match self.kernel.mailbox.send_from_outside(package) {
            Err(refused) if refused.reason == Refusal::Busy => {
                self.refused.lock().push(refused.package);
            }
            // A relay that has ended shows as answers that do not come.
            _ => {}
        }
    }

    fn post_refused(&self) {
        let refused = std::mem::take(&mut *self.refused.lock());
        refused.into_iter().for_each(|package| self.post(package));
    }

    fn unanswered(&self) -> u64 {
        // Answers first: no answer is older than its request.
        let answered = self.answered.load(Ordering::SeqCst);
        self.sent.load(Ordering::SeqCst) - answered
    }
}

impl Receive for Clients {
    fn receive(&self, to: Pid, _topic: &str, values: &[Value]) {
        let now = self.recorder.now();
        self.recorder.count(now, 1);
        self.recorder.latency(clients::number(values, 0), now);
        self.answered.fetch_add(1, Ordering::SeqCst);
        if self.closed_loop && !self.stopped.load(Ordering::SeqCst) {
            self.request(to, self.recorder.now());
        }
    }
}

pub fn run(run: &Run) -> Result<Report> {
    run.node.define("load:relay", RELAY)?;
    run.node.define("load:worker", WORKER)?;
    let (relay, _ended) = run.node.spawn("load:relay", HOST, &[])?;
    let echo = Arc::new(Clients {
        kernel: run.node.kernel.clone(),
        recorder: run.recorder.clone(),
        relay,
        data: "x".repeat(run.args.size),
        closed_loop: run.args.rate.is_none(),
        stopped: AtomicBool::new(false),
        sent: AtomicU64::new(0),
        answered: AtomicU64::new(0),
        refused: Mutex::default(),
    });
    clients::attach(&run.node, echo.clone())?;
    std::thread::scope(|scope| {
        scope.spawn(|| send(run, &echo));
        run.measure();
        echo.stopped.store(true, Ordering::SeqCst);
    });
    let end = Instant::now();
    while echo.unanswered() > 0 && end.elapsed() < PATIENCE {
        echo.post_refused();
        std::thread::sleep(Duration::from_millis(1));
    }
    clients::detach(&run.node);
    let mut report = Report::of(run, "echo", "requests");
    report.lost = echo.unanswered();
    Ok(report)
}

/// Sends the first request of each client, or, with a rate, all of them.
fn send(run: &Run, echo: &Clients) {
    let mut clients = (0..run.args.clients).map(|n| clients::pid(&run.node, n)).cycle();
    let begin = echo.recorder.now();
    match run.args.rate {
        None => {
            for client in clients.take(run.args.clients) {
                echo.request(client, echo.recorder.now());
            }
            while !echo.stopped.load(Ordering::SeqCst) {
                echo.post_refused();
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Some(rate) => {
            let pause = 1e9 / rate.max(1e-3);
            for n in 0.. {
                let due = begin + (n as f64 * pause) as u64;
                while echo.recorder.now() < due {
                    if echo.stopped.load(Ordering::SeqCst) {
                        return;
                    }
                    echo.post_refused();
                    let left = Duration::from_nanos(due.saturating_sub(echo.recorder.now()));
                    std::thread::sleep(left.min(Duration::from_millis(1)));
                }
                if echo.stopped.load(Ordering::SeqCst) {
                    return;
                }
                if let Some(client) = clients.next() {
                    echo.request(client, due);
                }
            }
        }
    }
}
