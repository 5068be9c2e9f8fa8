//! Hundreds of services that fail at random under virtual time: each ends in the status that its
//! policy demands, calls come in the order that the dependencies demand, and nothing is left over.

use std::collections::BTreeSet;

use super::*;
use crate::system::supervisor::backoff::Random;

const SERVICES: usize = 300;
const ROUNDS: u64 = 12;

struct Dice(Random);

impl Dice {
    /// In `0..n`.
    fn roll(&mut self, n: usize) -> usize {
        ((self.0.signed() + 1.0) / 2.0 * n as f64) as usize % n
    }

    fn seconds(&mut self, n: usize) -> Duration {
        Duration::from_millis(1 + self.roll(n * 1000) as u64)
    }

    fn run(&mut self) -> Run {
        match self.roll(12) {
            0..=2 => Run::Refuse(broken()),
            3..=5 => Run::Fail(self.seconds(9), broken()),
            6..=8 => Run::UpFor(self.seconds(12), None),
            9 => Run::Panic,
            10 => Run::Hang,
            _ => match self.roll(3) {
                0 => Run::Job(self.seconds(9)),
                1 => Run::UpFor(self.seconds(9), Some(hopeless())),
                _ => Run::Fail(self.seconds(9), hopeless()),
            },
        }
    }
}

struct Plan {
    name: String,
    deps: Vec<usize>,
    max_attempts: u32,
    /// Ends with `Up`.
    runs: Vec<Run>,
    stop: Stop,
}

fn plan(dice: &mut Dice) -> Vec<Plan> {
    let service = |index: usize| {
        let n_deps = dice.roll(3).min(index);
        let mut runs: Vec<Run> = (0..dice.roll(5)).map(|_| dice.run()).collect();
        runs.push(Run::Up);
        Plan {
            name: format!("s{index:03}"),
            deps: (0..n_deps).map(|_| dice.roll(index)).collect(),
            max_attempts: [0, 0, 2, 4][dice.roll(4)],
            runs,
            stop: match dice.roll(10) {
                0 => Stop::Never,
                1 => Stop::After(11 * SECOND),
                _ => Stop::After(dice.seconds(9)),
            },
        }
    };
    (0..SERVICES).map(service).collect()
}

/// What the policy says, written down a second time: the status, and whether it ever ran.
fn oracle(plan: &Plan) -> (Status, bool) {
    let (mut failures, mut ran) = (0, false);
    for run in &plan.runs {
        let stable = match run {
            Run::Up => return (Status::Running, true),
            Run::Job(_) | Run::UpFor(_, Some(_)) => return (Status::Exited, true),
            Run::Fail(_, error) if error.retryable() == Some(false) => {
                return (Status::Exited, ran);
            }
            Run::UpFor(time, None) => {
                ran = true;
                *time >= 5 * SECOND
            }
            Run::Fail(..) | Run::Refuse(_) | Run::Hang | Run::Panic => false,
        };
        failures = if stable { 1 } else { failures + 1 };
        if plan.max_attempts > 0 && failures >= plan.max_attempts {
            return (Status::Failed, ran);
        }
    }
    unreachable!("the last run stays up")
}

#[test]
fn each_ends_as_its_policy_demands() {
    for seed in 0..ROUNDS {
        println!("seed {seed}");
        let mut dice = Dice(Random::new(seed * 7919 + 11));
        let plans = plan(&mut dice);
        let mut rig = Rig::new(seed);
        for plan in &plans {
            let options = LifecycleOptions {
                requires: plan.deps.iter().map(|&dep| id(&plans[dep].name)).collect(),
                restart: RestartPolicy {
                    max_attempts: plan.max_attempts,
                    ..RestartPolicy::default()
                },
                ..LifecycleOptions::default()
            };
            ok(&rig.register(&plan.name, options, vec![]));
            rig.script(&plan.name, plan.runs.clone());
            rig.on_stop(&plan.name, plan.stop);
        }

        let names: Vec<&str> = plans.iter().map(|plan| plan.name.as_str()).collect();
        let start = rig.start_many(&names.join(" "));
        rig.advance(24 * 3600 * SECOND);
        let mut ever_ran = Vec::new();
        let mut wanted = Vec::new();
        for plan in &plans {
            let (status, ran) = match plan.deps.iter().all(|&dep| ever_ran[dep]) {
                true => oracle(plan),
                false => (Status::Unknown, false),
            };
            ever_ran.push(ran);
            wanted.push(status);
            assert_eq!(rig.status(&plan.name), status, "{}: {:?}", plan.name, plan.runs);
        }
        check_start_order(&plans, &rig.log());
        let failed: BTreeSet<EntryId> =
            start.get().unwrap().failed.into_iter().map(|(id, _)| id).collect();
        for (plan, ran) in plans.iter().zip(&ever_ran) {
            assert_eq!(!failed.contains(&id(&plan.name)), *ran, "{}", plan.name);
        }

        let stop = rig.stop_all();
        rig.advance(24 * 3600 * SECOND);
        assert!(stop.get().is_some());
        let log = rig.log();
        check_stop_order(&plans, &wanted, &log);
        for (plan, before) in plans.iter().zip(wanted) {
            let is_late = !matches!(plan.stop, Stop::After(time) if time < 10 * SECOND);
            let status = match before {
                Status::Running if is_late => Status::Failed,
                Status::Running | Status::Failed => Status::Stopped,
                other => other,
            };
            assert_eq!(rig.status(&plan.name), status, "{}", plan.name);
            let n_kills = log.matches(&format!("kill {}", plan.name)).count();
            assert_eq!(n_kills == 1, before == Status::Running && is_late, "{}", plan.name);
        }
        assert!(rig.machine.is_idle());
        ok(&rig.remove(&names.join(" ")));
        assert!(rig.machine.slots.is_empty() && rig.board.states().is_empty());
        assert!(rig.actors.values().all(|actor| Arc::strong_count(actor) == 1));
    }
}

/// Nothing is started before all it depends on has come to run.
fn check_start_order(plans: &[Plan], log: &str) {
    let mut ran = BTreeSet::new();
    for line in log.split("; ") {
        match line.split_once(' ') {
            Some(("start", name)) => {
                let plan = plans.iter().find(|plan| plan.name == name).unwrap();
                let missing = plan.deps.iter().find(|&&dep| !ran.contains(&*plans[dep].name));
                assert_eq!(missing, None, "{name} started too early");
            }
            Some((name, "running")) => drop(ran.insert(name)),
            _ => (),
        }
    }
}

/// Nothing is stopped while anything that depends on it still runs.
fn check_stop_order(plans: &[Plan], before: &[Status], log: &str) {
    let running = plans.iter().zip(before).filter(|(_, status)| **status == Status::Running);
    let mut live: BTreeSet<&str> = running.map(|(plan, _)| plan.name.as_str()).collect();
    for line in log.split("; ") {
        match line.split_once(' ') {
            Some(("stop", name)) => {
                let depends = |plan: &&Plan| plan.deps.iter().any(|&d| plans[d].name == name);
                let first = plans.iter().filter(depends).find(|plan| live.contains(&*plan.name));
                assert!(first.is_none(), "{name} stopped too early");
            }
            Some((name, rest)) if rest.starts_with("stopped") || rest.starts_with("failed") => {
                live.remove(name);
            }
            _ => (),
        }
    }
    assert!(live.is_empty(), "left running: {live:?}");
}
