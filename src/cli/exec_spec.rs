//! [`ExecSpec`]: what `-x` names.

use crate::core::registry::EntryId;
use crate::infra::error::{Error, Result};

/// `[HOST/]NS:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecSpec {
    pub host: Option<EntryId>,
    pub entry: EntryId,
}

impl ExecSpec {
    /// Splits at the first `/` that has a `:` on both sides; without one, all of it is the entry.
    pub fn parse(text: &str) -> Result<ExecSpec> {
        let split = text
            .match_indices('/')
            .map(|(i, _)| (&text[..i], &text[i + 1..]))
            .find(|(host, entry)| host.contains(':') && entry.contains(':'));
        match split {
            Some((host, entry)) => {
                Ok(ExecSpec { host: Some(parse_id(host)?), entry: parse_id(entry)? })
            }
            None => Ok(ExecSpec { host: None, entry: parse_id(text)? }),
        }
    }
}

fn parse_id(text: &str) -> Result<EntryId> {
    let invalid = |reason: &str| {
        let format = "expected format: namespace:entry";
        Error::invalid(format!("invalid exec spec: {reason}, {format}"))
    };
    if !text.contains(':') {
        return Err(invalid("missing separator ':'"));
    }
    let id = EntryId::parse(text);
    if !id.is_complete() {
        return Err(invalid("empty namespace or entry"));
    }
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, host: Option<&str>, entry: &str) {
        let expect = ExecSpec { host: host.map(EntryId::parse), entry: EntryId::parse(entry) };
        assert_eq!(ExecSpec::parse(text), Ok(expect));
    }

    #[test]
    fn splits() {
        check("app:cli", None, "app:cli");
        check("app:terminal/app:cli", Some("app:terminal"), "app:cli");
        check("app:cli/v2", None, "app:cli/v2");
        check("a/b:cli", None, "a/b:cli");
        check("a/b:t/app:cli/x", Some("a/b:t"), "app:cli/x");
        check("a:b/c:d/e:f", Some("a:b"), "c:d/e:f");
    }

    #[test]
    fn bad_specs() {
        let format = "expected format: namespace:entry";
        for (text, reason) in [
            ("cli", "missing separator ':'"),
            ("", "missing separator ':'"),
            ("a/b", "missing separator ':'"),
            (":cli", "empty namespace or entry"),
            ("a:b/c:", "empty namespace or entry"),
        ] {
            let error = ExecSpec::parse(text).unwrap_err();
            assert_eq!(error.to_string(), format!("invalid exec spec: {reason}, {format}"));
        }
    }
}
