//! Counting while it happens: latencies in histograms, operations in windows of time.
//!
//! Workers record from many threads. Each thread has a histogram of its own behind a lock that
//! nobody else wants before the end; a count is one atomic addition.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use parking_lot::Mutex;

/// Width of a point of the throughput curve.
pub const WINDOW: Duration = Duration::from_millis(100);
/// Threads that do not share a histogram.
const SHARDS: usize = 64;
/// Longer than any run: later latencies count as this.
const LATENCY_MAX: u64 = 600_000_000_000;

#[repr(align(128))]
struct Shard(Mutex<Histogram<u64>>);

pub struct Recorder {
    epoch: Instant,
    /// The measured time, in nanoseconds since the epoch; closed while `from` is `u64::MAX`.
    from: AtomicU64,
    until: AtomicU64,
    shards: Box<[Shard]>,
    windows: Box<[AtomicU64]>,
    operations: AtomicU64,
}

impl Recorder {
    /// For a measured time of at most `duration`.
    pub fn new(duration: Duration) -> Recorder {
        let histogram =
            || Histogram::new_with_max(LATENCY_MAX, 3).expect("the bounds are in order");
        // The end comes a little late: room for that.
        let windows = (duration + Duration::from_secs(1)).div_duration_f64(WINDOW) as usize;
        Recorder {
            epoch: Instant::now(),
            from: AtomicU64::new(u64::MAX),
            until: AtomicU64::new(u64::MAX),
            shards: (0..SHARDS).map(|_| Shard(Mutex::new(histogram()))).collect(),
            windows: (0..windows).map(|_| AtomicU64::new(0)).collect(),
            operations: AtomicU64::new(0),
        }
    }

    /// Nanoseconds since the epoch.
    pub fn now(&self) -> u64 {
        self.epoch.elapsed().as_nanos() as u64
    }

    pub fn begin(&self) {
        self.from.store(self.now(), Ordering::SeqCst);
    }

    pub fn end(&self) {
        self.until.store(self.now(), Ordering::SeqCst);
    }

    /// Time since the beginning if `now` is in the measured time.
    fn measured(&self, now: u64) -> Option<u64> {
        let into = now.checked_sub(self.from.load(Ordering::Relaxed))?;
        (now < self.until.load(Ordering::Relaxed)).then_some(into)
    }

    /// Counts operations completed at `now`.
    pub fn count(&self, now: u64, operations: u64) {
        let Some(into) = self.measured(now) else { return };
        self.operations.fetch_add(operations, Ordering::Relaxed);
        if let Some(window) = self.windows.get((into / WINDOW.as_nanos() as u64) as usize) {
            window.fetch_add(operations, Ordering::Relaxed);
        }
    }

    /// Records the latency of an operation that began at `began` and completed at `now`.
    pub fn latency(&self, began: u64, now: u64) {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
        }
        if self.measured(now).is_some() {
            let shard = &self.shards[THREAD.with(|&thread| thread) % SHARDS];
            shard.0.lock().saturating_record(now.saturating_sub(began));
        }
    }

    pub fn operations(&self) -> u64 {
        self.operations.load(Ordering::Relaxed)
    }

    /// Seconds measured so far.
    pub fn seconds(&self) -> f64 {
        let until = self.until.load(Ordering::SeqCst).min(self.now());
        until.saturating_sub(self.from.load(Ordering::SeqCst)) as f64 / 1e9
    }

    /// Operations a second so far.
    pub fn throughput(&self) -> f64 {
        self.operations() as f64 / self.seconds().max(1e-9)
    }

    /// All latencies together, in nanoseconds.
    pub fn latencies(&self) -> Histogram<u64> {
        let mut all = Histogram::new_with_max(LATENCY_MAX, 3).expect("the bounds are in order");
        for shard in &self.shards {
            all.add(&*shard.0.lock()).expect("all have the same bounds");
        }
        all
    }

    /// Operations a second in each whole window.
    pub fn curve(&self) -> Vec<f64> {
        let whole = (self.seconds() / WINDOW.as_secs_f64()) as usize;
        let rate =
            |window: &AtomicU64| window.load(Ordering::Relaxed) as f64 / WINDOW.as_secs_f64();
        self.windows.iter().take(whole).map(rate).collect()
    }
}
