//! A ping-pong pair on one worker, beside processes that do not let go of it.
//!
//! Each neighbour runs twice: in another VM than the pair (`process.spawn` puts most processes
//! there), and in the same. Some can be suspended, or at least interrupted, by the runtime; those
//! that stay within one call into Luau's library cannot, and are here to show what that costs.

use std::time::Duration;

use wippy::app::node::Node;
use wippy::infra::error::{Error, Result};
use wippy::infra::transcoder::Value;

use crate::probe::{Probes, Seen};
use crate::report::{Report, Table, Target, millis};
use crate::{Args, HOST, clients, node, progress};

struct Neighbour {
    name: &'static str,
    /// What it does over and over.
    body: &'static str,
    /// Luau lets the runtime suspend it anywhere.
    suspends: bool,
}

const ENDLESS: &str = "pattern match, endless";

const NEIGHBOURS: &[Neighbour] = &[
    Neighbour { name: "none", body: "process.inbox():receive()", suspends: true },
    Neighbour { name: "busy loop", body: "while true do end", suspends: true },
    Neighbour {
        name: "deep recursion",
        body: "local function f(n) if n == 0 then return 0 end return 1 + f(n - 1) end f(15000)",
        suspends: true,
    },
    Neighbour {
        name: "endless recursion",
        body: "local function f(n) return 1 + f(n + 1) end pcall(f, 1)",
        suspends: true,
    },
    Neighbour {
        name: "garbage",
        body: "local t = {} for i = 1, 1000 do t[i] = { i, tostring(i) } end",
        suspends: true,
    },
    Neighbour {
        name: "spawn loop",
        body: "process.spawn('load:nothing', 'load:processes')",
        suspends: true,
    },
    Neighbour {
        name: "string.rep 64 MB",
        body: "local s = string.rep('x', 64 * 1024 * 1024)",
        suspends: false,
    },
    Neighbour {
        name: "table.sort 100k",
        body: "local t = {} for i = 1, 100000 do t[i] = (i * 7919) % 100003 end table.sort(t)",
        suspends: false,
    },
    Neighbour {
        name: "table.sort 100k, comparator",
        body: "local t = {} for i = 1, 100000 do t[i] = (i * 7919) % 100003 end
               table.sort(t, function(a, b) return a > b end)",
        suspends: false,
    },
    Neighbour {
        name: "pattern match, quadratic",
        body: "string.find(string.rep('a', 1000), 'a-b')",
        suspends: false,
    },
    Neighbour {
        name: ENDLESS,
        body: "pcall(string.find, string.rep('a', 3000), string.rep('a-', 8) .. 'b')",
        suspends: false,
    },
    Neighbour {
        name: "gsub callback",
        body: "string.gsub(string.rep('a', 100000), 'a', function(c) return c .. c end)",
        suspends: false,
    },
    Neighbour {
        name: "table.concat 16 MB",
        body: "local t = {} for i = 1, 1000000 do t[i] = 'sixteen letters.' end
               local s = table.concat(t)",
        suspends: false,
    },
];

/// With `...` starts the pair as its first child, in its own VM; then waits to be told.
const PROGRAM: &str = r##"
    local function main(...)
      if select("#", ...) > 0 then
        local _, err = process.spawn("load:ping", "load:processes", ...)
        if err then error(err) end
      end
      process.inbox():receive()
      while true do
        BODY
      end
    end
    return { main = main }"##;

/// What the pair is held to beside neighbours that can be suspended, at p99.
const TARGET_MS: f64 = 20.0;
/// For the pair to run alone before, and for a neighbour to get going.
const SETTLE: Duration = Duration::from_millis(100);

pub fn run(args: &Args) -> Result<Report> {
    let workers = Args { workers: Some(args.workers.unwrap_or(1)), ..args.clone() };
    let mut report = Report::bare(&workers, "neighbours");
    let columns = ["rounds/s", "round p50", "p99", "max ms", "stall p50", "p99", "p99.9", "max ms"];
    for place in ["another VM", "the same VM"] {
        let mut table = Table::new(format!("neighbour in {place}"), &columns);
        for neighbour in NEIGHBOURS.iter().filter(|n| args.wants(n.name)) {
            // Holds the worker for five seconds, also against the end of its node.
            if args.short && neighbour.name == ENDLESS {
                continue;
            }
            progress::draw(place, 0.0, neighbour.name);
            let seen = measure(&workers, neighbour, place == "the same VM", &mut report)?;
            report.fault(&format!("{}: answers out of order", neighbour.name), seen.faults);
            let rate = seen.rounds.len() as f64 / args.duration;
            let rounds = millis(&seen.rounds, [50.0, 99.0, 100.0]);
            let stalls = millis(&seen.stalls, [50.0, 99.0, 99.9, 100.0]);
            table.row(neighbour.name, [rate].into_iter().chain(rounds).chain(stalls));
            if neighbour.suspends {
                let name = format!("{} in {place}, p99", neighbour.name);
                report.check(name, stalls[1], "ms", Target::AtMost(TARGET_MS));
            }
        }
        report.tables.push(table);
    }
    progress::clear();
    Ok(report)
}

fn measure(args: &Args, neighbour: &Neighbour, same_vm: bool, report: &mut Report) -> Result<Seen> {
    let node = node(args.workers())?;
    let probes = Probes::attach(&node)?;
    node.define("load:nothing", "return { main = function() end }")?;
    node.define("load:neighbour", &PROGRAM.replace("BODY", neighbour.body))?;
    let pair = probes.pair(&node, Duration::ZERO);
    let (hostile, ended) = match same_vm {
        true => node.spawn("load:neighbour", HOST, &pair)?,
        false => {
            node.spawn("load:ping", HOST, &pair)?;
            node.spawn("load:neighbour", HOST, &[] as &[Value])?
        }
    };
    std::thread::sleep(SETTLE);
    placed(&node, same_vm)?;
    clients::tell(&node, hostile, "go", &[]);
    std::thread::sleep(SETTLE);
    let seen = probes.measure(args.duration());
    report.faults.extend(clients::ended(neighbour.name, &ended));
    clients::detach(&node);
    Ok(seen)
}

/// Sees to it that the three live where they should: the figures would mean something else.
fn placed(node: &Node, same_vm: bool) -> Result<()> {
    let pids = node.kernel.table().on_host(wippy::core::pid::HostId::intern(HOST));
    let mut vms: Vec<_> = pids.iter().filter_map(|pid| node.kernel.table().vm_of(*pid)).collect();
    vms.sort_by_key(std::sync::Arc::as_ptr);
    vms.dedup_by_key(|vm| std::sync::Arc::as_ptr(vm));
    let expected = if same_vm { 1 } else { 2 };
    match (pids.len(), vms.len()) {
        (3, vms) if vms == expected => Ok(()),
        (pids, vms) => {
            Err(Error::internal(format!("{pids} processes in {vms} VMs, not 3 in {expected}")))
        }
    }
}
