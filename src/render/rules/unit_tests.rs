//! The unit tests of the alerts, as `promtool test rules` reads them.

use super::super::RenderError;
use super::{Alert, Watched, alerts, own_labels};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Serialize)]
struct File {
    rule_files: Vec<String>,
    evaluation_interval: &'static str,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    name: String,
    interval: &'static str,
    input_series: Vec<Series>,
    alert_rule_test: Vec<Expectation>,
}

#[derive(Serialize)]
struct Series {
    series: &'static str,
    values: &'static str,
}

#[derive(Serialize)]
struct Expectation {
    eval_time: String,
    alertname: &'static str,
    exp_alerts: Vec<Expected>,
}

#[derive(Serialize)]
struct Expected {
    exp_labels: BTreeMap<&'static str, String>,
    exp_annotations: BTreeMap<&'static str, String>,
}

/// The unit tests of every alert for what runs: each fires in one case, with the words that people will read, and keeps
/// quiet in another. `rule_file` is where the rules are, seen from the tests.
///
/// Errors: it has no YAML form.
pub fn unit_tests(watched: &Watched, rule_file: &str) -> Result<String, RenderError> {
    let tests = alerts(watched).iter().flat_map(|alert| [fires(watched, alert), quiet(alert)]).collect();
    let file = File { rule_files: vec![rule_file.to_owned()], evaluation_interval: "15s", tests };
    super::super::yaml::document(
        &watched.env,
        &["Unit tests of the alert rules: `promtool test rules` runs them."],
        &file,
    )
}

fn fires(watched: &Watched, alert: &Alert) -> Test {
    let case = &alert.fires;
    let mut labels = own_labels(alert);
    labels.extend(case.labels.iter().map(|(name, value)| (*name, (*value).to_owned())));
    let annotations = BTreeMap::from([
        ("summary", watched.text(case.summary)),
        ("description", watched.text(case.description.unwrap_or(alert.description))),
    ]);
    test(
        format!("{} fires", alert.name),
        case.input,
        Expectation {
            eval_time: format!("{}m", case.at),
            alertname: alert.name,
            exp_alerts: vec![Expected { exp_labels: labels, exp_annotations: annotations }],
        },
    )
}

fn quiet(alert: &Alert) -> Test {
    let case = &alert.quiet;
    let expected = Expectation { eval_time: format!("{}m", case.at), alertname: alert.name, exp_alerts: Vec::new() };
    test(format!("{} keeps quiet", alert.name), case.input, expected)
}

fn test(name: String, input: &[(&'static str, &'static str)], expectation: Expectation) -> Test {
    Test {
        name,
        interval: "15s",
        input_series: input.iter().map(|(series, values)| Series { series, values }).collect(),
        alert_rule_test: vec![expectation],
    }
}
