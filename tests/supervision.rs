//! A tree of 1,000 services whose processes are ended at random, in every way a process can end: each
//! is treated as its policy says, and when it is over nothing is left that should not be.
//!
//! `WIPPY_FAULTS_SECONDS` sets how long that goes on (10), `WIPPY_FAULTS_SEED` repeats a run.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use wippy::app::boot::System;
use wippy::app::components::POOL;
use wippy::app::infrastructure::Options;
use wippy::core::pid::Pid;
use wippy::core::registry::{Entry, EntryId};
use wippy::core::relay::{Body, Exit, Package};
use wippy::core::scheduler::Options as SchedulerOptions;
use wippy::infra::error::Result;
use wippy::infra::transcoder::Value;
use wippy::infra::transcoder::wire::Wire;
use wippy::system::kernel::terminated;
use wippy::system::lifecycle::{Handler, Started};
use wippy::system::supervisor::Status;

const SERVICES: usize = 1_000;
/// Children of each member of the tree.
const BRANCHES: usize = 10;
/// A safety net, not a measure.
const LONG: Duration = Duration::from_secs(120);
/// Restarts under way at a time: enough to overlap, few enough for the rest to be alive.
const FAULTS_AT_A_TIME: usize = 100;

/// Registers its name, then does what the first message says.
const WORKER: &str = r#"
    local errors = require("errors")
    local function main(name)
        assert(process.registry.register(name))
        local inbox, events = process.inbox(), process.events()
        local got = channel.select { inbox:case_receive(), events:case_receive() }
        if got.channel == events then return "asked to end" end
        local what = got.value:topic()
        if what == "raise" then error("told to") end
        if what == "fail" then
            return nil, errors.new({ message = "told to", kind = errors.UNAVAILABLE, retryable = true })
        end
        if what == "link" then
            process.spawn_linked("app:faulty", "app:processes")
            process.inbox():receive()
        end
        if what == "spin" then while true do end end
        return what
    end
    return { main = main }"#;

/// What the supervisor is to do about a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Policy {
    /// Restarted however often it fails.
    Forever,
    /// Given up at the third failure in a row.
    ThreeTimes,
    /// Its process returns, and that is that.
    Job,
}

struct Member {
    name: String,
    policy: Policy,
    /// The process that has been dealt with last, and how often that has happened.
    last: Option<Pid>,
    faults: usize,
}

fn members() -> Vec<Member> {
    let policy = |n: usize| match n % 20 {
        7 => Policy::ThreeTimes,
        13 => Policy::Job,
        _ => Policy::Forever,
    };
    let member = |n| Member { name: format!("s{n}"), policy: policy(n), last: None, faults: 0 };
    (0..SERVICES).map(member).collect()
}

fn entry(name: &str, kind: &str, data: Value) -> Entry {
    let id = EntryId::new("app", name);
    Entry { id, kind: kind.into(), meta: Default::default(), data }
}

fn entries(members: &[Member]) -> Vec<Entry> {
    let auto = Value::from([("auto_start", Value::Bool(true))]);
    let process = |name, source: &str, modules: &[&str]| {
        let modules = Value::List(modules.iter().map(|&module| module.into()).collect());
        entry(name, "process.lua", [("source", source.into()), ("modules", modules)].into())
    };
    let isolated = Value::from([("isolated", Value::Bool(true))]);
    let mut entries = vec![
        entry("processes", "process.host", [("lifecycle", auto.clone())].into()),
        entry("cells", "process.host", [("lifecycle", auto), ("host", isolated)].into()),
        process("worker", WORKER, &["errors"]),
        process("faulty", "return { main = function() error('as always') end }", &[]),
    ];
    for (n, member) in members.iter().enumerate() {
        let requires = match n {
            0 => Vec::new(),
            _ => vec![members[(n - 1) / BRANCHES].name.as_str().into()],
        };
        let max_attempts = if member.policy == Policy::ThreeTimes { 3 } else { 0 };
        let restart = Value::from([
            ("initial_delay", "5ms".into()),
            ("max_delay", "20ms".into()),
            ("max_attempts", Value::Int(max_attempts)),
        ]);
        let lifecycle = Value::from([
            ("auto_start", Value::Bool(true)),
            ("requires", Value::List(requires)),
            ("stable_threshold", "1h".into()),
            ("restart", restart),
        ]);
        let host = if n % 50 == 49 { "app:cells" } else { "app:processes" };
        let data = Value::from([
            ("process", "worker".into()),
            ("host", host.into()),
            ("input", Value::List(vec![member.name.as_str().into()])),
            ("lifecycle", lifecycle),
        ]);
        entries.push(entry(&member.name, "process.service", data));
    }
    entries
}

