//! The outcome of a run: as a table, and as JSON.

use std::fmt;

use hdrhistogram::Histogram;
use serde_json::json;

use crate::recorder::WINDOW;
use crate::{Args, Run, system};

/// The percentiles shown, and their names in JSON.
const PERCENTILES: [(f64, &str); 5] =
    [(50.0, "p50"), (90.0, "p90"), (99.0, "p99"), (99.9, "p99.9"), (100.0, "max")];

/// Figures of the parts of a scenario: a row for each part.
pub struct Table {
    pub title: String,
    /// With their units.
    pub columns: Vec<&'static str>,
    /// What is missing is NaN.
    pub rows: Vec<(String, Vec<f64>)>,
}

impl Table {
    pub fn new(title: impl Into<String>, columns: &[&'static str]) -> Table {
        Table { title: title.into(), columns: columns.to_vec(), rows: Vec::new() }
    }

    pub fn row(&mut self, name: impl Into<String>, figures: impl IntoIterator<Item = f64>) {
        self.rows.push((name.into(), figures.into_iter().collect()));
    }
}

/// A figure that is aimed at.
pub struct Check {
    pub name: String,
    pub value: f64,
    pub unit: &'static str,
    pub target: Target,
}

#[derive(Clone, Copy)]
pub enum Target {
    AtMost(f64),
    AtLeast(f64),
}

impl Check {
    pub fn met(&self) -> bool {
        match self.target {
            Target::AtMost(limit) => self.value <= limit,
            Target::AtLeast(limit) => self.value >= limit,
        }
    }

