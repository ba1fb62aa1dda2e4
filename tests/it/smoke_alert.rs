//! The alert that a smoke check raises: where its way can be broken, and that nothing of it stays.

use crate::render_support::{Running, Stage};
use crate::smoke_support::{await_ready, fails, fails_slowly, passes, patient, smoke, stage, start, target};
use reportctl::model::component::ComponentName::{self, *};
use reportctl::model::environment::secret_name;
use reportctl::model::secret::SecretValue;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const WAY: [ComponentName; 3] = [NodeExporter, Prometheus, Alertmanager];
const CHECK: &str = "alertmanager/alert-arrives";

fn figure(stage: &Stage) -> PathBuf {
    stage.view().textfile().join("smoke.prom")
}

/// A stack whose file `file` of component `name` is not quite what we render.
async fn changed(name: ComponentName, file: &str, change: impl Fn(&str) -> String) -> (Stage, Vec<Running>) {
    let stage = stage(&WAY);
    let mut running = Vec::new();
    for component in WAY {
        let mut native = stage.native(component);
        if component == name {
            let file = native.files.iter_mut().find(|rendered| rendered.path.ends_with(file)).unwrap();
            let text = change(&file.text);
            assert_ne!(text, file.text, "the change changes nothing");
            file.text = text;
        }
        running.push(stage.start_as(component, &native));
    }
    for component in WAY {
        await_ready(&stage, component).await;
    }
    (stage, running)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_arrives_and_what_a_killed_test_left_is_cleared() {
    let stage = stage(&WAY);
    let _running = start(&stage, &WAY).await;
    std::fs::write(figure(&stage), "reportctl_smoke_alert{run=\"leftover\"} 1\n").unwrap();
    let proof = passes(target(&stage), CHECK).await;
    assert!(proof.contains("what an earlier test had left behind was removed"), "{proof}");
    assert!(!figure(&stage).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn two_tests_at_the_same_time_take_turns() {
    let stage = stage(&WAY);
    let _running = start(&stage, &WAY).await;
    let (one, other) =
        tokio::join!(smoke(target(&stage), &[CHECK], patient()), smoke(target(&stage), &[CHECK], patient()));
    assert!(one.as_ref().unwrap().is_green() && other.as_ref().unwrap().is_green(), "{one:#?} {other:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_that_is_dropped_takes_its_figure_with_it() {
    let stage = stage(&WAY);
    let (goal, path) = (target(&stage), figure(&stage));
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut testing = Box::pin(smoke(goal, &[CHECK], patient()));
    let until = Instant::now() + Duration::from_secs(20);
    while !path.exists() {
        assert!(Instant::now() < until, "the figure was not written");
        let _ = tokio::time::timeout(Duration::from_millis(10), &mut testing).await;
    }
    drop(testing);
    while path.exists() {
        assert!(Instant::now() < until, "the figure was left behind");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_says_how_far_the_alert_came() {
    let stage = stage(&WAY);
    std::fs::create_dir_all(figure(&stage).parent().unwrap()).unwrap();
    fails(target(&stage), CHECK, "node-exporter does not show the figure").await;
    let _exporter = start(&stage, &[NodeExporter]).await;
    fails(target(&stage), CHECK, "node-exporter shows the figure, and Prometheus has not got it").await;
    assert!(!figure(&stage).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_that_does_not_fire_is_found_out() {
    let (stage, _running) = changed(Prometheus, "rules.yml", |text| {
        text.replace("reportctl_smoke_alert == 1", "reportctl_smoke_alert == 2")
    })
    .await;
    // Prometheus takes seconds until it scrapes at all.
    passes(target(&stage), "prometheus/targets").await;
    fails_slowly(target(&stage), CHECK, "Prometheus has the figure, and its rule does not fire").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notification_with_another_token_does_not_count() {
    let stage = stage(&WAY);
    let _running = start(&stage, &WAY).await;
    passes(target(&stage), "alertmanager/known").await;
    passes(target(&stage), "prometheus/targets").await;
    let mut other = target(&stage);
    let token = secret_name(Alertmanager, "smoke").unwrap();
    other.secrets.insert(token, SecretValue::parse("another-token").unwrap());
    let result = fails_slowly(other, CHECK, "Alertmanager has the alert, and its notification did not come").await;
    assert!(result.detail.contains("a notification with a wrong token"), "{result:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_is_not_taken_back_is_found_out() {
    let never = |text: &str| text.replace("send_resolved: true", "send_resolved: false");
    let (stage, _running) = changed(Alertmanager, "alertmanager.yml", never).await;
    passes(target(&stage), "alertmanager/known").await;
    passes(target(&stage), "prometheus/targets").await;
    fails_slowly(target(&stage), CHECK, "no notification that ReportctlSmoke is resolved").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_somebody_else_holds_is_named() {
    let stage = stage(&WAY);
    let port = stage.port(Alertmanager, "smoke");
    let _holder = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let result = fails(target(&stage), CHECK, &format!("cannot listen on 127.0.0.1:{port}")).await;
    assert!(result.advice.unwrap().contains(&format!("ss -ltnp 'sport = :{port}'")));
    assert!(!figure(&stage).exists());
}