/// Counts every process that comes and goes.
#[derive(Default)]
struct Census {
    started: AtomicUsize,
    ended: AtomicUsize,
}

impl Handler for Census {
    fn on_start(&self, _: &Started<'_>) -> Result<()> {
        self.started.fetch_add(1, Ordering::SeqCst);
        Ok(())
    }

    fn on_complete(&self, _: &Started<'_>, _: &Exit) {
        self.ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// xorshift64*: the test wants a run that can be repeated.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % below
    }
}

struct Trial {
    system: System,
    census: Arc<Census>,
    members: Vec<Member>,
    dice: Dice,
    ways: HashMap<&'static str, usize>,
}

impl Trial {
    /// The process of a member, if it has one that has not been dealt with.
    fn victim(&self, n: usize) -> Option<Pid> {
        let pid = self.system.kernel.topology.names().find(&self.members[n].name)?;
        (Some(pid) != self.members[n].last).then_some(pid)
    }

    fn tell(&self, to: Pid, topic: &str) -> bool {
        let mut message = Wire::new();
        message.str(topic.as_bytes());
        let package = Package { from: Pid::NONE, to, body: Body::Message(message) };
        self.system.kernel.mailbox.send_from_outside(package).is_ok()
    }

    fn kill(&self, pid: Pid) -> bool {
        self.system.kernel.kill(Pid::NONE, pid, terminated()).is_ok()
    }

    /// Ends a process at random. `false`: this one is not there at the moment.
    fn fault(&mut self) -> bool {
        let n = self.dice.roll(SERVICES);
        let Some(pid) = self.victim(n) else { return false };
        let ways = ["kill", "kill", "raise", "fail", "link", "spin"];
        let way = match self.members[n].policy {
            Policy::Job => ["done", "cancel"][self.dice.roll(2)],
            _ => ways[self.dice.roll(ways.len())],
        };
        let done = match way {
            "kill" => self.kill(pid),
            "cancel" => self.system.kernel.cancel(Pid::NONE, pid, "").is_ok(),
            // It runs, and must be interrupted.
            "spin" => self.tell(pid, way) && self.kill(pid),
            _ => self.tell(pid, way),
        };
        assert!(done, "{pid:?} has a name and is alive");
        self.members[n].last = Some(pid);
        self.members[n].faults += 1;
        *self.ways.entry(way).or_default() += 1;
        true
    }

    /// Processes that are there, or will be again.
    fn expected_alive(&self) -> usize {
        let stays = |member: &&Member| match member.policy {
            Policy::Forever => true,
            Policy::ThreeTimes => member.faults < 3,
            Policy::Job => member.faults == 0,
        };
        self.members.iter().filter(stays).count()
    }

    fn faults(&self) -> usize {
        self.members.iter().map(|member| member.faults).sum()
    }

