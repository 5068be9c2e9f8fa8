//! Names of entries: `namespace:name`.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// `namespace:name`, for example `app:worker`. Cheap to clone.
///
/// A text splits at its **first** colon, so `"a:b:c"` is namespace `a`, name `b:c`; without a colon
/// all of it is the name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EntryId {
    ns: Arc<str>,
    name: Arc<str>,
}

impl EntryId {
    /// Out of its two parts.
    pub fn new(ns: &str, name: &str) -> EntryId {
        EntryId { ns: ns.into(), name: name.into() }
    }

    /// Splits a text, of whatever form.
    pub fn parse(text: &str) -> EntryId {
        match text.split_once(':') {
            Some((ns, name)) => EntryId::new(ns, name),
            None => EntryId::new("", text),
        }
    }

    /// Like [`EntryId::parse`]; a text without namespace takes `default_ns`.
    pub fn parse_in(text: &str, default_ns: &str) -> EntryId {
        match text.split_once(':') {
            Some((ns, name)) => EntryId::new(ns, name),
            None => EntryId::new(default_ns, text),
        }
    }

    /// The namespace: what stands before the colon.
    pub fn ns(&self) -> &str {
        &self.ns
    }

    /// The name within the namespace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Both parts are there.
    pub fn is_complete(&self) -> bool {
        !self.ns.is_empty() && !self.name.is_empty()
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.ns, self.name)
    }
}

impl From<&EntryId> for Cow<'static, str> {
    fn from(id: &EntryId) -> Cow<'static, str> {
        Cow::Owned(id.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, ns: &str, name: &str, printed: &str) {
        let id = EntryId::parse(text);
        assert_eq!((id.ns(), id.name(), id.to_string().as_str()), (ns, name, printed));
    }

    #[test]
    fn splits_at_the_first_colon() {
        check("app:cli", "app", "cli", "app:cli");
        check("a:b:c", "a", "b:c", "a:b:c");
        check("cli", "", "cli", ":cli");
        check("", "", "", ":");
    }
}
