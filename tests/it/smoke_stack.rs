//! Smoke checks of the real servers, all together.

use crate::smoke_support::{patient, smoke, stage, start, target};
use reportctl::model::component::ComponentName::{self, *};
use reportctl::smoke::evidence::Outcome;

const STACK: [ComponentName; 5] = [Redis, RedisExporter, NodeExporter, Prometheus, Alertmanager];

#[tokio::test(flavor = "multi_thread")]
async fn every_check_passes_on_the_real_stack_and_says_what_it_saw() {
    let stage = stage(&STACK);
    let _running = start(&stage, &STACK).await;
    let mut told = Vec::new();
    let selection = reportctl::smoke::Selection::default();
    let context = reportctl::context::Context::real().unwrap();
    let evidence = reportctl::smoke::run(&context, target(&stage), &selection, &patient(), |result| {
        told.push(result.name.clone())
    })
    .await
    .unwrap();
    let wrong: Vec<_> = evidence
        .checks
        .iter()
        .filter(|check| check.outcome != Outcome::Passed && check.name != "redis/keeps-data")
        .collect();
    assert!(wrong.is_empty() && evidence.is_green(), "{wrong:#?}");
    assert!(evidence.count(Outcome::Passed) >= 14, "{evidence:#?}");
    let skipped: Vec<_> = evidence.checks.iter().filter(|check| check.outcome == Outcome::Skipped).collect();
    assert_eq!(skipped.len(), 1);
    assert_eq!(
        (skipped[0].name.as_str(), skipped[0].detail.as_str()),
        ("redis/keeps-data", "it restarts redis: `--disruptive` allows that")
    );
    // Everybody is told of each check once, and all of them stand in their order.
    let mut names: Vec<String> = evidence.checks.iter().map(|check| check.name.clone()).collect();
    assert!(evidence.checks.is_sorted_by_key(|check| check.component));
    names.sort();
    told.sort();
    assert_eq!(told, names);
    for check in &evidence.checks {
        assert!(!check.detail.is_empty(), "{check:#?}");
        println!("{:<28} {:>6} ms  {}", check.name, check.millis, check.detail);
    }
    assert_eq!(evidence.versions.len(), STACK.len());
    assert!(!stage.view().textfile().join("smoke.prom").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_evidence_of_a_stack_that_does_not_run() {
    let stage = stage(&STACK);
    let evidence = smoke(target(&stage), &[], crate::smoke_support::hasty()).await.unwrap();
    assert!(!evidence.is_green());
    for check in evidence.checks.iter().filter(|check| check.name != "redis/keeps-data") {
        assert_eq!(check.outcome, Outcome::Failed, "{check:#?}");
        assert!(
            check.detail.contains("nobody listens on 127.0.0.1:")
                || check.component == Alertmanager
                || check.component == Prometheus,
            "{check:#?}"
        );
        assert!(check.advice.as_ref().unwrap().contains("-e local"), "{check:#?}");
    }
    let text = format!("{evidence:?}");
    assert!(!text.contains("-0123456789"), "{text}");
}
