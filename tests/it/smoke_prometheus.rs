//! Smoke checks of Prometheus and Alertmanager against answers that are wrong.

use crate::render_support::Stage;
use crate::smoke_support::{Said, fails, json, page, passes, plain, scrape_each, scripted, stage, target};
use reportctl::model::component::ComponentName::*;
use reportctl::model::quantity::{Span, Version};
use reportctl::render::rules::{Watched, alerts, recordings};
use serde_json::json as value;
use std::collections::BTreeMap;

/// The answers by the beginning of the question; the longest one counts.
type Answers = BTreeMap<&'static str, Said>;

fn serve(port: u16, answers: Answers) {
    scripted(port, move |question| {
        answers.iter().rev().find(|(begin, _)| question.starts_with(**begin)).map(|(_, said)| said.clone())
    });
}

fn data(data: serde_json::Value) -> Said {
    json(value!({"status": "success", "data": data}).to_string())
}

fn a_stage() -> Stage {
    let mut stage = stage(&[NodeExporter, Prometheus, Alertmanager]);
    scrape_each(&mut stage, Span(50));
    for (name, version) in [(Prometheus, "2.42.0"), (Alertmanager, "0.25.0")] {
        stage.active.get_mut(&name).unwrap().0.version = Version::parse(version).unwrap();
    }
    stage
}

fn watched(stage: &Stage) -> Watched {
    Watched::new(&stage.env, stage.active.keys().copied().collect()).unwrap()
}

fn targets(stage: &Stage, health: &str, error: &str) -> Said {
    let of = |job, health: &str, error: &str| {
        let address = format!("127.0.0.1:{}", stage.port(job, "http"));
        value!({"labels": {"job": job.as_str(), "instance": address}, "health": health, "lastError": error})
    };
    let all = [of(NodeExporter, health, error), of(Prometheus, "up", ""), of(Alertmanager, "up", "")];
    data(value!({"activeTargets": all, "droppedTargets": []}))
}

fn rules(stage: &Stage, health: &str, error: &str) -> Said {
    let watched = watched(stage);
    let names: Vec<&str> =
        alerts(&watched).iter().map(|a| a.name).chain(recordings(&watched).iter().map(|r| r.name)).collect();
    let rules: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let (health, error) = if at == 0 { (health, error) } else { ("ok", "") };
            value!({"name": name, "health": health, "lastError": error})
        })
        .collect();
    data(value!({"groups": [{"name": "all", "rules": rules}]}))
}

const SERIES: [&str; 8] = [
    "node_cpu_seconds_total",
    "node_filesystem_avail_bytes",
    "node_memory_MemAvailable_bytes",
    "node_textfile_scrape_error",
    "prometheus_build_info",
    "prometheus_config_last_reload_successful",
    "alertmanager_build_info",
    "alertmanager_config_last_reload_successful",
];

fn series(stage: &Stage, without: &str) -> Said {
    let watched = watched(stage);
    let names = SERIES.into_iter().chain(recordings(&watched).into_iter().map(|recording| recording.name));
    let result: Vec<_> = names
        .filter(|name| *name != without)
        .map(|name| value!({"metric": {"__name__": name}, "value": [1.0, "1"]}))
        .collect();
    data(value!({"resultType": "vector", "result": result}))
}

fn healthy(stage: &Stage) -> Answers {
    let manager = format!("http://127.0.0.1:{}/api/v2/alerts", stage.port(Alertmanager, "http"));
    BTreeMap::from([
        ("GET /api/v1/status/buildinfo", data(value!({"version": "2.42.0+ds"}))),
        ("GET /metrics", plain("prometheus_config_last_reload_successful 1\n")),
        ("GET /api/v1/status/config", data(value!({"yaml": "global:\n  external_labels:\n    env: local\n"}))),
        ("GET /api/v1/targets?state=active", targets(stage, "up", "")),
        ("GET /api/v1/rules", rules(stage, "ok", "")),
        ("POST /api/v1/query", series(stage, "")),
        ("GET /api/v1/alertmanagers", data(value!({"activeAlertmanagers": [{"url": manager}]}))),
    ])
}