    fn aim(&self) -> String {
        match self.target {
            Target::AtMost(limit) => format!("at most {limit} {}", self.unit),
            Target::AtLeast(limit) => format!("at least {limit} {}", self.unit),
        }
    }
}

/// A figure over time, for a chart: seconds and values.
pub struct Series {
    pub title: String,
    pub points: Vec<(f64, f64)>,
}

pub struct Report {
    pub scenario: &'static str,
    /// What was counted.
    pub unit: &'static str,
    /// Settings that matter, as text.
    pub settings: Vec<(&'static str, String)>,
    pub operations: u64,
    pub seconds: f64,
    pub throughput: f64,
    /// Percentiles in microseconds; empty if nothing was timed.
    pub latency: Vec<(&'static str, f64)>,
    /// Latency by percentile in finer steps, for the chart.
    pub latency_curve: Vec<(f64, f64)>,
    /// Operations a second, window by window.
    pub throughput_curve: Vec<f64>,
    /// Requests without an answer.
    pub lost: u64,
    pub tables: Vec<Table>,
    pub series: Vec<Series>,
    /// What must not happen on any machine.
    pub faults: Vec<String>,
    notes: Vec<(&'static str, f64, &'static str)>,
    checks: Vec<Check>,
    /// A run too short, or a build too slow, for targets to mean anything.
    judged: bool,
}

impl Report {
    /// A report of a scenario that counts by itself.
    pub fn bare(args: &Args, scenario: &'static str) -> Report {
        let mut settings = vec![("workers", args.workers().to_string())];
        let cores = std::thread::available_parallelism().map_or(0, |n| n.get());
        let machine = format!("{cores} cores, {}", std::env::consts::ARCH);
        settings.push(("machine", machine));
        settings.push(("system", std::env::consts::OS.to_owned()));
        settings.extend(system::load_average().map(|load| ("load average", load)));
        settings.push(("version", env!("CARGO_PKG_VERSION").to_owned()));
        let profile =
            if cfg!(debug_assertions) { "debug: figures mean nothing" } else { "release" };
        settings.push(("build", profile.to_owned()));
        Report {
            scenario,
            unit: "",
            settings,
            operations: 0,
            seconds: 0.0,
            throughput: 0.0,
            latency: Vec::new(),
            latency_curve: Vec::new(),
            throughput_curve: Vec::new(),
            lost: 0,
            tables: Vec::new(),
            series: Vec::new(),
            faults: Vec::new(),
            notes: Vec::new(),
            checks: Vec::new(),
            judged: !args.short && !cfg!(debug_assertions),
        }
    }

    /// A report of what the recorder has counted.
    pub fn of(run: &Run, scenario: &'static str, unit: &'static str) -> Report {
        let args = &run.args;
        let mut report = Report::bare(args, scenario);
        match scenario {
            "echo" => {
                let rate = args.rate.map_or("as answered".to_owned(), |rate| format!("{rate}/s"));
                report.set("clients", args.clients.to_string());
                report.set("rate", rate);
                report.set("message", format!("{} bytes", args.size));
            }
            "spawn" => report.set("spawners", args.clients.to_string()),
            _ => {}
        }
        report.unit = unit;
        report.operations = run.recorder.operations();
        report.seconds = run.recorder.seconds();
        report.throughput = run.recorder.throughput();
        report.throughput_curve = run.recorder.curve();
        report.time(&run.recorder.latencies());
        report
    }

    /// Adds a setting that matters.
    pub fn set(&mut self, name: &'static str, text: String) {
        self.settings.insert(1, (name, text));
    }

    /// Latencies in nanoseconds.
    pub fn time(&mut self, latencies: &Histogram<u64>) {
        let at = |percentile: f64| latencies.value_at_percentile(percentile) as f64 / 1e3;
        let timed = !latencies.is_empty();
        let latency = PERCENTILES.iter().filter(|_| timed).map(|&(p, name)| (name, at(p)));
        self.latency = latency.collect();
        // As many nines as the number of samples bears, ten steps for each.
        let nines = (latencies.len().max(1) as f64).log10().min(6.0);
        let steps = (0..=(nines * 10.0) as u32).filter(|_| timed);
        let curve = steps.map(|step| 100.0 * (1.0 - 10f64.powf(f64::from(step) / -10.0)));
        self.latency_curve = curve.map(|percentile| (percentile, at(percentile))).collect();
    }

    /// Adds a figure that is aimed at. Missing it is shown and no failure: it may be the machine.
    pub fn check(
        &mut self,
        name: impl Into<String>,
        value: f64,
        unit: &'static str,
        target: Target,
    ) {
        self.checks.push(Check { name: name.into(), value, unit, target });
    }

    /// Adds something that must not happen on any machine; `count` says how often it did.
    pub fn fault(&mut self, name: &str, count: u64) {
        if count > 0 {
            self.faults.push(format!("{name}: {count}"));
        }
    }

    /// Adds a figure of this scenario.
    pub fn note(&mut self, name: &'static str, value: f64, unit: &'static str) {
        self.notes.push((name, value, unit));
    }

    /// All rows of the table: name and value as text.
    pub fn rows(&self) -> Vec<(String, String)> {
        let mut rows: Vec<(String, String)> =
            self.settings.iter().map(|(name, text)| ((*name).to_owned(), text.clone())).collect();
        let mut add = |name: String, text: String| rows.push((name, text));
        if !self.unit.is_empty() {
            add(self.unit.to_owned(), format!("{} in {:.2} s", self.operations, self.seconds));
            add("throughput".to_owned(), format!("{:.0} {}/s", self.throughput, self.unit));
        }
        for (name, micros) in &self.latency {
            add(format!("latency {name}"), format!("{micros:.1} us"));
        }
        for (name, value, unit) in &self.notes {
            add((*name).to_owned(), format!("{value:.0} {unit}").trim_end().to_owned());
        }
        for check in &self.checks {
            let verdict = match (self.judged, check.met()) {
                (false, _) => "not judged",
                (true, true) => "met",
                (true, false) => "MISSED",
            };
            let (value, aim) = (figure(check.value), check.aim());
            add(check.name.clone(), format!("{value} {}, {aim}: {verdict}", check.unit));
        }
        if self.lost > 0 {
            add("LOST".to_owned(), format!("{} without an answer", self.lost));
        }
        for fault in &self.faults {
            add("FAULT".to_owned(), fault.clone());
        }
        rows
    }

    pub fn to_json(&self) -> String {
        let pairs = |pairs: &[(&str, f64)]| -> serde_json::Map<String, serde_json::Value> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect()
        };
        let notes: Vec<_> = self.notes.iter().map(|&(name, value, _)| (name, value)).collect();
        let settings: serde_json::Map<_, _> =
            self.settings.iter().map(|(n, text)| ((*n).to_owned(), json!(text))).collect();
        let tables = self.tables.iter().map(|table| {
            let rows = table.rows.iter().map(|(name, figures)| {
                let named = table.columns.iter().copied().zip(figures.iter().copied());
                json!({ "name": name, "figures": pairs(&named.collect::<Vec<_>>()) })
            });
            json!({ "title": table.title, "rows": rows.collect::<Vec<_>>() })
        });
        let checks = self.checks.iter().map(|check| {
            json!({
                "name": check.name,
                "value": check.value,
                "unit": check.unit,
                "target": check.aim(),
                "met": self.judged.then(|| check.met()),
            })
        });
        let series = self.series.iter().map(|s| json!({ "title": s.title, "points": s.points }));
        let report = json!({
            "scenario": self.scenario,
            "unit": self.unit,
            "settings": settings,
            "operations": self.operations,
            "seconds": self.seconds,
            "throughput": self.throughput,
            "latency_us": pairs(&self.latency),
            "window_ms": WINDOW.as_millis() as u64,
            "throughput_curve": self.throughput_curve,
            "lost": self.lost,
            "notes": pairs(&notes),
            "tables": tables.collect::<Vec<_>>(),
            "checks": checks.collect::<Vec<_>>(),
            "series": series.collect::<Vec<_>>(),
            "faults": self.faults,
        });
        format!("{report:#}\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.scenario)?;
        let rows = self.rows();
        let width = rows.iter().map(|row| row.0.len()).max().unwrap_or(0).max(22);
        for (name, text) in rows {
            writeln!(f, "  {name:<width$} {text}")?;
        }
        for table in &self.tables {
            write!(f, "\n{table}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.rows.iter().map(|row| row.0.chars().count()).max().unwrap_or(0);
        let name = name.max(self.title.chars().count());
        write!(f, "  {:<name$}", self.title)?;
        for column in &self.columns {
            write!(f, "  {column:>9}")?;
        }
        writeln!(f)?;
        for (label, figures) in &self.rows {
            write!(f, "  {label:<name$}")?;
            for (column, value) in self.columns.iter().zip(figures) {
                write!(f, "  {:>width$}", figure(*value), width = column.chars().count().max(9))?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}

/// A number with about three digits.
pub fn figure(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => "-".to_owned(),
        v if v >= 100.0 || v == v.trunc() => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

/// Percentiles of a histogram of nanoseconds, in milliseconds; NaN if it is empty.
pub fn millis<const N: usize>(histogram: &Histogram<u64>, percentiles: [f64; N]) -> [f64; N] {
    percentiles.map(|percentile| match histogram.is_empty() {
        true => f64::NAN,
        false => histogram.value_at_percentile(percentile) as f64 / 1e6,
    })
}
