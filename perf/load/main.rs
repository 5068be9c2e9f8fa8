//! `wippy-load`: a node under load, and what it makes of it. See perf/README.md.
//!
//! The node runs in this program; its processes are Lua. What has to be timed ends outside of Lua,
//! in a sink behind a host id of the relay ([`clients`]), which reads the clock on the worker that
//! delivers. [`recorder`] and [`probe`] count, [`report`] prints. Each scenario has a file.

mod burst;
mod clients;
mod echo;
mod gc;
mod html;
mod idle;
mod neighbours;
mod probe;
mod progress;
mod recorder;
mod report;
mod scale;
mod soak;
mod spawn;
mod system;
mod timers;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use wippy::app::node::{Node, Options};
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::error::Result;
use wippy::system::host::HostKind;

use crate::recorder::Recorder;
use crate::report::Report;

/// As in the binary.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Where all processes of a scenario live.
const HOST: &str = "load:processes";
/// Where each process has a VM to itself.
const ISOLATED: &str = "load:isolated";

/// Puts a node under load and reports throughput, latency and memory.
#[derive(Clone, Parser)]
#[command(name = "wippy-load")]
pub struct Args {
    #[arg(value_enum)]
    scenario: Scenario,
    /// Worker threads; by default one for each core.
    #[arg(long)]
    workers: Option<usize>,
    /// Clients of `echo` and `soak`, spawning processes of `spawn` and `burst`.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Bytes of text in each message.
    #[arg(long, default_value_t = 16)]
    size: usize,
    /// Requests a second, sent on schedule; without it each client of `echo` sends when it has its
    /// answer, and `soak` looks for the peak first. `gc`: round trips a second (50000).
    #[arg(long)]
    rate: Option<f64>,
    /// Minutes of `soak`.
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// Share of the peak at which `soak` runs.
    #[arg(long, default_value_t = 0.7)]
    share: f64,
    /// Only this part of `burst`, `gc`, `neighbours`, `scale` or `timers`, by the name in its table.
    #[arg(long)]
    only: Option<String>,
    /// Seconds to measure; of each part, where a scenario has several.
    #[arg(long, default_value_t = 10.0)]
    duration: f64,
    /// Seconds of load before the measuring begins.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// End after so many operations. How many: processes of `idle` (200000) and `gc` (10000),
    /// spawns of `burst` (1000000) and `scale` (100000), timers (1000000).
    #[arg(long)]
    count: Option<u64>,
    /// A run of a few seconds, to see that it works: its figures mean little.
    #[arg(long)]
    short: bool,
    /// Write the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the report as a page with charts.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Scenario {
    /// Clients send to a relay, which spawns a monitored worker for each request; that answers.
    Echo,
    /// Processes spawn monitored children that end at once, and take their EXIT.
    Spawn,
    /// Many processes that wait for a message that does not come.
    Idle,
    /// Memory before and after a burst of spawns, and what idle processes cost.
    Burst,
    /// Stalls while processes with data exchange messages, and beside a VM full of garbage.
    Gc,
    /// A pair of processes that talk, beside hostile ones on the same worker.
    Neighbours,
    /// What the second worker adds, and how spawns spread over workers.
    Scale,
    /// Numbered requests at a share of the peak for minutes, each checked.
    Soak,
    /// Very many timers: their cost, lateness and drift.
    Timers,
}

impl Args {
    fn parsed() -> Args {
        let mut args = Args::parse();
        if args.short {
            args.shorten();
        }
        args.clients = args.clients.max(1);
        args
    }

    fn shorten(&mut self) {
        let (duration, count) = match self.scenario {
            Scenario::Echo | Scenario::Spawn => (1.5, None),
            Scenario::Idle => (1.5, Some(20_000)),
            Scenario::Burst => (1.0, Some(10_000)),
            Scenario::Gc => (0.5, Some(400)),
            Scenario::Neighbours => (0.2, None),
            Scenario::Scale => (0.0, Some(2_000)),
            Scenario::Soak => (0.0, None),
            Scenario::Timers => (1.0, Some(4_000)),
        };
        self.duration = duration;
        self.warmup = 0.3;
        self.minutes = 2.0 / 60.0;
        self.count = self.count.or(count);
    }

    /// Whether the part of a scenario with this name is wanted.
    fn wants(&self, part: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == part)
    }

    fn workers(&self) -> usize {
        self.workers.unwrap_or(SchedulerOptions::default().workers).max(1)
    }

    fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.duration)
    }
}

/// A scenario as it runs.
pub struct Run {
    pub args: Args,
    pub node: Node,
    pub recorder: Arc<Recorder>,
}

impl Run {
    fn start(args: &Args) -> Result<Run> {
        let recorder = Arc::new(Recorder::new(args.duration()));
        Ok(Run { args: args.clone(), node: node(args.workers())?, recorder })
    }

    /// Lets the load run: warm-up, then the measured time.
    pub fn measure(&self) {
        let limit = self.args.count.unwrap_or(u64::MAX);
        let warmup = Duration::from_secs_f64(self.args.warmup);
        progress::wait("warm-up", warmup, String::new, || false);
        self.recorder.begin();
        let rate = || format!("{:.0}/s", self.recorder.throughput());
        let enough = || self.recorder.operations() >= limit;
        progress::wait("measuring", self.args.duration(), rate, enough);
        self.recorder.end();
    }
}

/// A node with both hosts, as the binary would start it.
pub fn node(workers: usize) -> Result<Node> {
    let scheduler = SchedulerOptions { workers, ..SchedulerOptions::default() };
    let node = Node::start(Options { scheduler, ..Options::default() })?;
    node.add_host(HOST, HostKind::Processes, false)?;
    node.add_host(ISOLATED, HostKind::Processes, true)?;
    Ok(node)
}

fn run(args: &Args) -> Result<Report> {
    match args.scenario {
        Scenario::Echo => echo::run(&Run::start(args)?),
        Scenario::Spawn => spawn::run(&Run::start(args)?),
        Scenario::Idle => idle::run(&Run::start(args)?),
        Scenario::Burst => burst::run(args),
        Scenario::Gc => gc::run(args),
        Scenario::Neighbours => neighbours::run(args),
        Scenario::Scale => scale::run(args),
        Scenario::Soak => soak::run(args),
        Scenario::Timers => timers::run(args),
    }
}

fn main() -> ExitCode {
    let args = Args::parsed();
    let (json, html) = (args.json.clone(), args.html.clone());
    let report = match run(&args) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("Error: {error}");
            return ExitCode::FAILURE;
        }
    };
    print!("{report}");
    let files = [(json, report.to_json()), (html, html::page(&report))];
    for (path, text) in files {
        if let Some(path) = path
            && let Err(error) = std::fs::write(&path, text)
        {
            eprintln!("Error: write {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::from(u8::from(report.lost > 0 || !report.faults.is_empty()))
}
