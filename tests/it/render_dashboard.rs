//! The dashboard in both of its forms: judged by promtool, by our own rules, and shown by a real Prometheus.

use super::render_support::{LOCAL, Stage, environment, eventually, get, said, tool};
use reportctl::model::component::ComponentName::{self, *};
use reportctl::model::quantity::Span;
use reportctl::render::check;
use reportctl::render::dashboard::{Dashboard, Kind, PROMETHEUS_UID, as_rules, console, grafana};
use reportctl::render::rules::Watched;
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn dashboard(components: &[ComponentName]) -> Dashboard {
    let watched = Watched::new(&environment(), components.iter().copied().collect()).unwrap();
    Dashboard::new(&watched, Span::seconds(5))
}

fn promtool(rules: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("panels.yml");
    std::fs::write(&path, rules).unwrap();
    let argv: Vec<&str> = check::PROMTOOL_CHECK_RULES.iter().copied().chain([path.to_str().unwrap()]).collect();
    let output = tool("prometheus", &argv);
    check::verdict(output.status.code(), &said(&output))
}

#[test]
fn promtool_understands_every_question() {
    for selection in [&LOCAL[..], &ComponentName::ALL] {
        let dashboard = dashboard(selection);
        let rules = as_rules(&dashboard).unwrap();
        let questions: usize = dashboard.panels().map(|panel| panel.queries.len()).sum();
        assert_eq!(rules.matches("expr:").count(), questions);
        promtool(&rules).unwrap_or_else(|error| panic!("{error}"));
        assert!(promtool(&rules.replacen("rate(", "rat(", 1)).is_err(), "a wrong question is not noticed");
    }
}

#[test]
fn every_panel_is_one_that_people_understand() {
    let dashboard = dashboard(&ComponentName::ALL);
    let titles: BTreeSet<&str> = dashboard.panels().map(|panel| panel.title).collect();
    assert_eq!(titles.len(), dashboard.panels().count(), "titles are unique");
    for panel in dashboard.panels() {
        assert!(panel.about.ends_with('.') && panel.about.len() > 20, "{}", panel.title);
        assert!(panel.empty.ends_with('.'), "{}", panel.title);
        let judged = matches!(panel.kind, Kind::Number | Kind::State);
        assert_eq!(judged, !panel.scale.steps.is_empty(), "{}: a large figure says whether it is good", panel.title);
        assert!(panel.scale.steps.is_sorted_by(|a, b| a.0 < b.0), "{}", panel.title);
    }
    for row in &dashboard.rows {
        let width: u32 = row.panels.iter().map(|panel| panel.width).sum();
        assert_eq!(width % 24, 0, "{}: lines are full", row.title);
    }
}

#[test]
fn panels_speak_of_what_runs_only() {
    let titles =
        |selection: &[ComponentName]| -> Vec<&str> { dashboard(selection).panels().map(|panel| panel.title).collect() };
    let local = titles(&LOCAL);
    assert!(local.contains(&"Commands") && local.contains(&"Processors") && local.contains(&"Notifications"));
    assert!(!local.contains(&"Reports waiting") && !local.contains(&"Rows stored"));
    assert!(titles(&ComponentName::ALL).contains(&"Reports waiting"));
    assert!(!titles(&[Prometheus]).contains(&"Commands"));
}

#[test]
fn the_grafana_dashboard_keeps_the_rules() {
    for selection in [&LOCAL[..], &ComponentName::ALL] {
        assert_eq!(check::dashboard(&grafana(&dashboard(selection)), &[PROMETHEUS_UID]), []);
    }
    assert!(!check::dashboard(&grafana(&dashboard(&LOCAL)), &["other"]).is_empty());
}

