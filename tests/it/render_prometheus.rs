//! Prometheus as it is rendered, judged by the real promtool and run for real.

use super::render_support::{LOCAL, Stage, eventually, get, said, tool};
use reportctl::model::component::ComponentName::{self, *};
use reportctl::model::environment::Options;
use reportctl::model::quantity::Span;
use reportctl::render::rules::{Watched, alerts, rules, unit_tests};
use std::collections::BTreeSet;

/// Writes rules and their tests side by side, and has promtool judge both.
fn judge(watched: &Watched) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let (rule_file, tests) = (folder.path().join("rules.yml"), folder.path().join("tests.yml"));
    std::fs::write(&rule_file, rules(watched).unwrap()).unwrap();
    std::fs::write(&tests, unit_tests(watched, "rules.yml").unwrap()).unwrap();
    let output = tool("prometheus", &["promtool", "check", "rules", "--lint-fatal", rule_file.to_str().unwrap()]);
    if !output.status.success() {
        return Err(said(&output));
    }
    let output = tool("prometheus", &["promtool", "test", "rules", tests.to_str().unwrap()]);
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}

fn watched(components: &[ComponentName]) -> Watched {
    Watched::new(&super::render_support::environment(), components.iter().copied().collect()).unwrap()
}

#[test]
fn every_alert_fires_when_it_should_and_keeps_quiet_otherwise() {
    judge(&watched(&ComponentName::ALL)).unwrap_or_else(|error| panic!("{error}"));
    judge(&watched(&LOCAL)).unwrap_or_else(|error| panic!("{error}"));
}

#[test]
fn an_alert_whose_condition_is_wrong_fails_its_test() {
    let folder = tempfile::tempdir().unwrap();
    let watched = watched(&[Redis, RedisExporter, Prometheus]);
    let text = rules(&watched).unwrap();
    let tests = folder.path().join("tests.yml");
    std::fs::write(&tests, unit_tests(&watched, "rules.yml").unwrap()).unwrap();
    for (right, wrong) in [
        (r#"redis_up{job="redis-exporter"} == 0"#, r#"redis_up{job="redis-exporter"} == 2"#),
        ("redis:memory_used:ratio > 0.8", "redis:memory_used:ratio > 0.2"),
        ("redis_aof_enabled == 0", "redis_aof_enabled >= 0"),
    ] {
        assert!(text.contains(right), "{right}");
        std::fs::write(folder.path().join("rules.yml"), text.replace(right, wrong)).unwrap();
        let output = tool("prometheus", &["promtool", "test", "rules", tests.to_str().unwrap()]);
        assert!(!output.status.success(), "{wrong} was not noticed");
    }
}

#[test]
fn no_alert_is_without_both_cases_and_names_are_unique() {
    let all = alerts(&watched(&ComponentName::ALL));
    let names: BTreeSet<&str> = all.iter().map(|alert| alert.name).collect();
    assert_eq!(names.len(), all.len());
    for alert in &all {
        assert!(!alert.fires.input.is_empty() && !alert.quiet.input.is_empty(), "{}", alert.name);
        assert!(alert.description.ends_with('.') && alert.description.len() > 80, "{}", alert.name);
        assert!(!alert.summary.ends_with('.') && alert.summary.len() < 90, "{}", alert.name);
    }
}

#[test]
fn rules_speak_of_what_runs_only() {
    let local = rules(&watched(&LOCAL)).unwrap();
    assert!(local.contains("RedisDown") && local.contains("ReportctlSmoke") && local.contains("DiskFull"));
    assert!(
        !local.contains("report_") && !local.contains("report:") && !local.contains("scaling"),
        "the services do not run:\n{local}"
    );
    let without = rules(&watched(&[Redis, RedisExporter, Prometheus])).unwrap();
    assert!(!without.contains("alertmanager_") && !without.contains("node_"), "{without}");
    let whole = rules(&watched(&ComponentName::ALL)).unwrap();
    assert!(whole.contains("ReportWorkersTooFew") && whole.contains("purpose: scaling"));
}

#[test]
fn rates_are_taken_over_four_scrapes_at_least() {
    let mut env = super::render_support::environment();
    let set = |env: &mut reportctl::model::environment::Environment, seconds| {
        env.stack.components.get_mut(&Prometheus).unwrap().options = Options::Prometheus {
            scrape_interval: Span::seconds(seconds),
            evaluation_interval: Span::seconds(seconds),
            retention: Span::seconds(86_400),
        };
    };
    for (scrape, window) in [(5, "[5m]"), (60, "[5m]"), (120, "[8m]"), (600, "[40m]")] {
        set(&mut env, scrape);
        let watched = Watched::new(&env, ComponentName::ALL.into()).unwrap();
        assert!(rules(&watched).unwrap().contains(window), "{scrape}");
    }
}

#[test]
fn the_configuration_is_valid_for_every_selection_of_components() {
    for selection in [&LOCAL[..], &[Redis, RedisExporter, Prometheus], &[Prometheus], &ComponentName::ALL[..9]] {
        let stage = Stage::new(selection);
        let native = stage.native(Prometheus);
        stage.write(&native);
        let config = native.files[0].path.to_str().unwrap();
        let output = tool("prometheus", &["promtool", "check", "config", "--lint-fatal", config]);
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("SUCCESS: 1 rule files found"), "{}", said(&output));
        let jobs = native.files[0].text.matches("job_name:").count();
        let expected = selection.iter().filter(|name| !matches!(name, Redis | Postgresql | Uptrace)).count();
        assert_eq!(jobs, expected, "{}", native.files[0].text);
    }
}

#[test]
fn intervals_and_retention_reach_the_server() {
    let mut stage = Stage::new(&LOCAL);
    stage.env.stack.components.get_mut(&Prometheus).unwrap().options = Options::Prometheus {
        scrape_interval: Span(750),
        evaluation_interval: Span::seconds(2),
        retention: Span::seconds(3 * 86_400),
    };
    let running = stage.start(Prometheus);
    let port = stage.port(Prometheus, "http");
    eventually("prometheus is ready", || get(port, "/-/ready").filter(|answer| answer.0 == 200));
    let ask = |path: &str| get(port, path).unwrap().1;
    let config = ask("/api/v1/status/config");
    assert!(config.contains("scrape_interval: 750ms") && config.contains("scrape_timeout: 750ms"), "{config}");
    assert!(config.contains("evaluation_interval: 2s"), "{config}");
    assert!(ask("/api/v1/status/flags").contains(r#""storage.tsdb.retention.time":"3d""#));
    let rules = ask("/api/v1/rules");
    assert!(rules.contains("RedisDown") && !rules.contains(r#""health":"err""#), "{rules}");
    assert!(!running.said().contains("level=error"), "{}", running.said());
}

#[test]
fn no_other_site_may_read_the_server_from_a_browser() {
    let stage = Stage::new(&LOCAL);
    let native = stage.native(Prometheus);
    let port = stage.port(Prometheus, "http");
    let cors = format!("--web.cors.origin=http://(127\\.0\\.0\\.1|localhost):{port}");
    assert!(native.service.argv.contains(&cors), "{:?}", native.service.argv);
}
