//! For people at a terminal.

use super::super::style::{Paint, tame};
use super::super::wrap::{columns, wrap};
use super::{ended, skipped, words};
use reportctl::smoke::evidence::{CheckResult, Evidence, Outcome};
use std::fmt::Write as _;

/// Within these columns everything reads well; a wider terminal is not filled, a narrower one breaks lines itself.
const WIDTHS: std::ops::RangeInclusive<usize> = 60..=120;

/// A title in fewer columns than this goes to a line of its own.
const NARROWEST_TITLE: usize = 30;

/// Draws the parts, an empty line between two.
pub fn render(evidence: &Evidence, paint: Paint, width: usize) -> String {
    let width = width.clamp(*WIDTHS.start(), *WIDTHS.end());
    let mut parts = vec![heading(evidence, paint, width)];
    let ran: Vec<_> = evidence.checks.iter().filter(|check| check.outcome != Outcome::Skipped).collect();
    if !ran.is_empty() {
        parts.push(rows(&ran, paint, width));
    }
    let reasons = reasons(evidence, paint, width);
    if !reasons.is_empty() {
        parts.push(reasons);
    }
    parts.extend(ended(evidence, Outcome::Failed).map(|check| failure(check, paint, width)));
    parts.push(closing(evidence, paint));
    parts.join("\n")
}

fn heading(evidence: &Evidence, paint: Paint, width: usize) -> String {
    let facts = format!("{}, {}, took {}", evidence.id, words::moment(&evidence.at), words::duration(evidence.millis));
    let mut text = format!("Evidence for {}\n{}\n", paint.bold(evidence.env.as_str()), block(&facts, 0, width));
    let versions = words::versions(evidence, |component| component.as_str());
    if !versions.is_empty() {
        let _ = writeln!(text, "{}", paint.dim(&block(&format!("with {versions}"), 5, width)));
    }
    text
}

/// The columns, but for the title: outcome and time first, since their widths are known.
struct Columns {
    time: usize,
    name: usize,
    width: usize,
}

impl Columns {
    fn of(checks: &[&CheckResult], width: usize) -> Self {
        let widest = |text: fn(&CheckResult) -> String, head: &str| {
            checks.iter().map(|check| columns(&text(check))).chain([head.len()]).max().unwrap_or(0)
        };
        let time = widest(|check| words::duration(check.millis), "TIME");
        Self { time, name: widest(|check| line(&check.name), "CHECK"), width }
    }

    /// Where the name begins.
    fn at_name(&self) -> usize {
        "RESULT".len() + 2 + self.time + 2
    }

    /// Where the title begins: beside the name where there is room, else below it.
    fn at_title(&self) -> usize {
        let beside = self.at_name() + self.name + 2;
        if beside + NARROWEST_TITLE <= self.width { beside } else { self.at_name() }
    }
}

fn rows(checks: &[&CheckResult], paint: Paint, width: usize) -> String {
    let columns_of = Columns::of(checks, width);
    let (time, name) = (columns_of.time, columns_of.name);
    let (at_name, at_title) = (columns_of.at_name(), columns_of.at_title());
    let beside = at_title > at_name;
    let proves = if beside { format!("{:name$}  PROVES", "CHECK") } else { "CHECK".to_owned() };
    let mut text = format!("{}\n", paint.dim(&format!("RESULT  {:>time$}  {proves}", "TIME")));
    for check in checks {
        let took = words::duration(check.millis);
        let result = outcome(check.outcome, paint);
        let mut row = format!("{result}  {}{took}  ", " ".repeat(time - columns(&took)));
        let called = if beside { vec![line(&check.name)] } else { wrap(&line(&check.name), width - at_name) };
        row.push_str(&called.join(&new_line(at_name)));
        let title = wrap(&line(&check.title), width - at_title).join(&new_line(at_title));
        if !beside {
            row.push_str(&new_line(at_title));
        } else if !title.is_empty() {
            row.push_str(&" ".repeat(name + 2 - columns(&line(&check.name))));
        }
        row.push_str(&title);
        let _ = writeln!(text, "{}", row.trim_end());
    }
    text
}

fn outcome(outcome: Outcome, paint: Paint) -> String {
    let word = words::outcome(outcome);
    match outcome {
        Outcome::Passed => paint.green(word),
        // The one word that has to be seen without colour too.
        Outcome::Failed => paint.red("FAILED"),
        Outcome::Skipped => paint.yellow(word),
    }
}