/// The check passes on the healthy answers, and fails with these words when one of them is replaced.
async fn prometheus(check: &str, cases: Vec<(&'static str, Said, &str)>) {
    let good = a_stage();
    serve(good.port(Prometheus, "http"), healthy(&good));
    passes(target(&good), check).await;
    for (question, said, seen) in cases {
        let stage = a_stage();
        let mut answers = healthy(&stage);
        assert!(answers.contains_key(question), "{question}");
        answers.insert(question, said);
        serve(stage.port(Prometheus, "http"), answers);
        fails(target(&stage), check, seen).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_must_be_ours_and_have_read_its_configuration() {
    let (build, metrics, config) = ("GET /api/v1/status/buildinfo", "GET /metrics", "GET /api/v1/status/config");
    prometheus(
        "prometheus/answers",
        vec![
            (build, page(), "the answer is no JSON"),
            (build, json("{\"status\": \"succ"), "the answer is broken JSON"),
            (build, json("{\"status\": \"error\", \"error\": \"no\"}"), "answers {\"status\":\"error\""),
            (build, data(value!({"version": "2.53.1"})), "version 2.53.1 runs"),
            (build, data(value!({})), "it says of its version: an empty body"),
            (
                metrics,
                plain("prometheus_config_last_reload_successful 0\n"),
                "prometheus_config_last_reload_successful is 0",
            ),
            (metrics, page(), "prometheus_config_last_reload_successful is not told"),
            (config, data(value!({"yaml": "global:\n  external_labels:\n    env: localhost\n"})), "another one"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_target_must_be_there_and_up() {
    let stage = a_stage();
    let question = "GET /api/v1/targets?state=active";
    prometheus(
        "prometheus/targets",
        vec![
            // The addresses are those of another stage: none of ours is a target.
            (question, targets(&stage, "up", ""), "is no target"),
            (question, data(value!({"activeTargets": []})), ") is no target"),
            (question, data(value!({})), "no list at /activeTargets"),
            (question, page(), "the answer is no JSON"),
        ],
    )
    .await;
    for (health, error, seen) in [
        ("down", "connection refused", "node-exporter is down: connection refused"),
        ("unknown", "", "node-exporter is unknown"),
    ] {
        let stage = a_stage();
        let mut answers = healthy(&stage);
        answers.insert(question, targets(&stage, health, error));
        serve(stage.port(Prometheus, "http"), answers);
        let result = fails(target(&stage), "prometheus/targets", seen).await;
        assert_eq!(result.expected.unwrap(), "the targets alertmanager, node-exporter and prometheus, each up");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_must_be_loaded_and_evaluated() {
    let (stage, question) = (a_stage(), "GET /api/v1/rules");
    let first = alerts(&watched(&stage))[0].name;
    prometheus(
        "prometheus/rules",
        vec![
            (
                question,
                rules(&stage, "err", "many-to-many matching not allowed"),
                &format!("{first} is err: many-to-many"),
            ),
            (question, rules(&stage, "unknown", ""), &format!("{first} is unknown")),
            (question, data(value!({"groups": []})), "Prometheus has no rule"),
            (question, json("[]"), "answers []"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_series_must_have_a_fresh_sample() {
    let (stage, question) = (a_stage(), "POST /api/v1/query");
    prometheus(
        "prometheus/series",
        vec![
            (question, series(&stage, "node_cpu_seconds_total"), "no fresh sample of node_cpu_seconds_total"),
            (question, data(value!({"result": []})), "no fresh sample of alertmanager_build_info, "),
            (question, json(value!({"status": "error", "error": "parse error"}).to_string()), "parse error"),
            (question, (400, "application/json", "{}".to_owned()), "answers 400"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_must_know_our_alertmanager_and_not_another() {
    let question = "GET /api/v1/alertmanagers";
    let other = data(value!({"activeAlertmanagers": [{"url": "http://127.0.0.1:1/api/v2/alerts"}]}));
    prometheus(
        "alertmanager/known",
        vec![
            (question, other, "Prometheus sends alerts to http://127.0.0.1:1/"),
            (question, data(value!({"activeAlertmanagers": []})), "Prometheus sends alerts to nothing"),
        ],
    )
    .await;
}

/// The rendered page with `row` in the place of what Prometheus fills in.
fn filled(stage: &Stage, row: &str) -> Said {
    let native = stage.native(Prometheus);
    let text = &native.files.iter().find(|file| file.path.ends_with("report.html")).unwrap().text;
    let (begin, rest) = text.split_once("{{ range").unwrap();
    let (_, end) = rest.rsplit_once("{{ end }}").unwrap();
    (200, "text/html; charset=utf-8", format!("{begin}{row}{end}"))
}

/// A good page with one text replaced by another.
fn changed(stage: &Stage, from: &str, to: &str) -> Said {
    let (status, kind, text) = filled(stage, ROW);
    assert!(text.contains(from));
    (status, kind, text.replace(from, to))
}

/// What a stage's Prometheus answers.
type Answer = fn(&Stage) -> Said;

const ROW: &str = "<tr><td>prometheus</td><td>127.0.0.1:9090</td><td>up</td></tr>";
const ERROR: &str = "error executing template __console_report.html: no such function";

/// That what the real Prometheus makes of the page passes is shown by the test of the whole stack.
#[tokio::test(flavor = "multi_thread")]
async fn the_page_must_be_ours_and_filled_in() {
    let serve_page = |change: Answer| {
        let stage = a_stage();
        let said = change(&stage);
        scripted(stage.port(Prometheus, "http"), move |question| {
            (question == "GET /consoles/report.html").then(|| said.clone())
        });
        target(&stage)
    };
    passes(serve_page(|stage| filled(stage, ROW)), "prometheus/page").await;
    let cases: [(Answer, &str); 6] = [
        (|_| (500, "text/plain", ERROR.to_owned()), ERROR),
        (|_| page(), "is another page: <!doctype html><title>Welcome"),
        (|stage| changed(stage, "Report stack: local", "Report stack: other"), "is another page"),
        (|stage| changed(stage, "\"rows\":[", "\"rows\":[{},"), "is another page"),
        (|stage| filled(stage, "{{ range query \"up\" }}"), "was not filled in: {{ range query"),
        (|stage| filled(stage, ""), "shows no target"),
    ];
    for (change, seen) in cases {
        fails(serve_page(change), "prometheus/page", seen).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanager_must_stand_alone_with_our_configuration() {
    let status = |stage: &Stage, version: &str, cluster: &str, config: &str| {
        let config =
            config.replace("TOKEN", &stage.paths.config(Alertmanager).join("smoke.token").display().to_string());
        json(
            value!({"versionInfo": {"version": version}, "cluster": {"status": cluster}, "config": {"original": config}})
                .to_string(),
        )
    };
    let (ours, well) = ("credentials_file: TOKEN", "alertmanager_config_last_reload_successful 1\n");
    let cases: [(&str, &str, &str, &str, Option<&str>); 6] = [
        ("0.25.0", "disabled", ours, well, None),
        ("0.28.1", "disabled", ours, well, Some("version 0.28.1 runs")),
        ("0.25.0", "settling", ours, well, Some("its cluster is `settling`")),
        (
            "0.25.0",
            "disabled",
            "receivers: team-X-mails",
            well,
            Some("its configuration is another one: receivers: team-X-mails"),
        ),
        ("0.25.0", "disabled", ours, "alertmanager_config_last_reload_successful 0\n", Some("successful is 0")),
        ("0.25.0", "disabled", ours, "", Some("successful is not told")),
    ];
    for (version, cluster, config, metrics, seen) in cases {
        let stage = a_stage();
        let answers = BTreeMap::from([
            ("GET /api/v2/status", status(&stage, version, cluster, config)),
            ("GET /metrics", plain(metrics)),
        ]);
        serve(stage.port(Alertmanager, "http"), answers);
        match seen {
            Some(seen) => drop(fails(target(&stage), "alertmanager/answers", seen).await),
            None => drop(passes(target(&stage), "alertmanager/answers").await),
        }
    }
}
