//! How long a failed service rests before its next start. Pure: the random number is an argument.

use std::time::Duration;

use crate::system::supervisor::lifecycle::RestartPolicy;

/// The wait after the `failures`-th failure in a row; `random` in `[-1, 1]` places it within the
/// jitter.
///
/// The cap comes before the jitter, so that services which reached it do not restart in step, and
/// spares the first delay, so that a large `initial_delay` means what it says.
pub fn delay(policy: &RestartPolicy, failures: u32, random: f64) -> Duration {
    let initial = policy.initial_delay.as_secs_f64();
    let base = match failures {
        0 | 1 => initial,
        n => {
            let factor = if policy.backoff_factor > 0.0 { policy.backoff_factor } else { 1.0 };
            // An exponent past i32 has reached the cap, or zero, long before.
            let grown = initial * factor.powi(i32::try_from(n - 1).unwrap_or(i32::MAX));
            grown.min(policy.max_delay.as_secs_f64())
        }
    };
    let seconds = base + base * policy.jitter.max(0.0) * random.clamp(-1.0, 1.0);
    // Fails only for what no `Duration` can hold: wait for good.
    Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or(Duration::MAX)
}

/// A small generator (xorshift64*) for jitter; nothing about it needs to be unpredictable.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Random {
        Random(seed | 1) // The state must not be zero.
    }

    /// Evenly spread over `[-1, 1)`.
    pub fn signed(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 11; // 53 bits fill an f64.
        bits as f64 / (1_u64 << 52) as f64 - 1.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn policy(initial: f64, max: f64, backoff_factor: f64, jitter: f64) -> RestartPolicy {
        RestartPolicy {
            initial_delay: Duration::from_secs_f64(initial),
            max_delay: Duration::from_secs_f64(max),
            backoff_factor,
            jitter,
            max_attempts: 0,
        }
    }

    #[track_caller]
    fn check(policy: &RestartPolicy, failures: u32, random: f64, seconds: f64) {
        let got = delay(policy, failures, random).as_secs_f64();
        assert!((got - seconds).abs() < 1e-6, "{got} is not {seconds}");
    }

    #[test]
    fn grows_to_the_cap() {
        let usual = RestartPolicy::default();
        for (failures, seconds) in [(0, 1.0), (1, 1.0), (2, 2.0), (3, 4.0), (7, 64.0), (8, 90.0)] {
            check(&usual, failures, 0.0, seconds);
        }
        check(&usual, u32::MAX, 0.0, 90.0);
    }

    #[test]
    fn jitter_comes_after_the_cap() {
        let usual = RestartPolicy::default();
        check(&usual, 20, -1.0, 81.0);
        check(&usual, 20, 1.0, 99.0);
        check(&policy(1.0, 9.0, 2.0, 5.0), 1, -1.0, 0.0); // Never below zero.
        check(&policy(1.0, 9.0, 2.0, -1.0), 1, 1.0, 1.0); // Negative switches it off.
    }

    #[test]
    fn odd_policies() {
        check(&policy(60.0, 5.0, 2.0, 0.0), 1, 0.0, 60.0); // The cap spares the first delay...
        check(&policy(60.0, 5.0, 2.0, 0.0), 2, 0.0, 5.0); // ...and no other.
        check(&policy(2.0, 9.0, 0.0, 0.0), 5, 0.0, 2.0); // A factor of zero or less acts as one.
        check(&policy(2.0, 9.0, -4.0, 0.0), 5, 0.0, 2.0);
        check(&policy(8.0, 9.0, 0.5, 0.0), 3, 0.0, 2.0);
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds(
            initial in 0.0..1e6_f64,
            max in 0.0..1e6_f64,
            factor in -10.0..1e3_f64,
            jitter in -1.0..3.0_f64,
            failures in any::<u32>(),
            seed in any::<u64>(),
        ) {
            let random = Random::new(seed).signed();
            prop_assert!((-1.0..1.0).contains(&random));
            let got = delay(&policy(initial, max, factor, jitter), failures, random).as_secs_f64();
            let cap = if failures <= 1 { initial } else { max };
            prop_assert!(got <= cap * (1.0 + jitter.max(0.0)) + 1e-6);
            if factor >= 1.0 {
                let least = if failures <= 1 { initial } else { initial.min(max) };
                prop_assert!(got >= least * (1.0 - jitter.max(0.0)) - 1e-6);
            }
        }
    }

    #[test]
    fn random_numbers_spread() {
        let mut random = Random::new(7);
        let numbers: Vec<f64> = (0..10_000).map(|_| random.signed()).collect();
        assert!((numbers.iter().sum::<f64>() / 10_000.0).abs() < 0.05);
        assert!(numbers.iter().any(|&n| n < -0.99) && numbers.iter().any(|&n| n > 0.99));
    }
}
