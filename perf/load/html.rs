//! The report as one page: the table, and two charts as inline SVG. No script, nothing fetched.

use std::fmt::Write;

use crate::recorder::WINDOW;
use crate::report::{Report, Series, Table, figure};

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 280.0;
/// Room for the labels left and below.
const LEFT: f64 = 80.0;
const BELOW: f64 = 36.0;
const MARGIN: f64 = 12.0;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:800px;margin:2em auto;\
    padding:0 1em;color:#222;background:#fff}table{border-collapse:collapse}td{padding:.1em \
    1.5em .1em 0}td+td{font-variant-numeric:tabular-nums}svg{width:100%;height:auto}\
    text{font:12px system-ui,sans-serif;fill:#555}.grid{stroke:#ddd}.line{fill:none;\
    stroke:#2a6fb0;stroke-width:2}@media(prefers-color-scheme:dark){body{color:#ddd;\
    background:#181818}text{fill:#aaa}.grid{stroke:#333}.line{stroke:#6cb0ee}}";

/// A line and the labels of its axes, in the units of the data.
struct Chart {
    title: String,
    points: Vec<(f64, f64)>,
    x_labels: Vec<(f64, String)>,
    y_labels: Vec<(f64, String)>,
}

pub fn page(report: &Report) -> String {
    let mut page = String::new();
    let title = format!("wippy-load: {}", report.scenario);
    let rows: String = report
        .rows()
        .iter()
        .map(|(name, text)| {
            format!("<tr><td>{}</td><td>{}</td></tr>\n", escape(name), escape(text))
        })
        .collect();
    // Writing to a String does not fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<h1>{title}</h1>\n<table>\n{rows}</table>\n"
    );
    for table in &report.tables {
        page.push_str(&grid(table));
    }
    for chart in [latency(report), throughput(report)].into_iter().flatten() {
        chart.draw(&mut page);
    }
    for chart in report.series.iter().filter_map(over_time) {
        chart.draw(&mut page);
    }
    page.push_str("</html>\n");
    page
}

fn grid(table: &Table) -> String {
    let heads: String = table.columns.iter().map(|c| format!("<td>{}</td>", escape(c))).collect();
    let rows = table.rows.iter().map(|(name, figures)| {
        let cells: String = figures.iter().map(|v| format!("<td>{}</td>", figure(*v))).collect();
        format!("<tr><td>{}</td>{cells}</tr>\n", escape(name))
    });
    let rows: String = rows.collect();
    let title = escape(&table.title);
    format!("<h2>{title}</h2>\n<table>\n<tr><td></td>{heads}</tr>\n{rows}</table>\n")
}

/// Latency over percentile, both logarithmic: each step to the right is one more nine.
fn latency(report: &Report) -> Option<Chart> {
    let nines = |percentile: f64| -(1.0 - percentile / 100.0).log10();
    let points: Vec<(f64, f64)> = report
        .latency_curve
        .iter()
        .map(|&(percentile, micros)| (nines(percentile), micros.max(0.001).log10()))
        .collect();
    let (last, _) = *points.last()?;
    let names = ["0", "90%", "99%", "99.9%", "99.99%", "99.999%", "99.9999%"];
    let x_labels = names.iter().enumerate().map(|(n, name)| (n as f64, (*name).to_owned()));
    let (low, high) = bounds(points.iter().map(|point| point.1));
    let decades = (low.floor() as i32)..=(high.ceil() as i32);
    let y_labels = decades.map(|decade| (f64::from(decade), micros(10f64.powi(decade))));
    Some(Chart {
        title: "Latency by percentile".to_owned(),
        x_labels: x_labels.filter(|(x, _)| *x <= last).collect(),
        y_labels: y_labels.collect(),
        points,
    })
}

fn throughput(report: &Report) -> Option<Chart> {
    let step = WINDOW.as_secs_f64();
    let curve = report.throughput_curve.iter().enumerate();
    let points = curve.map(|(n, &rate)| (n as f64 * step, rate)).collect();
    over_time(&Series { title: format!("Throughput, {} a second", report.unit), points })
}

/// A figure over seconds, from zero on.
fn over_time(series: &Series) -> Option<Chart> {
    let points = series.points.clone();
    let (last, _) = *points.last()?;
    let (_, high) = bounds(points.iter().map(|point| point.1));
    // Four steps of a round number.
    let magnitude = 10f64.powf((high.max(1.0) / 4.0).log10().floor());
    let round = (high / 4.0 / magnitude).ceil().max(1.0) * magnitude;
    let y_labels = (0..=4).map(|n| (f64::from(n) * round, format!("{}", f64::from(n) * round)));
    let x_labels = (0..=4).map(|n| last * f64::from(n) / 4.0).map(|x| (x, format!("{x:.1} s")));
    Some(Chart {
        title: series.title.clone(),
        x_labels: x_labels.collect(),
        y_labels: y_labels.collect(),
        points,
    })
}

impl Chart {
    fn draw(&self, page: &mut String) {
        let labelled = |labels: &[(f64, String)], points: &mut dyn Iterator<Item = f64>| {
            bounds(labels.iter().map(|label| label.0).chain(points))
        };
        let x_bounds = labelled(&self.x_labels, &mut self.points.iter().map(|point| point.0));
        let y_bounds = labelled(&self.y_labels, &mut self.points.iter().map(|point| point.1));
        let x = |value: f64| LEFT + part(value, x_bounds) * (WIDTH - LEFT - 3.0 * MARGIN);
        let bottom = HEIGHT - BELOW;
        let y = |value: f64| bottom - part(value, y_bounds) * (bottom - MARGIN);
        let mut svg = String::new();
        for (value, text) in &self.y_labels {
            let (y, right) = (y(*value), WIDTH - 3.0 * MARGIN);
            let _ = writeln!(
                svg,
                "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{right}\"/><text x=\"{:.1}\" \
                 y=\"{:.1}\" text-anchor=\"end\">{text}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        for (value, text) in &self.x_labels {
            let _ = writeln!(
                svg,
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{text}</text>",
                x(*value),
                HEIGHT - 12.0
            );
        }
        let line: Vec<String> =
            self.points.iter().map(|&(px, py)| format!("{:.1},{:.1}", x(px), y(py))).collect();
        let _ = write!(
            page,
            "<h2>{0}</h2>\n<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"{0}\">\n{svg}<polyline class=\"line\" points=\"{1}\"/>\n</svg>\n",
            escape(&self.title),
            line.join(" ")
        );
    }
}

/// Least and greatest.
fn bounds(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
}

/// Where a value lies between its bounds, from 0 to 1.
fn part(value: f64, (low, high): (f64, f64)) -> f64 {
    if high > low { (value - low) / (high - low) } else { 0.5 }
}

fn micros(micros: f64) -> String {
    match micros {
        m if m >= 1e6 => format!("{} s", m / 1e6),
        m if m >= 1e3 => format!("{} ms", m / 1e3),
        m => format!("{m} us"),
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
