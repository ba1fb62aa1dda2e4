//! What was odd in the data, with the rows where it was.

use std::collections::BTreeMap;

/// How many rows are named of each oddity.
const NAMED: usize = 10;

/// Collects oddities: of each what it is, and where. A million odd rows take no more memory than their count.
#[derive(Debug, Default)]
pub(super) struct Notes {
    found: BTreeMap<&'static str, Found>,
}

#[derive(Debug, Default)]
struct Found {
    count: usize,
    /// Where it was so first.
    begins: u64,
    first: Vec<String>,
}

impl Notes {
    /// Notes that `what` is so in the row at `place`.
    pub(super) fn note(&mut self, what: &'static str, place: u64) {
        self.note_of(what, place, || place.to_string());
    }

    /// Notes that `what` is so in both rows.
    pub(super) fn note_pair(&mut self, what: &'static str, first: u64, second: u64) {
        self.note_of(what, first.min(second), || format!("{} and {}", first.min(second), first.max(second)));
    }

    fn note_of(&mut self, what: &'static str, begins: u64, place: impl FnOnce() -> String) {
        let found = self.found.entry(what).or_insert_with(|| Found { begins, ..Found::default() });
        found.begins = found.begins.min(begins);
        found.count += 1;
        if found.first.len() < NAMED {
            found.first.push(place());
        }
    }

    /// In sentences, such as `Lines 7, 12 and 3 more: the reading is missing.`, in the order of their first rows. `word`
    /// says what rows are called.
    pub(super) fn sentences(&self, word: &str) -> Vec<String> {
        let sentence = |(what, found): (&&'static str, &Found)| {
            let more = found.count - found.first.len();
            let mut places = found.first.join(", ");
            if more > 0 {
                places.push_str(&format!(" and {more} more"));
            }
            let many = if found.count > 1 || places.contains(" and ") { "s" } else { "" };
            let mut letters = word.chars();
            let word: String = letters.next().map(|c| c.to_ascii_uppercase()).into_iter().chain(letters).collect();
            format!("{word}{many} {places}: {what}.")
        };
        let mut found: Vec<_> = self.found.iter().collect();
        found.sort_by_key(|(_, found)| found.begins);
        found.into_iter().map(sentence).collect()
    }
}
