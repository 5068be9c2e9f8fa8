//! Medians, spreads and ratios of all runs: as a table in Markdown, and as JSON.

use std::fmt;

use serde_json::json;

use crate::child::{Outcome, Side, Sides};
use crate::workloads::{Row, Workload};

pub struct Report {
    pub workloads: Vec<Workload>,
    /// What matters about the machine and the run, as text.
    pub settings: Vec<(&'static str, String)>,
    installed: [bool; 2],
    /// By workload and side, in the order of the rounds.
    runs: Vec<[Vec<Outcome>; 2]>,
}

/// Figures of one side in a row.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    /// In the order of the rounds.
    pub all: Vec<f64>,
    pub median: f64,
    pub least: f64,
    pub greatest: f64,
}

impl Figures {
    fn of(all: Vec<f64>) -> Option<Figures> {
        let mut sorted = all.clone();
        sorted.sort_by(f64::total_cmp);
        let (least, greatest) = (*sorted.first()?, *sorted.last()?);
        let half = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[half - 1], sorted[half]),
            _ => sorted[half],
        };
        Some(Figures { all, median, least, greatest })
    }
}

/// A row as it came out.
pub struct Line<'a> {
    pub workload: &'a str,
    pub row: &'a Row,
    pub sides: [Option<Figures>; 2],
    /// How many times better wippy is: above 1 it is ahead, whichever way the figure counts.
    pub ratio: Option<f64>,
}

impl Report {
    pub fn new(sides: &Sides, workloads: Vec<Workload>, rounds: u32, short: bool) -> Report {
        let version =
            |side| sides.version(side).map_or("not installed", |version| version).to_owned();
        let cores = std::thread::available_parallelism().map_or(0, |cores| cores.get());
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let load = read("/proc/loadavg");
        let load = load.split_whitespace().next().unwrap_or("unknown");
        let cpus = read("/proc/cpuinfo");
        let model = cpus.lines().find_map(|line| line.strip_prefix("model name"));
        let model = model.map_or("", |text| text.trim_start_matches([' ', '\t', ':']));
        let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
        let machine = format!("{cores} cores, {arch}, {os} {model}").trim().to_owned();
        let build = match (short, cfg!(debug_assertions)) {
            (false, false) => "full, release",
            (true, false) => "short: figures mean nothing",
            (_, true) => "debug: figures mean nothing",
        };
        let settings = vec![
            ("wippy", version(Side::Wippy)),
            ("Erlang/OTP", version(Side::Erlang)),
            ("machine", machine),
            ("load average before", load.to_owned()),
            ("rounds", rounds.to_string()),
            ("run", build.to_owned()),
        ];
        let installed = Side::BOTH.map(|side| sides.version(side).is_some());
        let runs = workloads.iter().map(|_| [Vec::new(), Vec::new()]).collect();
        Report { workloads, settings, installed, runs }
    }

    pub fn add(&mut self, workload: usize, side: Side, outcome: Outcome) {
        self.runs[workload][side as usize].push(outcome);
    }

    /// Runs that did not come to their end.
    pub fn failures(&self) -> usize {
        let outcomes = self.runs.iter().flatten().flatten();
        outcomes.filter(|outcome| matches!(outcome, Outcome::Failed(_))).count()
    }

    pub fn lines(&self) -> Vec<Line<'_>> {
        let rows = self.workloads.iter().zip(&self.runs).flat_map(|(workload, runs)| {
            workload.rows.iter().map(move |row| (workload, runs, row))
        });
        rows.map(|(workload, runs, row)| {
            let figures = |outcomes: &[Outcome]| {
                let measured = outcomes.iter().filter_map(|outcome| match outcome {
                    Outcome::Measured(run) => (row.figure)(run),
                    _ => None,
                });
                Figures::of(measured.collect())
            };
            let sides = [figures(&runs[0]), figures(&runs[1])];
            let ratio = match &sides {
                [Some(wippy), Some(erlang)] => match row.more_is_better {
                    true => Some(wippy.median / erlang.median),
                    false => Some(erlang.median / wippy.median),
                },
                _ => None,
            };
            Line { workload: &workload.name, row, sides, ratio: ratio.filter(|r| r.is_finite()) }
        })
        .collect()
    }

    /// The head of the table and its rows, as text.
    pub fn cells(&self) -> Vec<[String; 6]> {
        let head = ["", "unit", "better", "wippy", "Erlang/OTP", "wippy is ahead"];
        let mut cells = vec![head.map(str::to_owned)];
        for line in self.lines() {
            let side = |side: Side| match &line.sides[side as usize] {
                Some(f) => {
                    format!("{} ({} to {})", short(f.median), short(f.least), short(f.greatest))
                }
                None if self.installed[side as usize] => "failed".to_owned(),
                None => "not installed".to_owned(),
            };
            cells.push([
                line.row.title.clone(),
                line.row.unit.to_owned(),
                if line.row.more_is_better { "more" } else { "less" }.to_owned(),
                side(Side::Wippy),
                side(Side::Erlang),
                line.ratio.map_or_else(|| "-".to_owned(), times),
            ]);
        }
        cells
    }

    pub fn to_json(&self) -> String {
        let figures = |figures: &Option<Figures>| match figures {
            Some(f) => json!({
                "median": f.median, "min": f.least, "max": f.greatest, "runs": f.all,
            }),
            None => serde_json::Value::Null,
        };
        let line = |line: &Line<'_>| {
            json!({
                "workload": line.workload,
                "figure": line.row.title,
                "unit": line.row.unit,
                "more_is_better": line.row.more_is_better,
                "wippy": figures(&line.sides[0]),
                "erlang": figures(&line.sides[1]),
                "ratio": line.ratio,
            })
        };
        let lines: Vec<_> = self.lines().iter().map(line).collect();
        let settings: serde_json::Map<_, _> =
            self.settings.iter().map(|(name, text)| ((*name).to_owned(), json!(text))).collect();
        let installed = json!({ "wippy": self.installed[0], "erlang": self.installed[1] });
        let report = json!({
            "settings": settings,
            "installed": installed,
            "failures": self.failures(),
            "figures": lines,
        });
        format!("{report:#}\n")
    }
}

