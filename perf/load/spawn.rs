//! Spawning: processes that spawn a monitored child, which ends at once, and take its EXIT.
//!
//! Throughput is counted in batches. One spawn of each batch is timed: its parent sends a message
//! to the sink before and after, so a timed latency holds about one message more than a spawn.

use std::sync::Arc;

use parking_lot::Mutex;
use rustc_hash::FxHashMap;
use wippy::core::pid::Pid;
use wippy::infra::error::Result;
use wippy::infra::transcoder::Value;

use crate::clients::{self, Receive};
use crate::recorder::Recorder;
use crate::report::Report;
use crate::{HOST, Run};

const PARENT: &str = r#"
    local function main(sink, batch)
      local inbox, events = process.inbox(), process.events()
      local cases = { inbox:case_receive(), default = true }
      local function spawn()
        local _, err = process.spawn_monitored("load:child", "load:processes")
        if err then error(err) end
        local exit = events:receive()
        if exit.result.error then error(exit.result.error) end
      end
      while channel.select(cases).default do
        for _ = 2, batch do spawn() end
        process.send(sink, "begin")
        spawn()
        process.send(sink, "end", batch)
      end
    end
    return { main = main }"#;

const CHILD: &str = "return { main = function() end }";

const BATCH: i64 = 64;

struct Spawners {
    recorder: Arc<Recorder>,
    /// When the spawn that is timed began, by spawner.
    began: Mutex<FxHashMap<Pid, u64>>,
}

impl Receive for Spawners {
    fn receive(&self, to: Pid, topic: &str, values: &[Value]) {
        let now = self.recorder.now();
        match topic {
            "begin" => {
                self.began.lock().insert(to, now);
            }
            _ => {
                if let Some(began) = self.began.lock().remove(&to) {
                    self.recorder.latency(began, now);
                }
                self.recorder.count(now, clients::number(values, 0));
            }
        }
    }
}

pub fn run(run: &Run) -> Result<Report> {
    run.node.define("load:parent", PARENT)?;
    run.node.define("load:child", CHILD)?;
    let began = Mutex::default();
    let spawners = Arc::new(Spawners { recorder: run.recorder.clone(), began });
    clients::attach(&run.node, spawners)?;
    for number in 0..run.args.clients {
        // A sink of its own for each, which tells them apart.
        let sink = clients::pid(&run.node, number).text().as_str().into();
        run.node.spawn("load:parent", HOST, &[sink, Value::Int(BATCH)])?;
    }
    run.measure();
    clients::detach(&run.node);
    Ok(Report::of(run, "spawn", "spawns"))
}
