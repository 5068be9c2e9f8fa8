//! The name somebody may have meant.

/// The candidate closest to `wanted`, if it is close enough to be worth a suggestion.
pub fn nearest<'a>(wanted: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wanted, name), name))
        .filter(|(distance, name)| *distance <= name.chars().count().max(3) / 3)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_names_are_suggested_and_far_ones_are_not() {
        let names = ["app:cli", "app:relay", "app:worker"];
        assert_eq!(nearest("app:cil", names), Some("app:cli"));
        assert_eq!(nearest("app:relai", names), Some("app:relay"));
        assert_eq!(nearest("other:thing", names), None);
    }
}
