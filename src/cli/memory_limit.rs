//! The soft limit of memory: the flag, else the environment, else 1 GiB.

use crate::infra::size;

const DEFAULT: u64 = 1 << 30;

/// The limit in bytes. What cannot be read falls through to the next source.
pub fn memory_limit(flag: Option<&str>, env: Option<&str>) -> u64 {
    flag.and_then(size::parse).or_else(|| env.and_then(size::parse)).unwrap_or(DEFAULT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn falls_through() {
        assert_eq!(memory_limit(Some("1M"), Some("2M")), 1 << 20);
        assert_eq!(memory_limit(Some("lots"), Some("2M")), 2 << 20);
        assert_eq!(memory_limit(None, Some("off")), 1 << 30);
        assert_eq!(memory_limit(None, None), 1 << 30);
    }
}
