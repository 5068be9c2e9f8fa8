//! What is run, with which numbers, and which figures come of it. README.md tells what each does.

use crate::child::Measurement;

/// What a run measured, as one number; `None` if it did not.
pub type Figure = Box<dyn Fn(&[Measurement]) -> Option<f64>>;

/// A row of the table.
pub struct Row {
    pub title: String,
    pub unit: &'static str,
    /// More is better; else less is.
    pub more_is_better: bool,
    pub figure: Figure,
}

pub struct Workload {
    pub name: String,
    /// Its entry in the project, its name in the escript.
    pub entry: &'static str,
    pub about: &'static str,
    pub numbers: Vec<String>,
    /// Fewer, to see that it works.
    pub short: Vec<String>,
    /// Bytes that a full run needs, if that is a lot.
    pub memory: usize,
    /// Threads that run processes; by default one for each core.
    pub cores: Option<usize>,
    pub rows: Vec<Row>,
}

impl Workload {
    fn new(name: &str, entry: &'static str, about: &'static str) -> Workload {
        Workload {
            name: name.to_owned(),
            entry,
            about,
            numbers: Vec::new(),
            short: Vec::new(),
            memory: 0,
            cores: None,
            rows: Vec::new(),
        }
    }

    /// The numbers of a full and of a short run, as words.
    fn numbers(mut self, full: &str, short: &str) -> Workload {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        self.numbers = words(full);
        self.short = words(short);
        self
    }

    fn memory_mib(mut self, mib: usize) -> Workload {
        self.memory = mib << 20;
        self
    }

    fn row(
        mut self,
        title: impl Into<String>,
        unit: &'static str,
        more_is_better: bool,
        figure: impl Fn(&[Measurement]) -> Option<f64> + 'static,
    ) -> Workload {
        let figure = Box::new(figure);
        self.rows.push(Row { title: title.into(), unit, more_is_better, figure });
        self
    }

    /// Operations a second in the measurement of this name.
    fn rate(self, title: impl Into<String>, unit: &'static str, name: &str) -> Workload {
        let name = name.to_owned();
        self.row(title, unit, true, move |run| {
            let measurement = find(run, &name)?;
            (measurement.ns > 0.0).then(|| measurement.operations / measurement.ns * 1e9)
        })
    }

    /// Resident bytes that came between two measurements, for each operation of the later one.
    fn bytes_each(self, title: &str, before: &'static str, after: &'static str) -> Workload {
        self.row(title, "bytes", false, move |run| {
            let (before, after) = (find(run, before)?, find(run, after)?);
            (before.resident > 0.0).then(|| (after.resident - before.resident) / after.operations)
        })
    }

    fn resident(self, title: &str, name: &'static str) -> Workload {
        self.row(title, "MiB", false, move |run| {
            let bytes = find(run, name)?.resident;
            (bytes > 0.0).then(|| bytes / f64::from(1 << 20))
        })
    }
}

fn find<'a>(run: &'a [Measurement], name: &str) -> Option<&'a Measurement> {
    run.iter().find(|measurement| measurement.name == name)
}

/// Sizes of messages: as named in the child's measurement, and as shown.
const SIZES: [(&str, &str); 5] = [
    ("16", "16 B"),
    ("256", "256 B"),
    ("4096", "4 KiB"),
    ("65536", "64 KiB"),
    ("1048576", "1 MiB"),
];

