//! Monotonic time as nanoseconds since an epoch, real or turned by hand in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds since the clock's epoch. A `u64` lasts 584 years.
pub type Nanos = u64;

/// How long the calling thread has been on a processor: what others take from it does not count.
pub fn thread_time() -> Nanos {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    // Neither is ever negative.
    (time.tv_sec as Nanos) * 1_000_000_000 + time.tv_nsec as Nanos
}

/// A source of monotonic time; cheap to clone, clones agree.
#[derive(Clone, Debug)]
pub struct Clock(Inner);

#[derive(Clone, Debug)]
enum Inner {
    Real(Instant),
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock; its epoch is now.
    pub fn real() -> Clock {
        Clock(Inner::Real(Instant::now()))
    }

    /// A clock that stands still until [`Clock::advance`] moves it.
    pub fn manual() -> Clock {
        Clock(Inner::Manual(Arc::new(AtomicU64::new(0))))
    }

    pub fn now(&self) -> Nanos {
        match &self.0 {
            Inner::Real(epoch) => epoch.elapsed().as_nanos() as Nanos,
            Inner::Manual(now) => now.load(Ordering::Acquire),
        }
    }

    /// Moves a manual clock on. Panics on a real one: only tests call it.
    pub fn advance(&self, by: Duration) {
        match &self.0 {
            Inner::Real(_) => panic!("a real clock cannot be advanced"),
            Inner::Manual(now) => {
                now.fetch_add(by.as_nanos() as Nanos, Ordering::AcqRel);
            }
        }
    }
}
