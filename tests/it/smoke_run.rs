//! A run of checks: what is selected, what is skipped and why, and what is told.

use crate::smoke_support::{await_ready, hasty, json, passes, scripted, smoke, stage, start, target};
use reportctl::model::component::ComponentName::*;
use reportctl::smoke::evidence::Outcome;
use reportctl::smoke::{Options, Selection, SmokeError};
use std::num::NonZeroUsize;

fn reasons(error: SmokeError) -> Vec<(String, String)> {
    match error {
        SmokeError::NoneToRun { skipped } => skipped,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_selection_that_leaves_nothing_to_run_is_an_error() {
    let stage = stage(&[Redis]);
    let error = smoke(target(&stage), &["prometheus"], hasty()).await.unwrap_err();
    assert_eq!(error.to_string(), "the selection fits no check of environment local");
    let error = smoke(target(&stage), &["redis/keeps-data"], hasty()).await.unwrap_err();
    let text =
        "every selected check would be skipped: redis/keeps-data (it restarts redis: `--disruptive` allows that)";
    assert_eq!(error.to_string(), text);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_skipped_says_why() {
    let stage = stage(&[Redis, RedisExporter, Alertmanager, Runner]);
    let mut target = target(&stage);
    for (name, reason) in [(Alertmanager, "it could not be had"), (Runner, "it cannot be built here")] {
        target.active.remove(&name);
        target.skipped.insert(name, reason.to_owned());
    }
    let error = smoke(target.clone(), &["alertmanager", "runner/answers"], hasty()).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "every selected check would be skipped: alertmanager/answers, alertmanager/known, alertmanager/alert-arrives (it \
         could not be had); runner/answers (it cannot be built here)"
    );
    let skipped = reasons(error);
    let expected = [
        ("alertmanager/answers", "it could not be had"),
        ("alertmanager/known", "it could not be had"),
        ("alertmanager/alert-arrives", "it could not be had"),
        ("runner/answers", "it cannot be built here"),
    ];
    assert_eq!(skipped, expected.map(|(name, reason)| (name.to_owned(), reason.to_owned())));
    // What needs another component is skipped with it.
    target.active.remove(&Redis);
    target.skipped.insert(Redis, "it is not wanted".to_owned());
    let skipped = reasons(smoke(target, &["redis-exporter"], hasty()).await.unwrap_err());
    assert_eq!(skipped[0].1, "it needs redis, which does not run: it is not wanted");
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_select_over_components_and_one_at_a_time_is_enough() {
    let stage = stage(&[Redis, RedisExporter, NodeExporter]);
    let _running = start(&stage, &[Redis, RedisExporter, NodeExporter]).await;
    await_ready(&stage, RedisExporter).await;
    let options = Options { parallel: NonZeroUsize::MIN, ..hasty() };
    let evidence = smoke(target(&stage), &["*/figures", "redis/a*"], options).await.unwrap();
    let names: Vec<&str> = evidence.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["redis/answers", "redis-exporter/figures", "node-exporter/figures"]);
    assert!(evidence.is_green(), "{evidence:#?}");
    assert!(Selection::parse(&["*/figure"]).is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_a_program_repeats_is_masked() {
    let stage = stage(&[Prometheus, NodeExporter]);
    let secret = stage.secret(Redis, "admin");
    let words = secret.clone();
    scripted(stage.port(Prometheus, "http"), move |_| Some(json(format!("{{\"status\": \"{words}\"}}"))));
    let evidence = smoke(target(&stage), &["prometheus/answers"], hasty()).await.unwrap();
    assert_eq!(evidence.checks[0].outcome, Outcome::Failed);
    assert!(evidence.checks[0].detail.contains("***"), "{evidence:#?}");
    assert!(!format!("{evidence:?}").contains(&secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_answers_ends_in_words() {
    let stage = stage(&[NodeExporter]);
    let _mute = std::net::TcpListener::bind(("127.0.0.1", stage.port(NodeExporter, "http"))).unwrap();
    let evidence = smoke(target(&stage), &["node-exporter"], hasty()).await.unwrap();
    assert!(evidence.checks[0].detail.contains("did not answer within 5s"), "{evidence:#?}");
    let stage = crate::smoke_support::stage(&[NodeExporter]);
    let _running = start(&stage, &[NodeExporter]).await;
    passes(target(&stage), "node-exporter/figures").await;
}
