//! The report as one page: how far ahead or behind as inline SVG, then the table. No script, nothing
//! fetched.

use std::fmt::Write;

use crate::report::{Report, times};

const WIDTH: f64 = 760.0;
const BAR: f64 = 16.0;
const STEP: f64 = 24.0;
/// Room for titles on the left, for ratios on the right, for the scale below.
const LEFT: f64 = 220.0;
const RIGHT: f64 = 60.0;
const BELOW: f64 = 30.0;

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:2em auto;\
    padding:0 1em;color:#222;background:#fff}table{border-collapse:collapse}td,th{padding:.1em \
    1em .1em 0;text-align:left;white-space:nowrap}td{font-variant-numeric:tabular-nums}\
    svg{width:100%;height:auto}text{font:12px system-ui,sans-serif;fill:#555}.grid{stroke:#ddd}\
    .even{stroke:#888}.ahead{fill:#2a6fb0}.behind{fill:#c0603a}@media(prefers-color-scheme:dark){\
    body{color:#ddd;background:#181818}text{fill:#aaa}.grid{stroke:#333}.ahead{fill:#6cb0ee}\
    .behind{fill:#e08a64}}";

pub fn page(report: &Report) -> String {
    let mut page = String::new();
    let title = "wippy and Erlang/OTP";
    // Writing to a String does not fail.
    let _ = write!(
        page,
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <style>{STYLE}</style>\n<h1>{title}</h1>\n<ul>\n"
    );
    for (name, text) in &report.settings {
        let _ = writeln!(page, "<li>{}: {}</li>", escape(name), escape(text));
    }
    page.push_str("</ul>\n");
    let bars: Vec<(String, f64)> = report
        .lines()
        .iter()
        .filter_map(|line| Some((line.row.title.clone(), line.ratio.filter(|r| *r > 0.0)?)))
        .collect();
    if !bars.is_empty() {
        page.push_str("<h2>How many times better wippy is; left of 1 it is behind</h2>\n");
        draw(&mut page, &bars);
    }
    page.push_str("<h2>Medians (least to greatest)</h2>\n<table>\n");
    for (n, row) in report.cells().iter().enumerate() {
        let tag = if n == 0 { "th" } else { "td" };
        let cells = row.iter().map(|cell| format!("<{tag}>{}</{tag}>", escape(cell)));
        let _ = writeln!(page, "<tr>{}</tr>", cells.collect::<String>());
    }
    page.push_str("</table>\n</html>\n");
    page
}

/// Bars to both sides of 1 on a logarithmic scale.
fn draw(page: &mut String, bars: &[(String, f64)]) {
    // Whole powers of two, at least from a half to two.
    let reach = bars.iter().map(|bar| bar.1.log2().abs()).fold(1.0, f64::max).ceil();
    let room = WIDTH - LEFT - RIGHT;
    let x = |log: f64| LEFT + (log + reach) / (2.0 * reach) * room;
    let bottom = bars.len() as f64 * STEP;
    let height = bottom + BELOW;
    let _ = writeln!(
        page,
        "<svg viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" aria-label=\"ratios by workload\">"
    );
    let every = (reach / 4.0).ceil() as i32;
    for log in (-(reach as i32)..=reach as i32).filter(|log| log % every == 0) {
        let at = x(f64::from(log));
        let class = if log == 0 { "even" } else { "grid" };
        let factor = 1_u64 << log.unsigned_abs().min(63);
        let label = if log < 0 { format!("1/{factor}") } else { factor.to_string() };
        let _ = writeln!(
            page,
            "<path class=\"{class}\" d=\"M{at:.1} 0V{bottom}\"/><text x=\"{at:.1}\" y=\"{:.1}\" \
             text-anchor=\"middle\">{label}</text>",
            bottom + 18.0
        );
    }
    for (n, (title, ratio)) in bars.iter().enumerate() {
        let top = n as f64 * STEP + (STEP - BAR) / 2.0;
        let (from, to) = (x(0.0), x(ratio.log2()));
        let class = if *ratio >= 1.0 { "ahead" } else { "behind" };
        let _ = writeln!(
            page,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}</text><rect class=\"{class}\" \
             x=\"{:.1}\" y=\"{top:.1}\" width=\"{:.1}\" height=\"{BAR}\"/><text x=\"{:.1}\" \
             y=\"{:.1}\">{}</text>",
            LEFT - 8.0,
            top + 12.0,
            escape(title),
            from.min(to),
            (from - to).abs(),
            WIDTH - RIGHT + 8.0,
            top + 12.0,
            times(*ratio),
        );
    }
    page.push_str("</svg>\n");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
