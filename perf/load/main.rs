//! `wippy-load`: a node under load, and what it makes of it. See perf/README.md.
//!
//! The node runs in this program; its processes are Lua. What has to be timed ends outside of Lua,
//! in a sink behind a host id of the relay ([`clients`]), which reads the clock on the worker that
//! delivers. [`recorder`] counts, [`report`] prints.

mod clients;
mod echo;
mod html;
mod idle;
mod progress;
mod recorder;
mod report;
mod spawn;

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

/// Puts a node under load and reports throughput, latency and memory.
#[derive(Parser)]
#[command(name = "wippy-load")]
pub struct Args {
    #[arg(value_enum)]
    scenario: Scenario,
    /// Worker threads; by default one for each core.
    #[arg(long)]
    workers: Option<usize>,
    /// Clients of `echo`, spawning processes of `spawn`.
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Bytes of text in each message.
    #[arg(long, default_value_t = 16)]
    size: usize,
    /// Requests a second, sent on schedule; without it each client sends when it has its answer.
    #[arg(long)]
    rate: Option<f64>,
    /// Seconds to measure.
    #[arg(long, default_value_t = 10.0)]
    duration: f64,
    /// Seconds of load before the measuring begins.
    #[arg(long, default_value_t = 1.0)]
    warmup: f64,
    /// End after so many operations; for `idle`, how many processes (200000).
    #[arg(long)]
    count: Option<u64>,
    /// A run of two seconds, to see that it works: its figures mean little.
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
}

impl Args {
    fn parsed() -> Args {
        let mut args = Args::parse();
        if args.short {
            args.duration = 1.5;
            args.warmup = 0.3;
            args.count = args.count.or((args.scenario == Scenario::Idle).then_some(20_000));
        }
        args.clients = args.clients.max(1);
        args
    }
}

/// A scenario as it runs.
pub struct Run {
    pub args: Args,
    pub node: Node,
    pub recorder: Arc<Recorder>,
}

impl Run {
    fn start(args: Args) -> Result<Run> {
        let mut scheduler = SchedulerOptions::default();
        scheduler.workers = args.workers.unwrap_or(scheduler.workers);
        let node = Node::start(Options { scheduler, ..Options::default() })?;
        node.add_host(HOST, HostKind::Processes, false)?;
        let recorder = Arc::new(Recorder::new(Duration::from_secs_f64(args.duration)));
        Ok(Run { args, node, recorder })
    }

    /// Lets the load run: warm-up, then the measured time.
    pub fn measure(&self) {
        let limit = self.args.count.unwrap_or(u64::MAX);
        let warmup = Duration::from_secs_f64(self.args.warmup);
        progress::wait("warm-up", warmup, String::new, || false);
        self.recorder.begin();
        let rate = || format!("{:.0}/s", self.recorder.throughput());
        let enough = || self.recorder.operations() >= limit;
        let duration = Duration::from_secs_f64(self.args.duration);
        progress::wait("measuring", duration, rate, enough);
        self.recorder.end();
    }
}

fn run(args: Args) -> Result<Report> {
    let scenario = args.scenario;
    let run = Run::start(args)?;
    match scenario {
        Scenario::Echo => echo::run(&run),
        Scenario::Spawn => spawn::run(&run),
        Scenario::Idle => idle::run(&run),
    }
}

fn main() -> ExitCode {
    let args = Args::parsed();
    let (json, html) = (args.json.clone(), args.html.clone());
    let report = match run(args) {
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
    ExitCode::from(u8::from(report.lost > 0))
}
