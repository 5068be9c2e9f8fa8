//! How many calls an adaptive pool runs at a time: pure, told twice a second how it goes.
//!
//! - All busy while others wait: a quarter more, on trial. The trial is judged as soon as it says
//!   something: after as many calls as may run at a time, a few ticks at most. If no more calls end
//!   than before, the size goes back to where it was.
//! - Less than half of it busy and nobody waiting, for eight ticks: one less.
//!
//! Where no call has ended before a trial, nothing can get worse: the size stays. So a pool of calls
//! that take minutes grows at each tick.

/// What counts as more calls than before: less than this is chance.
const BETTER: f64 = 1.05;
/// Ticks of little use before the pool shrinks, and ticks a trial lasts at most.
const PATIENCE: u32 = 8;

#[derive(Debug)]
pub(super) struct Adaptive {
    /// Calls at a time.
    size: usize,
    max: usize,
    /// Since the size has changed: ticks, and how many calls had ended when that began.
    ticks: u32,
    since: u64,
    trial: Option<Trial>,
    /// Ticks of little use in a row.
    calm: u32,
}

/// The size on trial is new.
#[derive(Debug)]
struct Trial {
    /// The size before it, and calls per tick then.
    size: usize,
    rate: f64,
}

/// What a pool does at the moment of a tick.
#[derive(Clone, Copy, Debug)]
pub(super) struct Load {
    pub(super) busy: usize,
    pub(super) waiting: usize,
    /// Calls that have ended, ever.
    pub(super) ended: u64,
}

impl Adaptive {
    pub(super) fn new(max: usize) -> Adaptive {
        Adaptive { size: 1, max: max.max(1), ticks: 0, since: 0, trial: None, calm: 0 }
    }

    pub(super) fn size(&self) -> usize {
        self.size
    }

    /// Ticks begin again after a rest, when so many calls had ended.
    pub(super) fn begin(&mut self, ended: u64) {
        self.calm = 0;
        self.measure_from(ended);
    }

    /// As small as it gets, and not on trial: no tick would change anything while nobody calls.
    pub(super) fn is_at_rest(&self) -> bool {
        self.size == 1 && self.trial.is_none()
    }

    /// Half a second has passed.
    pub(super) fn tick(&mut self, load: Load) {
        self.ticks += 1;
        let ended = load.ended.saturating_sub(self.since);
        let rate = ended as f64 / f64::from(self.ticks);
        let is_calm = load.busy * 2 < self.size && load.waiting == 0;
        self.calm = if is_calm { self.calm + 1 } else { 0 };
        if let Some(trial) = &self.trial {
            if trial.rate == 0.0 || rate > trial.rate * BETTER {
                self.trial = None;
            } else if ended < self.size as u64 && self.ticks < PATIENCE {
                return;
            } else {
                // Not at once the next one: it would be compared with this.
                return self.resize(trial.size, None, load.ended);
            }
        }
        if self.calm >= PATIENCE {
            self.calm = 0;
            return self.resize((self.size - 1).max(1), None, load.ended);
        }
        if load.busy >= self.size && load.waiting > 0 && self.size < self.max {
            let larger = self.size + (self.size / 4).max(1);
            let trial = Trial { size: self.size, rate };
            self.resize(larger.min(self.max), Some(trial), load.ended);
        }
    }

    fn resize(&mut self, size: usize, trial: Option<Trial>, ended: u64) {
        (self.size, self.trial) = (size, trial);
        self.measure_from(ended);
    }

    fn measure_from(&mut self, ended: u64) {
        (self.ticks, self.since) = (0, ended);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sizes after each of `ticks` under a load in which calls end at a rate given by the size.
    fn sizes(max: usize, ticks: usize, waiting: usize, rate: impl Fn(usize) -> u64) -> Vec<usize> {
        let mut pool = Adaptive::new(max);
        let mut ended = 0;
        let tick = |_| {
            ended += rate(pool.size());
            let busy = if waiting > 0 { pool.size() } else { 0 };
            pool.tick(Load { busy, waiting, ended });
            pool.size()
        };
        (0..ticks).map(tick).collect()
    }

    #[test]
    fn grows_by_a_quarter_while_that_helps() {
        let linear = |size| 100 * size as u64;
        assert_eq!(sizes(16, 11, 9, linear), [2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 16]);
        assert_eq!(sizes(16, 40, 9, linear).last(), Some(&16));
    }

    #[test]
    fn goes_back_where_it_does_not() {
        // Two cores: a third call at a time makes none of them faster.
        let two = |size: usize| 100 * size.min(2) as u64;
        assert_eq!(sizes(16, 8, 9, two), [2, 3, 2, 3, 2, 3, 2, 3]);
        // A little more is chance.
        let chance = |size: usize| if size == 1 { 100 } else { 104 };
        assert_eq!(sizes(16, 4, 9, chance), [2, 1, 2, 1]);
    }

    #[test]
    fn grows_while_nothing_ends() {
        assert_eq!(sizes(16, 11, 9, |_| 0), [2, 3, 4, 5, 6, 7, 8, 10, 12, 15, 16]);
    }

    #[test]
    fn a_trial_of_slow_calls_gets_its_time() {
        let mut pool = Adaptive::new(4);
        let mut tick = |ended| {
            pool.tick(Load { busy: pool.size(), waiting: 5, ended });
            pool.size()
        };
        assert_eq!(tick(2), 2, "two a tick");
        // One of them has ended after the first tick, and four after the second: three a tick.
        assert_eq!([tick(3), tick(8)], [2, 3]);
        // Nothing ends any more: after eight ticks it goes back.
        assert_eq!([tick(8), tick(8), tick(8), tick(8), tick(8), tick(8), tick(8)], [3; 7]);
        assert_eq!(tick(8), 2);
    }

    #[test]
    fn shrinks_one_by_one_when_hardly_used() {
        let mut pool = Adaptive::new(4);
        (pool.size, pool.max) = (4, 4);
        let mut sizes = Vec::new();
        for _ in 0..40 {
            pool.tick(Load { busy: 1, waiting: 0, ended: 0 });
            sizes.push(pool.size());
        }
        let shrinks: Vec<usize> = sizes.chunk_by(|a, b| a == b).map(<[usize]>::len).collect();
        assert_eq!((shrinks, sizes[39]), (vec![7, 8, 25], 2), "one of two is half of them");
        // A tick of use begins the count anew.
        pool.size = 3;
        for n in 0..20 {
            let busy = if n % 8 == 7 { 2 } else { 0 };
            pool.tick(Load { busy, waiting: 0, ended: 0 });
        }
        assert_eq!(pool.size(), 3);
    }

    #[test]
    fn rests_when_small() {
        let mut pool = Adaptive::new(2);
        assert!(pool.is_at_rest());
        pool.tick(Load { busy: 1, waiting: 1, ended: 5 });
        assert!(!pool.is_at_rest() && pool.size() == 2);
        pool.tick(Load { busy: 0, waiting: 0, ended: 5 });
        pool.begin(5);
        for _ in 0..20 {
            pool.tick(Load { busy: 0, waiting: 0, ended: 5 });
        }
        assert!(pool.is_at_rest());
    }
}
