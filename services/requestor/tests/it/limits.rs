//! What is not exceeded.

use crate::service::Service;
use report_requestor::app::Patience;
use report_requestor::settings::Settings;
use serde_json::{Value, json};

#[tokio::test]
async fn who_asks_too_fast_waits_and_nobody_else_does() {
    let change = |settings: &mut Settings| settings.rate = (1, 5);
    let service = Service::with(change, Patience::default()).await;
    let (anna, ben) = (service.sign_in("anna").await, service.sign_in("ben").await);
    for _ in 0..5 {
        assert_eq!(anna.get("/api/me").await.status(), 200);
    }
    let answer = anna.get("/api/me").await;
    assert_eq!((answer.status().as_u16(), answer.headers()["retry-after"].to_str().unwrap()), (429, "1"));
    assert_eq!(answer.json::<Value>().await.unwrap()["status"], 429);
    assert_eq!(ben.get("/api/me").await.status(), 200);
}

#[tokio::test]
async fn what_is_sent_has_a_largest_size() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let large = json!({"type": "system-check", "parameters": {"seconds": "x".repeat(70_000)}});
    let answer = anna.post("/api/reports", &large, None).await;
    assert_eq!(answer.status(), 413);
    assert_eq!(answer.headers()["content-type"], "application/problem+json");
    assert_eq!(anna.get("/api/me").await.status(), 200);
}

#[tokio::test]
async fn figures_tell_what_is_open_and_name_nobody() {
    let service = Service::start().await;
    let anna = service.sign_in("anna").await;
    let report = anna.submit().await;
    let mut socket = anna.socket("").await;
    socket.next().await;
    service.tell("report.finished", &report).await;
    service.tell("report.finished", &report).await;
    let text = service.http.get(format!("{}/metrics", service.base)).send().await.unwrap().text().await.unwrap();
    for line in [
        "ws_connections 1",
        "webhook_received_total{outcome=\"new\"} 1",
        "webhook_received_total{outcome=\"repeated\"} 1",
        "redis_up 1",
        "http_requests_total{method=\"POST\",route=\"/api/reports\",status=\"2xx\"} 1",
    ] {
        assert!(text.lines().any(|found| found.starts_with(line)), "{line} is not in\n{text}");
    }
    for name in ["anna", report.as_str(), anna.token.as_str()] {
        assert!(!text.contains(name), "{name}");
    }
}
