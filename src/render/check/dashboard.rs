//! Judgements on a Grafana dashboard, after the rules that its own linter has.

use super::{Problem, items, text};
use serde_json::Value;
use std::collections::BTreeSet;

/// Judges a dashboard in the classic form. `sources` are the fixed identities of the data sources that there are.
pub fn dashboard(dashboard: &Value, sources: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if text(dashboard, "uid").is_empty() {
        problems.push(Problem::new("uid", "without a fixed identity, links to the dashboard break"));
    }
    if text(dashboard, "title").is_empty() {
        problems.push(Problem::new("title", "it has no title"));
    }
    if !dashboard.get("schemaVersion").and_then(Value::as_u64).is_some_and(|version| (36..=42).contains(&version)) {
        problems.push(Problem::new("schemaVersion", "releases 9 to 13 read 36 to 42"));
    }
    if dashboard.get("editable") != Some(&Value::Bool(false)) {
        problems.push(Problem::new("editable", "what is provisioned must not look as if it could be edited"));
    }
    let panels = items(dashboard, "", "panels");
    if panels.iter().all(|(_, panel)| text(panel, "type") == "row") {
        problems.push(Problem::new("panels", "there are no panels"));
    }
    let mut ids = BTreeSet::new();
    let mut taken = BTreeSet::new();
    for (at, panel) in &panels {
        if !panel.get("id").and_then(Value::as_u64).is_some_and(|id| ids.insert(id)) {
            problems.push(Problem::new(at, "its id is missing or used twice"));
        }
        place(at, panel, &mut taken, &mut problems);
        if text(panel, "type") != "row" {
            judge_panel(at, panel, sources, &mut problems);
        }
    }
    problems
}

fn judge_panel(at: &str, panel: &Value, sources: &[&str], problems: &mut Vec<Problem>) {
    for key in ["title", "description"] {
        if text(panel, key).is_empty() {
            problems.push(Problem::new(at, format!("it has no {key}")));
        }
    }
    if panel.pointer("/fieldConfig/defaults/unit").and_then(Value::as_str).is_none_or(str::is_empty) {
        problems.push(Problem::new(at, "its figures have no unit"));
    }
    let known = |value: &Value| value.get("datasource").is_some_and(|source| sources.contains(&text(source, "uid")));
    if !known(panel) {
        problems.push(Problem::new(at, "its data source is not one of ours"));
    }
    let targets = items(panel, at, "targets");
    if targets.is_empty() {
        problems.push(Problem::new(at, "it asks nothing"));
    }
    let mut references = BTreeSet::new();
    for (at, target) in targets {
        let expr = text(target, "expr");
        if !known(target) {
            problems.push(Problem::new(&at, "its data source is not one of ours"));
        }
        if text(target, "refId").is_empty() || !references.insert(text(target, "refId")) {
            problems.push(Problem::new(&at, "its refId is missing or used twice"));
        }
        if expr.is_empty() || text(target, "legendFormat").is_empty() {
            problems.push(Problem::new(&at, "it has no question or no legend"));
        }
        if ["rate(", "increase("].iter().any(|call| expr.contains(call)) && !expr.contains("[$__rate_interval]") {
            problems.push(Problem::new(&at, "a rate must be taken over $__rate_interval, or long graphs miss figures"));
        }
        if expr.replace("$__rate_interval", "").contains('$') {
            problems.push(Problem::new(&at, "it names a variable that the dashboard does not have"));
        }
    }
}

/// Each field of Grafana's grid of 24 is taken once.
fn place(at: &str, panel: &Value, taken: &mut BTreeSet<(u64, u64)>, problems: &mut Vec<Problem>) {
    let side = |key: &str| panel.pointer(&format!("/gridPos/{key}")).and_then(Value::as_u64);
    let (Some(x), Some(y), Some(w), Some(h)) = (side("x"), side("y"), side("w"), side("h")) else {
        problems.push(Problem::new(at, "it has no place"));
        return;
    };
    if w == 0 || h == 0 || x + w > 24 {
        problems.push(Problem::new(at, "it does not fit into the grid of 24"));
    }
    let fields = (x..x + w.min(24)).flat_map(|x| (y..y + h.min(100)).map(move |y| (x, y)));
    if fields.filter(|field| !taken.insert(*field)).count() > 0 {
        problems.push(Problem::new(at, "it lies upon another panel"));
    }
}
