//! The `pool:` of a function: how many of its calls run at a time, and where its instances live.

use crate::core::registry::Entry;
use crate::core::registry::decode::Fields;
use crate::infra::error::{Error, Result};

/// Bound of a pool that names none.
const DEFAULT_MAX: usize = 16;
/// Bound where no pool is asked for.
const AUTO_MAX: usize = 100;
/// Workers of a static pool that names none.
const DEFAULT_WORKERS: usize = 8;
/// Calls that may wait for each worker before those who make them have to.
const BUFFER_PER_WORKER: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One instance.
    Inline,
    /// Instances are made when needed, and dropped when not.
    Lazy,
    /// Instances are there from the start.
    Static,
    /// Like lazy, with a bound that follows the load.
    Adaptive,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pool {
    pub kind: Kind,
    /// Calls that run at a time, at most.
    pub max: usize,
    /// Calls that may wait before their callers are suspended until there is room.
    pub buffer: usize,
}

impl Pool {
    /// No bound at all.
    pub const UNBOUNDED: Pool = Pool { kind: Kind::Lazy, max: usize::MAX, buffer: usize::MAX };

    /// Has it a place for each instance, so that there are never more? In others each VM may have some.
    #[inline]
    pub fn has_seats(&self) -> bool {
        self.max == 1 || matches!(self.kind, Kind::Inline | Kind::Static)
    }

    /// Do its instances stay, however long nobody calls?
    pub fn keeps_all(&self) -> bool {
        matches!(self.kind, Kind::Inline | Kind::Static)
    }

    /// Reads `pool:` of an entry. `INVALID`: an unknown type, a negative number.
    pub fn decode(entry: &Entry) -> Result<Pool> {
        let Some(fields) = Fields::new(entry)?.opt_fields("pool")? else {
            return Ok(Pool { kind: Kind::Lazy, max: AUTO_MAX, buffer: usize::MAX });
        };
        let number = |name: &str| -> Result<usize> {
            let n = fields.opt_int(name)?.unwrap_or(0);
            usize::try_from(n).map_err(|_| fields.error(name, "must not be negative"))
        };
        let (workers, size, max_size) = (number("workers")?, number("size")?, number("max_size")?);
        let buffer = number("buffer")?;
        fields.opt_bool("warm_start")?;
        let or = |n: usize, other: usize| if n > 0 { n } else { other };
        let fixed = or(workers, or(size, DEFAULT_WORKERS));
        let (kind, max) = match fields.opt_str("type")?.unwrap_or_default() {
            "inline" => (Kind::Inline, 1),
            "static" => (Kind::Static, fixed),
            "lazy" => (Kind::Lazy, or(max_size, DEFAULT_MAX)),
            "adaptive" => (Kind::Adaptive, or(max_size, DEFAULT_MAX)),
            "" if workers > 0 => (Kind::Static, fixed),
            "" if size > 0 && max_size == 0 => (Kind::Static, size),
            "" => (Kind::Lazy, or(max_size, AUTO_MAX)),
            other => return Err(Error::invalid(format!("unknown pool type: {other}"))),
        };
        let per_worker = max.saturating_mul(BUFFER_PER_WORKER);
        let buffer = match kind {
            Kind::Inline | Kind::Lazy => usize::MAX,
            Kind::Static => or(buffer, per_worker),
            Kind::Adaptive => per_worker,
        };
        Ok(Pool { kind, max, buffer })
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
    fn check(pairs: &[(&str, Value)], kind: Kind, max: usize, buffer: usize) {
        assert_eq!(decode(pairs), Ok(Pool { kind, max, buffer }), "{pairs:?}");
    }

    #[test]
    fn bounds_are_those_of_the_specification() {
        let kind = |name: &str| ("type", Value::from(name));
        let n = |name: &'static str, n: i64| (name, Value::Int(n));
        let none = usize::MAX;
        check(&[], Kind::Lazy, 100, none);
        check(&[n("max_size", 5)], Kind::Lazy, 5, none);
        check(&[n("workers", 3)], Kind::Static, 3, 192);
        check(&[n("workers", 3), n("size", 2), n("max_size", 9)], Kind::Static, 3, 192);
        check(&[n("size", 2)], Kind::Static, 2, 128);
        check(&[n("size", 2), n("max_size", 9)], Kind::Lazy, 9, none);
        check(&[kind("inline"), n("workers", 4)], Kind::Inline, 1, none);
        check(&[kind("static")], Kind::Static, 8, 512);
        check(&[kind("static"), n("size", 2)], Kind::Static, 2, 128);
        check(&[kind("static"), n("size", 2), n("workers", 6), n("buffer", 1)], Kind::Static, 6, 1);
        for (name, expect) in [("lazy", Kind::Lazy), ("adaptive", Kind::Adaptive)] {
            let buffer = |max: usize| if expect == Kind::Lazy { none } else { max * 64 };
            check(&[kind(name)], expect, 16, buffer(16));
            check(&[kind(name), n("max_size", 3), n("buffer", 5)], expect, 3, buffer(3));
        }
        let unknown = decode(&[kind("eager")]).expect_err("unknown");
        assert_eq!(unknown.to_string(), "unknown pool type: eager");
        assert!(decode(&[n("workers", -1)]).is_err());
    }
}
