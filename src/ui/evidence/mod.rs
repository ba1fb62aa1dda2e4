//! The forms of evidence: for the terminal, for programs, for CI viewers and for managers.
//!
//! Guarantees: each form tells of every check; a foreign program's words can neither steer a terminal nor become
//! markup, in any form.

mod html;
mod junit;
#[cfg(test)]
mod samples;
mod table;
mod words;

use super::style::Paint;
use reportctl::smoke::evidence::{CheckResult, Evidence, Outcome};

/// A form that could not be made: a mistake of this program.
#[derive(Debug, thiserror::Error)]
#[error("the evidence cannot be written as {form}: {cause}")]
pub struct Unrendered {
    form: &'static str,
    cause: String,
}

/// For people at a terminal: what was checked, what was skipped and why, what failed and what to type next, and the
/// closing line. `width` is that of the terminal, in columns.
pub fn table(evidence: &Evidence, paint: Paint, width: usize) -> String {
    table::render(evidence, paint, width)
}

/// For programs: one document, its first key `schema`.
pub fn json(evidence: &Evidence) -> String {
    super::json::document(evidence)
}

/// For CI viewers: one JUnit XML document, a suite for each component, a case for each check.
///
/// Errors: it could not be written, which is a mistake of this program.
pub fn junit(evidence: &Evidence) -> Result<String, Unrendered> {
    junit::render(evidence).map_err(|cause| Unrendered { form: "JUnit XML", cause })
}

/// For managers: one HTML page without script and without anything from elsewhere.
///
/// Errors: the template is wrong, which is a mistake of this program.
pub fn html(evidence: &Evidence) -> Result<String, Unrendered> {
    html::render(evidence).map_err(|error| Unrendered { form: "HTML", cause: error.to_string() })
}

/// A group of checks under what they have in common.
type Group<'e, K> = (K, Vec<&'e CheckResult>);

/// The checks by what they have in common, in the order in which each first appears.
fn grouped<'e, K: PartialEq>(
    checks: impl Iterator<Item = &'e CheckResult>,
    key: impl Fn(&'e CheckResult) -> K,
) -> Vec<Group<'e, K>> {
    let mut groups: Vec<Group<'e, K>> = Vec::new();
    for check in checks {
        let key = key(check);
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, members)) => members.push(check),
            None => groups.push((key, vec![check])),
        }
    }
    groups
}

/// The skipped checks by their reason.
fn skipped(evidence: &Evidence) -> Vec<Group<'_, &str>> {
    grouped(ended(evidence, Outcome::Skipped), |check| check.detail.trim())
}

/// The checks that ended so.
fn ended(evidence: &Evidence, outcome: Outcome) -> impl Iterator<Item = &CheckResult> {
    evidence.checks.iter().filter(move |check| check.outcome == outcome)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test may fail by panicking")]

    use super::*;

    #[test]
    fn json_has_its_schema_first_and_can_be_read_back() {
        for evidence in samples::all() {
            let text = json(&evidence);
            assert!(text.starts_with("{\n  \"schema\": 1,"), "{text}");
            assert_eq!(serde_json::from_str::<Evidence>(&text).expect("our own words"), evidence);
        }
        insta::assert_snapshot!(json(&samples::some_failed()));
    }

    #[test]
    fn json_cannot_steer_a_terminal() {
        let text = json(&samples::hostile());
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' || samples::turns_text_around(c)), "{text:?}");
    }

    #[test]
    fn reasons_and_components_group_in_the_order_of_their_first_check() {
        let evidence = samples::many_skipped();
        let groups = skipped(&evidence);
        let sizes: Vec<_> = groups.iter().map(|(_, checks)| checks.len()).collect();
        assert_eq!(sizes, [4, 1, 2], "{groups:?}");
    }
}
