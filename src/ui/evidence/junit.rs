//! For CI viewers: the JUnit form that Jenkins, GitLab, GitHub and Azure read.

use super::super::style::tame;
use super::grouped;
use quick_xml::Writer;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesStart, BytesText, Event};
use reportctl::model::component::ComponentName;
use reportctl::smoke::evidence::{CheckResult, Evidence, Outcome};
use std::fmt::Write as _;
use std::io;

/// Writes the document.
pub fn render(evidence: &Evidence) -> Result<String, String> {
    let mut out = Writer::new_with_indent(Vec::new(), b' ', 2);
    document(&mut out, evidence).map_err(|error| error.to_string())?;
    let mut text = String::from_utf8(out.into_inner()).map_err(|error| error.to_string())?;
    text.push('\n');
    Ok(text)
}

type Out = Writer<Vec<u8>>;

fn document(out: &mut Out, evidence: &Evidence) -> io::Result<()> {
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let mut root = vec![("name", format!("smoke of {}", evidence.env))];
    root.extend(counts(&evidence.checks.iter().collect::<Vec<_>>(), evidence.millis, &evidence.at));
    element(out, "testsuites", &root, |out| {
        let suites = grouped(evidence.checks.iter(), |check| check.component);
        suites.iter().try_for_each(|(component, checks)| suite(out, evidence, *component, checks))
    })
}

/// The numbers that a set of checks has; times are in seconds.
fn counts(checks: &[&CheckResult], millis: u64, at: &str) -> [(&'static str, String); 6] {
    let count = |outcome| checks.iter().filter(|check| check.outcome == outcome).count().to_string();
    [
        ("tests", checks.len().to_string()),
        ("failures", count(Outcome::Failed)),
        ("errors", "0".to_owned()),
        ("skipped", count(Outcome::Skipped)),
        ("time", seconds(millis)),
        ("timestamp", at.to_owned()),
    ]
}

fn suite(out: &mut Out, evidence: &Evidence, component: ComponentName, checks: &[&CheckResult]) -> io::Result<()> {
    let millis = checks.iter().fold(0_u64, |sum, check| sum.saturating_add(check.millis));
    let mut attributes = vec![("name", component.as_str().to_owned())];
    attributes.extend(counts(checks, millis, &evidence.at));
    let mut properties = vec![("environment", evidence.env.to_string()), ("identity", evidence.id.to_string())];
    properties.extend(evidence.versions.get(&component).map(|version| ("version", version.to_string())));
    element(out, "testsuite", &attributes, |out| {
        element(out, "properties", &[], |out| {
            for (name, value) in properties {
                leaf(out, "property", &[("name", name.to_owned()), ("value", value)], "")?;
            }
            Ok(())
        })?;
        checks.iter().try_for_each(|check| case(out, check))
    })
}

fn case(out: &mut Out, check: &CheckResult) -> io::Result<()> {
    let attributes = [
        ("classname", check.component.as_str().to_owned()),
        ("name", check.name.clone()),
        ("time", seconds(check.millis)),
    ];
    element(out, "testcase", &attributes, |out| match check.outcome {
        Outcome::Passed => leaf(out, "system-out", &[], &format!("{}\n{}", check.title, check.detail)),
        Outcome::Skipped => {
            leaf(out, "skipped", &[("message", check.detail.clone())], "")?;
            leaf(out, "system-out", &[], &check.title)
        }
        Outcome::Failed => {
            let first = check.detail.lines().next().unwrap_or_default();
            let kind = [("message", first.to_owned()), ("type", "failed-check".to_owned())];
            let mut told = format!("{}\n\n{}", check.title, check.detail);
            for (label, words) in [("Expected", &check.expected), ("What to do next", &check.advice)] {
                if let Some(words) = words {
                    let _ = write!(told, "\n\n{label}: {words}");
                }
            }
            leaf(out, "failure", &kind, &told)
        }
    })
}

fn element(
    out: &mut Out,
    name: &str,
    attributes: &[(&str, String)],
    inside: impl FnOnce(&mut Out) -> io::Result<()>,
) -> io::Result<()> {
    let start = start(name, attributes);
    out.write_event(Event::Start(start.borrow()))?;
    inside(out)?;
    out.write_event(Event::End(start.to_end()))
}

fn leaf(out: &mut Out, name: &str, attributes: &[(&str, String)], text: &str) -> io::Result<()> {
    let start = start(name, attributes);
    if text.is_empty() {
        return out.write_event(Event::Empty(start));
    }
    out.write_event(Event::Start(start.borrow()))?;
    out.write_event(Event::Text(BytesText::new(&allowed(text))))?;
    out.write_event(Event::End(start.to_end()))
}

fn start<'a>(name: &'a str, attributes: &[(&str, String)]) -> BytesStart<'a> {
    let mut start = BytesStart::new(name);
    for (key, value) in attributes {
        start.push_attribute(Attribute::from((*key, allowed(value).as_str())));
    }
    start
}

/// The text with each character made visible that XML 1.0 forbids even as a reference: most control characters and
/// two that are no characters (<https://www.w3.org/TR/xml/#charsets>).
fn allowed(text: &str) -> String {
    tame(text).replace('\u{fffe}', "\\u{fffe}").replace('\u{ffff}', "\\u{ffff}")
}

fn seconds(millis: u64) -> String {
    format!("{}.{:03}", millis / 1_000, millis % 1_000)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, clippy::panic, reason = "a test may fail by panicking")]

    use super::super::samples;
    use super::*;
    use quick_xml::Reader;

    /// The value of every attribute and every text of a document, read back by a parser.
    fn read_back(document: &str) -> Vec<String> {
        let mut reader = Reader::from_str(document);
        let (mut found, mut text) = (Vec::new(), String::new());
        loop {
            match reader.read_event().unwrap_or_else(|error| panic!("{error} in {document}")) {
                Event::Start(start) | Event::Empty(start) => {
                    for attribute in start.attributes() {
                        let attribute = attribute.expect("an attribute");
                        let value = attribute.normalized_value(quick_xml::XmlVersion::Explicit1_0);
                        found.push(value.expect("known references").into_owned());
                    }
                }
                Event::Text(part) => text.push_str(&part),
                Event::GeneralRef(name) => {
                    text.push_str(quick_xml::escape::resolve_xml_entity(&name).expect("a known reference"));
                }
                Event::End(_) => found.push(std::mem::take(&mut text)),
                Event::Eof => return found,
                _ => {}
            }
        }
    }

    #[test]
    fn it_is_as_ci_viewers_want_it() {
        insta::assert_snapshot!("junit_failed", render(&samples::some_failed()).expect("a document"));
        insta::assert_snapshot!("junit_hostile", render(&samples::hostile()).expect("a document"));
        insta::assert_snapshot!("junit_nothing", render(&samples::nothing()).expect("a document"));
    }

    #[test]
    fn seconds_have_three_places() {
        assert_eq!([0, 7, 1_050, 61_000].map(seconds), ["0.000", "0.007", "1.050", "61.000"]);
    }

    #[test]
    fn no_character_that_xml_forbids_is_left() {
        let text = render(&samples::hostile()).expect("a document");
        let fine = |c: char| matches!(c, '\t' | '\n' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        assert!(text.chars().all(fine), "{text:?}");
        let told = read_back(&text);
        for check in &samples::hostile().checks {
            assert!(told.contains(&allowed(&check.name)), "{told:?}");
            assert!(told.iter().any(|told| told.contains(&allowed(&check.title))), "{told:?}");
        }
        assert!(!text.contains("<script") && !text.contains("]]>"), "{text}");
    }
}
