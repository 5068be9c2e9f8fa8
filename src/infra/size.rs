//! Sizes of memory as text.

/// Bytes: `512M`, `1G`, `2048MB`, `512MiB` or bytes; powers of 1024.
pub fn parse(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits_len = text.bytes().take_while(u8::is_ascii_digit).count();
    let (digits, suffix) = text.split_at(digits_len);
    let suffix = suffix.trim().to_ascii_uppercase();
    let shift = match suffix.trim_end_matches('B').trim_end_matches('I') {
        "" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return None,
    };
    let n: u64 = digits.parse().ok()?;
    n.checked_mul(1 << shift).filter(|bytes| *bytes > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Option<u64>) {
        assert_eq!(parse(text), expect, "{text}");
    }

    #[test]
    fn sizes() {
        check("512M", Some(512 << 20));
        check("1g", Some(1 << 30));
        check("2048MB", Some(2 << 30));
        check("512MiB", Some(512 << 20));
        check("1T", Some(1 << 40));
        check("4096", Some(4096));
        check("4096B", Some(4096));
        check("", None);
        check("M", None);
        check("0", None);
        check("-1M", None);
        check("1X", None);
        check("99999999999T", None);
    }
}
