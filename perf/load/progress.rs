//! Waiting with a bar on standard error, if that is a terminal.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const WIDTH: usize = 30;
const LOOK: Duration = Duration::from_millis(20);

/// Waits for `duration`, or less if `enough` says so. `status` is shown behind the bar.
pub fn wait(
    title: &str,
    duration: Duration,
    status: impl Fn() -> String,
    enough: impl Fn() -> bool,
) {
    let begin = Instant::now();
    while begin.elapsed() < duration && !enough() {
        draw(title, begin.elapsed().div_duration_f64(duration), &status());
        std::thread::sleep(LOOK.min(duration.saturating_sub(begin.elapsed())));
    }
    clear();
}

/// Draws a bar that is full at 1.
pub fn draw(title: &str, part: f64, status: &str) {
    let mut stderr = std::io::stderr();
    if stderr.is_terminal() {
        let full = (part.clamp(0.0, 1.0) * WIDTH as f64) as usize;
        let bar = format!("{:<WIDTH$}", "=".repeat(full));
        // A bar that cannot be shown is no reason to stop.
        let _ = write!(stderr, "\r\x1b[K{title} [{bar}] {status}");
    }
}

pub fn clear() {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
}
