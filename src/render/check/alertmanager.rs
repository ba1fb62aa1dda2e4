//! Judgements on Alertmanager's configuration.

use super::{Problem, items, text, tree};
use serde_json::Value;
use std::collections::BTreeSet;

/// Judges a configuration. `matches` tells how many files a path or pattern of `templates` names.
///
/// `amtool check-config` passes a mistyped matcher (`severity == critical` means the value `= critical`), a pattern that
/// matches nothing, a receiver that no route leads to, and two routes of which the second is never reached.
pub fn alertmanager(config: &str, matches: impl Fn(&str) -> usize) -> Vec<Problem> {
    let tree = match tree(config) {
        Ok(tree) => tree,
        Err(problems) => return problems,
    };
    let mut problems = Vec::new();
    let mut used = BTreeSet::new();
    match tree.get("route") {
        Some(route) => walk(route, "route", &mut used, &mut problems),
        None => problems.push(Problem::new("route", "there is no route")),
    }
    for (at, rule) in items(&tree, "", "inhibit_rules") {
        for side in ["source_matchers", "target_matchers"] {
            items(rule, &at, side).iter().for_each(|(at, matcher)| judge_matcher(at, matcher, &mut problems));
        }
    }
    for (at, receiver) in items(&tree, "", "receivers") {
        let name = text(receiver, "name");
        if !used.contains(name) {
            problems.push(Problem::new(at, format!("no route leads to receiver `{name}`")));
        }
    }
    for (at, template) in items(&tree, "", "templates") {
        let pattern = template.as_str().unwrap_or_default();
        if matches(pattern) == 0 {
            problems.push(Problem::new(at, format!("`{pattern}` matches no file")));
        }
    }
    problems
}

/// A route and all below it.
fn walk<'a>(route: &'a Value, at: &str, used: &mut BTreeSet<&'a str>, problems: &mut Vec<Problem>) {
    used.insert(text(route, "receiver"));
    for (at, matcher) in items(route, at, "matchers") {
        judge_matcher(&at, matcher, problems);
    }
    let mut seen = BTreeSet::new();
    for (at, child) in items(route, at, "routes") {
        let condition = child.get("matchers").map(Value::to_string).unwrap_or_default();
        if !seen.insert(condition) && child.get("continue") != Some(&Value::Bool(true)) {
            problems.push(Problem::new(&at, "a route before it takes the same alerts, so none comes here"));
        }
        walk(child, &at, used, problems);
    }
}

/// A matcher is a label, one of `=`, `!=`, `=~`, `!~`, and a value in quotes: without them a mistyped operator becomes part
/// of the value.
fn judge_matcher(at: &str, matcher: &Value, problems: &mut Vec<Problem>) {
    let written = matcher.as_str().unwrap_or_default();
    let label = written.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').count();
    let rest = written[label..].trim_start();
    let operator = ["!=", "=~", "!~", "="].into_iter().find(|operator| rest.starts_with(operator));
    let value = operator.map(|operator| rest[operator.len()..].trim());
    let quoted = value.is_some_and(|value| value.len() >= 2 && value.starts_with('"') && value.ends_with('"'));
    if label == 0 || !quoted {
        let how = "write a label, one of = != =~ !~, and the value in quotes, such as severity=\"critical\"";
        problems.push(Problem::new(at, format!("`{written}` may not match what it seems to: {how}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(matcher: &str) -> String {
        format!(
            "route: {{receiver: a, routes: [{{receiver: b, matchers: ['{matcher}']}}]}}\nreceivers: [{{name: a}}, {{name: b}}]"
        )
    }

    #[test]
    fn a_matcher_that_only_looks_right_is_refused() {
        for good in [r#"severity="critical""#, r#"severity = "critical""#, r#"job=~"a|b""#, r#"x!~"y""#, r#"x!="""#] {
            assert_eq!(alertmanager(&with(good), |_| 1), [], "{good}");
        }
        for bad in ["severity == critical", "severity = critical", r#"severity=="critical""#, "severity", r#"="x""#, ""]
        {
            let problems = alertmanager(&with(bad), |_| 1);
            assert_eq!(problems.len(), 1, "{bad}: {problems:?}");
            assert_eq!(problems[0].at, "route.routes[0].matchers[0]");
        }
    }

    #[test]
    fn what_leads_nowhere_is_found() {
        let words = |config: &str, files| -> String {
            alertmanager(config, |_| files).iter().map(|problem| format!("{problem}\n")).collect()
        };
        assert!(words("", 1).contains("says nothing"));
        assert!(words("receivers: [{name: a}]", 1).contains("there is no route"));
        assert!(
            words("route: {receiver: a}\nreceivers: [{name: a}, {name: b}]", 1)
                .contains("no route leads to receiver `b`")
        );
        assert!(
            words("route: {receiver: a}\nreceivers: [{name: a}]\ntemplates: ['t/*']", 0)
                .contains("`t/*` matches no file")
        );
        let twice = "route: {receiver: a, routes: [{receiver: a, matchers: ['x=\"y\"']}, {receiver: a, matchers: ['x=\"y\"']}]}\nreceivers: [{name: a}]";
        assert!(words(twice, 1).contains("route.routes[1]: a route before it takes the same alerts"));
        let inhibit = "route: {receiver: a}\nreceivers: [{name: a}]\ninhibit_rules: [{source_matchers: ['a == b']}]";
        assert!(words(inhibit, 1).contains("inhibit_rules[0].source_matchers[0]"));
    }
}
