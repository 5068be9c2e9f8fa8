//! The `pool:` of a function: how many of its calls run at a time.

use crate::core::registry::Entry;
use crate::core::registry::decode::Fields;
use crate::infra::error::{Error, Result};

/// Bound of a pool that names none.
const DEFAULT_MAX: usize = 16;
/// Bound where no pool is asked for.
const AUTO_MAX: usize = 100;
/// Workers of a static pool that names none.
const DEFAULT_WORKERS: usize = 8;

/// Instances are made when a call needs one and serve later calls, so what is left of the types is
/// their bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    /// Calls that run at a time.
    pub max: usize,
}

impl Pool {
    /// No bound at all.
    pub const UNBOUNDED: Pool = Pool { max: usize::MAX };

    /// Reads `pool:` of an entry. `INVALID`: an unknown type, a negative number.
    pub fn decode(entry: &Entry) -> Result<Pool> {
        let Some(fields) = Fields::new(entry)?.opt_fields("pool")? else {
            return Ok(Pool { max: AUTO_MAX });
        };
        let number = |name: &str| -> Result<usize> {
            let n = fields.opt_int(name)?.unwrap_or(0);
            usize::try_from(n).map_err(|_| fields.error(name, "must not be negative"))
        };
        let (workers, size, max_size) = (number("workers")?, number("size")?, number("max_size")?);
        number("buffer")?;
        fields.opt_bool("warm_start")?;
        let or = |n: usize, other: usize| if n > 0 { n } else { other };
        let fixed = or(workers, or(size, DEFAULT_WORKERS));
        let max = match fields.opt_str("type")?.unwrap_or_default() {
            "inline" => 1,
            "static" => fixed,
            "lazy" | "adaptive" => or(max_size, DEFAULT_MAX),
            "" if workers > 0 => fixed,
            "" if size > 0 && max_size == 0 => size,
            "" => or(max_size, AUTO_MAX),
            other => return Err(Error::invalid(format!("unknown pool type: {other}"))),
        };
        Ok(Pool { max })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::registry::EntryId;
    use crate::infra::transcoder::Value;

    fn decode(pairs: &[(&str, Value)]) -> Result<Pool> {
        let pool = pairs.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        Pool::decode(&Entry {
            id: EntryId::parse("app:f"),
            kind: "function.lua".into(),
            meta: Default::default(),
            data: Value::from([("pool", Value::Map(pool))]),
        })
    }

    #[track_caller]
    fn check(pairs: &[(&str, Value)], max: usize) {
        assert_eq!(decode(pairs), Ok(Pool { max }), "{pairs:?}");
    }

    #[test]
    fn bounds_are_those_of_the_specification() {
        let kind = |name: &str| ("type", Value::from(name));
        let n = |name: &'static str, n: i64| (name, Value::Int(n));
        check(&[], 100);
        check(&[n("max_size", 5)], 5);
        check(&[n("workers", 3)], 3);
        check(&[n("workers", 3), n("size", 2), n("max_size", 9)], 3);
        check(&[n("size", 2)], 2);
        check(&[n("size", 2), n("max_size", 9)], 9);
        check(&[kind("inline"), n("workers", 4)], 1);
        check(&[kind("static")], 8);
        check(&[kind("static"), n("size", 2)], 2);
        check(&[kind("static"), n("size", 2), n("workers", 6), n("buffer", 1)], 6);
        for name in ["lazy", "adaptive"] {
            check(&[kind(name)], 16);
            check(&[kind(name), n("max_size", 3)], 3);
        }
        let unknown = decode(&[kind("eager")]).expect_err("unknown");
        assert_eq!(unknown.to_string(), "unknown pool type: eager");
        assert!(decode(&[n("workers", -1)]).is_err());
    }
}
