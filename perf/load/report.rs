//! The outcome of a run: as a table, and as JSON.

use std::fmt;

use serde_json::json;

use crate::Run;
use crate::recorder::WINDOW;

/// The percentiles shown, and their names in JSON.
const PERCENTILES: [(f64, &str); 5] =
    [(50.0, "p50"), (90.0, "p90"), (99.0, "p99"), (99.9, "p99.9"), (100.0, "max")];

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
    notes: Vec<(&'static str, f64, &'static str)>,
}

impl Report {
    pub fn of(run: &Run, scenario: &'static str, unit: &'static str) -> Report {
        let args = &run.args;
        let mut settings = vec![("workers", run.node.kernel.scheduler.workers().to_string())];
        match scenario {
            "echo" => {
                let rate = args.rate.map_or("as answered".to_owned(), |rate| format!("{rate}/s"));
                settings.push(("clients", args.clients.to_string()));
                settings.push(("rate", rate));
                settings.push(("message", format!("{} bytes", args.size)));
            }
            "spawn" => settings.push(("spawners", args.clients.to_string())),
            _ => {}
        }
        let cores = std::thread::available_parallelism().map_or(0, |n| n.get());
        let machine = format!("{cores} cores, {}", std::env::consts::ARCH);
        settings.push(("machine", machine));
        settings.push(("system", std::env::consts::OS.to_owned()));
        settings.push(("version", env!("CARGO_PKG_VERSION").to_owned()));
        let profile =
            if cfg!(debug_assertions) { "debug: figures mean nothing" } else { "release" };
        settings.push(("build", profile.to_owned()));
        let latencies = run.recorder.latencies();
        let at = |percentile: f64| latencies.value_at_percentile(percentile) as f64 / 1e3;
        let timed = !latencies.is_empty();
        let latency = PERCENTILES.iter().filter(|_| timed).map(|&(p, name)| (name, at(p)));
        // As many nines as the number of samples bears, ten steps for each.
        let nines = (latencies.len().max(1) as f64).log10().min(6.0);
        let steps = (0..=(nines * 10.0) as u32).filter(|_| timed);
        let curve = steps.map(|step| 100.0 * (1.0 - 10f64.powf(f64::from(step) / -10.0)));
        Report {
            scenario,
            unit,
            settings,
            operations: run.recorder.operations(),
            seconds: run.recorder.seconds(),
            throughput: run.recorder.throughput(),
            latency: latency.collect(),
            latency_curve: curve.map(|percentile| (percentile, at(percentile))).collect(),
            throughput_curve: run.recorder.curve(),
            lost: 0,
            notes: Vec::new(),
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
        add(self.unit.to_owned(), format!("{} in {:.2} s", self.operations, self.seconds));
        add("throughput".to_owned(), format!("{:.0} {}/s", self.throughput, self.unit));
        for (name, micros) in &self.latency {
            add(format!("latency {name}"), format!("{micros:.1} us"));
        }
        for (name, value, unit) in &self.notes {
            add((*name).to_owned(), format!("{value:.0} {unit}").trim_end().to_owned());
        }
        if self.lost > 0 {
            add("LOST".to_owned(), format!("{} without an answer", self.lost));
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
        });
        format!("{report:#}\n")
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.scenario)?;
        for (name, text) in self.rows() {
            writeln!(f, "  {name:<22} {text}")?;
        }
        Ok(())
    }
}
