//! Calling again after a failure: the `retry` option of a call.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::time::Duration;

use crate::infra::duration;
use crate::infra::error::{Error, Kind};
use crate::infra::transcoder::Value;

#[derive(Clone, Debug, PartialEq)]
pub struct Retry {
    /// The first one included.
    max_attempts: u32,
    initial_delay: Duration,
    max_delay: Duration,
    backoff_factor: f64,
    jitter: f64,
    retry_kinds: Vec<String>,
    skip_kinds: Vec<String>,
}

impl Retry {
    /// Reads the option. `None`: it asks for one attempt.
    pub fn of(value: &Value) -> Option<Retry> {
        let number = |name: &str| value.get(name).and_then(Value::as_number);
        let max_attempts = number("max_attempts").filter(|n| *n > 1.0)? as u32;
        let delay = |name: &str, default: u64| {
            value.get(name).and_then(delay).unwrap_or(Duration::from_millis(default))
        };
        let kinds = |name: &str| {
            let list = value.get(name).and_then(Value::as_list).unwrap_or_default();
            list.iter().filter_map(|kind| kind.as_str().map(str::to_owned)).collect()
        };
        Some(Retry {
            max_attempts,
            initial_delay: delay("initial_delay", 100),
            max_delay: delay("max_delay", 10_000),
            backoff_factor: number("backoff_factor").filter(|f| *f > 0.0).unwrap_or(2.0),
            jitter: number("jitter").filter(|f| (0.0..=1.0).contains(f)).unwrap_or(0.1),
            retry_kinds: kinds("retry_kinds"),
            skip_kinds: kinds("skip_kinds"),
        })
    }

    /// How long to wait before the next attempt, if there is to be one after `attempts` that have been
    /// made, the last of which has failed so.
    pub fn next(&self, attempts: u32, error: &Error) -> Option<Duration> {
        let again = attempts < self.max_attempts && self.wants(error);
        again.then(|| self.delay(attempts, dice()))
    }

    /// Is it worth another attempt after this failure?
    fn wants(&self, error: &Error) -> bool {
        let kind = error.kind().as_str();
        if error.retryable() == Some(false) || self.skip_kinds.iter().any(|skip| skip == kind) {
            return false;
        }
        match self.retry_kinds.is_empty() {
            true => !matches!(
                error.kind(),
                Kind::Invalid | Kind::PermissionDenied | Kind::Internal | Kind::Canceled
            ),
            false => self.retry_kinds.iter().any(|retry| retry == kind),
        }
    }

    /// How long to wait before the retry with this number, from 1 on. `dice` is in `0.0..1.0`.
    fn delay(&self, retry: u32, dice: f64) -> Duration {
        let factor = self.backoff_factor.powi(retry.saturating_sub(1).min(1_000) as i32);
        let max = self.max_delay.as_secs_f64();
        let delay = (self.initial_delay.as_secs_f64() * factor).min(max);
        Duration::from_secs_f64(delay * (1.0 + self.jitter * (2.0 * dice - 1.0)))
    }
}

/// A number in `0.0..1.0`, any.
fn dice() -> f64 {
    let bits = RandomState::new().build_hasher().finish();
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}

/// A number of milliseconds, or a duration as text. `None`: neither, or not above zero.
pub fn delay(value: &Value) -> Option<Duration> {
    let nanos = match value {
        Value::Str(text) => duration::parse(text).ok()? as f64,
        number => number.as_number()? * 1e6,
    };
    // Longer than anybody waits.
    (nanos >= 1.0).then(|| Duration::from_nanos(nanos.min(1e18) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn retry(pairs: &[(&str, Value)]) -> Retry {
        let map = pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        let map = map.chain([("max_attempts".to_owned(), Value::Int(3))]).collect();
        Retry::of(&Value::Map(map)).expect("asks for several")
    }

    #[test]
    fn delays_grow_up_to_a_bound() {
        let grows = retry(&[("max_delay", "500ms".into())]);
        let delays: Vec<_> = (1..=5).map(|n| grows.delay(n, 0.5).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 500, 500]);
        let one = retry(&[("initial_delay", 50.into()), ("jitter", 0.5.into())]);
        assert_eq!((one.delay(1, 0.0).as_millis(), one.delay(1, 1.0).as_millis()), (25, 75));
        let times = |n: i64| {
            let retry = Retry::of(&Value::from([("max_attempts", Value::Int(n))]));
            retry.map(|retry| retry.max_attempts)
        };
        assert_eq!([-1, 0, 1, 2].map(times), [None, None, None, Some(2)]);
        assert_eq!(Retry::of(&Value::Nil), None);
        for bad in [Value::Int(0), Value::Int(-5), "soon".into(), Value::Nil] {
            assert_eq!(retry(&[("initial_delay", bad)]).delay(1, 0.5).as_millis(), 100);
        }
    }

    #[track_caller]
    fn check(retry: &Retry, kind: Kind, retryable: Option<bool>, expect: bool) {
        let error = Error::new(kind, "x").with_retryable(retryable);
        assert_eq!(retry.wants(&error), expect, "{error:?}");
    }

    #[test]
    fn some_failures_are_final() {
        let plain = retry(&[]);
        check(&plain, Kind::Unavailable, Some(true), true);
        check(&plain, Kind::Unavailable, None, true);
        check(&plain, Kind::Unavailable, Some(false), false);
        for kind in [Kind::Invalid, Kind::PermissionDenied, Kind::Internal, Kind::Canceled] {
            check(&plain, kind, Some(true), false);
        }
        let list = |kind: &str| Value::List(vec![kind.into()]);
        let only = retry(&[("retry_kinds", list("Internal"))]);
        check(&only, Kind::Internal, None, true);
        check(&only, Kind::Timeout, None, false);
        let not = retry(&[("skip_kinds", list("Timeout"))]);
        check(&not, Kind::Timeout, None, false);
        check(&not, Kind::Conflict, None, true);
    }
}
