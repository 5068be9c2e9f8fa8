//! Message order under load, end to end: Lua senders in several VMs, several receivers, each of
//! which checks that every sender's messages come in sequence, all of them, and none twice.
//!
//! Receivers dawdle, so that event queues and lanes fill and senders are suspended.

use std::time::Duration;

use wippy::app::node::{Node, Options};
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::transcoder::Value;
use wippy::system::host::HostKind;

/// Long enough for any machine; reached only when something is lost.
const LONG: Duration = Duration::from_secs(120);
const ISOLATED: &str = "app:isolated";
const SHARED: &str = "app:shared";

/// Takes `count` numbered messages and an "end" from each of `senders`, and nothing else.
const RECEIVER: &str = r#"
    -- Several payloads come as a list.
    local function number_in(message)
      local payload = message:payload()
      if type(payload) == "table" then payload = payload[1] end
      return payload and payload:data()
    end
    local function main(senders, count)
      local inbox = process.inbox()
      local next, ended, total = {}, 0, 0
      while ended < senders do
        local message = inbox:receive()
        local from, number = message:from(), number_in(message)
        local expected = next[from] or 1
        if message:topic() == "end" then
          if expected ~= count + 1 then
            error(from .. " ended after " .. (expected - 1))
          end
          ended += 1
        else
          if number ~= expected then
            error(from .. " sent " .. number .. ", expected " .. expected)
          end
          next[from] = expected + 1
          total += 1
        end
        for _ = 1, total % 4000 == 1 and 20000000 or 20 do end
      end
      if not channel.select({ inbox:case_receive(), default = true }).default then
        error("a message came twice")
      end
      return total
    end
    return { main = main }"#;

/// Sends to all receivers in turn. Some messages are long, so that they take longer to carry over.
const SENDER: &str = r#"
    local function main(receivers, count)
      local padding = string.rep("x", 2000)
      for i = 1, count do
        for _, to in receivers do
          local ok, err = process.send(to, "number", i, i % 50 == 0 and padding or nil)
          if not ok then error(err) end
        end
      end
      for _, to in receivers do process.send(to, "end") end
      return count
    end
    return { main = main }"#;

struct Load {
    workers: usize,
    lane_max: usize,
    receivers: usize,
    senders: usize,
    count: usize,
}

fn check(load: &Load) {
    let options = Options {
        scheduler: SchedulerOptions { workers: load.workers, ..SchedulerOptions::default() },
        lane_max: load.lane_max,
        ..Options::default()
    };
    let node = Node::start(options).expect("starts");
    node.add_host(ISOLATED, HostKind::Processes, true).expect("a new host");
    node.add_host(SHARED, HostKind::Processes, false).expect("a new host");
    node.define("app:receiver", RECEIVER).expect("compiles");
    node.define("app:sender", SENDER).expect("compiles");
    // Every third lives with others, the rest alone.
    let host = |n: usize| if n % 3 == 2 { SHARED } else { ISOLATED };
    let count = Value::Int(load.count as i64);
    let receivers: Vec<_> = (0..load.receivers)
        .map(|n| {
            let args = [Value::Int(load.senders as i64), count.clone()];
            node.spawn("app:receiver", host(n), &args).expect("starts")
        })
        .collect();
    let pids = receivers.iter().map(|(pid, _)| Value::from(pid.text().as_str())).collect();
    let args = [Value::List(pids), count.clone()];
    let senders: Vec<_> = (0..load.senders)
        .map(|n| node.spawn("app:sender", host(n), &args).expect("starts").1)
        .collect();
    for sender in senders {
        assert_eq!(sender.wait(LONG).expect("sends all").as_number(), Some(load.count as f64));
    }
    let total = Some((load.senders * load.count) as f64);
    for (_, receiver) in receivers {
        assert_eq!(receiver.wait(LONG).expect("receives all in order").as_number(), total);
    }
    assert_eq!(node.kernel.mailbox.waiting(), 0);
}

#[test]
fn order_holds_with_lanes_of_one() {
    check(&Load { workers: 2, lane_max: 1, receivers: 1, senders: 8, count: 6000 });
}

#[test]
fn order_holds_with_small_lanes_and_more_workers() {
    check(&Load { workers: 4, lane_max: 3, receivers: 3, senders: 8, count: 2500 });
}

#[test]
fn order_holds_with_roomy_lanes_and_one_receiver() {
    check(&Load { workers: 3, lane_max: 1024, receivers: 1, senders: 12, count: 2000 });
}