pub fn all() -> Vec<Workload> {
    let cores = std::thread::available_parallelism().map_or(1, |cores| cores.get());
    let micros = |ns: f64| (ns > 0.0).then_some(ns / 1e3);
    let mut all = vec![
        Workload::new(
            "spawn",
            "spawn",
            "64 processes spawn monitored children and take their EXIT",
        )
        .numbers("64 15000", "64 30")
        .rate("spawn monitored, exit, EXIT", "/s", ""),
        Workload::new("ping_pong", "pairs", "one pair sends a table to and fro")
            .numbers("1 1000000", "1 2000")
            .rate("ping-pong, one pair", "trips/s", ""),
        Workload::new("pairs", "pairs", "1,000 pairs do so at once")
            .numbers("1000 1500", "50 40")
            .rate("ping-pong, 1,000 pairs", "trips/s", ""),
        Workload::new("fan_in", "fan_in", "8 processes send to one")
            .numbers("8 300000", "8 500")
            .rate("fan-in, 8 senders", "messages/s", ""),
        Workload::new("ring", "ring", "a message goes round 1,000 processes")
            .numbers("1000 1200", "100 20")
            .rate("ring of 1,000", "hops/s", ""),
        Workload::new("echo", "echo", "64 clients, a relay, a monitored worker for each request")
            .numbers("64 8000", "64 32")
            .rate("echo, a worker per request", "requests/s", "")
            .row("echo, p50", "us", false, move |run| micros(find(run, "")?.p50_ns))
            .row("echo, p99", "us", false, move |run| micros(find(run, "")?.p99_ns)),
        Workload::new("idle_200k", "idle", "200,000 processes that wait")
            .numbers("200000", "2000")
            .memory_mib(700)
            .rate("200,000 idle, start", "processes/s", "alive")
            .bytes_each("200,000 idle, each", "before", "alive")
            .resident("200,000 idle, in all", "alive"),
        Workload::new("idle_1m", "idle", "1,000,000 processes that wait")
            .numbers("1000000", "4000")
            .memory_mib(3000)
            .rate("1,000,000 idle, start", "processes/s", "alive")
            .bytes_each("1,000,000 idle, each", "before", "alive")
            .resident("1,000,000 idle, in all", "alive"),
        Workload::new("timers", "timers", "8 processes hold 1,000,000 timers due at the same time")
            .numbers("8 125000 3000", "8 500 800")
            .memory_mib(500)
            .rate("1,000,000 timers, start", "timers/s", "pending")
            .rate("1,000,000 timers, fire", "timers/s", "fired")
            .bytes_each("1,000,000 timers, each", "before", "pending"),
    ];
    let numbers = "processes 16 300000 256 300000 4096 300000 65536 300000 1048576 300000";
    let short = "processes 16 200 256 200 4096 200 65536 20 1048576 20";
    let together =
        Workload::new("sizes", "sizes", "a pair sends texts of 16 B to 1 MiB to and fro")
            .numbers(numbers, short);
    all.push(SIZES.iter().fold(together, |workload, (name, shown)| {
        workload.rate(format!("texts of {shown}"), "trips/s", name)
    }));
    let numbers = "apart 16 150000 256 150000 4096 100000 65536 10000 1048576 1000";
    let short = "apart 16 200 256 200 4096 200 65536 20 1048576 20";
    let apart = Workload::new("sizes_apart", "sizes", "the same, each process in a VM to itself")
        .numbers(numbers, short);
    all.push(SIZES.iter().fold(apart, |workload, (name, shown)| {
        workload.rate(format!("texts of {shown}, two VMs"), "trips/s", name)
    }));
    for cores in steps(cores) {
        let about = "8 processes that compute, on so many cores";
        let mut workload = Workload::new(&format!("cpu_{cores}"), "cpu", about)
            .numbers("8 1500", "8 10")
            .rate(format!("computing, cores: {cores}"), "units/s", "");
        workload.cores = Some(cores);
        all.push(workload);
    }
    all
}

/// One, two, four and so on, and all.
fn steps(cores: usize) -> Vec<usize> {
    let doubled = std::iter::successors(Some(1), |n| Some(n * 2));
    doubled.take_while(|n| *n < cores).chain([cores]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_of_cores() {
        assert_eq!(steps(1), [1]);
        assert_eq!(steps(2), [1, 2]);
        assert_eq!(steps(6), [1, 2, 4, 6]);
        assert_eq!(steps(8), [1, 2, 4, 8]);
    }

    #[test]
    fn figures() {
        let before = Measurement { name: "before".into(), resident: 1e6, ..Measurement::default() };
        let alive = Measurement {
            name: "alive".into(),
            operations: 1000.0,
            ns: 5e8,
            resident: 3e6,
            ..Measurement::default()
        };
        let run = [before, alive];
        let all = all();
        let idle = all.iter().find(|workload| workload.name == "idle_1m").expect("known");
        let figures: Vec<_> = idle.rows.iter().map(|row| (row.figure)(&run)).collect();
        assert_eq!(figures[..2], [Some(2000.0), Some(2000.0)]);
        assert!(idle.rows.iter().all(|row| (row.figure)(&[]).is_none()));
    }
}
