//! For managers: one page that needs nothing but itself.

use super::super::style::tame;
use super::{Group, ended, grouped, skipped, words};
use reportctl::model::component::ComponentName;
use reportctl::smoke::evidence::{CheckResult, Evidence, Outcome};
use serde::Serialize;
use tera::{Context, Tera};

/// The name's ending is what switches the escaping on.
const NAME: &str = "evidence.html";
const TEMPLATE: &str = include_str!("page.html");

/// Fills in the template.
pub fn render(evidence: &Evidence) -> Result<String, tera::Error> {
    let mut tera = Tera::default();
    tera.autoescape_on([".html"]);
    tera.add_raw_template(NAME, TEMPLATE)?;
    tera.render(NAME, &Context::from_serialize(&Page::of(evidence))?)
}

/// What the template shows; all decisions are made here. Foreign words are tamed.
#[derive(Serialize)]
struct Page {
    /// `good`, `bad` or `none`.
    state: &'static str,
    headline: String,
    sentence: String,
    env: String,
    id: String,
    at: String,
    spoken_at: String,
    /// Whether a machine can read `at`.
    timed: bool,
    took: String,
    versions: String,
    counts: Vec<Count>,
    failures: Vec<Check>,
    components: Vec<Component>,
    reasons: Vec<Reason>,
}

/// How many checks ended so.
#[derive(Serialize)]
struct Count {
    outcome: &'static str,
    number: usize,
}

/// The checks of one component that were run.
#[derive(Serialize)]
struct Component {
    name: &'static str,
    purpose: &'static str,
    /// `passed` or `failed`.
    outcome: &'static str,
    verdict: String,
    checks: Vec<Check>,
}

#[derive(Serialize)]
struct Check {
    name: String,
    component: &'static str,
    title: String,
    outcome: &'static str,
    detail: String,
    expected: Option<String>,
    advice: Option<Vec<Piece>>,
    took: String,
}

/// A part of a text.
#[derive(Serialize)]
struct Piece {
    text: String,
    /// Whether it can be typed: it stood between backticks.
    typed: bool,
}

/// Why some checks were skipped.
#[derive(Serialize)]
struct Reason {
    reason: Vec<Piece>,
    checks: Vec<Check>,
}

impl Page {
    fn of(evidence: &Evidence) -> Self {
        let (state, headline, sentence) = verdict(evidence);
        let ran = evidence.checks.iter().filter(|check| check.outcome != Outcome::Skipped);
        Self {
            state,
            headline,
            sentence,
            env: evidence.env.to_string(),
            id: evidence.id.to_string(),
            at: tame(&evidence.at),
            spoken_at: tame(&words::spoken_moment(&evidence.at)),
            timed: words::is_moment(&evidence.at),
            took: words::duration(evidence.millis),
            versions: words::versions(evidence, |component| words::component(component).0),
            counts: [Outcome::Passed, Outcome::Failed, Outcome::Skipped]
                .map(|outcome| Count { outcome: words::outcome(outcome), number: evidence.count(outcome) })
                .into(),
            failures: ended(evidence, Outcome::Failed).map(Check::of).collect(),
            components: grouped(ran, |check| check.component).iter().map(Component::of).collect(),
            reasons: skipped(evidence).iter().map(Reason::of).collect(),
        }
    }
}

/// The state, the headline, and a sentence on how much was looked at.
fn verdict(evidence: &Evidence) -> (&'static str, String, String) {
    let count = |outcome| evidence.count(outcome);
    let (passed, failed, skipped) = (count(Outcome::Passed), count(Outcome::Failed), count(Outcome::Skipped));
    let left_out = match skipped {
        0 => "Nothing was left out.".to_owned(),
        1 => "1 check was left out; below is why.".to_owned(),
        _ => format!("{skipped} checks were left out; below is why."),
    };
    let ran = words::checks(passed + failed);
    match (passed, failed) {
        (0, 0) if skipped == 0 => ("none", "Nothing was proved".to_owned(), "There was no check to run.".to_owned()),
        (0, 0) => ("none", "Nothing was proved".to_owned(), format!("No check was run. {left_out}")),
        (_, 0) => ("good", "All that was checked works".to_owned(), format!("{ran} passed. {left_out}")),
        (0, _) => ("bad", "Nothing that was checked works".to_owned(), format!("{ran} failed. {left_out}")),
        (_, 1) => ("bad", "One thing does not work".to_owned(), format!("1 of {ran} failed. {left_out}")),
        _ => ("bad", format!("{failed} things do not work"), format!("{failed} of {ran} failed. {left_out}")),
    }
}

impl Component {
    fn of((name, checks): &Group<'_, ComponentName>) -> Self {
        let failed = checks.iter().filter(|check| check.outcome == Outcome::Failed).count();
        let total = checks.len();
        let (outcome, verdict) = match failed {
            0 => (Outcome::Passed, format!("{total} of {total} passed")),
            _ => (Outcome::Failed, format!("{failed} of {total} failed")),
        };
        let (name, purpose) = words::component(*name);
        let checks = checks.iter().copied().map(Check::of).collect();
        Self { name, purpose, outcome: words::outcome(outcome), verdict, checks }
    }
}

impl Check {
    fn of(check: &CheckResult) -> Self {
        let some = |text: &Option<String>| text.as_deref().map(str::trim).filter(|text| !text.is_empty()).map(tame);
        Self {
            name: tame(&check.name),
            component: words::component(check.component).0,
            title: tame(&check.title),
            outcome: words::outcome(check.outcome),
            detail: tame(check.detail.trim()),
            expected: some(&check.expected),
            advice: some(&check.advice).map(|advice| pieces(&advice)),
            took: words::duration(check.millis),
        }
    }
}

