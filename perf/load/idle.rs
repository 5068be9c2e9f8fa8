//! Idle processes: how fast they start and what each keeps resident.

use std::time::{Duration, Instant};

use wippy::app::node::Node;
use wippy::infra::error::Result;
use wippy::infra::transcoder::Value;

use crate::report::Report;
use crate::{HOST, Run, progress, system};

pub const IDLE: &str = "return { main = function() process.inbox():receive() end }";

pub const PARENT: &str = r#"
    local function main(n)
      for _ = 1, n do
        local _, err = process.spawn("load:idle", "load:processes")
        if err then error(err) end
      end
    end
    return { main = main }"#;

const COUNT: u64 = 200_000;
/// Started at a time, for the bar and the curve.
const BATCH: u64 = 1000;

pub fn run(run: &Run) -> Result<Report> {
    run.node.define("load:idle", IDLE)?;
    run.node.define("load:parent", PARENT)?;
    let count = run.args.count.unwrap_or(COUNT).max(1);
    // One before: what the first process of a program loads is not its own.
    run.node.spawn("load:idle", HOST, &[])?;
    let before = system::resident();
    run.recorder.begin();
    for started in (0..count).step_by(BATCH as usize) {
        let batch = BATCH.min(count - started);
        let (_, ended) = run.node.spawn("load:parent", HOST, &[Value::Int(batch as i64)])?;
        ended.wait(Duration::from_secs(60))?;
        run.recorder.count(run.recorder.now(), batch);
        progress::draw("starting", started as f64 / count as f64, &format!("{started}"));
    }
    run.recorder.end();
    progress::clear();
    let mut report = Report::of(run, "idle", "processes");
    report.note("processes alive", settled(&run.node, count as usize + 1) as f64, "");
    if let (Some(before), Some(after)) = (before, system::resident()) {
        let each = after.saturating_sub(before) as f64 / count as f64;
        report.note("resident per process", each, "bytes");
        report.note("resident in all", after as f64 / (1 << 20) as f64, "MiB");
    }
    report.note("VMs", run.node.pool.len() as f64, "");
    Ok(report)
}

/// Waits until all have run up to their wait, that is until no worker runs any more of them.
pub fn settled(node: &Node, expected: usize) -> usize {
    let begin = Instant::now();
    let resumes = || node.kernel.scheduler.stats().iter().map(|s| s.resumes).sum::<u64>();
    let mut seen = resumes();
    loop {
        std::thread::sleep(Duration::from_millis(50));
        let now = resumes();
        let alive = node.kernel.table().len();
        if (now == seen && alive == expected) || begin.elapsed() > Duration::from_secs(5) {
            return alive;
        }
        seen = now;
    }
}
