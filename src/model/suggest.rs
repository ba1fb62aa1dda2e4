//! "Did you mean …?"

/// The candidate that is most like `word`, if one is like it at all. Case and `_` for `-` do not count.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let same = |text: &str| text.to_lowercase().replace(['_', ' '], "-");
    let word = same(word);
    // A long unknown word has no business being compared with every key at a quadratic price.
    let length = word.chars().count();
    if length > 64 {
        return None;
    }
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&word, &same(candidate)), candidate))
        .filter(|(distance, candidate)| {
            *distance <= length.max(candidate.len()) / 3 || (length >= 3 && candidate.starts_with(&word))
        })
        .min()
        .map(|(_, candidate)| candidate)
}

/// A help line: the nearest candidate, or all of them.
pub fn help<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> String {
    match nearest(word, candidates.clone()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("what may stand here: {}", list(candidates)),
    }
}

/// `a, b, c`.
pub fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_understood_and_another_word_is_not() {
        let keys = ["memory", "scrape-interval", "needs", "redis", "alertmanager"];
        for (word, meant) in [
            ("memroy", Some("memory")),
            ("scrape_interval", Some("scrape-interval")),
            ("Needs", Some("needs")),
            ("need", Some("needs")),
            ("alert", Some("alertmanager")),
            ("colour", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, keys), meant, "{word}");
        }
        assert_eq!(nearest(&"memory".repeat(1000), keys), None);
    }
}
