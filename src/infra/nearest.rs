//! "Did you mean …?": the known name that a mistyped one is closest to.

/// Letters of a name that is worth a hint: two names are compared letter by letter.
const LEN_MAX: usize = 200;

/// The candidate most like `needle`, if one is like enough to be worth a hint. The first of
/// several equally close ones.
pub fn nearest<'a>(needle: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    // A third of the letters may be wrong; picked by trying names of entries and commands.
    let len = needle.chars().count();
    let distance_max = (len / 3).clamp(1, 4);
    if len > LEN_MAX {
        return None;
    }
    candidates
        .into_iter()
        .filter(|name| name.chars().take(LEN_MAX + 5).count().abs_diff(len) <= distance_max)
        .map(|name| (strsim::damerau_levenshtein(needle, name), name))
        .filter(|(distance, _)| *distance <= distance_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(needle: &str, expect: Option<&str>) {
        let names = ["app:worker", "app:walker", "run", "http.service"];
        assert_eq!(nearest(needle, names).as_deref(), expect);
    }

    #[test]
    fn finds_typos_only() {
        check("app:wroker", Some("app:worker"));
        check("app:worker", Some("app:worker"));
        check("rnu", Some("run"));
        check("http.servce", Some("http.service"));
        check("list", None);
        check("", None);
        check("entirely different", None);
        check(&"app:worker".repeat(10_000), None);
    }
}