/// The skipped checks, by their reason.
fn reasons(evidence: &Evidence, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    for (reason, checks) in skipped(evidence) {
        let names: Vec<_> = checks.iter().map(|check| line(&check.name)).collect();
        let label = paint.yellow(words::outcome(Outcome::Skipped));
        let reason = if reason.is_empty() { "no reason given" } else { reason };
        let _ = writeln!(text, "{label}  {}", block(reason, 9, width));
        let _ = writeln!(text, "         {}", paint.dim(&block(&names.join(", "), 9, width)));
    }
    text
}

/// What was seen, and what to type next.
fn failure(check: &CheckResult, paint: Paint, width: usize) -> String {
    let title = block(&line(&check.title), 8, width);
    let mut text = format!("{}  {}\n", outcome(check.outcome, paint), paint.bold(&title));
    let mut field = |label: &str, value: Option<&str>| {
        if let Some(value) = value.map(str::trim).filter(|value| !value.is_empty()) {
            let _ = writeln!(text, "        {}{}", paint.dim(&format!("{label:<10}")), block(value, 18, width));
        }
    };
    field("check", Some(&line(&check.name)));
    field("observed", Some(&check.detail));
    field("expected", check.expected.as_deref());
    field("next", check.advice.as_deref());
    text.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}

fn closing(evidence: &Evidence, paint: Paint) -> String {
    let summary = words::summary(evidence);
    let summary = if evidence.is_green() { paint.green(&summary) } else { paint.red(&summary) };
    format!("{summary}\n")
}

/// Foreign words on one line.
fn line(text: &str) -> String {
    tame(&text.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// Foreign words on as many lines as they need, each but the first moved to the right.
fn block(text: &str, at: usize, width: usize) -> String {
    wrap(&tame(text.trim()).replace('\t', "    "), width.saturating_sub(at)).join(&new_line(at))
}

fn new_line(at: usize) -> String {
    format!("\n{}", " ".repeat(at))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn it_reads_right_at_each_width() {
        insta::assert_snapshot!("table_green_100", render(&samples::green(), Paint::new(false), 100));
        insta::assert_snapshot!("table_failed_60", render(&samples::some_failed(), Paint::new(false), 60));
        insta::assert_snapshot!("table_failed_80", render(&samples::some_failed(), Paint::new(false), 80));
        insta::assert_snapshot!("table_failed_200", render(&samples::some_failed(), Paint::new(false), 200));
        insta::assert_snapshot!("table_skipped_80", render(&samples::many_skipped(), Paint::new(false), 80));
        insta::assert_snapshot!("table_nothing", render(&samples::nothing(), Paint::new(false), 80));
    }

    #[test]
    fn no_line_is_wider_than_the_terminal_and_none_ends_in_spaces() {
        for evidence in samples::all() {
            for width in 60..=200 {
                for line in render(&evidence, Paint::new(false), width).lines() {
                    // What can be typed is not broken.
                    assert!(columns(line) <= width || line.contains('`'), "{width}: {line}");
                    assert_eq!(line, line.trim_end(), "{width}");
                }
            }
        }
    }

    #[test]
    fn colour_only_underlines() {
        for evidence in samples::all() {
            let colored = render(&evidence, Paint::new(true), 80);
            let codes = ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[1;31m", "\u{1b}[32m", "\u{1b}[33m"];
            let bare = codes.iter().fold(colored, |text, code| text.replace(code, ""));
            assert_eq!(bare, render(&evidence, Paint::new(false), 80));
        }
    }

    #[test]
    fn it_closes_with_the_counts_and_tells_every_check() {
        for evidence in samples::all() {
            let text = render(&evidence, Paint::new(false), 200);
            assert_eq!(text.lines().last(), Some(words::summary(&evidence).as_str()));
        }
        let failed = samples::some_failed();
        let text = render(&failed, Paint::new(false), 200);
        for check in &failed.checks {
            assert!(text.contains(&check.name), "{} in {text}", check.name);
        }
        for check in ended(&failed, Outcome::Failed) {
            for told in [&check.advice, &check.expected].into_iter().flatten() {
                assert!(text.contains(told), "{told} in {text}");
            }
        }
    }

    #[test]
    fn foreign_words_cannot_steer_the_terminal() {
        let text = render(&samples::hostile(), Paint::new(false), 80);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n' || samples::turns_text_around(c)), "{text:?}");
        assert!(text.contains("\\u{1b}[2J"), "{text}");
    }
}
