//! [`Selection`]: which entries a stage of packing is for.

use crate::core::registry::EntryId;

/// Patterns, of which one must fit: `**` all entries, `ns:**` those of a namespace, `ns:name` one, and
/// `name` those of that name in every namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    patterns: Vec<String>,
}

impl Selection {
    pub fn new(patterns: &[&str]) -> Selection {
        Selection { patterns: patterns.iter().map(|pattern| (*pattern).to_owned()).collect() }
    }

    pub fn has(&self, id: &EntryId) -> bool {
        self.patterns.iter().any(|pattern| match pattern.split_once(':') {
            Some((ns, "**")) => ns == id.ns(),
            Some((ns, name)) => (ns, name) == (id.ns(), id.name()),
            None => pattern == "**" || pattern == id.name(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(patterns: &[&str], fits: &[&str]) {
        let selection = Selection::new(patterns);
        let ids = ["a:x", "a:y", "a.b:x", "b:a:x"];
        let found: Vec<&str> =
            ids.into_iter().filter(|id| selection.has(&EntryId::parse(id))).collect();
        assert_eq!(found, fits, "{patterns:?}");
    }

    #[test]
    fn patterns() {
        check(&[], &[]);
        check(&["**"], &["a:x", "a:y", "a.b:x", "b:a:x"]);
        check(&["a:**"], &["a:x", "a:y"]);
        check(&["x"], &["a:x", "a.b:x"]);
        check(&["a:x", "y"], &["a:x", "a:y"]);
        check(&["b:a:x"], &["b:a:x"]);
        check(&["*", "a:*", ""], &[]);
    }
}