    fn go_on_for(&mut self, time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            let missing = self.expected_alive().saturating_sub(self.system.kernel.table().len());
            if missing >= FAULTS_AT_A_TIME || !self.fault() {
                // To let the others work: this loop would take a core.
                std::thread::sleep(Duration::from_micros(200));
            }
        }
    }

    /// Waits until everybody is where the policies say.
    #[track_caller]
    fn settle(&self) {
        let deadline = Instant::now() + LONG;
        let mut odd = self.odd();
        while odd.is_some() {
            assert!(Instant::now() < deadline, "{odd:?}");
            std::thread::sleep(Duration::from_millis(5));
            odd = self.odd();
        }
    }

    /// Something that is not as it is to be in the end.
    fn odd(&self) -> Option<String> {
        for (n, member) in self.members.iter().enumerate() {
            let update = self.system.supervisor.state(&EntryId::new("app", &member.name));
            let status = update.map(|update| update.status);
            let wanted = match member.policy {
                Policy::ThreeTimes if member.faults >= 3 => Status::Failed,
                Policy::Job if member.faults > 0 => Status::Exited,
                _ => Status::Running,
            };
            // One that runs has a process that nobody has touched.
            let has_process = self.victim(n).is_some();
            if status != Some(wanted) || has_process != (wanted == Status::Running) {
                let Member { name, policy, faults, .. } = member;
                let is = format!("{status:?}, process: {has_process}");
                return Some(format!("{name} {policy:?} after {faults} faults: {is}"));
            }
        }
        let (alive, wanted) = (self.system.kernel.table().len(), self.expected_alive());
        (alive != wanted).then(|| format!("{alive} processes for {wanted} services"))
    }
}

/// Bytes of memory that are really there.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").expect("on Linux");
    let pages: usize = statm.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a number");
    pages * rustix::param::page_size()
}

fn setting(name: &str, usual: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

#[test]
fn a_thousand_services_under_fire() {
    let time = Duration::from_secs(setting("WIPPY_FAULTS_SECONDS", 10));
    let usual = Instant::now().elapsed().as_nanos() as u64 ^ u64::from(std::process::id());
    let seed = setting("WIPPY_FAULTS_SEED", usual.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    println!("WIPPY_FAULTS_SEED={seed}");

    let scheduler = SchedulerOptions { workers: 2, ..SchedulerOptions::default() };
    let system = System::boot(Options { scheduler, ..Options::default() }).expect("boots");
    let census = Arc::new(Census::default());
    system.kernel.lifecycle.register("census", census.clone());
    let pool = system.context().get(&POOL).expect("attached");
    let members = members();
    system.load(entries(&members)).expect("loads");
    let (dice, ways) = (Dice(seed), HashMap::new());
    let mut trial = Trial { system, census, members, dice, ways };
    trial.settle();
    let vms = pool.len();

    // Whatever grows to its usual size does so in here.
    trial.go_on_for(time / 3);
    trial.settle();
    let (before, faults_before) = (resident(), trial.faults());
    trial.go_on_for(time - time / 3);
    trial.settle();
    let after = resident();
    let (faults, mb) = (trial.faults(), |bytes: usize| bytes as f64 / (1 << 20) as f64);
    println!(
        "{faults} faults, {} of them while memory went from {:.1} to {:.1} MB: {:?}",
        faults - faults_before,
        mb(before),
        mb(after),
        trial.ways
    );
    assert!(faults > SERVICES, "too few to mean anything");
    // A short run on a busy machine has not grown to its usual size by then, 60 MB: it would still see
    // a kilobyte that each fault leaves.
    let grown_up = time >= Duration::from_secs(60);
    let allowed = if grown_up { before / 10 + (4 << 20) } else { 32 << 20 };
    assert!(after < before + allowed, "from {before} to {after} bytes");
    assert!(pool.len() <= vms, "{} VMs instead of {vms}", pool.len());

    // Each start has its end, but for those that are alive.
    let Trial { system, census, .. } = &trial;
    let alive = system.kernel.table().len();
    let (started, ended) = (&census.started, &census.ended);
    assert_eq!(started.load(Ordering::SeqCst), ended.load(Ordering::SeqCst) + alive);
    assert_eq!(system.supervisor.states().len(), SERVICES + 2, "services and hosts");
    assert!(system.supervisor.waiting_for().is_empty());

    let Trial { system, census, .. } = trial;
    let (kernel, supervisor) = (system.kernel.clone(), system.supervisor.clone());
    system.shut_down(LONG, &mut |_| ());
    assert!(kernel.table().is_empty());
    assert!(pool.is_empty());
    assert_eq!(census.started.load(Ordering::SeqCst), census.ended.load(Ordering::SeqCst));
    let at_rest = [Status::Stopped, Status::Exited];
    let loud: Vec<_> = supervisor.states();
    assert!(loud.iter().all(|update| at_rest.contains(&update.status)), "{loud:#?}");
}
