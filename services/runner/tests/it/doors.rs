//! The doors, and scaling through them.

use crate::stage::{Stage, TOKEN};
use report_testing::eventually;
use serde_json::Value;

const FIRING: &str = r#"{"version":"4","status":"firing","alerts":[{"status":"firing","fingerprint":"0123456789abcdef",
    "labels":{"alertname":"Test","purpose":"scaling"},"annotations":{"workers":"4"}}]}"#;
const RESOLVED: &str = r#"{"version":"4","status":"resolved","alerts":[{"status":"resolved","fingerprint":"0123456789abcdef",
    "labels":{"alertname":"Test","purpose":"scaling"},"annotations":{"workers":"4"}}]}"#;

#[test]
fn an_alert_changes_the_number_of_workers_and_its_end_changes_it_back() {
    let stage = Stage::new();
    let runner = stage.runner(&[]);
    assert_eq!(runner.figure("report_workers"), Some(1.0));
    assert_eq!(runner.send("POST", "/alerts", Some(TOKEN), FIRING), Some((202, String::new())));
    eventually("there are four workers", || runner.figure("report_workers") == Some(4.0));
    assert_eq!(runner.figure("report_workers_wanted"), Some(4.0));
    // The same alert again and again changes nothing.
    for _ in 0..10 {
        runner.send("POST", "/alerts", Some(TOKEN), FIRING);
    }
    assert_eq!(runner.figure("report_workers"), Some(4.0));
    assert_eq!(runner.figure(r#"report_scale_total{direction="up",reason="alert"}"#), Some(2.0));
    runner.send("POST", "/alerts", Some(TOKEN), RESOLVED);
    eventually("there is one worker", || runner.figure("report_workers") == Some(1.0));
    assert_eq!(runner.figure(r#"report_scale_total{direction="down",reason="resolved"}"#), Some(1.0));
}

#[test]
fn a_backlog_of_long_reports_gets_workers_without_any_alert() {
    let stage = Stage::new();
    let runner = stage.runner(&["--workers-max", "6"]);
    for _ in 0..12 {
        stage.check(20);
    }
    eventually("there are six workers", || runner.figure("report_workers") == Some(6.0));
    eventually("six reports run", || runner.figure("report_jobs_running") == Some(6.0));
}

#[test]
fn nobody_comes_in_without_the_token() {
    let stage = Stage::new();
    let runner = stage.runner(&[]);
    let long = format!("{TOKEN}x");
    for token in [None, Some(""), Some("a-token-of-the-test"), Some(long.as_str())] {
        let (status, body) = runner.send("POST", "/alerts", token, FIRING).unwrap();
        assert_eq!(status, 401, "{token:?}");
        assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["status"], 401);
        let name = "01j0000000000000000000000a-0123456789abcdef";
        assert_eq!(runner.send("GET", &format!("/results/{name}"), token, "").unwrap().0, 401, "{token:?}");
    }
    assert_eq!(runner.figure("report_workers"), Some(1.0));
}

#[test]
fn a_notice_that_is_none_is_refused_with_its_reason() {
    let stage = Stage::new();
    let runner = stage.runner(&[]);
    let refused = |body: &str| runner.send("POST", "/alerts", Some(TOKEN), body).unwrap();
    assert_eq!(refused("").0, 400);
    let (status, body) = refused(r#"{"version":"3"}"#);
    assert!(status == 422 && body.contains("version `4`"), "{body}");
    assert_eq!(refused(&" ".repeat(1024 * 1024 + 1)).0, 413);
    assert_eq!(runner.send("GET", "/alerts", Some(TOKEN), "").unwrap().0, 405);
}

#[test]
fn only_results_are_handed_out() {
    let stage = Stage::new();
    let runner = stage.runner(&[]);
    let asked = |name: &str| runner.send("GET", &format!("/results/{name}"), Some(TOKEN), "").unwrap().0;
    for name in ["01j0000000000000000000000a-0123456789abcdef", "x", "..%2fhook", "%2e%2e%2ftoken", "%00"] {
        assert_eq!(asked(name), 404, "{name}");
    }
}

#[test]
fn a_runner_without_redis_says_so_and_comes_back() {
    let mut stage = Stage::new();
    let runner = stage.runner(&[]);
    assert_eq!(runner.figure("redis_up"), Some(1.0));
    stage.redis.kill();
    eventually("it is not ready", || runner.get("/readyz").is_some_and(|(status, _)| status == 503));
    assert_eq!(runner.get("/healthz").unwrap().0, 200);
    assert_eq!(runner.figure("redis_up"), Some(0.0));
    // Alerts count all the same.
    runner.send("POST", "/alerts", Some(TOKEN), FIRING);
    eventually("there are four workers", || runner.figure("report_workers") == Some(4.0));
    stage.redis.start_again();
    eventually("it is ready again", || runner.get("/readyz").is_some_and(|(status, _)| status == 200));
    let id = stage.check(0);
    stage.until_told(&id, report_model::event::EventType::Finished);
}

#[test]
fn it_says_in_redis_that_it_is_there() {
    let stage = Stage::new();
    let first = stage.runner(&[]);
    let mut redis = stage.redis.connection();
    let mut count = || redis::cmd("ZCARD").arg("report:runners").query::<u32>(&mut redis).unwrap();
    eventually("one is there", || count() == 1);
    let mut second = stage.runner(&[]);
    eventually("two are there", || count() == 2);
    second.signal(rustix::process::Signal::TERM);
    second.ended();
    assert_eq!(count(), 1);
    let mut redis = stage.redis.connection();
    let sources: String = redis::cmd("GET").arg("report:sources").query(&mut redis).unwrap();
    assert!(serde_json::from_str::<Value>(&sources).unwrap().is_array());
    drop(first);
}
