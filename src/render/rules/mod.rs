//! What Prometheus computes and watches: recording rules, alert rules, and a unit test of each alert.
//!
//! An alert cannot be written down without two cases beside it: one in which it fires, with the words that people will
//! read, and one in which it keeps quiet. `promtool test rules` judges them.

mod host;
mod redis;
mod reports;
mod smoke;
mod unit_tests;
mod watchers;

use super::RenderError;
use crate::model::component::ComponentName;
use crate::model::environment::{Environment, Options};
use crate::model::quantity::Span;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

pub use smoke::ALERT as SMOKE_ALERT;
pub use unit_tests::unit_tests;

/// What the rules depend on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The environment, for the commands that descriptions name.
    pub env: String,
    /// The components that run.
    pub components: BTreeSet<ComponentName>,
    /// The span over which rates are taken: at least five minutes and four scrapes.
    pub window: Span,
}

impl Watched {
    /// The rules for these components of an environment.
    ///
    /// Errors: Prometheus is not among them, or has not its own options.
    pub fn new(env: &Environment, components: BTreeSet<ComponentName>) -> Result<Self, RenderError> {
        let prometheus = ComponentName::Prometheus;
        let component = env.stack.components.get(&prometheus).ok_or(RenderError::NotActive(prometheus))?;
        let Options::Prometheus { scrape_interval, .. } = component.options else {
            return Err(RenderError::Options(prometheus));
        };
        let window = Span(scrape_interval.0.saturating_mul(4).max(300_000));
        Ok(Self { env: env.name.to_string(), components, window })
    }

    /// A rule's text with its tokens replaced: `$window`, and `$env` for the option that names the environment.
    fn text(&self, text: &str) -> String {
        text.replace("$window", &self.window.to_string()).replace("$env", &format!("-e {}", self.env))
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Reports are lost or not made, or soon will be: somebody must act now.
    Critical,
    /// It must be looked at today.
    Warning,
    /// It is for programs, or good to know.
    Info,
}

/// One alert rule, with the cases that prove it.
#[derive(Debug, Clone)]
pub struct Alert {
    /// Its name, unique among all rules.
    pub name: &'static str,
    /// The components whose series it reads: it is there only when all of them run.
    pub of: &'static [ComponentName],
    /// The condition, in PromQL.
    pub expr: &'static str,
    /// How long the condition must hold.
    pub hold: Span,
    /// How bad it is.
    pub severity: Severity,
    /// Labels beside `severity` and `component`.
    pub labels: &'static [(&'static str, &'static str)],
    /// One line, a template of Prometheus.
    pub summary: &'static str,
    /// What it means and what to type next, a template of Prometheus.
    pub description: &'static str,
    /// A case in which it fires.
    pub fires: Fires,
    /// A case in which it does not.
    pub quiet: Quiet,
}

/// A case in which an alert fires.
#[derive(Debug, Clone)]
pub struct Fires {
    /// Series and their values, one a 15 seconds, in promtool's notation.
    pub input: &'static [(&'static str, &'static str)],
    /// The minute at which it fires.
    pub at: u32,
    /// The labels that it takes over from its series.
    pub labels: &'static [(&'static str, &'static str)],
    /// The summary as people will read it.
    pub summary: &'static str,
    /// The description as people will read it, where it differs from the template.
    pub description: Option<&'static str>,
}

/// A case in which an alert keeps quiet.
#[derive(Debug, Clone)]
pub struct Quiet {
    /// Series and their values, one a 15 seconds, in promtool's notation.
    pub input: &'static [(&'static str, &'static str)],
    /// The minute at which it is quiet.
    pub at: u32,
}

/// A series that is computed ahead, because panels and alerts ask for it often.
#[derive(Debug, Clone, Copy)]
pub struct Recording {
    /// The series' name.
    pub name: &'static str,
    /// The components whose series it reads.
    pub of: &'static [ComponentName],
    /// How it is computed, in PromQL.
    pub expr: &'static str,
}

/// Every alert rule for what runs, in the order of the file.
pub fn alerts(watched: &Watched) -> Vec<Alert> {
    sections().into_iter().flat_map(|section| section.alerts).filter(|alert| runs(watched, alert.of)).collect()
}

/// Every recording rule for what runs, in the order of the file.
pub fn recordings(watched: &Watched) -> Vec<Recording> {
    sections().into_iter().flat_map(|section| section.recordings).filter(|rule| runs(watched, rule.of)).collect()
}

/// The rule file.
///
/// Errors: it has no YAML form.
pub fn rules(watched: &Watched) -> Result<String, RenderError> {
    let groups: Vec<GroupText> = sections().into_iter().filter_map(|section| group(watched, section)).collect();
    let what = ["Recording rules and alert rules."];
    super::yaml::document(&watched.env, &what, &BTreeMap::from([("groups", groups)]))
}

/// Rules that are evaluated together.
struct Section {
    name: &'static str,
    /// How often, when not as often as all others.
    interval: Option<Span>,
    recordings: Vec<Recording>,
    alerts: Vec<Alert>,
}

fn sections() -> [Section; 5] {
    [redis::section(), host::section(), watchers::section(), reports::section(), smoke::section()]
}

fn runs(watched: &Watched, of: &[ComponentName]) -> bool {
    of.iter().all(|component| watched.components.contains(component))
}

#[derive(Serialize)]
struct GroupText {
    name: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<String>,
    rules: Vec<RuleText>,
}

#[derive(Serialize)]
struct RuleText {
    #[serde(skip_serializing_if = "Option::is_none")]
    record: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alert: Option<&'static str>,
    expr: String,
    #[serde(rename = "for", skip_serializing_if = "Option::is_none")]
    hold: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<&'static str, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

/// A group as it stands in the file; none when nothing of it applies.
fn group(watched: &Watched, section: Section) -> Option<GroupText> {
    let recordings = section.recordings.iter().filter(|rule| runs(watched, rule.of)).map(|rule| RuleText {
        record: Some(rule.name),
        alert: None,
        expr: watched.text(rule.expr),
        hold: None,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    });
    let alerts = section.alerts.iter().filter(|alert| runs(watched, alert.of)).map(|alert| RuleText {
        record: None,
        alert: Some(alert.name),
        expr: watched.text(alert.expr),
        hold: (alert.hold.0 > 0).then(|| alert.hold.to_string()),
        labels: own_labels(alert),
        annotations: BTreeMap::from([
            ("summary", watched.text(alert.summary)),
            ("description", watched.text(alert.description)),
        ]),
    });
    let rules: Vec<RuleText> = recordings.chain(alerts).collect();
    (!rules.is_empty()).then(|| GroupText {
        name: section.name,
        interval: section.interval.map(|interval| interval.to_string()),
        rules,
    })
}

/// The labels that an alert adds to those of its series.
fn own_labels(alert: &Alert) -> BTreeMap<&'static str, String> {
    let severity = match alert.severity {
        Severity::Critical => "critical",
        Severity::Warning => "warning",
        Severity::Info => "info",
    };
    let mut labels = BTreeMap::from([("severity", severity.to_owned())]);
    labels.extend(alert.labels.iter().map(|(name, value)| (*name, (*value).to_owned())));
    labels
}
