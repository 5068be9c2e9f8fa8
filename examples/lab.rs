use std::time::{Duration, Instant};
use wippy::app::node::*;
use wippy::core::scheduler::Options as S;
use wippy::infra::transcoder::Value;
use wippy::system::host::HostKind;
fn rss() -> usize {
    let s = std::fs::read_to_string("/proc/self/statm").unwrap();
    s.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}
fn main() {
    let workers = std::env::args().nth(1).map_or(2, |s| s.parse().unwrap());
    let node = Node::start(Options {
        scheduler: S { workers, ..Default::default() },
        ..Default::default()
    })
    .unwrap();
    node.add_host("app:p", HostKind::Processes, false).unwrap();
    node.define("app:noop", "return { main = function() return 0 end }").unwrap();
    node.define(
        "app:spawner",
        r#"
        local function main(n)
          local events = process.events()
          for i = 1, n do
            local pid, err = process.spawn_monitored("app:noop", "app:p")
            if err then error(err) end
            local ev = events:receive()
          end
          return n
        end
        return { main = main }"#,
    )
    .unwrap();
    node.define(
        "app:echo",
        r#"
        local function main()
          local inbox = process.inbox()
          while true do
            local m = inbox:receive()
            local d = m:payload():data()
            if m:topic() == "stop" then return 0 end
            process.send(d.sender, "pong", {sender = process.pid(), seq = d.seq, data = d.data})
          end
        end
        return { main = main }"#,
    )
    .unwrap();
    node.define(
        "app:ping",
        r#"
        local function main(n)
          local inbox = process.inbox()
          local echo, err = process.spawn("app:echo", "app:p")
          if err then error(err) end
          for i = 1, n do
            process.send(echo, "ping", {sender = process.pid(), seq = i, data = "hello world"})
            local m = inbox:receive()
            local d = m:payload():data()
            if d.seq ~= i then error("bad seq " .. tostring(d.seq)) end
          end
          process.send(echo, "stop", {})
          return n
        end
        return { main = main }"#,
    )
    .unwrap();
    node.define("app:idle", "return { main = function() process.inbox():receive() end }").unwrap();
    node.define("app:many", r#"
        return { main = function(n) for i=1,n do local p, e = process.spawn("app:idle", "app:p") if e then error(e) end end return n end }"#).unwrap();
    node.define("app:worker", r#"
        return { main = function(sender, data) process.send(sender, "echo_response", {data = string.upper(data), worker = process.pid()}) return 0 end }"#).unwrap();
    node.define(
        "app:relay",
        r#"
      local function main()
        local inbox, events = process.inbox(), process.events()
        process.registry.register("relay")
        while true do
          local r = channel.select { events:case_receive(), inbox:case_receive() }
          if r.channel == events then
          else
            local e = r.value:payload():data()
            local w, err = process.spawn_monitored("app:worker", "app:p", e.sender, e.data)
            if err then error(err) end
          end
        end
      end
      return { main = main }"#,
    )
    .unwrap();
    node.define(
        "app:client",
        r#"
      local function main(n)
        local inbox = process.inbox()
        for i = 1, n do
          process.send("relay", "echo", {sender = process.pid(), data = "hello"})
          local m = inbox:receive():payload():data()
          if m.data ~= "HELLO" then error("bad") end
        end
        return n
      end
      return { main = main }"#,
    )
    .unwrap();
    let t = |name: &str, n: i64, src: &str| {
        let t0 = Instant::now();
        let (_, e) = node.spawn(src, "app:p", &[Value::Int(n)]).unwrap();
        let r = e.wait(Duration::from_secs(120));
        println!("{name}: {:?} {:.3} us", r, t0.elapsed().as_secs_f64() * 1e6 / n as f64);
    };
    for _ in 0..3 {
        t("spawn", 300_000, "app:spawner");
    }
    for _ in 0..3 {
        t("ping", 300_000, "app:ping");
    }
    node.spawn("app:relay", "app:p", &[]).unwrap();
    for _ in 0..8 {
        let t0 = Instant::now();
        let n = 10_000;
        let es: Vec<_> = (0..64)
            .map(|_| node.spawn("app:client", "app:p", &[Value::Int(n)]).unwrap().1)
            .collect();
        for e in &es {
            e.wait(Duration::from_secs(60)).unwrap();
        }
        println!(
            "echo: rss {} MB {:.0}/s",
            rss() >> 20,
            64.0 * n as f64 / t0.elapsed().as_secs_f64()
        );
    }
    let r0 = rss();
    t("idle", 200_000, "app:many");
    println!("idle mem {} B, vms {}", (rss() - r0) / 200_000, node.pool.len());
    println!("{:?}", node.kernel.scheduler.stats());
}
