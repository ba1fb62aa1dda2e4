//! Judgements on Prometheus's configuration, its rules and their tests.

use super::{Problem, items, text, tree};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Judges a configuration. `matches` tells how many files a path or pattern of `rule_files` names.
///
/// `promtool check config` passes an empty file and a pattern that matches nothing.
pub fn prometheus(config: &str, matches: impl Fn(&str) -> usize) -> Vec<Problem> {
    let tree = match tree(config) {
        Ok(tree) => tree,
        Err(problems) => return problems,
    };
    let mut problems = Vec::new();
    let jobs = items(&tree, "", "scrape_configs");
    if jobs.is_empty() {
        problems.push(Problem::new("scrape_configs", "nothing is scraped"));
    }
    for (at, job) in jobs {
        let targets: usize =
            items(job, &at, "static_configs").iter().map(|(at, it)| items(it, at, "targets").len()).sum();
        let discovers = job.as_object().is_some_and(|job| job.keys().any(|key| key.ends_with("_sd_configs")));
        if targets == 0 && !discovers {
            problems.push(Problem::new(at, format!("job `{}` has no target", text(job, "job_name"))));
        }
    }
    let files = items(&tree, "", "rule_files");
    if files.is_empty() {
        problems.push(Problem::new("rule_files", "there are no rules"));
    }
    for (at, file) in files {
        let pattern = file.as_str().unwrap_or_default();
        if matches(pattern) == 0 {
            problems
                .push(Problem::new(at, format!("`{pattern}` matches no file: its rules would silently be missing")));
        }
    }
    problems
}

/// Judges a rule file.
///
/// `promtool check rules` passes a file without rules, and two rules that are the same unless lint errors are fatal; and
/// it cannot know that an alert must say how bad it is and what to do.
pub fn rules(text_of_rules: &str) -> Vec<Problem> {
    let tree = match tree(text_of_rules) {
        Ok(tree) => tree,
        Err(problems) => return problems,
    };
    let mut problems = Vec::new();
    let mut seen = BTreeSet::new();
    let all = each_rule(&tree);
    if all.is_empty() {
        problems.push(Problem::new("groups", "there are no rules"));
    }
    for (at, rule) in all {
        let labels = rule.get("labels").map(Value::to_string).unwrap_or_default();
        let name = [text(rule, "alert"), text(rule, "record")].concat();
        if !seen.insert((name.clone(), labels)) {
            problems.push(Problem::new(&at, format!("`{name}` stands there twice with the same labels")));
        }
        if rule.get("alert").is_none() {
            continue;
        }
        let severity = rule.get("labels").map(|labels| text(labels, "severity")).unwrap_or_default();
        if !["critical", "warning", "info"].contains(&severity) {
            problems.push(Problem::new(&at, format!("`{name}` has no severity of critical, warning or info")));
        }
        for annotation in ["summary", "description"] {
            if rule.get("annotations").is_none_or(|all| text(all, annotation).is_empty()) {
                problems.push(Problem::new(&at, format!("`{name}` has no {annotation}")));
            }
        }
    }
    problems
}

/// Judges the unit tests of a rule file: each alert must have a test in which it fires and one in which it keeps quiet.
///
/// `promtool test rules` passes a file without tests, and cannot know which alerts have none.
pub fn rule_tests(text_of_rules: &str, text_of_tests: &str) -> Vec<Problem> {
    let (rules, tests) = match (tree(text_of_rules), tree(text_of_tests)) {
        (Ok(rules), Ok(tests)) => (rules, tests),
        (Err(problems), _) | (_, Err(problems)) => return problems,
    };
    let mut cases: BTreeMap<&str, (bool, bool)> = BTreeMap::new();
    let all = items(&tests, "", "tests");
    if all.is_empty() {
        return vec![Problem::new("tests", "there is no test: the tool takes that for success")];
    }
    for (at, test) in &all {
        for (at, case) in items(test, at, "alert_rule_test") {
            let found = cases.entry(text(case, "alertname")).or_default();
            let fires = !items(case, &at, "exp_alerts").is_empty();
            *found = (found.0 || fires, found.1 || !fires);
        }
    }
    let mut problems = Vec::new();
    for (at, rule) in each_rule(&rules) {
        let alert = text(rule, "alert");
        let (fires, quiet) = cases.get(alert).copied().unwrap_or_default();
        if !alert.is_empty() && !fires {
            problems.push(Problem::new(&at, format!("no test in which `{alert}` fires")));
        }
        if !alert.is_empty() && !quiet {
            problems.push(Problem::new(&at, format!("no test in which `{alert}` keeps quiet")));
        }
    }
    problems
}

