//! What the system tells of this program: memory, processor time. Linux only; `None` elsewhere.

use std::time::Duration;

/// Bytes in a MiB, for figures of memory.
pub const MIB: f64 = (1 << 20) as f64;

/// Resident bytes of this program.
pub fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? * 1024)
}

/// Resident MiB; NaN where nobody tells.
pub fn resident_mib() -> f64 {
    resident().map_or(f64::NAN, |bytes| bytes as f64 / MIB)
}

/// Processor time of all threads, in ticks of the system (100 a second).
pub fn cpu_ticks() -> Option<u64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // The second field is the name, in parentheses, and may hold anything.
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(|field| field.parse::<u64>().ok());
    Some(times.next()?? + times.next()??)
}

/// Processor time of all threads that live, finer than ticks.
pub fn cpu_time() -> Option<Duration> {
    let mut nanos = 0;
    for task in std::fs::read_dir("/proc/self/task").ok()? {
        let text = std::fs::read_to_string(task.ok()?.path().join("schedstat")).ok()?;
        nanos += text.split_whitespace().next()?.parse::<u64>().ok()?;
    }
    Some(Duration::from_nanos(nanos))
}

/// Processor seconds used so far; NaN where nobody tells.
pub fn cpu_seconds() -> f64 {
    cpu_time().map_or(f64::NAN, |time| time.as_secs_f64())
}

/// How many wanted a core in the last minute, five, and fifteen.
pub fn load_average() -> Option<String> {
    let text = std::fs::read_to_string("/proc/loadavg").ok()?;
    Some(text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
}