impl Reason {
    fn of((reason, checks): &Group<'_, &str>) -> Self {
        let reason = if reason.is_empty() { "no reason given" } else { reason };
        Self { reason: pieces(&tame(reason)), checks: checks.iter().copied().map(Check::of).collect() }
    }
}

/// The text as a sentence, apart where backticks are. A backtick without its like is only a character.
fn pieces(text: &str) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let mut rest = text;
    while let Some((before, (typed, after))) =
        rest.split_once('`').and_then(|(before, more)| Some((before, more.split_once('`')?)))
    {
        pieces.push(Piece { text: before.to_owned(), typed: false });
        pieces.push(Piece { text: typed.to_owned(), typed: true });
        rest = after;
    }
    pieces.push(Piece { text: rest.to_owned(), typed: false });
    pieces.retain(|piece| !piece.text.is_empty());
    if let Some(first) = pieces.first_mut().filter(|piece| !piece.typed) {
        first.text = capitalised(&first.text);
    }
    pieces
}

/// The text with a capital letter first, if its first word is an ordinary one.
fn capitalised(text: &str) -> String {
    let (word, rest) = text.split_at(text.find(char::is_whitespace).unwrap_or(text.len()));
    let mut chars = word.chars();
    match chars.next() {
        Some(first) if word.chars().all(char::is_alphabetic) => {
            first.to_uppercase().chain(chars).chain(rest.chars()).collect()
        }
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, reason = "a test may fail by panicking")]

    use super::super::samples;
    use super::*;

    fn page(evidence: &Evidence) -> String {
        render(evidence).expect("a page")
    }

    #[test]
    fn it_says_what_a_manager_wants_to_know() {
        insta::assert_snapshot!("html_failed", page(&samples::some_failed()));
        let headlines = samples::all().map(|evidence| verdict(&evidence).1);
        let expected = [
            "All that was checked works",
            "2 things do not work",
            "All that was checked works",
            "Nothing was proved",
            "One thing does not work",
        ];
        assert_eq!(headlines, expected);
    }

    #[test]
    fn only_skipped_checks_prove_nothing_and_only_failed_ones_are_bad() {
        let all = |outcome| {
            let mut evidence = samples::green();
            evidence.checks.iter_mut().for_each(|check| check.outcome = outcome);
            verdict(&evidence)
        };
        let (state, headline, sentence) = all(Outcome::Skipped);
        assert_eq!((state, headline.as_str()), ("none", "Nothing was proved"));
        assert_eq!(sentence, "No check was run. 8 checks were left out; below is why.");
        let (state, headline, sentence) = all(Outcome::Failed);
        assert_eq!((state, headline.as_str()), ("bad", "Nothing that was checked works"));
        assert_eq!(sentence, "8 checks failed. Nothing was left out.");
    }

    #[test]
    fn each_id_is_there_once_and_each_reference_is_met() {
        for evidence in samples::all() {
            let text = page(&evidence);
            let values = |mark: &str| -> Vec<String> {
                let parts = text.split(mark).skip(1);
                parts.filter_map(|part| part.split_once('"')).map(|(value, _)| value.to_owned()).collect()
            };
            let ids = values(" id=\"");
            let unique: std::collections::BTreeSet<_> = ids.iter().collect();
            assert_eq!(unique.len(), ids.len(), "{ids:?}");
            for reference in values(" href=\"#").iter().chain(&values(" aria-labelledby=\"")) {
                assert!(ids.contains(reference), "{reference} in {ids:?}");
            }
        }
    }

    #[test]
    fn every_check_is_told() {
        let evidence = samples::some_failed();
        let text = page(&evidence);
        for check in &evidence.checks {
            assert!(text.contains(&check.name) && text.contains(&check.title), "{} in {text}", check.name);
        }
    }

    #[test]
    fn it_needs_nothing_from_elsewhere_and_no_script() {
        for evidence in samples::all() {
            let text = page(&evidence);
            for foreign in ["<script", "<link", "<img", "<iframe", "@import", "url(", " src=", "onclick", "{{", "{%"] {
                let known = if foreign == "{{" { text.matches("{{ env }}").count() } else { 0 };
                assert_eq!(text.matches(foreign).count(), known, "{foreign} in {text}");
            }
        }
    }

    #[test]
    fn hostile_words_stay_words() {
        let text = page(&samples::hostile());
        assert!(text.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{text}");
        assert!(text.contains("{{ env }}"), "words are no template");
        assert!(!text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t') || samples::turns_text_around(c)));
        // The same tags as a page of the same shape with harmless words: none came in with the words.
        let tame = |check: &CheckResult| CheckResult {
            name: "a".to_owned(),
            title: "a".to_owned(),
            detail: "a".to_owned(),
            expected: Some("a".to_owned()),
            advice: Some("a".to_owned()),
            ..check.clone()
        };
        let hostile = samples::hostile();
        let checks = hostile.checks.iter().map(tame).collect();
        let harmless = page(&Evidence { at: "a".to_owned(), checks, ..hostile });
        for mark in ['<', '>', '"', '\''] {
            assert_eq!(text.matches(mark).count(), harmless.matches(mark).count(), "{mark}");
        }
    }

    #[test]
    fn what_stands_between_backticks_can_be_typed() {
        let told = |text| pieces(text).into_iter().map(|piece| (piece.text, piece.typed)).collect::<Vec<_>>();
        let own = |text: &str, typed| (text.to_owned(), typed);
        assert_eq!(told("see `a b`, then"), [own("See ", false), own("a b", true), own(", then", false)]);
        assert_eq!(told("`a`"), [own("a", true)]);
        assert_eq!(told("it`s 5"), [own("it`s 5", false)]);
        assert_eq!(told("redis_up is 0"), [own("redis_up is 0", false)]);
        assert_eq!(told(""), []);
    }
}