fn each_rule(tree: &Value) -> Vec<(String, &Value)> {
    items(tree, "", "groups").into_iter().flat_map(|(at, group)| items(group, &at, "rules")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(problems: &[Problem]) -> String {
        problems.iter().map(|problem| format!("{problem}\n")).collect()
    }

    #[test]
    fn a_configuration_that_does_nothing_is_refused() {
        for empty in ["", "# nothing\n", "{}", "[]"] {
            assert!(words(&prometheus(empty, |_| 1)).contains("says nothing"), "{empty:?}");
        }
        let job = "scrape_configs: [{job_name: a, static_configs: [{targets: ['a:1']}]}]\nrule_files: [r.yml]";
        assert_eq!(prometheus(job, |_| 1), []);
        assert!(words(&prometheus(job, |_| 0)).contains("rule_files[0]: `r.yml` matches no file"));
        assert!(words(&prometheus("rule_files: [r.yml]", |_| 1)).contains("nothing is scraped"));
        let lonely = "scrape_configs: [{job_name: a, static_configs: [{targets: []}]}]\nrule_files: [r.yml]";
        assert!(words(&prometheus(lonely, |_| 1)).contains("scrape_configs[0]: job `a` has no target"));
        let found = "scrape_configs: [{job_name: a, file_sd_configs: [{files: [x.json]}]}]";
        assert_eq!(words(&prometheus(found, |_| 1)), "rule_files: there are no rules\n");
        assert!(words(&prometheus("a: [", |_| 1)).starts_with("file: "));
    }

    #[test]
    fn rules_must_say_how_bad_and_what_to_do() {
        let whole = "groups: [{name: g, rules: [{alert: A, expr: up == 0, labels: {severity: info}, annotations: {summary: s, description: d}}]}]";
        assert_eq!(rules(whole), []);
        assert!(words(&rules("groups: []")).contains("there are no rules"));
        assert!(words(&rules(&whole.replace("info", "page"))).contains("no severity"));
        assert!(words(&rules(&whole.replace("summary: s, ", ""))).contains("`A` has no summary"));
        let twice = "groups: [{name: g, rules: [{record: a, expr: up}, {record: a, expr: up}]}]";
        assert!(words(&rules(twice)).contains("groups[0].rules[1]: `a` stands there twice"));
        let apart = "groups: [{name: g, rules: [{record: a, expr: up, labels: {x: y}}, {record: a, expr: up}]}]";
        assert_eq!(rules(apart), []);
    }

    #[test]
    fn an_alert_without_both_cases_is_found() {
        let rules = "groups: [{name: g, rules: [{alert: A, expr: up == 0}, {record: r, expr: up}]}]";
        let case =
            |alert: &str, fires: &str| format!("{{alert_rule_test: [{{alertname: {alert}, exp_alerts: [{fires}]}}]}}");
        let both = format!("tests: [{}, {}]", case("A", "{}"), case("A", ""));
        assert_eq!(rule_tests(rules, &both), []);
        assert!(words(&rule_tests(rules, "tests: []")).contains("there is no test"));
        let quiet = format!("tests: [{}]", case("A", ""));
        assert_eq!(words(&rule_tests(rules, &quiet)), "groups[0].rules[0]: no test in which `A` fires\n");
        let other = format!("tests: [{}, {}]", case("B", "{}"), case("A", "{}"));
        assert_eq!(words(&rule_tests(rules, &other)), "groups[0].rules[0]: no test in which `A` keeps quiet\n");
    }
}
