//! The door for Alertmanager, and what the page sees of it.

use crate::service::Service;
use report_requestor::app::Patience;
use report_requestor::settings::Settings;
use report_secret::Secret;
use reqwest::Response;
use serde_json::{Value, json};

const TOKEN: &str = "the-alerts-token-of-this-test";

async fn start() -> Service {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("alerts");
    std::fs::write(&path, TOKEN).unwrap();
    let change = |settings: &mut Settings| settings.alerts_token = Some(Secret::read(&path).unwrap());
    Service::with(change, Patience::default()).await
}

async fn post(service: &Service, token: &str, body: &Value) -> Response {
    let request = service.http.post(format!("{}/hooks/alerts", service.base)).bearer_auth(token);
    request.body(body.to_string()).send().await.unwrap()
}

fn alert(status: &str) -> Value {
    json!({
        "version": "4", "groupKey": "{}:{alertname=\"QueueTooLong\"}", "status": status, "receiver": "requestor",
        "alerts": [{
            "status": status, "fingerprint": "0123456789abcdef", "startsAt": "2026-11-24T12:00:00Z",
            "endsAt": if status == "firing" { "0001-01-01T00:00:00Z" } else { "2026-11-24T12:05:00Z" },
            "labels": {"alertname": "QueueTooLong", "severity": "warning"}, "annotations": {"summary": "It is long"},
        }],
    })
}

#[tokio::test]
async fn alerts_come_in_are_listed_and_wake_every_page() {
    let service = start().await;
    let (anna, ben) = (service.sign_in("anna").await, service.sign_in("ben").await);
    let (mut annas, mut bens) = (anna.socket("").await, ben.socket("").await);
    for (status, word) in [("firing", "firing"), ("resolved", "resolved")] {
        assert_eq!(post(&service, TOKEN, &alert(status)).await.status(), 200);
        assert_eq!(annas.any().await["type"], "alerts.changed");
        assert_eq!(bens.any().await["type"], "alerts.changed");
        let (code, told) = anna.read("/api/alerts").await;
        let alerts = told["alerts"].as_array().unwrap();
        assert_eq!((code, alerts.len(), alerts[0]["status"].as_str()), (200, 1, Some(word)));
        assert_eq!(alerts[0]["name"], "QueueTooLong");
    }
    assert_eq!(service.stranger().get("/api/alerts").await.status(), 401);
}

#[tokio::test]
async fn only_alertmanager_comes_in_and_only_with_what_it_sends() {
    let service = start().await;
    assert_eq!(post(&service, "wrong", &alert("firing")).await.status(), 401);
    assert_eq!(post(&service, TOKEN, &json!({"version": "3"})).await.status(), 400);
    assert_eq!(post(&service, TOKEN, &json!("nonsense")).await.status(), 400);
    let large = json!({"version": "4", "alerts": [], "x": "x".repeat(1024 * 1024)});
    assert_eq!(post(&service, TOKEN, &large).await.status(), 413);
    let closed = Service::start().await;
    assert_eq!(post(&closed, TOKEN, &alert("firing")).await.status(), 403);
}

#[tokio::test]
async fn while_redis_is_away_alertmanager_is_asked_to_try_again() {
    let mut service = start().await;
    service.redis.kill();
    assert_eq!(post(&service, TOKEN, &alert("firing")).await.status(), 503);
}
