//! `wippy-compare`: the same workloads on wippy and on Erlang/OTP. See README.md beside this file.
//!
//! Both sides are programs of their own: the binary on the project in `wippy/`, and the escript in
//! `erlang/`. [`workloads`] says what is run and which figures come of it, [`child`] runs one,
//! [`report`] makes a table of all runs, [`chart`] a page.

mod chart;
mod child;
#[path = "../load/progress.rs"]
#[expect(dead_code, reason = "nothing here waits for a time to pass")]
mod progress;
mod report;
mod workloads;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use clap::Parser;

use crate::child::{Outcome, Side, Sides};
use crate::report::Report;
use crate::workloads::Workload;

/// A child that takes longer is stopped, and that run counts as failed.
const PATIENCE: Duration = Duration::from_secs(180);

/// Runs the same workloads on wippy and on Erlang/OTP, and prints medians and ratios.
#[derive(Parser)]
#[command(name = "wippy-compare")]
struct Args {
    /// How often everything is run [default: 6, with --short 1]. The figures are medians.
    /// With an even number each side goes first equally often.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Run these workloads only, by name.
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    only: Vec<String>,
    /// Some seconds in all, to see that it works: the figures mean nothing.
    #[arg(long)]
    short: bool,
    /// Print the names of the workloads and what they do.
    #[arg(long)]
    list: bool,
    /// Write all figures of all runs as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the table as a page with a chart.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
    /// Run this binary [default: the one of this build, brought up to date].
    #[arg(long, value_name = "FILE")]
    wippy: Option<PathBuf>,
    /// The program that runs the Erlang side.
    #[arg(long, value_name = "FILE", default_value = "escript")]
    escript: PathBuf,
}

fn run(args: &Args) -> Result<Report, String> {
    let workloads = chosen(workloads::all(), &args.only)?;
    let wippy = match &args.wippy {
        Some(path) => path.canonicalize().map_err(|e| format!("{}: {e}", path.display()))?,
        None => built()?,
    };
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("perf/compare");
    let sides = Sides::new(wippy, args.escript.clone(), here, PATIENCE)?;
    let rounds = args.rounds.unwrap_or(if args.short { 1 } else { 6 });
    let mut report = Report::new(&sides, workloads, rounds, args.short);
    let runs = rounds as usize * report.workloads.len();
    for round in 0..rounds {
        for index in 0..report.workloads.len() {
            // A B, then B A: what gets worse or better with time meets both alike.
            let order = match round % 2 {
                0 => [Side::Wippy, Side::Erlang],
                _ => [Side::Erlang, Side::Wippy],
            };
            for side in order {
                let workload = &report.workloads[index];
                let done = round as usize * report.workloads.len() + index;
                let status = format!("round {} {} {}", round + 1, side.name(), workload.name);
                progress::draw("comparing", done as f64 / runs as f64, &status);
                let outcome = run_one(&sides, side, workload, args.short);
                report.add(index, side, outcome);
            }
        }
    }
    progress::clear();
    Ok(report)
}

fn run_one(sides: &Sides, side: Side, workload: &Workload, short: bool) -> Outcome {
    let numbers = if short { &workload.short } else { &workload.numbers };
    if !short {
        touch(workload.memory);
    }
    let outcome = sides.run(side, workload.entry, numbers, workload.cores);
    if let Outcome::Failed(reason) = &outcome {
        progress::clear();
        eprintln!("{} {}: {reason}", side.name(), workload.name);
    }
    outcome
}

/// Writes to so many bytes and gives them back. A virtual machine that has not used memory for a
/// while pays for its first use: without this, the side that comes second has up to twice the speed.
fn touch(bytes: usize) {
    const PAGE: usize = 4096;
    let mut memory: Vec<u8> = Vec::with_capacity(bytes);
    for page in memory.spare_capacity_mut().iter_mut().step_by(PAGE) {
        page.write(1);
    }
    std::hint::black_box(&mut memory);
}

/// The workloads of these names, or all if none is named.
fn chosen(mut workloads: Vec<Workload>, names: &[String]) -> Result<Vec<Workload>, String> {
    for name in names {
        if !workloads.iter().any(|workload| workload.name == *name) {
            let known: Vec<&str> = workloads.iter().map(|w| w.name.as_str()).collect();
            return Err(format!("no workload \"{name}\"; there are {}", known.join(", ")));
        }
    }
    workloads.retain(|workload| names.is_empty() || names.contains(&workload.name));
    Ok(workloads)
}

/// Builds the binary as this program was built, if Cargo runs it, and returns where it is.
fn built() -> Result<PathBuf, String> {
    if let Some(cargo) = std::env::var_os("CARGO") {
        let mut build = Command::new(cargo);
        build.args(["build", "--locked", "--bin", "wippy"]);
        if !cfg!(debug_assertions) {
            build.arg("--release");
        }
        let status = build.current_dir(env!("CARGO_MANIFEST_DIR")).status();
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => return Err(format!("building the binary: {status}")),
            Err(error) => return Err(format!("building the binary: {error}")),
        }
    }
    // This program is in `examples/` beside it.
    let own = std::env::current_exe().map_err(|error| format!("own path: {error}"))?;
    let binary = own.parent().and_then(Path::parent).map(|folder| folder.join("wippy"));
    binary.filter(|path| path.exists()).ok_or_else(|| "no binary; name it by --wippy".to_owned())
}

fn main() -> ExitCode {
    let args = Args::parse();
    if args.list {
        for workload in workloads::all() {
            println!("{:<12} {}", workload.name, workload.about);
        }
        return ExitCode::SUCCESS;
    }
    let report = match run(&args) {
        Ok(report) => report,
        Err(error) => {
            eprintln!("Error: {error}");
            return ExitCode::FAILURE;
        }
    };
    print!("{report}");
    let files = [(&args.json, report.to_json()), (&args.html, chart::page(&report))];
    for (path, text) in files {
        if let Some(path) = path
            && let Err(error) = std::fs::write(path, text)
        {
            eprintln!("Error: write {}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    ExitCode::from(u8::from(report.failures() > 0))
}