#[test]
fn each_rule_for_dashboards_finds_what_it_is_for() {
    let good = grafana(&dashboard(&LOCAL));
    let panel = good["panels"].as_array().unwrap().iter().position(|panel| panel["type"] == "timeseries").unwrap();
    let path = |rest: &str| format!("/panels/{panel}{rest}");
    let cases: Vec<(String, Value, &str)> = vec![
        ("/uid".into(), json!(""), "fixed identity"),
        ("/title".into(), json!(""), "no title"),
        ("/schemaVersion".into(), json!("42"), "36 to 42"),
        ("/schemaVersion".into(), json!(43), "36 to 42"),
        ("/editable".into(), json!(true), "edited"),
        ("/panels".into(), json!([]), "no panels"),
        (path("/id"), json!(1), "used twice"),
        (path("/title"), json!(""), "no title"),
        (path("/description"), json!(""), "no description"),
        (path("/fieldConfig/defaults/unit"), json!(""), "no unit"),
        (path("/datasource/uid"), json!("other"), "data source"),
        (path("/targets"), json!([]), "asks nothing"),
        (path("/targets/0/datasource/uid"), json!("other"), "data source"),
        (path("/targets/0/refId"), json!(""), "refId"),
        (path("/targets/0/expr"), json!(""), "no question"),
        (path("/targets/0/legendFormat"), json!(""), "no legend"),
        (path("/targets/0/expr"), json!("rate(x[5m])"), "$__rate_interval"),
        (path("/targets/0/expr"), json!("x{job=\"$job\"}"), "variable"),
        (path("/gridPos/x"), json!(20), "grid"),
        (path("/gridPos/y"), json!(0), "lies upon"),
        (path("/gridPos"), json!(null), "no place"),
    ];
    for (pointer, value, words) in cases {
        let mut bad = good.clone();
        *bad.pointer_mut(&pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
        let found: String =
            check::dashboard(&bad, &[PROMETHEUS_UID]).iter().map(|problem| format!("{problem}\n")).collect();
        assert!(found.contains(words), "{pointer} should say `{words}`: {found}");
    }
}

#[test]
fn prometheus_serves_the_page_and_answers_its_questions() {
    let stage = Stage::new(&LOCAL);
    let _running = [NodeExporter, Prometheus].map(|name| stage.start(name));
    let port = stage.port(Prometheus, "http");
    eventually("prometheus is ready", || get(port, "/-/ready").filter(|answer| answer.0 == 200));
    // The table for browsers without scripts is filled in by Prometheus itself.
    let row = format!("<td>127.0.0.1:{}</td><td>up</td>", stage.port(NodeExporter, "http"));
    let page = eventually("the page shows who answers", || {
        let (status, body) = get(port, "/consoles/report.html").unwrap();
        assert_eq!(status, 200, "{body}");
        body.contains(&row).then_some(body)
    });
    assert!(!page.contains("http://") || !page.contains("src="), "the page loads nothing from elsewhere");
    let spec = page.split("id=\"spec\">").nth(1).unwrap().split("</script>").next().unwrap();
    let spec: Value = serde_json::from_str(spec).unwrap();
    assert_eq!(spec["rows"][0]["panels"][0]["queries"][0]["legend"], "{{job}}");
    assert_eq!(spec["scrape"], 5.0);
    for query in spec["rows"].as_array().unwrap().iter().flat_map(|row| row["panels"].as_array().unwrap()) {
        for query in query["queries"].as_array().unwrap() {
            let expr = query["expr"].as_str().unwrap().replace("$window", "300s");
            let (status, body) = get(port, &format!("/api/v1/query?query={}", escaped(&expr))).unwrap();
            assert_eq!(status, 200, "{expr}: {body}");
        }
    }
    let page_address = stage.native(Prometheus).page.unwrap();
    assert_eq!(page_address, format!("http://127.0.0.1:{port}/consoles/report.html"));
}

/// Percent-encodes all but letters and digits.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[test]
fn the_page_holds_nothing_that_a_template_or_a_browser_mistakes() {
    let page = console(&dashboard(&ComponentName::ALL)).unwrap();
    let (_, after) = page.split_once("<script type=\"application/json\"").unwrap();
    assert!(!after.contains("{{"), "a template would read the panels");
    assert!(page.contains("<title>Report stack: local</title>"));
    for token in ["@ENV@", "@SPEC@", "@STYLE@", "@SCRIPT@"] {
        assert!(!page.contains(token), "{token}");
    }
}