/// A ratio with two digits that count, three from 1 on.
pub fn times(ratio: f64) -> String {
    let digits = if ratio >= 0.095 { 2 } else { (1.0 - ratio.max(1e-6).log10().floor()) as usize };
    format!("{ratio:.digits$}x")
}

/// A number with three digits that count.
pub fn short(number: f64) -> String {
    let (scaled, unit) = match number.abs() {
        n if n >= 999_500.0 => (number / 1e6, " M"),
        n if n >= 9_999.5 => (number / 1e3, " k"),
        _ => (number, ""),
    };
    let digits = match scaled.abs() {
        n if n >= 99.95 => 0,
        n if n >= 9.995 => 1,
        _ => 2,
    };
    format!("{scaled:.digits$}{unit}")
}

/// Markdown, and readable as it is.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, text) in &self.settings {
            writeln!(f, "- {name}: {text}")?;
        }
        writeln!(f)?;
        let cells = self.cells();
        let width = |column: usize| cells.iter().map(|row| row[column].len()).max().unwrap_or(0);
        let widths: Vec<usize> = (0..6).map(width).collect();
        for (n, row) in cells.iter().enumerate() {
            for (column, (cell, &width)) in row.iter().zip(&widths).enumerate() {
                match column {
                    0..=2 => write!(f, "| {cell:<width$} ")?,
                    _ => write!(f, "| {cell:>width$} ")?,
                }
            }
            writeln!(f, "|")?;
            if n == 0 {
                for (column, &width) in widths.iter().enumerate() {
                    let end = if column < 3 { '-' } else { ':' };
                    write!(f, "|{}{end}", "-".repeat(width + 1))?;
                }
                writeln!(f, "|")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;
    use crate::child::Measurement;
    use crate::workloads;

    #[track_caller]
    fn check_median(figures: &[f64], expected: f64) {
        let found = Figures::of(figures.to_vec()).expect("not empty");
        assert_eq!((found.median, found.all.as_slice()), (expected, figures));
    }

    #[test]
    fn medians() {
        check_median(&[3.0], 3.0);
        check_median(&[4.0, 1.0], 2.5);
        check_median(&[9.0, 1.0, 2.0], 2.0);
        assert_eq!(Figures::of(Vec::new()), None);
    }

    #[test]
    fn numbers_are_short() {
        let shown = [0.5, 12.34, 345.6, 2419.0, 9999.4, 9999.5, 264_000.0, 999_499.0, 1_234_567.0];
        let expected =
            ["0.50", "12.3", "346", "2419", "9999", "10.0 k", "264 k", "999 k", "1.23 M"];
        assert_eq!(shown.map(short), expected);
    }

    #[test]
    fn ratios_are_short() {
        let shown = [12.345, 1.0, 0.456, 0.0951, 0.0449, 0.00387];
        assert_eq!(shown.map(times), ["12.35x", "1.00x", "0.46x", "0.10x", "0.045x", "0.0039x"]);
    }

    fn sides(escript: &str) -> Sides {
        let binary = PathBuf::from("echo");
        let here = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("perf/compare");
        Sides::new(binary, escript.into(), here, Duration::from_secs(30)).expect("both answer")
    }

    fn idle(ns: f64, resident: f64) -> Outcome {
        let before = Measurement { name: "before".into(), resident: 1.0, ..Measurement::default() };
        let alive = Measurement {
            name: "alive".into(),
            operations: 1.0,
            ns,
            resident,
            ..Measurement::default()
        };
        Outcome::Measured(vec![before, alive])
    }

    fn report(sides: &Sides) -> Report {
        let workloads = workloads::all().into_iter().filter(|w| w.name == "idle_200k").collect();
        Report::new(sides, workloads, 1, true)
    }

    /// Half the time is twice as good, and so is half the memory.
    #[test]
    fn ratios_say_how_much_better_wippy_is() {
        let mut report = report(&sides("echo"));
        report.add(0, Side::Wippy, idle(1e3, 101.0));
        report.add(0, Side::Erlang, idle(2e3, 201.0));
        let ratios: Vec<_> = report.lines().iter().map(|line| line.ratio).collect();
        assert_eq!(ratios[..2], [Some(2.0), Some(2.0)]);
        assert_eq!(report.failures(), 0);
    }

    #[test]
    fn the_column_says_that_erlang_is_not_installed() {
        let mut report = report(&sides("no-such-program-anywhere"));
        report.add(0, Side::Wippy, idle(1e3, 101.0));
        report.add(0, Side::Erlang, Outcome::Absent);
        assert_eq!(report.cells()[1][4..], ["not installed".to_owned(), "-".to_owned()]);
        assert!(report.to_string().contains("- Erlang/OTP: not installed"), "{report}");
        assert!(report.to_json().contains("\"erlang\": null"));
        assert_eq!(report.failures(), 0);
    }

    #[test]
    fn a_failure_is_no_figure() {
        let mut report = report(&sides("echo"));
        report.add(0, Side::Wippy, Outcome::Failed("oh no".to_owned()));
        report.add(0, Side::Erlang, idle(1e3, 101.0));
        assert_eq!(report.cells()[1][3], "failed");
        assert_eq!(report.failures(), 1);
    }
}
